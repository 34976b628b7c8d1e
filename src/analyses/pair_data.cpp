#include "analyses/pair_data.hpp"

namespace komori::analyses {

PairData::PairData(MPI_Comm comm, const models::TrajectoryInput& model,
                   const BootstrapInput& bootstrap, double held_out,
                   std::vector<spaces::Extent> extents, bool inside)
    : source_(comm, model), bootstrap_(bootstrap), block_(block_frames(source_, bootstrap)),
      blocks_(source_, block_, static_cast<std::uint64_t>(bootstrap.seed)),
      held_out_(operators::spread_blocks(blocks_.blocks(), held_out)),
      estimated_(operators::other_blocks(held_out_)), extents_(std::move(extents)),
      inside_(inside) {}

PairData::Samples PairData::samples(std::int64_t lag,
                                    const operators::BlockWeights& weights) const {
  return std::make_unique<operators::PairSamples>(source_, lag, blocks_, weights, extents_,
                                                  inside_);
}

PairData::Samples PairData::held_out(std::int64_t lag) const {
  Samples others = samples(lag, held_out_);
  return others->count() > 0 ? std::move(others) : nullptr;
}

std::vector<PairData::Samples> PairData::halves(std::int64_t lag, bool held_out) const {
  const operators::BlockWeights& all = held_out ? held_out_ : estimated_;
  std::vector<Samples> halves;
  for (const bool second : {false, true}) {
    halves.push_back(samples(lag, operators::half_of(all, second)));
    if (halves.back()->count() == 0) return {};
  }
  return halves;
}

PairData::Samples PairData::all(std::int64_t lag) const {
  return samples(lag, operators::BlockWeights(estimated_.size(), 1));
}

PairData::Samples PairData::drawn(std::int64_t lag, std::int64_t s, bool held_out_too) const {
  operators::BlockWeights weights = blocks_.drawn(s);
  for (std::size_t b = 0; b < weights.size() && !held_out_too; ++b) weights[b] *= estimated_[b];
  return samples(lag, weights);
}

} // namespace komori::analyses
