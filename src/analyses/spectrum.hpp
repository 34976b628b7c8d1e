/// The `spectrum` section: eigenvalues and eigenfunctions of the generator.
#pragma once

#include <complex>
#include <string>
#include <vector>

#include "analyses/grid_error.hpp"
#include "analyses/problem.hpp"
#include "config/declaration.hpp"
#include "io/result_file.hpp"
#include "linalg/eigen.hpp"

namespace komori::analyses {

/// `spectrum` as written.
struct SpectrumInput {
  std::int64_t pairs = 10;
  double tolerance = 1e-10;
  std::string sides = "right";
  config::WordOrNumber target{.word = "slowest"};
  std::string solver = "auto";
  bool error_estimate = true;
};
void declare(config::Declarer& declarer, SpectrumInput& input);

/// Eigenvalues of a generator with what is known about each. A complex pair takes two entries,
/// positive imaginary part first; its vectors are then real and imaginary part.
struct Spectrum {
  std::vector<std::complex<double>> values;
  std::vector<double> residuals;            ///< ||A x - lambda x|| / ||x||, 1/time
  std::vector<double> solver_error;         ///< of the eigenvalue as one of the matrix, 1/time
  std::string solver_error_basis;           ///< what kind of bound that is
  std::vector<double> discretisation_error; ///< of the eigenvalue, 1/time; NaN where not estimated
  std::vector<GridError> grid_errors;       ///< what it rests on; empty where not estimated
  std::vector<std::string> verdicts;        ///< converged | suspect | not converged
  std::vector<base::UniqueVec> right;       ///< eigenfunctions u of G, largest modulus 1
  std::vector<base::UniqueVec> left;        ///< eigendensities of G^T per unit volume
  double norm = 0;                          ///< of the operator the residuals belong to, 1/time
  PetscInt iterations = 0;
  std::string solver;
  std::string coverage; ///< what the search may have missed, empty if nothing
  std::string audit;    ///< what counting the eigenvalues came to, empty if not done
  PetscInt missing = 0; ///< eigenvalues counted that are not in the list
  bool counted = false; ///< by inertia, on this very grid
  bool complete = true;
  /// Solver's and grid's error together, 1/time; NaN where the latter is not known.
  double stated_error(std::size_t i) const { return discretisation_error[i] + solver_error[i]; }
};

/// Solves for the pairs asked, right and left as asked, without discretisation errors. Collective.
Spectrum compute_spectrum(Problem& problem, const SpectrumInput& input);

/// The same with solver and grid errors and an audit of multiplicities; where eigenvalues are found
/// to be missing, a second, wider search. Collective.
Spectrum certified_spectrum(Problem& problem, const SpectrumInput& input);

/// Throws InputError where the section does not fit the problem. Collective.
void validate(const Problem& problem, const SpectrumInput& input);

/// The whole section: solve, estimate errors on a coarser grid, write /spectrum, print the table.
/// Returns false if fewer pairs than asked converged (they are written and marked). Collective.
bool spectrum(Problem& problem, const SpectrumInput& input, io::ResultFile& file);

} // namespace komori::analyses
