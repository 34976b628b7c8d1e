#include "base/collective.hpp"

#include <csignal>
#include <stdexcept>

#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include "base/error.hpp"
#include "base/memory.hpp"
#include "base/signals.hpp"
#include "mpi_main.hpp"
#include "numbers.hpp"

namespace komori::base {
namespace {

using testing::HasSubstr;

MPI_Comm comm() {
  return test_session().comm();
}
int rank() {
  return test_session().rank();
}
int last() {
  return test_session().size() - 1;
}

TEST(Collective, broadcast_hands_out_the_text_of_rank_0) {
  EXPECT_EQ(broadcast(comm(), rank() == 0 ? "a text" : "another, longer one"), "a text");
  EXPECT_EQ(broadcast(comm(), rank() == 0 ? "" : "x"), "");
}

TEST(Collective, on_first_rank_runs_once) {
  int runs = 0;
  const std::string text = on_first_rank(comm(), [&] {
    ++runs;
    return std::string("from rank ") + std::to_string(rank());
  });
  EXPECT_EQ(text, "from rank 0");
  EXPECT_EQ(runs, rank() == 0 ? 1 : 0);
}

TEST(Collective, a_failure_of_the_first_rank_reaches_all) {
  try {
    on_first_rank(comm(), []() -> std::string { throw std::runtime_error("no such file"); });
    FAIL() << "rank " << rank() << " did not hear of it";
  } catch (const std::runtime_error& error) {
    EXPECT_STREQ(error.what(), "no such file");
  }
}

TEST(Collective, first_text_is_that_of_the_lowest_rank_that_has_one) {
  EXPECT_EQ(first_text(comm(), ""), "");
  EXPECT_EQ(first_text(comm(), rank() == last() ? "last" : ""), "last");
  EXPECT_EQ(first_text(comm(), std::to_string(rank())), "0");
}

TEST(Collective, mean_is_that_of_all_ranks) {
  const base::Session& session = test_session();
  EXPECT_DOUBLE_EQ(mean(session.comm(), session.rank()), 0.5 * (session.size() - 1));
}

TEST(Signals, a_signal_on_one_rank_stops_all) {
  {
    const SignalWatch watch;
    EXPECT_EQ(SignalWatch::requested(comm()), Request::none);
    EXPECT_NO_THROW(stop_if_asked(comm(), "nothing is lost"));

    if (rank() == last()) std::raise(SIGTERM);

    EXPECT_EQ(SignalWatch::requested(comm()), Request::stop);
    const std::string message =
        support::message_of([] { stop_if_asked(comm(), "nothing is lost"); }, ExitCode::stopped);
    EXPECT_THAT(message, HasSubstr("stopped by signal 15 (Terminated); nothing is lost"));
  }
  const SignalWatch fresh; // a new watch begins without the old request
  EXPECT_EQ(SignalWatch::requested(comm()), Request::none);
}

TEST(Signals, a_request_to_save_is_met_once_and_stops_nobody) {
  const SignalWatch watch;
  if (rank() == last()) std::raise(SIGUSR1);
  EXPECT_EQ(SignalWatch::requested(comm()), Request::save);
  EXPECT_NO_THROW(stop_if_asked(comm(), "nothing is lost"));
  SignalWatch::saved();
  EXPECT_EQ(SignalWatch::requested(comm()), Request::none);
}

TEST(Memory, is_positive_and_within_the_node) {
  EXPECT_GT(peak_resident_bytes(), 1e6);
  EXPECT_LT(peak_resident_bytes(), node_memory_bytes());
  EXPECT_GE(ranks_on_node(comm()), 1);
  EXPECT_LE(ranks_on_node(comm()), test_session().size());
}

} // namespace
} // namespace komori::base
