#include "operators/estimate.hpp"

#include "operators/connectivity.hpp"
#include "operators/reversible.hpp"

namespace komori::operators {
namespace {

using base::check;

std::int64_t positive(Vec field) {
  std::int64_t count = 0;
  {
    const base::ReadArray values(field);
    for (std::size_t i = 0; i < values.size(); ++i) count += values[i] > 0 ? 1 : 0;
  }
  MPI_Allreduce(MPI_IN_PLACE, &count, 1, MPI_INT64_T, MPI_SUM,
                PetscObjectComm(reinterpret_cast<PetscObject>(field)));
  return count;
}

base::UniqueMat transpose(Mat matrix) {
  base::UniqueMat transposed;
  check(MatTranspose(matrix, MAT_INITIAL_MATRIX, transposed.put()));
  return transposed;
}

} // namespace

EstimatedChain estimate_chain(Mat counts, const CountsInput& input) {
  constexpr double balance_tolerance = 1e-10;
  EstimatedChain chain;
  base::UniqueMat transposed = transpose(counts);
  check(MatCreateVecs(counts, nullptr, chain.visits.put()));
  check(MatGetRowSum(counts, chain.visits.get()));
  chain.visited = positive(chain.visits.get());
  chain.inside = largest_connected_set(counts, transposed.get(), chain.visits.get());
  chain.states = positive(chain.inside.get());

  base::UniqueMat kept;
  check(MatDuplicate(counts, MAT_COPY_VALUES, kept.put()));
  check(MatDiagonalScale(kept.get(), chain.inside.get(), chain.inside.get()));
  base::UniqueVec sums = base::duplicate(chain.visits.get());
  check(MatGetRowSum(kept.get(), sums.get()));
  chain.kept = base::sum(sums.get()) / base::sum(chain.visits.get());
  if (input.estimator == "reversible") {
    check(MatDiagonalScale(transposed.get(), chain.inside.get(), chain.inside.get()));
    chain.transfer.matrix = reversible_estimate(kept.get(), transposed.get(), balance_tolerance);
  } else {
    check(VecReciprocal(sums.get())); // zeros stay
    check(MatDiagonalScale(kept.get(), sums.get(), nullptr));
    chain.transfer.matrix = std::move(kept);
  }
  check(MatCreateVecs(counts, nullptr, chain.transfer.leak.put()));
  MatInfo info{};
  check(MatGetInfo(chain.transfer.matrix.get(), MAT_GLOBAL_SUM, &info));
  chain.transfer.nonzeros = static_cast<std::int64_t>(info.nz_used);
  return chain;
}

} // namespace komori::operators
