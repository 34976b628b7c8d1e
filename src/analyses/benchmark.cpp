#include "analyses/benchmark.hpp"

#include <algorithm>
#include <array>
#include <chrono>
#include <cmath>
#include <cstdlib>
#include <fstream>
#include <functional>

#include <fmt/format.h>

#include "analyses/benchmark_layers.hpp"
#include "analyses/problem.hpp"
#include "base/collective.hpp"
#include "base/error.hpp"
#include "base/memory.hpp"
#include "base/signals.hpp"
#include "config/help.hpp"
#include "config/reader.hpp"
#include "io/blas.hpp"
#include "io/run_record.hpp"
#include "models/map.hpp"
#include "operators/face_stencil.hpp"
#include "operators/ulam.hpp"

namespace komori::analyses {
namespace {

using base::check;

/// Runs all parts and keeps what they took.
class Benchmark : public BenchmarkLayers {
public:
  using BenchmarkLayers::BenchmarkLayers;

  void run() {
    base::Phase phase(session_.log(), "benchmark");
    products();
    layer_products();
    generation();
    ulam();
    dictionary_pass();
    eigensolve();
    memory_rates();
    stationary_density_of_a_rotation();
    series();
    eigensolve_in_three_dimensions();
    eigensolve_on_one_rank();
    eigensolve_at_other_sizes();
    phase.finish(fmt::format("{} measurements", results_.size()));
  }

private:
  void products() {
    const models::Sde model = sde(false);
    Problem problem(session_, model, grid(static_cast<double>(input_.product_cells), -2.5, 2.5),
                    {});
    const auto n = static_cast<double>(problem.grid().cells());
    const base::UniqueVec x = problem.grid().sampled([](auto) { return 1.0; });
    const base::UniqueVec y = problem.grid().vector();
    const auto dimension = static_cast<double>(input_.dimension);
    const operators::Generator& entries = problem.symmetrised_entries();
    const auto nonzeros = static_cast<double>(entries.facts.nonzeros);
    constexpr double entry = sizeof(PetscScalar) + sizeof(PetscInt);
    base::UniqueMat sell;
    check(MatConvert(entries.matrix.get(), MATSELL, MAT_INITIAL_MATRIX, sell.put()));
    const auto times = [&](Mat matrix) {
      return [&, matrix] { check(MatMult(matrix, x.get(), y.get())); };
    };
    beside_triad("triad bandwidth, all ranks",
                 {{"product, matrix-free, symmetrised", times(problem.symmetrised().matrix.get()),
                   n * 8 * (dimension + 1 + 2)},
                  {"product, assembled (AIJ)", times(entries.matrix.get()),
                   nonzeros * entry + n * (sizeof(PetscInt) + 16)},
                  {"product, assembled (SELL)", times(sell.get()), nonzeros * entry + n * 16}},
                 static_cast<double>(input_.product_cells));
    const auto& all = results_;
    add({.name = "matrix-free over AIJ",
         .value = all[all.size() - 2].seconds / all[all.size() - 3].seconds,
         .unit = "times",
         .note = "seconds of one product over those of the other"});
  }

  void rate(const std::string& name, double nonzeros, double seconds, const std::string& note) {
    add({.name = name,
         .seconds = seconds,
         .value = nonzeros / seconds / session_.size() / 1e6,
         .unit = "million nonzeros/s/rank",
         .note = note});
  }

  void generation() {
    const models::Sde model = sde(false);
    const spaces::Grid cells = grid(static_cast<double>(input_.solve_cells), -2.5, 2.5);
    const operators::FaceFluxes fluxes(cells, model, {});
    operators::Generator generator = operators::assemble_generator(fluxes);
    const auto nonzeros = static_cast<double>(generator.facts.nonzeros);
    const auto timed = [&](const std::function<void(const operators::FaceFluxes&)>& body) {
      return median([&] { body(operators::FaceFluxes(cells, model, {})); }, repeats());
    };
    rate("generation of rates", nonzeros,
         timed([](const operators::FaceFluxes& f) { const operators::FaceStencil s(f, false); }),
         "formulas and rates: a matrix-free operator");
    rate("generation of a matrix (AIJ)", nonzeros,
         timed([](const operators::FaceFluxes& f) { operators::assemble_generator(f); }),
         "the same and PETSc's matrix");
    const double updated =
        median([&] { operators::update_generator(fluxes, false, generator); }, repeats());
    rate("re-assembly", nonzeros, updated, "new rates into a matrix that is there");
  }

  /// The standard map of inputs/standard_map.yaml at the golden mean's last torus.
  void ulam() {
    models::MapInput input;
    input.variables = {"x", "y"};
    input.parameters = {{"K", 0.971635406}};
    for (const char* text : {"x + y + K/(2*pi)*sin(2*pi*x)", "y + K/(2*pi)*sin(2*pi*x)"}) {
      input.map.entries.push_back({text, {"benchmark", 0}, "model.map"});
    }
    const models::Map map(input);
    std::vector<spaces::Axis> axes;
    for (const char* name : {"x", "y"}) {
      spaces::AxisInput axis;
      axis.to = 1;
      axis.cells = std::llround(std::sqrt(static_cast<double>(input_.solve_cells)));
      axis.boundary = {"periodic"};
      axes.push_back(spaces::make_axis(name, axis, {}));
    }
    const spaces::Grid cells(session_.comm(), std::move(axes));
    double nonzeros = 0;
    const double seconds = median(
        [&] { nonzeros = static_cast<double>(operators::assemble_ulam(map, cells, {}).nonzeros); },
        repeats());
    add({.name = "Ulam assembly",
         .seconds = seconds,
         .value = 100 * static_cast<double>(cells.cells()) / seconds / session_.size() / 1e6,
         .unit = "million points/s/rank",
         .note = fmt::format("standard map, 100 points per cell, {:.0f} nonzeros", nonzeros)});
  }
};

double load_average() {
  double load = 0;
  return getloadavg(&load, 1) == 1 ? load : -1;
}

int work(Run& run) {
  const auto input = config::read<BenchmarkInput>(run.input);
  base::Session& session = run.session;
  base::Log& log = session.log();
  const double load = load_average();
  log.line(fmt::format("Benchmark, {} rank{}, load {:.1f}", session.size(),
                       session.size() == 1 ? "" : "s", load));
  log.line(fmt::format("  {}\n  BLAS {}", io::version_text(), io::blas_library()));
  if (io::reference_blas()) {
    log.warning("the loaded BLAS is the slow reference one; dense and direct solves take several "
                "times longer than with OpenBLAS (Debian: libopenblas0-serial)");
  }
  if (load > 0.5 * session.size()) {
    log.warning(fmt::format("the machine is busy (load {:.1f}); times say little", load));
  }
  Benchmark benchmark(session, input);
  benchmark.run();
  print_table(benchmark, log);
  if (!run.command_line.output.empty()) {
    const std::string problem = base::on_first_rank(session.comm(), [&]() -> std::string {
      std::ofstream file(run.command_line.output);
      file << json_of(benchmark, load);
      file.close();
      return file ? "" : "cannot write '" + run.command_line.output + "'";
    });
    if (!problem.empty()) throw base::InputError(problem);
    log.line(fmt::format("Result: {}", run.command_line.output));
  }
  return static_cast<int>(base::ExitCode::done);
}

} // namespace

void declare(config::Declarer& declarer, BenchmarkInput& input) {
  using config::Range;
  declarer.integer("dimension", input.dimension, {.help = "Axes of the grids."},
                   Range::between(1, 4));
  declarer.integer("product_cells", input.product_cells,
                   {.help = "Cells for bandwidth and products; take enough to leave the caches."},
                   Range::between(1000, 1e10));
  declarer.integer("solve_cells", input.solve_cells,
                   {.help = "Cells for generation, eigenpairs, stationary density and series."},
                   Range::between(1000, 1e10));
  declarer.integer("largest_cells", input.largest_cells,
                   {.help = "Cells of the largest eigensolve whose iterations are compared with "
                            "those of a tenth of solve_cells."},
                   Range::between(1000, 1e10));
  declarer.integer("layer_cells", input.layer_cells,
                   {.help = "Cells along each variable of a layer of three neurons that is applied "
                            "without a matrix."},
                   Range::between(4, 1000));
  declarer.integer("dictionary_functions", input.dictionary_functions,
                   {.help = "Functions of the dictionary, about."}, Range::between(3, 10'000));
  declarer.integer("dictionary_samples", input.dictionary_samples,
                   {.help = "Samples of the pass of the dictionary."}, Range::between(1, 1e10));
  declarer.integer("repeats", input.repeats,
                   {.help = "Measurements of which the median counts; solves run once."},
                   Range::between(1, 1000));
  declarer.boolean("compare", input.compare,
                   {.help = "Measure eigenpairs, series and layers on assembled matrices, too."});
}

Driver benchmark_driver() {
  return {.name = "benchmark",
          .summary = "What this machine can do, and what komori reaches of it",
          .takes_input = config::InputFile::optional,
          .key_help = [] { return config::help<BenchmarkInput>().text(); },
          .option_prefixes = {"spectrum_", "stationary_", "extension_", "rates_", "memory_"},
          .work = work};
}

} // namespace komori::analyses
