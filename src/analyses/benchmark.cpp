#include "analyses/benchmark.hpp"

#include <algorithm>
#include <array>
#include <chrono>
#include <cmath>
#include <cstdlib>
#include <fstream>
#include <functional>

#include <fmt/format.h>

#include "analyses/benchmark_dense.hpp"
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
class Benchmark : public BenchmarkDense {
public:
  using BenchmarkDense::BenchmarkDense;

  void run() {
    base::Phase phase(session_.log(), "benchmark");
    products();
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
  /// What is timed beside the triad, and the least bytes it moves: every coefficient, index and
  /// vector entry once.
  struct Product {
    std::string name;
    Mat matrix;
    double bytes;
  };

  /// a = b + s c, 24 bytes per entry counted (McCalpin's STREAM), over arrays as long as the
  /// vectors of the products, and these, in turn: each product is held against the triad just
  /// before it, for the bandwidth of a machine that others use comes and goes.
  void triad_and(const std::vector<Product>& products, Vec x, Vec y) {
    const auto size = static_cast<std::size_t>(input_.product_cells / session_.size() + 1);
    std::vector<double> a(size, 0);
    std::vector<double> b(size, 1);
    std::vector<double> c(size, 2);
    const auto triad = [&] {
      for (std::size_t i = 0; i < size; ++i) a[i] = b[i] + 3 * c[i];
      sink_ += a[size / 2];
    };
    const auto all = static_cast<double>(size) * session_.size();
    const int rounds = std::max(repeats(), 15);
    std::vector<double> triads;
    std::vector<std::vector<double>> seconds(products.size());
    std::vector<std::vector<double>> shares(products.size());
    triad(); // what is written first is mapped first
    for (int round = 0; round < rounds; ++round) {
      base::stop_if_asked(session_.comm(), "the remaining measurements were not made");
      for (std::size_t k = 0; k < products.size(); ++k) {
        triads.push_back(once(triad));
        seconds[k].push_back(once([&] { check(MatMult(products[k].matrix, x, y)); }));
        const double bandwidth = 24 * all / triads.back();
        shares[k].push_back(100 * products[k].bytes / seconds[k].back() / bandwidth);
      }
    }
    const double usual = median_of(triads);
    add({.name = "triad bandwidth, all ranks",
         .seconds = usual,
         .value = 24 * all / usual / 1e9,
         .unit = "GB/s",
         .note = fmt::format("arrays of {:.0f} entries", all)});
    for (std::size_t k = 0; k < products.size(); ++k) {
      add({.name = products[k].name,
           .seconds = median_of(seconds[k]),
           .value = median_of(shares[k]),
           .unit = "% of triad",
           .note = fmt::format("{} per product", base::bytes_text(products[k].bytes))});
    }
  }

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
    triad_and({{"product, matrix-free, symmetrised", problem.symmetrised().matrix.get(),
                n * 8 * (dimension + 1 + 2)},
               {"product, assembled (AIJ)", entries.matrix.get(),
                nonzeros * entry + n * (sizeof(PetscInt) + 16)},
               {"product, assembled (SELL)", sell.get(), nonzeros * entry + n * 16}},
              x.get(), y.get());
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

  double sink_ = 0; ///< keeps the triad from being optimised away
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
  declarer.integer("dictionary_functions", input.dictionary_functions,
                   {.help = "Functions of the dictionary, about."}, Range::between(3, 10'000));
  declarer.integer("dictionary_samples", input.dictionary_samples,
                   {.help = "Samples of the pass of the dictionary."}, Range::between(1, 1e10));
  declarer.integer("repeats", input.repeats,
                   {.help = "Measurements of which the median counts; solves run once."},
                   Range::between(1, 1000));
  declarer.boolean("compare", input.compare,
                   {.help = "Measure eigenpairs and series on assembled matrices, too."});
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
