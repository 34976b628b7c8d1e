#include "operators/gram_pass.hpp"

#include <algorithm>
#include <cmath>
#include <complex>
#include <optional>

#include <fmt/format.h>
#include <petscsys.h>

#include <petscblaslapack.h>

#include "base/collective.hpp"
#include "base/error.hpp"
#include "linalg/dense.hpp"

namespace komori::operators {
namespace {

using base::InputError;
using Eigen::Index;
using Eigen::MatrixXd;

/// Adds up over all ranks, in pieces that MPI can count.
void sum_over_ranks(MPI_Comm comm, double* values, std::size_t count) {
  constexpr std::size_t piece = std::size_t{1} << 27;
  for (std::size_t at = 0; at < count; at += piece) {
    const auto n = static_cast<int>(std::min(piece, count - at));
    MPI_Allreduce(MPI_IN_PLACE, values + at, n, MPI_DOUBLE, MPI_SUM, comm);
  }
}

/// Runs `body` and throws on all ranks what it threw on any. Collective.
template <class Body> void together(MPI_Comm comm, Body&& body) {
  std::string problem;
  try {
    body();
  } catch (const InputError& error) {
    problem = error.what();
  }
  problem = base::first_text(comm, problem);
  if (!problem.empty()) throw InputError(problem);
}

void require_finite(const PassInput& input, const spaces::Points& points, const MatrixXd& values,
                    Index first, std::size_t functions, const spaces::Dictionary& dictionary,
                    const char* what) {
  for (std::size_t j = 0; j < functions; ++j) {
    const auto column = values.col(first + static_cast<Index>(j));
    if (std::isfinite(column.sum())) continue;
    for (std::size_t i = 0; i < points.count; ++i) {
      const double value = column[static_cast<Index>(i)];
      if (std::isfinite(value)) continue;
      std::vector<double> point(static_cast<std::size_t>(points.dimension()));
      points.get(i, point);
      throw InputError(fmt::format("{} '{}' is not finite (it is {:g}) at the sample {}", what,
                                   dictionary.name(j), std::isnan(value) ? std::abs(value) : value,
                                   place_text(input.variables, point)));
    }
  }
}

std::span<double> part(MatrixXd& values, std::size_t first, std::size_t columns) {
  const auto rows = static_cast<std::size_t>(values.rows());
  return {values.data() + first * rows, columns * rows};
}

} // namespace

void sample_block(const PassInput& input, std::int64_t first, std::size_t count,
                  PointBlock& block) {
  const std::size_t n = input.dictionary.size();
  const std::size_t m = input.observables ? input.observables->size() : 0;
  block.first = first;
  block.dimension = input.variables.size();
  block.x.resize(count * static_cast<std::size_t>(input.samples.dimension()));
  block.sampled.weights.resize(count);
  block.sampled.values.resize(static_cast<Index>(count), static_cast<Index>(2 * n + m));
  input.samples.take(first, block.x, block.sampled.weights);
  MatrixXd& values = block.sampled.values;
  const spaces::Points points = block.points();
  input.dictionary.evaluate(points, {}, part(values, 0, n));
  require_finite(input, points, values, 0, n, input.dictionary, "the function");
  input.action.apply(input.dictionary, {.x = block.x, .count = count, .first = first},
                     part(values, n, n));
  require_finite(input, points, values, static_cast<Index>(n), n, input.dictionary,
                 "the operator's image of the function");
  if (m > 0) {
    input.observables->evaluate(points, {}, part(values, 2 * n, m));
    require_finite(input, points, values, static_cast<Index>(2 * n), m, *input.observables,
                   "the observable");
  }
}

GramPass::GramPass(MPI_Comm comm, const PassInput& input) : comm_(comm), input_(input) {
  MPI_Comm_rank(comm, &rank_);
  MPI_Comm_size(comm, &size_);
  blocks_ = (input.samples.count() + block - 1) / block;
  const std::size_t n = input.dictionary.size();
  const std::size_t m = input.observables ? input.observables->size() : 0;
  const auto columns = static_cast<Index>(2 * n + m);
  sums_ = MatrixXd::Zero(columns, columns);
  // About a tenth of a second between two looks at the others.
  const double work =
      (flops(n, m) + 200 * static_cast<double>(columns) * input.action.evaluations()) * block;
  stride_ = std::clamp<std::int64_t>(static_cast<std::int64_t>(2e9 / work), 1, 1000);
}

double GramPass::flops(std::size_t functions, std::size_t observables) {
  const auto columns = static_cast<double>(2 * functions + observables);
  return columns * (columns + 1);
}

void GramPass::add_block(std::int64_t number) {
  const std::int64_t first = number * block;
  const auto count = static_cast<std::size_t>(std::min(block, input_.samples.count() - first));
  sample_block(input_, first, count, sampled_);
  SampledBlock& sampled = sampled_.sampled;
  bool equal = true;
  for (double& weight : sampled.weights) {
    weight_ += weight;
    equal = equal && weight == 1;
    weight = std::sqrt(weight);
  }
  const Eigen::Map<const Eigen::VectorXd> roots(sampled.weights.data(), static_cast<Index>(count));
  if (!equal) sampled.values.array().colwise() *= roots.array();
  const auto n = static_cast<PetscBLASInt>(sums_.rows());
  const auto k = static_cast<PetscBLASInt>(count);
  const double one = 1;
  BLASsyrk_("U", "T", &n, &k, &one, sampled.values.data(), &k, &one, sums_.data(), &n);
}

void GramPass::advance() {
  together(comm_, [&] {
    for (std::int64_t round = 0; round < stride_; ++round) {
      const std::int64_t number = next_ + round * size_ + rank_;
      if (number >= blocks_) break;
      add_block(number);
    }
  });
  next_ = std::min(blocks_, next_ + stride_ * size_);
}

double GramPass::done() const {
  return blocks_ ? static_cast<double>(next_) / static_cast<double>(blocks_) : 1;
}

std::int64_t GramPass::samples() const {
  return std::min(next_ * block, input_.samples.count());
}

void GramPass::combine() {
  sum_over_ranks(comm_, sums_.data(), static_cast<std::size_t>(sums_.size()));
  MPI_Allreduce(MPI_IN_PLACE, &weight_, 1, MPI_DOUBLE, MPI_SUM, comm_);
}

std::vector<double> GramPass::state() {
  combine();
  std::vector<double> numbers{static_cast<double>(next_), weight_};
  numbers.insert(numbers.end(), sums_.data(), sums_.data() + sums_.size());
  // What all have together goes on with the first rank.
  if (rank_ != 0) {
    sums_.setZero();
    weight_ = 0;
  }
  return numbers;
}

void GramPass::restore(const std::vector<double>& state) {
  if (state.size() != 2 + static_cast<std::size_t>(sums_.size())) {
    throw InputError("the checkpoint's Gram matrices are of another dictionary");
  }
  next_ = static_cast<std::int64_t>(state[0]);
  if (rank_ != 0) return;
  weight_ = state[1];
  std::copy(state.begin() + 2, state.end(), sums_.data());
}

GramMatrices GramPass::result() {
  combine();
  const auto n = static_cast<Index>(input_.dictionary.size());
  const Index m = sums_.rows() - 2 * n;
  if (!(weight_ > 0)) {
    throw InputError("the samples have no weight: 'sampling.weight' is 0 at all of them");
  }
  sums_ /= weight_;
  GramMatrices matrices;
  matrices.g = sums_.topLeftCorner(n, n).selfadjointView<Eigen::Upper>();
  matrices.a = sums_.block(0, n, n, n);
  matrices.l = sums_.block(n, n, n, n).selfadjointView<Eigen::Upper>();
  matrices.o = sums_.block(0, 2 * n, n, m);
  matrices.squares = sums_.bottomRightCorner(m, m).diagonal();
  matrices.weight = weight_;
  matrices.samples = input_.samples.count();
  return matrices;
}

PairValues::PairValues(const SampledBlock& block, const std::vector<std::complex<double>>& values,
                       const MatrixXd& columns)
    : values_(values), before_(linalg::product(block.values.leftCols(columns.rows()), columns)),
      after_(linalg::product(block.values.rightCols(columns.rows()), columns)) {}

std::pair<std::complex<double>, std::complex<double>> PairValues::at(std::size_t i,
                                                                     std::size_t p) const {
  const double imaginary = values_[p].imag();
  const auto row = static_cast<Index>(i);
  const auto c = static_cast<Index>(p) - (imaginary < 0 ? 1 : 0);
  if (imaginary == 0) return {before_(row, c), after_(row, c)};
  const double sign = imaginary < 0 ? -1 : 1;
  return {{before_(row, c), sign * before_(row, c + 1)},
          {after_(row, c), sign * after_(row, c + 1)}};
}

void for_each_block(MPI_Comm comm, const PassInput& input, const MatrixXd& columns,
                    const std::function<void(const PointBlock&)>& visit,
                    const std::function<void(double)>& pause) {
  int rank = 0;
  int size = 1;
  MPI_Comm_rank(comm, &rank);
  MPI_Comm_size(comm, &size);
  PassInput plain = input;
  plain.observables = nullptr;
  const std::int64_t samples = input.samples.count();
  const std::int64_t blocks = (samples + GramPass::block - 1) / GramPass::block;
  // About a fifth of a second between two looks at the others.
  const double evaluated = 200 * input.action.evaluations() * static_cast<double>(columns.rows());
  const double multiplied = 4.0 * static_cast<double>(columns.size());
  const auto rounds = std::clamp<std::int64_t>(
      static_cast<std::int64_t>(2e9 / ((evaluated + multiplied) * GramPass::block)), 1, 1000);
  PointBlock block;
  for (std::int64_t next = 0; next < blocks; next += rounds * size) {
    together(comm, [&] {
      for (std::int64_t round = 0; round < rounds; ++round) {
        const std::int64_t first = (next + round * size + rank) * GramPass::block;
        if (first >= samples) break;
        const auto count = static_cast<std::size_t>(std::min(GramPass::block, samples - first));
        sample_block(plain, first, count, block);
        visit(block);
      }
    });
    if (pause)
      pause(std::min(1.0, static_cast<double>(next + rounds * size) / static_cast<double>(blocks)));
  }
}

std::vector<double> measured_residuals(MPI_Comm comm, const PassInput& input,
                                       const std::vector<std::complex<double>>& values,
                                       const MatrixXd& columns,
                                       const std::function<void(double)>& pause) {
  // Of |K v - lambda v|^2 (with a twin the real part of a product), its square, and |v|^2.
  std::vector<double> sums(3 * values.size(), 0.0);
  SampledBlock other;
  const auto n = static_cast<std::size_t>(columns.rows());
  const auto add = [&](const PointBlock& block) {
    const PairValues pairs(block.sampled, values, columns);
    if (input.twin) {
      const std::size_t count = block.sampled.weights.size();
      other = block.sampled;
      input.twin->apply(input.dictionary, {.x = block.x, .count = count, .first = block.first},
                        part(other.values, n, n));
    }
    const std::optional<PairValues> twins =
        input.twin ? std::make_optional<PairValues>(other, values, columns) : std::nullopt;
    for (std::size_t p = 0; p < values.size(); ++p) {
      for (std::size_t i = 0; i < block.sampled.weights.size(); ++i) {
        const double weight = block.sampled.weights[i];
        const auto [v, kv] = pairs.at(i, p);
        const std::complex<double> defect = kv - values[p] * v;
        const std::complex<double> again = twins ? twins->at(i, p).second - values[p] * v : defect;
        const double square = (defect * std::conj(again)).real();
        sums[3 * p] += weight * square;
        sums[3 * p + 1] += weight * weight * square * square;
        sums[3 * p + 2] += weight * std::norm(v);
      }
    }
  };
  for_each_block(comm, input, columns, add, pause);
  sum_over_ranks(comm, sums.data(), sums.size());
  std::vector<double> residuals;
  for (std::size_t p = 0; p < values.size(); ++p) {
    const double noise = input.twin ? std::sqrt(sums[3 * p + 1]) : 0;
    residuals.push_back(std::sqrt(std::max(sums[3 * p], noise) / sums[3 * p + 2]));
  }
  return residuals;
}

} // namespace komori::operators
