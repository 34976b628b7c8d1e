#include "analyses/solver_checkpoints.hpp"

#include <algorithm>

#include <fmt/format.h>

namespace komori::analyses {

linalg::SolverState OwnedState::view() const {
  linalg::SolverState state{.numbers = numbers};
  for (const base::UniqueVec& vector : vectors) state.vectors.push_back(vector.get());
  return state;
}

void save_state(io::CheckpointWriter& writer, const spaces::Grid& grid, const std::string& name,
                const linalg::SolverState& state) {
  // The first number says how many vectors follow, so that the list is never empty.
  std::vector<double> numbers{static_cast<double>(state.vectors.size())};
  numbers.insert(numbers.end(), state.numbers.begin(), state.numbers.end());
  writer.numbers(name + ".numbers", numbers);
  const io::Slab slab = grid.slab();
  for (std::size_t i = 0; i < state.vectors.size(); ++i) {
    const base::ReadArray entries(state.vectors[i]);
    writer.field(fmt::format("{}.vector{}", name, i), entries.span(), slab);
  }
}

OwnedState load_state(io::CheckpointReader& reader, const spaces::Grid& grid,
                      const std::string& name) {
  OwnedState state{.numbers = reader.numbers(name + ".numbers")};
  const auto count = static_cast<std::size_t>(state.numbers.at(0));
  state.numbers.erase(state.numbers.begin());
  const io::Slab slab = grid.slab();
  for (std::size_t i = 0; i < count; ++i) {
    base::UniqueVec vector = grid.vector();
    const std::vector<double> values = reader.field(fmt::format("{}.vector{}", name, i), slab);
    {
      const base::WriteArray entries(vector.get());
      std::copy(values.begin(), values.end(), entries.span().begin());
    }
    state.vectors.push_back(std::move(vector));
  }
  return state;
}

} // namespace komori::analyses
