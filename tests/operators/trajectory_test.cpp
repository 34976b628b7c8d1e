#include "operators/trajectory.hpp"

#include <array>
#include <limits>
#include <set>

#include <fmt/format.h>
#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include "base/error.hpp"
#include "io/temporary_folder.hpp"
#include "npy.hpp"

namespace komori::operators {
namespace {

using io::message_of;
using io::TemporaryFolder;
using support::npy;
using testing::HasSubstr;

class Trajectories : public testing::Test {
protected:
  /// A file of `frames` rows (time, number of the file, row).
  void put(const std::string& name, double file, int frames, double start = 0) const {
    std::vector<double> values;
    for (int i = 0; i < frames; ++i) values.insert(values.end(), {start + 0.5 * i, file, 1.0 * i});
    folder_.put(name, npy(values, 3));
  }
  models::TrajectoryInput input(const std::vector<std::string>& names) const {
    models::TrajectoryInput input;
    input.variables = {"file", "row"};
    for (const std::string& name : names) input.files.push_back(folder_.file(name));
    input.columns = {1, 2};
    input.dt = 0.5;
    input.origin = {"t.yaml", 3};
    input.lag_origin = {"t.yaml", 4};
    return input;
  }
  /// How often each pair (file, row of the earlier frame) was visited, over all ranks; checks
  /// indices and that no pair joins what does not belong together.
  static std::vector<std::int64_t> visits(const TrajectorySource& source, std::int64_t lag,
                                          std::int64_t block) {
    std::vector<std::int64_t> counts(400, 0);
    std::vector<std::int64_t> indices(static_cast<std::size_t>(source.pairs(lag)), 0);
    source.for_each_window(
        lag,
        [&](const Window& window) {
          const auto x = window.at(0, 2);
          const auto y = window.at(lag, 2);
          for (std::size_t i = 0; i < static_cast<std::size_t>(window.count); ++i) {
            EXPECT_EQ(x[2 * i], y[2 * i]);
            EXPECT_EQ(x[2 * i + 1] + static_cast<double>(lag), y[2 * i + 1]);
            ++counts[static_cast<std::size_t>(100 * x[2 * i] + x[2 * i + 1])];
            ++indices[static_cast<std::size_t>(window.index) + i];
          }
        },
        block);
    MPI_Allreduce(MPI_IN_PLACE, counts.data(), static_cast<int>(counts.size()), MPI_INT64_T,
                  MPI_SUM, source.comm());
    MPI_Allreduce(MPI_IN_PLACE, indices.data(), static_cast<int>(indices.size()), MPI_INT64_T,
                  MPI_SUM, source.comm());
    for (const std::int64_t n : indices) EXPECT_EQ(n, 1);
    return counts;
  }
  TemporaryFolder folder_;
};

TEST_F(Trajectories, every_pair_once_and_none_across_files) {
  put("a.npy", 0, 30);
  put("b.npy", 1, 3);
  put("c.npy", 2, 47);
  const TrajectorySource source(folder_.comm(), input({"a.npy", "b.npy", "c.npy"}));
  EXPECT_EQ(source.frames(), 80);
  EXPECT_EQ(source.longest(), 47);
  for (const std::int64_t lag : {1, 2, 3, 29, 46}) {
    for (const std::int64_t block : {1, 7, 1000}) {
      const auto counts = visits(source, lag, block);
      for (const auto& [file, frames] : {std::pair{0, 30}, {1, 3}, {2, 47}}) {
        for (int row = 0; row < 100; ++row) {
          EXPECT_EQ(counts[static_cast<std::size_t>(100 * file + row)], row + lag < frames ? 1 : 0)
              << file << ' ' << row << ' ' << lag << ' ' << block;
        }
      }
    }
  }
  EXPECT_EQ(source.pairs(47), 0);
  EXPECT_EQ(source.place(2, 5), fmt::format("'{}', row 5 (from 0)", folder_.file("c.npy")));
}

TEST_F(Trajectories, gaps_by_breaks_and_by_jumps_of_time_are_the_same) {
  put("a.npy", 0, 10);
  std::vector<double> values;
  for (int i = 0; i < 20; ++i) { // the clock jumps before rows 5 and 19
    values.insert(values.end(), {0.5 * i + (i >= 5 ? 1 : 0) - (i >= 19 ? 7 : 0), 1, 1.0 * i});
  }
  folder_.put("b.npy", npy(values, 3));
  models::TrajectoryInput by_breaks = input({"a.npy", "b.npy"});
  by_breaks.breaks = {10, 15, 29}; // one of them where the file ends anyway
  models::TrajectoryInput by_time = input({"a.npy", "b.npy"});
  by_time.time_column = 0;
  for (const auto& given : {by_breaks, by_time}) {
    const TrajectorySource source(folder_.comm(), given);
    ASSERT_EQ(source.pieces().size(), 4);
    EXPECT_EQ(source.pieces()[1].frames, 5);
    EXPECT_EQ(source.pieces()[2].first, 5);
    EXPECT_EQ(source.pieces()[2].frames, 14);
    EXPECT_EQ(source.pieces()[3].frames, 1);
    const auto counts = visits(source, 2, 4);
    for (const int row : {0, 2, 5, 16}) EXPECT_EQ(counts[static_cast<std::size_t>(100 + row)], 1);
    for (const int row : {3, 4, 17, 18}) EXPECT_EQ(counts[static_cast<std::size_t>(100 + row)], 0);
  }
}

TEST_F(Trajectories, what_is_wrong_is_named_on_every_rank) {
  put("a.npy", 0, 10);
  const auto error = [&](const models::TrajectoryInput& given) {
    return message_of<base::InputError>([&] {
      const TrajectorySource source(folder_.comm(), given);
      source.for_each_window(
          1, [](const Window&) {}, 2);
    });
  };
  models::TrajectoryInput given = input({"a.npy", "none.npy"});
  EXPECT_THAT(error(given), HasSubstr("none.npy': cannot be read: No such file"));
  given = input({"a.npy"});
  given.columns.clear();
  EXPECT_THAT(error(given),
              HasSubstr("has 3 columns, but the model has 2 variables; name the columns "
                        "to take by 'model.columns'"));
  given.columns = {1, 3};
  EXPECT_THAT(error(given), HasSubstr("has 3 columns (from 0), but column 3 is asked for by "
                                      "'model.columns'"));
  given = input({"a.npy"});
  given.lag = 0.7;
  EXPECT_EQ(error(given),
            "t.yaml:4: 'model.lag' is 0.7, but must be a multiple of the 0.5 between two "
            "frames ('model.dt'), e.g. 0.5 or 1");
  given.lag = 5;
  EXPECT_EQ(error(given),
            "t.yaml:4: 'model.lag': 5 is 10 frames of 'model.dt', but the longest of the "
            "1 piece of the trajectory has 10 frames: there is no pair; choose a shorter "
            "lag");
  given = input({"a.npy"});
  given.breaks = {10};
  EXPECT_THAT(error(given), HasSubstr("names frame 10, but there are 10 frames"));
  folder_.put("two.npy", npy({1, 2, 3, 4}, 2));
  EXPECT_THAT(error(input({"a.npy", "two.npy"})),
              HasSubstr("two.npy': the array has 2 columns, but"));
  std::vector<double> values(90, 1.0);
  values[3 * 20 + 2] = std::numeric_limits<double>::infinity(); // on one rank only
  folder_.put("bad.npy", npy(values, 3));
  EXPECT_THAT(error(input({"bad.npy"})), HasSubstr("bad.npy': row 20, column 2 (from 0) is inf"));
}

TEST_F(Trajectories, the_first_problem_of_a_visit_is_thrown_on_all_ranks) {
  put("a.npy", 0, 40);
  const TrajectorySource source(folder_.comm(), input({"a.npy"}));
  EXPECT_EQ(message_of<base::InputError>([&] {
              source.for_each_window(
                  1,
                  [](const Window& window) {
                    if (window.index + window.count > 11) {
                      throw base::InputError(
                          fmt::format("pair {}", std::max<std::int64_t>(11, window.index)));
                    }
                  },
                  1);
            }),
            "pair 11");
}

} // namespace
} // namespace komori::operators
