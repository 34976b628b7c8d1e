#include "config/formula_rows.hpp"

#include <string_view>

namespace komori::config {
namespace {

/// "sets[1][0]" without its last index.
std::string_view row_of(std::string_view path) {
  return path.substr(0, path.rfind('['));
}

} // namespace

std::vector<std::vector<FormulaText>> formula_rows(const FormulaArray& array) {
  std::vector<std::vector<FormulaText>> rows;
  std::string_view last;
  for (std::size_t i = 0; i < array.entries.size(); ++i) {
    const FormulaText& entry = array.entries[i];
    const bool begins =
        array.columns > 0 ? i % array.columns == 0 : rows.empty() || row_of(entry.path) != last;
    if (begins) rows.emplace_back();
    last = row_of(entry.path);
    rows.back().push_back(entry);
  }
  return rows;
}

} // namespace komori::config
