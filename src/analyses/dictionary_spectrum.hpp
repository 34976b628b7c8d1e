/// The `spectrum` section of a dictionary: eigenpairs with the residual of the operator itself.
#pragma once

#include <complex>
#include <optional>
#include <string>
#include <vector>

#include <Eigen/Core>

#include "analyses/dictionary_bands.hpp"
#include "analyses/dictionary_problem.hpp"
#include "analyses/transfer_spectrum.hpp"
#include "io/result_file.hpp"
#include "spaces/grid.hpp"

namespace komori::analyses {

/// Eigenpairs of the operator on the span of a dictionary. A complex pair takes two entries,
/// positive imaginary part first; its columns are then real and imaginary part of that one's.
struct DictionarySpectrum {
  std::vector<std::complex<double>> values;
  std::vector<double> rates;       ///< -ln|mu|/lag, or -Re; NaN where it is none, 1/time
  std::vector<double> time_scales; ///< 1 / rate; NaN where nothing decays beyond rounding
  std::vector<double> residuals;   ///< ||K v - mu v|| / ||v|| at the samples
  std::vector<double> independent; ///< the same at other samples; NaN where there are none
  std::vector<double> condition;   ///< 1/|w^H v| of left and right vectors of norm 1
  std::vector<double> uncertainty; ///< of mu by rounding
  std::vector<double> gaps;        ///< to the nearest other eigenvalue of the matrix
  std::vector<double> bounds;      ///< of the error of mu where K is symmetric; NaN elsewhere
  std::vector<double> discretisation_error; ///< distance to the smaller dictionary's; NaN: unknown
  std::vector<std::string> verdicts;        ///< converged | suspect
  std::optional<EigenvalueBands> bands;     ///< of the data, where asked for
  Eigen::MatrixXd right;                    ///< coefficients of the functions, one column a pair
  Eigen::MatrixXd left;
  double averaged = 1; ///< share of the samples in cells that give residuals of random images
  std::size_t all = 0; ///< eigenvalues of the matrix, of which these were chosen
};

/// All pairs asked for, with residuals and verdicts; of random images residuals are those of means
/// over the cells of `grid`. Collective.
DictionarySpectrum dictionary_spectrum(DictionaryProblem& problem,
                                       const TransferSpectrumInput& input, const spaces::Grid& grid,
                                       const io::ResultFile& file);

/// The whole section: solve, judge, write /spectrum, print the table; eigenfunctions are evaluated
/// on `grid`. Returns true. Collective.
bool dictionary_spectrum_section(DictionaryProblem& problem, const TransferSpectrumInput& input,
                                 const spaces::Grid& grid, io::ResultFile& file);

} // namespace komori::analyses
