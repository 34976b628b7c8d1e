#include "linalg/eigen.hpp"

#include <algorithm>
#include <numbers>

#include <Eigen/Dense>
#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include "base/random.hpp"
#include "linalg/block_eps.hpp"
#include "linalg/pair_order.hpp"
#include "linalg/rounded_pairs.hpp"
#include "numbers.hpp"
#include "operators/block_multigrid.hpp"
#include "support.hpp"

namespace komori::linalg {
namespace {

using support::axis;
using support::grid;
using support::near;

constexpr double pi = std::numbers::pi;

/// A distributed sparse matrix with the entries of a dense one.
base::UniqueMat distributed(const Eigen::MatrixXd& whole) {
  base::UniqueMat matrix;
  const auto n = static_cast<PetscInt>(whole.rows());
  base::check(MatCreateAIJ(test_session().comm(), PETSC_DECIDE, PETSC_DECIDE, n, n, n, nullptr, n,
                           nullptr, matrix.put()));
  PetscInt first = 0;
  PetscInt end = 0;
  base::check(MatGetOwnershipRange(matrix.get(), &first, &end));
  for (PetscInt i = first; i < end; ++i) {
    for (PetscInt j = 0; j < n; ++j) {
      if (whole(i, j) == 0) continue;
      base::check(MatSetValue(matrix.get(), i, j, whole(i, j), INSERT_VALUES));
    }
  }
  base::check(MatAssemblyBegin(matrix.get(), MAT_FINAL_ASSEMBLY));
  base::check(MatAssemblyEnd(matrix.get(), MAT_FINAL_ASSEMBLY));
  return matrix;
}

/// Entries uniform in (-1, 1).
Eigen::MatrixXd noise(Eigen::Index n, std::uint64_t seed) {
  const base::Random random(seed);
  Eigen::MatrixXd m(n, n);
  for (Eigen::Index i = 0; i < n * n; ++i) {
    m(i) = 2 * random.uniform(static_cast<std::uint64_t>(i)) - 1;
  }
  return m;
}

/// Symmetric positive semidefinite, dense, with spectrum about [0, 4].
Eigen::MatrixXd semidefinite(Eigen::Index n) {
  const Eigen::MatrixXd r = noise(n, 1) / std::sqrt(static_cast<double>(n) / 3);
  return r * r.transpose();
}

/// Block diagonal: rotations with decay, and real values, mixed by an orthogonal similarity.
Eigen::MatrixXd rotations() {
  Eigen::MatrixXd core = Eigen::MatrixXd::Zero(40, 40);
  for (Eigen::Index i = 0; i < 40; i += 2) {
    const auto size = static_cast<double>(i);
    core(i, i) = core(i + 1, i + 1) = -0.1 * size;
    if (i % 4 == 0) {
      core(i + 1, i + 1) -= 0.05; // a real pair
    } else {
      core(i, i + 1) = 0.3 * size;
      core(i + 1, i) = -0.3 * size;
    }
  }
  const Eigen::MatrixXd q = Eigen::HouseholderQR<Eigen::MatrixXd>(noise(40, 2)).householderQ();
  return q * core * q.transpose();
}

double worst_residual(Mat matrix, const EigenPairs& pairs) {
  double worst = 0;
  for (std::size_t i = 0; i < pairs.values.size(); ++i) {
    const bool complex = pairs.values[i].imag() != 0;
    const Vec im = complex ? pairs.vectors[i + 1].get() : nullptr;
    const double residual = eigen_residual(matrix, pairs.values[i], pairs.vectors[i].get(), im);
    // The certificate handed out is the one computed afresh.
    EXPECT_TRUE(near(pairs.residuals[i], residual, {1e-15, 1e-10}));
    worst = std::max(worst, residual);
    if (complex) ++i;
  }
  return worst;
}

TEST(SymmetricPairs, agree_with_dense_algebra) {
  const Eigen::MatrixXd whole = semidefinite(60);
  const Eigen::VectorXd exact =
      Eigen::SelfAdjointEigenSolver<Eigen::MatrixXd>(whole, Eigen::EigenvaluesOnly).eigenvalues();
  const base::UniqueMat matrix = distributed(whole);
  const EigenRequest request{
      .pairs = 6, .tolerance = 1e-12, .shift = -0.1, .norm = exact(59), .prefix = "test_"};
  const EigenPairs pairs = symmetric_pairs(matrix.get(), request, test_session().log());

  ASSERT_TRUE(pairs.complete());
  EXPECT_LE(worst_residual(matrix.get(), pairs), 1e-11);
  for (Eigen::Index i = 0; i < 6; ++i) { // ascending distance from the shift, all above it
    const auto k = static_cast<std::size_t>(i);
    EXPECT_TRUE(near(pairs.values[k].real(), exact(i), {1e-12, 1e-12}));
    EXPECT_EQ(pairs.values[k].imag(), 0);
    EXPECT_TRUE(near(base::norm2(pairs.vectors[k].get()), 1, support::round_off));
  }
  EXPECT_THAT(pairs.solver, testing::HasSubstr("krylovschur, shift-and-invert at -0.1 by"));
}

TEST(SymmetricPairs, near_a_value_inside_the_spectrum) {
  const Eigen::MatrixXd whole = semidefinite(60);
  Eigen::VectorXd exact =
      Eigen::SelfAdjointEigenSolver<Eigen::MatrixXd>(whole, Eigen::EigenvaluesOnly).eigenvalues();
  constexpr double shift = 1.2345;
  std::sort(exact.begin(), exact.end(),
            [](double a, double b) { return std::abs(a - shift) < std::abs(b - shift); });
  const base::UniqueMat matrix = distributed(whole);
  const EigenPairs pairs = symmetric_pairs(
      matrix.get(), {.pairs = 4, .tolerance = 1e-12, .shift = shift, .prefix = "test_"},
      test_session().log());
  ASSERT_TRUE(pairs.complete());
  for (std::size_t i = 0; i < 4; ++i) {
    EXPECT_TRUE(near(pairs.values[i].real(), exact(static_cast<Eigen::Index>(i)), {1e-12, 1e-12}));
  }
  EXPECT_GE(pairs.farthest, std::abs(exact(3) - shift) * (1 - 1e-12));
}

TEST(SymmetricPairs, all_pairs_of_a_tiny_matrix) {
  const Eigen::MatrixXd whole{{2, -1, 0}, {-1, 2, -1}, {0, -1, 2}};
  const base::UniqueMat matrix = distributed(whole);
  const EigenPairs pairs = symmetric_pairs(
      matrix.get(), {.pairs = 3, .shift = -1, .prefix = "test_"}, test_session().log());
  ASSERT_EQ(pairs.values.size(), 3U);
  for (int i = 0; i < 3; ++i) {
    const double exact = 2 - 2 * std::cos((i + 1) * pi / 4);
    EXPECT_TRUE(near(pairs.values[static_cast<std::size_t>(i)].real(), exact, {1e-13, 1e-13}));
  }
}

/// Plain diffusion on n x n cells: the sums of two discrete cosine spectra, ascending.
struct Square {
  explicit Square(PetscInt n)
      : problem({.drift = {"0", "0"}, .diffusion = {"1"}},
                {axis("x", 0, 1, n), axis("y", 0, 1.3, n)}) {
    const auto line = [&](double length, PetscInt k) {
      const double h = length / static_cast<double>(n);
      return 2 / (h * h) * (1 - std::cos(pi * static_cast<double>(k) / static_cast<double>(n)));
    };
    for (PetscInt i = 0; i < 8; ++i) {
      for (PetscInt j = 0; j < 8; ++j) exact.push_back(line(1, i) + line(1.3, j));
    }
    std::sort(exact.begin(), exact.end());
  }
  support::Case problem;
  std::vector<double> exact;
};

TEST(SymmetricPairs, both_methods_find_the_spectrum_of_a_square) {
  Square square(48);
  const operators::Generator& a = square.problem->symmetrised_entries();
  for (const Method method : {Method::direct, Method::iterative}) {
    const EigenRequest request{.pairs = 6,
                               .tolerance = 1e-9,
                               .shift = -pi * pi / 1.69,
                               .norm = a.facts.norm,
                               .method = method,
                               .prefix = "test_"};
    const EigenPairs pairs = symmetric_pairs(a.matrix.get(), request, test_session().log());
    ASSERT_TRUE(pairs.complete()) << pairs.solver;
    const double residual = worst_residual(a.matrix.get(), pairs);
    EXPECT_LE(residual, 1e-9 * a.facts.norm) << pairs.solver;
    for (std::size_t i = 0; i < 6; ++i) {
      // An eigenvalue of a symmetric matrix errs by no more than the residual.
      EXPECT_TRUE(near(pairs.values[i].real(), square.exact[i], {residual + 1e-11, 0}))
          << pairs.solver;
    }
  }
}

TEST(SymmetricPairs, blocks_of_rows_find_the_same_spectrum) {
  Square square(48);
  auto op = std::make_shared<operators::BlockMultigrid>(
      operators::symmetric_stencil(square.problem->fluxes()), -1);
  const double norm = op->stencil().norm();
  const base::UniqueMat matrix = operators::shell_matrix(square.problem->grid(), op);
  for (const PetscInt count : {1, 6, 15}) {
    const EigenRequest request{.pairs = count,
                               .tolerance = 1e-13,
                               .shift = -1,
                               .norm = norm,
                               .method = Method::iterative,
                               .prefix = "test_"};
    const EigenPairs pairs = symmetric_pairs(matrix.get(), request, test_session().log());
    ASSERT_TRUE(pairs.complete()) << pairs.solver;
    EXPECT_THAT(pairs.solver, testing::HasSubstr("block_lobpcg"));
    const double residual = worst_residual(matrix.get(), pairs);
    EXPECT_LE(residual, 1e-13 * norm);
    for (std::size_t i = 0; i < static_cast<std::size_t>(count); ++i) {
      EXPECT_TRUE(near(pairs.values[i].real(), square.exact[i], {residual + 1e-11, 0})) << i;
    }
  }
}

TEST(SymmetricPairs, blocks_of_rows_go_on_from_where_they_paused) {
  Square square(64);
  auto op = std::make_shared<operators::BlockMultigrid>(
      operators::symmetric_stencil(square.problem->fluxes()), -1);
  const base::UniqueMat matrix = operators::shell_matrix(square.problem->grid(), op);
  int pauses = 0;
  int tests = 0;
  EigenRequest request{.pairs = 5,
                       .tolerance = 1e-13,
                       .shift = -1,
                       .norm = op->stencil().norm(),
                       .method = Method::iterative,
                       .prefix = "test_"};
  request.pause = [&](bool) { return ++tests % 4 == 0; };
  request.save = [&](const std::vector<Vec>& reached) {
    ++pauses;
    EXPECT_EQ(reached.size(), 8U); // the block
  };
  const EigenPairs pairs = symmetric_pairs(matrix.get(), request, test_session().log());
  ASSERT_TRUE(pairs.complete());
  EXPECT_GT(pauses, 0);
  for (std::size_t i = 0; i < 5; ++i) {
    EXPECT_TRUE(near(pairs.values[i].real(), square.exact[i], {1e-9, 0})) << i;
  }
}

TEST(SymmetricPairs, blocks_of_rows_need_an_operator_that_knows_them) {
  register_block_lobpcg();
  const base::UniqueMat matrix = distributed(Eigen::MatrixXd::Identity(8, 8));
  base::UniqueEps eps;
  base::check(EPSCreate(PETSC_COMM_WORLD, eps.put()));
  base::check(EPSSetOperators(eps.get(), matrix.get(), nullptr));
  base::check(EPSSetProblemType(eps.get(), EPS_HEP));
  base::check(EPSSetType(eps.get(), block_lobpcg_type));
  EXPECT_THROW(base::check(EPSSolve(eps.get())), base::PetscError);
}

TEST(SymmetricPairs, too_few_iterations_are_admitted) {
  Square square(32);
  const operators::Generator& a = square.problem->symmetrised_entries();
  EigenRequest request{.pairs = 6,
                       .tolerance = 1e-12,
                       .shift = -1,
                       .norm = a.facts.norm,
                       .method = Method::iterative,
                       .prefix = "test_"};
  request.max_iterations = 1;
  const EigenPairs pairs = symmetric_pairs(a.matrix.get(), request, test_session().log());
  EXPECT_FALSE(pairs.complete());
  EXPECT_EQ(pairs.asked, 6);
}

TEST(GeneralPairs, agree_with_dense_algebra_and_keep_pairs_whole) {
  const Eigen::MatrixXd whole = rotations();
  const Eigen::VectorXcd values = Eigen::EigenSolver<Eigen::MatrixXd>(whole, false).eigenvalues();
  const base::UniqueMat matrix = distributed(whole);
  for (const PetscInt count : {3, 4, 5, 6, 9}) {
    constexpr double shift = 0.37;
    const EigenPairs pairs = general_pairs(
        matrix.get(), {.pairs = count, .tolerance = 1e-12, .shift = shift, .prefix = "test_"},
        test_session().log());
    ASSERT_TRUE(pairs.complete());
    EXPECT_LE(worst_residual(matrix.get(), pairs), 1e-10);
    for (std::size_t i = 0; i < pairs.values.size(); ++i) {
      double distance = 1;
      for (const std::complex<double>& value : values) {
        distance = std::min(distance, std::abs(value - pairs.values[i]));
      }
      EXPECT_LE(distance, 1e-11) << pairs.values[i]; // a normal matrix: no amplification
      if (pairs.values[i].imag() == 0) continue;
      ASSERT_LT(i + 1, pairs.values.size()) << "half a pair";
      EXPECT_GT(pairs.values[i].imag(), 0);
      EXPECT_EQ(pairs.values[i + 1], std::conj(pairs.values[i]));
      const double norm =
          std::hypot(base::norm2(pairs.vectors[i].get()), base::norm2(pairs.vectors[i + 1].get()));
      EXPECT_TRUE(near(norm, 1, support::round_off));
      ++i;
    }
    // Nothing nearer than `farthest` is missing.
    std::size_t nearer = 0;
    for (const std::complex<double>& value : values) {
      nearer += std::abs(value - shift) < pairs.farthest * (1 - 1e-9) ? 1 : 0;
    }
    EXPECT_LE(nearer, pairs.values.size());
  }
}

TEST(GeneralPairs, go_on_from_vectors_that_span_an_invariant_space) {
  const base::UniqueMat matrix = distributed(rotations());
  EigenRequest request{.pairs = 3, .tolerance = 1e-13, .shift = 0.37, .prefix = "test_"};
  const EigenPairs fewer = general_pairs(matrix.get(), request, test_session().log());
  for (const base::UniqueVec& vector : fewer.vectors) request.start.push_back(vector.get());
  request.pairs = 9;
  const EigenPairs started = general_pairs(matrix.get(), request, test_session().log());
  request.start.clear();
  const EigenPairs afresh = general_pairs(matrix.get(), request, test_session().log());
  ASSERT_TRUE(started.complete());
  ASSERT_EQ(started.values.size(), afresh.values.size());
  for (std::size_t i = 0; i < afresh.values.size(); ++i) {
    EXPECT_LE(std::abs(started.values[i] - afresh.values[i]), 1e-11) << i; // a normal matrix
  }
}

TEST(GeneralPairs, iterative_solves_give_the_same_values) {
  support::Case c({.drift = {"-x + y", "-x - y"}, .noise = {"1"}},
                  {axis("x", -4, 4, 40), axis("y", -4, 4, 40)});
  const Mat matrix = c->generator_entries();
  EigenRequest request{.pairs = 5,
                       .tolerance = 1e-10,
                       .shift = 0.1,
                       .norm = c->generator().facts.norm,
                       .prefix = "test_"};
  const EigenPairs direct = general_pairs(matrix, request, test_session().log());
  request.method = Method::iterative;
  const EigenPairs iterative = general_pairs(matrix, request, test_session().log());
  ASSERT_TRUE(direct.complete());
  ASSERT_TRUE(iterative.complete());
  for (std::size_t i = 0; i < 5; ++i) {
    // Residuals of 1e-10 of the norm (about 200) and condition numbers of order one.
    EXPECT_LE(std::abs(direct.values[i] - iterative.values[i]), 1e-7) << i;
  }
}

EigenPairs list_of(std::vector<std::complex<double>> values) {
  EigenPairs pairs;
  pairs.values = std::move(values);
  pairs.vectors.resize(pairs.values.size());
  pairs.residuals.resize(pairs.values.size());
  for (std::size_t i = 0; i < pairs.values.size(); ++i) {
    base::check(VecCreateSeq(PETSC_COMM_SELF, 1, pairs.vectors[i].put()));
    base::check(VecSet(pairs.vectors[i].get(), static_cast<double>(i)));
  }
  return pairs;
}

TEST(PairOrder, rounding_does_not_decide_it) {
  // The Ulam matrix of the doubling map on 7 cells: six eigenvalues of modulus 1/2.
  const std::complex<double> z(-0.25, std::sqrt(3) / 4);
  const auto noise = [](double size) { return std::complex<double>(0, size); };
  for (const double e : {1e-11, -1e-11, 4e-10, -4e-10}) {
    // 0.5 * 1e9 + 0.5 lies between two whole numbers, where rounding to nine digits jumps.
    const double half = 0.5 + 0.5e-9;
    EigenPairs pairs =
        list_of({z * 2. * half + noise(e), std::conj(z * 2. * half + noise(e)), half - e, 1,
                 z * 2. * half - noise(e), std::conj(z * 2. * half - noise(e)), half + e});
    sort_steps(pairs);
    EXPECT_NEAR(pairs.values[0].real(), 1, 1e-12);
    EXPECT_NEAR(pairs.values[1].real(), 0.5, 1e-8);
    EXPECT_NEAR(pairs.values[2].real(), 0.5, 1e-8);
    EXPECT_NEAR(pairs.values[3].real(), -0.25, 1e-8);
    EXPECT_NEAR(pairs.values[5].real(), -0.25, 1e-8);
    keep_first(pairs, 4);
    EXPECT_EQ(pairs.values.size(), 5U); // no pair is split
  }
}

TEST(PairOrder, partners_are_those_of_the_nearest_value) {
  const std::complex<double> z(0.5, 0.5);
  const EigenPairs leading = list_of({1, z, std::conj(z), -0.7, 0.7, 0.1, 1e-19});
  EigenPairs other = list_of({0.7 + 1e-12, -0.7, 1, 0.3, z, std::conj(z), -2e-17});

  const std::size_t lacking = match(leading, other, 1e-8);

  EXPECT_EQ(lacking, 1U); // 0.3 is not 0.1
  EXPECT_EQ(other.values, leading.values);
  const std::vector<double> from{2, 4, 5, 1, 0};
  for (std::size_t i = 0; i < from.size(); ++i) {
    PetscReal value = 0;
    base::check(VecMax(other.vectors[i].get(), nullptr, &value));
    EXPECT_EQ(value, from[i]) << i;
  }
  EXPECT_FALSE(other.vectors[5]);
  EXPECT_TRUE(other.vectors[6]); // 0 is 0
}

TEST(PairOrder, copies_that_rounding_made_a_pair_are_two_values) {
  // Twice 0.5 with two eigenvectors; twice 0.25 with one.
  const base::UniqueMat matrix = distributed(
      Eigen::MatrixXd{{0.5, 0, 0, 0}, {0, 0.5, 0, 0}, {0, 0, 0.25, 1}, {0, 0, 0, 0.25}});
  const auto vector = [&](const std::vector<double>& entries) {
    base::UniqueVec v;
    base::check(MatCreateVecs(matrix.get(), v.put(), nullptr));
    for (PetscInt i = 0; i < 4; ++i) {
      base::check(VecSetValue(v.get(), i, entries[static_cast<std::size_t>(i)], INSERT_VALUES));
    }
    base::check(VecAssemblyBegin(v.get()));
    base::check(VecAssemblyEnd(v.get()));
    return v;
  };
  EigenPairs pairs;
  const std::complex<double> copies(0.5, 1e-15);
  const std::complex<double> defective(0.25, 1e-15);
  pairs.values = {copies, std::conj(copies), defective, std::conj(defective)};
  pairs.residuals.assign(4, 1e-15);
  pairs.vectors.push_back(vector({0.1, 0.2, 0, 0}));
  pairs.vectors.push_back(vector({0.9, 0.5, 0, 0}));
  pairs.vectors.push_back(vector({0, 0, 1, 0}));
  pairs.vectors.push_back(vector({0, 0, 0, 1e-15}));

  part_rounded_pairs(matrix.get(), 1, pairs);

  EXPECT_THAT(pairs.values, testing::ElementsAre(0.5, 0.5, defective, std::conj(defective)));
  EXPECT_NEAR(base::norm2(pairs.vectors[0].get()), 1, 1e-14);
  EXPECT_NEAR(base::norm2(pairs.vectors[1].get()), 1, 1e-14);
  EXPECT_NEAR(base::dot(pairs.vectors[0].get(), pairs.vectors[1].get()), 0, 1e-14);
  EXPECT_LT(eigen_residual(matrix.get(), 0.5, pairs.vectors[1].get(), nullptr), 1e-14);
}

TEST(EigenResidual, of_known_vectors) {
  const base::UniqueMat matrix = distributed(Eigen::MatrixXd{{0, 1}, {-1, 0}});
  base::UniqueVec re;
  base::UniqueVec im;
  base::check(MatCreateVecs(matrix.get(), re.put(), im.put()));
  const auto set = [](Vec v, double a, double b) {
    base::check(VecSet(v, 0));
    int rank = 0;
    MPI_Comm_rank(test_session().comm(), &rank);
    if (rank == 0) {
      base::check(VecSetValue(v, 0, a, INSERT_VALUES));
      base::check(VecSetValue(v, 1, b, INSERT_VALUES));
    }
    base::check(VecAssemblyBegin(v));
    base::check(VecAssemblyEnd(v));
  };
  set(re.get(), 1, 0); // (1, i) belongs to i
  set(im.get(), 0, 1);
  EXPECT_EQ(eigen_residual(matrix.get(), {0, 1}, re.get(), im.get()), 0);
  // (A - mu) x = (i - mu) x for that vector, so the residual is |i - mu|.
  EXPECT_TRUE(
      near(eigen_residual(matrix.get(), {0.3, 0.6}, re.get(), im.get()), 0.5, support::round_off));
  // A (1, 0) = (0, -1).
  EXPECT_TRUE(
      near(eigen_residual(matrix.get(), 2, re.get(), nullptr), std::sqrt(5.0), support::round_off));
}

} // namespace
} // namespace komori::linalg
