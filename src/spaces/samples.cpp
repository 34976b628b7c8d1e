#include "spaces/samples.hpp"

#include <algorithm>
#include <array>
#include <cmath>

#include <fmt/format.h>

#include "base/error.hpp"
#include "base/random.hpp"

namespace komori::spaces {
namespace {

using base::InputError;

constexpr double most_samples = 1e10;

/// The place of a fraction u of the probability of one variable.
double quantile(const Extent& extent, double u) {
  if (extent.normal) return extent.centre + extent.scale * normal_quantile(u);
  return extent.from + (extent.to - extent.from) * u;
}

/// A density relative to the measure of the rule.
class Weight {
public:
  Weight(const config::FormulaText& text, const Names& names) : text_(text) {
    if (text.given()) formula_.emplace(text, names.variables, names.constants);
  }
  void apply(const Points& points, std::span<double> weights) const {
    if (!formula_) return;
    std::vector<double> point(static_cast<std::size_t>(points.dimension()));
    std::vector<double> densities(points.count);
    formula_->evaluate(points.columns(), densities);
    for (std::size_t i = 0; i < points.count; ++i) {
      points.get(i, point);
      const double value = densities[i];
      if (!(value >= 0) || !std::isfinite(value)) {
        throw InputError(
            fmt::format("{}: 'sampling.weight' must be finite and not negative, but is "
                        "{:g} at ({:.6g})",
                        text_.origin.text(), value, fmt::join(point, ", ")));
      }
      weights[i] *= value;
    }
  }

private:
  config::FormulaText text_;
  std::optional<config::Formula> formula_;
};

/// What a set of samples is made of, to make another one from.
struct Recipe {
  SamplingInput input;
  Names names;
  std::vector<Extent> extents;
};

/// The product of rules of one variable each; the last variable goes fastest.
class ProductSamples final : public Samples {
public:
  ProductSamples(Recipe recipe, std::vector<Rule> rules)
      : recipe_(std::move(recipe)), rules_(std::move(rules)),
        weight_(recipe_.input.weight, recipe_.names) {
    for (const Rule& rule : rules_) count_ *= static_cast<std::int64_t>(rule.nodes.size());
  }
  std::int64_t count() const override { return count_; }
  int dimension() const override { return static_cast<int>(rules_.size()); }
  void take(std::int64_t first, std::span<double> x, std::span<double> weights) const override {
    const std::size_t count = weights.size();
    for (std::size_t i = 0; i < count; ++i) {
      auto rest = first + static_cast<std::int64_t>(i);
      weights[i] = 1;
      for (std::size_t k = rules_.size(); k-- > 0;) {
        const auto size = static_cast<std::int64_t>(rules_[k].nodes.size());
        const auto n = static_cast<std::size_t>(rest % size);
        rest /= size;
        x[k * count + i] = rules_[k].nodes[n];
        weights[i] *= rules_[k].weights[n];
      }
    }
    weight_.apply({x, count}, weights);
  }
  std::unique_ptr<Samples> others() const override;
  std::string text() const override {
    return fmt::format("{} {} points", count_,
                       recipe_.input.rule == "gauss" ? "Gauss" : "equidistant");
  }

private:
  Recipe recipe_;
  std::vector<Rule> rules_;
  Weight weight_;
  std::int64_t count_ = 1;
};

/// Independent random points, or Halton's sequence with a random shift (Cranley and Patterson).
class RandomSamples final : public Samples {
public:
  RandomSamples(Recipe recipe, std::uint64_t stream)
      : recipe_(std::move(recipe)), stream_(stream), weight_(recipe_.input.weight, recipe_.names),
        random_(static_cast<std::uint64_t>(recipe_.input.seed), stream),
        halton_(recipe_.input.rule == "quasi_monte_carlo") {}
  std::int64_t count() const override { return recipe_.input.points; }
  int dimension() const override { return static_cast<int>(recipe_.extents.size()); }
  void take(std::int64_t first, std::span<double> x, std::span<double> weights) const override {
    const std::size_t count = weights.size();
    const std::size_t d = recipe_.extents.size();
    const double share = 1 / static_cast<double>(this->count());
    for (std::size_t i = 0; i < count; ++i) {
      const std::uint64_t number = static_cast<std::uint64_t>(first) + i;
      for (std::size_t k = 0; k < d; ++k) {
        const double u = halton_ ? shifted(number, k) : random_.uniform(number * d + k);
        x[k * count + i] = quantile(recipe_.extents[k], u);
      }
      weights[i] = share;
    }
    weight_.apply({x, count}, weights);
  }
  std::unique_ptr<Samples> others() const override {
    return std::make_unique<RandomSamples>(recipe_, stream_ + 1);
  }
  std::string text() const override {
    return fmt::format("{} {} points", count(), halton_ ? "quasi-random" : "random");
  }

private:
  double shifted(std::uint64_t number, std::size_t k) const {
    static constexpr std::array<std::uint64_t, max_dimension> bases{2, 3, 5, 7, 11, 13};
    double u = random_.uniform(k);
    double digit = 1;
    for (std::uint64_t rest = number; rest > 0; rest /= bases[k]) {
      digit /= static_cast<double>(bases[k]);
      u += digit * static_cast<double>(rest % bases[k]);
    }
    u -= std::floor(u);
    return std::clamp(u, 0x1p-54, 1 - 0x1p-53);
  }

  Recipe recipe_;
  std::uint64_t stream_;
  Weight weight_;
  base::Random random_;
  bool halton_;
};

Rule rule_of(const SamplingInput& input, const Extent& extent, std::size_t points) {
  Rule rule;
  if (extent.normal) {
    rule = gauss_hermite(points);
    for (double& node : rule.nodes) node = extent.centre + extent.scale * node;
    return rule;
  }
  const double length = extent.to - extent.from;
  if (input.rule == "uniform") {
    for (std::size_t i = 0; i < points; ++i) {
      const double place = (static_cast<double>(i) + 0.5) / static_cast<double>(points);
      rule.nodes.push_back(extent.from + length * place);
      rule.weights.push_back(1 / static_cast<double>(points));
    }
    return rule;
  }
  const Rule panel = gauss_legendre(points);
  const auto panels = static_cast<double>(input.panels);
  for (std::int64_t p = 0; p < input.panels; ++p) {
    for (std::size_t i = 0; i < points; ++i) {
      const double place = (static_cast<double>(p) + 0.5 * (1 + panel.nodes[i])) / panels;
      rule.nodes.push_back(extent.from + length * place);
      rule.weights.push_back(panel.weights[i] / panels);
    }
  }
  return rule;
}

std::unique_ptr<Samples> make_product(const Recipe& recipe, std::size_t points) {
  std::vector<Rule> rules;
  for (const Extent& extent : recipe.extents) {
    rules.push_back(rule_of(recipe.input, extent, points));
  }
  return std::make_unique<ProductSamples>(recipe, std::move(rules));
}

std::unique_ptr<Samples> ProductSamples::others() const {
  const auto points = static_cast<std::size_t>(recipe_.input.points);
  // Equal nodes of two Gauss rules, or middles of two cuts, are few.
  return make_product(recipe_, points + points / 3 + 1);
}

} // namespace

void declare(config::Declarer& declarer, SamplingInput& input) {
  using config::Range;
  declarer.choice("rule", input.rule, {"gauss", "uniform", "monte_carlo", "quasi_monte_carlo"},
                  {.help = "gauss: Gauss's rule along every variable (Gauss-Hermite for hermite); "
                           "uniform: equal cells' middles; monte_carlo: random points; "
                           "quasi_monte_carlo: Halton's sequence with a random shift."});
  declarer.integer("points", input.points,
                   {.help = "gauss and uniform: points per variable (and panel); otherwise points "
                            "in all."},
                   Range::between(1, most_samples));
  declarer.integer("panels", input.panels,
                   {.help = "gauss: equal parts of the interval of every variable, each with its "
                            "own rule; for maps with jumps or kinks."},
                   Range::between(1, 1e7));
  declarer.named_reals(
      "on", "<variable>", input.on,
      {.help = "The interval of each variable; that of the dictionary if left out.",
       .unit = "of the variable"});
  declarer.formula("weight", input.weight,
                   {.help = "Density of the inner product relative to the rule's own, uniform or "
                            "normal; need not be normalised.",
                    .unit = "1/volume"});
  declarer.integer("seed", input.seed, {.help = "Of random and quasi-random points."},
                   Range::at_least(0));
  declarer.integer("noise_points", input.noise_points,
                   {.help = "Points per variable of the quadrature over the noise of a map; 0: 24 "
                            "for one variable, 12 for two, 6 for more."},
                   Range::between(0, 400));
  declarer.integer("paths", input.paths,
                   {.help = "Paths per point of a flow with noise, which its expectation is the "
                            "mean of."},
                   Range::between(1, 1e6));
  if (!declarer.reading()) return;
  input.origin = declarer.origin("");
  if (input.panels > 1 && input.rule != "gauss") {
    declarer.reject("panels", fmt::format("belongs to 'rule: gauss', but 'rule' is '{}'; remove it",
                                          input.rule));
  }
}

std::unique_ptr<Samples> make_samples(const SamplingInput& input, const Names& names,
                                      const std::vector<Extent>& dictionary) {
  Recipe recipe{.input = input, .names = names, .extents = dictionary};
  if (!input.on.empty()) {
    DictionaryInput box;
    box.on = input.on;
    box.origin = input.origin;
    try {
      recipe.extents = extents(box, names);
    } catch (const InputError& error) {
      std::string text = error.what();
      const std::size_t at = text.find("dictionary.on");
      if (at != std::string::npos) text.replace(at, 10, "sampling");
      throw InputError(text);
    }
  }
  double total = 1;
  const bool product = input.rule == "gauss" || input.rule == "uniform";
  for (std::size_t k = 0; k < recipe.extents.size(); ++k) {
    const Extent& extent = recipe.extents[k];
    if (!extent.given && !extent.normal) {
      throw InputError(fmt::format("'sampling.on' is missing: say on which intervals to take "
                                   "samples, e.g. 'on: {{{}: [-1, 1]}}'",
                                   names.variables[k]));
    }
    if (extent.normal && input.rule == "uniform") {
      throw InputError(fmt::format("{}: 'sampling.rule' is 'uniform', but Hermite functions have a "
                                   "normal measure; use 'gauss' or 'monte_carlo', or give "
                                   "'sampling.on'",
                                   input.origin.text()));
    }
    if (extent.normal && input.rule == "gauss" && (input.points > 300 || input.panels > 1)) {
      throw InputError(fmt::format("{}: Gauss-Hermite rules have at most 300 points and one panel; "
                                   "lower 'sampling.points'",
                                   input.origin.text()));
    }
    total *= static_cast<double>(input.points) * static_cast<double>(input.panels);
  }
  if (product && (total > most_samples || input.points * input.panels > 100'000'000)) {
    throw InputError(fmt::format("{}: 'sampling.points' makes {:g} points in {} dimensions, more "
                                 "than {:g}; lower it, or use 'rule: quasi_monte_carlo'",
                                 input.origin.text(), total, recipe.extents.size(), most_samples));
  }
  if (input.rule == "gauss" && input.points > 20'000) {
    throw InputError(fmt::format("{}: 'sampling.points' is {}, but a Gauss rule has at most 20000; "
                                 "use 'panels' for more",
                                 input.origin.text(), input.points));
  }
  if (product) return make_product(recipe, static_cast<std::size_t>(input.points));
  return std::make_unique<RandomSamples>(std::move(recipe), 0);
}

Draw drawn(const Samples& samples, std::size_t most) {
  const std::int64_t count = samples.count();
  const auto wanted = std::min(count, static_cast<std::int64_t>(most));
  Draw points;
  std::vector<double> point(static_cast<std::size_t>(samples.dimension()));
  std::array<double, 1> weight{};
  for (std::int64_t i = 0; i < wanted; ++i) {
    samples.take(i * (count / wanted), point, weight);
    points.push_back(point);
  }
  return points;
}

} // namespace komori::spaces
