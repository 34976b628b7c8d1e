#include "operators/swept_block.hpp"

#include <algorithm>
#include <cmath>

#include <gtest/gtest.h>

#include "operators/resolved.hpp"
#include "support.hpp"

namespace komori::operators {
namespace {

using base::check;
using support::noise;

TEST(SweptBlock, does_with_several_vectors_what_is_done_with_one) {
  for (const bool noise_first : {false, true}) {
    for (const bool ring : {false, true}) {
      const auto v = ring ? support::axis("v", 0, 6, 21, spaces::Boundary::periodic)
                          : support::axis("v", -2.5, 2.5, 22);
      const auto x = support::axis("x", -2, 2, 31);
      const std::string force = ring ? "0.3 - x" : "-4*x*(x^2-1)-v";
      support::Case c =
          noise_first
              ? support::Case({.drift = {force, ring ? "cos(v)" : "v"}, .diffusion = {"0.25", "0"}},
                              {v, x})
              : support::Case({.drift = {ring ? "cos(v)" : "v", force}, .diffusion = {"0", "0.25"}},
                              {x, v});
      const spaces::Grid& grid = c.problem().grid();
      const Mat entries = c.problem().generator_entries();
      const int axis = noise_first ? 0 : 1;
      const Lines lines(grid, axis);
      if (!lines.whole) continue;
      base::UniqueVec w = grid.sampled([](std::span<const double> at) {
        return std::exp(-0.3 * at[0] * at[0] - 0.2 * at[1] * at[1] + 0.1 * at[0] * at[1]);
      });
      check(VecScale(w.get(), 1 / base::sum(w.get())));
      ProjectionInput input;
      input.kind = "variables";
      input.variables = {"x"};
      const Names names = noise_first ? Names{{"v", "x"}, {}} : Names{{"x", "v"}, {}};
      const Resolved resolved = resolve(grid, input, names, w.get(), true);
      const Projection& p = *resolved.projection;
      ASSERT_TRUE(parts_are_lines(p, lines));
      const double shift = 0.4;
      SweptBlock block({.matrix = entries,
                        .entries = entries,
                        .shift = shift,
                        .grid = &grid,
                        .axis = axis,
                        .projection = &p});
      const auto place = [&](std::size_t row) {
        return block.places().empty() ? row : static_cast<std::size_t>(block.places()[row]);
      };
      for (const bool transposed : {false, true}) {
        LineSweeps sweeps(rows_of(entries, transposed).get(), shift, grid, axis, &p, transposed);
        linalg::WideLaneVectors from(block.rows());
        linalg::LaneVectors rounded(block.rows());
        linalg::WideLaneVectors image(block.rows());
        linalg::WideLaneVectors solved(block.rows());
        std::vector<base::UniqueVec> vectors;
        for (std::size_t lane = 0; lane < base::lanes; ++lane) {
          vectors.push_back(noise(grid, 20 + lane));
          transposed ? p.complement_transposed(vectors[lane].get())
                     : p.complement(vectors[lane].get());
          const base::ReadArray values(vectors[lane].get());
          for (std::size_t row = 0; row < block.rows(); ++row) {
            from[row].set(lane, values[place(row)]);
            rounded[row].v[lane] = static_cast<float>(values[place(row)]);
          }
        }
        block.product(transposed, from, [&](std::size_t first, std::span<const base::WideLanes> y) {
          std::copy(y.begin(), y.end(), image.begin() + static_cast<std::ptrdiff_t>(first));
        });
        block.precondition(transposed, rounded, solved);
        const base::UniqueVec one = grid.vector();
        for (std::size_t lane = 0; lane < base::lanes; ++lane) {
          const Vec vector = vectors[lane].get();
          check(transposed ? MatMultTranspose(entries, vector, one.get())
                           : MatMult(entries, vector, one.get()));
          check(VecAXPBY(one.get(), shift, -1, vector));
          transposed ? p.complement_transposed(one.get()) : p.complement(one.get());
          double scale = 0;
          check(VecNorm(one.get(), NORM_INFINITY, &scale));
          const base::ReadArray expected(one.get());
          for (std::size_t row = 0; row < block.rows(); ++row) {
            ASSERT_NEAR(image[row][lane], expected[place(row)], 1e-12 * scale);
          }
        }
        for (std::size_t lane = 0; lane < base::lanes; ++lane) {
          const Vec vector = vectors[lane].get();
          {
            const base::ReadArray b(vector);
            const base::WriteArray to(one.get());
            sweeps.apply(b.span(), to.span());
          }
          double scale = 0;
          check(VecNorm(one.get(), NORM_INFINITY, &scale));
          const base::ReadArray expected(one.get());
          for (std::size_t row = 0; row < block.rows(); ++row) {
            // What is swept was rounded to single precision.
            ASSERT_NEAR(solved[row][lane], expected[place(row)], 1e-5 * scale);
          }
        }
      }
    }
  }
}

} // namespace
} // namespace komori::operators
