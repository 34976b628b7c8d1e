/// Single rows of Ulam's matrix. Internal to operators.
#pragma once

#include <array>
#include <cstdint>
#include <optional>
#include <span>
#include <string>
#include <vector>

#include "base/random.hpp"
#include "models/step.hpp"
#include "operators/image_shares.hpp"
#include "operators/ulam.hpp"
#include "spaces/grid.hpp"

namespace komori::operators {

/// Builds rows one by one; columns are natural positions in the grid. Local.
class UlamRows {
public:
  UlamRows(const models::Step& map, const spaces::Grid& grid, const UlamInput& input);

  /// Images are computed in batches of cells that begin at fixed places of the grid, so that they
  /// are the same whatever the number of ranks. Replaces `row` by the probabilities of a cell's row
  /// and returns what leaks. Where the row is not allowed, `problem` is set to the message and the
  /// row is not complete.
  double build(const spaces::Index& cell, RowSum& row, std::string& problem);

private:
  double build_sampled(const spaces::Index& cell, RowSum& row, std::string& problem);
  double build_exact(const spaces::Index& cell, RowSum& row, std::string& problem);
  double build_midpoints(const spaces::Index& cell, RowSum& row, std::string& problem);
  /// Makes sure that the images of a cell's sample points from `sample` on are there, one or more;
  /// returns where they begin among those of the batch.
  std::size_t require_batch(const spaces::Index& cell, std::int64_t sample);
  /// Computes the images of a cell and the next ones along the last axis, and where they lie.
  void start_run(const spaces::Index& cell);
  /// Adds one image, of x, with its noise; returns what leaks of it.
  double add_image(std::span<const double> x, std::span<const double> images, RowSum& row,
                   std::string& problem);
  /// The place number `sample` of a cell.
  void sample_point(const spaces::Index& cell, std::int64_t sample, std::span<double> x) const;
  std::string too_many_branches_text(const spaces::Index& cell) const;

  const models::Step& map_;
  const spaces::Grid& grid_;
  UlamInput input_;
  int dimension_;
  bool noisy_;
  std::int64_t samples_; ///< per cell
  std::vector<models::AxisKernel> kernels_;
  AxisShares shares_;                                        ///< of one image
  std::array<std::int64_t, spaces::max_dimension> stride_{}; ///< of natural positions
  std::optional<config::TensorFormulas> tensor_; ///< where a cell's points are one small grid
  std::int64_t run_cells_ = 1; ///< cells along the last axis whose points it takes at once
  spaces::Index run_{};        ///< the first cell of those
  std::array<std::span<const double>, spaces::max_dimension> images_{}; ///< of a run, per axis
  std::int64_t first_ = -1;     ///< number of the first point of the batch: cell * samples + sample
  std::size_t batch_ = 0;       ///< its points
  std::vector<double> points_;  ///< of the batch, by coordinate
  std::vector<double> reached_; ///< images of these
  std::vector<double> columns_; ///< of all points of a run; negative: needs a closer look
  std::vector<std::int64_t> remaining_; ///< bits of those of one cell, not counted yet
  std::vector<std::pair<std::int64_t, double>> counts_; ///< of one cell
};

} // namespace komori::operators
