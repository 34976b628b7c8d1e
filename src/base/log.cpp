#include "base/log.hpp"

#include <algorithm>
#include <array>
#include <cmath>
#include <cstdio>

#include <fmt/format.h>

#include "base/memory.hpp"

namespace komori::base {
namespace {

constexpr auto progress_interval = std::chrono::milliseconds(500);

double seconds_since(std::chrono::steady_clock::time_point start) {
  return std::chrono::duration<double>(std::chrono::steady_clock::now() - start).count();
}

void print(std::FILE* stream, const std::string& line) {
  std::fprintf(stream, "%s\n", line.c_str());
  std::fflush(stream);
}

} // namespace

Log::Log(MPI_Comm comm) : comm_(comm) {
  MPI_Comm_rank(comm, &rank_);
}

void Log::emit(std::string_view event, std::string_view text, bool problem) {
  if (rank_ != 0) return;
  std::FILE* stream = problem ? stderr : stdout;
  if (format_ == Format::json) {
    print(stream, fmt::format(R"({{"event":"{}","text":{}}})", event, json_string(text)));
  } else if (problem) {
    print(stream, fmt::format("{}: {}", event, text));
  } else {
    print(stream, std::string(text));
  }
}

void Log::line(std::string_view text) {
  if (speaks()) emit("line", text, false);
}

void Log::warning(std::string_view text) {
  warnings_.emplace_back(text);
  emit("warning", text, true);
}

void Log::error(std::string_view text) {
  emit("error", text, true);
}

void Log::table(std::string_view title, const std::vector<std::string>& header,
                const std::vector<std::vector<std::string>>& rows) {
  if (!speaks()) return;
  if (format_ == Format::json) {
    std::string body;
    for (const auto& row : rows) {
      std::string cells;
      for (std::size_t c = 0; c < row.size(); ++c) {
        cells += fmt::format("{}{}:{}", c ? "," : "", json_string(header[c]), json_string(row[c]));
      }
      body += fmt::format("{}{{{}}}", body.empty() ? "" : ",", cells);
    }
    print(stdout,
          fmt::format(R"({{"event":"table","title":{},"rows":[{}]}})", json_string(title), body));
    return;
  }
  std::vector<std::size_t> width;
  for (const std::string& name : header) width.push_back(name.size());
  for (const auto& row : rows) {
    for (std::size_t c = 0; c < row.size(); ++c) width[c] = std::max(width[c], row[c].size());
  }
  const auto write = [&](const std::vector<std::string>& row) {
    std::string text;
    for (std::size_t c = 0; c < row.size(); ++c) {
      text += c == 0 ? fmt::format("  {:<{}}", row[c], width[c])
                     : fmt::format("  {:>{}}", row[c], width[c]);
    }
    print(stdout, text);
  };
  std::size_t total = 0;
  for (std::size_t w : width) total += w + 2;
  print(stdout, fmt::format("\n{}", title));
  write(header);
  print(stdout, "  " + std::string(total - 2, '-'));
  for (const auto& row : rows) write(row);
  print(stdout, "");
}

void Log::progress(double done, std::string_view detail) {
  if (!speaks()) return;
  const auto now = std::chrono::steady_clock::now();
  if (now - last_progress_ < progress_interval) return;
  last_progress_ = now;
  const double elapsed = seconds_since(phase_start_);
  const double left = done > 0 ? elapsed * (1 - done) / done : 0;
  if (format_ == Format::json) {
    print(stdout, fmt::format(R"({{"event":"progress","phase":{},"done":{:.4f},"elapsed":{:.3f},)"
                              R"("remaining":{:.3f},"detail":{}}})",
                              json_string(phase_), done, elapsed, left, json_string(detail)));
  } else {
    print(stdout, fmt::format("    {:3.0f} %  {}  ({} left)", 100 * done, detail,
                              done > 0 ? duration_text(left) : "?"));
  }
}

void Log::iteration(std::string_view solver, int iteration, int converged, double error) {
  if (!speaks()) return;
  const auto now = std::chrono::steady_clock::now();
  if (now - last_progress_ < progress_interval) return;
  last_progress_ = now;
  if (format_ == Format::json) {
    print(stdout, fmt::format(R"({{"event":"iteration","solver":{},"iteration":{},"converged":{},)"
                              R"("error":{:.3e},"elapsed":{:.3f}}})",
                              json_string(solver), iteration, converged,
                              std::isfinite(error) ? error : -1.0, seconds_since(phase_start_)));
  } else {
    print(stdout,
          fmt::format("    {} {:4d}: {} converged, largest remaining error {:.2e}, {}", solver,
                      iteration, converged, error, duration_text(seconds_since(phase_start_))));
  }
}

Phase::Phase(Log& log, std::string name)
    : log_(log), name_(std::move(name)), outer_(log.phase_),
      start_(std::chrono::steady_clock::now()), before_(count_so_far()) {
  log_.phase_ = name_;
  log_.phase_start_ = start_;
  log_.last_progress_ = start_;
}

Phase::~Phase() {
  log_.phase_ = outer_;
}

double Phase::seconds() const {
  return seconds_since(start_);
}

void Phase::finish(std::string_view remark) {
  if (!open_) return;
  open_ = false;
  const Counters own = count_so_far() - before_;
  const std::array<double, 6> values{seconds(),         peak_resident_bytes(), own.messages,
                                     own.message_bytes, own.reductions,        own.flops};
  std::array<double, 6> largest{};
  std::array<double, 6> sum{};
  MPI_Allreduce(values.data(), largest.data(), 6, MPI_DOUBLE, MPI_MAX, log_.comm_);
  MPI_Allreduce(values.data(), sum.data(), 6, MPI_DOUBLE, MPI_SUM, log_.comm_);
  int ranks = 1;
  MPI_Comm_size(log_.comm_, &ranks);
  for (double& value : sum) value /= ranks;
  log_.phases_.push_back({.name = name_,
                          .seconds = largest[0],
                          .peak_bytes = largest[1],
                          .mean_bytes = sum[1],
                          .mean = {sum[2], sum[3], sum[4], sum[5]},
                          .largest = {largest[2], largest[3], largest[4], largest[5]}});
  if (!log_.speaks()) return;
  if (log_.format_ == Log::Format::json) {
    print(stdout, fmt::format(R"({{"event":"phase","name":{},"seconds":{:.6f},"peak_bytes":{:.0f},)"
                              R"("remark":{}}})",
                              json_string(name_), largest[0], largest[1], json_string(remark)));
  } else {
    print(stdout, fmt::format("  {:<22} {:>10}   {}", name_, duration_text(largest[0]), remark));
  }
}

std::string duration_text(double seconds) {
  if (seconds < 60) return fmt::format("{:.2f} s", seconds);
  const auto whole = static_cast<std::int64_t>(std::llround(seconds));
  if (whole < 3600) return fmt::format("{} min {:02d} s", whole / 60, whole % 60);
  return fmt::format("{} h {:02d} min", whole / 3600, whole % 3600 / 60);
}

std::string bytes_text(double bytes) {
  if (bytes < 1e6) return fmt::format("{:.1f} kB", bytes / 1e3);
  if (bytes < 1e9) return fmt::format("{:.1f} MB", bytes / 1e6);
  return fmt::format("{:.2f} GB", bytes / 1e9);
}

std::string json_string(std::string_view text) {
  std::string quoted = "\"";
  for (const char c : text) {
    if (c == '"' || c == '\\') {
      quoted += '\\';
      quoted += c;
    } else if (static_cast<unsigned char>(c) < 0x20) {
      quoted += fmt::format("\\u{:04x}", static_cast<unsigned>(static_cast<unsigned char>(c)));
    } else {
      quoted += c;
    }
  }
  return quoted + '"';
}

} // namespace komori::base
