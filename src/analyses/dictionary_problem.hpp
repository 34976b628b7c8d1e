/// An operator on the span of a dictionary, which all sections of a dictionary study share.
#pragma once

#include <cstdint>
#include <memory>
#include <optional>
#include <string>
#include <utility>
#include <vector>

#include "analyses/pair_data.hpp"
#include "base/session.hpp"
#include "config/declaration.hpp"
#include "io/checkpoints.hpp"
#include "io/result_file.hpp"
#include "models/model.hpp"
#include "operators/action.hpp"
#include "operators/gram_pass.hpp"
#include "operators/koopman_matrix.hpp"
#include "spaces/dictionary.hpp"
#include "spaces/grid.hpp"
#include "spaces/samples.hpp"

namespace komori::analyses {

/// `dictionary` as written.
struct DictionarySection {
  spaces::DictionaryInput functions{};
  std::string operator_name = "koopman";
  std::optional<operators::InverseInput> inverse{};
  std::string estimator = "plain";
  std::string outside = "error";
  double rank_cut = 1e-12;
  std::string singular = "auto";
  std::string images = "random";
  double held_out = 0.2;
};
void declare(config::Declarer& declarer, DictionarySection& input);

/// Formulas of observables by name, in the order written.
using Observables = std::vector<std::pair<std::string, config::FormulaText>>;

/// Owns dictionary, operator and samples, and what was accumulated from them. Not movable.
class DictionaryProblem {
public:
  /// Throws InputError. Collective.
  /// `bootstrap` says how trajectories are cut into blocks.
  DictionaryProblem(base::Session& session, const models::ModelInput& model,
                    const DictionarySection& section, const spaces::SamplingInput& sampling,
                    const Observables& observables, const BootstrapInput& bootstrap = {});
  DictionaryProblem(const DictionaryProblem&) = delete;
  DictionaryProblem& operator=(const DictionaryProblem&) = delete;

  base::Session& session() const noexcept { return session_; }
  base::Log& log() const noexcept { return session_.log(); }
  MPI_Comm comm() const noexcept { return session_.comm(); }
  const spaces::Names& names() const noexcept { return names_; }
  const std::vector<spaces::Extent>& extents() const noexcept { return extents_; }
  const spaces::Dictionary& dictionary() const noexcept { return *dictionary_; }
  const operators::Action& action() const noexcept { return *action_; }
  /// The operator is a mean over paths that are drawn.
  bool drawn() const noexcept { return twin_ != nullptr; }
  const spaces::Samples& samples() const noexcept { return *samples_; }
  /// Other samples of the same measure; null where data are all there is.
  const spaces::Samples* others() const noexcept { return others_.get(); }
  /// Where the samples are from; null unless they are a trajectory's.
  const PairData* pairs() const noexcept { return pairs_.get(); }
  /// What is known of images are samples of random ones, which residuals must not count.
  bool random_images() const noexcept { return pairs_ && section_.images == "random"; }
  const DictionarySection& section() const noexcept { return section_; }
  const Observables& observables() const noexcept { return observables_; }
  /// The operator is a generator: continuous time.
  bool rates() const noexcept { return action_->generator(); }
  /// Time of one step.
  double lag() const noexcept { return lag_; }
  operators::Estimator estimator() const;
  /// For a pass over `samples`, or over those given.
  operators::PassInput pass(const spaces::Samples* other = nullptr) const;

  /// The Gram matrices; read from the result where an earlier run has left them. Collective.
  const operators::GramMatrices& gram(const io::ResultFile& file);
  /// The matrix of all functions, of the rank kept; made once. Collective.
  const operators::KoopmanMatrix& matrix(const io::ResultFile& file);
  void keep(operators::GramMatrices gram) { gram_ = std::move(gram); }
  /// Of a pass that has come to its end. Of data under detailed balance both frames of a pair are
  /// of the same measure: G is the mean over both then. Collective.
  operators::GramMatrices finished(operators::GramPass& pass) const;

  io::Checkpoints* checkpoints() const noexcept { return checkpoints_; }
  void use(io::Checkpoints& checkpoints) noexcept { checkpoints_ = &checkpoints; }

private:
  void take_samples(const models::ModelInput& model, const spaces::SamplingInput& sampling,
                    const BootstrapInput& bootstrap);

  base::Session& session_;
  DictionarySection section_;
  spaces::Names names_;
  std::vector<spaces::Extent> extents_;
  double lag_ = 1;
  Observables observables_;
  std::unique_ptr<PairData> pairs_;
  std::unique_ptr<operators::Action> action_;
  std::unique_ptr<operators::Action> twin_; ///< of a flow with noise, along other paths
  std::unique_ptr<spaces::Samples> samples_;
  std::unique_ptr<spaces::Samples> others_;
  std::unique_ptr<spaces::Dictionary> dictionary_;
  std::unique_ptr<spaces::Dictionary> observed_;
  std::optional<operators::GramMatrices> gram_;
  std::optional<operators::KoopmanMatrix> matrix_;
  io::Checkpoints* checkpoints_ = nullptr;
};

/// The pass over the samples: progress, checkpoints, /gram. Throws InputError for a singular Gram
/// matrix as 'dictionary.singular' says, Stopped. Collective.
bool gram_section(DictionaryProblem& problem, io::ResultFile& file);

} // namespace komori::analyses
