#include "spaces/local_dictionaries.hpp"

#include <algorithm>
#include <cmath>
#include <numeric>

#include <Eigen/Core>
#include <fmt/format.h>

namespace komori::spaces {

RadialDictionary::RadialDictionary(Draw centers, double width, bool constant)
    : centers_(std::move(centers)), width_(width), constant_(constant) {}

void RadialDictionary::evaluate(const Points& points, const Derivative& order,
                                std::span<double> values) const {
  const std::size_t count = points.count;
  const int total = std::accumulate(order.begin(), order.end(), 0);
  const double inverse = 1 / (width_ * width_);
  double* out = values.data();
  if (constant_) {
    std::fill_n(out, count, total == 0 ? 1.0 : 0.0);
    out += count;
  }
  for (const std::vector<double>& c : centers_) {
    std::fill_n(out, count, 0.0);
    for (std::size_t k = 0; k < c.size(); ++k) {
      const double* x = points.x.data() + k * count;
      for (std::size_t i = 0; i < count; ++i) out[i] += (x[i] - c[k]) * (x[i] - c[k]);
    }
    Eigen::Map<Eigen::ArrayXd> squares(out, static_cast<Eigen::Index>(count));
    squares = (-0.5 * inverse * squares).exp(); // several at a time
    // d/dx_k: -u_k, twice: u_k^2 - 1/w^2, of two variables: u_k u_l, with u = (x - c) / w^2.
    for (std::size_t k = 0; k < c.size(); ++k) {
      if (order[k] == 0) continue;
      const double* x = points.x.data() + k * count;
      for (std::size_t i = 0; i < count; ++i) {
        const double u = (x[i] - c[k]) * inverse;
        out[i] *= order[k] == 1 ? -u : u * u - inverse;
      }
    }
    out += count;
  }
}

std::string RadialDictionary::name(std::size_t j) const {
  if (constant_ && j == 0) return "1";
  return fmt::format("Gaussian at ({:.6g})", fmt::join(centers_[j - (constant_ ? 1 : 0)], ", "));
}

IndicatorDictionary::IndicatorDictionary(std::vector<Extent> box, std::vector<std::size_t> cells)
    : box_(std::move(box)), cells_(std::move(cells)) {}

std::size_t IndicatorDictionary::size() const {
  std::size_t size = 1;
  for (const std::size_t n : cells_) size *= n;
  return size;
}

void IndicatorDictionary::evaluate(const Points& points, const Derivative& /*order*/,
                                   std::span<double> values) const {
  const std::size_t count = points.count;
  std::fill_n(values.begin(), size() * count, 0.0);
  for (std::size_t i = 0; i < count; ++i) {
    std::size_t cell = 0;
    bool inside = true;
    for (std::size_t k = 0; k < box_.size() && inside; ++k) {
      const double x = box_[k].wrapped(points.x[k * count + i]);
      inside = x >= box_[k].from && x <= box_[k].to;
      if (!inside) break;
      const double place = (x - box_[k].from) / (box_[k].to - box_[k].from);
      const auto n = static_cast<double>(cells_[k]);
      cell = cell * cells_[k] +
             static_cast<std::size_t>(std::clamp(std::floor(place * n), 0.0, n - 1));
    }
    if (inside) values[cell * count + i] = 1;
  }
}

std::string IndicatorDictionary::name(std::size_t j) const {
  std::vector<std::size_t> index(cells_.size());
  for (std::size_t k = cells_.size(); k-- > 0;) {
    index[k] = j % cells_[k];
    j /= cells_[k];
  }
  return fmt::format("cell [{}]", fmt::join(index, ", "));
}

FormulaDictionary::FormulaDictionary(const std::vector<config::FormulaText>& texts,
                                     const Names& names) {
  for (const config::FormulaText& text : texts) {
    formulas_.emplace_back(text, names.variables, names.constants);
  }
}

void FormulaDictionary::evaluate(const Points& points, const Derivative& /*order*/,
                                 std::span<double> values) const {
  const std::vector<std::span<const double>> columns = points.columns();
  for (std::size_t j = 0; j < formulas_.size(); ++j) {
    formulas_[j].evaluate(columns, values.subspan(j * points.count, points.count));
  }
}

void JoinedDictionary::evaluate(const Points& points, const Derivative& order,
                                std::span<double> values) const {
  const std::size_t split = first_->size() * points.count;
  first_->evaluate(points, order, values.subspan(0, split));
  second_->evaluate(points, order, values.subspan(split));
}

std::string JoinedDictionary::name(std::size_t j) const {
  return j < first_->size() ? first_->name(j) : second_->name(j - first_->size());
}

std::vector<std::size_t> JoinedDictionary::smaller() const {
  std::vector<std::size_t> kept = first_->smaller();
  if (kept.empty()) return kept;
  for (std::size_t j = first_->size(); j < size(); ++j) kept.push_back(j);
  return kept;
}

} // namespace komori::spaces
