/// The `spectrum` section of a map or a Markov chain.
#pragma once

#include <complex>
#include <string>
#include <vector>

#include "analyses/transfer_problem.hpp"
#include "config/declaration.hpp"
#include "io/result_file.hpp"
#include "linalg/eigen.hpp"

namespace komori::analyses {

/// `spectrum` as written.
struct TransferSpectrumInput {
  std::int64_t pairs = 10;
  double tolerance = 1e-10;
  std::string sides = "right";
  config::WordOrNumber target{.word = "slowest"};
  std::string solver = "auto";
  bool error_estimate = true;
  bool conditions = true;
  double residual_threshold = 0.01;
  std::string filter = "none";
  config::Origin origin{};
};
void declare(config::Declarer& declarer, TransferSpectrumInput& input);

/// Eigenvalues mu of P (or of a matrix of rates) with what is known about each. A complex pair
/// takes two entries, positive imaginary part first; its vectors are then real and imaginary part.
struct TransferSpectrum {
  std::vector<std::complex<double>> values;
  std::vector<double> rates;                ///< -ln|mu|/lag, or -Re; NaN where it is none, 1/time
  std::vector<double> time_scales;          ///< 1 / rate; NaN where nothing decays beyond rounding
  std::vector<double> residuals;            ///< ||P x - mu x|| / ||x||
  std::vector<double> condition;            ///< see PairConditions; NaN where not asked for
  std::vector<double> uncertainty;          ///< of mu by rounding; NaN where not asked for
  std::vector<double> discretisation_error; ///< of mu by the grid; NaN where not estimated
  std::vector<double> sampling_error;       ///< standard error of mu by drawn paths; NaN: none
  std::vector<std::string> verdicts;        ///< converged | suspect | not converged
  std::vector<base::UniqueVec> right;       ///< functions, largest modulus 1
  std::vector<base::UniqueVec> left;        ///< densities per volume, integral of the modulus 1
  PetscInt iterations = 0;
  std::string solver;
  std::string coverage;   ///< what the search may have missed, empty if nothing
  std::int64_t parts = 1; ///< that never meet; 1 also where there are fewer than pairs
  bool complete = true;
};

/// Solves for the pairs asked: right, left and conditions as asked, no errors of the grid, no
/// verdicts. Throws Stopped. Collective.
TransferSpectrum compute_spectrum(TransferProblem& problem, const TransferSpectrumInput& input);

/// Likewise with errors of the grid, rates and verdicts: all that the section reports. Collective.
TransferSpectrum judged_spectrum(TransferProblem& problem, const TransferSpectrumInput& input);

/// Throws InputError where the section does not fit. Local.
void validate(std::int64_t states, const TransferSpectrumInput& input);

/// The whole section: solve, judge, write /spectrum, print the table. Returns false if fewer pairs
/// than asked converged (they are written and marked). Collective.
bool spectrum(TransferProblem& problem, const TransferSpectrumInput& input, io::ResultFile& file);

} // namespace komori::analyses
