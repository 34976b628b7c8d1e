/// The driver `verify`: problems whose answers are known, solved on this installation.
#pragma once

#include <functional>
#include <string>
#include <vector>

#include "analyses/driver.hpp"
#include "analyses/problem.hpp"
#include "models/sde.hpp"
#include "operators/face_flux.hpp"

namespace komori::analyses {

/// One axis of a case.
struct VerifyAxis {
  std::string name;
  double from = 0;
  double to = 0;
  PetscInt cells = 0;
  spaces::Boundary boundary = spaces::Boundary::reflecting;
};

/// An SDE by its formulas, and its grid.
struct VerifySystem {
  std::vector<VerifyAxis> axes{};
  std::string potential{};
  std::vector<std::string> drift{};                         ///< one per axis, or none
  std::vector<std::string> diffusion{};                     ///< one for all axes, or one per axis
  std::vector<std::vector<std::string>> diffusion_matrix{}; ///< in place of `diffusion`
  std::string convention = "ito";
  operators::SchemeInput scheme{};
};

/// A known number: what it is of, its value, how far a right answer may be from it, and why.
struct Known {
  std::string quantity;
  double exact = 0;
  double allowed = 0;
  std::string because; ///< "round-off", "table digits", "h^2", ...
};

/// One problem with its known answers; `compute` returns a number for each, in order. Collective.
struct VerifyCase {
  std::string name;
  VerifySystem system;
  std::vector<Known> known;
  std::function<std::vector<double>(Problem&)> compute;
};

/// All cases. Local.
std::vector<VerifyCase> verify_cases();

/// What came out for one known number.
struct Verdict {
  std::string name;
  Known known;
  double computed = 0; ///< NaN where the case failed with an error
  std::string failure; ///< its text, empty if none
  double error() const { return computed - known.exact; }
  bool passed() const; ///< false for NaN
};

/// Solves one case; errors become verdicts. Collective.
std::vector<Verdict> verify(base::Session& session, const VerifyCase& problem);

Driver verify_driver();

} // namespace komori::analyses
