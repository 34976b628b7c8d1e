/// The word somebody probably meant. All local.
#pragma once

#include <optional>
#include <string>
#include <string_view>
#include <vector>

namespace komori::config {

/// The first of the candidates with the fewest slips (letters added, left out, changed or swapped;
/// Damerau-Levenshtein, upper and lower case alike) if these are at most a third of the word, and
/// at least 1 allowed; otherwise the first candidate that `word` (2 letters or more) begins.
std::optional<std::string> nearest(std::string_view word,
                                   const std::vector<std::string>& candidates);

/// " Did you mean 'x'?", or nothing when nothing is near.
std::string did_you_mean(std::string_view word, const std::vector<std::string>& candidates);

} // namespace komori::config
