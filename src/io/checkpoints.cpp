#include "io/checkpoints.hpp"

#include <algorithm>
#include <array>
#include <charconv>
#include <filesystem>
#include <utility>

#include <fmt/format.h>

#include "base/collective.hpp"
#include "base/error.hpp"
#include "base/signals.hpp"
#include "io/disk.hpp"

namespace komori::io {
namespace {

namespace fs = std::filesystem;

constexpr std::string_view infix = ".checkpoint-";
constexpr std::string_view suffix = ".h5";
/// From this period on saves keep to a share of the run time, and come less often where they must;
/// who asks for a shorter one gets it.
constexpr double patient_period = 600;
constexpr double largest_overhead = 0.01;
constexpr double longest_stretch = 6;
/// The phase of a state without any solver's.
constexpr const char* between = "between sections";

} // namespace

Checkpoints::Checkpoints(MPI_Comm comm, base::Log& log, CheckpointPolicy policy, Identity identity)
    : comm_(comm), log_(log), policy_(std::move(policy)), identity_(std::move(identity)) {
  base::SignalWatch::stop_after(policy_.budget - elapsed() - 2 * longest_save_);
  const std::vector<Found> existing = found();
  if (!existing.empty()) next_number_ = existing.front().number + 1;
}

std::string Checkpoints::path_of(long number) const {
  return fmt::format("{}{}{}{}", policy_.stem, infix, number, suffix);
}

std::vector<Checkpoints::Found> Checkpoints::found_locally() const {
  std::vector<Found> files;
  const fs::path stem(policy_.stem);
  const std::string prefix = stem.filename().string() + std::string(infix);
  std::error_code code;
  const fs::path folder = stem.has_parent_path() ? stem.parent_path() : fs::path(".");
  for (const fs::directory_entry& entry : fs::directory_iterator(folder, code)) {
    const std::string name = entry.path().filename().string();
    if (name.size() <= prefix.size() + suffix.size()) continue;
    if (!name.starts_with(prefix) || !name.ends_with(suffix)) continue;
    const std::string digits =
        name.substr(prefix.size(), name.size() - prefix.size() - suffix.size());
    const bool number =
        digits.size() < 10 && std::all_of(digits.begin(), digits.end(),
                                          [](unsigned char c) { return std::isdigit(c) != 0; });
    if (!number) continue;
    files.push_back(
        {fmt::format("{}{}{}{}", policy_.stem, infix, digits, suffix), std::stol(digits)});
  }
  std::sort(files.begin(), files.end(),
            [](const Found& a, const Found& b) { return a.number > b.number; });
  return files;
}

std::vector<Checkpoints::Found> Checkpoints::found() const {
  // Rank 0 looks; a path per line comes back to all.
  const std::string list = base::on_first_rank(comm_, [&] {
    std::string lines;
    for (const Found& file : found_locally())
      lines += fmt::format("{} {}\n", file.number, file.path);
    return lines;
  });
  std::vector<Found> files;
  for (std::size_t begin = 0; begin < list.size();) {
    const std::size_t end = list.find('\n', begin);
    const std::size_t space = list.find(' ', begin);
    files.push_back(
        {list.substr(space + 1, end - space - 1), std::stol(list.substr(begin, space - begin))});
    begin = end + 1;
  }
  return files;
}

void Checkpoints::require_same_problem(const CheckpointReader& reader) const {
  const auto differs = [&](const std::string& key, const std::string& here,
                           const std::string& there) {
    throw base::InputError(fmt::format(
        "checkpoint '{}' belongs to another problem: '{}' is {} here, but {} there; use the input "
        "it was made with, or leave --restart away to begin afresh",
        reader.path(), key, here.empty() ? "not given" : here,
        there.empty() ? "not given" : there));
  };
  const auto value_in = [](const Identity& identity, const std::string& key) {
    const auto entry = std::find_if(identity.begin(), identity.end(),
                                    [&](const auto& pair) { return pair.first == key; });
    return entry == identity.end() ? std::string() : entry->second;
  };
  for (const auto& [key, value] : identity_) {
    const std::string there = value_in(reader.identity(), key);
    if (there != value) differs(key, value, there);
  }
  for (const auto& [key, value] : reader.identity()) {
    if (value_in(identity_, key).empty()) differs(key, "", value);
  }
}

void Checkpoints::resume(const std::string& restart) {
  if (restart.empty()) return;
  if (restart != "auto") {
    reader_ = std::make_unique<CheckpointReader>(comm_, restart);
    require_same_problem(*reader_);
  } else {
    for (const Found& file : found()) {
      try {
        reader_ = std::make_unique<CheckpointReader>(comm_, file.path);
        break;
      } catch (const base::InputError& error) {
        log_.warning(fmt::format("{}; trying the one before", error.what()));
      }
    }
    if (reader_) require_same_problem(*reader_);
  }
  if (!reader_) {
    log_.line("  no checkpoint to restart from: beginning afresh");
    return;
  }
  resumed_ = true;
  done_ = reader_->done();
  fruitless_before_ = reader_->fruitless();
  phase_saved_ = reader_->phase() != between;
  log_.line(fmt::format("  resuming from '{}' ({})", reader_->path(), reader_->phase()));
}

void Checkpoints::attach(ResultFile& result) {
  result_ = &result;
  if (reader_) reader_->result(result);
}

bool Checkpoints::done(const std::string& section) const {
  return std::any_of(done_.begin(), done_.end(), [&](const std::string& entry) {
    return entry.substr(0, entry.find('\t')) == section;
  });
}

std::string Checkpoints::problem_of(const std::string& section) const {
  for (const std::string& entry : done_) {
    if (entry.starts_with(section + "\t")) return entry.substr(section.size() + 1);
  }
  return {};
}

void Checkpoints::complete(const std::string& section, const std::string& problem) {
  std::string entry = problem.empty() ? section : section + "\t" + problem;
  std::replace(entry.begin(), entry.end(), '\n', ' '); // one line each is how they are stored
  done_.push_back(entry);
  progress_ = true;
  phase_saved_ = false;
  reader_.reset(); // what it holds was of this section, or of work before it
}

bool Checkpoints::restore(const std::string& phase,
                          const std::function<void(CheckpointReader&)>& load) {
  first_step_ = true;
  longest_step_ = 0;
  if (!pending(phase)) return false;
  load(*reader_);
  reader_.reset();
  return true;
}

void Checkpoints::keep(Save save, bool fresh) {
  kept_.push_back(std::move(save));
  progress_ = progress_ || fresh;
}

bool Checkpoints::kept(const std::string& name,
                       const std::function<void(CheckpointReader&)>& load) const {
  if (!reader_ || !reader_->has(name)) return false;
  load(*reader_);
  return true;
}

double Checkpoints::elapsed() const {
  return std::chrono::duration<double>(std::chrono::steady_clock::now() - policy_.begun).count();
}

void Checkpoints::judge(bool interrupting) {
  const base::Request request = base::SignalWatch::requested(comm_);
  const double now = elapsed();
  const double step = first_step_ ? 0 : now - last_step_;
  first_step_ = false;
  longest_step_ = std::max(longest_step_, step);
  last_step_ = now;
  const double cost = longest_save_ + (interrupting ? step : 0);
  const double period =
      policy_.every >= patient_period
          ? std::clamp(cost / largest_overhead, policy_.every, longest_stretch * policy_.every)
          : policy_.every;
  // Clocks differ between ranks: rank 0's counts.
  std::array<int, 2> clock{now - last_save_ >= period && !write_failed_ ? 1 : 0,
                           now + 2 * longest_save_ + longest_step_ >= policy_.budget ? 1 : 0};
  MPI_Bcast(clock.data(), 2, MPI_INT, 0, comm_);
  save_asked_ = request == base::Request::save;
  save_due_ = clock[0] != 0 || save_asked_;
  if (request == base::Request::stop) {
    stop_reason_ = base::SignalWatch::stop_text(comm_);
  } else if (clock[1] != 0) {
    stop_reason_ = "the end of its wall time";
  }
}

bool Checkpoints::due(bool settled) {
  judge(true);
  judged_ = (save_due_ && (settled || save_asked_)) || !stop_reason_.empty();
  return judged_;
}

void Checkpoints::require_room(const std::string& path) const {
  base::on_first_rank(comm_, [&]() -> std::string {
    std::error_code code;
    const auto size = [&](const std::string& file) {
      const std::uintmax_t bytes = fs::file_size(file, code);
      return code ? std::uintmax_t{0} : bytes;
    };
    constexpr std::uintmax_t spare = 1 << 20;
    const std::vector<Found> files = found_locally();
    std::uintmax_t bytes = result_ ? size(temporary_name(result_->path())) : 0;
    if (!files.empty()) bytes = std::max(bytes, size(files.front().path));
    const Room room = room_for(path, bytes + spare);
    if (!room.problem.empty()) {
      throw std::runtime_error(fmt::format("'{}': {}", path, room.problem));
    }
    return {};
  });
}

bool Checkpoints::write(const std::string& phase, bool carry, const Save& save,
                        std::string& problem) {
  const double begun = elapsed();
  const bool carries = carry && reader_;
  const std::string& name = carries ? reader_->phase() : phase;
  const std::string path = path_of(next_number_);
  try {
    require_room(path);
    CheckpointWriter writer(comm_, path, identity_, name);
    save(writer);
    for (const Save& kept : kept_) kept(writer);
    if (carries) writer.rest_of(*reader_);
    if (!progress_ && phase == between) writer.fruitless(fruitless_before_ + 1);
    if (result_) writer.result(*result_, done_);
    writer.commit();
  } catch (const std::runtime_error& error) {
    problem = error.what();
  }
  problem = base::first_text(comm_, problem);
  last_save_ = elapsed();
  last_step_ = last_save_;
  if (!problem.empty()) return false;
  ++next_number_;
  ++count_;
  phase_saved_ = name != between;
  double spent = last_save_ - begun;
  MPI_Allreduce(MPI_IN_PLACE, &spent, 1, MPI_DOUBLE, MPI_MAX, comm_);
  longest_save_ = std::max(longest_save_, spent);
  base::SignalWatch::stop_after(policy_.budget - elapsed() - 2 * longest_save_);
  seconds_ += spent;
  bytes_ += std::stod(base::on_first_rank(comm_, [&] {
    std::error_code code;
    const auto size = fs::file_size(path, code);
    return std::to_string(code ? 0 : size);
  }));
  base::on_first_rank(comm_, [&]() -> std::string {
    const std::vector<Found> files = found_locally();
    std::error_code code;
    for (std::size_t i = static_cast<std::size_t>(policy_.keep); i < files.size(); ++i) {
      fs::remove(files[i].path, code);
    }
    return {};
  });
  log_.line(fmt::format("    checkpoint '{}' ({})", path, base::duration_text(spent)));
  return true;
}

void Checkpoints::step(const std::string& phase, const Save& save) {
  if (!std::exchange(judged_, false)) judge(false);
  if (save_due_ || !stop_reason_.empty()) save_or_leave(phase, false, save);
}

void Checkpoints::step_before(bool came_on, const Save& save) {
  if (!std::exchange(judged_, false)) judge(false);
  if (!save_due_ && stop_reason_.empty()) return;
  const bool before = std::exchange(progress_, progress_ || came_on);
  try {
    if (!save_or_leave(between, true, save)) progress_ = before;
  } catch (const base::Stopped&) {
    require_progress();
    throw;
  }
}

bool Checkpoints::save_or_leave(const std::string& phase, bool carry, const Save& save) {
  std::string problem;
  const bool written = write(phase, carry, save, problem);
  progress_ = progress_ || (written && phase != between);
  base::SignalWatch::saved();
  if (!written) {
    write_failed_ = true; // a signal may ask again; the period would only repeat the message
    log_.warning(fmt::format("no checkpoint was written: {}; earlier ones are kept", problem));
  }
  if (stop_reason_.empty()) return written;
  left_ = true;
  if (!written) {
    throw base::Error(
        base::ExitCode::internal,
        fmt::format("stopped by {}; the state since the last checkpoint is lost", stop_reason_));
  }
  throw base::Stopped(fmt::format("stopped by {}; run the same command again with '--restart auto' "
                                  "to go on",
                                  stop_reason_));
}

void Checkpoints::leave() {
  if (left_) throw;
  stop_reason_ = base::SignalWatch::stop_text(comm_);
  // A state that waits for work to be done again before it is of this run only once that is done.
  if (phase_saved_ && (!reader_ || progress_)) {
    throw base::Stopped(fmt::format("stopped by {}; run the same command again with '--restart "
                                    "auto' to go on from the last checkpoint",
                                    stop_reason_));
  }
  if (!resumed_ && done_.empty() && count_ == 0 && !found().empty()) {
    throw base::Stopped(fmt::format("stopped by {} before there was anything to save; the "
                                    "checkpoints of an earlier run are kept, and '--restart auto' "
                                    "goes on from them",
                                    stop_reason_));
  }
  try {
    save_or_leave(between, true, [](CheckpointWriter&) {});
  } catch (const base::Stopped&) {
    require_progress();
    throw;
  }
}

void Checkpoints::require_progress() const {
  constexpr int patience = 3;
  if (progress_ || fruitless_before_ + 1 < patience) return;
  throw base::ConvergenceError(fmt::format(
      "{} runs in a row were stopped before they could save any progress; give each run more "
      "time, or more ranks",
      fruitless_before_ + 1));
}

void Checkpoints::remove() {
  base::on_first_rank(comm_, [&]() -> std::string {
    std::error_code code;
    for (const Found& file : found_locally()) fs::remove(file.path, code);
    // What a run that was killed had begun to write would have had this number.
    discard(path_of(next_number_));
    return {};
  });
}

} // namespace komori::io
