/// What a Koopman study of any kind of model shares: surroundings, sections, and the way they run.
#pragma once

#include <functional>
#include <optional>
#include <string>
#include <utility>
#include <vector>

#include "analyses/koopman.hpp"
#include "analyses/study.hpp"
#include "analyses/transfer_problem.hpp"
#include "io/attributes.hpp"
#include "io/checkpoints.hpp"
#include "io/result_file.hpp"
#include "spaces/grid.hpp"

namespace komori::analyses {

/// A run before its model is looked at.
struct KoopmanRun {
  /// Reads the input and makes sure that the result can be written. Throws InputError. Collective.
  explicit KoopmanRun(Run& its_run);

  base::Session& session() const noexcept { return run.session; }
  base::Log& log() const noexcept { return run.session.log(); }
  bool check_only() const noexcept { return run.command_line.check; }
  /// The result and the checkpoints, opened when first asked for: long work before the sections
  /// saves there. Throws InputError where a restart does not fit. Collective.
  OpenResult& result();
  /// Prints what will be solved, and throws MemoryError where it exceeds the node. Collective.
  void require_room(const spaces::Grid& grid, double nonzeros) const;

  Run& run;
  KoopmanInput input;
  Opening opening;
  std::function<void()> remarks; ///< what is to be said once the problem is introduced, if anything

private:
  std::optional<OpenResult> result_;
};

/// What the kind of the model decides.
struct KoopmanStudy {
  const spaces::Grid& grid;
  std::int64_t nonzeros = 0;
  io::Attributes facts{}; ///< of the operator, attributes of /grid
  std::function<void(io::Checkpoints&)> use{};
  std::vector<ResultSection> sections{}; ///< in the order in which they run
};

/// Runs the sections: file, checkpoints, record. Returns the exit code. Collective.
int carry_out(KoopmanRun& run, const KoopmanStudy& study);

/// All that is asked of a matrix of transition probabilities or rates, and then `more`. Collective.
int study_transfer(KoopmanRun& run, TransferProblem& problem,
                   const std::vector<std::string>& variables,
                   const std::vector<std::pair<std::string, double>>& constants,
                   io::Attributes facts, std::vector<ResultSection> more = {});

/// The study of each kind of model. Return the exit code. Throw InputError. Collective.
int study_chain(KoopmanRun& run);
int study_dictionary(KoopmanRun& run);
int study_map(KoopmanRun& run);
int study_flow(KoopmanRun& run);
int study_sde(KoopmanRun& run);
int study_trajectory(KoopmanRun& run);

/// The study of a map or a flow on a grid, and on a cover; `more` sections follow. Return the exit
/// code. Throw InputError. Collective.
int study_step(KoopmanRun& run, const models::Step& step, std::vector<ResultSection> more = {});
int study_cover(KoopmanRun& run, const models::Step& step, std::vector<ResultSection> more = {});

/// Throws InputError where a section takes steps to be alike, but the flow changes with time.
/// The box is where its formulas are looked at. Local.
void require_same_steps(const KoopmanInput& input, const models::Flow& flow,
                        const std::vector<double>& from, const std::vector<double>& to);

} // namespace komori::analyses
