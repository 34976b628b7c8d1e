/// The `modes` section of a dictionary: observables as sums of eigenfunctions, and predictions.
#pragma once

#include <cstdint>
#include <optional>
#include <vector>

#include "analyses/dictionary_problem.hpp"
#include "config/declaration.hpp"
#include "io/result_file.hpp"

namespace komori::analyses {

/// `modes.predict` as written.
struct PredictInput {
  std::vector<std::vector<double>> from{};
  std::int64_t steps = 10;
  double step = 1;
};
void declare(config::Declarer& declarer, PredictInput& input);

/// `modes` as written.
struct ModesInput {
  Observables observables{};
  std::int64_t pairs = 10;
  std::optional<PredictInput> predict{};
};
void declare(config::Declarer& declarer, ModesInput& input);

/// Throws InputError where the section does not fit the model. Local.
void validate(const DictionaryProblem& problem, const ModesInput& input);

/// g = sum of amplitude_i v_i with eigenfunctions v_i of norm 1 under the samples' measure, and
/// E g(x_n) = (K^n g)(x_0), beside the path itself where a map has no noise; writes /modes. Returns
/// true. Collective.
bool modes_section(DictionaryProblem& problem, const ModesInput& input, io::ResultFile& file);

} // namespace komori::analyses
