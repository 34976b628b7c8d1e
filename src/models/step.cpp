#include "models/step.hpp"

#include <array>

namespace komori::models {

double Step::image(int k, std::span<const double> x) const {
  std::array<double, spaces::max_dimension> image{};
  const auto d = static_cast<std::size_t>(dimension());
  images({.x = x.first(d), .count = 1}, std::span(image).first(d));
  return image[static_cast<std::size_t>(k)];
}

std::optional<config::TensorFormulas> Step::tensor(std::span<const std::size_t> /*counts*/) const {
  return std::nullopt;
}

std::shared_ptr<const Noise> Step::noise(int /*k*/, const spaces::Axis& /*axis*/) const {
  return nullptr;
}

std::vector<AxisKernel> Step::kernels(const spaces::Grid& grid) const {
  std::vector<AxisKernel> kernels;
  for (int k = 0; k < dimension(); ++k) kernels.emplace_back(grid.axis(k), noise(k, grid.axis(k)));
  return kernels;
}

} // namespace komori::models
