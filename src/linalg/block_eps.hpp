/// The SLEPc eigensolver type "block_lobpcg": LOBPCG on blocks of vectors stored row by row.
///
/// It needs a matrix that carries a BlockOperator. Where memory bandwidth is what counts, products,
/// preconditioner and orthogonalisation of all vectors at once are several times faster than vector
/// by vector (README, performance).
#pragma once

#include <functional>
#include <memory>
#include <vector>

#include <slepceps.h>

#include "linalg/block_operator.hpp"

namespace komori::linalg {

inline constexpr const char* block_lobpcg_type = "block_lobpcg";

/// Makes the type known to SLEPc; may be called again. Not collective.
void register_block_lobpcg();

/// Attaches the operator, to be used instead of the matrix' own entries. Collective.
void attach(Mat matrix, std::shared_ptr<BlockOperator> op);
/// What is attached, or null. Local.
BlockOperator* attached(Mat matrix);

/// Vectors iterated at once, at least the pairs wanted; and vectors to start from, kept until the
/// next solve has taken them. For an EPS of the type above.
void set_block(EPS eps, PetscInt block);
void set_block_start(EPS eps, const std::vector<Vec>& start, std::function<void()> started);

} // namespace komori::linalg
