/// Likeness of words, lengths of time, ranges, and how values read in messages.
#include <limits>

#include "config/duration.hpp"
#include "config/nearest.hpp"
#include "config/wording.hpp"
#include "support.hpp"

namespace komori::config {
namespace {

using testing::Eq;
using testing::Optional;

TEST(Nearest, FindsSlips) {
  const std::vector<std::string> keys{"pairs", "sides", "tolerance", "target", "solver"};

  EXPECT_THAT(nearest("pars", keys), Optional(Eq("pairs")));
  EXPECT_THAT(nearest("apirs", keys), Optional(Eq("pairs"))); // swapped
  EXPECT_THAT(nearest("toleranze", keys), Optional(Eq("tolerance")));
  EXPECT_THAT(nearest("Tolerance", keys), Optional(Eq("tolerance")));
  EXPECT_THAT(nearest("tol", keys), Optional(Eq("tolerance"))); // begins it
  EXPECT_THAT(nearest("sides", keys), Optional(Eq("sides")));
  EXPECT_EQ(nearest("momentum", keys), std::nullopt);
  EXPECT_EQ(nearest("", keys), std::nullopt);
  EXPECT_EQ(nearest("t", keys), std::nullopt);
  EXPECT_EQ(nearest(std::string(100'000, 'p'), keys), std::nullopt);
  EXPECT_EQ(nearest("pairs", {}), std::nullopt);
}

TEST(Nearest, PrefersTheFewestSlipsAndThenTheFirst) {
  EXPECT_THAT(nearest("cat", {"car", "cat"}), Optional(Eq("cat")));
  EXPECT_THAT(nearest("cap", {"car", "cat"}), Optional(Eq("car")));
  EXPECT_THAT(nearest("xx", {"x", "y"}), Optional(Eq("x")));
  EXPECT_EQ(nearest("z", {"x", "y"}), std::nullopt);
}

TEST(Duration, AllSpellings) {
  const std::vector<std::pair<std::string, double>> table{{"90", 90},
                                                          {"90s", 90},
                                                          {"0", 0},
                                                          {"1.5", 1.5},
                                                          {"10min", 600},
                                                          {"30m", 1800},
                                                          {"2h", 7200},
                                                          {"1.5h", 5400},
                                                          {"1h30m", 5400},
                                                          {"1h 30m", 5400},
                                                          {"1h30m15s", 5415},
                                                          {"1d", 86400},
                                                          {"250ms", 0.25},
                                                          {"1:30:00", 5400},
                                                          {"00:00:05", 5},
                                                          {"100:00:00", 360000},
                                                          {"1-12:00:00", 129600},
                                                          {"5 min", 300},
                                                          {"1e3", 1000}};
  for (const auto& [text, seconds] : table)
    EXPECT_THAT(parse_duration(text), Optional(seconds)) << text;
}

TEST(Duration, RefusesWhatIsNone) {
  for (const std::string text : {"",        " ",        "abc",    "10mn",    "m",
                                 "-5",      "-5s",      "1:30",   "1:60:00", "1:00:60",
                                 "1:2:3:4", "::",       "30m1h",  "1h1h",    "1h30",
                                 "inf",     "nan",      "1e999",  "1e308d",  "5 minutes",
                                 "1-2",     "-1:00:00", "1h-30m", "0x10",    "99999999999:00:00",
                                 "10S"})
    EXPECT_EQ(parse_duration(text), std::nullopt) << text;
}

TEST(Range, HoldsAndReads) {
  const double infinity = std::numeric_limits<double>::infinity();
  EXPECT_TRUE(Range::positive().holds(1e-300));
  EXPECT_FALSE(Range::positive().holds(0));
  EXPECT_TRUE(Range::at_least(1).holds(1));
  EXPECT_FALSE(Range::between(0, 1).holds(1.1));
  EXPECT_FALSE(Range{}.holds(infinity));
  EXPECT_FALSE(Range{}.holds(std::numeric_limits<double>::quiet_NaN()));

  EXPECT_EQ(Range::positive().text(), "> 0");
  EXPECT_EQ(Range::at_least(1).text(), ">= 1");
  EXPECT_EQ(Range::between(0, 1).text(), "in [0, 1]");
  EXPECT_EQ((Range{.min = 0, .max = 1, .min_excluded = true}).text(), "in (0, 1]");
  EXPECT_EQ((Range{.min = 0, .max = 0.5, .max_excluded = true}).text(), "in [0, 0.5)");
  EXPECT_EQ((Range{.max = 3, .max_excluded = true}).text(), "< 3");
  EXPECT_EQ((Range{.max = 3}).text(), "<= 3");
  EXPECT_EQ(Range{}.text(), "any number");
}

TEST(Wording, ValuesStayOnOneShortLine) {
  EXPECT_EQ(in_quotes("a\nb\tc\x1b"), "'a\\nb\\tc\\x1b'");
  EXPECT_EQ(shortened("abcdef", 3), "abc...");
  EXPECT_EQ(shortened("abc", 3), "abc");
  EXPECT_EQ(shortened("ab\xC3\xA9z", 3), "ab\xC3\xA9..."); // not within a character
  EXPECT_EQ(listed({"a", "b", "c"}), "a, b, c");
  EXPECT_EQ(listed({"a", "b", "c"}, 2), "a, b and 1 more");
  EXPECT_EQ(listed({}), "");
}

TEST(Wording, Identifiers) {
  for (const char* name : {"x", "X1", "beta_0", "a__"}) EXPECT_TRUE(is_identifier(name)) << name;
  for (const char* name : {"", "1x", "_x", "a b", "a-b", "\xC3\xA9"})
    EXPECT_FALSE(is_identifier(name)) << name;
  EXPECT_FALSE(is_identifier(std::string(65, 'a')));
}

TEST(Wording, Origins) {
  EXPECT_EQ((Origin{"inputs/a.yaml", 7}).text(), "inputs/a.yaml:7");
  EXPECT_EQ((Origin{"--set a=1", 0}).text(), "--set a=1");
}

} // namespace
} // namespace komori::config
