#include "analyses/connected_chain.hpp"

#include <utility>
#include <vector>

namespace komori::analyses {
namespace {

using base::check;

struct Part {
  spaces::Grid states;
  operators::TransferMatrix transfer{};
  base::UniqueScatter scatter{}; ///< from all cells to the states
};

/// An axis of states, as chains have it.
spaces::Grid states_of(MPI_Comm comm, PetscInt count) {
  std::vector<double> edges;
  for (PetscInt i = 0; i <= count; ++i) edges.push_back(static_cast<double>(i));
  return {comm,
          {spaces::Axis("state", std::move(edges), spaces::Boundary::reflecting,
                        spaces::Boundary::reflecting)}};
}

Part part_of(MPI_Comm comm, Mat matrix, Vec inside) {
  PetscInt first = 0;
  check(VecGetOwnershipRange(inside, &first, nullptr));
  std::vector<PetscInt> cells; // of the chain, on this rank
  {
    const base::ReadArray in(inside);
    for (std::size_t i = 0; i < in.size(); ++i) {
      if (in[i] > 0) cells.push_back(first + static_cast<PetscInt>(i));
    }
  }
  const auto mine = static_cast<PetscInt>(cells.size());
  PetscInt total = 0;
  PetscInt before = 0;
  MPI_Allreduce(&mine, &total, 1, MPIU_INT, MPI_SUM, comm);
  MPI_Scan(&mine, &before, 1, MPIU_INT, MPI_SUM, comm);
  before -= mine;
  Part part{.states = states_of(comm, total)};
  // Every rank learns the cells of the states that it will own.
  const base::UniqueVec numbers = part.states.vector();
  for (PetscInt i = 0; i < mine; ++i) {
    const auto cell = static_cast<PetscScalar>(cells[static_cast<std::size_t>(i)]);
    check(VecSetValue(numbers.get(), before + i, cell, INSERT_VALUES));
  }
  check(VecAssemblyBegin(numbers.get()));
  check(VecAssemblyEnd(numbers.get()));
  std::vector<PetscInt> owned;
  {
    const base::ReadArray cell(numbers.get());
    for (std::size_t i = 0; i < cell.size(); ++i) owned.push_back(static_cast<PetscInt>(cell[i]));
  }
  base::UniqueIs set;
  check(ISCreateGeneral(comm, static_cast<PetscInt>(owned.size()), owned.data(), PETSC_COPY_VALUES,
                        set.put()));
  check(VecScatterCreate(inside, set.get(), numbers.get(), nullptr, part.scatter.put()));
  check(MatCreateSubMatrix(matrix, set.get(), set.get(), MAT_INITIAL_MATRIX,
                           part.transfer.matrix.put()));
  part.transfer.leak = part.states.vector();
  MatInfo info{};
  check(MatGetInfo(part.transfer.matrix.get(), MAT_GLOBAL_SUM, &info));
  part.transfer.nonzeros = static_cast<std::int64_t>(info.nz_used);
  return part;
}

} // namespace

ConnectedChain::ConnectedChain(base::Session& session, Mat matrix, Vec inside, double lag)
    : like_(base::duplicate(inside)) {
  Part part = part_of(session.comm(), matrix, inside);
  scatter_ = std::move(part.scatter);
  problem_ = std::make_unique<TransferProblem>(session, std::move(part.states),
                                               std::move(part.transfer), lag);
}

ConnectedChain::ConnectedChain(TransferProblem& problem, Vec inside)
    : like_(base::duplicate(inside)) {
  Part part = part_of(problem.comm(), problem.matrix(), inside);
  scatter_ = std::move(part.scatter);
  if (problem.rates()) {
    part.transfer.norm = problem.norm();
    problem_ = std::make_unique<TransferProblem>(problem.session(), std::move(part.states),
                                                 std::move(part.transfer));
  } else {
    problem_ = std::make_unique<TransferProblem>(problem.session(), std::move(part.states),
                                                 std::move(part.transfer), problem.lag());
  }
}

base::UniqueVec ConnectedChain::expanded(Vec function, double elsewhere) const {
  base::UniqueVec result = base::duplicate(like_.get());
  check(VecSet(result.get(), elsewhere));
  check(VecScatterBegin(scatter_.get(), function, result.get(), INSERT_VALUES, SCATTER_REVERSE));
  check(VecScatterEnd(scatter_.get(), function, result.get(), INSERT_VALUES, SCATTER_REVERSE));
  return result;
}

} // namespace komori::analyses
