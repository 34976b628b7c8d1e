#include "linalg/two_sided.hpp"

#include <algorithm>
#include <cmath>
#include <memory>
#include <span>
#include <utility>

#include <Eigen/LU>
#include <Eigen/QR>

#include "linalg/dense.hpp"

namespace komori::linalg {
namespace {

using base::check;
using Complex = std::complex<double>;
using Eigen::Index;
using Eigen::MatrixXcd;
using Eigen::MatrixXd;
using Vectors = std::vector<base::UniqueVec>;

/// That of vectors that only serve the others.
constexpr double roughest = 1e-2;
/// Residuals over the distance of values from the shift, below which the pairs count as exact in a
/// solve: what that leaves out is amplified by conditions of some tens.
constexpr double invariant = 1e-3;
/// Iterations of a solve; what they reach is taken.
constexpr int most_iterations = 40;

/// Real part, and imaginary part or nothing, of a vector.
using Parts = std::vector<Vec>;

Parts parts_of(const Vectors& vectors, const std::vector<Complex>& values, std::size_t j) {
  Parts parts{vectors[j].get()};
  if (values[j].imag() != 0) parts.push_back(vectors[j + 1].get());
  return parts;
}

double size_of(const Parts& parts) {
  double square = 0;
  for (Vec part : parts) square += std::pow(base::norm2(part), 2);
  return std::sqrt(square);
}

void scale(const Parts& parts, double factor) {
  for (Vec part : parts) check(VecScale(part, factor));
}

/// y -= theta x.
void subtract(Complex theta, const Parts& x, const Parts& y) {
  check(VecAXPY(y[0], -theta.real(), x[0]));
  if (x.size() == 1) return;
  check(VecAXPY(y[0], theta.imag(), x[1]));
  check(VecAXPY(y[1], -theta.real(), x[1]));
  check(VecAXPY(y[1], -theta.imag(), x[0]));
}

/// Local entries of some vectors.
class Arrays {
public:
  explicit Arrays(std::span<const Vec> vectors) {
    for (Vec vector : vectors) {
      arrays_.push_back(std::make_unique<base::WriteArray>(vector));
      spans_.push_back(arrays_.back()->span());
    }
  }
  const std::vector<std::span<double>>& spans() const { return spans_; }

private:
  std::vector<std::unique_ptr<base::WriteArray>> arrays_;
  std::vector<std::span<double>> spans_;
};

std::vector<Vec> handles(const Vectors& vectors) {
  std::vector<Vec> raw;
  for (const base::UniqueVec& vector : vectors) raw.push_back(vector.get());
  return raw;
}

/// Each vector becomes the combination of all that a column of `by` says.
void combine(const Vectors& vectors, const MatrixXd& by) {
  constexpr std::size_t stretch = 512;
  const Arrays arrays(handles(vectors));
  const std::vector<std::span<double>>& columns = arrays.spans();
  const std::size_t rows = columns.empty() ? 0 : columns.front().size();
  MatrixXd from;
  MatrixXd to;
  for (std::size_t first = 0; first < rows; first += stretch) {
    const std::size_t size = std::min(stretch, rows - first);
    from.resize(static_cast<Index>(size), by.rows());
    for (std::size_t c = 0; c < columns.size(); ++c) {
      std::copy_n(columns[c].data() + first, size, from.col(static_cast<Index>(c)).data());
    }
    to.noalias() = from * by;
    for (std::size_t c = 0; c < columns.size(); ++c) {
      std::copy_n(to.col(static_cast<Index>(c)).data(), size, columns[c].data() + first);
    }
  }
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

/// The iteration with its state between any two of its solves.
class TwoSided {
public:
  TwoSided(LaneOperator& matrix, TwoSidedPairs start, const TwoSidedRequest& request,
           base::Log& log)
      : matrix_(matrix), places_(matrix.places()), request_(request), log_(log),
        pairs_(std::move(start)), complement_{.right = LaneColumns(matrix.rows()),
                                              .left = LaneColumns(matrix.rows())},
        gmres_(matrix, most_iterations), correction_(matrix.rows()), image_(matrix.rows()) {
    spare_ = base::duplicate(pairs_.right.front().get());
  }

  TwoSidedResult run() {
    TwoSidedResult result;
    if (request_.continuation.from) restore(*request_.continuation.from);
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
        keep_complement();
      }
      complement_.rough = before_ > invariant * farthest();
      const std::vector<Batch> batches = planned();
      for (; position_ < batches.size(); ++position_) {
        if (request_.continuation.step) request_.continuation.step([this] { return state(); });
        correct(batches[position_]);
      }
    }
    result.pairs = std::move(pairs_);
    result.passes = passes_;
    result.iterations = iterations_;
    return result;
  }

private:
  /// Corrections of one side that are found at once, and the pairs they belong to.
  struct Batch {
    bool transposed = false;
    std::vector<LaneSystem> systems{};
    std::vector<std::size_t> pairs{};
  };

  std::size_t count() const { return pairs_.right.size(); }

  std::size_t place(std::size_t row) const {
    return places_.empty() ? row : static_cast<std::size_t>(places_[row]);
  }
  void load(Vec from, std::size_t lane) {
    const base::ReadArray values(from);
    for (std::size_t row = 0; row < correction_.size(); ++row) {
      correction_[row].set(lane, values[place(row)]);
    }
  }

  /// `images_` become A x, or A^T x.
  void multiply(bool transposed, const Vectors& vectors) {
    while (images_.size() < count()) images_.push_back(base::duplicate(spare_.get()));
    for (std::size_t first = 0; first < count(); first += base::lanes) {
      const std::size_t some = std::min(base::lanes, count() - first);
      std::fill(correction_.begin(), correction_.end(), base::WideLanes{});
      for (std::size_t c = 0; c < some; ++c) load(vectors[first + c].get(), c);
      matrix_.product(transposed, correction_, image_);
      for (std::size_t c = 0; c < some; ++c) {
        const base::WriteArray to(images_[first + c].get());
        for (std::size_t row = 0; row < image_.size(); ++row) {
          to[place(row)] = matrix_.shift() * correction_[row][c] - image_[row][c];
        }
      }
    }
  }

  /// Rayleigh-Ritz pairs of the two spaces, with Y^T X = 1 for Y = [.., re, -im, ..].
  void project() {
    const auto k = static_cast<Index>(count());
    const std::vector<Vec> left = handles(pairs_.left);
    multiply(false, pairs_.right);
    const Eigen::PartialPivLU<MatrixXd> lu(products(left, handles(pairs_.right)));
    const EigenBasis basis = eigen_basis(lu.solve(products(left, handles(images_))));
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
    combine(pairs_.right, right);
    combine(images_, right);
    const MatrixXd dual = lu.solve(MatrixXd::Identity(k, k)).transpose() * inverse.transpose();
    combine(pairs_.left, dual);
    for (std::size_t j = 0; j < count(); ++j) {
      if (pairs_.values[j].imag() < 0) check(VecScale(pairs_.left[j].get(), -1));
    }
    pairs_.residuals = residuals(pairs_.right);
    multiply(true, pairs_.left);
    pairs_.left_residuals = residuals(pairs_.left);
    for (std::size_t j = 0; j < count(); ++j) {
      if (pairs_.values[j].imag() < 0) continue;
      const Parts x = parts_of(pairs_.right, pairs_.values, j);
      const double size = size_of(x);
      scale(x, 1 / size);
      scale(parts_of(pairs_.left, pairs_.values, j), size);
    }
  }

  /// ||A x - theta x|| / ||x|| with the images that are there, which it overwrites.
  std::vector<double> residuals(const Vectors& vectors) {
    std::vector<double> residuals;
    for (std::size_t j = 0; j < count(); ++j) {
      if (pairs_.values[j].imag() < 0) {
        residuals.push_back(residuals.back());
        continue;
      }
      const Parts x = parts_of(vectors, pairs_.values, j);
      const Parts r = parts_of(images_, pairs_.values, j);
      subtract(pairs_.values[j], x, r);
      residuals.push_back(size_of(r) / size_of(x));
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

  void keep_complement() {
    complement_.right.clear();
    complement_.left.clear();
    for (std::size_t j = 0; j < count(); ++j) {
      append(complement_.right, pairs_.right[j].get(), 1);
      append(complement_.left, pairs_.left[j].get(), pairs_.values[j].imag() < 0 ? -1 : 1);
    }
  }
  void append(LaneColumns& columns, Vec x, double sign) {
    check(VecCopy(x, spare_.get()));
    check(VecScale(spare_.get(), sign));
    columns.append(base::ReadArray(spare_.get()).span(), places_);
  }

  std::vector<Batch> planned() const {
    // Of the others: the product of both is what they do to those that are wanted.
    const double sufficient = 1e-3 * request_.residual / before_;
    std::vector<Batch> batches;
    for (const bool transposed : {false, true}) {
      std::size_t lane = base::lanes;
      for (std::size_t j = 0; j < count(); ++j) {
        const Complex value = pairs_.values[j];
        const double reached = (transposed ? pairs_.left_residuals : pairs_.residuals)[j];
        if (value.imag() < 0) continue; // with its other half
        if (reached <= (wanted(j) ? request_.residual : sufficient)) continue;
        const std::size_t parts = value.imag() != 0 ? 2 : 1;
        if (parts == 2) lane += lane % 2;
        if (lane + parts > base::lanes) {
          batches.push_back({.transposed = transposed});
          lane = 0;
        }
        batches.back().systems.push_back(
            {.lane = lane, .theta = value, .tolerance = tolerance(reached, wanted(j))});
        batches.back().pairs.push_back(j);
        lane += parts;
      }
    }
    return batches;
  }

  double tolerance(double reached, bool last) const {
    const double strictest = request_.reduction;
    return last ? std::clamp(0.3 * request_.residual / reached, strictest, roughest) : roughest;
  }

  void correct(const Batch& batch) {
    const Vectors& vectors = batch.transposed ? pairs_.left : pairs_.right;
    std::fill(correction_.begin(), correction_.end(), base::WideLanes{});
    for (std::size_t i = 0; i < batch.systems.size(); ++i) {
      const Parts x = parts_of(vectors, pairs_.values, batch.pairs[i]);
      for (std::size_t p = 0; p < x.size(); ++p) load(x[p], batch.systems[i].lane + p);
    }
    matrix_.product(batch.transposed, correction_, image_);
    const base::LaneSums sizes = subtract_values(batch);
    const int iterations = gmres_.solve(batch.transposed, batch.systems, complement_, correction_);
    for (std::size_t i = 0; i < batch.systems.size(); ++i) {
      const Parts x = parts_of(vectors, pairs_.values, batch.pairs[i]);
      iterations_ += static_cast<PetscInt>(x.size()) * iterations;
      for (std::size_t p = 0; p < x.size(); ++p) {
        const std::size_t lane = batch.systems[i].lane + p;
        const base::WriteArray to(x[p]);
        for (std::size_t row = 0; row < correction_.size(); ++row) {
          to[place(row)] += sizes[lane] * correction_[row][lane];
        }
      }
    }
  }

  /// From x and (s - A) x to A x - theta x, scaled to norm 1: single precision has no small
  /// numbers. Returns the norms.
  base::LaneSums subtract_values(const Batch& batch) {
    base::LaneSums sizes{};
    for (const LaneSystem& system : batch.systems) {
      const Complex open = matrix_.shift() - system.theta;
      double square = 0;
      for (std::size_t row = 0; row < correction_.size(); ++row) {
        const std::size_t lane = system.lane;
        const bool complex = system.complex();
        const Complex x(correction_[row][lane], complex ? correction_[row][lane + 1] : 0);
        const Complex y(image_[row][lane], complex ? image_[row][lane + 1] : 0);
        const Complex r(open.real() * x.real() - open.imag() * x.imag() - y.real(),
                        open.real() * x.imag() + open.imag() * x.real() - y.imag());
        correction_[row].set(lane, r.real());
        if (complex) correction_[row].set(lane + 1, r.imag());
        square += std::norm(r);
      }
      sizes[system.lane] = square;
    }
    MPI_Allreduce(MPI_IN_PLACE, sizes.data(), static_cast<int>(sizes.size()), MPI_DOUBLE, MPI_SUM,
                  matrix_.comm());
    base::LaneSums factors{};
    for (const LaneSystem& system : batch.systems) {
      const double size = std::sqrt(sizes[system.lane]);
      for (std::size_t p = 0; p < (system.complex() ? 2U : 1U); ++p) {
        sizes[system.lane + p] = size;
        factors[system.lane + p] = size > 0 ? 1 / size : 0;
      }
    }
    for (base::WideLanes& row : correction_) {
      for (std::size_t c = 0; c < base::lanes; ++c) row.set(c, factors[c] * row[c]);
    }
    return sizes;
  }

  SolverState state() {
    SolverState state;
    state.numbers = {static_cast<double>(passes_), static_cast<double>(position_),
                     static_cast<double>(iterations_), before_, static_cast<double>(count())};
    for (std::size_t j = 0; j < count(); ++j) {
      state.numbers.insert(state.numbers.end(), {pairs_.values[j].real(), pairs_.values[j].imag(),
                                                 pairs_.residuals[j], pairs_.left_residuals[j]});
    }
    for (const Vectors* side : {&pairs_.right, &pairs_.left}) {
      for (const base::UniqueVec& vector : *side) state.vectors.push_back(vector.get());
    }
    kept_.clear();
    for (const LaneColumns* side : {&complement_.right, &complement_.left}) {
      for (std::size_t j = 0; j < count(); ++j) {
        kept_.push_back(base::duplicate(spare_.get()));
        side->copy(j, places_, base::WriteArray(kept_.back().get()).span());
        state.vectors.push_back(kept_.back().get());
      }
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
    pairs_ = {};
    for (std::size_t j = 0; j < k; ++j) {
      const double re = reader.number();
      pairs_.values.emplace_back(re, reader.number());
      pairs_.residuals.push_back(reader.number());
      pairs_.left_residuals.push_back(reader.number());
    }
    for (Vectors* side : {&pairs_.right, &pairs_.left}) {
      for (std::size_t j = 0; j < k; ++j) side->push_back(reader.vector());
    }
    for (LaneColumns* side : {&complement_.right, &complement_.left}) {
      for (std::size_t j = 0; j < k; ++j) {
        side->append(base::ReadArray(reader.vector().get()).span(), places_);
      }
    }
    resumes_ = true;
  }

  LaneOperator& matrix_;
  std::span<const PetscInt> places_;
  const TwoSidedRequest& request_;
  base::Log& log_;
  TwoSidedPairs pairs_;
  LaneComplement complement_;
  LaneGmres gmres_;
  WideLaneVectors correction_;
  WideLaneVectors image_;
  Vectors images_;
  base::UniqueVec spare_;
  Vectors kept_; ///< the complement as a state holds it
  bool resumes_ = false;
  double before_ = 0; ///< the largest residual that counts, one pass earlier
  int passes_ = 0;
  std::size_t position_ = 0; ///< solves of this pass that are done
  PetscInt iterations_ = 0;
};

} // namespace

void extrapolate(TwoSidedPairs& fine, TwoSidedPairs coarse, double ratio) {
  const std::vector<Vec> right = handles(fine.right);
  const std::vector<Vec> left = handles(fine.left);
  const MatrixXd own = products(left, right);
  const MatrixXd along_left = products(left, handles(coarse.right));
  const MatrixXd along_right = products(right, handles(coarse.left));
  combine(coarse.right, along_left.fullPivLu().solve(own));
  combine(coarse.left, along_right.fullPivLu().solve(own.transpose()));
  const double factor = 1 / (ratio - 1);
  for (std::size_t j = 0; j < fine.right.size(); ++j) {
    check(VecAXPBY(fine.right[j].get(), -factor, 1 + factor, coarse.right[j].get()));
    check(VecAXPBY(fine.left[j].get(), -factor, 1 + factor, coarse.left[j].get()));
  }
}

TwoSidedResult improved_pairs(LaneOperator& matrix, TwoSidedPairs start,
                              const TwoSidedRequest& request, base::Log& log) {
  return TwoSided(matrix, std::move(start), request, log).run();
}

} // namespace komori::linalg
