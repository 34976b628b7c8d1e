/// The operators whose memory can be asked for: of stochastic differential equations, maps, flows,
/// chains, and those fitted to trajectories.
#pragma once

#include <memory>
#include <optional>
#include <vector>

#include "analyses/integration_error.hpp"
#include "analyses/memory.hpp"
#include "analyses/mori_zwanzig.hpp"
#include "analyses/problem.hpp"
#include "analyses/saved_assembly.hpp"
#include "analyses/study.hpp"
#include "analyses/transfer_problem.hpp"
#include "io/attributes.hpp"
#include "models/flow.hpp"
#include "models/sde.hpp"
#include "models/step.hpp"

namespace komori::analyses {

/// Owns a discretised model of any kind and what the section `memory` needs of it.
class MemoryStudy {
public:
  /// Discretises, or counts the transitions of `trajectory`; maps and flows are sampled only when
  /// first needed. Throws InputError. Collective.
  MemoryStudy(base::Session& session, const MoriZwanzigInput& input,
              const operators::TrajectorySource* trajectory = nullptr);

  const spaces::Grid& grid() const;
  /// Of the operator, or a prediction of it.
  double nonzeros() const noexcept { return nonzeros_; }
  /// The only axis with noise, if systems are solved by sweeps along it: nothing is factorised.
  /// Local.
  std::optional<int> swept_axis() const;
  /// Throws InputError where the sections do not fit the model, as far as that shows without
  /// solving. Collective.
  void require_sound();
  /// Long phases save there from now on; the matrix of a map or flow is made. Throws Stopped.
  /// Collective.
  void use(io::Checkpoints& checkpoints);
  /// Says what the integration of a flow errs. Local.
  void remark() const;
  /// Its section /integration, if any. Collective.
  std::vector<ResultSection> more() const;
  /// What the data say of the chain fitted to them, attributes of /grid. Local.
  const io::Attributes& facts() const noexcept { return facts_; }
  /// Solves for the inner product's weights, and everything after. Collective.
  bool memory(io::ResultFile& file, const std::string& group = "memory",
              const std::string& title = "Memory");
  /// The same without writing. Collective.
  MemoryResult compute();
  /// The operator with its inner product. Collective.
  MemorySystem system();
  const operators::Names& names() const noexcept { return names_; }

private:
  base::UniqueVec weights();
  void prepare(std::unique_ptr<models::Step> step);
  TransferProblem& transfer();
  void count(const operators::TrajectorySource& trajectory);

  base::Session& session_;
  const MoriZwanzigInput& input_;
  std::unique_ptr<models::Sde> sde_;
  std::unique_ptr<models::Step> step_; ///< a map or a flow
  const models::Flow* flow_ = nullptr; ///< the step, if it is one
  IntegrationError integration_;
  std::unique_ptr<operators::ChainSource> chain_;
  std::unique_ptr<Problem> problem_;
  std::unique_ptr<spaces::Grid> step_grid_;
  std::unique_ptr<TransferProblem> transfer_;
  std::unique_ptr<SavedAssembly> assembly_;
  operators::Names names_;
  io::Attributes facts_;
  io::Checkpoints* checkpoints_ = nullptr;
  double nonzeros_ = 0;
};

} // namespace komori::analyses
