#include "analyses/norms_state.hpp"

#include <algorithm>
#include <utility>

#include <fmt/format.h>

#include "base/error.hpp"
#include "operators/layer_norms.hpp"

namespace komori::analyses {
namespace {

constexpr const char* phase_name = "norms";

} // namespace

FoundNorms::FoundNorms(const LayerProblem& problem, const LayerProblem& coarse, PetscInt count,
                       double tolerance)
    : problem_(problem), coarse_(coarse), size_(static_cast<std::size_t>(count)),
      tolerance_(tolerance) {
  if (problem_.checkpoints() == nullptr) return;
  problem_.checkpoints()->restore(phase_name, [&](io::CheckpointReader& reader) { load(reader); });
  restored_ = numbers_.size();
}

OperatorValues FoundNorms::next(bool coarse, int first, int last) {
  const std::size_t begin = std::exchange(taken_, taken_ + 2 * size_);
  io::Checkpoints* checkpoints = problem_.checkpoints();
  if (begin >= numbers_.size()) {
    const Sought sought{.coarse = coarse, .first = first, .last = last};
    linalg::Continuation continuation;
    linalg::SolverState from;
    if (checkpoints != nullptr) {
      if (begin > restored_) { // a period may have passed since the last
        checkpoints->step(phase_name, [&](io::CheckpointWriter& writer) { save(writer); });
      }
      continuation.step = [&](const std::function<linalg::SolverState()>& state) {
        checkpoints->step(phase_name,
                          [&](io::CheckpointWriter& writer) { save(writer, sought, state()); });
      };
    }
    if (!state_numbers_.empty() && saved_ == sought) {
      from.numbers = state_numbers_;
      for (const base::UniqueVec& vector : state_vectors_) from.vectors.push_back(vector.get());
      continuation.from = &from;
      resumed_ = true;
    }
    const linalg::SingularTriplets found = operators::product_values(
        problem_of(sought).chain(), first, last, static_cast<PetscInt>(size_), tolerance_, "norms_",
        problem_.log(), continuation);
    state_numbers_.clear();
    state_vectors_.clear();
    std::vector<double> numbers(2 * size_, 0.0);
    for (std::size_t i = 0; i < std::min(size_, found.values.size()); ++i) {
      numbers[i] = found.values[i];
      numbers[size_ + i] = found.residuals[i];
    }
    numbers_.insert(numbers_.end(), numbers.begin(), numbers.end());
  }
  const auto values = numbers_.begin() + static_cast<std::ptrdiff_t>(begin);
  const auto size = static_cast<std::ptrdiff_t>(size_);
  return {.values = {values, values + size}, .residuals = {values + size, values + 2 * size}};
}

int FoundNorms::layer_of(const Sought& sought, std::size_t i, std::size_t count) const {
  PetscInt rows = 0;
  PetscInt columns = 0;
  base::check(VecGetSize(problem_of(sought).chain().weight(sought.first), &rows));
  base::check(VecGetSize(problem_of(sought).chain().weight(sought.last), &columns));
  const bool pair_ends = i % 2 == 1 || (count % 2 == 1 && i + 1 == count);
  return pair_ends == (rows >= columns) ? sought.last : sought.first;
}

void FoundNorms::save(io::CheckpointWriter& writer) const {
  // The number in front says how many follow, so that the list is never empty.
  std::vector<double> numbers{static_cast<double>(numbers_.size())};
  numbers.insert(numbers.end(), numbers_.begin(), numbers_.end());
  writer.numbers("norms.found", numbers);
}

void FoundNorms::save(io::CheckpointWriter& writer, const Sought& sought,
                      const linalg::SolverState& state) const {
  save(writer);
  writer.numbers("norms.sought",
                 {sought.coarse ? 1.0 : 0.0, static_cast<double>(sought.first),
                  static_cast<double>(sought.last), static_cast<double>(state.vectors.size())});
  writer.numbers("norms.state", state.numbers);
  for (std::size_t i = 0; i < state.vectors.size(); ++i) {
    const base::ReadArray entries(state.vectors[i]);
    writer.field(fmt::format("norms.vector{}", i), entries.span(),
                 problem_of(sought).slab(layer_of(sought, i, state.vectors.size())));
  }
}

void FoundNorms::load(io::CheckpointReader& reader) {
  numbers_ = reader.numbers("norms.found");
  const auto count = static_cast<std::size_t>(numbers_.at(0));
  numbers_.erase(numbers_.begin());
  if (numbers_.size() != count || count % (2 * size_) != 0) {
    throw base::InputError("the checkpoint holds numbers of other operators");
  }
  if (!reader.has("norms.sought")) return;
  const std::vector<double> sought = reader.numbers("norms.sought");
  saved_ = {.coarse = sought.at(0) != 0,
            .first = static_cast<int>(sought.at(1)),
            .last = static_cast<int>(sought.at(2))};
  const auto vectors = static_cast<std::size_t>(sought.at(3));
  state_numbers_ = reader.numbers("norms.state");
  for (std::size_t i = 0; i < vectors; ++i) {
    const int layer = layer_of(saved_, i, vectors);
    const LayerProblem& problem = problem_of(saved_);
    const std::vector<double> values =
        reader.field(fmt::format("norms.vector{}", i), problem.slab(layer));
    base::UniqueVec vector = base::duplicate(problem.chain().weight(layer));
    {
      const base::WriteArray entries(vector.get());
      std::copy(values.begin(), values.end(), entries.span().begin());
    }
    state_vectors_.push_back(std::move(vector));
  }
}

} // namespace komori::analyses
