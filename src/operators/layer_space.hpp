/// Functions on the range of one layer: their values at Gauss points of the cells of a tensor grid.
///
/// With one point per cell these are the cells of a finite-volume grid, their points the centres.
/// With p points a function is, within each cell, the polynomial of degree p - 1 per variable
/// through its values, so that smooth functions converge with order 2p.
#pragma once

#include <span>
#include <string>
#include <vector>

#include "base/petsc.hpp"
#include "models/network.hpp"
#include "spaces/grid.hpp"

namespace komori::operators {

/// Points of one layer, distributed in the blocks of `grid()`. Its "cells" are the points, and
/// their volumes the weights of the quadrature: those of Gauss add up to edges between the points.
class LayerSpace {
public:
  /// `cells` has one entry per variable, `order` is the number of points per cell and variable.
  /// Throws MemoryError where the points exceed what `PetscInt` can number. Collective.
  LayerSpace(MPI_Comm comm, const std::vector<std::string>& names,
             const std::vector<models::Interval>& range, const std::vector<PetscInt>& cells,
             int order);

  const spaces::Grid& grid() const noexcept { return grid_; }
  int dimension() const noexcept { return grid_.dimension(); }
  int order() const noexcept { return order_; }
  const models::Interval& range(int k) const { return axes_[at(k)].range; }
  /// Along variable k: edges of the cells, and the points.
  const std::vector<double>& edges(int k) const { return axes_[at(k)].edges; }
  const std::vector<double>& points(int k) const { return axes_[at(k)].points; }
  /// The volume of the whole range.
  double volume() const noexcept { return volume_; }
  /// The coordinates of a point by its index on every axis.
  void point(const spaces::Index& index, std::span<double> x) const;
  /// Weights of the inner product, one per point: <u, v> = sum w u v. Not owned by the caller.
  Vec weights() const noexcept { return weights_.get(); }
  /// A function by its values at the points. Collective.
  base::UniqueVec sampled(const spaces::Field& field) const;
  /// The polynomials of one cell: value at y of the one that is 1 at point b of cell j of axis k
  /// and 0 at its others.
  double lagrange(int k, PetscInt j, int b, double y) const;

private:
  static std::size_t at(int k) { return static_cast<std::size_t>(k); }
  struct Axis {
    models::Interval range;
    std::vector<double> edges;
    std::vector<double> points;
  };
  std::vector<Axis> axes_;
  int order_;
  std::vector<double> barycentric_; ///< denominators of the Lagrange polynomials on [-1, 1]
  std::vector<double> nodes_;       ///< on [-1, 1]
  spaces::Grid grid_;
  base::UniqueVec weights_;
  double volume_ = 1;
};

} // namespace komori::operators
