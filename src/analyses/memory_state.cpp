#include "analyses/memory_state.hpp"

#include <string>

namespace komori::analyses {
namespace {

using Eigen::Index;

void pack(std::vector<double>& to, const std::string& text) {
  to.push_back(static_cast<double>(text.size()));
  for (const char c : text) to.push_back(static_cast<unsigned char>(c));
}

/// Takes numbers in the order in which they were put.
class Numbers {
public:
  explicit Numbers(const std::vector<double>& values) : values_(values) {}
  double number() { return values_.at(next_++); }
  Index count() { return static_cast<Index>(number()); }
  std::string text() {
    std::string text(static_cast<std::size_t>(count()), ' ');
    for (char& c : text) c = static_cast<char>(static_cast<unsigned char>(number()));
    return text;
  }
  std::complex<double> complex() {
    const double re = number();
    return {re, number()};
  }

private:
  const std::vector<double>& values_;
  std::size_t next_ = 0;
};

} // namespace

std::vector<double> packed_modes(const MemoryResult& result) {
  std::vector<double> numbers{static_cast<double>(result.modes.size()),
                              static_cast<double>(result.asked), result.complete ? 1.0 : 0.0};
  pack(numbers, result.solver);
  pack(numbers, result.coverage);
  for (const MemoryMode& mode : result.modes) {
    numbers.insert(numbers.end(),
                   {mode.value.real(), mode.value.imag(), mode.rate, mode.residual,
                    mode.left_residual, mode.condition, mode.strength, mode.visible ? 1.0 : 0.0,
                    static_cast<double>(mode.amplitude.rows())});
    pack(numbers, mode.verdict);
    for (Index i = 0; i < mode.amplitude.size(); ++i) {
      numbers.insert(numbers.end(), {mode.amplitude(i).real(), mode.amplitude(i).imag()});
    }
  }
  return numbers;
}

void unpack_modes(const std::vector<double>& numbers, MemoryResult& result) {
  Numbers from(numbers);
  const Index count = from.count();
  result.asked = from.count();
  result.complete = from.number() != 0;
  result.solver = from.text();
  result.coverage = from.text();
  result.modes.clear();
  for (Index m = 0; m < count; ++m) {
    MemoryMode mode;
    mode.value = from.complex();
    mode.rate = from.number();
    mode.residual = from.number();
    mode.left_residual = from.number();
    mode.condition = from.number();
    mode.strength = from.number();
    mode.visible = from.number() != 0;
    const Index k = from.count();
    mode.verdict = from.text();
    mode.amplitude.resize(k, k);
    for (Index i = 0; i < mode.amplitude.size(); ++i) mode.amplitude(i) = from.complex();
    result.modes.push_back(std::move(mode));
  }
}

} // namespace komori::analyses
