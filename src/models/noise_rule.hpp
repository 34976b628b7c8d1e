/// Quadrature over additive noise.
#pragma once

#include <cstddef>
#include <string>
#include <utility>
#include <vector>

#include "models/noise.hpp"
#include "spaces/gauss_rules.hpp"

namespace komori::models {

/// Displacements along variable `k` of `dimension` and their probabilities: Gauss-Hermite for
/// gaussian, Gauss-Legendre for uniform, equidistant points for cosine (exact for trigonometric
/// functions), panels of Gauss-Legendre for a density. `period`: of the variable, 0 if it has none.
/// `points` for each variable. Throws InputError. Local.
spaces::Rule noise_rule(const NoiseInput& input, const std::string& name, std::size_t k,
                        std::size_t dimension, double period, double length, std::size_t points,
                        const std::vector<std::pair<std::string, double>>& constants);

} // namespace komori::models
