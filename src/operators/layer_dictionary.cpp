#include "operators/layer_dictionary.hpp"

#include <algorithm>
#include <cmath>

#include "base/random.hpp"

namespace komori::operators {
namespace {

/// Streams of random numbers that no path uses.
constexpr std::uint64_t feature_stream = std::uint64_t{1} << 62;

} // namespace

void declare(config::Declarer& declarer, LayerDictionaryInput& input) {
  using config::Range;
  declarer.integer("degree", input.degree,
                   {.help = "Legendre polynomials of every single neuron, up to this degree."},
                   Range::between(0, 50));
  declarer.integer("outputs", input.outputs,
                   {.help = "Powers, up to this one, of what the rest of the network makes of a "
                            "layer without noise: few functions that matter, however wide the "
                            "layer is."},
                   Range::between(0, 20));
  declarer.integer("features", input.features,
                   {.help = "tanh of random combinations of the neurons."},
                   Range::between(0, 5000));
  declarer.integer("samples", input.samples, {.help = "Paths through the network."},
                   Range::between(100, 1e11));
  declarer.integer("seed", input.seed, {.help = "Of paths and features."}, Range::between(0, 1e15));
  declarer.real("cut", input.cut,
                {.help = "Combinations whose mean square is below this fraction of the largest "
                         "are left out."},
                {.min = 1e-15, .max = 0.1});
}

LayerDictionary::LayerDictionary(const models::Network& network, std::size_t n,
                                 const std::vector<models::Interval>& range,
                                 const LayerDictionaryInput& input)
    : network_(network), n_(n), range_(range), degree_(static_cast<std::size_t>(input.degree)),
      powers_(static_cast<std::size_t>(input.outputs)) {
  const std::size_t width = network.width(n);
  const auto features = static_cast<std::size_t>(input.features);
  const base::Random random(static_cast<std::uint64_t>(input.seed), feature_stream + n);
  const double scale = 2 / std::sqrt(static_cast<double>(width));
  for (std::size_t f = 0; f < features; ++f) {
    for (std::size_t j = 0; j < width; ++j) {
      feature_weights_.push_back(scale * random.normal(f * (width + 1) + j));
    }
    feature_biases_.push_back(random.normal(f * (width + 1) + width));
  }
  // Outputs are brought to about [-1, 1] by the range of the last layer.
  std::vector<models::Interval> box = range;
  for (std::size_t k = n; k < network.depth(); ++k)
    box = models::layer_range(network.layers[k], box);
  for (const models::Interval& one : box) {
    output_centre_.push_back(0.5 * (one.from + one.to));
    output_scale_.push_back(std::max(0.5 * (one.to - one.from), 1e-300));
  }
  size_ = 1 + width * degree_ + box.size() * powers_ + features;
}

void LayerDictionary::evaluate(std::size_t count, std::span<const double> points,
                               std::span<const double> images, std::span<double> values) const {
  const std::size_t width = network_.width(n_);
  const std::size_t features = feature_biases_.size();
  std::vector<double> outputs;
  if (powers_ > 0) {
    const bool known = !images.empty();
    const std::span<const double> begin = known ? images : points;
    outputs.assign(begin.begin(), begin.end());
    for (std::size_t k = n_ + (known ? 1 : 0); k < network_.depth(); ++k) {
      std::vector<double> next(count * network_.width(k + 1));
      models::propagate(network_.layers[k], count, outputs, next);
      outputs = std::move(next);
    }
  }
  const std::size_t last = output_scale_.size();
  for (std::size_t p = 0; p < count; ++p) {
    const double* x = points.data() + p * width;
    double* value = values.data() + p * size_;
    *value++ = 1;
    for (std::size_t m = 1; m <= powers_; ++m) {
      for (std::size_t i = 0; i < last; ++i) {
        const double t = (outputs[p * last + i] - output_centre_[i]) / output_scale_[i];
        *value++ = std::pow(t, static_cast<double>(m));
      }
    }
    for (std::size_t j = 0; j < width && degree_ > 0; ++j) {
      // A neuron that is constant has a range of no width, and is 0 here.
      const double extent =
          std::max(range_[j].to - range_[j].from, 1e-9 * std::max(1.0, std::abs(range_[j].from)));
      const double t = (2 * x[j] - range_[j].from - range_[j].to) / extent;
      double before = 1;
      double now = t;
      for (std::size_t m = 1; m <= degree_; ++m) {
        const auto order = static_cast<double>(m);
        *value++ = std::sqrt(2 * order + 1) * now;
        const double next = ((2 * order + 1) * t * now - order * before) / (order + 1);
        before = now;
        now = next;
      }
    }
    for (std::size_t f = 0; f < features; ++f) {
      double z = feature_biases_[f];
      for (std::size_t j = 0; j < width; ++j) z += feature_weights_[f * width + j] * x[j];
      *value++ = std::tanh(z);
    }
  }
}

std::int64_t LayerDictionary::neuron(std::size_t i) const {
  if (i == 0) return -1;
  const std::size_t begin = 1 + output_scale_.size() * powers_;
  const std::size_t end = begin + network_.width(n_) * degree_;
  return i >= begin && i < end ? static_cast<std::int64_t>((i - begin) / degree_) : -2;
}

bool LayerDictionary::linear(std::size_t i) const {
  const std::size_t begin = 1 + output_scale_.size() * powers_;
  return i == 0 || (neuron(i) >= 0 && (i - begin) % degree_ == 0);
}

} // namespace komori::operators
