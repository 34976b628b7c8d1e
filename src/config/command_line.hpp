/// The command line: what komori takes, and what it hands on to PETSc. Local, before MPI_Init.
#pragma once

#include <optional>
#include <string>
#include <vector>

namespace komori::config {

/// What was asked for on the command line.
struct CommandLine {
  std::string program;            ///< as called, without folders
  std::string input;              ///< empty if none was given
  std::vector<std::string> sets;  ///< "key=value", in order
  std::string output;             ///< empty: named after the input
  bool overwrite = false;         ///< an existing result may go
  std::string restart;            ///< empty, "auto", or a checkpoint file
  std::optional<double> walltime; ///< seconds
  bool check = false;             ///< validate, predict, and stop
  bool quiet = false;
  std::string log = "text"; ///< "text" or "json"
  bool help = false;
  bool version = false;
  std::vector<std::string> petsc_options; ///< "-name" each followed by its value if it has one
};

/// Whether a driver works on an input file.
enum class InputFile { required, optional, none };

/// Sorts out the arguments. Options with two dashes are komori's. One dash and a letter begin an
/// option of PETSc; the argument after it is its value unless that begins with a dash and a letter
/// (or two dashes), or names a YAML file while no input file has been seen. Prints nothing. Throws
/// InputError with one message; `--help` and `--version` excuse a missing input file.
CommandLine parse_command_line(int argc, const char* const* argv,
                               InputFile input = InputFile::required);

/// The options for `--help`, in lines of at most 100 columns.
std::string command_line_help();

} // namespace komori::config
