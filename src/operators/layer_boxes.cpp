#include "operators/layer_boxes.hpp"

#include <algorithm>
#include <array>
#include <cmath>
#include <memory>
#include <string>
#include <vector>

namespace komori::operators {
namespace {

using base::check;

constexpr std::size_t most_axes = spaces::max_dimension;

std::size_t at(PetscInt i) {
  return static_cast<std::size_t>(i);
}

/// Where one axis of a block is read, and how much each value counts.
struct Taps {
  std::size_t count = 0;
  std::array<std::size_t, 4> place{};
  std::array<double, 4> weight{};
  void add(std::size_t its_place, double its_weight) {
    place[count] = its_place;
    weight[count++] = its_weight;
  }
};

/// Sum of products of weights with the values that K axes of taps meet.
template <std::size_t K>
double gathered(const Taps* taps, const std::size_t* stride, const double* values) {
  if constexpr (K == 0) {
    return *values;
  } else {
    double sum = 0;
    for (std::size_t i = 0; i < taps->count; ++i) {
      sum += taps->weight[i] *
             gathered<K - 1>(taps + 1, stride + 1, values + taps->place[i] * *stride);
    }
    return sum;
  }
}

/// The transposed: adds products of weights with one value.
template <std::size_t K>
void scattered(const Taps* taps, const std::size_t* stride, double value, double* values) {
  if constexpr (K == 0) {
    *values += value;
  } else {
    for (std::size_t i = 0; i < taps->count; ++i) {
      scattered<K - 1>(taps + 1, stride + 1, value * taps->weight[i],
                       values + taps->place[i] * *stride);
    }
  }
}

/// One axis of the layer that the step leads to.
struct BoxAxis {
  const std::vector<double>* edges = nullptr; ///< of all cells
  double reach = 0;                           ///< of the noise; 0: none
  double inverse_width = 0;                   ///< of its equal cells
  bool noisy() const { return reach > 0; }
  PetscInt cells() const { return static_cast<PetscInt>(edges->size()) - 1; }
  /// The cell of a place within the axis.
  PetscInt cell(double y) const {
    const auto guess = static_cast<PetscInt>((y - edges->front()) * inverse_width);
    PetscInt cell = std::clamp<PetscInt>(guess, 0, cells() - 1);
    while (cell > 0 && y < (*edges)[at(cell)]) --cell;
    while (cell + 1 < cells() && y >= (*edges)[at(cell + 1)]) ++cell;
    return cell;
  }
  double clamped(double y) const { return std::clamp(y, edges->front(), edges->back()); }
};

/// The cumulative sums of one rank's block: on noisy axes a value per edge, on others per cell.
struct Shape {
  std::array<std::size_t, most_axes> extent{};
  std::array<std::size_t, most_axes> stride{};
  std::size_t size = 1;
};

class Boxes {
public:
  Boxes(const models::NetworkLayer& layer, const LayerSpace& from, const LayerSpace& to)
      : from_(from), to_(to), axes_(at(to.dimension())) {
    MPI_Comm_rank(comm(), &rank_);
    MPI_Comm_size(comm(), &ranks_);
    for (std::size_t k = 0; k < axes_.size(); ++k) {
      const spaces::Axis& axis = to.grid().axis(static_cast<int>(k));
      axes_[k] = {.edges = &axis.edges(), .reach = layer.noise_at(k).reach()};
      const double cells = static_cast<double>(axis.cells());
      axes_[k].inverse_width = cells / axis.length();
    }
    // Where every rank's block begins and ends.
    blocks_.resize(at(ranks_));
    const spaces::Block own = to.grid().local_cells() > 0 ? to.grid().block() : spaces::Block{};
    static_assert(sizeof(spaces::Block) == 2 * most_axes * sizeof(PetscInt));
    MPI_Allgather(&own, 2 * static_cast<int>(most_axes), MPIU_INT, blocks_.data(),
                  2 * static_cast<int>(most_axes), MPIU_INT, comm());
    std::size_t largest = 0;
    for (const spaces::Block& block : blocks_) largest = std::max(largest, shape(block).size);
    buffer_.resize(largest);
    place_images(layer);
  }

  double largest_leak() const {
    double leak = 0;
    for (std::size_t i = 0; i < points(); ++i) {
      double inside = 1;
      for (std::size_t k = 0; k < axes_.size(); ++k) {
        const BoxAxis& axis = axes_[k];
        if (!axis.noisy()) continue;
        const double y = images_[i * axes_.size() + k];
        inside *= (axis.clamped(y + axis.reach) - axis.clamped(y - axis.reach)) / (2 * axis.reach);
      }
      leak = std::max(leak, 1 - inside);
    }
    MPI_Allreduce(MPI_IN_PLACE, &leak, 1, MPI_DOUBLE, MPI_MAX, comm());
    return leak;
  }

  void multiply(std::span<const double> u, std::span<double> v) {
    std::fill(v.begin(), v.end(), 0.0);
    std::fill(buffer_.begin(), buffer_.end(), 0.0);
    accumulate(u);
    for (int step = 0; step < ranks_; ++step) {
      const spaces::Block& block = blocks_[at((rank_ + step) % ranks_)];
      for_each_point(block, [&](std::size_t i, const Taps* taps, const Shape& shape) {
        v[i] += gather(taps, shape);
      });
      if (step + 1 < ranks_) pass_on();
    }
  }

  void multiply_transposed(std::span<const double> p, std::span<double> q) {
    std::fill(buffer_.begin(), buffer_.end(), 0.0);
    // Each rank's sums start at its left neighbour and come home last.
    for (int step = 0; step < ranks_; ++step) {
      const spaces::Block& block = blocks_[at((rank_ + step + 1) % ranks_)];
      for_each_point(block, [&](std::size_t i, const Taps* taps, const Shape& shape) {
        scatter(taps, shape, p[i]);
      });
      if (step + 1 < ranks_) pass_on();
    }
    distribute(q);
  }

  double hilbert_schmidt_squared() const {
    const base::ReadArray weights(from_.weights());
    double sum = 0;
    for (std::size_t i = 0; i < points(); ++i) {
      double product = weights[i];
      for (std::size_t k = 0; k < axes_.size(); ++k) {
        product *= squares_along(axes_[k], images_[i * axes_.size() + k]);
      }
      sum += product;
    }
    MPI_Allreduce(MPI_IN_PLACE, &sum, 1, MPI_DOUBLE, MPI_SUM, comm());
    return sum;
  }

private:
  MPI_Comm comm() const { return from_.grid().comm(); }
  std::size_t points() const { return at(from_.grid().local_cells()); }

  /// F(x) of this rank's points, in the order of its vector.
  void place_images(const models::NetworkLayer& layer) {
    constexpr std::size_t batch = 4096;
    const auto inputs = at(from_.dimension());
    images_.resize(points() * axes_.size());
    std::vector<double> x(batch * inputs);
    std::size_t done = 0;
    std::size_t waiting = 0;
    const auto flush = [&] {
      models::propagate(layer, waiting, {x.data(), waiting * inputs},
                        {images_.data() + done * axes_.size(), waiting * axes_.size()});
      done += waiting;
      waiting = 0;
    };
    from_.grid().for_each_cell([&](PetscInt, const spaces::Index& index) {
      from_.point(index, {x.data() + waiting * inputs, inputs});
      if (++waiting == batch) flush();
    });
    if (waiting > 0) flush();
  }

  Shape shape(const spaces::Block& block) const {
    Shape shape;
    for (std::size_t k = axes_.size(); k-- > 0;) {
      const std::size_t cells = at(block.count[k]);
      shape.extent[k] = cells == 0 ? 0 : cells + (axes_[k].noisy() ? 1 : 0);
      shape.stride[k] = shape.size;
      shape.size *= shape.extent[k];
    }
    return shape;
  }

  /// The integral up to y within a block, as a combination of its values at two edges.
  void add_integral(std::size_t k, const spaces::Block& block, double y, double weight,
                    Taps& taps) const {
    const BoxAxis& axis = axes_[k];
    const PetscInt first = block.start[k];
    const PetscInt last = first + block.count[k];
    const double from = (*axis.edges)[at(first)];
    const double to = (*axis.edges)[at(last)];
    if (y <= from) return; // 0 there
    if (y >= to) {
      taps.add(at(block.count[k]), weight);
      return;
    }
    const PetscInt cell = axis.cell(y);
    const double low = (*axis.edges)[at(cell)];
    const double share = (y - low) / ((*axis.edges)[at(cell + 1)] - low);
    taps.add(at(cell - first), weight * (1 - share));
    taps.add(at(cell - first + 1), weight * share);
  }

  /// Calls `visit(point, taps, shape)` for the points of this rank whose box meets the block.
  template <class Visit> void for_each_point(const spaces::Block& block, Visit&& visit) const {
    const Shape its = shape(block);
    if (its.size == 0) return;
    std::array<Taps, most_axes> taps;
    for (std::size_t i = 0; i < points(); ++i) {
      const double* image = images_.data() + i * axes_.size();
      bool meets = true;
      for (std::size_t k = 0; k < axes_.size() && meets; ++k) {
        const BoxAxis& axis = axes_[k];
        taps[k].count = 0;
        if (axis.noisy()) {
          const double from = axis.clamped(image[k] - axis.reach);
          const double to = axis.clamped(image[k] + axis.reach);
          meets = to > (*axis.edges)[at(block.start[k])] &&
                  from < (*axis.edges)[at(block.start[k] + block.count[k])];
          if (!meets) break;
          add_integral(k, block, to, 0.5 / axis.reach, taps[k]);
          add_integral(k, block, from, -0.5 / axis.reach, taps[k]);
        } else {
          const PetscInt cell = axis.cell(axis.clamped(image[k])) - block.start[k];
          meets = cell >= 0 && cell < block.count[k];
          if (meets) taps[k].add(at(cell), 1);
        }
      }
      if (meets) visit(i, taps.data(), its);
    }
  }

  double gather(const Taps* taps, const Shape& shape) const {
    const std::size_t* stride = shape.stride.data();
    switch (axes_.size()) {
    case 1:
      return gathered<1>(taps, stride, buffer_.data());
    case 2:
      return gathered<2>(taps, stride, buffer_.data());
    case 3:
      return gathered<3>(taps, stride, buffer_.data());
    default:
      return gathered<4>(taps, stride, buffer_.data());
    }
  }
  void scatter(const Taps* taps, const Shape& shape, double value) {
    const std::size_t* stride = shape.stride.data();
    switch (axes_.size()) {
    case 1:
      return scattered<1>(taps, stride, value, buffer_.data());
    case 2:
      return scattered<2>(taps, stride, value, buffer_.data());
    case 3:
      return scattered<3>(taps, stride, value, buffer_.data());
    default:
      return scattered<4>(taps, stride, value, buffer_.data());
    }
  }

  /// Puts values of this rank's cells, times their widths along noisy axes, behind a first layer of
  /// zeros, and sums them up along those axes.
  void accumulate(std::span<const double> u) {
    const spaces::Block& block = blocks_[at(rank_)];
    const Shape its = shape(block);
    if (its.size == 0) return;
    for_own_cells(its, [&](std::size_t i, std::size_t place, double width) {
      buffer_[place] = width * u[i];
    });
    for (std::size_t k = 0; k < axes_.size(); ++k) {
      if (!axes_[k].noisy()) continue;
      for (std::size_t place = its.stride[k]; place < its.size; ++place) {
        if (place / its.stride[k] % its.extent[k] > 0) {
          buffer_[place] += buffer_[place - its.stride[k]];
        }
      }
    }
  }

  /// The transposed: sums from the far ends on, and takes values of cells out.
  void distribute(std::span<double> q) {
    const Shape its = shape(blocks_[at(rank_)]);
    if (its.size == 0) return;
    for (std::size_t k = 0; k < axes_.size(); ++k) {
      if (!axes_[k].noisy()) continue;
      for (std::size_t place = its.size; place-- > its.stride[k];) {
        if (place / its.stride[k] % its.extent[k] > 0) {
          buffer_[place - its.stride[k]] += buffer_[place];
        }
      }
    }
    for_own_cells(its, [&](std::size_t i, std::size_t place, double width) {
      q[i] = width * buffer_[place];
    });
  }

  /// Calls `visit(cell, place of the sum behind it, its width along noisy axes)`.
  template <class Visit> void for_own_cells(const Shape& shape, Visit&& visit) const {
    const spaces::Block& block = blocks_[at(rank_)];
    to_.grid().for_each_cell([&](PetscInt local, const spaces::Index& index) {
      std::size_t place = 0;
      double width = 1;
      for (std::size_t k = 0; k < axes_.size(); ++k) {
        const std::size_t cell = at(index[k]);
        place += (cell - at(block.start[k]) + (axes_[k].noisy() ? 1 : 0)) * shape.stride[k];
        if (axes_[k].noisy()) width *= (*axes_[k].edges)[cell + 1] - (*axes_[k].edges)[cell];
      }
      visit(at(local), place, width);
    });
  }

  /// To the left neighbour, from the right one. In parts: counts of MPI are 32-bit.
  void pass_on() {
    constexpr std::size_t part = std::size_t{1} << 26;
    const int left = (rank_ + ranks_ - 1) % ranks_;
    const int right = (rank_ + 1) % ranks_;
    for (std::size_t begin = 0; begin < buffer_.size(); begin += part) {
      const auto count = static_cast<int>(std::min(part, buffer_.size() - begin));
      MPI_Sendrecv_replace(buffer_.data() + begin, count, MPI_DOUBLE, left, 0, right, 0, comm(),
                           MPI_STATUS_IGNORE);
    }
  }

  /// sum over cells of (probability of the cell)^2 / width, along one axis.
  static double squares_along(const BoxAxis& axis, double image) {
    if (!axis.noisy()) {
      const auto cell = at(axis.cell(axis.clamped(image)));
      return 1 / ((*axis.edges)[cell + 1] - (*axis.edges)[cell]);
    }
    const double from = axis.clamped(image - axis.reach);
    const double to = axis.clamped(image + axis.reach);
    double sum = 0;
    for (PetscInt cell = axis.cell(from); cell <= axis.cell(to); ++cell) {
      const double low = (*axis.edges)[at(cell)];
      const double high = (*axis.edges)[at(cell + 1)];
      const double overlap = std::min(to, high) - std::max(from, low);
      if (overlap > 0) sum += overlap * overlap / (high - low);
    }
    return sum / (4 * axis.reach * axis.reach);
  }

  const LayerSpace& from_;
  const LayerSpace& to_;
  int rank_ = 0;
  int ranks_ = 1;
  std::vector<BoxAxis> axes_;
  std::vector<spaces::Block> blocks_; ///< of all ranks
  std::vector<double> images_;        ///< [points][axes]
  std::vector<double> buffer_;        ///< cumulative sums of the block that is here
};

Boxes& boxes_of(Mat matrix) {
  void* pointer = nullptr;
  check(MatShellGetContext(matrix, &pointer));
  return *static_cast<Boxes*>(pointer);
}

PetscErrorCode multiply(Mat matrix, Vec u, Vec v) {
  return base::guarded([&] {
    const base::ReadArray from(u);
    const base::WriteArray to(v);
    boxes_of(matrix).multiply(from.span(), to.span());
  });
}

PetscErrorCode multiply_transposed(Mat matrix, Vec p, Vec q) {
  return base::guarded([&] {
    const base::ReadArray from(p);
    const base::WriteArray to(q);
    boxes_of(matrix).multiply_transposed(from.span(), to.span());
  });
}

PetscErrorCode destroy(Mat matrix) {
  return base::guarded([&] { delete &boxes_of(matrix); });
}

template <class Function>
void set_operation(Mat matrix, MatOperation operation, Function function) {
  // PETSc stores functions of any signature as void(*)(void).
  check(MatShellSetOperation(matrix, operation, reinterpret_cast<void (*)()>(function)));
}

constexpr const char* box_type_name = "komori_box_layer";

} // namespace

bool noise_of_boxes(const models::NeuronNoise& noise) {
  return noise.none() || noise.kind() == models::NoiseKind::uniform;
}

LayerMatrix box_layer(const models::NetworkLayer& layer, const LayerSpace& from,
                      const LayerSpace& to) {
  const LayerKernel checks(layer, from, to); // throws where ranges or cells do not do
  auto boxes = std::make_unique<Boxes>(layer, from, to);
  LayerMatrix result;
  result.largest_leak = boxes->largest_leak();
  check(MatCreateShell(from.grid().comm(), from.grid().local_cells(), to.grid().local_cells(),
                       from.grid().cells(), to.grid().cells(), boxes.get(), result.matrix.put()));
  set_operation(result.matrix.get(), MATOP_DESTROY, destroy);
  (void)boxes.release(); // the matrix owns it from here on
  set_operation(result.matrix.get(), MATOP_MULT, multiply);
  set_operation(result.matrix.get(), MATOP_MULT_TRANSPOSE, multiply_transposed);
  check(PetscObjectSetName(reinterpret_cast<PetscObject>(result.matrix.get()), box_type_name));
  return result;
}

bool is_box_layer(Mat matrix) {
  const char* name = nullptr;
  check(PetscObjectGetName(reinterpret_cast<PetscObject>(matrix), &name));
  return name != nullptr && std::string(name) == box_type_name;
}

double box_hilbert_schmidt_squared(Mat matrix) {
  return boxes_of(matrix).hilbert_schmidt_squared();
}

} // namespace komori::operators
