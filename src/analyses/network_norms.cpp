#include <cmath>
#include <limits>

#include <fmt/format.h>

#include "analyses/network_sections.hpp"
#include "analyses/norms_state.hpp"
#include "operators/layer_norms.hpp"

namespace komori::analyses {
namespace {

/// Singular values of products of a problem and of its coarser one, as rows of a dataset.
struct Values {
  std::vector<double> flat{};
  std::vector<double> errors{};
  std::vector<double> residuals{};
};

} // namespace

bool norms(LayerProblem& problem, LayerProblem& coarse, const NetworkNormsInput& input,
           io::ResultFile& file) {
  const int depth = problem.depth();
  base::Phase phase(problem.log(), "norms");
  const auto count = static_cast<PetscInt>(input.values);
  const auto size = static_cast<std::size_t>(count);
  FoundNorms found(problem, coarse, count, input.tolerance);
  const int wanted = depth * (input.products ? 2 : 1);
  int done = 0;
  const auto values_of = [&](int first, int last, Values& all) {
    const OperatorValues own = found.next(false, first, last);
    const OperatorValues other = found.next(true, first, last);
    for (std::size_t i = 0; i < size; ++i) {
      all.flat.push_back(own.values[i]);
      all.errors.push_back(std::abs(own.values[i] - other.values[i]));
      all.residuals.push_back(own.residuals[i]);
    }
    problem.log().progress(static_cast<double>(++done) / wanted, "norms");
    return own.values[0];
  };
  Values layers;
  Values products;
  std::vector<double> schmidt;
  const std::vector<double> logs = problem.log_contractions();
  std::vector<std::vector<std::string>> rows;
  const std::vector<double> factors =
      operators::noise_for_contraction(problem.network(), input.contraction);
  double bound = 1;
  std::vector<std::string> product_norms(static_cast<std::size_t>(depth), "-");
  for (int n = depth - 1; input.products && n >= 0; --n) {
    product_norms[static_cast<std::size_t>(n)] =
        fmt::format("{:.6g}", values_of(n, depth, products));
  }
  for (int n = 0; n < depth; ++n) {
    schmidt.push_back(operators::hilbert_schmidt(problem.chain(), n));
    const double norm = values_of(n, n + 1, layers);
    if (!logs.empty()) bound *= std::exp(0.5 * logs[static_cast<std::size_t>(n)]);
    rows.push_back(
        {fmt::format("M({},{})", n, n + 1),
         logs.empty() ? "-" : fmt::format("{:.12g}", std::exp(logs[static_cast<std::size_t>(n)])),
         fmt::format("{:.8g}", norm),
         fmt::format("{:.1e}",
                     layers.errors[layers.errors.size() - static_cast<std::size_t>(count)]),
         fmt::format("{:.8g}", schmidt.back()), product_norms[static_cast<std::size_t>(n)],
         fmt::format("{:.6g}", factors[static_cast<std::size_t>(n)])});
  }
  // Each norm is that of two operators: of the problem, and of the coarser one.
  std::string kept;
  if (found.kept() > 0) kept = fmt::format(", {} of {} norms as saved", found.kept() / 2, wanted);
  if (found.resumes()) kept += ", one search resumed";
  phase.finish(fmt::format("{} operators{}", depth, kept));
  const auto d = static_cast<hsize_t>(depth);
  const auto c = static_cast<hsize_t>(count);
  const std::string per = "of M(n,n+1), n = 0 .. L-1";
  file.write_small(
      "/norms/singular_values", layers.flat, {d, c},
      {{"meaning", "largest singular values " + per + "; the first is the norm"}, {"unit", "-"}});
  file.write_small("/norms/discretisation_error", layers.errors, {d, c},
                   {{"meaning", "difference of the singular values from a problem half as fine"},
                    {"unit", "-"}});
  file.write_small("/norms/residuals", layers.residuals, {d, c},
                   {{"meaning", "residuals of the singular triplets"}, {"unit", "-"}});
  file.write_small("/norms/hilbert_schmidt", schmidt, {d},
                   {{"meaning", "Hilbert-Schmidt norms on the grid " + per}, {"unit", "-"}});
  if (!logs.empty())
    file.write_small("/norms/log_K", logs, {d},
                     {{"meaning", "ln K_n, K_n = volume of the range of layer n times the integral "
                                  "of the squared noise density: a bound of the squared norm"},
                      {"unit", "-"}});
  file.write_small("/norms/noise_factor", factors, {d},
                   {{"meaning", fmt::format("factor by which the noise of layer n+1 must grow for "
                                            "K_n = {:g}; 0: it has none",
                                            input.contraction)},
                    {"unit", "-"}});
  if (input.products) {
    // They were found from the last layer on.
    Values ordered;
    for (int n = 0; n < depth; ++n) {
      const auto from = static_cast<std::ptrdiff_t>(depth - 1 - n) * count;
      ordered.flat.insert(ordered.flat.end(), products.flat.begin() + from,
                          products.flat.begin() + from + count);
      ordered.errors.insert(ordered.errors.end(), products.errors.begin() + from,
                            products.errors.begin() + from + count);
    }
    file.write_small(
        "/norms/products", ordered.flat, {d, c},
        {{"meaning", "largest singular values of M(n,L), n = 0 .. L-1"}, {"unit", "-"}});
    const std::vector<double> schmidt_products =
        operators::product_hilbert_schmidt(problem.chain(), depth);
    file.write_small("/norms/hilbert_schmidt_products", schmidt_products, {d},
                     {{"meaning", "Hilbert-Schmidt norms of M(n,L), n = 0 .. L-1; nan where the "
                                  "outputs have more than 1024 points"},
                      {"unit", "-"}});
    std::string text;
    for (const double one : schmidt_products) text += fmt::format(" {:.6g}", one);
    problem.log().line("  Hilbert-Schmidt norms of M(n,L):" + text);
    file.write_small("/norms/products_error", ordered.errors, {d, c},
                     {{"meaning", "difference from a problem half as fine"}, {"unit", "-"}});
  }
  problem.log().table("Operators between layers",
                      {"operator", "K_n", "norm", problem.error_name(), "Hilbert-Schmidt",
                       "norm of M(n,L)", fmt::format("noise x for K = {:g}", input.contraction)},
                      rows);
  if (logs.empty()) return true;
  problem.log().line(fmt::format("  bound of the norm of all layers together: {:.6g}", bound));
  return true;
}

} // namespace komori::analyses
