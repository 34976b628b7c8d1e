/// What the operations of an expression do to arrays.
#include <cmath>

#include "config/expression.hpp"

namespace komori::config {
namespace {

// Three loops, each of which the compiler can vectorise.
template <class Apply>
void binary(Apply&& apply, Operand a, Operand b, double* __restrict to, std::size_t count) {
  if (b.single) {
    const double value = b.values[0];
    for (std::size_t i = 0; i < count; ++i) to[i] = apply(a.values[i], value);
  } else if (a.single) {
    const double value = a.values[0];
    for (std::size_t i = 0; i < count; ++i) to[i] = apply(value, b.values[i]);
  } else {
    for (std::size_t i = 0; i < count; ++i) to[i] = apply(a.values[i], b.values[i]);
  }
}

template <class Apply>
void unary(Apply&& apply, const double* a, double* __restrict to, std::size_t count) {
  for (std::size_t i = 0; i < count; ++i) to[i] = apply(a[i]);
}

void integer_power(int exponent, const double* a, double* __restrict to, std::size_t count) {
  switch (exponent) {
  case 2:
    return unary([](double x) { return x * x; }, a, to, count);
  case 3:
    return unary([](double x) { return x * x * x; }, a, to, count);
  case 4:
    return unary(
        [](double x) {
          const double square = x * x;
          return square * square;
        },
        a, to, count);
  default:
    break;
  }
  for (std::size_t i = 0; i < count; ++i) {
    double square = a[i];
    double product = 1;
    for (int rest = std::abs(exponent); rest > 0; rest /= 2) {
      if (rest % 2 == 1) product *= square;
      square *= square;
    }
    to[i] = exponent < 0 ? 1 / product : product;
  }
}

} // namespace

void compute_exact(Operation operation, Operand a, Operand b, double* to, std::size_t count) {
  const auto run = [&](auto&& apply) { binary(apply, a, b, to, count); };
  switch (operation) {
  case Operation::add:
    return run([](double x, double y) { return x + y; });
  case Operation::subtract:
    return run([](double x, double y) { return x - y; });
  case Operation::multiply:
    return run([](double x, double y) { return x * y; });
  case Operation::divide:
    return run([](double x, double y) { return x / y; });
  case Operation::less:
    return run([](double x, double y) { return x < y ? 1.0 : 0.0; });
  case Operation::less_equal:
    return run([](double x, double y) { return x <= y ? 1.0 : 0.0; });
  case Operation::greater:
    return run([](double x, double y) { return x > y ? 1.0 : 0.0; });
  case Operation::greater_equal:
    return run([](double x, double y) { return x >= y ? 1.0 : 0.0; });
  case Operation::equal:
    return run([](double x, double y) { return x == y ? 1.0 : 0.0; });
  case Operation::unequal:
    return run([](double x, double y) { return x != y ? 1.0 : 0.0; });
  case Operation::both:
    return run([](double x, double y) { return x != 0 && y != 0 ? 1.0 : 0.0; });
  case Operation::either:
    return run([](double x, double y) { return x != 0 || y != 0 ? 1.0 : 0.0; });
  case Operation::minimum: // nan wins, as in the functions
    return run([](double x, double y) { return y < x || y != y ? y : x; });
  case Operation::maximum:
    return run([](double x, double y) { return y > x || y != y ? y : x; });
  default:
    return;
  }
}

void compute(const ExpressionNode& node, const double* const* operands, double* to,
             std::size_t count) {
  switch (node.operation) {
  case Operation::negate:
    return unary([](double x) { return -x; }, operands[0], to, count);
  case Operation::absolute:
    return unary([](double x) { return std::fabs(x); }, operands[0], to, count);
  case Operation::integer_power:
    return integer_power(static_cast<int>(node.constant), operands[0], to, count);
  case Operation::elementary:
    return base::apply(node.elementary, operands[0],
                       node.children.size() > 1 ? operands[1] : nullptr, to, count);
  case Operation::choose:
    for (std::size_t i = 0; i < count; ++i) {
      to[i] = operands[0][i] != 0 ? operands[1][i] : operands[2][i];
    }
    return;
  case Operation::call:
    if (node.function->unary) return unary(node.function->unary, operands[0], to, count);
    for (std::size_t i = 0; i < count; ++i) {
      to[i] = node.function->binary(operands[0][i], operands[1][i]);
    }
    return;
  default:
    return compute_exact(node.operation, {operands[0]}, {operands[1]}, to, count);
  }
}

} // namespace komori::config
