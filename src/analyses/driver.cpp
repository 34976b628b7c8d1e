#include "analyses/driver.hpp"

#include <algorithm>
#include <array>
#include <cctype>
#include <cstdio>
#include <optional>

#include <fmt/format.h>

#include "base/error.hpp"
#include "base/huge_pages.hpp"
#include "base/signals.hpp"
#include "config/nearest.hpp"
#include "io/run_record.hpp"

namespace komori::analyses {
namespace {

/// Beginnings of options that belong to PETSc as a whole and not to one solver.
constexpr std::array<std::string_view, 20> global_options{
    "log_",    "malloc",    "memory_",  "info",    "options_", "mat_",
    "vec_",    "sf_",       "matmult_", "cuda",    "hip",      "device_",
    "fp_trap", "on_error_", "help",     "version", "debug",    "start_in_debugger",
    "use_gpu", "citations"};

/// A misspelt prefix reaches no solver at all; say so before any work.
void require_known_options(const std::vector<std::string>& options,
                           const std::vector<std::string>& prefixes) {
  for (const std::string& option : options) {
    if (option.size() < 2 || option[0] != '-' || std::isalpha(option[1]) == 0) continue; // a value
    const std::string name = option.substr(1);
    const auto begins = [&](std::string_view beginning) { return name.starts_with(beginning); };
    if (std::any_of(global_options.begin(), global_options.end(), begins)) continue;
    if (std::any_of(prefixes.begin(), prefixes.end(), begins)) continue;
    std::string list;
    for (const std::string& prefix : prefixes) list += fmt::format(" -{}*", prefix);
    const std::optional<std::string> hint =
        config::nearest(name.substr(0, name.find('_') + 1), prefixes);
    throw base::InputError(fmt::format(
        "option '{}' belongs to no solver of this run.{} Solver options here begin with{}", option,
        hint ? fmt::format(" Did you mean '-{}...'?", *hint) : "", list));
  }
}

std::string help_text(const Driver& driver) {
  return fmt::format("{}: {}\n\nUsage: mpirun -n RANKS {} {}[options] [-PETSc options]\n\n{}\n"
                     "Input keys (YAML):\n{}",
                     driver.name, driver.summary, driver.name,
                     driver.takes_input == config::InputFile::none ? "" : "INPUT.yaml ",
                     config::command_line_help(), driver.key_help ? driver.key_help() : "");
}

int work(base::Session& session, const Driver& driver, const config::CommandLine& line,
         const std::string& command) {
  if (line.help || line.version) {
    if (session.rank() == 0) {
      std::fputs(line.help ? help_text(driver).c_str() : io::version_text().c_str(), stdout);
      std::fputc('\n', stdout);
    }
    return 0;
  }
  require_known_options(line.petsc_options, driver.option_prefixes);
  Run run{.session = session, .command_line = line, .command = command, .input = {}};
  if (driver.takes_input != config::InputFile::none) {
    run.input = line.input.empty()
                    ? config::parse("{}", "no input file")
                    : config::parse(config::read_text(session.comm(), line.input), line.input);
    for (const std::string& assignment : line.sets) config::apply_set(run.input, assignment);
  }
  const base::SignalWatch watch;
  return driver.work(run);
}

} // namespace

int run_driver(int argc, char** argv, const Driver& driver) {
  config::CommandLine line;
  std::optional<base::InputError> problem;
  std::string command;
  for (int i = 0; i < argc; ++i) command += fmt::format("{}{}", i ? " " : "", argv[i]);
  try {
    line = config::parse_command_line(argc, argv, driver.takes_input);
  } catch (const base::InputError& error) {
    problem = error; // reported once MPI knows which rank speaks
  }
  if (!problem && !line.help && !line.version && !line.check) base::use_huge_pages(argv);
  base::Session session({.program = driver.name, .petsc_options = line.petsc_options});
  if (line.quiet) session.log().set_level(base::Log::Level::quiet);
  if (line.log == "json") session.log().set_format(base::Log::Format::json);
  return session.run([&] {
    if (problem) throw *problem;
    return work(session, driver, line, command);
  });
}

} // namespace komori::analyses
