#include "io/read_file.hpp"

#include <array>
#include <cmath>
#include <functional>
#include <limits>

#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include "base/error.hpp"
#include "temporary_folder.hpp"

namespace komori::io {
namespace {

using testing::AllOf;
using testing::HasSubstr;
using testing::Not;

/// Writes HDF5 files as a user's program would: on one rank, without our writer.
class Foreign {
public:
  explicit Foreign(const std::string& path)
      : file_(H5Fcreate(path.c_str(), H5F_ACC_TRUNC, H5P_DEFAULT, H5P_DEFAULT), path) {}
  hid_t id() const { return file_.get(); }

  /// `stored`: the type in the file. `properties`: of the dataset.
  void numbers(const std::string& name, const std::vector<hsize_t>& shape,
               const std::vector<double>& values, hid_t stored = H5T_NATIVE_DOUBLE,
               hid_t properties = H5P_DEFAULT) const {
    const Dataspace space(H5Screate_simple(static_cast<int>(shape.size()), shape.data(), nullptr),
                          name);
    const Dataset dataset(H5Dcreate2(file_.get(), name.c_str(), stored, space.get(), H5P_DEFAULT,
                                     properties, H5P_DEFAULT),
                          name);
    check_hdf5(
        H5Dwrite(dataset.get(), H5T_NATIVE_DOUBLE, H5S_ALL, H5S_ALL, H5P_DEFAULT, values.data()),
        name);
  }
  void variable_text(const std::string& name, const char* text) const {
    const Datatype type(H5Tcopy(H5T_C_S1), name);
    check_hdf5(H5Tset_size(type.get(), H5T_VARIABLE), name);
    const Dataspace space(H5Screate(H5S_SCALAR), name);
    const Dataset dataset(H5Dcreate2(file_.get(), name.c_str(), type.get(), space.get(),
                                     H5P_DEFAULT, H5P_DEFAULT, H5P_DEFAULT),
                          name);
    check_hdf5(H5Dwrite(dataset.get(), type.get(), H5S_ALL, H5S_ALL, H5P_DEFAULT, &text), name);
  }

private:
  File file_;
};

class ReadingAFile : public testing::Test {
protected:
  /// Rank 0 fills a file; all ranks wait for it.
  std::string made(const std::string& name, const std::function<void(const Foreign&)>& fill) const {
    base::on_first_rank(folder_.comm(), [&] {
      fill(Foreign(folder_.file(name)));
      return std::string();
    });
    return folder_.file(name);
  }
  std::string refusal(const std::string& path,
                      const std::function<void(const ReadFile&)>& use) const {
    const std::string message =
        message_of<base::InputError>([&] { use(ReadFile(folder_.comm(), path)); });
    EXPECT_THAT(message, AllOf(HasSubstr("'" + path + "': "), Not(HasSubstr("\n"))));
    return message;
  }
  std::string refusal(const std::string& path) const {
    return refusal(path, [](const ReadFile&) {});
  }
  /// All of the array on rank 0, nothing elsewhere.
  Slab on_rank_0(const std::vector<hsize_t>& shape) const {
    return {.shape = shape,
            .start = std::vector<hsize_t>(shape.size(), 0),
            .count = folder_.rank() == 0 ? shape : std::vector<hsize_t>(shape.size(), 0)};
  }
  /// The last rank has the last row, rank 0 the others.
  Slab last_row_apart(const std::vector<hsize_t>& shape) const {
    Slab slab = on_rank_0(shape);
    if (folder_.size() == 1) return slab;
    if (folder_.rank() == 0) --slab.count[0];
    if (folder_.rank() == folder_.size() - 1) {
      slab.start[0] = shape[0] - 1;
      slab.count = shape;
      slab.count[0] = 1;
    }
    return slab;
  }

  const TemporaryFolder folder_;
};

TEST_F(ReadingAFile, ConvertsEveryKindOfRealNumber) {
  const std::vector<double> values{0, 1, 2, 3, 4, 100};
  const std::string path = made("r.h5", [&](const Foreign& file) {
    file.numbers("double", {2, 3}, values);
    file.numbers("float", {2, 3}, values, H5T_IEEE_F32BE);
    file.numbers("byte", {2, 3}, values, H5T_STD_U8LE);
    file.numbers("long", {2, 3}, values, H5T_STD_I64BE);
    const PropertyList chunked(H5Pcreate(H5P_DATASET_CREATE), "properties");
    const std::array<hsize_t, 2> chunk{2, 2};
    H5Pset_chunk(chunked.get(), 2, chunk.data());
    H5Pset_deflate(chunked.get(), 6);
    file.numbers("compressed", {2, 3}, values, H5T_NATIVE_DOUBLE, chunked.get());
  });

  const ReadFile file(folder_.comm(), path);
  for (const char* name : {"double", "/double", "float", "byte", "long", "compressed"}) {
    EXPECT_TRUE(file.contains(name));
    EXPECT_EQ(file.shape(name), (std::vector<hsize_t>{2, 3}));
    EXPECT_EQ(file.read_small(name, 6), values) << name;
    const Slab slab = last_row_apart({2, 3});
    const std::vector<double> mine = file.read(name, slab);
    ASSERT_EQ(mine.size(), slab.count[0] * slab.count[1]);
    for (std::size_t i = 0; i < mine.size(); ++i) EXPECT_EQ(mine[i], values[3 * slab.start[0] + i]);
  }
}

TEST_F(ReadingAFile, ReadsTexts) {
  const std::string path = made("r.h5", [](const Foreign& file) {
    file.variable_text("note", "a text of any length");
    file.numbers("numbers", {1}, {1});
  });
  const ReadFile file(folder_.comm(), path);
  EXPECT_EQ(file.read_text("note"), "a text of any length");
  EXPECT_THAT(message_of<base::InputError>([&] { file.read_text("note", 4); }),
              HasSubstr("longer than the 4 bytes"));
  EXPECT_THAT(message_of<base::InputError>([&] { file.read_text("numbers"); }),
              HasSubstr("'numbers' is not a single text"));
  EXPECT_THAT(message_of<base::InputError>([&] { file.shape("note"); }),
              HasSubstr("does not hold real numbers"));
}

TEST_F(ReadingAFile, RefusesWhatIsNoWholeHdf5File) {
  EXPECT_THAT(refusal(folder_.file("absent.h5")), HasSubstr("there is no such file"));
  EXPECT_THAT(refusal(folder_.path()), HasSubstr("not a file"));
  folder_.put("foreign.h5", "model: {kind: sde}\n");
  EXPECT_THAT(refusal(folder_.file("foreign.h5")), HasSubstr("not an HDF5 file"));
  folder_.put("empty.h5", "");
  EXPECT_THAT(refusal(folder_.file("empty.h5")), HasSubstr("not an HDF5 file"));

  made("whole.h5",
       [](const Foreign& file) { file.numbers("values", {1000}, std::vector<double>(1000, 1.0)); });
  const std::string whole = folder_.content("whole.h5");
  folder_.put("half.h5", whole.substr(0, whole.size() / 2));
  EXPECT_THAT(refusal(folder_.file("half.h5")),
              AllOf(HasSubstr("damaged or incomplete"), HasSubstr("truncated")));
}

TEST_F(ReadingAFile, SurvivesDamagedBytes) {
  made("whole.h5", [](const Foreign& file) {
    const Group group(H5Gcreate2(file.id(), "a", H5P_DEFAULT, H5P_DEFAULT, H5P_DEFAULT), "a");
    file.numbers("a/values", {50}, std::vector<double>(50, 1.0));
  });
  const std::string whole = folder_.content("whole.h5");
  for (std::size_t at = 8; at < whole.size(); at += 37) {
    std::string damaged = whole;
    for (std::size_t i = at; i < std::min(at + 4, whole.size()); ++i) damaged[i] ^= 0x55;
    folder_.put("damaged.h5", damaged);
    try {
      const ReadFile file(folder_.comm(), folder_.file("damaged.h5"));
      for (const double value : file.read("a/values", on_rank_0({50}))) {
        EXPECT_TRUE(std::isfinite(value));
      }
    } catch (const base::InputError& error) {
      EXPECT_THAT(error.what(), HasSubstr("damaged.h5"));
    }
    MPI_Barrier(folder_.comm()); // the file changes when all are done with it
  }
}

TEST_F(ReadingAFile, NamesWhatIsThereWhenADatasetIsAbsent) {
  const std::string path = made("r.h5", [](const Foreign& file) {
    file.numbers("density", {2}, {1, 2});
    const Group group(H5Gcreate2(file.id(), "chain", H5P_DEFAULT, H5P_DEFAULT, H5P_DEFAULT), "");
    file.numbers("chain/matrix", {1}, {1});
  });
  const auto shape = [](const char* name) {
    return [name](const ReadFile& file) { file.shape(name); };
  };
  EXPECT_THAT(refusal(path, shape("densty")),
              AllOf(HasSubstr("no dataset 'densty'"), HasSubstr("'chain/matrix', 'density'")));
  EXPECT_THAT(refusal(path, shape("density/deeper")), HasSubstr("no dataset 'density/deeper'"));
  EXPECT_THAT(refusal(path, shape("chain")), HasSubstr("'chain' is not a dataset"));
  EXPECT_THAT(refusal(path, shape("")), HasSubstr("no dataset ''"));
  EXPECT_THAT(refusal(path, shape("/")), HasSubstr("'/"));
  EXPECT_FALSE(ReadFile(folder_.comm(), path).contains("chain"));
  EXPECT_FALSE(ReadFile(folder_.comm(), path).contains("no/such/thing"));
  EXPECT_THAT(refusal(made("none.h5", [](const Foreign&) {}), shape("a")),
              HasSubstr("it holds no datasets"));
}

TEST_F(ReadingAFile, NamesBothShapes) {
  const std::string path = made("r.h5", [](const Foreign& file) {
    file.numbers("density", {2, 3}, {1, 2, 3, 4, 5, 6});
  });
  EXPECT_THAT(refusal(path,
                      [&](const ReadFile& file) {
                        file.read("density", on_rank_0({3, 2}));
                      }),
              HasSubstr("'density' has shape [2, 3], but [3, 2] is needed"));
  EXPECT_THAT(refusal(path, [&](const ReadFile& file) { file.read("density", on_rank_0({6})); }),
              HasSubstr("but [6] is needed"));
  EXPECT_THAT(refusal(path, [](const ReadFile& file) { file.read_small("density", 5); }),
              HasSubstr("at most 5 values are allowed"));
}

TEST_F(ReadingAFile, DoesNotAllocateWhatAFileClaims) {
  const std::string path = made("r.h5", [](const Foreign& file) {
    const std::array<hsize_t, 3> shape{hsize_t{1} << 40, hsize_t{1} << 40, hsize_t{1} << 20};
    const std::array<hsize_t, 3> chunk{1, 1, 1};
    const Dataspace space(H5Screate_simple(3, shape.data(), nullptr), "space");
    const PropertyList chunked(H5Pcreate(H5P_DATASET_CREATE), "properties");
    H5Pset_chunk(chunked.get(), 3, chunk.data());
    const Dataset dataset(H5Dcreate2(file.id(), "huge", H5T_NATIVE_DOUBLE, space.get(), H5P_DEFAULT,
                                     chunked.get(), H5P_DEFAULT),
                          "huge");
  });
  EXPECT_THAT(refusal(path, [](const ReadFile& file) { file.read_small("huge", 1000); }),
              HasSubstr("at most 1000 values"));
}

TEST_F(ReadingAFile, SaysWhereAValueIsNotFinite) {
  const double nan = std::numeric_limits<double>::quiet_NaN();
  const double infinity = std::numeric_limits<double>::infinity();
  const std::string path = made("r.h5", [&](const Foreign& file) {
    file.numbers("late", {3, 2}, {1, 2, 3, 4, 5, nan});
    file.numbers("both", {3, 2}, {1, 2, 3, -infinity, nan, nan});
    file.numbers("number", {1}, {infinity}, H5T_IEEE_F32LE);
  });
  const auto whole = [&](const char* name) {
    return [this, name](const ReadFile& file) { file.read(name, last_row_apart({3, 2})); };
  };
  EXPECT_THAT(refusal(path, whole("late")), HasSubstr("'late' holds nan at [2, 1]"));
  EXPECT_THAT(refusal(path, whole("both")), HasSubstr("'both' holds -inf at [1, 1]"));
  EXPECT_THAT(refusal(path, [](const ReadFile& file) { file.read_small("both", 10); }),
              HasSubstr("'both' holds -inf at [1, 1]"));
  EXPECT_THAT(refusal(path, [](const ReadFile& file) { file.read_small("number", 1); }),
              HasSubstr("'number' holds inf at [0]"));
}

TEST_F(ReadingAFile, StaysWithinTheFile) {
  made("other.h5", [](const Foreign& file) { file.numbers("secret", {1}, {7}); });
  folder_.put("raw.bin", std::string(80, 'x'));
  const std::string path = made("r.h5", [&](const Foreign& file) {
    file.numbers("here", {1}, {1});
    H5Lcreate_soft("/here", file.id(), "alias", H5P_DEFAULT, H5P_DEFAULT);
    H5Lcreate_soft("/nowhere", file.id(), "dangling", H5P_DEFAULT, H5P_DEFAULT);
    H5Lcreate_external("other.h5", "/secret", file.id(), "away", H5P_DEFAULT, H5P_DEFAULT);
    H5Lcreate_soft("/away", file.id(), "detour", H5P_DEFAULT, H5P_DEFAULT);
    const PropertyList outside(H5Pcreate(H5P_DATASET_CREATE), "properties");
    H5Pset_external(outside.get(), folder_.file("raw.bin").c_str(), 0, 80);
    const hsize_t ten = 10;
    const Dataspace space(H5Screate_simple(1, &ten, nullptr), "space");
    const Dataset dataset(H5Dcreate2(file.id(), "outside", H5T_NATIVE_DOUBLE, space.get(),
                                     H5P_DEFAULT, outside.get(), H5P_DEFAULT),
                          "outside");
  });
  const auto small = [](const char* name) {
    return [name](const ReadFile& file) { file.read_small(name, 10); };
  };
  EXPECT_EQ(ReadFile(folder_.comm(), path).read_small("alias", 1), std::vector<double>{1});
  EXPECT_THAT(refusal(path, small("dangling")), HasSubstr("no dataset 'dangling'"));
  EXPECT_THAT(refusal(path, small("away")), HasSubstr("link into another file"));
  EXPECT_THAT(refusal(path, small("detour")), HasSubstr("another file"));
  EXPECT_THAT(refusal(path, small("outside")), HasSubstr("another file"));
}

} // namespace
} // namespace komori::io
