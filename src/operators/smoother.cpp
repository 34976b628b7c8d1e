#include "operators/smoother.hpp"

namespace komori::operators {
namespace {

using linalg::BlockView;
using spaces::Index;
using spaces::PaddedBlock;

std::size_t at(int k) {
  return static_cast<std::size_t>(k);
}

std::size_t run_of(const PaddedBlock& block) {
  return static_cast<std::size_t>(block.count(block.dimension() - 1));
}

} // namespace

void Field::shape(const PaddedBlock& block, int width) {
  const std::size_t size = block.padded_cells() * static_cast<std::size_t>(width);
  if (width == width_ && values_.size() == size) return;
  width_ = width;
  values_.assign(size, 0);
  exchange_ = std::make_unique<spaces::GhostExchange>(block, MPI_FLOAT, width);
}

template <int width>
void Field::read(const PaddedBlock& block, BlockView from,
                 const std::array<double, width>& factor) {
  block.for_each_run([&](std::size_t first, const Index&, std::size_t row) {
    for (std::size_t c = 0; c < run_of(block); ++c) {
      float* const to = &values_[(first + c) * width];
      const double* const source = from.data + (row + c) * at(from.stride);
      for (int j = 0; j < from.columns; ++j) to[j] = static_cast<float>(source[j] * factor[at(j)]);
      for (int j = from.columns; j < width; ++j) to[j] = 0;
    }
  });
}

template <int width>
void Field::write(const PaddedBlock& block, BlockView to,
                  const std::array<double, width>& factor) const {
  block.for_each_run([&](std::size_t first, const Index&, std::size_t row) {
    for (std::size_t c = 0; c < run_of(block); ++c) {
      const float* const source = &values_[(first + c) * width];
      double* const target = to.data + (row + c) * at(to.stride);
      for (int j = 0; j < to.columns; ++j) target[j] = source[j] * factor[at(j)];
    }
  });
}

Smoother::Smoother(const SymmetricStencil& stencil, Form form, double shift, double scale)
    : block_(stencil.block) {
  const std::size_t size = block_.padded_cells();
  diagonal_.assign(size, 1);
  inverse_.assign(size, 1);
  for (std::size_t i = 0; i < size; ++i) {
    const double entry = (stencil.diagonal[i] - shift) * scale;
    if (entry <= 0) continue; // a ghost
    diagonal_[i] = static_cast<float>(entry);
    inverse_[i] = static_cast<float>(1 / entry);
  }
  for (int k = 0; k < block_.dimension(); ++k) {
    const auto stride = static_cast<std::size_t>(block_.stride(k));
    upper_[at(k)].assign(size, 0);
    lower_[at(k)].assign(size, 0);
    for (std::size_t i = stride; i < size; ++i) {
      const double up = stencil.coupling[at(k)][i] * scale;
      const double down = stencil.coupling[at(k)][i - stride] * scale;
      const bool functions = form == Form::functions;
      upper_[at(k)][i] = static_cast<float>(functions ? up * stencil.ratio[at(k)][i] : up);
      lower_[at(k)][i] =
          static_cast<float>(functions ? down / stencil.ratio[at(k)][i - stride] : down);
    }
    const bool ring = block_.periodic(k);
    two_colours_ = two_colours_ && !(ring && block_.total(k) % 2 != 0);
  }
}

template <class Visit> void Smoother::for_each(int colour, Visit&& visit) const {
  PetscInt offset = colour;
  for (int k = 0; k < block_.dimension(); ++k) offset += block_.before(k);
  block_.for_each_run([&](std::size_t first, const Index& cell, std::size_t) {
    PetscInt parity = offset;
    for (int k = 0; k + 1 < block_.dimension(); ++k) parity += cell[at(k)];
    const std::size_t end = first + run_of(block_);
    for (std::size_t i = first + static_cast<std::size_t>(parity % 2); i < end; i += 2) visit(i);
  });
}

template <int width>
std::array<float, width> Smoother::neighbours(std::size_t i, const float* x) const {
  std::array<float, width> sum{};
  for (int k = 0; k < block_.dimension(); ++k) {
    const auto stride = static_cast<std::size_t>(block_.stride(k));
    const float up = upper_[at(k)][i];
    const float down = lower_[at(k)][i];
    const float* const above = x + (i + stride) * width;
    const float* const below = x + (i - stride) * width;
    for (int j = 0; j < width; ++j) sum[at(j)] += up * above[j] + down * below[j];
  }
  return sum;
}

template <int width> void Smoother::relax(int colour, const float* b, float* x) const {
  for_each(colour, [&](std::size_t i) {
    const std::array<float, width> sum = neighbours<width>(i, x);
    const float inverse = inverse_[i];
    for (int j = 0; j < width; ++j) {
      x[i * width + at(j)] = (b[i * width + at(j)] + sum[at(j)]) * inverse;
    }
  });
}

template <int width> void Smoother::first_sweep(Field& b, Field& x) const {
  float* const values = x.data();
  const float* const side = b.data();
  for_each(0, [&](std::size_t i) {
    for (int j = 0; j < width; ++j) {
      values[i * width + at(j)] = side[i * width + at(j)] * inverse_[i];
    }
  });
  if (!two_colours_) {
    for_each(1, [&](std::size_t i) {
      for (int j = 0; j < width; ++j) values[i * width + at(j)] = 0;
    });
  }
  x.exchange();
  relax<width>(1, side, values);
  x.exchange();
}

template <int width> void Smoother::residual(const Field& b, Field& x, Field& r) const {
  const float* const values = x.data();
  const float* const side = b.data();
  float* const result = r.data();
  const auto compute = [&](std::size_t i) {
    const std::array<float, width> sum = neighbours<width>(i, values);
    const float diagonal = diagonal_[i];
    for (int j = 0; j < width; ++j) {
      const std::size_t n = i * width + at(j);
      result[n] = side[n] - diagonal * values[n] + sum[at(j)];
    }
  };
  for_each(0, compute);
  if (!two_colours_) {
    for_each(1, compute);
    return;
  }
  for_each(1, [&](std::size_t i) { // what was relaxed last has none
    for (int j = 0; j < width; ++j) result[i * width + at(j)] = 0;
  });
}

template <int width> void Smoother::last_sweep(const Field& b, Field& x) const {
  x.exchange();
  relax<width>(1, b.data(), x.data());
  x.exchange();
  relax<width>(0, b.data(), x.data());
}

template <int width> void restrict_values(const Transfer& transfer, Field& fine, Field& coarse) {
  fine.exchange(transfer.axis);
  const PaddedBlock& from = transfer.fine;
  const PaddedBlock& to = transfer.coarse;
  const int last = to.dimension() - 1;
  const auto step = static_cast<std::size_t>(from.stride(transfer.axis));
  const TransferWeights& use = transfer.restriction();
  const float* const values = fine.data();
  to.for_each_run([&](std::size_t first, const Index& cell, std::size_t) {
    Index child = cell;
    child[at(transfer.axis)] *= 2;
    std::size_t i = from.position(child);
    PetscInt left = from.count(transfer.axis) - child[at(transfer.axis)];
    const std::size_t advance = transfer.axis == last ? 2 : 1;
    for (std::size_t c = 0; c < run_of(to); ++c, i += advance) {
      const bool whole = left > 1;
      const std::size_t second = whole ? i + step : i;
      const std::array<std::size_t, 3> sources{i - step, i, second + step};
      const std::array<float, 3> weights{use.other[sources[0]], use.own[i], use.other[sources[2]]};
      const float partner = whole ? use.own[second] : 0;
      float* const sum = coarse.data() + (first + c) * width;
      for (int j = 0; j < width; ++j) {
        const auto column = at(j);
        sum[j] = weights[0] * values[sources[0] * width + column] +
                 weights[1] * values[sources[1] * width + column] +
                 partner * values[second * width + column] +
                 weights[2] * values[sources[2] * width + column];
      }
      if (transfer.axis == last) left -= 2;
    }
  });
}

template <int width>
void interpolate(const Transfer& transfer, Field& coarse, Field& fine, bool add) {
  coarse.exchange(transfer.axis);
  const PaddedBlock& to = transfer.fine;
  const PaddedBlock& from = transfer.coarse;
  const bool along = transfer.axis == to.dimension() - 1;
  const std::ptrdiff_t stride = from.stride(transfer.axis);
  const float* const values = coarse.data();
  to.for_each_run([&](std::size_t first, const Index& cell, std::size_t) {
    Index parent = cell;
    parent[at(transfer.axis)] /= 2;
    const std::size_t pair = from.position(parent);
    const bool upper = cell[at(transfer.axis)] % 2 != 0;
    for (std::size_t c = 0; c < run_of(to); ++c) {
      const std::size_t i = first + c;
      const std::size_t own = pair + (along ? c / 2 : c);
      const bool away = along ? c % 2 != 0 : upper;
      const float* const here = values + own * width;
      const float* const there = here + (away ? stride : -stride) * width;
      const float a = transfer.up.own[i];
      const float b = transfer.up.other[i];
      float* const x = fine.data() + i * width;
      if (add) {
        for (int j = 0; j < width; ++j) x[j] += a * here[j] + b * there[j];
      } else {
        for (int j = 0; j < width; ++j) x[j] = a * here[j] + b * there[j];
      }
    }
  });
}

template void Field::read<1>(const PaddedBlock&, BlockView, const std::array<double, 1>&);
template void Field::read<4>(const PaddedBlock&, BlockView, const std::array<double, 4>&);
template void Field::read<8>(const PaddedBlock&, BlockView, const std::array<double, 8>&);
template void Field::read<16>(const PaddedBlock&, BlockView, const std::array<double, 16>&);
template void Field::write<1>(const PaddedBlock&, BlockView, const std::array<double, 1>&) const;
template void Field::write<4>(const PaddedBlock&, BlockView, const std::array<double, 4>&) const;
template void Field::write<8>(const PaddedBlock&, BlockView, const std::array<double, 8>&) const;
template void Field::write<16>(const PaddedBlock&, BlockView, const std::array<double, 16>&) const;
template void Smoother::first_sweep<1>(Field&, Field&) const;
template void Smoother::first_sweep<4>(Field&, Field&) const;
template void Smoother::first_sweep<8>(Field&, Field&) const;
template void Smoother::first_sweep<16>(Field&, Field&) const;
template void Smoother::residual<1>(const Field&, Field&, Field&) const;
template void Smoother::residual<4>(const Field&, Field&, Field&) const;
template void Smoother::residual<8>(const Field&, Field&, Field&) const;
template void Smoother::residual<16>(const Field&, Field&, Field&) const;
template void Smoother::last_sweep<1>(const Field&, Field&) const;
template void Smoother::last_sweep<4>(const Field&, Field&) const;
template void Smoother::last_sweep<8>(const Field&, Field&) const;
template void Smoother::last_sweep<16>(const Field&, Field&) const;
template void restrict_values<1>(const Transfer&, Field&, Field&);
template void restrict_values<4>(const Transfer&, Field&, Field&);
template void restrict_values<8>(const Transfer&, Field&, Field&);
template void restrict_values<16>(const Transfer&, Field&, Field&);
template void interpolate<1>(const Transfer&, Field&, Field&, bool);
template void interpolate<4>(const Transfer&, Field&, Field&, bool);
template void interpolate<8>(const Transfer&, Field&, Field&, bool);
template void interpolate<16>(const Transfer&, Field&, Field&, bool);

} // namespace komori::operators
