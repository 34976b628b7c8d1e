/// Rows of axis-aligned generators, a line of cells at once. Internal to operators.
#pragma once

#include <span>

#include "operators/csr.hpp"
#include "operators/face_flux.hpp"
#include "operators/generator.hpp"

namespace komori::operators {

/// For schemes that `has_face_stencil`: gives all rows of G, or of its symmetrised form, of this
/// rank to `rows`, sets the rates of leaving through walls, per cell, and this rank's part of norm
/// and leak. Every face is evaluated once, and a row has the same bits whatever the blocks of the
/// ranks. Local.
void build_lines(const FaceFluxes& fluxes, bool symmetrised, CsrBuilder& rows,
                 std::span<double> leaks, GeneratorFacts& facts);
/// The same, to replace the values of a matrix.
void build_lines(const FaceFluxes& fluxes, bool symmetrised, CsrValues& rows,
                 std::span<double> leaks, GeneratorFacts& facts);

} // namespace komori::operators
