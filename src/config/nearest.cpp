#include "config/nearest.hpp"

#include <algorithm>
#include <cstddef>

namespace komori::config {

namespace {

constexpr std::size_t longest = 256;

std::string lower(std::string_view text) {
  std::string out(text);
  for (char& c : out)
    if (c >= 'A' && c <= 'Z') c = static_cast<char>(c - 'A' + 'a');
  return out;
}

/// Optimal string alignment: every letter takes part in at most one slip.
std::size_t slips(std::string_view a, std::string_view b) {
  std::vector<std::size_t> before(b.size() + 1), above(b.size() + 1), row(b.size() + 1);
  for (std::size_t j = 0; j <= b.size(); ++j) above[j] = j;
  for (std::size_t i = 1; i <= a.size(); ++i) {
    row[0] = i;
    for (std::size_t j = 1; j <= b.size(); ++j) {
      const std::size_t changed = a[i - 1] == b[j - 1] ? 0 : 1;
      row[j] = std::min({above[j] + 1, row[j - 1] + 1, above[j - 1] + changed});
      if (i > 1 && j > 1 && a[i - 1] == b[j - 2] && a[i - 2] == b[j - 1])
        row[j] = std::min(row[j], before[j - 2] + 1);
    }
    std::swap(before, above);
    std::swap(above, row);
  }
  return above[b.size()];
}

} // namespace

std::optional<std::string> nearest(std::string_view word,
                                   const std::vector<std::string>& candidates) {
  if (word.empty() || word.size() > longest) return std::nullopt;
  const std::string wanted = lower(word);
  const std::size_t allowed = std::max<std::size_t>(1, wanted.size() / 3);
  std::optional<std::string> best;
  std::size_t fewest = allowed + 1;
  for (const std::string& candidate : candidates) {
    if (candidate.size() > longest) continue;
    const std::size_t length = std::max(wanted.size(), candidate.size());
    if (length - std::min(wanted.size(), candidate.size()) >= fewest) continue;
    const std::size_t count = slips(wanted, lower(candidate));
    // All letters changed is no likeness: 'z' is not near 'x'.
    if (count < fewest && count < wanted.size()) {
      fewest = count;
      best = candidate;
    }
  }
  if (best || wanted.size() < 2) return best;
  for (const std::string& candidate : candidates)
    if (lower(candidate).starts_with(wanted)) return candidate;
  return std::nullopt;
}

std::string did_you_mean(std::string_view word, const std::vector<std::string>& candidates) {
  const auto near = nearest(word, candidates);
  return near ? " Did you mean '" + *near + "'?" : "";
}

} // namespace komori::config
