/// One axis of a tensor grid: cells between edges, and what happens at its two ends.
#pragma once

#include <cstdint>
#include <optional>
#include <string>
#include <vector>

#include <petscsys.h>

#include "config/declaration.hpp"

namespace komori::spaces {

/// What a path meets at an end of an axis.
enum class Boundary { reflecting, absorbing, periodic };

/// Cells [edge(i), edge(i+1)], i = 0 .. cells()-1, in the unit of the axis' variable. Cell indices
/// passed in may lie outside by one period on a periodic axis. Immutable, replicated.
class Axis {
public:
  /// `edges`: cells + 1 strictly increasing finite values. Periodic ends come in pairs.
  Axis(std::string name, std::vector<double> edges, Boundary lower, Boundary upper);

  const std::string& name() const noexcept { return name_; }
  PetscInt cells() const noexcept { return static_cast<PetscInt>(edges_.size()) - 1; }
  double from() const noexcept { return edges_.front(); }
  double to() const noexcept { return edges_.back(); }
  double length() const noexcept { return to() - from(); }
  Boundary lower() const noexcept { return lower_; }
  Boundary upper() const noexcept { return upper_; }
  bool periodic() const noexcept { return lower_ == Boundary::periodic; }
  const std::vector<double>& edges() const noexcept { return edges_; }

  double edge(PetscInt i) const { return edges_[static_cast<std::size_t>(i)]; }
  double width(PetscInt i) const { return edge(i + 1) - edge(i); }
  double center(PetscInt i) const { return 0.5 * (edge(i) + edge(i + 1)); }
  /// Distance from the centre of cell i to the centre of cell i + 1, round the seam if periodic.
  double distance(PetscInt i) const { return 0.5 * (width(i) + width(wrapped(i + 1))); }
  /// The index of the same cell within 0 .. cells()-1; indices off a non-periodic axis stay.
  PetscInt wrapped(PetscInt i) const { return periodic() ? (i % cells() + cells()) % cells() : i; }
  bool contains(PetscInt i) const noexcept { return i >= 0 && i < cells(); }
  /// The cell whose half-open interval holds x; the last cell also holds `to`. Empty if outside.
  std::optional<PetscInt> find(double x) const;
  std::vector<double> centers() const;
  /// The same axis with `cells` cells, its edges at equal fractions of the old edge index.
  Axis resampled(PetscInt cells) const;

private:
  std::string name_;
  std::vector<double> edges_;
  Boundary lower_;
  Boundary upper_;
};

/// `grid.<axis>` as written.
struct AxisInput {
  double from = 0;
  double to = 0;
  std::int64_t cells = 0;
  std::vector<std::string> boundary{"reflecting", "reflecting"};
  config::FormulaText grading;
  std::vector<double> edges;
  config::Origin origin;
};
void declare(config::Declarer& declarer, AxisInput& input);

/// Builds the axis; throws InputError where edges do not increase.
Axis make_axis(const std::string& name, const AxisInput& input,
               const std::vector<std::pair<std::string, double>>& constants);

} // namespace komori::spaces
