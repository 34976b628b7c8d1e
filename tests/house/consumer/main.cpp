/// A program of somebody else: counts the cells of a grid through the installed library.
#include <cstdio>

#include <komori/base/session.hpp>
#include <komori/spaces/grid.hpp>

int main() {
  komori::base::Session session({.program = "consumer", .petsc_options = {}});
  const komori::spaces::Axis axis("x", {0, 1, 2, 3}, komori::spaces::Boundary::reflecting,
                                  komori::spaces::Boundary::absorbing);
  const komori::spaces::Grid grid(session.comm(), {axis, axis});
  std::printf("%d cells\n", static_cast<int>(grid.cells()));
  return 0;
}
