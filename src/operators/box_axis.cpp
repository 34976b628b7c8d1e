#include "operators/box_axis.hpp"

#include <algorithm>
#include <cmath>
#include <limits>
#include <utility>

namespace komori::operators {

BoxAxis::BoxAxis(const std::vector<double>& edges, double reach)
    : edges_(&edges), reach_(reach),
      inverse_width_(static_cast<double>(edges.size() - 1) / (edges.back() - edges.front())),
      cells_(edges.size() - 1) {
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

double BoxAxis::share(std::size_t cell, double y) const {
  const double overlap =
      std::min(y + reach_, (*edges_)[cell + 1]) - std::max(y - reach_, (*edges_)[cell]);
  return std::max(0.5 * overlap / reach_, 0.0);
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

BoxPass BoxAxis::pass() const {
  BoxPass pass{
      .noisy = noisy(), .cells = cells_, .nodes = nodes_, .skipped = first_, .kept = kept_};
  if (!noisy()) return pass;
  for (std::size_t i = 0; i < cells_; ++i) pass.shares.push_back(share(i, where_.front()));
  for (std::size_t j = 0; j + 1 < distinct_; ++j) {
    pass.moves.push_back(move(where_[j], where_[j + 1]));
  }
  pass.moves.resize(nodes_ - 1);
  pass.order_by_cells();
  return pass;
}

BoxPart BoxAxis::part(std::size_t first, std::size_t count) const {
  BoxPart part{.node = first, .nodes = count};
  if (!noisy()) {
    part.cell = first_ + first;
    part.shares.assign(std::min(count, kept_ - first), 1.0);
    return part;
  }
  const std::size_t last = std::min(first + count, distinct_) - 1;
  part.cell = cell(clamped(where_[first] - reach_));
  part.shares.resize(cell(clamped(where_[last] + reach_)) + 1 - part.cell);
  for (std::size_t i = 0; i < part.shares.size(); ++i) {
    part.shares[i] = share(part.cell + i, where_[first]);
  }
  return part;
}

BoxPass BoxAxis::pass(std::size_t first, std::size_t count) const {
  BoxPart its = part(first, count);
  BoxPass part = pass();
  part.nodes = count;
  part.first_cell = its.cell;
  part.cells = its.shares.size();
  if (!noisy()) {
    part.skipped = 0;
    part.kept = part.cells;
    return part;
  }
  part.shares = std::move(its.shares);
  part.moves.assign(part.moves.begin() + static_cast<std::ptrdiff_t>(first),
                    part.moves.begin() + static_cast<std::ptrdiff_t>(first + count - 1));
  for (BoxMove& move : part.moves) {
    move.high = move.up != 0 ? move.high - part.first_cell : 0;
    move.low = move.down != 0 ? move.low - part.first_cell : 0;
  }
  part.order_by_cells();
  return part;
}

} // namespace komori::operators
