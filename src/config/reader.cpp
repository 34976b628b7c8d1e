#include "config/reader.hpp"

#include <algorithm>
#include <string_view>

#include <fmt/format.h>

#include "config/duration.hpp"
#include "config/functions.hpp"
#include "config/nearest.hpp"
#include "config/scalar.hpp"
#include "config/wording.hpp"

namespace komori::config {

namespace {

using Kind = Node::Kind;

constexpr std::size_t most_constants = 10'000;

constexpr std::string_view choice = "one of ";

std::string one_of(const Words& allowed) {
  return std::string(choice) + listed(allowed);
}

/// A value of what is allowed, if that says one.
std::string example_of(const std::string& allowed) {
  if (!allowed.starts_with(choice)) return "...";
  const std::string words = allowed.substr(choice.size());
  return words.substr(0, words.find(','));
}

bool holds(const Words& words, const std::string& word) {
  return std::find(words.begin(), words.end(), word) != words.end();
}

bool holds_name(const std::vector<std::pair<std::string, double>>& constants,
                const std::string& name) {
  return std::any_of(constants.begin(), constants.end(),
                     [&](const auto& constant) { return constant.first == name; });
}

std::string indexed(const std::string& path, std::size_t i) {
  return fmt::format("{}[{}]", path, i);
}

const std::string& read_word(const Node& node, const std::string& path, const Words& allowed) {
  if (node.kind != Kind::scalar) refuse(node, path, one_of(allowed));
  if (!holds(allowed, node.text))
    refuse(node, path, one_of(allowed), did_you_mean(node.text, allowed));
  return node.text;
}

void refuse_unfit_name(const Node& node, const std::string& name, const std::string& path) {
  if (!is_identifier(name))
    fail(node.origin(), fmt::format("{} is {}, but must be a name: a letter, then letters, digits "
                                    "and '_', 64 at most",
                                    in_quotes(path), in_quotes(name)));
  if (find_function(name))
    fail(node.origin(), fmt::format("{} is '{}', which is a function of formulas; choose another "
                                    "name",
                                    in_quotes(path), name));
}

std::size_t entries(const Node& list, const std::string& path, const std::string& allowed) {
  if (list.children.empty())
    fail(list.origin(),
         fmt::format("{} is an empty list, but must be {}", in_quotes(path), allowed));
  return list.children.size();
}

/// HDF5 reads '/' and '.' as places.
bool names_a_dataset(const std::string& name) {
  return !name.empty() && name != "." && name.find('/') == std::string::npos;
}

} // namespace

Reader::Reader(const Node& root)
    : Reader(&root, "", root.origin(), std::make_shared<Constants>()) {}

Reader::Reader(const Node* section, std::string path, Origin origin,
               std::shared_ptr<Constants> constants)
    : section_(section), path_(std::move(path)), origin_(std::move(origin)),
      constants_(std::move(constants)) {}

std::string Reader::path_of(std::string_view key) const {
  if (key.empty()) return path_;
  return path_.empty() ? std::string(key) : fmt::format("{}.{}", path_, key);
}

Origin Reader::origin(std::string_view key) const {
  const Node* node = section_ ? section_->find(key) : nullptr;
  return node ? node->origin() : origin_;
}

void Reader::reject(std::string_view key, const std::string& problem) {
  const std::string path = path_of(key);
  std::string text = path.empty() ? problem : in_quotes(path, 200) + " " + problem;
  // What is missed may be there in another spelling, which finish() would only find later.
  if (section_)
    for (const Node& child : section_->children)
      if (!holds(declared_, child.key))
        if (const auto near = nearest(child.key, declared_))
          fail(origin(key), fmt::format("{}. Is {} in {} meant to be '{}'?", text,
                                        in_quotes(child.key), child.origin().text(), *near));
  fail(origin(key), text);
}

const Node* Reader::declared(std::string_view key, const About& about, const std::string& allowed) {
  declared_.emplace_back(key);
  const Node* node = section_ ? section_->find(key) : nullptr;
  if (node || about.need == Need::optional) return node;
  std::string text = fmt::format("'{}' is missing; add e.g. '{}: {}' ({}: {})", path_of(key), key,
                                 example_of(allowed), allowed, about.help);
  // The key may be there in another spelling, which finish() would only find later.
  if (section_)
    for (const Node& child : section_->children)
      if (!holds(declared_, child.key) && nearest(child.key, {std::string(key)}))
        fail(origin_, fmt::format("{}. Is {} in {} meant to be it?", text, in_quotes(child.key),
                                  child.origin().text()));
  fail(origin_, text);
}

const Node* Reader::value_of(std::string_view key, const About& about, const std::string& allowed) {
  const Node* node = declared(key, about, allowed);
  if (node && node->kind == Kind::null) refuse(*node, path_of(key), allowed);
  return node;
}

void Reader::finish() const {
  if (!section_) return;
  for (const Node& child : section_->children)
    if (!holds(declared_, child.key)) {
      const std::string allowed =
          declared_.empty() ? " No keys are allowed here" : " Allowed here: " + listed(declared_);
      fail(child.origin(), fmt::format("unknown key {}.{}{}", in_quotes(path_of(child.key), 120),
                                       did_you_mean(child.key, declared_), allowed));
    }
}

void Reader::boolean(std::string_view key, bool& value, About about) {
  const Node* node = value_of(key, about, "true or false");
  if (!node) return;
  const bool yes = node->text == "true" || node->text == "True" || node->text == "TRUE";
  const bool no = node->text == "false" || node->text == "False" || node->text == "FALSE";
  if (node->kind != Kind::scalar || (!yes && !no)) refuse(*node, path_of(key), "true or false");
  value = yes;
}

void Reader::integer(std::string_view key, std::int64_t& value, About about, Range range) {
  if (const Node* node = value_of(key, about, requirement("an integer", range)))
    value = read_integer(*node, path_of(key), *constants_, range);
}

void Reader::real(std::string_view key, double& value, About about, Range range) {
  if (const Node* node = value_of(key, about, requirement("a number", range)))
    value = read_real(*node, path_of(key), *constants_, range);
}

void Reader::duration(std::string_view key, double& seconds, About about, Range range) {
  const std::string allowed =
      fmt::format("{}, e.g. {}", requirement("a duration", range), duration_examples);
  const Node* node = value_of(key, about, allowed);
  if (!node) return;
  const auto value = node->kind == Kind::scalar ? parse_duration(node->text) : std::nullopt;
  if (!value || !range.holds(*value)) refuse(*node, path_of(key), allowed);
  seconds = *value;
}

void Reader::text(std::string_view key, std::string& value, About about) {
  const Node* node = value_of(key, about, "text");
  if (!node) return;
  if (node->kind != Kind::scalar) refuse(*node, path_of(key), "text");
  value = node->text;
}

void Reader::names(std::string_view key, std::vector<std::string>& values, About about) {
  const std::string allowed = "a list of names, e.g. [x, y]";
  const Node* node = value_of(key, about, allowed);
  if (!node) return;
  const std::string path = path_of(key);
  if (node->kind != Kind::list) refuse(*node, path, allowed);
  values.clear();
  values.reserve(entries(*node, path, allowed));
  std::set<std::string> seen;
  for (const Node& child : node->children) {
    const std::string place = indexed(path, values.size());
    if (child.kind != Kind::scalar) refuse(child, place, "a name");
    refuse_unfit_name(child, child.text, place);
    if (!seen.insert(child.text).second)
      fail(child.origin(), fmt::format("'{}' is '{}', which stands in the list already; give each "
                                       "name once",
                                       place, child.text));
    values.push_back(child.text);
  }
}

void Reader::texts(std::string_view key, std::vector<std::string>& values, About about) {
  const std::string allowed = "text, or a list of texts";
  const Node* node = value_of(key, about, allowed);
  if (!node) return;
  const std::string path = path_of(key);
  if (node->kind == Kind::scalar) {
    values = {node->text};
    return;
  }
  if (node->kind != Kind::list) refuse(*node, path, allowed);
  values.clear();
  values.reserve(entries(*node, path, allowed));
  for (const Node& child : node->children) {
    if (child.kind != Kind::scalar) refuse(child, indexed(path, values.size()), "text");
    values.push_back(child.text);
  }
}

void Reader::choice(std::string_view key, std::string& value, const Words& allowed, About about) {
  if (const Node* node = value_of(key, about, one_of(allowed)))
    value = read_word(*node, path_of(key), allowed);
}

void Reader::choices(std::string_view key, std::vector<std::string>& values, const Words& allowed,
                     std::size_t count, About about) {
  const Node* node = value_of(key, about, one_of(allowed));
  if (!node) return;
  const std::string path = path_of(key);
  if (node->kind != Kind::list) {
    values.assign(count, read_word(*node, path, allowed));
    return;
  }
  if (node->children.size() != count)
    fail(node->origin(), fmt::format("'{}' has {} entries, but must have {}, or be a single word "
                                     "for all",
                                     path, node->children.size(), count));
  values.clear();
  for (const Node& child : node->children)
    values.push_back(read_word(child, indexed(path, values.size()), allowed));
}

void Reader::choice_or_real(std::string_view key, WordOrNumber& value, const Words& allowed,
                            About about) {
  const std::string either = one_of(allowed) + ", or a number";
  const Node* node = value_of(key, about, either);
  if (!node) return;
  if (node->kind == Kind::scalar && holds(allowed, node->text)) {
    value = {node->text, 0};
    return;
  }
  if (!looks_like_number(*node, *constants_))
    refuse(*node, path_of(key), either, did_you_mean(node->text, allowed));
  value = {"", read_real(*node, path_of(key), *constants_, {})};
}

void Reader::reals(std::string_view key, std::vector<double>& values, About about, Range range) {
  const std::string allowed = "a list of numbers, each " + range.text();
  const Node* node = value_of(key, about, allowed);
  if (!node) return;
  const std::string path = path_of(key);
  if (node->kind == Kind::map) refuse(*node, path, allowed);
  values.clear();
  if (node->kind == Kind::scalar) {
    values.push_back(read_real(*node, path, *constants_, range));
    return;
  }
  values.reserve(entries(*node, path, allowed));
  for (const Node& child : node->children)
    values.push_back(read_real(child, indexed(path, values.size()), *constants_, range));
}

void Reader::real_rows(std::string_view key, std::vector<std::vector<double>>& rows, About about) {
  const std::string allowed = "a list of lists of numbers, e.g. [[0, 1], [2, 3]]";
  const Node* node = value_of(key, about, allowed);
  if (!node) return;
  const std::string path = path_of(key);
  if (node->kind != Kind::list) refuse(*node, path, allowed);
  rows.clear();
  rows.reserve(entries(*node, path, allowed));
  for (const Node& child : node->children) {
    const std::string row_path = indexed(path, rows.size());
    if (child.kind != Kind::list) refuse(child, row_path, "a list of numbers");
    std::vector<double> row;
    row.reserve(entries(child, row_path, "a list of numbers"));
    for (const Node& number : child.children)
      row.push_back(read_real(number, indexed(row_path, row.size()), *constants_, {}));
    if (!rows.empty() && row.size() != rows.front().size())
      fail(child.origin(), fmt::format("'{}' has {} numbers, but '{}[0]' has {}; all must have as "
                                       "many",
                                       row_path, row.size(), path, rows.front().size()));
    rows.push_back(std::move(row));
  }
}

FormulaText Reader::formula_of(const Node& node, const std::string& path) const {
  if (node.kind != Kind::scalar || node.text.empty()) refuse(node, path, "a formula");
  return {node.text, node.origin(), path};
}

void Reader::formula(std::string_view key, FormulaText& value, About about) {
  if (const Node* node = value_of(key, about, "a formula")) value = formula_of(*node, path_of(key));
}

void Reader::formula_array(std::string_view key, FormulaArray& value, About about) {
  const std::string allowed = "a formula, a list of formulas, or a list of equally long lists";
  const Node* node = value_of(key, about, allowed);
  if (!node) return;
  const std::string path = path_of(key);
  if (node->kind == Kind::map) refuse(*node, path, allowed);
  const bool ragged = value.rank == 2 && !value.given(); // what its declaration allows
  FormulaArray array{.rank = 0, .rows = 1, .columns = 1, .entries = {}, .origin = node->origin()};
  if (node->kind == Kind::scalar) {
    array.entries.push_back(formula_of(*node, path));
    value = std::move(array);
    return;
  }
  array.rows = entries(*node, path, allowed);
  array.rank = node->children.front().kind == Kind::list ? 2 : 1;
  if (array.rank == 2)
    array.columns = entries(node->children.front(), indexed(path, 0), "a list of formulas");
  for (std::size_t i = 0; i < array.rows; ++i) {
    const Node& child = node->children[i];
    const std::string row_path = indexed(path, i);
    if (array.rank == 1) {
      array.entries.push_back(formula_of(child, row_path));
      continue;
    }
    if (child.kind != Kind::list) refuse(child, row_path, "a list of formulas like the first");
    if (ragged && child.children.empty()) refuse(child, row_path, "a list of formulas");
    if (child.children.size() != array.columns && ragged) array.columns = 0; // it has no number
    if (child.children.size() != array.columns && !ragged)
      fail(child.origin(), fmt::format("'{}' has {} formulas, but '{}[0]' has {}; all must have as "
                                       "many",
                                       row_path, child.children.size(), path, array.columns));
    for (std::size_t j = 0; j < child.children.size(); ++j)
      array.entries.push_back(formula_of(child.children[j], indexed(row_path, j)));
  }
  value = std::move(array);
}

void Reader::named_formulas(std::string_view key, std::string_view placeholder,
                            std::vector<std::pair<std::string, FormulaText>>& values, About about) {
  const std::string allowed = fmt::format("named formulas, e.g. {{{}: ...}}", placeholder);
  const Node* node = declared(key, about, allowed);
  if (!node) return;
  const std::string path = path_of(key);
  if (node->kind != Kind::map && node->kind != Kind::null) refuse(*node, path, allowed);
  values.clear();
  for (const Node& child : node->children) {
    const std::string place = path + "." + shortened(child.key);
    if (!names_a_dataset(child.key))
      fail(child.origin(),
           fmt::format("'{}' cannot be a name in the result file; choose one without "
                       "'/'",
                       place));
    values.emplace_back(child.key, formula_of(child, place));
  }
}

void Reader::named_reals(std::string_view key, std::string_view placeholder,
                         std::vector<std::pair<std::string, std::vector<double>>>& values,
                         About about) {
  const std::string allowed =
      fmt::format("named lists of numbers, e.g. {{{}: [0, 1]}}", placeholder);
  const Node* node = value_of(key, about, allowed);
  if (!node) return;
  const std::string path = path_of(key);
  if (node->kind != Kind::map) refuse(*node, path, allowed);
  values.clear();
  for (const Node& child : node->children) {
    const std::string place = path + "." + shortened(child.key);
    const std::string numbers = "a list of numbers";
    if (child.kind != Kind::list) refuse(child, place, numbers);
    std::vector<double> list;
    list.reserve(entries(child, place, numbers));
    for (const Node& number : child.children)
      list.push_back(read_real(number, indexed(place, list.size()), *constants_, {}));
    values.emplace_back(child.key, std::move(list));
  }
}

void Reader::constants(std::string_view key, std::string_view placeholder,
                       std::vector<std::pair<std::string, double>>& values, About about) {
  const std::string allowed = fmt::format("named numbers, e.g. {{{}: 1}}", placeholder);
  if (const Node* node = declared(key, about, allowed)) {
    const std::string path = path_of(key);
    if (node->kind != Kind::map && node->kind != Kind::null) refuse(*node, path, allowed);
    values.clear();
    if (node->children.size() > most_constants)
      fail(node->origin(), fmt::format("'{}' has {} entries, but at most {} are allowed", path,
                                       node->children.size(), most_constants));
    // Each may use those before it, wherever they were defined.
    Constants known = *constants_;
    for (const Node& child : node->children) {
      const std::string place = path + "." + shortened(child.key);
      refuse_unfit_name(child, child.key, place);
      if (holds_name(known, child.key))
        fail(child.origin(), fmt::format("'{}' is defined already; choose another name", place));
      values.emplace_back(child.key, read_real(child, place, known, {}));
      known.push_back(values.back());
    }
  }
  for (const auto& constant : values)
    if (!holds_name(*constants_, constant.first)) constants_->push_back(constant);
}

void Reader::read_within(const Node* node, const std::string& path, const Inner& inner) const {
  Reader reader(node && node->kind == Kind::map ? node : nullptr, path,
                node ? node->origin() : origin_, constants_);
  inner(reader);
  reader.finish();
}

void Reader::begin_section(std::string_view key, bool present, About about, const Inner& inner) {
  const Node* node = declared(key, about, "a section");
  if (!node && !present) return;
  const std::string path = path_of(key);
  if (node && node->kind != Kind::map && node->kind != Kind::null)
    refuse(*node, path, fmt::format("a section, e.g. '{}: {{...}}'", key));
  read_within(node, path, inner);
}

void Reader::begin_formula_or_section(std::string_view key, FormulaText& formula, bool present,
                                      About about, const Inner& inner) {
  const std::string allowed = "a formula or a section";
  const Node* node = value_of(key, about, allowed);
  if (!node && (!present || formula.given())) return;
  const std::string path = path_of(key);
  if (node && node->kind == Kind::scalar) {
    formula = formula_of(*node, path);
    return;
  }
  if (node && node->kind == Kind::list) refuse(*node, path, allowed);
  formula = {};
  read_within(node, path, inner);
}

void Reader::begin_named_sections(std::string_view key, std::string_view placeholder,
                                  const std::vector<std::string>& present, About about,
                                  const InnerNamed& inner) {
  const std::string allowed =
      fmt::format("sections by name, e.g. '{}: {{{}: {{...}}}}'", key, placeholder);
  const Node* node = declared(key, about, allowed);
  if (!node) return;
  const std::string path = path_of(key);
  if (node->kind != Kind::map && node->kind != Kind::null) refuse(*node, path, allowed);
  std::size_t next = present.size();
  for (const Node& child : node->children) {
    const std::string place = path + "." + shortened(child.key);
    if (child.kind != Kind::map && child.kind != Kind::null) refuse(child, place, "a section");
    const auto known = std::find(present.begin(), present.end(), child.key);
    const std::size_t i =
        known == present.end() ? next++ : static_cast<std::size_t>(known - present.begin());
    read_within(&child, place, [&](Declarer& declarer) { inner(declarer, i, child.key); });
  }
}

void Reader::begin_section_list(std::string_view key, std::size_t, About about,
                                const InnerAt& inner) {
  const std::string allowed = fmt::format("a list of sections, e.g. '{}: [{{...}}]'", key);
  const Node* node = value_of(key, about, allowed);
  if (!node) return;
  const std::string path = path_of(key);
  if (node->kind != Kind::list) refuse(*node, path, allowed);
  const std::size_t count = entries(*node, path, allowed);
  for (std::size_t i = 0; i < count; ++i) {
    const Node& child = node->children[i];
    const std::string place = indexed(path, i);
    if (child.kind != Kind::map && child.kind != Kind::null) refuse(child, place, "a section");
    read_within(&child, place, [&](Declarer& declarer) { inner(declarer, i); });
  }
}

} // namespace komori::config
