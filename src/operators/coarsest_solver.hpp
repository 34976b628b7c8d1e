/// The exact solve on the coarsest grid of a multigrid hierarchy.
#pragma once

#include <memory>
#include <vector>

#include "operators/smoother.hpp"
#include "operators/stencil.hpp"

namespace komori::operators {

/// Factorises (A - shift) * scale on every rank: some hundred cells, or one per rank.
class CoarsestSolver {
public:
  /// Collective.
  CoarsestSolver(const SymmetricStencil& stencil, Form form, double shift, double scale);
  CoarsestSolver(const CoarsestSolver&) = delete;
  CoarsestSolver& operator=(const CoarsestSolver&) = delete;
  ~CoarsestSolver();
  /// Replaces `width` right-hand sides by their solutions. Collective.
  template <int width> void solve(Field& field);

private:
  struct Factor;
  spaces::PaddedBlock block_;
  std::vector<int> counts_; ///< cells of every rank
  std::unique_ptr<Factor> factor_;
};

} // namespace komori::operators
