/// Signals as requests that a long phase looks at between two steps.
#pragma once

#include <functional>
#include <string>

#include <mpi.h>

namespace komori::base {

/// What the signals received so far ask for.
enum class Request {
  none,
  save, ///< SIGUSR1: save the state and go on
  stop  ///< SIGINT, SIGTERM, SIGUSR2: save the state and leave
};

/// Installs handlers for SIGINT, SIGTERM, SIGUSR1 and SIGUSR2 while it lives. A handler only notes
/// the signal; a second SIGINT ends the process at once. SIGUSR2 asks for the same as SIGTERM,
/// which mpirun does not pass on without killing soon after. One at a time.
class SignalWatch {
public:
  SignalWatch();
  SignalWatch(const SignalWatch&) = delete;
  SignalWatch& operator=(const SignalWatch&) = delete;
  ~SignalWatch();

  /// The strongest request any rank has received: ranks receive signals at different moments, so
  /// they agree here. Collective.
  static Request requested(MPI_Comm comm);
  /// Asks to stop once this many seconds have passed, as a signal would; rank 0's clock counts.
  static void stop_after(double seconds);
  /// The save was made: forget SIGUSR1. Local.
  static void saved();
  /// "signal 15 (Terminated)" or "the end of its wall time": what asks to stop. Collective.
  static std::string stop_text(MPI_Comm comm);
};

/// Throws `Stopped` on all ranks if any was asked to stop. `what` says what is lost or kept.
/// Collective.
void stop_if_asked(MPI_Comm comm, const char* what);

/// The same, or something else that all ranks do together, in the middle of a loop whose length
/// differs between ranks.
class StopRounds {
public:
  /// Every round is `stop_if_asked`.
  StopRounds(MPI_Comm comm, const char* what);
  /// Every round is a call of `together`; there are some `seconds` between two.
  StopRounds(MPI_Comm comm, std::function<void()> together, double seconds = half_second);
  /// To be called in every step of the loop; now and then, a round of all ranks.
  void look();
  /// To be called once after the loop: takes part in the rounds of ranks that are still in theirs.
  void finish();

private:
  static constexpr double half_second = 0.5;
  /// Whether any rank has steps left.
  bool round(bool left);

  MPI_Comm comm_;
  std::function<void()> together_;
  double seconds_;
  double next_; ///< by MPI_Wtime
};

} // namespace komori::base
