#include "operators/face_stencil.hpp"

#include <algorithm>
#include <cmath>

#include "operators/face_lines.hpp"
#include "operators/line_product.hpp"
#include "operators/links.hpp"
#include "spaces/padded_block.hpp"

namespace komori::operators {
namespace {

using base::check;
using spaces::Boundary;
using spaces::Index;

std::size_t at(int k) {
  return static_cast<std::size_t>(k);
}

std::size_t size_of(PetscInt count) {
  return static_cast<std::size_t>(count);
}

Index shifted(Index cell, int k, PetscInt by) {
  cell[at(k)] += by;
  return cell;
}

} // namespace

FaceGhosts::FaceGhosts(const spaces::Grid& grid) : comm_(grid.comm()) {
  if (grid.local_cells() == 0) return;
  const spaces::PaddedBlock block(grid);
  const int dimension = grid.dimension();
  faces_.resize(at(dimension));
  std::array<int, spaces::max_dimension> sizes{};
  for (int k = 0; k < dimension; ++k) sizes[at(k)] = static_cast<int>(block.count(k));
  for (int k = 0; k < dimension; ++k) {
    for (const int side : {0, 1}) {
      Face& face = faces_[at(k)][at(side)];
      face.rank = side == 0 ? block.lower_rank(k) : block.upper_rank(k);
      std::array<int, spaces::max_dimension> layer = sizes;
      std::array<int, spaces::max_dimension> start{};
      layer[at(k)] = 1;
      start[at(k)] = side == 0 ? 0 : sizes[at(k)] - 1;
      MPI_Type_create_subarray(dimension, sizes.data(), layer.data(), start.data(), MPI_ORDER_C,
                               MPI_DOUBLE, &face.inside);
      MPI_Type_commit(&face.inside);
      if (face.rank != MPI_PROC_NULL) {
        face.values.resize(size_of(grid.local_cells() / block.count(k)));
      }
    }
  }
}

FaceGhosts::~FaceGhosts() {
  int finalized = 0;
  MPI_Finalized(&finalized);
  if (finalized) return;
  for (auto& ends : faces_) {
    for (Face& face : ends) MPI_Type_free(&face.inside);
  }
}

void FaceGhosts::begin(const double* field) {
  const auto next = [&]() -> MPI_Request* { return &requests_.emplace_back(MPI_REQUEST_NULL); };
  requests_.clear();
  requests_.reserve(4 * faces_.size());
  for (std::size_t k = 0; k < faces_.size(); ++k) {
    for (const std::size_t side : {0U, 1U}) {
      Face& face = faces_[k][side];
      if (face.rank == MPI_PROC_NULL) continue; // PETSc would count a message
      // What travels down carries an even tag: with two parts round a ring both ways meet one rank.
      const int down = static_cast<int>(2 * k);
      MPI_Irecv(face.values.data(), static_cast<int>(face.values.size()), MPI_DOUBLE, face.rank,
                side == 0 ? down + 1 : down, comm_, next());
    }
    for (const std::size_t side : {0U, 1U}) {
      const Face& face = faces_[k][side];
      if (face.rank == MPI_PROC_NULL) continue;
      const int down = static_cast<int>(2 * k);
      MPI_Isend(field, 1, face.inside, face.rank, side == 0 ? down : down + 1, comm_, next());
    }
  }
}

void FaceGhosts::end() {
  MPI_Waitall(static_cast<int>(requests_.size()), requests_.data(), MPI_STATUSES_IGNORE);
}

FaceStencil::FaceStencil(const FaceFluxes& fluxes, bool symmetrised)
    : grid_(fluxes.grid()), sign_(symmetrised ? 1 : -1), ghosts_(fluxes.grid()) {
  const int dimension = grid_.dimension();
  const spaces::Block& own = grid_.block();
  PetscInt step = 1;
  for (int k = dimension - 1; k >= 0; --k) {
    stride_[at(k)] = step;
    step *= own.count[at(k)];
  }
  const auto cells = size_of(grid_.local_cells());
  for (int k = 0; k < dimension && cells > 0; ++k) {
    const std::size_t faces = cells / size_of(own.count[at(k)]) * (size_of(own.count[at(k)]) + 1);
    up_[at(k)].assign(faces, 0);
    if (!symmetrised) down_[at(k)].assign(faces, 0);
  }
  diagonal_.assign(cells, 0);
  leak_.assign(cells, 0);
  for (int k = 0; k < dimension && cells > 0; ++k) add_faces(fluxes, k);
  if (grid_.has(Boundary::absorbing)) {
    grid_.for_each_cell([&](PetscInt local, const Index& cell) {
      for_each_exit(fluxes, cell, [&](int, Side, double rate) { leak_[size_of(local)] += rate; });
      diagonal_[size_of(local)] += leak_[size_of(local)];
    });
  }
  fluxes.require_finite();
  measure();
}

/// Fills in the faces of axis k, line by line, and what cells lose through them.
void FaceStencil::add_faces(const FaceFluxes& fluxes, int k) {
  const int last = grid_.dimension() - 1;
  const spaces::Block& own = grid_.block();
  const spaces::Axis& axis = grid_.axis(k);
  const bool symmetrised = sign_ > 0;
  const std::size_t length = size_of(own.count[at(last)]);
  const std::size_t stride = size_of(stride_[at(k)]);
  FaceLines faces(fluxes, k, symmetrised);
  // The `count` faces above `lower` along the last axis go to `where`. `below` and `above` are the
  // diagonal at the first cells of this rank on either side; some faces at the ends have none.
  const auto add = [&](const Index& lower, std::size_t where, std::size_t count, double* below,
                       double* above, std::size_t skip_below, std::size_t skip_above) {
    faces.compute(lower, count);
    std::copy_n(symmetrised ? faces.couplings() : faces.up(), count, up_[at(k)].data() + where);
    if (!symmetrised) std::copy_n(faces.down(), count, down_[at(k)].data() + where);
    for (std::size_t i = skip_below; i < count; ++i) below[i - skip_below] += faces.up()[i];
    for (std::size_t i = 0; i + skip_above < count; ++i) above[i] += faces.down()[i];
  };
  const auto has_face = [&](PetscInt below) {
    return axis.periodic() || (below >= 0 && below + 1 < axis.cells());
  };
  Index cell = own.start;
  const auto cells = size_of(grid_.local_cells());
  for (std::size_t i = 0; i < cells; i += length) {
    const PetscInt j = cell[at(k)];
    double* const here = diagonal_.data() + i;
    const std::size_t face = face_below(k, i);
    if (k == last) {
      const std::size_t before = has_face(j - 1) ? 1 : 0;
      const std::size_t after = has_face(j + static_cast<PetscInt>(length) - 1) ? 1 : 0;
      const std::size_t count = length - 1 + before + after;
      if (count > 0) {
        add(shifted(cell, k, -static_cast<PetscInt>(before)), face + 1 - before, count, here,
            here + 1 - before, before, after);
      }
    } else {
      const bool outer = j + 1 == own.start[at(k)] + own.count[at(k)];
      if (j == own.start[at(k)] && has_face(j - 1)) {
        add(shifted(cell, k, -1), face, length, nullptr, here, length, 0);
      }
      if (has_face(j)) {
        add(cell, face + stride, length, here, outer ? nullptr : here + stride, 0,
            outer ? length : 0);
      }
    }
    for (int axis_at = last - 1; axis_at >= 0; --axis_at) {
      if (++cell[at(axis_at)] < own.start[at(axis_at)] + own.count[at(axis_at)]) break;
      cell[at(axis_at)] = own.start[at(axis_at)];
    }
  }
}

std::size_t FaceStencil::face_below(int k, std::size_t cell) const {
  // The lines of faces are one longer than those of cells, for every line before this one.
  const auto stride = size_of(stride_[at(k)]);
  return cell + cell / (stride * size_of(grid_.block().count[at(k)])) * stride;
}

void FaceStencil::measure() {
  std::array<double, 2> extremes{0, 0};
  for (std::size_t i = 0; i < diagonal_.size(); ++i) {
    double sum = diagonal_[i];
    for (int k = 0; k < grid_.dimension(); ++k) {
      const std::vector<double>& down = down_[at(k)].empty() ? up_[at(k)] : down_[at(k)];
      const std::size_t below = face_below(k, i);
      sum += up_[at(k)][below + size_of(stride_[at(k)])] + down[below];
    }
    extremes[0] = std::max(extremes[0], sum);
    extremes[1] = std::max(extremes[1], leak_[i]);
  }
  MPI_Allreduce(MPI_IN_PLACE, extremes.data(), 2, MPI_DOUBLE, MPI_MAX, grid_.comm());
  facts_.norm = extremes[0];
  facts_.leak = extremes[1];
  const auto cells = static_cast<std::int64_t>(grid_.cells());
  facts_.nonzeros = cells;
  for (int k = 0; k < grid_.dimension(); ++k) {
    const std::int64_t along = grid_.axis(k).cells();
    const std::int64_t faces = grid_.axis(k).periodic() ? along : along - 1;
    const std::int64_t once = along == 2 && grid_.axis(k).periodic() ? 1 : 2;
    if (along > 1) facts_.nonzeros += once * faces * (cells / along);
  }
}

void FaceStencil::multiply(const double* x, double* y, bool transposed) {
  ghosts_.begin(x);
  rows(x, y, transposed, false);
  ghosts_.end();
  rows(x, y, transposed, true);
}

FaceStencil::Run FaceStencil::first_run() const {
  Run run;
  if (!diagonal_.empty()) run.cells = size_of(grid_.block().count[at(grid_.dimension() - 1)]);
  return run;
}

void FaceStencil::go_on(Run& run) const {
  run.first += run.cells;
  ++run.line;
  if (run.first >= diagonal_.size()) run.cells = 0;
  for (int k = grid_.dimension() - 2; k >= 0; --k) {
    if (++run.inside[at(k)] < grid_.block().count[at(k)]) break;
    run.inside[at(k)] = 0;
  }
}

void FaceStencil::locate(Run& run, const double* x) const {
  const int last = grid_.dimension() - 1;
  const spaces::Block& own = grid_.block();
  run.needs_ghosts = false;
  for (int k = 0; k < last; ++k) {
    const auto stride = size_of(stride_[at(k)]);
    const auto count = size_of(own.count[at(k)]);
    // This run's place among the cells with axis k left out.
    const std::size_t outer = run.first / (stride * count);
    const std::size_t slab = outer * stride + run.first % stride;
    const bool at_start = run.inside[at(k)] == 0;
    const bool at_end = run.inside[at(k)] + 1 == own.count[at(k)];
    const double* const before = at_start ? ghosts_.beyond(k, 0) : nullptr;
    const double* const after = at_end ? ghosts_.beyond(k, 1) : nullptr;
    run.needs_ghosts = run.needs_ghosts || before != nullptr || after != nullptr;
    // Faces of walls have coefficient 0, so any value will do beyond them.
    run.below[at(k)] = before ? before + slab : at_start ? x + run.first : x + run.first - stride;
    run.above[at(k)] = after ? after + slab : at_end ? x + run.first : x + run.first + stride;
    run.face[at(k)] = run.first + outer * stride;
  }
  run.face[at(last)] = run.first + run.line;
}

std::pair<const double*, const double*> FaceStencil::coefficients(const Run& run, int k,
                                                                  bool transposed) const {
  const double* const up = up_[at(k)].data() + run.face[at(k)];
  const double* const down = down_[at(k)].empty() ? up : down_[at(k)].data() + run.face[at(k)];
  return transposed ? std::pair(down + stride_[at(k)], up) : std::pair(up + stride_[at(k)], down);
}

/// The rows that need values of other ranks, or those that do not.
void FaceStencil::rows(const double* x, double* y, bool transposed, bool with_ghosts) {
  if (diagonal_.empty()) return;
  const int last = grid_.dimension() - 1;
  const bool split = ghosts_.beyond(last, 0) != nullptr || ghosts_.beyond(last, 1) != nullptr;
  for (Run run = first_run(); run.cells > 0; go_on(run)) {
    locate(run, x);
    if ((split || run.needs_ghosts) == with_ghosts) row(run, x, y, transposed);
  }
}

void FaceStencil::row(const Run& run, const double* x, double* y, bool transposed) const {
  const int last = grid_.dimension() - 1;
  const auto [above, below] = coefficients(run, last, transposed);
  const double* const before = ghosts_.beyond(last, 0);
  const double* const after = ghosts_.beyond(last, 1);
  LineTerms line{.diagonal = diagonal_.data() + run.first,
                 .own = x + run.first,
                 .above = above,
                 .below = below,
                 .before = before ? before[run.line] : 0,
                 .after = after ? after[run.line] : 0,
                 .axes = at(last),
                 .negative = sign_ < 0};
  for (int k = 0; k < last; ++k) {
    const auto [next, previous] = coefficients(run, k, transposed);
    line.across[at(k)] = {next, previous, run.above[at(k)], run.below[at(k)]};
  }
  line_product(line, run.cells, y + run.first);
}

bool has_face_stencil(const FaceFluxes& fluxes) {
  if (!fluxes.axis_aligned()) return false;
  for (int k = 0; k < fluxes.grid().dimension(); ++k) {
    if (fluxes.undiffused(k) && fluxes.second_order_upwind()) return false;
  }
  return true;
}

namespace {

template <bool transposed> PetscErrorCode product(Mat mat, Vec x, Vec y) {
  return base::guarded([&] {
    void* context = nullptr;
    check(MatShellGetContext(mat, &context));
    const base::ReadArray from(x);
    const base::WriteArray to(y);
    static_cast<FaceStencil*>(context)->multiply(from.span().data(), to.span().data(), transposed);
  });
}

template <bool transposed>
PetscErrorCode recurrence(Mat mat, const linalg::RecurrenceSteps& steps) {
  return base::guarded([&] {
    Mat stencil = mat;
    if constexpr (transposed) check(MatTransposeGetMat(mat, &stencil));
    void* context = nullptr;
    check(MatShellGetContext(stencil, &context));
    static_cast<FaceStencil*>(context)->advance(steps, transposed);
  });
}

PetscErrorCode diagonal_of(Mat mat, Vec diagonal) {
  return base::guarded([&] {
    void* context = nullptr;
    check(MatShellGetContext(mat, &context));
    const auto* stencil = static_cast<FaceStencil*>(context);
    const base::WriteArray to(diagonal);
    std::transform(stencil->diagonal().begin(), stencil->diagonal().end(), to.span().begin(),
                   [&](double entry) { return stencil->sign() * entry; });
  });
}

PetscErrorCode destroy(Mat mat) {
  void* context = nullptr;
  const PetscErrorCode error = MatShellGetContext(mat, &context);
  delete static_cast<FaceStencil*>(context);
  return error;
}

Generator shell(const FaceFluxes& fluxes, bool symmetrised) {
  const spaces::Grid& grid = fluxes.grid();
  auto stencil = std::make_unique<FaceStencil>(fluxes, symmetrised);
  Generator generator;
  generator.facts = stencil->facts();
  generator.leak = grid.vector();
  {
    const base::WriteArray leak(generator.leak.get());
    std::copy(stencil->leak().begin(), stencil->leak().end(), leak.span().begin());
  }
  using Operation = void (*)();
  check(MatCreateShell(grid.comm(), grid.local_cells(), grid.local_cells(), grid.cells(),
                       grid.cells(), stencil.release(), generator.matrix.put()));
  const Mat matrix = generator.matrix.get();
  check(MatShellSetOperation(matrix, MATOP_MULT, reinterpret_cast<Operation>(&product<false>)));
  check(MatShellSetOperation(matrix, MATOP_MULT_TRANSPOSE,
                             reinterpret_cast<Operation>(&product<true>)));
  check(
      MatShellSetOperation(matrix, MATOP_GET_DIAGONAL, reinterpret_cast<Operation>(&diagonal_of)));
  check(MatShellSetOperation(matrix, MATOP_DESTROY, reinterpret_cast<Operation>(&destroy)));
  linalg::offer_recurrence(matrix, &recurrence<false>);
  if (symmetrised) check(MatSetOption(matrix, MAT_SYMMETRIC, PETSC_TRUE));
  return generator;
}

} // namespace

Generator matrix_free_generator(const FaceFluxes& fluxes) {
  return shell(fluxes, false);
}

Generator matrix_free_symmetrised(const FaceFluxes& fluxes) {
  return shell(fluxes, true);
}

base::UniqueMat matrix_free_transposed(Mat matrix) {
  base::UniqueMat transposed;
  check(MatCreateTranspose(matrix, transposed.put()));
  linalg::offer_recurrence(transposed.get(), &recurrence<true>);
  return transposed;
}

} // namespace komori::operators
