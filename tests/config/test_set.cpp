/// `--set` on the command line.
#include "support.hpp"

namespace komori::config {
namespace {

Node input() {
  return parse("model: {drift: [x, [y, z]]}\nspectrum: {pairs: 10, sides: right}\nempty:\n",
               "inputs/a.yaml");
}

std::string set_error(const std::string& assignment) {
  return message_of([&] {
    Node root = input();
    apply_set(root, assignment);
  });
}

TEST(Set, ReplacesAndAddsValues) {
  Node root = input();

  apply_set(root, "spectrum.pairs=20");
  apply_set(root, "spectrum.tolerance=1e-8");
  apply_set(root, "grid.x={from: -1, to: 1}");
  apply_set(root, "empty.key=[1, 2]");
  apply_set(root, "model.drift[1][0]=-x*y = 0");
  apply_set(root, "title=");

  const Node& spectrum = *root.find("spectrum");
  EXPECT_EQ(spectrum.find("pairs")->text, "20");
  EXPECT_EQ(spectrum.find("pairs")->origin().text(), "--set spectrum.pairs=20");
  EXPECT_EQ(spectrum.find("sides")->origin().text(), "inputs/a.yaml:2");
  EXPECT_EQ(spectrum.children.back().key, "tolerance");
  EXPECT_EQ(root.find("grid")->find("x")->find("to")->text, "1");
  EXPECT_EQ(root.find("grid")->find("x")->find("to")->origin().text(),
            "--set grid.x={from: -1, to: 1}");
  EXPECT_EQ(root.find("grid")->origin().text(), "--set grid.x={from: -1, to: 1}");
  EXPECT_EQ(root.find("empty")->find("key")->children.size(), 2u);
  EXPECT_EQ(root.find("model")->find("drift")->children[1].children[0].text, "-x*y = 0");
  EXPECT_EQ(root.find("title")->kind, Node::Kind::null);
}

TEST(Set, TheLastOneWins) {
  Node root = input();

  apply_set(root, "spectrum.pairs=1");
  apply_set(root, "spectrum.pairs=2");

  EXPECT_EQ(root.find("spectrum")->find("pairs")->text, "2");
  EXPECT_EQ(root.find("spectrum")->children.size(), 2u);
}

TEST(Set, MalformedAssignmentsSayTheForm) {
  for (const std::string assignment :
       {"spectrum.pairs", "=3", ".a=3", "a.=3", "a..b=3", "a[=3", "a[x]=3", "a[1=3", "a[1]b=3",
        "[1]=3", "a[-1]=3", "a b=3", "", "a[99999999999999999999]=1"})
    EXPECT_EQ(set_error(assignment),
              "--set " + assignment +
                  ": must have the form --set section.key=value, e.g. --set spectrum.pairs=20");
  EXPECT_EQ(set_error("a=[1, 2"),
            "--set a=[1, 2: a key must be a word, but is a list or section; is "
            "a bracket or quote never closed?");
  EXPECT_EQ(set_error("a={b: 1, b: 2}"),
            "--set a={b: 1, b: 2}: key 'b' is given twice; keep one of them");
}

TEST(Set, PathsMustFitWhatIsThere) {
  EXPECT_EQ(set_error("spectrum.pairs.more=1"),
            "--set spectrum.pairs.more=1: 'spectrum.pairs' is 10, not a section that could hold "
            "'more'");
  EXPECT_EQ(set_error("model.drift.x=1"), "--set model.drift.x=1: 'model.drift' is a list, not a "
                                          "section that could hold 'x'");
  EXPECT_EQ(set_error("model.drift[2]=1"),
            "--set model.drift[2]=1: 'model.drift' has no entry [2]; it has 2, counted from 0");
  EXPECT_EQ(set_error("model[0]=1"), "--set model[0]=1: 'model' is a section, not a list");
  std::string deep = "a";
  for (int i = 0; i < 100; ++i) deep += ".a";
  EXPECT_THAT(set_error(deep + "=1"), testing::HasSubstr("is nested deeper than 64 sections"));
}

} // namespace
} // namespace komori::config
