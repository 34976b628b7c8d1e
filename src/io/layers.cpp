#include "io/layers.hpp"

#include <algorithm>
#include <functional>
#include <numeric>

namespace komori::io {
namespace {

hsize_t product(const std::vector<hsize_t>& counts, std::size_t first) {
  return std::accumulate(counts.begin() + static_cast<std::ptrdiff_t>(first), counts.end(),
                         hsize_t{1}, std::multiplies<>());
}

/// The pieces of this rank alone: the axes before `axis` entry by entry, `axis` in runs.
std::vector<Layer> local_layers(const std::vector<hsize_t>& start,
                                const std::vector<hsize_t>& count, hsize_t max_values) {
  if (product(count, 0) == 0) return {};
  std::size_t axis = 0;
  while (axis + 1 < count.size() && (count[axis] == 1 || product(count, axis + 1) > max_values)) {
    ++axis;
  }
  if (count.empty()) return {{.start = {}, .count = {}, .offset = 0, .values = 1}};
  const hsize_t per_entry = product(count, axis + 1);
  const hsize_t run = std::max<hsize_t>(1, max_values / per_entry);
  hsize_t outer = 1;
  for (std::size_t k = 0; k < axis; ++k) outer *= count[k];
  std::vector<Layer> pieces;
  for (hsize_t o = 0; o < outer; ++o) {
    for (hsize_t first = 0; first < count[axis]; first += run) {
      Layer piece{.start = start, .count = count, .offset = 0, .values = 0};
      hsize_t rest = o;
      for (std::size_t k = axis; k-- > 0;) {
        piece.start[k] += rest % count[k];
        piece.count[k] = 1;
        rest /= count[k];
      }
      piece.start[axis] += first;
      piece.count[axis] = std::min(run, count[axis] - first);
      piece.offset = static_cast<std::size_t>((o * count[axis] + first) * per_entry);
      piece.values = piece.count[axis] * per_entry;
      pieces.push_back(std::move(piece));
    }
  }
  return pieces;
}

} // namespace

std::vector<Layer> layers(MPI_Comm comm, const std::vector<hsize_t>& start,
                          const std::vector<hsize_t>& count, hsize_t max_values) {
  std::vector<Layer> pieces = local_layers(start, count, max_values);
  unsigned long long rounds = pieces.size();
  MPI_Allreduce(MPI_IN_PLACE, &rounds, 1, MPI_UNSIGNED_LONG_LONG, MPI_MAX, comm);
  const std::vector<hsize_t> none(count.size(), 0);
  pieces.resize(rounds, {.start = start, .count = none, .offset = 0, .values = 0});
  return pieces;
}

void select(const Dataspace& space, const Layer& layer) {
  if (layer.values == 0) {
    check_hdf5(H5Sselect_none(space.get()), "selection");
  } else if (layer.count.empty()) {
    check_hdf5(H5Sselect_all(space.get()), "selection");
  } else {
    check_hdf5(H5Sselect_hyperslab(space.get(), H5S_SELECT_SET, layer.start.data(), nullptr,
                                   layer.count.data(), nullptr),
               "selection");
  }
}

} // namespace komori::io
