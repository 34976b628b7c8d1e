/// Memory in discrete time: Omega_l by products alone.
#include <algorithm>
#include <cmath>

#include <Eigen/LU>

#include "analyses/memory.hpp"
#include "analyses/memory_kernel.hpp"
#include "analyses/memory_model.hpp"
#include "analyses/memory_state.hpp"
#include "base/signals.hpp"

namespace komori::analyses {

using base::check;
using Eigen::Index;
using Eigen::MatrixXd;

namespace {

/// For functions that do not close among themselves: with p_n = P T^n f and
/// q_{n+1} = Q T (p_n + q_n), p_{n+1} = P T (p_n + q_n). Largest defect, relative to f.
double open_identity(const MemorySystem& system, const operators::Resolved& resolved,
                     std::size_t steps) {
  const operators::Projection& projection = *resolved.projection;
  const auto made = [&] { return base::duplicate(system.weights.get()); };
  base::UniqueVec whole = made();
  const base::UniqueVec hidden = made();
  const base::UniqueVec seen = made();
  base::UniqueVec image = made();
  double worst = 0;
  for (const base::UniqueVec& f : resolved.functions) {
    check(VecCopy(f.get(), whole.get()));
    check(VecSet(hidden.get(), 0));
    const double size = std::sqrt(projection.product(f.get(), f.get()));
    for (std::size_t n = 0; n < steps; ++n) {
      projection.apply(whole.get(), seen.get());
      check(VecAXPY(seen.get(), 1, hidden.get()));
      check(MatMult(system.matrix, seen.get(), hidden.get()));
      check(MatMult(system.matrix, whole.get(), image.get()));
      std::swap(whole, image);
      projection.apply(hidden.get(), seen.get());
      check(VecAXPY(hidden.get(), -1, seen.get()));
      projection.apply(whole.get(), image.get());
      check(VecAXPY(seen.get(), -1, image.get()));
      worst = std::max(worst, std::sqrt(projection.product(seen.get(), seen.get())) / size);
    }
  }
  return worst;
}

} // namespace

void discrete_memory(MemorySystem& system, const operators::Resolved& resolved,
                     const MemoryInput& input, MemoryResult& result) {
  const std::int64_t lags = input.lags > 0 ? input.lags : 10;
  const Coupling coupling(system, resolved);
  const auto k = static_cast<Index>(resolved.functions.size());
  const auto rows = static_cast<std::size_t>(lags) + 1;
  result.gram = coupling.gram();
  result.omega.assign(rows, MatrixXd::Zero(k, k));
  // Farther than the memory kept, so that what it lacks shows.
  result.propagator.assign(4 * rows + 1, MatrixXd::Identity(k, k));
  const base::UniqueVec state = base::duplicate(system.weights.get());
  const base::UniqueVec image = base::duplicate(system.weights.get());
  Index begin = 0;
  // One function after the other: what is done of the matrices is all there is to save.
  if (system.checkpoints) {
    system.checkpoints->restore("memory kernel", [&](io::CheckpointReader& reader) {
      unpack_modes(reader.numbers("modes"), result);
      const std::vector<double> numbers = reader.numbers("matrices");
      std::size_t next = 0;
      begin = static_cast<Index>(numbers.at(next++));
      for (auto* matrices : {&result.omega, &result.propagator}) {
        for (MatrixXd& matrix : *matrices) {
          for (Index a = 0; a < begin; ++a) {
            for (Index b = 0; b < k; ++b) matrix(a, b) = numbers.at(next++);
          }
        }
      }
    });
  }
  for (Index a = begin; a < k; ++a) {
    const Vec f = resolved.functions[static_cast<std::size_t>(a)].get();
    check(VecCopy(f, state.get()));
    for (std::size_t l = 0; l < rows; ++l) {
      result.omega[l].row(a) = coupling.seen(state.get());
      check(MatMult(system.matrix, state.get(), image.get()));
      resolved.projection->complement(image.get());
      check(VecCopy(image.get(), state.get()));
    }
    check(VecCopy(f, state.get()));
    for (std::size_t n = 1; n < result.propagator.size(); ++n) {
      check(MatMult(system.matrix, state.get(), image.get()));
      check(VecCopy(image.get(), state.get()));
      result.propagator[n].row(a) = coupling.coefficients(state.get());
    }
    system.log().progress(static_cast<double>(a + 1) / static_cast<double>(k), "functions");
    const auto save = [&](io::CheckpointWriter& writer) {
      std::vector<double> numbers{static_cast<double>(a + 1)};
      for (const auto* matrices : {&result.omega, &result.propagator}) {
        for (const MatrixXd& matrix : *matrices) {
          for (Index i = 0; i <= a; ++i) {
            for (Index b = 0; b < k; ++b) numbers.push_back(matrix(i, b));
          }
        }
      }
      writer.numbers("modes", packed_modes(result));
      writer.numbers("matrices", numbers);
    };
    if (system.checkpoints) {
      system.checkpoints->step("memory kernel", save);
    } else {
      base::stop_if_asked(system.comm(), "the memory is incomplete");
    }
  }
  cut(result, input.cut);
  if (!resolved.closed) result.identity_error = open_identity(system, resolved, rows);
  for (std::size_t l = 0; l < result.omega.size(); ++l) {
    result.times.push_back(static_cast<double>(l) * system.lag);
  }
  for (std::size_t n = 0; n < result.propagator.size(); ++n) {
    result.propagated_times.push_back(static_cast<double>(n) * system.lag);
  }
}

} // namespace komori::analyses
