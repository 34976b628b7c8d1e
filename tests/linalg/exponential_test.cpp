/// exp(tM) x against dense exponentials, and the promises made about errors.
#include "linalg/exponential.hpp"

#include <cmath>
#include <functional>

#include <Eigen/Dense>
#include <gmock/gmock.h>
#include <gtest/gtest.h>
#include <unsupported/Eigen/MatrixFunctions>

#include "base/error.hpp"
#include "linalg/series_weights.hpp"
#include "mpi_main.hpp"

namespace komori::linalg {
namespace {

using base::check;
using Dense = Eigen::MatrixXd;
using Vector = Eigen::VectorXd;

constexpr int size = 48;

base::UniqueMat distributed(const Dense& dense) {
  base::UniqueMat matrix;
  check(MatCreateAIJ(test_session().comm(), PETSC_DECIDE, PETSC_DECIDE, size, size, size, nullptr,
                     size, nullptr, matrix.put()));
  PetscInt first = 0;
  PetscInt last = 0;
  check(MatGetOwnershipRange(matrix.get(), &first, &last));
  for (PetscInt i = first; i < last; ++i) {
    for (PetscInt j = 0; j < size; ++j) {
      if (dense(i, j) != 0 || i == j) {
        check(MatSetValue(matrix.get(), i, j, dense(i, j), INSERT_VALUES));
      }
    }
  }
  check(MatAssemblyBegin(matrix.get(), MAT_FINAL_ASSEMBLY));
  check(MatAssemblyEnd(matrix.get(), MAT_FINAL_ASSEMBLY));
  return matrix;
}

base::UniqueVec distributed(Mat like, const Vector& values) {
  base::UniqueVec vec;
  check(MatCreateVecs(like, vec.put(), nullptr));
  PetscInt first = 0;
  check(VecGetOwnershipRange(vec.get(), &first, nullptr));
  const base::WriteArray entries(vec.get());
  for (std::size_t i = 0; i < entries.size(); ++i) {
    entries[i] = values[first + static_cast<PetscInt>(i)];
  }
  return vec;
}

Vector gathered(Vec vec) {
  Vector values = Vector::Zero(size);
  PetscInt first = 0;
  check(VecGetOwnershipRange(vec, &first, nullptr));
  {
    const base::ReadArray entries(vec);
    for (std::size_t i = 0; i < entries.size(); ++i) {
      values[first + static_cast<PetscInt>(i)] = entries[i];
    }
  }
  MPI_Allreduce(MPI_IN_PLACE, values.data(), size, MPI_DOUBLE, MPI_SUM, test_session().comm());
  return values;
}

/// Masses on a ring: rates up and down the ring that vary, so that a current flows.
Dense driven_ring(double up, double down) {
  Dense m = Dense::Zero(size, size);
  for (int i = 0; i < size; ++i) {
    const int next = (i + 1) % size;
    const double forward = up * (1 + 0.5 * std::sin(0.3 * i));
    m(next, i) += forward;
    m(i, i) -= forward;
    m(i, next) += down;
    m(next, next) -= down;
  }
  return m;
}

/// Diffusion in a harmonic potential, symmetrised: a psd matrix and its null vector.
struct Symmetric {
  Dense a = Dense::Zero(size, size);
  Vector root = Vector::Zero(size);
};
Symmetric harmonic(double rate, double stiffness) {
  Symmetric s;
  for (int i = 0; i < size; ++i) {
    const double x = i - 0.5 * (size - 1);
    s.root[i] = std::exp(-0.25 * stiffness * x * x);
  }
  s.root.normalize();
  for (int i = 0; i + 1 < size; ++i) {
    const double ratio = s.root[i + 1] / s.root[i];
    s.a(i, i) += rate * ratio;
    s.a(i + 1, i + 1) += rate / ratio;
    s.a(i, i + 1) -= rate;
    s.a(i + 1, i) -= rate;
  }
  return s;
}

double gershgorin(const Dense& a) {
  return a.cwiseAbs().rowwise().sum().maxCoeff();
}

Vector exact_symmetric(const Dense& a, double t, const Vector& x) {
  const Eigen::SelfAdjointEigenSolver<Dense> solver(a);
  const Vector decay = (-t * solver.eigenvalues().array()).exp();
  return solver.eigenvectors() * (decay.asDiagonal() * (solver.eigenvectors().transpose() * x));
}

Vector exact_general(const Dense& m, double t, const Vector& x) {
  const Dense scaled = t * m;
  const Dense exponential = scaled.exp();
  return exponential * x;
}

Vector bump(int at, double width) {
  Vector x = Vector::Zero(size);
  for (int i = 0; i < size; ++i) x[i] = std::exp(-0.5 * std::pow((i - at) / width, 2));
  return x / x.sum();
}

using Run = std::function<ExponentialReport(const ExponentialRequest&, const ExponentialOutput&)>;

/// Runs and compares all states; the claimed error must hold, and the tolerance too.
ExponentialReport compare(const Run& run, const ExponentialRequest& request,
                          const std::function<Vector(double)>& exact, const Vector& weight,
                          double round_off = 1e-11) {
  std::size_t expected = 0;
  const ExponentialReport report = run(request, [&](std::size_t index, Vec state, double error) {
    EXPECT_EQ(index, expected++);
    const Vector difference = gathered(state) - exact(request.times[index]);
    const double distance = difference.cwiseAbs().dot(weight);
    EXPECT_LE(distance, error + round_off) << "time " << request.times[index];
    EXPECT_LE(error, request.tolerance + round_off) << "time " << request.times[index];
  });
  EXPECT_EQ(expected, request.times.size());
  return report;
}

const std::vector<double> all_times{0, 1e-6, 0.01, 0.5, 1, 2, 3, 10, 11, 50, 51, 1e3};

class Symmetrically : public testing::TestWithParam<double> {
protected:
  Symmetric system = harmonic(25, 0.02);
  base::UniqueMat matrix = distributed(system.a);
  Vector v = bump(15, 2).cwiseQuotient(system.root);
  base::UniqueVec start = distributed(matrix.get(), v);
  base::UniqueVec weight = distributed(matrix.get(), system.root);
  Vector exact(double t) const { return exact_symmetric(system.a, t, v); }
};

TEST_P(Symmetrically, ChebyshevKeepsItsTolerance) {
  const double norm = gershgorin(system.a);
  EXPECT_GT(norm * all_times.back(), 1e5);
  const auto report = compare(
      [&](const auto& request, const auto& output) {
        return chebyshev(matrix.get(), norm, start.get(), request, output, test_session().log());
      },
      {.times = all_times, .tolerance = GetParam(), .weight = weight.get()},
      [&](double t) { return exact(t); }, system.root);
  EXPECT_GT(report.products, 0);
}

TEST_P(Symmetrically, ShiftInvertKeepsItsTolerance) {
  for (const Method method : {Method::direct, Method::iterative}) {
    const auto report = compare(
        [&](const auto& request, const auto& output) {
          return shift_invert(matrix.get(), Kind::positive_definite, start.get(), request, output,
                              test_session().log());
        },
        {.times = all_times,
         .tolerance = GetParam(),
         .weight = weight.get(),
         .method = method,
         .prefix = "test_"},
        [&](double t) { return exact(t); }, system.root);
    EXPECT_GT(report.solves, 0);
  }
}

INSTANTIATE_TEST_SUITE_P(Tolerances, Symmetrically, testing::Values(1e-3, 1e-6, 1e-10));

class Driven : public testing::TestWithParam<double> {
protected:
  Dense m = driven_ring(30, 20);
  base::UniqueMat matrix = distributed(m);
  Vector x = bump(10, 1.5);
  base::UniqueVec start = distributed(matrix.get(), x);
  Vector one = Vector::Ones(size);
  Vector exact(double t) const { return exact_general(m, t, x); }
};

TEST_P(Driven, UniformisationKeepsItsToleranceAndSign) {
  const double rate = m.diagonal().cwiseAbs().maxCoeff();
  std::vector<double> times{0, 1e-6, 0.01, 0.5, 1, 2, 3, 10, 50};
  compare(
      [&](const auto& request, const auto& output) {
        return uniformisation(
            matrix.get(), rate, start.get(), request,
            [&](std::size_t index, Vec state, double error) {
              EXPECT_GE(gathered(state).minCoeff(), 0);
              EXPECT_NEAR(gathered(state).sum(), 1, 1e-12);
              output(index, state, error);
            },
            test_session().log());
      },
      {.times = times, .tolerance = GetParam()}, [&](double t) { return exact(t); }, one, 1e-11);
}

TEST_P(Driven, ShiftInvertKeepsItsToleranceAndMass) {
  for (const Method method : {Method::direct, Method::iterative}) {
    const double drift = method == Method::direct ? 1e-11 : GetParam();
    compare(
        [&](const auto& request, const auto& output) {
          return shift_invert(
              matrix.get(), Kind::general, start.get(), request,
              [&](std::size_t index, Vec state, double error) {
                EXPECT_NEAR(gathered(state).sum(), 1, drift);
                output(index, state, error);
              },
              test_session().log());
        },
        {.times = all_times, .tolerance = GetParam(), .method = method, .prefix = "test_"},
        [&](double t) { return exact(t); }, one, 1e-11);
  }
}

INSTANTIATE_TEST_SUITE_P(Tolerances, Driven, testing::Values(1e-3, 1e-6, 1e-10));

TEST(Exponential, UniformisationStopsWhereNothingMovesAnyMore) {
  const Dense m = driven_ring(30, 20);
  const base::UniqueMat matrix = distributed(m);
  const base::UniqueVec start = distributed(matrix.get(), bump(10, 1.5));
  const double rate = m.diagonal().cwiseAbs().maxCoeff();
  const auto report = compare(
      [&](const auto& request, const auto& output) {
        return uniformisation(matrix.get(), rate, start.get(), request, output,
                              test_session().log());
      },
      {.times = {1, 1e4, 2e4}, .tolerance = 1e-8},
      [&](double t) { return exact_general(m, std::min(t, 1e3), bump(10, 1.5)); },
      Vector::Ones(size), 1e-9);
  EXPECT_LT(static_cast<double>(report.products), 0.5 * rate * 2e4);
}

TEST(Exponential, AStationaryStartStays) {
  const Symmetric system = harmonic(25, 0.02);
  const base::UniqueMat matrix = distributed(system.a);
  const base::UniqueVec start = distributed(matrix.get(), system.root);
  compare(
      [&](const auto& request, const auto& output) {
        return shift_invert(matrix.get(), Kind::positive_definite, start.get(), request, output,
                            test_session().log());
      },
      {.times = {0, 1, 1e4}, .tolerance = 1e-9, .weight = start.get(), .prefix = "test_"},
      [&](double) { return system.root; }, system.root, 1e-11);
}

TEST(Exponential, SmallSpacesAreRepairedByShorterSteps) {
  const Dense m = driven_ring(60, 5);
  const base::UniqueMat matrix = distributed(m);
  const Vector x = bump(10, 1);
  const base::UniqueVec start = distributed(matrix.get(), x);
  const auto report = compare(
      [&](const auto& request, const auto& output) {
        return shift_invert(matrix.get(), Kind::general, start.get(), request, output,
                            test_session().log());
      },
      {.times = {0.02, 0.05, 0.1, 0.5, 1}, .tolerance = 1e-8, .prefix = "test_", .dimension = 15},
      [&](double t) { return exact_general(m, t, x); }, Vector::Ones(size));
  EXPECT_GT(report.spaces, 3);
}

TEST(Exponential, ChebyshevRefusesWhatRoundingWouldSpoil) {
  const Symmetric system = harmonic(25, 0.2);
  const base::UniqueMat matrix = distributed(system.a);
  const Vector far = bump(2, 0.5).cwiseQuotient(system.root);
  const base::UniqueVec start = distributed(matrix.get(), far);
  const base::UniqueVec weight = distributed(matrix.get(), system.root);
  try {
    chebyshev(
        matrix.get(), gershgorin(system.a), start.get(),
        {.times = {1}, .tolerance = 1e-8, .weight = weight.get()}, [](std::size_t, Vec, double) {},
        test_session().log());
    FAIL() << "accepted";
  } catch (const base::ConvergenceError& error) {
    EXPECT_THAT(error.what(), testing::HasSubstr("rounding alone errs by"));
    EXPECT_THAT(error.what(), testing::HasSubstr("choose shift_invert or uniformisation"));
  }
}

TEST(SeriesWeights, BesselCoefficientsAddUpToTheExponential) {
  for (const double z : {0.0, 1e-12, 1e-3, 1.0, 30.0, 1e3, 1e5}) {
    const SeriesWeights weights = bessel_weights(z, 1e-15);
    for (const double x : {-1.0, -0.3, 0.7, 0.999, 1.0}) {
      double sum = 0;
      for (std::size_t k = 0; k < weights.values.size(); ++k) {
        sum += weights.values[k] * std::cos(static_cast<double>(k) * std::acos(x));
      }
      EXPECT_NEAR(sum, std::exp(-z * (1 - x)), 1e-13) << z << " " << x;
    }
    if (z >= 1) {
      EXPECT_NEAR(bessel_length(z, 1e-12), static_cast<double>(bessel_weights(z, 1e-12).last()),
                  3 + 0.1 * static_cast<double>(weights.last()));
    }
  }
}

TEST(SeriesWeights, PoissonWeightsHaveTheirMoments) {
  for (const double z : {0.0, 1e-9, 0.5, 7.0, 1e3, 1e6}) {
    const SeriesWeights weights = poisson_weights(z, 1e-15);
    double mass = 0;
    double mean = 0;
    double square = 0;
    for (std::size_t i = 0; i < weights.values.size(); ++i) {
      const double deviation = static_cast<double>(weights.first) + static_cast<double>(i) - z;
      mass += weights.values[i];
      mean += weights.values[i] * deviation;
      square += weights.values[i] * deviation * deviation;
    }
    EXPECT_NEAR(mass, 1, 1e-13);
    EXPECT_NEAR(mean, 0, 1e-10 * (1 + z));
    EXPECT_NEAR(square, z, 1e-10 * (1 + z));
  }
}

/// States of a run that is cut short at its `stop_at`-th step and goes on from the state it saved.
std::vector<Vector> cut_short(const Run& run, ExponentialRequest request, int stop_at) {
  std::vector<Vector> states;
  const auto keep = [&](std::size_t index, Vec state, double) {
    EXPECT_EQ(index, states.size()) << "every output comes once";
    states.push_back(gathered(state));
  };
  std::vector<double> numbers;
  std::vector<base::UniqueVec> copies;
  int steps = 0;
  request.continuation.step = [&](const std::function<SolverState()>& describe) {
    if (++steps < stop_at) return;
    const SolverState state = describe();
    numbers = state.numbers;
    for (const Vec vector : state.vectors) {
      copies.push_back(base::duplicate(vector));
      check(VecCopy(vector, copies.back().get()));
    }
    throw base::Stopped("as the test wants it");
  };
  try {
    run(request, keep);
    return states; // over before that many steps
  } catch (const base::Stopped&) {
  }
  SolverState saved{.numbers = numbers};
  for (const base::UniqueVec& copy : copies) saved.vectors.push_back(copy.get());
  request.continuation = {.from = &saved};
  run(request, keep);
  return states;
}

/// Wherever it is cut, a run ends with the numbers of an uninterrupted one.
void expect_exact_restart(const Run& run, const ExponentialRequest& request) {
  const std::vector<Vector> whole = cut_short(run, request, 1 << 30);
  ASSERT_EQ(whole.size(), request.times.size());
  for (const int stop_at : {1, 2, 3, 7, 20, 50}) {
    const std::vector<Vector> pieces = cut_short(run, request, stop_at);
    ASSERT_EQ(pieces.size(), whole.size()) << "stopped at step " << stop_at;
    for (std::size_t i = 0; i < whole.size(); ++i) {
      // The same operations in the same order, so not even the last digit differs.
      EXPECT_EQ((pieces[i] - whole[i]).cwiseAbs().maxCoeff(), 0)
          << "stopped at step " << stop_at << ", time " << request.times[i];
    }
  }
}

TEST(Restart, IsExactForEveryMethod) {
  const Symmetric system = harmonic(25, 0.02);
  const base::UniqueMat a = distributed(system.a);
  const base::UniqueVec v = distributed(a.get(), bump(15, 2).cwiseQuotient(system.root));
  const base::UniqueVec weight = distributed(a.get(), system.root);
  const Dense ring = driven_ring(30, 20);
  const base::UniqueMat m = distributed(ring);
  const base::UniqueVec x = distributed(m.get(), bump(10, 1.5));
  const ExponentialRequest request{.times = all_times, .tolerance = 1e-8};
  ExponentialRequest weighted = request;
  weighted.weight = weight.get();
  base::Log& log = test_session().log();
  expect_exact_restart(
      [&](const auto& r, const auto& output) {
        return chebyshev(a.get(), gershgorin(system.a), v.get(), r, output, log);
      },
      weighted);
  expect_exact_restart(
      [&](const auto& r, const auto& output) {
        return shift_invert(a.get(), Kind::positive_definite, v.get(), r, output, log);
      },
      weighted);
  expect_exact_restart(
      [&](const auto& r, const auto& output) {
        return shift_invert(m.get(), Kind::general, x.get(), r, output, log);
      },
      request);
  expect_exact_restart(
      [&](const auto& r, const auto& output) {
        return uniformisation(m.get(), ring.diagonal().cwiseAbs().maxCoeff(), x.get(), r, output,
                              log);
      },
      request);
}

} // namespace
} // namespace komori::linalg
