#include "operators/coarsening.hpp"

#include <algorithm>
#include <cmath>

namespace komori::operators {
namespace {

using spaces::GhostExchange;
using spaces::Index;
using spaces::PaddedBlock;

std::size_t at(int k) {
  return static_cast<std::size_t>(k);
}

/// Visits every coarse cell: its position, that of its first fine cell, and whether it is a pair.
template <class Visit>
void for_each_pair(const PaddedBlock& fine, const PaddedBlock& coarse, int axis, Visit&& visit) {
  const int last = coarse.dimension() - 1;
  coarse.for_each_run([&](std::size_t first, Index cell, std::size_t) {
    for (PetscInt i = 0; i < coarse.count(last); ++i) {
      cell[at(last)] = i;
      Index child = cell;
      child[at(axis)] *= 2;
      visit(first + static_cast<std::size_t>(i), fine.position(child),
            child[at(axis)] + 1 < fine.count(axis));
    }
  });
}

/// Builds one coarse stencil; all quantities are scaled by the masses of the cells they belong to,
/// so that nothing overflows where masses differ by many orders of magnitude.
class Pairing {
public:
  Pairing(const SymmetricStencil& fine, int axis, Form form)
      : fine_(fine), axis_(axis), form_(form),
        step_(static_cast<std::size_t>(fine.block.stride(axis))), coarse_(fine.block.halved(axis)),
        share_(fine.block.padded_cells(), 1), to_lower_(coarse_.block.padded_cells(), 0),
        to_upper_(coarse_.block.padded_cells(), 0) {}

  SymmetricStencil run(std::vector<Transfer>& transfers) {
    shares();
    for (int k = 0; k < fine_.block.dimension(); ++k) {
      if (k == axis_) continue;
      across(k);
    }
    along();
    for (int k = 0; k < fine_.block.dimension(); ++k) coarse_.update_ghosts(k);
    diagonal();
    transfers.push_back(transfer());
    return std::move(coarse_);
  }

private:
  void set(int k, std::size_t pair, const FaceLink& link) {
    const FaceLink bounded = link.bounded();
    coarse_.coupling[at(k)][pair] = bounded.coupling;
    coarse_.ratio[at(k)][pair] = bounded.ratio;
  }

  template <class Visit> void pairs(Visit&& visit) const {
    for_each_pair(fine_.block, coarse_.block, axis_, visit);
  }

  /// sqrt(m_i / m_I) of every fine cell i in its pair I, and the resistance from the pair's centre
  /// of mass to either cell: where the value is the mean of both.
  void shares() {
    const auto& coupling = fine_.coupling[at(axis_)];
    const auto& ratio = fine_.ratio[at(axis_)];
    pairs([&](std::size_t pair, std::size_t i, bool whole) {
      if (!whole) return;
      const double r = ratio[i];
      share_[i] = 1 / std::hypot(1, r);
      share_[i + step_] = r / std::hypot(1, r);
      if (coupling[i] == 0) return; // nothing passes between the two
      to_lower_[pair] = share_[i + step_] / (coupling[i] * share_[i]);
      to_upper_[pair] = share_[i] / (coupling[i] * share_[i + step_]);
    });
    const GhostExchange exchange(fine_.block, MPI_DOUBLE, 1);
    exchange(share_.data());
    const GhostExchange coarse_exchange(coarse_.block, MPI_DOUBLE, 1);
    coarse_exchange(to_lower_.data(), axis_);
    coarse_exchange(to_upper_.data(), axis_);
    for (int k = 0; k < fine_.block.dimension(); ++k) leaks(k);
  }

  /// Walls across other axes are in parallel; one at the end of the pairs' axis lies behind a share
  /// of the pair's resistance.
  void leaks(int k) {
    const auto& leak = fine_.leak[at(k)];
    pairs([&](std::size_t pair, std::size_t i, bool whole) {
      const auto through = [&](std::size_t cell, double resistance) {
        const double conductance = leak[cell] * share_[cell] * share_[cell];
        if (conductance == 0) return 0.0;
        return k == axis_ ? 1 / (1 / conductance + resistance) : conductance;
      };
      coarse_.leak[at(k)][pair] =
          through(i, to_lower_[pair]) + (whole ? through(i + step_, to_upper_[pair]) : 0);
    });
  }

  /// Conductances on another axis are in parallel.
  void across(int k) {
    const auto up = static_cast<std::size_t>(fine_.block.stride(k));
    const auto& coupling = fine_.coupling[at(k)];
    pairs([&](std::size_t pair, std::size_t i, bool whole) {
      double sum = coupling[i] * share_[i] * share_[i + up];
      std::size_t heavy = i;
      if (whole) {
        const std::size_t j = i + step_;
        sum += coupling[j] * share_[j] * share_[j + up];
        if (share_[j] > share_[i]) heavy = j;
      }
      set(k, pair,
          {.coupling = sum,
           .ratio = share_[heavy] * fine_.ratio[at(k)][heavy] / share_[heavy + up]});
    });
  }

  /// Resistances on the axis of the pairs are in series.
  void along() {
    const auto& coupling = fine_.coupling[at(axis_)];
    const auto up = static_cast<std::size_t>(coarse_.block.stride(axis_));
    pairs([&](std::size_t pair, std::size_t i, bool whole) {
      const std::size_t last = whole ? i + step_ : i;
      const double face = coupling[last] * share_[last] * share_[last + step_];
      const double ratio = share_[last] * fine_.ratio[at(axis_)][last] / share_[last + step_];
      const double resistance = ratio * to_upper_[pair] + 1 / face + to_lower_[pair + up] / ratio;
      set(axis_, pair, {.coupling = face > 0 ? 1 / resistance : 0, .ratio = ratio});
    });
  }

  void diagonal() {
    coarse_.block.for_each_run([&](std::size_t first, const Index&, std::size_t) {
      const auto run = static_cast<std::size_t>(coarse_.block.count(coarse_.block.dimension() - 1));
      for (std::size_t i = first; i < first + run; ++i) {
        double sum = 0;
        for (int k = 0; k < coarse_.block.dimension(); ++k) {
          const std::size_t below = i - static_cast<std::size_t>(coarse_.block.stride(k));
          sum += coarse_.leak[at(k)][i] + coarse_.coupling[at(k)][i] * coarse_.ratio[at(k)][i] +
                 coarse_.coupling[at(k)][below] / coarse_.ratio[at(k)][below];
        }
        coarse_.diagonal[i] = sum;
      }
    });
  }

  Transfer transfer() const {
    const std::size_t size = fine_.block.padded_cells();
    Transfer result{
        .axis = axis_, .fine = fine_.block, .coarse = coarse_.block, .up = {}, .down = {}};
    const auto allocate = [&](TransferWeights& weights) {
      weights.own.assign(size, 0);
      weights.other.assign(size, 0);
    };
    allocate(result.up);
    if (form_ == Form::functions) allocate(result.down);
    const auto& coupling = fine_.coupling[at(axis_)];
    const auto& coarse_ratio = coarse_.ratio[at(axis_)];
    const auto up = static_cast<std::size_t>(coarse_.block.stride(axis_));
    // A cell lies between its own pair's centre and, behind the face, the next one's. `tilt` =
    // sqrt(m_J / m_I) brings both resistances to one scale.
    const auto set = [&](std::size_t i, double here, double face, double tilt, double beyond) {
      const double share = share_[i];
      const double leak = fine_.leak[at(axis_)][i] * share * share;
      const double there = leak > 0 ? 1 / leak : (1 / face + beyond / tilt) / tilt;
      const double whole = here + there;
      const bool shared = (face > 0 || leak > 0) && here > 0 && std::isfinite(whole);
      const double other = shared ? here / whole : 0;
      const double own = 1 - other;
      const double seen = leak == 0 ? other : 0; // beyond an absorbing wall the value is 0
      if (form_ == Form::symmetric) {
        result.up.own[i] = static_cast<float>(own * share);
        result.up.other[i] = static_cast<float>(seen > 0 ? seen * share / tilt : 0);
      } else {
        result.up.own[i] = static_cast<float>(own);
        result.up.other[i] = static_cast<float>(seen);
        result.down.own[i] = static_cast<float>(own * share * share);
        result.down.other[i] =
            static_cast<float>(seen > 0 ? seen * (share / tilt) * (share / tilt) : 0);
      }
    };
    pairs([&](std::size_t pair, std::size_t i, bool whole) {
      if (!whole) {
        result.up.own[i] = 1;
        if (form_ == Form::functions) result.down.own[i] = 1;
        return;
      }
      const std::size_t j = i + step_;
      const std::size_t before = i - step_;
      set(j, to_upper_[pair], coupling[j] * share_[j] * share_[j + step_], coarse_ratio[pair],
          to_lower_[pair + up]);
      set(i, to_lower_[pair], coupling[before] * share_[before] * share_[i],
          1 / coarse_ratio[pair - up], to_upper_[pair - up]);
    });
    const GhostExchange exchange(fine_.block, MPI_FLOAT, 1);
    exchange(result.up.other.data(), axis_);
    if (form_ == Form::functions) exchange(result.down.other.data(), axis_);
    return result;
  }

  const SymmetricStencil& fine_;
  int axis_;
  Form form_;
  std::size_t step_;
  SymmetricStencil coarse_;
  std::vector<double> share_;
  std::vector<double> to_lower_; ///< times the mass of the pair
  std::vector<double> to_upper_;
};

} // namespace

SymmetricStencil paired(const SymmetricStencil& fine, int axis, Form form,
                        std::vector<Transfer>& transfers) {
  return Pairing(fine, axis, form).run(transfers);
}

} // namespace komori::operators
