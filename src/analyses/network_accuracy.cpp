#include "analyses/network_accuracy.hpp"

#include <algorithm>
#include <array>
#include <cmath>
#include <limits>

#include <Eigen/Core>
#include <fmt/format.h>

#include "analyses/network_sections.hpp"
#include "models/network_paths.hpp"

namespace komori::analyses {
namespace {

constexpr std::int64_t draws = 16; ///< of the noise, per row

std::string percent(double share) {
  return std::isnan(share) ? "-" : fmt::format("{:.2f} %", 100 * share);
}

} // namespace

Accuracy accuracy_of(
    const operators::NetworkData& data, std::size_t classes,
    const std::function<void(std::int64_t, std::span<const double>, std::span<double>)>& outputs) {
  std::array<std::int64_t, 2> right{}; // fitted, held out
  std::vector<double> values;
  data.for_each([&](std::int64_t first, std::span<const double> points,
                    std::span<const std::int64_t> labels) {
    values.resize(labels.size() * classes);
    outputs(first, points, values);
    for (std::size_t p = 0; p < labels.size(); ++p) {
      const auto row = values.begin() + static_cast<std::ptrdiff_t>(p * classes);
      const auto seen = std::max_element(row, row + static_cast<std::ptrdiff_t>(classes)) - row;
      const bool held_out = first + static_cast<std::int64_t>(p) >= data.fitted_rows();
      right[held_out ? 1 : 0] += seen == labels[p] ? 1 : 0;
    }
  });
  MPI_Allreduce(MPI_IN_PLACE, right.data(), 2, MPI_INT64_T, MPI_SUM, data.comm());
  const auto share = [](std::int64_t count, std::int64_t of) {
    return of > 0 ? static_cast<double>(count) / static_cast<double>(of)
                  : std::numeric_limits<double>::quiet_NaN();
  };
  return {.all = share(right[0] + right[1], data.rows()),
          .fitted = share(right[0], data.fitted_rows()),
          .held_out = share(right[1], data.rows() - data.fitted_rows())};
}

Accuracy accuracy_of(const operators::NetworkData& data, const models::Network& network) {
  return accuracy_of(data, network.width(network.depth()),
                     [&](std::int64_t, std::span<const double> points, std::span<double> values) {
                       std::vector<double> x(points.begin(), points.end());
                       const std::size_t count = x.size() / network.width(0);
                       for (std::size_t n = 0; n < network.depth(); ++n) {
                         std::vector<double> next(count * network.width(n + 1));
                         models::propagate(network.layers[n], count, x, next);
                         x = std::move(next);
                       }
                       std::copy(x.begin(), x.end(), values.begin());
                     });
}

Accuracy accuracy_of(const LayerDictionaryProblem& problem,
                     const std::vector<base::UniqueVec>& functions) {
  using RowMatrix = Eigen::Matrix<double, Eigen::Dynamic, Eigen::Dynamic, Eigen::RowMajor>;
  const operators::LayerDictionary& dictionary = problem.sampled().dictionaries[0];
  const auto size = static_cast<Eigen::Index>(dictionary.size());
  const auto classes = static_cast<Eigen::Index>(functions.size());
  Eigen::MatrixXd weights(size, classes);
  for (Eigen::Index k = 0; k < classes; ++k) {
    weights.col(k) = operators::dictionary_weights(problem.sampled(), 0,
                                                   functions[static_cast<std::size_t>(k)].get());
  }
  return accuracy_of(
      *problem.data(), functions.size(),
      [&](std::int64_t, std::span<const double> points, std::span<double> values) {
        const std::size_t count = points.size() / dictionary.width();
        RowMatrix eta(static_cast<Eigen::Index>(count), size);
        dictionary.evaluate(count, points, {eta.data(), static_cast<std::size_t>(eta.size())});
        Eigen::Map<RowMatrix>(values.data(), eta.rows(), classes) = eta * weights;
      });
}

void add_accuracy_names(std::vector<std::string>& header) {
  header.insert(header.end(), {"accuracy", "fitted rows", "held out"});
}

void add_accuracy(const Accuracy& accuracy, std::vector<std::string>& row) {
  for (const double share : {accuracy.all, accuracy.fitted, accuracy.held_out}) {
    row.push_back(percent(share));
  }
}

void write_accuracies(const std::vector<Accuracy>& accuracies, const std::string& name,
                      io::ResultFile& file) {
  std::vector<double> flat;
  for (const Accuracy& one : accuracies) {
    flat.insert(flat.end(), {one.all, one.fitted, one.held_out});
  }
  file.write_small(name, flat, {static_cast<hsize_t>(accuracies.size()), 3},
                   {{"meaning", "shares of rows classified rightly: of all, of those that anything "
                                "was fitted to, of those held out (nan: there are none)"},
                    {"unit", "-"}});
}

bool accuracy(LayerProblem& problem, io::ResultFile& file) {
  base::Phase phase(problem.log(), "accuracy");
  const operators::NetworkData& data = *problem.data();
  const models::Network& network = problem.network();
  std::vector<Accuracy> accuracies{accuracy_of(data, network)};
  // With noise the share is a mean over draws of it.
  Accuracy noisy{};
  for (std::int64_t draw = 0; draw < draws; ++draw) {
    const models::PathSampler sampler(network, 1, 1000 + static_cast<std::uint64_t>(draw));
    const Accuracy one = accuracy_of(
        data, network.width(network.depth()),
        [&](std::int64_t first, std::span<const double> points, std::span<double> values) {
          std::vector<double> x(points.begin(), points.end());
          const std::size_t count = x.size() / network.width(0);
          for (std::size_t n = 0; n < network.depth(); ++n) {
            std::vector<double> next(count * network.width(n + 1));
            sampler.step(n, static_cast<std::uint64_t>(first), count, x, next);
            x = std::move(next);
          }
          std::copy(x.begin(), x.end(), values.begin());
        });
    noisy.all += one.all / draws;
    noisy.fitted += one.fitted / draws;
    noisy.held_out += one.held_out / draws;
  }
  accuracies.push_back(noisy);
  phase.finish(fmt::format("{} rows", data.rows()));
  std::vector<std::vector<std::string>> rows{{"without noise"}, {"with noise"}};
  for (std::size_t i = 0; i < rows.size(); ++i) add_accuracy(accuracies[i], rows[i]);
  std::vector<std::string> header{"network"};
  add_accuracy_names(header);
  problem.log().table("The network as a classifier", header, rows);
  write_accuracies({accuracies[0]}, "/accuracy/without_noise", file);
  write_accuracies({accuracies[1]}, "/accuracy/with_noise", file);
  return true;
}

} // namespace komori::analyses
