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

BoxMove BoxAxis::move(double from, double to) const {
  const double middle = from + 0.5 * (to - from);
  const double gained = middle + reach_;
  const double lost = middle - reach_;
  const double share = 0.5 * (to - from) / reach_;
  return {.high = cell(clamped(gained)),
          .low = cell(clamped(lost)),
          .up = gained < edges_->back() ? share : 0,
          .down = lost > edges_->front() ? share : 0};
}

void BoxAxis::cover(double from, double to, std::size_t multiple) {
  if (edges_ == nullptr) return;
  const auto rounded_up = [multiple](std::size_t nodes) {
    return (nodes + multiple - 1) / multiple * multiple;
  };
  if (!noisy()) {
    first_ = cell(clamped(from));
    kept_ = cell(clamped(to)) - first_ + 1;
    distinct_ = kept_ + 1;
    nodes_ = rounded_up(distinct_); // one more, only there to be multiplied by 0
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
  const std::size_t nodes = distinct_ = where_.size();
  nodes_ = rounded_up(nodes);
  shares_.assign(cells_, 0.0);
  for (std::size_t i = 0; i < cells_; ++i) {
    const double overlap =
        std::min(from + reach_, (*edges_)[i + 1]) - std::max(from - reach_, (*edges_)[i]);
    shares_[i] = std::max(0.5 * overlap / reach_, 0.0);
  }
  moves_.assign(nodes_ - 1, {});
  for (std::size_t j = 0; j + 1 < nodes; ++j) moves_[j] = move(where_[j], where_[j + 1]);
  near_.assign(nodes, 0);
  parts_per_length_ = to > from ? static_cast<double>(nodes) / (to - from) : 0;
  std::size_t node = 0;
  for (std::size_t part = 0; part < nodes; ++part) {
    near_[part] = node;
    const double end =
        from + static_cast<double>(part + 1) / static_cast<double>(nodes) * (to - from);
    while (node + 2 < nodes && where_[node + 1] < end) ++node;
  }
}

double BoxAxis::place(double y) const {
  if (edges_ == nullptr) return 0;
  if (!noisy()) return static_cast<double>(cell(clamped(y)) - first_);
  const std::size_t nodes = distinct_;
  const double part = (y - where_.front()) * parts_per_length_;
  std::size_t j = near_[std::min(static_cast<std::size_t>(std::max(part, 0.0)), nodes - 1)];
  while (j > 0 && y < where_[j]) --j;
  while (j + 2 < nodes && y >= where_[j + 1]) ++j;
  const double gap = where_[j + 1] - where_[j];
  const double share = gap > 0 ? std::clamp((y - where_[j]) / gap, 0.0, 1.0) : 0;
  // The last node is an end of the last interval, never the beginning of one.
  const double last = std::nextafter(static_cast<double>(nodes - 1), 0.0);
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

BoxLines BoxAxis::lines() const {
  return {.first = shares_.data(), .cells = cells_, .moves = moves_.data(), .nodes = nodes_};
}

namespace {

/// Calls `visit(lines, first value of a cell, first value at a node)` for groups of lines.
template <class Visit>
void for_groups(BoxLines lines, std::size_t before, std::size_t after, std::vector<double>& work,
                Visit&& visit) {
  const bool along_the_last = after == 1;
  lines.cell_step = lines.node_step = after;
  lines.cell_side = along_the_last ? lines.cells : 1;
  lines.node_side = along_the_last ? lines.nodes : 1;
  const std::size_t room = lines_at_once * (lines.cells + 4);
  if (along_the_last && work.size() < room) work.resize(room);
  lines.work = work.data();
  const std::size_t most = along_the_last ? lines_at_once : after;
  const std::size_t all = before * after;
  for (std::size_t line = 0; line < all; line += most) {
    lines.lines = std::min(most, all - line);
    visit(lines, line * lines.cells, line * lines.nodes);
  }
}

} // namespace

void BoxAxis::average(const double* values, std::size_t before, std::size_t after, double* at_nodes,
                      std::vector<double>& work, bool stream) const {
  if (noisy()) {
    BoxLines all = lines();
    all.stream = stream;
    for_groups(all, before, after, work,
               [&](const BoxLines& group, std::size_t cell, std::size_t node) {
                 average_lines(group, values + cell, at_nodes + node);
               });
    return;
  }
  for (std::size_t b = 0; b < before; ++b) {
    double* to = at_nodes + b * nodes_ * after;
    std::copy_n(values + (b * cells_ + first_) * after, kept_ * after, to);
    std::fill_n(to + kept_ * after, (nodes_ - kept_) * after, 0.0);
  }
}

void BoxAxis::spread(const double* at_nodes, std::size_t before, std::size_t after, double* values,
                     std::vector<double>& work) const {
  if (noisy()) {
    for_groups(lines(), before, after, work,
               [&](const BoxLines& group, std::size_t cell, std::size_t node) {
                 spread_lines(group, at_nodes + node, values + cell);
               });
    return;
  }
  for (std::size_t b = 0; b < before; ++b) {
    double* to = values + b * cells_ * after;
    std::fill_n(to, cells_ * after, 0.0);
    std::copy_n(at_nodes + b * nodes_ * after, kept_ * after, to + first_ * after);
  }
}

void BoxAxis::begin(const double* values, std::size_t size, double* at_node) const {
  if (!noisy()) {
    std::copy_n(values + first_ * size, size, at_node);
    return;
  }
  std::fill_n(at_node, size, 0.0);
  for (std::size_t i = 0; i < cells_; ++i) {
    if (shares_[i] != 0) add_share(shares_[i], values + i * size, size, at_node);
  }
}

void BoxAxis::proceed(std::size_t node, const double* values, std::size_t size,
                      const double* before, double* at_node) const {
  if (noisy()) {
    const BoxMove& move = moves_[node - 1];
    move_plane(before, move, values + move.high * size, values + move.low * size, size, at_node);
  } else if (node < kept_) {
    std::copy_n(values + (first_ + node) * size, size, at_node);
  } else {
    std::fill_n(at_node, size, 0.0);
  }
}

void BoxAxis::spread_node(std::size_t node, const double* at_node, std::size_t size, double* sum,
                          double* values) const {
  if (!noisy()) {
    if (node < kept_) std::copy_n(at_node, size, values + (first_ + node) * size);
    return;
  }
  if (node > 0) {
    const BoxMove& move = moves_[node - 1];
    move_back(at_node, move, size, sum, values + move.high * size, values + move.low * size);
    return;
  }
  add_share(1, at_node, size, sum);
  for (std::size_t i = 0; i < cells_; ++i) {
    if (shares_[i] != 0) add_share(shares_[i], sum, size, values + i * size);
  }
}

} // namespace komori::operators
