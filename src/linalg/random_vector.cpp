#include "linalg/random_vector.hpp"

#include <cstddef>

#include "base/random.hpp"

namespace komori::linalg {

using base::check;

base::UniqueVec random_vector(Mat matrix, std::uint64_t seed, double lowest) {
  base::UniqueVec vector;
  check(MatCreateVecs(matrix, vector.put(), nullptr));
  PetscInt first = 0;
  check(VecGetOwnershipRange(vector.get(), &first, nullptr));
  const base::Random random(seed);
  const base::WriteArray values(vector.get());
  for (std::size_t i = 0; i < values.size(); ++i) {
    values[i] = lowest + random.uniform(static_cast<std::uint64_t>(first) + i);
  }
  return vector;
}

} // namespace komori::linalg
