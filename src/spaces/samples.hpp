/// Weighted points that stand for a measure: quadrature rules, random and quasi-random numbers.
#pragma once

#include <cstdint>
#include <memory>
#include <optional>
#include <span>
#include <string>
#include <utility>
#include <vector>

#include "config/declaration.hpp"
#include "config/formula.hpp"
#include "spaces/dictionary.hpp"
#include "spaces/gauss_rules.hpp"

namespace komori::spaces {

/// `sampling` as written.
struct SamplingInput {
  std::string rule = "gauss";
  std::int64_t points = 100;
  std::int64_t panels = 1;
  std::vector<std::pair<std::string, std::vector<double>>> on{};
  config::FormulaText weight{};
  std::int64_t seed = 1;
  std::int64_t noise_points = 0;
  std::int64_t paths = 32;
  config::Origin origin{};
};
void declare(config::Declarer& declarer, SamplingInput& input);

/// Points by number, each the same whoever asks for it. All functions are local.
class Samples {
public:
  virtual ~Samples() = default;
  virtual std::int64_t count() const = 0;
  virtual int dimension() const = 0;
  /// Points first, ..., first + weights.size() - 1 by coordinate (see `Points`) and their weights,
  /// which need not add up to 1.
  virtual void take(std::int64_t first, std::span<double> x, std::span<double> weights) const = 0;
  /// Other points of the same measure, about as many or more, that share none with these; null
  /// where there are none.
  virtual std::unique_ptr<Samples> others() const = 0;
  /// "100 Gauss points", for the log.
  virtual std::string text() const = 0;
};

/// Up to `most` of the points at equal distances of their numbers.
Draw drawn(const Samples& samples, std::size_t most);

/// The measure that a `sampling` section names: uniform on the box `on` (or that of the
/// dictionary), normal for Hermite functions, times `weight`. Throws InputError where it is
/// incomplete, or too many points. Local.
std::unique_ptr<Samples> make_samples(const SamplingInput& input, const Names& names,
                                      const std::vector<Extent>& dictionary);

} // namespace komori::spaces
