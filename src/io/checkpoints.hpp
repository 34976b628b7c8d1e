/// Saving and resuming a run: when, where, and what must agree.
///
/// A long phase takes part by two functions: one that writes its state with a `CheckpointWriter`,
/// given to `step` between two of its steps, and one that reads it back, given to `restore` before
/// the first.
#pragma once

#include <chrono>
#include <functional>
#include <limits>
#include <memory>
#include <optional>
#include <string>
#include <vector>

#include <mpi.h>

#include "base/log.hpp"
#include "io/checkpoint_file.hpp"

namespace komori::io {

/// When to save and what to keep.
struct CheckpointPolicy {
  double every = 600;                                      ///< seconds between saves
  int keep = 2;                                            ///< files kept
  std::string stem;                                        ///< "<folder>/<result without .h5>"
  double budget = std::numeric_limits<double>::infinity(); ///< seconds this run may take
  std::chrono::steady_clock::time_point begun = std::chrono::steady_clock::now(); ///< of the budget
};

/// The checkpoints of one run. All functions are collective unless marked.
class Checkpoints {
public:
  Checkpoints(MPI_Comm comm, base::Log& log, CheckpointPolicy policy, Identity identity);

  /// Finds the state to resume from: "" none; "auto" the newest valid checkpoint of this run, if
  /// any, falling back to the one before where the newest is damaged; otherwise that file. Throws
  /// InputError where the file cannot be used or belongs to another problem (and says which key).
  void resume(const std::string& restart);
  bool resuming() const { return reader_ != nullptr; }
  /// This run goes on from another one. Local.
  bool resumed() const noexcept { return resumed_; }
  /// There is a saved state of this phase that nobody has taken yet. Local.
  bool pending(const std::string& phase) const { return reader_ && reader_->phase() == phase; }
  /// Makes the result so far part of every save, and fills it if this run resumes. Not owned.
  void attach(ResultFile& result);

  /// The section was complete when the state was saved. Local.
  bool done(const std::string& section) const;
  /// Why a section that is done is not what was asked for; empty if it is. Local.
  std::string problem_of(const std::string& section) const;
  /// Marks a section as complete, or as done as far as it goes.
  void complete(const std::string& section, const std::string& problem = {});
  /// To be called where a phase begins: hands the saved state to `load` if there is one of this
  /// phase; true then. Only once.
  bool restore(const std::string& phase, const std::function<void(CheckpointReader&)>& load);

  using Save = std::function<void(CheckpointWriter&)>;
  /// Makes this part of every save from now on: what a later run would have to compute again before
  /// it comes to any phase. `fresh`: this run has computed it. Local.
  void keep(Save save, bool fresh);
  /// Hands the saved state to `load` if it has numbers of this name, whatever its phase; true then.
  bool kept(const std::string& name, const std::function<void(CheckpointReader&)>& load) const;
  /// Between two steps of a phase: saves if a period has passed, a signal asks for it, or `due` has
  /// just said so; saves and throws Stopped if a signal or the time budget asks to leave, or Error
  /// if it could not save on the way out.
  void step(const std::string& phase, const Save& save);
  /// The same within work that comes before any phase: what it saves is found by `kept`, and stands
  /// beside a state that this run has not come to yet. `came_on`: this run has done some of it.
  void step_before(bool came_on, const Save& save);
  /// Called while handling a Stopped: unless this run has saved or taken up a state of the section
  /// under way, saves what is complete, and what it has not come to, so that only that section is
  /// lost. Throws Stopped, or ConvergenceError where several runs in a row have come no farther:
  /// another one would not either.
  void leave();
  /// Whether `step` would save now, so that a solver can be paused first. A phase that is not
  /// `settled` is only paused for a signal or the end of its time, not for the period.
  bool due(bool settled = true);
  /// Deletes this run's checkpoints: the result is complete.
  void remove();

  /// Of all saves of this run so far. Local.
  int count() const noexcept { return count_; }
  double seconds() const noexcept { return seconds_; }
  double bytes() const noexcept { return bytes_; }

private:
  struct Found {
    std::string path;
    long number = 0;
  };
  std::string path_of(long number) const;
  std::vector<Found> found() const;         ///< newest first
  std::vector<Found> found_locally() const; ///< likewise, as this rank sees them
  /// Throws where the next checkpoint, as large as the last one, would not fit: before HDF5, which
  /// does not survive a disk that is full to the last byte, opens a file there.
  void require_room(const std::string& path) const;
  void require_same_problem(const CheckpointReader& reader) const;
  /// False, with a warning, if it could not be written. A state that nobody has taken is part of it
  /// if `carry`, and gives it its phase.
  bool write(const std::string& phase, bool carry, const Save& save, std::string& problem);
  /// What a step does once it is known that it saves or leaves; whether it saved. Throws Stopped.
  bool save_or_leave(const std::string& phase, bool carry, const Save& save);
  /// Throws ConvergenceError where too many runs have come no farther. To be called while a Stopped
  /// is handled.
  void require_progress() const;
  double elapsed() const;
  void judge(bool interrupting);

  MPI_Comm comm_;
  base::Log& log_;
  CheckpointPolicy policy_;
  Identity identity_;
  std::unique_ptr<CheckpointReader> reader_;
  ResultFile* result_ = nullptr;
  std::vector<Save> kept_;
  std::vector<std::string> done_; ///< "section" or "section\tproblem"
  bool resumed_ = false;
  double last_save_ = 0;
  double longest_save_ = 1;
  double last_step_ = 0;
  double longest_step_ = 0; ///< of the phase under way
  bool first_step_ = true;  ///< what came before it was no step of the phase
  bool judged_ = false;     ///< `due` has spoken for the next `step`
  long next_number_ = 1;
  bool save_due_ = false;
  bool save_asked_ = false; ///< by a signal, not by the period
  std::string stop_reason_; ///< why to leave now, empty if not
  bool write_failed_ = false;
  bool left_ = false;        ///< the state was saved on the way out
  bool progress_ = false;    ///< this run has saved a phase, or completed what later saves hold
  int fruitless_before_ = 0; ///< runs before this one without progress
  bool phase_saved_ = false; ///< the newest checkpoint holds a state of the section under way
  int count_ = 0;
  double seconds_ = 0;
  double bytes_ = 0;
};

} // namespace komori::io
