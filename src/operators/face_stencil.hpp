/// Products with axis-aligned generators without a matrix: one coefficient per face and direction.
///
/// The matrix carries no indices, so a product moves half the memory that an assembled one does or
/// less; messages travel while the cells that need none are worked on.
#pragma once

#include <array>
#include <memory>
#include <vector>

#include "linalg/recurrence.hpp"
#include "operators/face_flux.hpp"
#include "operators/generator.hpp"
#include "spaces/grid.hpp"

namespace komori::operators {

/// The value in the neighbouring blocks' cells next to this block, face by face. Not copied:
/// movable by pointer only.
class FaceGhosts {
public:
  explicit FaceGhosts(const spaces::Grid& grid);
  FaceGhosts(const FaceGhosts&) = delete;
  FaceGhosts& operator=(const FaceGhosts&) = delete;
  ~FaceGhosts();
  /// Starts and ends the exchange for `field`, one value per cell of this rank. Collective over the
  /// ranks that own cells; `field` must not change in between.
  void begin(const double* field);
  void end();
  /// The cells beyond the lower (0) or upper (1) end of axis k, in the order of this block's cells
  /// with that axis left out; null at walls.
  const double* beyond(int k, int side) const {
    const Face& face = faces_[static_cast<std::size_t>(k)][static_cast<std::size_t>(side)];
    return face.rank == MPI_PROC_NULL ? nullptr : face.values.data();
  }

private:
  struct Face {
    int rank = MPI_PROC_NULL;
    MPI_Datatype inside = MPI_DATATYPE_NULL;
    std::vector<double> values;
  };
  MPI_Comm comm_;
  std::vector<std::array<Face, 2>> faces_;
  std::vector<MPI_Request> requests_;
};

/// sign * (diagonal x_i - sum over faces of coefficient * x_neighbour).
class FaceStencil {
public:
  /// G itself (sign -1), or its symmetrised form (sign 1). Collective.
  FaceStencil(const FaceFluxes& fluxes, bool symmetrised);

  /// y = A x, or A^T x; x and y hold one value per cell of this rank and differ. Collective.
  void multiply(const double* x, double* y, bool transposed);
  /// Steps of a recurrence with A or A^T in one pass over memory: the second follows the first a
  /// few lines of cells behind, while their values are in the cache; cells next to other ranks go
  /// first, so that their values travel meanwhile. Collective.
  void advance(const linalg::RecurrenceSteps& steps, bool transposed);
  const std::vector<double>& diagonal() const noexcept { return diagonal_; }
  double sign() const noexcept { return sign_; }
  const GeneratorFacts& facts() const noexcept { return facts_; }
  /// Rate of leaving through absorbing walls, per cell, 1/time.
  const std::vector<double>& leak() const noexcept { return leak_; }

private:
  /// One line of cells on the last axis: where its neighbours' values lie.
  struct Run {
    spaces::Index inside{};    ///< the first cell, within the block
    std::size_t first = 0;     ///< of the cells
    std::size_t line = 0;      ///< number of the run
    std::size_t cells = 0;     ///< 0: past the last run
    bool needs_ghosts = false; ///< any of its cells
    std::array<const double*, spaces::max_dimension> above{};
    std::array<const double*, spaces::max_dimension> below{};
    std::array<std::size_t, spaces::max_dimension> face{}; ///< the one below the first cell
  };
  /// Some cells of a run.
  struct Part {
    std::size_t begin = 0;
    std::size_t end = 0;
  };
  struct Recurring;
  Run first_run() const;
  void go_on(Run& run) const;
  /// Where the neighbours' values lie for a field on this rank's cells.
  void locate(Run& run, const double* x) const;
  /// The cells without neighbours on other ranks; none in runs beside those of other ranks.
  Part inner_part(const Run& run) const;
  /// First value of each coefficient array for the cells above and below a run on axis k. Row i of
  /// A takes the rate from i to its neighbours, of A^T that from the neighbours to i.
  std::pair<const double*, const double*> coefficients(const Run& run, int k,
                                                       bool transposed) const;
  void step(const Recurring& of, const Run& run, Part part) const;
  void one_step(const Recurring& of);
  void two_steps(const Recurring& of);
  void border(const Recurring& of) const;
  void add_faces(const FaceFluxes& fluxes, int k);
  void measure();
  /// Number, on axis k, of the face below a cell of this rank.
  std::size_t face_below(int k, std::size_t cell) const;
  void rows(const double* x, double* y, bool transposed, bool with_ghosts);
  void row(const Run& run, const double* x, double* y, bool transposed) const;

  const spaces::Grid& grid_;
  double sign_ = 1;
  std::array<PetscInt, spaces::max_dimension> stride_{};
  /// Per axis one value per face, the lower end's faces first: cells + 1 of them in a line. From
  /// the lower cell of a face to its upper one, and back; the latter empty where both are alike.
  std::array<std::vector<double>, spaces::max_dimension> up_;
  std::array<std::vector<double>, spaces::max_dimension> down_;
  std::vector<double> diagonal_;
  std::vector<double> leak_;
  GeneratorFacts facts_;
  FaceGhosts ghosts_;
};

/// Whether products need no matrix: axis-aligned diffusion, first-order upwind at most.
bool has_face_stencil(const FaceFluxes& fluxes);

/// The stencil as a matrix without entries (products, transposed products, diagonal). Collective.
Generator matrix_free_generator(const FaceFluxes& fluxes);
Generator matrix_free_symmetrised(const FaceFluxes& fluxes);
/// The transpose of one of these two, of which it keeps a reference. Collective.
base::UniqueMat matrix_free_transposed(Mat matrix);

} // namespace komori::operators
