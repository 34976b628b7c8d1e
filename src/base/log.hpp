/// What a run says on the terminal, and how long each phase took.
#pragma once

#include <chrono>
#include <cstdint>
#include <string>
#include <string_view>
#include <utility>
#include <vector>

#include <mpi.h>

#include "base/counters.hpp"

namespace komori::base {

/// What one finished phase took.
struct PhaseRecord {
  std::string name;
  double seconds = 0;
  double peak_bytes = 0; ///< largest resident memory of any rank when the phase ended
  double mean_bytes = 0; ///< the same, averaged over the ranks
  Counters mean{};       ///< of the phase, averaged over the ranks
  Counters largest{};    ///< of the phase, each the largest of any rank
};

/// Rank 0 speaks, the others are silent. Lines go to standard output, problems to standard error;
/// in JSON each line is one object with an "event". Local except where marked.
class Log {
public:
  enum class Level { normal, quiet };
  enum class Format { text, json };

  explicit Log(MPI_Comm comm);
  void set_level(Level level) { level_ = level; }
  void set_format(Format format) { format_ = format; }

  /// One line of what is being done.
  void line(std::string_view text);
  /// Something the user should know before trusting the result; shown even when quiet.
  void warning(std::string_view text);
  /// Why the run ends; shown even when quiet.
  void error(std::string_view text);
  /// A table with a title; columns are aligned, the first to the left and the others to the right.
  void table(std::string_view title, const std::vector<std::string>& header,
             const std::vector<std::vector<std::string>>& rows);
  /// Progress within the current phase, `done` in [0, 1], at most two lines a second: the fraction,
  /// the remaining time, and `detail`.
  void progress(double done, std::string_view detail);
  /// One step of a solver: iteration, converged so far, the largest remaining error.
  void iteration(std::string_view solver, int iteration, int converged, double error);

  const std::vector<PhaseRecord>& phases() const { return phases_; }
  const std::vector<std::string>& warnings() const { return warnings_; }

private:
  friend class Phase;
  void emit(std::string_view event, std::string_view text, bool problem);
  bool speaks() const { return rank_ == 0 && level_ == Level::normal; }

  MPI_Comm comm_;
  int rank_ = 0;
  Level level_ = Level::normal;
  Format format_ = Format::text;
  std::string phase_;
  std::chrono::steady_clock::time_point phase_start_{};
  std::chrono::steady_clock::time_point last_progress_{};
  std::vector<PhaseRecord> phases_;
  std::vector<std::string> warnings_;
};

/// Times a phase from construction to `finish` (or destruction) and keeps the record in the log.
class Phase {
public:
  Phase(Log& log, std::string name);
  Phase(const Phase&) = delete;
  Phase& operator=(const Phase&) = delete;
  ~Phase();
  /// Ends the phase with a closing remark ("10 pairs"). Collective.
  void finish(std::string_view remark = {});
  double seconds() const;

private:
  Log& log_;
  std::string name_;
  std::string outer_;
  std::chrono::steady_clock::time_point start_;
  Counters before_;
  bool open_ = true;
};

/// "1.53 s", "2 min 03 s", "1 h 04 min".
std::string duration_text(double seconds);
/// "12.3 MB" (10^6 bytes), "1.20 GB".
std::string bytes_text(double bytes);
/// A text as a JSON string, quotes included.
std::string json_string(std::string_view text);

} // namespace komori::base
