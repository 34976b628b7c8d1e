#include "config/tensor_formulas.hpp"

#include <algorithm>
#include <array>

namespace komori::config {

TensorFormulas::TensorFormulas(const std::vector<std::string_view>& formulas,
                               const std::vector<std::string>& variables,
                               const std::vector<std::pair<std::string, double>>& constants,
                               std::vector<std::size_t> counts)
    : counts_(std::move(counts)), expression_(variables, constants) {
  for (const std::size_t count : counts_) points_ *= count;
  const std::uint64_t all = (std::uint64_t{1} << counts_.size()) - 1;
  for (const std::string_view formula : formulas) {
    outputs_.push_back({.node = expression_.add(formula)});
  }
  for (Output& output : outputs_) {
    output.rows = rows_of(all, expression_.nodes()[output.node].mask);
    if (!output.rows.starts.empty()) output.spread = base::LaneArray(points_);
  }
  for (const ExpressionNode& node : expression_.nodes()) {
    values_.emplace_back(size_of(node.mask), node.constant);
    std::vector<Rows>& rows = rows_.emplace_back();
    std::vector<base::LaneArray>& spread = spread_.emplace_back();
    for (const std::size_t child : node.children) {
      rows.push_back(rows_of(node.mask, expression_.nodes()[child].mask));
      const bool needed = !is_exact(node.operation) && !rows.back().starts.empty();
      spread.emplace_back(needed ? size_of(node.mask) : 0);
    }
  }
}

std::size_t TensorFormulas::size_of(std::uint64_t mask) const {
  std::size_t size = 1;
  for (std::size_t k = 0; k < counts_.size(); ++k) size *= (mask >> k & 1U) ? counts_[k] : 1;
  return size;
}

TensorFormulas::Rows TensorFormulas::rows_of(std::uint64_t whole, std::uint64_t part) const {
  if (whole == part) return {};
  std::size_t last = counts_.size() - 1;
  while (last > 0 && (whole >> last & 1U) == 0) --last;
  Rows rows{.length = counts_[last], .single = (part >> last & 1U) == 0};
  const std::size_t count = size_of(whole) / rows.length;
  for (std::size_t row = 0; row < count; ++row) {
    std::size_t rest = row;
    std::size_t start = 0;
    std::size_t stride = rows.single ? 1 : rows.length;
    for (std::size_t k = last; k-- > 0;) {
      if ((whole >> k & 1U) == 0) continue;
      if (part >> k & 1U) {
        start += rest % counts_[k] * stride;
        stride *= counts_[k];
      }
      rest /= counts_[k];
    }
    rows.starts.push_back(static_cast<std::uint32_t>(start));
  }
  return rows;
}

std::span<double> TensorFormulas::places(std::size_t k) {
  changed_ |= std::uint64_t{1} << k;
  return {values_[k].data(), counts_[k]};
}

void TensorFormulas::spread(const Rows& rows, const double* from, double* to) const {
  for (const std::uint32_t start : rows.starts) {
    if (rows.single) {
      std::fill_n(to, rows.length, from[start]);
    } else {
      std::copy_n(from + start, rows.length, to);
    }
    to += rows.length;
  }
}

std::span<const double> TensorFormulas::values(std::size_t f) {
  Output& output = outputs_[f];
  const double* const compact = values_[output.node].data();
  if (output.rows.starts.empty()) return {compact, points_};
  spread(output.rows, compact, output.spread.data());
  return {output.spread.data(), points_};
}

void TensorFormulas::evaluate() {
  const auto& nodes = expression_.nodes();
  for (std::size_t node = counts_.size(); node < nodes.size(); ++node) {
    if (nodes[node].mask & changed_) compute_node(node);
  }
  changed_ = 0;
}

void TensorFormulas::compute_node(std::size_t index) {
  const ExpressionNode& node = expression_.nodes()[index];
  base::LaneArray& result = values_[index];
  std::array<const double*, 3> operands{};
  for (std::size_t c = 0; c < node.children.size(); ++c) {
    operands[c] = values_[node.children[c]].data();
  }
  const std::vector<Rows>& rows = rows_[index];
  if (!is_exact(node.operation)) {
    for (std::size_t c = 0; c < node.children.size(); ++c) {
      if (rows[c].starts.empty()) continue;
      spread(rows[c], operands[c], spread_[index][c].data());
      operands[c] = spread_[index][c].data();
    }
    compute(node, operands.data(), result.data(), result.size());
    return;
  }
  const auto constant = [&](std::size_t c) {
    return expression_.nodes()[node.children[c]].mask == 0;
  };
  const auto whole = [&](std::size_t c) { return rows[c].starts.empty() || constant(c); };
  if (whole(0) && whole(1)) {
    compute_exact(node.operation, {operands[0], constant(0)}, {operands[1], constant(1)},
                  result.data(), result.size());
    return;
  }
  const std::size_t length = std::max(rows[0].length, rows[1].length);
  const auto row_of = [&](std::size_t c, std::size_t row) {
    if (rows[c].starts.empty()) return Operand{operands[c] + row * length};
    return Operand{operands[c] + rows[c].starts[row], rows[c].single};
  };
  const std::size_t count = size_of(node.mask) / length;
  for (std::size_t row = 0; row < count; ++row) {
    compute_exact(node.operation, row_of(0, row), row_of(1, row), result.data() + row * length,
                  length);
  }
}

} // namespace komori::config
