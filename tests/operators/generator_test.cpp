#include "operators/generator.hpp"

#include <numbers>

#include <Eigen/Dense>
#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include "numbers.hpp"
#include "support.hpp"

namespace komori::operators {
namespace {

using spaces::Boundary;
using support::axis;
using support::Case;
using support::dense;
using support::near;
using support::SdeText;
using support::Tolerance;

constexpr double pi = std::numbers::pi;

Eigen::MatrixXd generator_of(Case& c) {
  return dense(c->grid(), c->generator_entries());
}

/// Rates of the symmetrised form, ascending. A backward stable solver errs by a few units of
/// round-off of the norm; so may whatever is compared with it.
Eigen::VectorXd rates_of(Case& c) {
  const Eigen::MatrixXd a = dense(c->grid(), c->symmetrised_entries().matrix.get());
  if (c->grid().dimension() == 1 && !c->grid().axis(0).periodic()) {
    return support::tridiagonal_eigenvalues(a);
  }
  return Eigen::SelfAdjointEigenSolver<Eigen::MatrixXd>(a, Eigen::EigenvaluesOnly).eigenvalues();
}

double solver_error(Case& c) {
  return 4e-15 * c->generator().facts.norm;
}

/// max |G 1 + leak|: how well rows sum to minus the rate of leaving.
double row_sum_defect(Case& c) {
  const base::UniqueVec ones = c->grid().sampled([](auto) { return 1.0; });
  const base::UniqueVec sums = c->grid().vector();
  base::check(MatMult(c->generator_entries(), ones.get(), sums.get()));
  base::check(VecAXPY(sums.get(), 1, c->generator().leak.get()));
  PetscReal defect = 0;
  base::check(VecNorm(sums.get(), NORM_INFINITY, &defect));
  return defect;
}

Case double_well(PetscInt cells, const SchemeInput& scheme = {}, bool as_drift = false) {
  const SdeText by_potential{.potential = "(x^2-1)^2", .diffusion = {"0.25"}};
  const SdeText by_drift{.drift = {"4*x - 4*x^3"}, .diffusion = {"0.25"}};
  return {as_drift ? by_drift : by_potential, {axis("x", -2.5, 2.5, cells)}, scheme};
}

TEST(Generator, rows_sum_to_zero_or_to_minus_the_leak) {
  const SchemeInput square_root{.rates = "square_root"};
  const SchemeInput second_order{.undiffused = "second_order"};
  std::vector<std::unique_ptr<Case>> cases;
  const auto add = [&](const SdeText& text, std::vector<spaces::Axis> axes,
                       const SchemeInput& scheme = {}) {
    cases.push_back(std::make_unique<Case>(text, std::move(axes), scheme));
  };
  add({.potential = "(x^2-1)^2 + x*y + y^2", .diffusion = {"0.25"}},
      {axis("x", -2, 2, 17), axis("y", -2, 2, 12)});
  add({.drift = {"-x + y", "-x - y"}, .noise = {"1 + 0.1*y^2", "0.5"}},
      {axis("x", -2, 2, 9), axis("y", -2, 2, 11)}, square_root);
  add({.drift = {"v", "-sin(x) - v"}, .diffusion = {"0", "0.5"}},
      {axis("x", 0, 2 * pi, 12, Boundary::periodic), axis("v", -3, 3, 14)});
  add({.drift = {"v", "-x - v"}, .diffusion = {"0", "0.5"}},
      {axis("x", -3, 3, 12), axis("v", -3, 3, 14)}, second_order);
  add({.drift = {"1"}, .noise = {"1"}}, {axis("x", -1, 1, 20, Boundary::absorbing)});
  add({.drift = {"x", "-y"}, .noise = {"1"}},
      {axis("x", -1, 1, 6, Boundary::absorbing), axis("y", -1, 1, 5)});
  for (const auto& c : cases) {
    // The diagonal is minus the sum of the rest; adding up once more in another order rounds again.
    EXPECT_LE(row_sum_defect(*c), 8e-16 * (*c)->generator().facts.norm);
  }
  EXPECT_EQ((*cases[0])->generator().facts.leak, 0);
  EXPECT_GT((*cases[4])->generator().facts.leak, 0);
}

TEST(Generator, plain_diffusion_has_the_discrete_cosine_spectrum) {
  // E4: (2D/h^2) (1 - cos(pi n/N)).
  constexpr PetscInt cells = 50;
  Case c({.drift = {"0"}, .diffusion = {"0.7"}}, {axis("x", 0, 3, cells)});
  const Eigen::VectorXd rates = rates_of(c);
  const double h = 3.0 / cells;
  for (PetscInt n = 0; n < cells; ++n) {
    const double exact = 2 * 0.7 / (h * h) * (1 - std::cos(pi * static_cast<double>(n) / cells));
    EXPECT_TRUE(near(rates(n), exact, {solver_error(c), 0}));
  }
}

TEST(Generator, the_discrete_ring_has_the_spectrum_of_a_circulant) {
  constexpr PetscInt cells = 12;
  Case c({.drift = {"0"}, .diffusion = {"1"}}, {axis("x", 0, cells, cells, Boundary::periodic)});
  const Eigen::VectorXd rates = rates_of(c);
  for (PetscInt n = 0; n < cells; ++n) {
    const PetscInt k = (n + 1) / 2; // 0, 1, 1, 2, 2, ...
    const double exact = 2 * (1 - std::cos(2 * pi * static_cast<double>(k) / cells));
    EXPECT_TRUE(near(rates(n), exact, {solver_error(c), 0}));
  }
}

struct TableRow {
  PetscInt cells;
  double first;
  double second;
};

/// The tables give ten decimals; what is left of 1e-8 is their rounding and the solver's.
void expect_table(const std::vector<TableRow>& rows, const SchemeInput& scheme, bool as_drift) {
  for (const TableRow& row : rows) {
    Case c = double_well(row.cells, scheme, as_drift);
    const Eigen::VectorXd rates = rates_of(c);
    const double solver = solver_error(c);
    EXPECT_TRUE(near(rates(0), 0, {solver, 0}));
    EXPECT_TRUE(near(rates(1), row.first, {solver, 1e-8})) << row.cells;
    EXPECT_TRUE(near(rates(2), row.second, {solver, 1e-8})) << row.cells;
  }
}

TEST(Generator, scharfetter_gummel_with_exact_potential_differences) {
  expect_table({{64, .0299654751, 3.2908153059},
                {128, .0298260596, 3.3055217469},
                {256, .0297912096, 3.3091773596},
                {512, .0297824974, 3.3100899735},
                {1024, .0297803193, 3.3103180468}},
               {}, false);
}

TEST(Generator, square_root_approximation) {
  expect_table({{64, .0300546517, 3.3121548787}, {1024, .0297806650, 3.3104021428}},
               {.rates = "square_root"}, false);
}

TEST(Generator, scharfetter_gummel_with_mean_drifts) {
  expect_table({{64, .0306018233, 3.2827376552}, {1024, .0297827721, 3.3102863160}}, {}, true);
}

TEST(Generator, all_schemes_are_second_order) {
  constexpr double exact = 0.029779593309;
  const auto error = [](PetscInt cells, const SchemeInput& scheme, bool as_drift) {
    Case c = double_well(cells, scheme, as_drift);
    return rates_of(c)(1) - exact;
  };
  const auto observed = [&](const SchemeInput& scheme, bool as_drift) {
    return support::order(error(128, scheme, as_drift), error(256, scheme, as_drift));
  };
  EXPECT_TRUE(near(observed({}, false), 2, {0.05, 0}));
  EXPECT_TRUE(near(observed({.rates = "square_root"}, false), 2, {0.05, 0}));
  EXPECT_TRUE(near(observed({}, true), 2, {0.05, 0}));
  EXPECT_TRUE(near(observed({.face_drift = "midpoint"}, true), 2, {0.05, 0}));
  EXPECT_TRUE(near(observed({.face_drift = "simpson"}, true), 2, {0.05, 0}));
  // Simpson's rule integrates the cubic force exactly: the potential's rates.
  EXPECT_TRUE(near(error(128, {.face_drift = "simpson"}, true), error(128, {}, false), {1e-11, 0}));
}

/// A double well on cells four times finer at the barrier than at the walls.
Case graded(PetscInt cells) {
  std::vector<double> edges;
  for (PetscInt i = 0; i <= cells; ++i) {
    const double s = 2 * static_cast<double>(i) / static_cast<double>(cells) - 1;
    edges.push_back(2.5 * std::sinh(2 * s) / std::sinh(2.0));
  }
  edges.front() = -2.5;
  edges.back() = 2.5;
  return {{.potential = "(x^2-1)^2", .diffusion = {"0.25"}},
          {spaces::Axis("x", edges, Boundary::reflecting, Boundary::reflecting)}};
}

TEST(Generator, stays_second_order_on_graded_cells) {
  const auto errors = [](PetscInt cells) {
    Case c = graded(cells);
    const Eigen::VectorXd rates = rates_of(c);
    return std::array{rates(1) - 0.029779593309, rates(2) - 3.31039406412};
  };
  const auto coarse = errors(128);
  const auto fine = errors(256);
  EXPECT_TRUE(near(support::order(coarse[0], fine[0]), 2, {0.1, 0}));
  EXPECT_TRUE(near(support::order(coarse[1], fine[1]), 2, {0.1, 0}));
}

TEST(Generator, absorbing_walls_are_second_order) {
  // E7: Brownian motion in (-1, 1), sigma = 1: exit rate pi^2 / 8; with drift v: v^2/2 more.
  const auto errors = [](PetscInt cells) {
    const std::vector<spaces::Axis> axes{axis("x", -1, 1, cells, Boundary::absorbing)};
    Case plain({.drift = {"0"}, .noise = {"1"}}, axes);
    Case drifting({.drift = {"1.5"}, .noise = {"1"}}, axes);
    Case sloping({.potential = "-1.5*x", .noise = {"1"}}, axes);
    EXPECT_TRUE(near(rates_of(drifting)(0), rates_of(sloping)(0), {1e-11, 0})); // the same rates
    return std::array{rates_of(plain)(0) - pi * pi / 8,
                      rates_of(drifting)(0) - pi * pi / 8 - 1.5 * 1.5 / 2};
  };
  const auto coarse = errors(64);
  const auto fine = errors(128);
  EXPECT_TRUE(near(support::order(coarse[0], fine[0]), 2, {0.1, 0}));
  EXPECT_TRUE(near(support::order(coarse[1], fine[1]), 2, {0.1, 0}));
}

TEST(Symmetrised, is_similar_to_minus_the_generator) {
  Case c({.potential = "(x^2-1)^2 + 0.5*x*y + y^2", .diffusion = {"0.25"}},
         {axis("x", -2, 2, 8), axis("y", -2, 2, 6)});
  const Eigen::MatrixXd g = generator_of(c);
  const Eigen::MatrixXd a = dense(c->grid(), c->symmetrised_entries().matrix.get());
  const std::vector<double> root = support::gathered(c->grid(), c->root_of_masses());

  EXPECT_EQ((a - a.transpose()).cwiseAbs().maxCoeff(), 0);
  const double norm = c->generator().facts.norm;
  for (Eigen::Index i = 0; i < g.rows(); ++i) {
    for (Eigen::Index j = 0; j < g.cols(); ++j) {
      const auto s = [&](Eigen::Index k) { return root[static_cast<std::size_t>(k)]; };
      EXPECT_TRUE(near(a(i, j), -g(i, j) * s(i) / s(j), {1e-14 * norm, 1e-12}));
    }
  }
  // Null vector: the root of the masses, whose squares are those of exp(-V/D).
  const Eigen::Map<const Eigen::VectorXd> null(root.data(), static_cast<Eigen::Index>(root.size()));
  EXPECT_LE((a * null).cwiseAbs().maxCoeff(), 1e-15 * norm);
  EXPECT_TRUE(near(null.norm(), 1, support::round_off));
  const Eigen::VectorXd rates = rates_of(c);
  Eigen::VectorXd general = -Eigen::EigenSolver<Eigen::MatrixXd>(g, false).eigenvalues().real();
  std::sort(general.begin(), general.end());
  EXPECT_LE((rates - general).cwiseAbs().maxCoeff(), 1e-12 * norm);
}

TEST(Generator, periodic_axes_of_one_and_two_cells) {
  const SdeText brownian{.drift = {"0"}, .diffusion = {"1"}};
  Case one(brownian, {axis("x", 0, 1, 1, Boundary::periodic)});
  EXPECT_EQ(generator_of(one)(0, 0), 0);
  Case two(brownian, {axis("x", 0, 2, 2, Boundary::periodic)});
  const Eigen::MatrixXd expected{{-2, 2}, {2, -2}}; // two faces between the same two cells
  EXPECT_EQ(generator_of(two), expected);
  Case driven({.drift = {"1"}, .diffusion = {"1"}}, {axis("x", 0, 2, 2, Boundary::periodic)});
  EXPECT_LE(row_sum_defect(driven), 1e-15);
}

TEST(Generator, graded_periodic_axes_keep_the_uniform_density) {
  const std::vector<double> edges{0, 0.1, 0.4, 0.5, 1.1, 2};
  Case c({.drift = {"0"}, .diffusion = {"0.3"}},
         {spaces::Axis("x", edges, Boundary::periodic, Boundary::periodic)});
  const Eigen::MatrixXd g = generator_of(c);
  Eigen::VectorXd widths(5);
  for (PetscInt i = 0; i < 5; ++i) widths(i) = c->grid().axis(0).width(i);
  EXPECT_LE((g.transpose() * widths).cwiseAbs().maxCoeff(), 1e-14);
  // Constant drift carries the uniform density round as well.
  Case driven({.drift = {"2"}, .diffusion = {"0.3"}},
              {spaces::Axis("x", edges, Boundary::periodic, Boundary::periodic)});
  EXPECT_LE((generator_of(driven).transpose() * widths).cwiseAbs().maxCoeff(), 1e-13);
}

TEST(Generator, any_dimension_up_to_six) {
  // E9: two cells of width 1 per axis are a walk on the corners of a cube: 2k, binomial often.
  for (const int dimension : {3, 4, 6}) {
    std::vector<spaces::Axis> axes;
    std::vector<std::string> drift;
    for (int k = 0; k < dimension; ++k) {
      axes.push_back(axis(std::string(1, static_cast<char>('a' + k)), 0, 2, 2));
      drift.emplace_back("0");
    }
    Case c({.drift = drift, .diffusion = {"1"}}, axes);
    const Eigen::VectorXd rates = rates_of(c);
    Eigen::Index position = 0;
    Eigen::Index count = 1;
    for (int k = 0; k <= dimension; ++k) {
      for (Eigen::Index i = 0; i < count; ++i, ++position) {
        EXPECT_TRUE(near(rates(position), 2 * k, {1e-13, 0})); // entries of order 1, 64 rows
      }
      count = count * (dimension - k) / (k + 1);
    }
    EXPECT_EQ(position, rates.size());
  }
}

TEST(Generator, separable_axes_add_their_rates) {
  Case x({.potential = "(x^2-1)^2", .diffusion = {"0.25"}}, {axis("x", -2, 2, 7)});
  Case y({.potential = "y^2", .diffusion = {"0.25"}}, {axis("y", -2, 2, 5)});
  Case z({.potential = "z^4", .diffusion = {"0.25"}}, {axis("z", -1, 1, 3)});
  Case all({.potential = "(x^2-1)^2 + y^2 + z^4", .diffusion = {"0.25"}},
           {axis("x", -2, 2, 7), axis("y", -2, 2, 5), axis("z", -1, 1, 3)});
  const Eigen::VectorXd a = rates_of(x);
  const Eigen::VectorXd b = rates_of(y);
  const Eigen::VectorXd c = rates_of(z);
  std::vector<double> sums;
  for (const double i : a) {
    for (const double j : b) {
      for (const double k : c) sums.push_back(i + j + k);
    }
  }
  std::sort(sums.begin(), sums.end());
  const Eigen::VectorXd rates = rates_of(all);
  for (std::size_t i = 0; i < sums.size(); ++i) {
    EXPECT_TRUE(near(rates(static_cast<Eigen::Index>(i)), sums[i], {10 * solver_error(all), 0}));
  }
}

TEST(Generator, a_rank_may_own_nothing) {
  Case c({.potential = "x^2", .diffusion = {"1"}}, {axis("x", -1, 1, 2)});
  const Eigen::MatrixXd g = generator_of(c);
  EXPECT_EQ(g(0, 0), -g(0, 1)); // equal wells: D / h^2 each way
  EXPECT_TRUE(near(g(0, 1), 1, support::round_off));
  EXPECT_LE(row_sum_defect(c), 1e-15);
}

TEST(Generator, facts_describe_the_matrix) {
  Case c({.potential = "x^2 + y^2", .diffusion = {"0.5"}},
         {axis("x", -1, 1, 6), axis("y", -1, 1, 4)});
  const Eigen::MatrixXd g = generator_of(c);
  const GeneratorFacts& facts = c->generator().facts;
  EXPECT_TRUE(near(facts.norm, g.cwiseAbs().rowwise().sum().maxCoeff(), support::round_off));
  EXPECT_EQ(facts.nonzeros, 5 * 24 - 2 * (6 + 4));
  EXPECT_EQ(facts.negative, 0);
}

TEST(Generator, wall_fluxes_account_for_all_that_leaves) {
  Case c({.drift = {"0.5", "-y"}, .noise = {"1"}},
         {spaces::Axis("x", {-1, -0.5, 0, 1}, Boundary::absorbing, Boundary::absorbing),
          spaces::Axis("y", {-1, 0, 1}, Boundary::reflecting, Boundary::absorbing)});
  const base::UniqueVec masses = c->grid().sampled([](auto x) { return 1 + 0.1 * x[0] * x[1]; });
  const auto walls = wall_fluxes(c->fluxes(), masses.get());
  ASSERT_EQ(walls.size(), 3U);
  EXPECT_EQ(walls[0].first, "x lower");
  EXPECT_EQ(walls[1].first, "x upper");
  EXPECT_EQ(walls[2].first, "y upper");
  double total = 0;
  for (const auto& [name, flux] : walls) {
    EXPECT_GT(flux, 0) << name;
    total += flux;
  }
  const base::UniqueVec change = c->grid().vector();
  base::check(MatMultTranspose(c->generator_entries(), masses.get(), change.get()));
  EXPECT_TRUE(near(total, -base::sum(change.get()), {1e-13, 1e-13}));
  EXPECT_TRUE(near(total, base::dot(masses.get(), c->generator().leak.get()), {1e-13, 1e-13}));
}

} // namespace
} // namespace komori::operators
