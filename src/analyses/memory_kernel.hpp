/// How functions of the cells couple to those that are seen.
#pragma once

#include <memory>
#include <vector>

#include <Eigen/Core>
#include <Eigen/LU>

#include "analyses/memory.hpp"
#include "base/petsc.hpp"
#include "operators/orthogonal_resolvent.hpp"

namespace komori::analyses {

/// For f_b the functions seen: what of a function u, and of L u, lies along them.
class Coupling {
public:
  /// Collective. Both must outlive it.
  Coupling(const MemorySystem& system, const operators::Resolved& resolved);

  /// C(0)_ab = <f_a, f_b>. Local.
  const Eigen::MatrixXd& gram() const noexcept { return gram_; }
  /// Coefficients of u along the f_b: (<u, f_b>)_b C(0)^-1. Collective.
  Eigen::RowVectorXd coefficients(Vec u) const;
  /// The same of L u, by the duals w L* f_b. Collective.
  Eigen::RowVectorXd seen(Vec u) const;
  /// m^T with (<u, f_b>)_b = m^T C(0). Local.
  Eigen::MatrixXd divided(const Eigen::MatrixXd& products) const;
  /// L^T (w f_b). Local.
  const std::vector<base::UniqueVec>& duals() const noexcept { return duals_; }
  /// Q^T L^T (w f_b): what of the orthogonal dynamics comes back. Local.
  const std::vector<base::UniqueVec>& returns() const noexcept { return returns_; }
  /// w f_b. Local.
  const std::vector<base::UniqueVec>& weighted() const noexcept { return weighted_; }
  /// Q L f_a, the force of a function on what is not seen. Local.
  const std::vector<base::UniqueVec>& forces() const noexcept { return forces_; }
  /// ||L f_a||, in the inner product, for judging what is 0. Local.
  const std::vector<double>& sizes() const noexcept { return sizes_; }

private:
  Eigen::MatrixXd gram_;
  Eigen::PartialPivLU<Eigen::MatrixXd> lu_;
  std::vector<base::UniqueVec> weighted_;
  std::vector<base::UniqueVec> duals_;
  std::vector<base::UniqueVec> returns_;
  std::vector<base::UniqueVec> forces_;
  std::vector<double> sizes_;
};

/// s - L, or its restriction to the complement of a projection, for sweeps; needs `swept_axis`.
/// Both must outlive it. Collective.
operators::SweptSystem swept(const MemorySystem& system, double shift,
                             const operators::Projection* projection);

/// The way to solve with s - L that suits the system. Collective.
std::shared_ptr<operators::ShiftedSolver> shifted_solver(const MemorySystem& system, double shift,
                                                         double tolerance);

/// The way to solve with s - L on the range of Q that suits rank and method: few columns on the
/// border are eliminated by `shifted` (made when null), many are factorised along, or iterated
/// with. Collective.
std::unique_ptr<operators::OrthogonalResolvent>
resolvent_for(const MemorySystem& system, const operators::Projection& projection, double shift,
              double tolerance, std::shared_ptr<operators::ShiftedSolver> shifted = nullptr);

/// Handles of vectors. Local.
std::vector<Vec> handles(const std::vector<base::UniqueVec>& vectors);
/// x . v for each. Collective.
Eigen::RowVectorXd products(const std::vector<base::UniqueVec>& vectors, Vec x);

} // namespace komori::analyses
