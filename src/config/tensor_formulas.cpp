#include "config/tensor_formulas.hpp"

#include <algorithm>
#include <cctype>
#include <charconv>
#include <cmath>
#include <stdexcept>
#include <string_view>

#include "config/formula_check.hpp"

namespace komori::config {

bool TensorFormulas::Node::operator==(const Node& other) const {
  return kind == other.kind && constant == other.constant && variable == other.variable &&
         function == other.function && children == other.children;
}

/// Recursive descent over a formula that is known to be sound; each new part becomes a node.
class TensorBuilder {
public:
  TensorBuilder(TensorFormulas& owner, std::string_view text,
                const std::vector<std::string>& variables, const Constants& constants)
      : owner_(owner), text_(text), variables_(variables), constants_(constants) {}

  std::size_t build() {
    const std::size_t node = choice();
    skip();
    if (at_ != text_.size()) broken();
    return node;
  }

private:
  using Kind = TensorFormulas::Kind;
  using Node = TensorFormulas::Node;

  [[noreturn]] void broken() const {
    throw std::logic_error("a formula that was found sound cannot be parsed: " +
                           std::string(text_));
  }
  void skip() {
    while (at_ < text_.size() && std::isspace(static_cast<unsigned char>(text_[at_])) != 0) ++at_;
  }
  bool take(std::string_view symbol) {
    skip();
    if (!text_.substr(at_).starts_with(symbol)) return false;
    at_ += symbol.size();
    return true;
  }
  std::size_t add(Node node) {
    for (const std::size_t child : node.children) node.mask |= owner_.nodes_[child].mask;
    if (node.kind == Kind::variable) node.mask = 1U << node.variable;
    const auto known = std::find(owner_.nodes_.begin(), owner_.nodes_.end(), node);
    if (known != owner_.nodes_.end()) {
      return static_cast<std::size_t>(known - owner_.nodes_.begin());
    }
    owner_.nodes_.push_back(std::move(node));
    return owner_.nodes_.size() - 1;
  }
  std::size_t add(Kind kind, std::vector<std::size_t> children) {
    return add(Node{.kind = kind, .children = std::move(children)});
  }

  std::size_t choice() {
    const std::size_t condition = either();
    if (!take("?")) return condition;
    const std::size_t yes = choice();
    if (!take(":")) broken();
    const std::size_t no = choice();
    return add(Kind::choose, {condition, yes, no});
  }
  std::size_t either() {
    std::size_t left = both();
    while (take("||")) left = add(Kind::either, {left, both()});
    return left;
  }
  std::size_t both() {
    std::size_t left = comparison();
    while (take("&&")) left = add(Kind::both, {left, comparison()});
    return left;
  }
  std::size_t comparison() {
    const std::size_t left = sum();
    if (take("==")) return add(Kind::equal, {left, sum()});
    if (take("!=")) return add(Kind::unequal, {left, sum()});
    if (take("<=")) return add(Kind::less_equal, {left, sum()});
    if (take(">=")) return add(Kind::greater_equal, {left, sum()});
    if (take("<")) return add(Kind::less, {left, sum()});
    if (take(">")) return add(Kind::greater, {left, sum()});
    return left;
  }
  std::size_t sum() {
    std::size_t left = product();
    for (;;) {
      if (take("+")) {
        left = add(Kind::add, {left, product()});
      } else if (take("-")) {
        left = add(Kind::subtract, {left, product()});
      } else {
        return left;
      }
    }
  }
  std::size_t product() {
    std::size_t left = with_sign();
    for (;;) {
      if (take("*")) {
        left = add(Kind::multiply, {left, with_sign()});
      } else if (take("/")) {
        left = add(Kind::divide, {left, with_sign()});
      } else {
        return left;
      }
    }
  }
  std::size_t with_sign() {
    if (take("-")) return add(Kind::negate, {with_sign()});
    if (take("+")) return with_sign();
    const std::size_t base = primary();
    return take("^") ? add(Kind::power, {base, with_sign()}) : base;
  }
  std::size_t primary() {
    if (take("(")) {
      const std::size_t inner = choice();
      if (!take(")")) broken();
      return inner;
    }
    skip();
    if (at_ == text_.size()) broken();
    const char c = text_[at_];
    if (std::isdigit(static_cast<unsigned char>(c)) != 0 || c == '.') {
      Node node;
      const char* end = text_.data() + text_.size();
      const auto read = std::from_chars(text_.data() + at_, end, node.constant);
      if (read.ec != std::errc{}) broken();
      at_ = static_cast<std::size_t>(read.ptr - text_.data());
      return add(std::move(node));
    }
    std::size_t length = 0;
    while (at_ + length < text_.size() &&
           (std::isalnum(static_cast<unsigned char>(text_[at_ + length])) != 0 ||
            text_[at_ + length] == '_')) {
      ++length;
    }
    const std::string name(text_.substr(at_, length));
    at_ += length;
    const auto variable = std::find(variables_.begin(), variables_.end(), name);
    if (variable != variables_.end()) {
      return add(Node{.kind = Kind::variable,
                      .variable = static_cast<std::size_t>(variable - variables_.begin())});
    }
    if (const double* constant = find_constant(constants_, name)) {
      return add(Node{.constant = *constant});
    }
    Node call{.kind = Kind::call, .function = find_function(name)};
    if (!call.function || !take("(")) broken();
    do {
      call.children.push_back(choice());
    } while (take(","));
    if (!take(")")) broken();
    return add(std::move(call));
  }

  TensorFormulas& owner_;
  std::string_view text_;
  const std::vector<std::string>& variables_;
  const Constants& constants_;
  std::size_t at_ = 0;
};

TensorFormulas::TensorFormulas(const std::vector<FormulaText>& formulas,
                               const std::vector<std::string>& variables,
                               const std::vector<std::pair<std::string, double>>& constants,
                               std::size_t count)
    : variables_(variables.size()), count_(count) {
  for (std::size_t k = 0; k < variables_; ++k) {
    points_ *= count;
    nodes_.push_back({.kind = Kind::variable, .variable = k, .mask = 1U << k});
  }
  const unsigned all = (1U << variables_) - 1;
  for (const FormulaText& formula : formulas) {
    outputs_.push_back({.node = TensorBuilder(*this, formula.text, variables, constants).build()});
  }
  for (Output& output : outputs_) output.map = map_of(all, nodes_[output.node].mask);
  for (const Node& node : nodes_) {
    values_.emplace_back(size_of(node.mask), node.constant);
    std::vector<Map>& maps = maps_.emplace_back();
    for (const std::size_t child : node.children) {
      maps.push_back(map_of(node.mask, nodes_[child].mask));
    }
  }
  for (std::size_t node = 0; node < nodes_.size(); ++node) {
    if (nodes_[node].mask == 0) compute(node);
  }
}

std::size_t TensorFormulas::size_of(unsigned mask) const {
  std::size_t size = 1;
  for (std::size_t k = 0; k < variables_; ++k) size *= (mask >> k & 1U) ? count_ : 1;
  return size;
}

TensorFormulas::Map TensorFormulas::map_of(unsigned whole, unsigned part) const {
  if (whole == part) return {};
  Map map(size_of(whole));
  for (std::size_t i = 0; i < map.size(); ++i) {
    std::size_t rest = i;
    std::size_t place = 0;
    std::size_t stride = 1;
    for (std::size_t k = variables_; k-- > 0;) {
      if ((whole >> k & 1U) == 0) continue;
      if (part >> k & 1U) {
        place += rest % count_ * stride;
        stride *= count_;
      }
      rest /= count_;
    }
    map[i] = static_cast<std::uint32_t>(place);
  }
  return map;
}

std::span<double> TensorFormulas::places(std::size_t k) {
  changed_ |= 1U << k;
  return values_[k];
}

std::span<const double> TensorFormulas::values(std::size_t f) {
  const Output& output = outputs_[f];
  const std::vector<double>& compact = values_[output.node];
  if (output.map.empty()) return compact;
  spread_.resize(outputs_.size());
  spread_[f].resize(points_);
  for (std::size_t i = 0; i < points_; ++i) spread_[f][i] = compact[output.map[i]];
  return spread_[f];
}

void TensorFormulas::evaluate() {
  for (std::size_t node = variables_; node < nodes_.size(); ++node) {
    if (nodes_[node].mask & changed_) compute(node);
  }
  changed_ = 0;
}

void TensorFormulas::compute(std::size_t index) {
  const Node& node = nodes_[index];
  std::vector<double>& result = values_[index];
  const auto child = [&](std::size_t c, std::size_t i) {
    const Map& map = maps_[index][c];
    return values_[node.children[c]][map.empty() ? i : map[i]];
  };
  const auto unary = [&](auto&& apply) {
    for (std::size_t i = 0; i < result.size(); ++i) result[i] = apply(child(0, i));
  };
  const auto binary = [&](auto&& apply) {
    const double* a = values_[node.children[0]].data();
    const double* b = values_[node.children[1]].data();
    const Map& of_a = maps_[index][0];
    const Map& of_b = maps_[index][1];
    // The commonest cases in loops of their own, which vectorise.
    if (of_a.empty() && of_b.empty()) {
      for (std::size_t i = 0; i < result.size(); ++i) result[i] = apply(a[i], b[i]);
    } else if (of_a.empty()) {
      for (std::size_t i = 0; i < result.size(); ++i) result[i] = apply(a[i], b[of_b[i]]);
    } else if (of_b.empty()) {
      for (std::size_t i = 0; i < result.size(); ++i) result[i] = apply(a[of_a[i]], b[i]);
    } else {
      for (std::size_t i = 0; i < result.size(); ++i) result[i] = apply(a[of_a[i]], b[of_b[i]]);
    }
  };
  switch (node.kind) {
  case Kind::constant:
  case Kind::variable:
    return;
  case Kind::add:
    return binary([](double a, double b) { return a + b; });
  case Kind::subtract:
    return binary([](double a, double b) { return a - b; });
  case Kind::multiply:
    return binary([](double a, double b) { return a * b; });
  case Kind::divide:
    return binary([](double a, double b) { return a / b; });
  case Kind::power:
    if (nodes_[node.children[1]].mask == 0 && values_[node.children[1]][0] == 2) {
      return unary([](double a) { return a * a; });
    }
    return binary([](double a, double b) { return std::pow(a, b); });
  case Kind::negate:
    return unary([](double a) { return -a; });
  case Kind::less:
    return binary([](double a, double b) { return a < b ? 1.0 : 0.0; });
  case Kind::less_equal:
    return binary([](double a, double b) { return a <= b ? 1.0 : 0.0; });
  case Kind::greater:
    return binary([](double a, double b) { return a > b ? 1.0 : 0.0; });
  case Kind::greater_equal:
    return binary([](double a, double b) { return a >= b ? 1.0 : 0.0; });
  case Kind::equal:
    return binary([](double a, double b) { return a == b ? 1.0 : 0.0; });
  case Kind::unequal:
    return binary([](double a, double b) { return a != b ? 1.0 : 0.0; });
  case Kind::both:
    return binary([](double a, double b) { return a != 0 && b != 0 ? 1.0 : 0.0; });
  case Kind::either:
    return binary([](double a, double b) { return a != 0 || b != 0 ? 1.0 : 0.0; });
  case Kind::choose:
    for (std::size_t i = 0; i < result.size(); ++i) {
      result[i] = child(0, i) != 0 ? child(1, i) : child(2, i);
    }
    return;
  case Kind::call:
    if (node.function->unary) return unary(node.function->unary);
    if (node.function->binary) return binary(node.function->binary);
    std::vector<double> arguments(node.children.size());
    for (std::size_t i = 0; i < result.size(); ++i) {
      for (std::size_t c = 0; c < arguments.size(); ++c) arguments[c] = child(c, i);
      result[i] = node.function->nary(arguments.data(), static_cast<int>(arguments.size()));
    }
    return;
  }
}

} // namespace komori::config
