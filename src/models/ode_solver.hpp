/// Ordinary differential equations, many points at once, with the step chosen by their errors.
#pragma once

#include <cstddef>
#include <cstdint>
#include <map>
#include <memory>
#include <span>
#include <string>
#include <vector>

#include "models/timed_formulas.hpp"
#include "spaces/points.hpp"

namespace komori::models {

/// How accurately, and by what method, an equation is solved.
struct OdeControl {
  double rtol = 1e-8;
  double atol = 1e-10;
  std::string type = "5dp";         ///< of PETSc's TSRK
  std::int64_t most_steps = 10'000; ///< of one list of points
};

/// Solves x' = f(x, t) by PETSc's TS, explicit Runge-Kutta pairs (Dormand and Prince, J. Comput.
/// Appl. Math. 6, 1980; Verner, Numer. Algorithms 53, 2010). All points of a list take the same
/// steps, which hold the error of each coordinate of each point below atol + rtol |x| per step.
/// Options with the prefix "flow_" change all but the equation. Local.
class OdeSolver {
public:
  /// `names`: of the variables, for messages. `field` must outlive it.
  OdeSolver(const TimedFormulas& field, std::vector<std::string> names, const OdeControl& control);
  OdeSolver(const OdeSolver&) = delete;
  OdeSolver& operator=(const OdeSolver&) = delete;
  ~OdeSolver();

  /// Follows all points from time `start` to `end` > start; `images` may be where the points are.
  /// Throws InputError that names the point in the way, where, when and why it is.
  void follow(double start, double end, const spaces::Points& points, std::span<double> images);
  static const char* prefix() { return "flow_"; }

private:
  class Lists;
  Lists& of_size(std::size_t count);

  const TimedFormulas& field_;
  std::vector<std::string> names_;
  OdeControl control_;
  std::map<std::size_t, std::unique_ptr<Lists>> lists_; ///< by the number of points
};

} // namespace komori::models
