#include "operators/ulam_rows.hpp"

#include <algorithm>
#include <bit>
#include <cmath>
#include <limits>

#include <fmt/format.h>

#include "base/error.hpp"
#include "operators/column_counts.hpp"

namespace komori::operators {
namespace {

std::size_t at(int k) {
  return static_cast<std::size_t>(k);
}

/// Points whose images are computed at once where they are not one small grid of places.
constexpr std::int64_t batch_points = 1 << 8;

} // namespace

UlamRows::UlamRows(const models::Step& map, const spaces::Grid& grid, const UlamInput& input)
    : map_(map), grid_(grid), input_(input), dimension_(grid.dimension()), noisy_(map.noisy()),
      samples_(1), kernels_(map.kernels(grid)), shares_(at(dimension_)) {
  std::int64_t stride = 1;
  for (int k = dimension_ - 1; k >= 0; --k) {
    stride_[at(k)] = stride;
    stride *= grid.axis(k).cells();
    samples_ *= input.samples;
  }
  constexpr std::int64_t most_at_once = 1 << 16;
  constexpr std::int64_t in_cache = 1 << 11;
  if (input.entries == "sampled" && input.rule == "midpoint" && samples_ <= most_at_once) {
    run_cells_ = std::clamp<std::int64_t>(
        in_cache / samples_, 1, std::max<PetscInt>(1, grid.block().count[at(dimension_ - 1)]));
    std::vector<std::size_t> counts(at(dimension_), static_cast<std::size_t>(input.samples));
    counts.back() *= static_cast<std::size_t>(run_cells_);
    tensor_ = map.tensor(counts);
    run_.fill(std::numeric_limits<PetscInt>::min() / 2); // no cell is in it
  }
  if (!tensor_) run_cells_ = std::max<std::int64_t>(1, batch_points / samples_);
}

double UlamRows::build(const spaces::Index& cell, RowSum& row, std::string& problem) {
  row.clear();
  try {
    if (input_.entries == "exact") return build_exact(cell, row, problem);
    return tensor_ ? build_midpoints(cell, row, problem) : build_sampled(cell, row, problem);
  } catch (const base::InputError& error) { // a point has no image; the ranks agree on it later
    problem = error.what();
    return 0;
  }
}

void UlamRows::sample_point(const spaces::Index& cell, std::int64_t sample,
                            std::span<double> x) const {
  if (input_.rule == "random") {
    const auto stream = static_cast<std::uint64_t>(grid_.natural(cell));
    const base::Random random(static_cast<std::uint64_t>(input_.seed), stream);
    for (int k = 0; k < dimension_; ++k) {
      const spaces::Axis& axis = grid_.axis(k);
      const double u = random.uniform(static_cast<std::uint64_t>(sample * dimension_ + k));
      x[at(k)] = axis.edge(cell[at(k)]) + u * axis.width(cell[at(k)]);
    }
    return;
  }
  for (int k = dimension_ - 1; k >= 0; --k) {
    const spaces::Axis& axis = grid_.axis(k);
    const auto step = static_cast<double>(sample % input_.samples) + 0.5;
    sample /= input_.samples;
    x[at(k)] = axis.edge(cell[at(k)]) +
               axis.width(cell[at(k)]) * step / static_cast<double>(input_.samples);
  }
}

std::size_t UlamRows::require_batch(const spaces::Index& cell, std::int64_t sample) {
  const std::int64_t number = grid_.natural(cell) * samples_ + sample;
  if (number >= first_ && number < first_ + static_cast<std::int64_t>(batch_)) {
    return static_cast<std::size_t>(number - first_);
  }
  const auto last = at(dimension_ - 1);
  spaces::Index from = cell;
  std::int64_t cells = 1;
  std::int64_t count = std::min(samples_ - sample, batch_points);
  if (run_cells_ > 1) {
    from[last] = static_cast<PetscInt>(cell[last] / run_cells_ * run_cells_);
    cells = std::min<std::int64_t>(run_cells_, grid_.axis(dimension_ - 1).cells() - from[last]);
    sample = 0;
    count = cells * samples_;
  }
  first_ = grid_.natural(from) * samples_ + sample;
  batch_ = static_cast<std::size_t>(count);
  points_.resize(at(dimension_) * batch_);
  reached_.resize(points_.size());
  std::array<double, spaces::max_dimension> place{};
  for (std::size_t i = 0; i < batch_; ++i) {
    const auto steps = static_cast<std::int64_t>(i);
    spaces::Index at_cell = from;
    if (cells > 1) at_cell[last] += static_cast<PetscInt>(steps / samples_);
    const std::int64_t s = cells > 1 ? steps % samples_ : sample + steps;
    sample_point(at_cell, s, std::span(place).first(at(dimension_)));
    for (std::size_t k = 0; k < at(dimension_); ++k) points_[k * batch_ + i] = place[k];
  }
  const std::int64_t first = first_;
  first_ = -1; // until all is well
  map_.images({.x = points_, .count = batch_, .first = first}, reached_);
  first_ = first;
  return static_cast<std::size_t>(number - first_);
}

double UlamRows::build_sampled(const spaces::Index& cell, RowSum& row, std::string& problem) {
  std::array<double, spaces::max_dimension> place{};
  const std::span<double> x(place.data(), at(dimension_));
  // Counts are whole numbers, so that without noise sums are exact in any order.
  double leak = 0;
  std::array<double, spaces::max_dimension> images{};
  for (std::int64_t sample = 0; sample < samples_ && problem.empty(); ++sample) {
    const std::size_t i = require_batch(cell, sample);
    for (std::size_t k = 0; k < at(dimension_); ++k) {
      x[k] = points_[k * batch_ + i];
      images[k] = reached_[k * batch_ + i];
    }
    leak += add_image(x, images, row, problem);
  }
  return leak / static_cast<double>(samples_);
}

void UlamRows::start_run(const spaces::Index& cell) {
  for (int k = 0; k < dimension_; ++k) {
    if (run_[at(k)] == cell[at(k)]) continue;
    run_[at(k)] = cell[at(k)];
    const spaces::Axis& axis = grid_.axis(k);
    const std::span<double> places = tensor_->places(at(k));
    const auto samples = static_cast<std::size_t>(input_.samples);
    for (std::size_t i = 0; i < places.size(); ++i) {
      // Where a run is longer than the axis, its last cell comes again.
      const auto j = std::min(cell[at(k)] + static_cast<PetscInt>(i / samples), axis.cells() - 1);
      places[i] = axis.edge(j) + axis.width(j) * (static_cast<double>(i % samples) + 0.5) /
                                     static_cast<double>(samples);
    }
  }
  tensor_->evaluate();
  columns_.assign(tensor_->points(), 0);
  for (int k = 0; k < dimension_; ++k) {
    images_[at(k)] = tensor_->values(at(k));
    if (noisy_) continue;
    kernels_[at(k)].add_cells(images_[at(k)], static_cast<double>(stride_[at(k)]), columns_);
  }
}

double UlamRows::build_midpoints(const spaces::Index& cell, RowSum& row, std::string& problem) {
  const int last = dimension_ - 1;
  bool in_run = cell[at(last)] >= run_[at(last)] && cell[at(last)] < run_[at(last)] + run_cells_;
  for (int k = 0; k < last; ++k) in_run = in_run && cell[at(k)] == run_[at(k)];
  if (!in_run) start_run(cell);

  // The points of a cell lie in pieces as long as the samples along the last axis.
  const auto samples = static_cast<std::size_t>(input_.samples);
  const std::size_t step = samples * static_cast<std::size_t>(run_cells_);
  const std::size_t first = samples * static_cast<std::size_t>(cell[at(last)] - run_[at(last)]);
  remaining_.resize(static_cast<std::size_t>(samples_));
  std::size_t s = 0;
  for (std::size_t piece = first; piece < columns_.size(); piece += step) {
    const double* const from = columns_.data() + piece;
    for (std::size_t i = 0; i < samples; ++i) {
      remaining_[s + i] = std::bit_cast<std::int64_t>(from[i]);
    }
    s += samples;
  }
  if (!noisy_ && count_columns(remaining_, counts_)) {
    for (const auto& [column, count] : counts_) row.add(column, count);
    return 0;
  }
  double leak = 0;
  std::array<double, spaces::max_dimension> image{};
  std::array<double, spaces::max_dimension> place{};
  const std::span<double> x(place.data(), at(dimension_));
  for (s = 0; s < remaining_.size() && problem.empty(); ++s) {
    const std::size_t point = first + s / samples * step + s % samples;
    if (!noisy_ && columns_[point] >= 0) {
      row.add(static_cast<std::int64_t>(columns_[point]), 1);
      continue;
    }
    for (int k = 0; k < dimension_; ++k) image[at(k)] = images_[at(k)][point];
    sample_point(cell, static_cast<std::int64_t>(s), x);
    leak += add_image(x, image, row, problem);
  }
  return leak / static_cast<double>(samples_);
}

double UlamRows::add_image(std::span<const double> x, std::span<const double> images, RowSum& row,
                           std::string& problem) {
  double inside = 1;
  std::int64_t point = 0;
  for (int k = 0; k < dimension_; ++k) {
    const double image = images[at(k)];
    if (!std::isfinite(image)) {
      problem = not_finite_text(map_, k, image, x);
      return 0;
    }
    const spaces::Axis& axis = grid_.axis(k);
    if (!noisy_) {
      const std::int64_t cell = kernels_[at(k)].place(image);
      const bool outside = !axis.periodic() && (cell < 0 || cell >= axis.cells());
      if (outside && !may_leave(axis, cell >= 0, input_.outside)) {
        problem = leaving_text(map_, axis, {.k = k, .upper = cell >= 0, .image = image}, x, "ulam");
      }
      if (outside) return 1;
      point += stride_[at(k)] * kernels_[at(k)].wrapped(cell);
      continue;
    }
    const models::AxisKernel::Outside outside = kernels_[at(k)].spread(image, shares_[at(k)]);
    for (const bool upper : {false, true}) {
      const double probability = upper ? outside.upper : outside.lower;
      if (probability > negligible && !may_leave(axis, upper, input_.outside)) {
        problem = leaving_text(map_, axis,
                               {.k = k, .upper = upper, .image = image, .probability = probability},
                               x, "ulam");
        return 0;
      }
    }
    inside *= 1 - (outside.lower + outside.upper);
  }
  if (!noisy_) {
    row.add(point, 1);
    return 0;
  }
  return add_combinations(shares_, stride_, row) ? 1 - inside : 1;
}

} // namespace komori::operators
