/// Values as YAML text that reads back the same. Internal to config. All local.
#pragma once

#include <string>
#include <string_view>
#include <vector>

#include "config/declaration.hpp"

namespace komori::config {

/// The shortest decimal text that reads back to the same bits: 0.1, 1e-10, 512.
std::string yaml_number(double value);

/// The text itself where that is safe in any place, otherwise in double quotes.
std::string yaml_scalar(std::string_view text);

std::string yaml_list(const std::vector<std::string>& words);
std::string yaml_list(const std::vector<double>& numbers);
std::string yaml_list(const std::vector<std::vector<double>>& rows);
/// A scalar, list, or list of lists, by its rank.
std::string yaml_array(const FormulaArray& array);

} // namespace komori::config
