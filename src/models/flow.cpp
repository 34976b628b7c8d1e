#include "models/flow.hpp"

#include <algorithm>
#include <array>
#include <cmath>

#include <fmt/format.h>

#include "base/error.hpp"

namespace komori::models {
namespace {

using base::InputError;

std::string quoted(const config::Origin& origin, std::string_view path) {
  return fmt::format("{}: '{}'", origin.text(), path);
}

std::string count_text(std::size_t count, const char* what) {
  return fmt::format("{} {}{}", count, what, count == 1 ? "" : "s");
}

/// The keys of all coordinates; throws where there are not as many formulas.
std::vector<std::string> names_of(const FlowInput& input) {
  const std::size_t given = input.drift.entries.size();
  if (given != input.variables.size() || input.drift.rank == 2) {
    throw InputError(fmt::format("{} has {}, but the model has {}; give one per variable",
                                 quoted(input.drift.origin, "model.drift"),
                                 count_text(given, "formula"),
                                 count_text(input.variables.size(), "variable")));
  }
  std::vector<std::string> names;
  for (const config::FormulaText& text : input.drift.entries) {
    names.push_back(quoted(text.origin, text.path));
  }
  return names;
}

/// The amplitude of the noise; throws where its formulas have no shape that fits.
NoiseAmplitude amplitude_of(const FlowInput& input) {
  const bool root = input.noise.given();
  const config::FormulaArray& array = root ? input.noise : input.diffusion;
  const std::string key = quoted(array.origin, root ? "model.noise" : "model.diffusion");
  const std::size_t d = input.variables.size();
  if (array.rank == 2) {
    if (array.rows != d || (!root && array.columns != d)) {
      throw InputError(fmt::format("{} is a {} x {} matrix, but the model has {}; give {}", key,
                                   array.rows, array.columns, count_text(d, "variable"),
                                   root ? fmt::format("{} rows, one per variable", d)
                                        : fmt::format("a {0} x {0} matrix", d)));
    }
    return {TimedFormulas(array.entries, input.variables, input.parameters),
            root ? NoiseAmplitude::Shape::rectangular_root : NoiseAmplitude::Shape::matrix, d, key};
  }
  const std::size_t given = array.entries.size();
  if (given != d && !(given == 1 && array.rank == 0)) {
    throw InputError(fmt::format("{} has {}, but the model has {}; give one, one per variable, or "
                                 "a matrix",
                                 key, count_text(given, "formula"), count_text(d, "variable")));
  }
  std::vector<config::FormulaText> texts;
  for (std::size_t k = 0; k < d; ++k) texts.push_back(array.entries[given == 1 ? 0 : k]);
  return {TimedFormulas(texts, input.variables, input.parameters),
          root ? NoiseAmplitude::Shape::diagonal_root : NoiseAmplitude::Shape::diagonal, d, key};
}

void check_method(config::Declarer& declarer, const FlowInput& input) {
  const bool random = input.diffusion.given() || input.noise.given();
  const bool deterministic_method = input.method == "dormand_prince" || input.method == "verner";
  if (random && deterministic_method) {
    declarer.reject("method", fmt::format("is '{}', which is for flows without noise; use "
                                          "'euler_maruyama' or 'heun'",
                                          input.method));
  }
  if (!random && !deterministic_method && input.method != "auto") {
    declarer.reject("method",
                    fmt::format("is '{}', which is for flows with 'diffusion' or 'noise'; "
                                "use 'dormand_prince' or 'verner'",
                                input.method));
  }
  if (random && input.steps == 0) {
    declarer.reject("", "needs 'steps' because it has noise: steps per lag, e.g. 'steps: 100'");
  }
  if (!random && input.steps != 0) {
    declarer.reject("steps", "belongs to a flow with 'diffusion' or 'noise'; without, steps are "
                             "chosen by 'rtol' and 'atol'");
  }
  if (!random && input.convention != "ito") {
    declarer.reject("convention", "belongs to a flow with 'noise'; remove it");
  }
}

} // namespace

void declare_keys(config::Declarer& declarer, FlowInput& input) {
  using config::Need;
  using config::Range;
  declarer.names("variables", input.variables,
                 {.help = "Names of the state variables, one per axis of the grid, at most six.",
                  .need = Need::required});
  declarer.constants("parameters", "<parameter>", input.parameters,
                     {.help = "Constants for all formulas and numbers; each may use those above."});
  declarer.formula_array("drift", input.drift,
                         {.help = "The velocity f, one formula per variable; t is the time.",
                          .unit = "variable/time",
                          .need = Need::required});
  declarer.formula_array("diffusion", input.diffusion,
                         {.help = "Diffusion D of dX = f dt + sqrt(2D) dW: one formula, one per "
                                  "variable, or a symmetric matrix. None: an ordinary equation.",
                          .unit = "variable^2/time"});
  declarer.formula_array("noise", input.noise,
                         {.help = "Noise amplitude sigma in place of 'diffusion', D = sigma "
                                  "sigma^T/2: one formula, one per variable, or a matrix.",
                          .unit = "variable/time^0.5"});
  declarer.choice("convention", input.convention, {"ito", "stratonovich"},
                  {.help = "How to read noise that depends on the state."});
  declarer.real("lag", input.lag,
                {.help = "How long the flow is followed: the time of one step of the operator.",
                 .unit = "time",
                 .need = Need::required},
                Range::positive());
  declarer.real("start", input.start, {.help = "The time t at which it starts.", .unit = "time"},
                Range{});
  declarer.choice("method", input.method,
                  {"auto", "dormand_prince", "verner", "euler_maruyama", "heun"},
                  {.help = "Without noise dormand_prince (orders 5 and 4) or verner (8 and 7), "
                           "steps by error. With noise euler_maruyama (Ito) or heun "
                           "(Stratonovich), which need 'steps'; auto: heun where it solves the "
                           "equation as 'convention' reads it."});
  declarer.real("rtol", input.rtol,
                {.help = "Error allowed per step, relative to the coordinate; without noise."},
                {.min = 1e-14, .max = 0.1});
  declarer.real(
      "atol", input.atol,
      {.help = "Error allowed per step, absolute; without noise.", .unit = "of the variable"},
      {.min = 1e-300, .max = 1e300});
  declarer.integer("most_steps", input.most_steps,
                   {.help = "Steps by error that one lag may take."},
                   Range::between(1, 1'000'000'000));
  declarer.integer("steps", input.steps, {.help = "Equal steps per lag; with noise."},
                   Range::between(0, 1'000'000'000));
  declarer.integer("seed", input.seed, {.help = "Of the noise."}, Range::at_least(0));
  if (!declarer.reading()) return;
  input.origin = declarer.origin("");
  if (input.variables.size() > spaces::max_dimension) {
    declarer.reject("variables", fmt::format("has {} names, but a grid has at most 6 dimensions",
                                             input.variables.size()));
  }
  if (input.diffusion.given() && input.noise.given()) {
    declarer.reject("noise", "stands in place of 'diffusion'; give one of them");
  }
  check_method(declarer, input);
}

Flow::Flow(const FlowInput& input, bool refine)
    : Step({input.variables, input.parameters, names_of(input)}, input.lag), input_(input),
      drift_(input.drift.entries, input.variables, input.parameters), refined_(refine) {
  if (!input.diffusion.given() && !input.noise.given()) {
    const double tighter = refine ? 0.1 : 1;
    ode_ = std::make_unique<OdeSolver>(drift_, input.variables,
                                       OdeControl{.rtol = tighter * input.rtol,
                                                  .atol = tighter * input.atol,
                                                  .type = input.method == "verner" ? "8vr" : "5dp",
                                                  .most_steps = input.most_steps});
    return;
  }
  noise_.emplace(amplitude_of(input));
  const bool additive = noise_->constant();
  const bool ito = input.convention == "ito";
  heun_ = input.method == "heun" || (input.method == "auto" && (additive || !ito));
  const std::string where = input.origin.text();
  if (!additive && heun_ && ito) {
    throw InputError(where + ": 'model.method: heun' solves Stratonovich's equation, but "
                             "'model.convention' is 'ito' and the noise depends on state or time; "
                             "use 'euler_maruyama', or set 'convention: stratonovich'");
  }
  if (!additive && !heun_ && !ito) {
    throw InputError(where + ": 'model.method: euler_maruyama' solves Ito's equation, but "
                             "'model.convention' is 'stratonovich' and the noise depends on state "
                             "or time; use 'heun', or set 'convention: ito'");
  }
  if (!additive && !ito && input.diffusion.rank == 2) {
    throw InputError(where + ": 'model.diffusion' is a matrix that depends on the state, which "
                             "does not determine Stratonovich noise; give the matrix sigma as "
                             "'model.noise', or set 'convention: ito'");
  }
  moves_all_ = noise_->columns() >= input.variables.size();
  if (additive) { // a constant of 0 moves nothing
    const std::vector<double> anywhere(input.variables.size(), 0.0);
    std::vector<double> sigma(noise_->size());
    noise_->evaluate(input.start, {.x = anywhere, .count = 1}, input.variables, sigma);
    for (std::size_t k = 0; k < input.variables.size(); ++k) {
      const std::size_t columns = noise_->diagonal() ? 1 : noise_->columns();
      const auto row = std::span(sigma).subspan(k * columns, columns);
      const bool moves = std::any_of(row.begin(), row.end(), [](double s) { return s != 0; });
      moves_all_ = moves_all_ && moves;
    }
  }
  sde_ = std::make_unique<SdeSolver>(
      drift_, *noise_, input.variables,
      SdeSolver::Control{
          .heun = heun_, .steps = input.steps, .halved = refine, .seed = input.seed});
}

void Flow::images(const spaces::Points& points, std::span<double> images, std::int64_t path) const {
  const auto d = static_cast<std::size_t>(dimension());
  const double end = input_.start + lag();
  std::vector<double> part;
  for (std::size_t from = 0; from < points.count; from += together) {
    const std::size_t count = std::min(together, points.count - from);
    part.resize(d * count);
    for (std::size_t k = 0; k < d; ++k) {
      std::copy_n(points.x.data() + k * points.count + from, count, part.data() + k * count);
    }
    const spaces::Points some{
        .x = part, .count = count, .first = points.first + static_cast<std::int64_t>(from)};
    if (ode_) ode_->follow(input_.start, end, some, part);
    if (sde_) sde_->follow(input_.start, end, some, path, part);
    for (std::size_t k = 0; k < d; ++k) {
      std::copy_n(part.data() + k * count, count, images.data() + k * points.count + from);
    }
  }
}

std::string Flow::method_text() const {
  const double tighter = refined_ ? 0.1 : 1;
  if (ode_) {
    return fmt::format("{}, rtol {:g}, atol {:g}",
                       input_.method == "verner" ? "Verner 8(7)" : "Dormand-Prince 5(4)",
                       tighter * input_.rtol, tighter * input_.atol);
  }
  return fmt::format("{}, {} steps", heun_ ? "Heun" : "Euler-Maruyama",
                     input_.steps * (refined_ ? 2 : 1));
}

bool Flow::uses_time() const noexcept {
  return drift_.uses_time() || (noise_ && noise_->uses_time());
}

std::string Flow::change_with_time(const spaces::Points& points) const {
  if (!uses_time()) return "";
  const auto d = static_cast<std::size_t>(dimension());
  constexpr double rounding = 1e-9; // of sines of large arguments
  const auto differ = [&](std::span<const double> a, std::span<const double> b) {
    double size = 0;
    double difference = 0;
    for (std::size_t i = 0; i < a.size(); ++i) {
      size = std::max({size, std::abs(a[i]), std::abs(b[i])});
      difference = std::max(difference, std::abs(a[i] - b[i]));
    }
    return difference > rounding * size;
  };
  std::vector<double> now(points.count * std::max(d, noise_ ? noise_->size() : 0));
  std::vector<double> later(now.size());
  for (const double share : {0.0, 0.1369, 0.25, 0.4142, 0.5, 0.7071, 0.8647}) {
    const double t = input_.start + share * lag();
    drift_.evaluate(t, points, now);
    drift_.evaluate(t + lag(), points, later);
    bool changes =
        differ(std::span(now).first(d * points.count), std::span(later).first(d * points.count));
    if (noise_ && !changes) {
      noise_->evaluate(t, points, input_.variables, now);
      noise_->evaluate(t + lag(), points, input_.variables, later);
      const std::size_t size = noise_->size() * points.count;
      changes = differ(std::span(now).first(size), std::span(later).first(size));
    }
    if (changes) {
      return fmt::format("the formulas of the flow have other values at t = {:g} than one lag "
                         "later, at t = {:g}",
                         t, t + lag());
    }
  }
  return "";
}

} // namespace komori::models
