/// Additive noise of one step, and the exact probability it gives to each cell of an axis.
///
/// Probabilities of cells are differences of the cumulative distribution, never samples of the
/// density, so they add up to 1 with what leaves the axis however coarse the cells are.
#pragma once

#include <cstdint>
#include <memory>
#include <span>
#include <string>
#include <utility>
#include <vector>

#include "config/declaration.hpp"
#include "spaces/axis.hpp"

namespace komori::models {

/// `noise` of a map or a layer, as written: one number for all variables, or one per variable.
struct NoiseInput {
  std::string kind;
  std::vector<double> sigma;
  std::vector<double> half_width;
  std::vector<double> power;
  config::FormulaArray density;
  std::vector<double> range;
  config::Origin origin;
};
void declare(config::Declarer& declarer, NoiseInput& input);

/// The distribution of a displacement z along one axis. Immutable, local.
class Noise {
public:
  /// P(displacement <= z) and P(displacement > z), each to full relative accuracy where small.
  struct Tails {
    double below = 0;
    double above = 0;
  };
  virtual ~Noise() = default;
  virtual Tails tails(double z) const = 0;
  /// Displacements beyond these have less than 1e-16 of the probability.
  virtual double lower() const = 0;
  virtual double upper() const = 0;
};

/// The noise along axis number `k` of `dimension`; null where it is zero. `name` is the key of the
/// section for messages, "model.noise"; formulas of a density may use the constants. Throws
/// InputError where the numbers given do not fit the axis.
std::shared_ptr<const Noise>
make_noise(const NoiseInput& input, const std::string& name, std::size_t k, std::size_t dimension,
           const spaces::Axis& axis, const std::vector<std::pair<std::string, double>>& constants);

/// Where along one axis an image point with its noise comes to lie. Local.
class AxisKernel {
public:
  struct Share {
    std::int64_t cell = 0;
    double probability = 0;
  };
  /// What misses the axis beyond its lower and its upper end; 0 on a periodic axis.
  struct Outside {
    double lower = 0;
    double upper = 0;
  };

  /// `noise` may be null: the image lies where it lies.
  AxisKernel(const spaces::Axis& axis, std::shared_ptr<const Noise> noise);
  /// On `cells` equal cells in place of the axis' own: as many as there are bits for.
  AxisKernel(const spaces::Axis& axis, std::int64_t cells, std::shared_ptr<const Noise> noise);

  /// Replaces `shares` by the cells met by image + noise; a cell comes once per turn round a
  /// periodic axis. An image that is outside by a few roundings lies at the wall.
  /// `image` must be finite.
  Outside spread(double image, std::vector<Share>& shares) const;
  /// The cell of an image, counted on beyond the seam of a periodic axis (`wrapped` takes it
  /// back); -1 or the number of cells where it lies outside a bounded axis by more than rounding.
  std::int64_t place(double image) const {
    if (!axis_->periodic()) {
      if (image < axis_->from() - slack_) return -1;
      if (image > axis_->to() + slack_) return cells_;
    }
    return locate(image);
  }
  /// The cell within 0 .. cells - 1 that a cell of a periodic axis is.
  std::int64_t wrapped(std::int64_t cell) const {
    return axis_->periodic() ? (cell % cells_ + cells_) % cells_ : cell;
  }
  /// Adds stride * (cell of image s, wrapped) to columns[s], without noise; makes it -infinity
  /// where the image is not finite or outside, or too near to an end to tell quickly.
  void add_cells(std::span<const double> images, double stride, std::span<double> columns) const;
  bool noisy() const noexcept { return noise_ != nullptr; }

private:
  /// The cell of x counted on beyond the seam of a periodic axis; x within a bounded axis.
  std::int64_t locate(double x) const;
  double edge(std::int64_t i) const;
  double edge_within(std::int64_t i) const {
    if (own_) return axis_->edge(static_cast<PetscInt>(i));
    const double share = static_cast<double>(i) / static_cast<double>(cells_);
    return i == cells_ ? axis_->to() : axis_->from() + axis_->length() * share;
  }

  const spaces::Axis* axis_;
  std::int64_t cells_;
  bool own_; ///< cells are those of the axis
  std::shared_ptr<const Noise> noise_;
  double inverse_width_ = 0; ///< of equal cells; 0 where they differ
  double slack_ = 0;         ///< what rounding may put outside
};

} // namespace komori::models
