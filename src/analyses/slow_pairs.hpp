/// Eigenvalues next to 1 of transfer matrices that are too large to be factorised.
#pragma once

#include <string>

#include "analyses/transfer_problem.hpp"
#include "linalg/eigen.hpp"

namespace komori::analyses {

/// Images of neighbours scatter, so that a factorisation fills up far more than one of a generator:
/// above this many cells products are all there is.
constexpr std::int64_t most_factorised = 100'000;

/// Pairs of P next to 1, or of P transposed (masses), by powers of (1 + P) / 2. On a grid they are
/// begun on grids of half as many cells per axis: slow functions of a map are smooth enough for a
/// coarse grid to know most of them. `phase` and `finished` are those of `with_checkpoints`.
/// Collective.
linalg::EigenPairs slow_pairs(TransferProblem& problem, bool transposed,
                              linalg::EigenRequest request, const std::string& phase,
                              linalg::EigenPairs* finished = nullptr);

} // namespace komori::analyses
