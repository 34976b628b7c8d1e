#include "config/formula_check.hpp"

#include <algorithm>
#include <array>
#include <charconv>
#include <numbers>

#include <fmt/format.h>

#include "config/functions.hpp"
#include "config/nearest.hpp"
#include "config/wording.hpp"

namespace komori::config {

namespace {

bool is_digit(char c) noexcept {
  return c >= '0' && c <= '9';
}
bool is_letter(char c) noexcept {
  return (c >= 'a' && c <= 'z') || (c >= 'A' && c <= 'Z');
}
bool is_blank(char c) noexcept {
  return c == ' ' || c == '\t' || c == '\n' || c == '\r';
}
bool continues_character(char c) noexcept {
  return (static_cast<unsigned char>(c) & 0xC0) == 0x80;
}

struct Token {
  enum class Kind { end, number, name, compare, logic, sign, other_operator, symbol, bad };
  Kind kind = Kind::end;
  std::string_view text;
  std::size_t position = 0;
};

/// Why a character or word cannot stand in a formula.
std::string hint_for(std::string_view text) {
  constexpr std::array<std::pair<std::string_view, std::string_view>, 17> hints{{
      {"**", "Write ^ for powers."},
      {"=", "Write == to compare; a formula cannot assign."},
      {"&", "Write && for 'and'."},
      {"|", "Write || for 'or', abs(x) for the absolute value."},
      {"!", "Write x == 0 for 'not x', gamma(n + 1) for a factorial."},
      {"%", "Write mod(a, b) for the remainder."},
      {"[", "Write ( ) for brackets."},
      {"]", "Write ( ) for brackets."},
      {"{", "Write ( ) for brackets."},
      {"}", "Write ( ) for brackets."},
      {"\"", "A formula holds no text."},
      {"'", "A formula holds no text."},
      {"\xE2\x88\x92", "Write - for minus."},
      {"\xC3\x97", "Write * for times."},
      {"\xC2\xB7", "Write * for times."},
      {"\xC2\xB2", "Write ^2."},
      {"\xCF\x80", "Write pi."},
  }};
  for (const auto& [symbol, hint] : hints)
    if (symbol == text) return std::string(hint);
  return "";
}

class Checker {
public:
  Checker(std::string_view text, const std::vector<std::string>& variables,
          const Constants& constants, FormulaUse& use)
      : text_(text), variables_(variables), constants_(constants), use_(use),
        variable_used_(variables.size(), false) {}

  std::optional<FormulaProblem> run() {
    if (text_.size() > longest_formula)
      return FormulaProblem{fmt::format("is too long ({} characters, at most {}); it goes too far",
                                        text_.size(), longest_formula),
                            longest_formula, ""};
    if (std::all_of(text_.begin(), text_.end(), is_blank))
      return FormulaProblem{"is empty: a value is missing", 0, ""};
    levels_.push_back({});
    bool value_next = true;
    bool signed_already = false;
    for (;;) {
      const Token token = next();
      if (token.kind == Token::Kind::bad) return bad(token);
      auto problem = value_next ? value(token, value_next, signed_already)
                                : after_value(token, value_next, signed_already);
      if (problem) return problem;
      if (token.kind == Token::Kind::end) return std::nullopt;
    }
  }

private:
  struct Level {
    const Function* function = nullptr; ///< null: plain brackets or the whole formula
    std::size_t position = 0;           ///< of its name or bracket
    int arguments = 1;
    int questions = 0;     ///< '?' that wait for ':'
    bool compared = false; ///< a comparison stands in this term already
  };
  using Problem = std::optional<FormulaProblem>;

  static Problem problem(const Token& token, std::string what, std::string hint = "") {
    return FormulaProblem{std::move(what), token.position, std::move(hint)};
  }

  Token next() {
    while (at_ < text_.size() && is_blank(text_[at_])) ++at_;
    if (at_ == text_.size()) return {Token::Kind::end, {}, at_};
    const char c = text_[at_];
    const bool point_number = c == '.' && at_ + 1 < text_.size() && is_digit(text_[at_ + 1]);
    if (is_digit(c) || point_number) return take(Token::Kind::number, number_length());
    if (is_letter(c) || c == '_') {
      std::size_t n = 1;
      while (at_ + n < text_.size() &&
             (is_letter(text_[at_ + n]) || is_digit(text_[at_ + n]) || text_[at_ + n] == '_'))
        ++n;
      return take(Token::Kind::name, n);
    }
    const std::string_view two = text_.substr(at_, 2);
    if (two == "**") return take(Token::Kind::bad, 2);
    if (two == "==" || two == "!=" || two == "<=" || two == ">=")
      return take(Token::Kind::compare, 2);
    if (two == "&&" || two == "||") return take(Token::Kind::logic, 2);
    if (c == '<' || c == '>') return take(Token::Kind::compare, 1);
    if (c == '+' || c == '-') return take(Token::Kind::sign, 1);
    if (c == '*' || c == '/' || c == '^') return take(Token::Kind::other_operator, 1);
    if (c == '(' || c == ')' || c == ',' || c == '?' || c == ':')
      return take(Token::Kind::symbol, 1);
    std::size_t n = 1;
    while (at_ + n < text_.size() && continues_character(text_[at_ + n])) ++n;
    return take(Token::Kind::bad, n);
  }

  Token take(Token::Kind kind, std::size_t length) {
    const Token token{kind, text_.substr(at_, length), at_};
    at_ += length;
    return token;
  }

  /// Digits, point, digits, and an exponent only if it has digits.
  std::size_t number_length() const {
    std::size_t i = at_;
    const auto digits = [&] {
      while (i < text_.size() && is_digit(text_[i])) ++i;
    };
    digits();
    if (i < text_.size() && text_[i] == '.') {
      ++i;
      digits();
    }
    if (i < text_.size() && (text_[i] == 'e' || text_[i] == 'E')) {
      std::size_t k = i + 1;
      if (k < text_.size() && (text_[k] == '+' || text_[k] == '-')) ++k;
      if (k < text_.size() && is_digit(text_[k])) {
        i = k;
        digits();
      }
    }
    return i - at_;
  }

  static Problem bad(const Token& token) {
    return problem(token, fmt::format("has an unexpected {}", in_quotes(token.text)),
                   hint_for(token.text));
  }

  Problem value(const Token& token, bool& value_next, bool& signed_already) {
    Level& level = levels_.back();
    switch (token.kind) {
    case Token::Kind::number: {
      double number = 0;
      const char* end = token.text.data() + token.text.size();
      if (std::from_chars(token.text.data(), end, number).ec != std::errc{})
        return problem(
            token, fmt::format("has a number {} beyond double precision", in_quotes(token.text)));
      value_next = signed_already = false;
      return std::nullopt;
    }
    case Token::Kind::name:
      return name(token, value_next, signed_already);
    case Token::Kind::sign:
      if (signed_already)
        return problem(token, "has two signs in a row", "Put the second into brackets.");
      signed_already = true;
      return std::nullopt;
    case Token::Kind::end:
      if (levels_.size() > 1) return unclosed();
      return problem(token, "ends where a value is missing,");
    default:
      break;
    }
    if (token.text == "(") {
      levels_.push_back({.position = token.position});
      signed_already = false;
      return std::nullopt;
    }
    if (token.text == ")" && level.function)
      return problem(token,
                     fmt::format("calls '{}' with an argument missing", level.function->name));
    return problem(token, fmt::format("has '{}' where a value is missing,", token.text));
  }

  Problem name(const Token& token, bool& value_next, bool& signed_already) {
    const std::size_t after = text_.find_first_not_of(" \t\n\r", at_);
    const bool called = after != std::string_view::npos && text_[after] == '(';
    signed_already = false;
    const auto variable = std::find(variables_.begin(), variables_.end(), token.text);
    if (variable != variables_.end() || find_constant(constants_, token.text)) {
      note(token, variable);
      value_next = false; // a bracket after it is a missing operator
      return std::nullopt;
    }
    if (const Function* function = find_function(token.text)) {
      if (!called)
        return problem(token, fmt::format("has the function '{}' without its argument", token.text),
                       fmt::format("Write {}(...).", token.text));
      if (std::find(use_.functions.begin(), use_.functions.end(), token.text) ==
          use_.functions.end())
        use_.functions.emplace_back(token.text);
      next(); // the bracket
      levels_.push_back({.function = function, .position = token.position});
      return std::nullopt;
    }
    return unknown(token, called);
  }

  void note(const Token& token, std::vector<std::string>::const_iterator variable) {
    if (variable != variables_.end()) {
      const auto index = static_cast<std::size_t>(variable - variables_.begin());
      if (!variable_used_[index]) use_.variables.push_back(index);
      variable_used_[index] = true;
    } else if (std::find(use_.constants.begin(), use_.constants.end(), token.text) ==
               use_.constants.end()) {
      use_.constants.emplace_back(token.text);
    }
  }

  Problem unknown(const Token& token, bool called) const {
    if (called && nearest(token.text, function_names()))
      return problem(token, "has an unknown function " + in_quotes(token.text),
                     did_you_mean(token.text, function_names()).substr(1));
    if (called)
      return problem(token, "has an unknown function " + in_quotes(token.text),
                     "Known: " + listed(function_names(), 100) + ".");
    std::vector<std::string> known = variables_;
    for (const auto& [constant, value] : constants_) known.push_back(constant);
    for (const char* constant : {"pi", "e"})
      if (std::find(known.begin(), known.end(), constant) == known.end())
        known.emplace_back(constant);
    return problem(token, "has an unknown name " + in_quotes(token.text),
                   "Known: " + listed(known) + "." + did_you_mean(token.text, known));
  }

  Problem after_value(const Token& token, bool& value_next, bool& signed_already) {
    Level& level = levels_.back();
    value_next = true;
    signed_already = false;
    switch (token.kind) {
    case Token::Kind::sign:
    case Token::Kind::other_operator:
      return std::nullopt;
    case Token::Kind::logic:
      level.compared = false;
      use_.logic = true;
      return std::nullopt;
    case Token::Kind::compare:
      if (level.compared)
        return problem(token, "compares twice in a row", "Write a < b && b < c for a < b < c.");
      level.compared = true;
      return std::nullopt;
    case Token::Kind::end:
      if (levels_.size() > 1) return unclosed();
      return level.questions ? half_choice(token) : std::nullopt;
    case Token::Kind::symbol:
      if (token.text != "(") return symbol(token, value_next);
      break;
    default:
      break;
    }
    return problem(token, fmt::format("has no operator before {}", in_quotes(token.text)),
                   "Write * to multiply.");
  }

  Problem symbol(const Token& token, bool& value_next) {
    Level& level = levels_.back();
    if (token.text == "?") {
      ++level.questions;
      level.compared = false;
      return std::nullopt;
    }
    if (token.text == ":") {
      if (level.questions == 0)
        return problem(token, "has ':' without '?'", "Write condition ? a : b.");
      --level.questions;
      level.compared = false;
      return std::nullopt;
    }
    if (level.questions) return half_choice(token);
    if (token.text == ",") {
      if (!level.function)
        return problem(token, "has a ',' outside the arguments of a function",
                       "Write a decimal point; several formulas make a list: [a, b].");
      ++level.arguments;
      level.compared = false;
      return std::nullopt;
    }
    if (levels_.size() == 1)
      return problem(token, "has a ')' that closes nothing", "Count the brackets.");
    if (level.function && level.function->arguments != Function::any &&
        level.function->arguments != level.arguments)
      return FormulaProblem{fmt::format("calls '{}' with {} argument{} instead of {}",
                                        level.function->name, level.arguments,
                                        level.arguments == 1 ? "" : "s", level.function->arguments),
                            level.position, ""};
    levels_.pop_back();
    value_next = false;
    return std::nullopt;
  }

  static Problem half_choice(const Token& token) {
    return problem(token, "has '?' without ':'", "Write condition ? a : b.");
  }

  Problem unclosed() const {
    const Level& level = levels_.back();
    if (!level.function)
      return FormulaProblem{"has a '(' that is never closed", level.position,
                            "Count the brackets."};
    return FormulaProblem{
        fmt::format("has a bracket of '{}' that is never closed", level.function->name),
        level.position,
        "Count the brackets; inside [ ] or { } a formula with commas needs "
        "quotes."};
  }

  std::string_view text_;
  const std::vector<std::string>& variables_;
  const Constants& constants_;
  FormulaUse& use_;
  std::vector<bool> variable_used_;
  std::size_t at_ = 0;
  std::vector<Level> levels_;
};

} // namespace

const double* find_constant(const Constants& constants, std::string_view name) noexcept {
  static constexpr double pi = std::numbers::pi;
  static constexpr double e = std::numbers::e;
  for (const auto& [constant, value] : constants)
    if (constant == name) return &value;
  return name == "pi" ? &pi : name == "e" ? &e : nullptr;
}

std::string FormulaProblem::text(std::string_view formula) const {
  constexpr std::size_t window = 60;
  std::size_t begin = position > window / 2 && formula.size() > window ? position - window / 2 : 0;
  while (begin > 0 && continues_character(formula[begin])) --begin;
  const auto characters = std::count_if(
      formula.begin(),
      formula.begin() + static_cast<std::ptrdiff_t>(std::min(position, formula.size())),
      [](char c) { return !continues_character(c); });
  return fmt::format("{} at position {} of '{}{}'.{}{}", what, characters + 1, begin ? "..." : "",
                     shortened(formula.substr(begin), window), hint.empty() ? "" : " ", hint);
}

std::optional<FormulaProblem> check_formula(std::string_view text,
                                            const std::vector<std::string>& variables,
                                            const Constants& constants, FormulaUse& use) {
  return Checker(text, variables, constants, use).run();
}

} // namespace komori::config
