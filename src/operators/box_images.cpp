#include "operators/box_images.hpp"

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
  targets_.resize(static_cast<std::size_t>(samples_));
  indices_.fill(-1);
  if (input.rule == "midpoint") {
    tensor_ = map.tensor(
        std::vector<std::size_t>(at(tree.dimension()), static_cast<std::size_t>(input.samples)));
  }
  if (!tensor_) points_.resize(at(tree.dimension()) * targets_.size());
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
  for (std::size_t s = 0; s < targets_.size(); ++s) {
    sample_point(box, s, std::span(point).first(at(tree_.dimension())));
    for (std::size_t k = 0; k < at(tree_.dimension()); ++k) {
      points_[k * targets_.size() + s] = point[k];
    }
  }
  map_.images({.x = points_, .count = targets_.size()}, reached_); // nothing is drawn in covers
  for (std::size_t k = 0; k < at(tree_.dimension()); ++k) {
    images_[k] = std::span(reached_).subspan(k * targets_.size(), targets_.size());
  }
}

void BoxImages::find(std::int64_t box, std::string& problem) {
  const int d = tree_.dimension();
  try {
    compute(box);
  } catch (const base::InputError& error) { // a point has no image; the ranks agree on it later
    problem = error.what();
    return;
  }
  std::array<double, spaces::max_dimension> image{};
  for (std::size_t s = 0; s < targets_.size(); ++s) {
    for (int k = 0; k < d; ++k) {
      image[at(k)] = images_[at(k)][s];
      if (std::isfinite(image[at(k)])) continue;
      std::array<double, spaces::max_dimension> point{};
      const std::span<double> x(point.data(), at(d));
      sample_point(box, s, x);
      problem = fmt::format("{} is not finite (it is {}) at {}", map_.name(k),
                            std::isnan(image[at(k)]) ? "nan" : fmt::format("{:g}", image[at(k)]),
                            place_text(tree_, x));
      return;
    }
    targets_[s] = tree_.find({image.data(), at(d)});
  }
}

std::string BoxImages::outside_problem(std::int64_t box, std::size_t sample) {
  const int k = static_cast<int>(-1 - targets_[sample]);
  std::array<double, spaces::max_dimension> point{};
  const std::span<double> x(point.data(), at(tree_.dimension()));
  sample_point(box, sample, x);
  const spaces::Axis& axis = tree_.axes()[at(k)];
  const double image = images_[at(k)][sample]; // of the box sought last
  const bool upper = image > axis.to();
  const bool absorbs = (upper ? axis.upper() : axis.lower()) == spaces::Boundary::absorbing;
  if (input_.outside == "leak" || absorbs) return "";
  return fmt::format(
      "{} leads to {} = {:.6g}, beyond the {} end of the axis ({:g}), from {}; widen "
      "'grid.{}', or set 'cover.outside: leak' to let it leave",
      map_.name(k), axis.name(), image, upper ? "upper" : "lower", upper ? axis.to() : axis.from(),
      place_text(tree_, x), axis.name());
}

} // namespace komori::operators
