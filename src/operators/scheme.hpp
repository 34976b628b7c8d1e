/// How a generator is discretised, as the input says it.
#pragma once

#include <string>
#include <utility>

#include "config/declaration.hpp"

namespace komori::operators {

/// `scheme` as written.
struct SchemeInput {
  std::string rates = "scharfetter_gummel";
  std::string face_drift = "mean";
  std::string undiffused = "upwind";
};
void declare(config::Declarer& declarer, SchemeInput& input);

/// Which end of an axis.
enum class Side { lower, upper };

/// B(|w|) and B(-|w|) of the Bernoulli function B(w) = w / (e^w - 1), without cancellation and for
/// any |w|.
std::pair<double, double> bernoulli(double magnitude);

} // namespace komori::operators
