/// Several formulas evaluated at all points of a small tensor grid at once.
#pragma once

#include <cstddef>
#include <cstdint>
#include <span>
#include <string>
#include <utility>
#include <vector>

#include "config/declaration.hpp"
#include "config/functions.hpp"

namespace komori::config {

/// A part that depends on few variables is computed for the places along those alone, once for all
/// formulas that contain it, and again only when these places change: of x + K sin(x) and y on 10 x
/// 10 places, ten sines. Values are those of `Formula` up to rounding. Local.
class TensorFormulas {
public:
  /// `count` places along every variable; count^variables points, the last variable fastest. The
  /// formulas must be sound, as `Formula` checks.
  TensorFormulas(const std::vector<FormulaText>& formulas,
                 const std::vector<std::string>& variables,
                 const std::vector<std::pair<std::string, double>>& constants, std::size_t count);

  /// The places along variable k, to be filled before `evaluate`; what depends on it is computed
  /// anew.
  std::span<double> places(std::size_t k);
  void evaluate();
  /// Formula f at point `index`.
  double value(std::size_t f, std::size_t index) const {
    const Output& output = outputs_[f];
    return values_[output.node][output.map.empty() ? index : output.map[index]];
  }
  /// Formula f at all points; valid until the next call or change.
  std::span<const double> values(std::size_t f);
  std::size_t points() const noexcept { return points_; }

private:
  friend class TensorBuilder;
  enum class Kind {
    constant,
    variable,
    add,
    subtract,
    multiply,
    divide,
    power,
    negate,
    less,
    less_equal,
    greater,
    greater_equal,
    equal,
    unequal,
    both,
    either,
    choose,
    call
  };
  struct Node {
    Kind kind = Kind::constant;
    double constant = 0;
    std::size_t variable = 0;
    const Function* function = nullptr;
    std::vector<std::size_t> children{};
    unsigned mask = 0; ///< bit k: depends on variable k
    bool operator==(const Node& other) const;
  };
  using Map = std::vector<std::uint32_t>; ///< of a whole's points to a part's; empty if the same
  struct Output {
    std::size_t node = 0;
    Map map{};
  };

  std::size_t size_of(unsigned mask) const;
  Map map_of(unsigned whole, unsigned part) const;
  void compute(std::size_t node);

  std::size_t variables_;
  std::size_t count_;
  std::size_t points_ = 1;
  std::vector<Node> nodes_; ///< children before their parents
  std::vector<std::vector<Map>> maps_;
  std::vector<std::vector<double>> values_;
  std::vector<Output> outputs_;
  std::vector<std::vector<double>>
      spread_; ///< outputs that depend on fewer variables, at all points
  unsigned changed_ = ~0U;
};

} // namespace komori::config
