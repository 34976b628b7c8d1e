#include "models/noise.hpp"

#include <cmath>
#include <numbers>

#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include "config/reader.hpp"
#include "numbers.hpp"
#include "support.hpp"

namespace komori::models {
namespace {

using spaces::Boundary;
using support::message_of;
using support::near;
using support::round_off;
using testing::HasSubstr;

NoiseInput read(const std::string& yaml) {
  return config::read<NoiseInput>(config::parse(yaml, "a.yaml"));
}

AxisKernel kernel(const std::string& yaml, const spaces::Axis& axis) {
  return {axis, make_noise(read(yaml), "model.noise", 0, 1, axis, {})};
}

/// The probability of every cell of an axis.
std::vector<double> probabilities(const AxisKernel& kernel, const spaces::Axis& axis, double image,
                                  double* lost = nullptr) {
  std::vector<AxisKernel::Share> shares;
  const AxisKernel::Outside outside = kernel.spread(image, shares);
  std::vector<double> cells(static_cast<std::size_t>(axis.cells()), 0.0);
  for (const auto& share : shares) cells[static_cast<std::size_t>(share.cell)] += share.probability;
  if (lost) *lost = outside.lower + outside.upper;
  return cells;
}

double sum(const std::vector<double>& values) {
  double total = 0;
  for (const double value : values) total += value;
  return total;
}

TEST(Noise, gaussian_cells_are_differences_of_the_distribution) {
  const spaces::Axis axis = support::axis("x", -1, 1, 4);
  double lost = 0;
  const auto cells = probabilities(kernel("{kind: gaussian, sigma: 0.3}", axis), axis, 0.2, &lost);
  const auto below = [](double z) { return 0.5 * std::erfc(-(z - 0.2) / (0.3 * std::sqrt(2.0))); };
  for (std::size_t i = 0; i < 4; ++i) {
    const double a = -1 + 0.5 * static_cast<double>(i);
    EXPECT_TRUE(near(cells[i], below(a + 0.5) - below(a), round_off)) << i;
  }
  EXPECT_TRUE(near(lost, below(-1) + 1 - below(1), round_off));
  EXPECT_TRUE(near(sum(cells) + lost, 1, round_off));
}

TEST(Noise, gaussian_tails_keep_their_relative_accuracy) {
  const spaces::Axis axis = support::axis("x", 0, 10, 10);
  const auto cells = probabilities(kernel("{kind: gaussian, sigma: 1}", axis), axis, 1);
  // P(7 < z < 8) of a standard normal variable, to 30 digits by mpmath.
  EXPECT_TRUE(near(cells[8], 1.279190447828408e-12, {0, 1e-12}));
}

TEST(Noise, gaussian_wraps_round_a_periodic_axis) {
  const spaces::Axis axis = support::axis("x", 0, 1, 5, Boundary::periodic);
  for (const double image : {0.1, -3.9, 7.1}) { // the same point of the circle
    const auto cells = probabilities(kernel("{kind: gaussian, sigma: 0.8}", axis), axis, image);
    EXPECT_TRUE(near(sum(cells), 1, round_off));
    // Fourier series of the wrapped density, integrated over a cell.
    for (std::size_t i = 0; i < 5; ++i) {
      double exact = 0.2;
      const double middle = 0.2 * static_cast<double>(i) + 0.1 - 0.1;
      for (int k = 1; k < 4; ++k) {
        const double w = 2 * std::numbers::pi * k;
        exact +=
            2 * std::exp(-0.5 * w * w * 0.64) * std::cos(w * middle) * 2 * std::sin(w * 0.1) / w;
      }
      EXPECT_TRUE(near(cells[i], exact, {1e-13, 0})) << i;
    }
  }
}

TEST(Noise, uniform_meets_cells_by_overlap) {
  const spaces::Axis axis = support::axis("x", 0, 1, 10);
  double lost = 0;
  const auto cells =
      probabilities(kernel("{kind: uniform, half_width: 0.2}", axis), axis, 0.15, &lost);
  EXPECT_TRUE(near(lost, 0.125, round_off));
  EXPECT_TRUE(near(cells[0], 0.25, round_off));
  EXPECT_TRUE(near(cells[3], 0.125, round_off));
  EXPECT_EQ(cells[4], 0);
}

TEST(Noise, cosine_power_has_the_moments_of_its_density) {
  const spaces::Axis axis = support::axis("x", 0, 2, 4, Boundary::periodic);
  const auto cells = probabilities(kernel("{kind: cosine, power: 2}", axis), axis, 1);
  // cos^2(pi z / 2) on [-1, 1]: the integral from 0 to 1/2 is 1/4 + 1/(2 pi).
  EXPECT_TRUE(near(cells[2], 0.25 + 0.5 / std::numbers::pi, round_off));
  EXPECT_TRUE(near(cells[3], 0.25 - 0.5 / std::numbers::pi, round_off));
  const auto sharp = probabilities(kernel("{kind: cosine, power: 1000}", axis), axis, 1);
  EXPECT_TRUE(near(sum(sharp), 1, round_off));
  EXPECT_LT(sharp[0], 1e-100);
}

TEST(Noise, a_formula_is_normalised_and_integrated_over_cells) {
  const spaces::Axis axis = support::axis("x", -20, 20, 8);
  const auto cells =
      probabilities(kernel("{kind: density, density: 3*exp(-abs(xi))}", axis), axis, 0);
  EXPECT_TRUE(near(cells[4], 0.5 * (1 - std::exp(-5.0)), {1e-12, 0}));
  EXPECT_TRUE(near(cells[5], 0.5 * (std::exp(-5.0) - std::exp(-10.0)), {1e-12, 0}));
  const auto gaussian = probabilities(
      kernel("{kind: density, density: exp(-xi^2/2), range: [-9, 9]}", axis), axis, 0.3);
  const auto exact = probabilities(kernel("{kind: gaussian, sigma: 1}", axis), axis, 0.3);
  for (std::size_t i = 0; i < 8; ++i) EXPECT_TRUE(near(gaussian[i], exact[i], {1e-13, 0})) << i;
}

TEST(Noise, zero_is_no_noise) {
  const spaces::Axis axis = support::axis("x", 0, 1, 4);
  const AxisKernel none = kernel("{kind: gaussian, sigma: 0}", axis);
  EXPECT_FALSE(none.noisy());
  EXPECT_EQ(probabilities(none, axis, 0.3), (std::vector<double>{0, 1, 0, 0}));
  EXPECT_EQ(probabilities(none, axis, 1 + 4e-16), (std::vector<double>{0, 0, 0, 1})); // rounding
  EXPECT_EQ(none.place(1.1), 4);
  EXPECT_EQ(none.place(-0.1), -1);
}

TEST(Noise, cells_of_different_widths) {
  const spaces::Axis axis("x", {0, 0.1, 0.5, 3}, Boundary::reflecting, Boundary::reflecting);
  const AxisKernel none(axis, nullptr);
  EXPECT_EQ(none.place(0.05), 0);
  EXPECT_EQ(none.place(0.1), 1);
  EXPECT_EQ(none.place(2), 2);
  EXPECT_EQ(none.place(3), 2);
}

TEST(Noise, many_images_at_once_find_the_same_cells) {
  const std::vector<spaces::Axis> axes{
      support::axis("x", -0.3, 1.1, 9, Boundary::periodic), support::axis("x", -0.3, 1.1, 9),
      spaces::Axis("x", {-0.3, 0.1, 0.5, 1.1}, Boundary::periodic, Boundary::periodic),
      spaces::Axis("x", {-0.3, 0.1, 0.5, 1.1}, Boundary::reflecting, Boundary::reflecting)};
  constexpr double nowhere = -std::numeric_limits<double>::infinity();
  std::vector<double> images{0.4, -0.3, 1.0999, 1e300, std::nan(""), -1.0 / 0.0};
  for (int i = 0; i < 500; ++i) images.push_back(-7.123 + 0.0317 * i);
  for (const spaces::Axis& axis : axes) {
    const AxisKernel none(axis, nullptr);
    std::vector<double> columns(images.size(), 100);
    none.add_cells(images, 7, columns);
    for (std::size_t i = 0; i < images.size(); ++i) {
      if (!(std::abs(images[i]) < 1e15)) {
        EXPECT_EQ(columns[i], nowhere) << images[i];
        continue;
      }
      const std::int64_t place = none.place(images[i]);
      const bool outside = !axis.periodic() && (place < 0 || place >= axis.cells());
      const auto turn = static_cast<PetscInt>(place % axis.cells());
      EXPECT_EQ(columns[i], outside ? nowhere : 100 + 7.0 * axis.wrapped(turn)) << images[i];
    }
  }
}

TEST(Noise, wrong_input) {
  const auto error = [](const std::string& yaml, Boundary boundary = Boundary::reflecting) {
    return message_of([&] { kernel(yaml, support::axis("x", 0, 1, 4, boundary)); });
  };
  EXPECT_THAT(error("{kind: gauss, sigma: 1}"), HasSubstr("one of gaussian, uniform"));
  EXPECT_THAT(error("{kind: gaussian}"), HasSubstr("of kind 'gaussian' needs 'sigma'"));
  EXPECT_THAT(
      error("{kind: gaussian, sigma: 1, half_width: 2}"),
      HasSubstr("'half_width' belongs to noise of kind 'uniform', but 'kind' is 'gaussian'"));
  EXPECT_THAT(error("{kind: gaussian, sigma: [1, 2]}"), HasSubstr("has 2 values, but the model has "
                                                                  "1 variable"));
  EXPECT_THAT(error("{kind: gaussian, sigma: -1}"), HasSubstr("sigma"));
  EXPECT_THAT(error("{kind: cosine, power: 4}"), HasSubstr("needs a period"));
  EXPECT_THAT(error("{kind: cosine, power: 3}", Boundary::periodic), HasSubstr("even integer"));
  EXPECT_THAT(error("{kind: density, density: xi}"), HasSubstr("must be finite and not negative"));
  EXPECT_THAT(error("{kind: density, density: 0*xi}"), HasSubstr("cannot be normalised"));
  EXPECT_THAT(error("{kind: density, density: 1/abs(xi)}"),
              HasSubstr("cannot be integrated on [-1, 1]: it grows too fast near xi = "));
  EXPECT_EQ(error("{kind: density, density: 1/sqrt(abs(xi)+1e-300)}"), "(no error)");
  EXPECT_EQ(error("{kind: density, density: xi < 0.123456789, range: [0, 1]}"), "(no error)");
}

} // namespace
} // namespace komori::models
