/// The small dense problem behind a shift-invert Krylov space. Local.
#pragma once

#include <vector>

namespace komori::linalg {

/// Coefficients c(t) of a state in a Krylov space of S^-1 = (I - gamma M)^-1.
///
/// With S^-1 V_k = V_k H_k + rest and V_k e_1 beta = S^-1 x - x, the state x + V_k c obeys
/// c' = (I - H_k^-1) c / gamma + H_k^-1 e_1 beta / gamma, c(0) = 0.
class ProjectedExponential {
public:
  ProjectedExponential(double gamma, double beta, bool symmetric)
      : gamma_(gamma), beta_(beta), symmetric_(symmetric) {}

  /// Column k of H: k + 2 entries, the last one below the diagonal. For symmetric H the part above
  /// the diagonal is not used.
  void add_column(std::vector<double> column) { columns_.push_back(std::move(column)); }
  /// c(t) in the space of the first `dimension` columns added. Not finite where H is singular.
  std::vector<double> coefficients(double time, std::size_t dimension) const;

private:
  double gamma_;
  double beta_;
  bool symmetric_;
  std::vector<std::vector<double>> columns_;
};

} // namespace komori::linalg
