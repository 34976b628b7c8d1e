/// The input as a tree: syntax, limits, files.
#include <cstdio>
#include <filesystem>
#include <fstream>

#include <fmt/format.h>

#include "config/node.hpp"
#include "support.hpp"

namespace komori::config {
namespace {

using testing::HasSubstr;
using testing::StartsWith;

std::string parse_error(const std::string& yaml) {
  return message_of([&] { parse(yaml, "inputs/a.yaml"); });
}

TEST(Node, KeepsOrderTextAndLines) {
  const Node root = parse("title: Double well\n"
                          "grid:\n"
                          "  y: {from: -2.5}\n"
                          "  x:\n"
                          "    from: '1'\n"
                          "list:\n"
                          "  - a\n"
                          "  - [b, c]\n"
                          "nothing:\n",
                          "inputs/a.yaml");

  ASSERT_EQ(root.kind, Node::Kind::map);
  ASSERT_EQ(root.children.size(), 4u);
  EXPECT_EQ(root.find("title")->text, "Double well");
  EXPECT_EQ(root.find("grid")->children[0].key, "y");
  EXPECT_EQ(root.find("grid")->find("y")->find("from")->text, "-2.5");
  EXPECT_EQ(root.find("grid")->find("y")->find("from")->shown(), "-2.5");
  EXPECT_EQ(root.find("grid")->find("x")->origin().text(), "inputs/a.yaml:4");
  EXPECT_EQ(root.find("grid")->find("x")->find("from")->line, 5);
  EXPECT_TRUE(root.find("grid")->find("x")->find("from")->quoted);
  EXPECT_EQ(root.find("grid")->find("x")->find("from")->shown(), "'1'");
  EXPECT_EQ(root.find("list")->children[1].children[1].text, "c");
  EXPECT_EQ(root.find("list")->children[1].line, 8);
  EXPECT_EQ(root.find("list")->shown(), "a list");
  EXPECT_EQ(root.find("nothing")->kind, Node::Kind::null);
  EXPECT_EQ(root.find("nothing")->shown(), "empty");
  EXPECT_EQ(root.find("absent"), nullptr);
  EXPECT_EQ(root.find("title")->find("absent"), nullptr);
}

TEST(Node, AnAliasStandsForItsValue) {
  const Node root = parse("x: &axis {from: 0, to: 1}\ny: *axis\n", "a.yaml");

  EXPECT_EQ(root.find("y")->find("to")->text, "1");
  EXPECT_EQ(root.find("y")->line, 2);
}

TEST(Node, ByteOrderMarkAndWindowsLineEndsAreFine) {
  const Node root = parse("\xEF\xBB\xBF"
                          "a: 1\r\nb: 2\r\n",
                          "a.yaml");

  EXPECT_EQ(root.find("a")->text, "1");
  EXPECT_EQ(root.find("b")->text, "2");
}

TEST(Node, DuplicateKeyNamesBothLines) {
  EXPECT_EQ(parse_error("a: 1\nb: 2\na: 3\n"),
            "inputs/a.yaml:3: key 'a' is given twice, first in line 1; keep one of them");
  EXPECT_EQ(parse_error("a: {b: 1,\n c: 2,\n b: 1}\n"),
            "inputs/a.yaml:3: key 'b' is given twice, first in line 1; keep one of them");
}

TEST(Node, SyntaxErrorsNameTheLine) {
  EXPECT_EQ(parse_error("a: [1, 2\nb: 3\n"),
            "inputs/a.yaml:2: not valid YAML: end of sequence flow not found (column 2); "
            "a '[' is not closed, or a ',' missing");
  EXPECT_EQ(parse_error("a: b: c\n"),
            "inputs/a.yaml:1: not valid YAML: illegal map value (column 5); is the line indented "
            "like its neighbours? Text that contains ': ' needs quotes");
  EXPECT_EQ(
      parse_error("a:\n\tb: 1\n"),
      "inputs/a.yaml:2: not valid YAML: illegal map value (column 3); the line is indented by "
      "a tab, use blanks");
  EXPECT_EQ(parse_error("a: 1\nb: *x\n"),
            "inputs/a.yaml:2: not valid YAML: the referenced anchor is not defined (column 4); a "
            "value that begins with one of * & % @ needs quotes");
  EXPECT_EQ(parse_error("a: {b: 1\n"), "inputs/a.yaml:2: not valid YAML: end of map flow not found "
                                       "(column 1); a '{' is not closed, or a ',' missing");
  EXPECT_THAT(parse_error("a: [[1, 2], [3, 4]"),
              HasSubstr("a '[' is not closed, or a ',' missing"));
}

TEST(Node, AnOpenQuoteDoesNotSwallowTheRest) {
  for (const std::string yaml : {"a: \"open\nb: 1\nc: 2\n", "a: 'open\nb: 1\nc: 2\n",
                                 "a:\n  b: 'open\nc: 2\n", "a: 1\nb: 2\nc: \"open"})
    EXPECT_EQ(parse_error(yaml),
              "inputs/a.yaml:4: not valid YAML: illegal EOF in scalar (column 2); "
              "a quote is opened but never closed");
  EXPECT_EQ(parse("a: \"two\n  lines\"", "a.yaml").find("a")->text, "two lines");
  EXPECT_EQ(parse("a: |\n  two\n  lines\n", "a.yaml").find("a")->text, "two\nlines\n");
}

TEST(Node, OnlyOneDocumentThatIsAMap) {
  EXPECT_EQ(parse_error("a: 1\n---\nb: 2\n"),
            "inputs/a.yaml:2: a second document begins here ('---'); an input is one document");
  const std::string empty =
      "inputs/a.yaml: the input is empty; it needs lines of the form 'key: value'";
  EXPECT_EQ(parse_error(""), empty);
  EXPECT_EQ(parse_error("# only a remark\n"), empty);
  EXPECT_EQ(parse_error("---\n"), empty);
  EXPECT_EQ(parse_error("\n- 1\n- 2\n"), "inputs/a.yaml:2: the input is a list, but must be lines "
                                         "of the form 'key: value'");
  EXPECT_EQ(parse_error("word"), "inputs/a.yaml:1: the input is 'word', but must be lines of the "
                                 "form 'key: value'");
}

TEST(Node, KeysAreWordsAndTagsAreRefused) {
  EXPECT_EQ(parse_error("[a, b]: 1\n"),
            "inputs/a.yaml:1: a key must be a word, but is a list or section; is a bracket or "
            "quote never closed?");
  EXPECT_EQ(parse_error("a: 1\n: 2\n"), "inputs/a.yaml:2: a key must be a word, but is empty");
  EXPECT_EQ(
      parse_error("a: !!python/object x\n"),
      "inputs/a.yaml:1: has the YAML tag 'tag:yaml.org,2002:python/object'; tags are not used "
      "here, leave it out");
  EXPECT_THAT(parse_error("a: !mine [1]\n"),
              StartsWith("inputs/a.yaml:1: has the YAML tag '!mine'"));
}

TEST(Node, AliasBombsEndInOneMessage) {
  std::string laughs = "a: &a [x,x,x,x,x,x,x,x,x]\n";
  for (char c = 'b'; c < 'm'; ++c) {
    std::string nine = fmt::format("*{}", char(c - 1));
    for (int i = 1; i < 9; ++i) nine += fmt::format(",*{}", char(c - 1));
    laughs += fmt::format("{0}: &{0} [{1}]\n", c, nine);
  }
  EXPECT_EQ(parse_error(laughs),
            "inputs/a.yaml:6: the input has more than 1000000 values (aliases count as what they "
            "stand for); put large data into a file of its own");

  std::string text = "a: &a \"" + std::string(1 << 20, 'x') + "\"\nb: [*a";
  for (int i = 0; i < 100; ++i) text += ", *a";
  EXPECT_EQ(parse_error(text + "]\n"),
            "inputs/a.yaml:2: the input has more than 64 MiB of text (aliases count as what they "
            "stand for)");

  const std::string within = "inputs/a.yaml:1: an alias stands inside the value that it names";
  EXPECT_EQ(parse_error("a: &a [*a]\n"), within);
  EXPECT_EQ(parse_error("a: &a {b: {c: *a}}\n"), within);
}

TEST(Node, DepthIsLimited) {
  const auto nested = [](int n) { return "a: " + std::string(n, '[') + std::string(n, ']'); };
  EXPECT_EQ(parse_error(nested(63)), "(no error)");
  const std::string deep = "inputs/a.yaml:1: lists and sections are nested deeper than 64 levels";
  EXPECT_EQ(parse_error(nested(64)), deep);
  EXPECT_EQ(parse_error(nested(400)), deep);
  EXPECT_THAT(parse_error("a: " + std::string(100'000, '[')), StartsWith("inputs/a.yaml:1: "));
  EXPECT_THAT(parse_error("a:\n " +
                          [] {
                            std::string dashes;
                            for (int i = 0; i < 100'000; ++i) dashes += "- ";
                            return dashes;
                          }()),
              HasSubstr("nested deeper than 64 levels"));
  // Aliases do not lead around the limit.
  std::string chain = "a0: &a0 [x]\n";
  for (int i = 1; i < 70; ++i) chain += fmt::format("a{0}: &a{0} [*a{1}]\n", i, i - 1);
  EXPECT_THAT(parse_error(chain), HasSubstr("nested deeper than 64 levels"));
}

// --- files ------------------------------------------------------------------------------------

/// A folder that rank 0 makes and that goes with the test.
class Files : public testing::Test {
protected:
  void SetUp() override {
    MPI_Comm_rank(MPI_COMM_WORLD, &rank_);
    char name[64] = "komori-config-XXXXXX";
    if (rank_ == 0) {
      const std::string pattern =
          (std::filesystem::temp_directory_path() / "komori-config-XXXXXX").string();
      std::snprintf(name, sizeof name, "%s", pattern.c_str());
      EXPECT_NE(mkdtemp(name), nullptr);
    }
    MPI_Bcast(name, sizeof name, MPI_CHAR, 0, MPI_COMM_WORLD);
    folder_ = name;
  }
  void TearDown() override {
    MPI_Barrier(MPI_COMM_WORLD);
    if (rank_ == 0) std::filesystem::remove_all(folder_);
  }
  void write(const std::string& name, const std::string& bytes) {
    if (rank_ == 0) std::ofstream(folder_ + "/" + name, std::ios::binary) << bytes;
  }
  std::string error(const std::string& name) {
    return message_of([&] { read_text(MPI_COMM_WORLD, folder_ + "/" + name); });
  }

  int rank_ = 0;
  std::string folder_;
};

TEST_F(Files, AllRanksGetTheText) {
  write("a.yaml", "title: caf\xC3\xA9 \xE2\x88\x92 \xF0\x9F\x90\xBB\n");
  write("empty.yaml", "");

  EXPECT_EQ(read_text(MPI_COMM_WORLD, folder_ + "/a.yaml"),
            "title: caf\xC3\xA9 \xE2\x88\x92 \xF0\x9F\x90\xBB\n");
  EXPECT_EQ(read_text(MPI_COMM_WORLD, folder_ + "/empty.yaml"), "");
}

TEST_F(Files, AbsentFileOffersTheNearest) {
  write("double_well.yaml", "a: 1\n");

  EXPECT_EQ(error("duoble_well.yaml"), "cannot read '" + folder_ +
                                           "/duoble_well.yaml': No such file or directory. Did you "
                                           "mean '" +
                                           folder_ + "/double_well.yaml'?");
  EXPECT_EQ(error("other.txt"),
            "cannot read '" + folder_ + "/other.txt': No such file or directory.");
  EXPECT_EQ(error("no/such/folder.yaml"),
            "cannot read '" + folder_ + "/no/such/folder.yaml': No such file or directory.");
  EXPECT_EQ(message_of([] { read_text(MPI_COMM_WORLD, ""); }),
            "cannot read '': No such file or directory.");
}

TEST_F(Files, FoldersAndUnreadableFilesAreRefused) {
  EXPECT_EQ(error(""), "cannot read '" + folder_ + "/': it is a folder");
  write("a.yaml", "a: 1\n");
  EXPECT_EQ(error("a.yaml/b.yaml"), "cannot read '" + folder_ + "/a.yaml/b.yaml': Not a directory");
}

TEST_F(Files, OnlyTextOfModestSize) {
  write("large.yaml", "# " + std::string((16u << 20) - 1, 'x'));
  EXPECT_EQ(error("large.yaml"),
            "cannot read '" + folder_ + "/large.yaml': larger than 16 MiB; is it an input file?");
  EXPECT_EQ(message_of([] { read_text(MPI_COMM_WORLD, "/dev/zero"); }),
            "cannot read '/dev/zero': larger than 16 MiB; is it an input file?");

  const auto bad = [&](const std::string& bytes) {
    write("bad.yaml", bytes);
    return error("bad.yaml");
  };
  const auto expected = [&](int line, const std::string& byte) {
    return folder_ + "/bad.yaml:" + std::to_string(line) + ": byte 0x" + byte +
           " is not UTF-8 text; is it an input file?";
  };
  EXPECT_EQ(bad(std::string("a: 1\nb: \0\n", 9)), expected(2, "00"));
  EXPECT_EQ(bad("\x89HDF\r\n"), expected(1, "89"));
  EXPECT_EQ(bad("a: caf\xE9\n"), expected(1, "e9"));      // Latin-1
  EXPECT_EQ(bad("a: \xC0\xAF\n"), expected(1, "c0"));     // overlong
  EXPECT_EQ(bad("a: \xED\xA0\x80\n"), expected(1, "ed")); // surrogate
  EXPECT_EQ(bad("a: \xF4\x90\x80\x80\n"), expected(1, "f4"));
  EXPECT_EQ(bad("a: \xE2\x88"), expected(1, "e2")); // cut off
  EXPECT_EQ(bad("a: \x1B[0m\n"), expected(1, "1b"));
}

} // namespace
} // namespace komori::config
