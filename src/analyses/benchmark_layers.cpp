#include "analyses/benchmark_layers.hpp"

#include <algorithm>
#include <memory>
#include <optional>
#include <vector>

#include <fmt/format.h>

#include "base/memory.hpp"
#include "operators/generator.hpp"
#include "operators/layer_boxes.hpp"

namespace komori::analyses {
namespace {

using base::check;

/// A layer of three neurons on so many cells along each variable.
struct Layer {
  Layer(MPI_Comm comm, PetscInt cells) {
    layer.weight = {1, -0.5, 0.3, 0.7, 1.2, -0.4, -0.2, 0.6, 0.9};
    layer.bias = {0.2, -0.1, 0};
    const models::Network network{.input = {{"x", {-1, 1}}, {"y", {-1, 1}}, {"z", {-1, 1}}},
                                  .layers = {layer}};
    const auto ranges = models::ranges(network);
    const std::vector<PetscInt> all(3, cells);
    from = std::make_unique<operators::LayerSpace>(comm, network.variables(0), ranges[0], all, 1);
    to = std::make_unique<operators::LayerSpace>(comm, network.variables(1), ranges[1], all, 1);
    boxes = operators::box_layer(layer, *from, *to, operators::make_box_scratch());
    u = base::duplicate(to->weights());
    p = base::duplicate(from->weights());
    check(VecSet(u.get(), 1));
    check(VecSet(p.get(), 1));
    v = base::duplicate(p.get());
    q = base::duplicate(u.get());
  }
  void expectation(Mat matrix) const { check(MatMult(matrix, u.get(), v.get())); }
  void density(Mat matrix) const { check(MatMultTranspose(matrix, p.get(), q.get())); }

  models::NetworkLayer layer{.name = "layer",
                             .neurons = 3,
                             .inputs = 3,
                             .activation = {models::Activation::tanh},
                             .noise = {models::NeuronNoise::uniform(0.8)}};
  std::unique_ptr<operators::LayerSpace> from;
  std::unique_ptr<operators::LayerSpace> to;
  operators::LayerMatrix boxes;
  base::UniqueVec u, v, p, q;
};

/// What one would store instead if the next value lay in one of the cells around: rates of a
/// diffusion in three dimensions.
struct Neighbours {
  Neighbours(const spaces::Grid& cells, const models::Sde& model)
      : generator(operators::assemble_generator(operators::FaceFluxes(cells, model, {}))),
        x(cells.sampled([](auto) { return 1.0; })), y(cells.vector()) {}
  void multiply() const { check(MatMult(generator.matrix.get(), x.get(), y.get())); }
  double bytes() const {
    PetscInt rows = 0;
    check(VecGetSize(x.get(), &rows));
    constexpr double entry = sizeof(PetscScalar) + sizeof(PetscInt);
    return static_cast<double>(generator.facts.nonzeros) * entry +
           static_cast<double>(rows) * (sizeof(PetscInt) + 16);
  }

  operators::Generator generator;
  base::UniqueVec x, y;
};

} // namespace

void BenchmarkLayers::layer_products() {
  const auto cells = static_cast<PetscInt>(input_.layer_cells);
  {
    const Layer large(session_.comm(), cells);
    const Mat boxes = large.boxes.matrix.get();
    const double bytes = operators::box_product_bytes(boxes);
    const auto points = static_cast<double>(large.from->grid().cells());
    std::vector<Product> products{
        {"layer, M v without a matrix", [&] { large.expectation(boxes); }, bytes},
        {"layer, N p without a matrix", [&] { large.density(boxes); }, bytes}};
    std::optional<Neighbours> neighbours;
    if (input_.compare) {
      neighbours.emplace(grid(points, -2.5, 2.5, 3, session_.comm()), sde(false, 3));
      products.push_back({"seven-point matrix (AIJ), as many rows", [&] { neighbours->multiply(); },
                          neighbours->bytes()});
    }
    beside_triad("triad bandwidth, arrays as the layer's", products, points);
    if (input_.compare) {
      const std::size_t first = results_.size() - products.size(); // behind the triad
      const double bandwidth = 1e9 * results_[first - 1].value;
      const double seconds = results_[first].seconds;
      const double stored = results_.back().seconds;
      add({.name = "layer, M v over the seven-point matrix",
           .value = seconds / stored,
           .unit = "times",
           .note = "seconds of one product over those of the other"});
      add({.name = "layer, M v over one at 70 % of the triad",
           .value = seconds / (neighbours->bytes() / (0.7 * bandwidth)),
           .unit = "times",
           .note = "the share that is asked of products of stored matrices"});
    }
  }
  if (!input_.compare) return;
  constexpr PetscInt most = 24; // 2.4e7 entries; their number grows with the sixth power
  const Layer small(session_.comm(), std::min(cells, most));
  const operators::LayerMatrix matrix = operators::assemble_layer(
      small.layer, *small.from, *small.to, operators::Integrand::polynomials);
  const auto over = [&](const std::string& name, void (Layer::*product)(Mat) const) {
    const double stored = median([&] { (small.*product)(matrix.matrix.get()); }, repeats());
    const double not_stored =
        median([&] { (small.*product)(small.boxes.matrix.get()); }, repeats());
    add({.name = name,
         .seconds = not_stored,
         .value = stored / not_stored,
         .unit = "times longer",
         .note = fmt::format("{} cells along each axis, {:.2g} entries, {}", std::min(cells, most),
                             static_cast<double>(matrix.nonzeros),
                             base::bytes_text(12.0 * static_cast<double>(matrix.nonzeros)))});
  };
  over("layer, M v by a matrix", &Layer::expectation);
  over("layer, N p by a matrix", &Layer::density);
}

} // namespace komori::analyses
