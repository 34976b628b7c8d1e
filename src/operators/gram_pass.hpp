/// Gram matrices of a dictionary and of what an operator makes of it, in one pass over samples.
#pragma once

#include <complex>
#include <cstdint>
#include <functional>
#include <span>
#include <string>
#include <utility>
#include <vector>

#include <Eigen/Core>
#include <mpi.h>

#include "operators/action.hpp"
#include "spaces/dictionary.hpp"
#include "spaces/samples.hpp"

namespace komori::operators {

/// Inner products <f, g> = sum of w_i f(x_i) g(x_i) / sum of w_i.
struct GramMatrices {
  Eigen::MatrixXd g;       ///< <psi_i, psi_j>
  Eigen::MatrixXd a;       ///< <psi_i, K psi_j>
  Eigen::MatrixXd l;       ///< <K psi_i, K psi_j>
  Eigen::MatrixXd o;       ///< <psi_i, observable_j>
  Eigen::VectorXd squares; ///< <observable_j, observable_j>
  double weight = 0;       ///< sum of w_i
  std::int64_t samples = 0;
};

/// What a pass is made over. Not owned.
struct PassInput {
  const spaces::Dictionary& dictionary;
  const Action& action;
  const spaces::Samples& samples;
  const spaces::Dictionary* observables = nullptr;
  std::vector<std::string> variables{}; ///< names of the state's coordinates
  const Action* twin = nullptr;         ///< the same with other random numbers, if it draws any
};

/// Values of a dictionary and of the operator on it at some samples.
struct SampledBlock {
  std::vector<double> weights;
  Eigen::MatrixXd values; ///< columns [psi, K psi, observables], rows the points
};
/// The same with the points themselves.
struct PointBlock {
  std::int64_t first = 0;    ///< number of the first point
  std::size_t dimension = 0; ///< of the state
  std::vector<double> x;     ///< by coordinate; beyond the state's what the operator takes
  SampledBlock sampled;
  spaces::Points points() const {
    const std::size_t count = sampled.weights.size();
    return {std::span(x).first(count * dimension), count};
  }
};
/// Fills a block, which keeps its memory. Throws InputError where a function has no finite value,
/// naming it and the place. Local.
void sample_block(const PassInput& input, std::int64_t first, std::size_t count, PointBlock& block);

/// Goes through the samples in blocks; block b belongs to rank b mod size in every round of blocks,
/// so that what is done can be named by one number and continued on any number of ranks.
class GramPass {
public:
  GramPass(MPI_Comm comm, const PassInput& input);
  /// Works off some blocks. Throws InputError on all ranks where any met one. Collective.
  void advance();
  bool finished() const noexcept { return next_ >= blocks_; }
  /// Share of the samples done, in [0, 1].
  double done() const;
  /// Samples done by all ranks.
  std::int64_t samples() const;
  /// Sums so far, the same on all ranks, to go on from. Collective.
  std::vector<double> state();
  void restore(const std::vector<double>& state);
  /// After the last block. Collective; the pass is used up.
  GramMatrices result();

  /// Floating-point operations of the matrix products per sample.
  static double flops(std::size_t functions, std::size_t observables);
  /// Points that are looked at together.
  static constexpr std::int64_t block = 1024;

private:
  void add_block(std::int64_t number);
  void combine();

  MPI_Comm comm_;
  int rank_ = 0;
  int size_ = 1;
  PassInput input_;
  std::int64_t blocks_;
  std::int64_t next_ = 0;   ///< first block that is not done
  std::int64_t stride_ = 1; ///< rounds of blocks in one `advance`
  Eigen::MatrixXd sums_;    ///< upper triangle of the Gram matrix of [psi, K psi, observables]
  double weight_ = 0;
  PointBlock sampled_; ///< the block in hand
};

/// Visits all samples in blocks, each on one rank, without the observables. `columns` are what a
/// block is multiplied with, which says how long one takes. Calls `pause` with the share done now
/// and then, on all ranks; what it throws there ends the visit, as does an InputError of `visit`.
/// Collective.
void for_each_block(MPI_Comm comm, const PassInput& input, const Eigen::MatrixXd& columns,
                    const std::function<void(const PointBlock&)>& visit,
                    const std::function<void(double)>& pause);

/// Values v = sum of columns(j, i) psi_j and K v at the samples of one block; complex pairs as in
/// `linalg::GeneralPairs`.
class PairValues {
public:
  PairValues(const SampledBlock& block, const std::vector<std::complex<double>>& values,
             const Eigen::MatrixXd& columns);
  /// v and K v of pair p at sample i.
  std::pair<std::complex<double>, std::complex<double>> at(std::size_t i, std::size_t p) const;

private:
  const std::vector<std::complex<double>>& values_;
  Eigen::MatrixXd before_;
  Eigen::MatrixXd after_;
};

/// ||K v - lambda v|| / ||v|| of functions v = sum of columns(j, i) psi_j, measured at samples;
/// complex pairs as in `linalg::GeneralPairs`. Where K is a mean over random images, which would
/// count in the square of its values, a twin takes the place of one of the two factors; the result
/// is then at least the standard error of this estimate. Calls `pause` with the share done now and
/// then, on all ranks; what it throws there ends the measurement. Collective.
std::vector<double> measured_residuals(MPI_Comm comm, const PassInput& input,
                                       const std::vector<std::complex<double>>& values,
                                       const Eigen::MatrixXd& columns,
                                       const std::function<void(double)>& pause = {});

} // namespace komori::operators
