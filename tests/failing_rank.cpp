/// One rank fails while the others wait for it in a collective call.
///
/// failing_rank exception|memory|killed|nobody
#include <csignal>
#include <new>
#include <stdexcept>
#include <string>

#include "base/session.hpp"

int main(int argc, char** argv) {
  const std::string how = argc > 1 ? argv[1] : "";
  komori::base::Session session({.program = "failing_rank", .petsc_options = {}});
  return session.run([&] {
    if (session.rank() == session.size() - 1) {
      if (how == "exception") throw std::runtime_error("this rank has had enough");
      if (how == "memory") throw std::bad_alloc();
      if (how == "killed") std::raise(SIGKILL);
    }
    int one = 1;
    MPI_Allreduce(MPI_IN_PLACE, &one, 1, MPI_INT, MPI_SUM, session.comm());
    return 0;
  });
}
