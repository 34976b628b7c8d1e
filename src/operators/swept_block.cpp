#include "operators/swept_block.hpp"

#include <array>

#include "base/vector_width.hpp"
#include "operators/local_rows.hpp"

namespace komori::operators {
namespace {

using base::check;
using base::Lanes;
using base::WideLanes;
using Vector = WideLanes::Vector;

std::size_t at(PetscInt i) {
  return static_cast<std::size_t>(i);
}

/// A line with the factors of its block.
struct FactoredLine {
  const float* inward;
  const float* inverse;
  const float* outward;
  PetscInt length;
};

/// x becomes D^-1 x.
struct SolveLine {
  [[gnu::always_inline]] static void run(const FactoredLine& line, WideLanes* x) {
    const PetscInt last = line.length - 1;
    const PetscInt middle = line.length / 2;
    const PetscInt both = last - middle; // the right half is never longer
    WideLanes left{};
    WideLanes right{};
    for (PetscInt j = 0; j < both; ++j) {
      const PetscInt k = last - j;
      for (std::size_t h = 0; h < WideLanes::parts; ++h) {
        left.part[h].v = x[j].part[h].v - line.inward[j] * left.part[h].v;
        right.part[h].v = x[k].part[h].v - line.inward[k] * right.part[h].v;
        x[j].part[h].v = left.part[h].v * line.inverse[j];
        x[k].part[h].v = right.part[h].v * line.inverse[k];
      }
    }
    for (PetscInt j = both; j < middle; ++j) {
      for (std::size_t h = 0; h < WideLanes::parts; ++h) {
        left.part[h].v = x[j].part[h].v - line.inward[j] * left.part[h].v;
        x[j].part[h].v = left.part[h].v * line.inverse[j];
      }
    }
    for (std::size_t h = 0; h < WideLanes::parts; ++h) {
      const Vector centre = x[middle].part[h].v - line.inward[middle] * left.part[h].v -
                            line.outward[middle] * right.part[h].v;
      left.part[h].v = right.part[h].v = x[middle].part[h].v = centre * line.inverse[middle];
    }
    for (PetscInt i = 1; i <= both; ++i) {
      for (std::size_t h = 0; h < WideLanes::parts; ++h) {
        left.part[h].v = x[middle - i].part[h].v - line.outward[middle - i] * left.part[h].v;
        right.part[h].v = x[middle + i].part[h].v - line.outward[middle + i] * right.part[h].v;
        x[middle - i].part[h].v = left.part[h].v;
        x[middle + i].part[h].v = right.part[h].v;
      }
    }
    for (PetscInt j = middle - both - 1; j >= 0; --j) {
      for (std::size_t h = 0; h < WideLanes::parts; ++h) {
        left.part[h].v = x[j].part[h].v - line.outward[j] * left.part[h].v;
        x[j].part[h].v = left.part[h].v;
      }
    }
  }
};

/// sum += sum_j weight_j x_j, or of x alone.
struct WeightedSum {
  [[gnu::always_inline]] static void run(const double* weight, const WideLanes* x, std::size_t size,
                                         WideLanes* sum) {
    std::array<WideLanes, 2> sums{};
    std::size_t j = 0;
    for (; j + 2 <= size; j += 2) {
      for (std::size_t i = 0; i < 2; ++i) {
        for (std::size_t h = 0; h < WideLanes::parts; ++h) {
          sums[i].part[h].v += (weight ? weight[j + i] : 1.0) * x[j + i].part[h].v;
        }
      }
    }
    for (std::size_t h = 0; h < WideLanes::parts; ++h) {
      if (j < size) sums[0].part[h].v += (weight ? weight[j] : 1.0) * x[j].part[h].v;
      sum->part[h].v += sums[0].part[h].v + sums[1].part[h].v;
    }
  }
};

/// x_j -= y_j c, or c alone.
template <class Real> struct Subtract {
  [[gnu::always_inline]] static void run(const Real* y, const WideLanes& c, WideLanes* x,
                                         std::size_t size) {
    const WideLanes by = c;
    for (std::size_t j = 0; j < size; ++j) {
      for (std::size_t h = 0; h < WideLanes::parts; ++h) {
        x[j].part[h].v -= (y ? static_cast<double>(y[j]) : 1.0) * by.part[h].v;
      }
    }
  }
};

/// y_j = b_j, or 0, + sum_k value_jk x[cell_jk]; `width` of each.
struct Gather {
  [[gnu::always_inline]] static void run(const PetscInt* cell, const float* value,
                                         std::size_t width, const WideLanes* x, const Lanes* b,
                                         WideLanes* y, std::size_t size) {
    for (std::size_t j = 0; j < size; ++j) {
      WideLanes sum{};
      if (b != nullptr) {
        const auto* parts = reinterpret_cast<const Lanes::Part*>(b + j);
        for (std::size_t h = 0; h < WideLanes::parts; ++h) {
          sum.part[h].v = __builtin_convertvector(parts[h], Vector);
        }
      }
      for (std::size_t k = 0; k < width; ++k, ++value, ++cell) {
        for (std::size_t h = 0; h < WideLanes::parts; ++h) {
          sum.part[h].v += *value * x[*cell].part[h].v;
        }
      }
      y[j] = sum;
    }
  }
};

struct Add {
  [[gnu::always_inline]] static void run(const WideLanes* x, WideLanes* y, std::size_t size) {
    for (std::size_t j = 0; j < size; ++j) {
      for (std::size_t h = 0; h < WideLanes::parts; ++h) y[j].part[h].v += x[j].part[h].v;
    }
  }
};

/// y = A x for some rows; columns from `own` on lie in `others`.
struct Multiply {
  [[gnu::always_inline]] static void run(const PetscInt* starts, const PetscInt* columns,
                                         const double* values, PetscInt own, const WideLanes* x,
                                         const WideLanes* others, WideLanes* y, std::size_t size) {
    for (std::size_t j = 0; j < size; ++j) {
      WideLanes sum{};
      for (PetscInt e = starts[j]; e < starts[j + 1]; ++e) {
        const PetscInt column = columns[e];
        const WideLanes* const from = column < own ? x + column : others + (column - own);
        for (std::size_t h = 0; h < WideLanes::parts; ++h) {
          sum.part[h].v += values[e] * from->part[h].v;
        }
      }
      y[j] = sum;
    }
  }
};

/// A row's number in the order of lines.
PetscInt row_of(const Lines& lines, PetscInt cell) {
  if (lines.stride == 1) return cell;
  return lines.line_of(cell) * lines.length + lines.place_of(cell);
}

LineCouplings in_order_of_lines(const LineCouplings& couplings, const Lines& lines) {
  LineCouplings ordered = couplings;
  if (lines.stride == 1) return ordered;
  for (PetscInt& cell : ordered.cells) cell = row_of(lines, cell);
  return ordered;
}

/// Where other ranks keep the rows that `columns`, global numbers, are.
base::Handle<PetscSF, PetscSFDestroy> ghosts_of(Mat entries, const Lines& lines,
                                                std::span<const PetscInt> columns) {
  base::Handle<PetscSF, PetscSFDestroy> by_cell;
  base::Handle<PetscSF, PetscSFDestroy> by_row;
  const MPI_Comm comm = PetscObjectComm(reinterpret_cast<PetscObject>(entries));
  const auto count = static_cast<PetscInt>(columns.size());
  PetscLayout layout = nullptr;
  check(MatGetLayouts(entries, nullptr, &layout));
  check(PetscSFCreate(comm, by_cell.put()));
  check(PetscSFSetGraphLayout(by_cell.get(), layout, count, nullptr, PETSC_OWN_POINTER,
                              columns.data()));
  PetscInt roots = 0;
  const PetscSFNode* remote = nullptr;
  check(PetscSFGetGraph(by_cell.get(), &roots, nullptr, nullptr, &remote));
  std::vector<PetscSFNode> nodes(remote, remote + count);
  std::vector<PetscInt> rows(at(roots));
  std::vector<PetscInt> theirs(at(count));
  for (PetscInt cell = 0; cell < roots; ++cell) rows[at(cell)] = row_of(lines, cell);
  check(PetscSFBcastBegin(by_cell.get(), MPIU_INT, rows.data(), theirs.data(), MPI_REPLACE));
  check(PetscSFBcastEnd(by_cell.get(), MPIU_INT, rows.data(), theirs.data(), MPI_REPLACE));
  for (PetscInt i = 0; i < count; ++i) nodes[at(i)].index = theirs[at(i)];
  check(PetscSFCreate(comm, by_row.put()));
  check(PetscSFSetGraph(by_row.get(), roots, count, nullptr, PETSC_COPY_VALUES, nodes.data(),
                        PETSC_COPY_VALUES));
  check(PetscSFSetUp(by_row.get()));
  return by_row;
}

/// MPI's name for the entries of all vectors in one row.
class LanesType {
public:
  LanesType() {
    MPI_Type_contiguous(static_cast<int>(base::lanes), MPI_DOUBLE, &type_);
    MPI_Type_commit(&type_);
  }
  LanesType(const LanesType&) = delete;
  LanesType& operator=(const LanesType&) = delete;
  ~LanesType() { MPI_Type_free(&type_); }
  MPI_Datatype get() const { return type_; }

private:
  MPI_Datatype type_ = MPI_DATATYPE_NULL;
};

} // namespace

SweptBlock::Side::Side(const SweptSystem& system, bool transposed, const Lines& lines)
    : Side(system, rows_of(system.entries, transposed), transposed, lines) {}

SweptBlock::Side::Side(const SweptSystem& system, const base::UniqueMat& own, bool transposed,
                       const Lines& lines)
    : sweeps(own.get(), system.shift, *system.grid, system.axis, system.projection, transposed),
      exchange(sweeps.border()), transposed(transposed),
      earlier(in_order_of_lines(sweeps.factors().earlier, lines)),
      later(in_order_of_lines(sweeps.factors().later, lines)) {
  const LocalRows stored(own.get());
  read(stored, system.shift, lines);
  rows.received.resize(stored.columns_of_others().size());
  rows.ghosts = ghosts_of(own.get(), lines, stored.columns_of_others());
}

void SweptBlock::Side::read(const LocalRows& stored, double shift, const Lines& lines) {
  const PetscInt cells = lines.count * lines.length;
  rows.starts.reserve(at(cells) + 1);
  rows.columns.reserve(stored.entries() + at(cells));
  rows.values.reserve(stored.entries() + at(cells));
  const auto add = [&](PetscInt column, double value) {
    rows.columns.push_back(column);
    rows.values.push_back(value);
  };
  const LocalRows::Part& here = stored.own();
  const LocalRows::Part& there = stored.others();
  for (PetscInt row = 0; row < cells; ++row) {
    const PetscInt cell = lines.first(row / lines.length) + row % lines.length * lines.stride;
    double diagonal = shift;
    for (PetscInt e = here.starts[cell]; e < here.starts[cell + 1]; ++e) {
      if (here.columns[e] == cell) {
        diagonal -= here.values[e];
      } else {
        add(row_of(lines, here.columns[e]), -here.values[e]);
      }
    }
    if (there.starts) {
      for (PetscInt e = there.starts[cell]; e < there.starts[cell + 1]; ++e) {
        add(cells + there.columns[e], -there.values[e]);
      }
    }
    add(row, diagonal);
    rows.starts.push_back(static_cast<PetscInt>(rows.columns.size()));
  }
}

const double* SweptBlock::Side::weights(PetscInt first) const {
  return transposed ? nullptr : sweeps.factors().shares.data() + first;
}

const double* SweptBlock::Side::shares(PetscInt first) const {
  return transposed ? sweeps.factors().shares.data() + first : nullptr;
}

SweptBlock::SweptBlock(const SweptSystem& system)
    : system_(system), lines_(*system.grid, system.axis), rows_(at(system.grid->local_cells())),
      forward_(system, false, lines_), transposed_(system, true, lines_), work_(at(lines_.length)) {
  if (lines_.stride == 1) return;
  for (PetscInt line = 0; line < lines_.count; ++line) {
    for (PetscInt j = 0; j < lines_.length; ++j) {
      places_.push_back(lines_.first(line) + j * lines_.stride);
    }
  }
}

void SweptBlock::product(bool transposed, const linalg::WideLaneVectors& x, const Take& take) {
  Side& s = side(transposed);
  const LanesType type;
  check(PetscSFBcastBegin(s.rows.ghosts.get(), type.get(), x.data(), s.rows.received.data(),
                          MPI_REPLACE));
  check(PetscSFBcastEnd(s.rows.ghosts.get(), type.get(), x.data(), s.rows.received.data(),
                        MPI_REPLACE));
  for (PetscInt line = 0; line < lines_.count; ++line) {
    const std::size_t first = at(line * lines_.length);
    base::run_widest<Multiply>(s.rows.starts.data() + first, s.rows.columns.data(),
                               s.rows.values.data(), static_cast<PetscInt>(rows_), x.data(),
                               s.rows.received.data(), work_.data(), at(lines_.length));
    complement_line(s, line, work_.data());
    take(first, work_);
  }
}

void SweptBlock::complement_line(const Side& side, PetscInt line, WideLanes* x) const {
  const PetscInt first = line * lines_.length;
  WideLanes sum{};
  base::run_widest<WeightedSum>(side.weights(first), x, at(lines_.length), &sum);
  base::run_widest<Subtract<double>>(side.shares(first), sum, x, at(lines_.length));
}

void SweptBlock::solve_line(const Side& side, PetscInt line, WideLanes* x) const {
  const LineFactors& factors = side.sweeps.factors();
  const auto q = line * lines_.length;
  const std::size_t length = at(lines_.length);
  base::run_widest<SolveLine>(FactoredLine{.inward = factors.inward.data() + q,
                                           .inverse = factors.inverse.data() + q,
                                           .outward = factors.outward.data() + q,
                                           .length = lines_.length},
                              x);
  const auto borders = static_cast<std::size_t>(factors.borders);
  std::array<WideLanes, LineFactors::most_borders> defect{};
  if (lines_.ring) {
    defect[0] = x[length - 1];
    defect[1] = x[0];
  }
  base::run_widest<WeightedSum>(side.weights(q), x, length, &defect[borders - 1]);
  const double* const schur = factors.schur.data() + at(line) * borders * borders;
  for (std::size_t i = 0; i < borders; ++i) {
    WideLanes c{};
    for (std::size_t k = 0; k < borders; ++k) {
      for (std::size_t h = 0; h < WideLanes::parts; ++h) {
        c.part[h].v += schur[i * borders + k] * defect[k].part[h].v;
      }
    }
    base::run_widest<Subtract<float>>(factors.solved[i].data() + q, c, x, length);
  }
}

void SweptBlock::precondition(bool transposed, const linalg::LaneVectors& b,
                              linalg::WideLaneVectors& x) {
  Side& s = side(transposed);
  const std::size_t length = at(lines_.length);
  const auto gather = [&](const LineCouplings& couplings, std::size_t line, const Lanes* from,
                          WideLanes* to) {
    const std::size_t first = line * length * couplings.width;
    base::run_widest<Gather>(couplings.cells.data() + first, couplings.values.data() + first,
                             couplings.coupled[line] != 0 ? couplings.width : 0, x.data(), from, to,
                             length);
  };
  const auto value = [&](PetscInt cell) -> const WideLanes& { return x[at(row_of(lines_, cell))]; };
  s.exchange.begin(true);
  for (PetscInt k = 0; k < lines_.count; ++k) {
    const PetscInt line = lines_.swept(k);
    WideLanes* const to = x.data() + at(line) * length;
    gather(s.earlier, at(line), b.data() + at(line) * length, to);
    s.exchange.add(k, line, to);
    solve_line(s, line, to);
    s.exchange.pass_on(k, value);
  }
  s.exchange.end();
  // (D - F)^-1 D y = y + D^-1 F x, line by line.
  s.exchange.begin(false);
  for (PetscInt k = 0; k < lines_.count; ++k) {
    const PetscInt line = lines_.swept(lines_.count - 1 - k);
    gather(s.later, at(line), nullptr, work_.data());
    const bool others = s.exchange.add(k, line, work_.data());
    if (others || s.later.coupled[at(line)] != 0) {
      solve_line(s, line, work_.data());
      base::run_widest<Add>(work_.data(), x.data() + at(line) * length, length);
    }
    s.exchange.pass_on(k, value);
  }
  s.exchange.end();
}

} // namespace komori::operators
