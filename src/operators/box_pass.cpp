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

BoxLines BoxPass::lines(std::vector<double>& work, std::size_t width) const {
  const std::size_t room = std::min(width, lines_at_once) * (cells + nodes + 4);
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
    BoxLines all = lines(work, lines_at_once);
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
    for_groups(lines(work, lines_at_once), before, after,
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

void BoxPass::average_in_place(double* table, std::size_t after, std::vector<double>& work) const {
  if (noisy) {
    average_lines_in_place(lines_in_place(after, work), table);
    return;
  }
  std::copy_n(table + skipped * after, kept * after, table); // to what comes before, or itself
  std::fill_n(table + kept * after, (nodes - kept) * after, 0.0);
}

void BoxPass::spread_in_place(double* table, std::size_t after, std::vector<double>& work) const {
  if (noisy) {
    spread_lines_in_place(lines_in_place(after, work), table);
    return;
  }
  std::copy_backward(table, table + kept * after, table + (skipped + kept) * after);
  std::fill_n(table, skipped * after, 0.0);
  const std::size_t past = skipped + kept;
  std::fill_n(table + past * after, (cells - past) * after, 0.0);
}

BoxLines BoxPass::lines_in_place(std::size_t after, std::vector<double>& work) const {
  BoxLines all = lines(work, after);
  all.lines = all.cell_step = all.node_step = after;
  all.cell_side = all.node_side = 1;
  return all;
}

} // namespace komori::operators
