/// The operators whose memory can be asked for: of stochastic differential equations, maps, chains,
/// and those fitted to trajectories.
#pragma once

#include <memory>
#include <optional>

#include "analyses/memory.hpp"
#include "analyses/mori_zwanzig.hpp"
#include "analyses/problem.hpp"
#include "analyses/transfer_problem.hpp"
#include "io/attributes.hpp"
#include "models/map.hpp"
#include "models/sde.hpp"

namespace komori::analyses {

/// Owns a discretised model of any kind and what the section `memory` needs of it.
class MemoryStudy {
public:
  /// Discretises, or counts the transitions of `trajectory`; maps are sampled only when first
  /// needed. Throws InputError. Collective.
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
  void use(io::Checkpoints& checkpoints);
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
  TransferProblem& transfer();
  void count(const operators::TrajectorySource& trajectory);

  base::Session& session_;
  const MoriZwanzigInput& input_;
  std::unique_ptr<models::Sde> sde_;
  std::unique_ptr<models::Map> map_;
  std::unique_ptr<operators::ChainSource> chain_;
  std::unique_ptr<Problem> problem_;
  std::unique_ptr<spaces::Grid> map_grid_;
  std::unique_ptr<TransferProblem> transfer_;
  operators::Names names_;
  io::Attributes facts_;
  io::Checkpoints* checkpoints_ = nullptr;
  double nonzeros_ = 0;
};

} // namespace komori::analyses
