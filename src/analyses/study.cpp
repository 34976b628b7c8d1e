#include "analyses/study.hpp"

#include <algorithm>
#include <filesystem>
#include <optional>
#include <system_error>

#include <fmt/format.h>
#include <fmt/ranges.h>

#include "base/collective.hpp"
#include "base/error.hpp"
#include "base/memory.hpp"
#include "config/file_path.hpp"
#include "config/nearest.hpp"
#include "io/run_record.hpp"

namespace komori::analyses {

using base::ExitCode;

namespace {

/// The value in an input that names this file, which exists; null if none does. Local.
const config::Node* naming(const config::Node& node, const std::filesystem::path& file) {
  if (node.kind == config::Node::Kind::scalar) {
    const bool number = node.text.find_first_not_of("0123456789+-.eE") == std::string::npos;
    std::error_code code; // where there is no such file it is not this one
    return !number &&
                   std::filesystem::equivalent(config::sought(node.text, node.origin()), file, code)
               ? &node
               : nullptr;
  }
  for (const config::Node& child : node.children) {
    if (const config::Node* found = naming(child, file)) return found;
  }
  return nullptr;
}

/// Throws InputError where the result would take the place of a file that the input is, or reads.
/// Collective.
void require_no_input(const Run& run, const std::string& output) {
  const std::string problem = base::on_first_rank(run.session.comm(), [&]() -> std::string {
    std::error_code code;
    if (!std::filesystem::exists(output, code)) return {};
    const std::string remedy = "the result would take its place; give it another name by --output";
    if (std::filesystem::equivalent(run.command_line.input, output, code)) {
      return fmt::format("'{}' is the input: {}", output, remedy);
    }
    const config::Node* found = naming(run.input, output);
    return found ? fmt::format("{}: '{}' is read: {}", found->origin().text(), found->text, remedy)
                 : "";
  });
  if (!problem.empty()) throw base::InputError(problem);
}

} // namespace

std::string result_name(const Run& run) {
  if (!run.command_line.output.empty()) return run.command_line.output;
  return std::filesystem::path(run.command_line.input).stem().string() + ".h5";
}

Opening::Opening(const Run& run, const CheckpointInput& checkpoint)
    : started(std::chrono::system_clock::now()),
      libraries(base::mean(run.session.comm(), base::peak_resident_bytes())),
      output(result_name(run)) {
  if (!run.command_line.check) {
    require_no_input(run, output);
    io::ResultFile::require_writable(run.session.comm(), output, run.command_line.overwrite);
  }
  policy = checkpoint_policy(run.session.comm(), checkpoint, run.command_line, output);
}

void check_grid(config::Declarer& declarer, const std::string& kind, bool given) {
  const bool chain = kind == "chain";
  if (chain && given) {
    declarer.reject("grid", "does not belong to a model of kind 'chain'; remove it");
  }
  if (!chain && !given) {
    declarer.reject("", fmt::format("'grid' is missing; a model of kind '{}' needs an axis for "
                                    "every variable, e.g. 'grid: {{x: {{from: 0, to: 1, cells: "
                                    "128}}}}'",
                                    kind));
  }
}

void check_kind(config::Declarer& declarer, const char* key, bool given, const std::string& kind,
                const std::vector<std::string>& wanted) {
  if (!given || std::find(wanted.begin(), wanted.end(), kind) != wanted.end()) return;
  declarer.reject(key, fmt::format("belongs to a model of kind '{}', but 'model.kind' is '{}'; "
                                   "remove it",
                                   fmt::join(wanted, "' or '"), kind));
}

int stop_at_check(const Run& run) {
  run.session.log().line("  the input is valid; nothing was run (--check)");
  return 0;
}

std::vector<spaces::Axis>
make_axes(const std::vector<std::string>& variables,
          const std::vector<std::pair<std::string, double>>& parameters,
          const std::vector<std::pair<std::string, spaces::AxisInput>>& grid) {
  std::vector<spaces::Axis> axes;
  for (const auto& [name, axis] : grid) {
    if (std::find(variables.begin(), variables.end(), name) != variables.end()) {
      continue;
    }
    const std::optional<std::string> hint = config::nearest(name, variables);
    throw base::InputError(fmt::format("{}: 'grid.{}' is not a variable of the model.{} Variables: "
                                       "{}",
                                       axis.origin.text(), name,
                                       hint ? fmt::format(" Did you mean '{}'?", *hint) : "",
                                       fmt::join(variables, ", ")));
  }
  for (const std::string& variable : variables) {
    const auto found = std::find_if(grid.begin(), grid.end(),
                                    [&](const auto& entry) { return entry.first == variable; });
    if (found == grid.end()) {
      throw base::InputError(fmt::format("'grid.{0}' is missing: every variable of the model needs "
                                         "an axis; add e.g. '{0}: {{from: -1, to: 1, cells: 128}}' "
                                         "to 'grid'",
                                         variable));
    }
    axes.push_back(spaces::make_axis(variable, found->second, parameters));
  }
  return axes;
}

std::string boundary_text(const spaces::Axis& axis) {
  const auto word = [](spaces::Boundary b) {
    return b == spaces::Boundary::reflecting  ? "reflecting"
           : b == spaces::Boundary::absorbing ? "absorbing"
                                              : "periodic";
  };
  return axis.lower() == axis.upper()
             ? word(axis.lower())
             : fmt::format("{} | {}", word(axis.lower()), word(axis.upper()));
}

std::string blocks_text(const spaces::Grid& grid) {
  std::string text;
  for (int k = 0; k < grid.dimension(); ++k) {
    text += fmt::format("{}{}", k ? " x " : "", grid.ranks_per_axis()[static_cast<std::size_t>(k)]);
  }
  return text;
}

std::string heading(const std::string& title, const std::string& driver) {
  return fmt::format("{} ({})", title.empty() ? "Untitled" : title, driver);
}

void introduce(const Run& run, const std::string& heading, const spaces::Grid& grid, bool chain,
               const Estimate& estimate) {
  base::Log& log = run.session.log();
  log.line(heading);
  if (chain) {
    log.line(fmt::format("  Markov chain of {} states", grid.cells()));
  } else {
    for (const spaces::Axis& axis : grid.axes()) {
      log.line(fmt::format("  {:<8} [{:g}, {:g}], {} cells, {}", axis.name(), axis.from(),
                           axis.to(), axis.cells(), boundary_text(axis)));
    }
  }
  const int ranks = run.session.size();
  log.line(fmt::format("  {} unknowns, about {:.4g} nonzeros and {} per rank, {} rank{} in blocks "
                       "of {}",
                       grid.cells(), estimate.nonzeros, base::bytes_text(estimate.bytes_per_rank),
                       ranks, ranks == 1 ? "" : "s", blocks_text(grid)));
}

void write_grid(const std::string& title, const std::string& driver, const spaces::Grid& grid,
                io::ResultFile& file) {
  file.annotate("/", {{"title", title}, {"driver", driver}, {"axes", grid.names()}});
  for (const spaces::Axis& axis : grid.axes()) {
    const auto cells = static_cast<hsize_t>(axis.cells());
    const io::Attribute boundary{"boundary", boundary_text(axis)};
    file.write_small("/grid/" + axis.name(), axis.centers(), {cells},
                     {{"meaning", "cell centres of axis " + axis.name()},
                      {"unit", std::string("of the variable")},
                      boundary});
    file.write_small("/grid_edges/" + axis.name(), axis.edges(), {cells + 1},
                     {{"meaning", "cell edges of axis " + axis.name()},
                      {"unit", std::string("of the variable")},
                      boundary});
  }
}

std::string run_section(io::Checkpoints& checkpoints, base::Log& log, const std::string& name,
                        const std::function<bool()>& body) {
  if (checkpoints.done(name)) {
    log.line(fmt::format("  {:<22} taken over from the checkpoint", name));
    return checkpoints.problem_of(name);
  }
  std::string problem;
  try {
    if (!body()) problem = fmt::format("{} did not converge", name);
  } catch (const base::Stopped&) {
    checkpoints.leave();
  } catch (const base::ConvergenceError& error) {
    log.warning(fmt::format("{}: {}", name, error.what()));
    problem = fmt::format("{}: {}", name, error.what());
  }
  checkpoints.complete(name, problem);
  return problem;
}

std::string run_sections(OpenResult& result, base::Log& log,
                         const std::vector<ResultSection>& sections) {
  std::string incomplete;
  for (const ResultSection& section : sections) {
    const std::string problem = run_section(result.checkpoints, log, section.name,
                                            [&] { return section.body(result.file); });
    if (incomplete.empty()) incomplete = problem;
  }
  return incomplete;
}

void add_eigenvectors(const io::ResultFile& file, std::vector<io::XdmfField>& fields) {
  for (const char* side : {"right", "left"}) {
    const std::string dataset = fmt::format("/spectrum/{}", side);
    const std::vector<hsize_t> shape = file.shape(dataset);
    for (hsize_t i = 0; !shape.empty() && i < shape[0]; ++i) {
      fields.push_back({.label = fmt::format("{} eigenvector {}", side, i),
                        .dataset = dataset,
                        .index = static_cast<std::int64_t>(i)});
    }
  }
}

OpenResult::OpenResult(const Run& run, const std::string& output, const std::string& resolved,
                       const io::CheckpointPolicy& policy)
    : file(run.session.comm(), output),
      checkpoints(run.session.comm(), run.session.log(), policy,
                  identity_of(resolved, {"title", "checkpoint"})) {
  checkpoints.resume(run.command_line.restart);
  resumed = checkpoints.resuming();
  checkpoints.attach(file);
}

int conclude(const Run& run, const Conclusion& conclusion, const spaces::Grid* grid,
             OpenResult& result) {
  io::ResultFile& file = result.file;
  io::Checkpoints& checkpoints = result.checkpoints;
  base::Session& session = run.session;
  io::RunRecord record{.driver = conclusion.driver,
                       .command_line = run.command,
                       .input_file = run.command_line.input,
                       .input = conclusion.resolved,
                       .early_exit = conclusion.incomplete,
                       .start = conclusion.opening.started,
                       .phases = session.log().phases(),
                       .warnings = session.log().warnings(),
                       .cells = grid ? grid->cells() : 0,
                       .nonzeros = conclusion.nonzeros};
  io::write(file, session.comm(), record);
  file.annotate("/run", {{"ranks_per_axis", grid ? blocks_text(*grid) : std::string("-")},
                         {"start_bytes", conclusion.opening.libraries},
                         {"resumed", std::int64_t{checkpoints.resumed()}},
                         {"checkpoints", std::int64_t{checkpoints.count()}},
                         {"checkpoint_seconds", checkpoints.seconds()},
                         {"checkpoint_bytes", checkpoints.bytes()}});
  file.commit();
  checkpoints.remove();
  const std::string& output = conclusion.opening.output;
  if (grid) {
    io::write_xdmf(session.comm(), output, grid->names(), grid->slab().shape, conclusion.fields);
  }
  const double seconds =
      std::chrono::duration<double>(std::chrono::system_clock::now() - conclusion.opening.started)
          .count();
  session.log().line(fmt::format("Result: {} ({})", output, base::duration_text(seconds)));
  if (conclusion.incomplete.empty()) return static_cast<int>(ExitCode::done);
  session.log().error(fmt::format("{}; what converged is in '{}'", conclusion.incomplete, output));
  return static_cast<int>(ExitCode::not_converged);
}

} // namespace komori::analyses
