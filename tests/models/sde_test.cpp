#include "models/sde.hpp"

#include <array>
#include <cmath>

#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include "config/reader.hpp"
#include "models/line_sampler.hpp"
#include "numbers.hpp"
#include "support.hpp"

namespace komori::models {
namespace {

using support::message_of;
using support::near;
using testing::AllOf;
using testing::HasSubstr;

Sde make(const std::string& yaml) {
  return Sde(config::read<SdeInput>(config::parse(yaml, "a.yaml")));
}

std::string error_of(const std::string& yaml) {
  return message_of([&] { make(yaml); });
}

TEST(Sde, potential_and_one_diffusion_for_all_axes) {
  const Sde sde = make("{variables: [x, y], parameters: {beta: 4, a: beta/2}, "
                       "potential: a*x^2 + y, diffusion: 1/beta}");
  const std::array<double, 2> x{3, 5};
  EXPECT_EQ(sde.dimension(), 2);
  EXPECT_TRUE(sde.has_potential());
  EXPECT_FALSE(sde.has_drift());
  EXPECT_EQ(sde.potential(x), 23);
  EXPECT_EQ(sde.diffusion(0, x), 0.25);
  EXPECT_EQ(sde.diffusion(1, x), 0.25);
  EXPECT_EQ(sde.constant_diffusion(1), 0.25);
  EXPECT_EQ(sde.theta(), 1);
}

TEST(Sde, noise_is_turned_into_diffusion) {
  const Sde sde = make("{variables: [x, y], drift: [-x, x*y], noise: [0.6, 1 + x]}");
  const std::array<double, 2> x{2, 3};
  EXPECT_TRUE(near(sde.diffusion(0, x), 0.18, support::round_off)); // 0.6^2 / 2
  EXPECT_EQ(sde.diffusion(1, x), 4.5);
  EXPECT_TRUE(sde.constant_diffusion(0).has_value());
  EXPECT_FALSE(sde.constant_diffusion(1).has_value());
  EXPECT_EQ(sde.drift(0, x), -2);
  EXPECT_EQ(sde.drift(1, x), 6);
}

TEST(LineSampler, has_the_bits_of_single_evaluation) {
  const Sde sde = make("{variables: [x, y], potential: (x^2-1)^2*exp(-y) + sin(3*y)/7, "
                       "drift: [tanh(x), 0.3], noise: [0.6, 1 + x^3*cos(y)]}");
  std::vector<double> places(1500); // more than are sampled at once
  for (std::size_t i = 0; i < places.size(); ++i)
    places[i] = std::sin(0.7 * static_cast<double>(i));
  std::vector<double> values(places.size());
  using Quantity = Sde::Quantity;
  for (const auto& [quantity, k] :
       std::vector<std::pair<Quantity, int>>{{Quantity::potential, 0},
                                             {Quantity::drift, 0},
                                             {Quantity::drift, 1},
                                             {Quantity::diffusion, 0},
                                             {Quantity::diffusion, 1}}) {
    for (const std::size_t length : {std::size_t{1}, std::size_t{100}, places.size()}) {
      LineSampler sampler(sde, quantity, k, length);
      for (const double x : {-0.4, 1.7}) {
        sampler.sample(std::array{x}, std::span(places).first(length), values.data());
        for (std::size_t i = 0; i < length; ++i) {
          const std::array point{x, places[i]};
          const double expected = quantity == Quantity::potential ? sde.potential(point)
                                  : quantity == Quantity::drift   ? sde.drift(k, point)
                                                                  : sde.diffusion(k, point);
          EXPECT_EQ(values[i], expected);
        }
      }
    }
  }
}

TEST(Sde, conventions) {
  const std::string rest = "variables: [x], drift: [-x], diffusion: 1 + x^2";
  EXPECT_EQ(make("{" + rest + "}").theta(), 1);
  EXPECT_EQ(make("{" + rest + ", convention: ito}").theta(), 1);
  EXPECT_EQ(make("{" + rest + ", convention: stratonovich}").theta(), 0.5);
  EXPECT_EQ(make("{" + rest + ", convention: isothermal}").theta(), 0);
  EXPECT_THAT(error_of("{" + rest + ", convention: stratonovic}"),
              AllOf(HasSubstr("stratonovic"), HasSubstr("isothermal")));
}

TEST(Sde, keys_are_named_for_messages) {
  const Sde sde = make("{variables: [x, y], potential: x, drift: [0, y], noise: 1}");
  EXPECT_THAT(sde.potential_name(), HasSubstr("'model.potential'"));
  EXPECT_THAT(sde.drift_name(1), HasSubstr("'model.drift[1]'"));
  EXPECT_THAT(sde.diffusion_name(), HasSubstr("'model.noise'"));
}

TEST(SdeInput, wrong_input_is_named_with_its_remedy) {
  EXPECT_THAT(error_of("{variables: [x], diffusion: 1}"),
              HasSubstr("needs 'potential' or 'drift'; add e.g. 'potential: (x^2-1)^2'"));
  EXPECT_THAT(error_of("{variables: [x], potential: x}"),
              HasSubstr("needs one of 'diffusion' and 'noise'; add e.g. 'diffusion: 0.25'"));
  EXPECT_THAT(error_of("{variables: [x], potential: x, diffusion: 1, noise: 1}"),
              HasSubstr("needs one of 'diffusion' and 'noise'"));
  EXPECT_THAT(error_of("{variables: [a, b, c, d, f, g, h], potential: a, diffusion: 1}"),
              HasSubstr("has 7 names, but a grid has at most 6 dimensions"));
  EXPECT_THAT(error_of("{potential: x, diffusion: 1}"), HasSubstr("variables"));
  EXPECT_THAT(error_of("{variables: [x, x], potential: x, diffusion: 1}"), HasSubstr("x"));
  EXPECT_THAT(error_of("{kind: map, variables: [x], potential: x, diffusion: 1}"),
              HasSubstr("sde"));
  EXPECT_THAT(error_of("{variables: [x], potental: x, diffusion: 1}"), HasSubstr("potential"));
}

TEST(SdeInput, formulas_have_to_be_as_many_as_variables) {
  EXPECT_THAT(error_of("{variables: [x, y], drift: [x], diffusion: 1}"),
              HasSubstr("'model.drift' has 1 formula, but the model has 2 variables; give one per "
                        "variable"));
  EXPECT_THAT(error_of("{variables: [x], drift: [x, x], diffusion: 1}"),
              HasSubstr("'model.drift' has 2 formulas, but the model has 1 variable"));
  EXPECT_THAT(error_of("{variables: [x, y], drift: x, diffusion: 1}"),
              HasSubstr("'model.drift' has 1 formula"));
  EXPECT_THAT(error_of("{variables: [x, y], potential: x, diffusion: [1, 1, 1]}"),
              HasSubstr("'model.diffusion' has 3 formulas, but the model has 2 variables"));
  EXPECT_THAT(error_of("{variables: [x, y], potential: x, diffusion: [1]}"),
              HasSubstr("'model.diffusion' has 1 formula"));
  EXPECT_THAT(error_of("{variables: [x, y], drift: [[x, y], [y, x]], diffusion: 1}"),
              HasSubstr("'model.drift' is a matrix, but must be a list of 2 formulas"));
  EXPECT_THAT(
      error_of("{variables: [x, y], potential: x, diffusion: [[1, 0, 0], [0, 1, 0]]}"),
      HasSubstr("'model.diffusion' is a 2 x 3 matrix, but the model has 2 variables; give a "
                "2 x 2 matrix"));
  EXPECT_THAT(error_of("{variables: [x, y], potential: x, noise: [[1, 0]]}"),
              HasSubstr("'model.noise' is a 1 x 2 matrix, but the model has 2 variables; give 2 "
                        "rows, one per variable"));
}

TEST(SdeInput, formulas_know_variables_and_parameters_only) {
  EXPECT_THAT(error_of("{variables: [x], potential: x*z, diffusion: 1}"),
              HasSubstr("a.yaml:1: 'potential' has an unknown name 'z'"));
  EXPECT_THAT(error_of("{variables: [x], drift: [x +], diffusion: 1}"), HasSubstr("drift[0]"));
  EXPECT_THAT(error_of("{variables: [x], parameters: {x: 1}, potential: x, diffusion: 1}"),
              HasSubstr("x"));
}

} // namespace
} // namespace komori::models
