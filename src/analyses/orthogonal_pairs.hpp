/// Eigenpairs of the orthogonal dynamics on the range of Q, from both sides.
#pragma once

#include <complex>
#include <optional>
#include <string>
#include <vector>

#include "analyses/memory.hpp"
#include "base/petsc.hpp"

namespace komori::analyses {

/// One eigenvalue; im is null for a real one. Right vectors are functions, left ones masses, with
/// left^T right = 1 (no conjugation).
struct OrthogonalPair {
  std::complex<double> value;
  base::UniqueVec right;
  base::UniqueVec right_im;
  base::UniqueVec left;
  base::UniqueVec left_im;
  double residual = 0;
  double left_residual = 0;
  double condition = 1;
};

/// What a search has found. Of a complex pair only the one with positive imaginary part is listed.
struct OrthogonalPairs {
  std::vector<OrthogonalPair> pairs;
  std::string solver;
  double radius = 0;    ///< of a search next to a shift: every eigenvalue so near was found
  std::string coverage; ///< what may have been missed, empty if nothing
  bool complete = true;
  bool certified = false; ///< pairs are scaled, and their residuals and conditions known
};

/// The slowest `count` eigenvalues (largest real part, or modulus in discrete time); all there are
/// if that is fewer. Throws Stopped. Collective.
OrthogonalPairs orthogonal_pairs(MemorySystem& system, const operators::Projection& projection,
                                 const MemoryInput& input);

/// On at most `most_dense` states: all of them, by a dense eigensolver on every rank.
inline constexpr PetscInt most_dense = 400;
OrthogonalPairs dense_pairs(const MemorySystem& system, const operators::Projection& projection);

/// Large reversible problems on grids: LOBPCG on blocks with geometric multigrid, projected.
bool block_pairs_suit(const MemorySystem& system);
OrthogonalPairs block_pairs(MemorySystem& system, const operators::Projection& projection,
                            const MemoryInput& input, PetscInt wanted);

/// By inverting next to the slowest ones, in continuous time.
OrthogonalPairs resolvent_pairs(MemorySystem& system, const operators::Projection& projection,
                                const MemoryInput& input, PetscInt wanted);

/// Large grids whose systems are solved by sweeps: found on a coarse grid and followed to finer
/// ones. `asked` of the `wanted` pairs are brought to the tolerance. Nothing where a coarser grid
/// cannot serve or the iteration does not converge.
bool nested_pairs_suit(const MemorySystem& system, const operators::Projection& projection);
std::optional<OrthogonalPairs> nested_pairs(MemorySystem& system,
                                            const operators::Projection& projection,
                                            const MemoryInput& input, PetscInt asked,
                                            PetscInt wanted);

/// In front: largest modulus in discrete time, largest real part in continuous time; of equal real
/// parts the smaller frequency.
bool slower(const MemorySystem& system, std::complex<double> a, std::complex<double> b);

/// With the stationary density as weights nothing grows: <u, L u> <= 0, and the same holds of QLQ
/// (of |QTQ u| <= |u| in discrete time). Eigenvalues that do by more than they err by belong to
/// functions that live where the density is nothing but rounding: these pairs go, with a warning.
/// Collective.
void leave_out_growing(const MemorySystem& system, std::vector<OrthogonalPair>& pairs);

/// Scales the left vector to left^T right = 1, and finds the condition. Collective.
void scale_left(OrthogonalPair& pair);

/// re + i im of one side against the other without conjugation: left^T right. Collective.
std::complex<double> pairing(Vec left, Vec left_im, Vec right, Vec right_im);

} // namespace komori::analyses
