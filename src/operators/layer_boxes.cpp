#include "operators/layer_boxes.hpp"

#include <algorithm>
#include <array>
#include <cmath>
#include <limits>
#include <memory>
#include <string>
#include <utility>
#include <vector>

#include "operators/box_axis.hpp"
#include "operators/box_points.hpp"
#include "spaces/block_exchange.hpp"

namespace komori::operators {

/// Each pass of a product reads from one table and writes to the other.
struct BoxScratch {
  std::array<std::vector<double>, 2> tables{};
  spaces::BlockExchange::Messages messages{};
  std::array<std::vector<double>, 2> rooms{}; ///< of groups of planes
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

/// Axes are averaged one after the other: all but the first on slabs of whole cells along the
/// others, then the first on slabs of nodes along the second, so that lines are whole in each.
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
    for_planes([&](std::size_t first, std::size_t planes_of_group) {
      average_planes(cells.data() + first * cells_per_plane_, planes_of_group,
                     planes().data() + first * nodes_per_plane_);
    });
    if (!to_lines_.trivial()) to_lines_.fetch(planes(), lines(), scratch_->messages);
    axes_[0].average(lines().data(), 1, lines().size() / axes_[0].cells(), nodes().data(),
                     scratch_->work);
    if (!to_points_.trivial()) to_points_.fetch(nodes(), near(), scratch_->messages);
    points_.gather(near(), v);
  }

  void multiply_transposed(std::span<const double> p, std::span<double> q) {
    std::fill(near().begin(), near().end(), 0.0);
    points_.scatter(p, near());
    if (!to_points_.trivial()) to_points_.sum_back(near(), nodes(), scratch_->messages);
    axes_[0].spread(nodes().data(), 1, lines().size() / axes_[0].cells(), lines().data(),
                    scratch_->work);
    if (!to_lines_.trivial()) to_lines_.sum_back(lines(), planes(), scratch_->messages);
    const std::span<double> cells = to_slabs_.trivial() ? q : slabs();
    for_planes([&](std::size_t first, std::size_t planes_of_group) {
      spread_planes(planes().data() + first * nodes_per_plane_, planes_of_group,
                    cells.data() + first * cells_per_plane_);
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
      axes_[k].cover(-extremes[k], extremes[most_axes + k]);
      const std::span<double> places = points_.coordinates(k);
      for (double& place : places) place = axes_[k].place(place);
      if (places.empty()) continue;
      const auto [low, high] = std::minmax_element(places.begin(), places.end());
      near_block_.start[k] = static_cast<PetscInt>(*low);
      near_block_.count[k] = static_cast<PetscInt>(*high) + 2 - near_block_.start[k];
      for (double& place : places) place -= static_cast<double>(near_block_.start[k]);
    }
    points_.arrange();
    std::size_t stride = 1;
    for (std::size_t k = neurons_; k-- > 0;) {
      points_.set_stride(k, stride);
      stride *= at(near_block_.count[k]);
    }
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
    spaces::Block plane;
    spaces::Block line;
    spaces::Block node;
    for (std::size_t k = 0; k < axes_.size(); ++k) {
      slab.count[k] = static_cast<PetscInt>(axes_[k].cells());
      node.count[k] = static_cast<PetscInt>(axes_[k].nodes());
      plane.count[k] = line.count[k] = node.count[k];
    }
    share_out(axes_[0].cells(), rank, ranks, slab.start[0], slab.count[0]);
    plane.start[0] = slab.start[0];
    plane.count[0] = slab.count[0];
    line.count[0] = static_cast<PetscInt>(axes_[0].cells());
    share_out(axes_[1].nodes(), rank, ranks, line.start[1], line.count[1]);
    node.start[1] = line.start[1];
    node.count[1] = line.count[1];
    to_slabs_ = spaces::BlockExchange(comm(), dimension, own, slab);
    to_lines_ = spaces::BlockExchange(comm(), dimension, plane, line);
    to_points_ = spaces::BlockExchange(comm(), dimension, node, near_block_);
    for (const auto room :
         {&Boxes::slabs, &Boxes::planes, &Boxes::lines, &Boxes::nodes, &Boxes::near}) {
      (this->*room)(); // memory that is touched for the first time takes long
    }
    for (const spaces::BlockExchange* exchange : {&to_slabs_, &to_lines_, &to_points_}) {
      exchange->make_room(scratch_->messages);
    }
    planes_here_ = at(slab.count[0]);
    for (std::size_t k = 1; k < axes_.size(); ++k) {
      cells_per_plane_ *= axes_[k].cells();
      nodes_per_plane_ *= axes_[k].nodes();
    }
  }

  /// The first values of one of the two tables, which is made as large as that.
  std::span<double> table(std::size_t which, std::size_t size) {
    std::vector<double>& values = scratch_->tables[which];
    if (values.size() < size) {
      std::vector<double>().swap(values); // nothing in it is worth a copy
      values.resize(size);
    }
    return {values.data(), size};
  }
  /// Cells along all axes, where vectors are cut in another way.
  std::span<double> slabs() { return table(0, to_slabs_.trivial() ? 0 : to_slabs_.wanted()); }
  /// Cells along the first axis, nodes along the others.
  std::span<double> planes() { return table(1, to_lines_.held()); }
  /// The same, cut along the second.
  std::span<double> lines() { return table(to_lines_.trivial() ? 1 : 0, to_lines_.wanted()); }
  /// Nodes along all.
  std::span<double> nodes() { return table(to_lines_.trivial() ? 0 : 1, to_points_.held()); }
  /// Those around this rank's points.
  std::span<double> near() {
    const bool first = to_lines_.trivial() == to_points_.trivial();
    return table(first ? 0 : 1, to_points_.wanted());
  }

  /// Calls `visit(first, count)` for groups of planes across the first axis that caches hold.
  template <class Visit> void for_planes(Visit&& visit) const {
    constexpr std::size_t room = std::size_t{1} << 14;
    const std::size_t most = std::max<std::size_t>(room / cells_per_plane_, 1);
    for (std::size_t first = 0; first < planes_here_; first += most) {
      visit(first, std::min(most, planes_here_ - first));
    }
  }

  /// All axes but the first, from the last one on.
  void average_planes(const double* values, std::size_t planes, double* at_nodes) {
    std::size_t before = planes * cells_per_plane_;
    std::size_t after = 1;
    for (std::size_t k = axes_.size() - 1; k >= 1; --k) {
      before /= axes_[k].cells();
      const std::size_t size = before * axes_[k].nodes() * after;
      std::vector<double>& room = scratch_->rooms[k % 2];
      if (k > 1 && room.size() < size) room.resize(size);
      double* const result = k > 1 ? room.data() : at_nodes;
      axes_[k].average(values, before, after, result, scratch_->work);
      values = result;
      after *= axes_[k].nodes();
    }
  }
  void spread_planes(const double* at_nodes, std::size_t planes, double* values) {
    std::size_t before = planes;
    std::size_t after = nodes_per_plane_;
    for (std::size_t k = 1; k < axes_.size(); ++k) {
      after /= axes_[k].nodes();
      const std::size_t size = before * axes_[k].cells() * after;
      std::vector<double>& room = scratch_->rooms[k % 2];
      const bool last = k + 1 == axes_.size();
      if (!last && room.size() < size) room.resize(size);
      double* const result = last ? values : room.data();
      axes_[k].spread(at_nodes, before, after, result, scratch_->work);
      at_nodes = result;
      before *= axes_[k].cells();
    }
  }

  const models::NetworkLayer& layer_;
  const LayerSpace& from_;
  std::size_t neurons_;
  std::vector<BoxAxis> axes_; ///< of the neurons, and of nothing where there is one neuron
  double largest_leak_ = 0;
  BoxPoints points_;         ///< of this rank, among the nodes of `near_block_`
  spaces::Block near_block_; ///< the nodes around this rank's points

  spaces::BlockExchange to_slabs_; ///< from the blocks of vectors
  spaces::BlockExchange to_lines_;
  spaces::BlockExchange to_points_;
  std::size_t planes_here_ = 0;
  std::size_t cells_per_plane_ = 1;
  std::size_t nodes_per_plane_ = 1;
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
