#include "analyses/dictionary_spectrum.hpp"

#include <algorithm>
#include <cmath>
#include <limits>
#include <numeric>
#include <tuple>

#include <fmt/format.h>

#include "base/collective.hpp"
#include "base/error.hpp"
#include "base/signals.hpp"
#include "linalg/dense.hpp"
#include "operators/conditional_residuals.hpp"

namespace komori::analyses {
namespace {

using Complex = std::complex<double>;
using Eigen::Index;
using Eigen::MatrixXd;

constexpr double none = std::numeric_limits<double>::quiet_NaN();
constexpr double round_off = 2.3e-16;

/// Numbers of the pairs wanted, best first, complex pairs whole with the positive one first.
std::vector<std::size_t> chosen(const std::vector<Complex>& values,
                                const TransferSpectrumInput& input, bool rates, double norm) {
  std::vector<std::size_t> order(values.size());
  std::iota(order.begin(), order.end(), std::size_t{0});
  // What is equal up to rounding, as moduli are of what preserves a measure, is in an order of its
  // own.
  const auto key = [&](std::size_t i) {
    const auto rounded = [&](double x) { return std::round(1e11 * x / (norm > 0 ? norm : 1)); };
    const double first = input.target.word.empty() ? std::abs(values[i] - input.target.number)
                         : rates                   ? -values[i].real()
                                                   : -std::abs(values[i]);
    return std::tuple(rounded(first), rounded(std::abs(values[i].imag())),
                      -rounded(values[i].real()));
  };
  std::stable_sort(order.begin(), order.end(),
                   [&](std::size_t a, std::size_t b) { return key(a) < key(b); });
  const std::size_t wanted = std::min<std::size_t>(values.size(), input.pairs);
  std::vector<std::size_t> result;
  std::vector<bool> taken(values.size(), false);
  for (const std::size_t i : order) {
    if (result.size() >= wanted) break;
    if (taken[i]) continue;
    const std::size_t first = values[i].imag() < 0 ? i - 1 : i;
    result.push_back(first);
    taken[first] = true;
    if (values[i].imag() == 0) continue;
    result.push_back(first + 1);
    taken[first + 1] = true;
  }
  return result;
}

/// The largest of the entries is made real and positive. They are coefficients of functions: those
/// in an orthonormal basis depend on rounding where the Gram matrix has an eigenvalue twice.
Eigen::VectorXcd turned(Eigen::VectorXcd v) {
  const double most = v.cwiseAbs().maxCoeff();
  Index at = 0;
  while (std::abs(v[at]) < 0.9 * most) ++at;
  return v * (std::conj(v[at]) / std::abs(v[at]));
}

void set_columns(MatrixXd& columns, Index i, const Complex& value, const Eigen::VectorXcd& v) {
  columns.col(i) = v.real();
  if (value.imag() != 0) columns.col(i + 1) = v.imag();
}

/// Solves on this rank: values, vectors, conditions, rounding.
void solve(const operators::KoopmanMatrix& matrix, const TransferSpectrumInput& input, bool rates,
           bool symmetric, DictionarySpectrum& s) {
  linalg::GeneralPairs pairs = symmetric ? linalg::as_general(linalg::symmetric_pairs(matrix.k))
                                         : linalg::general_pairs(matrix.k);
  operators::sort_multiple(matrix, pairs);
  s.all = pairs.values.size();
  const std::vector<std::size_t> wanted = chosen(pairs.values, input, rates, matrix.k.norm());
  const auto n = static_cast<Index>(wanted.size());
  s.right = MatrixXd::Zero(matrix.basis.rows(), n);
  s.left = MatrixXd::Zero(matrix.basis.rows(), n);
  const double norm = matrix.k.norm();
  for (std::size_t p = 0; p < wanted.size(); ++p) {
    const Complex value = pairs.values[wanted[p]];
    s.values.push_back(value);
    const Eigen::VectorXcd v = linalg::complex_column(pairs.values, pairs.right, wanted[p]);
    const Eigen::VectorXcd w = linalg::complex_column(pairs.values, pairs.left, wanted[p]);
    s.condition.push_back(1 / std::abs(w.dot(v)));
    s.uncertainty.push_back(s.condition.back() * round_off * norm);
    double gap = std::numeric_limits<double>::infinity();
    for (std::size_t i = 0; i < pairs.values.size(); ++i) {
      if (i != wanted[p]) gap = std::min(gap, std::abs(pairs.values[i] - value));
    }
    s.gaps.push_back(gap);
    if (value.imag() < 0) continue; // the conjugate of the one before
    set_columns(s.right, static_cast<Index>(p), value, turned(matrix.basis * v));
    set_columns(s.left, static_cast<Index>(p), value, turned(matrix.basis * w));
  }
}

void broadcast(MPI_Comm comm, DictionarySpectrum& s) {
  MatrixXd numbers(static_cast<Index>(s.values.size()), 5);
  for (std::size_t i = 0; i < s.values.size(); ++i) {
    numbers.row(static_cast<Index>(i)) << s.values[i].real(), s.values[i].imag(), s.condition[i],
        s.uncertainty[i], s.gaps[i];
  }
  MatrixXd count = MatrixXd::Constant(1, 1, static_cast<double>(s.all));
  for (MatrixXd* part : {&numbers, &s.right, &s.left, &count}) operators::broadcast(comm, *part);
  s.all = static_cast<std::size_t>(count(0, 0));
  s.values.clear();
  s.condition.clear();
  s.uncertainty.clear();
  s.gaps.clear();
  for (Index i = 0; i < numbers.rows(); ++i) {
    s.values.emplace_back(numbers(i, 0), numbers(i, 1));
    s.condition.push_back(numbers(i, 2));
    s.uncertainty.push_back(numbers(i, 3));
    s.gaps.push_back(numbers(i, 4));
  }
}

/// Distances to the nearest eigenvalue of the next smaller dictionary.
std::vector<double> distances(DictionaryProblem& problem, const operators::GramMatrices& gram,
                              const std::vector<Complex>& values) {
  const std::vector<std::size_t> fewer = problem.dictionary().smaller();
  std::vector<double> errors(values.size(), none);
  if (fewer.empty() || fewer.size() == problem.dictionary().size()) return errors;
  std::vector<Complex> small;
  try {
    small = linalg::general_values(
        operators::koopman_matrix(gram, fewer, problem.estimator(), problem.section().rank_cut).k);
  } catch (const base::ConvergenceError&) {
    return errors; // nothing is left of it: no estimate
  }
  for (std::size_t i = 0; i < values.size(); ++i) {
    double nearest = std::numeric_limits<double>::infinity();
    for (const Complex& value : small) nearest = std::min(nearest, std::abs(value - values[i]));
    errors[i] = nearest;
  }
  return errors;
}

/// Residuals at the samples and at others.
void measure(DictionaryProblem& problem, const spaces::Grid& grid, DictionarySpectrum& s) {
  // It can be done again from the Gram matrices: a stop saves nothing of it.
  const auto pause = [&](double done) {
    problem.log().progress(done, fmt::format("{} pairs", s.values.size()));
    base::stop_if_asked(problem.comm(), "the residuals were not complete");
  };
  s.independent.assign(s.values.size(), none);
  if (problem.random_images()) {
    for (const bool held_out : {false, true}) {
      const auto halves = problem.pairs()->halves(problem.pairs()->source().lag_frames(), held_out);
      std::vector<double>& list = held_out ? s.independent : s.residuals;
      list.assign(s.values.size(), none);
      if (halves.empty()) continue;
      operators::ConditionalResiduals found =
          operators::conditional_residuals(grid, problem.pass(halves[0].get()),
                                           problem.pass(halves[1].get()), s.values, s.right, pause);
      list = std::move(found.values);
      if (!held_out) s.averaged = found.share;
    }
    return;
  }
  s.residuals =
      operators::measured_residuals(problem.comm(), problem.pass(), s.values, s.right, pause);
  if (!problem.others()) return;
  s.independent = operators::measured_residuals(problem.comm(), problem.pass(problem.others()),
                                                s.values, s.right, pause);
}

void judge(const DictionaryProblem& problem, const TransferSpectrumInput& input, double norm,
           DictionarySpectrum& s) {
  for (std::size_t i = 0; i < s.values.size(); ++i) {
    const double size = std::abs(s.values[i]);
    const double residual =
        std::isnan(s.independent[i]) ? s.residuals[i] : std::max(s.residuals[i], s.independent[i]);
    // Of a symmetric operator an eigenvalue is as near as the residual, or its square over the gap.
    const bool symmetric = problem.estimator() == operators::Estimator::reversible;
    s.bounds.push_back(symmetric ? residual * std::min(1.0, residual / s.gaps[i]) : none);
    const double distance = symmetric ? s.bounds[i] : residual;
    // A generator's eigenvalue 0 is known to rounding at best.
    const double scale = problem.rates() ? size + 1e-8 * norm : size;
    const bool rounding = !problem.rates() && s.uncertainty[i] > 0.01 * size;
    // Where residuals at the samples and at others agree, the samples stand for their measure, so
    // that the residual is the operator's own and decides. Where they do not, or none are known,
    // functions are fitted to the samples, which shows when the dictionary changes.
    const bool measured = s.independent[i] <= 2 * s.residuals[i] + s.uncertainty[i];
    const bool drifts = !measured && s.discretisation_error[i] > 0.1 * scale;
    s.rates.push_back(rounding          ? none
                      : problem.rates() ? -s.values[i].real()
                                        : -std::log(size) / problem.lag() + 0.0);
    const double slope = problem.rates() ? 1 : 1 / (size * problem.lag()); // of the rate
    const double still = problem.rates() ? 1e-12 * norm : 1e-12 / problem.lag();
    const bool decays = s.rates[i] > std::max(still, slope * s.uncertainty[i]);
    s.time_scales.push_back(decays ? 1 / s.rates[i] : none);
    const bool good = distance <= input.residual_threshold * scale && !rounding && !drifts;
    s.verdicts.emplace_back(good ? "converged" : "suspect");
  }
}

/// Leaves out what is suspect, complex pairs whole.
void filter(DictionarySpectrum& s) {
  std::vector<std::size_t> kept;
  for (std::size_t i = 0; i < s.values.size(); ++i) {
    if (s.verdicts[i] == "converged") kept.push_back(i);
  }
  const auto pick = [&](auto& list) {
    auto old = std::move(list);
    list.clear();
    for (const std::size_t i : kept) list.push_back(old[i]);
  };
  pick(s.values);
  pick(s.rates);
  pick(s.time_scales);
  pick(s.residuals);
  pick(s.independent);
  pick(s.condition);
  pick(s.uncertainty);
  pick(s.gaps);
  pick(s.bounds);
  pick(s.discretisation_error);
  pick(s.verdicts);
  if (s.bands) {
    pick(s.bands->real);
    pick(s.bands->imaginary);
  }
  for (MatrixXd* columns : {&s.right, &s.left}) {
    MatrixXd old = std::move(*columns);
    columns->resize(old.rows(), static_cast<Index>(kept.size()));
    for (std::size_t i = 0; i < kept.size(); ++i) {
      columns->col(static_cast<Index>(i)) = old.col(static_cast<Index>(kept[i]));
    }
  }
}

} // namespace

DictionarySpectrum dictionary_spectrum(DictionaryProblem& problem,
                                       const TransferSpectrumInput& input, const spaces::Grid& grid,
                                       const io::ResultFile& file) {
  base::Phase phase(problem.log(), "spectrum");
  const operators::KoopmanMatrix& matrix = problem.matrix(file);
  const operators::GramMatrices& gram = problem.gram(file);
  DictionarySpectrum s;
  MatrixXd errors;
  base::on_first_rank(problem.comm(), [&] {
    solve(matrix, input, problem.rates(), problem.estimator() == operators::Estimator::reversible,
          s);
    std::vector<double> found(s.values.size(), none);
    if (input.error_estimate) found = distances(problem, gram, s.values);
    errors = Eigen::Map<MatrixXd>(found.data(), static_cast<Index>(found.size()), 1);
    return std::string();
  });
  broadcast(problem.comm(), s);
  operators::broadcast(problem.comm(), errors);
  s.discretisation_error.assign(errors.data(), errors.data() + errors.size());
  phase.finish(fmt::format("{} of {} pairs", s.values.size(), s.all));

  base::Phase residuals(problem.log(), "residuals");
  measure(problem, grid, s);
  residuals.finish(problem.others() ? fmt::format("{}, and {}", problem.samples().text(),
                                                  problem.others()->text())
                                    : problem.samples().text());
  if (problem.pairs() && problem.pairs()->bootstrap().samples > 0) {
    base::Phase bands(problem.log(), "bands");
    s.bands = eigenvalue_bands(problem, s.values);
    bands.finish(fmt::format("{} samples", problem.pairs()->bootstrap().samples));
  }
  judge(problem, input, matrix.k.norm(), s);
  return s;
}

namespace {

/// Values of functions at the cells of this rank, scaled so that the largest modulus of each pair
/// is 1; `columns` is scaled alike. Collective.
MatrixXd on_grid(const DictionaryProblem& problem, const spaces::Grid& grid,
                 const std::vector<Complex>& values, MatrixXd& columns) {
  const auto cells = static_cast<std::size_t>(grid.local_cells());
  const auto d = static_cast<std::size_t>(grid.dimension());
  std::vector<double> x(cells * d);
  std::vector<double> center(d);
  grid.for_each_cell([&](PetscInt local, const spaces::Index& cell) {
    grid.center(cell, center);
    for (std::size_t k = 0; k < d; ++k) x[k * cells + static_cast<std::size_t>(local)] = center[k];
  });
  MatrixXd functions(static_cast<Index>(cells), static_cast<Index>(problem.dictionary().size()));
  if (cells > 0) {
    problem.dictionary().evaluate({x, cells}, {},
                                  {functions.data(), static_cast<std::size_t>(functions.size())});
  }
  MatrixXd fields = linalg::product(functions, columns);
  for (Index i = 0; i < fields.cols(); ++i) {
    const bool pair = values[static_cast<std::size_t>(i)].imag() != 0;
    double most = 0;
    for (Index row = 0; row < fields.rows(); ++row) {
      most = std::max(most, std::hypot(fields(row, i), pair ? fields(row, i + 1) : 0.0));
    }
    MPI_Allreduce(MPI_IN_PLACE, &most, 1, MPI_DOUBLE, MPI_MAX, problem.comm());
    const Index width = pair ? 2 : 1;
    if (most > 0 && std::isfinite(most)) {
      fields.middleCols(i, width) /= most;
      columns.middleCols(i, width) /= most;
    }
    i += width - 1;
  }
  return fields;
}

void write_functions(const DictionaryProblem& problem, const spaces::Grid& grid, const char* side,
                     const std::string& meaning, const std::vector<Complex>& values,
                     MatrixXd columns, io::ResultFile& file) {
  const MatrixXd fields = on_grid(problem, grid, values, columns);
  const io::Slab slab = grid.slab();
  const auto n = static_cast<hsize_t>(values.size());
  std::vector<hsize_t> shape = slab.shape;
  shape.insert(shape.begin(), n);
  const std::string pairs = "; a complex pair holds its real, then its imaginary part";
  const std::string dataset = fmt::format("/spectrum/{}", side);
  file.create(dataset, shape,
              {{"meaning", meaning + ", largest modulus 1" + pairs}, {"unit", std::string("-")}});
  for (std::size_t i = 0; i < values.size(); ++i) {
    const auto* first = fields.data() + static_cast<Index>(i) * fields.rows();
    file.write_leading(dataset, static_cast<hsize_t>(i),
                       {first, static_cast<std::size_t>(fields.rows())}, slab);
  }
  file.write_small(
      fmt::format("/spectrum/coefficients_{}", side),
      {columns.data(), static_cast<std::size_t>(columns.size())},
      {n, static_cast<hsize_t>(columns.rows())},
      {{"meaning", "the same as coefficients of the functions of the dictionary" + pairs},
       {"unit", std::string("-")}});
}

void write(const DictionaryProblem& problem, const TransferSpectrumInput& input,
           const DictionarySpectrum& s, io::ResultFile& file) {
  const auto n = static_cast<hsize_t>(s.values.size());
  const std::string unit = problem.rates() ? "1/time" : "-";
  std::vector<double> values;
  for (const Complex& value : s.values) {
    values.push_back(value.real());
    values.push_back(value.imag());
  }
  const auto numbers = [&](const char* name, const std::vector<double>& list,
                           const std::string& meaning, const std::string& of) {
    file.write_small(fmt::format("/spectrum/{}", name), list, {n},
                     {{"meaning", meaning}, {"unit", of}});
  };
  file.write_small("/spectrum/eigenvalues", values, {n, 2},
                   {{"meaning", std::string("eigenvalues of the operator on the dictionary, real "
                                            "and imaginary part, slowest first")},
                    {"unit", unit}});
  numbers("rates", s.rates,
          problem.rates() ? "decay rates -Re(lambda)"
                          : "decay rates -ln|mu|/lag; NaN where rounding decides the eigenvalue",
          "1/time");
  numbers("time_scales", s.time_scales,
          "implied time scales 1/rate; NaN where nothing decays, or no faster than rounding",
          "time");
  numbers("residuals", s.residuals,
          problem.random_images()
              ? "||K v - mu v|| / ||v|| of the operator itself, by means over cells of the grid; "
                "or the noise of this estimate where that is larger"
          : problem.drawn()
              ? "||K v - mu v|| / ||v|| of the operator itself, by two sets of paths from each "
                "sample; or the noise of this estimate where that is larger"
              : "||K v - mu v|| / ||v|| of the operator itself, measured at the samples",
          unit);
  numbers("independent_residuals", s.independent,
          "the same at other samples of the same measure; NaN where there are none", unit);
  numbers("condition", s.condition, "1/|w^H v| of left and right vectors of norm 1", "-");
  numbers(
      "error_bound", s.bounds,
      "reversible: min(residual, residual^2 / gap), how far the eigenvalue may be from one of a "
      "symmetric operator (Kato and Temple); NaN otherwise",
      unit);
  numbers("uncertainty", s.uncertainty, "how far rounding may have moved the eigenvalue", unit);
  numbers("discretisation_error", s.discretisation_error,
          "distance to the nearest eigenvalue of a dictionary of three quarters of the degree; NaN "
          "where there is none",
          unit);
  if (s.bands) {
    const auto ends = [&](const char* name, double Band::*end, const char* which) {
      std::vector<double> list;
      for (std::size_t i = 0; i < s.values.size(); ++i) {
        list.push_back(s.bands->real[i].*end);
        list.push_back(s.bands->imaginary[i].*end);
      }
      file.write_small(fmt::format("/spectrum/{}", name), list, {n, 2},
                       {{"meaning", fmt::format("{} ends of the bootstrap's bands of real and "
                                                "imaginary part",
                                                which)},
                        {"unit", unit}});
    };
    ends("eigenvalues_lower", &Band::lower, "lower");
    ends("eigenvalues_upper", &Band::upper, "upper");
  }
  if (problem.random_images()) file.annotate("/spectrum", {{"averaged", s.averaged}});
  file.write_strings("/spectrum/verdict", s.verdicts,
                     {{"meaning", std::string("converged | suspect")}, {"unit", std::string("-")}});
  file.annotate("/spectrum", {{"solver", std::string("LAPACK, dense")},
                              {"asked", input.pairs},
                              {"residual_threshold", input.residual_threshold},
                              {"filter", input.filter},
                              {"time", std::string(problem.rates() ? "continuous" : "discrete")},
                              {"lag", problem.lag()}});
}

std::string shown(double value, const char* format) {
  return std::isfinite(value) ? fmt::format(fmt::runtime(format), value) : "-";
}

void print(const DictionaryProblem& problem, const DictionarySpectrum& s) {
  std::vector<std::vector<std::string>> rows;
  for (std::size_t i = 0; i < s.values.size(); ++i) {
    const Complex value = s.values[i];
    rows.push_back({std::to_string(i), fmt::format("{:.10g}", value.real()),
                    value.imag() == 0 ? "" : fmt::format("{:+.10g}", value.imag()),
                    shown(s.time_scales[i], "{:.6g}"), fmt::format("{:.1e}", s.residuals[i]),
                    shown(s.independent[i], "{:.1e}"), shown(s.discretisation_error[i], "{:.1e}"),
                    s.verdicts[i]});
  }
  problem.log().table(
      problem.rates() ? "Spectrum of the generator on the dictionary"
                      : "Spectrum of the operator on the dictionary",
      {"#", "Re", "Im", "time scale", "residual", "elsewhere", "basis error", "verdict"}, rows);
}

} // namespace

bool dictionary_spectrum_section(DictionaryProblem& problem, const TransferSpectrumInput& input,
                                 const spaces::Grid& grid, io::ResultFile& file) {
  DictionarySpectrum s = dictionary_spectrum(problem, input, grid, file);
  if (input.filter == "residual") filter(s);
  write(problem, input, s, file);
  if (!s.values.empty()) {
    if (input.sides != "left") {
      write_functions(problem, grid, "right", "eigenfunctions of the operator", s.values, s.right,
                      file);
    }
    if (input.sides != "right") {
      write_functions(problem, grid, "left",
                      "eigenfunctions of its adjoint with respect to the samples' measure",
                      s.values, s.left, file);
    }
  }
  print(problem, s);
  const auto suspect = std::count(s.verdicts.begin(), s.verdicts.end(), "suspect");
  if (suspect > 0) {
    problem.log().line(fmt::format(
        "  {} of {} eigenvalues are suspect: their residual exceeds {:g} of their modulus, or they "
        "move with the dictionary; 'spectrum.filter: residual' leaves them out",
        suspect, s.values.size(), input.residual_threshold));
  }
  return true;
}

} // namespace komori::analyses
