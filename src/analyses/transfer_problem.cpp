#include "analyses/transfer_problem.hpp"

#include <algorithm>
#include <array>
#include <limits>

#include <fmt/format.h>

#include "base/collective.hpp"
#include "base/error.hpp"

namespace komori::analyses {

using base::check;

TransferProblem::TransferProblem(base::Session& session, const models::Step& map, spaces::Grid grid,
                                 const operators::UlamInput& ulam,
                                 const operators::UlamContinuation& continuation)
    : session_(session), map_(&map), ulam_(ulam), grid_(std::move(grid)), volumes_(grid_.volumes()),
      lag_(map.lag()) {
  operators::validate(map, grid_, ulam_);
  const auto progress = [&](double done) {
    log().progress(done, fmt::format("of {} cells", grid_.cells()));
  };
  transfer_ = operators::assemble_ulam(map, grid_, ulam_, progress, continuation);
  describe_rows(grid_.axes(), ulam_.samples);
}

void TransferProblem::describe_rows(std::span<const spaces::Axis> axes, std::int64_t samples) {
  bool smooth = true;
  int k = 0;
  for (const spaces::Axis& axis : axes) smooth = map_->noise(k++, axis) != nullptr && smooth;
  order_ = smooth || map_->diffusive() ? 2 : 1;
  if (!map_->random()) return;
  draws_ = 1;
  for (k = 0; k < map_->dimension(); ++k) draws_ *= samples;
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

TransferProblem::TransferProblem(base::Session& session, const models::Step& map,
                                 operators::Cover cover, const operators::CoverInput& input,
                                 const operators::UlamContinuation& continuation)
    : session_(session), map_(&map), cover_(std::move(cover)), cover_input_(input),
      grid_(operators::grid_of(session.comm(), *cover_)), volumes_(grid_.vector()),
      lag_(map.lag()) {
  const auto progress = [&](double done) {
    log().progress(done, fmt::format("of {} boxes", grid_.cells()));
  };
  transfer_ = operators::assemble_cover(map, *cover_, grid_, input, progress, continuation);
  check(VecSet(volumes_.get(), cover_->tree.volume()));
  describe_rows(cover_->tree.axes(), input.samples);
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

base::UniqueVec TransferProblem::sampled(const spaces::Field& value) const {
  if (!cover_) return grid_.sampled(value);
  base::UniqueVec result = grid_.vector();
  const base::WriteArray values(result.get());
  std::array<double, spaces::max_dimension> place{};
  const std::span<double> x(place.data(), static_cast<std::size_t>(cover_->tree.dimension()));
  for (std::size_t i = 0; i < values.size(); ++i) {
    cover_->tree.center(cover_->keys[i], x);
    values[i] = value(x);
  }
  return result;
}

void TransferProblem::require(const spaces::Field& value, const std::function<bool(double)>& holds,
                              const std::string& problem) const {
  if (!cover_) {
    spaces::require(grid_, value, holds, problem);
    return;
  }
  std::array<double, spaces::max_dimension> place{};
  const auto d = static_cast<std::size_t>(cover_->tree.dimension());
  const std::span<double> x(place.data(), d);
  std::string first;
  for (std::size_t i = 0; i < cover_->keys.size() && first.empty(); ++i) {
    cover_->tree.center(cover_->keys[i], x);
    const double found = value(x);
    if (holds(found)) continue;
    first = fmt::format("{} (it is {:.6g}) at ", problem, found);
    for (std::size_t k = 0; k < d; ++k) {
      first += fmt::format("{}{} = {:.6g}", k ? ", " : "", cover_->tree.axes()[k].name(), x[k]);
    }
  }
  first = base::first_text(comm(), first); // ranks hold boxes in ascending order
  if (!first.empty()) throw base::InputError(first);
}

std::unique_ptr<TransferProblem> TransferProblem::coarsened() const {
  if (!map_) return nullptr;
  if (cover_) {
    operators::CoverInput wider = cover_input_;
    wider.depth = cover_->tree.depth() - cover_->tree.dimension();
    if (wider.depth < 1) return nullptr;
    const auto axes = cover_->tree.axes();
    operators::Cover boxes =
        operators::build_cover(comm(), *map_, {axes.begin(), axes.end()}, wider, session_.log());
    return std::make_unique<TransferProblem>(session_, *map_, std::move(boxes), wider);
  }
  spaces::Grid coarse = grid_.coarsened(2, 4);
  if (coarse.cells() == grid_.cells()) return nullptr;
  return std::make_unique<TransferProblem>(session_, *map_, std::move(coarse), ulam_);
}

} // namespace komori::analyses
