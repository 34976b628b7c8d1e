#include "operators/box_images.hpp"

#include <algorithm>
#include <cmath>

#include "base/error.hpp"
#include "base/random.hpp"

namespace komori::operators {
namespace {

std::size_t at(int k) {
  return static_cast<std::size_t>(k);
}

} // namespace

BoxImages::BoxImages(const models::Step& map, const spaces::BoxTree& tree, const CoverInput& input)
    : map_(map), tree_(tree), input_(input) {
  for (int k = 0; k < tree.dimension(); ++k) samples_ *= input.samples;
  indices_.fill(-1);
  if (map.noisy()) {
    for (int k = 0; k < tree.dimension(); ++k) {
      const spaces::Axis& axis = tree.axes()[at(k)];
      kernels_.emplace_back(axis, tree.boxes(k), map.noise(k, axis));
    }
    met_.resize(kernels_.size());
    std::int64_t stride = 1;
    for (int k = tree.dimension() - 1; k >= 0; --k) {
      stride_[at(k)] = stride;
      stride *= tree.boxes(k);
    }
  }
  if (input.rule == "midpoint") {
    tensor_ = map.tensor(
        std::vector<std::size_t>(at(tree.dimension()), static_cast<std::size_t>(input.samples)));
  }
  if (!tensor_) points_.resize(at(tree.dimension()) * count());
  if (!tensor_) reached_.resize(points_.size());
}

void BoxImages::sample_point(std::int64_t box, std::size_t sample, std::span<double> x) const {
  const spaces::BoxTree::Place indices = tree_.place(box);
  const int d = tree_.dimension();
  if (input_.rule == "random") {
    const base::Random random(static_cast<std::uint64_t>(input_.seed),
                              static_cast<std::uint64_t>(box));
    for (int k = 0; k < d; ++k) {
      const auto index = static_cast<std::uint64_t>(sample) * at(d) + at(k);
      x[at(k)] = tree_.at_fraction(k, indices[at(k)], random.uniform(index));
    }
    return;
  }
  auto rest = static_cast<std::int64_t>(sample);
  for (int k = d - 1; k >= 0; --k) {
    const double step = static_cast<double>(rest % input_.samples) + 0.5;
    rest /= input_.samples;
    x[at(k)] = tree_.at_fraction(k, indices[at(k)], step / static_cast<double>(input_.samples));
  }
}

void BoxImages::place(std::int64_t box) {
  const spaces::BoxTree::Place indices = tree_.place(box);
  for (int k = 0; k < tree_.dimension(); ++k) {
    if (indices[at(k)] == indices_[at(k)]) continue;
    indices_[at(k)] = indices[at(k)];
    const std::span<double> places = tensor_->places(at(k));
    for (std::size_t i = 0; i < places.size(); ++i) {
      places[i] = tree_.at_fraction(
          k, indices[at(k)], (static_cast<double>(i) + 0.5) / static_cast<double>(input_.samples));
    }
  }
}

bool BoxImages::compute(std::int64_t box, std::string& problem) {
  if (tensor_) {
    place(box);
    tensor_->evaluate();
    for (int k = 0; k < tree_.dimension(); ++k) images_[at(k)] = tensor_->values(at(k));
    return true;
  }
  std::array<double, spaces::max_dimension> point{};
  for (std::size_t s = 0; s < count(); ++s) {
    sample_point(box, s, std::span(point).first(at(tree_.dimension())));
    for (std::size_t k = 0; k < at(tree_.dimension()); ++k) {
      points_[k * count() + s] = point[k];
    }
  }
  try { // where paths are drawn, those of a box are its own
    map_.images({.x = points_, .count = count(), .first = box * samples_}, reached_);
  } catch (const base::InputError& error) { // a point has no image; the ranks agree on it later
    problem = error.what();
    return false;
  }
  for (std::size_t k = 0; k < at(tree_.dimension()); ++k) {
    images_[k] = std::span(reached_).subspan(k * count(), count());
  }
  return true;
}

std::string BoxImages::not_finite_problem(std::int64_t box, std::size_t sample, int k) const {
  std::array<double, spaces::max_dimension> point{};
  const std::span<double> x(point.data(), at(tree_.dimension()));
  sample_point(box, sample, x);
  return not_finite_text(map_, k, images_[at(k)][sample], x);
}

std::string BoxImages::outside_problem(std::int64_t box, std::size_t sample,
                                       const Leaving& leaving) const {
  const spaces::Axis& axis = tree_.axes()[at(leaving.k)];
  if (may_leave(axis, leaving.upper, input_.outside)) return "";
  std::array<double, spaces::max_dimension> point{};
  const std::span<double> x(point.data(), at(tree_.dimension()));
  sample_point(box, sample, x);
  return leaving_text(map_, axis, leaving, x, "cover");
}

void BoxImages::locate(std::int64_t box, std::string& problem) {
  const int d = tree_.dimension();
  targets_.resize(count());
  std::array<double, spaces::max_dimension> image{};
  for (std::size_t s = 0; s < count(); ++s) {
    for (int k = 0; k < d; ++k) {
      image[at(k)] = images_[at(k)][s];
      if (std::isfinite(image[at(k)])) continue;
      problem = not_finite_problem(box, s, k);
      return;
    }
    targets_[s] = tree_.find({image.data(), at(d)});
  }
}

double BoxImages::scatter_one(std::int64_t box, std::size_t sample, bool strict,
                              std::string& problem) {
  const int d = tree_.dimension();
  double inside = 1;
  for (int k = 0; k < d; ++k) {
    const double image = images_[at(k)][sample];
    if (!std::isfinite(image)) {
      problem = not_finite_problem(box, sample, k);
      return 0;
    }
    const models::AxisKernel::Outside outside = kernels_[at(k)].spread(image, met_[at(k)]);
    for (const bool upper : {false, true}) {
      const double probability = upper ? outside.upper : outside.lower;
      if (strict && probability > negligible && problem.empty()) {
        problem = outside_problem(
            box, sample, {.k = k, .upper = upper, .image = image, .probability = probability});
      }
    }
    inside *= 1 - (outside.lower + outside.upper);
  }
  return add_combinations(met_, stride_, row_) ? 1 - inside : 1;
}

double BoxImages::scatter(std::int64_t box, bool strict, std::string& problem) {
  row_.clear();
  double lost = 0;
  for (std::size_t s = 0; s < count() && problem.empty(); ++s) {
    lost += scatter_one(box, s, strict, problem);
  }
  shares_.assign(row_.entries().begin(), row_.entries().end());
  for (auto& [box_met, sum] : shares_) {
    spaces::BoxTree::Place indices{};
    for (int k = tree_.dimension() - 1; k >= 0; --k) {
      indices[at(k)] = box_met % tree_.boxes(k);
      box_met /= tree_.boxes(k);
    }
    box_met = tree_.key(indices);
  }
  return lost;
}

void BoxImages::cut_tail() {
  std::sort(shares_.begin(), shares_.end(), [](const auto& a, const auto& b) {
    return a.second != b.second ? a.second < b.second : a.first < b.first;
  });
  const double most = input_.tail * static_cast<double>(samples_);
  double dropped = 0;
  std::size_t first = 0;
  while (first < shares_.size() && dropped + shares_[first].second <= most) {
    dropped += shares_[first++].second;
  }
  targets_.clear();
  for (std::size_t i = first; i < shares_.size(); ++i) targets_.push_back(shares_[i].first);
}

void BoxImages::find(std::int64_t box, std::string& problem) {
  if (!compute(box, problem)) return;
  if (kernels_.empty()) {
    locate(box, problem);
  } else {
    scatter(box, false, problem);
    cut_tail();
  }
}

double BoxImages::spread(std::int64_t box, std::string& problem) {
  shares_.clear();
  if (!compute(box, problem)) return 0;
  if (!kernels_.empty()) return scatter(box, true, problem);
  locate(box, problem);
  row_.clear();
  double lost = 0;
  for (std::size_t s = 0; s < targets_.size() && problem.empty(); ++s) {
    if (targets_[s] >= 0) {
      row_.add(targets_[s], 1);
      continue;
    }
    lost += 1;
    const int k = static_cast<int>(-1 - targets_[s]);
    const double image = images_[at(k)][s];
    const bool upper = image > tree_.axes()[at(k)].to();
    problem = outside_problem(box, s, {.k = k, .upper = upper, .image = image});
  }
  shares_.assign(row_.entries().begin(), row_.entries().end());
  return lost;
}

} // namespace komori::operators
