#include "operators/layer_space.hpp"

#include <array>

#include "spaces/gauss_rules.hpp"

namespace komori::operators {
namespace {

/// The points as cells whose widths are the weights of the quadrature.
spaces::Grid points_grid(MPI_Comm comm, const std::vector<std::string>& names,
                         const std::vector<models::Interval>& range,
                         const std::vector<PetscInt>& cells, const spaces::Rule& rule) {
  std::vector<spaces::Axis> axes;
  for (std::size_t k = 0; k < names.size(); ++k) {
    const double width = (range[k].to - range[k].from) / static_cast<double>(cells[k]);
    std::vector<double> edges{range[k].from};
    for (PetscInt j = 0; j < cells[k]; ++j) {
      double covered = 0;
      for (std::size_t b = 0; b + 1 < rule.weights.size(); ++b) {
        covered += rule.weights[b];
        edges.push_back(range[k].from + (static_cast<double>(j) + covered) * width);
      }
      edges.push_back(j + 1 == cells[k] ? range[k].to
                                        : range[k].from + static_cast<double>(j + 1) * width);
    }
    axes.emplace_back(names[k], std::move(edges), spaces::Boundary::reflecting,
                      spaces::Boundary::reflecting);
  }
  return {comm, std::move(axes)};
}

} // namespace

LayerSpace::LayerSpace(MPI_Comm comm, const std::vector<std::string>& names,
                       const std::vector<models::Interval>& range,
                       const std::vector<PetscInt>& cells, int order)
    : order_(order), grid_(points_grid(comm, names, range, cells,
                                       spaces::gauss_legendre(static_cast<std::size_t>(order)))) {
  const spaces::Rule rule = spaces::gauss_legendre(static_cast<std::size_t>(order));
  nodes_ = rule.nodes;
  for (std::size_t b = 0; b < nodes_.size(); ++b) {
    double product = 1;
    for (std::size_t c = 0; c < nodes_.size(); ++c) {
      if (c != b) product *= nodes_[b] - nodes_[c];
    }
    barycentric_.push_back(product);
  }
  for (std::size_t k = 0; k < names.size(); ++k) {
    Axis axis{.range = range[k], .edges = {}, .points = {}};
    const double width = (range[k].to - range[k].from) / static_cast<double>(cells[k]);
    for (PetscInt j = 0; j < cells[k]; ++j) {
      axis.edges.push_back(range[k].from + static_cast<double>(j) * width);
      for (const double node : nodes_) {
        axis.points.push_back(range[k].from + (static_cast<double>(j) + 0.5 * (node + 1)) * width);
      }
    }
    axis.edges.push_back(range[k].to);
    axes_.push_back(std::move(axis));
    volume_ *= range[k].to - range[k].from;
  }
  weights_ = grid_.volumes();
}

void LayerSpace::point(const spaces::Index& index, std::span<double> x) const {
  for (int k = 0; k < dimension(); ++k) {
    x[at(k)] = axes_[at(k)].points[static_cast<std::size_t>(index[at(k)])];
  }
}

base::UniqueVec LayerSpace::sampled(const spaces::Field& field) const {
  base::UniqueVec vec = grid_.vector();
  const base::WriteArray values(vec.get());
  std::array<double, spaces::max_dimension> x{};
  const std::span<double> place(x.data(), at(dimension()));
  grid_.for_each_cell([&](PetscInt local, const spaces::Index& index) {
    point(index, place);
    values[static_cast<std::size_t>(local)] = field(place);
  });
  return vec;
}

double LayerSpace::lagrange(int k, PetscInt j, int b, double y) const {
  const Axis& axis = axes_[at(k)];
  const double from = axis.edges[static_cast<std::size_t>(j)];
  const double to = axis.edges[static_cast<std::size_t>(j) + 1];
  const double t = (2 * y - from - to) / (to - from);
  double value = 1 / barycentric_[at(b)];
  for (std::size_t c = 0; c < nodes_.size(); ++c) {
    if (c != at(b)) value *= t - nodes_[c];
  }
  return value;
}

} // namespace komori::operators
