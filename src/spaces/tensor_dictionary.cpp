#include "spaces/tensor_dictionary.hpp"

#include <algorithm>

#include <fmt/format.h>

#include "base/error.hpp"

namespace komori::spaces {

bool TensorDictionary::within(const Levels& index, std::size_t degree) const {
  std::size_t sum = 0;
  std::size_t product = 1;
  std::size_t largest = 0;
  for (std::size_t k = 0; k < axes_.size(); ++k) {
    const std::size_t level = axes_[k].level(index[k]);
    sum += level;
    product *= level + 1;
    largest = std::max(largest, level);
  }
  switch (cross_) {
  case Cross::tensor:
    return largest <= degree;
  case Cross::total_degree:
    return sum <= degree;
  case Cross::hyperbolic:
    return product <= degree + 1;
  }
  return false;
}

TensorDictionary::TensorDictionary(std::vector<Univariate> axes, std::vector<std::string> variables,
                                   Cross cross, std::size_t degree)
    : axes_(std::move(axes)), variables_(std::move(variables)), cross_(cross), degree_(degree) {
  // All crosses are closed downwards: an index that is out ends its run along the last axis.
  Levels index{};
  const std::size_t d = axes_.size();
  while (true) {
    if (within(index, degree_)) {
      if (indices_.size() == most_functions) {
        throw base::InputError(fmt::format(
            "the dictionary of degree {} in {} variable{} has more than {} functions; lower "
            "'dictionary.degree', or choose 'dictionary.cross: hyperbolic'",
            degree_, d, d == 1 ? "" : "s", most_functions));
      }
      indices_.push_back(index);
      ++index[d - 1];
      continue;
    }
    std::size_t k = d - 1;
    while (k > 0 && index[k] == 0) --k;
    if (k == 0) break;
    index[k] = 0;
    ++index[k - 1];
  }
}

void TensorDictionary::evaluate(const Points& points, const Derivative& order,
                                std::span<double> values) const {
  const std::size_t count = points.count;
  std::vector<std::vector<double>> tables(axes_.size());
  for (std::size_t k = 0; k < axes_.size(); ++k) {
    std::size_t terms = 0;
    for (const Levels& index : indices_) terms = std::max(terms, index[k] + 1);
    tables[k].resize(terms * count);
    axes_[k].evaluate(points.column(static_cast<int>(k)), terms, order[k], tables[k]);
  }
  for (std::size_t j = 0; j < indices_.size(); ++j) {
    double* out = values.data() + j * count;
    bool first = true;
    for (std::size_t k = 0; k < axes_.size(); ++k) {
      const std::size_t n = indices_[j][k];
      if (n == 0 && order[k] == 0) continue; // the constant 1
      const double* row = tables[k].data() + n * count;
      if (first) {
        std::copy_n(row, count, out);
      } else {
        for (std::size_t i = 0; i < count; ++i) out[i] *= row[i];
      }
      first = false;
    }
    if (first) std::fill_n(out, count, 1.0);
  }
}

std::string TensorDictionary::name(std::size_t j) const {
  std::string text;
  for (std::size_t k = 0; k < axes_.size(); ++k) {
    const std::string part = axes_[k].name(indices_[j][k], variables_[k]);
    if (!part.empty()) text += (text.empty() ? "" : " ") + part;
  }
  return text.empty() ? "1" : text;
}

std::vector<std::size_t> TensorDictionary::smaller() const {
  std::vector<std::size_t> kept;
  if (degree_ < 2) return kept;
  const std::size_t degree = degree_ - std::max<std::size_t>(1, degree_ / 4);
  for (std::size_t j = 0; j < indices_.size(); ++j) {
    if (within(indices_[j], degree)) kept.push_back(j);
  }
  return kept;
}

} // namespace komori::spaces
