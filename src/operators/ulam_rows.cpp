#include "operators/ulam_rows.hpp"

#include <cmath>

#include <fmt/format.h>

namespace komori::operators {
namespace {

std::size_t at(int k) {
  return static_cast<std::size_t>(k);
}

/// What noise may carry off the grid without a word: rounding of a row's sum.
constexpr double negligible = 1e-12;

} // namespace

UlamRows::UlamRows(const models::Map& map, const spaces::Grid& grid, const UlamInput& input)
    : map_(map), grid_(grid), input_(input), dimension_(grid.dimension()), noisy_(map.noisy()),
      samples_(1), kernels_(map.kernels(grid)), shares_(at(dimension_)) {
  std::int64_t stride = 1;
  for (int k = dimension_ - 1; k >= 0; --k) {
    stride_[at(k)] = stride;
    stride *= grid.axis(k).cells();
    samples_ *= input.samples;
  }
  constexpr std::int64_t most_at_once = 1 << 16;
  if (input.entries == "sampled" && input.rule == "midpoint" && samples_ <= most_at_once) {
    tensor_.emplace(map.tensor(
        std::vector<std::size_t>(at(dimension_), static_cast<std::size_t>(input.samples))));
    placed_.fill(-1);
  }
}

double UlamRows::build(const spaces::Index& cell, RowSum& row, std::string& problem) {
  row.clear();
  if (input_.entries == "exact") return build_exact(cell, row, problem);
  return tensor_ ? build_midpoints(cell, row, problem) : build_sampled(cell, row, problem);
}

bool UlamRows::may_leave(int k, bool upper) const {
  const spaces::Axis& axis = grid_.axis(k);
  return input_.outside == "leak" ||
         (upper ? axis.upper() : axis.lower()) == spaces::Boundary::absorbing;
}

std::string UlamRows::not_finite_text(int k, std::span<const double> x, double image) const {
  return fmt::format("{} is not finite (it is {}) at {}", map_.name(k),
                     std::isnan(image) ? "nan" : fmt::format("{:g}", image),
                     spaces::place_text(grid_, x));
}

std::string UlamRows::outside_text(int k, bool upper, std::span<const double> x, double image,
                                   double probability) const {
  const spaces::Axis& axis = grid_.axis(k);
  const std::string what =
      probability < 1
          ? fmt::format("{} and noise lead beyond the {} end of the axis {} with probability "
                        "{:.3g}",
                        map_.name(k), upper ? "upper" : "lower", axis.name(), probability)
          : fmt::format("{} leads to {} = {:.6g}, beyond the {} end of the axis", map_.name(k),
                        axis.name(), image, upper ? "upper" : "lower");
  return fmt::format("{} ({:g}), from {}; widen 'grid.{}', or set 'ulam.outside: leak' to let it "
                     "leave",
                     what, upper ? axis.to() : axis.from(), spaces::place_text(grid_, x),
                     axis.name());
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

double UlamRows::build_sampled(const spaces::Index& cell, RowSum& row, std::string& problem) {
  std::array<double, spaces::max_dimension> place{};
  const std::span<double> x(place.data(), at(dimension_));
  // Counts are whole numbers, so that without noise sums are exact in any order.
  double leak = 0;
  std::array<double, spaces::max_dimension> images{};
  for (std::int64_t sample = 0; sample < samples_ && problem.empty(); ++sample) {
    sample_point(cell, sample, x);
    for (int k = 0; k < dimension_; ++k) images[at(k)] = map_.image(k, x);
    leak += add_image(x, images, row, problem);
  }
  return leak / static_cast<double>(samples_);
}

double UlamRows::build_midpoints(const spaces::Index& cell, RowSum& row, std::string& problem) {
  for (int k = 0; k < dimension_; ++k) {
    if (placed_[at(k)] == cell[at(k)]) continue;
    placed_[at(k)] = cell[at(k)];
    const spaces::Axis& axis = grid_.axis(k);
    const std::span<double> places = tensor_->places(at(k));
    for (std::size_t i = 0; i < places.size(); ++i) {
      places[i] = axis.edge(cell[at(k)]) + axis.width(cell[at(k)]) *
                                               (static_cast<double>(i) + 0.5) /
                                               static_cast<double>(input_.samples);
    }
  }
  tensor_->evaluate();
  const std::size_t points = tensor_->points();
  std::array<std::span<const double>, spaces::max_dimension> images{};
  for (int k = 0; k < dimension_; ++k) images[at(k)] = tensor_->values(at(k));
  columns_.assign(points, noisy_ ? -1 : 0);
  targets_.resize(points);
  for (int k = 0; k < dimension_ && !noisy_; ++k) {
    kernels_[at(k)].cells_of(images[at(k)], targets_);
    for (std::size_t s = 0; s < points; ++s) {
      columns_[s] =
          (targets_[s] | columns_[s]) < 0 ? -1 : columns_[s] + stride_[at(k)] * targets_[s];
    }
  }
  double leak = 0;
  std::array<double, spaces::max_dimension> image{};
  std::array<double, spaces::max_dimension> place{};
  const std::span<double> x(place.data(), at(dimension_));
  for (std::size_t s = 0; s < points && problem.empty();) {
    if (columns_[s] < 0) {
      for (int k = 0; k < dimension_; ++k) image[at(k)] = images[at(k)][s];
      sample_point(cell, static_cast<std::int64_t>(s), x);
      leak += add_image(x, image, row, problem);
      ++s;
      continue;
    }
    // Neighbouring points often have images in one cell.
    std::size_t end = s + 1;
    while (end < points && columns_[end] == columns_[s]) ++end;
    row.add(columns_[s], static_cast<double>(end - s));
    s = end;
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
      problem = not_finite_text(k, x, image);
      return 0;
    }
    const spaces::Axis& axis = grid_.axis(k);
    if (!noisy_) {
      const std::int64_t cell = kernels_[at(k)].place(image);
      const bool outside = !axis.periodic() && (cell < 0 || cell >= axis.cells());
      if (outside && !may_leave(k, cell >= 0)) {
        problem = outside_text(k, cell >= 0, x, image, 1);
      }
      if (outside) return 1;
      point += stride_[at(k)] * axis.wrapped(static_cast<PetscInt>(cell % axis.cells()));
      continue;
    }
    const models::AxisKernel::Outside outside = kernels_[at(k)].spread(image, shares_[at(k)]);
    for (const bool upper : {false, true}) {
      const double probability = upper ? outside.upper : outside.lower;
      if (probability > negligible && !may_leave(k, upper)) {
        problem = outside_text(k, upper, x, image, probability);
        return 0;
      }
    }
    inside *= 1 - (outside.lower + outside.upper);
  }
  if (!noisy_) {
    row.add(point, 1);
    return 0;
  }
  // All combinations of the cells met on each axis; the last axis runs fastest.
  for (int k = 0; k < dimension_; ++k) {
    if (shares_[at(k)].empty()) return 1;
  }
  std::array<std::size_t, spaces::max_dimension> choice{};
  for (;;) {
    std::int64_t column = 0;
    double probability = 1;
    for (int k = 0; k < dimension_; ++k) {
      const models::AxisKernel::Share& share = shares_[at(k)][choice[at(k)]];
      column += stride_[at(k)] * share.cell;
      probability *= share.probability;
    }
    row.add(column, probability);
    int k = dimension_ - 1;
    while (k >= 0 && ++choice[at(k)] == shares_[at(k)].size()) choice[at(k--)] = 0;
    if (k < 0) break;
  }
  return 1 - inside;
}

} // namespace komori::operators
