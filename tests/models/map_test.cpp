#include "models/map.hpp"

#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include "config/help.hpp"
#include "config/reader.hpp"
#include "config/resolved.hpp"
#include "models/model.hpp"
#include "numbers.hpp"
#include "support.hpp"

namespace komori::models {
namespace {

using support::message_of;
using testing::AllOf;
using testing::HasSubstr;
using testing::Not;

ModelInput read(const std::string& yaml) {
  return config::read(config::parse(yaml, "a.yaml"),
                      ModelInput{.accepted = {"sde", "map", "chain"}});
}

std::string error_of(const std::string& yaml) {
  return message_of([&] { Map(read(yaml).map); });
}

TEST(Map, images_are_formulas_of_variables_and_parameters) {
  const Map map(read("{kind: map, variables: [x, y], parameters: {a: 2}, map: [a*x + y, x], lag: "
                     "0.5}")
                    .map);
  const std::array<double, 2> x{3, 5};
  EXPECT_EQ(map.dimension(), 2);
  EXPECT_EQ(map.image(0, x), 11);
  EXPECT_EQ(map.image(1, x), 3);
  EXPECT_EQ(map.lag(), 0.5);
  EXPECT_FALSE(map.noisy());
}

TEST(Map, wrong_input_names_the_key) {
  EXPECT_THAT(error_of("{kind: map, variables: [x, y], map: [x]}"),
              HasSubstr("a.yaml:1: 'model.map' has 1 formula, but the model has 2 variables"));
  EXPECT_THAT(error_of("{kind: map, variables: [x], map: [z]}"), HasSubstr("unknown name 'z'"));
  EXPECT_THAT(error_of("{kind: map, variables: [x]}"), HasSubstr("'map' is missing"));
  EXPECT_THAT(error_of("{kind: map, variables: [x], map: [x], drift: [x]}"),
              HasSubstr("unknown key 'drift'"));
  EXPECT_THAT(error_of("{kind: mop, variables: [x], map: [x]}"),
              HasSubstr("one of sde, map, chain"));
  EXPECT_THAT(error_of("{variables: [x], map: [x]}"), HasSubstr("'kind' is missing"));
}

TEST(Model, each_kind_has_its_own_keys) {
  EXPECT_EQ(read("{kind: sde, variables: [x], potential: x^2, diffusion: 1}").sde.variables.size(),
            1);
  const ModelInput chain = read("{kind: chain, matrix: [[0.5, 0.5], [1/3, 2/3]]}");
  EXPECT_EQ(chain.chain.matrix[1][1], 2.0 / 3);
  EXPECT_EQ(read(config::resolved(chain)).chain.matrix, chain.chain.matrix);
  EXPECT_THAT(error_of("{kind: chain, matrix: [[1, 0]]}"), HasSubstr("must be square"));
  EXPECT_THAT(error_of("{kind: chain}"), HasSubstr("needs one of 'matrix' and 'file'"));
}

TEST(Model, help_shows_the_kinds_a_driver_takes) {
  const std::string all = config::help(ModelInput{.accepted = {"sde", "map", "chain"}}).text();
  EXPECT_THAT(all, AllOf(HasSubstr("potential"), HasSubstr("half_width"), HasSubstr("dataset")));
  const std::string some = config::help(ModelInput{.accepted = {"map"}}).text();
  EXPECT_THAT(some, AllOf(Not(HasSubstr("potential")), HasSubstr("half_width")));
}

} // namespace
} // namespace komori::models
