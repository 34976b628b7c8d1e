#include "analyses/benchmark_dense.hpp"

#include <cmath>

#include <fmt/format.h>
#include <petscsys.h>

#include <petscblaslapack.h>

#include "operators/gram_pass.hpp"
#include "spaces/samples.hpp"

namespace komori::analyses {

double BenchmarkDense::multiplication_speed(int columns) const {
  const auto n = static_cast<PetscBLASInt>(columns);
  const auto k = static_cast<PetscBLASInt>(operators::GramPass::block);
  const auto size = static_cast<std::size_t>(n);
  std::vector<double> a(size * static_cast<std::size_t>(k), 1e-3);
  std::vector<double> c(size * size, 0);
  const double one = 1;
  const double flops = 2.0 * n * n * k;
  const auto times = static_cast<int>(std::ceil(4e9 / flops));
  const double seconds = median(
      [&] {
        for (int i = 0; i < times; ++i) {
          BLASgemm_("T", "N", &n, &n, &k, &one, a.data(), &k, a.data(), &k, &one, c.data(), &n);
        }
      },
      repeats());
  return times * flops * session_.size() / seconds;
}

void BenchmarkDense::dictionary_pass() {
  models::MapInput model;
  model.variables = {"x", "y"};
  for (const char* text : {"0.9*sin(3*x)+0.1*y", "0.8*x"}) {
    model.map.entries.push_back({text, {"benchmark", 0}, "model.map"});
  }
  const spaces::Names names{model.variables, {}};
  spaces::DictionaryInput functions;
  functions.family = "legendre";
  functions.on = {{"x", {-1, 1}}, {"y", {-1, 1}}};
  // (degree + 1) (degree + 2) / 2 functions.
  const auto wanted = static_cast<double>(input_.dictionary_functions);
  functions.degree = std::max<std::int64_t>(1, std::llround(std::sqrt(2 * wanted) - 1.5));
  const auto dictionary = spaces::make_dictionary(functions, names);
  const auto extents = spaces::extents(functions, names);
  spaces::SamplingInput sampling;
  sampling.rule = "monte_carlo";
  sampling.points = input_.dictionary_samples;
  const auto samples = spaces::make_samples(sampling, names, extents);
  const operators::StepAction action(model, extents, operators::Outside::error, 0);
  const operators::PassInput pass_input{.dictionary = *dictionary,
                                        .action = action,
                                        .samples = *samples,
                                        .variables = model.variables};
  const double speed = multiplication_speed(static_cast<int>(2 * dictionary->size()));
  const double seconds = once([&] {
    operators::GramPass pass(session_.comm(), pass_input);
    while (!pass.finished()) pass.advance();
    pass.result();
  });
  const double flops = operators::GramPass::flops(dictionary->size(), 0) *
                       static_cast<double>(input_.dictionary_samples);
  add({.name = "dictionary pass",
       .seconds = seconds,
       .value = 100 * flops / seconds / speed,
       .unit = "% of dgemm",
       .note = fmt::format("{} functions, {} samples, {:.3g} of {:.3g} GFlop/s", dictionary->size(),
                           input_.dictionary_samples, flops / seconds / 1e9, speed / 1e9)});
}

} // namespace komori::analyses
