/// What LatticeFluxes works out before the first link is asked for.
#include <algorithm>
#include <cmath>
#include <limits>
#include <set>
#include <stdexcept>

#include <Eigen/Dense>
#include <fmt/format.h>

#include "base/collective.hpp"
#include "base/error.hpp"
#include "operators/lattice_flux.hpp"
#include "operators/selling.hpp"

namespace komori::operators {
namespace {

using base::InputError;
using spaces::Index;
using Point = std::array<double, spaces::max_dimension>;
using Matrix = std::array<double, spaces::max_dimension * spaces::max_dimension>;

/// Beyond this condition number a matrix counts as singular: its links would span any grid.
constexpr double most_anisotropic = 1e10;
/// Widths of neighbouring cells may differ by this factor; the lattice is taken as even nearby.
constexpr double most_uneven = 1.3;

std::size_t at(int k) {
  return static_cast<std::size_t>(k);
}

} // namespace

LatticeFluxes::LatticeFluxes(const spaces::Grid& grid, const models::Sde& sde,
                             const SchemeInput& scheme)
    : grid_(grid), sde_(sde), force_(sde), square_root_(scheme.rates == "square_root") {
  if (scheme.face_drift == "midpoint") rule_ = Rule::midpoint;
  if (scheme.face_drift == "simpson") rule_ = Rule::simpson;
  for (const std::vector<int>& group : sde.coupled()) {
    const int n = static_cast<int>(group.size());
    terms_ += n * (n + 1) / 2;
  }
  require_smooth_widths();
  require_definite();
  collect_offsets();
  keep_cells();
}

void LatticeFluxes::require_smooth_widths() const {
  for (int k = 0; k < grid_.dimension(); ++k) {
    const spaces::Axis& axis = grid_.axis(k);
    for (PetscInt i = 0; i + 1 < axis.cells() + (axis.periodic() ? 1 : 0); ++i) {
      const double one = axis.width(i);
      const double two = axis.width(axis.wrapped(i + 1));
      if (std::max(one, two) <= most_uneven * std::min(one, two)) continue;
      throw InputError(fmt::format(
          "neighbouring cells of 'grid.{0}' at {0} = {1:.6g} have the widths {2:.6g} and {3:.6g}, "
          "but {4} is a full matrix, whose scheme needs widths that change by less than a factor "
          "of {5}; use equal cells or a smoother grading",
          axis.name(), axis.edge(i + 1), one, two, sde_.diffusion_name(), most_uneven));
    }
  }
}

void LatticeFluxes::require_definite() const {
  const std::size_t d = at(grid_.dimension());
  Matrix storage{};
  const std::span<double> matrix(storage.data(), d * d);
  const auto map = [&](std::span<const double> x) {
    sde_.diffusion_matrix(x, matrix);
    return Eigen::Map<const Eigen::MatrixXd>(storage.data(), static_cast<Eigen::Index>(d),
                                             static_cast<Eigen::Index>(d));
  };
  spaces::require_finite(
      grid_, [&](std::span<const double> x) { return map(x).sum(); }, sde_.diffusion_name());
  spaces::require(
      grid_,
      [&](std::span<const double> x) {
        const auto m = map(x);
        const double skew = (m - m.transpose()).cwiseAbs().maxCoeff();
        return skew > 1e-12 * m.cwiseAbs().maxCoeff() ? skew : 0;
      },
      [](double skew) { return skew == 0; },
      fmt::format("{} is not a symmetric matrix: the largest difference between D_ij and D_ji is "
                  "not 0",
                  sde_.diffusion_name()));
  spaces::require(
      grid_,
      [&](std::span<const double> x) {
        const Eigen::SelfAdjointEigenSolver<Eigen::MatrixXd> solver(map(x), Eigen::EigenvaluesOnly);
        const double lowest = solver.eigenvalues()(0);
        const double highest = solver.eigenvalues()(static_cast<Eigen::Index>(d) - 1);
        return lowest > highest / most_anisotropic ? 1 : std::min(lowest, 0.0);
      },
      [](double lowest) { return lowest > 0; },
      fmt::format("{} is not a positive definite matrix: its smallest eigenvalue is not above 0",
                  sde_.diffusion_name()));
}

/// The decomposition of D at the centre of a cell, with the offsets of all coupled groups.
std::vector<std::pair<LatticeFluxes::Offset, double>>
LatticeFluxes::decompose(const Index& cell) const {
  const std::size_t d = at(grid_.dimension());
  Matrix storage{};
  Point x{};
  Point width{};
  grid_.center(wrapped(cell), std::span(x.data(), d));
  widths(cell, width);
  sde_.diffusion_matrix(std::span<const double>(x.data(), d), std::span(storage.data(), d * d));
  std::vector<std::pair<Offset, double>> result;
  for (const std::vector<int>& group : sde_.coupled()) {
    const std::size_t n = group.size();
    std::array<double, 9> block{};
    for (std::size_t i = 0; i < n; ++i) {
      for (std::size_t j = 0; j < n; ++j) {
        const std::size_t a = at(group[i]);
        const std::size_t b = at(group[j]);
        block[i * n + j] = 0.5 * (storage[a * d + b] + storage[b * d + a]) / (width[a] * width[b]);
      }
    }
    const LatticeTerms terms =
        selling(std::span<const double>(block.data(), n * n), static_cast<int>(n));
    for (int t = 0; t < terms.count; ++t) {
      Offset offset{};
      for (std::size_t i = 0; i < n; ++i) offset[at(group[i])] = terms.term[at(t)].offset[i];
      result.emplace_back(offset, terms.term[at(t)].weight);
    }
  }
  return result;
}

/// The union of the offsets of all cells, the same list on all ranks.
void LatticeFluxes::collect_offsets() {
  const int d = grid_.dimension();
  bool even = true;
  for (const spaces::Axis& axis : grid_.axes()) {
    for (PetscInt i = 1; i < axis.cells(); ++i) {
      even = even && std::abs(axis.width(i) - axis.width(0)) <= 1e-12 * axis.length();
    }
  }
  shared_ = sde_.constant_matrix() && even;
  std::set<Offset> own;
  for (int k = 0; k < d; ++k) {
    Offset unit{};
    unit[at(k)] = 1;
    own.insert(unit);
  }
  std::string failure;
  const auto take = [&](const Index& cell) {
    if (!failure.empty()) return;
    try {
      for (const auto& [offset, weight] : decompose(cell)) own.insert(offset);
    } catch (const std::invalid_argument&) {
      Point x{};
      grid_.center(cell, std::span(x.data(), at(d)));
      failure = spaces::place_text(grid_, std::span<const double>(x.data(), at(d)));
    }
  };
  if (shared_) {
    take(Index{});
  } else {
    grid_.for_each_cell([&](PetscInt, const Index& cell) { take(cell); });
  }
  failure = base::first_text(grid_.comm(), failure);
  if (!failure.empty()) {
    throw InputError(
        fmt::format("{} is not a positive definite matrix at {}", sde_.diffusion_name(), failure));
  }
  std::vector<int> mine;
  for (const Offset& offset : own) mine.insert(mine.end(), offset.begin(), offset.end());
  int ranks = 1;
  MPI_Comm_size(grid_.comm(), &ranks);
  const int count = static_cast<int>(mine.size());
  std::vector<int> counts(at(ranks));
  std::vector<int> starts(at(ranks));
  MPI_Allgather(&count, 1, MPI_INT, counts.data(), 1, MPI_INT, grid_.comm());
  for (int r = 1; r < ranks; ++r) starts[at(r)] = starts[at(r - 1)] + counts[at(r - 1)];
  std::vector<int> all(at(starts.back() + counts.back()));
  MPI_Allgatherv(mine.data(), count, MPI_INT, all.data(), counts.data(), starts.data(), MPI_INT,
                 grid_.comm());
  constexpr std::size_t length = spaces::max_dimension;
  for (std::size_t n = 0; n < all.size(); n += length) {
    Offset offset{};
    std::copy_n(all.begin() + static_cast<std::ptrdiff_t>(n), length, offset.begin());
    own.insert(offset);
  }
  offsets_.assign(own.begin(), own.end());
  for (const Offset& offset : offsets_) {
    int sum = 0;
    int axis = -1;
    for (int k = 0; k < d; ++k) {
      const int step = std::abs(offset[at(k)]);
      reach_ = std::max(reach_, step);
      sum += step;
      if (step == 1) axis = k;
    }
    along_axis_.push_back(sum == 1 ? axis : -1);
  }
  if (reach_ > longest_link || offsets_.size() > std::numeric_limits<std::uint16_t>::max()) {
    throw InputError(fmt::format(
        "{} is so anisotropic in units of the cells that links {} cells long were needed, the most "
        "is {}; turn the variables towards the axes of the noise, or change the cells' shape",
        sde_.diffusion_name(), reach_, longest_link));
  }
}

void LatticeFluxes::store_terms(const Index& cell) {
  const auto decomposition = decompose(cell);
  for (std::size_t t = 0; t < at(terms_); ++t) {
    if (t >= decomposition.size()) { // fewer terms: the rest weighs nothing
      which_.push_back(0);
      weights_.push_back(0);
      continue;
    }
    const auto place = std::lower_bound(offsets_.begin(), offsets_.end(), decomposition[t].first);
    which_.push_back(static_cast<std::uint16_t>(place - offsets_.begin()));
    weights_.push_back(decomposition[t].second);
  }
}

void LatticeFluxes::keep_cells() {
  const int dimension = grid_.dimension();
  const std::size_t d = at(dimension);
  std::size_t total = 1;
  for (int k = 0; k < dimension; ++k) {
    const spaces::Block& block = grid_.block();
    PetscInt low = block.start[at(k)] - reach_;
    PetscInt high = block.start[at(k)] + block.count[at(k)] + reach_;
    if (!grid_.axis(k).periodic()) {
      low = std::max<PetscInt>(low, 0);
      high = std::min(high, grid_.axis(k).cells());
    }
    kept_start_[at(k)] = low;
    kept_count_[at(k)] = grid_.local_cells() > 0 ? high - low : 0; // who owns nothing keeps nothing
    total *= static_cast<std::size_t>(kept_count_[at(k)]);
  }
  const auto for_each_kept = [&](auto&& visit) {
    Index cell = kept_start_;
    for (std::size_t n = 0; n < total; ++n) {
      visit(cell);
      for (int k = dimension - 1; k >= 0; --k) {
        if (++cell[at(k)] < kept_start_[at(k)] + kept_count_[at(k)]) break;
        cell[at(k)] = kept_start_[at(k)];
      }
    }
  };
  if (shared_) store_terms(Index{});
  std::vector<double> forces;
  forces.reserve(total * d);
  for_each_kept([&](const Index& cell) {
    Point force{};
    force_at(cell, std::span(force.data(), d));
    forces.insert(forces.end(), force.begin(), force.begin() + dimension);
    if (!shared_) store_terms(cell);
  });
  forces_ = std::move(forces);
  if (rule_ != Rule::mean) {
    std::vector<double> works;
    works.reserve(total * d);
    for_each_kept([&](const Index& cell) {
      for (int k = 0; k < dimension; ++k) {
        const bool has_next = grid_.axis(k).periodic() || cell[at(k)] + 1 < grid_.axis(k).cells();
        works.push_back(has_next ? axis_work(k, cell) : 0);
      }
    });
    axis_works_ = std::move(works);
  }
  grid_.for_each_cell([&](PetscInt, const Index& cell) {
    if (!near_wall(cell)) return;
    const std::size_t first = shared_ ? 0 : kept(cell) * at(terms_);
    bool corner = false;
    for (std::size_t n = first; n < first + at(terms_); ++n) {
      corner = corner || (weights_[n] > 0 && along_axis_[which_[n]] < 0 && lost(cell, which_[n]));
    }
    if (corner) ++corner_cells_;
  });
  MPI_Allreduce(MPI_IN_PLACE, &corner_cells_, 1, MPI_INT64_T, MPI_SUM, grid_.comm());
}

} // namespace komori::operators
