#include "base/session.hpp"

#include <array>
#include <chrono>
#include <cstdio>
#include <cstdlib>
#include <cstring>
#include <new>
#include <thread>

#include <dlfcn.h>
#include <fmt/format.h>
#include <slepcsys.h>

#include "base/error.hpp"
#include "base/petsc.hpp"
#include "base/unfinished.hpp"

namespace komori::base {
namespace {

/// How long a failing rank waits for the others to fail alike before it ends the job. Ranks that
/// fail for the same reason do so within a collective call of one another.
constexpr auto patience = std::chrono::seconds(10);

std::string& first_message() {
  static std::string message;
  return message;
}

PetscErrorCode keep_message(MPI_Comm, int line, const char* function, const char* file,
                            PetscErrorCode code, PetscErrorType type, const char* text, void*) {
  if (type == PETSC_ERROR_INITIAL && first_message().empty()) {
    const char* name = std::strrchr(file, '/');
    first_message() =
        fmt::format("in {} ({}:{}): {}", function, name ? name + 1 : file, line, text ? text : "");
    while (!first_message().empty() && first_message().back() == '\n') first_message().pop_back();
  }
  return code;
}

/// One BLAS thread per rank: threads of several ranks on the same cores fight each other. The
/// libraries read the environment before main() starts, hence the call.
void single_threaded_blas() {
  if (std::getenv("OMP_NUM_THREADS") || std::getenv("OPENBLAS_NUM_THREADS")) return;
  if (void* entry = dlsym(RTLD_DEFAULT, "openblas_set_num_threads")) {
    reinterpret_cast<void (*)(int)>(entry)(1);
  }
}

/// Open MPI starts a server for a process that runs alone, and when that goes first libevent warns
/// of closed files where it waits for them by epoll, not by poll.
void wait_by_poll() {
  (void)setenv("EVENT_NOEPOLL", "1", 0);
}

/// OpenBLAS takes its buffer at the first call that needs one, and tries for ever if there is no
/// memory left by then.
void reserve_blas_buffer() {
  using Solve = void (*)(const char*, const char*, const char*, const char*, const int*, const int*,
                         const double*, const double*, const int*, double*, const int*);
  void* entry = dlsym(RTLD_DEFAULT, "dtrsm_");
  if (!dlsym(RTLD_DEFAULT, "openblas_set_num_threads") || !entry) return;
  constexpr int size = 32;
  const double one = 1;
  std::array<double, std::size_t{size} * size> triangle{};
  std::array<double, std::size_t{size} * size> sides{};
  for (std::size_t i = 0; i < size; ++i) triangle[i * size + i] = 1;
  reinterpret_cast<Solve>(entry)("L", "L", "N", "N", &size, &size, &one, triangle.data(), &size,
                                 sides.data(), &size);
}

} // namespace

std::string take_petsc_message(PetscErrorCode code) {
  const char* generic = nullptr;
  (void)PetscErrorMessage(code, &generic, nullptr);
  const std::string detail = std::exchange(first_message(), {});
  return fmt::format("PETSc error {} ({}) {}", static_cast<int>(code),
                     generic ? generic : "unknown", detail);
}

Session::Library::Library(const Options& options) {
  std::vector<std::string> words{options.program};
  words.insert(words.end(), options.petsc_options.begin(), options.petsc_options.end());
  std::vector<char*> pointers;
  for (std::string& word : words) pointers.push_back(word.data());
  pointers.push_back(nullptr);
  int count = static_cast<int>(words.size());
  char** arguments = pointers.data();
  single_threaded_blas();
  reserve_blas_buffer();
  wait_by_poll();
  // PETSc copies the arguments; its own signal handlers would bury our messages in a trace.
  if (SlepcInitialize(&count, &arguments, nullptr, nullptr) != 0) {
    std::fprintf(stderr, "error: PETSc and SLEPc do not start\n");
    std::exit(static_cast<int>(ExitCode::internal));
  }
  (void)PetscPopSignalHandler();
  (void)PetscPushErrorHandler(keep_message, nullptr);
}

Session::Library::~Library() {
  (void)PetscPopErrorHandler();
  (void)SlepcFinalize();
}

namespace {

bool working = false; ///< a body runs, and nobody may end the process behind its back

/// Some libraries call exit() where they find no memory (MUMPS' ordering PORD does): the others
/// would wait for this rank for ever, and the exit code would say nothing.
void ended_by_a_library() {
  if (!working) return;
  std::fprintf(stderr, "error: out of memory, it seems: a library ended the process; use more "
                       "nodes, fewer cells, or an iterative solver\n");
  std::fflush(stderr);
  remove_unfinished();
  MPI_Abort(MPI_COMM_WORLD, static_cast<int>(ExitCode::memory));
}

struct Working {
  Working() { working = true; }
  ~Working() { working = false; }
};

} // namespace

Session::Session(const Options& options) : library_(options), log_(PETSC_COMM_WORLD) {
  static const int registered = std::atexit(ended_by_a_library);
  (void)registered;
  MPI_Comm_rank(comm(), &rank_);
  MPI_Comm_size(comm(), &size_);
  MPI_Comm_dup(comm(), &failures_);
}

Session::~Session() {
  MPI_Comm_free(&failures_);
}

bool Session::everybody_fails() {
  MPI_Request request = MPI_REQUEST_NULL;
  MPI_Ibarrier(failures_, &request);
  const auto deadline = std::chrono::steady_clock::now() + patience;
  int done = 0;
  while (true) {
    MPI_Test(&request, &done, MPI_STATUS_IGNORE);
    if (done || std::chrono::steady_clock::now() > deadline) return done != 0;
    std::this_thread::sleep_for(std::chrono::milliseconds(2));
  }
}

void Session::abort(const std::string& message, int code) const {
  std::fprintf(stderr, "error: rank %d of %d: %s\n", rank_, size_, message.c_str());
  std::fflush(stderr);
  remove_unfinished();
  MPI_Abort(comm(), code);
  std::abort();
}

int Session::report(const std::string& message, int code) {
  if (!everybody_fails()) abort(message, code);
  log_.error(message);
  return code;
}

int Session::run(const std::function<int()>& body) {
  const Working guard;
  try {
    return body();
  } catch (const Error& error) {
    return report(error.what(), static_cast<int>(error.code()));
  } catch (const std::bad_alloc&) {
    return report("out of memory; use more nodes, fewer cells, or an iterative solver",
                  static_cast<int>(ExitCode::memory));
  } catch (const PetscError& error) {
    const bool memory = error.code() == PETSC_ERR_MEM;
    return report(error.what(), static_cast<int>(memory ? ExitCode::memory : ExitCode::internal));
  } catch (const std::exception& error) {
    return report(fmt::format("unexpected: {}", error.what()),
                  static_cast<int>(ExitCode::internal));
  }
}

std::vector<std::string> unused_options(const std::string& prefix) {
  PetscInt count = 0;
  char** names = nullptr;
  char** values = nullptr;
  check(PetscOptionsLeftGet(nullptr, &count, &names, &values));
  std::vector<std::string> unused;
  for (PetscInt i = 0; i < count; ++i) {
    if (std::string_view(names[i]).starts_with(prefix)) unused.emplace_back(names[i]);
  }
  check(PetscOptionsLeftRestore(nullptr, &count, &names, &values));
  return unused;
}

} // namespace komori::base
