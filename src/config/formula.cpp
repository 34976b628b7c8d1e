#include "config/formula.hpp"

#include <algorithm>
#include <cassert>
#include <charconv>
#include <optional>

#include <fmt/format.h>
#include <muParser.h>

#include "config/formula_check.hpp"
#include "config/formulas.hpp"
#include "config/functions.hpp"
#include "config/wording.hpp"

namespace komori::config {

namespace {

/// Reads numbers with a decimal point whatever the locale.
int read_number(const char* text, int* position, double* value) {
  const char first = text[0] == '.' ? text[1] : text[0];
  if (first < '0' || first > '9') return 0;
  const auto result = std::from_chars(text, text + std::char_traits<char>::length(text), *value);
  if (result.ec != std::errc{}) return 0;
  *position += static_cast<int>(result.ptr - text);
  return 1;
}

double plus(double x) {
  return x;
}
double minus(double x) {
  return -x;
}

/// muParser with its grammar only: names come from the formula at hand.
class Machine final : public mu::ParserBase {
public:
  Machine() {
    InitCharSets();
    InitOprt();
    AddValIdent(read_number);
  }
  void InitCharSets() override {
    DefineNameChars("0123456789_abcdefghijklmnopqrstuvwxyzABCDEFGHIJKLMNOPQRSTUVWXYZ");
    DefineOprtChars("+-*^/?<>=&|!");
    DefineInfixOprtChars("+-");
  }
  void InitFun() override {}
  void InitConst() override {}
  void InitOprt() override {
    DefineInfixOprt("-", minus);
    DefineInfixOprt("+", plus);
  }

  void define(const Function& function) {
    const std::string name(function.name);
    if (function.unary) DefineFun(name, function.unary);
    if (function.binary) DefineFun(name, function.binary);
    if (function.nary) DefineFun(name, function.nary);
  }
};

void refuse_name_clash(const FormulaText& formula, const std::vector<std::string>& variables,
                       const Constants& constants) {
  const std::string where = formula.path.empty() ? "a formula" : in_quotes(formula.path);
  const auto refuse_function = [&](const std::string& name) {
    if (find_function(name))
      fail(formula.origin,
           fmt::format("{} cannot use the name '{}', which is a function; rename it", where, name));
  };
  for (const std::string& name : variables) refuse_function(name);
  for (const auto& [name, value] : constants) {
    refuse_function(name);
    if (std::find(variables.begin(), variables.end(), name) != variables.end())
      fail(formula.origin, fmt::format("{} cannot tell the variable '{}' from the parameter '{}'; "
                                       "rename one",
                                       where, name, name));
  }
}

} // namespace

struct Formula::Compiled {
  std::string text;
  std::vector<std::size_t> places; ///< of the used variables in the caller's values
  std::vector<std::string> names;
  std::vector<double> values; ///< bound to the machine
  double constant = 0;
  Machine machine;
  std::vector<std::string> all_names; ///< of variables, also of those not used
  Constants constants;
  std::optional<Formulas> batch; ///< once it is needed
};

Formula::Formula(const FormulaText& formula, const std::vector<std::string>& variables,
                 const std::vector<std::pair<std::string, double>>& constants)
    : compiled_(std::make_unique<Compiled>()) {
  refuse_name_clash(formula, variables, constants);
  const std::string prefix = formula.path.empty() ? "" : in_quotes(formula.path) + " ";
  FormulaUse use;
  if (const auto problem = check_formula(formula.text, variables, constants, use))
    fail(formula.origin, prefix + problem->text(formula.text));

  Compiled& c = *compiled_;
  c.text = formula.text;
  c.all_names = variables;
  c.places = std::move(use.variables);
  std::sort(c.places.begin(), c.places.end());
  c.values.resize(c.places.size());
  try {
    for (std::size_t i = 0; i < c.places.size(); ++i) {
      c.names.push_back(variables[c.places[i]]);
      c.machine.DefineVar(c.names.back(), &c.values[i]);
    }
    for (const std::string& name : use.constants) {
      c.constants.emplace_back(name, *find_constant(constants, name));
      c.machine.DefineConst(name, c.constants.back().second);
    }
    for (const std::string& name : use.functions) c.machine.define(*find_function(name));
    // The optimizer of muParser 2.3 rounds the sides of && and || to integers: 0.5 && 1 is 0 there.
    if (use.logic) c.machine.EnableOptimizer(false);
    c.machine.SetExpr(formula.text);
    c.constant = c.machine.Eval(); // compiles
  } catch (const mu::ParserError& error) {
    // The check above should have found everything; what it missed is still the input's fault.
    const auto position = static_cast<std::size_t>(std::max(error.GetPos(), 0));
    fail(formula.origin,
         prefix + FormulaProblem{"is not a formula (" + error.GetMsg() + ")", position, ""}.text(
                      formula.text));
  }
}

Formula::Formula(Formula&& other) noexcept = default;
Formula& Formula::operator=(Formula&& other) noexcept = default;
Formula::~Formula() = default;

double Formula::operator()(std::span<const double> values) const {
  Compiled& c = *compiled_;
  if (c.places.empty()) return c.constant;
  assert(values.size() > c.places.back());
  for (std::size_t i = 0; i < c.places.size(); ++i) c.values[i] = values[c.places[i]];
  return c.machine.Eval();
}

const Formulas& Formula::batch() const {
  Compiled& c = *compiled_;
  if (!c.batch) {
    c.batch.emplace(std::vector<std::string_view>{c.text}, c.all_names, c.constants);
  }
  return *c.batch;
}

void Formula::evaluate(std::span<const std::span<const double>> columns,
                       std::span<double> values) const {
  if (is_constant()) {
    std::fill(values.begin(), values.end(), compiled_->constant);
  } else {
    batch().evaluate(columns, std::span<const std::span<double>>(&values, 1));
  }
}

double Formula::at(std::span<const double> point) const {
  if (is_constant()) return compiled_->constant;
  double value = 0;
  batch().evaluate_at(point, std::span<double>(&value, 1));
  return value;
}

bool Formula::is_constant() const noexcept {
  return compiled_->places.empty();
}

bool Formula::uses(std::string_view variable) const noexcept {
  const auto& names = compiled_->names;
  return std::find(names.begin(), names.end(), variable) != names.end();
}

const std::vector<std::string>& Formula::used_variables() const noexcept {
  return compiled_->names;
}

const std::string& Formula::text() const noexcept {
  return compiled_->text;
}

double evaluate_constant(const FormulaText& formula,
                         const std::vector<std::pair<std::string, double>>& constants) {
  return Formula(formula, {}, constants)({});
}

} // namespace komori::config
