#include "config/functions.hpp"

#include <algorithm>
#include <cmath>

namespace komori::config {

namespace {

double avg(const double* values, int n) {
  double total = 0;
  for (int i = 0; i < n; ++i) total += values[i];
  return total / n;
}

double sum(const double* values, int n) {
  double total = 0;
  for (int i = 0; i < n; ++i) total += values[i];
  return total;
}

// NaN wins in both, so that it is not hidden.
double min(const double* values, int n) {
  double least = values[0];
  for (int i = 1; i < n; ++i)
    if (values[i] < least || std::isnan(values[i])) least = values[i];
  return least;
}

double max(const double* values, int n) {
  double most = values[0];
  for (int i = 1; i < n; ++i)
    if (values[i] > most || std::isnan(values[i])) most = values[i];
  return most;
}

double heaviside(double x) {
  return x > 0 ? 1 : x < 0 ? 0 : x == 0 ? 0.5 : x;
}

double sign(double x) {
  return x > 0 ? 1 : x < 0 ? -1 : x;
}

double mod(double a, double b) {
  const double rest = std::fmod(a, b);
  return rest != 0 && (rest < 0) != (b < 0) ? rest + b : rest;
}

double sech(double x) {
  return 1 / std::cosh(x);
}
double csch(double x) {
  return 1 / std::sinh(x);
}
double coth(double x) {
  return 1 / std::tanh(x);
}

Function unary(std::string_view name, double (*function)(double)) {
  return {.name = name, .arguments = 1, .unary = function};
}

Function binary(std::string_view name, double (*function)(double, double)) {
  return {.name = name, .arguments = 2, .binary = function};
}

Function nary(std::string_view name, double (*function)(const double*, int)) {
  return {.name = name, .arguments = Function::any, .nary = function};
}

std::vector<Function> make_functions() {
  std::vector<Function> all{
      unary("abs", std::fabs),
      unary("acos", std::acos),
      unary("acosh", std::acosh),
      unary("asin", std::asin),
      unary("asinh", std::asinh),
      unary("atan", std::atan),
      binary("atan2", std::atan2),
      unary("atanh", std::atanh),
      nary("avg", avg),
      unary("cbrt", std::cbrt),
      unary("ceil", std::ceil),
      unary("cos", std::cos),
      unary("cosh", std::cosh),
      unary("coth", coth),
      unary("csch", csch),
      unary("erf", std::erf),
      unary("erfc", std::erfc),
      unary("exp", std::exp),
      unary("floor", std::floor),
      unary("gamma", std::tgamma),
      unary("heaviside", heaviside),
      binary("hypot", std::hypot),
      unary("lgamma", std::lgamma),
      unary("ln", std::log),
      unary("log", std::log),
      unary("log10", std::log10),
      unary("log2", std::log2),
      nary("max", max),
      nary("min", min),
      binary("mod", mod),
      binary("pow", std::pow),
      unary("rint", std::rint),
      unary("round", std::round),
      unary("sech", sech),
      unary("sign", sign),
      unary("sin", std::sin),
      unary("sinh", std::sinh),
      unary("sqrt", std::sqrt),
      nary("sum", sum),
      unary("tan", std::tan),
      unary("tanh", std::tanh),
      unary("trunc", std::trunc),
  };
  std::sort(all.begin(), all.end(),
            [](const Function& a, const Function& b) { return a.name < b.name; });
  return all;
}

std::vector<std::string> make_names() {
  std::vector<std::string> names;
  for (const Function& function : functions()) names.emplace_back(function.name);
  return names;
}

} // namespace

const std::vector<Function>& functions() {
  static const std::vector<Function> all = make_functions();
  return all;
}

const Function* find_function(std::string_view name) noexcept {
  const auto& all = functions();
  const auto found = std::lower_bound(
      all.begin(), all.end(), name,
      [](const Function& function, std::string_view wanted) { return function.name < wanted; });
  return found != all.end() && found->name == name ? &*found : nullptr;
}

const std::vector<std::string>& function_names() {
  static const std::vector<std::string> names = make_names();
  return names;
}

std::string formula_help() {
  std::string text =
      "Formulas\n"
      "  Operators, strongest first: ^ (2^3^2 = 2^9; -2^2 = -4), sign, * /, + -, comparisons\n"
      "  (== != < > <= >=, giving 1 or 0), &&, ||, and the choice: condition ? a : b.\n"
      "  Constants: pi, e, and the model's parameters. A variable or parameter may be named pi or\n"
      "  e and then counts instead.\n"
      "  log is the natural logarithm; mod(a, b) has the sign of b; heaviside(0) is 1/2; sum, "
      "avg,\n"
      "  min and max take any number of arguments. Functions:\n";
  std::string line = "   ";
  for (const std::string& name : function_names()) {
    if (line.size() + 1 + name.size() > 100) {
      text += line + "\n";
      line = "   ";
    }
    line += " " + name;
  }
  return text + line + "\n";
}

} // namespace komori::config
