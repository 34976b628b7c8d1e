#include "analyses/network_comparison.hpp"

#include <fmt/format.h>

#include "analyses/network_sections.hpp"
#include "base/collective.hpp"
#include "base/error.hpp"
#include "base/signals.hpp"
#include "models/network_paths.hpp"

namespace komori::analyses {

void add_up(MPI_Comm comm, std::vector<Sums>& sums) {
  constexpr std::size_t fields = 5;
  static_assert(sizeof(Sums) == fields * sizeof(double));
  MPI_Allreduce(MPI_IN_PLACE, sums.data(), static_cast<int>(sums.size() * fields), MPI_DOUBLE,
                MPI_SUM, comm);
}

void for_batches(base::Session& session, std::int64_t begin, std::int64_t end, std::size_t size,
                 const std::function<void(std::uint64_t, std::size_t)>& body) {
  const auto batch = static_cast<std::int64_t>(size);
  const std::int64_t batches = (end - begin + batch - 1) / batch;
  const std::int64_t rounds = (batches + session.size() - 1) / session.size();
  std::string problem;
  for (std::int64_t round = 0; round < rounds; ++round) {
    const std::int64_t first = begin + (round * session.size() + session.rank()) * batch;
    if (first < end && problem.empty()) {
      try {
        body(static_cast<std::uint64_t>(first),
             static_cast<std::size_t>(std::min(end - first, batch)));
      } catch (const base::InputError& error) {
        problem = error.what();
      }
    }
  }
  problem = base::first_text(session.comm(), problem);
  if (!problem.empty()) throw base::InputError(problem);
}

std::vector<Sums>
sums_in_parts(LayerProblem& problem, const std::string& phase, std::int64_t samples,
              std::size_t quantities,
              const std::function<std::vector<Sums>(std::int64_t, std::int64_t)>& part) {
  constexpr std::int64_t part_size = std::int64_t{1} << 20;
  constexpr std::size_t fields = 5;
  std::vector<Sums> total(quantities);
  std::int64_t done = 0;
  io::Checkpoints* checkpoints = problem.checkpoints();
  if (checkpoints) {
    checkpoints->restore(phase, [&](io::CheckpointReader& reader) {
      const std::vector<double> state = reader.numbers("sums");
      if (state.size() != 1 + fields * quantities) {
        throw base::InputError("the checkpoint holds sums of other quantities");
      }
      done = static_cast<std::int64_t>(state[0]);
      for (std::size_t q = 0; q < quantities; ++q) {
        const double* own = state.data() + 1 + fields * q;
        total[q] = {own[0], own[1], own[2], own[3], own[4]};
      }
    });
  }
  while (done < samples) {
    const std::int64_t end = std::min(samples, done + part_size);
    std::vector<Sums> own = part(done, end);
    add_up(problem.session().comm(), own);
    for (std::size_t q = 0; q < quantities; ++q) total[q].add(own[q]);
    done = end;
    problem.log().progress(static_cast<double>(done) / static_cast<double>(samples), phase);
    if (checkpoints == nullptr) base::stop_if_asked(problem.session().comm(), "nothing was saved");
    if (checkpoints == nullptr || done == samples) continue;
    checkpoints->step(phase, [&](io::CheckpointWriter& writer) {
      std::vector<double> state{static_cast<double>(done)};
      for (const Sums& one : total) {
        state.insert(state.end(),
                     {one.weight, one.weight2, one.value, one.value_weight2, one.value2_weight2});
      }
      writer.numbers("sums", state);
    });
  }
  return total;
}

namespace {

/// Where paths that are compared begin, and what is taken of their ends.
struct PathsFrom {
  std::string phase;
  std::uint64_t family = 0;
  std::size_t layer = 0;
  const std::vector<double>& point;
  std::function<double(std::span<const double>)> value;
};

Sums from_one(LayerProblem& problem, const NetworkMonteCarloInput& asked, const PathsFrom& from) {
  const models::Network& network = problem.network();
  const models::PathSampler sampler(network, static_cast<std::uint64_t>(asked.seed), from.family);
  const std::size_t outputs = network.width(network.depth());
  const auto of_paths = [&](std::int64_t begin, std::int64_t end) {
    std::vector<Sums> sums(1);
    std::vector<double> x;
    std::vector<double> next;
    for_batches(problem.session(), begin, end, path_batch,
                [&](std::uint64_t first, std::size_t count) {
                  x.clear();
                  for (std::size_t p = 0; p < count; ++p) {
                    x.insert(x.end(), from.point.begin(), from.point.end());
                  }
                  for (std::size_t n = from.layer; n < network.depth(); ++n) {
                    next.resize(count * network.width(n + 1));
                    sampler.step(n, first, count, x, next);
                    std::swap(x, next);
                  }
                  for (std::size_t p = 0; p < count; ++p) {
                    sums[0].add(1, from.value({x.data() + p * outputs, outputs}));
                  }
                });
    return sums;
  };
  return sums_in_parts(problem, from.phase, asked.samples, 1, of_paths)[0];
}

} // namespace

Sums from_point(LayerProblem& problem, const NetworkStudyInput& input, std::size_t which) {
  const config::Formula formula = observable_formula(problem.network(), *input.observable);
  return from_one(problem, *input.monte_carlo,
                  {.phase = fmt::format("paths from point {}", which),
                   .family = which + 1,
                   .layer = static_cast<std::size_t>(input.expectation->layer),
                   .point = input.expectation->points[which],
                   .value = [&](std::span<const double> y) { return formula(y); }});
}

Sums share_from_point(LayerProblem& problem, const NetworkStudyInput& input, std::size_t which) {
  const config::Formula set = probability_formula(problem.network(), input);
  constexpr std::uint64_t families = std::uint64_t{1} << 32; // none of those of `from_point`
  return from_one(problem, *input.monte_carlo,
                  {.phase = fmt::format("paths to the set from point {}", which),
                   .family = families + which,
                   .point = input.probability->points[which],
                   .value = [&](std::span<const double> y) { return holds(set, y) ? 1.0 : 0.0; }});
}

bool report_comparison(LayerProblem& problem, const std::vector<Comparison>& all,
                       std::int64_t samples, const std::string& remedy, io::ResultFile& file) {
  // Beyond that the two ways contradict each other.
  constexpr double most = 4;
  const Comparison& farthest =
      *std::max_element(all.begin(), all.end(), [](const Comparison& a, const Comparison& b) {
        return a.deviation() < b.deviation();
      });
  const double worst = farthest.deviation();
  std::vector<double> flat;
  std::vector<std::string> names;
  std::vector<std::vector<std::string>> rows;
  for (const Comparison& one : all) {
    names.push_back(one.name);
    flat.insert(flat.end(), {one.operators, one.operators_error, one.sampled, one.standard_error});
    if (one.bin && one.deviation() <= most) continue;
    rows.push_back({one.name, fmt::format("{:.8g}", one.operators),
                    fmt::format("{:.1e}", one.operators_error), fmt::format("{:.8g}", one.sampled),
                    fmt::format("{:.1e}", one.standard_error),
                    fmt::format("{:.2f}", one.deviation())});
  }
  file.write_strings("/monte_carlo/names", names, {{"meaning", "quantities compared"}});
  file.write_small("/monte_carlo/values", flat, {static_cast<hsize_t>(all.size()), 4},
                   {{"meaning", "by operators, their error, by paths, standard error"},
                    {"unit", "-"},
                    {"samples", samples},
                    {"largest_deviation", worst}});
  problem.log().table("Operators against sampled paths",
                      {"quantity", "operators", "error", "paths", "std. error", "deviation"}, rows);
  problem.log().line(fmt::format("  {} quantities, largest deviation {:.2f} standard errors beyond "
                                 "the {}",
                                 all.size(), worst, problem.error_name()));
  if (worst <= most) return true;
  problem.log().warning(fmt::format(
      "monte_carlo: {} is {:.8g} by operators, {} {:.1e}, but {:.8g} by paths, standard error "
      "{:.1e}: {:.1f} standard errors beyond the {}, {:g} at most; {}",
      farthest.name, farthest.operators, problem.error_name(), farthest.operators_error,
      farthest.sampled, farthest.standard_error, worst, problem.error_name(), most, remedy));
  return false;
}

std::string rate_text(double paths, double seconds) {
  return fmt::format("{:.3g} paths, {:.3g} a second", paths, paths / std::max(seconds, 1e-9));
}

} // namespace komori::analyses
