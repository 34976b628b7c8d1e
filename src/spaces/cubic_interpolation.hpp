/// Transfer of smooth cell fields to a finer grid over the same box.
#pragma once

#include <vector>

#include "base/petsc.hpp"
#include "spaces/grid.hpp"

namespace komori::spaces {

/// Cubic interpolation between cell centres, one axis after the other. Beyond a wall a field is
/// continued as an even function where the wall reflects, as an odd one where it absorbs. Fourth
/// order for fields that are so continued smoothly; axes of fewer than four cells are interpolated
/// linearly.
class CubicInterpolation {
public:
  /// Collective.
  CubicInterpolation(const Grid& coarse, const Grid& fine);
  CubicInterpolation(const CubicInterpolation&) = delete;
  CubicInterpolation& operator=(const CubicInterpolation&) = delete;
  ~CubicInterpolation();

  /// `from`: a field on the coarse grid; `to`: one on the fine grid. Collective.
  void apply(Vec from, Vec to) const;

private:
  class Step;
  std::vector<Step> steps_;
  std::vector<base::UniqueVec> between_; ///< what all steps but the last one find
};

} // namespace komori::spaces
