/// Where the points of a box are mapped to. Internal to operators.
#pragma once

#include <array>
#include <cstdint>
#include <optional>
#include <span>
#include <string>
#include <utility>
#include <vector>

#include "models/step.hpp"
#include "operators/cover.hpp"
#include "operators/image_shares.hpp"
#include "spaces/box_tree.hpp"

namespace komori::operators {

/// Samples boxes one by one. Local.
class BoxImages {
public:
  BoxImages(const models::Step& map, const spaces::BoxTree& tree, const CoverInput& input);

  /// Sets `targets` to the boxes that hold the images of all sample points, -1 - k where one lies
  /// off axis k. With added noise, to the fewest boxes that hold all but `CoverInput::tail` of what
  /// comes to lie within the axes. `problem` is set to the message where an image is not finite.
  void find(std::int64_t box, std::string& problem);
  const std::vector<std::int64_t>& targets() const noexcept { return targets_; }

  /// Sets `shares` to the boxes that images come to lie in, each with the sum over sample points of
  /// the probability to be there, and returns what lies off the axes of those sums; `problem` is
  /// also set where that may not be.
  double spread(std::int64_t box, std::string& problem);
  const std::vector<std::pair<std::int64_t, double>>& shares() const noexcept { return shares_; }
  std::int64_t samples() const noexcept { return samples_; }

private:
  /// The images of all sample points; false, with `problem` set, where one has none.
  bool compute(std::int64_t box, std::string& problem);
  std::size_t count() const noexcept { return static_cast<std::size_t>(samples_); }
  void place(std::int64_t box);
  void locate(std::int64_t box, std::string& problem);
  /// Where added noise carries all images; off the axes: a problem if `strict`.
  double scatter(std::int64_t box, bool strict, std::string& problem);
  double scatter_one(std::int64_t box, std::size_t sample, bool strict, std::string& problem);
  void cut_tail();
  std::string not_finite_problem(std::int64_t box, std::size_t sample, int k) const;
  /// Why an image may not lie beyond an end of an axis; empty if it may.
  std::string outside_problem(std::int64_t box, std::size_t sample, const Leaving& leaving) const;
  void sample_point(std::int64_t box, std::size_t sample, std::span<double> x) const;

  const models::Step& map_;
  const spaces::BoxTree& tree_;
  CoverInput input_;
  std::int64_t samples_ = 1;
  std::optional<config::TensorFormulas> tensor_; ///< where the points are one small grid
  spaces::BoxTree::Place indices_{};             ///< of the box its places belong to
  std::vector<double> points_;                   ///< by coordinate, where they are not
  std::vector<double> reached_;                  ///< images of these
  std::array<std::span<const double>, spaces::max_dimension> images_{}; ///< of a box, per axis
  std::vector<std::int64_t> targets_;
  std::vector<models::AxisKernel> kernels_;                  ///< with added noise
  AxisShares met_;                                           ///< by one image
  std::array<std::int64_t, spaces::max_dimension> stride_{}; ///< of natural positions
  RowSum row_;
  std::vector<std::pair<std::int64_t, double>> shares_;
};

} // namespace komori::operators
