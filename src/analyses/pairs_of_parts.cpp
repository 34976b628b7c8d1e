#include "analyses/pairs_of_parts.hpp"

#include <algorithm>
#include <utility>
#include <vector>

#include "analyses/connected_chain.hpp"
#include "analyses/transfer_stationary.hpp"
#include "operators/separate_parts.hpp"

namespace komori::analyses {
namespace {

using base::check;

/// Natural positions of this rank's cells.
std::vector<double> naturals(const spaces::Grid& grid) {
  std::vector<double> names;
  grid.for_each_cell([&](PetscInt, const spaces::Index& cell) {
    names.push_back(static_cast<double>(grid.natural(cell)));
  });
  return names;
}

/// The lowest names of parts, at most `wanted`, ascending. Collective.
std::vector<double> lowest(MPI_Comm comm, Vec first, const std::vector<double>& names,
                           std::size_t wanted) {
  std::vector<double> mine;
  {
    const base::ReadArray of(first);
    for (std::size_t i = 0; i < of.size(); ++i) {
      if (of[i] == names[i]) mine.push_back(of[i]);
    }
  }
  std::sort(mine.begin(), mine.end());
  mine.resize(std::min(mine.size(), wanted));
  int size = 1;
  MPI_Comm_size(comm, &size);
  std::vector<int> counts(static_cast<std::size_t>(size));
  const auto count = static_cast<int>(mine.size());
  MPI_Allgather(&count, 1, MPI_INT, counts.data(), 1, MPI_INT, comm);
  std::vector<int> starts{0};
  for (const int n : counts) starts.push_back(starts.back() + n);
  std::vector<double> all(static_cast<std::size_t>(starts.back()));
  MPI_Allgatherv(mine.data(), count, MPI_DOUBLE, all.data(), counts.data(), starts.data(),
                 MPI_DOUBLE, comm);
  std::sort(all.begin(), all.end());
  all.resize(std::min(all.size(), wanted));
  return all;
}

void add(Mat matrix, double value, base::UniqueVec vector, linalg::EigenPairs& pairs) {
  check(VecNormalize(vector.get(), nullptr));
  pairs.values.emplace_back(value, 0);
  pairs.residuals.push_back(linalg::eigen_residual(matrix, value, vector.get(), nullptr));
  pairs.vectors.push_back(std::move(vector));
}

/// The stationary masses of the part. Collective.
base::UniqueVec stationary_masses(TransferProblem& problem, Vec inside, double value,
                                  double tolerance) {
  base::UniqueVec masses = base::duplicate(inside);
  check(VecPointwiseMult(masses.get(), inside, problem.volumes()));
  const double rounding = 1e-14 * problem.norm();
  if (linalg::eigen_residual(problem.transposed(), value, masses.get(), nullptr) <= rounding) {
    return masses; // volumes are kept
  }
  ConnectedChain part(problem, inside);
  const LeadingDensity own = leading_density(
      part.problem(), {.tolerance = std::clamp(tolerance, 1e-14, 1e-12), .observables = {}});
  return part.expanded(own.density.get(), 0);
}

} // namespace

std::optional<PartPairs> pairs_of_parts(TransferProblem& problem, std::int64_t wanted, bool left,
                                        double tolerance) {
  if (wanted < 2 || !problem.closed() || !every_row_leads_on(problem)) return {};
  const std::vector<double> names = naturals(problem.grid());
  const auto found = operators::separate_parts(problem.matrix(), names);
  if (!found || found->count < wanted) return {};
  const double value = problem.rates() ? 0 : 1;
  PartPairs result;
  result.count = found->count;
  result.functions.asked = result.densities.asked = static_cast<PetscInt>(wanted);
  result.functions.solver = result.densities.solver = "parts that never meet";
  for (const double name :
       lowest(problem.comm(), found->first.get(), names, static_cast<std::size_t>(wanted))) {
    base::UniqueVec inside = base::duplicate(problem.volumes());
    {
      const base::ReadArray first(found->first.get());
      const base::WriteArray values(inside.get());
      for (std::size_t i = 0; i < values.size(); ++i) values[i] = first[i] == name ? 1 : 0;
    }
    if (left) {
      add(problem.transposed(), value, stationary_masses(problem, inside.get(), value, tolerance),
          result.densities);
    }
    add(problem.matrix(), value, std::move(inside), result.functions);
  }
  return result;
}

} // namespace komori::analyses
