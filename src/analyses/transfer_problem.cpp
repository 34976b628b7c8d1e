#include "analyses/transfer_problem.hpp"

#include <algorithm>
#include <limits>

namespace komori::analyses {

using base::check;

TransferProblem::TransferProblem(base::Session& session, const models::Map& map, spaces::Grid grid,
                                 const operators::UlamInput& ulam)
    : session_(session), map_(&map), ulam_(ulam), grid_(std::move(grid)), volumes_(grid_.volumes()),
      lag_(map.lag()) {
  operators::validate(map, grid_, ulam_);
  transfer_ = operators::assemble_ulam(map, grid_, ulam_);
  const auto kernels = map.kernels(grid_);
  const bool smooth = std::all_of(kernels.begin(), kernels.end(),
                                  [](const models::AxisKernel& k) { return k.noisy(); });
  order_ = smooth ? 2 : 1;
}

TransferProblem::TransferProblem(base::Session& session, const operators::ChainSource& source,
                                 double lag)
    : session_(session), grid_(source.grid()), volumes_(grid_.volumes()), lag_(lag) {
  operators::Chain chain = operators::assemble_chain(source, grid_);
  transfer_ = std::move(chain.transfer);
  rates_ = chain.rates;
  if (rates_) lag_ = 1;
  norm_ = std::max(transfer_.norm, std::numeric_limits<double>::min());
}

TransferProblem::TransferProblem(base::Session& session, spaces::Grid grid,
                                 operators::TransferMatrix transfer, double lag)
    : session_(session), grid_(std::move(grid)), volumes_(grid_.volumes()),
      transfer_(std::move(transfer)), lag_(lag) {}

TransferProblem::TransferProblem(base::Session& session, spaces::Grid grid,
                                 operators::TransferMatrix rates)
    : session_(session), grid_(std::move(grid)), volumes_(grid_.volumes()),
      transfer_(std::move(rates)),
      norm_(std::max(transfer_.norm, std::numeric_limits<double>::min())), rates_(true) {}

Mat TransferProblem::transposed() {
  if (!transposed_) check(MatTranspose(matrix(), MAT_INITIAL_MATRIX, transposed_.put()));
  return transposed_.get();
}

std::unique_ptr<TransferProblem> TransferProblem::coarsened() const {
  if (!map_) return nullptr;
  spaces::Grid coarse = grid_.coarsened(2, 4);
  if (coarse.cells() == grid_.cells()) return nullptr;
  return std::make_unique<TransferProblem>(session_, *map_, std::move(coarse), ulam_);
}

} // namespace komori::analyses
