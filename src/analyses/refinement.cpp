#include "analyses/refinement.hpp"

#include <algorithm>

#include <Eigen/Cholesky>
#include <Eigen/Core>

#include "spaces/cubic_interpolation.hpp"

namespace komori::analyses {

using base::check;

double coarser_tolerance(double tolerance) {
  constexpr double factor = 64; // a quarter of it goes to the norm
  constexpr double useful = 1e-5;
  return std::max(tolerance, std::min(factor * tolerance, useful));
}

void to_functions(Vec h, Vec root_of_weights, Vec u) {
  constexpr double nothing = 1e-100;
  const base::ReadArray from(h);
  const base::ReadArray root(root_of_weights);
  const base::WriteArray to(u);
  for (std::size_t i = 0; i < to.size(); ++i) to[i] = root[i] > nothing ? from[i] / root[i] : 0;
}

namespace {

std::vector<base::UniqueVec> refined_by(const spaces::CubicInterpolation& up, Problem& coarse,
                                        Problem& fine,
                                        const std::vector<base::UniqueVec>& vectors) {
  const base::UniqueVec u = coarse.grid().vector();
  std::vector<base::UniqueVec> result;
  for (const base::UniqueVec& h : vectors) {
    to_functions(h.get(), coarse.root_of_masses(), u.get());
    result.push_back(fine.grid().vector());
    const Vec to = result.back().get();
    up.apply(u.get(), to);
    check(VecPointwiseMult(to, to, fine.root_of_masses()));
  }
  return result;
}

} // namespace

std::vector<base::UniqueVec> refined(Problem& coarse, Problem& fine,
                                     const std::vector<base::UniqueVec>& vectors) {
  return refined_by({coarse.grid(), fine.grid()}, coarse, fine, vectors);
}

void extrapolate(const std::vector<base::UniqueVec>& carried,
                 std::vector<base::UniqueVec>& vectors) {
  if (carried.empty()) return;
  constexpr double share = 0.25;  // (h^2 - (h/2)^2) / ((2h)^2 - h^2)
  constexpr double largest = 0.1; // beyond it the grids do not see the same function
  std::vector<Vec> span;
  for (const base::UniqueVec& vector : carried) span.push_back(vector.get());
  const auto count = static_cast<PetscInt>(span.size());
  const auto products = [&](Vec vec) {
    Eigen::VectorXd result(count);
    check(VecMDot(vec, count, span.data(), result.data()));
    return result;
  };
  Eigen::MatrixXd gram(count, count);
  for (PetscInt j = 0; j < count; ++j) {
    gram.col(j) = products(span[static_cast<std::size_t>(j)]);
  }
  const Eigen::LDLT<Eigen::MatrixXd> factor(gram);
  for (const base::UniqueVec& vector : vectors) {
    const base::UniqueVec outside = base::duplicate(vector.get());
    check(VecCopy(vector.get(), outside.get()));
    const Eigen::VectorXd within = -factor.solve(products(vector.get()));
    check(VecMAXPY(outside.get(), count, within.data(), span.data()));
    PetscReal length = 0;
    check(VecNorm(outside.get(), NORM_2, &length));
    if (length <= largest) check(VecAXPY(vector.get(), share, outside.get()));
  }
}

std::vector<base::UniqueVec> refined_start(Problem& coarse, Problem& fine,
                                           std::vector<base::UniqueVec> vectors,
                                           const std::vector<base::UniqueVec>& carried,
                                           std::vector<base::UniqueVec>* plain) {
  const spaces::CubicInterpolation up(coarse.grid(), fine.grid());
  if (plain) *plain = refined_by(up, coarse, fine, vectors);
  extrapolate(carried, vectors);
  return refined_by(up, coarse, fine, vectors);
}

} // namespace komori::analyses
