#include "operators/box_images.hpp"

#include <algorithm>
#include <cmath>

#include <fmt/format.h>

#include "base/error.hpp"
#include "base/random.hpp"

namespace komori::operators {
namespace {

std::size_t at(int k) {
  return static_cast<std::size_t>(k);
}

std::string place_text(const spaces::BoxTree& tree, std::span<const double> x) {
  std::string text;
  for (int k = 0; k < tree.dimension(); ++k) {
    text += fmt::format("{}{} = {:.6g}", k ? ", " : "", tree.axes()[at(k)].name(), x[at(k)]);
  }
  return text;
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

void BoxImages::compute(std::int64_t box) {
  if (tensor_) {
    place(box);
    tensor_->evaluate();
    for (int k = 0; k < tree_.dimension(); ++k) images_[at(k)] = tensor_->values(at(k));
    return;
  }
  std::array<double, spaces::max_dimension> point{};
  for (std::size_t s = 0; s < count(); ++s) {
    sample_point(box, s, std::span(point).first(at(tree_.dimension())));
    for (std::size_t k = 0; k < at(tree_.dimension()); ++k) {
      points_[k * count() + s] = point[k];
    }
  }
  // Where paths are drawn, those of a box are its own.
  map_.images({.x = points_, .count = count(), .first = box * samples_}, reached_);
  for (std::size_t k = 0; k < at(tree_.dimension()); ++k) {
    images_[k] = std::span(reached_).subspan(k * count(), count());
  }
}

std::string BoxImages::not_finite_text(std::int64_t box, std::size_t sample, int k) const {
  std::array<double, spaces::max_dimension> point{};
  const std::span<double> x(point.data(), at(tree_.dimension()));
  sample_point(box, sample, x);
  const double image = images_[at(k)][sample];
  return fmt::format("{} is not finite (it is {}) at {}", map_.name(k),
                     std::isnan(image) ? "nan" : fmt::format("{:g}", image), place_text(tree_, x));
}

std::string BoxImages::outside_problem(std::int64_t box, std::size_t sample, int k, bool upper,
                                       double probability) const {
  const spaces::Axis& axis = tree_.axes()[at(k)];
  const bool absorbs = (upper ? axis.upper() : axis.lower()) == spaces::Boundary::absorbing;
  if (input_.outside == "leak" || absorbs) return "";
  std::array<double, spaces::max_dimension> point{};
  const std::span<double> x(point.data(), at(tree_.dimension()));
  sample_point(box, sample, x);
  const std::string what =
      probability < 1
          ? fmt::format("{} and noise lead beyond the {} end of the axis {} with probability "
                        "{:.3g}",
                        map_.name(k), upper ? "upper" : "lower", axis.name(), probability)
          : fmt::format("{} leads to {} = {:.6g}, beyond the {} end of the axis", map_.name(k),
                        axis.name(), images_[at(k)][sample], upper ? "upper" : "lower");
  return fmt::format("{} ({:g}), from {}; widen 'grid.{}', or set 'cover.outside: leak' to let it "
                     "leave",
                     what, upper ? axis.to() : axis.from(), place_text(tree_, x), axis.name());
}

void BoxImages::locate(std::int64_t box, std::string& problem) {
  const int d = tree_.dimension();
  targets_.resize(count());
  std::array<double, spaces::max_dimension> image{};
  for (std::size_t s = 0; s < count(); ++s) {
    for (int k = 0; k < d; ++k) {
      image[at(k)] = images_[at(k)][s];
      if (std::isfinite(image[at(k)])) continue;
      problem = not_finite_text(box, s, k);
      return;
    }
    targets_[s] = tree_.find({image.data(), at(d)});
  }
}

double BoxImages::scatter_one(std::int64_t box, std::size_t sample, bool strict,
                              std::string& problem) {
  constexpr double negligible = 1e-12; // what noise may carry off the axes without a word
  const int d = tree_.dimension();
  double inside = 1;
  for (int k = 0; k < d; ++k) {
    const double image = images_[at(k)][sample];
    if (!std::isfinite(image)) {
      problem = not_finite_text(box, sample, k);
      return 0;
    }
    const models::AxisKernel::Outside outside = kernels_[at(k)].spread(image, met_[at(k)]);
    for (const bool upper : {false, true}) {
      const double probability = upper ? outside.upper : outside.lower;
      if (strict && probability > negligible && problem.empty()) {
        problem = outside_problem(box, sample, k, upper, probability);
      }
    }
    inside *= 1 - (outside.lower + outside.upper);
  }
  for (int k = 0; k < d; ++k) {
    if (met_[at(k)].empty()) return 1;
  }
  // All combinations of the boxes met on each axis; the last axis runs fastest.
  std::array<std::size_t, spaces::max_dimension> choice{};
  for (;;) {
    std::int64_t place = 0;
    double probability = 1;
    for (int k = 0; k < d; ++k) {
      const models::AxisKernel::Share& share = met_[at(k)][choice[at(k)]];
      place = place * tree_.boxes(k) + share.cell;
      probability *= share.probability;
    }
    row_.add(place, probability);
    int k = d - 1;
    while (k >= 0 && ++choice[at(k)] == met_[at(k)].size()) choice[at(k--)] = 0;
    if (k < 0) break;
  }
  return 1 - inside;
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
  try {
    compute(box);
  } catch (const base::InputError& error) { // a point has no image; the ranks agree on it later
    problem = error.what();
    return;
  }
  if (kernels_.empty()) {
    locate(box, problem);
  } else {
    scatter(box, false, problem);
    cut_tail();
  }
}

double BoxImages::spread(std::int64_t box, std::string& problem) {
  shares_.clear();
  if (!kernels_.empty()) {
    try {
      compute(box);
    } catch (const base::InputError& error) {
      problem = error.what();
      return 0;
    }
    return scatter(box, true, problem);
  }
  find(box, problem);
  row_.clear();
  double lost = 0;
  for (std::size_t s = 0; s < targets_.size() && problem.empty(); ++s) {
    if (targets_[s] >= 0) {
      row_.add(targets_[s], 1);
      continue;
    }
    lost += 1;
    const int k = static_cast<int>(-1 - targets_[s]);
    const bool upper = images_[at(k)][s] > tree_.axes()[at(k)].to();
    problem = outside_problem(box, s, k, upper, 1);
  }
  shares_.assign(row_.entries().begin(), row_.entries().end());
  return lost;
}

} // namespace komori::operators
