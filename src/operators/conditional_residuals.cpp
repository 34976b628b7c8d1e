#include "operators/conditional_residuals.hpp"

#include <algorithm>
#include <array>
#include <cmath>
#include <limits>
#include <unordered_map>

#include <fmt/format.h>

#include "base/error.hpp"
#include "base/petsc.hpp"
#include "operators/cell_locator.hpp"

namespace komori::operators {
namespace {

using base::check;
using Eigen::Index;
using Eigen::MatrixXd;

/// What is added up in a cell: samples of both sets, then for each pair |v|^2, |e|^2, and e of both
/// sets by real and imaginary part.
constexpr std::size_t head = 2;
constexpr std::size_t each = 6;

/// Sums by cell, of the cells that the samples of this rank meet.
class CellSums {
public:
  CellSums(const spaces::Grid& grid, std::size_t pairs)
      : grid_(grid), locator_(grid), width_(head + each * pairs) {}

  /// Adds the samples of a block; `set` is 0 or 1.
  void add(const PassInput& input, std::size_t set, const PointBlock& block,
           const std::vector<std::complex<double>>& values, const PairValues& pairs) {
    std::vector<double> x(input.variables.size());
    for (std::size_t i = 0; i < block.sampled.weights.size(); ++i) {
      block.points().get(i, x);
      const std::int64_t cell = locator_.natural(x);
      if (cell < 0) continue;
      const std::size_t slot = slots_.try_emplace(cell, slots_.size()).first->second;
      if (sums_.size() < (slot + 1) * width_) sums_.resize((slot + 1) * width_, 0);
      double* const sums = sums_.data() + slot * width_;
      sums[set] += block.sampled.weights[i];
      for (std::size_t p = 0; p < values.size(); ++p) {
        const auto [v, kv] = pairs.at(i, p);
        const std::complex<double> e = kv - values[p] * v;
        const double weight = block.sampled.weights[i];
        double* const sum = sums + head + each * p;
        sum[0] += weight * std::norm(v);
        sum[1] += weight * std::norm(e);
        sum[2 + 2 * set] += weight * e.real();
        sum[3 + 2 * set] += weight * e.imag();
      }
    }
  }

  /// Of all ranks, by the owners of cells: `width()` numbers a cell. Collective.
  base::UniqueVec combined() const {
    base::UniqueVec vector;
    const auto width = static_cast<PetscInt>(width_);
    check(VecCreateMPI(grid_.comm(), width * grid_.local_cells(), PETSC_DETERMINE, vector.put()));
    check(VecSetBlockSize(vector.get(), width));
    for (const auto& [cell, slot] : slots_) {
      const PetscInt number = CellLocator::number(grid_, cell);
      check(
          VecSetValuesBlocked(vector.get(), 1, &number, sums_.data() + slot * width_, ADD_VALUES));
    }
    check(VecAssemblyBegin(vector.get()));
    check(VecAssemblyEnd(vector.get()));
    return vector;
  }
  std::size_t width() const noexcept { return width_; }

private:
  const spaces::Grid& grid_;
  CellLocator locator_;
  std::size_t width_;
  std::unordered_map<std::int64_t, std::size_t> slots_;
  std::vector<double> sums_;
};

} // namespace

ConditionalResiduals conditional_residuals(const spaces::Grid& grid, const PassInput& first,
                                           const PassInput& second,
                                           const std::vector<std::complex<double>>& values,
                                           const MatrixXd& columns,
                                           const std::function<void(double)>& pause) {
  const std::size_t pairs = values.size();
  const double numbers = static_cast<double>(head + each * pairs) * grid.cells();
  if (numbers > static_cast<double>(std::numeric_limits<PetscInt>::max())) {
    throw base::InputError(fmt::format("residuals of {} pairs by means over the {} cells of 'grid' "
                                       "are too many; take fewer cells or 'spectrum.pairs'",
                                       pairs, grid.cells()));
  }
  CellSums sums(grid, pairs);
  const std::array<const PassInput*, 2> sets{&first, &second};
  double total = 0; // weight of all samples, in the grid or not
  for (std::size_t set = 0; set < 2; ++set) {
    const auto visit = [&](const PointBlock& block) {
      for (const double weight : block.sampled.weights) total += weight;
      sums.add(*sets[set], set, block, values, {block.sampled, values, columns});
    };
    const auto half = [&](double done) {
      if (pause) pause(0.5 * (static_cast<double>(set) + done));
    };
    for_each_block(grid.comm(), *sets[set], columns, visit, half);
  }
  const base::UniqueVec combined = sums.combined();
  // Of each pair: products of means, squares of v, variance of the products; then weights.
  std::vector<double> result(3 * pairs + 2, 0.0);
  const base::ReadArray array(combined.get());
  for (std::size_t at = 0; at < array.span().size(); at += sums.width()) {
    const double* const cell = array.span().data() + at;
    if (!(cell[0] > 0 && cell[1] > 0)) continue;
    const double weight = cell[0] + cell[1];
    const double scale = weight / (cell[0] * cell[1]);
    result[3 * pairs] += weight;
    for (std::size_t p = 0; p < pairs; ++p) {
      const double* const sum = cell + head + each * p;
      result[3 * p] += scale * (sum[2] * sum[4] + sum[3] * sum[5]);
      result[3 * p + 1] += sum[0];
      const double mean = sum[1] / weight; // of |e|^2
      result[3 * p + 2] += scale * weight * mean * mean;
    }
  }
  result.back() = total;
  MPI_Allreduce(MPI_IN_PLACE, result.data(), static_cast<int>(result.size()), MPI_DOUBLE, MPI_SUM,
                grid.comm());
  ConditionalResiduals residuals;
  for (std::size_t p = 0; p < pairs; ++p) {
    const double square = std::max(result[3 * p], std::sqrt(result[3 * p + 2]));
    residuals.values.push_back(std::sqrt(square / result[3 * p + 1]));
  }
  residuals.share = result[3 * pairs] / result.back();
  return residuals;
}

} // namespace komori::operators
