/// The `checkpoint` section and the command line's part in it.
#pragma once

#include <string>

#include "config/command_line.hpp"
#include "config/declaration.hpp"
#include "io/checkpoints.hpp"

namespace komori::analyses {

/// `checkpoint` as written.
struct CheckpointInput {
  double every = 600;
  std::int64_t keep = 2;
  std::string folder;
};
void declare(config::Declarer& declarer, CheckpointInput& input);

/// When and where this run saves: the section, --walltime, or else SLURM's end time. Throws
/// InputError where nothing can be written in the folder given. Collective.
io::CheckpointPolicy checkpoint_policy(MPI_Comm comm, const CheckpointInput& input,
                                       const config::CommandLine& line, const std::string& output);

/// The keys and values of a resolved input that make it the same problem: all but those under the
/// sections named. Local.
io::Identity identity_of(const std::string& resolved, const std::vector<std::string>& ignored);

} // namespace komori::analyses
