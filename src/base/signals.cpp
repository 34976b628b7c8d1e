#include "base/signals.hpp"

#include <array>
#include <chrono>
#include <csignal>
#include <cstring>
#include <utility>

#include <fmt/format.h>
#include <unistd.h>

#include "base/error.hpp"

namespace komori::base {
namespace {

// The only things a handler may touch.
volatile std::sig_atomic_t stop_signal = 0;
volatile std::sig_atomic_t save_asked = 0;

std::chrono::steady_clock::time_point& deadline() {
  static auto time = std::chrono::steady_clock::time_point::max();
  return time;
}

bool out_of_time(MPI_Comm comm) {
  int rank = 0;
  MPI_Comm_rank(comm, &rank);
  return rank == 0 && std::chrono::steady_clock::now() >= deadline();
}

void note(int signal) {
  if (signal == SIGUSR1) {
    save_asked = 1;
    return;
  }
  if (stop_signal != 0 && signal == SIGINT) _exit(128 + SIGINT);
  stop_signal = signal;
}

constexpr std::array<int, 4> watched{SIGINT, SIGTERM, SIGUSR1, SIGUSR2};

} // namespace

SignalWatch::SignalWatch() {
  stop_signal = 0;
  save_asked = 0;
  deadline() = std::chrono::steady_clock::time_point::max();
  struct sigaction action {};
  action.sa_handler = note;
  action.sa_flags = SA_RESTART;
  for (const int signal : watched) sigaction(signal, &action, nullptr);
}

SignalWatch::~SignalWatch() {
  for (const int signal : {SIGINT, SIGTERM}) std::signal(signal, SIG_DFL);
  // Asked to save or to leave while it ends anyway, a run must not die of it.
  for (const int signal : {SIGUSR1, SIGUSR2}) std::signal(signal, SIG_IGN);
}

Request SignalWatch::requested(MPI_Comm comm) {
  const bool stop = stop_signal != 0 || out_of_time(comm);
  int request = static_cast<int>(stop              ? Request::stop
                                 : save_asked != 0 ? Request::save
                                                   : Request::none);
  MPI_Allreduce(MPI_IN_PLACE, &request, 1, MPI_INT, MPI_MAX, comm);
  return static_cast<Request>(request);
}

void SignalWatch::stop_after(double seconds) {
  constexpr double a_year = 3e7; // longer budgets are no budgets, and would overflow the clock
  if (seconds > a_year) return;
  deadline() = std::chrono::steady_clock::now() +
               std::chrono::duration_cast<std::chrono::steady_clock::duration>(
                   std::chrono::duration<double>(seconds));
}

void SignalWatch::saved() {
  save_asked = 0;
}

std::string SignalWatch::stop_text(MPI_Comm comm) {
  int signal = stop_signal;
  MPI_Allreduce(MPI_IN_PLACE, &signal, 1, MPI_INT, MPI_MAX, comm);
  if (signal == 0) return "the end of its wall time";
  return fmt::format("signal {} ({})", signal, strsignal(signal));
}

void stop_if_asked(MPI_Comm comm, const char* what) {
  if (SignalWatch::requested(comm) != Request::stop) return;
  throw Stopped(fmt::format("stopped by {}; {}", SignalWatch::stop_text(comm), what));
}

StopRounds::StopRounds(MPI_Comm comm, const char* what)
    : StopRounds(comm, [comm, what] { stop_if_asked(comm, what); }) {}

StopRounds::StopRounds(MPI_Comm comm, std::function<void()> together, double seconds)
    : comm_(comm), together_(std::move(together)), seconds_(seconds), next_(MPI_Wtime() + seconds) {
}

bool StopRounds::round(bool left) {
  int any = left ? 1 : 0;
  MPI_Allreduce(MPI_IN_PLACE, &any, 1, MPI_INT, MPI_MAX, comm_);
  if (any == 0) return false;
  together_();
  next_ = MPI_Wtime() + seconds_;
  return true;
}

void StopRounds::look() {
  if (MPI_Wtime() >= next_) round(true);
}

void StopRounds::finish() {
  while (round(false)) {
  }
}

} // namespace komori::base
