#include "config/yaml_text.hpp"

#include <algorithm>
#include <array>

#include <fmt/format.h>

#include "config/formula_rows.hpp"

namespace komori::config {

namespace {

template <class Range, class Write> std::string joined(const Range& range, const Write& write) {
  std::string text = "[";
  for (const auto& entry : range) text += (text.size() > 1 ? ", " : "") + write(entry);
  return text + "]";
}

/// Letters, digits and signs that mean nothing to YAML, and begins with neither sign nor blank.
bool is_plain(std::string_view text) {
  constexpr std::array<std::string_view, 8> null_words{"null", "Null", "NULL",  "true",
                                                       "True", "TRUE", "false", "False"};
  if (text.empty() || text.back() == ' ' ||
      std::find(null_words.begin(), null_words.end(), text) != null_words.end())
    return false;
  const auto is_word = [](char c) {
    return (c >= 'a' && c <= 'z') || (c >= 'A' && c <= 'Z') || (c >= '0' && c <= '9') || c == '_' ||
           c == '(' || c == ')' || c == '/' || c == '.';
  };
  const auto is_inside = [&](char c) {
    return is_word(c) || c == ' ' || c == '+' || c == '-' || c == '*' || c == '^';
  };
  const char first = text.front();
  const bool minus = first == '-' && text.size() > 1 && is_word(text[1]);
  return (is_word(first) || minus) && !text.starts_with("...") &&
         std::all_of(text.begin(), text.end(), is_inside);
}

} // namespace

std::string yaml_number(double value) {
  return fmt::format("{}", value);
}

std::string yaml_scalar(std::string_view text) {
  if (is_plain(text)) return std::string(text);
  std::string out = "\"";
  for (const char c : text) {
    const auto byte = static_cast<unsigned char>(c);
    if (c == '"' || c == '\\') {
      out += '\\';
      out += c;
    } else if (c == '\n') {
      out += "\\n";
    } else if (byte < 0x20 || byte == 0x7f) {
      out += fmt::format("\\x{:02x}", static_cast<unsigned>(byte));
    } else {
      out += c;
    }
  }
  return out + "\"";
}

std::string yaml_list(const std::vector<std::string>& words) {
  return joined(words, [](const std::string& word) { return yaml_scalar(word); });
}

std::string yaml_list(const std::vector<double>& numbers) {
  return joined(numbers, yaml_number);
}

std::string yaml_list(const std::vector<std::vector<double>>& rows) {
  return joined(rows, [](const std::vector<double>& row) { return yaml_list(row); });
}

std::string yaml_array(const FormulaArray& array) {
  if (array.rank == 0) return array.given() ? yaml_scalar(array.entries.front().text) : "\"\"";
  return joined(formula_rows(array), [&](const std::vector<FormulaText>& formulas) {
    std::vector<std::string> row;
    for (const FormulaText& formula : formulas) row.push_back(formula.text);
    return array.rank == 1 ? yaml_scalar(row.front()) : yaml_list(row);
  });
}

} // namespace komori::config
