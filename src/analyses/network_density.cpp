#include <algorithm>
#include <array>
#include <cmath>

#include <fmt/format.h>

#include "analyses/network_sections.hpp"
#include "base/error.hpp"

namespace komori::analyses {
namespace {

using base::check;
using base::UniqueVec;

std::size_t at(int n) {
  return static_cast<std::size_t>(n);
}

/// Mean and variance of every variable under a density.
struct Moments {
  std::vector<double> mean{};
  std::vector<double> variance{};
  double mass = 0;
  double minimum = 0;
};

Moments moments(const operators::LayerSpace& space, Vec density) {
  const auto d = at(space.dimension());
  std::vector<double> sums(2 * d + 1, 0.0);
  double minimum = 0;
  {
    const base::ReadArray values(density);
    const base::ReadArray weights(space.weights());
    std::array<double, spaces::max_dimension> x{};
    space.grid().for_each_cell([&](PetscInt local, const spaces::Index& index) {
      const auto i = static_cast<std::size_t>(local);
      const double mass = weights[i] * values[i];
      space.point(index, std::span<double>(x.data(), d));
      sums[2 * d] += mass;
      minimum = std::min(minimum, values[i]);
      for (std::size_t k = 0; k < d; ++k) {
        sums[k] += mass * x[k];
        sums[d + k] += mass * x[k] * x[k];
      }
    });
  }
  const MPI_Comm comm = space.grid().comm();
  MPI_Allreduce(MPI_IN_PLACE, sums.data(), static_cast<int>(sums.size()), MPI_DOUBLE, MPI_SUM,
                comm);
  MPI_Allreduce(MPI_IN_PLACE, &minimum, 1, MPI_DOUBLE, MPI_MIN, comm);
  Moments result;
  result.mass = sums[2 * d];
  result.minimum = minimum;
  for (std::size_t k = 0; k < d; ++k) {
    const double mean = sums[k] / result.mass;
    result.mean.push_back(mean);
    result.variance.push_back(sums[d + k] / result.mass - mean * mean);
  }
  return result;
}

/// The condition as 0 or 1, averaged over a few places around each point of the last layer: cells
/// that a boundary cuts count by their share.
UniqueVec indicator(const NetworkProblem& problem, const config::Formula& set) {
  const operators::LayerSpace& space = problem.space(problem.depth());
  const int d = space.dimension();
  const auto on_a_line = static_cast<int>(
      std::clamp<PetscInt>(1'000'000 / std::max<PetscInt>(space.grid().cells(), 1), 64, 1024));
  const int places = d == 1 ? on_a_line : d == 2 ? 8 : d == 3 ? 4 : 3;
  UniqueVec result = base::duplicate(space.weights());
  const base::WriteArray values(result.get());
  std::array<double, spaces::max_dimension> x{};
  std::array<int, spaces::max_dimension> place{};
  const std::span<const double> point(x.data(), at(d));
  space.grid().for_each_cell([&](PetscInt local, const spaces::Index& index) {
    place.fill(0);
    double inside = 0;
    double count = 0;
    for (;;) {
      for (int k = 0; k < d; ++k) {
        const spaces::Axis& axis = space.grid().axis(k);
        x[at(k)] =
            axis.edge(index[at(k)]) + axis.width(index[at(k)]) * (place[at(k)] + 0.5) / places;
      }
      inside += holds(set, point) ? 1 : 0;
      count += 1;
      int k = d - 1;
      while (k >= 0 && ++place[at(k)] == places) place[at(k--)] = 0;
      if (k < 0) break;
    }
    values[static_cast<std::size_t>(local)] = inside / count;
  });
  return result;
}

/// (M u)(x) at inputs, by shares.
std::vector<double> probabilities_at(NetworkProblem& problem, const std::vector<UniqueVec>& all,
                                     const std::vector<std::vector<double>>& points) {
  std::vector<double> values;
  for (const auto& point : points) {
    values.push_back(operators::composition_at(problem.network().layers[0], problem.space(0),
                                               problem.space(1), all[1].get(), point,
                                               operators::Integrand::shares)[0]);
  }
  return values;
}

/// The share of the rows that are not held out in the cell of each point, over its volume.
UniqueVec data_density(const operators::LayerSpace& space, const operators::NetworkData& data) {
  UniqueVec density = base::duplicate(space.weights());
  check(VecSet(density.get(), 0));
  const auto d = at(space.dimension());
  data.for_each([&](std::int64_t first, std::span<const double> points,
                    std::span<const std::int64_t> labels) {
    for (std::size_t p = 0; p < labels.size(); ++p) {
      if (first + static_cast<std::int64_t>(p) >= data.fitted_rows()) break;
      spaces::Index index{};
      for (std::size_t k = 0; k < d; ++k) {
        const std::vector<double>& edges = space.grid().axis(static_cast<int>(k)).edges();
        const auto after = std::upper_bound(edges.begin() + 1, edges.end() - 1, points[p * d + k]);
        index[k] = static_cast<PetscInt>(after - edges.begin()) - 1;
      }
      check(VecSetValue(density.get(), space.grid().number(index), 1, ADD_VALUES));
    }
  });
  check(VecAssemblyBegin(density.get()));
  check(VecAssemblyEnd(density.get()));
  check(VecScale(density.get(), 1 / static_cast<double>(data.fitted_rows())));
  check(VecPointwiseDivide(density.get(), density.get(), space.weights()));
  return density;
}

/// The density of layer 1 for inputs that are the rows of data.
UniqueVec density_after(const NetworkProblem& problem, const operators::NetworkData& data) {
  operators::LayerKernel kernel(problem.network().layers[0], problem.space(0), problem.space(1));
  const operators::LayerSpace& space = problem.space(1);
  UniqueVec density = base::duplicate(space.weights());
  check(VecSet(density.get(), 0));
  const double mass = 1 / static_cast<double>(data.fitted_rows());
  {
    const base::WriteArray masses(density.get());
    data.for_all_fitted([&](std::span<const double> points) {
      operators::add_transferred(kernel, space, points, mass, masses.span());
    });
  }
  check(VecPointwiseDivide(density.get(), density.get(), space.weights()));
  return density;
}

} // namespace

std::vector<UniqueVec> all_densities(NetworkProblem& problem,
                                     const std::optional<NetworkDensityInput>& input) {
  const operators::LayerChain& chain = problem.shares();
  std::vector<UniqueVec> all;
  all.push_back(initial_density(problem, input));
  if (problem.data()) all.push_back(density_after(problem, *problem.data()));
  while (static_cast<int>(all.size()) <= problem.depth()) {
    all.push_back(chain.transfer(static_cast<int>(all.size()) - 1, all.back().get()));
  }
  return all;
}

double mean_over_inputs(const NetworkProblem& problem, const operators::LayerChain& chain,
                        operators::Integrand integrand,
                        const std::optional<NetworkDensityInput>& input,
                        const std::vector<UniqueVec>& functions) {
  if (!problem.data()) {
    const UniqueVec density = initial_density(problem, input);
    return chain.dot(0, density.get(), functions[0].get());
  }
  double sum = 0;
  problem.data()->for_all_fitted([&](std::span<const double> points) {
    for (const double value :
         operators::composition_at(problem.network().layers[0], problem.space(0), problem.space(1),
                                   functions[1].get(), points, integrand)) {
      sum += value;
    }
  });
  return sum / static_cast<double>(problem.data()->fitted_rows());
}

UniqueVec initial_density(const NetworkProblem& problem,
                          const std::optional<NetworkDensityInput>& input) {
  const operators::LayerSpace& space = problem.space(0);
  UniqueVec density = base::duplicate(space.weights());
  if (problem.data()) return data_density(space, *problem.data());
  if (!input || !input->initial.given()) {
    check(VecSet(density.get(), 1 / space.volume()));
    return density;
  }
  const config::FormulaText& text = input->initial;
  const config::Formula formula(text, problem.network().variables(0));
  density = space.sampled([&](std::span<const double> x) { return formula(x); });
  const UniqueVec one = base::duplicate(density.get());
  check(VecSet(one.get(), 1));
  const double integral = problem.chain().dot(0, density.get(), one.get());
  check(VecScale(density.get(), 1 / integral));
  return density;
}

bool density(NetworkProblem& problem, NetworkProblem& coarse, const NetworkStudyInput& input,
             io::ResultFile& file) {
  base::Phase phase(problem.log(), "density");
  const std::vector<UniqueVec> all = all_densities(problem, input.density);
  const std::vector<UniqueVec> others = all_densities(coarse, input.density);
  std::vector<std::vector<std::string>> rows;
  for (int n = 0; n <= problem.depth(); ++n) {
    const operators::LayerSpace& space = problem.space(n);
    const Moments own = moments(space, all[at(n)].get());
    const Moments other = moments(coarse.space(n), others[at(n)].get());
    std::vector<double> errors;
    for (std::size_t k = 0; k < own.mean.size(); ++k) {
      errors.push_back(std::abs(own.mean[k] - other.mean[k]));
      rows.push_back({space.grid().axis(static_cast<int>(k)).name(),
                      fmt::format("{:.10g}", own.mean[k]),
                      fmt::format("{:.10g}", std::sqrt(std::max(0.0, own.variance[k]))),
                      fmt::format("{:.1e}", errors[k]), fmt::format("{:.1e}", own.mass - 1),
                      fmt::format("{:.2g}", own.minimum)});
    }
    write_layer_axes(problem, n, file);
    const base::ReadArray values(all[at(n)].get());
    file.write(fmt::format("/density/layer_{}", n), values.span(), space.grid().slab(),
               {{"meaning", fmt::format("probability density of layer {}", n)},
                {"unit", "1/volume"},
                {"mass", own.mass},
                {"minimum", own.minimum},
                {"mean", own.mean},
                {"variance", own.variance},
                {"mean_error", errors},
                {"axes", space.grid().names()}});
  }
  phase.finish(fmt::format("{} layers", problem.depth() + 1));
  problem.log().table(
      "Densities of the layers",
      {"variable", "mean", "std. deviation", "error of the grid", "mass - 1", "minimum"}, rows);
  return true;
}

Probabilities probabilities(NetworkProblem& problem, const NetworkStudyInput& input) {
  const UniqueVec u = indicator(problem, probability_formula(problem.network(), input));
  Probabilities result;
  result.functions = NetworkProblem::expectations(problem.shares(), u.get());
  result.total = mean_over_inputs(problem, problem.shares(), operators::Integrand::shares,
                                  input.density, result.functions);
  result.at_points = probabilities_at(problem, result.functions, input.probability->points);
  return result;
}

bool probability(NetworkProblem& problem, NetworkProblem& coarse, const NetworkStudyInput& input,
                 io::ResultFile& file) {
  const NetworkProbabilityInput& asked = *input.probability;
  base::Phase phase(problem.log(), "probability");
  const Probabilities own = probabilities(problem, input);
  const Probabilities other = probabilities(coarse, input);
  const double total = own.total;
  const double error = std::abs(total - other.total);
  phase.finish();
  write_layer_axes(problem, 0, file);
  const base::ReadArray values(own.functions[0].get());
  file.write("/probability/layer_0", values.span(), problem.space(0).grid().slab(),
             {{"meaning", fmt::format("P({} | X_0 = x)", asked.set.text)},
              {"unit", "-"},
              {"axes", problem.space(0).grid().names()}});
  file.write_small("/probability/total", std::vector<double>{total}, {},
                   {{"meaning", fmt::format("P({}) for the density of the inputs", asked.set.text)},
                    {"unit", "-"},
                    {"discretisation_error", error}});
  problem.log().line(
      fmt::format("  P({}) = {:.10g} (error of the grid {:.1e})", asked.set.text, total, error));
  if (asked.points.empty()) return true;
  const std::vector<double>& at_points = own.at_points;
  const std::vector<double>& other_points = other.at_points;
  std::vector<double> flat;
  std::vector<double> errors;
  std::vector<std::vector<std::string>> rows;
  for (std::size_t i = 0; i < at_points.size(); ++i) {
    flat.insert(flat.end(), asked.points[i].begin(), asked.points[i].end());
    errors.push_back(std::abs(at_points[i] - other_points[i]));
    rows.push_back({fmt::format("{:g}", fmt::join(asked.points[i], ", ")),
                    fmt::format("{:.10g}", at_points[i]), fmt::format("{:.1e}", errors[i])});
  }
  const auto count = static_cast<hsize_t>(at_points.size());
  file.write_small("/probability/points", flat, {count, asked.points[0].size()},
                   {{"meaning", "inputs"}, {"unit", "of the variables"}});
  file.write_small("/probability/values", at_points, {count},
                   {{"meaning", "probability at the points"}, {"unit", "-"}});
  file.write_small("/probability/discretisation_error", errors, {count},
                   {{"meaning", "difference from half the cells"}, {"unit", "-"}});
  problem.log().table(fmt::format("P({} | X_0 = x)", asked.set.text),
                      {"x", "probability", "error of the grid"}, rows);
  return true;
}

} // namespace komori::analyses
