/// Eigenvalues of a dictionary at any lag of a trajectory, and bands for them.
#pragma once

#include <complex>
#include <cstdint>
#include <vector>

#include "analyses/dictionary_problem.hpp"
#include "analyses/time_scales.hpp"
#include "io/result_file.hpp"

namespace komori::analyses {

/// Eigenvalues of the operator on the dictionary, those of largest modulus first. Throws Stopped.
/// Collective.
std::vector<std::complex<double>> eigenvalues_of(DictionaryProblem& problem,
                                                 const operators::PairSamples& samples);

/// Bands of real and imaginary parts by the bootstrap: of every sample's eigenvalues the nearest to
/// each of `values` counts, each at most once.
struct EigenvalueBands {
  std::vector<Band> real;
  std::vector<Band> imaginary;
};
/// One pass over the data for each sample. Throws Stopped. Collective.
EigenvalueBands eigenvalue_bands(DictionaryProblem& problem,
                                 const std::vector<std::complex<double>>& values);

/// The section `time_scales` of a dictionary: the estimate anew at each lag from all
/// data, with bands where `bootstrap` asks for them. Returns true. Collective.
bool dictionary_time_scales(DictionaryProblem& problem, const TimeScalesInput& input,
                            io::ResultFile& file);

} // namespace komori::analyses
