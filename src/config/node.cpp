#include "config/node.hpp"

#include <algorithm>
#include <charconv>
#include <optional>

#include <fmt/format.h>

#include "config/wording.hpp"

namespace komori::config {

namespace {

/// As std::from_chars reads it, without its words "inf" and "nan".
bool is_number(const std::string& text) noexcept {
  if (text.find_first_of("in") != std::string::npos) return false;
  double value = 0;
  const char* end = text.data() + text.size();
  const auto result = std::from_chars(text.data(), end, value);
  return result.ptr == end && result.ec == std::errc{};
}

/// One part of a dotted path: `drift[1][0]` is a name and two places in lists, counted from 0.
struct Step {
  std::string name;
  std::vector<std::size_t> places;
};

std::optional<Step> parse_step(std::string_view text) {
  Step step;
  std::size_t bracket = text.find('[');
  step.name = std::string(text.substr(0, bracket));
  if (step.name.empty() || step.name.find_first_of("]{}\"' \t\n") != std::string::npos)
    return std::nullopt;
  while (bracket != std::string_view::npos) {
    const std::size_t close = text.find(']', bracket);
    if (close == std::string_view::npos) return std::nullopt;
    std::size_t place = 0;
    const char* end = text.data() + close;
    const auto result = std::from_chars(text.data() + bracket + 1, end, place);
    if (result.ec != std::errc{} || result.ptr != end) return std::nullopt;
    step.places.push_back(place);
    bracket = close + 1 == text.size() ? std::string_view::npos : close + 1;
    if (bracket != std::string_view::npos && text[bracket] != '[') return std::nullopt;
  }
  return step;
}

std::optional<std::vector<Step>> parse_path(std::string_view path) {
  std::vector<Step> steps;
  for (std::size_t begin = 0; begin <= path.size();) {
    const std::size_t end = std::min(path.find('.', begin), path.size());
    auto step = parse_step(path.substr(begin, end - begin));
    if (!step) return std::nullopt;
    steps.push_back(std::move(*step));
    begin = end + 1;
  }
  return steps;
}

/// The child `name` of `section`, made if need be.
Node& enter(Node& section, const std::string& name, const std::string& path, const Origin& origin) {
  if (section.kind == Node::Kind::null) section.kind = Node::Kind::map;
  if (section.kind != Node::Kind::map)
    fail(origin, fmt::format("{} is {}, not a section that could hold '{}'", in_quotes(path),
                             section.shown(), shortened(name)));
  if (Node* child = section.find(name)) return *child;
  Node& child = section.children.emplace_back();
  child.key = name;
  child.line = origin.line;
  child.file = std::make_shared<const std::string>(origin.file);
  return child;
}

Node& enter(Node& list, std::size_t place, const std::string& path, const Origin& origin) {
  if (list.kind != Node::Kind::list)
    fail(origin, fmt::format("{} is {}, not a list", in_quotes(path), list.shown()));
  if (place >= list.children.size())
    fail(origin, fmt::format("{} has no entry [{}]; it has {}, counted from 0", in_quotes(path),
                             place, list.children.size()));
  return list.children[place];
}

} // namespace

const Node* Node::find(std::string_view name) const noexcept {
  if (kind != Kind::map) return nullptr;
  const auto found = std::find_if(children.begin(), children.end(),
                                  [&](const Node& child) { return child.key == name; });
  return found == children.end() ? nullptr : &*found;
}

Node* Node::find(std::string_view name) noexcept {
  return const_cast<Node*>(std::as_const(*this).find(name));
}

Origin Node::origin() const {
  return {file ? *file : std::string(), line};
}

std::string Node::shown() const {
  switch (kind) {
  case Kind::list:
    return "a list";
  case Kind::map:
    return "a section";
  case Kind::scalar:
    return !quoted && is_number(text) ? text : in_quotes(text);
  case Kind::null:
    break;
  }
  return "empty";
}

void apply_set(Node& root, const std::string& assignment) {
  const Origin origin{"--set " + shortened(assignment, 200), 0};
  const std::size_t equals = assignment.find('=');
  const auto steps = equals == std::string::npos
                         ? std::nullopt
                         : parse_path(std::string_view(assignment).substr(0, equals));
  if (!steps)
    fail(origin, "must have the form --set section.key=value, e.g. --set spectrum.pairs=20");
  if (steps->size() > Limits::depth)
    fail(origin, fmt::format("is nested deeper than {} sections", Limits::depth));
  Node value = parse_value(assignment.substr(equals + 1), origin);

  Node* node = &root;
  std::string path;
  for (const Step& step : *steps) {
    node = &enter(*node, step.name, path, origin);
    path += (path.empty() ? "" : ".") + step.name;
    for (const std::size_t place : step.places) {
      node = &enter(*node, place, path, origin);
      path += fmt::format("[{}]", place);
    }
  }
  value.key = node->key;
  *node = std::move(value);
}

} // namespace komori::config
