#include "operators/layer_boxes.hpp"

#include <algorithm>
#include <array>
#include <cmath>
#include <cstdint>
#include <limits>
#include <memory>
#include <string>
#include <utility>
#include <vector>

#include "operators/box_axis.hpp"
#include "operators/box_points.hpp"
#include "spaces/block_exchange.hpp"

namespace komori::operators {

/// Each exchange of a product reads from one table and writes to the other.
struct BoxScratch {
  std::array<std::vector<double>, 2> tables{};
  spaces::BlockExchange::Messages messages{};
  std::array<std::vector<double>, 3> rooms{}; ///< of groups of planes
  std::vector<double> sum{};                  ///< of planes
  std::vector<double> work{};
};

std::shared_ptr<BoxScratch> make_box_scratch() {
  return std::make_shared<BoxScratch>();
}

namespace {

using base::check;

constexpr std::size_t most_axes = 4;

std::size_t at(PetscInt i) {
  return static_cast<std::size_t>(i);
}

/// The part of [0, count) that one rank of several takes.
void share_out(std::size_t count, int rank, int ranks, PetscInt& start, PetscInt& its_count) {
  const auto all = static_cast<std::int64_t>(count);
  start = static_cast<PetscInt>(all * rank / ranks);
  its_count = static_cast<PetscInt>(all * (rank + 1) / ranks) - start;
}

/// Axes are averaged one after the other, in two stages so that lines are whole in each: all but
/// the second on slabs of cells along it, then the second on slabs of nodes along the first. Both
/// go node by node along the first axis, so that what lies between passes stays in caches; where
/// slabs are those of the same rank, the second stage takes each plane from the first.
class Boxes {
public:
  Boxes(const models::NetworkLayer& layer, const LayerSpace& from, const LayerSpace& to,
        std::shared_ptr<BoxScratch> scratch)
      : layer_(layer), from_(from), neurons_(at(to.dimension())),
        axes_(std::max<std::size_t>(neurons_, 2)), scratch_(std::move(scratch)) {
    for (std::size_t k = 0; k < neurons_; ++k) {
      axes_[k] = BoxAxis(to.grid().axis(static_cast<int>(k)).edges(), layer.noise_at(k).reach());
    }
    place_points();
    cut(to.grid());
  }

  double largest_leak() const { return largest_leak_; }

  void multiply(std::span<const double> u, std::span<double> v) {
    std::span<const double> cells = u;
    if (!to_slabs_.trivial()) {
      to_slabs_.fetch(u, slabs(), scratch_->messages);
      cells = slabs();
    }
    if (to_planes_.trivial()) {
      for_planes([&](std::size_t node, std::size_t count) {
        double* const between = room(0, count * between_per_plane_);
        average_slab(cells, node, count, between);
        average_second(between, count, nodes().data() + node * nodes_per_plane_);
      });
    } else {
      for_planes([&](std::size_t node, std::size_t count) {
        average_slab(cells, node, count, between().data() + node * between_per_plane_);
      });
      to_planes_.fetch(between(), planes(), scratch_->messages);
      average_second(planes().data(), planes_here_, nodes().data());
    }
    if (!to_points_.trivial()) to_points_.fetch(nodes(), near(), scratch_->messages);
    points_.gather(near(), v);
  }

  void multiply_transposed(std::span<const double> p, std::span<double> q) {
    std::fill(near().begin(), near().end(), 0.0);
    points_.scatter(p, near());
    if (!to_points_.trivial()) to_points_.sum_back(near(), nodes(), scratch_->messages);
    if (!to_planes_.trivial()) {
      spread_second(nodes().data(), planes_here_, planes().data());
      to_planes_.sum_back(planes(), between(), scratch_->messages);
    }
    const std::span<double> cells = to_slabs_.trivial() ? q : slabs();
    std::fill(cells.begin(), cells.end(), 0.0);
    scratch_->sum.assign(slab_plane_, 0.0);
    for_planes_back([&](std::size_t node, std::size_t count) {
      const double* planes = nullptr;
      if (to_planes_.trivial()) {
        double* const second = room(0, count * between_per_plane_);
        spread_second(nodes().data() + node * nodes_per_plane_, count, second);
        planes = second;
      } else {
        planes = between().data() + node * between_per_plane_;
      }
      spread_slab(planes, node, count, cells);
    });
    if (!to_slabs_.trivial()) to_slabs_.sum_back(slabs(), q, scratch_->messages);
  }

  double hilbert_schmidt_squared() const {
    const base::ReadArray weights(from_.weights());
    double sum = 0;
    for_each_image([&](std::size_t i, const double* image) {
      double product = weights[i];
      for (std::size_t k = 0; k < neurons_; ++k) product *= axes_[k].squares(image[k]);
      sum += product;
    });
    MPI_Allreduce(MPI_IN_PLACE, &sum, 1, MPI_DOUBLE, MPI_SUM, comm());
    return sum;
  }

private:
  MPI_Comm comm() const { return from_.grid().comm(); }

  /// Calls `visit(i, F(x))` for this rank's points x in the order of its vector.
  template <class Visit> void for_each_image(Visit&& visit) const {
    constexpr std::size_t batch = 4096;
    const auto inputs = at(from_.dimension());
    std::vector<double> x(batch * inputs);
    std::vector<double> images(batch * neurons_);
    std::size_t done = 0;
    std::size_t waiting = 0;
    const auto flush = [&] {
      models::propagate(layer_, waiting, {x.data(), waiting * inputs},
                        {images.data(), waiting * neurons_});
      for (std::size_t i = 0; i < waiting; ++i) visit(done + i, images.data() + i * neurons_);
      done += waiting;
      waiting = 0;
    };
    from_.grid().for_each_cell([&](PetscInt, const spaces::Index& index) {
      from_.point(index, {x.data() + waiting * inputs, inputs});
      if (++waiting == batch) flush();
    });
    if (waiting > 0) flush();
  }

  /// Places nodes where images lie, and the images among them.
  void place_points() {
    const spaces::Grid& grid = from_.grid();
    points_ = BoxPoints(grid.local_cells() > 0 ? grid.block() : spaces::Block{}, grid.dimension(),
                        neurons_);
    constexpr double infinity = std::numeric_limits<double>::infinity();
    std::array<double, 2 * most_axes> extremes{}; // of -y, then of y
    extremes.fill(-infinity);
    for_each_image([&](std::size_t i, const double* image) {
      double inside = 1;
      for (std::size_t k = 0; k < neurons_; ++k) {
        const double y = image[k];
        points_.coordinates(k)[i] = y;
        extremes[k] = std::max(extremes[k], -y);
        extremes[most_axes + k] = std::max(extremes[most_axes + k], y);
        inside *= axes_[k].inside(y);
      }
      largest_leak_ = std::max(largest_leak_, 1 - inside);
    });
    MPI_Allreduce(MPI_IN_PLACE, &largest_leak_, 1, MPI_DOUBLE, MPI_MAX, comm());
    MPI_Allreduce(MPI_IN_PLACE, extremes.data(), static_cast<int>(extremes.size()), MPI_DOUBLE,
                  MPI_MAX, comm());
    for (std::size_t k = 0; k < neurons_; ++k) {
      // Whole cache lines along the last of several axes.
      axes_[k].cover(-extremes[k], extremes[most_axes + k], k > 1 && k + 1 == neurons_ ? 8 : 1);
      const std::span<double> places = points_.coordinates(k);
      for (double& place : places) place = axes_[k].place(place);
      if (places.empty()) continue;
      const auto [low, high] = std::minmax_element(places.begin(), places.end());
      near_block_.start[k] = static_cast<PetscInt>(*low);
      const std::size_t past = static_cast<std::size_t>(*high) + 2;
      near_block_.count[k] =
          static_cast<PetscInt>(past < axes_[k].distinct() ? past : axes_[k].nodes()) -
          near_block_.start[k];
      for (double& place : places) place -= static_cast<double>(near_block_.start[k]);
    }
    points_.arrange({near_block_.count.data(), neurons_});
  }

  /// Shares slabs out, and makes room for their values.
  void cut(const spaces::Grid& grid) {
    int rank = 0;
    int ranks = 0;
    MPI_Comm_rank(comm(), &rank);
    MPI_Comm_size(comm(), &ranks);
    const int dimension = static_cast<int>(axes_.size());
    spaces::Block own = grid.local_cells() > 0 ? grid.block() : spaces::Block{};
    if (grid.local_cells() > 0 && neurons_ == 1) own.count[1] = 1;
    if (points_.count() > 0 && neurons_ == 1) near_block_.count[1] = 1;
    spaces::Block slab;
    spaces::Block between;
    spaces::Block plane;
    spaces::Block node;
    for (std::size_t k = 0; k < axes_.size(); ++k) {
      slab.count[k] = static_cast<PetscInt>(axes_[k].cells());
      between.count[k] = plane.count[k] = node.count[k] = static_cast<PetscInt>(axes_[k].nodes());
    }
    share_out(axes_[1].cells(), rank, ranks, slab.start[1], slab.count[1]);
    between.start[1] = slab.start[1];
    between.count[1] = slab.count[1];
    share_out(axes_[0].nodes(), rank, ranks, plane.start[0], plane.count[0]);
    plane.count[1] = static_cast<PetscInt>(axes_[1].cells());
    node.start[0] = plane.start[0];
    node.count[0] = plane.count[0];
    to_slabs_ = spaces::BlockExchange(comm(), dimension, own, slab);
    to_planes_ = spaces::BlockExchange(comm(), dimension, between, plane);
    to_points_ = spaces::BlockExchange(comm(), dimension, node, near_block_);
    rows_here_ = at(slab.count[1]);
    planes_here_ = at(plane.count[0]);
    slab_plane_ = between_per_plane_ = rows_here_;
    nodes_per_plane_ = axes_[1].nodes();
    for (std::size_t k = 2; k < axes_.size(); ++k) {
      slab_plane_ *= axes_[k].cells();
      between_per_plane_ *= axes_[k].nodes();
      nodes_per_plane_ *= axes_[k].nodes();
      after_second_ *= axes_[k].nodes();
    }
    constexpr std::size_t cached = std::size_t{1} << 20;
    stream_ = axes_.size() > 2 && planes_here_ * nodes_per_plane_ > cached;
    for (const auto table :
         {&Boxes::slabs, &Boxes::between, &Boxes::planes, &Boxes::nodes, &Boxes::near}) {
      (this->*table)(); // memory that is touched for the first time takes long
    }
    for (const spaces::BlockExchange* exchange : {&to_slabs_, &to_planes_, &to_points_}) {
      exchange->make_room(scratch_->messages);
    }
  }

  /// The first values of one of the two tables, which is made as large as that, from a multiple of
  /// 64 bytes on.
  std::span<double> table(std::size_t which, std::size_t size) {
    constexpr std::size_t line = 8;
    std::vector<double>& values = scratch_->tables[which];
    if (values.size() < size + line) {
      std::vector<double>().swap(values); // nothing in it is worth a copy
      values.resize(size + line);
    }
    const auto address = reinterpret_cast<std::uintptr_t>(values.data()) / sizeof(double);
    return {values.data() + (line - address % line) % line, size};
  }
  /// Cells along all axes, where vectors are cut in another way.
  std::span<double> slabs() { return table(0, to_slabs_.trivial() ? 0 : to_slabs_.wanted()); }
  /// Cells along the second axis, nodes along the others, cut along the second.
  std::span<double> between() { return table(1, to_planes_.trivial() ? 0 : to_planes_.held()); }
  /// The same, cut along the first.
  std::span<double> planes() { return table(0, to_planes_.trivial() ? 0 : to_planes_.wanted()); }
  /// Nodes along all.
  std::span<double> nodes() { return table(1, to_points_.held()); }
  /// Those around this rank's points.
  std::span<double> near() { return table(to_points_.trivial() ? 1 : 0, to_points_.wanted()); }

  double* room(std::size_t which, std::size_t size) {
    std::vector<double>& values = scratch_->rooms[which];
    if (values.size() < size) values.resize(size);
    return values.data();
  }

  /// Planes across the first axis that are worked on at a time: caches hold them.
  std::size_t group() const {
    constexpr std::size_t cached = std::size_t{1} << 13;
    return std::max<std::size_t>(cached / std::max<std::size_t>(slab_plane_, 1), 1);
  }
  /// Calls `visit(first, count)` for groups of the planes of this rank's slab.
  template <class Visit> void for_planes(Visit&& visit) const {
    const std::size_t all = slab_plane_ > 0 ? axes_[0].nodes() : 0;
    const std::size_t most = group();
    for (std::size_t first = 0; first < all; first += most) {
      visit(first, std::min(most, all - first));
    }
  }
  template <class Visit> void for_planes_back(Visit&& visit) const {
    const std::size_t most = group();
    for (std::size_t past = slab_plane_ > 0 ? axes_[0].nodes() : 0; past > 0;) {
      const std::size_t count = std::min(most, past);
      past -= count;
      visit(past, count);
    }
  }

  /// Planes at `count` nodes of the first axis, averaged along all axes but the second. Groups come
  /// in order: each begins where the one before has ended.
  void average_slab(std::span<const double> cells, std::size_t node, std::size_t count,
                    double* to) {
    const bool averaged = axes_.size() == 2;
    std::vector<double>& last = scratch_->sum; // plane of the node before
    last.resize(slab_plane_);
    double* const means = averaged ? to : room(1, count * slab_plane_);
    for (std::size_t j = 0; j < count; ++j) {
      double* const mean = means + j * slab_plane_;
      const double* const before = j == 0 ? last.data() : mean - slab_plane_;
      if (node + j == 0) {
        axes_[0].begin(cells.data(), slab_plane_, mean);
      } else {
        axes_[0].proceed(node + j, cells.data(), slab_plane_, before, mean);
      }
    }
    std::copy_n(means + (count - 1) * slab_plane_, slab_plane_, last.begin());
    const double* values = means;
    std::size_t before = count * slab_plane_;
    std::size_t after = 1;
    for (std::size_t k = axes_.size() - 1; k >= 2; --k) {
      before /= axes_[k].cells();
      double* const result = k == 2 ? to : room(1 + k % 2, before * axes_[k].nodes() * after);
      axes_[k].average(values, before, after, result, scratch_->work);
      values = result;
      after *= axes_[k].nodes();
    }
  }
  void spread_slab(const double* from, std::size_t node, std::size_t count,
                   std::span<double> cells) {
    std::size_t before = count * rows_here_;
    std::size_t after = after_second_;
    for (std::size_t k = 2; k < axes_.size(); ++k) {
      after /= axes_[k].nodes();
      double* const result = room(1 + k % 2, before * axes_[k].cells() * after);
      axes_[k].spread(from, before, after, result, scratch_->work);
      from = result;
      before *= axes_[k].cells();
    }
    for (std::size_t j = count; j-- > 0;) {
      axes_[0].spread_node(node + j, from + j * slab_plane_, slab_plane_, scratch_->sum.data(),
                           cells.data());
    }
  }
  /// Whole planes, along the second axis.
  void average_second(const double* values, std::size_t planes, double* at_nodes) {
    axes_[1].average(values, planes, after_second_, at_nodes, scratch_->work, stream_);
  }
  void spread_second(const double* at_nodes, std::size_t planes, double* values) {
    axes_[1].spread(at_nodes, planes, after_second_, values, scratch_->work);
  }

  const models::NetworkLayer& layer_;
  const LayerSpace& from_;
  std::size_t neurons_;
  std::vector<BoxAxis> axes_; ///< of the neurons, and of nothing where there is one neuron
  double largest_leak_ = 0;
  BoxPoints points_;         ///< of this rank, among the nodes of `near_block_`
  spaces::Block near_block_; ///< the nodes around this rank's points

  spaces::BlockExchange to_slabs_; ///< from the blocks of vectors
  spaces::BlockExchange to_planes_;
  spaces::BlockExchange to_points_;
  std::size_t rows_here_ = 0;         ///< cells along the second axis, of this rank's slab
  std::size_t planes_here_ = 0;       ///< nodes along the first
  std::size_t slab_plane_ = 0;        ///< cells of a plane of the slab
  std::size_t between_per_plane_ = 0; ///< averaged along all axes but the second
  std::size_t nodes_per_plane_ = 0;
  std::size_t after_second_ = 1; ///< nodes along the axes after the second
  bool stream_ = false;          ///< tables of nodes are larger than caches
  std::shared_ptr<BoxScratch> scratch_;
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
                      const LayerSpace& to, std::shared_ptr<BoxScratch> scratch) {
  const LayerKernel checks(layer, from, to); // throws where ranges or cells do not do
  auto boxes = std::make_unique<Boxes>(layer, from, to, std::move(scratch));
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
