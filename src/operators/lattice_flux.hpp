/// Finite-volume fluxes for full diffusion matrices: links between cells that need not be
/// neighbours, with rates that are never negative.
///
/// In units of the cell widths H, H^-1 D H^-1 = sum_k lambda_k e_k e_k^T with integer offsets e_k
/// and lambda_k >= 0 (`selling`). The energy sum_k lambda_k (D_ek u)^2 of a function u, shared out
/// over the links x - e_k, x, x + e_k, gives every link a conductance c that both ends see alike,
/// the mean of lambda at its ends; the rate to the other end is c B(-w), back c B(w), with
/// Scharfetter and Gummel's B and w the work of the `ThermodynamicForce` along the link. The scheme
/// is second order, conservative, and holds detailed balance exactly where the works add up to zero
/// round every loop.
///
/// Walls: a link that crosses a reflecting wall is dropped and its share given to the opposite one;
/// where that is missing too (next to corners) to the links along the axes. A link that crosses an
/// absorbing wall at the fraction s of its length leaves at the rate lambda / s.
#pragma once

#include <array>
#include <cstdint>
#include <string>
#include <vector>

#include "models/sde.hpp"
#include "operators/scheme.hpp"
#include "operators/thermodynamic_force.hpp"
#include "spaces/grid.hpp"

namespace komori::operators {

/// A pair of cells that exchange probability, seen from one of them.
struct Link {
  spaces::Index cell{}; ///< the other one; may lie periods outside on a periodic axis
  double out = 0;       ///< rate to the other cell, 1/time
  double back = 0;      ///< rate from there, 1/time
  double log_ratio = 0; ///< ln p(other) - ln p(this) that detailed balance asks
  double share = 0.5;   ///< part of the link that discretises D at this cell
  bool upper = true;    ///< true at one end, false at the other: to count links once
};

/// Evaluates links anywhere in this rank's block from formulas alone. Functions are local unless
/// marked.
class LatticeFluxes {
public:
  /// Collective. Throws InputError that names the place where D is not finite, not symmetric or not
  /// positive definite, where widths of neighbouring cells differ too much, and where links would
  /// be longer than `longest_link` cells.
  LatticeFluxes(const spaces::Grid& grid, const models::Sde& sde, const SchemeInput& scheme);

  static constexpr int longest_link = 200;

  /// Calls visit(const Link&) for every link of a cell of this rank.
  template <class Visit> void for_each_link(const spaces::Index& cell, Visit&& visit) const {
    for (std::size_t q = 0; q < offsets_.size(); ++q) {
      for (const int sign : {-1, 1}) {
        Link link;
        if (find_link(cell, q, sign, link)) visit(link);
      }
    }
  }
  /// Calls visit(axis, side, rate) for every link of a cell that leaves through an absorbing wall.
  template <class Visit> void for_each_exit(const spaces::Index& cell, Visit&& visit) const {
    if (!near_wall(cell)) return;
    for (std::size_t q = 0; q < offsets_.size(); ++q) {
      for (const int sign : {-1, 1}) {
        const Fate fate = fate_of(cell, q, sign);
        if (!fate.absorbed) continue;
        const double rate = exit_rate(cell, q, sign, fate.fraction);
        if (rate != 0) visit(fate.axis, fate.side, rate);
      }
    }
  }
  /// Work of the force from `cell` to its upper neighbour on axis k, which must exist.
  double axis_work(int k, const spaces::Index& cell) const;

  /// The longest offset along any axis, in cells; the same on all ranks.
  int reach() const noexcept { return reach_; }
  /// Different offsets in use on the whole grid.
  std::size_t offsets() const noexcept { return offsets_.size(); }
  /// Links per cell away from walls, at most.
  int links_per_cell() const noexcept { return 2 * terms_; }
  /// Cells next to corners where some of the noise acts along the axes instead.
  std::int64_t corner_cells() const noexcept { return corner_cells_; }
  /// The first link whose rates were not finite, empty if none so far.
  const std::string& trouble() const noexcept { return trouble_; }

private:
  using Offset = std::array<int, spaces::max_dimension>;
  /// What becomes of a step from a cell along an offset.
  struct Fate {
    bool inside = true;
    bool absorbed = false;
    int axis = 0;        ///< of the wall met first
    Side side{};         ///< of that axis
    double fraction = 1; ///< of the step up to that wall
    bool dropped() const { return !inside && !absorbed; }
  };

  void require_smooth_widths() const;
  void require_definite() const;
  void collect_offsets();
  void keep_cells();
  std::vector<std::pair<Offset, double>> decompose(const spaces::Index& cell) const;
  void store_terms(const spaces::Index& cell);
  bool find_link(const spaces::Index& cell, std::size_t q, int sign, Link& link) const;
  double exit_rate(const spaces::Index& cell, std::size_t q, int sign, double fraction) const;
  Fate fate_of(const spaces::Index& cell, std::size_t q, int sign) const;
  bool near_wall(const spaces::Index& cell) const;
  bool lost(const spaces::Index& cell, std::size_t q) const;
  double weight(const spaces::Index& cell, std::size_t q, int sign) const;
  double work(const spaces::Index& from, const spaces::Index& to) const;
  double work_along(const spaces::Index& from, const spaces::Index& to) const;
  void force_at(const spaces::Index& cell, std::span<double> force) const;
  spaces::Index moved(spaces::Index cell, std::size_t q, int by) const;
  spaces::Index wrapped(spaces::Index cell) const;
  double position(int k, PetscInt i) const;
  void widths(const spaces::Index& cell, std::span<double> width) const;
  std::size_t kept(const spaces::Index& cell) const;
  bool is_kept(const spaces::Index& cell) const;
  void note(const spaces::Index& cell) const;

  const spaces::Grid& grid_;
  const models::Sde& sde_;
  ThermodynamicForce force_;
  bool square_root_ = false;
  enum class Rule { mean, midpoint, simpson } rule_ = Rule::mean;
  int terms_ = 0;       ///< stored per cell
  bool shared_ = false; ///< one decomposition serves all cells
  int reach_ = 1;
  std::vector<Offset> offsets_; ///< each with its first non-zero entry positive
  std::vector<int> along_axis_; ///< per offset: the axis of which it is the unit, or -1
  spaces::Index kept_start_{};
  spaces::Index kept_count_{};
  std::vector<double> forces_;       ///< per kept cell, `dimension` of them
  std::vector<double> axis_works_;   ///< likewise, where the rule asks for more than the centres
  std::vector<std::uint16_t> which_; ///< per kept cell, `terms_` numbers of offsets
  std::vector<double> weights_;      ///< lambda, likewise
  std::int64_t corner_cells_ = 0;
  mutable std::string trouble_;
};

} // namespace komori::operators
