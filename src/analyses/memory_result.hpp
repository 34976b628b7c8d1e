/// What is known of a memory, as arrays, wherever they come from; how it is judged and written.
#pragma once

#include <complex>
#include <limits>
#include <string>
#include <vector>

#include <Eigen/Core>

#include "base/log.hpp"
#include "io/result_file.hpp"

namespace komori::analyses {

/// An eigenvalue of the orthogonal dynamics. A complex pair takes two entries.
struct MemoryMode {
  std::complex<double> value;   ///< of QLQ (1/time) or QTQ
  double rate = 0;              ///< -Re, or -ln|mu|/lag; NaN where it is none, 1/time
  double residual = 0;          ///< of the eigenvector, in the unit of the value
  double left_residual = 0;     ///< of the other side's
  double condition = 1;         ///< of the value
  Eigen::MatrixXcd amplitude{}; ///< of exp(value t) in the kernel, k x k
  double strength = 0;          ///< norm of the amplitude
  std::string verdict{};        ///< converged | suspect | not converged
  bool visible = false;
};

/// Bands of a memory that was estimated from data: the middle share `confidence` of samples.
struct MemoryBands {
  std::int64_t samples = 0;
  double confidence = 0;
  double block = 0; ///< time
  std::int64_t blocks = 0;
  std::vector<Eigen::MatrixXd> omega_lower{};
  std::vector<Eigen::MatrixXd> omega_upper{};
  std::vector<Eigen::MatrixXd> kernel_lower{};
  std::vector<Eigen::MatrixXd> kernel_upper{};
  std::vector<Eigen::MatrixXd> propagator_lower{};
  std::vector<Eigen::MatrixXd> propagator_upper{};
  double seen_until = std::numeric_limits<double>::quiet_NaN(); ///< last time they exclude 0
};

/// The memory of k functions. Matrices act on functions: (PLf)_a = sum_b Omega_ab f_b.
struct MemoryResult {
  bool discrete = true;
  double lag = 1;
  bool parts = false; ///< matrices are written transposed: rows = from, columns = to
  bool closed = true;
  std::string projection{};    ///< its kind
  std::string inner_product{}; ///< of averages
  std::int64_t rank = 0;       ///< of the projection
  double independence = 1;     ///< norm left of the most dependent observable, relative
  std::vector<std::string> labels{};
  Eigen::MatrixXd gram{};                 ///< C(0)
  std::vector<Eigen::MatrixXd> omega{};   ///< Omega_l, or the streaming matrix alone
  std::vector<double> times{};            ///< of the kernel
  std::vector<Eigen::MatrixXd> kernel{};  ///< K at the times
  std::vector<Eigen::MatrixXd> forces{};  ///< <F(t) F(0)> C(0)^-1, F = QLf, at the times
  double kernel_error = 0;                ///< estimate, of K
  double rounding = 0;                    ///< kernels and amplitudes of this size are rounding
  std::vector<double> propagated_times{}; ///< of the propagator
  std::vector<Eigen::MatrixXd> propagator{};
  std::vector<Eigen::MatrixXd> model{};      ///< the propagator from the kernel alone
  std::vector<double> gme_error{};           ///< norm of the difference
  std::vector<double> truncation_lags{};     ///< memory kept, time
  std::vector<double> truncation_error{};    ///< largest error of the propagator then
  std::vector<double> laplace{};             ///< z
  std::vector<Eigen::MatrixXd> transforms{}; ///< K(z)
  std::vector<MemoryMode> modes{};
  std::int64_t asked = 0; ///< modes
  std::string solver{};
  std::string coverage{};
  Eigen::MatrixXd integral{}; ///< of the kernel over all times
  double identity_error = std::numeric_limits<double>::quiet_NaN();
  double memory_time = 0;                                   ///< int t |K| / int |K|, time
  double strength = 0;                                      ///< |int K| / |Omega|
  double enough = std::numeric_limits<double>::quiet_NaN(); ///< shortest memory of the accuracy
  double accuracy = 0;
  double remainder = std::numeric_limits<double>::quiet_NaN(); ///< largest |K - modes| / |K|, tail
  double fluctuation_dissipation = std::numeric_limits<double>::quiet_NaN();
  int fluctuation_sign = 0; ///< 1: K = <F(t) F(0)> C(0)^-1 to that share; -1: its negative
  bool series = false;      ///< estimated from the frames of a trajectory
  double smoothing = 0;     ///< of the kernel, time
  MemoryBands bands{};      ///< of a time series
  std::string verdict{};    ///< no memory, exponential, not exponential, ...
  bool complete = true;
};

/// Memory time, strength, what the modes leave of the kernel, and the verdict. Local.
void judge(MemoryResult& result);

/// Writes a group of the file. Collective.
void write(const MemoryResult& result, io::ResultFile& file, const std::string& group = "memory");

/// Prints what a reader wants first. Rank 0 speaks.
void report(const MemoryResult& result, base::Log& log, const std::string& title = "Memory");

} // namespace komori::analyses
