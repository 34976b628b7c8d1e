#include "operators/currents.hpp"

#include <numbers>

#include <Eigen/Dense>
#include <gtest/gtest.h>

#include "numbers.hpp"
#include "support.hpp"

namespace komori::operators {
namespace {

using spaces::Boundary;
using support::axis;
using support::Case;
using support::near;

constexpr double pi = std::numbers::pi;

/// The stationary density by dense algebra: G^T m = 0 with one equation replaced by sum m = 1.
base::UniqueVec stationary(Case& c) {
  Eigen::MatrixXd system = support::dense(c->grid(), c->generator_entries()).transpose();
  system.row(0).setOnes();
  Eigen::VectorXd right = Eigen::VectorXd::Zero(system.rows());
  right(0) = 1;
  const Eigen::VectorXd masses = system.partialPivLu().solve(right);
  base::UniqueVec density = c->grid().vector();
  const base::WriteArray value(density.get());
  c->grid().for_each_cell([&](PetscInt i, const spaces::Index& cell) {
    value[static_cast<std::size_t>(i)] =
        masses(static_cast<Eigen::Index>(c->grid().natural(cell))) / c->grid().volume(cell);
  });
  return density;
}

Case ring(PetscInt cells) {
  return {{.drift = {"1 - 0.5*sin(x)"}, .diffusion = {"0.1"}},
          {axis("x", 0, 2 * pi, cells, Boundary::periodic)}};
}

TEST(Currents, of_a_driven_ring_are_the_same_through_every_cut) {
  Case c = ring(64);
  const base::UniqueVec density = stationary(c);
  const Currents found = currents(c->fluxes(), density.get());
  ASSERT_EQ(found.components.size(), 1U);
  PetscReal low = 0;
  PetscReal high = 0;
  base::check(VecMin(found.components[0].get(), nullptr, &low));
  base::check(VecMax(found.components[0].get(), nullptr, &high));
  const double j = found.circulation[0];
  // Fluxes of 1e1 to and fro cancel to 1e-1; the dense solve adds its own rounding.
  EXPECT_TRUE(near(low, j, {1e-12, 0}));
  EXPECT_TRUE(near(high, j, {1e-12, 0}));
  EXPECT_TRUE(near(found.largest_face, j, {1e-12, 0}));
}

TEST(Currents, of_a_driven_ring_converge_at_second_order) {
  constexpr double exact = 0.138237193290;
  const auto error = [](PetscInt cells) {
    Case c = ring(cells);
    return currents(c->fluxes(), stationary(c).get()).circulation[0] - exact;
  };
  const double coarse = error(64);
  const double fine = error(128);
  EXPECT_TRUE(near(support::order(coarse, fine), 2, {0.1, 0}));
  EXPECT_TRUE(near((4 * fine - coarse) / 3, 0, {1e-6, 0})); // what is left is of fourth order
}

TEST(Currents, produce_entropy_at_the_work_done) {
  // Work per round 2 pi w, so that the rate is J 2 pi w / D, also on the grid.
  Case c = ring(64);
  const Currents found = currents(c->fluxes(), stationary(c).get());
  EXPECT_TRUE(near(found.entropy_production, found.circulation[0] * 2 * pi / 0.1, {0, 1e-11}));
}

TEST(Currents, vanish_in_equilibrium) {
  Case c({.potential = "(x^2-1)^2 + x*y + y^2", .diffusion = {"0.25"}},
         {axis("x", -2, 2, 14), axis("y", -2, 2, 10)});
  const base::UniqueVec density = base::duplicate(c->log_density());
  base::check(VecCopy(c->log_density(), density.get()));
  base::check(VecExp(density.get()));
  const Currents found = currents(c->fluxes(), density.get());
  // Two fluxes of order 10 that are equal on paper, rounded a few times each.
  EXPECT_LE(found.largest_face, 1e-13);
  EXPECT_LE(found.entropy_production, 1e-25);
  EXPECT_EQ(found.circulation, std::vector<double>(2, 0.0));
}

TEST(Currents, have_the_divergence_of_the_operator) {
  // For any density: sum over faces of outgoing flux = -(G^T m), cell by cell.
  Case c({.drift = {"-x + y", "-x - y"}, .diffusion = {"0.5"}},
         {axis("x", -2, 2, 9), axis("y", -2, 2, 9)});
  const base::UniqueVec density = stationary(c);
  const Currents found = currents(c->fluxes(), density.get());
  EXPECT_GT(found.largest_face, 1e-3);
  // Rotation: the current goes round clockwise, x' = +y above the centre.
  std::array<std::vector<double>, 2> j;
  for (std::size_t k = 0; k < 2; ++k) {
    j[k] = support::gathered(c->grid(), found.components[k].get());
  }
  const auto at = [](std::size_t x, std::size_t y) { return x * 9 + y; };
  EXPECT_GT(j[0][at(4, 6)], 0);
  EXPECT_LT(j[0][at(4, 2)], 0);
  EXPECT_LT(j[1][at(6, 4)], 0);
  EXPECT_GT(j[1][at(2, 4)], 0);
  EXPECT_LE(std::abs(j[0][at(4, 4)]), 1e-13); // still in the middle
  EXPECT_GT(found.entropy_production, 0.1);
}

TEST(Currents, run_through_absorbing_walls) {
  // Linear density between walls of p = 0: D p' everywhere, outward.
  Case c({.drift = {"0"}, .diffusion = {"2"}},
         {spaces::Axis("x", {0, 0.25, 0.5, 0.75, 1}, Boundary::reflecting, Boundary::absorbing)});
  const base::UniqueVec density = c->grid().sampled([](auto x) { return 1 - x[0]; });
  const Currents found = currents(c->fluxes(), density.get());
  const std::vector<double> j = support::gathered(c->grid(), found.components[0].get());
  EXPECT_TRUE(near(j[0], 1, support::round_off)); // half of 2: no flux through the reflecting wall
  for (const std::size_t i : {1U, 2U, 3U}) EXPECT_TRUE(near(j[i], 2, support::round_off));
}

} // namespace
} // namespace komori::operators
