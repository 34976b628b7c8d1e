#include "analyses/memory_kernel.hpp"

#include <cmath>

namespace komori::analyses {

using base::check;
using Eigen::Index;
using Eigen::MatrixXd;
using Eigen::RowVectorXd;

std::vector<Vec> handles(const std::vector<base::UniqueVec>& vectors) {
  std::vector<Vec> raw;
  for (const base::UniqueVec& vector : vectors) raw.push_back(vector.get());
  return raw;
}

RowVectorXd products(const std::vector<base::UniqueVec>& vectors, Vec x) {
  RowVectorXd values(static_cast<Index>(vectors.size()));
  check(VecMDot(x, static_cast<PetscInt>(vectors.size()), handles(vectors).data(), values.data()));
  return values;
}

Coupling::Coupling(const MemorySystem& system, const operators::Resolved& resolved) {
  const auto k = static_cast<Index>(resolved.functions.size());
  gram_.resize(k, k);
  for (const base::UniqueVec& f : resolved.functions) {
    base::UniqueVec weighted = base::duplicate(f.get());
    check(VecPointwiseMult(weighted.get(), f.get(), system.weights.get()));
    base::UniqueVec dual = base::duplicate(f.get());
    check(MatMultTranspose(system.matrix, weighted.get(), dual.get()));
    base::UniqueVec back = base::duplicate(f.get());
    check(VecCopy(dual.get(), back.get()));
    resolved.projection->complement_transposed(back.get());
    base::UniqueVec force = base::duplicate(f.get());
    check(MatMult(system.matrix, f.get(), force.get()));
    sizes_.push_back(std::sqrt(resolved.projection->product(force.get(), force.get())));
    resolved.projection->complement(force.get());
    weighted_.push_back(std::move(weighted));
    duals_.push_back(std::move(dual));
    returns_.push_back(std::move(back));
    forces_.push_back(std::move(force));
  }
  for (Index a = 0; a < k; ++a) {
    gram_.row(a) = products(weighted_, resolved.functions[static_cast<std::size_t>(a)].get());
  }
  gram_ = (0.5 * (gram_ + gram_.transpose())).eval();
  lu_.compute(gram_);
}

MatrixXd Coupling::divided(const MatrixXd& products) const {
  return lu_.solve(products.transpose()).transpose(); // the Gram matrix is symmetric
}

RowVectorXd Coupling::coefficients(Vec u) const {
  return divided(products(weighted_, u));
}

RowVectorXd Coupling::seen(Vec u) const {
  return divided(products(duals_, u));
}

operators::SweptSystem swept(const MemorySystem& system, double shift,
                             const operators::Projection* projection) {
  return {.matrix = system.matrix,
          .entries = system.matrix_with_entries(),
          .shift = shift,
          .grid = &system.grid,
          .axis = *system.swept_axis,
          .projection = projection};
}

std::shared_ptr<operators::ShiftedSolver> shifted_solver(const MemorySystem& system, double shift,
                                                         double tolerance) {
  if (system.swept_axis) {
    return std::make_shared<operators::ShiftedSolver>(swept(system, shift, nullptr), tolerance);
  }
  return std::make_shared<operators::ShiftedSolver>(system.matrix_with_entries(), shift,
                                                    system.method, tolerance, "memory_");
}

std::unique_ptr<operators::OrthogonalResolvent>
resolvent_for(const MemorySystem& system, const operators::Projection& projection, double shift,
              double tolerance, std::shared_ptr<operators::ShiftedSolver> shifted) {
  if (projection.rank() <= operators::largest_eliminated) {
    if (!shifted) shifted = shifted_solver(system, shift, tolerance);
    return operators::eliminated_resolvent(std::move(shifted), projection);
  }
  if (system.swept_axis) {
    return operators::swept_resolvent(swept(system, shift, &projection), tolerance);
  }
  const Mat entries = system.matrix_with_entries();
  if (system.method == linalg::Method::iterative) {
    return operators::iterated_resolvent(entries, shift, projection, tolerance, "memory_");
  }
  return operators::bordered_resolvent(entries, shift, projection, "memory_");
}

} // namespace komori::analyses
