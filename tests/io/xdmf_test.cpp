#include "io/xdmf.hpp"

#include <vector>

#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include "temporary_folder.hpp"

namespace komori::io {
namespace {

using testing::AllOf;
using testing::HasSubstr;
using testing::Not;

int count(const std::string& text, const std::string& part) {
  int found = 0;
  for (std::size_t at = text.find(part); at != std::string::npos; at = text.find(part, at + 1)) {
    ++found;
  }
  return found;
}

/// Every element that opens also closes, in order; attributes are quoted, text holds no bare '&'.
void expect_well_formed(const std::string& text) {
  std::vector<std::string> open;
  std::size_t at = text.find("?>");
  ASSERT_NE(at, std::string::npos);
  while ((at = text.find('<', at + 1)) != std::string::npos) {
    const std::size_t end = text.find('>', at);
    ASSERT_NE(end, std::string::npos);
    const std::string tag = text.substr(at + 1, end - at - 1);
    EXPECT_EQ(count(tag, "\"") % 2, 0) << tag;
    if (tag[0] == '/') {
      ASSERT_FALSE(open.empty());
      EXPECT_EQ(open.back(), tag.substr(1));
      open.pop_back();
    } else if (tag.back() != '/') {
      open.push_back(tag.substr(0, tag.find(' ')));
    }
  }
  EXPECT_TRUE(open.empty());
  for (std::size_t i = text.find('&'); i != std::string::npos; i = text.find('&', i + 1)) {
    EXPECT_LT(text.find(';', i), i + 6);
  }
}

/// The sidecar of r.h5 with the line breaks left out.
std::string sidecar(const TemporaryFolder& folder, const std::vector<std::string>& axes,
                    const std::vector<hsize_t>& cells, const std::vector<XdmfField>& fields) {
  EXPECT_TRUE(write_xdmf(folder.comm(), folder.file("r.h5"), axes, cells, fields));
  std::string text = folder.content("r.xdmf");
  expect_well_formed(text);
  EXPECT_FALSE(folder.holds("r.xdmf.partial"));
  EXPECT_THAT(text, Not(HasSubstr(folder.path())));
  std::erase(text, '\n');
  return text;
}

TEST(Xdmf, ShowsTheLastAxisAlongX) {
  const TemporaryFolder folder;
  const std::string text = sidecar(folder, {"a", "b", "c"}, {2, 3, 4},
                                   {{.label = "density", .dataset = "/stationary/density"}});
  EXPECT_THAT(text, HasSubstr(R"(Grid Name="X = c, Y = b, Z = a")"));
  EXPECT_THAT(text, HasSubstr(R"(TopologyType="3DRectMesh" Dimensions="3 4 5")"));
  EXPECT_THAT(text, HasSubstr(R"(GeometryType="VXVYVZ")"));
  // Coordinates X, Y, Z in this order.
  const std::size_t c = text.find("r.h5:/grid_edges/c<");
  const std::size_t b = text.find("r.h5:/grid_edges/b<");
  const std::size_t a = text.find("r.h5:/grid_edges/a<");
  EXPECT_LT(c, b);
  EXPECT_LT(b, a);
  EXPECT_LT(a, text.size());
  EXPECT_THAT(text, HasSubstr(R"(<Attribute Name="density" AttributeType="Scalar" Center="Cell">)"
                              R"(<DataItem Dimensions="2 3 4" NumberType="Float" Precision="8" )"
                              R"(Format="HDF">r.h5:/stationary/density</DataItem>)"));
  EXPECT_THAT(text, Not(HasSubstr("Temporal")));
}

TEST(Xdmf, SelectsOneEntryOfALeadingAxis) {
  const TemporaryFolder folder;
  const std::string text =
      sidecar(folder, {"x", "y"}, {5, 6},
              {{.label = "mode 0", .dataset = "/spectrum/right", .index = 0},
               {.label = "mode 2", .dataset = "/spectrum/right", .index = 2},
               {.label = "left", .dataset = "/spectrum/left", .index = 1, .entries = 9}});
  EXPECT_THAT(text, HasSubstr(R"(Grid Name="X = y, Y = x")"));
  EXPECT_THAT(text, HasSubstr(R"(TopologyType="2DRectMesh" Dimensions="6 7")"));
  EXPECT_THAT(text, HasSubstr(R"(GeometryType="VXVY")"));
  EXPECT_THAT(text, HasSubstr(R"(ItemType="HyperSlab" Dimensions="5 6")"));
  EXPECT_THAT(text,
              HasSubstr(R"(Dimensions="3 3" NumberType="Int" Format="XML">2 0 0 1 1 1 1 5 6<)"));
  EXPECT_EQ(count(text, R"(<DataItem Dimensions="3 5 6")"), 2);
  EXPECT_EQ(count(text, R"(<DataItem Dimensions="9 5 6")"), 1);
}

TEST(Xdmf, ShowsOneAxisAsAStrip) {
  const TemporaryFolder folder;
  const std::string text = sidecar(folder, {"x"}, {8}, {{.label = "p", .dataset = "/p"}});
  EXPECT_THAT(text, HasSubstr(R"(TopologyType="2DRectMesh" Dimensions="2 9")"));
  EXPECT_THAT(text, HasSubstr(R"(ItemType="HyperSlab" Dimensions="1 8")"));
  EXPECT_THAT(text, HasSubstr(R"(Dimensions="3 1" NumberType="Int" Format="XML">0 1 8<)"));
  EXPECT_THAT(text, HasSubstr(">0 1</DataItem></Geometry>"));
}

TEST(Xdmf, AnimatesFieldsThatHaveATime) {
  const TemporaryFolder folder;
  const std::string text =
      sidecar(folder, {"x", "y"}, {5, 6},
              {{.label = "stationary", .dataset = "/stationary/density"},
               {.label = "density", .dataset = "/evolve/density", .index = 1, .time = 2.5},
               {.label = "density", .dataset = "/evolve/density", .index = 0, .time = 0.0}});
  EXPECT_EQ(count(text, "CollectionType=\"Temporal\""), 1);
  EXPECT_EQ(count(text, "GridType=\"Uniform\""), 2);
  EXPECT_EQ(count(text, "Name=\"stationary\""), 2);
  EXPECT_EQ(count(text, "Name=\"density\""), 2);
  const std::size_t first = text.find("<Time Value=\"0\"/>");
  const std::size_t second = text.find("<Time Value=\"2.5\"/>");
  EXPECT_LT(first, second);
  EXPECT_LT(second, text.size());
  EXPECT_LT(text.find(">0 0 0 1 1 1 1 5 6<"), second);
  EXPECT_GT(text.find(">1 0 0 1 1 1 1 5 6<"), second);
}

TEST(Xdmf, EscapesNames) {
  const TemporaryFolder folder;
  const std::string text =
      sidecar(folder, {"x", "y"}, {2, 2}, {{.label = "a<b & \"c\"", .dataset = "/p"}});
  EXPECT_THAT(text, HasSubstr("Name=\"a&lt;b &amp; &quot;c&quot;\""));
}

TEST(Xdmf, LeavesNothingBeyondThreeAxes) {
  const TemporaryFolder folder;
  folder.put("r.xdmf", "of an earlier run");
  EXPECT_FALSE(write_xdmf(folder.comm(), folder.file("r.h5"), {"a", "b", "c", "d"}, {2, 2, 2, 2},
                          {{.label = "p", .dataset = "/p"}}));
  EXPECT_FALSE(folder.holds("r.xdmf"));
  EXPECT_FALSE(write_xdmf(folder.comm(), folder.file("r.h5"), {"a"}, {2}, {}));
  EXPECT_FALSE(folder.holds("r.xdmf"));
}

TEST(Xdmf, SaysWhenItCannotWrite) {
  const TemporaryFolder folder;
  EXPECT_THAT(message_of<std::runtime_error>([&] {
                write_xdmf(folder.comm(), folder.file("no/r.h5"), {"x"}, {2},
                           {{.label = "p", .dataset = "/p"}});
              }),
              AllOf(HasSubstr("sidecar"), HasSubstr("cannot be written")));
}

TEST(Xdmf, NeverHasTheNameOfTheResult) {
  EXPECT_EQ(xdmf_path("a.b/run.h5"), "a.b/run.xdmf");
  EXPECT_EQ(xdmf_path("run.hdf5"), "run.xdmf");
  EXPECT_EQ(xdmf_path("run.xdmf"), "run.xdmf.xdmf");
  EXPECT_EQ(xdmf_path("run"), "run.xdmf");
  EXPECT_EQ(xdmf_path("run.beta2"), "run.beta2.xdmf");
}

} // namespace
} // namespace komori::io
