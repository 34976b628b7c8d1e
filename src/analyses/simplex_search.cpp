#include "analyses/simplex_search.hpp"

#include <algorithm>
#include <cmath>
#include <limits>
#include <numeric>
#include <vector>

namespace komori::analyses {
namespace {

using Eigen::Index;
using Eigen::MatrixXd;
using Eigen::VectorXd;

/// Function values, and iterations, per number.
constexpr Index calls_per_number = 200;

/// Minus the crispness, for the free block of A row by row; +infinity where there is none.
class LackOfCrispness {
public:
  explicit LackOfCrispness(const MatrixXd& rows) : rows_(rows) {}

  double operator()(const VectorXd& numbers) {
    ++calls_;
    const Index m = rows_.cols();
    using RowMajor = Eigen::Matrix<double, Eigen::Dynamic, Eigen::Dynamic, Eigen::RowMajor>;
    MatrixXd transform = MatrixXd::Zero(m, m);
    transform.bottomRightCorner(m - 1, m - 1) =
        Eigen::Map<const RowMajor>(numbers.data(), m - 1, m - 1);
    transform.bottomLeftCorner(m - 1, 1) =
        -transform.bottomRightCorner(m - 1, m - 1).rowwise().sum();
    transform.row(0) = -(rows_ * transform).colwise().minCoeff();
    transform /= transform.row(0).sum();
    double trace = 0;
    for (Index j = 0; j < m; ++j) trace += transform.col(j).squaredNorm() / transform(0, j);
    return std::isfinite(trace) ? -trace / static_cast<double>(m)
                                : std::numeric_limits<double>::infinity();
  }
  Index calls() const noexcept { return calls_; }

private:
  const MatrixXd& rows_;
  Index calls_ = 0;
};

/// N + 1 corners, best first.
class Corners {
public:
  Corners(LackOfCrispness& value, const VectorXd& start) : value_(value) {
    places_.assign(static_cast<std::size_t>(start.size()) + 1, start);
    for (Index k = 0; k < start.size(); ++k) {
      double& number = places_[static_cast<std::size_t>(k) + 1][k];
      number = number != 0 ? 1.05 * number : 0.00025;
    }
    for (const VectorXd& place : places_) values_.push_back(value_(place));
    sort();
  }

  double best() const { return values_.front(); }

  bool settled(double tolerance) const {
    double width = 0;
    for (std::size_t j = 1; j < places_.size(); ++j) {
      width = std::max(width, (places_[j] - places_[0]).cwiseAbs().maxCoeff());
    }
    return width <= tolerance && values_.back() - values_.front() <= tolerance;
  }

  void step() {
    VectorXd centre = VectorXd::Zero(places_.front().size());
    for (std::size_t j = 0; j + 1 < places_.size(); ++j) centre += places_[j];
    centre /= static_cast<double>(centre.size());
    const VectorXd away = centre - places_.back();
    const std::size_t last = values_.size() - 1;
    const VectorXd reflected = centre + away;
    const double there = value_(reflected);
    if (there < values_.front()) {
      const VectorXd farther = centre + 2 * away;
      const double beyond = value_(farther);
      beyond < there ? replace(farther, beyond) : replace(reflected, there);
    } else if (there < values_[last - 1]) {
      replace(reflected, there);
    } else {
      const bool outside = there < values_[last];
      const VectorXd nearer = centre + (outside ? 0.5 : -0.5) * away;
      const double between = value_(nearer);
      if (outside ? between <= there : between < values_[last]) {
        replace(nearer, between);
      } else {
        shrink();
      }
    }
    sort();
  }

private:
  void replace(const VectorXd& place, double value) {
    places_.back() = place;
    values_.back() = value;
  }
  void shrink() {
    for (std::size_t j = 1; j < places_.size(); ++j) {
      places_[j] = places_[0] + 0.5 * (places_[j] - places_[0]);
      values_[j] = value_(places_[j]);
    }
  }
  void sort() {
    std::vector<std::size_t> order(values_.size());
    std::iota(order.begin(), order.end(), std::size_t{0});
    std::stable_sort(order.begin(), order.end(),
                     [&](std::size_t a, std::size_t b) { return values_[a] < values_[b]; });
    std::vector<VectorXd> places;
    std::vector<double> values;
    for (const std::size_t j : order) {
      places.push_back(std::move(places_[j]));
      values.push_back(values_[j]);
    }
    places_ = std::move(places);
    values_ = std::move(values);
  }

  LackOfCrispness& value_;
  std::vector<VectorXd> places_;
  std::vector<double> values_;
};

} // namespace

bool may_search(double rows, double dimension) {
  constexpr double most_work = 1e9; // multiplications
  const double numbers = (dimension - 1) * (dimension - 1);
  return calls_per_number * numbers * (rows * dimension * dimension + numbers) <= most_work;
}

double searched_crispness(const MatrixXd& rows, const MatrixXd& start) {
  constexpr double tolerance = 1e-4;
  LackOfCrispness value(rows);
  const MatrixXd by_rows = start.transpose();
  Corners corners(value, by_rows.reshaped());
  const Index most = calls_per_number * start.size();
  for (Index round = 1; round < most && value.calls() < most; ++round) {
    if (corners.settled(tolerance)) break;
    corners.step();
  }
  return -corners.best();
}

} // namespace komori::analyses
