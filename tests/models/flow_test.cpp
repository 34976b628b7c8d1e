#include "models/flow.hpp"

#include <array>
#include <cmath>

#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include "config/reader.hpp"
#include "models/model.hpp"
#include "numbers.hpp"
#include "support.hpp"

namespace komori::models {
namespace {

using support::message_of;
using support::near;
using testing::AllOf;
using testing::HasSubstr;

FlowInput read(const std::string& yaml) {
  return config::read(config::parse("{kind: flow, " + yaml + "}", "a.yaml"),
                      ModelInput{.accepted = {"map", "flow"}})
      .flow;
}

std::string error_of(const std::string& yaml) {
  return message_of([&] { const Flow flow(read(yaml)); });
}

/// Images of the points given by coordinate.
std::vector<double> images_of(const Flow& flow, const std::vector<double>& x, std::size_t count,
                              std::int64_t first = 0, std::int64_t path = 0) {
  std::vector<double> images(x.size());
  flow.images({.x = x, .count = count, .first = first}, images, path);
  return images;
}

TEST(Flow, of_a_linear_equation_is_the_exponential_of_its_matrix) {
  // A damped turn, exp(-0.2 t) times a rotation by 2 t, and a Jordan block, e^-t [[1, 0], [t, 1]].
  const double t = 1.7;
  const double c = std::exp(-0.2 * t) * std::cos(2 * t);
  const double s = std::exp(-0.2 * t) * std::sin(2 * t);
  const double e = std::exp(-t);
  for (const std::string method : {"dormand_prince", "verner"}) {
    const Flow flow(read("variables: [x, y, z, w], drift: [2*y - 0.2*x, -2*x - 0.2*y, -z, z - w], "
                         "lag: 1.7, rtol: 1e-11, atol: 1e-12, method: " +
                         method));
    EXPECT_FALSE(flow.random());
    const std::size_t n = 300; // more than are followed together
    std::vector<double> x(4 * n);
    for (std::size_t i = 0; i < x.size(); ++i) x[i] = std::sin(1.0 + static_cast<double>(i));
    const std::vector<double> images = images_of(flow, x, n);
    for (std::size_t i = 0; i < n; ++i) {
      const std::array<double, 4> exact{c * x[i] + s * x[n + i], c * x[n + i] - s * x[i],
                                        e * x[2 * n + i], e * (t * x[2 * n + i] + x[3 * n + i])};
      for (std::size_t k = 0; k < 4; ++k) {
        // Some thirty steps with 1e-11 each, along an equation that contracts.
        EXPECT_TRUE(near(images[k * n + i], exact[k], {3e-10, 0})) << method << ' ' << i;
      }
    }
  }
}

TEST(Flow, error_follows_the_tolerance_at_the_worst_point_of_a_list) {
  // One point on a large circle among many at rest: a mean over the list would hide its error.
  std::vector<double> x(512, 0.0);
  x[17] = 1;
  double before = 1;
  for (const std::string rtol : {"1e-4", "1e-7", "1e-10"}) {
    const Flow flow(
        read("variables: [x, y], drift: [2*pi*y, -2*pi*x], lag: 3, atol: 1e-12, rtol: " + rtol));
    const std::vector<double> images = images_of(flow, x, 256);
    const double error = std::hypot(images[17] - 1, images[256 + 17]);
    EXPECT_LT(error, 100 * std::stod(rtol)); // about sixty steps of three turns
    EXPECT_LT(error, 0.02 * before);
    before = error;
    // The stated error is that of the looser of two tolerances.
    const Flow refined = flow.refined();
    const std::vector<double> finer = images_of(refined, x, 256);
    const double stated = std::hypot(images[17] - finer[17], images[256 + 17] - finer[256 + 17]);
    EXPECT_LT(error, 1.5 * stated);
    EXPECT_LT(stated, 1.5 * error);
  }
}

TEST(Flow, formulas_know_the_time) {
  const Flow flow(
      read("variables: [x], drift: [cos(t)], start: 0.5, lag: 2, rtol: 1e-11, atol: 1e-12"));
  EXPECT_TRUE(flow.uses_time());
  const std::vector<double> images = images_of(flow, {0.25}, 1);
  EXPECT_TRUE(near(images[0], 0.25 + std::sin(2.5) - std::sin(0.5), {1e-10, 0}));
  const std::vector<double> place{0.25};
  EXPECT_THAT(flow.change_with_time({.x = place, .count = 1}),
              HasSubstr("have other values at t = 0.5 than one lag later, at t = 2.5"));
  const Flow periodic(read("variables: [x], drift: [cos(2*pi*t) - x], start: 0.5, lag: 2"));
  EXPECT_EQ(periodic.change_with_time({.x = place, .count = 1}), "");
  const Flow named(read("variables: [t], drift: [-t], lag: 1, rtol: 1e-10, atol: 1e-12"));
  EXPECT_FALSE(named.uses_time());
  EXPECT_TRUE(near(images_of(named, {2}, 1)[0], 2 * std::exp(-1), {1e-9, 0}));
}

TEST(Flow, images_do_not_depend_on_how_often_or_when_they_are_asked_for) {
  const Flow flow(read("variables: [x, y], drift: [y, x - x^3], lag: 1"));
  std::vector<double> x(2 * 40);
  for (std::size_t i = 0; i < x.size(); ++i) x[i] = std::cos(static_cast<double>(i));
  const std::vector<double> images = images_of(flow, x, 40);
  images_of(flow, {5, 5}, 1);
  EXPECT_EQ(images_of(flow, x, 40), images);
  const Flow noisy(read("variables: [x, y], drift: [y, x - x^3], diffusion: [0, 0.1], lag: 1, "
                        "steps: 10"));
  const std::vector<double> paths = images_of(noisy, x, 40, 1000);
  // Noise belongs to the number of a point.
  const std::vector<double> some{x[7], x[40 + 7]};
  EXPECT_EQ(images_of(noisy, some, 1, 1007), (std::vector<double>{paths[7], paths[47]}));
  EXPECT_NE(images_of(noisy, some, 1, 1007, 1), (std::vector<double>{paths[7], paths[47]}));
}

TEST(Flow, a_step_that_leads_far_off_is_taken_back_without_loss) {
  // Of x' = -x^9 the first step leads from 10 to some 1e60: x = (x0^-8 + 8 t)^(-1/8).
  for (const std::string method : {"dormand_prince", "verner"}) {
    const Flow flow(
        read("variables: [x], drift: [-x^9], lag: 1, most_steps: 1000000, method: " + method));
    for (const double x : {10.0, -7.0, 3.0}) {
      const double exact = std::copysign(std::pow(std::pow(x, -8) + 8, -0.125), x);
      EXPECT_TRUE(near(images_of(flow, {x}, 1)[0], exact, {0, 1e-6})) << method << ' ' << x;
    }
  }
}

TEST(Flow, blow_up_and_undefined_fields_name_the_place_and_what_to_do) {
  const std::vector<double> x{0.1, 0.2, 2, 0.3};
  std::string text =
      message_of([&] { images_of(Flow(read("variables: [x], drift: [x^2], lag: 1")), x, 4); });
  EXPECT_THAT(text, AllOf(HasSubstr("cannot be followed from x = 2 at t = 0 beyond t = 0."),
                          HasSubstr("shorten 'model.lag'")));
  // Here the field is too large in the last stage of a step, when its error is measured.
  for (const char* const method : {"dormand_prince", "verner"}) {
    const std::vector<double> far{0.1, -4.9, 2, 0.3};
    text = message_of([&] {
      images_of(Flow(read("variables: [x], drift: [x^3], lag: 5, method: " + std::string(method))),
                far, 4);
    });
    EXPECT_THAT(text, AllOf(HasSubstr("cannot be followed from x = -4.9 at t = 0 beyond t = 0.020"),
                            HasSubstr("keep such places out of the grid")));
  }
  text = message_of(
      [&] { images_of(Flow(read("variables: [x], drift: [-1/sqrt(x)], lag: 1")), x, 4); });
  EXPECT_THAT(text, HasSubstr("the flow cannot be followed from x = 0.1"));
  text = message_of([&] {
    images_of(Flow(read("variables: [x], drift: [1000*(cos(t) - x)], lag: 100, most_steps: 50")), x,
              4);
  });
  EXPECT_THAT(text, HasSubstr("'model.most_steps' (50) are used up"));
  text = message_of([&] {
    images_of(Flow(read("variables: [x], drift: [-x^3], diffusion: 1, lag: 10, steps: 3")), x, 4);
  });
  EXPECT_THAT(text, AllOf(HasSubstr("is not finite after step"), HasSubstr("raise 'model.steps'")));
}

TEST(Flow, diffusion_that_is_no_square_names_the_place) {
  const std::vector<double> x{0.5, -0.25};
  const auto error = [&](const std::string& yaml, std::size_t count) {
    return message_of([&] { images_of(Flow(read(yaml)), x, count); });
  };
  EXPECT_THAT(error("variables: [x], drift: [0], diffusion: x, lag: 1, steps: 1, method: "
                    "euler_maruyama",
                    2),
              HasSubstr("'model.diffusion' is negative (-0.25) at x = -0.25, t = 0"));
  EXPECT_THAT(error("variables: [x, y], drift: [0, 0], diffusion: [[1, 2], [2, 1]], lag: 1, "
                    "steps: 1",
                    1),
              HasSubstr("'model.diffusion' is not positive semidefinite"));
  EXPECT_THAT(error("variables: [x, y], drift: [0, 0], diffusion: [[1, 0.5], [0, 1]], lag: 1, "
                    "steps: 1",
                    1),
              HasSubstr("is not symmetric"));
}

TEST(Flow, wrong_input_names_the_key) {
  EXPECT_THAT(error_of("variables: [x, y], drift: [x], lag: 1"),
              HasSubstr("a.yaml:1: 'model.drift' has 1 formula, but the model has 2 variables"));
  EXPECT_THAT(error_of("variables: [x], drift: [z], lag: 1"), HasSubstr("unknown name 'z'"));
  EXPECT_THAT(error_of("variables: [x], drift: [x]"), HasSubstr("'lag' is missing"));
  EXPECT_THAT(error_of("variables: [x], drift: [x], lag: 1, diffusion: 1"),
              HasSubstr("needs 'steps' because it has noise"));
  EXPECT_THAT(error_of("variables: [x], drift: [x], lag: 1, steps: 4"),
              HasSubstr("belongs to a flow with 'diffusion' or 'noise'"));
  EXPECT_THAT(error_of("variables: [x], drift: [x], lag: 1, method: heun"),
              HasSubstr("is 'heun', which is for flows with 'diffusion' or 'noise'"));
  EXPECT_THAT(error_of("variables: [x], drift: [x], lag: 1, steps: 4, noise: 1, method: verner"),
              HasSubstr("is 'verner', which is for flows without noise"));
  EXPECT_THAT(error_of("variables: [x], drift: [x], lag: 1, steps: 4, noise: x, method: heun"),
              HasSubstr("'model.method: heun' solves Stratonovich's equation"));
  EXPECT_THAT(error_of("variables: [x], drift: [x], lag: 1, steps: 4, noise: x, method: "
                       "euler_maruyama, convention: stratonovich"),
              HasSubstr("'model.method: euler_maruyama' solves Ito's equation"));
  EXPECT_THAT(error_of("variables: [x, y], drift: [x, y], lag: 1, steps: 4, diffusion: [[1, 0, "
                       "0], [0, 1, 0]]"),
              HasSubstr("is a 2 x 3 matrix, but the model has 2 variables; give a 2 x 2 matrix"));
}

/// Mean and variance of the images of one place over many paths.
struct Moments {
  double mean = 0;
  double variance = 0;
};
Moments moments(const Flow& flow, double x, std::size_t count) {
  const std::vector<double> images = images_of(flow, std::vector<double>(count, x), count);
  Moments found;
  for (const double y : images) found.mean += y / static_cast<double>(count);
  for (const double y : images) {
    found.variance += (y - found.mean) * (y - found.mean) / static_cast<double>(count);
  }
  return found;
}

TEST(Flow, paths_of_an_ornstein_uhlenbeck_process_have_its_moments) {
  // dX = -2 X dt + dW from 1.5, t = 0.5: mean 1.5 e^-1, variance (1 - e^-2)/4.
  const std::size_t count = 20'000;
  const double mean = 1.5 * std::exp(-1);
  const double variance = (1 - std::exp(-2)) / 4;
  const Flow heun(read("variables: [x], drift: [-2*x], noise: 1, lag: 0.5, steps: 20"));
  EXPECT_THAT(heun.method_text(), HasSubstr("Heun, 20 steps"));
  const Moments found = moments(heun, 1.5, count);
  const double four = 4 / std::sqrt(static_cast<double>(count)); // standard errors
  EXPECT_TRUE(near(found.mean, mean, {four * std::sqrt(variance) + 1e-4, 0}));
  EXPECT_TRUE(near(found.variance, variance, {four * std::sqrt(2.0) * variance + 1e-4, 0}));
}

/// How the mean change of images by halved steps shrinks with the steps; sampling cancels, since
/// both take the same Brownian paths.
double mean_change(const std::string& method, int steps, std::size_t count, double power) {
  const Flow flow(read("variables: [x], drift: [-2*x], noise: 1, lag: 0.5, method: " + method +
                       ", steps: " + std::to_string(steps)));
  const Flow refined = flow.refined();
  const std::vector<double> x(count, 1.5);
  const std::vector<double> coarse = images_of(flow, x, count);
  const std::vector<double> fine = images_of(refined, x, count);
  double sum = 0;
  for (std::size_t i = 0; i < count; ++i)
    sum += std::pow(fine[i], power) - std::pow(coarse[i], power);
  return sum / static_cast<double>(count);
}

TEST(Flow, weak_orders_are_one_and_two) {
  for (const auto& [method, order] : {std::pair("euler_maruyama", 1.0), std::pair("heun", 2.0)}) {
    const double once = mean_change(method, 4, 4000, 1);
    const double twice = mean_change(method, 8, 4000, 1);
    EXPECT_TRUE(near(std::log2(once / twice), order, {0.25, 0})) << method;
  }
}

TEST(Flow, stratonovich_and_ito_differ_by_the_drift_of_the_noise) {
  // dX = s X dW: the mean stays in Ito's reading and grows with e^(s^2 t/2) in Stratonovich's.
  const std::size_t count = 40'000;
  const std::string common = "variables: [x], drift: [0], noise: 0.4*x, lag: 1, steps: 20";
  const Moments ito = moments(Flow(read(common)), 1, count);
  const Moments other = moments(Flow(read(common + ", convention: stratonovich")), 1, count);
  const double four = 4 * 0.45 / std::sqrt(static_cast<double>(count));
  EXPECT_TRUE(near(ito.mean, 1, {four, 0}));
  EXPECT_TRUE(near(other.mean, std::exp(0.08), {four + 1e-3, 0}));
}

TEST(Flow, a_diffusion_matrix_correlates_the_noise) {
  const std::size_t count = 20'000;
  for (const std::string noise :
       {"diffusion: [[0.5, 0.3], [0.3, 0.5]]", "noise: [[1, 0, 0], [0.6, 0, 0.8]]"}) {
    const Flow flow(read("variables: [x, y], drift: [0, 0], lag: 1, steps: 1, " + noise));
    EXPECT_TRUE(flow.diffusive());
    const std::vector<double> images = images_of(flow, std::vector<double>(2 * count, 0.0), count);
    double xx = 0;
    double xy = 0;
    for (std::size_t i = 0; i < count; ++i) {
      xx += images[i] * images[i] / static_cast<double>(count);
      xy += images[i] * images[count + i] / static_cast<double>(count);
    }
    EXPECT_TRUE(near(xx, 1, {4 * std::sqrt(2.0 / static_cast<double>(count)), 0})) << noise;
    EXPECT_TRUE(near(xy, 0.6, {4 * std::sqrt(1.36 / static_cast<double>(count)), 0})) << noise;
  }
  EXPECT_FALSE(Flow(read("variables: [x, y], drift: [y, 0], lag: 1, steps: 1, diffusion: [0, 1]"))
                   .diffusive());
}

} // namespace
} // namespace komori::models
