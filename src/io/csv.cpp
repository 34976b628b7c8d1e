#include "io/csv.hpp"

#include <charconv>
#include <cmath>
#include <limits>
#include <stdexcept>
#include <string>
#include <string_view>

#include <fmt/format.h>

namespace komori::io {
namespace {

std::string_view trimmed(std::string_view text) {
  constexpr std::string_view blank = " \t\r";
  const auto begin = text.find_first_not_of(blank);
  if (begin == std::string_view::npos) return {};
  return text.substr(begin, text.find_last_not_of(blank) - begin + 1);
}

/// Whether the whole field is one number, finite or not; one that no double holds is infinite.
bool parse(std::string_view field, double& value) {
  const auto [end, error] = std::from_chars(field.data(), field.data() + field.size(), value);
  if (error == std::errc::result_out_of_range) value = std::numeric_limits<double>::infinity();
  return error != std::errc::invalid_argument && end == field.data() + field.size();
}

/// The numbers of one line, added to `values`; the column (from 1) that is none, or 0.
std::size_t add_line(std::string_view line, std::vector<double>& values, std::string_view& field) {
  for (std::size_t column = 1;; ++column) {
    const auto comma = line.find(',');
    field = trimmed(line.substr(0, comma));
    double value = 0;
    if (!parse(field, value) || !std::isfinite(value)) return column;
    values.push_back(value);
    if (comma == std::string_view::npos) return 0;
    line.remove_prefix(comma + 1);
  }
}

} // namespace

CsvTable read_csv(std::istream& stream) {
  CsvTable table;
  std::string line;
  std::size_t number = 0;
  while (std::getline(stream, line)) {
    ++number;
    const std::string_view text = trimmed(line);
    if (text.empty()) continue;
    const std::size_t before = table.values.size();
    std::string_view field;
    const std::size_t wrong = add_line(text, table.values, field);
    double ignored = 0;
    if (wrong == 1 && number == 1 && !parse(field, ignored)) continue; // names
    if (wrong > 0) {
      throw std::runtime_error(fmt::format("line {}, column {} is '{:.40}', but must be a finite "
                                           "number",
                                           number, wrong, field));
    }
    const std::size_t columns = table.values.size() - before;
    if (before == 0) table.columns = columns;
    if (columns == table.columns) continue;
    throw std::runtime_error(fmt::format("line {} has {} numbers, but those before it have {}",
                                         number, columns, table.columns));
  }
  if (table.values.empty()) throw std::runtime_error("it holds no numbers");
  return table;
}

} // namespace komori::io
