/// `--help` of the input keys.
#include <sstream>
#include <stdexcept>

#include "config/functions.hpp"
#include "config/help.hpp"
#include "sample.hpp"
#include "support.hpp"

namespace komori::config {
namespace {

using testing::HasSubstr;

std::string without_entry(const std::vector<HelpEntry>& entries, const char* what,
                          bool (*lacks)(const HelpEntry&)) {
  std::string paths;
  for (const HelpEntry& entry : entries)
    if (lacks(entry)) paths += entry.path + " lacks " + what + "; ";
  return paths;
}

const HelpEntry& entry(const HelpWriter& writer, const std::string& path) {
  for (const HelpEntry& candidate : writer.entries())
    if (candidate.path == path) return candidate;
  throw std::out_of_range(path);
}

TEST(Help, HasEveryKeyWithHelpTypeAndUnit) {
  const HelpWriter writer = help<sample::Input>();

  EXPECT_EQ(writer.entries().size(), 28u);
  EXPECT_EQ(
      without_entry(writer.entries(), "help", [](const HelpEntry& e) { return e.help.empty(); }),
      "");
  EXPECT_EQ(
      without_entry(writer.entries(), "unit", [](const HelpEntry& e) { return e.unit.empty(); }),
      "");
  EXPECT_EQ(
      without_entry(writer.entries(), "type", [](const HelpEntry& e) { return e.type.empty(); }),
      "");
}

TEST(Help, EntriesKnowDefaultsAndWhatIsAllowed) {
  const HelpWriter writer = help<sample::Input>();

  const HelpEntry& cells = entry(writer, "grid.<axis>.cells");
  EXPECT_EQ(cells.type, "integer >= 1");
  EXPECT_TRUE(cells.required);
  EXPECT_EQ(cells.depth, 2u);
  EXPECT_EQ(cells.key, "cells");
  EXPECT_EQ(entry(writer, "grid.<axis>.from").unit, "length");
  EXPECT_EQ(entry(writer, "spectrum.tolerance").default_value, "1e-10");
  EXPECT_EQ(entry(writer, "spectrum.tolerance").type, "number in (0, 1)");
  EXPECT_EQ(entry(writer, "spectrum.target").default_value, "slowest");
  EXPECT_EQ(entry(writer, "checkpoint.every").default_value, "10min");
  EXPECT_EQ(entry(writer, "evolve.times").default_value, "[0, 1]");
  EXPECT_EQ(entry(writer, "modes").default_value, "exact");
  EXPECT_EQ(entry(writer, "title").default_value, "");
  EXPECT_TRUE(entry(writer, "evolve.initial").section);
  EXPECT_EQ(entry(writer, "evolve.initial.point").help, "Where all starts.");
}

TEST(Help, TextOfASection) {
  EXPECT_EQ(help<sample::Spectrum>().text(),
            "pairs: integer >= 1, default 10\n"
            "      Number of eigenpairs.\n"
            "tolerance: number in (0, 1), default 1e-10\n"
            "      Relative residual of each pair.\n"
            "sides: one of right, left, both, default right\n"
            "      Which eigenvectors to keep.\n"
            "target: one of slowest, largest, or a number, default slowest\n"
            "      Which eigenvalues, or a number they are near to.\n");
}

TEST(Help, TextIsIndentedBySection) {
  const std::string text = help<sample::Input>().text();

  EXPECT_THAT(text, HasSubstr("grid: sections by name, {<axis>: {...}, ...}, optional\n"
                              "      One section per axis.\n"
                              "    from: number [length], required\n"
                              "          Lower end.\n"));
  EXPECT_THAT(text, HasSubstr("checkpoint: section, default as below\n"
                              "      Saving the state of long runs.\n"
                              "  every: duration > 0 [s], default 10min\n"));
  EXPECT_THAT(text, HasSubstr("stationary: section, optional\n"));
}

TEST(Help, LinesFitIntoAHundredColumns) {
  EXPECT_EQ(wrapped("aa bb  cc\ndd", 2, 4, 10), "  aa bb cc\n    dd\n");
  EXPECT_EQ(wrapped("aaaaaaaaaaaaaaa b", 0, 2, 10), "aaaaaaaaaaaaaaa\n  b\n");
  std::istringstream lines(help<sample::Input>().text() + formula_help());
  for (std::string line; std::getline(lines, line);) EXPECT_LE(line.size(), 100u) << line;
}

TEST(Help, ADoubledKeyIsADefect) {
  HelpWriter writer;
  bool value = false;
  writer.boolean("key", value, {"Something."});
  EXPECT_THROW(writer.boolean("key", value, {"Something."}), std::logic_error);
}

TEST(Help, NamesEveryFunction) {
  const std::string text = formula_help();
  for (const std::string& name : function_names()) EXPECT_THAT(text, HasSubstr(" " + name));
}

} // namespace
} // namespace komori::config
