/// Rows of a matrix of formulas that need not be equally long: what `formula_array` reads into an
/// array that is of rank 2 before.
#pragma once

#include <vector>

#include "config/declaration.hpp"

namespace komori::config {

/// The entries of an array of rank 2 row by row; where `columns` is 0 rows differ in length, and
/// the paths of the entries, "sets[1][0]", tell them apart. Local.
std::vector<std::vector<FormulaText>> formula_rows(const FormulaArray& array);

} // namespace komori::config
