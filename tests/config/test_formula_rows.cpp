#include "config/formula_rows.hpp"

#include <gtest/gtest.h>

#include "config/reader.hpp"
#include "config/resolved.hpp"
#include "numbers.hpp"

namespace komori::config {
namespace {

struct Sets {
  FormulaArray sets{.rank = 2, .entries = {}, .origin = {}};
};
void declare(Declarer& declarer, Sets& input) {
  declarer.formula_array("sets", input.sets, {.help = "Sets."});
}

std::vector<std::vector<std::string>> rows(const std::string& yaml) {
  const auto input = read<Sets>(parse("sets: " + yaml, "a.yaml"));
  std::vector<std::vector<std::string>> texts;
  for (const std::vector<FormulaText>& row : formula_rows(input.sets)) {
    texts.emplace_back();
    for (const FormulaText& entry : row) texts.back().push_back(entry.text);
  }
  return texts;
}

using Rows = std::vector<std::vector<std::string>>;

TEST(FormulaRows, of_any_lengths) {
  EXPECT_EQ(rows("[[0], [1, 2], [3]]"), (Rows{{"0"}, {"1", "2"}, {"3"}}));
  EXPECT_EQ(rows("[[0, 1], [2, 3]]"), (Rows{{"0", "1"}, {"2", "3"}}));
  EXPECT_EQ(rows("[x < 0, x >= 0]"), (Rows{{"x < 0"}, {"x >= 0"}}));
}

TEST(FormulaRows, are_written_back_as_they_were) {
  for (const char* text : {"[[0], [1, 2]]", "[[0, 1], [2, 3]]", "[a, b]"}) {
    const auto input = read<Sets>(parse(std::string("sets: ") + text, "a.yaml"));
    EXPECT_EQ(resolved(input), std::string("sets: ") + text + "\n");
  }
}

TEST(FormulaRows, an_empty_row_is_refused) {
  EXPECT_EQ(support::message_of([] { rows("[[0], []]"); }),
            "a.yaml:1: 'sets[1]' is a list, but must be a list of formulas");
}

} // namespace
} // namespace komori::config
