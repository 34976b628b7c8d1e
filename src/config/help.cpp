#include "config/help.hpp"

#include <cmath>
#include <stdexcept>

#include <fmt/format.h>

#include "config/wording.hpp"
#include "config/yaml_text.hpp"

namespace komori::config {

namespace {

std::string number(double value) {
  return std::isfinite(value) ? yaml_number(value) : "";
}

std::string with_range(const char* kind, const Range& range) {
  const bool open = !std::isfinite(range.min) && !std::isfinite(range.max);
  return open ? kind : fmt::format("{} {}", kind, range.text());
}

std::string duration_text(double seconds) {
  if (!std::isfinite(seconds)) return "";
  if (seconds > 0 && std::fmod(seconds, 3600) == 0) return fmt::format("{}h", seconds / 3600);
  if (seconds > 0 && std::fmod(seconds, 60) == 0) return fmt::format("{}min", seconds / 60);
  return fmt::format("{}s", seconds);
}

std::string in_angles(std::string_view placeholder) {
  return placeholder.starts_with('<') ? std::string(placeholder) : fmt::format("<{}>", placeholder);
}

} // namespace

std::string wrapped(std::string_view text, std::size_t first, std::size_t others,
                    std::size_t columns) {
  std::string out;
  std::string line(first, ' ');
  bool empty = true;
  for (std::size_t begin = text.find_first_not_of(" \n"); begin != std::string_view::npos;) {
    const std::size_t end = std::min(text.find_first_of(" \n", begin), text.size());
    const std::string_view word = text.substr(begin, end - begin);
    if (!empty && line.size() + 1 + word.size() > columns) {
      out += line + "\n";
      line.assign(others, ' ');
      empty = true;
    }
    line.append(empty ? "" : " ").append(word);
    empty = false;
    begin = text.find_first_not_of(" \n", end);
  }
  return out + line + "\n";
}

std::string HelpWriter::text() const {
  std::string out;
  for (const HelpEntry& entry : entries_) {
    const std::size_t indent = 2 * entry.depth;
    std::string head = entry.key + ": " + entry.type;
    if (!entry.unit.empty() && entry.unit != "-") head += " [" + entry.unit + "]";
    if (entry.required) {
      head += ", required";
    } else if (!entry.default_value.empty()) {
      head += ", default " + entry.default_value;
    } else {
      head += ", optional";
    }
    out += wrapped(head, indent, indent + 6);
    if (!entry.help.empty()) out += wrapped(entry.help, indent + 6, indent + 6);
  }
  return out;
}

HelpEntry& HelpWriter::add(std::string_view key, About about, std::string type,
                           std::string default_value) {
  std::string path;
  for (const std::string& section : sections_) path += section + ".";
  path += key;
  for (const HelpEntry& other : entries_)
    if (other.path == path) throw std::logic_error("key '" + path + "' is declared twice");
  return entries_.emplace_back(HelpEntry{.path = std::move(path),
                                         .key = std::string(key),
                                         .depth = sections_.size(),
                                         .type = std::move(type),
                                         .unit = std::string(about.unit),
                                         .default_value = std::move(default_value),
                                         .required = about.need == Need::required,
                                         .section = false,
                                         .help = std::string(about.help)});
}

void HelpWriter::within(std::string_view key, const Inner& inner) {
  sections_.emplace_back(key);
  inner(*this);
  sections_.pop_back();
}

void HelpWriter::boolean(std::string_view key, bool& value, About about) {
  add(key, about, "true or false", value ? "true" : "false");
}

void HelpWriter::integer(std::string_view key, std::int64_t& value, About about, Range range) {
  add(key, about, with_range("integer", range), std::to_string(value));
}

void HelpWriter::real(std::string_view key, double& value, About about, Range range) {
  add(key, about, with_range("number", range), number(value));
}

void HelpWriter::duration(std::string_view key, double& seconds, About about, Range range) {
  add(key, about, with_range("duration", range), duration_text(seconds));
}

void HelpWriter::text(std::string_view key, std::string& value, About about) {
  add(key, about, "text", value.empty() ? "" : yaml_scalar(value));
}

void HelpWriter::names(std::string_view key, std::vector<std::string>& values, About about) {
  add(key, about, "list of names", values.empty() ? "" : yaml_list(values));
}

void HelpWriter::texts(std::string_view key, std::vector<std::string>& values, About about) {
  add(key, about, "text, or list of texts", values.empty() ? "" : yaml_list(values));
}

void HelpWriter::choice(std::string_view key, std::string& value, const Words& allowed,
                        About about) {
  add(key, about, "one of " + listed(allowed), value);
}

void HelpWriter::choices(std::string_view key, std::vector<std::string>& values,
                         const Words& allowed, std::size_t, About about) {
  bool alike = true;
  for (const std::string& word : values) alike = alike && word == values.front();
  add(key, about, "one of " + listed(allowed) + ", for all or in a list",
      values.empty() ? ""
      : alike        ? values.front()
                     : yaml_list(values));
}

void HelpWriter::choice_or_real(std::string_view key, WordOrNumber& value, const Words& allowed,
                                About about) {
  add(key, about, "one of " + listed(allowed) + ", or a number",
      value.word.empty() ? number(value.number) : value.word);
}

void HelpWriter::reals(std::string_view key, std::vector<double>& values, About about,
                       Range range) {
  add(key, about, with_range("list of numbers", range), values.empty() ? "" : yaml_list(values));
}

void HelpWriter::real_rows(std::string_view key, std::vector<std::vector<double>>& rows,
                           About about) {
  add(key, about, "list of equally long lists of numbers", rows.empty() ? "" : yaml_list(rows));
}

void HelpWriter::formula(std::string_view key, FormulaText& value, About about) {
  add(key, about, "formula", value.text);
}

void HelpWriter::formula_array(std::string_view key, FormulaArray& value, About about) {
  add(key, about, "formula, or list or matrix of formulas", value.given() ? yaml_array(value) : "");
}

void HelpWriter::named_formulas(std::string_view key, std::string_view placeholder,
                                std::vector<std::pair<std::string, FormulaText>>&, About about) {
  add(key, about, fmt::format("formulas by name, {{{}: formula, ...}}", in_angles(placeholder)));
}

void HelpWriter::constants(std::string_view key, std::string_view placeholder,
                           std::vector<std::pair<std::string, double>>&, About about) {
  add(key, about, fmt::format("numbers by name, {{{}: number, ...}}", in_angles(placeholder)));
}

void HelpWriter::named_reals(std::string_view key, std::string_view placeholder,
                             std::vector<std::pair<std::string, std::vector<double>>>&,
                             About about) {
  add(key, about, fmt::format("lists by name, {{{}: [number, ...], ...}}", in_angles(placeholder)));
}

void HelpWriter::begin_section(std::string_view key, bool present, About about,
                               const Inner& inner) {
  HelpEntry& entry = add(key, about, "section");
  entry.section = true;
  if (present && !entry.required) entry.default_value = "as below";
  within(key, inner);
}

void HelpWriter::begin_formula_or_section(std::string_view key, FormulaText& formula, bool,
                                          About about, const Inner& inner) {
  add(key, about, "formula or section", formula.text).section = true;
  within(key, inner);
}

void HelpWriter::begin_named_sections(std::string_view key, std::string_view placeholder,
                                      const std::vector<std::string>& present, About about,
                                      const InnerNamed& inner) {
  add(key, about, fmt::format("sections by name, {{{}: {{...}}, ...}}", in_angles(placeholder)))
      .section = true;
  const std::string name = in_angles(placeholder);
  within(key, [&](Declarer&) {
    sections_.push_back(name);
    inner(*this, present.size(), name);
    sections_.pop_back();
  });
}

void HelpWriter::begin_section_list(std::string_view key, std::size_t present, About about,
                                    const InnerAt& inner) {
  add(key, about, "list of sections, [{...}, ...]").section = true;
  within(key, [&](Declarer&) { inner(*this, present); });
}

} // namespace komori::config
