/// The command line.
#include <sstream>

#include "config/command_line.hpp"
#include "support.hpp"

namespace komori::config {
namespace {

using testing::ElementsAre;
using testing::HasSubstr;
using testing::IsEmpty;

CommandLine parse_words(const std::vector<std::string>& words,
                        InputFile input = InputFile::required) {
  std::vector<const char*> argv{"build/bin/fokker_planck"};
  for (const std::string& word : words) argv.push_back(word.c_str());
  return parse_command_line(static_cast<int>(argv.size()), argv.data(), input);
}

std::string error(const std::vector<std::string>& words, InputFile input = InputFile::required) {
  return message_of([&] { parse_words(words, input); });
}

TEST(CommandLine, InputAlone) {
  const CommandLine line = parse_words({"inputs/a.yaml"});

  EXPECT_EQ(line.program, "fokker_planck");
  EXPECT_EQ(line.input, "inputs/a.yaml");
  EXPECT_THAT(line.sets, IsEmpty());
  EXPECT_EQ(line.output, "");
  EXPECT_EQ(line.restart, "");
  EXPECT_FALSE(line.walltime.has_value());
  EXPECT_EQ(line.log, "text");
  EXPECT_FALSE(line.overwrite || line.check || line.quiet || line.help || line.version);
  EXPECT_THAT(line.petsc_options, IsEmpty());
}

TEST(CommandLine, AllOptions) {
  const CommandLine line = parse_words(
      {"--set", "spectrum.pairs=20", "a.txt", "--set=model.parameters.beta=-1", "--output", "F.h5",
       "--overwrite", "--restart=auto", "--walltime", "1h30m", "--check", "--quiet", "--log",
       "json", "--help", "--version", "--set", "grid.x=[1, 2]"});

  EXPECT_EQ(line.input, "a.txt");
  EXPECT_THAT(line.sets,
              ElementsAre("spectrum.pairs=20", "model.parameters.beta=-1", "grid.x=[1, 2]"));
  EXPECT_EQ(line.output, "F.h5");
  EXPECT_TRUE(line.overwrite);
  EXPECT_EQ(line.restart, "auto");
  EXPECT_EQ(line.walltime, 5400);
  EXPECT_TRUE(line.check && line.quiet && line.help && line.version);
  EXPECT_EQ(line.log, "json");
}

TEST(CommandLine, PetscOptionsKeepTheirValues) {
  const CommandLine line =
      parse_words({"-log_view", "a.yaml", "-spectrum_eps_ncv", "64", "-spectrum_st_shift", "-1e-3",
                   "-spectrum_eps_monitor", "-eps_tol", "1e-9", "--quiet", "-mat_view", "--check",
                   "-options_file", "petsc.yml", "-malloc_debug"});

  EXPECT_EQ(line.input, "a.yaml");
  EXPECT_TRUE(line.quiet && line.check);
  EXPECT_THAT(line.petsc_options,
              ElementsAre("-log_view", "-spectrum_eps_ncv", "64", "-spectrum_st_shift", "-1e-3",
                          "-spectrum_eps_monitor", "-eps_tol", "1e-9", "-mat_view", "-options_file",
                          "petsc.yml", "-malloc_debug"));
}

TEST(CommandLine, ValuesOfOwnOptionsAreNoInputs) {
  const CommandLine line = parse_words({"--restart", "old.yaml", "-log_view", "new.yml"});

  EXPECT_EQ(line.restart, "old.yaml");
  EXPECT_EQ(line.input, "new.yml");
}

TEST(CommandLine, HelpAndVersionNeedNoInput) {
  EXPECT_TRUE(parse_words({"--help"}).help);
  EXPECT_TRUE(parse_words({"-h"}).help);
  EXPECT_TRUE(parse_words({"--version"}).version);
  EXPECT_EQ(parse_words({"--help", "a.yaml"}).input, "a.yaml");
}

TEST(CommandLine, InputMayBeRequiredOptionalOrNone) {
  EXPECT_EQ(error({}), "no input file; call it as: fokker_planck INPUT.yaml [options], or see "
                       "fokker_planck --help");
  EXPECT_EQ(error({"--quiet", "-log_view"}),
            "no input file; call it as: fokker_planck INPUT.yaml [options], or see fokker_planck "
            "--help");
  EXPECT_EQ(parse_words({}, InputFile::optional).input, "");
  EXPECT_EQ(parse_words({"a.yaml"}, InputFile::optional).input, "a.yaml");
  EXPECT_EQ(error({"a.yaml"}, InputFile::none),
            "fokker_planck takes no input file, but was given 'a.yaml'");
  EXPECT_EQ(error({"a.yaml", "b.yaml"}),
            "two input files, 'a.yaml' and 'b.yaml'; fokker_planck takes one (write it before the "
            "options of PETSc)");
}

TEST(CommandLine, UnknownOptions) {
  EXPECT_EQ(error({"a.yaml", "--ouput", "F.h5"}),
            "unknown option '--ouput'. Did you mean '--output'? Options: --set, --output, "
            "--overwrite, --restart, --walltime, --check, --quiet, --log, --help, --version");
  EXPECT_THAT(error({"a.yaml", "--spectrum=3"}),
              HasSubstr("unknown option '--spectrum'. Options:"));
  EXPECT_THAT(error({"a.yaml", "--"}), HasSubstr("unknown option '--'."));
  EXPECT_THAT(error({"a.yaml", "---quiet"}), HasSubstr("unknown option '---quiet'. Did you mean"));
}

TEST(CommandLine, MissingAndSuperfluousValues) {
  EXPECT_EQ(error({"a.yaml", "--output"}), "option '--output' needs a value: --output FILE");
  EXPECT_EQ(error({"a.yaml", "--output", "--quiet"}),
            "option '--output' needs a value: --output FILE");
  EXPECT_EQ(error({"a.yaml", "--set", "-log_view"}),
            "option '--set' needs a value: --set KEY=VALUE");
  EXPECT_EQ(error({"a.yaml", "--log="}), "option '--log' needs a value: --log text|json");
  EXPECT_EQ(error({"a.yaml", "--output", ""}), "option '--output' needs a value: --output FILE");
  EXPECT_EQ(error({"a.yaml", "--quiet=yes"}),
            "option '--quiet' takes no value, but has '--quiet=yes'");
  EXPECT_EQ(error({"a.yaml", "--output", "a", "--output=b"}),
            "option '--output' is given 2 times; keep one");
  EXPECT_TRUE(parse_words({"a.yaml", "--quiet", "--quiet"}).quiet);
}

TEST(CommandLine, WrongValues) {
  EXPECT_EQ(error({"a.yaml", "--log", "xml"}), "option '--log' is 'xml', but must be text or json");
  EXPECT_EQ(error({"a.yaml", "--walltime", "soon"}),
            "option '--walltime' is 'soon', but must be a duration > 0, e.g. 90s, 10min, 2h, 1h30m "
            "or 1:30:00");
  EXPECT_THAT(error({"a.yaml", "--walltime", "0"}),
              HasSubstr("is '0', but must be a duration > 0"));
  EXPECT_THAT(error({"a.yaml", "--walltime", "-5"}), HasSubstr("is '-5', but must be a duration"));
  EXPECT_EQ(error({"a.yaml", "--set", "pairs"}),
            "--set pairs must have the form --set section.key=value, e.g. --set spectrum.pairs=20");
}

TEST(CommandLine, StrayArguments) {
  EXPECT_EQ(error({"a.yaml", "-5"}), "cannot make sense of the argument '-5'");
  EXPECT_EQ(error({"a.yaml", "-"}), "cannot make sense of the argument '-'");
  EXPECT_EQ(error({"a.yaml", ""}), "cannot make sense of the argument ''");
  EXPECT_EQ(error({"a.yaml", "spectrum.pairs=3"}),
            "cannot make sense of the argument 'spectrum.pairs=3'; write --set spectrum.pairs=3");
}

TEST(CommandLine, NoArgumentsAtAll) {
  EXPECT_EQ(parse_command_line(0, nullptr, InputFile::optional).program, "komori");
}

TEST(CommandLine, HelpNamesEveryOption) {
  const std::string text = command_line_help();
  for (const char* option :
       {"--set KEY=VALUE", "--output FILE", "--overwrite", "--restart auto|FILE",
        "--walltime DURATION", "--check", "--quiet", "--log text|json", "--help", "--version"})
    EXPECT_THAT(text, HasSubstr(option));
  std::istringstream lines(text);
  for (std::string line; std::getline(lines, line);) EXPECT_LE(line.size(), 100u) << line;
}

} // namespace
} // namespace komori::config
