/// Runs GoogleTest on every rank; a failure on any rank fails the program.
#include "mpi_main.hpp"

#include <cstdio>

#include <gtest/gtest.h>

namespace {

komori::base::Session* open_session = nullptr;

/// Ranks other than 0 stay silent unless something fails there; then they say who they are.
class OtherRankPrinter : public testing::EmptyTestEventListener {
public:
  explicit OtherRankPrinter(int rank) : rank_(rank) {}
  void OnTestPartResult(const testing::TestPartResult& result) override {
    if (!result.failed()) return;
    std::fprintf(stderr, "[rank %d] %s:%d: %s\n", rank_,
                 result.file_name() ? result.file_name() : "?", result.line_number(),
                 result.summary());
  }

private:
  int rank_;
};

} // namespace

komori::base::Session& komori::test_session() {
  return *open_session;
}

int main(int argc, char** argv) {
  testing::InitGoogleTest(&argc, argv);
  komori::base::Session session({.program = argv[0], .petsc_options = {}});
  open_session = &session;
  session.log().set_level(komori::base::Log::Level::quiet);
  if (session.rank() != 0) {
    auto& listeners = testing::UnitTest::GetInstance()->listeners();
    delete listeners.Release(listeners.default_result_printer());
    listeners.Append(new OtherRankPrinter(session.rank()));
  }
  int failed = RUN_ALL_TESTS();
  MPI_Allreduce(MPI_IN_PLACE, &failed, 1, MPI_INT, MPI_MAX, session.comm());
  return failed;
}
