#include "analyses/pseudospectrum.hpp"

#include <algorithm>
#include <cmath>

#include <fmt/format.h>

#include "base/error.hpp"
#include "operators/pseudospectrum.hpp"

namespace komori::analyses {

void declare(config::Declarer& declarer, PointRange& input) {
  declarer.real("from", input.from, {.help = "The first.", .unit = "of the eigenvalue"}, {});
  declarer.real("to", input.to, {.help = "The last.", .unit = "of the eigenvalue"}, {});
  declarer.integer("points", input.points, {.help = "How many, both ends included."},
                   config::Range::between(1, 10'000));
  if (!declarer.reading()) return;
  if (!(input.from < input.to) && input.points > 1) {
    declarer.reject("from", "must be below 'to'");
  }
}

void declare(config::Declarer& declarer, PseudospectrumInput& input) {
  declarer.section("re", input.re, {.help = "Real parts of the numbers z."});
  declarer.section("im", input.im, {.help = "Imaginary parts of the numbers z."});
  if (!declarer.reading()) return;
  if (input.re.points * input.im.points > 4'000'000) {
    declarer.reject("re", "and 'im' make more than 4000000 points; take fewer");
  }
}

bool pseudospectrum_section(DictionaryProblem& problem, const PseudospectrumInput& input,
                            io::ResultFile& file) {
  base::Phase phase(problem.log(), "pseudospectrum");
  const operators::KoopmanMatrix& matrix = problem.matrix(file);
  const auto rank = static_cast<std::int64_t>(problem.session().rank());
  const auto size = static_cast<std::int64_t>(problem.session().size());
  const std::int64_t columns = input.im.points;
  const std::int64_t points = input.re.points * columns;
  std::vector<double> mine(static_cast<std::size_t>(points), 0.0);
  std::int64_t next = 0;
  io::Checkpoints* checkpoints = problem.checkpoints();
  if (checkpoints) {
    checkpoints->restore("pseudospectrum", [&](io::CheckpointReader& reader) {
      const std::vector<double> saved = reader.numbers("residuals");
      next = static_cast<std::int64_t>(saved.at(0));
      if (rank == 0) std::copy(saved.begin() + 1, saved.end(), mine.begin());
    });
  }
  // About a fifth of a second between two looks at the others.
  const double work = std::pow(2.0 * static_cast<double>(matrix.rank()), 3) / 3 + 1e5;
  const auto each = std::clamp<std::int64_t>(static_cast<std::int64_t>(4e8 / work), 1, 1000);
  while (next < points) {
    const std::int64_t end = std::min(points, next + each * size);
    for (std::int64_t i = next + rank; i < end; i += size) {
      const std::complex<double> z(input.re.at(i / columns), input.im.at(i % columns));
      mine[static_cast<std::size_t>(i)] = operators::least_residual(matrix, z);
    }
    next = end;
    problem.log().progress(static_cast<double>(next) / static_cast<double>(points),
                           fmt::format("{} points", next));
    if (!checkpoints || next >= points) continue;
    checkpoints->step("pseudospectrum", [&](io::CheckpointWriter& writer) {
      std::vector<double> all{static_cast<double>(next)};
      all.insert(all.end(), mine.begin(), mine.end());
      MPI_Allreduce(MPI_IN_PLACE, all.data() + 1, static_cast<int>(points), MPI_DOUBLE, MPI_SUM,
                    problem.comm());
      writer.numbers("residuals", all);
    });
  }
  MPI_Allreduce(MPI_IN_PLACE, mine.data(), static_cast<int>(points), MPI_DOUBLE, MPI_SUM,
                problem.comm());
  phase.finish(fmt::format("{} points", points));
  const std::string unit = problem.rates() ? "1/time" : "-";
  const auto axis = [&](const char* name, const PointRange& range, const std::string& meaning) {
    std::vector<double> values;
    for (std::int64_t i = 0; i < range.points; ++i) values.push_back(range.at(i));
    file.write_small(fmt::format("/pseudospectrum/{}", name), values,
                     {static_cast<hsize_t>(range.points)}, {{"meaning", meaning}, {"unit", unit}});
  };
  axis("re", input.re, "real parts of z");
  axis("im", input.im, "imaginary parts of z");
  file.write_small("/pseudospectrum/residual", mine,
                   {static_cast<hsize_t>(input.re.points), static_cast<hsize_t>(columns)},
                   {{"meaning", std::string("least ||K v - z v|| / ||v|| of any function v of the "
                                            "dictionary, by real and imaginary part of z")},
                    {"unit", unit}});
  file.annotate("/pseudospectrum", {{"floor", operators::residual_floor(matrix)}});
  const auto least = std::min_element(mine.begin(), mine.end()) - mine.begin();
  problem.log().line(
      fmt::format("  least residual {:.2e} at {:.6g}{:+.6g}i (values below {:.0e} are rounding)",
                  mine[static_cast<std::size_t>(least)], input.re.at(least / columns),
                  input.im.at(least % columns), operators::residual_floor(matrix)));
  return true;
}

} // namespace komori::analyses
