/// Problems of a few lines, for tests.
#pragma once

#include <memory>
#include <string>
#include <utility>
#include <vector>

#include "analyses/problem.hpp"
#include "base/random.hpp"
#include "config/declaration.hpp"
#include "models/sde.hpp"
#include "mpi_main.hpp"
#include "spaces/grid.hpp"

namespace komori::support {

/// An SDE by its formulas; one formula of a list serves all axes where the model allows it.
struct SdeText {
  std::string potential{};
  std::vector<std::string> drift{};
  std::vector<std::string> diffusion{};
  std::vector<std::string> noise{};
  std::string convention = "ito";
  std::vector<std::pair<std::string, double>> parameters{};
  std::vector<std::vector<std::string>> diffusion_matrix{};
  std::vector<std::vector<std::string>> noise_matrix{};
};

/// A formula as if read from "test.yaml:1" under the key `path`.
inline config::FormulaText formula(const std::string& text, const std::string& path = "formula") {
  return {text, {"test.yaml", 1}, path};
}

/// One formula (rank 0) or one per axis (rank 1).
inline config::FormulaArray formulas(const std::vector<std::string>& texts, const std::string& path,
                                     bool always_list = false) {
  config::FormulaArray array;
  array.rank = texts.size() > 1 || always_list ? 1 : 0;
  array.rows = texts.size();
  array.columns = 1;
  array.origin = {"test.yaml", 1};
  for (const std::string& text : texts) array.entries.push_back(formula(text, path));
  return array;
}

/// A matrix of formulas (rank 2), row by row.
inline config::FormulaArray formula_matrix(const std::vector<std::vector<std::string>>& rows,
                                           const std::string& path) {
  config::FormulaArray array;
  array.rank = 2;
  array.rows = rows.size();
  array.columns = rows.front().size();
  array.origin = {"test.yaml", 1};
  for (const std::vector<std::string>& row : rows) {
    for (const std::string& text : row) array.entries.push_back(formula(text, path));
  }
  return array;
}

/// `sde({"x"}, {.potential = "(x^2-1)^2", .diffusion = {"0.25"}})`.
inline models::Sde sde(const std::vector<std::string>& variables, const SdeText& text) {
  models::SdeInput input;
  input.variables = variables;
  input.parameters = text.parameters;
  if (!text.potential.empty()) input.potential = formula(text.potential, "model.potential");
  input.drift = formulas(text.drift, "model.drift", true);
  input.diffusion = formulas(text.diffusion, "model.diffusion");
  input.noise = formulas(text.noise, "model.noise");
  if (!text.diffusion_matrix.empty()) {
    input.diffusion = formula_matrix(text.diffusion_matrix, "model.diffusion");
  }
  if (!text.noise_matrix.empty()) {
    input.noise = formula_matrix(text.noise_matrix, "model.noise");
  }
  input.convention = text.convention;
  return models::Sde(input);
}

/// Equal cells; both ends alike.
inline spaces::Axis axis(const std::string& name, double from, double to, PetscInt cells,
                         spaces::Boundary boundary = spaces::Boundary::reflecting) {
  std::vector<double> edges;
  for (PetscInt i = 0; i <= cells; ++i) {
    edges.push_back(
        i == cells ? to : from + (to - from) * static_cast<double>(i) / static_cast<double>(cells));
  }
  return {name, std::move(edges), boundary, boundary};
}

inline spaces::Grid grid(std::vector<spaces::Axis> axes) {
  return {test_session().comm(), std::move(axes)};
}

/// An SDE on a grid with all that belongs to it; the axes name the variables.
class Case {
public:
  Case(const SdeText& text, std::vector<spaces::Axis> axes,
       const operators::SchemeInput& scheme = {})
      : sde_(support::sde(names(axes), text)),
        problem_(test_session(), sde_, grid(std::move(axes)), scheme) {}
  const models::Sde& sde() const { return sde_; }
  analyses::Problem& problem() { return problem_; }
  analyses::Problem* operator->() { return &problem_; }

private:
  static std::vector<std::string> names(const std::vector<spaces::Axis>& axes) {
    std::vector<std::string> names;
    for (const spaces::Axis& axis : axes) names.push_back(axis.name());
    return names;
  }
  models::Sde sde_;
  analyses::Problem problem_;
};

/// Normal numbers, the same on any number of ranks.
inline base::UniqueVec noise(const spaces::Grid& grid, std::uint64_t seed) {
  base::UniqueVec vector = grid.vector();
  const base::Random random(seed);
  const base::WriteArray values(vector.get());
  grid.for_each_cell([&](PetscInt local, const spaces::Index& cell) {
    values[static_cast<std::size_t>(local)] =
        random.normal(static_cast<std::uint64_t>(grid.natural(cell)));
  });
  return vector;
}

/// All entries of a cell field in natural order, on every rank.
inline std::vector<double> gathered(const spaces::Grid& grid, Vec field) {
  std::vector<double> values(static_cast<std::size_t>(grid.cells()), 0.0);
  const base::ReadArray local(field);
  grid.for_each_cell([&](PetscInt i, const spaces::Index& cell) {
    values[static_cast<std::size_t>(grid.natural(cell))] = local[static_cast<std::size_t>(i)];
  });
  MPI_Allreduce(MPI_IN_PLACE, values.data(), static_cast<int>(values.size()), MPI_DOUBLE, MPI_SUM,
                grid.comm());
  return values;
}

} // namespace komori::support
