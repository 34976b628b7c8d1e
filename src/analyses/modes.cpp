#include "analyses/modes.hpp"

#include <algorithm>
#include <cmath>
#include <limits>
#include <numeric>
#include <tuple>

#include <Eigen/Dense>
#include <fmt/format.h>
#include <unsupported/Eigen/MatrixFunctions>

#include "base/collective.hpp"
#include "base/error.hpp"
#include "linalg/dense.hpp"
#include "spaces/local_dictionaries.hpp"

namespace komori::analyses {
namespace {

using Complex = std::complex<double>;
using Eigen::Index;
using Eigen::MatrixXd;

/// Eigenvalues (two columns) and amplitudes (two per observable) of the pairs that contribute most.
MatrixXd amplitudes(const operators::KoopmanMatrix& matrix, const MatrixXd& coordinates,
                    std::int64_t pairs, bool symmetric) {
  const linalg::GeneralPairs eigen = symmetric
                                         ? linalg::as_general(linalg::symmetric_pairs(matrix.k))
                                         : linalg::general_pairs(matrix.k);
  const Index r = matrix.k.rows();
  Eigen::MatrixXcd vectors(r, r);
  for (Index i = 0; i < r; ++i) {
    vectors.col(i) = linalg::complex_column(eigen.values, eigen.right, static_cast<std::size_t>(i));
  }
  const Eigen::MatrixXcd parts = vectors.partialPivLu().solve(coordinates.cast<Complex>().eval());
  std::vector<Index> order(static_cast<std::size_t>(r));
  std::iota(order.begin(), order.end(), Index{0});
  // By the largest share in any observable.
  const Eigen::VectorXd sizes =
      (parts.cwiseAbs() * coordinates.colwise().norm().cwiseMax(1e-300).cwiseInverse().asDiagonal())
          .rowwise()
          .maxCoeff();
  // What is equal up to rounding has an order of its own, that of eigenvalues.
  const auto key = [&](Index i) {
    const auto rounded = [](double x) { return std::round(1e9 * x); };
    const double norm = matrix.k.norm();
    const Complex value = eigen.values[static_cast<std::size_t>(i)] / (norm > 0 ? norm : 1);
    return std::tuple(-rounded(sizes[i]), -rounded(value.real()), rounded(std::abs(value.imag())));
  };
  std::stable_sort(order.begin(), order.end(), [&](Index a, Index b) { return key(a) < key(b); });
  const Index n = std::min<Index>(r, pairs);
  MatrixXd table(n, 2 + 2 * coordinates.cols());
  for (Index i = 0; i < n; ++i) {
    const Index at = order[static_cast<std::size_t>(i)];
    const Complex value = eigen.values[static_cast<std::size_t>(at)];
    table(i, 0) = value.real();
    table(i, 1) = value.imag();
    for (Index j = 0; j < coordinates.cols(); ++j) {
      table(i, 2 + 2 * j) = parts(at, j).real();
      table(i, 3 + 2 * j) = parts(at, j).imag();
    }
  }
  return table;
}

spaces::Points points_of(const std::vector<std::vector<double>>& rows, std::vector<double>& room) {
  const std::size_t count = rows.size();
  const std::size_t d = rows.front().size();
  room.resize(count * d);
  for (std::size_t i = 0; i < count; ++i) {
    for (std::size_t k = 0; k < d; ++k) room[k * count + i] = rows[i][k];
  }
  return {room, count};
}

/// Predictions of all observables: block j of steps + 1 columns belongs to observable j.
MatrixXd predictions(const DictionaryProblem& problem, const operators::KoopmanMatrix& matrix,
                     const MatrixXd& coordinates, const PredictInput& input) {
  std::vector<double> room;
  const spaces::Points points = points_of(input.from, room);
  MatrixXd functions(static_cast<Index>(points.count),
                     static_cast<Index>(problem.dictionary().size()));
  problem.dictionary().evaluate(points, {},
                                {functions.data(), static_cast<std::size_t>(functions.size())});
  const MatrixXd start = functions * matrix.basis;
  const MatrixXd step =
      problem.rates() ? MatrixXd((input.step * matrix.k).exp()) : MatrixXd(matrix.k);
  const Index times = input.steps + 1;
  MatrixXd result(functions.rows(), times * coordinates.cols());
  MatrixXd current = coordinates;
  for (Index n = 0; n < times; ++n) {
    const MatrixXd values = start * current;
    for (Index j = 0; j < coordinates.cols(); ++j) result.col(j * times + n) = values.col(j);
    current = step * current;
  }
  return result;
}

/// Observables along the paths of a map without noise, in the same form; empty for others.
MatrixXd paths(const DictionaryProblem& problem, const ModesInput& input) {
  const auto* map = dynamic_cast<const operators::StepAction*>(&problem.action());
  if (!map || map->noisy()) return {};
  std::vector<config::FormulaText> texts;
  for (const auto& observable : input.observables) texts.push_back(observable.second);
  const spaces::FormulaDictionary observed(texts, problem.names());
  std::vector<double> x;
  const std::size_t count = points_of(input.predict->from, x).count;
  const Index times = input.predict->steps + 1;
  MatrixXd result(static_cast<Index>(count), times * static_cast<Index>(texts.size()));
  MatrixXd values(static_cast<Index>(count), static_cast<Index>(texts.size()));
  std::vector<double> next(x.size());
  for (Index n = 0; n < times; ++n) {
    observed.evaluate({x, count}, {}, {values.data(), static_cast<std::size_t>(values.size())});
    for (Index j = 0; j < values.cols(); ++j) result.col(j * times + n) = values.col(j);
    if (n + 1 == times) break;
    map->images({x, count}, next);
    x.swap(next);
  }
  return result;
}

void write_predictions(const DictionaryProblem& problem, const ModesInput& input,
                       const MatrixXd& predicted, const MatrixXd& followed, io::ResultFile& file) {
  const PredictInput& predict = *input.predict;
  const Index times = predict.steps + 1;
  const auto count = static_cast<hsize_t>(predict.from.size());
  std::vector<double> when;
  for (Index n = 0; n < times; ++n) {
    when.push_back(static_cast<double>(n) * (problem.rates() ? predict.step : problem.lag()));
  }
  file.write_small("/modes/times", when, {static_cast<hsize_t>(times)},
                   {{"meaning", std::string("times of the predictions")}, {"unit", "time"}});
  std::vector<std::vector<std::string>> rows;
  for (std::size_t j = 0; j < input.observables.size(); ++j) {
    const std::string& name = input.observables[j].first;
    const auto put = [&](const char* group, const MatrixXd& all, const std::string& meaning) {
      const MatrixXd part = all.middleCols(static_cast<Index>(j) * times, times).transpose();
      file.write_small(fmt::format("/modes/{}/{}", group, name),
                       {part.data(), static_cast<std::size_t>(part.size())},
                       {count, static_cast<hsize_t>(times)},
                       {{"meaning", meaning}, {"unit", "of the observable"}});
    };
    put("prediction", predicted, "expected " + name + " by starting point and time");
    double error = std::numeric_limits<double>::quiet_NaN();
    if (followed.size() > 0) {
      put("path", followed, name + " along the path of the map itself");
      error = (predicted - followed)
                  .middleCols(static_cast<Index>(j) * times, times)
                  .cwiseAbs()
                  .maxCoeff();
    }
    rows.push_back({name, fmt::format("{:.8g}", predicted(0, static_cast<Index>(j) * times)),
                    fmt::format("{:.8g}", predicted(0, static_cast<Index>(j + 1) * times - 1)),
                    std::isfinite(error) ? fmt::format("{:.1e}", error) : "-"});
  }
  problem.log().table("Predictions from the first point",
                      {"observable", "at the start", "at the end", "largest error"}, rows);
}

} // namespace

void declare(config::Declarer& declarer, PredictInput& input) {
  declarer.real_rows("from", input.from,
                     {.help = "Starting points, e.g. [[0.3]].", .need = config::Need::required});
  declarer.integer("steps", input.steps, {.help = "How many steps to predict."},
                   config::Range::between(1, 100'000));
  declarer.real("step", input.step, {.help = "Of an sde: the time of a step.", .unit = "time"},
                config::Range::positive());
}

void declare(config::Declarer& declarer, ModesInput& input) {
  declarer.named_formulas(
      "observables", "<name>", input.observables,
      {.help = "Functions of the state to be written as sums of eigenfunctions.",
       .need = config::Need::required});
  declarer.integer("pairs", input.pairs,
                   {.help = "Modes to report, those with the largest amplitudes."},
                   config::Range::between(1, 10'000));
  declarer.section("predict", input.predict,
                   {.help = "Expected values of the observables after some steps."});
  if (declarer.reading() && input.observables.empty()) {
    declarer.reject("observables", "names nothing; add e.g. 'observables: {mean: x}'");
  }
}

void validate(const DictionaryProblem& problem, const ModesInput& input) {
  if (problem.section().operator_name == "transfer") {
    throw base::InputError("'modes' are those of a Koopman operator; remove the section, or set "
                           "'dictionary.operator: koopman'");
  }
  if (!input.predict) return;
  const std::size_t d = problem.names().variables.size();
  if (input.predict->from.empty() || input.predict->from.front().size() != d) {
    throw base::InputError(fmt::format("'modes.predict.from' must be points of {} coordinate{}, "
                                       "e.g. [[{}]]",
                                       d, d == 1 ? "" : "s",
                                       fmt::join(std::vector<std::string>(d, "0"), ", ")));
  }
}

bool modes_section(DictionaryProblem& problem, const ModesInput& input, io::ResultFile& file) {
  base::Phase phase(problem.log(), "modes");
  const operators::KoopmanMatrix& matrix = problem.matrix(file);
  const operators::GramMatrices& gram = problem.gram(file);
  const MatrixXd coordinates = matrix.basis.transpose() * gram.o;
  MatrixXd table;
  MatrixXd predicted;
  MatrixXd followed;
  std::string wrong = base::on_first_rank(problem.comm(), [&]() -> std::string {
    table = amplitudes(matrix, coordinates, input.pairs,
                       problem.estimator() == operators::Estimator::reversible);
    if (!input.predict) return {};
    predicted = predictions(problem, matrix, coordinates, *input.predict);
    try {
      followed = paths(problem, input);
    } catch (const base::InputError& error) {
      return error.what();
    }
    return {};
  });
  if (!wrong.empty()) throw base::InputError("'modes.predict.from': " + wrong);
  for (MatrixXd* part : {&table, &predicted, &followed})
    operators::broadcast(problem.comm(), *part);
  phase.finish(fmt::format("{} observable{}", input.observables.size(),
                           input.observables.size() == 1 ? "" : "s"));

  const auto n = static_cast<hsize_t>(table.rows());
  const auto two_columns = [&](const std::string& name, Index first, const std::string& meaning,
                               const std::string& unit, io::Attributes more) {
    const MatrixXd part = table.middleCols(first, 2).transpose();
    more.insert(more.begin(), {{"meaning", meaning}, {"unit", unit}});
    file.write_small(name, {part.data(), static_cast<std::size_t>(part.size())}, {n, 2}, more);
  };
  two_columns("/modes/eigenvalues", 0,
              "eigenvalues of the modes, largest amplitude first, real and imaginary part",
              problem.rates() ? "1/time" : "-", {});
  std::vector<std::vector<std::string>> rows;
  std::vector<double> missing;
  for (std::size_t j = 0; j < input.observables.size(); ++j) {
    const auto column = static_cast<Index>(j);
    const double kept = coordinates.col(column).squaredNorm() / gram.squares[column];
    missing.push_back(std::sqrt(std::max(0.0, 1 - kept)));
    two_columns("/modes/amplitudes/" + input.observables[j].first, 2 + 2 * column,
                "amplitudes of " + input.observables[j].second.text +
                    " in eigenfunctions of norm 1, real and imaginary part",
                "of the observable", {{"outside", missing.back()}});
  }
  for (Index i = 0; i < table.rows(); ++i) {
    std::vector<std::string> row{std::to_string(i), fmt::format("{:.8g}", table(i, 0)),
                                 table(i, 1) == 0 ? "" : fmt::format("{:+.8g}", table(i, 1))};
    for (std::size_t j = 0; j < input.observables.size(); ++j) {
      const auto at = static_cast<Index>(2 + 2 * j);
      row.push_back(fmt::format("{:.4g}", std::hypot(table(i, at), table(i, at + 1))));
    }
    rows.push_back(std::move(row));
  }
  std::vector<std::string> header{"#", "Re", "Im"};
  for (const auto& observable : input.observables) header.push_back("|" + observable.first + "|");
  problem.log().table("Modes", header, rows);
  for (std::size_t j = 0; j < missing.size(); ++j) {
    problem.log().line(
        fmt::format("  {}: a share of {:.1e} of its norm lies outside the dictionary",
                    input.observables[j].first, missing[j]));
  }
  if (input.predict) write_predictions(problem, input, predicted, followed, file);
  return true;
}

} // namespace komori::analyses
