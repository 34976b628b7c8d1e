#include "models/timed_formulas.hpp"

#include <algorithm>
#include <string_view>

#include "config/formula.hpp"

namespace komori::models {
namespace {

constexpr std::string_view time_name = "t";

bool knows_time(const std::vector<std::string>& variables,
                const std::vector<std::pair<std::string, double>>& parameters) {
  return std::none_of(variables.begin(), variables.end(),
                      [](const std::string& name) { return name == time_name; }) &&
         std::none_of(parameters.begin(), parameters.end(),
                      [](const auto& constant) { return constant.first == time_name; });
}

std::vector<std::string> with_time(std::vector<std::string> variables, bool timed) {
  if (timed) variables.emplace_back(time_name);
  return variables;
}

/// The texts of formulas found sound.
std::vector<std::string_view>
checked(const std::vector<config::FormulaText>& formulas, const std::vector<std::string>& variables,
        const std::vector<std::pair<std::string, double>>& parameters) {
  std::vector<std::string_view> texts;
  for (const config::FormulaText& formula : formulas) {
    (void)config::Formula(formula, variables, parameters);
    texts.push_back(formula.text);
  }
  return texts;
}

} // namespace

TimedFormulas::TimedFormulas(const std::vector<config::FormulaText>& formulas,
                             const std::vector<std::string>& variables,
                             const std::vector<std::pair<std::string, double>>& parameters)
    : formulas_(
          checked(formulas, with_time(variables, knows_time(variables, parameters)), parameters),
          with_time(variables, knows_time(variables, parameters)), parameters),
      timed_(knows_time(variables, parameters)) {
  for (const config::FormulaText& text : formulas) {
    const config::Formula formula(text, with_time(variables, timed_), parameters);
    uses_time_ = uses_time_ || (timed_ && formula.uses(time_name));
    constant_ = constant_ && formula.is_constant();
  }
}

void TimedFormulas::evaluate(double t, const spaces::Points& points,
                             std::span<double> values) const {
  std::vector<std::span<const double>> columns = points.columns();
  if (timed_) {
    times_.assign(points.count, t);
    columns.emplace_back(times_);
  }
  std::vector<std::span<double>> parts;
  for (std::size_t f = 0; f < size(); ++f) {
    parts.push_back(values.subspan(f * points.count, points.count));
  }
  formulas_.evaluate(columns, parts);
}

} // namespace komori::models
