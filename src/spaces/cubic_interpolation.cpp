#include "spaces/cubic_interpolation.hpp"

#include <algorithm>
#include <array>
#include <cmath>
#include <utility>

#include <petscsf.h>

#include "base/vector_width.hpp"

namespace komori::spaces {
namespace {

using base::check;

constexpr std::size_t nodes = 4;

/// A coarse cell of one axis and its weight.
using Share = std::pair<PetscInt, double>;
using Shares = std::array<Share, nodes>;

/// Where a cell index beyond an end of the axis lies, the cell whose value it takes, and the sign.
struct Node {
  double x = 0;
  PetscInt cell = 0;
  double sign = 1;
};

Node node_of(const Axis& axis, PetscInt i) {
  const PetscInt cells = axis.cells();
  if (axis.contains(i)) return {axis.center(i), i, 1};
  const bool below = i < 0;
  if (axis.periodic()) {
    const PetscInt cell = axis.wrapped(i);
    return {axis.center(cell) + (below ? -axis.length() : axis.length()), cell, 1};
  }
  const PetscInt mirror = below ? -1 - i : 2 * cells - 1 - i;
  const double wall = below ? axis.from() : axis.to();
  const Boundary boundary = below ? axis.lower() : axis.upper();
  return {2 * wall - axis.center(mirror), mirror, boundary == Boundary::absorbing ? -1.0 : 1.0};
}

/// Lagrange's weights of the two or four nearest nodes around x.
Shares shares_of(const Axis& coarse, double x) {
  PetscInt first = coarse.find(x).value_or(0);
  if (x < coarse.center(first)) --first;
  const bool cubic = coarse.cells() >= static_cast<PetscInt>(nodes);
  const std::size_t count = cubic ? nodes : 2;
  if (cubic) --first;
  std::array<Node, nodes> node;
  for (std::size_t k = 0; k < count; ++k) {
    node[k] = node_of(coarse, first + static_cast<PetscInt>(k));
  }
  Shares shares{};
  for (std::size_t k = 0; k < count; ++k) {
    double weight = node[k].sign;
    for (std::size_t l = 0; l < count; ++l) {
      if (l != k) weight *= (x - node[l].x) / (node[k].x - node[l].x);
    }
    shares[k] = {node[k].cell, weight};
  }
  return shares;
}

/// to_i = sum_k weight_k row_ki.
struct CombineRows {
  [[gnu::always_inline]] static void run(const std::array<double, nodes>& weights,
                                         const std::array<const double*, nodes>& rows, double* to,
                                         std::size_t size) {
    for (std::size_t i = 0; i < size; ++i) {
      to[i] = weights[0] * rows[0][i] + weights[1] * rows[1][i] + weights[2] * rows[2][i] +
              weights[3] * rows[3][i];
    }
  }
};

/// to_i = sum_k weight_ik from_k, of a row itself.
struct CombineWithin {
  [[gnu::always_inline]] static void run(const Shares* shares, const double* from, double* to,
                                         std::size_t size) {
    for (std::size_t i = 0; i < size; ++i) {
      const Shares& s = shares[i];
      to[i] = s[0].second * from[s[0].first] + s[1].second * from[s[1].first] +
              s[2].second * from[s[2].first] + s[3].second * from[s[3].first];
    }
  }
};

/// The coarse cells that shares name, in order.
std::vector<PetscInt> sources_of(const std::vector<Shares>& table) {
  std::vector<PetscInt> sources;
  for (const Shares& shares : table) {
    for (const auto& [cell, weight] : shares) {
      if (weight != 0) sources.push_back(cell);
    }
  }
  std::sort(sources.begin(), sources.end());
  sources.erase(std::unique(sources.begin(), sources.end()), sources.end());
  return sources;
}

} // namespace

/// From the cells of one grid to those of the next, which is finer along one axis. What a rank
/// reads has the layout of its own cells, with those of the coarse axis in place of the fine one's.
class CubicInterpolation::Step {
public:
  Step(const Grid& from, const Grid& to, int axis) {
    const auto a = static_cast<std::size_t>(axis);
    const PetscInt start = to.block().start[a];
    const PetscInt count = to.local_cells() > 0 ? to.block().count[a] : 0;
    for (PetscInt i = 0; i < count; ++i) {
      table_.push_back(shares_of(from.axis(axis), to.axis(axis).center(start + i)));
    }
    const std::vector<PetscInt> sources = sources_of(table_);
    for (Shares& shares : table_) {
      for (auto& [cell, weight] : shares) {
        const auto at = std::lower_bound(sources.begin(), sources.end(), cell);
        cell = weight != 0 ? static_cast<PetscInt>(at - sources.begin()) : 0;
      }
    }
    for (int k = axis + 1; k < to.dimension(); ++k) {
      inner_ *= static_cast<std::size_t>(to.block().count[static_cast<std::size_t>(k)]);
    }
    sources_ = sources.size();
    read_ = count > 0 ? static_cast<std::size_t>(to.local_cells() / count) * sources_ : 0;
    connect(from, to, a, sources);
  }

  void apply(Vec from, Vec to) const {
    std::vector<double> read(read_);
    {
      const base::ReadArray own(from);
      const double* const values = own.span().data();
      check(
          PetscSFBcastBegin(sources_of_all_.get(), MPIU_SCALAR, values, read.data(), MPI_REPLACE));
      check(PetscSFBcastEnd(sources_of_all_.get(), MPIU_SCALAR, values, read.data(), MPI_REPLACE));
    }
    const base::WriteArray result(to);
    double* next = result.span().data();
    for (std::size_t first = 0; first < read_; first += sources_ * inner_) {
      if (inner_ == 1) {
        base::run_widest<CombineWithin>(table_.data(), read.data() + first, next, table_.size());
        next += table_.size();
        continue;
      }
      for (const Shares& shares : table_) {
        std::array<double, nodes> weights{};
        std::array<const double*, nodes> rows{};
        for (std::size_t k = 0; k < nodes; ++k) {
          weights[k] = shares[k].second;
          rows[k] = read.data() + first + static_cast<std::size_t>(shares[k].first) * inner_;
        }
        base::run_widest<CombineRows>(weights, rows, next, inner_);
        next += inner_;
      }
    }
  }

private:
  void connect(const Grid& from, const Grid& to, std::size_t axis,
               const std::vector<PetscInt>& sources) {
    std::vector<PetscInt> numbers(read_);
    const std::size_t outer = table_.size() * inner_;
    to.for_each_cell([&](PetscInt local, const Index& cell) {
      if (cell[axis] != to.block().start[axis]) return;
      const auto place = static_cast<std::size_t>(local);
      std::size_t at = place / outer * sources_ * inner_ + place % inner_;
      Index source = cell;
      for (const PetscInt i : sources) {
        source[axis] = i;
        numbers[at] = from.number(source);
        at += inner_;
      }
    });
    const base::UniqueVec like = from.vector();
    PetscLayout layout = nullptr;
    check(VecGetLayout(like.get(), &layout));
    check(PetscSFCreate(from.comm(), sources_of_all_.put()));
    check(PetscSFSetGraphLayout(sources_of_all_.get(), layout, static_cast<PetscInt>(read_),
                                nullptr, PETSC_OWN_POINTER, numbers.data()));
    check(PetscSFSetUp(sources_of_all_.get()));
  }

  std::vector<Shares> table_; ///< of each cell along the axis, with places among the sources
  std::size_t sources_ = 0;   ///< along the axis
  std::size_t inner_ = 1;     ///< cells of faster axes
  std::size_t read_ = 0;      ///< cells
  base::Handle<PetscSF, PetscSFDestroy> sources_of_all_;
};

CubicInterpolation::CubicInterpolation(const Grid& coarse, const Grid& fine) {
  std::vector<Axis> axes(coarse.axes().begin(), coarse.axes().end());
  Grid from = coarse;
  std::vector<int> changed;
  for (int k = 0; k < fine.dimension(); ++k) {
    if (coarse.axis(k).edges() != fine.axis(k).edges()) changed.push_back(k);
  }
  for (const int k : changed) {
    axes[static_cast<std::size_t>(k)] = fine.axis(k);
    const bool last = k == changed.back();
    const Grid next = last ? fine : Grid(fine.comm(), axes);
    steps_.emplace_back(from, next, k);
    if (!last) between_.push_back(next.vector());
    from = next;
  }
}

CubicInterpolation::~CubicInterpolation() = default;

void CubicInterpolation::apply(Vec from, Vec to) const {
  if (steps_.empty()) check(VecCopy(from, to));
  for (std::size_t i = 0; i < steps_.size(); ++i) {
    const Vec next = i < between_.size() ? between_[i].get() : to;
    steps_[i].apply(from, next);
    from = next;
  }
}

} // namespace komori::spaces
