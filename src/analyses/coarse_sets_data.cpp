#include "analyses/coarse_sets_data.hpp"

#include <algorithm>
#include <cmath>
#include <limits>

#include <fmt/format.h>

#include "base/error.hpp"

namespace komori::analyses {
namespace {

using base::check;

constexpr double nan = std::numeric_limits<double>::quiet_NaN();

/// Which of the sets of `other` is each of `sets`: pairs of the largest overlap first.
std::vector<std::size_t> matched(const CoarseSets& sets, const CoarseSets& other) {
  const std::size_t m = sets.count();
  std::vector<double> overlap;
  for (std::size_t i = 0; i < m; ++i) {
    for (std::size_t j = 0; j < m; ++j) {
      overlap.push_back(base::dot(sets.memberships[i].get(), other.memberships[j].get()));
    }
  }
  std::vector<std::size_t> partner(m, 0);
  for (std::size_t round = 0; round < m; ++round) {
    const auto best = static_cast<std::size_t>(std::max_element(overlap.begin(), overlap.end()) -
                                               overlap.begin());
    partner[best / m] = best % m;
    for (std::size_t k = 0; k < m; ++k) overlap[best / m * m + k] = overlap[k * m + best % m] = -1;
  }
  return partner;
}

} // namespace

DataSets::DataSets(TransferProblem& problem, Vec inside, const CountedData& data,
                   const CoarseSetsInput& input, base::Log::Level level)
    : problem_(problem), inside_(inside), data_(data), input_(input), level_(level) {}

CoarseSets DataSets::found(Mat matrix, Vec inside, const CoarseSetsInput& input) const {
  ConnectedChain chain(problem_.session(), matrix, inside, problem_.lag());
  validate(chain.problem().grid().cells(), input);
  CoarseSets sets = compute_coarse_sets(chain.problem(), input);
  for (base::UniqueVec& membership : sets.memberships) {
    membership = chain.expanded(membership.get(), 0);
  }
  sets.assignment = chain.expanded(sets.assignment.get(), -1);
  return sets;
}

const CoarseSets& DataSets::sets() {
  if (!sets_) sets_ = found(problem_.matrix(), inside_, input_);
  return *sets_;
}

CoarseBands DataSets::bands() {
  const CoarseSets& all = sets();
  const std::size_t m = all.count();
  CoarseSetsInput input = input_;
  input.range.reset();
  input.number = {std::to_string(m), input_.origin, "coarse_sets.sets"};
  std::vector<std::vector<double>> transition(m * m);
  std::vector<std::vector<double>> weights(m);
  const base::UniqueVec held = base::duplicate(inside_); // samples whose chain holds a cell
  std::vector<base::UniqueVec> sums;
  std::vector<base::UniqueVec> squares;
  for (std::size_t j = 0; j < m; ++j) {
    sums.push_back(base::duplicate(inside_));
    squares.push_back(base::duplicate(inside_));
    check(VecSet(sums.back().get(), 0));
    check(VecSet(squares.back().get(), 0));
  }
  check(VecSet(held.get(), 0));
  CoarseBands result;
  const std::int64_t lag = data_.source().lag_frames();
  const std::int64_t entries = data_.count(lag).entries();
  data_.for_each_sample({lag}, entries, [&](std::int64_t s, const std::vector<Mat>& counts) {
    const operators::EstimatedChain chain = data_.estimate(counts.front());
    problem_.log().set_level(base::Log::Level::quiet);
    std::optional<CoarseSets> other;
    try {
      other = found(chain.transfer.matrix.get(), chain.inside.get(), input);
    } catch (const base::InputError&) { // too few states, or a pair that sets would split
    } catch (const base::ConvergenceError&) {
    }
    problem_.log().set_level(level_);
    problem_.log().progress(static_cast<double>(s + 1) /
                                static_cast<double>(data_.bootstrap().samples),
                            fmt::format("sample {}", s + 1));
    if (!other || other->count() != m) return;
    ++result.samples;
    check(VecAXPY(held.get(), 1, chain.inside.get()));
    const std::vector<std::size_t> partner = matched(all, *other);
    for (std::size_t i = 0; i < m; ++i) {
      weights[i].push_back(other->weights[partner[i]]);
      const Vec membership = other->memberships[partner[i]].get();
      check(VecAXPY(sums[i].get(), 1, membership));
      check(VecPointwiseMult(membership, membership, membership));
      check(VecAXPY(squares[i].get(), 1, membership));
      for (std::size_t j = 0; j < m; ++j) {
        transition[i * m + j].push_back(other->transition[partner[i] * m + partner[j]]);
      }
    }
  });
  const double confidence = data_.bootstrap().confidence;
  for (auto& values : transition) result.transition.push_back(band(std::move(values), confidence));
  for (auto& values : weights) result.weights.push_back(band(std::move(values), confidence));
  const base::ReadArray count(held.get());
  for (std::size_t j = 0; j < m; ++j) {
    const base::ReadArray sum(sums[j].get());
    const base::WriteArray square(squares[j].get());
    for (std::size_t i = 0; i < square.size(); ++i) {
      const double n = count[i];
      square[i] = n > 1 ? std::sqrt(std::max(0.0, square[i] - sum[i] * sum[i] / n) / (n - 1)) : nan;
    }
    result.deviations.push_back(base::UniqueVec::share(squares[j].get()));
  }
  return result;
}

bool DataSets::section(io::ResultFile& file) {
  base::Phase phase(problem_.log(), "coarse_sets");
  const CoarseSets& all = sets();
  std::optional<CoarseBands> around;
  if (data_.bootstrap().samples > 0) around = bands();
  phase.finish(fmt::format("{} sets, {} eigenvalues, {}, {} samples", all.count(),
                           all.values.size(), all.solver, around ? around->samples : 0));
  const bool complete = report(problem_, input_, all, file);
  if (!around) return complete;
  const hsize_t m = all.count();
  const auto ends = [&](const char* name, double Band::*end, const std::string& which) {
    std::vector<double> matrix;
    std::vector<double> weights;
    for (const Band& b : around->transition) matrix.push_back(b.*end);
    for (const Band& b : around->weights) weights.push_back(b.*end);
    const io::Attribute unit{"unit", std::string("-")};
    file.write_small(fmt::format("/coarse_sets/transition_matrix_{}", name), matrix, {m, m},
                     {{"meaning", which + " ends of the bootstrap's bands"}, unit});
    file.write_small(fmt::format("/coarse_sets/weights_{}", name), weights, {m},
                     {{"meaning", which + " ends of the bootstrap's bands"}, unit});
  };
  ends("lower", &Band::lower, "lower");
  ends("upper", &Band::upper, "upper");
  const io::Slab slab = problem_.grid().slab();
  std::vector<hsize_t> shape = slab.shape;
  shape.insert(shape.begin(), m);
  file.create("/coarse_sets/memberships_deviation", shape,
              {{"meaning", std::string("standard deviation of the memberships over samples of the "
                                       "data; NaN where no two samples have the cell")},
               {"unit", std::string("-")}});
  std::vector<std::vector<std::string>> rows;
  for (std::size_t j = 0; j < m; ++j) {
    const base::ReadArray entries(around->deviations[j].get());
    file.write_leading("/coarse_sets/memberships_deviation", j, entries.span(), slab);
    const Band& stays = around->transition[j * m + j];
    rows.push_back({std::to_string(j),
                    fmt::format("{:.4g} [{:.4g}, {:.4g}]", all.weights[j], around->weights[j].lower,
                                around->weights[j].upper),
                    fmt::format("{:.6g} [{:.6g}, {:.6g}]", all.transition[j * m + j], stays.lower,
                                stays.upper)});
  }
  file.annotate("/coarse_sets", {{"samples", around->samples},
                                 {"confidence", data_.bootstrap().confidence},
                                 {"block", data_.block_time()}});
  problem_.log().table("Bands of the coarse sets", {"set", "probability", "stays"}, rows);
  if (around->samples < data_.bootstrap().samples) {
    problem_.log().warning(fmt::format(
        "coarse_sets: {} of {} samples of the data do not have {} sets, so that bands are too "
        "narrow; raise 'bootstrap.block', or ask for fewer sets",
        data_.bootstrap().samples - around->samples, data_.bootstrap().samples, m));
  }
  return complete;
}

} // namespace komori::analyses
