/// The `memory` section: Mori-Zwanzig memory of what a projection sees.
///
/// With R(t) = C(t) C(0)^-1 the propagator of the functions seen:
///   discrete time    R(n+1) = sum_{l <= n} Omega_l R(n-l),  Omega_l f = P T (Q T)^l f;
///   continuous time  R'(t) = Omega R(t) - int_0^t K(s) R(t-s) ds,
///                    K(t) f = -P L exp(t QLQ) Q L f.
#pragma once

#include <cstdint>
#include <optional>
#include <string>

#include "analyses/memory_input.hpp"
#include "analyses/memory_result.hpp"
#include "base/session.hpp"
#include "io/checkpoints.hpp"
#include "linalg/solver.hpp"
#include "operators/resolved.hpp"
#include "spaces/grid.hpp"

namespace komori::analyses {

class Problem;

/// The operator whose memory is asked for, in either kind of time. Refers to what others own.
struct MemorySystem {
  base::Session& session;
  const spaces::Grid& grid;
  Mat matrix = nullptr;      ///< T or L for products with it and its transpose
  Mat entries = nullptr;     ///< the same with entries, for solves; null: ask `problem`
  base::UniqueVec weights{}; ///< of the inner product, sum 1, all > 0
  bool discrete = true;
  double lag = 1;          ///< time of a step
  double norm = 1;         ///< largest absolute row sum
  bool conserved = true;   ///< rows sum to 1 (or 0): nothing leaks
  bool stationary = true;  ///< the weights are those of the stationary density
  bool reversible = false; ///< the operator is self-adjoint in the inner product
  double scale = 1;        ///< of the slowest rates, 1/time
  linalg::Method method = linalg::Method::direct;
  std::optional<int> swept_axis{}; ///< systems are solved by sweeps along it; none: by `method`
  Problem* problem = nullptr;      ///< of an sde
  const operators::ProjectionInput* projection = nullptr; ///< to be made again on coarser grids
  const operators::Names* names = nullptr;
  io::Checkpoints* checkpoints = nullptr;

  base::Log& log() const { return session.log(); }
  MPI_Comm comm() const { return session.comm(); }
  Mat matrix_with_entries() const;
};

/// Throws InputError where the section does not fit the kind of time. Local.
void validate(const MemorySystem& system, const MemoryInput& input);

/// The parts of the whole, each collective. They throw ConvergenceError, Stopped.
///
/// Omega_l, the propagator and the identity between them, in discrete time.
void discrete_memory(MemorySystem& system, const operators::Resolved& resolved,
                     const MemoryInput& input, MemoryResult& result);
/// Streaming matrix, kernel, propagator, Laplace transforms, in continuous time.
void continuous_memory(MemorySystem& system, const operators::Resolved& resolved,
                       const MemoryInput& input, MemoryResult& result);
/// Eigenvalues of the orthogonal dynamics with their amplitudes in the kernel.
void memory_rates(MemorySystem& system, const operators::Resolved& resolved,
                  const MemoryInput& input, MemoryResult& result);

/// Projects, computes and judges: all that the section reports. Collective.
MemoryResult compute_memory(MemorySystem& system, const operators::ProjectionInput& projection,
                            const operators::Names& names, const MemoryInput& input);

/// The whole section: compute, write the group, print under the title. Returns false if fewer rates
/// than asked converged, or the kernel not to its tolerance. Collective.
bool memory(MemorySystem& system, const operators::ProjectionInput& projection,
            const operators::Names& names, const MemoryInput& input, io::ResultFile& file,
            const std::string& group = "memory", const std::string& title = "Memory");

} // namespace komori::analyses
