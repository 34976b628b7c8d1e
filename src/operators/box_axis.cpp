#include "operators/box_axis.hpp"

#include <algorithm>
#include <cmath>
#include <limits>

namespace komori::operators {

BoxAxis::BoxAxis(const std::vector<double>& edges, double reach)
    : edges_(&edges), reach_(reach), cells_(edges.size() - 1) {
  inverse_width_ = static_cast<double>(cells_) / (edges.back() - edges.front());
  for (std::size_t i = 0; i < cells_; ++i) widths_.push_back(edges[i + 1] - edges[i]);
}

double BoxAxis::clamped(double y) const {
  return std::clamp(y, edges_->front(), edges_->back());
}

std::size_t BoxAxis::cell(double y) const {
  const double guess = (y - edges_->front()) * inverse_width_;
  std::size_t cell = std::min(static_cast<std::size_t>(std::max(guess, 0.0)), cells_ - 1);
  while (cell > 0 && y < (*edges_)[cell]) --cell;
  while (cell + 1 < cells_ && y >= (*edges_)[cell + 1]) ++cell;
  return cell;
}

BoxEnds BoxAxis::ends(double y) const {
  const double high = clamped(y + reach_);
  const double low = clamped(y - reach_);
  BoxEnds ends{.high = cell(high), .low = cell(low), .weights = {}};
  const double above = (high - (*edges_)[ends.high]) / widths_[ends.high];
  const double below = (low - (*edges_)[ends.low]) / widths_[ends.low];
  const double weight = 0.5 / reach_;
  ends.weights[0] = weight * (1 - above);
  ends.weights[1] = weight * above;
  ends.weights[2] = -weight * (1 - below);
  ends.weights[3] = -weight * below;
  return ends;
}

void BoxAxis::cover(double from, double to) {
  if (edges_ == nullptr) return;
  if (!noisy()) {
    first_ = cell(clamped(from));
    nodes_ = cell(clamped(to)) - first_ + 2; // the last is only there to be multiplied by 0
    return;
  }
  std::vector<double> breaks;
  for (const double edge : *edges_) {
    for (const double y : {edge - reach_, edge + reach_}) {
      if (y > from && y < to) breaks.push_back(y);
    }
  }
  std::sort(breaks.begin(), breaks.end());
  // Where the noise is a whole number of cells wide, nodes coincide but for rounding.
  const double largest = std::max(std::abs(edges_->front()), std::abs(edges_->back()));
  const double apart =
      std::max(1e-13 / inverse_width_, 4 * std::numeric_limits<double>::epsilon() * largest);
  where_ = {from};
  for (const double y : breaks) {
    if (y > where_.back() + apart && y < to - apart) where_.push_back(y);
  }
  where_.push_back(to);
  nodes_ = where_.size();
  ends_.clear();
  for (const double y : where_) ends_.push_back(ends(y));
  near_.assign(nodes_, 0);
  parts_per_length_ = to > from ? static_cast<double>(nodes_) / (to - from) : 0;
  std::size_t node = 0;
  for (std::size_t part = 0; part < nodes_; ++part) {
    near_[part] = node;
    const double end =
        from + static_cast<double>(part + 1) / static_cast<double>(nodes_) * (to - from);
    while (node + 2 < nodes_ && where_[node + 1] < end) ++node;
  }
}

double BoxAxis::place(double y) const {
  if (edges_ == nullptr) return 0;
  if (!noisy()) return static_cast<double>(cell(clamped(y)) - first_);
  const double part = (y - where_.front()) * parts_per_length_;
  std::size_t j = near_[std::min(static_cast<std::size_t>(std::max(part, 0.0)), nodes_ - 1)];
  while (j > 0 && y < where_[j]) --j;
  while (j + 2 < nodes_ && y >= where_[j + 1]) ++j;
  const double gap = where_[j + 1] - where_[j];
  const double share = gap > 0 ? std::clamp((y - where_[j]) / gap, 0.0, 1.0) : 0;
  // The last node is an end of the last interval, never the beginning of one.
  const double last = std::nextafter(static_cast<double>(nodes_ - 1), 0.0);
  return std::min(static_cast<double>(j) + share, last);
}

double BoxAxis::inside(double y) const {
  if (!noisy()) return 1;
  return (clamped(y + reach_) - clamped(y - reach_)) / (2 * reach_);
}

double BoxAxis::squares(double y) const {
  if (edges_ == nullptr) return 1;
  if (!noisy()) return 1 / widths_[cell(clamped(y))];
  const double from = clamped(y - reach_);
  const double to = clamped(y + reach_);
  double sum = 0;
  for (std::size_t i = cell(from); i <= cell(to); ++i) {
    const double overlap = std::min(to, (*edges_)[i + 1]) - std::max(from, (*edges_)[i]);
    if (overlap > 0) sum += overlap * overlap / widths_[i];
  }
  return sum / (4 * reach_ * reach_);
}

template <class Visit>
void BoxAxis::for_groups(std::size_t before, std::size_t after, std::vector<double>& work,
                         Visit&& visit) const {
  // Sums of a group stay in the second cache; lines that do not lie side by side take a cache line
  // of memory each.
  constexpr std::size_t room = std::size_t{1} << 15;
  constexpr std::size_t apart = 16;
  if (before == 0 || after == 0) return;
  const bool side_by_side = after > 1;
  const std::size_t all = side_by_side ? after : before;
  const std::size_t most =
      std::min(all, side_by_side ? std::max<std::size_t>(room / (cells_ + 1) / 16, 1) * 16 : apart);
  if (work.size() < (cells_ + 1) * most) work.resize((cells_ + 1) * most);
  BoxLines lines{.widths = widths_.data(),
                 .cells = cells_,
                 .ends = ends_.data(),
                 .nodes = nodes_,
                 .cell_step = after,
                 .cell_side = side_by_side ? 1 : cells_,
                 .node_step = after,
                 .node_side = side_by_side ? 1 : nodes_,
                 .sums = work.data()};
  for (std::size_t b = 0; b < (side_by_side ? before : 1); ++b) {
    for (std::size_t line = 0; line < all; line += most) {
      lines.lines = std::min(most, all - line);
      visit(lines, b * cells_ * after + line * lines.cell_side,
            b * nodes_ * after + line * lines.node_side);
    }
  }
}

void BoxAxis::average(const double* values, std::size_t before, std::size_t after, double* at_nodes,
                      std::vector<double>& work) const {
  if (noisy()) {
    for_groups(before, after, work, [&](const BoxLines& lines, std::size_t cell, std::size_t node) {
      average_lines(lines, values + cell, at_nodes + node);
    });
    return;
  }
  const std::size_t kept = edges_ == nullptr ? 1 : nodes_ - 1;
  for (std::size_t b = 0; b < before; ++b) {
    double* to = at_nodes + b * nodes_ * after;
    std::copy_n(values + (b * cells_ + first_) * after, kept * after, to);
    std::fill_n(to + kept * after, (nodes_ - kept) * after, 0.0);
  }
}

void BoxAxis::spread(const double* at_nodes, std::size_t before, std::size_t after, double* values,
                     std::vector<double>& work) const {
  if (noisy()) {
    for_groups(before, after, work, [&](const BoxLines& lines, std::size_t cell, std::size_t node) {
      spread_lines(lines, at_nodes + node, values + cell);
    });
    return;
  }
  const std::size_t kept = edges_ == nullptr ? 1 : nodes_ - 1;
  for (std::size_t b = 0; b < before; ++b) {
    double* to = values + b * cells_ * after;
    std::fill_n(to, cells_ * after, 0.0);
    std::copy_n(at_nodes + b * nodes_ * after, kept * after, to + first_ * after);
  }
}

} // namespace komori::operators
