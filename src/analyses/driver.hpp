/// What every driver does around its own work: command line, session, input, exit code.
#pragma once

#include <functional>
#include <string>
#include <vector>

#include "base/session.hpp"
#include "config/command_line.hpp"
#include "config/node.hpp"

namespace komori::analyses {

/// A run's surroundings, handed to the driver's work.
struct Run {
  base::Session& session;
  const config::CommandLine& command_line;
  std::string command; ///< the command line as one text
  config::Node input;  ///< with all --set applied; empty where the driver takes no input
};

/// What makes one driver different from the others.
struct Driver {
  std::string name;
  std::string summary; ///< one sentence for --help
  config::InputFile takes_input = config::InputFile::required;
  std::function<std::string()> key_help;    ///< the keys of its input, for --help
  std::vector<std::string> option_prefixes; ///< of its solvers: "spectrum_", ...
  std::function<int(Run&)> work;            ///< returns the exit code; may throw
};

/// A whole main(): returns the exit code. Prints every message once.
int run_driver(int argc, char** argv, const Driver& driver);

} // namespace komori::analyses
