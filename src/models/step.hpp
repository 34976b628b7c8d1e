/// What takes the states of a system one step on: a map, or a flow over a time.
#pragma once

#include <cstddef>
#include <memory>
#include <optional>
#include <span>
#include <string>
#include <utility>
#include <vector>

#include "config/tensor_formulas.hpp"
#include "models/noise.hpp"
#include "spaces/grid.hpp"
#include "spaces/points.hpp"

namespace komori::models {

/// Names and constants of a model.
struct StepNames {
  std::vector<std::string> variables{};
  std::vector<std::pair<std::string, double>> parameters{};
  std::vector<std::string> keys{}; ///< of each coordinate's formula with its place, for messages
};

/// A step of discrete time. Noise is either added to images, and then integrated exactly over
/// cells by `kernels`, or drawn within the step for each point (`random`). Functions are local and
/// take points of `dimension()` coordinates.
class Step {
public:
  Step(StepNames names, double lag) : names_(std::move(names)), lag_(lag) {}
  Step(const Step&) = delete;
  Step(Step&&) = default;
  Step& operator=(const Step&) = delete;
  Step& operator=(Step&&) = default;
  virtual ~Step() = default;

  int dimension() const noexcept { return static_cast<int>(names_.variables.size()); }
  const std::vector<std::string>& variables() const noexcept { return names_.variables; }
  const std::vector<std::pair<std::string, double>>& parameters() const noexcept {
    return names_.parameters;
  }
  /// The key of coordinate k with its place, for messages: "a.yaml:3: 'model.map[1]'".
  const std::string& name(int k) const { return names_.keys[static_cast<std::size_t>(k)]; }
  /// Time that one step takes.
  double lag() const noexcept { return lag_; }

  /// The images of points, laid out like them; without added noise. What is drawn depends on a
  /// point's number and on `path` alone. Errors of integration may depend on which points are
  /// given together, within their tolerance: lists must not depend on the number of ranks. Throws
  /// InputError where a point has no image.
  virtual void images(const spaces::Points& points, std::span<double> images,
                      std::int64_t path = 0) const = 0;
  /// Coordinate k of the image of one point.
  virtual double image(int k, std::span<const double> x) const;
  /// All formulas for the images of `counts` places along each variable at once; nothing where
  /// images are no formulas.
  virtual std::optional<config::TensorFormulas> tensor(std::span<const std::size_t> counts) const;

  /// Noise is added to images.
  virtual bool noisy() const noexcept { return false; }
  /// Noise is drawn within the step: images of the same place differ.
  virtual bool random() const noexcept { return false; }
  /// What is drawn moves all coordinates by itself: densities of images are smooth.
  virtual bool diffusive() const noexcept { return false; }
  /// What is added to coordinate k of images on an axis; null where that is nothing. Throws
  /// InputError where the noise does not fit the axis.
  virtual std::shared_ptr<const Noise> noise(int k, const spaces::Axis& axis) const;
  /// Where images come to lie on each axis of a grid, added noise included. `grid` must outlive
  /// them. Throws InputError as `noise` does.
  std::vector<AxisKernel> kernels(const spaces::Grid& grid) const;

private:
  StepNames names_;
  double lag_;
};

} // namespace komori::models
