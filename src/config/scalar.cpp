#include "config/scalar.hpp"

#include <charconv>
#include <cmath>
#include <optional>

#include <fmt/format.h>

#include "config/formula.hpp"
#include "config/nearest.hpp"
#include "config/wording.hpp"

namespace komori::config {

namespace {

bool begins_number(std::string_view text) noexcept {
  if (text.starts_with('-')) text.remove_prefix(1);
  if (text.starts_with('.')) text.remove_prefix(1);
  return !text.empty() && text.front() >= '0' && text.front() <= '9';
}

/// Plain numbers only: no "inf" or "nan", which std::from_chars would take.
template <class T> std::optional<T> plain_number(std::string_view text) {
  if (text.starts_with('+')) {
    text.remove_prefix(1);
    if (text.starts_with('-')) return std::nullopt;
  }
  if (!begins_number(text)) return std::nullopt;
  T value{};
  const char* end = text.data() + text.size();
  const auto result = std::from_chars(text.data(), end, value);
  if (result.ec != std::errc{} || result.ptr != end) return std::nullopt;
  return value;
}

std::string evaluated(const Node& node, double value) {
  return plain_number<double>(node.text) ? node.text
                                         : fmt::format("{} = {}", shortened(node.text),
                                                       std::isnan(value) ? std::abs(value) : value);
}

/// The value before any range is looked at; may be infinite or NaN.
double evaluate(const Node& node, const std::string& path, const Constants& constants,
                const std::string& allowed) {
  if (node.kind != Node::Kind::scalar) refuse(node, path, allowed);
  if (const auto value = plain_number<double>(node.text)) return *value;
  FormulaUse use;
  const auto problem = check_formula(node.text, {}, constants, use);
  if (!problem) return evaluate_constant({node.text, node.origin(), path}, constants);
  // A lone word is rather a wrong word than a formula gone wrong.
  if (is_identifier(node.text)) {
    std::vector<std::string> names;
    for (const auto& [name, value] : constants) names.push_back(name);
    refuse(node, path, allowed, did_you_mean(node.text, names));
  }
  if (begins_number(node.text) || node.text.find_first_of("+-*/^()") != std::string::npos)
    refuse(node, path, allowed, "; as a formula it " + problem->text(node.text));
  refuse(node, path, allowed);
}

} // namespace

std::string requirement(const char* kind, const Range& range) {
  const bool open = !std::isfinite(range.min) && !std::isfinite(range.max);
  return open ? kind : fmt::format("{} {}", kind, range.text());
}

void refuse(const Node& node, const std::string& path, const std::string& allowed,
            const std::string& hint) {
  fail(node.origin(), fmt::format("{} is {}, but must be {}{}{}", in_quotes(path), node.shown(),
                                  allowed, hint.starts_with(" Did") ? "." : "", hint));
}

double read_real(const Node& node, const std::string& path, const Constants& constants,
                 const Range& range) {
  const std::string allowed = requirement("a number", range);
  const double value = evaluate(node, path, constants, allowed);
  if (!std::isfinite(value))
    fail(node.origin(), fmt::format("{} is {}, but must be a finite number", in_quotes(path),
                                    evaluated(node, value)));
  if (!range.holds(value))
    fail(node.origin(),
         fmt::format("{} is {}, but must be {}", in_quotes(path), evaluated(node, value), allowed));
  return value;
}

std::int64_t read_integer(const Node& node, const std::string& path, const Constants& constants,
                          const Range& range) {
  const std::string allowed = requirement("an integer", range);
  if (node.kind == Node::Kind::scalar)
    if (const auto value = plain_number<std::int64_t>(node.text))
      if (range.holds(static_cast<double>(*value))) return *value;
  const double value = evaluate(node, path, constants, allowed);
  // Beyond 2^53 neighbouring integers are one double: the formula's value is no integer any more.
  const bool integral = std::abs(value) <= 9007199254740992.0 && value == std::floor(value);
  if (!integral || !range.holds(value))
    fail(node.origin(),
         fmt::format("{} is {}, but must be {}", in_quotes(path), evaluated(node, value), allowed));
  return static_cast<std::int64_t>(value);
}

bool looks_like_number(const Node& node, const Constants& constants) {
  if (node.kind != Node::Kind::scalar) return false;
  return !is_identifier(node.text) || find_constant(constants, node.text);
}

} // namespace komori::config
