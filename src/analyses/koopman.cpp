#include "analyses/koopman.hpp"

#include <fmt/format.h>

#include "analyses/koopman_study.hpp"
#include "config/help.hpp"

namespace komori::analyses {
namespace {

int work(Run& run) {
  KoopmanRun study(run);
  const std::string& kind = study.input.model.kind;
  if (kind == "chain") return study_chain(study);
  if (kind == "map") return study_map(study);
  return study_sde(study);
}

} // namespace

void declare(config::Declarer& declarer, KoopmanInput& input) {
  using config::Need;
  declarer.text("title", input.title, {.help = "What this study is called in output and plots."});
  declarer.section("model", input.model, {.help = "The system.", .need = Need::required});
  declarer.named_sections("grid", "<axis>", input.grid,
                          {.help = "One axis per variable of the model, at most six; none for a "
                                   "chain, whose states are cells already."});
  declarer.section("ulam", input.ulam,
                   {.help = "How the matrix of a map on the grid is made (Ulam's method)."});
  declarer.section("scheme", input.scheme, {.help = "The finite-volume scheme, for an sde."});
  declarer.section("stationary", input.stationary, {.help = "Asks for the stationary density."});
  declarer.section("spectrum", input.spectrum, {.help = "Asks for eigenvalues of the operator."});
  declarer.section("transitions", input.transitions,
                   {.help = "Asks for committors, rates and passage times between sets."});
  declarer.section("coarse_sets", input.coarse_sets,
                   {.help = "Asks for a few sets that the dynamics rarely leaves."});
  declarer.section("checkpoint", input.checkpoint, {.help = "When and where long phases save."});
  if (!declarer.reading()) return;
  const std::string& kind = input.model.kind;
  const bool chain = kind == "chain";
  if (chain && !input.grid.empty()) {
    declarer.reject("grid", "does not belong to a model of kind 'chain'; remove it");
  }
  if (!chain && input.grid.empty()) {
    declarer.reject("", fmt::format("'grid' is missing; a model of kind '{}' needs an axis for "
                                    "every variable, e.g. 'grid: {{x: {{from: 0, to: 1, cells: "
                                    "128}}}}'",
                                    kind));
  }
  if (input.ulam && kind != "map") {
    declarer.reject("ulam", fmt::format("belongs to a model of kind 'map', but 'model.kind' is "
                                        "'{}'; remove it",
                                        kind));
  }
  if (input.scheme && kind != "sde") {
    declarer.reject("scheme", fmt::format("belongs to a model of kind 'sde', but 'model.kind' is "
                                          "'{}'; remove it",
                                          kind));
  }
  if (!input.stationary && !input.spectrum && !input.transitions && !input.coarse_sets) {
    declarer.reject("", "asks for nothing; add 'stationary: {}' or 'spectrum: {}'");
  }
}

Driver koopman_driver() {
  return {
      .name = koopman_name,
      .summary = "spectra, eigenfunctions and stationary densities of the Koopman and transfer "
                 "operators of maps, Markov chains and stochastic differential equations",
      .key_help = [] { return config::help<KoopmanInput>().text(); },
      .option_prefixes = {"spectrum_", "stationary_", "extension_", "transitions_", "coarse_sets_"},
      .work = work};
}

} // namespace komori::analyses
