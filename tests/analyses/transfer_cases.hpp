/// Maps and chains with their matrices, for tests.
#pragma once

#include <string>
#include <utility>
#include <vector>

#include "analyses/transfer_problem.hpp"
#include "config/reader.hpp"
#include "models/model.hpp"
#include "support.hpp"

namespace komori::analyses {

/// A map with its matrix on a grid.
class MapCase {
public:
  MapCase(const std::string& yaml, std::vector<spaces::Axis> axes,
          const operators::UlamInput& ulam = {})
      : map_(config::read<models::ModelInput>(config::parse("{kind: map, " + yaml + "}", "a.yaml"),
                                              {.accepted = {"map"}})
                 .map),
        problem_(test_session(), map_, support::grid(std::move(axes)), ulam) {}
  TransferProblem& operator*() { return problem_; }
  TransferProblem* operator->() { return &problem_; }

private:
  models::Map map_;
  TransferProblem problem_;
};

/// A chain given by its rows.
class ChainCase {
public:
  explicit ChainCase(std::vector<std::vector<double>> matrix, double lag = 1)
      : input_{.matrix = std::move(matrix), .file = {}, .dataset = {}, .lag = lag, .origin = {}},
        source_(test_session().comm(), input_), problem_(test_session(), source_, lag) {}
  TransferProblem& operator*() { return problem_; }
  TransferProblem* operator->() { return &problem_; }

private:
  models::ChainInput input_;
  operators::ChainSource source_;
  TransferProblem problem_;
};

/// Twelve states in three groups without detailed balance, the example of Reuter, Weber, Fackeldey,
/// Roeblitz, Garcia, J. Chem. Theory Comput. 14 (2018): eigenvalues 1, .965542929702337,
/// .884042792993727, -.482771464851169 +- .489085740769071i, -.49366904637718 +-
/// .473927878052129i, .588536558884235, ...
inline std::vector<std::vector<double>> three_groups() {
  return {{0, .8, .2, 0, 0, 0, 0, 0, 0, 0, 0, 0},     {.2, 0, .6, .2, 0, 0, 0, 0, 0, 0, 0, 0},
          {.6, .2, 0, .2, 0, 0, 0, 0, 0, 0, 0, 0},    {0, .05, .05, 0, .6, .3, 0, 0, 0, 0, 0, 0},
          {0, 0, 0, .25, 0, .25, .4, 0, 0, .1, 0, 0}, {0, 0, 0, .25, .25, 0, .1, 0, 0, .4, 0, 0},
          {0, 0, 0, 0, .05, .05, 0, .7, .2, 0, 0, 0}, {0, 0, 0, 0, 0, 0, .2, 0, .8, 0, 0, 0},
          {0, 0, 0, 0, 0, 0, .8, .2, 0, 0, 0, 0},     {0, 0, 0, 0, .05, .05, 0, 0, 0, 0, .7, .2},
          {0, 0, 0, 0, 0, 0, 0, 0, 0, .2, 0, .8},     {0, 0, 0, 0, 0, 0, 0, 0, 0, .8, .2, 0}};
}

} // namespace komori::analyses
