/// Averages over the stationary density, each with the error of its grid.
#pragma once

#include <string>
#include <vector>

#include "analyses/grid_error.hpp"
#include "analyses/stationary.hpp"

namespace komori::analyses {

/// One average.
struct Moment {
  std::string name;    ///< "mean of x", "variance of x", or the observable's
  std::string dataset; ///< below /stationary
  std::string meaning;
  std::string unit;
  double value = 0;
  GridError grid{};  ///< basis empty: not estimated
  double solver = 0; ///< what the residual of the density may change it by; see `moments`
  double stated_error() const { return grid.error + solver; }
};

/// Mean and variance of every variable without periodic ends, and the observables of the input. The
/// grid's error is estimated from the densities on grids of a half and a quarter as many cells per
/// axis (`grid_error`) where `input.error_estimate` asks for it. The solver's is the residual times
/// the slowest relaxation time times the spread of the averaged quantity: an estimate. Collective.
std::vector<Moment> moments(Problem& problem, const StationaryInput& input,
                            const StationaryDensity& density);

} // namespace komori::analyses
