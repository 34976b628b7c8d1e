/// The lines of a benchmark: what was measured, and what it should have been.
#pragma once

#include <functional>
#include <string>
#include <vector>

#include "analyses/benchmark.hpp"
#include "base/session.hpp"
#include "models/sde.hpp"
#include "spaces/grid.hpp"

namespace komori::analyses {

/// One line of the table.
struct Measurement {
  std::string name;
  double seconds = 0;
  double value = 0; ///< in `unit`
  std::string unit;
  std::string note;
};

/// What a value is held against on a machine whose memory bounds it: shares, rates and ratios that
/// were measured to be possible, and seconds and iterations that follow from them.
struct Target {
  double must = 0;
  double goal = 0;
  bool at_least = true; ///< otherwise at most
  /// "met", "goal met" or "not met".
  std::string verdict(double value) const;
};

/// Times things and keeps what they took.
class BenchmarkRows {
public:
  BenchmarkRows(base::Session& session, const BenchmarkInput& input)
      : session_(session), input_(input) {}
  const std::vector<Measurement>& results() const { return results_; }
  const BenchmarkInput& input() const { return input_; }
  const base::Session& session() const { return session_; }
  /// What a line is held against; null where nothing is, and at sizes that it was not stated for.
  const Target* target_of(const std::string& name) const;

protected:
  /// The median over the repeats of the time that the slowest rank takes. Collective, as are all
  /// that follow.
  double median(const std::function<void()>& body, int repeats) const;
  double once(const std::function<void()>& body) const;
  static double median_of(std::vector<double> values);
  /// What is timed beside the triad, and the least bytes it moves: every coefficient, index and
  /// vector entry once.
  struct Product {
    std::string name;
    std::function<void()> run;
    double bytes = 0;
  };
  /// a = b + s c, 24 bytes per entry counted (McCalpin's STREAM), over arrays of `entries` on all
  /// ranks, which stands in the line `triad`, and products, in turn: each product is held against
  /// the triad just before it, for the bandwidth of a machine that others use comes and goes.
  void beside_triad(const std::string& triad, const std::vector<Product>& products, double entries);
  int repeats() const { return static_cast<int>(input_.repeats); }
  void add(Measurement measurement);
  /// About so many cells, alike on all axes.
  spaces::Grid grid(double cells, double from, double to) const;
  spaces::Grid grid(double cells, double from, double to, int dimension, MPI_Comm comm) const;
  /// The double well of inputs/double_well.yaml, or a flow that turns round while it contracts.
  models::Sde sde(bool rotating) const;
  models::Sde sde(bool rotating, int dimension) const;

  base::Session& session_;
  const BenchmarkInput& input_;
  std::vector<Measurement> results_;

private:
  double sink_ = 0; ///< keeps the triad from being optimised away
};

/// The table on the terminal, and all of it as JSON. Local.
void print_table(const BenchmarkRows& rows, base::Log& log);
std::string json_of(const BenchmarkRows& rows, double load);

} // namespace komori::analyses
