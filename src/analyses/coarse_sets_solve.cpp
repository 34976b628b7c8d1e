/// How coarse sets are found.
#include <algorithm>
#include <array>
#include <cmath>
#include <limits>
#include <numeric>

#include <fmt/format.h>

#include "analyses/coarse_sets.hpp"
#include "analyses/crispest_simplex.hpp"
#include "analyses/leading_space.hpp"
#include "analyses/sparse_basis.hpp"
#include "analyses/transfer_stationary.hpp"
#include "base/error.hpp"
#include "config/formula.hpp"

namespace komori::analyses {
namespace {

using base::check;
using Eigen::Index;
using Eigen::MatrixXd;
using Eigen::VectorXd;
using linalg::SchurSpace;

/// The numbers of sets to be tried, within the states there are.
SetRange range_of(const CoarseSetsInput& input, std::int64_t states) {
  SetRange range = input.range.value_or(SetRange{});
  if (input.number.given()) {
    range.from = range.to = std::llround(config::evaluate_constant(input.number));
  }
  range.to = std::min(range.to, states);
  return range;
}

/// Throws InputError: no number of sets in the range keeps conjugate pairs whole.
[[noreturn]] void refuse_splitting(const CoarseSetsInput& input, const SchurSpace& space,
                                   const SetRange& range) {
  const auto works = [&](std::int64_t m) {
    return m >= 2 && m <= static_cast<std::int64_t>(space.values.size()) &&
           !space.splits(static_cast<std::size_t>(m));
  };
  std::int64_t below = range.from - 1;
  while (below >= 2 && !works(below)) --below;
  std::int64_t above = range.to + 1;
  while (above <= static_cast<std::int64_t>(space.values.size()) && !works(above)) ++above;
  std::string advice;
  if (works(below) && works(above)) {
    advice = fmt::format("{} and {} work", below, above);
  } else if (works(below) || works(above)) {
    advice = fmt::format("{} works", works(below) ? below : above);
  }
  const std::complex<double> value = space.values[static_cast<std::size_t>(range.from) - 1];
  throw base::InputError(fmt::format(
      "{}: 'coarse_sets.sets' is {}, but eigenvalues {} and {} are the conjugate pair {:.6g} +- "
      "{:.6g}i, which sets cannot split; {}",
      input.number.given() ? input.number.origin.text() : input.origin.text(), range.from,
      range.from, range.from + 1, value.real(), value.imag(), advice));
}

/// The first m eigenvalues leave out a copy of the last of them: their space is one of many.
bool splits_copies(const SchurSpace& space, std::int64_t m, double norm) {
  constexpr double equal = 1e-8;
  const auto at = static_cast<std::size_t>(m);
  if (at < 1 || at >= space.values.size()) return false;
  const std::complex<double> last = space.values[at - 1];
  const std::complex<double> next = space.values[at];
  return std::min(std::abs(last - next), std::abs(std::conj(last) - next)) < equal * norm;
}

/// Orthonormalises in the inner product with `weights`; the constant comes first.
std::vector<base::UniqueVec> weighted_basis(const std::vector<base::UniqueVec>& vectors,
                                            Vec weights) {
  std::vector<base::UniqueVec> basis;
  base::UniqueVec one = base::duplicate(weights);
  check(VecSet(one.get(), 1));
  basis.push_back(std::move(one)); // weights add up to 1, so its norm is 1
  const base::UniqueVec weighted = base::duplicate(weights);
  const auto product = [&](Vec a, Vec b) {
    check(VecPointwiseMult(weighted.get(), a, weights));
    return base::dot(weighted.get(), b);
  };
  for (const base::UniqueVec& vector : vectors) {
    base::UniqueVec q = base::duplicate(vector.get());
    check(VecCopy(vector.get(), q.get()));
    const double before = std::sqrt(product(q.get(), q.get()));
    for (int pass = 0; pass < 2; ++pass) {
      for (const base::UniqueVec& other : basis) {
        check(VecAXPY(q.get(), -product(q.get(), other.get()), other.get()));
      }
    }
    const double left = std::sqrt(product(q.get(), q.get()));
    // The constant lies in the space, so that one vector brings nothing new.
    if (basis.size() + 1 > vectors.size() || !(left > 1e-7 * before)) continue;
    check(VecScale(q.get(), 1 / left));
    basis.push_back(std::move(q));
  }
  return basis;
}

std::vector<base::UniqueVec> first_of(std::vector<base::UniqueVec>& vectors, std::size_t count) {
  std::vector<base::UniqueVec> first;
  for (std::size_t i = 0; i < count; ++i) first.push_back(base::UniqueVec::share(vectors[i].get()));
  return first;
}

/// Everything between the space and the sets.
class Sets {
public:
  Sets(TransferProblem& problem, const CoarseSetsInput& input)
      : problem_(problem), input_(input), masses_(problem.grid().vector()) {
    LeadingDensity density = leading_density(
        problem, {.tolerance = std::max(input.tolerance, 1e-12), .observables = {}});
    check(VecPointwiseMult(masses_.get(), density.density.get(), problem.volumes()));
    if (density.parts > 1) {
      problem.log().line(fmt::format("    {} parts never meet: weights of sets are those of mass "
                                     "that begins spread evenly",
                                     density.parts));
    } else if (density.multiplicity > 1) {
      problem.log().warning("coarse_sets: the stationary density is one of many, so that weights "
                            "of sets are, too: the state space falls into parts that never meet");
    }
    weights_ = base::duplicate(masses_.get());
    if (input.weight == "stationary") {
      check(VecCopy(masses_.get(), weights_.get()));
    } else {
      check(VecSet(weights_.get(), 1 / static_cast<double>(problem.grid().cells())));
    }
  }

  /// Memberships for the number of sets with the highest crispness.
  void by_simplex(SchurSpace& space, const SetRange& range, CoarseSets& result) const {
    Simplex best;
    std::int64_t chosen = 0;
    std::vector<std::int64_t> numbers;
    std::vector<std::int64_t> arbitrary;
    for (std::int64_t m = range.from; m <= range.to; ++m) {
      if (space.splits(static_cast<std::size_t>(m))) continue;
      (splits_copies(space, m, problem_.norm()) ? arbitrary : numbers).push_back(m);
    }
    if (numbers.empty()) {
      numbers = std::move(arbitrary);
      for (const std::int64_t m : numbers) warn_of_copies(m);
    }
    for (const std::int64_t m : numbers) {
      const RowCloud cloud(problem_.grid(), basis_of(space, m));
      Simplex found = crispest_simplex(cloud);
      result.numbers.push_back(m);
      result.crispness.push_back(found.crispness);
      result.searched.push_back(found.searched);
      if (chosen != 0 && found.crispness <= best.crispness) continue;
      chosen = m;
      best = std::move(found);
    }
    if (chosen == 0) refuse_splitting(input_, space, range);
    const RowCloud cloud(problem_.grid(), basis_of(space, chosen));
    for (const Index j : by_weight(cloud, best.transform)) {
      result.memberships.push_back(cloud.combined(best.transform.col(j)));
    }
  }

  /// Sparse vectors, of a number that is given.
  void by_sparsity(SchurSpace& space, const SetRange& range, CoarseSets& result) const {
    if (space.splits(static_cast<std::size_t>(range.from))) {
      refuse_splitting(input_, space, range);
    }
    if (splits_copies(space, range.from, problem_.norm())) warn_of_copies(range.from);
    const RowCloud cloud(problem_.grid(), basis_of(space, range.from));
    const base::ReadArray entries(weights_.get());
    const VectorXd weights =
        Eigen::Map<const VectorXd>(entries.span().data(), static_cast<Index>(entries.size()));
    const SparseBasis sparse = sparse_basis(cloud, weights);
    result.numbers = {range.from};
    result.complete = sparse.converged;
    for (Index j = 0; j < sparse.columns.cols(); ++j) {
      base::UniqueVec vector = problem_.grid().vector();
      const base::WriteArray values(vector.get());
      for (std::size_t i = 0; i < values.size(); ++i) {
        values[i] = sparse.columns(static_cast<Index>(i), j);
      }
      result.memberships.push_back(std::move(vector));
      result.least.push_back(sparse.least[j]);
    }
  }

  /// Assignment, weights and transitions of the memberships found.
  void describe(CoarseSets& result) const {
    result.assignment = assigned(result.memberships);
    const auto m = static_cast<Index>(result.count());
    MatrixXd crisp(m, m); // stationary probability of going from set to set
    VectorXd in(m);
    const base::UniqueVec inside = problem_.grid().vector();
    const base::UniqueVec image = problem_.grid().vector();
    MatrixXd gram(m, m);
    MatrixXd mixed(m, m);
    for (Index j = 0; j < m; ++j) {
      const Vec chi = result.memberships[static_cast<std::size_t>(j)].get();
      result.weights.push_back(base::dot(chi, masses_.get()));
      indicate(result.assignment.get(), j, inside.get());
      in[j] = base::dot(inside.get(), masses_.get());
      check(MatMult(problem_.matrix(), inside.get(), image.get()));
      check(VecPointwiseMult(image.get(), image.get(), masses_.get()));
      for (Index i = 0; i < m; ++i) {
        indicate(result.assignment.get(), i, inside.get());
        crisp(i, j) = base::dot(inside.get(), image.get());
      }
      check(MatMult(problem_.matrix(), chi, image.get()));
      check(VecPointwiseMult(image.get(), image.get(), weights_.get()));
      check(VecPointwiseMult(inside.get(), chi, weights_.get()));
      for (Index i = 0; i < m; ++i) {
        const Vec other = result.memberships[static_cast<std::size_t>(i)].get();
        mixed(i, j) = base::dot(other, image.get());
        gram(i, j) = base::dot(other, inside.get());
      }
    }
    const bool partition = input_.method == "gpcca";
    if (!partition) result.weights.assign(in.data(), in.data() + m);
    const MatrixXd coarse = partition ? MatrixXd(gram.fullPivLu().solve(mixed))
                                      : MatrixXd(in.cwiseInverse().asDiagonal() * crisp);
    for (Index i = 0; i < m; ++i) {
      for (Index j = 0; j < m; ++j) result.transition.push_back(coarse(i, j));
      result.leaving.push_back(!(in[i] > 0)       ? std::numeric_limits<double>::quiet_NaN()
                               : problem_.rates() ? -crisp(i, i) / in[i]
                                                  : 1 - crisp(i, i) / in[i]);
    }
  }

private:
  void warn_of_copies(std::int64_t m) const {
    problem_.log().warning(fmt::format("coarse_sets: eigenvalues {} and {} are equal, so that {} "
                                       "sets are one choice of many, which rounding decides; ask "
                                       "for another number of sets",
                                       m, m + 1, m));
  }

  std::vector<base::UniqueVec> basis_of(SchurSpace& space, std::int64_t m) const {
    std::vector<base::UniqueVec> basis =
        weighted_basis(first_of(space.vectors, static_cast<std::size_t>(m)), weights_.get());
    for (std::size_t i = 0; i + 1 < basis.size(); ++i) {
      if (space.values[i].imag() > 0) standardise(basis[i].get(), basis[i + 1].get());
    }
    return basis;
  }

  /// Turns the two vectors of a conjugate pair so that the diagonal of their block of P is twice
  /// the same number: LAPACK's form of Schur vectors, in the inner product of the weights.
  void standardise(Vec first, Vec second) const {
    Eigen::Matrix2d block;
    const std::array<Vec, 2> pair{first, second};
    const base::UniqueVec image = base::duplicate(first);
    for (Index j = 0; j < 2; ++j) {
      check(MatMult(problem_.matrix(), pair[static_cast<std::size_t>(j)], image.get()));
      check(VecPointwiseMult(image.get(), image.get(), weights_.get()));
      for (Index i = 0; i < 2; ++i) {
        block(i, j) = base::dot(pair[static_cast<std::size_t>(i)], image.get());
      }
    }
    const double angle = 0.5 * std::atan2(block(1, 1) - block(0, 0), block(0, 1) + block(1, 0));
    check(VecCopy(first, image.get()));
    check(VecScale(first, std::cos(angle)));
    check(VecAXPY(first, std::sin(angle), second));
    check(VecScale(second, std::cos(angle)));
    check(VecAXPY(second, -std::sin(angle), image.get()));
  }

  /// Columns by stationary probability; of equally probable ones the one that holds the first cell
  /// in natural order comes first.
  std::vector<Index> by_weight(const RowCloud& cloud, const MatrixXd& transform) const {
    std::vector<double> weight;
    std::vector<std::int64_t> home;
    for (Index j = 0; j < transform.cols(); ++j) {
      weight.push_back(base::dot(cloud.combined(transform.col(j)).get(), masses_.get()));
      home.push_back(cloud.highest(cloud.rows() * transform.col(j)).natural);
    }
    std::vector<Index> order(weight.size());
    std::iota(order.begin(), order.end(), Index{0});
    const auto rounded = [&](Index j) {
      return std::llround(weight[static_cast<std::size_t>(j)] * 1e8);
    };
    std::sort(order.begin(), order.end(), [&](Index a, Index b) {
      if (rounded(a) != rounded(b)) return rounded(a) > rounded(b);
      return home[static_cast<std::size_t>(a)] < home[static_cast<std::size_t>(b)];
    });
    return order;
  }

  /// The set of largest membership; none where all are 0 or below. Close to a tie the first set.
  base::UniqueVec assigned(const std::vector<base::UniqueVec>& memberships) const {
    constexpr double tie = 1e-9;
    base::UniqueVec result = problem_.grid().vector();
    const base::WriteArray set(result.get());
    std::vector<double> best(set.size(), tie);
    std::fill(set.span().begin(), set.span().end(), -1.0);
    for (std::size_t j = 0; j < memberships.size(); ++j) {
      const base::ReadArray values(memberships[j].get());
      for (std::size_t i = 0; i < values.size(); ++i) {
        if (values[i] <= best[i] + tie) continue;
        best[i] = values[i];
        set[i] = static_cast<double>(j);
      }
    }
    return result;
  }

  static void indicate(Vec assignment, Index set, Vec indicator) {
    const base::ReadArray sets(assignment);
    const base::WriteArray values(indicator);
    for (std::size_t i = 0; i < values.size(); ++i) {
      values[i] = sets[i] == static_cast<double>(set) ? 1 : 0;
    }
  }

  TransferProblem& problem_;
  const CoarseSetsInput& input_;
  base::UniqueVec masses_;
  base::UniqueVec weights_; ///< of the inner product, sum 1
};

} // namespace

CoarseSets compute_coarse_sets(TransferProblem& problem, const CoarseSetsInput& input) {
  if (!problem.closed()) {
    throw base::InputError(fmt::format("{}: 'coarse_sets' needs a system that nothing leaves, but "
                                       "up to {:.3g} of a cell's probability leaks; widen the "
                                       "grid, or close its walls",
                                       input.origin.text(), problem.transfer().largest_leak));
  }
  const std::int64_t states = problem.grid().cells();
  const SetRange range = range_of(input, states);
  // One value more than sets tells whether the last one is half of a pair.
  SchurSpace space = leading_space(problem, {.values = std::min(range.to + 1, states),
                                             .tolerance = input.tolerance,
                                             .phase = "coarse_sets",
                                             .prefix = "coarse_sets_"});
  CoarseSets result;
  result.values = space.values;
  result.residuals = space.residuals;
  result.iterations = space.iterations;
  result.solver = space.solver;
  if (!space.all_copies) result.coverage = "copies of multiple eigenvalues may be missing";
  const Sets sets(problem, input);
  if (input.method == "seba") {
    sets.by_sparsity(space, range, result);
  } else {
    sets.by_simplex(space, range, result);
  }
  sets.describe(result);
  return result;
}

std::int64_t CoarseSetsInput::most() const {
  return range_of(*this, std::numeric_limits<std::int64_t>::max()).to;
}

void validate(std::int64_t states, const CoarseSetsInput& input) {
  const std::string key =
      fmt::format("{}: 'coarse_sets.sets'",
                  input.number.given() ? input.number.origin.text() : input.origin.text());
  if (input.number.given()) {
    const double number = config::evaluate_constant(input.number);
    if (!(number >= 2 && number <= 100 && number == std::floor(number))) {
      throw base::InputError(fmt::format(
          "{} is {:g}, but must be an integer in [2, 100], or a section {{from: 2, to: 6}}", key,
          number));
    }
  } else if (input.method == "seba") {
    throw base::InputError(fmt::format(
        "{} must be one number for the method seba, e.g. 'sets: 3'; only gpcca compares numbers",
        key));
  }
  const SetRange range = range_of(input, input.most());
  if (range.from > range.to) {
    throw base::InputError(
        fmt::format("{}: 'from' ({}) is above 'to' ({})", key, range.from, range.to));
  }
  if (range.from <= states) return;
  throw base::InputError(fmt::format("{} asks for {} sets, but there are only {} cells or states",
                                     key, range.from, states));
}

} // namespace komori::analyses
