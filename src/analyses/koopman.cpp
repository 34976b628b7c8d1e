#include "analyses/koopman.hpp"

#include <fmt/format.h>

#include "analyses/koopman_study.hpp"
#include "config/help.hpp"

namespace komori::analyses {
namespace {

int work(Run& run) {
  KoopmanRun study(run);
  const std::string& kind = study.input.model.kind;
  if (study.input.dictionary) return study_dictionary(study);
  if (kind == "chain") return study_chain(study);
  if (kind == "map") return study_map(study);
  if (kind == "flow") return study_flow(study);
  if (kind == "trajectory") return study_trajectory(study);
  return study_sde(study);
}

/// What does not go together with a dictionary.
void check_dictionary(config::Declarer& declarer, const KoopmanInput& input) {
  const std::string& kind = input.model.kind;
  const bool data = kind == "trajectory";
  if (kind == "chain") {
    declarer.reject("dictionary",
                    "belongs to a model of kind 'map', 'flow', 'sde' or 'trajectory', "
                    "but 'model.kind' is 'chain'; remove it");
  }
  const std::pair<const char*, bool> of_grids[]{
      {"ulam", input.ulam.has_value()},
      {"cover", input.cover.has_value()},
      {"scheme", input.scheme.has_value()},
      {"counts", input.counts.has_value()},
      {"stationary", input.stationary.has_value()},
      {"transitions", input.transitions.has_value()},
      {"coarse_sets", input.coarse_sets.has_value()},
      {"coherent_sets", input.coherent_sets.has_value()},
      {"chapman_kolmogorov", input.chapman_kolmogorov.has_value()}};
  for (const auto& [key, given] : of_grids) {
    if (given) declarer.reject(key, "belongs to a grid, not to a 'dictionary'; remove one of them");
  }
  const std::pair<const char*, bool> of_data[]{{"time_scales", input.time_scales.has_value()},
                                               {"bootstrap", input.bootstrap.has_value()}};
  for (const auto& [key, given] : of_data) {
    if (given && !data) {
      declarer.reject(key, fmt::format("belongs to a model of kind 'trajectory', but 'model.kind' "
                                       "is '{}'; remove it",
                                       kind));
    }
  }
  if (data && input.sampling) {
    declarer.reject("sampling",
                    "belongs to a model of kind 'map', 'flow' or 'sde'; the samples of a "
                    "trajectory are its frames; remove it");
  }
  const models::FlowInput& flow = input.model.flow;
  if (kind == "flow" && (flow.diffusion.given() || flow.noise.given()) && input.pseudospectrum) {
    declarer.reject("pseudospectrum", "needs images without noise, but the flow draws its paths; "
                                      "remove it, or the noise");
  }
  if (data && input.pseudospectrum && input.dictionary->images == "random") {
    declarer.reject("pseudospectrum", "needs images without noise; set 'dictionary.images: exact' "
                                      "if the frames follow from each other, or remove it");
  }
  if (!input.spectrum && !input.pseudospectrum && !input.modes && !input.time_scales) {
    declarer.reject("", "asks for nothing; add 'spectrum: {}', 'pseudospectrum: {}' or 'modes'");
  }
}

} // namespace

void declare(config::Declarer& declarer, KoopmanInput& input) {
  using config::Need;
  declarer.text("title", input.title, {.help = "What this study is called in output and plots."});
  declarer.section("model", input.model, {.help = "The system.", .need = Need::required});
  declarer.named_sections("grid", "<axis>", input.grid,
                          {.help = "One axis per variable of the model, at most six; none for a "
                                   "chain, whose states are cells already."});
  declarer.section(
      "ulam", input.ulam,
      {.help = "How the matrix of a map or flow on the grid is made (Ulam's method)."});
  declarer.section("cover", input.cover,
                   {.help = "In place of 'ulam': only boxes near the attractor of a map or flow "
                            "with thin support, found by bisecting the cells of 'grid'."});
  declarer.section("dictionary", input.dictionary,
                   {.help =
                        "Instead of a grid: the operator on the span of functions (EDMD, generator "
                        "EDMD), with residuals of the operator itself. A grid is then where "
                        "eigenfunctions are shown."});
  declarer.section("sampling", input.sampling,
                   {.help = "Where a dictionary's inner products are taken."});
  declarer.section("scheme", input.scheme, {.help = "The finite-volume scheme, for an sde."});
  declarer.section(
      "counts", input.counts,
      {.help = "How the transitions of a trajectory between cells are made a matrix."});
  declarer.section("stationary", input.stationary, {.help = "Asks for the stationary density."});
  declarer.section("spectrum", input.spectrum, {.help = "Asks for eigenvalues of the operator."});
  declarer.section("pseudospectrum", input.pseudospectrum,
                   {.help =
                        "Of a dictionary: the least residual of any function at numbers z of the "
                        "complex plane."});
  declarer.section("modes", input.modes,
                   {.help = "Of a dictionary: observables as sums of eigenfunctions, and what they "
                            "predict."});
  declarer.section("time_scales", input.time_scales,
                   {.help = "Asks for implied time scales of a trajectory against lag."});
  declarer.section("chapman_kolmogorov", input.chapman_kolmogorov,
                   {.help = "Asks whether the chain of a trajectory predicts its own future."});
  declarer.section(
      "bootstrap", input.bootstrap,
      {.help = "Confidence bands for both, from samples of blocks of the trajectory."});
  declarer.section("transitions", input.transitions,
                   {.help = "Asks for committors, rates and passage times between sets."});
  declarer.section("coarse_sets", input.coarse_sets,
                   {.help = "Asks for a few sets that the dynamics rarely leaves."});
  declarer.section("coherent_sets", input.coherent_sets,
                   {.help =
                        "Asks for parts of the space that stay together for some steps, of maps, "
                        "flows and chains."});
  declarer.section("checkpoint", input.checkpoint, {.help = "When and where long phases save."});
  if (!declarer.reading()) return;
  const std::string& kind = input.model.kind;
  if (kind == "chain") check_grid(declarer, kind, !input.grid.empty());
  if (input.dictionary) {
    check_dictionary(declarer, input);
    return;
  }
  if (input.pseudospectrum) {
    declarer.reject("pseudospectrum", "belongs to a 'dictionary'; add one, or remove it");
  }
  if (input.modes) declarer.reject("modes", "belongs to a 'dictionary'; add one, or remove it");
  if (input.sampling) {
    declarer.reject("sampling", "belongs to a 'dictionary'; add one, or remove it");
  }
  check_grid(declarer, kind, !input.grid.empty());
  check_kind(declarer, "ulam", input.ulam.has_value(), kind, {"map", "flow"});
  check_kind(declarer, "cover", input.cover.has_value(), kind, {"map", "flow"});
  if (input.cover && input.ulam) {
    declarer.reject("cover", "stands in place of 'ulam'; give one of them");
  }
  if (input.coherent_sets && kind == "sde") {
    declarer.reject("coherent_sets", "belongs to a model of kind 'map', 'flow', 'chain' or "
                                     "'trajectory', but 'model.kind' is 'sde'; remove it");
  }
  check_kind(declarer, "scheme", input.scheme.has_value(), kind, {"sde"});
  check_kind(declarer, "counts", input.counts.has_value(), kind, {"trajectory"});
  check_kind(declarer, "time_scales", input.time_scales.has_value(), kind, {"trajectory"});
  check_kind(declarer, "chapman_kolmogorov", input.chapman_kolmogorov.has_value(), kind,
             {"trajectory"});
  check_kind(declarer, "bootstrap", input.bootstrap.has_value(), kind, {"trajectory"});
  if (input.chapman_kolmogorov && input.chapman_kolmogorov->coarse && !input.coarse_sets) {
    declarer.reject("chapman_kolmogorov", "has 'coarse: true', which needs 'coarse_sets'; add e.g. "
                                          "'coarse_sets: {sets: 3}'");
  }
  if (!input.stationary && !input.spectrum && !input.transitions && !input.coarse_sets &&
      !input.coherent_sets && !input.time_scales && !input.chapman_kolmogorov) {
    declarer.reject("", "asks for nothing; add 'stationary: {}' or 'spectrum: {}'");
  }
}

Driver koopman_driver() {
  return {.name = koopman_name,
          .summary = "spectra, eigenfunctions and stationary densities of the Koopman and transfer "
                     "operators of maps, flows, Markov chains, stochastic differential equations "
                     "and time series",
          .key_help = [] { return config::help<KoopmanInput>().text(); },
          .option_prefixes = {"spectrum_", "stationary_", "counts_", "time_scales_", "extension_",
                              "transitions_", "coarse_sets_", "coherent_sets_", "flow_"},
          .work = work};
}

} // namespace komori::analyses
