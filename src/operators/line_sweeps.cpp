#include "operators/line_sweeps.hpp"

#include <algorithm>
#include <array>
#include <utility>

#include <Eigen/LU>

#include "base/petsc.hpp"
#include "base/vector_width.hpp"

namespace komori::operators {
namespace {

using base::check;

std::size_t at(PetscInt i) {
  return static_cast<std::size_t>(i);
}

/// A line with the factors of its block; x is overwritten.
struct FactoredLine {
  const float* inward;
  const float* inverse;
  const float* outward;
  double* x;
  PetscInt length;
};

struct SolveLine {
  [[gnu::always_inline]] static void run(const FactoredLine& line) {
    double* const x = line.x;
    const PetscInt last = line.length - 1;
    const PetscInt middle = line.length / 2;
    const PetscInt both = last - middle; // the right half is never longer
    double left = 0;
    double right = 0;
    for (PetscInt j = 0; j < both; ++j) {
      const PetscInt k = last - j;
      left = x[j] - line.inward[j] * left;
      right = x[k] - line.inward[k] * right;
      x[j] = left * line.inverse[j];
      x[k] = right * line.inverse[k];
    }
    for (PetscInt j = both; j < middle; ++j) {
      left = x[j] - line.inward[j] * left;
      x[j] = left * line.inverse[j];
    }
    const double centre = x[middle] - line.inward[middle] * left - line.outward[middle] * right;
    left = right = x[middle] = centre * line.inverse[middle];
    for (PetscInt i = 1; i <= both; ++i) {
      left = x[middle - i] - line.outward[middle - i] * left;
      right = x[middle + i] - line.outward[middle + i] * right;
      x[middle - i] = left;
      x[middle + i] = right;
    }
    for (PetscInt j = middle - both - 1; j >= 0; --j) {
      left = x[j] - line.outward[j] * left;
      x[j] = left;
    }
  }
};

/// sum_j weight_j x_j, or of x alone, in eight chains.
struct WeightedSum {
  [[gnu::always_inline]] static void run(const double* weight, const double* x, std::size_t size,
                                         double* result) {
    constexpr std::size_t chains = 8;
    std::array<double, chains> sums{};
    std::size_t j = 0;
    for (; j + chains <= size; j += chains) {
      for (std::size_t i = 0; i < chains; ++i) {
        sums[i] += weight != nullptr ? weight[j + i] * x[j + i] : x[j + i];
      }
    }
    for (; j < size; ++j) sums[0] += weight != nullptr ? weight[j] * x[j] : x[j];
    *result =
        ((sums[0] + sums[4]) + (sums[1] + sums[5])) + ((sums[2] + sums[6]) + (sums[3] + sums[7]));
  }
};

/// y = a x + b y.
struct Combine {
  [[gnu::always_inline]] static void run(double a, const double* x, double b, double* y,
                                         std::size_t size) {
    for (std::size_t j = 0; j < size; ++j) y[j] = a * x[j] + b * y[j];
  }
};

/// x_j -= c share_j, or c alone.
struct SubtractShares {
  [[gnu::always_inline]] static void run(double c, const double* share, double* x,
                                         std::size_t size) {
    for (std::size_t j = 0; j < size; ++j) x[j] -= share != nullptr ? c * share[j] : c;
  }
};

/// x -= c y.
struct Subtract {
  [[gnu::always_inline]] static void run(double c, const float* y, double* x, std::size_t size) {
    for (std::size_t j = 0; j < size; ++j) x[j] -= c * y[j];
  }
};

struct Add {
  [[gnu::always_inline]] static void run(const double* x, double* y, std::size_t size) {
    for (std::size_t j = 0; j < size; ++j) y[j] += x[j];
  }
};

/// y_j = b_j, or 0, + sum_k value_jk x[cell_jk]; `width` of each.
struct Gather {
  [[gnu::always_inline]] static void run(const PetscInt* cell, const float* value,
                                         std::size_t width, const double* x, const double* b,
                                         double* y, std::size_t size) {
    for (std::size_t j = 0; j < size; ++j) {
      double sum = b != nullptr ? b[j] : 0;
      for (std::size_t k = 0; k < width; ++k) sum += *value++ * x[*cell++];
      y[j] = sum;
    }
  }
};

/// The same with one of each, x_j.
struct GatherBeside {
  [[gnu::always_inline]] static void run(const float* value, const double* x, const double* b,
                                         double* y, std::size_t size) {
    for (std::size_t j = 0; j < size; ++j) y[j] = (b != nullptr ? b[j] : 0) + value[j] * x[j];
  }
};

} // namespace

base::UniqueMat rows_of(Mat entries, bool transposed) {
  if (!transposed) return base::UniqueMat::share(entries);
  base::UniqueMat rows;
  check(MatTranspose(entries, MAT_INITIAL_MATRIX, rows.put()));
  return rows;
}

LineSweeps::LineSweeps(Mat rows, double shift, const spaces::Grid& grid, int axis,
                       const Projection* projection, bool transposed)
    : lines_(grid, axis), border_(rows, grid, lines_), exchange_(border_),
      factors_(line_factors(rows, shift, lines_)), transposed_(transposed),
      work_(at(lines_.length)) {
  factors_.projected = projection != nullptr;
  factors_.borders = (lines_.ring ? 2 : 0) + (factors_.projected ? 1 : 0);
  if (factors_.projected) add_shares(*projection);
  if (factors_.borders > 0) eliminate_borders();
}

void LineSweeps::add_shares(const Projection& projection) {
  const base::ReadArray weights(projection.weights());
  factors_.shares.resize(weights.size());
  std::size_t q = 0;
  for (PetscInt line = 0; line < lines_.count; ++line) {
    const PetscInt first = lines_.first(line);
    double whole = 0;
    for (PetscInt j = 0; j < lines_.length; ++j) whole += weights[at(first + j * lines_.stride)];
    for (PetscInt j = 0; j < lines_.length; ++j, ++q) {
      factors_.shares[q] = weights[at(first + j * lines_.stride)] / whole;
    }
  }
}

double LineSweeps::seen(PetscInt line, const double* x) const {
  const double* const weights =
      transposed_ ? nullptr : factors_.shares.data() + line * lines_.length;
  double sum = 0;
  base::run_widest<WeightedSum>(weights, x, at(lines_.length), &sum);
  return sum;
}

void LineSweeps::eliminate_borders() {
  const int columns =
      std::exchange(factors_.borders, 0); // lines are solved without any until all are known
  const auto borders = static_cast<std::size_t>(columns);
  const PetscInt last = lines_.length - 1;
  factors_.schur.resize(at(lines_.count) * borders * borders);
  for (std::size_t c = 0; c < borders; ++c) factors_.solved[c].resize(factors_.inverse.size());
  for (PetscInt line = 0; line < lines_.count; ++line) {
    const std::size_t q = at(line * lines_.length);
    Eigen::Matrix<double, Eigen::Dynamic, Eigen::Dynamic, 0, LineFactors::most_borders,
                  LineFactors::most_borders>
        schur(columns, columns);
    schur.setZero();
    if (lines_.ring) schur(0, 0) = schur(1, 1) = 1;
    for (int c = 0; c < columns; ++c) {
      if (lines_.ring && c < 2) {
        std::fill(work_.begin(), work_.end(), 0.0);
        work_[c == 0 ? 0 : at(last)] = factors_.corners[2 * at(line) + static_cast<std::size_t>(c)];
      } else {
        for (PetscInt j = 0; j <= last; ++j)
          work_[at(j)] = transposed_ ? factors_.shares[q + at(j)] : 1;
      }
      solve_line(line, work_.data());
      // What is kept is rounded, and the Schur complement is that of what is kept.
      for (PetscInt j = 0; j <= last; ++j) {
        const auto rounded = static_cast<float>(work_[at(j)]);
        factors_.solved[static_cast<std::size_t>(c)][q + at(j)] = rounded;
        work_[at(j)] = rounded;
      }
      if (lines_.ring) {
        schur(0, c) += work_[at(last)];
        schur(1, c) += work_[0];
      }
      if (factors_.projected) schur(columns - 1, c) += seen(line, work_.data());
    }
    const auto inverse = schur.inverse().eval();
    for (int i = 0; i < columns; ++i) {
      for (int c = 0; c < columns; ++c) {
        factors_.schur[at(line) * borders * borders + static_cast<std::size_t>(i * columns + c)] =
            inverse(i, c);
      }
    }
  }
  factors_.borders = columns;
}

void LineSweeps::gather(const LineCouplings& couplings, PetscInt line, const double* x,
                        const double* b, double* y) const {
  const std::size_t length = at(lines_.length);
  const std::size_t first = at(line) * length * couplings.width;
  const float* const values = couplings.values.data() + first;
  const PetscInt beside = couplings.beside[at(line)];
  if (beside >= 0) {
    base::run_widest<GatherBeside>(values, x + beside, b, y, length);
  } else {
    const std::size_t width = couplings.coupled[at(line)] != 0 ? couplings.width : 0;
    base::run_widest<Gather>(couplings.cells.data() + first, values, width, x, b, y, length);
  }
}

void LineSweeps::solve_line(PetscInt line, double* x) const {
  const std::size_t q = at(line * lines_.length);
  base::run_widest<SolveLine>(FactoredLine{.inward = factors_.inward.data() + q,
                                           .inverse = factors_.inverse.data() + q,
                                           .outward = factors_.outward.data() + q,
                                           .x = x,
                                           .length = lines_.length});
  if (factors_.borders > 0) subtract_borders(line, x);
}

void LineSweeps::subtract_borders(PetscInt line, double* x) const {
  const auto borders = static_cast<std::size_t>(factors_.borders);
  const std::size_t length = at(lines_.length);
  std::array<double, LineFactors::most_borders> defect{};
  if (lines_.ring) {
    defect[0] = x[length - 1];
    defect[1] = x[0];
  }
  if (factors_.projected) defect[borders - 1] = seen(line, x);
  const double* const schur = factors_.schur.data() + at(line) * borders * borders;
  for (std::size_t i = 0; i < borders; ++i) {
    double c = 0;
    for (std::size_t k = 0; k < borders; ++k) c += schur[i * borders + k] * defect[k];
    base::run_widest<Subtract>(c, factors_.solved[i].data() + at(line) * length, x, length);
  }
}

void LineSweeps::apply(std::span<const double> b, std::span<double> x) {
  const std::size_t length = at(lines_.length);
  const PetscInt stride = lines_.stride;
  const auto value = [&](PetscInt cell) { return x[at(cell)]; };
  exchange_.begin(true);
  for (PetscInt k = 0; k < lines_.count; ++k) {
    const PetscInt line = lines_.swept(k);
    const double* from = b.data() + lines_.first(line);
    double* const to = x.data() + lines_.first(line);
    double* const solved = stride == 1 ? to : work_.data();
    if (stride > 1) {
      for (PetscInt j = 0; j < lines_.length; ++j) solved[j] = from[j * stride];
      from = solved;
    }
    gather(factors_.earlier, line, x.data(), from, solved);
    exchange_.add(k, line, solved);
    solve_line(line, solved);
    if (stride > 1) {
      for (PetscInt j = 0; j < lines_.length; ++j) to[j * stride] = solved[j];
    }
    exchange_.pass_on(k, value);
  }
  exchange_.end();
  // (D - F)^-1 D y = y + D^-1 F x, line by line.
  exchange_.begin(false);
  for (PetscInt k = 0; k < lines_.count; ++k) {
    const PetscInt line = lines_.swept(lines_.count - 1 - k);
    gather(factors_.later, line, x.data(), nullptr, work_.data());
    const bool others = exchange_.add(k, line, work_.data());
    if (others || factors_.later.coupled[at(line)] != 0) {
      solve_line(line, work_.data());
      double* const to = x.data() + lines_.first(line);
      if (stride == 1) {
        base::run_widest<Add>(work_.data(), to, length);
      } else {
        for (PetscInt j = 0; j < lines_.length; ++j) to[j * stride] += work_[at(j)];
      }
    }
    exchange_.pass_on(k, value);
  }
  exchange_.end();
}

void LineSweeps::complement(double a, std::span<const double> x, double b, std::span<double> y) {
  const PetscInt stride = lines_.stride;
  for (PetscInt line = 0; line < lines_.count; ++line) {
    const double* from = x.data() + lines_.first(line);
    double* const to = y.data() + lines_.first(line);
    double* const sums = stride == 1 ? to : work_.data();
    if (stride == 1) {
      base::run_widest<Combine>(a, from, b, to, work_.size());
    } else {
      for (PetscInt j = 0; j < lines_.length; ++j) {
        sums[j] = a * from[j * stride] + b * to[j * stride];
      }
    }
    const double* const shares = factors_.shares.data() + line * lines_.length;
    base::run_widest<SubtractShares>(seen(line, sums), transposed_ ? shares : nullptr, sums,
                                     work_.size());
    if (stride == 1) continue;
    for (PetscInt j = 0; j < lines_.length; ++j) to[j * stride] = sums[j];
  }
}

std::optional<int> noisy_axis(const models::Sde& sde) {
  std::optional<int> axis;
  for (int k = 0; k < sde.dimension(); ++k) {
    if (sde.constant_diffusion(k) == 0.0) continue;
    if (axis) return {};
    axis = k;
  }
  return axis;
}

bool parts_are_lines(const Projection& projection, const Lines& lines) {
  if (!projection.partition() || !lines.whole) return false;
  PetscInt start = 0;
  check(VecGetOwnershipRange(projection.weights(), &start, nullptr));
  int same = 1;
  for (PetscInt line = 0; line < lines.count && same != 0; ++line) {
    PetscInt part = -1;
    for (PetscInt j = 0; j < lines.length; ++j) {
      const PetscInt row = start + lines.first(line) + j * lines.stride;
      const PetscInt* columns = nullptr;
      check(MatGetRow(projection.functions(), row, nullptr, &columns, nullptr));
      if (j > 0 && columns[0] != part) same = 0;
      part = columns[0];
      check(MatRestoreRow(projection.functions(), row, nullptr, &columns, nullptr));
    }
  }
  PetscInt total = lines.count;
  const MPI_Comm comm = PetscObjectComm(reinterpret_cast<PetscObject>(projection.weights()));
  MPI_Allreduce(MPI_IN_PLACE, &total, 1, MPIU_INT, MPI_SUM, comm);
  MPI_Allreduce(MPI_IN_PLACE, &same, 1, MPI_INT, MPI_MIN, comm);
  // As many parts as lines, none on two parts: each part is one line.
  return same != 0 && total == projection.rank();
}

} // namespace komori::operators
