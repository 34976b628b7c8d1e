#include "analyses/memory_systems.hpp"

#include <algorithm>
#include <cmath>

#include <fmt/format.h>

#include "analyses/stationary.hpp"
#include "analyses/transfer_stationary.hpp"
#include "base/error.hpp"
#include "linalg/solver.hpp"
#include "models/map.hpp"
#include "operators/line_sweeps.hpp"

namespace komori::analyses {
namespace {

using base::check;

/// Below this share of the largest, weights are rounding or 0: they are lifted to it, so that means
/// over cells that nothing reaches are still means.
constexpr double least_weight = 1e-200;

/// From so many cells on sweeps along lines are faster than a factorisation, as measured (README,
/// performance).
constexpr double least_swept = 20'000;

/// Masses as weights: positive, of sum 1.
void make_weights(Vec masses) {
  PetscReal top = 0;
  check(VecMax(masses, nullptr, &top));
  {
    const base::WriteArray w(masses);
    for (std::size_t i = 0; i < w.size(); ++i) w[i] = std::max(w[i], least_weight * top);
  }
  check(VecScale(masses, 1 / base::sum(masses)));
}

/// The largest |w_i L_ij - w_j L_ji| summed over rows, relative: 0 where detailed balance holds.
double asymmetry(Mat matrix, Mat transposed, Vec weights) {
  base::UniqueMat flow;
  base::UniqueMat back;
  check(MatDuplicate(matrix, MAT_COPY_VALUES, flow.put()));
  check(MatDiagonalScale(flow.get(), weights, nullptr));
  check(MatDuplicate(transposed, MAT_COPY_VALUES, back.put()));
  check(MatDiagonalScale(back.get(), nullptr, weights));
  PetscReal size = 0;
  check(MatNorm(flow.get(), NORM_INFINITY, &size));
  check(MatAXPY(flow.get(), -1, back.get(), DIFFERENT_NONZERO_PATTERN));
  PetscReal difference = 0;
  check(MatNorm(flow.get(), NORM_INFINITY, &difference));
  return size > 0 ? difference / size : 0;
}

} // namespace

MemoryStudy::MemoryStudy(base::Session& session, const MoriZwanzigInput& input,
                         const operators::TrajectorySource* trajectory)
    : session_(session), input_(input) {
  const std::string& kind = input.model.kind;
  if (kind == "sde") {
    const models::SdeInput& model = input.model.sde;
    sde_ = std::make_unique<models::Sde>(model);
    problem_ = std::make_unique<Problem>(
        session, *sde_,
        spaces::Grid(session.comm(), make_axes(model.variables, model.parameters, input.grid)),
        input.scheme.value_or(operators::SchemeInput{}));
    names_ = {model.variables, model.parameters};
    nonzeros_ = static_cast<double>(grid().cells()) * (2 * grid().dimension() + 1);
  } else if (kind == "map") {
    prepare(std::make_unique<models::Map>(input.model.map));
  } else if (kind == "flow") {
    auto flow = std::make_unique<models::Flow>(input.model.flow);
    flow_ = flow.get();
    linalg::require_options_used(models::OdeSolver::prefix());
    prepare(std::move(flow));
  } else if (kind == "trajectory") {
    count(*trajectory);
  } else {
    chain_ = std::make_unique<operators::ChainSource>(session.comm(), input.model.chain);
    transfer_ = std::make_unique<TransferProblem>(session, *chain_, input.model.chain.lag);
    names_ = {{"state"}, {}};
    nonzeros_ = static_cast<double>(transfer_->transfer().nonzeros);
  }
}

void MemoryStudy::prepare(std::unique_ptr<models::Step> step) {
  step_ = std::move(step);
  names_ = {step_->variables(), step_->parameters()};
  const std::vector<spaces::Axis> axes =
      make_axes(step_->variables(), step_->parameters(), input_.grid);
  step_grid_ = std::make_unique<spaces::Grid>(session_.comm(), axes);
  const operators::UlamInput ulam = input_.ulam.value_or(operators::UlamInput{});
  operators::validate(*step_, *step_grid_, ulam);
  nonzeros_ = operators::entries_per_row(*step_, *step_grid_, ulam) *
              static_cast<double>(step_grid_->cells());
  if (!flow_) return;
  const FlowRange range(axes);
  require_same_steps("memory", *flow_, range.from, range.to);
  integration_ = integration_error(session_.comm(), *flow_, range.from, range.to, range.widths);
}

void MemoryStudy::remark() const {
  if (flow_) report(session_.log(), *flow_, integration_);
}

std::vector<ResultSection> MemoryStudy::more() const {
  if (!flow_) return {};
  return {{"integration", [this](io::ResultFile& file) {
             write_integration(*flow_, integration_, file);
             return true;
           }}};
}

void MemoryStudy::count(const operators::TrajectorySource& trajectory) {
  const models::TrajectoryInput& model = input_.model.trajectory;
  names_ = {model.variables, model.parameters};
  spaces::Grid grid(session_.comm(), make_axes(model.variables, model.parameters, input_.grid));
  CountedChain counted(session_.log(), trajectory, grid,
                       input_.counts.value_or(operators::CountsInput{}));
  facts_ = std::move(counted.facts);
  transfer_ = std::make_unique<TransferProblem>(
      session_, std::move(grid), std::move(counted.chain.transfer), trajectory.lag());
  nonzeros_ = static_cast<double>(transfer_->transfer().nonzeros);
}

const spaces::Grid& MemoryStudy::grid() const {
  return problem_ ? problem_->grid() : transfer_ ? transfer_->grid() : *step_grid_;
}

std::optional<int> MemoryStudy::swept_axis() const {
  const std::string& solver = input_.memory.solver;
  const bool wanted = solver == "iterative" ||
                      (solver == "auto" && static_cast<double>(grid().cells()) >= least_swept);
  return problem_ && wanted ? operators::noisy_axis(problem_->sde()) : std::nullopt;
}

TransferProblem& MemoryStudy::transfer() {
  if (!transfer_) {
    if (checkpoints_) assembly_ = std::make_unique<SavedAssembly>(session_, *checkpoints_);
    base::Phase assembly(session_.log(), "assembly");
    transfer_ = std::make_unique<TransferProblem>(
        session_, *step_, *step_grid_, input_.ulam.value_or(operators::UlamInput{}),
        assembly_ ? assembly_->continuation() : operators::UlamContinuation{});
    if (assembly_) assembly_->finish(*transfer_);
    nonzeros_ = static_cast<double>(transfer_->transfer().nonzeros);
    assembly.finish(fmt::format("{} nonzeros", transfer_->transfer().nonzeros));
  }
  return *transfer_;
}

void MemoryStudy::require_sound() {
  // Observables that depend on one another do so in any inner product: volumes serve as well.
  base::UniqueVec volumes = grid().volumes();
  make_weights(volumes.get());
  operators::resolve(grid(), input_.projection, names_, volumes.get(), true);
  const bool absorbing = grid().has(spaces::Boundary::absorbing);
  if (input_.memory.inner_product == "stationary" && absorbing) {
    throw base::InputError(fmt::format(
        "{}: 'memory.inner_product' is 'stationary', but paths leave through absorbing walls and "
        "there is no stationary density; use 'inner_product: lebesgue'",
        input_.memory.origin.text()));
  }
  MemorySystem kind{.session = session_, .grid = grid()};
  kind.discrete = !problem_ && !(transfer_ && transfer_->rates());
  MemoryInput asked = input_.memory;
  if (input_.model.kind == "trajectory") asked.smoothing = 0; // that of the series beside it
  validate(kind, asked);
}

void MemoryStudy::use(io::Checkpoints& checkpoints) {
  checkpoints_ = &checkpoints;
  if (problem_) problem_->use(checkpoints);
  if (step_) transfer();
}

base::UniqueVec MemoryStudy::weights() {
  base::UniqueVec weights = grid().volumes();
  if (input_.memory.inner_product == "stationary") {
    base::Phase phase(session_.log(), "stationary density");
    std::string method;
    if (problem_) {
      const StationaryInput asked{
          .tolerance = 1e-12, .observables = {}, .current = false, .error_estimate = false};
      const StationaryDensity found = stationary_density(*problem_, asked);
      check(VecPointwiseMult(weights.get(), weights.get(), found.density.get()));
      method = found.method;
    } else {
      const LeadingDensity found =
          leading_density(transfer(), {.tolerance = 1e-13, .observables = {}});
      if (found.multiplicity > 1) {
        session_.log().warning("the stationary density is one of many: the state space falls into "
                               "parts that never meet, and the memory depends on the choice");
      }
      if (!transfer().closed()) {
        session_.log().warning("paths leave the grid: the inner product is that of the "
                               "quasi-stationary density");
      }
      check(VecPointwiseMult(weights.get(), weights.get(), found.density.get()));
      method = found.method;
    }
    phase.finish(method);
  }
  make_weights(weights.get());
  return weights;
}

MemorySystem MemoryStudy::system() {
  MemorySystem system{.session = session_, .grid = grid(), .checkpoints = checkpoints_};
  system.stationary = input_.memory.inner_product == "stationary";
  const bool direct = input_.memory.solver == "direct";
  const bool iterative = input_.memory.solver == "iterative";
  const auto cells = static_cast<double>(grid().cells());
  if (problem_) {
    system.matrix = problem_->generator().matrix.get();
    system.problem = problem_.get();
    system.discrete = false;
    system.norm = problem_->generator().facts.norm;
    system.conserved = problem_->generator().facts.leak <= 1e-12 * system.norm;
    system.reversible = problem_->reversible() && system.stationary;
    system.scale = problem_->diffusive_rate();
    nonzeros_ = static_cast<double>(problem_->generator().facts.nonzeros);
    system.swept_axis = swept_axis();
    const bool prefers = (grid().dimension() <= 2 && cells <= 2e6) ||
                         prefers_direct(grid().dimension(), cells, false);
    system.method = direct || (!iterative && !system.swept_axis && prefers)
                        ? linalg::Method::direct
                        : linalg::Method::iterative;
  } else {
    TransferProblem& t = transfer();
    system.matrix = t.matrix();
    system.entries = t.matrix();
    system.discrete = !t.rates();
    system.lag = t.lag();
    system.norm = t.norm();
    system.conserved = t.closed();
    system.scale = 1e-2 * t.norm();
    system.method = iterative ? linalg::Method::iterative : linalg::Method::direct;
  }
  system.weights = weights();
  if (!problem_ && system.stationary) {
    system.reversible =
        asymmetry(transfer().matrix(), transfer().transposed(), system.weights.get()) <= 1e-12;
  }
  return system;
}

MemoryResult MemoryStudy::compute() {
  MemorySystem asked = system();
  return compute_memory(asked, input_.projection, names_, input_.memory);
}

bool MemoryStudy::memory(io::ResultFile& file, const std::string& group, const std::string& title) {
  MemorySystem asked = system();
  return analyses::memory(asked, input_.projection, names_, input_.memory, file, group, title);
}

} // namespace komori::analyses
