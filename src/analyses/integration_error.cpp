#include "analyses/integration_error.hpp"

#include <algorithm>
#include <cmath>

#include <fmt/format.h>

#include "base/collective.hpp"
#include "base/error.hpp"
#include "base/random.hpp"

namespace komori::analyses {
namespace {

/// Few where a place costs a whole integration, more where means are sought among random paths.
std::size_t places_of(const models::Flow& flow) {
  return flow.random() ? 4096 : models::Flow::together;
}

/// The largest share of a cell that the error amounts to, and its variable.
std::pair<double, std::size_t> worst(const std::vector<double>& error,
                                     const std::vector<double>& widths) {
  std::pair<double, std::size_t> found{0, 0};
  for (std::size_t k = 0; k < error.size(); ++k) {
    if (!(widths[k] > 0)) continue;
    const double share = std::abs(error[k]) / widths[k];
    if (share > found.first) found = {share, k};
  }
  return found;
}

void compare(const models::Flow& flow, const std::vector<double>& places, IntegrationError& error) {
  const std::size_t n = error.places;
  const auto d = static_cast<std::size_t>(flow.dimension());
  std::vector<double> plain(places.size());
  std::vector<double> fine(places.size());
  flow.images({.x = places, .count = n}, plain);
  const models::Flow refined = flow.refined();
  refined.images({.x = places, .count = n}, fine);
  for (std::size_t k = 0; k < d; ++k) {
    double sum = 0;
    double squares = 0;
    for (std::size_t i = k * n; i < (k + 1) * n; ++i) {
      const double change = fine[i] - plain[i];
      error.largest[k] = std::max(error.largest[k], std::abs(change));
      sum += change;
      squares += change * change;
    }
    const auto count = static_cast<double>(n);
    error.mean[k] = sum / count;
    error.rms[k] = std::sqrt(squares / count);
    const double variance = std::max(0.0, squares / count - error.mean[k] * error.mean[k]);
    error.spread[k] = std::sqrt(variance / count);
  }
}

} // namespace

FlowRange::FlowRange(const std::vector<spaces::Axis>& axes) {
  for (const spaces::Axis& axis : axes) {
    from.push_back(axis.from());
    to.push_back(axis.to());
    widths.push_back((axis.to() - axis.from()) / static_cast<double>(axis.cells()));
  }
}

void require_same_steps(const std::string& section, const models::Flow& flow,
                        const std::vector<double>& from, const std::vector<double>& to,
                        const std::string& otherwise) {
  constexpr std::size_t places = 64;
  const std::vector<double> points = places_within(from, to, places);
  const std::string change = flow.change_with_time({.x = points, .count = places});
  if (change.empty()) return;
  throw base::InputError(fmt::format(
      "'{}' repeats the step of one lag, but {}; make 'model.lag' a multiple of the period{}",
      section, change, otherwise));
}

std::vector<double> places_within(const std::vector<double>& from, const std::vector<double>& to,
                                  std::size_t count) {
  std::vector<double> places(from.size() * count);
  for (std::size_t k = 0; k < from.size(); ++k) {
    const base::Random random(0, k);
    for (std::size_t i = 0; i < count; ++i) {
      places[k * count + i] = from[k] + (to[k] - from[k]) * random.uniform(i);
    }
  }
  return places;
}

IntegrationError integration_error(MPI_Comm comm, const models::Flow& flow,
                                   const std::vector<double>& from, const std::vector<double>& to,
                                   const std::vector<double>& widths) {
  const auto d = static_cast<std::size_t>(flow.dimension());
  IntegrationError error{.largest = std::vector<double>(d),
                         .mean = std::vector<double>(d),
                         .spread = std::vector<double>(d),
                         .rms = std::vector<double>(d),
                         .widths = widths,
                         .places = places_of(flow)};
  const std::string problem = base::on_first_rank(comm, [&]() -> std::string {
    try {
      compare(flow, places_within(from, to, error.places), error);
      return {};
    } catch (const base::InputError& failed) {
      return failed.what();
    }
  });
  if (!problem.empty()) throw base::InputError(problem);
  for (std::vector<double>* part : {&error.largest, &error.mean, &error.spread, &error.rms}) {
    MPI_Bcast(part->data(), static_cast<int>(d), MPI_DOUBLE, 0, comm);
  }
  return error;
}

void report(base::Log& log, const models::Flow& flow, const IntegrationError& error) {
  constexpr double much = 0.1; // of a cell
  const auto largest_of = [](const std::vector<double>& values) {
    double largest = 0;
    for (const double value : values) largest = std::max(largest, std::abs(value));
    return largest;
  };
  if (!flow.random()) {
    const auto [share, k] = worst(error.largest, error.widths);
    const std::string cells = share > 0 ? fmt::format(", {:.1e} of a cell", share) : "";
    log.line(fmt::format("  integrated by {}: with a tolerance ten times tighter images of {} "
                         "places move by up to {:.1e}{}",
                         flow.method_text(), error.places, largest_of(error.largest), cells));
    if (share <= much) return;
    log.warning(fmt::format("the flow's images in {} are wrong by up to {:.2g} of a cell; lower "
                            "'model.rtol' and 'model.atol'",
                            flow.variables()[k], share));
    return;
  }
  const auto [share, k] = worst(error.mean, error.widths);
  log.line(fmt::format("  integrated by {}: with steps half as long paths from {} places move by "
                       "{:.1e} (root mean square), on average by {:.1e} +- {:.1e}",
                       flow.method_text(), error.places, largest_of(error.rms),
                       largest_of(error.mean), largest_of(error.spread)));
  if (share <= much || std::abs(error.mean[k]) <= 3 * error.spread[k]) return;
  log.warning(fmt::format("the mean of the flow's images in {} is wrong by about {:.2g} of a cell; "
                          "raise 'model.steps'",
                          flow.variables()[k], share));
}

void write_integration(const models::Flow& flow, const IntegrationError& error,
                       io::ResultFile& file) {
  const std::string unit = "of the variable";
  const std::string finer = flow.random() ? "steps half as long along the same Brownian paths"
                                          : "a tolerance ten times tighter";
  const auto write = [&](const std::string& name, const std::vector<double>& values,
                         const std::string& meaning) {
    file.write_small("/integration/" + name, values, {values.size()},
                     {{"meaning", meaning + ", per variable, with " + finer}, {"unit", unit}});
  };
  write("largest_change", error.largest, "largest change of an image");
  write("mean_change", error.mean, "mean change of the images");
  write("mean_standard_error", error.spread, "standard error of the mean change of the images");
  write("rms_change", error.rms, "root mean square change of the images");
  file.annotate("/integration", {{"variables", flow.variables()},
                                 {"method", flow.method_text()},
                                 {"places", static_cast<std::int64_t>(error.places)}});
}

} // namespace komori::analyses
