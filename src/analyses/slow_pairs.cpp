#include "analyses/slow_pairs.hpp"

#include <algorithm>
#include <cmath>
#include <vector>

#include "analyses/eigen_checkpoints.hpp"
#include "linalg/filtered_pairs.hpp"
#include "spaces/interpolation.hpp"

namespace komori::analyses {
namespace {

using base::check;
using linalg::EigenPairs;
using linalg::EigenRequest;

/// Powers that set apart what crowds next to 1 on a grid of so many cells: decay by the grid's own
/// diffusion falls with the cells' width.
int filter_degree(PetscInt cells) {
  return std::clamp(static_cast<int>(std::sqrt(static_cast<double>(cells)) / 10), 10, 200);
}

/// Approximate vectors from coarser grids, each begun on the next; empty where there is none.
/// Collective.
std::vector<base::UniqueVec> nested_start(const TransferProblem& problem, bool transposed,
                                          const EigenRequest& fine) {
  std::vector<base::UniqueVec> vectors;
  constexpr PetscInt smallest = 20'000;
  // Boxes of a cover have no order in which neighbours on two levels could be told.
  if (problem.grid().cells() < smallest || problem.cover()) return vectors;
  const auto coarse = problem.coarsened();
  if (!coarse) return vectors;
  const std::vector<base::UniqueVec> begun = nested_start(*coarse, transposed, fine);
  EigenRequest request{
      .pairs = fine.pairs, .tolerance = 1e-4, .prefix = fine.prefix, .max_iterations = 20};
  for (const base::UniqueVec& vector : begun) request.start.push_back(vector.get());
  const EigenPairs found =
      linalg::pairs_next_to_one(transposed ? coarse->transposed() : coarse->matrix(),
                                filter_degree(coarse->grid().cells()), request, problem.log());
  const base::UniqueMat up = spaces::interpolation(coarse->grid(), problem.grid());
  for (const base::UniqueVec& vector : found.vectors) {
    vectors.push_back(problem.grid().vector());
    check(MatMult(up.get(), vector.get(), vectors.back().get()));
    check(VecNormalize(vectors.back().get(), nullptr));
  }
  return vectors;
}

} // namespace

EigenPairs slow_pairs(TransferProblem& problem, bool transposed, EigenRequest request,
                      const std::string& phase, EigenPairs* finished) {
  const std::vector<base::UniqueVec> start = nested_start(problem, transposed, request);
  for (const base::UniqueVec& vector : start) request.start.push_back(vector.get());
  const Mat matrix = transposed ? problem.transposed() : problem.matrix();
  const int degree = filter_degree(problem.grid().cells());
  return with_checkpoints(problem.checkpoints(), problem.grid(), request, phase, finished,
                          [&](const EigenRequest& r) {
                            return linalg::pairs_next_to_one(matrix, degree, r, problem.log());
                          });
}

} // namespace komori::analyses
