#include "analyses/checkpoint_input.hpp"

#include <algorithm>
#include <chrono>
#include <filesystem>

#include <fmt/format.h>

#include "base/collective.hpp"
#include "base/error.hpp"
#include "base/walltime.hpp"
#include "config/node.hpp"
#include "io/disk.hpp"

namespace komori::analyses {
namespace {

void flatten(const config::Node& node, const std::string& path, io::Identity& identity) {
  if (node.children.empty()) {
    identity.emplace_back(path, node.text);
    return;
  }
  for (std::size_t i = 0; i < node.children.size(); ++i) {
    const config::Node& child = node.children[i];
    const std::string name = node.kind == config::Node::Kind::list ? fmt::format("[{}]", i)
                             : path.empty()                        ? child.key
                                                                   : "." + child.key;
    flatten(child, path + name, identity);
  }
}

} // namespace

void declare(config::Declarer& declarer, CheckpointInput& input) {
  using config::Range;
  declarer.duration(
      "every", input.every,
      {.help = "Time between two saves of a long phase; from 10min on longer where a save "
               "would cost more than 1 % of that.",
       .unit = "s"},
      Range::positive());
  declarer.integer("keep", input.keep, {.help = "Checkpoint files kept."}, Range::between(1, 100));
  declarer.text("folder", input.folder,
                {.help = "Where checkpoints lie; beside the result when left out."});
}

io::CheckpointPolicy checkpoint_policy(MPI_Comm comm, const CheckpointInput& input,
                                       const config::CommandLine& line, const std::string& output) {
  namespace fs = std::filesystem;
  const fs::path result(output);
  const fs::path folder = input.folder.empty() ? result.parent_path() : fs::path(input.folder);
  if (!input.folder.empty()) {
    const std::string obstacle =
        base::on_first_rank(comm, [&] { return io::folder_obstacle(input.folder); });
    if (!obstacle.empty()) {
      throw base::InputError(fmt::format(
          "'checkpoint.folder' is '{}', but {}, or leave the key out to save beside the "
          "result",
          input.folder, obstacle));
    }
  }
  io::CheckpointPolicy policy{.every = input.every,
                              .keep = static_cast<int>(input.keep),
                              .stem = (folder / result.stem()).string()};
  policy.begun = std::chrono::steady_clock::now();
  if (line.walltime) {
    policy.budget = *line.walltime;
  } else if (const std::optional<double> left = base::slurm_seconds_left(comm)) {
    policy.budget = *left;
  }
  return policy;
}

io::Identity identity_of(const std::string& resolved, const std::vector<std::string>& ignored) {
  io::Identity all;
  flatten(config::parse(resolved, "input"), "", all);
  std::erase_if(all, [&](const auto& entry) {
    return std::any_of(ignored.begin(), ignored.end(), [&](const std::string& section) {
      return entry.first == section || entry.first.starts_with(section + ".");
    });
  });
  // One line per key and value is how they are stored.
  for (auto& [key, value] : all) {
    std::replace(value.begin(), value.end(), '\n', ' ');
    if (value.empty()) value = "(empty)";
  }
  return all;
}

} // namespace komori::analyses
