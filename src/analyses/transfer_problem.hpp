/// A discretised map or a Markov chain that all sections of a Koopman study share.
#pragma once

#include <functional>
#include <memory>
#include <optional>
#include <span>
#include <string>

#include "base/session.hpp"
#include "io/checkpoints.hpp"
#include "models/step.hpp"
#include "operators/chain.hpp"
#include "operators/cover.hpp"
#include "operators/ulam.hpp"
#include "spaces/grid.hpp"

namespace komori::analyses {

/// Owns the grid and the matrix P, rows = from, columns = to: transition probabilities of one step,
/// or rates. Functions on cells evolve by P (Koopman), masses of cells by P transposed (transfer).
/// Not movable.
class TransferProblem {
public:
  /// Ulam's matrix of a map, which must outlive it. Throws InputError. Collective.
  TransferProblem(base::Session& session, const models::Step& map, spaces::Grid grid,
                  const operators::UlamInput& ulam,
                  const operators::UlamContinuation& continuation = {});
  /// The matrix of a chain; `lag` is the time of a step. Throws InputError. Collective.
  TransferProblem(base::Session& session, const operators::ChainSource& source, double lag);
  /// A matrix of probabilities that is ready; rows and columns of cells no path is in may be 0.
  TransferProblem(base::Session& session, spaces::Grid grid, operators::TransferMatrix transfer,
                  double lag);
  /// Ulam's matrix of a map on the boxes of a cover, each a cell of the axis "box"; `map` must
  /// outlive it. Throws InputError. Collective.
  TransferProblem(base::Session& session, const models::Step& map, operators::Cover cover,
                  const operators::CoverInput& input,
                  const operators::UlamContinuation& continuation = {});
  /// Rates that somebody else has assembled, e.g. the generator of an SDE.
  TransferProblem(base::Session& session, spaces::Grid grid, operators::TransferMatrix rates);
  TransferProblem(const TransferProblem&) = delete;
  TransferProblem& operator=(const TransferProblem&) = delete;

  base::Session& session() const noexcept { return session_; }
  base::Log& log() const noexcept { return session_.log(); }
  MPI_Comm comm() const noexcept { return session_.comm(); }
  const spaces::Grid& grid() const noexcept { return grid_; }
  Vec volumes() const noexcept { return volumes_.get(); }
  /// The boxes behind the cells; null where the cells are those of the grid.
  const operators::Cover* cover() const noexcept { return cover_ ? &*cover_ : nullptr; }
  /// A function of the variables at the middle of every cell or box. Collective.
  base::UniqueVec sampled(const spaces::Field& value) const;
  /// Throws InputError "<problem> (it is <value>) at <place>" that names the first cell where
  /// `holds(value)` is false. Collective.
  void require(const spaces::Field& value, const std::function<bool(double)>& holds,
               const std::string& problem) const;

  Mat matrix() const noexcept { return transfer_.matrix.get(); }
  /// P transposed as a matrix of its own, made when first asked for (then collective).
  Mat transposed();
  const operators::TransferMatrix& transfer() const noexcept { return transfer_; }
  /// The largest absolute row sum, at least the tiniest number.
  double norm() const noexcept { return norm_; }
  /// The matrix holds rates: continuous time, eigenvalues with real part <= 0.
  bool rates() const noexcept { return rates_; }
  /// Time of one step.
  double lag() const noexcept { return lag_; }
  /// Nothing leaks: 1 (or the rate 0) is an eigenvalue and there is a stationary density.
  bool closed() const noexcept { return transfer_.largest_leak <= 1e-12; }
  /// How the error of eigenvalues falls with the cells' width: 2 where noise smoothes every axis, 1
  /// otherwise, 0 where there is no grid behind the cells.
  int order() const noexcept { return order_; }
  /// Independent draws behind each row; 0 where rows are not frequencies of drawn transitions.
  std::int64_t draws() const noexcept { return draws_; }
  /// The same on a grid of half as many cells per axis, or a cover of boxes twice as wide; null
  /// where that is no other problem.
  std::unique_ptr<TransferProblem> coarsened() const;

  /// Where long phases save their state; null for a problem that is not the run's own.
  io::Checkpoints* checkpoints() const noexcept { return checkpoints_; }
  void use(io::Checkpoints& checkpoints) noexcept { checkpoints_ = &checkpoints; }

private:
  /// The order of errors of cells, and draws behind rows, of the map on the axes.
  void describe_rows(std::span<const spaces::Axis> axes, std::int64_t samples);

  base::Session& session_;
  const models::Step* map_ = nullptr;
  operators::UlamInput ulam_;
  std::optional<operators::Cover> cover_;
  operators::CoverInput cover_input_;
  spaces::Grid grid_;
  base::UniqueVec volumes_;
  operators::TransferMatrix transfer_;
  base::UniqueMat transposed_;
  double norm_ = 1;
  double lag_ = 1;
  bool rates_ = false;
  int order_ = 0;
  std::int64_t draws_ = 0;
  io::Checkpoints* checkpoints_ = nullptr;
};

} // namespace komori::analyses
