#include <csignal>
#include <filesystem>
#include <fstream>

#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include "base/error.hpp"
#include "base/log.hpp"
#include "base/signals.hpp"
#include "io/checkpoints.hpp"
#include "io/seal.hpp"
#include "io/tree_copy.hpp"
#include "temporary_folder.hpp"

namespace komori::io {
namespace {

namespace fs = std::filesystem;
using testing::HasSubstr;

const Identity problem{{"model.diffusion", "0.25"}, {"grid.x.cells", "64"}};

/// Row-shared 7 x 3 array: more rows than ranks here, and none for some ranks where there are more.
std::vector<double> share_of_field(const Slab& slab, double offset) {
  std::vector<double> values;
  for (hsize_t i = 0; i < slab.count[0]; ++i) {
    for (hsize_t j = 0; j < slab.count[1]; ++j) {
      values.push_back(offset + 10.0 * static_cast<double>(slab.start[0] + i) +
                       static_cast<double>(slab.start[1] + j));
    }
  }
  return values;
}

class CheckpointTest : public testing::Test {
protected:
  MPI_Comm comm() const { return PETSC_COMM_WORLD; }
  int rank() const {
    int rank = 0;
    MPI_Comm_rank(comm(), &rank);
    return rank;
  }
  std::string path(const std::string& name) const { return folder_.file(name); }
  /// Changes the file on one rank, then lets all go on.
  template <class Change> void on_disk(const Change& change) const {
    MPI_Barrier(comm());
    if (rank() == 0) change();
    MPI_Barrier(comm());
  }
  void write(const std::string& file, double offset, const Identity& identity = problem) const {
    CheckpointWriter writer(comm(), file, identity, "spectrum");
    const Slab slab = share_of(comm(), {7, 3});
    writer.field("vector0", share_of_field(slab, offset), slab);
    writer.numbers("count", {1, offset});
    ResultFile result(comm(), path("so_far.h5"));
    result.write_small("/group/values", std::vector<double>{1, 2, 3}, {3},
                       {{"meaning", std::string("numbers")}, {"unit", std::string("-")}});
    result.write_strings("/group/words", {"one", "two"}, {});
    writer.result(result, {"stationary"});
    writer.commit();
  }
  std::string complaint(const std::string& file) const {
    try {
      const CheckpointReader reader(comm(), file);
    } catch (const base::InputError& error) {
      return error.what();
    }
    return "none";
  }

private:
  TemporaryFolder folder_;
};

TEST_F(CheckpointTest, gives_back_what_was_saved) {
  write(path("a.h5"), 0.5);

  const CheckpointReader reader(comm(), path("a.h5"));

  EXPECT_EQ(reader.phase(), "spectrum");
  EXPECT_EQ(reader.identity(), problem);
  EXPECT_EQ(reader.done(), std::vector<std::string>{"stationary"});
  EXPECT_EQ(reader.numbers("count"), (std::vector<double>{1, 0.5}));
  EXPECT_TRUE(reader.has("vector0"));
  EXPECT_FALSE(reader.has("vector1"));
  const Slab slab = share_of(comm(), {7, 3});
  EXPECT_EQ(reader.field("vector0", slab), share_of_field(slab, 0.5));
  ResultFile copy(comm(), path("copy.h5"));
  reader.result(copy);
  EXPECT_EQ(copy.shape("/group/values"), std::vector<hsize_t>{3});
  EXPECT_TRUE(copy.contains("/group/words"));
}

TEST_F(CheckpointTest, another_number_of_ranks_reads_the_same) {
  write(path("a.h5"), 2);

  MPI_Comm half = MPI_COMM_NULL;
  MPI_Comm_split(comm(), rank() % 2, rank(), &half);
  {
    const CheckpointReader reader(half, path("a.h5"));
    const Slab slab = share_of(half, {7, 3});
    EXPECT_EQ(reader.field("vector0", slab), share_of_field(slab, 2));
  }
  MPI_Comm_free(&half);
}

TEST_F(CheckpointTest, damage_of_every_kind_is_named) {
  const std::string file = path("a.h5");
  write(file, 1);
  const auto whole = static_cast<std::uintmax_t>(fs::file_size(file));

  EXPECT_THAT(complaint(path("absent.h5")), HasSubstr("No such file"));
  on_disk([&] { std::ofstream(path("empty.h5")).flush(); });
  EXPECT_THAT(complaint(path("empty.h5")), HasSubstr("it is empty"));
  on_disk([&] { std::ofstream(path("foreign.h5")) << std::string(2000, 'x'); });
  EXPECT_THAT(complaint(path("foreign.h5")), HasSubstr("not a komori checkpoint"));
  on_disk([&] {
    fs::copy_file(file, path("short.h5"));
    fs::resize_file(path("short.h5"), whole - 100);
  });
  EXPECT_THAT(complaint(path("short.h5")), HasSubstr("truncated or damaged"));
  on_disk([&] {
    fs::copy_file(file, path("old.h5"));
    std::fstream(path("old.h5"), std::ios::in | std::ios::out).write("komori checkpoint 0\n", 20);
  });
  EXPECT_THAT(complaint(path("old.h5")), HasSubstr("another format version"));
}

TEST_F(CheckpointTest, one_flipped_bit_anywhere_is_noticed) {
  const std::string file = path("a.h5");
  write(file, 1);
  const auto whole = static_cast<std::streamoff>(fs::file_size(file));

  for (const double place : {0.0, 0.1, 0.35, 0.6, 0.85, 0.9999}) {
    const auto at = seal_bytes + static_cast<std::streamoff>(
                                     place * static_cast<double>(whole - seal_bytes - 1));
    const auto flip = [&] {
      std::fstream stream(file, std::ios::in | std::ios::out | std::ios::binary);
      stream.seekg(at);
      const char byte = static_cast<char>(stream.get() ^ 4);
      stream.seekp(at);
      stream.put(byte);
    };
    on_disk(flip);
    EXPECT_THAT(complaint(file), HasSubstr("checksum is wrong")) << at;
    on_disk(flip);
  }
  EXPECT_EQ(complaint(file), "none");
}

class CheckpointsTest : public CheckpointTest {
protected:
  CheckpointsTest() : log_(comm()) { log_.set_level(base::Log::Level::quiet); }
  std::unique_ptr<Checkpoints> open(double every, Identity identity = problem) {
    CheckpointPolicy policy;
    policy.every = every;
    policy.stem = path("run");
    return std::make_unique<Checkpoints>(comm(), log_, policy, std::move(identity));
  }
  static void save(CheckpointWriter& writer) { writer.numbers("step", {42}); }
  base::Log log_;
};

TEST_F(CheckpointsTest, keeps_the_last_two) {
  const auto checkpoints = open(0);
  for (int i = 0; i < 4; ++i) checkpoints->step("evolve", save);

  EXPECT_EQ(checkpoints->count(), 4);
  EXPECT_GT(checkpoints->bytes(), 0);
  EXPECT_FALSE(fs::exists(path("run.checkpoint-2.h5")));
  EXPECT_TRUE(fs::exists(path("run.checkpoint-3.h5")));
  EXPECT_TRUE(fs::exists(path("run.checkpoint-4.h5")));
  MPI_Barrier(comm());
  checkpoints->remove();
  MPI_Barrier(comm());
  EXPECT_FALSE(fs::exists(path("run.checkpoint-4.h5")));
}

TEST_F(CheckpointsTest, saves_only_when_the_period_has_passed) {
  const auto checkpoints = open(1e6);
  EXPECT_FALSE(checkpoints->due());
  checkpoints->step("evolve", save);
  EXPECT_EQ(checkpoints->count(), 0);
}

TEST_F(CheckpointsTest, a_damaged_newest_file_falls_back_to_the_one_before) {
  const auto first = open(0);
  first->complete("stationary");
  first->step("evolve", save);
  first->step("evolve", [](CheckpointWriter& writer) { writer.numbers("step", {43}); });
  on_disk([&] { fs::resize_file(path("run.checkpoint-2.h5"), 700); });

  const auto second = open(0);
  second->resume("auto");

  EXPECT_THAT(log_.warnings().back(), HasSubstr("trying the one before"));
  EXPECT_FALSE(second->restore("spectrum", [](CheckpointReader&) {}));
  double step = 0;
  EXPECT_TRUE(second->restore("evolve", [&](CheckpointReader& r) { step = r.numbers("step")[0]; }));
  EXPECT_EQ(step, 42);
  EXPECT_FALSE(second->resuming());
}

TEST_F(CheckpointsTest, work_before_a_phase_is_saved_beside_a_state_that_waits_for_it) {
  open(0)->step("evolve", save);
  const auto rows = [](double count) {
    return [count](CheckpointWriter& writer) { writer.numbers("rows", {count}); };
  };
  for (const double count : {3.0, 5.0}) {
    const auto run = open(0);
    run->resume("auto");
    run->step_before(true, rows(count));
    EXPECT_TRUE(run->pending("evolve"));
  }

  const auto run = open(0);
  run->resume("auto");
  double found = 0;
  EXPECT_TRUE(run->kept("rows", [&](CheckpointReader& r) { found = r.numbers("rows")[0]; }));
  EXPECT_EQ(found, 5);
  EXPECT_TRUE(run->restore("evolve", [&](CheckpointReader& r) { found = r.numbers("step")[0]; }));
  EXPECT_EQ(found, 42);
}

/// The exit code with which a run ends that resumes, is asked to stop, and does this.
template <class Body> base::ExitCode stopped(Checkpoints& run, const Body& body) {
  base::ExitCode code = base::ExitCode::done;
  {
    const base::SignalWatch watch;
    run.resume("auto");
    std::raise(SIGTERM);
    try {
      body();
    } catch (const base::Error& error) {
      code = error.code();
    }
  }
  const base::SignalWatch forgets; // what was asked
  return code;
}

TEST_F(CheckpointsTest, runs_that_never_come_to_the_state_that_waits_are_counted) {
  open(0)->step("evolve", save);
  const auto leave = [&](Checkpoints& run) {
    return stopped(run, [&] {
      try {
        base::stop_if_asked(comm(), "nothing was saved");
      } catch (const base::Stopped&) {
        run.leave();
      }
    });
  };
  const auto none = [](CheckpointWriter&) {};
  // A row done begins the count anew; a pause without one does not.
  EXPECT_EQ(leave(*open(1e6)), base::ExitCode::stopped);
  auto run = open(1e6);
  EXPECT_EQ(stopped(*run, [&] { run->step_before(true, none); }), base::ExitCode::stopped);
  EXPECT_EQ(leave(*open(1e6)), base::ExitCode::stopped);
  run = open(1e6);
  EXPECT_EQ(stopped(*run, [&] { run->step_before(false, none); }), base::ExitCode::stopped);
  EXPECT_EQ(leave(*open(1e6)), base::ExitCode::not_converged);

  const auto last = open(1e6);
  last->resume("auto");
  EXPECT_TRUE(last->pending("evolve"));
}

TEST_F(CheckpointsTest, auto_without_a_checkpoint_begins_afresh) {
  const auto checkpoints = open(0);
  checkpoints->resume("auto");
  EXPECT_FALSE(checkpoints->resuming());
}

TEST_F(CheckpointsTest, another_problem_is_refused_by_its_key) {
  open(0)->step("evolve", save);
  const auto other = open(0, {{"model.diffusion", "0.5"}, {"grid.x.cells", "64"}});
  try {
    other->resume("auto");
    FAIL() << "a checkpoint of another problem was accepted";
  } catch (const base::InputError& error) {
    EXPECT_THAT(error.what(),
                HasSubstr("belongs to another problem: 'model.diffusion' is 0.5 here, but 0.25"));
  }
}

} // namespace
} // namespace komori::io
