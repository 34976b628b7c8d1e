/// A network as a chain of operators between spaces, one per layer, each with an inner product, and
/// the Mori-Zwanzig equation on it.
///
/// Functions of layer n are vectors u_n with <u, v> = sum w_n u v; M(n,n+1) takes functions of
/// layer n+1 to functions of layer n, N(n+1,n) = M(n,n+1)^* takes densities of layer n to layer
/// n+1. On grids the vectors are values at points, on dictionaries coefficients of orthonormal
/// functions. (Venturi and Li, Res. Math. Sci. 10, 2023.)
#pragma once

#include <functional>
#include <memory>
#include <string>
#include <vector>

#include "base/petsc.hpp"
#include "operators/layer_space.hpp"

namespace komori::operators {

/// The operators of all steps. Vectors of layer n have the layout of weights[n].
struct LayerChain {
  MPI_Comm comm = MPI_COMM_NULL;
  std::vector<base::UniqueVec> weights{}; ///< depth() + 1
  std::vector<base::UniqueMat> steps{};   ///< M(n,n+1), n = 0 .. depth() - 1

  int depth() const noexcept { return static_cast<int>(steps.size()); }
  Vec weight(int n) const { return weights[static_cast<std::size_t>(n)].get(); }
  /// M(n,n+1) u. Collective.
  base::UniqueVec compose(int n, Vec u) const;
  /// N(n+1,n) p. Collective.
  base::UniqueVec transfer(int n, Vec p) const;
  /// <u, v> and the norm in layer n. Collective.
  double dot(int n, Vec u, Vec v) const;
  double norm(int n, Vec u) const;
  /// |<p, M u> - <N p, u>| over the product of norms, for given functions of the two layers.
  double duality_gap(int n, Vec p, Vec u) const;
};

/// An orthogonal projection P of the functions of one layer.
class LayerProjection {
public:
  virtual ~LayerProjection() = default;
  /// P v. Collective.
  virtual base::UniqueVec apply(Vec v) const = 0;
  virtual std::int64_t rank() const noexcept = 0;
  /// The orthonormal functions it projects on, if it has them.
  virtual const std::vector<base::UniqueVec>* functions() const noexcept { return nullptr; }
};

/// Onto the span of given functions, made orthonormal; those that depend on the ones before to
/// `cut` of their norm are left out. Collective.
std::unique_ptr<LayerProjection> project_on(const LayerChain& chain, int n,
                                            std::vector<base::UniqueVec> functions,
                                            double cut = 1e-10);
/// Zwanzig's projection: onto functions of some variables of a grid alone, by averages over the
/// others. `space` must outlive it. Collective.
std::unique_ptr<LayerProjection> project_on_variables(const LayerSpace& space,
                                                      const std::vector<int>& variables);

/// The terms of the Mori-Zwanzig equation where one step ends: P g = streaming + noise + memory.
struct MemoryTerms {
  int layer = 0;       ///< where the step ends
  double resolved = 0; ///< ||P g||
  double streaming = 0;
  double noise = 0;
  std::vector<double> memory{}; ///< norms by lag: [0] is lag 1, over two steps
  double identity = 0;          ///< ||P g - streaming - noise - all memory|| over ||g||
  /// Where they are kept: the terms themselves, streaming, noise, then memory by lag.
  std::vector<base::UniqueVec> functions{};
};

/// Which way the equation runs: functions from the last layer back (M), or densities on (N).
enum class Direction { backward, forward };

/// All terms of all steps, in the order of the steps. `start` is a function of the last layer, or
/// of the first. `projections` has one per layer. `visit` is called with the terms of each step,
/// which hold their functions only then. Collective.
void memory_terms(const LayerChain& chain, Direction direction,
                  const std::vector<std::unique_ptr<LayerProjection>>& projections, Vec start,
                  const std::function<void(const MemoryTerms&)>& visit);

} // namespace komori::operators
