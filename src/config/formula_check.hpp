/// The grammar of formulas, checked word by word before they are compiled, so that each mistake
/// gets a message of its own. Internal to config.
#pragma once

#include <cstddef>
#include <optional>
#include <string>
#include <string_view>
#include <utility>
#include <vector>

namespace komori::config {

using Constants = std::vector<std::pair<std::string, double>>;

/// The value of `name` among the constants, or of the built-in pi and e; a null pointer if none.
const double* find_constant(const Constants& constants, std::string_view name) noexcept;

/// What is wrong, e.g. "has an unknown name 'xx'", where, and how to mend it.
struct FormulaProblem {
  std::string what;
  std::size_t position = 0; ///< byte, from 0
  std::string hint;         ///< a sentence, or nothing

  /// "<what> at position 4 of '(x+xx)^2'. <hint>", the position counted in characters from 1.
  std::string text(std::string_view formula) const;
};

/// What a sound formula calls, without repetition, in order of appearance.
struct FormulaUse {
  std::vector<std::size_t> variables; ///< places in the list of variables
  std::vector<std::string> constants;
  std::vector<std::string> functions;
  bool logic = false; ///< && or ||
};

constexpr std::size_t longest_formula = 15'000;

/// Checks `text` against the grammar and the known names; fills `use`.
std::optional<FormulaProblem> check_formula(std::string_view text,
                                            const std::vector<std::string>& variables,
                                            const Constants& constants, FormulaUse& use);

} // namespace komori::config
