#include "config/expression.hpp"

#include <algorithm>
#include <array>
#include <bit>
#include <cctype>
#include <charconv>
#include <cmath>
#include <optional>
#include <stdexcept>
#include <utility>

namespace komori::config {
namespace {

/// What has a loop of its own in `base::apply`.
std::optional<base::Elementary> find_elementary(std::string_view name) {
  using E = base::Elementary;
  static constexpr std::array<std::pair<std::string_view, E>, 28> all{
      {{"acos", E::acos}, {"acosh", E::acosh}, {"asin", E::asin},   {"asinh", E::asinh},
       {"atan", E::atan}, {"atan2", E::atan2}, {"atanh", E::atanh}, {"cbrt", E::cbrt},
       {"ceil", E::ceil}, {"cos", E::cos},     {"cosh", E::cosh},   {"erf", E::erf},
       {"erfc", E::erfc}, {"exp", E::exp},     {"floor", E::floor}, {"hypot", E::hypot},
       {"ln", E::log},    {"log", E::log},     {"log10", E::log10}, {"log2", E::log2},
       {"pow", E::pow},   {"rint", E::rint},   {"sin", E::sin},     {"sinh", E::sinh},
       {"sqrt", E::sqrt}, {"tan", E::tan},     {"tanh", E::tanh},   {"trunc", E::trunc}}};
  for (const auto& [known, function] : all) {
    if (known == name) return function;
  }
  return std::nullopt;
}

} // namespace

bool ExpressionNode::operator==(const ExpressionNode& other) const {
  // Bits, so that 0 is not -0.
  return operation == other.operation &&
         std::bit_cast<std::uint64_t>(constant) == std::bit_cast<std::uint64_t>(other.constant) &&
         variable == other.variable && elementary == other.elementary &&
         function == other.function && children == other.children;
}

/// Recursive descent over a formula that is known to be sound; each new part becomes a node.
class ExpressionBuilder {
public:
  ExpressionBuilder(Expression& owner, std::string_view text) : owner_(owner), text_(text) {}

  std::size_t build() {
    const std::size_t node = choice();
    skip();
    if (at_ != text_.size()) broken();
    return node;
  }

private:
  using Node = ExpressionNode;
  using Children = std::vector<std::size_t>;

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
    if (!node.children.empty() && node.mask == 0) node = folded(node);
    const auto known = std::find(owner_.nodes_.begin(), owner_.nodes_.end(), node);
    if (known != owner_.nodes_.end()) {
      return static_cast<std::size_t>(known - owner_.nodes_.begin());
    }
    owner_.nodes_.push_back(std::move(node));
    return owner_.nodes_.size() - 1;
  }
  std::size_t add(Operation operation, Children children) {
    return add(Node{.operation = operation, .children = std::move(children)});
  }
  std::size_t constant(double value) { return add(Node{.constant = value}); }

  /// The constant that an operation on constants gives.
  Node folded(const Node& node) const {
    std::array<base::LaneArray, 3> values;
    std::array<const double*, 3> operands{};
    for (std::size_t c = 0; c < node.children.size(); ++c) {
      values[c] = base::LaneArray(base::group_size, owner_.nodes_[node.children[c]].constant);
      operands[c] = values[c].data();
    }
    base::LaneArray result(base::group_size);
    compute(node, operands.data(), result.data(), base::group_size);
    return {.constant = *result.data()};
  }

  std::size_t choice() {
    const std::size_t condition = either();
    if (!take("?")) return condition;
    const std::size_t yes = choice();
    if (!take(":")) broken();
    const std::size_t no = choice();
    if (owner_.nodes_[condition].mask == 0)
      return owner_.nodes_[condition].constant != 0 ? yes : no;
    return add(Operation::choose, {condition, yes, no});
  }
  std::size_t either() {
    std::size_t left = both();
    while (take("||")) left = add(Operation::either, {left, both()});
    return left;
  }
  std::size_t both() {
    std::size_t left = comparison();
    while (take("&&")) left = add(Operation::both, {left, comparison()});
    return left;
  }
  std::size_t comparison() {
    const std::size_t left = sum();
    if (take("==")) return add(Operation::equal, {left, sum()});
    if (take("!=")) return add(Operation::unequal, {left, sum()});
    if (take("<=")) return add(Operation::less_equal, {left, sum()});
    if (take(">=")) return add(Operation::greater_equal, {left, sum()});
    if (take("<")) return add(Operation::less, {left, sum()});
    if (take(">")) return add(Operation::greater, {left, sum()});
    return left;
  }
  std::size_t sum() {
    std::size_t left = product();
    for (;;) {
      if (take("+")) {
        left = add(Operation::add, {left, product()});
      } else if (take("-")) {
        left = add(Operation::subtract, {left, product()});
      } else {
        return left;
      }
    }
  }
  std::size_t product() {
    std::size_t left = with_sign();
    for (;;) {
      if (take("*")) {
        left = add(Operation::multiply, {left, with_sign()});
      } else if (take("/")) {
        left = add(Operation::divide, {left, with_sign()});
      } else {
        return left;
      }
    }
  }
  std::size_t with_sign() {
    if (take("-")) return add(Operation::negate, {with_sign()});
    if (take("+")) return with_sign();
    const std::size_t base = primary();
    return take("^") ? power(base, with_sign()) : base;
  }
  std::size_t power(std::size_t base, std::size_t exponent) {
    const Node& to = owner_.nodes_[exponent];
    const bool whole = to.mask == 0 && to.constant != 0 && to.constant == std::rint(to.constant);
    if (whole && std::abs(to.constant) <= Expression::highest_power) {
      if (to.constant == 1) return base;
      return add(
          Node{.operation = Operation::integer_power, .constant = to.constant, .children = {base}});
    }
    return add(Node{.operation = Operation::elementary,
                    .elementary = base::Elementary::pow,
                    .children = {base, exponent}});
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
      double value = 0;
      const char* end = text_.data() + text_.size();
      const auto read = std::from_chars(text_.data() + at_, end, value);
      if (read.ec != std::errc{}) broken();
      at_ = static_cast<std::size_t>(read.ptr - text_.data());
      return constant(value);
    }
    std::size_t length = 0;
    while (at_ + length < text_.size() &&
           (std::isalnum(static_cast<unsigned char>(text_[at_ + length])) != 0 ||
            text_[at_ + length] == '_')) {
      ++length;
    }
    const std::string_view name = text_.substr(at_, length);
    at_ += length;
    const auto& variables = owner_.variables_;
    const auto variable = std::find(variables.begin(), variables.end(), name);
    if (variable != variables.end()) {
      return static_cast<std::size_t>(variable - variables.begin());
    }
    if (const double* value = find_constant(owner_.constants_, name)) return constant(*value);
    const Function* function = find_function(name);
    if (!function || !take("(")) broken();
    Children arguments;
    do {
      arguments.push_back(choice());
    } while (take(","));
    if (!take(")")) broken();
    return call(*function, std::move(arguments));
  }

  std::size_t call(const Function& function, Children arguments) {
    const std::string_view name = function.name;
    if (function.nary) return chain(name, arguments);
    if (name == "abs") return add(Operation::absolute, std::move(arguments));
    if (name == "pow") return power(arguments[0], arguments[1]);
    if (name == "sech") return inverse(base::Elementary::cosh, std::move(arguments));
    if (name == "csch") return inverse(base::Elementary::sinh, std::move(arguments));
    if (name == "coth") return inverse(base::Elementary::tanh, std::move(arguments));
    Node node{.operation = Operation::call, .children = std::move(arguments)};
    if (const auto elementary = find_elementary(name)) {
      node.operation = Operation::elementary;
      node.elementary = *elementary;
    } else {
      node.function = &function;
    }
    return add(std::move(node));
  }
  std::size_t inverse(base::Elementary function, Children arguments) {
    const std::size_t value = add(Node{.operation = Operation::elementary,
                                       .elementary = function,
                                       .children = std::move(arguments)});
    return add(Operation::divide, {constant(1), value});
  }
  /// A function of any number of arguments, as operations on two.
  std::size_t chain(std::string_view name, const Children& arguments) {
    Operation operation = Operation::add;
    if (name == "min") {
      operation = Operation::minimum;
    } else if (name == "max") {
      operation = Operation::maximum;
    } else if (name != "sum" && name != "avg") {
      broken();
    }
    std::size_t left = arguments[0];
    for (std::size_t i = 1; i < arguments.size(); ++i) left = add(operation, {left, arguments[i]});
    if (name != "avg") return left;
    return add(Operation::divide, {left, constant(static_cast<double>(arguments.size()))});
  }

  Expression& owner_;
  std::string_view text_;
  std::size_t at_ = 0;
};

Expression::Expression(const std::vector<std::string>& variables, const Constants& constants)
    : variables_(variables), constants_(constants) {
  constexpr std::size_t last_bit = 63;
  for (std::size_t k = 0; k < variables.size(); ++k) {
    nodes_.push_back({.operation = Operation::variable,
                      .variable = k,
                      .mask = std::uint64_t{1} << std::min(k, last_bit)});
  }
}

std::size_t Expression::add(std::string_view formula) {
  return ExpressionBuilder(*this, formula).build();
}

} // namespace komori::config
