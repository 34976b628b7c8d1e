/// What of a system is seen, as the input says it: the projection and the functions that the memory
/// is reported for.
#pragma once

#include <memory>
#include <string>
#include <utility>
#include <vector>

#include "base/petsc.hpp"
#include "config/declaration.hpp"
#include "operators/projection.hpp"
#include "spaces/grid.hpp"

namespace komori::operators {

/// `projection` as written.
struct ProjectionInput {
  std::string kind;
  config::FormulaArray observables;
  std::vector<std::string> variables;
  std::vector<double> cells;
  config::FormulaArray sets{.rank = 2, .entries = {}, .origin = {}}; ///< rows of any lengths
  std::string from;                                                  ///< of sets: a result file
  config::FormulaArray functions;
  config::Origin origin;
};
void declare(config::Declarer& declarer, ProjectionInput& input);

/// The names that formulas may use.
struct Names {
  std::vector<std::string> variables;
  std::vector<std::pair<std::string, double>> constants;
};

/// The projection with the functions f_a in its range whose memory is asked for.
struct Resolved {
  std::unique_ptr<Projection> projection;
  std::vector<base::UniqueVec> functions;
  std::vector<std::string> labels;
  /// The functions and the constant 1 span the range, so that their equations are closed.
  bool closed = true;
  /// The functions are indicators of parts: matrices are written with rows = from, columns = to.
  bool parts = false;
  /// The functions have mean 0: the constant 1 is in the range and seen apart from them.
  bool centred = false;
  /// Of observables: norm left of the most dependent one, orthogonal to those before it, relative.
  double independence = 1;
  std::string text; ///< "3 observables and the constant, rank 4", for the log
};

/// Beyond this rank the functions of `variables` are formulas, by default the variables themselves.
inline constexpr PetscInt most_indicators = 16;

/// Builds them in the inner product of `weights` (sum 1, all > 0). `conserved`: the operator keeps
/// the constant 1, which then belongs to every range. Throws InputError where formulas have no
/// value on the grid; observables are constant or depend on one another; a state lies in no set or
/// in two; a set is empty; everything is resolved. Collective.
Resolved resolve(const spaces::Grid& grid, const ProjectionInput& input, const Names& names,
                 Vec weights, bool conserved);

/// The part of each of this rank's cells under `variables`, and their number. Throws InputError.
/// Local.
std::pair<std::vector<PetscInt>, PetscInt> parts_by_variables(const spaces::Grid& grid,
                                                              const ProjectionInput& input);
/// Likewise under `sets`. Collective.
std::pair<std::vector<PetscInt>, PetscInt>
parts_by_sets(const spaces::Grid& grid, const ProjectionInput& input, const Names& names);

/// Likewise by the coarse sets in the result file `from`, which must be of the same grid.
/// Collective.
std::pair<std::vector<PetscInt>, PetscInt> parts_by_file(const spaces::Grid& grid,
                                                         const ProjectionInput& input);

} // namespace komori::operators
