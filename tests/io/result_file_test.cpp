#include "io/result_file.hpp"

#include <algorithm>
#include <functional>
#include <numeric>

#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include "base/error.hpp"
#include "io/read_file.hpp"
#include "temporary_folder.hpp"

namespace komori::io {
namespace {

using testing::AllOf;
using testing::HasSubstr;

const Attributes plain{{"meaning", "for a test"}, {"unit", "-"}};

/// Entries of axis 0 in equal parts to the first ranks, two per rank, so that later ranks of a
/// short axis own nothing; all of the other axes.
Slab rows(const std::vector<hsize_t>& shape, hsize_t per_rank = 2) {
  Slab slab{.shape = shape, .start = std::vector<hsize_t>(shape.size(), 0), .count = shape};
  const auto rank = static_cast<hsize_t>(TemporaryFolder::rank());
  const bool last = TemporaryFolder::rank() == TemporaryFolder::size() - 1;
  slab.start[0] = std::min(shape[0], rank * per_rank);
  slab.count[0] = std::min(per_rank, shape[0] - slab.start[0]);
  if (last) slab.count[0] = shape[0] - slab.start[0];
  if (slab.count[0] == 0) std::fill(slab.count.begin(), slab.count.end(), 0);
  return slab;
}

/// A cut along the last axis: what a rank owns is not contiguous in the file.
Slab columns(const std::vector<hsize_t>& shape) {
  Slab slab{.shape = shape, .start = std::vector<hsize_t>(shape.size(), 0), .count = shape};
  const auto rank = static_cast<hsize_t>(TemporaryFolder::rank());
  const auto size = static_cast<hsize_t>(TemporaryFolder::size());
  const hsize_t last = shape.back();
  slab.start.back() = last * rank / size;
  slab.count.back() = last * (rank + 1) / size - slab.start.back();
  return slab;
}

/// Every entry's position in natural order, plus `offset`, for the entries of the slab.
std::vector<double> positions(const Slab& slab, double offset = 0) {
  std::vector<double> values;
  std::vector<hsize_t> index(slab.shape.size(), 0);
  const hsize_t total =
      std::accumulate(slab.count.begin(), slab.count.end(), hsize_t{1}, std::multiplies<>());
  for (hsize_t n = 0; n < total; ++n) {
    hsize_t position = 0;
    for (std::size_t k = 0; k < index.size(); ++k) {
      position = position * slab.shape[k] + slab.start[k] + index[k];
    }
    values.push_back(static_cast<double>(position) + offset);
    for (std::size_t k = index.size(); k-- > 0;) {
      if (++index[k] < slab.count[k]) break;
      index[k] = 0;
    }
  }
  return values;
}

std::vector<double> counting(std::size_t count, double offset = 0) {
  std::vector<double> values(count);
  std::iota(values.begin(), values.end(), offset);
  return values;
}

/// Reads attributes as a reader of the file would.
class Reopened {
public:
  explicit Reopened(const std::string& path)
      : file_(H5Fopen(path.c_str(), H5F_ACC_RDONLY, H5P_DEFAULT), path) {}
  std::string text(const std::string& object, const std::string& name) const {
    const AttributeId attribute(
        H5Aopen_by_name(file_.get(), object.c_str(), name.c_str(), H5P_DEFAULT, H5P_DEFAULT), name);
    const Datatype type(H5Aget_type(attribute.get()), name);
    const Dataspace space(H5Aget_space(attribute.get()), name);
    const auto entries = static_cast<std::size_t>(H5Sget_simple_extent_npoints(space.get()));
    const std::size_t length = H5Tget_size(type.get());
    std::string buffer(entries * length, '\0');
    check_hdf5(H5Aread(attribute.get(), type.get(), buffer.data()), name);
    std::string joined;
    for (std::size_t i = 0; i < entries; ++i) {
      if (i > 0) joined += "|";
      joined += std::string(buffer, i * length, length).c_str();
    }
    return joined;
  }
  double number(const std::string& object, const std::string& name) const {
    const AttributeId attribute(
        H5Aopen_by_name(file_.get(), object.c_str(), name.c_str(), H5P_DEFAULT, H5P_DEFAULT), name);
    double value = 0;
    check_hdf5(H5Aread(attribute.get(), H5T_NATIVE_DOUBLE, &value), name);
    return value;
  }

private:
  File file_;
};

TEST(ResultFile, HoldsArraysInNaturalOrderWhateverTheCut) {
  const TemporaryFolder folder;
  const std::vector<std::vector<hsize_t>> shapes{{5}, {3, 4}, {2, 3, 5}, {1, 2, 2, 3}};
  {
    ResultFile file(folder.comm(), folder.file("r.h5"));
    for (std::size_t i = 0; i < shapes.size(); ++i) {
      const Slab by_rows = rows(shapes[i]);
      const Slab by_columns = columns(shapes[i]);
      file.write("/rows/" + std::to_string(i), positions(by_rows), by_rows, plain);
      file.write("/columns/" + std::to_string(i), positions(by_columns), by_columns, plain);
    }
    file.commit();
  }

  const ReadFile read(folder.comm(), folder.file("r.h5"));
  for (std::size_t i = 0; i < shapes.size(); ++i) {
    for (const char* cut : {"/rows/", "/columns/"}) {
      const std::string name = cut + std::to_string(i);
      EXPECT_EQ(read.shape(name), shapes[i]);
      const std::vector<double> all = read.read_small(name, 1000);
      EXPECT_EQ(all, counting(all.size())) << name;
    }
    // Back on another cut than it was written with.
    const Slab slab = columns(shapes[i]);
    EXPECT_EQ(read.read("/rows/" + std::to_string(i), slab), positions(slab));
  }
}

TEST(ResultFile, HoldsRanksThatOwnNothing) {
  const TemporaryFolder folder;
  const Slab slab = rows({1, 3}); // rank 0 owns the only row
  {
    ResultFile file(folder.comm(), folder.file("r.h5"));
    file.write("/field", positions(slab), slab, plain);
    file.commit();
  }
  const ReadFile read(folder.comm(), folder.file("r.h5"));
  EXPECT_EQ(read.read("/field", slab), positions(slab));
  EXPECT_EQ(read.read_small("field", 3), counting(3));
}

TEST(ResultFile, FillsALeadingAxisEntryByEntry) {
  const TemporaryFolder folder;
  const Slab slab = columns({3, 4});
  {
    ResultFile file(folder.comm(), folder.file("r.h5"));
    file.create("/evolve/density", {3, 3, 4}, plain);
    for (const hsize_t entry : {2, 0, 1}) {
      file.write_leading("/evolve/density", entry,
                         positions(slab, 12.0 * static_cast<double>(entry)), slab);
    }
    file.commit();
  }
  const ReadFile read(folder.comm(), folder.file("r.h5"));
  EXPECT_EQ(read.read_small("/evolve/density", 36), counting(36));
}

TEST(ResultFile, HoldsSmallArraysNumbersAndTexts) {
  const TemporaryFolder folder;
  {
    ResultFile file(folder.comm(), folder.file("r.h5"));
    file.write_small("/values", counting(6), {2, 3}, plain);
    file.write_small("/nothing", std::vector<double>{}, {0}, plain);
    file.write_small("/number", std::vector<double>{2.5}, {}, plain);
    file.write_strings("/words", {"converged", "", "not converged"}, plain);
    file.write_strings("/no_words", {}, plain);
    file.write_text("/text", "line one\nline two: \xc3\xa9", plain);
    file.write_text("/empty", "", plain);
    EXPECT_TRUE(file.contains("/values"));
    EXPECT_FALSE(file.contains("/values/deeper"));
    EXPECT_FALSE(file.contains("/absent/deeper"));
    EXPECT_EQ(file.shape("/values"), (std::vector<hsize_t>{2, 3}));
    EXPECT_EQ(file.shape("/absent"), std::vector<hsize_t>{});
    file.commit();
  }
  const ReadFile read(folder.comm(), folder.file("r.h5"));
  EXPECT_EQ(read.read_small("/values", 6), counting(6));
  EXPECT_TRUE(read.read_small("/nothing", 6).empty());
  EXPECT_EQ(read.read_small("/number", 1), std::vector<double>{2.5});
  EXPECT_EQ(read.read_text("/text"), "line one\nline two: \xc3\xa9");
  EXPECT_EQ(read.read_text("/empty"), "");
  EXPECT_THAT(message_of<base::InputError>([&] { read.read_text("/words"); }),
              HasSubstr("'/words' is not a single text"));
}

TEST(ResultFile, SaysWhatDataMean) {
  const TemporaryFolder folder;
  {
    ResultFile file(folder.comm(), folder.file("r.h5"));
    file.annotate("/", {{"axes", std::vector<std::string>{"x", "momentum"}}, {"title", ""}});
    file.write_small("/a/values", counting(2), {2},
                     {{"meaning", "values"}, {"unit", "1/time"}, {"order", 2.0}});
    file.annotate("/a", {{"verdict", "suspect"}, {"count", std::int64_t{3}}});
    file.annotate("/a", {{"verdict", "converged"}});
    file.annotate("/b/c", {{"residual", 1e-12}});
    file.commit();
  }
  const Reopened file(folder.file("r.h5"));
  EXPECT_EQ(file.text("/", "axes"), "x|momentum");
  EXPECT_EQ(file.text("/", "title"), "");
  EXPECT_EQ(file.text("/a/values", "unit"), "1/time");
  EXPECT_EQ(file.number("/a/values", "order"), 2);
  EXPECT_EQ(file.text("/a", "verdict"), "converged");
  EXPECT_EQ(file.number("/a", "count"), 3);
  EXPECT_EQ(file.number("/b/c", "residual"), 1e-12);
}

TEST(ResultFile, VanishesWithoutCommit) {
  const TemporaryFolder folder;
  folder.put("r.h5", "an older result");
  {
    ResultFile file(folder.comm(), folder.file("r.h5"));
    file.write_small("/values", counting(2), {2}, plain);
    EXPECT_TRUE(folder.holds("r.h5.partial"));
  }
  EXPECT_FALSE(folder.holds("r.h5.partial"));
  EXPECT_EQ(folder.content("r.h5"), "an older result");
}

TEST(ResultFile, ReplacesAnOlderResultWhole) {
  const TemporaryFolder folder;
  folder.put("r.h5", "an older result");
  {
    ResultFile file(folder.comm(), folder.file("r.h5"));
    file.write_small("/values", counting(2), {2}, plain);
    EXPECT_EQ(folder.content("r.h5"), "an older result");
    file.commit();
  }
  EXPECT_FALSE(folder.holds("r.h5.partial"));
  EXPECT_EQ(ReadFile(folder.comm(), folder.file("r.h5")).read_small("values", 2), counting(2));
}

TEST(ResultFile, RefusesToOverwriteUnlessAsked) {
  const TemporaryFolder folder;
  folder.put("r.h5", "an older result");
  EXPECT_EQ(message_of<base::InputError>(
                [&] { ResultFile::require_writable(folder.comm(), folder.file("r.h5"), false); }),
            "output '" + folder.file("r.h5") +
                "' exists and is kept; give --overwrite to replace it, or --output another name");
  EXPECT_NO_THROW(ResultFile::require_writable(folder.comm(), folder.file("r.h5"), true));
  EXPECT_NO_THROW(ResultFile::require_writable(folder.comm(), folder.file("new.h5"), false));
}

TEST(ResultFile, RefusesPlacesItCannotWriteTo) {
  const TemporaryFolder folder;
  EXPECT_THAT(message_of<base::InputError>(
                  [&] { ResultFile::require_writable(folder.comm(), folder.path(), true); }),
              HasSubstr("is a folder"));
  EXPECT_THAT(message_of<base::InputError>([&] {
                ResultFile::require_writable(folder.comm(), folder.file("no/r.h5"), true);
              }),
              AllOf(HasSubstr("there is no folder"), HasSubstr("create it")));
  EXPECT_THAT(message_of<std::runtime_error>(
                  [&] { const ResultFile file(folder.comm(), folder.file("no/r.h5")); }),
              HasSubstr("cannot create"));
}

TEST(ResultFile, RefusesABlockOfTheWrongSize) {
  const TemporaryFolder folder;
  ResultFile file(folder.comm(), folder.file("r.h5"));
  const Slab slab = columns({2, 8});
  std::vector<double> local = positions(slab);
  if (folder.rank() == folder.size() - 1) local.pop_back();
  EXPECT_THAT(message_of<std::runtime_error>([&] { file.write("/field", local, slab, plain); }),
              AllOf(HasSubstr("/field"), HasSubstr("values")));
}

} // namespace
} // namespace komori::io
