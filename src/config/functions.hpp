/// The functions that formulas can call. Local.
#pragma once

#include <limits>
#include <string>
#include <string_view>
#include <vector>

namespace komori::config {

/// One function of formulas; exactly one of the pointers is set.
struct Function {
  static constexpr int any = std::numeric_limits<int>::max();

  std::string_view name;
  int arguments = 1; ///< `any`: one or more
  double (*unary)(double) = nullptr;
  double (*binary)(double, double) = nullptr;
  double (*nary)(const double*, int) = nullptr;
};

/// All functions, sorted by name.
const std::vector<Function>& functions();

/// The function of that name, or null.
const Function* find_function(std::string_view name) noexcept;

/// All names, sorted.
const std::vector<std::string>& function_names();

/// What a formula may hold, for `--help`: operators, constants, functions; lines of 100 columns.
std::string formula_help();

} // namespace komori::config
