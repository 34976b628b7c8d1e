#include "operators/path_grams.hpp"

#include <algorithm>
#include <cmath>

#include <fmt/format.h>

#include "base/collective.hpp"
#include "base/error.hpp"
#include "base/signals.hpp"
#include "models/network_paths.hpp"

namespace komori::operators {
namespace {

using RowMatrix = Eigen::Matrix<double, Eigen::Dynamic, Eigen::Dynamic, Eigen::RowMajor>;

constexpr const char* phase = "dictionary";

Eigen::Index index(std::size_t i) {
  return static_cast<Eigen::Index>(i);
}

/// Calls `visit(matrix)` for every matrix of the sums, always in the same order.
template <class Grams, class Visit> void for_each_matrix(Grams& grams, Visit&& visit) {
  for (auto& matrix : grams.same) visit(matrix);
  for (auto& matrix : grams.next) visit(matrix);
  visit(grams.functions);
  visit(grams.squares);
}

PathGrams zero(const PathPass& pass) {
  PathGrams grams;
  std::size_t largest = 1;
  for (std::size_t n = 0; n < pass.dictionaries.size(); ++n) {
    const Eigen::Index size = index(pass.dictionaries[n].size());
    largest = std::max(largest, pass.dictionaries[n].size());
    grams.same.emplace_back(Eigen::MatrixXd::Zero(size, size));
    if (n + 1 == pass.dictionaries.size()) continue;
    grams.next.emplace_back(Eigen::MatrixXd::Zero(size, index(pass.dictionaries[n + 1].size())));
  }
  grams.functions = Eigen::MatrixXd::Zero(index(largest), index(pass.functions.size()));
  grams.squares = Eigen::MatrixXd::Zero(1, index(pass.functions.size()));
  return grams;
}

void add_up(MPI_Comm comm, Eigen::MatrixXd& matrix) {
  // In pieces: counts of MPI are 32-bit.
  constexpr Eigen::Index piece = Eigen::Index{1} << 26;
  for (Eigen::Index begin = 0; begin < matrix.size(); begin += piece) {
    const auto count = static_cast<int>(std::min(piece, matrix.size() - begin));
    MPI_Allreduce(MPI_IN_PLACE, matrix.data() + begin, count, MPI_DOUBLE, MPI_SUM, comm);
  }
}

/// Multiplications per path.
double cost(const PathPass& pass) {
  double sum = 0;
  double before = 0;
  for (const LayerDictionary& dictionary : pass.dictionaries) {
    const auto size = static_cast<double>(dictionary.size());
    sum += size * (size / 2 + before) + 30 * static_cast<double>(dictionary.width());
    before = size;
  }
  for (const models::NetworkLayer& layer : pass.network.layers) {
    sum += static_cast<double>(layer.neurons) * static_cast<double>(layer.inputs);
  }
  return sum;
}

/// Adds one batch of paths.
class Batch {
public:
  explicit Batch(const PathPass& pass)
      : pass_(pass), sampler_(pass.network, pass.seed, 0, pass.inputs),
        x_(pass.network.depth() + 1), eta_(pass.network.depth() + 1) {}

  /// What is wrong with a value on the way; empty if nothing is.
  std::string add(std::uint64_t first, std::size_t rows, PathGrams& grams) {
    const std::size_t depth = pass_.network.depth();
    x_[0].resize(rows * pass_.network.width(0));
    sampler_.inputs(first, rows, x_[0]);
    for (std::size_t n = 0; n <= depth; ++n) {
      const LayerDictionary& dictionary = pass_.dictionaries[n];
      std::span<const double> images;
      if (n < depth) {
        x_[n + 1].resize(rows * pass_.network.width(n + 1));
        models::propagate(pass_.network.layers[n], rows, x_[n], x_[n + 1]);
        images = x_[n + 1];
      }
      eta_[n].resize(index(rows), index(dictionary.size()));
      dictionary.evaluate(rows, x_[n], images,
                          {eta_[n].data(), static_cast<std::size_t>(eta_[n].size())});
      if (!eta_[n].allFinite()) {
        return fmt::format("dictionary: a function of layer {} is not finite", n);
      }
      if (n < depth) sampler_.add_noise(n, first, rows, x_[n + 1]);
      std::string problem = add_functions(n, rows, grams);
      if (!problem.empty()) return problem;
    }
    for (std::size_t n = 0; n <= depth; ++n) {
      grams.same[n].selfadjointView<Eigen::Lower>().rankUpdate(eta_[n].transpose());
      if (n < depth) grams.next[n].noalias() += eta_[n].transpose() * eta_[n + 1];
    }
    return {};
  }

private:
  std::string add_functions(std::size_t n, std::size_t rows, PathGrams& grams) const {
    const std::size_t width = pass_.network.width(n);
    for (std::size_t f = 0; f < pass_.functions.size(); ++f) {
      if (pass_.functions[f].layer != static_cast<int>(n)) continue;
      Eigen::VectorXd values(index(rows));
      for (std::size_t p = 0; p < rows; ++p) {
        const std::span<const double> x(x_[n].data() + p * width, width);
        values[index(p)] = pass_.functions[f].value(x);
        if (!std::isfinite(values[index(p)])) {
          return fmt::format("{} must be finite wherever paths lead (it is {:.6g}) at {}",
                             pass_.functions[f].name, values[index(p)], place_text(n, x));
        }
      }
      grams.functions.col(index(f)).head(eta_[n].cols()) += eta_[n].transpose() * values;
      grams.squares(0, index(f)) += values.squaredNorm();
    }
    return {};
  }

  /// "x2_1 = 0.5, x2_2 = -1, ..."
  std::string place_text(std::size_t n, std::span<const double> x) const {
    constexpr std::size_t most = 4;
    const std::vector<std::string> names = pass_.network.variables(n);
    std::string text;
    for (std::size_t k = 0; k < std::min(most, x.size()); ++k) {
      text += fmt::format("{}{} = {:.6g}", k > 0 ? ", " : "", names[k], x[k]);
    }
    return x.size() > most ? text + ", ..." : text;
  }

  const PathPass& pass_;
  models::PathSampler sampler_;
  std::vector<std::vector<double>> x_; ///< per layer, [rows][width]
  std::vector<RowMatrix> eta_;         ///< per layer, [rows][functions]
};

/// Sums over paths [begin, end), on every rank.
PathGrams part(base::Session& session, const PathPass& pass, Batch& batch, std::int64_t begin,
               std::int64_t end) {
  const auto size = static_cast<std::int64_t>(models::batch_of(pass.network));
  PathGrams grams = zero(pass);
  std::string problem;
  for (std::int64_t first = begin + session.rank() * size; first < end && problem.empty();
       first += session.size() * size) {
    try {
      problem = batch.add(static_cast<std::uint64_t>(first),
                          static_cast<std::size_t>(std::min(end - first, size)), grams);
    } catch (const base::InputError& error) {
      problem = error.what(); // the file of inputs has changed
    }
  }
  problem = base::first_text(session.comm(), problem);
  if (!problem.empty()) throw base::InputError(problem);
  for_each_matrix(grams, [&](Eigen::MatrixXd& matrix) { add_up(session.comm(), matrix); });
  return grams;
}

/// All sums so far, one after the other, as a checkpoint keeps them.
struct State {
  PathGrams total;
  std::vector<PathGrams> reached; ///< of the counts that are complete

  std::vector<double> numbers() const {
    std::vector<double> all{static_cast<double>(reached.size())};
    const auto append = [&](const PathGrams& grams) {
      all.push_back(static_cast<double>(grams.paths));
      for_each_matrix(grams, [&](const Eigen::MatrixXd& matrix) {
        all.insert(all.end(), matrix.data(), matrix.data() + matrix.size());
      });
    };
    append(total);
    for (const PathGrams& grams : reached) append(grams);
    return all;
  }
  void restore(const std::vector<double>& numbers, const PathPass& pass) {
    std::size_t at = 0;
    const auto take = [&] {
      if (at == numbers.size()) throw base::InputError("the checkpoint holds other dictionaries");
      return numbers[at++];
    };
    const auto fill = [&](PathGrams& grams) {
      grams = zero(pass);
      grams.paths = static_cast<std::int64_t>(take());
      for_each_matrix(grams, [&](Eigen::MatrixXd& matrix) {
        for (Eigen::Index i = 0; i < matrix.size(); ++i) matrix.data()[i] = take();
      });
    };
    const auto count = static_cast<std::size_t>(take());
    fill(total);
    while (reached.size() < count) fill(reached.emplace_back());
  }
};

} // namespace

std::vector<PathGrams> path_grams(base::Session& session, const PathPass& pass,
                                  const std::vector<std::int64_t>& counts,
                                  io::Checkpoints* checkpoints) {
  constexpr double work = 4e9; // multiplications between two looks at signals: a second or so
  const auto part_size =
      static_cast<std::int64_t>(std::clamp(work / cost(pass), 4096.0, double(1 << 20)));
  State state{.total = zero(pass), .reached = {}};
  if (checkpoints != nullptr) {
    checkpoints->restore(
        phase, [&](io::CheckpointReader& reader) { state.restore(reader.numbers("sums"), pass); });
  }
  Batch batch(pass);
  while (state.reached.size() < counts.size()) {
    const std::int64_t begin = state.total.paths;
    const std::int64_t end = std::min(counts[state.reached.size()], begin + part_size);
    PathGrams own = part(session, pass, batch, begin, end);
    std::vector<const Eigen::MatrixXd*> parts;
    for_each_matrix(own, [&](const Eigen::MatrixXd& matrix) { parts.push_back(&matrix); });
    std::size_t next = 0;
    for_each_matrix(state.total, [&](Eigen::MatrixXd& matrix) { matrix += *parts[next++]; });
    state.total.paths = end;
    if (end == counts[state.reached.size()]) state.reached.push_back(state.total);
    session.log().progress(static_cast<double>(end) / static_cast<double>(counts.back()), "paths");
    if (state.reached.size() == counts.size()) break;
    if (checkpoints == nullptr) {
      base::stop_if_asked(session.comm(), "no result was written");
      continue;
    }
    checkpoints->step(
        phase, [&](io::CheckpointWriter& writer) { writer.numbers("sums", state.numbers()); });
  }
  for (PathGrams& grams : state.reached) {
    const auto paths = static_cast<double>(grams.paths);
    for_each_matrix(grams, [&](Eigen::MatrixXd& matrix) { matrix /= paths; });
  }
  return std::move(state.reached);
}

} // namespace komori::operators
