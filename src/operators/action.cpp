#include "operators/action.hpp"

#include <algorithm>
#include <array>
#include <cmath>
#include <functional>

#include <fmt/format.h>

#include "base/error.hpp"
#include "models/noise_rule.hpp"

namespace komori::operators {
namespace {

/// "nan", whatever its sign.
std::string value_text(double value) {
  return std::isnan(value) ? "nan" : fmt::format("{:g}", value);
}

using base::InputError;
using spaces::Derivative;
using spaces::Dictionary;
using spaces::Extent;
using spaces::Points;

/// Values added up over several evaluations of a dictionary.
class Sum {
public:
  Sum(const Dictionary& dictionary, std::size_t count, std::span<double> values)
      : dictionary_(dictionary), values_(values), part_(dictionary.size() * count) {
    std::fill(values.begin(), values.end(), 0.0);
  }
  /// Adds weights[i] times the derivatives at points x_i.
  void add(const Points& points, const Derivative& order, std::span<const double> weights) {
    dictionary_.evaluate(points, order, part_);
    for (std::size_t j = 0; j < dictionary_.size(); ++j) {
      const double* part = part_.data() + j * points.count;
      double* out = values_.data() + j * points.count;
      for (std::size_t i = 0; i < points.count; ++i) out[i] += weights[i] * part[i];
    }
  }

private:
  const Dictionary& dictionary_;
  std::span<double> values_;
  std::vector<double> part_;
};

/// Images must be finite and, where functions have an interval, inside it.
void require_inside(const std::vector<std::string>& variables, const std::vector<Extent>& extents,
                    Outside outside, const Points& from, const Points& images,
                    const std::function<std::string(int)>& name) {
  std::vector<double> point(variables.size());
  for (int k = 0; k < images.dimension(); ++k) {
    const Extent& extent = extents[static_cast<std::size_t>(k)];
    const std::span<const double> column = images.column(k);
    const double slack = 1e-9 * (extent.to - extent.from);
    const bool bounded = extent.bounded && outside == Outside::error;
    for (std::size_t i = 0; i < images.count; ++i) {
      const bool low = bounded && column[i] < extent.from - slack;
      const bool high = bounded && column[i] > extent.to + slack;
      if (std::isfinite(column[i]) && !low && !high) continue;
      from.get(i, point);
      const std::string where = place_text(variables, point);
      if (!std::isfinite(column[i])) {
        throw InputError(fmt::format("{} is not finite (it is {}) at {}", name(k),
                                     value_text(column[i]), where));
      }
      throw InputError(
          fmt::format("{0} leads to {1} = {2:.6g}, beyond the {3} end of 'dictionary.on.{1}' "
                      "({4:g}), from {5}; "
                      "widen 'dictionary.on', or set 'dictionary.outside: extrapolate'",
                      name(k), variables[static_cast<std::size_t>(k)], column[i],
                      low ? "lower" : "upper", low ? extent.from : extent.to, where));
    }
  }
}

} // namespace

std::string place_text(const std::vector<std::string>& variables, std::span<const double> x) {
  std::string text;
  for (std::size_t k = 0; k < variables.size(); ++k) {
    text += fmt::format("{}{} = {:.6g}", k ? ", " : "", variables[k], x[k]);
  }
  return text;
}

StepAction::StepAction(const models::MapInput& model, std::vector<Extent> extents, Outside outside,
                       std::int64_t noise_points)
    : step_(std::make_unique<models::Map>(model)), extents_(std::move(extents)), outside_(outside) {
  if (!model.noise) return;
  const std::size_t d = model.variables.size();
  const std::size_t chosen = d == 1 ? 24 : d == 2 ? 12 : 6;
  for (std::size_t k = 0; k < d; ++k) {
    const Extent& extent = extents_[k];
    const double length = extent.given ? extent.to - extent.from : 0;
    noise_.push_back(models::noise_rule(
        *model.noise, "model.noise", k, d, extent.periodic ? length : 0, length,
        noise_points > 0 ? static_cast<std::size_t>(noise_points) : chosen, model.parameters));
  }
}

StepAction::StepAction(const models::FlowInput& model, std::vector<Extent> extents, Outside outside,
                       std::int64_t paths, std::int64_t first_path)
    : step_(std::make_unique<models::Flow>(model)), extents_(std::move(extents)), outside_(outside),
      paths_(step_->random() ? paths : 1), first_path_(first_path) {}

double StepAction::evaluations() const {
  auto product = static_cast<double>(paths_);
  for (const spaces::Rule& rule : noise_) product *= static_cast<double>(rule.nodes.size());
  return product;
}

void StepAction::images(const Points& points, std::span<double> images, std::int64_t path) const {
  step_->images(points, images, path);
  require_inside(step_->variables(), extents_, outside_, points, {images, points.count},
                 [&](int k) { return step_->name(k); });
}

void StepAction::apply(const Dictionary& dictionary, const Points& points,
                       std::span<double> values) const {
  std::vector<double> image(points.x.size());
  images(points, image, first_path_);
  if (noise_.empty() && paths_ == 1) {
    dictionary.evaluate({image, points.count}, {}, values);
    return;
  }
  Sum sum(dictionary, points.count, values);
  if (noise_.empty()) {
    const std::vector<double> weights(points.count, 1 / static_cast<double>(paths_));
    for (std::int64_t path = 0; path < paths_; ++path) {
      if (path > 0) images(points, image, first_path_ + path);
      sum.add({image, points.count}, {}, weights);
    }
    return;
  }
  std::vector<double> moved(image.size());
  std::vector<std::size_t> index(noise_.size(), 0);
  while (true) {
    double weight = 1;
    for (std::size_t k = 0; k < noise_.size(); ++k) {
      weight *= noise_[k].weights[index[k]];
      const double step = noise_[k].nodes[index[k]];
      for (std::size_t i = k * points.count; i < (k + 1) * points.count; ++i) {
        moved[i] = image[i] + step;
      }
    }
    sum.add({moved, points.count}, {}, std::vector<double>(points.count, weight));
    std::size_t k = 0;
    while (k < index.size() && ++index[k] == noise_[k].nodes.size()) index[k++] = 0;
    if (k == index.size()) break;
  }
}

void declare(config::Declarer& declarer, InverseInput& input) {
  using config::Need;
  declarer.formula_array("branches", input.branches,
                         {.help = "The inverse branch number 'index' of the map, one formula per "
                                  "variable.",
                          .unit = "of the variable",
                          .need = Need::required});
  declarer.formula(
      "weight", input.weight,
      {.help = "The absolute determinant of the branch's derivative.", .need = Need::required});
  declarer.text("index", input.index, {.help = "The name of the branch number in the formulas."});
  declarer.integer("from", input.from, {.help = "The first branch."},
                   config::Range::between(-1e9, 1e9));
  declarer.choice_or_real("to", input.to, {"infinite"},
                          {.help =
                               "The last branch, or 'infinite': then formulas must be smooth in "
                               "the index and weights fall like its square."});
  if (!declarer.reading()) return;
  input.origin = declarer.origin("");
  if (!input.to.word.empty()) return;
  if (input.to.number != std::floor(input.to.number) ||
      input.to.number < static_cast<double>(input.from) || input.to.number > 1e6) {
    declarer.reject("to", "must be an integer from 'from' to 1000000, or 'infinite'");
  }
}

TransferAction::TransferAction(const models::MapInput& model, const InverseInput& inverse,
                               std::vector<Extent> extents, Outside outside)
    : variables_(model.variables), weight_([&] {
        std::vector<std::string> names = model.variables;
        names.push_back(inverse.index);
        return config::Formula(inverse.weight, names, model.parameters);
      }()),
      extents_(std::move(extents)), outside_(outside) {
  std::vector<std::string> names = variables_;
  names.push_back(inverse.index);
  if (inverse.branches.entries.size() != variables_.size() || inverse.branches.rank == 2) {
    throw InputError(fmt::format("{}: 'dictionary.inverse.branches' has {} formulas, but the model "
                                 "has {} variable{}; give one per variable",
                                 inverse.branches.origin.text(), inverse.branches.entries.size(),
                                 variables_.size(), variables_.size() == 1 ? "" : "s"));
  }
  for (const config::FormulaText& text : inverse.branches.entries) {
    branches_.emplace_back(text, names, model.parameters);
  }
  constexpr double written_out = 60;
  const auto first = static_cast<double>(inverse.from);
  const bool infinite = !inverse.to.word.empty();
  const double end = infinite ? first + written_out : inverse.to.number + 1;
  for (double k = first; k < end; k += 1) terms_.push_back({k, 1});
  if (!infinite) return;
  // sum over k >= end = integral from a = end - 1/2 + f'(a)/24 - 7 f'''(a)/5760 + ...
  const double a = end - 0.5;
  const spaces::Rule rule = spaces::gauss_legendre(40);
  for (std::size_t i = 0; i < rule.nodes.size(); ++i) {
    const double t = 0.5 * (1 + rule.nodes[i]); // k = first - 1 + (a - first + 1) / t
    const double length = a - first + 1;
    terms_.push_back({first - 1 + length / t, rule.weights[i] * length / (t * t)});
  }
  const double slope = 1.0 / 24;
  const double third = -7.0 / 5760;
  terms_.push_back({a - 2, slope / 12 - third / 2});
  terms_.push_back({a - 1, -slope * 8 / 12 + third});
  terms_.push_back({a + 1, slope * 8 / 12 - third});
  terms_.push_back({a + 2, -slope / 12 + third / 2});
}

void TransferAction::apply(const Dictionary& dictionary, const Points& points,
                           std::span<double> values) const {
  Sum sum(dictionary, points.count, values);
  const std::size_t d = variables_.size();
  std::vector<double> before(points.x.size());
  std::vector<double> weights(points.count);
  std::vector<double> index(points.count);
  std::vector<std::span<const double>> columns = points.columns();
  columns.emplace_back(index);
  for (const Term& term : terms_) {
    std::fill(index.begin(), index.end(), term.index);
    for (std::size_t k = 0; k < d; ++k) {
      branches_[k].evaluate(columns, std::span(before).subspan(k * points.count, points.count));
    }
    weight_.evaluate(columns, weights);
    for (std::size_t i = 0; i < points.count; ++i) {
      if (std::isfinite(weights[i]) && weights[i] >= 0) {
        weights[i] *= term.coefficient;
        continue;
      }
      std::vector<double> point(d);
      points.get(i, point);
      throw InputError(fmt::format("'dictionary.inverse.weight' must be finite and not negative, "
                                   "but is {:g} at {} of branch {:g}",
                                   weights[i], place_text(variables_, point), term.index));
    }
    require_inside(variables_, extents_, outside_, points, {before, points.count}, [&](int k) {
      return fmt::format("branch {:g} of 'dictionary.inverse.branches[{}]'", term.index, k);
    });
    sum.add({before, points.count}, {}, weights);
  }
}

GeneratorAction::GeneratorAction(const models::SdeInput& model) : sde_(model) {
  if (sde_.theta() == 1) return;
  bool constant = sde_.full_diffusion() ? sde_.constant_matrix() : true;
  for (int k = 0; k < sde_.dimension() && !sde_.full_diffusion(); ++k) {
    constant = constant && sde_.constant_diffusion(k).has_value();
  }
  if (constant) return;
  throw InputError(fmt::format("'model.convention' is '{}' and {} depends on the state: a "
                               "dictionary takes Ito's equation; add the drift that the convention "
                               "implies, and set 'convention: ito'",
                               model.convention, sde_.diffusion_name()));
}

double GeneratorAction::evaluations() const {
  const double d = sde_.dimension();
  return sde_.full_diffusion() ? d + 0.5 * d * (d + 1) : 2 * d;
}

double GeneratorAction::drift(int k, std::span<double> point) const {
  double value = sde_.has_drift() ? sde_.drift(k, point) : 0;
  if (!sde_.has_potential()) return value;
  double& x = point[static_cast<std::size_t>(k)];
  const double at = x;
  const double h = 3e-3 * std::max(1.0, std::abs(at));
  constexpr std::array<double, 3> weights{45.0 / 60, -9.0 / 60, 1.0 / 60};
  for (std::size_t i = 0; i < weights.size(); ++i) {
    const double step = h * static_cast<double>(i + 1);
    x = at + step;
    const double above = sde_.potential(point);
    x = at - step;
    const double below = sde_.potential(point);
    value -= weights[i] * (above - below) / h;
  }
  x = at;
  return value;
}

void GeneratorAction::apply(const Dictionary& dictionary, const Points& points,
                            std::span<double> values) const {
  const int d = sde_.dimension();
  const auto size = static_cast<std::size_t>(d);
  const std::size_t count = points.count;
  const bool full = sde_.full_diffusion();
  std::vector<double> drifts(size * count);
  std::vector<double> diffusions(size * size * count, 0.0);
  std::vector<double> point(size);
  std::vector<double> matrix(size * size);
  for (std::size_t i = 0; i < count; ++i) {
    points.get(i, point);
    for (int k = 0; k < d; ++k) {
      const auto a = static_cast<std::size_t>(k);
      drifts[a * count + i] = drift(k, point);
      if (!full) diffusions[(a * size + a) * count + i] = sde_.diffusion(k, point);
      if (!std::isfinite(drifts[a * count + i])) {
        throw InputError(fmt::format("the drift of {} is not finite (it is {}) at {}",
                                     sde_.variables()[a], value_text(drifts[a * count + i]),
                                     place_text(sde_.variables(), point)));
      }
    }
    if (full) {
      sde_.diffusion_matrix(point, matrix);
      for (std::size_t e = 0; e < matrix.size(); ++e) diffusions[e * count + i] = matrix[e];
    }
    for (std::size_t e = 0; e < size * size; ++e) {
      const double value = diffusions[e * count + i];
      if (std::isfinite(value) && (e / size != e % size || value >= 0)) continue;
      throw InputError(fmt::format("{} must be finite and not negative, but is {:g} at {}",
                                   sde_.diffusion_name(), value,
                                   place_text(sde_.variables(), point)));
    }
  }
  Sum sum(dictionary, count, values);
  std::vector<double> weights(count);
  for (std::size_t k = 0; k < size; ++k) {
    Derivative order{};
    order[k] = 1;
    sum.add(points, order, std::span(drifts).subspan(k * count, count));
    for (std::size_t l = k; l < size; ++l) {
      if (l != k && !full) continue;
      for (std::size_t i = 0; i < count; ++i) {
        weights[i] = diffusions[(k * size + l) * count + i];
        if (l != k) weights[i] += diffusions[(l * size + k) * count + i];
      }
      Derivative second{};
      ++second[k];
      ++second[l];
      sum.add(points, second, weights);
    }
  }
}

} // namespace komori::operators
