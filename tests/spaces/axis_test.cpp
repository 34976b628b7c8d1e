#include "spaces/axis.hpp"

#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include "config/reader.hpp"
#include "numbers.hpp"
#include "support.hpp"

namespace komori::spaces {
namespace {

using support::message_of;
using support::near;
using testing::ElementsAre;
using testing::HasSubstr;

Axis make(const std::string& yaml) {
  const auto input = config::read<AxisInput>(config::parse(yaml, "a.yaml"));
  return make_axis("x", input, {{"width", 3.0}});
}

std::string error_of(const std::string& yaml) {
  return message_of([&] { make(yaml); });
}

TEST(Axis, equal_cells) {
  const Axis a = make("{from: -1, to: 2, cells: 6}");
  EXPECT_THAT(a.edges(), ElementsAre(-1, -0.5, 0, 0.5, 1, 1.5, 2));
  EXPECT_THAT(a.centers(), ElementsAre(-0.75, -0.25, 0.25, 0.75, 1.25, 1.75));
  EXPECT_EQ(a.lower(), Boundary::reflecting);
  EXPECT_EQ(a.upper(), Boundary::reflecting);
  EXPECT_EQ(a.length(), 3);
}

TEST(Axis, boundaries_of_either_end) {
  const Axis a = make("{from: 0, to: 1, cells: 2, boundary: [absorbing, reflecting]}");
  EXPECT_EQ(a.lower(), Boundary::absorbing);
  EXPECT_EQ(a.upper(), Boundary::reflecting);
  EXPECT_TRUE(make("{from: 0, to: 1, cells: 2, boundary: periodic}").periodic());
}

TEST(Axis, explicit_edges) {
  const Axis a = make("edges: [0, 1, 4]");
  EXPECT_EQ(a.cells(), 2);
  EXPECT_EQ(a.width(1), 3);
  EXPECT_EQ(a.distance(0), 2);
}

TEST(Axis, grading_places_the_edges_and_keeps_the_ends) {
  EXPECT_THAT(make("{from: 0, to: 16, cells: 4, grading: s^2}").edges(),
              ElementsAre(0, 1, 4, 9, 16));
  // An affine change of the formula changes nothing; parameters of the model may be used.
  EXPECT_THAT(make("{from: 0, to: 16, cells: 4, grading: width*s^2 - 7}").edges(),
              ElementsAre(testing::DoubleEq(0), testing::DoubleEq(1), testing::DoubleEq(4),
                          testing::DoubleEq(9), 16));
}

TEST(Axis, find_uses_half_open_cells) {
  const Axis a = make("edges: [0, 1, 4]");
  EXPECT_EQ(a.find(0), 0);
  EXPECT_EQ(a.find(0.999), 0);
  EXPECT_EQ(a.find(1), 1);
  EXPECT_EQ(a.find(4), 1); // the last cell holds its upper end
  EXPECT_EQ(a.find(-1e-12), std::nullopt);
  EXPECT_EQ(a.find(4.1), std::nullopt);
  EXPECT_EQ(a.find(std::numeric_limits<double>::quiet_NaN()), std::nullopt);
}

TEST(Axis, periodic_indices_wrap_and_the_seam_has_a_distance) {
  const Axis a("x", {0, 1, 4}, Boundary::periodic, Boundary::periodic);
  EXPECT_EQ(a.wrapped(-1), 1);
  EXPECT_EQ(a.wrapped(2), 0);
  EXPECT_EQ(a.distance(1), 2); // (3 + 1) / 2 across the seam
  const Axis b("x", {0, 1, 4}, Boundary::reflecting, Boundary::reflecting);
  EXPECT_EQ(b.wrapped(-1), -1);
  EXPECT_EQ(b.wrapped(2), 2);
}

TEST(Axis, resampled_follows_the_grading) {
  const Axis a = make("{from: 0, to: 16, cells: 4, grading: s^2}").resampled(2);
  EXPECT_THAT(a.edges(), ElementsAre(0, 4, 16));
  const Axis b = make("edges: [0, 1, 4]").resampled(4);
  EXPECT_THAT(b.edges(), ElementsAre(0, 0.5, 1, 2.5, 4));
}

TEST(AxisInput, wrong_input_is_named_with_its_remedy) {
  EXPECT_THAT(error_of("{from: 1, to: 0, cells: 4}"),
              HasSubstr("is 1, but must be below 'to' (0)"));
  EXPECT_THAT(error_of("{from: 1, to: 1, cells: 4}"),
              HasSubstr("is 1, but must be below 'to' (1)"));
  EXPECT_THAT(error_of("{from: 0, to: 1}"), HasSubstr("is missing; add e.g. 'cells: 128'"));
  EXPECT_THAT(error_of("{from: 0, to: 1, cells: 0}"), HasSubstr("cells"));
  EXPECT_THAT(error_of("{from: 0, to: 1, cells: -3}"), HasSubstr("-3"));
  EXPECT_THAT(error_of("{from: 0, to: 1, cells: 2.5}"), HasSubstr("2.5"));
  EXPECT_THAT(error_of("{edges: [0, 1], cells: 1}"),
              HasSubstr("stands in place of 'cells'; give one of them"));
  EXPECT_THAT(error_of("edges: [1]"), HasSubstr("needs at least two values"));
  EXPECT_THAT(error_of("{from: 0, to: 1, cells: 2, boundary: [periodic, absorbing]}"),
              HasSubstr("is periodic at one end only; an axis is periodic at both or none"));
  EXPECT_THAT(error_of("{from: 0, to: 1, cells: 2, boundary: reflectin}"), HasSubstr("reflecting"));
  EXPECT_THAT(error_of("{from: 0, to: 1, cell: 2}"), HasSubstr("cells"));
}

TEST(AxisInput, edges_have_to_increase) {
  EXPECT_EQ(error_of("edges: [0, 2, 1]"),
            "a.yaml:1: 'grid.x' has edges that do not increase: edge 1 is 2, edge 2 is 1");
}

TEST(AxisInput, grading_has_to_increase) {
  const auto error = [](const std::string& grading) {
    return error_of("{from: 0, to: 1, cells: 4, grading: \"" + grading + "\"}");
  };
  EXPECT_EQ(
      error("(s-0.5)^2"),
      "a.yaml:1: 'grid.x.grading' is 0.25 at s = 0 and at s = 1; write a formula that "
      "increases from s = 0 to s = 1, e.g. s^2 for small cells at 'from', sinh(3*(s-0.5)) for "
      "small ones in the middle, or give 'edges'");
  EXPECT_THAT(error("7"), HasSubstr("'grid.x.grading' is 7 at s = 0 and at s = 1; write a"));
  EXPECT_THAT(error("1/s"), HasSubstr("is not finite (it is inf) at s = 0; write a formula that"));
  EXPECT_THAT(error("log(s)"), HasSubstr("is not finite (it is -inf) at s = 0;"));
  EXPECT_THAT(error("sqrt(0.5-s)"), HasSubstr("is not finite (it is nan) at s = 0.75;"));
  EXPECT_THAT(error("s*(2.5-2*s)"),
              HasSubstr("must place every edge above the one before, but goes from 0.75 to 0.75 "
                        "between s = 0.5 and s = 0.75, and from 0 to 0.5 as a whole; write a"));
}

} // namespace
} // namespace komori::spaces
