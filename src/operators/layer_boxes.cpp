#include "operators/layer_boxes.hpp"

#include <algorithm>
#include <array>
#include <cmath>
#include <cstdint>
#include <limits>
#include <memory>
#include <optional>
#include <string>
#include <utility>
#include <vector>

#include "operators/box_axis.hpp"
#include "operators/box_points.hpp"
#include "spaces/block_exchange.hpp"

namespace komori::operators {

/// Values between two passes, and those that come from other ranks.
struct BoxScratch {
  std::array<std::vector<double>, 2> tables{};
  spaces::BlockExchange::Messages messages{};
  std::array<std::vector<double>, 2> rooms{}; ///< of a plane
  std::vector<double> tile{};
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
/// the first in planes of cells across it, of which each rank has some, and which caches hold from
/// pass to pass; then the first, by each rank for the nodes around its own points. Of these a cache
/// holds a tile at a time, until the points in it have their values.
class Boxes {
public:
  Boxes(const models::NetworkLayer& layer, const LayerSpace& from, const LayerSpace& to,
        std::shared_ptr<BoxScratch> scratch)
      : layer_(layer), from_(from), neurons_(at(to.dimension())), scratch_(std::move(scratch)) {
    for (std::size_t k = 0; k < neurons_; ++k) {
      axes_.emplace_back(to.grid().axis(static_cast<int>(k)).edges(), layer.noise_at(k).reach());
    }
    place_points();
    cut(to.grid());
  }

  double largest_leak() const { return largest_leak_; }

  void multiply(std::span<const double> u, std::span<double> v) {
    std::span<const double> cells = u;
    if (!to_planes_.trivial()) {
      to_planes_.fetch(u, planes(), scratch_->messages);
      cells = planes();
    }
    for_planes([&](std::size_t first, std::size_t count) {
      average_planes(cells.data() + first * cells_per_plane_, count,
                     between().data() + first * nodes_per_plane_);
    });
    if (!to_points_.trivial()) to_points_.fetch(between(), near(), scratch_->messages);
    if (points_.count() == 0) return;
    for_tiles([&](std::size_t which, double* nodes) {
      average_tile(which, near().data(), nodes);
      points_.gather(points_.tiles()[which], nodes, v);
    });
  }

  void multiply_transposed(std::span<const double> p, std::span<double> q) {
    const std::span<double> its = near();
    std::fill(its.begin(), its.end(), 0.0);
    for_tiles([&](std::size_t which, double* nodes) {
      std::fill_n(nodes, nodes_per_tile_, 0.0);
      points_.scatter(points_.tiles()[which], p, nodes);
      spread_tile(which, nodes, its.data());
    });
    if (!to_points_.trivial()) to_points_.sum_back(near(), between(), scratch_->messages);
    const std::span<double> cells = to_planes_.trivial() ? q : planes();
    for_planes([&](std::size_t first, std::size_t count) {
      spread_planes(between().data() + first * nodes_per_plane_, count,
                    cells.data() + first * cells_per_plane_);
    });
    if (!to_planes_.trivial()) to_planes_.sum_back(planes(), q, scratch_->messages);
  }

  double product_bytes() const {
    auto between = static_cast<double>(axes_[0].cells());
    auto cells = between;
    for (std::size_t k = 1; k < neurons_; ++k) {
      between *= static_cast<double>(axes_[k].distinct());
      cells *= static_cast<double>(axes_[k].cells());
    }
    const auto points = static_cast<double>(from_.grid().cells());
    const auto place = static_cast<double>(neurons_ * sizeof(double) + sizeof(std::uint32_t));
    return sizeof(double) * (points + cells + 2 * between) + points * place;
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
    points_ = BoxPoints(at(grid.local_cells()), neurons_);
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
    }
    if (points_.count() > 0) take_whole_planes();
    for (std::size_t k = 0; k < neurons_; ++k) {
      for (double& place : points_.coordinates(k))
        place -= static_cast<double>(near_block_.start[k]);
    }
    points_.arrange({near_block_.count.data(), neurons_});
  }

  /// Where points need most of a plane they take all of it, which is not copied.
  void take_whole_planes() {
    double needed = 1;
    double whole = 1;
    for (std::size_t k = 1; k < neurons_; ++k) {
      needed *= static_cast<double>(near_block_.count[k]);
      whole *= static_cast<double>(axes_[k].nodes());
    }
    for (std::size_t k = 1; k < neurons_ && 2 * needed > whole; ++k) {
      near_block_.start[k] = 0;
      near_block_.count[k] = static_cast<PetscInt>(axes_[k].nodes());
    }
  }

  /// Shares planes out, and makes room for their values.
  void cut(const spaces::Grid& grid) {
    int rank = 0;
    int ranks = 0;
    MPI_Comm_rank(comm(), &rank);
    MPI_Comm_size(comm(), &ranks);
    const int dimension = static_cast<int>(neurons_);
    spaces::Block planes; // of cells
    spaces::Block between;
    for (std::size_t k = 0; k < neurons_; ++k) {
      planes.count[k] = static_cast<PetscInt>(axes_[k].cells());
      between.count[k] = static_cast<PetscInt>(axes_[k].nodes());
      if (k > 0) passes_.push_back(axes_[k].pass());
    }
    share_out(axes_[0].cells(), rank, ranks, planes.start[0], planes.count[0]);
    between.start[0] = planes.start[0];
    between.count[0] = planes.count[0];
    planes_here_ = at(planes.count[0]);
    spaces::Block near = near_block_;
    if (points_.count() > 0) {
      first_pass_ = axes_[0].pass(at(near.start[0]), at(near.count[0]));
      near.start[0] = static_cast<PetscInt>(first_pass_.first_cell);
      near.count[0] = static_cast<PetscInt>(first_pass_.cells);
    }
    for (std::size_t k = 1; k < neurons_; ++k) {
      cells_per_plane_ *= axes_[k].cells();
      nodes_per_plane_ *= axes_[k].nodes();
      near_per_plane_ *= at(near.count[k]);
    }
    cut_into_tiles();
    to_planes_ = spaces::BlockExchange(
        comm(), dimension, grid.local_cells() > 0 ? grid.block() : spaces::Block{}, planes);
    to_points_ = spaces::BlockExchange(comm(), dimension, between, near);
    constexpr std::size_t cached = std::size_t{1} << 20;
    stream_ = neurons_ > 2 && planes_here_ * nodes_per_plane_ > cached;
    for (const auto table : {&Boxes::planes, &Boxes::between, &Boxes::near}) {
      (this->*table)(); // memory that is touched for the first time takes long
    }
    for (const spaces::BlockExchange* exchange : {&to_planes_, &to_points_}) {
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
  std::span<double> planes() { return table(0, to_planes_.trivial() ? 0 : to_planes_.wanted()); }
  /// Cells along the first axis, nodes along the others, cut along the first.
  std::span<double> between() {
    const std::optional<std::size_t> place = to_points_.place_of_held();
    return place ? near().subspan(*place, to_points_.held()) : table(1, to_points_.held());
  }
  /// Those for this rank's points.
  std::span<double> near() {
    return table(to_points_.place_of_held() ? 1 : 0, to_points_.wanted());
  }

  double* room(std::size_t which, std::size_t size) {
    std::vector<double>& values = scratch_->rooms[which];
    if (values.size() < size) values.resize(size);
    return values.data();
  }

  /// Calls `visit(first, count)` for groups of this rank's planes, which caches hold.
  template <class Visit> void for_planes(Visit&& visit) const {
    constexpr std::size_t cached = std::size_t{1} << 13;
    const std::size_t most = std::max<std::size_t>(cached / cells_per_plane_, 1);
    for (std::size_t first = 0; first < planes_here_; first += most) {
      visit(first, std::min(most, planes_here_ - first));
    }
  }

  /// Planes of cells, averaged along all their axes from the last to the first.
  void average_planes(const double* values, std::size_t count, double* to) {
    if (passes_.empty()) std::copy_n(values, count, to);
    std::size_t before = count * cells_per_plane_;
    std::size_t after = 1;
    for (std::size_t k = passes_.size(); k-- > 0;) {
      const BoxPass& pass = passes_[k];
      before /= pass.cells;
      double* const result = k == 0 ? to : room(k % 2, before * pass.nodes * after);
      pass.average(values, before, after, result, scratch_->work, k == 0 && stream_);
      values = result;
      after *= pass.nodes;
    }
  }
  void spread_planes(const double* values, std::size_t count, double* to) {
    if (passes_.empty()) std::copy_n(values, count, to);
    std::size_t before = count;
    std::size_t after = nodes_per_plane_;
    for (std::size_t k = 0; k < passes_.size(); ++k) {
      const BoxPass& pass = passes_[k];
      after /= pass.nodes;
      double* const result =
          k + 1 == passes_.size() ? to : room(k % 2, before * pass.cells * after);
      pass.spread(values, before, after, result, scratch_->work);
      values = result;
      before *= pass.cells;
    }
  }

  void cut_into_tiles() {
    for (const BoxTile& tile : points_.tiles()) {
      parts_.push_back(axes_[0].part(at(near_block_.start[0]) + tile.node[0], tile.nodes[0]));
      parts_.back().node = tile.node[0];
      parts_.back().cell -= first_pass_.first_cell;
      std::size_t nodes = 1;
      for (std::size_t k = 0; k < neurons_; ++k) nodes *= tile.nodes[k];
      nodes_per_tile_ = std::max(nodes_per_tile_, nodes);
    }
  }
  /// Calls `visit(number, room for its nodes)` for the tiles of this rank's points.
  template <class Visit> void for_tiles(Visit&& visit) {
    if (scratch_->tile.size() < nodes_per_tile_) scratch_->tile.resize(nodes_per_tile_);
    for (std::size_t which = 0; which < parts_.size(); ++which) visit(which, scratch_->tile.data());
  }
  /// Calls `visit(columns, place, line)` for lines along the first axis that lie next to each
  /// other: where they begin among the values of `near` and in the tile.
  template <class Visit> void for_columns(const BoxTile& tile, Visit&& visit) const {
    const std::size_t last = neurons_ - 1;
    const std::size_t all = lines_of(tile);
    const BoxColumns columns{.lines = last > 0 ? tile.nodes[last] : 1,
                             .cell_step = near_per_plane_,
                             .node_step = all,
                             .ahead = last > 1 ? at(near_block_.count[last]) : 0};
    for (std::size_t line = 0; line < all; line += columns.lines) {
      std::size_t place = 0;
      std::size_t stride = 1;
      std::size_t rest = line;
      for (std::size_t k = last; k > 0; --k) {
        place += (tile.node[k] + rest % tile.nodes[k]) * stride;
        rest /= tile.nodes[k];
        stride *= at(near_block_.count[k]);
      }
      visit(columns, place, line);
    }
  }
  std::size_t lines_of(const BoxTile& tile) const {
    std::size_t lines = 1;
    for (std::size_t k = 1; k < neurons_; ++k) lines *= tile.nodes[k];
    return lines;
  }
  void average_tile(std::size_t which, const double* values, double* nodes) {
    for_columns(points_.tiles()[which], [&](const BoxColumns& columns, std::size_t place,
                                            std::size_t line) {
      first_pass_.average(parts_[which], columns, values + place, nodes + line, scratch_->work);
    });
  }
  /// Adds to the values.
  void spread_tile(std::size_t which, const double* nodes, double* values) {
    for_columns(points_.tiles()[which], [&](const BoxColumns& columns, std::size_t place,
                                            std::size_t line) {
      first_pass_.spread(parts_[which], columns, nodes + line, values + place, scratch_->work);
    });
  }

  const models::NetworkLayer& layer_;
  const LayerSpace& from_;
  std::size_t neurons_;
  std::vector<BoxAxis> axes_;
  double largest_leak_ = 0;
  BoxPoints points_;         ///< of this rank, among the nodes of `near_block_`
  spaces::Block near_block_; ///< the nodes around this rank's points

  spaces::BlockExchange to_planes_; ///< from the blocks of vectors
  spaces::BlockExchange to_points_;
  std::vector<BoxPass> passes_;     ///< along all axes but the first
  BoxPass first_pass_;              ///< to the nodes of `near_block_`
  std::vector<BoxPart> parts_;      ///< of that, by tiles
  std::size_t planes_here_ = 0;     ///< of cells, across the first axis
  std::size_t cells_per_plane_ = 1; ///< of all of them
  std::size_t nodes_per_plane_ = 1; ///< of such planes
  std::size_t near_per_plane_ = 1;  ///< of these, around this rank's points
  std::size_t nodes_per_tile_ = 0;  ///< at most
  bool stream_ = false;             ///< tables of nodes are larger than caches
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

double box_product_bytes(Mat matrix) {
  return boxes_of(matrix).product_bytes();
}

double box_hilbert_schmidt_squared(Mat matrix) {
  return boxes_of(matrix).hilbert_schmidt_squared();
}

} // namespace komori::operators
