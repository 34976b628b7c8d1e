/// /memory in a result file, and what is printed of it.
#include <algorithm>
#include <cmath>

#include <fmt/format.h>

#include "analyses/memory_result.hpp"

namespace komori::analyses {
namespace {

using Eigen::Index;
using Eigen::MatrixXd;

/// Writes the datasets of one result.
class Writer {
public:
  Writer(const MemoryResult& result, io::ResultFile& file, const std::string& group)
      : result_(result), file_(file), path_(fmt::format("/{}", group)) {}

  void numbers(const std::string& name, const std::vector<double>& values,
               const std::string& meaning, const std::string& unit) {
    if (values.empty()) return;
    file_.write_small(path_ + "/" + name, values, {values.size()},
                      {{"meaning", meaning}, {"unit", unit}});
  }
  void matrix(const std::string& name, const MatrixXd& value, const std::string& meaning,
              const std::string& unit) {
    if (value.size() == 0) return;
    std::vector<double> values;
    append(value, values);
    file_.write_small(path_ + "/" + name, values, {side(), side()},
                      {{"meaning", meaning}, {"unit", unit}, {"indices", indices()}});
  }
  void matrices(const std::string& name, const std::vector<MatrixXd>& all,
                const std::string& meaning, const std::string& unit) {
    if (all.empty()) return;
    std::vector<double> values;
    for (const MatrixXd& value : all) append(value, values);
    file_.write_small(path_ + "/" + name, values, {all.size(), side(), side()},
                      {{"meaning", meaning}, {"unit", unit}, {"indices", indices()}});
  }
  void modes();
  void bands();

private:
  hsize_t side() const { return static_cast<hsize_t>(result_.gram.rows()); }
  std::string indices() const {
    return result_.parts ? "rows: from, columns: to" : "rows: equation, columns: function";
  }
  void append(const MatrixXd& value, std::vector<double>& values) const {
    for (Index a = 0; a < value.rows(); ++a) {
      for (Index b = 0; b < value.cols(); ++b) {
        values.push_back(result_.parts ? value(b, a) : value(a, b));
      }
    }
  }

  const MemoryResult& result_;
  io::ResultFile& file_;
  std::string path_; ///< of the group
};

void Writer::modes() {
  const std::vector<MemoryMode>& modes = result_.modes;
  if (modes.empty()) return;
  const auto n = static_cast<hsize_t>(modes.size());
  const std::string unit = result_.discrete ? "-" : "1/time";
  const std::string kernel_unit = result_.discrete ? "-" : "1/time^2";
  std::vector<double> values;
  std::vector<double> matrices;
  std::vector<std::int64_t> visible;
  std::vector<std::string> verdicts;
  std::vector<double> rates;
  std::vector<double> residuals;
  std::vector<double> left;
  std::vector<double> conditions;
  std::vector<double> strengths;
  for (const MemoryMode& mode : modes) {
    values.insert(values.end(), {mode.value.real(), mode.value.imag()});
    rates.push_back(mode.rate);
    residuals.push_back(mode.residual);
    left.push_back(mode.left_residual);
    conditions.push_back(mode.condition);
    strengths.push_back(mode.strength);
    visible.push_back(mode.visible ? 1 : 0);
    verdicts.push_back(mode.verdict);
    for (Index a = 0; a < mode.amplitude.rows(); ++a) {
      for (Index b = 0; b < mode.amplitude.cols(); ++b) {
        const std::complex<double> entry =
            result_.parts ? mode.amplitude(b, a) : mode.amplitude(a, b);
        matrices.insert(matrices.end(), {entry.real(), entry.imag()});
      }
    }
  }
  file_.write_small(
      path_ + "/orthogonal_eigenvalues", values, {n, 2},
      {{"meaning", std::string(result_.discrete ? "eigenvalues of QTQ on the range of Q: real, "
                                                  "imaginary part"
                                                : "eigenvalues of QLQ on the range of Q: real, "
                                                  "imaginary part")},
       {"unit", unit}});
  numbers("rates", rates, "decay rates of the memory; nan where rounding decides", "1/time");
  numbers("amplitudes", strengths, "norm of each mode's matrix in the kernel", kernel_unit);
  file_.write_small(
      path_ + "/amplitude_matrices", matrices, {n, side(), side(), 2},
      {{"meaning",
        std::string(result_.discrete ? "A_m: Omega_l = sum_m A_m mu_m^(l-1) + remainder, l >= "
                                       "1; real, imaginary part"
                                     : "A_m: K(t) = sum_m A_m exp(lambda_m t) + remainder; "
                                       "real, imaginary part")},
       {"unit", kernel_unit},
       {"indices", indices()}});
  numbers("residuals", residuals, "norm of the eigenvector's residual", unit);
  numbers("left_residuals", left, "norm of the left eigenvector's residual", unit);
  numbers("conditions", conditions, "condition of the eigenvalue", "-");
  file_.write_integers(path_ + "/visible", visible, {n},
                       {{"meaning", std::string("1: the mode has an amplitude in the kernel")},
                        {"unit", std::string("-")}});
  file_.write_strings(path_ + "/verdict", verdicts,
                      {{"meaning", std::string("converged, suspect (rounding decides), or not "
                                               "converged")},
                       {"unit", std::string("-")}});
}

void Writer::bands() {
  const MemoryBands& bands = result_.bands;
  const std::string lower = "lower end of the band of the bootstrap: ";
  const std::string upper = "upper end of the band of the bootstrap: ";
  const std::string omega = result_.discrete ? "memory matrices" : "streaming matrix";
  const std::string omega_unit = result_.discrete ? "-" : "1/time";
  matrices("omega_lower", bands.omega_lower, lower + omega, omega_unit);
  matrices("omega_upper", bands.omega_upper, upper + omega, omega_unit);
  matrices("kernel_lower", bands.kernel_lower, lower + "memory kernel", "1/time^2");
  matrices("kernel_upper", bands.kernel_upper, upper + "memory kernel", "1/time^2");
  matrices("propagator_lower", bands.propagator_lower, lower + "C(t) C(0)^-1", "-");
  matrices("propagator_upper", bands.propagator_upper, upper + "C(t) C(0)^-1", "-");
  file_.annotate(path_, {{"samples", bands.samples},
                         {"confidence", bands.confidence},
                         {"block", bands.block},
                         {"blocks", bands.blocks},
                         {"seen_until", bands.seen_until}});
}

} // namespace

void write(const MemoryResult& result, io::ResultFile& file, const std::string& group) {
  Writer writer(result, file, group);
  const std::string at = fmt::format("/{}", group);
  const std::string kernel_unit = result.discrete ? "-" : "1/time^2";
  file.write_strings(at + "/functions", result.labels,
                     {{"meaning", std::string(result.parts ? "numbers of the sets or groups"
                                                           : "the functions seen")},
                      {"unit", std::string("-")}});
  writer.matrix("gram", result.gram, "C(0): inner products of the functions", "-");
  writer.matrices("omega", result.omega,
                  result.discrete
                      ? "memory matrices Omega_l by lag l: C(n+1) = sum_l Omega_l C(n-l)"
                      : "streaming matrix: C'(t) = Omega C(t) - int_0^t K(s) C(t-s) ds",
                  result.discrete ? "-" : "1/time");
  writer.numbers("times", result.times,
                 result.discrete ? "l times the time of a step" : "times of the kernel", "time");
  writer.matrices("kernel", result.kernel,
                  "memory kernel K(t): C'(t) = Omega C(t) - int_0^t K(s) C(t-s) ds", kernel_unit);
  writer.matrices("force_correlation", result.forces,
                  "<F(t) F(0)> C(0)^-1 of the fluctuating force F = exp(t QLQ) QLf", kernel_unit);
  writer.numbers("propagator_times", result.propagated_times, "times of the propagators", "time");
  writer.matrices("propagator", result.propagator,
                  "C(t) C(0)^-1 of the whole system: for sets the probability to be in each", "-");
  writer.matrices("model", result.model, "C(t) C(0)^-1 propagated with the memory alone", "-");
  writer.numbers("gme_error", result.gme_error,
                 "norm of the difference between model and propagator at each time", "-");
  writer.numbers("truncation_lags", result.truncation_lags,
                 "memory kept: every lag up to 64 steps, then in even ratios", "time");
  writer.numbers("truncation_error", result.truncation_error,
                 "largest norm of the error of the propagator with the memory cut there", "-");
  writer.numbers("laplace", result.laplace, "arguments z of the transform", "1/time");
  writer.matrices("transform", result.transforms, "int_0^inf exp(-z t) K(t) dt", "1/time");
  writer.matrix("integral", result.integral,
                result.discrete ? "sum of Omega_l, l >= 1" : "integral of the kernel",
                result.discrete ? "-" : "1/time");
  writer.modes();
  if (result.bands.samples > 0) writer.bands();
  io::Attributes facts{{"projection", result.projection},
                       {"rank", result.rank},
                       {"independence", result.independence},
                       {"inner_product", result.inner_product},
                       {"time", std::string(result.discrete ? "discrete" : "continuous")},
                       {"verdict", result.verdict},
                       {"memory_time", result.memory_time},
                       {"strength", result.strength},
                       {"accuracy", result.accuracy},
                       {"shortest_memory", result.enough},
                       {"remainder", result.remainder},
                       {"kernel_error", result.kernel_error},
                       {"fluctuation_dissipation", result.fluctuation_dissipation},
                       {"fluctuation_dissipation_sign", std::int64_t{result.fluctuation_sign}},
                       {"coverage", result.coverage},
                       {"closed", std::int64_t{result.closed}},
                       {"source", std::string(result.series ? "time series" : "operator")},
                       {"smoothing", result.smoothing}};
  file.annotate(at, facts);
  file.write_small(at + "/identity_error", std::vector<double>{result.identity_error}, {1},
                   {{"meaning", std::string("largest defect of the memory identity, relative")},
                    {"unit", std::string("-")}});
}

void report(const MemoryResult& result, base::Log& log, const std::string& title) {
  const auto number = [](double value) {
    return std::isnan(value) ? std::string("-") : fmt::format("{:.6g}", value);
  };
  std::vector<std::vector<std::string>> rows{{"verdict", result.verdict}};
  const auto scalar = [&](const char* name, const MatrixXd& matrix) {
    rows.push_back({name, matrix.size() == 1 ? fmt::format("{:.10g}", matrix(0, 0))
                                             : fmt::format("norm {:.6g}", matrix.norm())});
  };
  scalar(result.discrete ? "Omega_0" : "streaming", result.omega.front());
  if (result.discrete && result.omega.size() > 1) scalar("Omega_1", result.omega[1]);
  if (!result.kernel.empty()) scalar("K(0)", result.kernel.front());
  rows.push_back({"memory time", number(result.memory_time)});
  rows.push_back({"memory / streaming", number(result.strength)});
  rows.push_back({"identity error", std::isnan(result.identity_error)
                                        ? std::string("-")
                                        : fmt::format("{:.1e}", result.identity_error)});
  if (!result.truncation_lags.empty()) {
    rows.push_back(
        {fmt::format("memory for an error of {:g}", result.accuracy),
         std::isnan(result.enough) ? std::string("longer than asked for") : number(result.enough)});
  }
  if (result.series) {
    rows.push_back({"memory seen until", number(result.bands.seen_until)});
  } else {
    rows.push_back({"left over by the modes", number(result.remainder)});
  }
  log.table(title, {"quantity", "value"}, rows);
  if (result.modes.empty()) return;
  std::vector<std::vector<std::string>> modes;
  for (const MemoryMode& mode : result.modes) {
    modes.push_back({fmt::format("{:.10g}", mode.value.real()),
                     fmt::format("{:.6g}", mode.value.imag()), number(mode.rate),
                     mode.visible ? fmt::format("{:.3e}", mode.strength) : "invisible",
                     fmt::format("{:.1e}", mode.residual), mode.verdict});
  }
  log.table("Orthogonal dynamics",
            {"eigenvalue", "imaginary", "rate", "amplitude", "residual", "verdict"}, modes);
  if (!result.coverage.empty()) log.line("  " + result.coverage);
  if (result.verdict == "no memory") {
    log.line("  no memory: the rates exist, but nothing of them reaches what is seen");
  }
  if (result.verdict == "faster than the rates asked for") {
    log.line("  the memory decays faster than all rates found: what is seen of it belongs to rates "
             "beyond them; ask for more");
  }
  if (result.verdict == "not exponential") {
    log.warning(fmt::format("the memory is not exponential as far as it was followed: the slowest "
                            "modes leave {:.2g} of its tail; ask for more rates or longer times",
                            result.remainder));
  }
}

} // namespace komori::analyses
