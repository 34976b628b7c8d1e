#include "linalg/two_sided.hpp"

#include <algorithm>
#include <cmath>
#include <span>
#include <utility>

#include <Eigen/LU>
#include <Eigen/QR>

#include "linalg/dense.hpp"
#include "linalg/lane_blocks.hpp"

namespace komori::linalg {
namespace {

using base::check;
using Complex = std::complex<double>;
using Eigen::Index;
using Eigen::MatrixXd;
using Vectors = std::vector<base::UniqueVec>;

/// That of vectors that only serve the others.
constexpr double roughest = 1e-2;
/// Residuals over the distance of values from the shift, below which the pairs count as exact in a
/// solve: what that leaves out is amplified by conditions of some tens.
constexpr double invariant = 1e-3;
/// Iterations of a solve; what they reach is taken.
constexpr int most_iterations = 40;

std::vector<Vec> handles(const Vectors& vectors) {
  std::vector<Vec> raw;
  for (const base::UniqueVec& vector : vectors) raw.push_back(vector.get());
  return raw;
}

/// Y^T X.
MatrixXd products(const std::vector<Vec>& y, const std::vector<Vec>& x) {
  MatrixXd values(static_cast<Index>(y.size()), static_cast<Index>(x.size()));
  for (std::size_t j = 0; j < x.size(); ++j) {
    check(VecMDot(x[j], static_cast<PetscInt>(y.size()), y.data(),
                  values.col(static_cast<Index>(j)).data()));
  }
  return values;
}

/// Fine vectors beyond combinations of coarse ones.
void go_beyond(const Vectors& fine, const Vectors& coarse, const MatrixXd& combinations,
               double factor) {
  std::vector<Vec> from = handles(coarse);
  for (std::size_t j = 0; j < fine.size(); ++j) {
    const Eigen::VectorXd by = -factor * combinations.col(static_cast<Index>(j));
    check(VecScale(fine[j].get(), 1 + factor));
    check(VecMAXPY(fine[j].get(), static_cast<PetscInt>(from.size()), by.data(), from.data()));
  }
}

/// The lanes of vectors: those of a complex pair are neighbours, the first of them even.
std::vector<std::size_t> slots_of(const std::vector<Complex>& values) {
  std::vector<std::size_t> slots;
  std::size_t next = 0;
  for (const Complex& value : values) {
    if (value.imag() > 0) next += next % 2;
    slots.push_back(next++);
  }
  return slots;
}

/// As many lanes as blocks have that hold these.
Index lanes_of(const std::vector<std::size_t>& slots) {
  return static_cast<Index>((slots.back() / base::lanes + 1) * base::lanes);
}

/// Entries of pairs of vectors from those of all lanes, and the other way round.
MatrixXd at_slots(const MatrixXd& all, const std::vector<std::size_t>& slots) {
  const auto k = static_cast<Index>(slots.size());
  MatrixXd some(k, k);
  for (Index j = 0; j < k; ++j) {
    for (Index i = 0; i < k; ++i) {
      some(i, j) = all(static_cast<Index>(slots[static_cast<std::size_t>(i)]),
                       static_cast<Index>(slots[static_cast<std::size_t>(j)]));
    }
  }
  return some;
}
MatrixXd between_slots(const MatrixXd& some, const std::vector<std::size_t>& from,
                       const std::vector<std::size_t>& to) {
  MatrixXd all = MatrixXd::Zero(lanes_of(from), lanes_of(to));
  for (Index j = 0; j < some.cols(); ++j) {
    for (Index i = 0; i < some.rows(); ++i) {
      all(static_cast<Index>(from[static_cast<std::size_t>(i)]),
          static_cast<Index>(to[static_cast<std::size_t>(j)])) = some(i, j);
    }
  }
  return all;
}

/// The iteration with its state between any two of its solves. Left vectors are kept as those of
/// complex conjugate values, so that Y^T X = 1 for real and imaginary parts as they are.
class TwoSided {
public:
  TwoSided(LaneOperator& matrix, TwoSidedPairs start, const TwoSidedRequest& request,
           base::Log& log)
      : matrix_(matrix), places_(matrix.places()), request_(request), log_(log),
        gmres_(matrix, most_iterations), correction_(matrix.rows()) {
    like_ = base::duplicate(start.right.front().get());
    if (request_.continuation.from) {
      restore(*request_.continuation.from);
      return;
    }
    for (std::size_t j = 0; j < start.right.size(); ++j) slots_.push_back(j);
    right_ = blocks(handles(start.right));
    left_ = blocks(handles(start.left));
  }

  TwoSidedResult run() {
    TwoSidedResult result;
    for (;; ++passes_, position_ = 0) {
      if (!std::exchange(resumes_, false)) {
        project();
        const double reached = worst();
        log_.iteration("Newton", passes_, found(), reached);
        result.converged = reached <= request_.residual;
        // NaN does not come closer, either.
        const bool closer = reached <= (before_ == 0 ? farthest() : 0.5 * before_);
        if (result.converged || passes_ == request_.passes || !closer) break;
        before_ = reached;
      }
      complement_.rough = before_ > invariant * farthest();
      const std::vector<Batch> batches = planned();
      for (; position_ < batches.size(); ++position_) {
        if (request_.continuation.step) request_.continuation.step([this] { return state(); });
        correct(batches[position_]);
      }
    }
    hand_out_vectors();
    result.pairs = std::move(pairs_);
    result.passes = passes_;
    result.iterations = iterations_;
    return result;
  }

private:
  /// Corrections of the vectors in one block of one side, which are found at once.
  struct Batch {
    bool transposed = false;
    std::size_t block = 0;
    std::vector<LaneSystem> systems{};
    base::LaneSums sizes{}; ///< what right sides are divided by: single precision's range is small
  };

  std::size_t count() const { return slots_.size(); }
  LaneBlocks blocks(const std::vector<Vec>& vectors) const {
    return side_by_side(vectors, {slots_, places_}, matrix_.rows());
  }
  LaneBlocks& vectors(bool transposed) { return transposed ? left_ : right_; }
  LaneComplement::Side& side(bool transposed) {
    return transposed ? complement_.left : complement_.right;
  }
  Complex value(bool transposed, std::size_t j) const {
    return transposed ? std::conj(pairs_.values[j]) : pairs_.values[j];
  }
  const std::vector<double>& residuals(bool transposed) const {
    return transposed ? pairs_.left_residuals : pairs_.residuals;
  }

  /// Y^T X, Y^T (s - A) X and X^T X.
  struct Products {
    MatrixXd overlap;
    MatrixXd image;
    MatrixXd squares;
  };
  Products products_of_spaces() {
    const Index n = lanes_of(slots_);
    constexpr auto width = static_cast<Index>(base::lanes);
    MatrixXd sums = MatrixXd::Zero(n, 3 * n);
    for (std::size_t c = 0; c < right_.size(); ++c) {
      const Index column = static_cast<Index>(c) * width;
      const base::WideLanes* const x = right_[c].data();
      matrix_.product(false, right_[c], [&](std::size_t first, std::span<base::WideLanes> image) {
        for (std::size_t b = 0; b < right_.size(); ++b) {
          const Index row = static_cast<Index>(b) * width;
          const auto add = [&](const LaneBlocks& from, const base::WideLanes* to, Index part) {
            add_products({from[b].data() + first, image.size()}, to,
                         sums.block(row, part * n + column, width, width));
          };
          add(left_, x + first, 0);
          add(left_, image.data(), 1);
          add(right_, x + first, 2);
        }
      });
    }
    MPI_Allreduce(MPI_IN_PLACE, sums.data(), static_cast<int>(sums.size()), MPI_DOUBLE, MPI_SUM,
                  matrix_.comm());
    return {.overlap = at_slots(sums.leftCols(n), slots_),
            .image = at_slots(sums.middleCols(n, n), slots_),
            .squares = at_slots(sums.rightCols(n), slots_)};
  }

  /// Rayleigh-Ritz pairs of the two spaces, with Y^T X = 1 and right vectors of norm 1.
  void project() {
    const auto k = static_cast<Index>(count());
    const Products of = products_of_spaces();
    const Eigen::PartialPivLU<MatrixXd> lu(of.overlap);
    const EigenBasis basis =
        eigen_basis(matrix_.shift() * MatrixXd::Identity(k, k) - lu.solve(of.image));
    const std::vector<Index> order = ordered(basis.values);
    MatrixXd right(k, k);
    MatrixXd inverse(k, k);
    pairs_.values.clear();
    for (Index j = 0; j < k; ++j) {
      const Index from = order[static_cast<std::size_t>(j)];
      right.col(j) = basis.vectors.col(from);
      inverse.row(j) = basis.inverse.row(from);
      pairs_.values.push_back(basis.values[static_cast<std::size_t>(from)]);
    }
    for (Index j = 0; j < k; ++j) {
      const Index parts = pairs_.values[static_cast<std::size_t>(j)].imag() != 0 ? 2 : 1;
      const auto columns = right.middleCols(j, parts);
      const double size = std::sqrt((columns.transpose() * of.squares * columns).trace());
      right.middleCols(j, parts) /= size;
      inverse.middleRows(j, parts) *= size;
      j += parts - 1;
    }
    const std::vector<std::size_t> before = std::exchange(slots_, slots_of(pairs_.values));
    const MatrixXd left = lu.solve(MatrixXd::Identity(k, k)).transpose() * inverse.transpose();
    combine(right_, between_slots(right, before, slots_));
    combine(left_, between_slots(left, before, slots_));
    pairs_.residuals = measured(false);
    pairs_.left_residuals = measured(true);
  }

  /// ||A x - theta x|| / ||x||; what the complement of these vectors needs is kept.
  std::vector<double> measured(bool transposed) {
    const LaneBlocks& x = vectors(transposed);
    LaneComplement::Side& kept = side(transposed);
    kept.columns.resize(x.size(), LaneVectors(matrix_.rows()));
    kept.residuals.resize(x.size(), LaneVectors(matrix_.rows()));
    std::vector<ResidualSums> sums(x.size());
    std::vector<WideLaneFactors> open(x.size());
    for (std::size_t j = 0; j < count(); ++j) {
      if (pairs_.values[j].imag() < 0) continue;
      open[slots_[j] / base::lanes].set(slots_[j] % base::lanes,
                                        matrix_.shift() - value(transposed, j));
    }
    for (std::size_t b = 0; b < x.size(); ++b) {
      matrix_.product(transposed, x[b], [&](std::size_t first, std::span<base::WideLanes> image) {
        find_residuals(open[b], x[b].data() + first, image, kept.columns[b].data() + first,
                       kept.residuals[b].data() + first, sums[b]);
      });
    }
    MPI_Allreduce(MPI_IN_PLACE, sums.data(),
                  static_cast<int>(sums.size() * sizeof(ResidualSums) / sizeof(double)), MPI_DOUBLE,
                  MPI_SUM, matrix_.comm());
    std::vector<double> residuals;
    for (std::size_t j = 0; j < count(); ++j) {
      const ResidualSums& of = sums[slots_[j] / base::lanes];
      const std::size_t lane = slots_[j] % base::lanes;
      const double imag = pairs_.values[j].imag();
      residuals.push_back(imag < 0   ? residuals.back()
                          : imag > 0 ? std::sqrt((of.residual[lane] + of.residual[lane + 1]) /
                                                 (of.vector[lane] + of.vector[lane + 1]))
                                     : std::sqrt(of.residual[lane] / of.vector[lane]));
    }
    return residuals;
  }

  /// Places of values in order; of a complex pair the first stands for both.
  std::vector<Index> ordered(const std::vector<Complex>& values) const {
    std::vector<Index> heads;
    for (std::size_t i = 0; i < values.size(); ++i) {
      heads.push_back(static_cast<Index>(i));
      if (values[i].imag() != 0) ++i;
    }
    const auto value = [&](Index i) { return values[static_cast<std::size_t>(i)]; };
    std::stable_sort(heads.begin(), heads.end(),
                     [&](Index a, Index b) { return request_.before(value(a), value(b)); });
    std::vector<Index> order;
    for (const Index head : heads) {
      order.push_back(head);
      if (value(head).imag() != 0) order.push_back(head + 1);
    }
    return order;
  }

  bool wanted(std::size_t j) const {
    return j < request_.wanted || // or the other half of the last one
           (j == request_.wanted && j > 0 && pairs_.values[j].imag() < 0);
  }

  int found() const {
    int count = 0;
    for (std::size_t j = 0; j < pairs_.values.size() && wanted(j); ++j) {
      count += std::max(pairs_.residuals[j], pairs_.left_residuals[j]) <= request_.residual ? 1 : 0;
    }
    return count;
  }

  double worst() const {
    double worst = 0;
    for (std::size_t j = 0; j < count() && wanted(j); ++j) {
      for (const double r : {pairs_.residuals[j], pairs_.left_residuals[j]}) {
        if (!(r <= worst)) worst = r;
      }
    }
    return worst;
  }

  double farthest() const {
    double distance = 0;
    for (const Complex& value : pairs_.values) {
      distance = std::max(distance, std::abs(value - matrix_.shift()));
    }
    return distance;
  }

  std::vector<Batch> planned() const {
    // Of the others: the product of both is what they do to those that are wanted.
    const double sufficient = 1e-3 * request_.residual / before_;
    std::vector<Batch> batches;
    for (const bool transposed : {false, true}) {
      std::vector<Batch> of(right_.size());
      for (std::size_t j = 0; j < count(); ++j) {
        const double reached = residuals(transposed)[j];
        if (pairs_.values[j].imag() < 0) continue; // with its other half
        if (reached <= (wanted(j) ? request_.residual : sufficient)) continue;
        const std::size_t lane = slots_[j] % base::lanes;
        Batch& batch = of[slots_[j] / base::lanes];
        batch.transposed = transposed;
        batch.block = slots_[j] / base::lanes;
        batch.systems.push_back({.lane = lane,
                                 .theta = value(transposed, j),
                                 .tolerance = tolerance(reached, wanted(j))});
        batch.sizes[lane] = reached;
        if (batch.systems.back().complex()) batch.sizes[lane + 1] = reached;
      }
      for (Batch& batch : of) {
        if (!batch.systems.empty()) batches.push_back(std::move(batch));
      }
    }
    return batches;
  }

  double tolerance(double reached, bool last) const {
    const double strictest = request_.reduction;
    return last ? std::clamp(0.3 * request_.residual / reached, strictest, roughest) : roughest;
  }

  void correct(const Batch& batch) {
    base::LaneSums inverse{};
    for (std::size_t c = 0; c < base::lanes; ++c) {
      inverse[c] = batch.sizes[c] > 0 ? 1 / batch.sizes[c] : 0;
    }
    scale(inverse, side(batch.transposed).residuals[batch.block], gmres_.right_sides());
    const int iterations = gmres_.solve(batch.transposed, batch.systems, complement_, correction_);
    add_scaled(batch.sizes, correction_, vectors(batch.transposed)[batch.block]);
    for (const LaneSystem& system : batch.systems) {
      iterations_ += (system.complex() ? 2 : 1) * static_cast<PetscInt>(iterations);
    }
  }

  /// As many vectors as there are, of blocks of either precision.
  template <class Blocks> Vectors separated(const Blocks& blocks) const {
    Vectors vectors;
    while (vectors.size() < count()) vectors.push_back(base::duplicate(like_.get()));
    separate(blocks, {slots_, places_}, handles(vectors));
    return vectors;
  }

  /// Left vectors as those of the values themselves.
  void hand_out_vectors() {
    complement_ = {}; // so that nothing is held twice
    pairs_.right = separated(std::exchange(right_, {}));
    pairs_.left = separated(std::exchange(left_, {}));
    for (std::size_t j = 0; j < count(); ++j) {
      if (pairs_.values[j].imag() < 0) check(VecScale(pairs_.left[j].get(), -1));
    }
  }

  SolverState state() {
    SolverState state;
    state.numbers = {static_cast<double>(passes_), static_cast<double>(position_),
                     static_cast<double>(iterations_), before_, static_cast<double>(count())};
    for (std::size_t j = 0; j < count(); ++j) {
      state.numbers.insert(state.numbers.end(), {pairs_.values[j].real(), pairs_.values[j].imag(),
                                                 pairs_.residuals[j], pairs_.left_residuals[j]});
    }
    saved_.clear();
    const auto save = [&](const auto& blocks) {
      for (base::UniqueVec& vector : separated(blocks)) {
        state.vectors.push_back(vector.get());
        saved_.push_back(std::move(vector));
      }
    };
    save(right_);
    save(left_);
    for (const LaneComplement::Side* of : {&complement_.right, &complement_.left}) {
      save(of->columns);
      save(of->residuals);
    }
    return state;
  }

  void restore(const SolverState& from) {
    StateReader reader(from);
    passes_ = static_cast<int>(reader.count());
    position_ = static_cast<std::size_t>(reader.count());
    iterations_ = static_cast<PetscInt>(reader.count());
    before_ = reader.number();
    const auto k = static_cast<std::size_t>(reader.count());
    for (std::size_t j = 0; j < k; ++j) {
      const double re = reader.number();
      pairs_.values.emplace_back(re, reader.number());
      pairs_.residuals.push_back(reader.number());
      pairs_.left_residuals.push_back(reader.number());
    }
    slots_ = slots_of(pairs_.values);
    const auto read = [&] {
      Vectors some;
      while (some.size() < k) some.push_back(reader.vector());
      return blocks(handles(some));
    };
    right_ = read();
    left_ = read();
    for (LaneComplement::Side* of : {&complement_.right, &complement_.left}) {
      of->columns = rounded(read());
      of->residuals = rounded(read());
    }
    resumes_ = true;
  }

  LaneOperator& matrix_;
  std::span<const PetscInt> places_;
  const TwoSidedRequest& request_;
  base::Log& log_;
  TwoSidedPairs pairs_; ///< whose vectors are in blocks until the end
  std::vector<std::size_t> slots_;
  LaneBlocks right_;
  LaneBlocks left_;
  LaneComplement complement_;
  LaneGmres gmres_;
  WideLaneVectors correction_;
  base::UniqueVec like_;
  Vectors saved_; ///< what a state refers to
  bool resumes_ = false;
  double before_ = 0; ///< the largest residual that counts, one pass earlier
  int passes_ = 0;
  std::size_t position_ = 0; ///< solves of this pass that are done
  PetscInt iterations_ = 0;
};

} // namespace

void extrapolate(TwoSidedPairs& fine, const TwoSidedPairs& coarse, double ratio) {
  const std::vector<Vec> right = handles(fine.right);
  const std::vector<Vec> left = handles(fine.left);
  const MatrixXd own = products(left, right);
  const MatrixXd along_left = products(left, handles(coarse.right));
  const MatrixXd along_right = products(right, handles(coarse.left));
  const double factor = 1 / (ratio - 1);
  go_beyond(fine.right, coarse.right, along_left.fullPivLu().solve(own), factor);
  go_beyond(fine.left, coarse.left, along_right.fullPivLu().solve(own.transpose()), factor);
}

TwoSidedResult improved_pairs(LaneOperator& matrix, TwoSidedPairs start,
                              const TwoSidedRequest& request, base::Log& log) {
  return TwoSided(matrix, std::move(start), request, log).run();
}

} // namespace komori::linalg
