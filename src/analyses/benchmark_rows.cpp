#include "analyses/benchmark_rows.hpp"

#include <algorithm>
#include <array>
#include <chrono>
#include <cmath>

#include <fmt/format.h>

#include "base/memory.hpp"
#include "base/signals.hpp"
#include "io/blas.hpp"
#include "io/run_record.hpp"

namespace komori::analyses {
namespace {

constexpr std::array<const char*, 4> axis_names{"x", "y", "z", "u"};

/// The sizes that a target was stated for.
enum class At { products, layers, solves, solves_on_two_ranks, sizes };

struct Stated {
  const char* row = "";
  At at = At::products;
  Target target{};
};

/// On two cores that share 25 GB/s; shares and ratios carry over to other machines.
constexpr std::array<Stated, 11> stated{{
    {"product, matrix-free, symmetrised", At::products, {80, 85}},
    {"product, assembled (AIJ)", At::products, {70, 80}},
    {"product, assembled (SELL)", At::products, {75, 85}},
    {"layer, M v over one at 70 % of the triad", At::layers, {1, 0.875, false}},
    {"generation of rates", At::solves, {90, 150}},
    {"re-assembly", At::solves, {300, 400}},
    {"the same on the assembled matrix", At::solves, {3, 5}},
    {"eight decay rates of a memory", At::solves_on_two_ranks, {15, 6, false}},
    {"ten eigenpairs in three dimensions", At::solves_on_two_ranks, {25, 10, false}},
    {"ten eigenpairs, one rank over all", At::solves_on_two_ranks, {1.7, 1.9}},
    {"iterations, spread over the sizes", At::sizes, {40, 20, false}},
}};

} // namespace

std::string Target::verdict(double value) const {
  const auto meets = [&](double bound) { return at_least ? value >= bound : value <= bound; };
  return meets(goal) ? "goal met" : meets(must) ? "met" : "not met";
}

const Target* BenchmarkRows::target_of(const std::string& name) const {
  const auto* const found =
      std::find_if(stated.begin(), stated.end(), [&](const Stated& s) { return name == s.row; });
  if (found == stated.end() || input_.dimension != 2) return nullptr;
  constexpr std::int64_t many_products = 7'900'000; // grids are rounded to whole lines
  constexpr std::int64_t many = 990'000;
  const bool solves = input_.solve_cells >= many;
  constexpr std::int64_t many_layer_cells = 160;
  const bool holds = found->at == At::products ? input_.product_cells >= many_products
                     : found->at == At::layers ? input_.layer_cells >= many_layer_cells
                     : found->at == At::solves ? solves
                     : found->at == At::sizes  ? solves && input_.largest_cells >= many_products
                                               : solves && session_.size() == 2;
  return holds ? &found->target : nullptr;
}

double BenchmarkRows::median(const std::function<void()>& body, int repeats) const {
  std::vector<double> times;
  body(); // pages, caches and buffers are there the second time
  for (int i = 0; i < repeats; ++i) {
    base::stop_if_asked(session_.comm(), "the remaining measurements were not made");
    times.push_back(once(body));
  }
  return median_of(std::move(times));
}

double BenchmarkRows::median_of(std::vector<double> values) {
  std::sort(values.begin(), values.end());
  return values[values.size() / 2];
}

double BenchmarkRows::once(const std::function<void()>& body) const {
  MPI_Barrier(session_.comm());
  const auto start = std::chrono::steady_clock::now();
  body();
  double seconds = std::chrono::duration<double>(std::chrono::steady_clock::now() - start).count();
  MPI_Allreduce(MPI_IN_PLACE, &seconds, 1, MPI_DOUBLE, MPI_MAX, session_.comm());
  return seconds;
}

void BenchmarkRows::beside_triad(const std::string& triad, const std::vector<Product>& products,
                                 double entries) {
  const auto size = static_cast<std::size_t>(entries / session_.size() + 1);
  std::vector<double> a(size, 0);
  std::vector<double> b(size, 1);
  std::vector<double> c(size, 2);
  const auto run_triad = [&] {
    for (std::size_t i = 0; i < size; ++i) a[i] = b[i] + 3 * c[i];
    sink_ += a[size / 2];
  };
  const auto all = static_cast<double>(size) * session_.size();
  const int rounds = std::max(repeats(), 15);
  std::vector<double> triads;
  std::vector<std::vector<double>> seconds(products.size());
  std::vector<std::vector<double>> shares(products.size());
  run_triad(); // what is written first is mapped first
  for (int round = 0; round < rounds; ++round) {
    base::stop_if_asked(session_.comm(), "the remaining measurements were not made");
    for (std::size_t k = 0; k < products.size(); ++k) {
      triads.push_back(once(run_triad));
      seconds[k].push_back(once(products[k].run));
      const double bandwidth = 24 * all / triads.back();
      shares[k].push_back(100 * products[k].bytes / seconds[k].back() / bandwidth);
    }
  }
  const double usual = median_of(triads);
  add({.name = triad,
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

void BenchmarkRows::add(Measurement measurement) {
  session_.log().line(
      fmt::format("  {:<44} {:>9.3g} {}", measurement.name, measurement.value, measurement.unit));
  results_.push_back(std::move(measurement));
}

spaces::Grid BenchmarkRows::grid(double cells, double from, double to) const {
  return grid(cells, from, to, static_cast<int>(input_.dimension), session_.comm());
}

spaces::Grid BenchmarkRows::grid(double cells, double from, double to, int dimension,
                                 MPI_Comm comm) const {
  const auto along = std::max<std::int64_t>(4, std::llround(std::pow(cells, 1.0 / dimension)));
  std::vector<spaces::Axis> axes;
  for (int k = 0; k < dimension; ++k) {
    spaces::AxisInput axis;
    axis.from = from;
    axis.to = to;
    axis.cells = along;
    axes.push_back(spaces::make_axis(axis_names[static_cast<std::size_t>(k)], axis, {}));
  }
  return {comm, std::move(axes)};
}

models::Sde BenchmarkRows::sde(bool rotating) const {
  return sde(rotating, static_cast<int>(input_.dimension));
}

models::Sde BenchmarkRows::sde(bool rotating, int axes) const {
  const auto dimension = static_cast<std::size_t>(axes);
  const auto& names = axis_names;
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

void print_table(const BenchmarkRows& rows, base::Log& log) {
  std::vector<std::vector<std::string>> lines;
  for (const Measurement& m : rows.results()) {
    const Target* const target = rows.target_of(m.name);
    const auto bound = [&](double value) {
      return fmt::format("{} {:g}", target->at_least ? ">=" : "<=", value);
    };
    lines.push_back({m.name, fmt::format("{:.3g}", m.value), m.unit,
                     target ? bound(target->must) : "", target ? bound(target->goal) : "",
                     target ? target->verdict(m.value) : "",
                     m.seconds > 0 ? fmt::format("{:.4g}", m.seconds) : "", m.note});
  }
  log.table("Benchmark", {"what", "value", "unit", "must", "goal", "", "seconds", "note"}, lines);
}

std::string json_of(const BenchmarkRows& rows, double load) {
  const BenchmarkInput& input = rows.input();
  std::string text = fmt::format(
      "{{\n  \"version\": {},\n  \"blas\": {},\n  \"reference_blas\": {},\n  \"load\": {:.2f},\n"
      "  \"ranks\": {},\n  \"dimension\": {},\n  \"product_cells\": {},\n  \"solve_cells\": {},\n"
      "  \"largest_cells\": {},\n  \"layer_cells\": {},\n  \"repeats\": {},\n  \"measurements\": "
      "[\n",
      base::json_string(io::version_text()), base::json_string(io::blas_library()),
      io::reference_blas(), load, rows.session().size(), input.dimension, input.product_cells,
      input.solve_cells, input.largest_cells, input.layer_cells, input.repeats);
  for (std::size_t i = 0; i < rows.results().size(); ++i) {
    const Measurement& m = rows.results()[i];
    const Target* const target = rows.target_of(m.name);
    const std::string held =
        target ? fmt::format(", \"must\": {:g}, \"goal\": {:g}, \"at_least\": {}, \"verdict\": {}",
                             target->must, target->goal, target->at_least,
                             base::json_string(target->verdict(m.value)))
               : "";
    text += fmt::format("    {{\"name\": {}, \"value\": {:.6g}, \"unit\": {}, \"seconds\": {:.6g}, "
                        "\"note\": {}{}}}{}\n",
                        base::json_string(m.name), m.value, base::json_string(m.unit), m.seconds,
                        base::json_string(m.note), held, i + 1 < rows.results().size() ? "," : "");
  }
  return text + "  ]\n}\n";
}

} // namespace komori::analyses
