#include "config/duration.hpp"

#include <array>
#include <charconv>
#include <cmath>
#include <utility>

namespace komori::config {

namespace {

constexpr double day = 86400;
constexpr double hour = 3600;
constexpr double minute = 60;

bool is_digit(char c) noexcept {
  return c >= '0' && c <= '9';
}

/// The number that `text` begins with, taken off it.
std::optional<double> take_number(std::string_view& text) {
  if (text.empty() || !(is_digit(text.front()) || text.front() == '.')) return std::nullopt;
  double value = 0;
  const auto [end, error] = std::from_chars(text.data(), text.data() + text.size(), value);
  if (error != std::errc{} || !std::isfinite(value)) return std::nullopt;
  text.remove_prefix(static_cast<std::size_t>(end - text.data()));
  return value;
}

/// Up to `digits` digits, taken off `text`.
std::optional<double> take_digits(std::string_view& text, std::size_t digits) {
  double value = 0;
  std::size_t n = 0;
  while (n < text.size() && is_digit(text[n])) value = 10 * value + (text[n++] - '0');
  if (n == 0 || n > digits) return std::nullopt;
  text.remove_prefix(n);
  return value;
}

bool take(std::string_view& text, char c) noexcept {
  if (text.empty() || text.front() != c) return false;
  text.remove_prefix(1);
  return true;
}

std::optional<double> clock_time(std::string_view text) {
  double days = 0;
  if (text.find('-') != std::string_view::npos) {
    const auto value = take_digits(text, 6);
    if (!value || !take(text, '-')) return std::nullopt;
    days = *value;
  }
  const auto hours = take_digits(text, 6);
  if (!hours || !take(text, ':')) return std::nullopt;
  const auto minutes = take_digits(text, 2);
  if (!minutes || *minutes >= 60 || !take(text, ':')) return std::nullopt;
  const auto seconds = take_digits(text, 2);
  if (!seconds || *seconds >= 60 || !text.empty()) return std::nullopt;
  return days * day + *hours * hour + *minutes * minute + *seconds;
}

std::optional<double> unit_seconds(std::string_view unit) {
  constexpr std::array<std::pair<std::string_view, double>, 7> units{{{"s", 1},
                                                                      {"sec", 1},
                                                                      {"m", minute},
                                                                      {"min", minute},
                                                                      {"h", hour},
                                                                      {"d", day},
                                                                      {"ms", 1e-3}}};
  for (const auto& [name, seconds] : units)
    if (name == unit) return seconds;
  return std::nullopt;
}

} // namespace

std::optional<double> parse_duration(std::string_view text) {
  if (text.find(':') != std::string_view::npos) return clock_time(text);
  double total = 0;
  double last_unit = INFINITY;
  bool first = true;
  while (first || !text.empty()) {
    const auto value = take_number(text);
    if (!value) return std::nullopt;
    if (first && text.empty()) return value;
    while (take(text, ' ')) {
    }
    std::size_t letters = 0;
    while (letters < text.size() && text[letters] >= 'a' && text[letters] <= 'z') ++letters;
    const auto unit = unit_seconds(text.substr(0, letters));
    // "30m1h" or "1h1h" is rather a slip than a length of time.
    if (!unit || *unit >= last_unit) return std::nullopt;
    total += *value * *unit;
    last_unit = *unit;
    text.remove_prefix(letters);
    while (take(text, ' ')) {
    }
    first = false;
  }
  if (!std::isfinite(total)) return std::nullopt;
  return total;
}

} // namespace komori::config
