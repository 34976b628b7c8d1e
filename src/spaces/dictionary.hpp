/// Dictionaries: finite sets of functions of the state, evaluated at many points at once.
#pragma once

#include <array>
#include <cstdint>
#include <memory>
#include <optional>
#include <span>
#include <string>
#include <utility>
#include <vector>

#include "config/declaration.hpp"
#include "spaces/grid.hpp"
#include "spaces/points.hpp"

namespace komori::spaces {

/// How often a function is differentiated along each variable; at most twice in all.
using Derivative = std::array<int, max_dimension>;

/// Real functions of a point. Immutable; all functions are local.
class Dictionary {
public:
  virtual ~Dictionary() = default;
  virtual std::size_t size() const = 0;
  /// Derivatives of all functions at all points: function j at point i in
  /// values[j * points.count + i]. Orders above 0 need `differentiable`.
  virtual void evaluate(const Points& points, const Derivative& order,
                        std::span<double> values) const = 0;
  /// First and second derivatives exist and are known.
  virtual bool differentiable() const = 0;
  /// What function j is, in words for messages and the result: "P3(x) P1(y)".
  virtual std::string name(std::size_t j) const = 0;
  /// The functions of the next smaller dictionary of this kind, ascending; empty where there is
  /// none.
  virtual std::vector<std::size_t> smaller() const { return {}; }
};

/// Where the functions of one variable live.
struct Extent {
  double from = 0;
  double to = 0;
  bool bounded = false;  ///< functions mean nothing outside
  bool periodic = false; ///< from and to are the same place
  bool given = false;    ///< from and to are finite
  double centre = 0;     ///< of Hermite functions
  double scale = 1;      ///< of Hermite functions: a standard deviation
  bool normal = false;   ///< Hermite functions: the measure that belongs to them is normal
  double wrapped(double x) const;
};

/// `dictionary` as written, as far as it says what the functions are.
struct DictionaryInput {
  std::string family = "none";
  std::int64_t degree = -1;
  std::int64_t functions = 0;
  std::string cross = "total_degree";
  std::vector<std::pair<std::string, std::vector<double>>> on{};
  std::vector<double> centre{};
  std::vector<double> scale{};
  std::vector<std::vector<double>> centers{};
  double width = 0;
  std::vector<double> cells{};
  bool constant = true;
  config::FormulaArray formulas{};
  config::Origin origin{};
};
void declare_keys(config::Declarer& declarer, DictionaryInput& input);

/// Names and constants that formulas of a section may use.
struct Names {
  std::vector<std::string> variables;
  std::vector<std::pair<std::string, double>> constants;
};

/// The extents of all variables. Throws InputError where 'on' names no variable, misses one that
/// the family needs, or is no interval. Local.
std::vector<Extent> extents(const DictionaryInput& input, const Names& names);

/// Radial functions without given centres need `draw`, which returns points of the samples, rows of
/// coordinates, the same on all ranks.
using Draw = std::vector<std::vector<double>>;

/// Most functions that a dictionary may have: matrices of their size are held on every rank.
inline constexpr std::size_t most_functions = 20'000;

/// Whether centres have to be found from points of the samples.
bool needs_points(const DictionaryInput& input);
/// Throws InputError for keys that do not fit the family or the variables, or too many functions.
/// Local.
std::unique_ptr<Dictionary> make_dictionary(const DictionaryInput& input, const Names& names,
                                            const Draw& drawn = {});

} // namespace komori::spaces
