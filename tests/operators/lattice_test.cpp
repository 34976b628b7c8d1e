/// Full diffusion matrices: the rates between cells that need not be neighbours.
#include <numbers>

#include <Eigen/Dense>
#include <fmt/format.h>
#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include "base/random.hpp"
#include "numbers.hpp"
#include "operators/currents.hpp"
#include "operators/links.hpp"
#include "support.hpp"

namespace komori::operators {
namespace {

using spaces::Boundary;
using support::axis;
using support::Case;
using support::near;
using support::SdeText;
using testing::HasSubstr;
using Texts = std::vector<std::vector<std::string>>;

constexpr double pi = std::numbers::pi;

std::string text(double value) {
  return fmt::format("{:.17g}", value);
}

Texts texts(const Eigen::MatrixXd& matrix) {
  Texts rows;
  for (Eigen::Index i = 0; i < matrix.rows(); ++i) {
    rows.emplace_back();
    for (Eigen::Index j = 0; j < matrix.cols(); ++j) rows.back().push_back(text(matrix(i, j)));
  }
  return rows;
}

/// -matrix x, one formula per variable.
std::vector<std::string> linear_drift(const Eigen::MatrixXd& matrix,
                                      const std::vector<std::string>& names) {
  std::vector<std::string> drift;
  for (Eigen::Index i = 0; i < matrix.rows(); ++i) {
    std::string row;
    for (Eigen::Index j = 0; j < matrix.cols(); ++j) {
      row += fmt::format("-({:.17g})*{}", matrix(i, j), names[static_cast<std::size_t>(j)]);
    }
    drift.push_back(row);
  }
  return drift;
}

Eigen::MatrixXd turned(const Eigen::MatrixXd& q, const std::vector<double>& values) {
  const Eigen::Map<const Eigen::VectorXd> v(values.data(),
                                            static_cast<Eigen::Index>(values.size()));
  const Eigen::MatrixXd m = q * v.asDiagonal() * q.transpose();
  return 0.5 * (m + m.transpose());
}

Eigen::MatrixXd rotation(double degrees) {
  const double a = degrees * pi / 180;
  return Eigen::Matrix2d{{std::cos(a), -std::sin(a)}, {std::sin(a), std::cos(a)}};
}

Eigen::MatrixXd random_definite(int n, double condition, std::uint64_t seed) {
  const base::Random random(seed);
  Eigen::MatrixXd gauss(n, n);
  for (int i = 0; i < n * n; ++i) gauss(i / n, i % n) = random.normal(static_cast<unsigned>(i));
  const Eigen::MatrixXd q = Eigen::HouseholderQR<Eigen::MatrixXd>(gauss).householderQ();
  std::vector<double> values;
  for (int i = 0; i < n; ++i)
    values.push_back(std::pow(condition, -static_cast<double>(i) / (n - 1)));
  return turned(q, values);
}

TEST(Lattice, rates_are_never_negative_and_connect_all_cells) {
  for (const int n : {2, 3}) {
    const std::vector<std::string> all{"x", "y", "z"};
    const std::vector<std::string> names(all.begin(), all.begin() + n);
    for (const double condition : {2.0, 30.0, 1e4}) {
      for (std::uint64_t seed = 0; seed < 6; ++seed) {
        const Eigen::MatrixXd d = random_definite(n, condition, seed);
        const Eigen::MatrixXd pull = random_definite(n, 5, seed + 100);
        std::vector<spaces::Axis> axes;
        for (const std::string& name : names) axes.push_back(axis(name, -1, 1, n == 2 ? 14 : 6));
        Case c({.drift = linear_drift(pull, names), .diffusion_matrix = texts(d)}, axes);
        EXPECT_EQ(c->generator().facts.negative, 0);
        const Eigen::MatrixXd g = support::dense(c->grid(), c->generator().matrix.get());
        // Rows sum to 0, and 0 is a simple eigenvalue: no cell is cut off.
        EXPECT_LE(g.rowwise().sum().cwiseAbs().maxCoeff(), 1e-13 * c->generator().facts.norm);
        Case free(
            {.drift = std::vector<std::string>(names.size(), "0"), .diffusion_matrix = texts(d)},
            axes);
        const Eigen::MatrixXd a = support::dense(free->grid(), free->generator().matrix.get());
        const Eigen::SelfAdjointEigenSolver<Eigen::MatrixXd> solver(-a, Eigen::EigenvaluesOnly);
        EXPECT_LE(solver.eigenvalues()(0), 1e-13 * free->generator().facts.norm);
        EXPECT_GT(solver.eigenvalues()(1), 0.1 / condition) << n << ' ' << condition << ' ' << seed;
      }
    }
  }
}

TEST(Lattice, a_diagonal_matrix_is_the_diagonal_scheme) {
  const SdeText list{.drift = {"y - x^3", "-x - y"}, .diffusion = {"0.3", "0.2 + 0.1*x^2"}};
  SdeText matrix = list;
  matrix.diffusion.clear();
  matrix.diffusion_matrix = {{"0.3", "0"}, {"0", "0.2 + 0.1*x^2"}};
  const std::vector<spaces::Axis> axes{axis("x", -2, 2, 9), axis("y", -2, 2, 7)};
  Case one(list, axes);
  Case two(matrix, axes);
  EXPECT_TRUE(two->fluxes().axis_aligned());
  EXPECT_EQ(support::dense(one->grid(), one->generator().matrix.get()),
            support::dense(two->grid(), two->generator().matrix.get()));
}

TEST(Lattice, agrees_with_the_diagonal_scheme_away_from_walls) {
  // The same diagonal matrix, hidden from the formulas: on a torus the two schemes are one.
  const std::vector<spaces::Axis> axes{axis("x", 0, 2 * pi, 8, Boundary::periodic),
                                       axis("y", 0, 2 * pi, 6, Boundary::periodic)};
  Case plain({.drift = {"sin(y)", "cos(x)"}, .diffusion = {"0.3", "0.7"}}, axes);
  Case hidden({.drift = {"sin(y)", "cos(x)"}, .diffusion_matrix = {{"0.3", "0*x"}, {"0", "0.7"}}},
              axes);
  EXPECT_FALSE(hidden->fluxes().axis_aligned());
  const Eigen::MatrixXd one = support::dense(plain->grid(), plain->generator().matrix.get());
  const Eigen::MatrixXd two = support::dense(hidden->grid(), hidden->generator().matrix.get());
  EXPECT_LE((one - two).cwiseAbs().maxCoeff(), 1e-14 * plain->generator().facts.norm);
}

TEST(Lattice, rates_do_not_depend_on_the_ranks) {
  const SdeText text{.drift = {"y - x^3", "-x - y"},
                     .diffusion_matrix = {{"1.6 + 0.5*sin(x)", "0.8 + 0.2*cos(y)"},
                                          {"0.8 + 0.2*cos(y)", "1.5 + 0.4*cos(x)"}}};
  for (const Boundary ends : {Boundary::reflecting, Boundary::periodic, Boundary::absorbing}) {
    const std::vector<spaces::Axis> axes{axis("x", 0, 2 * pi, 9, ends), axis("y", 0, 2 * pi, 7)};
    Case c(text, axes);
    const spaces::Grid alone(MPI_COMM_SELF, axes);
    const models::Sde sde = support::sde({"x", "y"}, text);
    const FaceFluxes fluxes(alone, sde, {});
    const Generator serial = assemble_generator(fluxes);
    Eigen::MatrixXd expected = Eigen::MatrixXd::Zero(alone.cells(), alone.cells());
    for (PetscInt row = 0; row < alone.cells(); ++row) {
      for (PetscInt column = 0; column < alone.cells(); ++column) {
        base::check(MatGetValue(serial.matrix.get(), row, column, &expected(row, column)));
      }
    }
    const Eigen::MatrixXd g = support::dense(c->grid(), c->generator().matrix.get());
    // Rows are added up in the order of their columns, which the ranks decide.
    EXPECT_LE((g - expected).cwiseAbs().maxCoeff(), 1e-15 * serial.facts.norm);
  }
}

/// The slowest rates of plain oblique diffusion between two walls in x, periodic in y. With
/// u = exp(i k (y - D12/D11 x)) h(x) they are D11 (n pi / L)^2 + k^2 (D22 - D12^2 / D11).
/// With reflecting walls the scheme is second order as long as links reach one cell across them.
struct Strip {
  Boundary walls;
  const char* name;
  int cells_along; ///< per cell across: decides how far links reach
  double order;
  std::vector<double> exact;
};
class Oblique : public testing::TestWithParam<Strip> {};

TEST_P(Oblique, walls_keep_their_order) {
  const auto& [walls, name, cells_along, order, exact] = GetParam();
  const auto rates = [&](PetscInt cells) {
    Case c({.drift = {"0", "0"}, .diffusion_matrix = {{"1", "0.9"}, {"0.9", "1.1"}}},
           {axis("x", 0, 1.5, cells, walls),
            axis("y", 0, 2 * pi, cells_along * cells, Boundary::periodic)});
    const Eigen::MatrixXd a = support::dense(c->grid(), c->generator().matrix.get());
    // With no drift the generator is symmetric itself, at walls too.
    EXPECT_LE((a - a.transpose()).cwiseAbs().maxCoeff(), 1e-12 * c->generator().facts.norm);
    const Eigen::SelfAdjointEigenSolver<Eigen::MatrixXd> solver(-a, Eigen::EigenvaluesOnly);
    return Eigen::VectorXd(solver.eigenvalues());
  };
  const Eigen::VectorXd coarse = rates(10);
  const Eigen::VectorXd fine = rates(20);
  for (std::size_t i = 0; i < exact.size(); ++i) {
    const auto n = static_cast<Eigen::Index>(i);
    EXPECT_TRUE(near(fine(n), exact[i], {1e-10, 0.03})) << name << ' ' << i;
    if (exact[i] == 0) continue;
    EXPECT_TRUE(near(support::order(coarse(n) - exact[i], fine(n) - exact[i]), order, {0.3, 0}))
        << name << ' ' << i << ' ' << coarse(n) - exact[i] << ' ' << fine(n) - exact[i];
  }
}

const double across = pi * pi / 2.25;
const double along = 1.1 - 0.81;
INSTANTIATE_TEST_SUITE_P(
    Walls, Oblique,
    testing::Values(Strip{Boundary::reflecting,
                          "reflecting",
                          4,
                          2,
                          {0, along, along, 4 * along, 4 * along, 9 * along, 9 * along}},
                    Strip{Boundary::reflecting,
                          "reflecting_with_long_links",
                          2,
                          1.2,
                          {0, along, along, 4 * along, 4 * along}},
                    Strip{Boundary::absorbing,
                          "absorbing_with_long_links",
                          2,
                          2,
                          {across, across + along, across + along, across + 4 * along}}),
    [](const auto& info) { return info.param.name; });

/// A model on the torus whose stationary density is exp(-U), U = 0.5 cos x + 0.3 sin(x + y), for
/// every reading of its noise: f = -D grad U + g.
SdeText readable(const std::string& convention, bool by_noise) {
  const std::string s1 = "(1.2 + 0.3*sin(x))";
  const std::string s2 = "(1 + 0.25*cos(y))";
  const std::string d11 = fmt::format("(0.5*({}^2 + 0.16))", s1);
  const std::string d12 = fmt::format("(0.5*(0.2*{} + 0.4*{}))", s1, s2);
  const std::string d22 = fmt::format("(0.5*(0.04 + {}^2))", s2);
  const std::string ux = "(-0.5*sin(x) + 0.3*cos(x + y))";
  const std::string uy = "(0.3*cos(x + y))";
  std::string g1 = "0";
  std::string g2 = "0";
  if (convention != "isothermal") { // div D
    g1 = fmt::format("{}*0.3*cos(x) - 0.05*sin(y)", s1);
    g2 = fmt::format("0.03*cos(x) - {}*0.25*sin(y)", s2);
  }
  if (convention == "stratonovich") { // less half of sum sigma_kj d_k sigma_ij
    g1 += fmt::format(" - 0.5*{}*0.3*cos(x)", s1);
    g2 += fmt::format(" + 0.5*{}*0.25*sin(y)", s2);
  }
  SdeText text{.drift = {fmt::format("-{}*{} - {}*{} + {}", d11, ux, d12, uy, g1),
                         fmt::format("-{}*{} - {}*{} + {}", d12, ux, d22, uy, g2)},
               .convention = convention};
  if (by_noise) {
    text.noise_matrix = {{s1, "0.4"}, {"0.2", s2}};
  } else {
    text.diffusion_matrix = {{d11, d12}, {d12, d22}};
  }
  return text;
}

struct Reading {
  const char* convention;
  bool by_noise;
};
class FullConvention : public testing::TestWithParam<Reading> {};

TEST_P(FullConvention, decides_the_stationary_density) {
  const auto error = [&](PetscInt cells) {
    Case c(readable(GetParam().convention, GetParam().by_noise),
           {axis("x", 0, 2 * pi, cells, Boundary::periodic),
            axis("y", 0, 2 * pi, cells, Boundary::periodic)});
    // Null vector of G^T by a dense solve with the normalisation in place of one equation.
    Eigen::MatrixXd a = support::dense(c->grid(), c->generator().matrix.get()).transpose();
    Eigen::VectorXd right = Eigen::VectorXd::Zero(a.rows());
    a.row(0).setOnes();
    right(0) = 1;
    const Eigen::VectorXd masses = a.partialPivLu().solve(right);
    EXPECT_GT(masses.minCoeff(), 0);
    const base::UniqueVec exact = c->grid().sampled(
        [](auto x) { return std::exp(-0.5 * std::cos(x[0]) - 0.3 * std::sin(x[0] + x[1])); });
    const std::vector<double> expected = support::gathered(c->grid(), exact.get());
    double total = 0;
    for (const double value : expected) total += value;
    double worst = 0;
    for (std::size_t i = 0; i < expected.size(); ++i) {
      const double relative = masses(static_cast<Eigen::Index>(i)) * total / expected[i] - 1;
      worst = std::max(worst, std::abs(relative));
    }
    return worst;
  };
  const double coarse = error(16);
  const double fine = error(32);
  EXPECT_LT(fine, 1e-2);
  EXPECT_TRUE(near(support::order(coarse, fine), 2, {0.25, 0})) << coarse << ' ' << fine;
}

INSTANTIATE_TEST_SUITE_P(All, FullConvention,
                         testing::Values(Reading{"ito", false}, Reading{"ito", true},
                                         Reading{"stratonovich", true},
                                         Reading{"isothermal", false}, Reading{"isothermal", true}),
                         [](const auto& info) {
                           return std::string(info.param.convention) +
                                  (info.param.by_noise ? "_noise" : "_diffusion");
                         });

TEST(Lattice, smooth_gradings_keep_the_order) {
  const auto error = [&](PetscInt cells) {
    std::vector<double> edges;
    for (PetscInt i = 0; i <= cells; ++i) {
      const double s = static_cast<double>(i) / static_cast<double>(cells);
      edges.push_back(1.5 * (s + 0.04 * std::sin(2 * pi * s)));
    }
    Case c({.drift = {"0", "0"}, .diffusion_matrix = {{"1", "0.9"}, {"0.9", "1.1"}}},
           {spaces::Axis("x", edges, Boundary::reflecting, Boundary::reflecting),
            axis("y", 0, 2 * pi, 4 * cells, Boundary::periodic)});
    const Eigen::MatrixXd a = support::dense(c->grid(), c->symmetrised().matrix.get());
    const Eigen::SelfAdjointEigenSolver<Eigen::MatrixXd> solver(a, Eigen::EigenvaluesOnly);
    return solver.eigenvalues()(3) - 4 * along;
  };
  EXPECT_TRUE(near(support::order(error(8), error(16)), 2, {0.4, 0}));
}

TEST(Lattice, commuting_drift_and_noise_are_reversible) {
  const Eigen::MatrixXd q = rotation(30);
  const SdeText text{.drift = linear_drift(turned(q, {1, 0.7}), {"x", "y"}),
                     .diffusion_matrix = texts(turned(q, {1, 0.01}))};
  Case c(text, {axis("x", -4, 4, 40), axis("y", -3, 3, 30)});
  ASSERT_TRUE(c->reversible()) << c->reversible_reason();
  const base::UniqueVec masses = base::duplicate(c->log_density());
  base::check(VecPointwiseMult(masses.get(), c->root_of_masses(), c->root_of_masses()));
  const base::UniqueVec change = base::duplicate(masses.get());
  base::check(MatMultTranspose(c->generator().matrix.get(), masses.get(), change.get()));
  PetscReal residual = 0;
  base::check(VecNorm(change.get(), NORM_1, &residual));
  EXPECT_LE(residual, 1e-13 * c->generator().facts.norm);
}

TEST(Lattice, non_commuting_ones_are_not) {
  Case c({.drift = {"-x", "-2*y"}, .diffusion_matrix = {{"1", "0.5"}, {"0.5", "1"}}},
         {axis("x", -2, 2, 10), axis("y", -2, 2, 10)});
  EXPECT_FALSE(c->reversible());
}

TEST(Lattice, simpson_closes_the_loops_of_quartic_wells) {
  // V = (u^2-1)^2 + v^2 in turned coordinates, diffusion 1/4 along u and 1/2 along v.
  const std::string u = "(0.8*x + 0.6*y)";
  const std::string v = "(-0.6*x + 0.8*y)";
  const SdeText text{.drift = {fmt::format("-0.8*(4*{0}^3 - 4*{0}) + 0.6*2*{1}", u, v),
                               fmt::format("-0.6*(4*{0}^3 - 4*{0}) - 0.8*2*{1}", u, v)},
                     .diffusion_matrix =
                         texts(turned(Eigen::Matrix2d{{0.8, -0.6}, {0.6, 0.8}}, {0.25, 0.5}))};
  const std::vector<spaces::Axis> axes{axis("x", -2, 2, 16), axis("y", -2, 2, 16)};
  Case mean(text, axes);
  EXPECT_FALSE(mean->reversible());
  Case simpson(text, axes, {.face_drift = "simpson"});
  EXPECT_TRUE(simpson->reversible()) << simpson->reversible_reason();
  // The same as a potential, whose gradient is taken numerically.
  SdeText potential = text;
  potential.drift.clear();
  potential.potential = fmt::format("({0}^2-1)^2 + {1}^2", u, v);
  Case wells(potential, axes, {.face_drift = "simpson"});
  EXPECT_TRUE(wells->reversible()) << wells->reversible_reason();
  const base::UniqueVec difference = base::duplicate(wells->log_density());
  base::check(VecCopy(wells->log_density(), difference.get()));
  base::check(VecAXPY(difference.get(), -1, simpson->log_density()));
  PetscReal worst = 0;
  base::check(VecNorm(difference.get(), NORM_INFINITY, &worst));
  EXPECT_LE(worst, 1e-9); // of log densities down to -100
}

TEST(Lattice, currents_and_entropy_of_a_driven_linear_process) {
  const Eigen::Matrix2d b{{1, 1.5}, {-0.5, 1.2}};
  const Eigen::Matrix2d d{{0.5, 0.2}, {0.2, 0.3}};
  // B S + S B^T = 2 D for the stationary covariance S.
  Eigen::Matrix4d kronecker = Eigen::Matrix4d::Zero();
  for (int i = 0; i < 2; ++i) {
    for (int j = 0; j < 2; ++j) {
      for (int k = 0; k < 2; ++k) {
        kronecker(2 * i + j, 2 * k + j) += b(i, k);
        kronecker(2 * i + j, 2 * i + k) += b(j, k);
      }
    }
  }
  const Eigen::Vector4d right{2 * d(0, 0), 2 * d(0, 1), 2 * d(1, 0), 2 * d(1, 1)};
  const Eigen::Vector4d s = kronecker.partialPivLu().solve(right);
  const Eigen::Matrix2d covariance{{s(0), s(1)}, {s(2), s(3)}};
  const Eigen::Matrix2d velocity = d * covariance.inverse() - b;
  const double exact = (d.inverse() * velocity * covariance * velocity.transpose()).trace();
  const auto density = [&](std::span<const double> x) {
    const Eigen::Vector2d point(x[0], x[1]);
    return std::exp(-0.5 * point.dot(covariance.inverse() * point)) /
           (2 * pi * std::sqrt(covariance.determinant()));
  };
  std::array<double, 2> entropy_error{};
  std::array<double, 2> current_error{};
  for (const int level : {0, 1}) {
    const PetscInt cells = level ? 80 : 40;
    Case c({.drift = linear_drift(b, {"x", "y"}), .diffusion_matrix = texts(d)},
           {axis("x", -4, 4, cells), axis("y", -4, 4, cells)});
    EXPECT_FALSE(c->reversible());
    const base::UniqueVec p = c->grid().sampled(density);
    const Currents found = currents(c->fluxes(), p.get());
    entropy_error[static_cast<std::size_t>(level)] = found.entropy_production - exact;
    for (const int k : {0, 1}) {
      const base::UniqueVec expected = c->grid().sampled([&](std::span<const double> x) {
        return density(x) * (velocity(k, 0) * x[0] + velocity(k, 1) * x[1]);
      });
      base::check(VecAXPY(expected.get(), -1, found.components[static_cast<std::size_t>(k)].get()));
      PetscReal error = 0;
      base::check(VecNorm(expected.get(), NORM_INFINITY, &error));
      double& worst = current_error[static_cast<std::size_t>(level)];
      worst = std::max(worst, error);
    }
  }
  EXPECT_TRUE(near(support::order(entropy_error[0], entropy_error[1]), 2, {0.2, 0}));
  EXPECT_TRUE(near(support::order(current_error[0], current_error[1]), 2, {0.2, 0}));
  EXPECT_LT(std::abs(entropy_error[1]), 0.02 * exact);
}

TEST(Lattice, exits_account_for_all_that_leaves) {
  Case c({.drift = {"y", "-x"}, .diffusion_matrix = {{"1", "0.9"}, {"0.9", "1.1"}}},
         {axis("x", -1, 1, 9, Boundary::absorbing), axis("y", -1, 1, 8)});
  const base::UniqueVec masses = c->grid().sampled([](auto x) { return 2 + x[0] * x[1]; });
  const auto walls = wall_fluxes(c->fluxes(), masses.get());
  ASSERT_EQ(walls.size(), 2u);
  EXPECT_EQ(walls[0].first, "x lower");
  EXPECT_GT(walls[0].second, 0);
  const double lost = base::dot(masses.get(), c->generator().leak.get());
  EXPECT_TRUE(near(walls[0].second + walls[1].second, lost, {0, 1e-13}));
  const base::UniqueVec change = c->grid().vector();
  base::check(MatMultTranspose(c->generator().matrix.get(), masses.get(), change.get()));
  EXPECT_TRUE(near(base::sum(change.get()), -lost, {0, 1e-12}));
}

TEST(Lattice, wrong_matrices_are_named_with_their_place) {
  const auto error_of = [](const Texts& matrix, const std::string& convention = "ito") {
    std::vector<spaces::Axis> axes;
    SdeText text{.convention = convention, .diffusion_matrix = matrix};
    const std::vector<std::string> names{"x", "y", "z", "w"};
    for (std::size_t k = 0; k < matrix.size(); ++k) {
      axes.push_back(axis(names[k], -2, 2, 4));
      text.drift.push_back("-" + names[k]);
    }
    return support::message_of([&] { Case c(text, axes); });
  };
  EXPECT_THAT(error_of({{"1", "x"}, {"x", "1"}}),
              HasSubstr("'model.diffusion' is not a positive definite matrix: its smallest "
                        "eigenvalue is not above 0 (it is -0.5) at x = -1.5, y = -1.5"));
  EXPECT_THAT(error_of({{"1", "1"}, {"1", "1"}}), HasSubstr("is not a positive definite matrix"));
  EXPECT_THAT(error_of({{"1", "0.1*x"}, {"0", "1"}}),
              HasSubstr("is not a symmetric matrix: the largest difference between D_ij and D_ji "
                        "is not 0 (it is 0.15) at x = -1.5"));
  EXPECT_THAT(error_of({{"1", "0.1*y"}, {"0.1*y", "1"}}, "stratonovich"),
              HasSubstr("does not determine Stratonovich noise; give the matrix sigma as "
                        "'model.noise'"));
  EXPECT_THAT(
      error_of(
          {{"4", "1", "1", "1"}, {"1", "4", "1", "1"}, {"1", "1", "4", "1"}, {"1", "1", "1", "4"}}),
      HasSubstr("couples 4 variables (x, y, z, w)"));
  EXPECT_EQ(
      error_of(
          {{"4", "1", "0", "0"}, {"1", "4", "0", "0"}, {"0", "0", "4", "1"}, {"0", "0", "1", "4"}}),
      "(no error)");
}

} // namespace
} // namespace komori::operators
