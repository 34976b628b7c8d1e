/// What a result file does when the disk, other programs or a part of the run get in its way.
#include <algorithm>
#include <cmath>
#include <csignal>
#include <numeric>

#include <gmock/gmock.h>
#include <gtest/gtest.h>
#include <sys/resource.h>
#include <sys/stat.h>

#include "base/error.hpp"
#include "io/result_file.hpp"
#include "temporary_folder.hpp"

namespace komori::io {
namespace {

using testing::AllOf;
using testing::HasSubstr;

const Attributes plain{{"meaning", "for a test"}, {"unit", "-"}};

/// Columns of a matrix, shared out evenly among the ranks of `comm`.
Slab columns(MPI_Comm comm, hsize_t rows, hsize_t columns) {
  int rank = 0;
  int size = 1;
  MPI_Comm_rank(comm, &rank);
  MPI_Comm_size(comm, &size);
  const hsize_t first = columns * static_cast<hsize_t>(rank) / static_cast<hsize_t>(size);
  const hsize_t last = columns * static_cast<hsize_t>(rank + 1) / static_cast<hsize_t>(size);
  return {.shape = {rows, columns}, .start = {0, first}, .count = {rows, last - first}};
}

/// The place of each entry of the slab in natural order.
std::vector<double> places(const Slab& slab) {
  std::vector<double> values;
  for (hsize_t i = 0; i < slab.count[0]; ++i) {
    for (hsize_t j = 0; j < slab.count[1]; ++j) {
      values.push_back(
          static_cast<double>((slab.start[0] + i) * slab.shape[1] + slab.start[1] + j));
    }
  }
  return values;
}

/// All values of a dataset, whatever they are.
std::vector<double> values_in(const std::string& path, const std::string& name) {
  const File file(H5Fopen(path.c_str(), H5F_ACC_RDONLY, H5P_DEFAULT), path);
  const Dataset dataset(H5Dopen2(file.get(), name.c_str(), H5P_DEFAULT), name);
  const Dataspace space(H5Dget_space(dataset.get()), name);
  std::vector<double> values(static_cast<std::size_t>(H5Sget_simple_extent_npoints(space.get())));
  check_hdf5(
      H5Dread(dataset.get(), H5T_NATIVE_DOUBLE, H5S_ALL, H5S_ALL, H5P_DEFAULT, values.data()),
      name);
  return values;
}

class ResultOnDisk : public testing::Test {
protected:
  std::string path() const { return folder_.file("r.h5"); }
  /// A place in the temporary file where the values of a dataset begin.
  static std::uint64_t offset_of(const ResultFile& file, const char* name) {
    const Dataset dataset(H5Dopen2(file.handle(), name, H5P_DEFAULT), name);
    return H5Dget_offset(dataset.get());
  }
  void expect_nothing_left() const {
    EXPECT_FALSE(folder_.holds("r.h5.partial"));
    EXPECT_FALSE(folder_.holds("r.h5.partial.room"));
    EXPECT_FALSE(folder_.holds("r.h5"));
  }

  const TemporaryFolder folder_;
};

TEST_F(ResultOnDisk, IsTheSameFromAnyNumberOfRanks) {
  const auto write = [&](MPI_Comm comm, const std::string& to, hsize_t at_once) {
    ResultFile file(comm, to, 0, true, at_once);
    const Slab slab = columns(comm, 6, 5);
    file.annotate("/", {{"title", "a title"}, {"axes", std::vector<std::string>{"x", "y"}}});
    file.write("/a/field", places(slab), slab, plain);
    file.create("/a/series", {2, 6, 5}, plain);
    for (const hsize_t entry : {1, 0}) file.write_leading("/a/series", entry, places(slab), slab);
    file.write_strings("/words", {"one", "two"}, plain);
    file.commit();
  };
  write(folder_.comm(), path(), hsize_t{1} << 27);
  write(folder_.comm(), folder_.file("pieces.h5"), 4);
  MPI_Comm alone = MPI_COMM_NULL;
  MPI_Comm_split(folder_.comm(), folder_.rank(), 0, &alone);
  if (folder_.rank() == 0) write(alone, folder_.file("one.h5"), hsize_t{1} << 27);
  MPI_Comm_free(&alone);

  const std::string bytes = folder_.content("r.h5");
  EXPECT_EQ(folder_.content("pieces.h5"), bytes);
  EXPECT_EQ(folder_.content("one.h5"), bytes);
  std::vector<double> all(30);
  std::iota(all.begin(), all.end(), 0);
  EXPECT_EQ(values_in(path(), "/a/field"), all);
}

TEST_F(ResultOnDisk, IsRefusedWhenTheDiskHoldsSomethingElse) {
  const Slab slab = columns(folder_.comm(), 40, 50);
  {
    ResultFile file(folder_.comm(), path());
    file.write("/field", places(slab), slab, plain);
    file.write_small("/other", std::vector<double>{1, 2}, {2}, plain);
    const std::uint64_t offset = offset_of(file, "/field");
    if (folder_.rank() == 0) {
      std::fstream stream(path() + ".partial", std::ios::binary | std::ios::in | std::ios::out);
      stream.seekp(static_cast<std::streamoff>(offset + 8 * 1234));
      stream.write("\0\0\0\0\0\0\0\0", 8);
    }
    MPI_Barrier(folder_.comm());
    EXPECT_THAT(message_of<base::Error>([&] { file.commit(); }),
                AllOf(HasSubstr("'" + path() + "'"), HasSubstr("'/field' is not on the disk"),
                      HasSubstr("quota")));
  }
  expect_nothing_left();
}

TEST_F(ResultOnDisk, SaysAtOnceThatThereIsNoRoom) {
  rlimit before{};
  ASSERT_EQ(getrlimit(RLIMIT_FSIZE, &before), 0);
  const auto handler = std::signal(SIGXFSZ, SIG_IGN);
  {
    ResultFile file(folder_.comm(), path());
    rlimit small = before;
    small.rlim_cur = 100'000;
    ASSERT_EQ(setrlimit(RLIMIT_FSIZE, &small), 0);
    const Slab slab = columns(folder_.comm(), 200, 200);
    EXPECT_THAT(message_of<base::Error>([&] { file.write("/field", places(slab), slab, plain); }),
                AllOf(HasSubstr("'" + path() +
                                "' cannot be written: no room for the 0.32 MB of "
                                "'/field'"),
                      HasSubstr("File too large")));
    setrlimit(RLIMIT_FSIZE, &before);
  }
  std::signal(SIGXFSZ, handler);
  expect_nothing_left();
}

TEST_F(ResultOnDisk, LeavesNothingWhenWritingFails) {
  {
    ResultFile file(folder_.comm(), path());
    for (int i = 0; i < 100; ++i) {
      file.write_small("/group/" + std::to_string(i), std::vector<double>(1000, i), {1000}, plain);
    }
    EXPECT_THAT(message_of<base::Error>(
                    [&] { file.write_small("/group/7", std::vector<double>{1}, {1}, plain); }),
                HasSubstr("'/group/7'"));
  }
  expect_nothing_left();
}

TEST_F(ResultOnDisk, LeavesAloneAFileThatCameMeanwhile) {
  {
    ResultFile file(folder_.comm(), path(), 0, false);
    file.write_small("/x", std::vector<double>{1}, {1}, plain);
    folder_.put("r.h5", "somebody else's");
    EXPECT_THAT(message_of<base::Error>([&] { file.commit(); }),
                AllOf(HasSubstr("is kept"), HasSubstr("the result is '" + path() + ".partial'")));
  }
  EXPECT_EQ(folder_.content("r.h5"), "somebody else's");
  EXPECT_EQ(values_in(path() + ".partial", "/x"), std::vector<double>{1});
}

TEST_F(ResultOnDisk, OverwritesWhatAKilledRunLeft) {
  folder_.put("r.h5.partial", std::string(10'000, 'x'));
  folder_.put("r.h5.partial.locktest.3", "");
  EXPECT_NO_THROW(ResultFile::require_writable(folder_.comm(), path(), false));
  EXPECT_TRUE(folder_.holds("r.h5.partial"));
  {
    ResultFile file(folder_.comm(), path());
    file.write_small("/x", std::vector<double>{1}, {1}, plain);
    file.commit();
  }
  EXPECT_FALSE(folder_.holds("r.h5.partial"));
  EXPECT_FALSE(folder_.holds("r.h5.partial.locktest.3"));
  EXPECT_EQ(values_in(path(), "/x"), std::vector<double>{1});
}

TEST_F(ResultOnDisk, FindsPlacesUnfitBeforeAnyWork) {
  const auto refusal = [&](const std::string& name) {
    return message_of<base::InputError>(
        [&] { ResultFile::require_writable(folder_.comm(), name, true); });
  };
  if (folder_.rank() == 0) {
    ASSERT_EQ(::mkfifo(folder_.file("pipe").c_str(), 0600), 0);
  }
  MPI_Barrier(folder_.comm());
  EXPECT_THAT(refusal(folder_.file("pipe")), HasSubstr("no ordinary file"));
  EXPECT_THAT(refusal(""), HasSubstr("is a folder"));
  EXPECT_THAT(refusal(folder_.file("new/")), HasSubstr("is a folder"));
  EXPECT_THAT(refusal(folder_.file(std::string(250, 'n'))), HasSubstr("File name too long"));
  EXPECT_NO_THROW(ResultFile::require_writable(folder_.comm(), path(), false));
  expect_nothing_left();
}

TEST_F(ResultOnDisk, MarksEntriesThatWereNeverWritten) {
  const Slab slab = columns(folder_.comm(), 3, 4);
  {
    ResultFile file(folder_.comm(), path());
    file.create("/series", {3, 3, 4}, plain);
    file.create("/numbers", {4}, plain);
    file.create("/none", {0, 3, 4}, plain);
    file.write_leading("/series", 1, places(slab), slab);
    const std::vector<double> number(folder_.rank() == 0 ? 1 : 0, 5.0);
    file.write_leading("/numbers", 2, number, {});
    file.commit();
  }
  const std::vector<double> series = values_in(path(), "/series");
  for (std::size_t i = 0; i < series.size(); ++i) {
    if (i / 12 == 1) {
      EXPECT_EQ(series[i], static_cast<double>(i - 12));
    } else {
      EXPECT_TRUE(std::isnan(series[i])) << i;
    }
  }
  const std::vector<double> numbers = values_in(path(), "/numbers");
  EXPECT_EQ(numbers[2], 5);
  EXPECT_EQ(std::count_if(numbers.begin(), numbers.end(), [](double x) { return std::isnan(x); }),
            3);
  EXPECT_TRUE(values_in(path(), "/none").empty());
}

TEST_F(ResultOnDisk, RefusesBlocksThatDoNotMakeUpTheArray) {
  const Slab slab = columns(folder_.comm(), 3, 4);
  const auto refusal = [&](const std::function<void(ResultFile&)>& use) {
    ResultFile file(folder_.comm(), path());
    file.create("/series", {2, 3, 4}, plain);
    return message_of<base::Error>([&] { use(file); });
  };
  EXPECT_THAT(refusal([&](ResultFile& file) {
                Slab part = slab;
                part.count[0] = 2;
                file.write("/a", places(part), part, plain);
              }),
              HasSubstr("the ranks hold 8 values in all, not 12"));
  EXPECT_THAT(refusal([&](ResultFile& file) {
                Slab beyond = slab;
                if (folder_.rank() == folder_.size() - 1) beyond.start[0] = 1;
                file.write("/a", places(slab), beyond, plain);
              }),
              HasSubstr("lies outside the array of [3, 4]"));
  EXPECT_THAT(
      refusal([&](ResultFile& file) { file.write_leading("/series", 2, places(slab), slab); }),
      HasSubstr("'/series' has no entry 2 of shape [3, 4]"));
  EXPECT_THAT(
      refusal([&](ResultFile& file) { file.write_leading("/absent", 0, places(slab), slab); }),
      HasSubstr("'/absent' has no entry 0"));
  EXPECT_THAT(refusal([&](ResultFile& file) {
                file.write_leading("/series", 0, places(slab), slab);
                file.write_leading("/series", 0, places(slab), slab);
              }),
              HasSubstr("entry 0 of '/series' was written before"));
  expect_nothing_left();
}

TEST_F(ResultOnDisk, HoldsIntegersAndArraysWithoutEntries) {
  {
    ResultFile file(folder_.comm(), path());
    const std::vector<std::int64_t> large{(std::int64_t{1} << 53) + 1, -2};
    file.write_integers("/large", large, {2}, plain);
    file.write_integers("/one", std::vector<std::int64_t>{7}, {}, plain);
    file.write("/empty", {}, {.shape = {0, 3}, .start = {0, 0}, .count = {0, 3}}, plain);
    file.commit();
  }
  std::vector<std::int64_t> large(2);
  const File file(H5Fopen(path().c_str(), H5F_ACC_RDONLY, H5P_DEFAULT), path());
  const Dataset dataset(H5Dopen2(file.get(), "/large", H5P_DEFAULT), "/large");
  check_hdf5(H5Dread(dataset.get(), H5T_NATIVE_INT64, H5S_ALL, H5S_ALL, H5P_DEFAULT, large.data()),
             "");
  EXPECT_EQ(large, (std::vector<std::int64_t>{(std::int64_t{1} << 53) + 1, -2}));
  EXPECT_EQ(values_in(path(), "/one"), std::vector<double>{7});
  EXPECT_TRUE(values_in(path(), "/empty").empty());
}

TEST_F(ResultOnDisk, IsSealedBeforeItHasItsName) {
  const auto write = [&](const std::function<void(const std::string&)>& seal) {
    ResultFile file(folder_.comm(), path(), 512);
    file.write_small("/x", std::vector<double>{1, 2}, {2}, plain);
    file.commit(seal);
  };
  EXPECT_THAT(message_of<base::Error>([&] {
                write([](const std::string&) { throw std::runtime_error("no seal at hand"); });
              }),
              HasSubstr("no seal at hand"));
  expect_nothing_left();

  write([&](const std::string& temporary) {
    EXPECT_FALSE(folder_.holds("r.h5"));
    if (folder_.rank() != 0) return;
    std::fstream stream(temporary, std::ios::binary | std::ios::in | std::ios::out);
    stream << "a seal";
  });
  EXPECT_EQ(folder_.content("r.h5").substr(0, 6), "a seal");
  EXPECT_EQ(values_in(path(), "/x"), (std::vector<double>{1, 2}));
}

} // namespace
} // namespace komori::io
