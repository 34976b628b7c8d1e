#include "analyses/coarse_sets.hpp"

#include <algorithm>
#include <cmath>

#include <fmt/format.h>

namespace komori::analyses {
namespace {

std::string unit_of(const TransferProblem& problem) {
  return problem.rates() ? "1/time" : "-";
}

void write_functions(const TransferProblem& problem, const CoarseSets& sets, bool partition,
                     io::ResultFile& file) {
  const io::Slab slab = problem.grid().slab();
  std::vector<hsize_t> shape = slab.shape;
  shape.insert(shape.begin(), sets.count());
  file.create("/coarse_sets/memberships", shape,
              {{"meaning", std::string(partition ? "membership of each cell in each set, in [0, 1] "
                                                   "with sum 1"
                                                 : "sparse vector of each set, largest value 1")},
               {"unit", std::string("-")}});
  for (std::size_t j = 0; j < sets.count(); ++j) {
    const base::ReadArray entries(sets.memberships[j].get());
    file.write_leading("/coarse_sets/memberships", j, entries.span(), slab);
  }
  const base::ReadArray entries(sets.assignment.get());
  file.write("/coarse_sets/assignment", entries.span(), slab,
             {{"meaning", std::string("number of the set that a cell belongs to most, from 0; -1: "
                                      "to none")},
              {"unit", std::string("-")}});
}

void write(const TransferProblem& problem, const CoarseSetsInput& input, const CoarseSets& sets,
           io::ResultFile& file) {
  const bool partition = input.method == "gpcca";
  const std::string unit = unit_of(problem);
  const hsize_t m = sets.count();
  write_functions(problem, sets, partition, file);
  std::vector<double> values;
  for (const std::complex<double>& value : sets.values) {
    values.insert(values.end(), {value.real(), value.imag()});
  }
  file.write_small(
      "/coarse_sets/eigenvalues", values, {sets.values.size(), 2},
      {{"meaning", std::string("dominant eigenvalues, real and imaginary part")}, {"unit", unit}});
  file.write_small("/coarse_sets/residuals", sets.residuals, {sets.residuals.size()},
                   {{"meaning", std::string("||P v - V t|| per Schur vector v")}, {"unit", unit}});
  file.write_integers(
      "/coarse_sets/numbers", sets.numbers, {sets.numbers.size()},
      {{"meaning", std::string("numbers of sets that were tried")}, {"unit", std::string("-")}});
  if (partition) {
    file.write_small("/coarse_sets/crispness", sets.crispness, {sets.crispness.size()},
                     {{"meaning", std::string("crispness in [0, 1] for each number of sets")},
                      {"unit", std::string("-")}});
    file.write_small(
        "/coarse_sets/searched_crispness", sets.searched, {sets.searched.size()},
        {{"meaning", std::string("what a search by the simplices of Nelder and Mead from the inner "
                                 "simplex reaches in the basis of Schur vectors, as other codes "
                                 "make it; NaN where it would take long")},
         {"unit", std::string("-")}});
  } else {
    file.write_small("/coarse_sets/least", sets.least, {m},
                     {{"meaning", std::string("smallest value of each sparse vector; far below 0: "
                                              "no set of its own")},
                      {"unit", std::string("-")}});
  }
  file.write_small(
      "/coarse_sets/transition_matrix", sets.transition, {m, m},
      {{"meaning",
        std::string(partition ? "(chi^T D chi)^-1 chi^T D P chi: between memberships, rows = from"
                              : "stationary share of each crisp set that goes to another, rows = "
                                "from")},
       {"unit", unit}});
  file.write_small(
      "/coarse_sets/weights", sets.weights, {m},
      {{"meaning", std::string("stationary probability of each set")}, {"unit", std::string("-")}});
  file.write_small(
      "/coarse_sets/leaving", sets.leaving, {m},
      {{"meaning", std::string(problem.rates() ? "stationary rate of leaving each crisp set"
                                               : "stationary probability of leaving each crisp "
                                                 "set in one step") +
                       "; NaN where no cell with probability belongs to a set most"},
       {"unit", unit}});
  file.annotate("/coarse_sets",
                {{"method", input.method},
                 {"sets", static_cast<std::int64_t>(m)},
                 {"weight", input.weight},
                 {"solver", sets.solver},
                 {"iterations", static_cast<std::int64_t>(sets.iterations)},
                 {"coverage", sets.coverage},
                 {"verdict", std::string(sets.complete ? "converged" : "not converged")},
                 {"lag", problem.lag()}});
}

void print(const TransferProblem& problem, const CoarseSetsInput& input, const CoarseSets& sets) {
  base::Log& log = problem.log();
  if (input.method == "gpcca") {
    std::vector<std::vector<std::string>> rows;
    for (std::size_t i = 0; i < sets.numbers.size(); ++i) {
      const bool chosen = sets.numbers[i] == static_cast<std::int64_t>(sets.count());
      rows.push_back({std::to_string(sets.numbers[i]), fmt::format("{:.10g}", sets.crispness[i]),
                      std::isnan(sets.searched[i]) ? "-" : fmt::format("{:.10g}", sets.searched[i]),
                      chosen ? "chosen" : ""});
    }
    log.table("Numbers of sets", {"sets", "crispness", "Nelder-Mead alone", ""}, rows);
  }
  const std::size_t m = sets.count();
  std::vector<std::vector<std::string>> rows;
  for (std::size_t i = 0; i < m; ++i) {
    std::string to;
    for (std::size_t j = 0; j < std::min<std::size_t>(m, 8); ++j) {
      to += fmt::format("{}{:.5g}", j ? "  " : "", sets.transition[i * m + j]);
    }
    rows.push_back({std::to_string(i), fmt::format("{:.8g}", sets.weights[i]),
                    std::isnan(sets.leaving[i]) ? "-" : fmt::format("{:.5g}", sets.leaving[i]),
                    to});
  }
  log.table(fmt::format("Coarse sets ({})", input.method == "gpcca" ? "G-PCCA" : "SEBA"),
            {"set", "probability", problem.rates() ? "leaving rate" : "leaving", "transitions to"},
            rows);
}

} // namespace

void declare(config::Declarer& declarer, SetRange& input) {
  using config::Range;
  declarer.integer("from", input.from, {.help = "Fewest sets to try."}, Range::between(2, 100));
  declarer.integer("to", input.to, {.help = "Most sets to try; no more than there are states."},
                   Range::between(2, 100));
}

void declare(config::Declarer& declarer, CoarseSetsInput& input) {
  input.origin = declarer.origin("");
  declarer.choice("method", input.method, {"gpcca", "seba"},
                  {.help = "gpcca: memberships that add up to 1 on the dominant Schur space; seba: "
                           "sparse vectors, for almost-invariant sets that leave much of the space "
                           "to none."});
  declarer.formula_or_section(
      "sets", input.number, input.range,
      {.help = "How many sets: a number, or a range of which gpcca takes the crispest, {from: 2, "
               "to: 6} where nothing is said. A conjugate pair of eigenvalues is never split."});
  declarer.choice("weight", input.weight, {"uniform", "stationary"},
                  {.help = "What cells count in the crispness and in norms: all the same, or their "
                           "stationary probability."});
  declarer.real("tolerance", input.tolerance,
                {.help = "Largest residual of the eigenvalues, relative to the norm of the "
                         "operator."},
                {.min = 1e-15, .max = 1e-2});
}

bool report(const TransferProblem& problem, const CoarseSetsInput& input, const CoarseSets& sets,
            io::ResultFile& file) {
  if (!sets.coverage.empty()) problem.log().line("    " + sets.coverage);
  write(problem, input, sets, file);
  print(problem, input, sets);
  if (!sets.complete) {
    problem.log().warning("coarse_sets: the sparse basis still moved after 5000 turns; ask for "
                          "another number of sets, or use 'method: gpcca'");
  }
  return sets.complete;
}

bool coarse_sets(TransferProblem& problem, const CoarseSetsInput& input, io::ResultFile& file) {
  base::Phase phase(problem.log(), "coarse_sets");
  const CoarseSets sets = compute_coarse_sets(problem, input);
  phase.finish(
      fmt::format("{} sets, {} eigenvalues, {}", sets.count(), sets.values.size(), sets.solver));
  return report(problem, input, sets, file);
}

} // namespace komori::analyses
