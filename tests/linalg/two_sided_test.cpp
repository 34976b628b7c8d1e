#include "linalg/two_sided.hpp"

#include <cmath>

#include <Eigen/Dense>
#include <gtest/gtest.h>

#include "base/random.hpp"
#include "linalg/eigen.hpp"
#include "linalg/lane_blocks.hpp"
#include "mpi_main.hpp"
#include "numbers.hpp"

namespace komori::linalg {
namespace {

using base::check;
using support::near;
using Complex = std::complex<double>;
using Eigen::Index;
using Eigen::MatrixXd;
using Eigen::VectorXd;

constexpr Index size = 60;
constexpr double pole = 0.5;

/// Slow rates 1, 2 +- 3i, 2.5 and then 6, 7, ... in a basis that is far from orthogonal.
MatrixXd slow_and_fast() {
  MatrixXd values = MatrixXd::Zero(size, size);
  values.topLeftCorner(4, 4) << -1, 0, 0, 0, 0, -2, 3, 0, 0, -3, -2, 0, 0, 0, 0, -2.5;
  for (Index i = 4; i < size; ++i) values(i, i) = -2.0 - static_cast<double>(i);
  MatrixXd basis = MatrixXd::Identity(size, size);
  const base::Random random(7);
  for (Index i = 0; i < size * size; ++i) {
    basis(i / size, i % size) += 0.1 * random.normal(static_cast<std::uint64_t>(i));
  }
  return basis * values * basis.inverse();
}

/// A small matrix of which every rank holds all and works on its rows; the preconditioner knows
/// the inverse to some per cent. Rows are kept in reverse order.
class Small final : public LaneOperator {
public:
  Small() : matrix_(slow_and_fast()) {
    const auto n = static_cast<PetscInt>(size);
    check(MatCreateDense(comm(), PETSC_DECIDE, PETSC_DECIDE, n, n, nullptr, distributed_.put()));
    check(MatGetOwnershipRange(distributed_.get(), &first_, &end_));
    for (PetscInt i = first_; i < end_; ++i) {
      places_.push_back(end_ - 1 - i);
      for (PetscInt j = 0; j < n; ++j) {
        check(MatSetValue(distributed_.get(), i, j, matrix_(i, j), INSERT_VALUES));
      }
    }
    check(MatAssemblyBegin(distributed_.get(), MAT_FINAL_ASSEMBLY));
    check(MatAssemblyEnd(distributed_.get(), MAT_FINAL_ASSEMBLY));
    shifted_ = pole * MatrixXd::Identity(size, size) - matrix_;
    MatrixXd rough = shifted_;
    const base::Random random(8);
    for (Index i = 0; i < size * size; ++i) {
      rough(i / size, i % size) *= 1 + 0.05 * random.normal(static_cast<std::uint64_t>(i));
    }
    inverse_ = rough.inverse();
  }
  Mat distributed() const { return distributed_.get(); }
  const MatrixXd& matrix() const { return matrix_; }

  MPI_Comm comm() const override { return test_session().comm(); }
  std::size_t rows() const override { return static_cast<std::size_t>(end_ - first_); }
  double shift() const override { return pole; }
  std::span<const PetscInt> places() const override { return places_; }
  /// In two parts.
  void product(bool transposed, const WideLaneVectors& x, const Take& take) override {
    WideLaneVectors y(x.size());
    apply(transposed, shifted_, x, y);
    const std::size_t half = y.size() / 2;
    take(half, std::span(y).subspan(half));
    take(0, std::span(y).first(half));
  }
  WideLaneVectors image(bool transposed, const WideLaneVectors& x) {
    WideLaneVectors y(x.size());
    apply(transposed, shifted_, x, y);
    return y;
  }
  void precondition(bool transposed, const LaneVectors& b, WideLaneVectors& x) override {
    WideLaneVectors wide(b.size());
    for (std::size_t i = 0; i < b.size(); ++i) {
      for (std::size_t c = 0; c < base::lanes; ++c) wide[i].set(c, b[i].v[c]);
    }
    apply(transposed, inverse_, wide, x);
  }

  /// This rank's rows of some columns, in the first lanes; and those of all ranks back from them.
  WideLaneVectors lanes_of(const MatrixXd& columns) const {
    WideLaneVectors lanes(rows(), base::WideLanes{});
    for (std::size_t i = 0; i < rows(); ++i) {
      for (Index c = 0; c < columns.cols(); ++c) {
        lanes[i].set(static_cast<std::size_t>(c), columns(first_ + places_[i], c));
      }
    }
    return lanes;
  }
  MatrixXd columns_of(const WideLaneVectors& lanes) const {
    MatrixXd columns = MatrixXd::Zero(size, static_cast<Index>(base::lanes));
    for (std::size_t i = 0; i < rows(); ++i) {
      for (std::size_t c = 0; c < base::lanes; ++c) {
        columns(first_ + places_[i], static_cast<Index>(c)) = lanes[i][c];
      }
    }
    MPI_Allreduce(MPI_IN_PLACE, columns.data(), static_cast<int>(columns.size()), MPI_DOUBLE,
                  MPI_SUM, comm());
    return columns;
  }

private:
  void apply(bool transposed, const MatrixXd& by, const WideLaneVectors& x, WideLaneVectors& y) {
    const MatrixXd all = columns_of(x);
    y = lanes_of(transposed ? MatrixXd(by.transpose() * all) : MatrixXd(by * all));
  }

  MatrixXd matrix_;
  MatrixXd shifted_;
  MatrixXd inverse_;
  base::UniqueMat distributed_;
  PetscInt first_ = 0;
  PetscInt end_ = 0;
  std::vector<PetscInt> places_;
};

base::UniqueVec spread(const Small& small, const VectorXd& values) {
  base::UniqueVec vector;
  check(MatCreateVecs(small.distributed(), vector.put(), nullptr));
  PetscInt first = 0;
  check(VecGetOwnershipRange(vector.get(), &first, nullptr));
  const base::WriteArray to(vector.get());
  for (std::size_t i = 0; i < to.size(); ++i) to[i] = values[first + static_cast<PetscInt>(i)];
  return vector;
}

/// The four slow pairs and so many of the next ones, each vector with an error of that size.
TwoSidedPairs approximate(const Small& small, double error, int more = 0) {
  const Eigen::EigenSolver<MatrixXd> right(small.matrix());
  const Eigen::EigenSolver<MatrixXd> left(MatrixXd(small.matrix().transpose()));
  const base::Random random(9);
  std::uint64_t next = 0;
  TwoSidedPairs pairs;
  std::vector<Complex> values{-1, {-2, 3}, -2.5};
  for (int i = 0; i < more; ++i) values.emplace_back(-6.0 - i);
  for (const Complex value : values) {
    for (const auto* side : {&right, &left}) {
      Index at = 0;
      (side->eigenvalues().array() - value).abs().minCoeff(&at);
      Eigen::VectorXcd vector = side->eigenvectors().col(at);
      for (Complex& entry : vector) {
        entry += error * random.normal(next++) / std::sqrt(double(size));
      }
      auto& to = side == &right ? pairs.right : pairs.left;
      to.push_back(spread(small, vector.real()));
      if (value.imag() != 0) to.push_back(spread(small, vector.imag()));
    }
    pairs.values.push_back(value);
    if (value.imag() != 0) pairs.values.push_back(std::conj(value));
  }
  return pairs;
}

bool slower(Complex a, Complex b) {
  return a.real() > b.real();
}

TEST(LaneGmres, solves_real_and_complex_systems_side_by_side) {
  Small small;
  const std::size_t rows = small.rows();
  LaneGmres gmres(small, 40);
  const LaneComplement nothing;
  const std::vector<LaneSystem> systems{{.lane = 0, .theta = 0.3, .tolerance = 1e-6},
                                        {.lane = 2, .theta = {0.1, 1.5}, .tolerance = 1e-4},
                                        {.lane = 7, .theta = -0.2, .tolerance = 1e-5}};
  for (const bool transposed : {false, true}) {
    WideLaneVectors b(rows, base::WideLanes{});
    const base::Random random(10);
    for (std::size_t i = 0; i < rows; ++i) {
      for (const std::size_t c : {0, 2, 3}) b[i].set(c, random.normal(100 * c + i));
    }
    WideLaneVectors x(rows);
    gmres.right_sides() = rounded({b}).front();
    const int iterations = gmres.solve(transposed, systems, nothing, x);
    EXPECT_LT(iterations, 25);
    const WideLaneVectors image = small.image(transposed, x);
    // b - (s - A) x + (s - theta) x, by lanes; the seventh has nothing to solve.
    base::LaneSums left{};
    base::LaneSums whole{};
    for (std::size_t i = 0; i < rows; ++i) {
      const Complex rest = Complex(b[i][2], b[i][3]) - Complex(image[i][2], image[i][3]) +
                           (pole - systems[1].theta) * Complex(x[i][2], x[i][3]);
      left[2] += std::norm(rest);
      whole[2] += std::norm(Complex(b[i][2], b[i][3]));
      left[0] += std::pow(b[i][0] - image[i][0] + (pole - 0.3) * x[i][0], 2);
      whole[0] += std::pow(b[i][0], 2);
      EXPECT_EQ(x[i][7], 0);
    }
    for (base::LaneSums* sums : {&left, &whole}) {
      MPI_Allreduce(MPI_IN_PLACE, sums->data(), static_cast<int>(base::lanes), MPI_DOUBLE, MPI_SUM,
                    small.comm());
    }
    // What the basis in single precision says of the residual holds to its rounding.
    EXPECT_LT(std::sqrt(left[0] / whole[0]), 2e-6);
    EXPECT_LT(std::sqrt(left[2] / whole[2]), 1.01e-4);
  }
}

TEST(LaneGmres, solves_on_the_complement_of_a_range_that_is_not_invariant) {
  Small small;
  const MatrixXd& a = small.matrix();
  const base::Random random(12);
  MatrixXd x(size, 3);
  MatrixXd y(size, 3);
  MatrixXd b(size, 3);
  for (Index i = 0; i < 3 * size; ++i) {
    x(i / 3, i % 3) = random.normal(static_cast<std::uint64_t>(i)) / std::sqrt(double(size));
    y(i / 3, i % 3) = x(i / 3, i % 3) + 0.1 * random.normal(static_cast<std::uint64_t>(1000 + i));
    b(i / 3, i % 3) = random.normal(static_cast<std::uint64_t>(2000 + i));
  }
  y = (y * (x.transpose() * y).inverse()).eval();
  const MatrixXd within = y.transpose() * a * x;
  const auto columns = [&](const MatrixXd& of) { return rounded({small.lanes_of(of)}); };
  LaneComplement complement{
      .right = {.columns = columns(x), .residuals = columns(a * x - x * within)},
      .left = {.columns = columns(y),
               .residuals = columns(a.transpose() * y - y * within.transpose())}};
  const std::vector<LaneSystem> systems{{.lane = 0, .theta = {0.1, 1.5}, .tolerance = 1e-4},
                                        {.lane = 2, .theta = 0.3, .tolerance = 1e-4}};
  LaneGmres gmres(small, 40);
  for (const bool transposed : {false, true}) {
    for (const bool rough : {false, true}) {
      complement.rough = rough;
      MatrixXd off = MatrixXd::Identity(size, size) - x * y.transpose();
      if (transposed) off.transposeInPlace();
      gmres.right_sides() = columns(b).front();
      WideLaneVectors solved(small.rows());
      gmres.solve(transposed, systems, complement, solved);
      const MatrixXd found = small.columns_of(solved);
      const MatrixXd image = transposed ? MatrixXd(a.transpose() * found) : MatrixXd(a * found);
      const auto column = [](const MatrixXd& of, const LaneSystem& system) {
        const auto lane = static_cast<Index>(system.lane);
        Eigen::VectorXcd complex = of.col(lane).cast<Complex>();
        if (system.complex()) complex += Complex(0, 1) * of.col(lane + 1);
        return complex;
      };
      for (const LaneSystem& system : systems) {
        const Eigen::VectorXcd t = column(found, system);
        EXPECT_LT((t - off * t).norm(), 1e-5 * t.norm()); // rounded to single precision
        const Eigen::VectorXcd right = off * column(b, system);
        const double left =
            (right - off * (system.theta * t - column(image, system))).norm() / right.norm();
        if (rough) {
          EXPECT_LT(left, 1.01e-4);
        } else {
          EXPECT_GT(left, 1e-3); // the test sees what it is for
        }
      }
    }
  }
}

TEST(TwoSided, brings_both_sides_of_all_pairs_to_the_residual) {
  Small small;
  base::UniqueMat transposed;
  check(MatCreateTranspose(small.distributed(), transposed.put()));
  for (const int more : {0, 7}) { // with seven more in two batches
    const std::size_t count = 4 + static_cast<std::size_t>(more);
    const TwoSidedRequest request{.before = slower, .wanted = count, .residual = 1e-10};
    const TwoSidedResult found =
        improved_pairs(small, approximate(small, 0.05, more), request, test_session().log());
    EXPECT_TRUE(found.converged);
    EXPECT_LE(found.passes, 5);
    ASSERT_EQ(found.pairs.values.size(), count);
    std::vector<Complex> exact{-1, {-2, 3}, {-2, -3}, -2.5};
    for (int i = 0; i < more; ++i) exact.emplace_back(-6.0 - i);
    for (std::size_t j = 0; j < count; ++j) {
      EXPECT_TRUE(near(std::abs(found.pairs.values[j] - exact[j]), 0, {1e-11, 0})) << j;
      EXPECT_LT(found.pairs.residuals[j], 1e-10);
      EXPECT_LT(found.pairs.left_residuals[j], 1e-10);
    }
    // As they are found apart from the iteration, but for rounding.
    for (std::size_t j = 0; j < count; ++j) {
      const Complex value = found.pairs.values[j];
      if (value.imag() < 0) continue;
      const auto residual = [&](Mat matrix, const std::vector<base::UniqueVec>& vectors) {
        return eigen_residual(matrix, value, vectors[j].get(),
                              value.imag() != 0 ? vectors[j + 1].get() : nullptr);
      };
      EXPECT_TRUE(near(residual(small.distributed(), found.pairs.right), found.pairs.residuals[j],
                       {1e-12, 0}));
      EXPECT_TRUE(near(residual(transposed.get(), found.pairs.left), found.pairs.left_residuals[j],
                       {1e-12, 0}));
    }
  }
}

TEST(TwoSided, says_where_the_start_does_not_serve) {
  Small small;
  const TwoSidedRequest request{.before = slower, .wanted = 4, .residual = 1e-10};
  TwoSidedPairs start = approximate(small, 0);
  for (std::size_t j = 0; j < 4; ++j) {
    start.left[j] = spread(small, VectorXd::Unit(size, 10 + static_cast<Index>(j)));
  }
  EXPECT_FALSE(improved_pairs(small, std::move(start), request, test_session().log()).converged);
}

TEST(TwoSided, goes_on_from_any_state_to_the_same_bits) {
  Small small;
  std::vector<std::vector<double>> numbers;
  std::vector<std::vector<base::UniqueVec>> vectors;
  TwoSidedRequest request{.before = slower, .wanted = 4, .residual = 1e-10};
  request.continuation.step = [&](const std::function<SolverState()>& describe) {
    const SolverState state = describe();
    numbers.push_back(state.numbers);
    vectors.emplace_back();
    for (Vec vector : state.vectors) {
      vectors.back().push_back(base::duplicate(vector));
      check(VecCopy(vector, vectors.back().back().get()));
    }
  };
  const TwoSidedResult whole =
      improved_pairs(small, approximate(small, 0.05), request, test_session().log());
  ASSERT_GE(numbers.size(), 4);
  for (std::size_t i = 0; i < numbers.size(); ++i) {
    SolverState state{.numbers = numbers[i], .vectors = {}};
    for (const base::UniqueVec& vector : vectors[i]) state.vectors.push_back(vector.get());
    TwoSidedPairs start; // of which only the shape counts
    start.right.push_back(spread(small, VectorXd::Zero(size)));
    const TwoSidedResult parts = improved_pairs(small, std::move(start),
                                                {.before = slower,
                                                 .wanted = 4,
                                                 .residual = 1e-10,
                                                 .continuation = {.step = {}, .from = &state}},
                                                test_session().log());
    EXPECT_EQ(parts.iterations, whole.iterations);
    for (std::size_t j = 0; j < 4; ++j) {
      EXPECT_EQ(parts.pairs.values[j], whole.pairs.values[j]) << i;
      EXPECT_EQ(parts.pairs.left_residuals[j], whole.pairs.left_residuals[j]) << i;
    }
  }
}

TEST(TwoSided, extrapolation_takes_away_errors_that_halve) {
  Small small;
  // Spaces whose bases are X, X + E / 2, X + E for some X and E, each in another basis.
  const base::Random random(11);
  MatrixXd x(size, 4);
  MatrixXd e(size, 4);
  for (Index i = 0; i < 4 * size; ++i) {
    x(i / 4, i % 4) = random.normal(static_cast<std::uint64_t>(i));
    e(i / 4, i % 4) = 1e-3 * random.normal(static_cast<std::uint64_t>(1000 + i));
  }
  const auto pairs_of = [&](double factor, const MatrixXd& basis) {
    TwoSidedPairs pairs;
    const MatrixXd columns = (x + factor * e) * basis;
    for (Index j = 0; j < 4; ++j) {
      pairs.right.push_back(spread(small, columns.col(j)));
      pairs.left.push_back(spread(small, columns.col(j)));
      pairs.values.emplace_back(-1.0);
    }
    return pairs;
  };
  MatrixXd mixed = MatrixXd::Identity(4, 4);
  mixed(0, 1) = 0.5;
  mixed(3, 2) = -0.7;
  TwoSidedPairs fine = pairs_of(0.5, MatrixXd::Identity(4, 4));
  extrapolate(fine, pairs_of(1, mixed), 2);
  // What is left is of second order in E.
  for (Index j = 0; j < 4; ++j) {
    const auto defect = [&](const base::UniqueVec& found) {
      const base::UniqueVec exact = spread(small, x.col(j));
      check(VecAXPY(found.get(), -1, exact.get()));
      VectorXd along = VectorXd::Zero(4);
      for (Index k = 0; k < 4; ++k)
        along[k] = base::dot(spread(small, x.col(k)).get(), found.get());
      const VectorXd within = (x.transpose() * x).ldlt().solve(along);
      check(VecAXPY(found.get(), -1, spread(small, x * within).get()));
      return base::norm2(found.get());
    };
    EXPECT_LT(defect(fine.right[static_cast<std::size_t>(j)]), 1e-5);
    EXPECT_LT(defect(fine.left[static_cast<std::size_t>(j)]), 1e-5);
  }
}

} // namespace
} // namespace komori::linalg
