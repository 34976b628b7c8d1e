/// Linear systems with the generator of the reversed process, for stationary densities.
#pragma once

#include <memory>
#include <string>

#include "analyses/problem.hpp"

namespace komori::analyses {

/// B = -S^-1 G^T S with S = diag(masses). Where the masses are stationary, -B generates the
/// reversed process, whose null vector is the constant; near them, B is what multigrid is made for.
class ReversedProcess {
public:
  ReversedProcess() = default;
  ReversedProcess(const ReversedProcess&) = delete;
  ReversedProcess& operator=(const ReversedProcess&) = delete;
  virtual ~ReversedProcess() = default;
  /// result = B f. Collective.
  virtual void apply(Vec f, Vec result) = 0;
  /// f with B f = b to some four digits, b in the range of B. Throws ConvergenceError. Collective.
  virtual void solve(Vec b, Vec f) = 0;
  /// Of all solves so far.
  virtual PetscInt iterations() const = 0;
  /// "GMRES + BoomerAMG"
  virtual std::string describe() const = 0;
};

/// Whether `by_stencil` can do it: no entries needed, diffusion on every axis, and no other
/// preconditioner chosen by options.
bool stencil_suits(const Problem& problem);

/// GMRES with a cycle of block multigrid for the reversible part. The problem must outlive it.
/// Collective.
std::unique_ptr<ReversedProcess> by_stencil(Problem& problem, Vec masses);
/// GMRES with algebraic multigrid on the entries of B. Collective.
std::unique_ptr<ReversedProcess> by_entries(Problem& problem, Vec masses);

/// Whether `by_sweeps` can do it: noise acts along one axis alone, and no other preconditioner is
/// chosen by options.
bool sweeps_suit(const Problem& problem);
/// GMRES with sweeps along the axis of the noise. The problem must outlive it. Collective.
std::unique_ptr<ReversedProcess> by_sweeps(Problem& problem, Vec masses);

} // namespace komori::analyses
