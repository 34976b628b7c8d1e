#include <algorithm>
#include <cmath>

#include "operators/layer_chain.hpp"

namespace komori::operators {
namespace {

using base::check;
using base::UniqueVec;

/// P v = sum phi_i <phi_i, v>.
class BasisProjection final : public LayerProjection {
public:
  BasisProjection(const LayerChain& chain, int n, std::vector<UniqueVec> given, double cut)
      : like_(UniqueVec::share(chain.weight(n))) {
    for (UniqueVec& function : given) {
      const double before = chain.norm(n, function.get());
      if (!(before > 0)) continue;
      check(VecScale(function.get(), 1 / before));
      // Twice: once is not enough where functions are nearly dependent.
      for (int pass = 0; pass < 2; ++pass) {
        for (const UniqueVec& other : functions_) {
          check(VecAXPY(function.get(), -chain.dot(n, other.get(), function.get()), other.get()));
        }
      }
      const double left = chain.norm(n, function.get());
      if (left <= cut) continue;
      check(VecScale(function.get(), 1 / left));
      functions_.push_back(std::move(function));
    }
    for (const UniqueVec& function : functions_) {
      UniqueVec weighted = base::duplicate(function.get());
      check(VecPointwiseMult(weighted.get(), function.get(), chain.weight(n)));
      weighted_.push_back(std::move(weighted));
    }
  }
  UniqueVec apply(Vec v) const override {
    UniqueVec result = base::duplicate(like_.get());
    check(VecSet(result.get(), 0));
    if (functions_.empty()) return result;
    std::vector<Vec> weighted;
    std::vector<Vec> functions;
    for (const UniqueVec& vec : weighted_) weighted.push_back(vec.get());
    for (const UniqueVec& vec : functions_) functions.push_back(vec.get());
    std::vector<PetscScalar> dots(functions.size());
    const auto count = static_cast<PetscInt>(functions.size());
    check(VecMDot(v, count, weighted.data(), dots.data()));
    check(VecMAXPY(result.get(), count, dots.data(), functions.data()));
    return result;
  }
  std::int64_t rank() const noexcept override {
    return static_cast<std::int64_t>(functions_.size());
  }
  const std::vector<UniqueVec>* functions() const noexcept override { return &functions_; }

private:
  UniqueVec like_;
  std::vector<UniqueVec> functions_;
  std::vector<UniqueVec> weighted_;
};

/// Averages over the variables that are not kept. The averages are as many as points of the kept
/// variables: small beside the grid, and the same on every rank.
class VariableProjection final : public LayerProjection {
public:
  VariableProjection(const LayerSpace& space, const std::vector<int>& variables) : space_(space) {
    const spaces::Grid& grid = space.grid();
    std::vector<PetscInt> stride(static_cast<std::size_t>(grid.dimension()), 0);
    for (const int k : variables) {
      stride[static_cast<std::size_t>(k)] = static_cast<PetscInt>(averages_);
      averages_ *= static_cast<std::size_t>(grid.axis(k).cells());
    }
    place_.resize(static_cast<std::size_t>(grid.local_cells()));
    share_.resize(place_.size());
    grid.for_each_cell([&](PetscInt local, const spaces::Index& index) {
      double share = 1;
      std::size_t place = 0;
      for (int k = 0; k < grid.dimension(); ++k) {
        const auto a = static_cast<std::size_t>(k);
        if (stride[a] > 0) {
          place += static_cast<std::size_t>(index[a]) * static_cast<std::size_t>(stride[a]);
        } else {
          share *= grid.axis(k).width(index[a]) / grid.axis(k).length();
        }
      }
      place_[static_cast<std::size_t>(local)] = place;
      share_[static_cast<std::size_t>(local)] = share;
    });
  }
  UniqueVec apply(Vec v) const override {
    std::vector<double> averages(averages_, 0.0);
    {
      const base::ReadArray values(v);
      for (std::size_t i = 0; i < values.size(); ++i) averages[place_[i]] += share_[i] * values[i];
    }
    MPI_Allreduce(MPI_IN_PLACE, averages.data(), static_cast<int>(averages.size()), MPI_DOUBLE,
                  MPI_SUM, space_.grid().comm());
    UniqueVec result = base::duplicate(v);
    const base::WriteArray values(result.get());
    for (std::size_t i = 0; i < values.size(); ++i) values[i] = averages[place_[i]];
    return result;
  }
  std::int64_t rank() const noexcept override { return static_cast<std::int64_t>(averages_); }

private:
  const LayerSpace& space_;
  std::size_t averages_ = 1;
  std::vector<std::size_t> place_; ///< of the average that each local point belongs to
  std::vector<double> share_;      ///< of each local point in it
};

} // namespace

std::unique_ptr<LayerProjection> project_on(const LayerChain& chain, int n,
                                            std::vector<UniqueVec> functions, double cut) {
  return std::make_unique<BasisProjection>(chain, n, std::move(functions), cut);
}

std::unique_ptr<LayerProjection> project_on_variables(const LayerSpace& space,
                                                      const std::vector<int>& variables) {
  return std::make_unique<VariableProjection>(space, variables);
}

} // namespace komori::operators
