/// Where the points of a box are mapped to. Internal to operators.
#pragma once

#include <array>
#include <cstdint>
#include <optional>
#include <span>
#include <string>
#include <vector>

#include "models/step.hpp"
#include "operators/cover.hpp"
#include "spaces/box_tree.hpp"

namespace komori::operators {

/// Samples boxes one by one. Local.
class BoxImages {
public:
  BoxImages(const models::Step& map, const spaces::BoxTree& tree, const CoverInput& input);

  /// Sets `targets` to the boxes that hold the images of all sample points, -1 - k where one lies
  /// off axis k; `problem` is set to the message where an image is not finite.
  void find(std::int64_t box, std::string& problem);
  const std::vector<std::int64_t>& targets() const noexcept { return targets_; }
  std::int64_t samples() const noexcept { return samples_; }
  /// Why target `sample` of the box, the one `find` was asked for last, may not lie off the axes;
  /// empty if it may.
  std::string outside_problem(std::int64_t box, std::size_t sample);

private:
  void compute(std::int64_t box);
  void place(std::int64_t box);
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
};

} // namespace komori::operators
