#include "spaces/dictionary.hpp"

#include <algorithm>
#include <cmath>
#include <limits>

#include <fmt/format.h>

#include "base/error.hpp"
#include "config/nearest.hpp"
#include "spaces/k_means.hpp"
#include "spaces/local_dictionaries.hpp"
#include "spaces/tensor_dictionary.hpp"

namespace komori::spaces {
namespace {

using base::InputError;

std::string place(const DictionaryInput& input, const char* key) {
  return fmt::format("{}: 'dictionary.{}'", input.origin.text(), key);
}

bool tensor_family(const std::string& family) {
  return family == "monomial" || family == "legendre" || family == "chebyshev" ||
         family == "hermite" || family == "fourier";
}

bool needs_extent(const std::string& family) {
  return family == "legendre" || family == "chebyshev" || family == "fourier" ||
         family == "indicator";
}

/// One number for all variables, or one for each.
double entry(const DictionaryInput& input, const char* key, const std::vector<double>& values,
             std::size_t k, std::size_t dimension, double otherwise) {
  if (values.empty()) return otherwise;
  if (values.size() != 1 && values.size() != dimension) {
    throw InputError(fmt::format("{} has {} values, but the model has {} variable{}; give one for "
                                 "all, or one per variable",
                                 place(input, key), values.size(), dimension,
                                 dimension == 1 ? "" : "s"));
  }
  return values.size() == 1 ? values[0] : values[k];
}

Univariate univariate(const std::string& family, const Extent& extent) {
  if (family == "hermite") {
    return {.family = Family::hermite, .centre = extent.centre, .scale = extent.scale};
  }
  const double centre = 0.5 * (extent.from + extent.to);
  const double scale = 0.5 * (extent.to - extent.from);
  if (family == "monomial") {
    return extent.given ? Univariate{Family::monomial, centre, scale} : Univariate{};
  }
  const Family kind = family == "legendre"    ? Family::legendre
                      : family == "chebyshev" ? Family::chebyshev
                                              : Family::fourier;
  return {.family = kind, .centre = centre, .scale = scale};
}

std::unique_ptr<Dictionary> make_tensor(const DictionaryInput& input, const Names& names,
                                        const std::vector<Extent>& where) {
  std::vector<Univariate> axes;
  for (const Extent& extent : where) axes.push_back(univariate(input.family, extent));
  std::int64_t degree = input.degree;
  if (degree < 0) {
    degree =
        static_cast<std::int64_t>(axes[0].level(static_cast<std::size_t>(input.functions - 1)));
    if (axes[0].terms(static_cast<std::size_t>(degree)) !=
        static_cast<std::size_t>(input.functions)) {
      throw InputError(fmt::format("{} is {}, but a Fourier dictionary has an odd number of "
                                   "functions per variable, 1 + 2 'degree'",
                                   place(input, "functions"), input.functions));
    }
  }
  const Cross cross = input.cross == "tensor"         ? Cross::tensor
                      : input.cross == "total_degree" ? Cross::total_degree
                                                      : Cross::hyperbolic;
  return std::make_unique<TensorDictionary>(std::move(axes), names.variables, cross,
                                            static_cast<std::size_t>(degree));
}

/// The mean distance of a centre to the nearest other one.
double spacing(const Draw& centers) {
  double sum = 0;
  for (std::size_t i = 0; i < centers.size(); ++i) {
    double nearest = std::numeric_limits<double>::infinity();
    for (std::size_t j = 0; j < centers.size(); ++j) {
      if (j == i) continue;
      double square = 0;
      for (std::size_t k = 0; k < centers[i].size(); ++k) {
        square += std::pow(centers[i][k] - centers[j][k], 2);
      }
      nearest = std::min(nearest, square);
    }
    sum += std::sqrt(nearest);
  }
  return sum / static_cast<double>(centers.size());
}

std::unique_ptr<Dictionary> make_radial(const DictionaryInput& input, const Names& names,
                                        const Draw& drawn) {
  Draw centers = input.centers;
  if (centers.empty()) centers = k_means(drawn, static_cast<std::size_t>(input.functions));
  if (centers.size() > most_functions) {
    throw InputError(fmt::format("{} asks for {} functions, but at most {} are allowed",
                                 place(input, "centers"), centers.size(), most_functions));
  }
  if (centers.front().size() != names.variables.size()) {
    throw InputError(fmt::format("{} has points of {} coordinates, but the model has {} variables",
                                 place(input, "centers"), centers.front().size(),
                                 names.variables.size()));
  }
  double width = input.width;
  if (width == 0) width = centers.size() > 1 ? spacing(centers) : 1;
  if (!(width > 0)) {
    throw InputError(fmt::format("{}: two of them are the same; remove one, or give "
                                 "'dictionary.width'",
                                 place(input, "centers")));
  }
  return std::make_unique<RadialDictionary>(std::move(centers), width, input.constant);
}

std::unique_ptr<Dictionary> make_indicator(const DictionaryInput& input, const Names& names,
                                           const std::vector<Extent>& where) {
  std::vector<std::size_t> cells;
  double product = 1;
  for (std::size_t k = 0; k < names.variables.size(); ++k) {
    const double n = entry(input, "cells", input.cells, k, names.variables.size(), 0);
    if (n < 1 || std::floor(n) != n) {
      throw InputError(fmt::format("{} has the value {:g}, but must be integers >= 1",
                                   place(input, "cells"), n));
    }
    product *= n;
    cells.push_back(static_cast<std::size_t>(std::min(n, 1e9)));
  }
  if (product > static_cast<double>(most_functions)) {
    throw InputError(
        fmt::format("{} makes {:g} functions, but at most {} are allowed; use 'ulam' on "
                    "a 'grid' for many cells",
                    place(input, "cells"), product, most_functions));
  }
  return std::make_unique<IndicatorDictionary>(where, std::move(cells));
}

} // namespace

double Extent::wrapped(double x) const {
  if (!periodic) return x;
  const double length = to - from;
  return x - length * std::floor((x - from) / length);
}

void declare_keys(config::Declarer& declarer, DictionaryInput& input) {
  using config::Range;
  declarer.choice(
      "family", input.family,
      {"none", "monomial", "legendre", "chebyshev", "hermite", "fourier", "rbf", "indicator"},
      {.help = "The functions: products of polynomials or of sines and cosines of each "
               "variable, Gaussians around centres, cells of a box, or none but "
               "'formulas'."});
  declarer.integer("degree", input.degree,
                   {.help = "Highest degree, or frequency of fourier: functions 0 to degree of "
                            "each variable, combined by 'cross'."},
                   Range::between(-1, 5000));
  declarer.integer("functions", input.functions,
                   {.help = "Instead of 'degree': functions per variable; of rbf: how many centres "
                            "to find among the samples by k-means."},
                   Range::between(0, static_cast<double>(most_functions)));
  declarer.choice("cross", input.cross, {"tensor", "total_degree", "hyperbolic"},
                  {.help = "Which products of several variables: all degrees n_k <= degree, sum of "
                           "n_k <= degree, or product of (n_k + 1) <= degree + 1."});
  declarer.named_reals("on", "<variable>", input.on,
                       {.help = "The interval of each variable; of fourier its period; also where "
                                "samples are taken.",
                        .unit = "of the variable"});
  declarer.reals("center", input.centre,
                 {.help = "hermite: centre, one for all variables or one for each; 0 if left out.",
                  .unit = "of the variable"},
                 {});
  declarer.reals("scale", input.scale,
                 {.help = "hermite: standard deviation of the normal distribution under which the "
                          "functions are orthonormal; 1 if left out.",
                  .unit = "of the variable"},
                 Range::positive());
  declarer.real_rows("centers", input.centers, {.help = "rbf: the centres, one point each."});
  declarer.real("width", input.width,
                {.help = "rbf: w of exp(-|x-c|^2/(2w^2)); 0: the mean distance of neighbouring "
                         "centres.",
                 .unit = "of the variable"},
                Range::at_least(0));
  declarer.boolean("constant", input.constant, {.help = "rbf: with the constant function 1."});
  declarer.reals("cells", input.cells,
                 {.help = "indicator: cells per variable, one number for all or one for each."},
                 Range::at_least(1));
  declarer.formula_array("formulas", input.formulas,
                         {.help = "Functions of your own, after those of the family."});
  if (!declarer.reading()) return;
  input.origin = declarer.origin("");
  const std::string& family = input.family;
  const bool tensor = tensor_family(family);
  const auto belongs = [&](const char* key, bool given, bool fits, const char* families) {
    if (given && !fits) {
      declarer.reject(
          key, fmt::format("belongs to {}, but 'family' is '{}'; remove it", families, family));
    }
  };
  belongs("degree", input.degree >= 0, tensor, "polynomials and fourier");
  belongs("functions", input.functions > 0, tensor || family == "rbf",
          "polynomials, fourier and rbf");
  belongs("center", !input.centre.empty(), family == "hermite", "hermite");
  belongs("scale", !input.scale.empty(), family == "hermite", "hermite");
  belongs("centers", !input.centers.empty(), family == "rbf", "rbf");
  belongs("width", input.width > 0, family == "rbf", "rbf");
  belongs("cells", !input.cells.empty(), family == "indicator", "indicator");
  if (family == "none" && !input.formulas.given()) {
    declarer.reject("", "has no functions; add e.g. 'family: legendre', 'degree: 10' and 'on: {x: "
                        "[-1, 1]}', or 'formulas: [x, x^2]'");
  }
  if (tensor && input.degree >= 0 && input.functions > 0) {
    declarer.reject("functions", "says the same as 'degree'; give one of them");
  }
  if (tensor && input.degree < 0 && input.functions == 0) {
    declarer.reject("", fmt::format("of family '{}' needs 'degree', e.g. 'degree: 10'", family));
  }
  if (family == "rbf" && input.centers.empty() == (input.functions == 0)) {
    declarer.reject("", "of family 'rbf' needs either 'centers: [[...], ...]' or 'functions', e.g. "
                        "'functions: 50' for centres found among the samples");
  }
  if (family == "indicator" && input.cells.empty()) {
    declarer.reject("", "of family 'indicator' needs 'cells', e.g. 'cells: 16'");
  }
  if (needs_extent(family) && input.on.empty()) {
    declarer.reject("", fmt::format("of family '{}' needs 'on', the interval of every variable, "
                                    "e.g. 'on: {{x: [-1, 1]}}'",
                                    family));
  }
  if (input.formulas.rank == 2) declarer.reject("formulas", "must be a list of formulas");
}

std::vector<Extent> extents(const DictionaryInput& input, const Names& names) {
  std::vector<Extent> result(names.variables.size());
  for (const auto& [name, range] : input.on) {
    const auto found = std::find(names.variables.begin(), names.variables.end(), name);
    if (found == names.variables.end()) {
      const std::optional<std::string> hint = config::nearest(name, names.variables);
      throw InputError(fmt::format("{} is not a variable of the model.{} Variables: {}",
                                   place(input, ("on." + name).c_str()),
                                   hint ? fmt::format(" Did you mean '{}'?", *hint) : "",
                                   fmt::join(names.variables, ", ")));
    }
    if (range.size() != 2 || !(range[0] < range[1])) {
      throw InputError(fmt::format("{} must be two numbers, the lower one first, e.g. [-1, 1]",
                                   place(input, ("on." + name).c_str())));
    }
    Extent& extent = result[static_cast<std::size_t>(found - names.variables.begin())];
    extent.from = range[0];
    extent.to = range[1];
    extent.given = true;
  }
  for (std::size_t k = 0; k < result.size(); ++k) {
    Extent& extent = result[k];
    if (!extent.given && (needs_extent(input.family) || !input.on.empty())) {
      throw InputError(fmt::format("{0} has no interval of '{1}'; add '{1}: [from, to]' to it",
                                   place(input, "on"), names.variables[k]));
    }
    extent.bounded =
        input.family == "legendre" || input.family == "chebyshev" || input.family == "indicator";
    extent.periodic = input.family == "fourier";
    extent.normal = input.family == "hermite";
    extent.centre = entry(input, "center", input.centre, k, result.size(), 0);
    extent.scale = entry(input, "scale", input.scale, k, result.size(), 1);
  }
  return result;
}

bool needs_points(const DictionaryInput& input) {
  return input.family == "rbf" && input.centers.empty();
}

std::unique_ptr<Dictionary> make_dictionary(const DictionaryInput& input, const Names& names,
                                            const Draw& drawn) {
  const std::vector<Extent> where = extents(input, names);
  std::unique_ptr<Dictionary> family;
  if (input.family == "rbf") {
    family = make_radial(input, names, drawn);
  } else if (input.family == "indicator") {
    family = make_indicator(input, names, where);
  } else if (input.family != "none") {
    family = make_tensor(input, names, where);
  }
  if (!input.formulas.given()) return family;
  auto formulas = std::make_unique<FormulaDictionary>(input.formulas.entries, names);
  if (!family) return formulas;
  return std::make_unique<JoinedDictionary>(std::move(family), std::move(formulas));
}

} // namespace komori::spaces
