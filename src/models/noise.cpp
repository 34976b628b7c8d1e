#include "models/noise.hpp"

#include <algorithm>
#include <array>
#include <cmath>
#include <limits>
#include <numbers>
#include <tuple>

#include <fmt/format.h>

#include "base/error.hpp"
#include "config/formula.hpp"
#include "models/equal_cells.hpp"

namespace komori::models {
namespace {

using base::InputError;

class Uniform final : public Noise {
public:
  explicit Uniform(double half_width) : half_width_(half_width) {}
  Tails tails(double z) const override {
    const double below = std::clamp(0.5 * (1 + z / half_width_), 0.0, 1.0);
    return {below, std::clamp(0.5 * (1 - z / half_width_), 0.0, 1.0)};
  }
  double lower() const override { return -half_width_; }
  double upper() const override { return half_width_; }

private:
  double half_width_;
};

class Gaussian final : public Noise {
public:
  explicit Gaussian(double sigma) : sigma_(sigma) {}
  Tails tails(double z) const override {
    const double small = 0.5 * std::erfc(std::abs(z) / (sigma_ * std::numbers::sqrt2));
    return z < 0 ? Tails{small, 1 - small} : Tails{1 - small, small};
  }
  double lower() const override { return -reach * sigma_; }
  double upper() const override { return reach * sigma_; }

private:
  static constexpr double reach = 8.3; ///< erfc(8.3 / sqrt 2) = 1.04e-16
  double sigma_;
};

/// Density ~ cos^p(pi z / L) on one period, p even: its Fourier series is finite, and so is that of
/// its integral.
class Cosine final : public Noise {
public:
  Cosine(int power, double period) : period_(period) {
    const int m = power / 2;
    double ratio = 1; // of the binomial coefficients C(2m, m - k) / C(2m, m)
    for (int k = 1; k <= m; ++k) {
      ratio *= static_cast<double>(m - k + 1) / static_cast<double>(m + k);
      coefficients_.push_back(ratio / (k * std::numbers::pi));
    }
  }
  Tails tails(double z) const override {
    const double s = std::clamp(z / period_, -0.5, 0.5);
    double odd = s;
    for (std::size_t k = 0; k < coefficients_.size(); ++k) {
      odd += coefficients_[k] * std::sin(2 * std::numbers::pi * static_cast<double>(k + 1) * s);
    }
    return {std::max(0.0, 0.5 + odd), std::max(0.0, 0.5 - odd)};
  }
  double lower() const override { return -0.5 * period_; }
  double upper() const override { return 0.5 * period_; }

private:
  double period_;
  std::vector<double> coefficients_;
};

/// 15 nodes of Gauss and Legendre on [-1, 1]: the positive ones.
constexpr std::array<double, 8> nodes{0.0,
                                      0.2011940939974345,
                                      0.3941513470775634,
                                      0.5709721726085388,
                                      0.7244177313601701,
                                      0.8482065834104272,
                                      0.9372733924007060,
                                      0.9879925180204854};
constexpr std::array<double, 8> weights{0.2025782419255613, 0.1984314853271116, 0.1861610000155622,
                                        0.1662692058169939, 0.1395706779261543, 0.1071592204671719,
                                        0.0703660474881081, 0.0307532419961173};

/// A density given by a formula of xi, integrated panel by panel.
class FormulaNoise final : public Noise {
public:
  FormulaNoise(const config::FormulaText& text, config::Formula formula, double lower, double upper)
      : formula_(std::move(formula)),
        name_(fmt::format("{}: '{}'", text.origin.text(), text.path)) {
    edges_.push_back(lower);
    // Panels may end at a jump or kink that lies at 0, where symmetric densities have theirs.
    if (lower < 0 && upper > 0) add_panels(lower, 0, 0);
    add_panels(edges_.back(), upper, 0);
    cumulative_.push_back(0);
    for (const double part : parts_) cumulative_.push_back(cumulative_.back() + part);
    const double total = cumulative_.back();
    if (!(total > 0)) {
      throw InputError(fmt::format("{} is 0 on [{:g}, {:g}], so it cannot be normalised; widen "
                                   "'range'",
                                   name_, lower, upper));
    }
    // Of a jump or a mild singularity next to nothing is left at the deepest panels.
    if (unresolved_ > 1e-3 * total) {
      throw InputError(fmt::format("{} cannot be integrated on [{:g}, {:g}]: it grows too fast "
                                   "near xi = {:.3g}; choose a density that can be normalised",
                                   name_, lower, upper, singular_));
    }
    for (double& value : cumulative_) value /= total;
    scale_ = 1 / total;
  }
  Tails tails(double z) const override {
    if (z <= edges_.front()) return {0, 1};
    if (z >= edges_.back()) return {1, 0};
    const auto after = std::upper_bound(edges_.begin(), edges_.end(), z);
    const auto panel = static_cast<std::size_t>(after - edges_.begin()) - 1;
    const double below = cumulative_[panel] + scale_ * integral(edges_[panel], z);
    return {below, std::max(0.0, 1 - below)};
  }
  double lower() const override { return edges_.front(); }
  double upper() const override { return edges_.back(); }

private:
  double value(double z) const {
    const double density = formula_(std::span<const double>(&z, 1));
    if (std::isfinite(density) && density >= 0) return density;
    throw InputError(fmt::format("{} must be finite and not negative, but is {:g} at xi = {:g}",
                                 name_, density, z));
  }
  double integral(double a, double b) const {
    const double centre = 0.5 * (a + b);
    const double half = 0.5 * (b - a);
    double sum = weights[0] * value(centre);
    for (std::size_t i = 1; i < nodes.size(); ++i) {
      sum += weights[i] * (value(centre - half * nodes[i]) + value(centre + half * nodes[i]));
    }
    return half * sum;
  }
  void add_panels(double a, double b, int depth) {
    constexpr int deepest = 40;
    const double middle = 0.5 * (a + b);
    const double whole = integral(a, b);
    const double halves = integral(a, middle) + integral(middle, b);
    // Not before some panels: a narrow peak between few nodes would be taken for nothing.
    const bool fits = std::abs(whole - halves) <= 1e-13 * std::abs(halves) + 1e-300;
    if ((fits && depth >= 4) || depth >= deepest) {
      if (!fits && halves > unresolved_) {
        unresolved_ = halves;
        singular_ = middle;
      }
      edges_.push_back(b);
      parts_.push_back(halves);
      return;
    }
    add_panels(a, middle, depth + 1);
    add_panels(middle, b, depth + 1);
  }

  config::Formula formula_;
  std::string name_;
  std::vector<double> edges_;
  std::vector<double> parts_;
  std::vector<double> cumulative_;
  double scale_ = 1;
  double unresolved_ = 0; ///< the largest part that bisection did not settle
  double singular_ = 0;   ///< where it is
};

double entry(const std::vector<double>& values, std::size_t k) {
  return values.size() == 1 ? values[0] : values[k];
}

void require_count(const NoiseInput& input, const std::string& path, std::size_t given,
                   std::size_t dimension) {
  if (given == 1 || given == dimension) return;
  throw InputError(fmt::format("{}: '{}' has {} values, but the model has {} variable{}; give one "
                               "for all, or one per variable",
                               input.origin.text(), path, given, dimension,
                               dimension == 1 ? "" : "s"));
}

} // namespace

void declare(config::Declarer& declarer, NoiseInput& input) {
  using config::Range;
  declarer.choice("kind", input.kind, {"gaussian", "uniform", "cosine", "density"},
                  {.help = "The distribution of what each step adds, independent for every "
                           "variable.",
                   .need = config::Need::required});
  declarer.reals("sigma", input.sigma,
                 {.help = "gaussian: standard deviation, one for all variables or one for each; 0: "
                          "no noise there.",
                  .unit = "of the variable"},
                 Range::at_least(0));
  declarer.reals("half_width", input.half_width,
                 {.help = "uniform: largest displacement, one for all variables or one for each.",
                  .unit = "of the variable"},
                 Range::at_least(0));
  declarer.reals("power", input.power,
                 {.help = "cosine, on periodic axes: the even power p of a density that goes like "
                          "cos(pi xi/period)^p."},
                 Range::between(2, 10000));
  declarer.formula_array("density", input.density,
                         {.help = "density: a formula of the displacement xi, one for all "
                                  "variables or one for each; its integral is made 1.",
                          .unit = "1/variable"});
  declarer.reals("range", input.range,
                 {.help = "density: the lowest and highest displacement; half a period of a "
                          "periodic axis and the length of others to both sides when left out.",
                  .unit = "of the variable"},
                 {});
  if (!declarer.reading()) return;
  input.origin = declarer.origin("");
  const std::array<std::tuple<const char*, const char*, bool>, 4> belongs{
      {{"gaussian", "sigma", !input.sigma.empty()},
       {"uniform", "half_width", !input.half_width.empty()},
       {"cosine", "power", !input.power.empty()},
       {"density", "density", input.density.given()}}};
  for (const auto& [kind, key, given] : belongs) {
    if (kind == input.kind && !given) {
      declarer.reject("", fmt::format("of kind '{}' needs '{}'", kind, key));
    }
    if (kind != input.kind && given) {
      declarer.reject(
          key, fmt::format("belongs to noise of kind '{}', but 'kind' is '{}'", kind, input.kind));
    }
  }
  if (input.range.empty()) return;
  if (input.kind != "density") declarer.reject("range", "belongs to noise of kind 'density'");
  if (input.range.size() != 2 || !(input.range[0] < input.range[1])) {
    declarer.reject("range", "must be two numbers, the lower one first");
  }
}

std::shared_ptr<const Noise>
make_noise(const NoiseInput& input, const std::string& name, std::size_t k, std::size_t dimension,
           const spaces::Axis& axis, const std::vector<std::pair<std::string, double>>& constants) {
  if (input.kind == "gaussian") {
    require_count(input, name + ".sigma", input.sigma.size(), dimension);
    const double sigma = entry(input.sigma, k);
    return sigma > 0 ? std::make_shared<Gaussian>(sigma) : nullptr;
  }
  if (input.kind == "uniform") {
    require_count(input, name + ".half_width", input.half_width.size(), dimension);
    const double width = entry(input.half_width, k);
    return width > 0 ? std::make_shared<Uniform>(width) : nullptr;
  }
  if (input.kind == "cosine") {
    require_count(input, name + ".power", input.power.size(), dimension);
    const double power = entry(input.power, k);
    if (std::fmod(power, 2) != 0) {
      throw InputError(fmt::format("{}: '{}.power' is {:g}, but must be an even integer",
                                   input.origin.text(), name, power));
    }
    if (!axis.periodic()) {
      throw InputError(fmt::format("{}: '{}' is of kind 'cosine', which needs a period, but the "
                                   "axis {} has walls; set 'grid.{}.boundary: periodic', or choose "
                                   "another kind",
                                   input.origin.text(), name, axis.name(), axis.name()));
    }
    return std::make_shared<Cosine>(static_cast<int>(power), axis.length());
  }
  require_count(input, name + ".density", input.density.entries.size(), dimension);
  const std::size_t which = input.density.entries.size() == 1 ? 0 : k;
  const double reach = axis.periodic() ? 0.5 * axis.length() : axis.length();
  const double lower = input.range.empty() ? -reach : input.range[0];
  const double upper = input.range.empty() ? reach : input.range[1];
  const config::FormulaText& text = input.density.entries[which];
  return std::make_shared<FormulaNoise>(text, config::Formula(text, {"xi"}, constants), lower,
                                        upper);
}

namespace {

double slack_of(const spaces::Axis& axis) {
  constexpr double roundings = 8 * std::numeric_limits<double>::epsilon();
  return roundings * std::max(std::abs(axis.from()), std::abs(axis.to()));
}

} // namespace

AxisKernel::AxisKernel(const spaces::Axis& axis, std::int64_t cells,
                       std::shared_ptr<const Noise> noise)
    : axis_(&axis), cells_(cells), own_(false), noise_(std::move(noise)),
      inverse_width_(1 / (axis.length() / static_cast<double>(cells))), slack_(slack_of(axis)) {}

AxisKernel::AxisKernel(const spaces::Axis& axis, std::shared_ptr<const Noise> noise)
    : axis_(&axis), cells_(axis.cells()), own_(true), noise_(std::move(noise)),
      slack_(slack_of(axis)) {
  const double width = axis.length() / axis.cells();
  bool equal = true;
  for (PetscInt i = 0; i < axis.cells() && equal; ++i) {
    equal = std::abs(axis.width(i) - width) <= 1e-6 * width;
  }
  if (equal) inverse_width_ = 1 / width;
}

double AxisKernel::edge(std::int64_t i) const {
  if (!axis_->periodic()) return edge_within(i);
  const std::int64_t turn = i >= 0 ? i / cells_ : -((cells_ - 1 - i) / cells_);
  return edge_within(i - turn * cells_) + static_cast<double>(turn) * axis_->length();
}

std::int64_t AxisKernel::locate(double x) const {
  const std::int64_t cells = cells_;
  double turn = 0;
  if (axis_->periodic()) {
    turn = std::floor((x - axis_->from()) / axis_->length());
    x -= turn * axis_->length();
  }
  std::int64_t i = 0;
  if (inverse_width_ > 0) {
    const double place = (x - axis_->from()) * inverse_width_;
    i = std::clamp<std::int64_t>(static_cast<std::int64_t>(place), 0, cells - 1);
    // Rounding may have picked the neighbour.
    if (i > 0 && x < edge_within(i)) --i;
    if (i + 1 < cells && x >= edge_within(i + 1)) ++i;
  } else {
    const auto& edges = axis_->edges();
    i = std::clamp<std::int64_t>(
        std::upper_bound(edges.begin(), edges.end(), x) - edges.begin() - 1, 0, cells - 1);
  }
  return static_cast<std::int64_t>(turn) * cells + i;
}

void AxisKernel::add_cells(std::span<const double> images, double stride,
                           std::span<double> columns) const {
  constexpr double nowhere = -std::numeric_limits<double>::infinity();
  const bool periodic = axis_->periodic();
  if (inverse_width_ == 0) {
    constexpr double far = 1e15; // where neighbouring numbers are no longer apart
    for (std::size_t s = 0; s < images.size(); ++s) {
      const bool finite = std::abs(images[s]) < far;
      const std::int64_t cell = finite ? place(images[s]) : -1;
      const bool inside = finite && (periodic || (cell >= 0 && cell < cells_));
      columns[s] = inside ? columns[s] + stride * static_cast<double>(wrapped(cell)) : nowhere;
    }
    return;
  }
  const EqualCells axis{.from = axis_->from(),
                        .scale = inverse_width_,
                        .cells = static_cast<double>(cells_),
                        .periodic = periodic};
  add_equal_cells(axis, images, stride, columns);
}

AxisKernel::Outside AxisKernel::spread(double image, std::vector<Share>& shares) const {
  shares.clear();
  Outside outside;
  if (!noise_) {
    const std::int64_t cell = place(image);
    if (!axis_->periodic() && cell < 0) return {.lower = 1};
    if (!axis_->periodic() && cell >= cells_) return {.upper = 1};
    shares.push_back({wrapped(cell), 1});
    return outside;
  }
  double from = image + noise_->lower();
  double to = image + noise_->upper();
  if (!axis_->periodic()) {
    outside.lower = noise_->tails(axis_->from() - image).below;
    outside.upper = noise_->tails(axis_->to() - image).above;
    if (from >= axis_->to() || to <= axis_->from()) return outside;
    from = std::max(from, axis_->from());
    to = std::min(to, axis_->to());
  }
  const std::int64_t first = locate(from);
  const std::int64_t last = locate(to);
  Noise::Tails left = noise_->tails(edge(first) - image);
  for (std::int64_t i = first; i <= last; ++i) {
    const Noise::Tails right = noise_->tails(edge(i + 1) - image);
    const double probability =
        left.above < left.below ? left.above - right.above : right.below - left.below;
    if (probability > 0) {
      shares.push_back({wrapped(i), probability});
    }
    left = right;
  }
  return outside;
}

} // namespace komori::models
