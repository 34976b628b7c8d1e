#include <fmt/format.h>

#include "analyses/network.hpp"

namespace komori::analyses {

using config::Need;
using config::Range;

void declare(config::Declarer& declarer, NetworkLayersInput& input) {
  declarer.reals("cells", input.cells,
                 {.help = "Cells along every variable of a layer's range: one number for all "
                          "layers, or one per layer from the inputs to the outputs. When left out: "
                          "16 in one dimension, 12, 6 and 4 in two, three and four; in one and two "
                          "dimensions up to 64 and 24 where the noise takes them."},
                 Range::between(1, 1e8));
  declarer.integer("order", input.order,
                   {.help = "Gauss points per cell and variable: functions are polynomials of "
                            "degree order - 1 within a cell. 0: 8 in one dimension; in more, 4, or "
                            "1 where 'cells' is given."},
                   Range::between(0, 32));
  declarer.named_reals("ranges", "<variable>", input.ranges,
                       {.help = "Ranges [lowest, highest] of variables by name, in place of those "
                                "that follow from weights, activations and noise; they must hold "
                                "all that is reached.",
                        .unit = "of the variable"});
  declarer.choice("bounds", input.bounds, {"weights", "activation"},
                  {.help = "Ranges that are not given. weights: interval bounds of what the layer "
                           "can reach from the range before; activation: all that a bounded "
                           "activation (tanh, sigmoid, erf) can reach, whatever the weights. Noise "
                           "is added to both."});
  if (!declarer.reading()) return;
  input.origin = declarer.origin("");
  for (const double cells : input.cells) {
    if (cells != static_cast<double>(static_cast<std::int64_t>(cells))) {
      declarer.reject("cells", "must be integers");
    }
  }
  for (const auto& [name, range] : input.ranges) {
    if (range.size() != 2 || !(range[0] < range[1])) {
      declarer.reject("ranges", name + ": must be two numbers, the lower one first");
    }
  }
}

void declare(config::Declarer& declarer, NetworkObservableInput& input) {
  declarer.names("variables", input.variables,
                 {.help = "What the formula calls the outputs, in their order; the names of the "
                          "last layer when left out."});
  declarer.formula("formula", input.formula,
                   {.help = "A function u of the outputs.", .need = Need::required});
}

void declare(config::Declarer& declarer, NetworkExpectationInput& input) {
  declarer.reals("layers", input.layers,
                 {.help = "Layers n (0: the inputs) whose E[u | X_n = x] is written on the grid; "
                          "all when left out."},
                 Range::between(0, 1e6));
  declarer.integer("layer", input.layer, {.help = "The layer of 'points', 0: the inputs."},
                   Range::between(0, 1'000'000));
  declarer.real_rows("points", input.points,
                     {.help = "Points x of that layer at which E[u | X_n = x] is evaluated.",
                      .unit = "of the variables"});
}

void declare(config::Declarer& declarer, NetworkDensityInput& input) {
  declarer.formula("initial", input.initial,
                   {.help = "The density of the inputs up to a factor, a formula of their names; "
                            "uniform when left out.",
                    .unit = "1/volume"});
}

void declare(config::Declarer& declarer, NetworkProbabilityInput& input) {
  declarer.formula("set", input.set,
                   {.help =
                        "A condition on the outputs, by the names that 'observable' has for them, "
                        "e.g. 'y > 0 && y < 1': the probability that it holds.",
                    .need = Need::required});
  declarer.real_rows(
      "points", input.points,
      {.help = "Inputs for which the probability is evaluated.", .unit = "of the variables"});
}

void declare(config::Declarer& declarer, NetworkNormsInput& input) {
  declarer.integer("values", input.values,
                   {.help = "Singular values per operator; the first is its norm."},
                   Range::between(1, 1000));
  declarer.boolean("products", input.products,
                   {.help = "Also of the products M(n,L) from every layer to the outputs."});
  declarer.real("contraction", input.contraction,
                {.help = "The wanted bound kappa^2 of every K_n: the noise that it takes is "
                         "reported."},
                {.min = 0, .max = 1, .min_excluded = true, .max_excluded = true});
  declarer.real("tolerance", input.tolerance, {.help = "Relative, of the singular values."},
                {.min = 1e-15, .max = 1e-2});
}

void declare(config::Declarer& declarer, NetworkProjectionInput& input) {
  declarer.choice("kind", input.kind, {"basis", "linear", "neurons"},
                  {.help =
                       "What is resolved of every layer. basis: orthogonal functions; linear: 1 "
                       "and the values of all neurons; neurons: all functions of some neurons "
                       "(conditional expectation, Zwanzig).",
                   .need = Need::required});
  declarer.choice("family", input.family, {"legendre", "fourier"},
                  {.help = "basis: the functions along every variable; in several variables "
                           "products, ordered by total degree."});
  declarer.integer("rank", input.rank, {.help = "basis: how many functions per layer."},
                   Range::between(1, 10'000));
  declarer.names("neurons", input.neurons,
                 {.help = "neurons: names of the variables that are kept; layers of which none is "
                          "named are resolved whole."});
  if (!declarer.reading()) return;
  input.origin = declarer.origin("");
  if ((input.kind == "neurons") == input.neurons.empty()) {
    declarer.reject("neurons", input.neurons.empty()
                                   ? "is missing; name the variables that are kept, e.g. [x1_1]"
                                   : "belongs to a projection of kind 'neurons'");
  }
}

void declare(config::Declarer& declarer, NetworkMemoryInput& input) {
  declarer.choice("direction", input.direction, {"backward", "forward", "both"},
                  {.help = "backward: conditional expectations of the observable, from the outputs "
                           "to the inputs; forward: densities, from the inputs to the outputs."});
}

void declare(config::Declarer& declarer, NetworkReductionInput& input) {
  declarer.real("tolerance", input.tolerance,
                {.help = "Largest error of E[u | X_0], relative to its norm, that a reduction may "
                         "make; and largest change, relative, that a smaller network may make "
                         "of what it keeps."},
                Range::positive());
  declarer.choice("keep", input.keep, {"observable", "outputs"},
                  {.help = "What reductions are measured by: the observable, or all outputs "
                           "together."});
  declarer.real("accuracy_loss", input.accuracy_loss,
                {.help = "With 'data.labels', in place of 'tolerance' for smaller networks: the "
                         "share of rows, of those not held out, that they may classify wrongly "
                         "beyond those that the network itself does. 0: 'tolerance' counts."},
                Range::between(0, 1));
}

void declare(config::Declarer& declarer, NetworkSpectrumInput& input) {
  declarer.integer("layer", input.layer,
                   {.help = "The step that is repeated without end, 0: the first."},
                   Range::between(0, 1'000'000));
  declarer.integer("pairs", input.pairs, {.help = "Eigenvalues of largest modulus."},
                   Range::between(1, 10'000));
  declarer.real("tolerance", input.tolerance, {.help = "Of residuals, relative to the norm."},
                {.min = 1e-15, .max = 1e-2});
}

void declare(config::Declarer& declarer, NetworkMonteCarloInput& input) {
  declarer.integer("samples", input.samples,
                   {.help = "Paths through the network per point, and for the densities; with "
                            "'data' up to whole passes over its rows."},
                   Range::between(100, 1e12));
  declarer.integer("seed", input.seed, {.help = "Of the random numbers."}, Range::between(0, 1e15));
}

void declare(config::Declarer& declarer, NetworkStudyInput& input) {
  declarer.text("title", input.title, {.help = "What this study is called in output and plots."});
  declarer.section("model", input.model, {.help = "The network.", .need = Need::required});
  declarer.section("layers", input.layers,
                   {.help = "The grids on which functions of the layers are held, for layers of at "
                            "most four neurons."});
  declarer.choice("operator", input.matrix, {"auto", "assembled", "matrix_free"},
                  {.help = "How operators between grids are held: assembled as sparse matrices, or "
                           "matrix_free as averages over boxes by cumulative sums, which takes "
                           "uniform noise and one point per cell; auto: matrix_free where that is "
                           "possible and rows are long."});
  declarer.section("dictionary", input.dictionary,
                   {.help = "In place of 'layers': functions that span those of each layer, for "
                            "layers of any width."});
  declarer.section("data", input.data,
                   {.help = "Samples of the inputs that the network is fed with, in place of "
                            "uniform ones or of 'density.initial'."});
  declarer.section("observable", input.observable,
                   {.help = "A function u of the outputs; asks for E[u | X_n = x]."});
  declarer.section("expectation", input.expectation,
                   {.help = "Where conditional expectations of the observable are wanted."});
  declarer.section("density", input.density,
                   {.help = "Asks for the density of every layer, for a density of the inputs."});
  declarer.section("probability", input.probability,
                   {.help = "Asks for the probability that the outputs lie in a set."});
  declarer.section("norms", input.norms,
                   {.help = "Asks for norms and contraction constants of the operators."});
  declarer.section("projection", input.projection,
                   {.help = "What is resolved of each layer; asks for the terms of the "
                            "Mori-Zwanzig equation."});
  declarer.section("memory", input.memory, {.help = "Details of the Mori-Zwanzig equation."});
  declarer.section("reduction", input.reduction,
                   {.help = "Asks for smaller networks that do the same to a tolerance: fewest "
                            "lags, neurons that can go."});
  declarer.section("spectrum", input.spectrum,
                   {.help = "Asks for eigenvalues of one layer that is repeated without end."});
  declarer.section("monte_carlo", input.monte_carlo,
                   {.help = "Asks for a comparison with sampled paths."});
  declarer.section("checkpoint", input.checkpoint, {.help = "When and where long phases save."});
  if (!declarer.reading()) return;
  if (input.expectation && !input.observable) {
    declarer.reject("expectation", "needs 'observable'; add e.g. 'observable: {variables: [y], "
                                   "formula: y}'");
  }
  if (input.memory && !input.projection) {
    declarer.reject("memory", "needs 'projection'; add e.g. 'projection: {kind: basis, rank: 2}'");
  }
  if (input.reduction && !input.observable && input.reduction->keep == "observable") {
    declarer.reject("reduction", "needs 'observable', or 'keep: outputs'; add e.g. 'observable: "
                                 "{variables: [y], formula: y}'");
  }
  if (input.projection && input.projection->kind == "linear" && input.dictionary &&
      input.dictionary->degree == 0) {
    declarer.reject("projection.kind", "is 'linear', but 'dictionary.degree' is 0, so it has no "
                                       "functions of single neurons; raise it to 1");
  }
  const bool labels = input.data && input.data->labels;
  if (input.reduction && input.reduction->accuracy_loss > 0 && !labels) {
    declarer.reject("reduction.accuracy_loss", "needs classes; add e.g. 'data: {file: rows.npy, "
                                               "labels: true}'");
  }
  if (input.data && input.density && input.density->initial.given()) {
    declarer.reject("data", "stands in place of 'density.initial'; remove one of them");
  }
  const auto only_grids = [&](bool given, const char* key) {
    if (!given || !input.dictionary) return;
    declarer.reject(key, "needs grids, so it does not go with 'dictionary'; remove one of them");
  };
  only_grids(input.layers.has_value(), "layers");
  only_grids(input.density.has_value(), "density");
  if (input.probability && input.dictionary) {
    declarer.reject("probability",
                    "needs grids, so it does not go with 'dictionary'; remove it, and "
                    "give its 'set' as 'observable.formula': the mean of a condition "
                    "is its probability");
  }
  only_grids(input.spectrum.has_value(), "spectrum");
  only_grids(input.matrix != "auto", "operator");
  if (input.monte_carlo && input.dictionary && !input.observable) {
    declarer.reject("monte_carlo", "of a dictionary needs 'observable'; add e.g. 'observable: "
                                   "{variables: [y], formula: y}'");
  }
  const bool backward = input.projection && (!input.memory || input.memory->direction != "forward");
  if (backward && !input.observable) {
    declarer.reject("projection", "needs 'observable', or 'memory: {direction: forward}'");
  }
  if (!labels && !input.reduction && !input.observable && !input.density && !input.probability &&
      !input.norms && !input.projection && !input.spectrum) {
    declarer.reject("", "asks for nothing; add e.g. 'observable: {variables: [y], formula: y}', "
                        "'density: {}' or 'norms: {}'");
  }
}

} // namespace komori::analyses
