/// Lists of sections: read, refused, documented and written back.
#include "config/help.hpp"
#include "config/resolved.hpp"
#include "support.hpp"

namespace komori::config {
namespace {

struct Step {
  double length = 1;
  std::string word;
};
void declare(Declarer& d, Step& step) {
  d.real("length", step.length, {"How far.", "length"}, Range::positive());
  d.text("word", step.word, {"What to say.", "-", Need::required});
}

struct Quiet {};
void declare(Declarer&, Quiet&) {}

struct Input {
  std::vector<Step> steps;
  std::vector<Quiet> quiet;
};
void declare(Declarer& d, Input& input) {
  d.section_list("steps", input.steps, {"One after the other."});
  d.section_list("quiet", input.quiet, {"Nothing to say."});
}

TEST(SectionList, ReadsInOrderAndWritesBackTheSame) {
  const auto input = read_yaml<Input>("steps:\n"
                                      "  - {word: one}\n"
                                      "  - word: two\n"
                                      "    length: 3\n"
                                      "quiet: [{}, {}]\n");
  ASSERT_EQ(input.steps.size(), 2u);
  EXPECT_EQ(input.steps[0].word, "one");
  EXPECT_EQ(input.steps[1].length, 3);
  EXPECT_EQ(input.quiet.size(), 2u);

  const std::string text = resolved(input);

  EXPECT_EQ(text, "steps:\n"
                  "  -\n"
                  "    length: 1\n"
                  "    word: one\n"
                  "  -\n"
                  "    length: 3\n"
                  "    word: two\n"
                  "quiet:\n"
                  "  - {}\n"
                  "  - {}\n");
  EXPECT_EQ(resolved(read_yaml<Input>(text)), text);
}

TEST(SectionList, TakesThePlaceOfADefaultList) {
  Input input;
  input.steps = {{1, "old"}, {2, "older"}};

  const Node root = parse("steps: [{word: new}]\n", "inputs/a.yaml");

  EXPECT_EQ(read<Input>(root, input).steps.size(), 1u);
  EXPECT_EQ(read<Input>(root, input).steps[0].length, 1);
  EXPECT_EQ(read<Input>(parse("{}", "inputs/a.yaml"), input).steps.size(), 2u);
}

TEST(SectionList, RefusesWhatIsNoListOfSections) {
  EXPECT_EQ(read_error<Input>("steps: 3\n"),
            "inputs/a.yaml:1: 'steps' is 3, but must be a list of sections, e.g. 'steps: [{...}]'");
  EXPECT_EQ(read_error<Input>("steps: []\n"),
            "inputs/a.yaml:1: 'steps' is an empty list, but must be a list of sections, e.g. "
            "'steps: [{...}]'");
  EXPECT_THAT(read_error<Input>("steps:\n  - {word: a}\n  - 7\n"),
              testing::StartsWith("inputs/a.yaml:3: 'steps[1]' is 7, but must be a section"));
  EXPECT_THAT(read_error<Input>("steps:\n  - {word: a}\n  - {word: b, lenght: 2}\n"),
              testing::StartsWith("inputs/a.yaml:3: unknown key 'steps[1].lenght'. Did you mean "
                                  "'length'?"));
  EXPECT_THAT(read_error<Input>("steps: [{length: 2}]\n"),
              testing::HasSubstr("'steps[0].word' is missing"));
}

TEST(SectionList, IsDocumentedWithItsKeys) {
  const std::string text = help<Input>().text();

  EXPECT_THAT(text, testing::HasSubstr("steps: list of sections, [{...}, ...], optional\n"));
  EXPECT_THAT(text, testing::HasSubstr("  length: number > 0 [length], default 1\n"));
}

} // namespace
} // namespace komori::config
