#include "operators/box_pass.hpp"

#include <algorithm>

namespace komori::operators {
namespace {

/// Calls `visit(lines, first value of a cell, first value at a node)` for groups of lines.
template <class Visit>
void for_groups(BoxLines lines, std::size_t before, std::size_t after, Visit&& visit) {
  const bool along_the_last = after == 1;
  lines.cell_step = lines.node_step = after;
  lines.cell_side = along_the_last ? lines.cells : 1;
  lines.node_side = along_the_last ? lines.nodes : 1;
  const std::size_t most = along_the_last ? lines_at_once : after;
  const std::size_t all = before * after;
  for (std::size_t line = 0; line < all; line += most) {
    lines.lines = std::min(most, all - line);
    visit(lines, line * lines.cells, line * lines.nodes);
  }
}

} // namespace

BoxLines BoxPass::lines(std::vector<double>& work) const {
  const std::size_t room = lines_at_once * (cells + nodes + 4);
  if (work.size() < room) work.resize(room);
  return {.first = shares.data(),
          .cells = cells,
          .moves = moves.data(),
          .terms = terms.data(),
          .begins = begins.data(),
          .nodes = nodes,
          .work = work.data()};
}

void BoxPass::order_by_cells() {
  begins.assign(cells + 1, 0);
  const auto for_each_term = [&](auto&& visit) {
    for (std::size_t j = 0; j < moves.size(); ++j) {
      if (moves[j].up != 0) visit(moves[j].high, BoxTerm{j + 1, moves[j].up});
      if (moves[j].down != 0) visit(moves[j].low, BoxTerm{j + 1, -moves[j].down});
    }
  };
  for_each_term([&](std::size_t cell, const BoxTerm&) { ++begins[cell + 1]; });
  for (std::size_t i = 0; i < cells; ++i) begins[i + 1] += begins[i];
  terms.resize(begins[cells]);
  std::vector<std::size_t> next = begins;
  for_each_term([&](std::size_t cell, const BoxTerm& term) { terms[next[cell]++] = term; });
}

void BoxPass::average(const double* values, std::size_t before, std::size_t after, double* at_nodes,
                      std::vector<double>& work, bool stream) const {
  if (noisy) {
    BoxLines all = lines(work);
    all.stream = stream;
    for_groups(all, before, after, [&](const BoxLines& group, std::size_t cell, std::size_t node) {
      average_lines(group, values + cell, at_nodes + node);
    });
    return;
  }
  for (std::size_t b = 0; b < before; ++b) {
    double* to = at_nodes + b * nodes * after;
    std::copy_n(values + (b * cells + skipped) * after, kept * after, to);
    std::fill_n(to + kept * after, (nodes - kept) * after, 0.0);
  }
}

void BoxPass::spread(const double* at_nodes, std::size_t before, std::size_t after, double* values,
                     std::vector<double>& work) const {
  if (noisy) {
    for_groups(lines(work), before, after,
               [&](const BoxLines& group, std::size_t cell, std::size_t node) {
                 spread_lines(group, at_nodes + node, values + cell);
               });
    return;
  }
  for (std::size_t b = 0; b < before; ++b) {
    double* to = values + b * cells * after;
    std::fill_n(to, cells * after, 0.0);
    std::copy_n(at_nodes + b * nodes * after, kept * after, to + skipped * after);
  }
}

BoxLines BoxPass::lines(const BoxPart& part, const BoxColumns& columns,
                        std::vector<double>& work) const {
  BoxLines some = lines(work);
  some.first = part.shares.data();
  some.first_cell = part.cell;
  some.cells = part.shares.size();
  some.moves += part.node;
  some.begins += part.cell;
  some.first_node = part.node;
  some.nodes = part.nodes;
  some.lines = columns.lines;
  some.cell_step = columns.cell_step;
  some.node_step = columns.node_step;
  some.cell_side = some.node_side = 1;
  some.ahead = columns.ahead;
  return some;
}

void BoxPass::average(const BoxPart& part, const BoxColumns& columns, const double* values,
                      double* at_nodes, std::vector<double>& work) const {
  if (noisy) return average_lines(lines(part, columns, work), values, at_nodes);
  for (std::size_t j = 0; j < part.nodes; ++j) {
    double* const to = at_nodes + j * columns.node_step;
    if (j < part.shares.size()) {
      std::copy_n(values + (part.cell + j) * columns.cell_step, columns.lines, to);
    } else {
      std::fill_n(to, columns.lines, 0.0);
    }
  }
}

void BoxPass::spread(const BoxPart& part, const BoxColumns& columns, const double* at_nodes,
                     double* values, std::vector<double>& work) const {
  if (noisy) {
    BoxLines some = lines(part, columns, work);
    some.add = true;
    return spread_lines(some, at_nodes, values);
  }
  for (std::size_t j = 0; j < part.shares.size(); ++j) {
    const double* const from = at_nodes + j * columns.node_step;
    double* const to = values + (part.cell + j) * columns.cell_step;
    for (std::size_t l = 0; l < columns.lines; ++l) to[l] += from[l];
  }
}

} // namespace komori::operators
