/// The kernels of the block multigrid cycle: smoothing on one grid, transfer between two.
#pragma once

#include <array>
#include <memory>
#include <vector>

#include "linalg/block_operator.hpp"
#include "operators/coarsening.hpp"
#include "spaces/padded_block.hpp"

namespace komori::operators {

/// Values of `width` columns per cell in single precision, padded, with the exchange of ghosts.
class Field {
public:
  /// Makes room; values are 0 where the shape is new. Local.
  void shape(const spaces::PaddedBlock& block, int width);
  float* data() noexcept { return values_.data(); }
  const float* data() const noexcept { return values_.data(); }
  /// Ghosts on all axes, or on one. Collective.
  void exchange() { (*exchange_)(values_.data()); }
  void exchange(int k) { (*exchange_)(values_.data(), k); }
  /// Takes rows times `factor` per column from a block, or gives them to it. Local.
  template <int width>
  void read(const spaces::PaddedBlock& block, linalg::BlockView from,
            const std::array<double, width>& factor);
  template <int width>
  void write(const spaces::PaddedBlock& block, linalg::BlockView to,
             const std::array<double, width>& factor) const;

private:
  std::vector<float> values_;
  std::unique_ptr<spaces::GhostExchange> exchange_;
  int width_ = 0;
};

/// Gauss-Seidel for (A - shift) * scale, first on one colour of the chequerboard, then on the
/// other; `first_sweep` and `last_sweep` are adjoint to each other.
class Smoother {
public:
  Smoother(const SymmetricStencil& stencil, Form form, double shift, double scale);
  const spaces::PaddedBlock& block() const noexcept { return block_; }
  /// x = one sweep from 0. All collective.
  template <int width> void first_sweep(Field& b, Field& x) const;
  /// r = b - A x after `first_sweep`.
  template <int width> void residual(const Field& b, Field& x, Field& r) const;
  /// One sweep on x in the opposite order.
  template <int width> void last_sweep(const Field& b, Field& x) const;

private:
  template <class Visit> void for_each_line(int colour, Visit&& visit) const;
  template <int width> void relax(int colour, const float* b, float* x) const;
  template <int width> void clear(int colour, float* x) const;

  spaces::PaddedBlock block_;
  bool two_colours_ = true; ///< no neighbours share a colour
  std::vector<float> diagonal_;
  std::vector<float> inverse_;
  std::array<std::vector<float>, spaces::max_dimension> upper_; ///< to the next cell on an axis
  std::array<std::vector<float>, spaces::max_dimension> lower_; ///< to the one before
};

/// coarse = P^T fine, and fine = P coarse or fine += P coarse. Collective.
template <int width> void restrict_values(const Transfer& transfer, Field& fine, Field& coarse);
template <int width>
void interpolate(const Transfer& transfer, Field& coarse, Field& fine, bool add);

} // namespace komori::operators
