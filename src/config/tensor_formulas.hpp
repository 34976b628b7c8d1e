/// Several formulas evaluated at all points of a small tensor grid at once.
#pragma once

#include <cstddef>
#include <cstdint>
#include <span>
#include <string>
#include <string_view>
#include <utility>
#include <vector>

#include "base/elementary.hpp"
#include "config/expression.hpp"

namespace komori::config {

/// A part that depends on few variables is computed for the places along those alone, once for all
/// formulas that contain it, and again only when these places change: of x + K sin(x) and y on 10 x
/// 10 places, ten sines. Values are those of `Formulas` to the last bit. Local.
class TensorFormulas {
public:
  /// `counts` places along each variable, six variables at most; the last variable runs fastest.
  /// The formulas must be sound, as `Formula` checks.
  TensorFormulas(const std::vector<std::string_view>& formulas,
                 const std::vector<std::string>& variables,
                 const std::vector<std::pair<std::string, double>>& constants,
                 std::vector<std::size_t> counts);

  /// The places along variable k, to be filled before `evaluate`; what depends on it is computed
  /// anew.
  std::span<double> places(std::size_t k);
  /// The places along the last variable as they are.
  std::span<const double> last_places() const {
    return {values_[counts_.size() - 1].data(), counts_.back()};
  }
  void evaluate();
  /// Formula f at all points; valid until the next call or change.
  std::span<const double> values(std::size_t f);
  std::size_t points() const noexcept { return points_; }

private:
  /// How the values of a part lie in the points of a whole: the whole is cut into rows along its
  /// last variable, and the part has for each row a run of values, or one.
  struct Rows {
    std::vector<std::uint32_t> starts{}; ///< in the part, per row; empty: part and whole are alike
    std::size_t length = 0;
    bool single = false;
  };
  struct Output {
    std::size_t node = 0;
    Rows rows{};
    base::LaneArray spread{}; ///< its values at all points, if it depends on fewer variables
  };

  std::size_t size_of(std::uint64_t mask) const;
  Rows rows_of(std::uint64_t whole, std::uint64_t part) const;
  void spread(const Rows& rows, const double* from, double* to) const;
  void compute_node(std::size_t node);

  std::vector<std::size_t> counts_;
  std::size_t points_ = 1;
  Expression expression_;
  std::vector<std::vector<Rows>> rows_;              ///< per node and child
  std::vector<base::LaneArray> values_;              ///< per node
  std::vector<std::vector<base::LaneArray>> spread_; ///< children at the points of their parent
  std::vector<Output> outputs_;
  std::uint64_t changed_ = ~std::uint64_t{0};
};

} // namespace komori::config
