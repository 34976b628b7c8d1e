#include "models/sde.hpp"

#include <algorithm>
#include <array>

#include <fmt/format.h>

#include "base/error.hpp"

namespace komori::models {
namespace {

using base::InputError;

std::string quoted(const config::Origin& origin, std::string_view path) {
  return fmt::format("{}: '{}'", origin.text(), path);
}

/// One formula per axis; a single formula serves all axes where `spread` allows it.
std::vector<config::Formula> per_axis(const config::FormulaArray& array, const SdeInput& input,
                                      std::string_view key, bool spread) {
  const std::size_t dimension = input.variables.size();
  if (array.rank == 2) {
    throw InputError(
        quoted(array.origin, key) +
        fmt::format(" is a matrix, but must be a list of {} formulas (one per variable)",
                    dimension));
  }
  const std::size_t given = array.entries.size();
  if (given != dimension && !(spread && given == 1 && array.rank == 0)) {
    throw InputError(quoted(array.origin, key) +
                     fmt::format(" has {} formula{}, but the model has {} variable{}; give one per "
                                 "variable",
                                 given, given == 1 ? "" : "s", dimension,
                                 dimension == 1 ? "" : "s"));
  }
  std::vector<config::Formula> formulas;
  for (std::size_t k = 0; k < dimension; ++k) {
    formulas.emplace_back(array.entries[given == 1 ? 0 : k], input.variables, input.parameters);
  }
  return formulas;
}

} // namespace

void declare(config::Declarer& declarer, SdeInput& input) {
  declarer.choice("kind", input.kind, {"sde"},
                  {.help = "What the model is: a stochastic differential equation "
                           "dX = f dt + sqrt(2D) dW."});
  declare_keys(declarer, input);
}

void declare_keys(config::Declarer& declarer, SdeInput& input) {
  declarer.names("variables", input.variables,
                 {.help = "Names of the state variables, one per axis of the grid, at most six.",
                  .need = config::Need::required});
  declarer.constants("parameters", "<parameter>", input.parameters,
                     {.help = "Constants for all formulas and numbers; each may use those above."});
  declarer.formula("potential", input.potential,
                   {.help = "Potential V of the variables; adds -grad V to the drift.",
                    .unit = "variable^2/time"});
  declarer.formula_array("drift", input.drift,
                         {.help = "Drift f, one formula per variable.", .unit = "variable/time"});
  declarer.formula_array(
      "diffusion", input.diffusion,
      {.help = "Diffusion D >= 0: one formula, one per variable, or a symmetric positive definite "
               "matrix.",
       .unit = "variable^2/time"});
  declarer.formula_array("noise", input.noise,
                         {.help =
                              "Noise amplitude sigma in place of 'diffusion', D = sigma^2/2: "
                              "one formula, one per variable, or a matrix (D = sigma sigma^T/2).",
                          .unit = "variable/time^0.5"});
  declarer.choice("convention", input.convention, {"ito", "stratonovich", "isothermal"},
                  {.help = "How to read noise that depends on the state."});
  if (!declarer.reading()) return;
  if (input.variables.size() > 6) {
    declarer.reject("variables", fmt::format("has {} names, but a grid has at most 6 dimensions",
                                             input.variables.size()));
  }
  if (!input.potential.given() && !input.drift.given()) {
    declarer.reject("", "needs 'potential' or 'drift'; add e.g. 'potential: (x^2-1)^2'");
  }
  if (input.diffusion.given() == input.noise.given()) {
    declarer.reject("", "needs one of 'diffusion' and 'noise'; add e.g. 'diffusion: 0.25'");
  }
}

Sde::Sde(const SdeInput& input)
    : variables_(input.variables), parameters_(input.parameters), from_noise_(input.noise.given()) {
  if (input.potential.given()) {
    potential_.emplace(input.potential, variables_, parameters_);
    potential_name_ = quoted(input.potential.origin, "model.potential");
  }
  if (input.drift.given()) drift_ = per_axis(input.drift, input, "model.drift", false);
  const std::string key = from_noise_ ? "model.noise" : "model.diffusion";
  const config::FormulaArray& strength = from_noise_ ? input.noise : input.diffusion;
  diffusion_name_ = quoted(strength.origin, key);
  if (input.convention == "stratonovich") theta_ = 0.5;
  if (input.convention == "isothermal") theta_ = 0;
  if (strength.rank == 2) {
    read_matrix(strength);
  } else {
    diffusion_ = per_axis(strength, input, key, true);
  }
  const std::vector<double> anywhere(variables_.size(), 0.0);
  for (int k = 0; k < dimension(); ++k) {
    const auto a = static_cast<std::size_t>(k);
    drift_names_.push_back(
        has_drift() ? quoted(input.drift.origin, fmt::format("model.drift[{}]", k)) : "");
    constant_diffusion_.emplace_back();
    const bool constant = full_diffusion() ? constant_matrix_ : diffusion_[a].is_constant();
    if (constant) constant_diffusion_[a] = diffusion(k, anywhere);
  }
}

void Sde::read_matrix(const config::FormulaArray& array) {
  const auto dimension = variables_.size();
  const bool right_shape = array.rows == dimension && (from_noise_ || array.columns == dimension);
  if (!right_shape) {
    throw InputError(fmt::format("{} is a {} x {} matrix, but the model has {} variable{}; give {}",
                                 diffusion_name_, array.rows, array.columns, dimension,
                                 dimension == 1 ? "" : "s",
                                 from_noise_ ? fmt::format("{} rows, one per variable", dimension)
                                             : fmt::format("a {0} x {0} matrix", dimension)));
  }
  columns_ = static_cast<int>(array.columns);
  for (const config::FormulaText& text : array.entries) {
    matrix_.emplace_back(text, variables_, parameters_);
  }
  constant_matrix_ = std::all_of(matrix_.begin(), matrix_.end(),
                                 [](const config::Formula& f) { return f.is_constant(); });
  find_coupled();
  const auto widest =
      std::max_element(coupled_.begin(), coupled_.end(),
                       [](const auto& a, const auto& b) { return a.size() < b.size(); });
  if (widest->size() == 1 && array.columns == dimension) { // a diagonal written as a matrix
    for (std::size_t k = 0; k < dimension; ++k) {
      diffusion_.push_back(std::move(matrix_[k * dimension + k]));
    }
    matrix_.clear();
    return;
  }
  if (widest->size() > 3) {
    std::string names;
    for (const int k : *widest) {
      names += (names.empty() ? "" : ", ") + variables_[static_cast<std::size_t>(k)];
    }
    throw InputError(fmt::format(
        "{} couples {} variables ({}), but non-negative rates on a grid are known for matrices "
        "that couple two or three; rotate the variables so that D splits into smaller blocks, and "
        "write 0 where they do not couple",
        diffusion_name_, widest->size(), names));
  }
  if (theta_ == 0.5 && !from_noise_ && !constant_matrix_) {
    throw InputError(fmt::format(
        "{} is a matrix that depends on the state, which does not determine Stratonovich noise; "
        "give the matrix sigma as 'model.noise', or choose another 'model.convention'",
        diffusion_name_));
  }
}

/// Variables i and j are coupled where D_ij is not known to be 0 from the formulas alone.
void Sde::find_coupled() {
  const int dimension = this->dimension();
  const std::vector<double> anywhere(variables_.size(), 0.0);
  const auto zero = [&](int i, int j) {
    return entry(i, j).is_constant() && entry(i, j)(anywhere) == 0;
  };
  const auto couples = [&](int i, int j) {
    if (!from_noise_) return !zero(i, j) || !zero(j, i);
    for (int c = 0; c < columns_; ++c) {
      if (!zero(i, c) && !zero(j, c)) return true;
    }
    return false;
  };
  std::vector<int> group(variables_.size());
  for (int i = 0; i < dimension; ++i) group[static_cast<std::size_t>(i)] = i;
  for (int i = 0; i < dimension; ++i) {
    for (int j = 0; j < i; ++j) {
      const int from = group[static_cast<std::size_t>(i)];
      const int to = group[static_cast<std::size_t>(j)];
      if (from != to && couples(i, j)) std::replace(group.begin(), group.end(), from, to);
    }
  }
  for (int name = 0; name < dimension; ++name) {
    std::vector<int> members;
    for (int k = 0; k < dimension; ++k) {
      if (group[static_cast<std::size_t>(k)] == name) members.push_back(k);
    }
    if (!members.empty()) coupled_.push_back(std::move(members));
  }
}

void Sde::diffusion_matrix(std::span<const double> x, std::span<double> matrix) const {
  const int d = dimension();
  const auto at = [&](int i, int j) -> double& {
    return matrix[static_cast<std::size_t>(i) * variables_.size() + static_cast<std::size_t>(j)];
  };
  if (!from_noise_) {
    for (int i = 0; i < d; ++i) {
      for (int j = 0; j < d; ++j) at(i, j) = entry(i, j)(x);
    }
    return;
  }
  std::fill(matrix.begin(), matrix.end(), 0.0);
  std::array<double, 6> column{};
  for (int c = 0; c < columns_; ++c) {
    for (int i = 0; i < d; ++i) column[static_cast<std::size_t>(i)] = entry(i, c)(x);
    for (int i = 0; i < d; ++i) {
      for (int j = 0; j < d; ++j) {
        at(i, j) += 0.5 * column[static_cast<std::size_t>(i)] * column[static_cast<std::size_t>(j)];
      }
    }
  }
}

void Sde::noise_matrix(std::span<const double> x, std::span<double> sigma) const {
  for (std::size_t n = 0; n < matrix_.size(); ++n) sigma[n] = matrix_[n](x);
}

double Sde::diffusion(int k, std::span<const double> x) const {
  if (full_diffusion()) {
    if (!from_noise_) return entry(k, k)(x);
    double sum = 0;
    for (int c = 0; c < columns_; ++c) sum += 0.5 * entry(k, c)(x) * entry(k, c)(x);
    return sum;
  }
  const double value = diffusion_[static_cast<std::size_t>(k)].at(x);
  return from_noise_ ? 0.5 * value * value : value;
}

} // namespace komori::models
