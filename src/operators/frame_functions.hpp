/// What a projection sees of the frames of a trajectory.
#pragma once

#include <cstdint>
#include <string>
#include <vector>

#include <Eigen/Core>

#include "config/formula.hpp"
#include "operators/resolved.hpp"
#include "operators/trajectory.hpp"

namespace komori::operators {

/// Observables, or the indicators of sets, as functions of a frame. Local.
class FrameFunctions {
public:
  /// Throws InputError where a formula is wrong, or where what is seen is not one of these. Both
  /// must outlive it.
  FrameFunctions(const TrajectorySource& source, const ProjectionInput& input, const Names& names);

  std::size_t count() const noexcept { return labels_.size(); }
  /// They are indicators: of every frame one is 1, the others are 0.
  bool indicators() const noexcept { return indicators_; }
  const std::vector<std::string>& labels() const noexcept { return labels_; }
  /// "a.yaml:3: 'projection.observables[1]' (x^2)", for messages.
  const std::string& name(std::size_t a) const { return names_[a]; }

  /// One row per frame of the window, one column per function. Throws InputError that names the
  /// file and row of a frame without a finite value, or that is not in exactly one set.
  void evaluate(const Window& window, Eigen::Ref<Eigen::MatrixXd> values);

private:
  const TrajectorySource& source_;
  bool indicators_ = false;
  std::vector<std::string> labels_;
  std::vector<std::string> names_;
  std::vector<config::Formula> formulas_;
  std::vector<std::vector<double>> columns_; ///< of the variables, copied out of the frames
};

/// Mean and covariance of functions over all frames, and their number.
struct FrameMoments {
  std::int64_t frames = 0;
  Eigen::VectorXd mean;
  Eigen::MatrixXd covariance;
  /// Norm that the most dependent function keeps beside those before it and the constant 1,
  /// relative to its deviation.
  double independence = 1;
};

/// Reads the trajectory once. Throws InputError where a function is constant on the data, a linear
/// combination of others and the constant 1, or the indicator of a set without a frame. Collective.
FrameMoments frame_moments(const TrajectorySource& source, FrameFunctions& functions);

} // namespace komori::operators
