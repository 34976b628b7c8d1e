#include "operators/frame_functions.hpp"

#include <algorithm>
#include <cmath>

#include <fmt/format.h>

#include "base/error.hpp"

namespace komori::operators {
namespace {

using base::InputError;
using Eigen::Index;
using Eigen::MatrixXd;
using Eigen::VectorXd;

/// A deviation below this share of the root of the mean square is rounding.
constexpr double least_deviation = 1e-9;
/// Covariances know the norm of what is left beside other functions to the root of rounding.
constexpr double least_independence = 1e-6;

/// Number, sum and sum of products about `shift`, the first row a rank sees.
struct Sums {
  explicit Sums(Index functions)
      : shift(VectorXd::Zero(functions)), first(VectorXd::Zero(functions)),
        second(MatrixXd::Zero(functions, functions)) {}

  void add(const MatrixXd& values) {
    if (values.rows() == 0) return;
    if (frames == 0) shift = values.row(0).transpose();
    const MatrixXd apart = values.rowwise() - shift.transpose();
    frames += values.rows();
    first += apart.colwise().sum().transpose();
    second.noalias() += apart.transpose() * apart;
  }

  std::int64_t frames = 0;
  VectorXd shift;
  VectorXd first;
  MatrixXd second;
};

void sum(double* values, Index count, MPI_Comm comm) {
  MPI_Allreduce(MPI_IN_PLACE, values, static_cast<int>(count), MPI_DOUBLE, MPI_SUM, comm);
}

/// Means and covariances of the parts of all ranks put together: nothing large is subtracted from
/// anything large.
FrameMoments combined(const Sums& mine, MPI_Comm comm) {
  FrameMoments all;
  all.frames = mine.frames;
  MPI_Allreduce(MPI_IN_PLACE, &all.frames, 1, MPI_INT64_T, MPI_SUM, comm);
  const auto n = static_cast<double>(mine.frames);
  const auto total = static_cast<double>(all.frames);
  const VectorXd off = mine.frames > 0 ? (mine.first / n).eval() : mine.first;
  const VectorXd mean = mine.shift + off;
  all.mean = n * mean;
  sum(all.mean.data(), all.mean.size(), comm);
  all.mean /= total;
  const VectorXd apart = mean - all.mean;
  all.covariance = mine.second - n * off * off.transpose() + n * apart * apart.transpose();
  sum(all.covariance.data(), all.covariance.size(), comm);
  all.covariance /= total;
  return all;
}

void require_independent(FrameFunctions& functions, FrameMoments& moments) {
  const auto k = static_cast<Index>(functions.count());
  const VectorXd deviation = moments.covariance.diagonal().cwiseMax(0).cwiseSqrt();
  for (Index a = 0; a < k; ++a) {
    const double size = std::hypot(deviation[a], moments.mean[a]);
    if (size > 0 && deviation[a] > least_deviation * size) continue;
    throw InputError(fmt::format("{} is constant on the data; the constant 1 belongs to every "
                                 "projection already, and nothing else is known of a constant; "
                                 "remove it",
                                 functions.name(static_cast<std::size_t>(a))));
  }
  // Cholesky's factor of the correlations: its diagonal is what each has of its own.
  const VectorXd inverse = deviation.cwiseInverse();
  MatrixXd factor = inverse.asDiagonal() * moments.covariance * inverse.asDiagonal();
  for (Index a = 0; a < k; ++a) {
    for (Index b = 0; b < a; ++b) {
      const double rest = factor(a, b) - factor.row(a).head(b).dot(factor.row(b).head(b));
      factor(a, b) = rest / factor(b, b);
    }
    const double left =
        std::sqrt(std::max(0.0, factor(a, a) - factor.row(a).head(a).squaredNorm()));
    moments.independence = std::min(moments.independence, left);
    if (left <= least_independence) {
      throw InputError(fmt::format("{} is a linear combination of those before it and the constant "
                                   "1 on the data (all but {:.1e} of its deviation); remove it",
                                   functions.name(static_cast<std::size_t>(a)), left));
    }
    factor(a, a) = left;
  }
}

} // namespace

FrameFunctions::FrameFunctions(const TrajectorySource& source, const ProjectionInput& input,
                               const Names& names)
    : source_(source), indicators_(input.kind == "sets"), columns_(source.dimension()) {
  if (input.kind == "variables") {
    throw InputError(fmt::format("{}: 'projection.kind' is 'variables', which takes an operator on "
                                 "a grid; of a trajectory name 'observables' or 'sets'",
                                 input.origin.text()));
  }
  if (!input.from.empty()) {
    throw InputError(
        fmt::format("{0}: 'projection.from' takes sets of cells, but frames lie between "
                    "their centres; write conditions, e.g. 'sets: [{1} < 0, {1} >= 0]'",
                    input.origin.text(), names.variables.front()));
  }
  if (indicators_ && input.sets.rank == 2) {
    throw InputError(
        fmt::format("{0}: 'projection.sets' lists states, which only a chain has; write "
                    "conditions on the variables, e.g. [{1} < 0, {1} >= 0]",
                    input.sets.origin.text(), names.variables.front()));
  }
  const auto& texts = indicators_ ? input.sets.entries : input.observables.entries;
  for (const config::FormulaText& text : texts) {
    formulas_.emplace_back(text, names.variables, names.constants);
    names_.push_back(fmt::format("{}: '{}' ({})", text.origin.text(), text.path, text.text));
    labels_.push_back(indicators_ ? std::to_string(labels_.size()) : text.text);
  }
}

void FrameFunctions::evaluate(const Window& window, Eigen::Ref<MatrixXd> values) {
  const std::size_t d = source_.dimension();
  const std::size_t frames = window.frames.size() / d;
  std::vector<std::span<const double>> columns;
  for (std::size_t k = 0; k < d; ++k) {
    columns_[k].resize(frames);
    for (std::size_t i = 0; i < frames; ++i) columns_[k][i] = window.frames[i * d + k];
    columns.emplace_back(columns_[k]);
  }
  const auto place = [&](Index i) { return source_.place(window.piece, window.first + i); };
  for (std::size_t a = 0; a < count(); ++a) {
    const auto column = values.col(static_cast<Index>(a));
    formulas_[a].evaluate(columns, {values.col(static_cast<Index>(a)).data(), frames});
    for (Index i = 0; i < column.size(); ++i) {
      if (std::isfinite(column[i])) continue;
      throw InputError(
          fmt::format("{} has no finite value (it is {}) at {}", names_[a], column[i], place(i)));
    }
  }
  if (!indicators_) return;
  values = (values.array() != 0).cast<double>();
  for (Index i = 0; i < values.rows(); ++i) {
    const double held = values.row(i).sum();
    if (held == 1) continue;
    throw InputError(fmt::format("{}: 'projection.sets': each frame must be in one set, but that "
                                 "at {} is in {:g}",
                                 names_.front().substr(0, names_.front().find(": '")), place(i),
                                 held));
  }
}

FrameMoments frame_moments(const TrajectorySource& source, FrameFunctions& functions) {
  const auto k = static_cast<Index>(functions.count());
  Sums sums(k);
  MatrixXd values;
  source.for_each_window(0, [&](const Window& window) {
    values.resize(window.count, k);
    functions.evaluate(window, values);
    sums.add(values);
  });
  FrameMoments moments = combined(sums, source.comm());
  if (!functions.indicators()) {
    require_independent(functions, moments);
    return moments;
  }
  for (Index a = 0; a < k; ++a) {
    if (moments.mean[a] > 0) continue;
    throw InputError(
        fmt::format("{} holds no frame; remove it", functions.name(static_cast<std::size_t>(a))));
  }
  return moments;
}

} // namespace komori::operators
