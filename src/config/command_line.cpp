#include "config/command_line.hpp"

#include <algorithm>
#include <array>
#include <filesystem>
#include <string_view>

#include <CLI/CLI.hpp>
#include <fmt/format.h>

#include "base/error.hpp"
#include "config/duration.hpp"
#include "config/nearest.hpp"
#include "config/wording.hpp"

namespace komori::config {

namespace {

struct Option {
  std::string_view name;
  std::string_view value; ///< empty: a flag
  std::string_view help;
};

constexpr std::array<Option, 10> options{{
    {"--set", "KEY=VALUE", "change one key of the input, e.g. --set spectrum.pairs=20; repeatable"},
    {"--output", "FILE", "the result file; without it, named after the input, in this folder"},
    {"--overwrite", "", "replace an existing result file"},
    {"--restart", "auto|FILE", "go on from a checkpoint: the newest of this run, or FILE"},
    {"--walltime", "DURATION", "stop in time, with a checkpoint: 90s, 30min, 2h, 1:30:00"},
    {"--check", "", "check the input, predict sizes and memory, and stop"},
    {"--quiet", "", "print errors only"},
    {"--log", "text|json", "how to print progress"},
    {"--help", "", "explain all options and input keys, and stop"},
    {"--version", "", "print the version, and stop"},
}};

[[noreturn]] void stop(const std::string& text) {
  throw base::InputError(text);
}

bool is_letter(char c) noexcept {
  return (c >= 'a' && c <= 'z') || (c >= 'A' && c <= 'Z');
}

bool is_petsc_option(std::string_view token) noexcept {
  return token.size() > 1 && token[0] == '-' && is_letter(token[1]);
}

bool is_yaml_file(std::string_view token) noexcept {
  return token.ends_with(".yaml") || token.ends_with(".yml");
}

const Option* find_option(std::string_view name) noexcept {
  const auto found = std::find_if(options.begin(), options.end(),
                                  [&](const Option& option) { return option.name == name; });
  return found == options.end() ? nullptr : &*found;
}

const Option& known_option(std::string_view token) {
  const std::string_view name = token.substr(0, token.find('='));
  if (const Option* option = find_option(name)) return *option;
  std::vector<std::string> names;
  names.reserve(options.size());
  for (const Option& option : options) names.emplace_back(option.name);
  stop(fmt::format("unknown option {}.{} Options: {}", in_quotes(name), did_you_mean(name, names),
                   listed(names)));
}

/// The option at `i` with its value, if it has one, joined by '=': then a value that begins with a
/// dash stays a value. Moves `i` to the last argument taken.
std::string own_option(const std::vector<std::string>& arguments, std::size_t& i) {
  std::string token = arguments[i];
  const Option& option = known_option(token);
  const bool joined = token.find('=') != std::string::npos;
  if (option.value.empty()) {
    if (joined)
      stop(fmt::format("option '{}' takes no value, but has {}", option.name, in_quotes(token)));
    return token;
  }
  if (!joined) {
    const bool has_value = i + 1 < arguments.size() && !arguments[i + 1].starts_with("--") &&
                           !is_petsc_option(arguments[i + 1]);
    token += "=" + (has_value ? arguments[++i] : "");
  }
  if (token.find('=') + 1 == token.size())
    stop(fmt::format("option '{0}' needs a value: {0} {1}", option.name, option.value));
  return token;
}

/// Takes PETSc's options out of the arguments and checks the names of the others.
std::vector<std::string> split(const std::vector<std::string>& arguments, CommandLine& line) {
  std::vector<std::string> own;
  bool input_seen = false;
  for (std::size_t i = 0; i < arguments.size(); ++i) {
    const std::string& token = arguments[i];
    if (token == "-h") {
      own.emplace_back("--help");
    } else if (token.starts_with("--")) {
      own.push_back(own_option(arguments, i));
    } else if (is_petsc_option(token)) {
      line.petsc_options.push_back(token);
      if (i + 1 == arguments.size()) break;
      const std::string& next = arguments[i + 1];
      const bool is_option = is_petsc_option(next) || next.starts_with("--");
      if (is_option || (!input_seen && is_yaml_file(next))) continue;
      line.petsc_options.push_back(next);
      ++i;
    } else if (token.empty() || token.starts_with('-')) {
      stop(fmt::format("cannot make sense of the argument {}", in_quotes(token)));
    } else {
      if (input_seen && token.find('=') != std::string::npos)
        stop(fmt::format("cannot make sense of the argument {}; write --set {}", in_quotes(token),
                         shortened(token)));
      own.push_back(token);
      input_seen = true;
    }
  }
  return own;
}

void check_values(const CLI::App& app, CommandLine& line, const std::string& walltime) {
  for (const Option& option : options) {
    const CLI::Option* given = app.get_option_no_throw(std::string(option.name));
    if (!given) continue;
    if (given->count() > 1 && option.name != "--set" && !option.value.empty())
      stop(fmt::format("option '{}' is given {} times; keep one", option.name, given->count()));
  }
  for (const std::string& assignment : line.sets)
    if (assignment.find('=') == std::string::npos || assignment.front() == '=')
      stop(fmt::format("--set {} must have the form --set section.key=value, e.g. --set "
                       "spectrum.pairs=20",
                       shortened(assignment)));
  if (line.log != "text" && line.log != "json")
    stop(fmt::format("option '--log' is {}, but must be text or json", in_quotes(line.log)));
  if (walltime.empty()) return;
  line.walltime = parse_duration(walltime);
  if (!line.walltime || *line.walltime <= 0)
    stop(fmt::format("option '--walltime' is {}, but must be a duration > 0, e.g. {}",
                     in_quotes(walltime), duration_examples));
}

void check_input(const CommandLine& line, const std::vector<std::string>& files, InputFile input) {
  if (files.size() > 1)
    stop(fmt::format("two input files, {} and {}; {} takes one (write it before the options of "
                     "PETSc)",
                     in_quotes(files[0]), in_quotes(files[1]), line.program));
  if (input == InputFile::none && !files.empty())
    stop(
        fmt::format("{} takes no input file, but was given {}", line.program, in_quotes(files[0])));
  if (input == InputFile::required && files.empty() && !line.help && !line.version)
    stop(fmt::format("no input file; call it as: {} INPUT.yaml [options], or see {} --help",
                     line.program, line.program));
}

} // namespace

CommandLine parse_command_line(int argc, const char* const* argv, InputFile input) {
  CommandLine line;
  line.program = argc > 0 ? std::filesystem::path(argv[0]).filename().string() : "komori";
  std::vector<std::string> own =
      split(std::vector<std::string>(argv + std::min(argc, 1), argv + argc), line);

  std::vector<std::string> files;
  std::string walltime;
  CLI::App app;
  app.set_help_flag();
  app.add_option("--set", line.sets)->allow_extra_args(false);
  const auto single = [&](const char* name, std::string& value) {
    app.add_option(name, value)->multi_option_policy(CLI::MultiOptionPolicy::TakeLast);
  };
  single("--output", line.output);
  single("--restart", line.restart);
  single("--walltime", walltime);
  single("--log", line.log);
  app.add_flag("--overwrite", line.overwrite);
  app.add_flag("--check", line.check);
  app.add_flag("--quiet", line.quiet);
  app.add_flag("--help", line.help);
  app.add_flag("--version", line.version);
  app.add_option("input", files);
  try {
    std::reverse(own.begin(), own.end()); // CLI11 takes them from the back
    app.parse(std::move(own));
  } catch (const CLI::Error& error) {
    stop(std::string("cannot make sense of the command line: ") + error.what());
  }
  check_values(app, line, walltime);
  check_input(line, files, input);
  if (!files.empty()) line.input = files.front();
  return line;
}

std::string command_line_help() {
  std::string text;
  for (const Option& option : options)
    text +=
        fmt::format("  {:<24} {}\n", fmt::format("{} {}", option.name, option.value), option.help);
  return text + "  -NAME [VALUE]            an option of PETSc or SLEPc, e.g. -log_view\n";
}

} // namespace komori::config
