#include "analyses/benchmark.hpp"

#include <algorithm>
#include <array>
#include <chrono>
#include <cmath>
#include <cstdlib>
#include <fstream>
#include <functional>

#include <fmt/format.h>

#include "analyses/problem.hpp"
#include "analyses/spectrum.hpp"
#include "analyses/stationary.hpp"
#include "base/collective.hpp"
#include "base/error.hpp"
#include "base/memory.hpp"
#include "base/signals.hpp"
#include "config/help.hpp"
#include "config/reader.hpp"
#include "io/blas.hpp"
#include "io/run_record.hpp"
#include "linalg/exponential.hpp"
#include "operators/face_stencil.hpp"
#include "operators/ulam.hpp"

namespace komori::analyses {
namespace {

using base::check;

/// One line of the table.
struct Measurement {
  std::string name;
  double seconds = 0;
  double value = 0; ///< in `unit`
  std::string unit;
  std::string note;
};

/// Runs all parts and keeps what they took.
class Benchmark {
public:
  Benchmark(base::Session& session, const BenchmarkInput& input)
      : session_(session), input_(input) {}

  void run() {
    base::Phase phase(session_.log(), "benchmark");
    triad();
    products();
    generation();
    ulam();
    eigensolve();
    stationary_density_of_a_rotation();
    series();
    phase.finish(fmt::format("{} measurements", results_.size()));
  }
  const std::vector<Measurement>& results() const { return results_; }

private:
  /// The median over the repeats of the time that the slowest rank takes.
  double median(const std::function<void()>& body, int repeats) const {
    std::vector<double> times;
    body(); // pages, caches and buffers are there the second time
    for (int i = 0; i < repeats; ++i) {
      base::stop_if_asked(session_.comm(), "the remaining measurements were not made");
      times.push_back(once(body));
    }
    std::sort(times.begin(), times.end());
    return times[times.size() / 2];
  }
  double once(const std::function<void()>& body) const {
    MPI_Barrier(session_.comm());
    const auto start = std::chrono::steady_clock::now();
    body();
    double seconds =
        std::chrono::duration<double>(std::chrono::steady_clock::now() - start).count();
    MPI_Allreduce(MPI_IN_PLACE, &seconds, 1, MPI_DOUBLE, MPI_MAX, session_.comm());
    return seconds;
  }
  int repeats() const { return static_cast<int>(input_.repeats); }
  void add(Measurement measurement) {
    session_.log().line(
        fmt::format("  {:<44} {:>9.3g} {}", measurement.name, measurement.value, measurement.unit));
    results_.push_back(std::move(measurement));
  }

  /// a = b + s c, 24 bytes per entry counted (McCalpin's STREAM), over arrays as long as the
  /// vectors of the products.
  void triad() {
    const auto size = static_cast<std::size_t>(input_.product_cells / session_.size() + 1);
    std::vector<double> a(size, 0);
    std::vector<double> b(size, 1);
    std::vector<double> c(size, 2);
    const double seconds = median(
        [&] {
          for (std::size_t i = 0; i < size; ++i) a[i] = b[i] + 3 * c[i];
          sink_ += a[size / 2];
        },
        std::max(repeats(), 7));
    triad_ = 24.0 * static_cast<double>(size) * session_.size() / seconds;
    add({.name = "triad bandwidth, all ranks",
         .seconds = seconds,
         .value = triad_ / 1e9,
         .unit = "GB/s",
         .note = fmt::format("arrays of {} entries",
                             size * static_cast<std::size_t>(session_.size()))});
  }

  spaces::Grid grid(double cells, double from, double to) const {
    const auto dimension = static_cast<int>(input_.dimension);
    const auto along = std::max<std::int64_t>(4, std::llround(std::pow(cells, 1.0 / dimension)));
    static constexpr std::array<const char*, 4> names{"x", "y", "z", "u"};
    std::vector<spaces::Axis> axes;
    for (int k = 0; k < dimension; ++k) {
      spaces::AxisInput axis;
      axis.from = from;
      axis.to = to;
      axis.cells = along;
      axes.push_back(spaces::make_axis(names[static_cast<std::size_t>(k)], axis, {}));
    }
    return {session_.comm(), std::move(axes)};
  }

  /// The double well of inputs/double_well.yaml, or a flow that turns round while it contracts.
  models::Sde sde(bool rotating) const {
    const auto dimension = static_cast<std::size_t>(input_.dimension);
    static constexpr std::array<const char*, 4> names{"x", "y", "z", "u"};
    models::SdeInput input;
    std::string potential = "(x^2-1)^2";
    const auto formula = [](const std::string& text, const char* key) {
      return config::FormulaText{text, {"benchmark", 0}, key};
    };
    for (std::size_t k = 0; k < dimension; ++k) {
      input.variables.emplace_back(names[k]);
      if (k > 0) potential += fmt::format("+{}^2", names[k]);
      if (!rotating) continue;
      const std::string next = names[(k + 1) % dimension];
      const std::string last = names[(k + dimension - 1) % dimension];
      input.drift.entries.push_back(
          formula(fmt::format("-{} + {} - {}", names[k], next, last), "model.drift"));
      if (dimension == 2) {
        input.drift.entries.back() =
            formula(fmt::format("-{} {} {}", names[k], k == 0 ? "+" : "-", next), "model.drift");
      }
    }
    if (rotating) {
      input.drift.rank = 1;
      input.drift.rows = dimension;
      input.drift.columns = 1;
    } else {
      input.potential = formula(potential, "model.potential");
    }
    input.diffusion.entries = {formula("0.25", "model.diffusion")};
    input.diffusion.rows = 1;
    input.diffusion.columns = 1;
    return models::Sde(input);
  }

  /// Least bytes a product moves: every coefficient, index and vector entry once.
  void product(const std::string& name, Mat matrix, Vec x, Vec y, double bytes) {
    const double seconds = median([&] { check(MatMult(matrix, x, y)); }, repeats());
    add({.name = name,
         .seconds = seconds,
         .value = 100 * bytes / seconds / triad_,
         .unit = "% of triad",
         .note = fmt::format("{} per product", base::bytes_text(bytes))});
  }

  void products() {
    const models::Sde model = sde(false);
    Problem problem(session_, model, grid(static_cast<double>(input_.product_cells), -2.5, 2.5),
                    {});
    const auto n = static_cast<double>(problem.grid().cells());
    const base::UniqueVec x = problem.grid().sampled([](auto) { return 1.0; });
    const base::UniqueVec y = problem.grid().vector();
    const auto dimension = static_cast<double>(input_.dimension);
    const operators::Generator& stencil = problem.symmetrised();
    product("product, matrix-free, symmetrised", stencil.matrix.get(), x.get(), y.get(),
            n * 8 * (dimension + 1 + 2));
    const operators::Generator& entries = problem.symmetrised_entries();
    const auto nonzeros = static_cast<double>(entries.facts.nonzeros);
    constexpr double entry = sizeof(PetscScalar) + sizeof(PetscInt);
    product("product, assembled (AIJ)", entries.matrix.get(), x.get(), y.get(),
            nonzeros * entry + n * (sizeof(PetscInt) + 16));
    base::UniqueMat sell;
    check(MatConvert(entries.matrix.get(), MATSELL, MAT_INITIAL_MATRIX, sell.put()));
    product("product, assembled (SELL)", sell.get(), x.get(), y.get(), nonzeros * entry + n * 16);
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
    rate("generation, assembled (AIJ)", nonzeros,
         timed([](const operators::FaceFluxes& f) { operators::assemble_generator(f); }),
         "formulas, rates, matrix");
    rate("generation, matrix-free", nonzeros,
         timed([](const operators::FaceFluxes& f) { const operators::FaceStencil s(f, false); }),
         "formulas, rates");
    const double updated =
        median([&] { operators::update_generator(fluxes, false, generator); }, repeats());
    rate("re-assembly", nonzeros, updated, "rates into a matrix that is there");
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

  double eigenpairs(const std::string& form) {
    const models::Sde model = sde(false);
    SpectrumInput input;
    input.solver = "iterative";
    input.error_estimate = false;
    return once([&] {
      Problem problem(session_, model, grid(static_cast<double>(input_.solve_cells), -2.5, 2.5), {},
                      form);
      const Spectrum found = compute_spectrum(problem, input);
      if (!found.complete) throw base::ConvergenceError("the eigensolve did not converge");
    });
  }

  void eigensolve() {
    const double ours = eigenpairs("auto");
    add({.name = "ten eigenpairs, tolerance 1e-10",
         .seconds = ours,
         .value = ours,
         .unit = "s",
         .note = "block LOBPCG, block multigrid, eigenfunctions included"});
    if (!input_.compare) return;
    const double matrices = eigenpairs("assembled");
    add({.name = "the same by SLEPc's LOBPCG and BoomerAMG",
         .seconds = matrices,
         .value = matrices / ours,
         .unit = "times longer",
         .note = "operator: assembled"});
  }

  void stationary_density_of_a_rotation() {
    const models::Sde model = sde(true);
    const double seconds = once([&] {
      Problem problem(session_, model, grid(static_cast<double>(input_.solve_cells), -3, 3), {});
      StationaryInput input;
      input.solver = "iterative";
      stationary_density(problem, input, nullptr);
    });
    add({.name = "stationary density without detailed balance",
         .seconds = seconds,
         .value = seconds,
         .unit = "s",
         .note = "rotating Ornstein-Uhlenbeck process"});
  }

  /// A Chebyshev series of some hundred products, on a stencil and on a matrix.
  void series() {
    const models::Sde model = sde(false);
    Problem problem(session_, model, grid(static_cast<double>(input_.solve_cells), -2.5, 2.5), {});
    const base::UniqueVec start =
        problem.grid().sampled([](std::span<const double> x) { return std::exp(-x[0] * x[0]); });
    const auto run = [&](const operators::Generator& a) {
      const double time = 2000 / a.facts.norm;
      linalg::ExponentialRequest request{.times = {time}, .tolerance = 1e-6};
      std::int64_t products = 0;
      const double seconds = once([&] {
        products = linalg::chebyshev(
                       a.matrix.get(), a.facts.norm, start.get(), request,
                       [](std::size_t, Vec, double) {}, session_.log())
                       .products;
      });
      return std::pair(seconds, products);
    };
    const auto [stencil, products] = run(problem.symmetrised());
    add({.name = "Chebyshev series, matrix-free",
         .seconds = stencil,
         .value = 1e3 * stencil / static_cast<double>(products),
         .unit = "ms per product",
         .note = fmt::format("{} products", products)});
    if (!input_.compare) return;
    const double matrix = run(problem.symmetrised_entries()).first;
    add({.name = "the same on the assembled matrix",
         .seconds = matrix,
         .value = matrix / stencil,
         .unit = "times longer",
         .note = {}});
  }

  base::Session& session_;
  const BenchmarkInput& input_;
  double triad_ = 0; ///< bytes per second, all ranks together
  double sink_ = 0;  ///< keeps the triad from being optimised away
  std::vector<Measurement> results_;
};

double load_average() {
  double load = 0;
  return getloadavg(&load, 1) == 1 ? load : -1;
}

std::string json_of(const BenchmarkInput& input, const base::Session& session, double load,
                    const std::vector<Measurement>& results) {
  std::string text = fmt::format(
      "{{\n  \"version\": {},\n  \"blas\": {},\n  \"reference_blas\": {},\n  \"load\": {:.2f},\n"
      "  \"ranks\": {},\n  \"dimension\": {},\n  \"product_cells\": {},\n  \"solve_cells\": {},\n"
      "  \"repeats\": {},\n  \"measurements\": [\n",
      base::json_string(io::version_text()), base::json_string(io::blas_library()),
      io::reference_blas(), load, session.size(), input.dimension, input.product_cells,
      input.solve_cells, input.repeats);
  for (std::size_t i = 0; i < results.size(); ++i) {
    const Measurement& m = results[i];
    text += fmt::format("    {{\"name\": {}, \"value\": {:.6g}, \"unit\": {}, \"seconds\": {:.6g}, "
                        "\"note\": {}}}{}\n",
                        base::json_string(m.name), m.value, base::json_string(m.unit), m.seconds,
                        base::json_string(m.note), i + 1 < results.size() ? "," : "");
  }
  return text + "  ]\n}\n";
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
  std::vector<std::vector<std::string>> rows;
  for (const Measurement& m : benchmark.results()) {
    rows.push_back({m.name, fmt::format("{:.3g}", m.value), m.unit,
                    m.seconds > 0 ? fmt::format("{:.4g}", m.seconds) : "", m.note});
  }
  log.table("Benchmark", {"what", "value", "unit", "seconds", "note"}, rows);
  if (!run.command_line.output.empty()) {
    const std::string problem = base::on_first_rank(session.comm(), [&]() -> std::string {
      std::ofstream file(run.command_line.output);
      file << json_of(input, session, load, benchmark.results());
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
          .option_prefixes = {"spectrum_", "stationary_", "extension_"},
          .work = work};
}

} // namespace komori::analyses
