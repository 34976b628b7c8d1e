/// The input written back: it reads as the same values.
#include <cmath>
#include <cstring>
#include <limits>
#include <random>

#include "config/resolved.hpp"
#include "config/yaml_text.hpp"
#include "sample.hpp"
#include "support.hpp"

namespace komori::config {
namespace {

using sample::Input;

TEST(Resolved, WritesDefaultsAndWhatIsPresent) {
  const auto input = read_yaml<Input>("model:\n"
                                      "  variables: [x, y]\n"
                                      "  parameters: {beta: 1/3}\n"
                                      "  diffusion: [[1/beta, 0], [0, '2']]\n"
                                      "grid: {x: {from: -pi, to: 1, cells: 2^5}}\n"
                                      "stationary:\n"
                                      "evolve: {initial: {point: [0, 1e-300]}}\n"
                                      "checkpoint: {every: 1h30m}\n");

  EXPECT_EQ(resolved(input), "title: \"\"\n"
                             "model:\n"
                             "  variables: [x, y]\n"
                             "  parameters:\n"
                             "    beta: 0.3333333333333333\n"
                             "  diffusion: [[1/beta, 0], [0, 2]]\n"
                             "grid:\n"
                             "  x:\n"
                             "    from: -3.141592653589793\n"
                             "    to: 1\n"
                             "    cells: 32\n"
                             "    boundary: reflecting\n"
                             "modes: exact\n"
                             "verbose: false\n"
                             "stationary: {}\n"
                             "evolve:\n"
                             "  initial:\n"
                             "    point: [0, 1e-300]\n"
                             "  times: [0, 1]\n"
                             "checkpoint:\n"
                             "  every: 5400\n"
                             "  keep: 2\n");
}

TEST(Resolved, ReadsBackTheSame) {
  Input input;
  input.title = "a: \"b\" #c\n\\ caf\xC3\xA9";
  input.model.variables = {"x", "y"};
  input.model.parameters = {{"beta", 0.1}, {"tiny", 5e-324}, {"y0", -0.0}, {"pi", 3}};
  input.model.potential = {"x ? atan2(y, x) : \n -2*x", {}, ""};
  input.model.diffusion = {.rank = 1, .rows = 2, .columns = 1, .entries = {}, .origin = {}};
  input.model.diffusion.entries = {{"max(x, y)", {}, ""}, {"-x", {}, ""}};
  input.grid = {{"x", {-1.0 / 3, 1e300, std::int64_t{1} << 60, "periodic"}}, {"true", {0, 1, 2}}};
  input.modes = {"exact", "sampled"};
  input.verbose = true;
  input.points = {{0.1, 0.2}, {1.0 / 3, -1e-17}};
  input.spectrum.emplace();
  input.spectrum->target = {"", std::nextafter(1.0, 2.0)};
  input.evolve.emplace();
  input.evolve->initial = {"*x", {}, ""};
  input.evolve->times = {0, 0.1, 1e22};
  input.evolve->observables = {{"mean x: [1]", {"x", {}, ""}}, {"null", {"y", {}, ""}}};
  input.checkpoint.every = 0.1;

  const std::string text = resolved(input);
  const auto copy = read_yaml<Input>(text);

  EXPECT_EQ(resolved(copy), text);
  EXPECT_EQ(copy.title, input.title);
  EXPECT_EQ(copy.model.variables, input.model.variables);
  EXPECT_EQ(copy.model.parameters, input.model.parameters);
  EXPECT_TRUE(std::signbit(copy.model.parameters[2].second));
  EXPECT_EQ(copy.model.potential.text, input.model.potential.text);
  ASSERT_EQ(copy.model.diffusion.entries.size(), 2u);
  EXPECT_EQ(copy.model.diffusion.rank, 1);
  EXPECT_EQ(copy.model.diffusion.entries[0].text, "max(x, y)");
  EXPECT_EQ(copy.grid[0].second.from, input.grid[0].second.from);
  EXPECT_EQ(copy.grid[0].second.to, 1e300);
  EXPECT_EQ(copy.grid[0].second.cells, std::int64_t{1} << 60);
  EXPECT_EQ(copy.grid[1].first, "true");
  EXPECT_EQ(copy.modes, input.modes);
  EXPECT_EQ(copy.points, input.points);
  EXPECT_EQ(copy.spectrum->target.number, input.spectrum->target.number);
  EXPECT_FALSE(copy.stationary.has_value());
  EXPECT_EQ(copy.evolve->initial.text, "*x");
  EXPECT_EQ(copy.evolve->times, input.evolve->times);
  EXPECT_EQ(copy.evolve->observables[0].first, "mean x: [1]");
  EXPECT_EQ(copy.evolve->observables[1].first, "null");
  EXPECT_EQ(copy.checkpoint.every, 0.1);
}

TEST(Resolved, ANumberWithoutFiniteValueIsLeftOut) {
  sample::Spectrum spectrum;
  spectrum.tolerance = std::numeric_limits<double>::infinity();
  spectrum.target.number = std::numeric_limits<double>::quiet_NaN();
  spectrum.target.word = "";
  spectrum.sides = "";
  EXPECT_EQ(resolved(spectrum), "pairs: 10\n");
}

TEST(YamlText, NumbersReadBackBitByBit) {
  std::mt19937_64 engine(3);
  for (int i = 0; i < 3'000; ++i) {
    const std::uint64_t bits = engine();
    double value = 0;
    std::memcpy(&value, &bits, sizeof value);
    if (!std::isfinite(value) || value > 1e308) continue;
    const std::string text =
        "from: " + yaml_number(value) + "\nto: 1.7976931348623157e308\ncells: 1\n";
    EXPECT_EQ(read_yaml<sample::Axis>(text).from, value) << text;
  }
  EXPECT_EQ(yaml_number(0.1), "0.1");
  EXPECT_EQ(yaml_number(512), "512");
  EXPECT_EQ(yaml_number(1e-10), "1e-10");
}

TEST(YamlText, AnyTextReadsBack) {
  std::mt19937 engine(5);
  const std::string alphabet = "ab01 .-+*/^(){}[]:,#'\"&!|>%@`\\?=~\n\t\x01_";
  std::vector<std::string> texts{"",     "null", "~",   "true", "-",   "---", "...", "- a",
                                 "a: b", "a #b", " a",  "a ",   "1e3", "-x",  "*x",  "&x",
                                 "\x7f", "?",    "a\n", "\n",   "#",   "y",   "NULL"};
  for (int i = 0; i < 5'000; ++i) {
    std::string text;
    for (unsigned n = engine() % 6; n > 0; --n) text += alphabet[engine() % alphabet.size()];
    texts.push_back(text);
  }
  for (const std::string& text : texts) {
    const Node root =
        parse("a: " + yaml_scalar(text) + "\nb: " + yaml_list({text, text}) + "\n", "f");
    ASSERT_EQ(root.find("a")->kind, Node::Kind::scalar) << text;
    EXPECT_EQ(root.find("a")->text, text);
    ASSERT_EQ(root.find("b")->children.size(), 2u) << text;
    EXPECT_EQ(root.find("b")->children[1].text, text);
  }
}

} // namespace
} // namespace komori::config
