#include "operators/pair_samples.hpp"

#include <algorithm>
#include <cmath>

#include <fmt/format.h>

#include "base/error.hpp"

namespace komori::operators {

BlockWeights spread_blocks(std::int64_t blocks, double share) {
  BlockWeights weights;
  for (std::int64_t b = 0; b < blocks; ++b) {
    const auto at = static_cast<double>(b);
    weights.push_back(std::floor((at + 1) * share) > std::floor(at * share) ? 1 : 0);
  }
  return weights;
}

BlockWeights other_blocks(const BlockWeights& weights) {
  BlockWeights others;
  for (const std::int32_t weight : weights) others.push_back(weight == 0 ? 1 : 0);
  return others;
}

BlockWeights half_of(const BlockWeights& weights, bool second) {
  BlockWeights half;
  bool odd = false;
  for (const std::int32_t weight : weights) {
    half.push_back(odd == second ? weight : 0);
    if (weight > 0) odd = !odd;
  }
  return half;
}

PairSamples::PairSamples(const TrajectorySource& source, std::int64_t lag,
                         const BlockSamples& blocks, const BlockWeights& weights,
                         std::vector<spaces::Extent> extents, bool inside)
    : source_(source), lag_(lag), extents_(std::move(extents)), inside_(inside), reader_(source) {
  for (std::size_t p = 0; p < source.pieces().size(); ++p) {
    const auto piece = static_cast<std::int64_t>(p);
    const std::int64_t pairs = source.pieces()[p].frames - lag;
    for (std::int64_t frame = 0; frame < pairs;) {
      const std::int64_t end = std::min(pairs, blocks.end(piece, frame));
      const std::int32_t weight = weights[static_cast<std::size_t>(blocks.block(piece, frame))];
      if (weight > 0) {
        runs_.push_back({piece, frame, end - frame, count_, static_cast<double>(weight)});
        count_ += end - frame;
      }
      frame = end;
    }
  }
}

void PairSamples::put(const Run& run, std::int64_t frame, std::span<const double> frames,
                      std::size_t at, std::size_t count, std::size_t coordinate,
                      std::span<double> x) const {
  const std::size_t d = source_.dimension();
  const std::size_t all = x.size() / (2 * d);
  for (std::size_t k = 0; k < d; ++k) {
    double* out = x.data() + (coordinate + k) * all + at;
    for (std::size_t i = 0; i < count; ++i) out[i] = frames[i * d + k];
    const spaces::Extent& extent = extents_[k];
    if (!inside_ || !extent.bounded) continue;
    const double slack = 1e-9 * (extent.to - extent.from);
    for (std::size_t i = 0; i < count; ++i) {
      if (out[i] >= extent.from - slack && out[i] <= extent.to + slack) continue;
      const std::string& name = source_.variables()[k];
      throw base::InputError(fmt::format(
          "{}: {} = {:g} lies outside 'dictionary.on.{}' from {:g} to {:g}; widen it, or set "
          "'dictionary.outside: extrapolate'",
          source_.place(run.piece, frame + static_cast<std::int64_t>(i)), name, out[i], name,
          extent.from, extent.to));
    }
  }
}

void PairSamples::take(std::int64_t first, std::span<double> x, std::span<double> weights) const {
  if (weights.empty()) return;
  const std::size_t d = source_.dimension();
  const auto after =
      std::upper_bound(runs_.begin(), runs_.end(), first,
                       [](std::int64_t number, const Run& run) { return number < run.index; });
  auto run = std::prev(after);
  for (std::size_t at = 0; at < weights.size(); ++run) {
    const std::int64_t skipped = first + static_cast<std::int64_t>(at) - run->index;
    const std::int64_t left = static_cast<std::int64_t>(weights.size() - at);
    const std::int64_t pairs = std::min(run->pairs - skipped, left);
    const std::int64_t frame = run->first + skipped;
    const auto n = static_cast<std::size_t>(pairs);
    const Piece& piece = source_.pieces()[static_cast<std::size_t>(run->piece)];
    if (lag_ <= pairs) {
      const std::span<const double> both = reader_.frames(piece, frame, pairs + lag_);
      put(*run, frame, both, at, n, 0, x);
      put(*run, frame + lag_, both.subspan(static_cast<std::size_t>(lag_) * d), at, n, d, x);
    } else {
      put(*run, frame, reader_.frames(piece, frame, pairs), at, n, 0, x);
      put(*run, frame + lag_, reader_.frames(piece, frame + lag_, pairs), at, n, d, x);
    }
    std::fill_n(weights.begin() + static_cast<std::ptrdiff_t>(at), n, run->weight);
    at += n;
  }
}

std::string PairSamples::text() const {
  return fmt::format("{} pairs of frames", count_);
}

void PairAction::apply(const spaces::Dictionary& dictionary, const spaces::Points& points,
                       std::span<double> values) const {
  dictionary.evaluate({points.x.last(points.x.size() / 2), points.count}, {}, values);
}

} // namespace komori::operators
