#include "operators/smoother.hpp"

#include "base/vector_width.hpp"

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

/// Every second cell of a line, and what the couplings of a padded position are.
struct Line {
  std::size_t begin = 0;
  std::size_t end = 0;
  std::size_t dimension = 0;
  std::array<std::size_t, spaces::max_dimension> stride{};
  std::array<const float*, spaces::max_dimension> upper{};
  std::array<const float*, spaces::max_dimension> lower{};
  const float* diagonal = nullptr;
  const float* inverse = nullptr;
};

template <int width>
[[gnu::always_inline]] inline std::array<float, width> neighbours(const Line& line, std::size_t i,
                                                                  const float* x) {
  std::array<float, width> sum{};
  for (std::size_t k = 0; k < line.dimension; ++k) {
    const float up = line.upper[k][i];
    const float down = line.lower[k][i];
    const float* const above = x + (i + line.stride[k]) * width;
    const float* const below = x + (i - line.stride[k]) * width;
    for (int j = 0; j < width; ++j) sum[j] += up * above[j] + down * below[j];
  }
  return sum;
}

template <int width> struct Relax {
  [[gnu::always_inline]] static void run(const Line& line, const float* b, float* x) {
    for (std::size_t i = line.begin; i < line.end; i += 2) {
      std::array<float, width> value = neighbours<width>(line, i, x);
      const float* const side = b + i * width;
      for (int j = 0; j < width; ++j) value[j] = (side[j] + value[j]) * line.inverse[i];
      std::copy_n(value.data(), width, x + i * width);
    }
  }
};

template <int width> struct Residual {
  [[gnu::always_inline]] static void run(const Line& line, const float* b, const float* x,
                                         float* r) {
    for (std::size_t i = line.begin; i < line.end; i += 2) {
      std::array<float, width> value = neighbours<width>(line, i, x);
      const float* const side = b + i * width;
      const float* const own = x + i * width;
      for (int j = 0; j < width; ++j) value[j] += side[j] - line.diagonal[i] * own[j];
      std::copy_n(value.data(), width, r + i * width);
    }
  }
};

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

template <class Visit> void Smoother::for_each_line(int colour, Visit&& visit) const {
  Line line{.dimension = at(block_.dimension()),
            .diagonal = diagonal_.data(),
            .inverse = inverse_.data()};
  PetscInt offset = colour;
  for (int k = 0; k < block_.dimension(); ++k) {
    offset += block_.before(k);
    line.stride[at(k)] = static_cast<std::size_t>(block_.stride(k));
    line.upper[at(k)] = upper_[at(k)].data();
    line.lower[at(k)] = lower_[at(k)].data();
  }
  block_.for_each_run([&](std::size_t first, const Index& cell, std::size_t) {
    PetscInt parity = offset;
    for (int k = 0; k + 1 < block_.dimension(); ++k) parity += cell[at(k)];
    line.begin = first + static_cast<std::size_t>(parity % 2);
    line.end = first + run_of(block_);
    visit(line);
  });
}

template <int width> void Smoother::relax(int colour, const float* b, float* x) const {
  for_each_line(colour, [&](const Line& line) { base::run_widest<Relax<width>>(line, b, x); });
}

template <int width> void Smoother::first_sweep(Field& b, Field& x) const {
  float* const values = x.data();
  const float* const side = b.data();
  for_each_line(0, [&](const Line& line) {
    for (std::size_t i = line.begin; i < line.end; i += 2) {
      for (int j = 0; j < width; ++j) {
        values[i * width + at(j)] = side[i * width + at(j)] * inverse_[i];
      }
    }
  });
  if (!two_colours_) clear<width>(1, values);
  x.exchange();
  relax<width>(1, side, values);
  x.exchange();
}

template <int width> void Smoother::clear(int colour, float* x) const {
  for_each_line(colour, [&](const Line& line) {
    for (std::size_t i = line.begin; i < line.end; i += 2) std::fill_n(x + i * width, width, 0.0F);
  });
}

template <int width> void Smoother::residual(const Field& b, Field& x, Field& r) const {
  const auto compute = [&](const Line& line) {
    base::run_widest<Residual<width>>(line, b.data(), static_cast<const Field&>(x).data(),
                                      r.data());
  };
  for_each_line(0, compute);
  if (two_colours_) {
    clear<width>(1, r.data()); // what was relaxed last has none
  } else {
    for_each_line(1, compute);
  }
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
