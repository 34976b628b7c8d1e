#include "config/formulas.hpp"

#include <algorithm>
#include <array>
#include <cassert>

namespace komori::config {

Formulas::Formulas(const std::vector<std::string_view>& formulas,
                   const std::vector<std::string>& variables,
                   const std::vector<std::pair<std::string, double>>& constants)
    : expression_(variables, constants) {
  for (const std::string_view formula : formulas) outputs_.push_back(expression_.add(formula));
  plan();
}

/// Finds out what has to be computed and which values can share memory, one after the other.
void Formulas::plan() {
  const auto& nodes = expression_.nodes();
  constexpr std::size_t never = 0;
  std::vector<std::size_t> last_use(nodes.size(), never);
  std::vector<bool> spread(nodes.size(), false); // constants needed once per point
  for (const std::size_t output : outputs_) last_use[output] = nodes.size();
  for (std::size_t node = nodes.size(); node-- > 0;) {
    if (last_use[node] == never) continue;
    for (const std::size_t child : nodes[node].children) {
      last_use[child] = std::max(last_use[child], node);
      if (nodes[child].mask == 0 && !is_exact(nodes[node].operation)) spread[child] = true;
    }
  }
  std::size_t count = 0;
  std::vector<std::size_t> free;
  slots_.assign(nodes.size(), 0);
  for (std::size_t node = 0; node < nodes.size(); ++node) {
    if (last_use[node] == never) continue;
    if (nodes[node].operation == Operation::constant) {
      if (spread[node]) slots_[node] = count++;
      continue;
    }
    if (free.empty()) {
      slots_[node] = count++;
    } else {
      slots_[node] = free.back();
      free.pop_back();
    }
    if (nodes[node].operation == Operation::variable) {
      used_.push_back(nodes[node].variable);
      continue; // all variables are there before the first step
    }
    steps_.push_back(node);
    for (std::size_t c = 0; c < nodes[node].children.size(); ++c) {
      const auto& children = nodes[node].children;
      const std::size_t child = children[c];
      const auto end = children.begin() + static_cast<std::ptrdiff_t>(c);
      const bool again = std::find(children.begin(), end, child) != end;
      if (last_use[child] == node && nodes[child].mask != 0 && !again) {
        free.push_back(slots_[child]);
      }
    }
  }
  buffer_ = base::LaneArray(count * block);
  for (std::size_t node = 0; node < nodes.size(); ++node) {
    if (spread[node]) std::fill_n(values_of(node), block, nodes[node].constant);
  }
}

void Formulas::run(std::size_t points) const {
  const auto& nodes = expression_.nodes();
  for (const std::size_t step : steps_) {
    const ExpressionNode& node = nodes[step];
    if (is_exact(node.operation)) {
      const auto operand = [&](std::size_t child) {
        const bool single = nodes[child].mask == 0;
        return Operand{single ? &nodes[child].constant : values_of(child), single};
      };
      compute_exact(node.operation, operand(node.children[0]), operand(node.children[1]),
                    values_of(step), points);
      continue;
    }
    std::array<const double*, 3> operands{};
    for (std::size_t c = 0; c < node.children.size(); ++c) {
      operands[c] = values_of(node.children[c]);
    }
    compute(node, operands.data(), values_of(step), points);
  }
}

void Formulas::evaluate(std::span<const std::span<const double>> columns,
                        std::span<const std::span<double>> values) const {
  const auto& nodes = expression_.nodes();
  std::size_t points = 0;
  for (const std::span<double> wanted : values) points = std::max(points, wanted.size());
  for (std::size_t start = 0; start < points; start += block) {
    const std::size_t count = std::min(block, points - start);
    for (const std::size_t k : used_) {
      assert(columns[k].size() >= points);
      double* const to = values_of(k);
      std::copy_n(columns[k].data() + start, count, to);
      std::fill(to + count, to + base::padded(count), to[count - 1]);
    }
    run(base::padded(count));
    for (std::size_t f = 0; f < values.size(); ++f) {
      if (values[f].empty()) continue;
      double* const to = values[f].data() + start;
      const ExpressionNode& node = nodes[outputs_[f]];
      if (node.mask == 0) {
        std::fill_n(to, count, node.constant);
      } else {
        std::copy_n(values_of(outputs_[f]), count, to);
      }
    }
  }
}

void Formulas::evaluate_at(std::span<const double> point, std::span<double> values) const {
  for (const std::size_t k : used_) std::fill_n(values_of(k), base::group_size, point[k]);
  run(base::group_size);
  for (std::size_t f = 0; f < outputs_.size(); ++f) {
    const ExpressionNode& node = expression_.nodes()[outputs_[f]];
    values[f] = node.mask == 0 ? node.constant : *values_of(outputs_[f]);
  }
}

} // namespace komori::config
