#include "config/resolved.hpp"

#include <algorithm>
#include <cmath>

#include "config/yaml_text.hpp"

namespace komori::config {

void ResolvedWriter::line(std::string_view key, const std::string& value) {
  text_.append(2 * depth_, ' ').append(yaml_scalar(key)).append(": ").append(value).append("\n");
}

void ResolvedWriter::nested(std::string_view key, const std::function<void()>& body) {
  text_.append(2 * depth_, ' ').append(yaml_scalar(key)).append(":");
  const std::size_t after_key = text_.size();
  text_ += "\n";
  const std::size_t before = text_.size();
  ++depth_;
  body();
  --depth_;
  if (text_.size() == before) text_.replace(after_key, 1, " {}\n");
}

void ResolvedWriter::boolean(std::string_view key, bool& value, About) {
  line(key, value ? "true" : "false");
}

void ResolvedWriter::integer(std::string_view key, std::int64_t& value, About, Range) {
  line(key, std::to_string(value));
}

void ResolvedWriter::real(std::string_view key, double& value, About, Range) {
  if (std::isfinite(value)) line(key, yaml_number(value));
}

void ResolvedWriter::duration(std::string_view key, double& seconds, About, Range) {
  if (std::isfinite(seconds)) line(key, yaml_number(seconds));
}

void ResolvedWriter::text(std::string_view key, std::string& value, About) {
  line(key, yaml_scalar(value));
}

void ResolvedWriter::names(std::string_view key, std::vector<std::string>& values, About) {
  if (!values.empty()) line(key, yaml_list(values));
}

void ResolvedWriter::texts(std::string_view key, std::vector<std::string>& values, About) {
  if (!values.empty()) line(key, yaml_list(values));
}

void ResolvedWriter::choice(std::string_view key, std::string& value, const Words& allowed, About) {
  // A default outside the allowed words means "not chosen".
  if (std::find(allowed.begin(), allowed.end(), value) != allowed.end())
    line(key, yaml_scalar(value));
}

void ResolvedWriter::choices(std::string_view key, std::vector<std::string>& values, const Words&,
                             std::size_t, About) {
  if (values.empty()) return;
  // One word for all places is written as it may be read: as one word.
  const bool alike = std::equal(values.begin() + 1, values.end(), values.begin());
  line(key, alike ? yaml_scalar(values.front()) : yaml_list(values));
}

void ResolvedWriter::choice_or_real(std::string_view key, WordOrNumber& value, const Words&,
                                    About) {
  if (!value.word.empty()) {
    line(key, yaml_scalar(value.word));
  } else if (std::isfinite(value.number)) {
    line(key, yaml_number(value.number));
  }
}

void ResolvedWriter::reals(std::string_view key, std::vector<double>& values, About, Range) {
  if (!values.empty()) line(key, yaml_list(values));
}

void ResolvedWriter::real_rows(std::string_view key, std::vector<std::vector<double>>& rows,
                               About) {
  if (!rows.empty()) line(key, yaml_list(rows));
}

void ResolvedWriter::formula(std::string_view key, FormulaText& value, About) {
  if (value.given()) line(key, yaml_scalar(value.text));
}

void ResolvedWriter::formula_array(std::string_view key, FormulaArray& value, About) {
  if (value.given()) line(key, yaml_array(value));
}

void ResolvedWriter::named_formulas(std::string_view key, std::string_view,
                                    std::vector<std::pair<std::string, FormulaText>>& values,
                                    About) {
  if (values.empty()) return;
  nested(key, [&] {
    for (const auto& [name, formula] : values) line(name, yaml_scalar(formula.text));
  });
}

void ResolvedWriter::constants(std::string_view key, std::string_view,
                               std::vector<std::pair<std::string, double>>& values, About) {
  if (values.empty()) return;
  nested(key, [&] {
    for (const auto& [name, value] : values) line(name, yaml_number(value));
  });
}

void ResolvedWriter::named_reals(std::string_view key, std::string_view,
                                 std::vector<std::pair<std::string, std::vector<double>>>& values,
                                 About) {
  if (values.empty()) return;
  nested(key, [&] {
    for (const auto& [name, list] : values) line(name, yaml_list(list));
  });
}

void ResolvedWriter::begin_section(std::string_view key, bool present, About, const Inner& inner) {
  if (present) nested(key, [&] { inner(*this); });
}

void ResolvedWriter::begin_formula_or_section(std::string_view key, FormulaText& formula,
                                              bool present, About about, const Inner& inner) {
  // A formula that was read stands in place of a section that was the default.
  if (formula.given()) {
    this->formula(key, formula, about);
  } else if (present) {
    nested(key, [&] { inner(*this); });
  }
}

void ResolvedWriter::begin_named_sections(std::string_view key, std::string_view,
                                          const std::vector<std::string>& present, About,
                                          const InnerNamed& inner) {
  if (present.empty()) return;
  nested(key, [&] {
    for (std::size_t i = 0; i < present.size(); ++i)
      nested(present[i], [&] { inner(*this, i, present[i]); });
  });
}

void ResolvedWriter::begin_section_list(std::string_view key, std::size_t present, About,
                                        const InnerAt& inner) {
  if (present == 0) return;
  nested(key, [&] {
    for (std::size_t i = 0; i < present; ++i) {
      text_.append(2 * depth_, ' ').append("-");
      const std::size_t after_dash = text_.size();
      text_ += "\n";
      const std::size_t before = text_.size();
      ++depth_;
      inner(*this, i);
      --depth_;
      if (text_.size() == before) text_.replace(after_dash, 1, " {}\n");
    }
  });
}

} // namespace komori::config
