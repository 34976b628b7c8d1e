#include "analyses/dictionary_problem.hpp"

#include <cmath>
#include <limits>
#include <numeric>

#include <fmt/format.h>

#include "base/collective.hpp"
#include "base/error.hpp"
#include "spaces/local_dictionaries.hpp"

namespace komori::analyses {
namespace {

using base::InputError;
using Eigen::Index;
using Eigen::MatrixXd;

/// Points that centres are found from.
constexpr std::size_t points_for_centers = 20'000;

/// Rows side by side, as HDF5 has them.
std::vector<double> by_rows(const MatrixXd& matrix) {
  const MatrixXd turned = matrix.transpose();
  return {turned.data(), turned.data() + turned.size()};
}

/// A dataset of doubles written earlier, on rank 0.
MatrixXd read_matrix(const io::ResultFile& file, const std::string& name) {
  const std::vector<hsize_t> shape = file.shape(name);
  if (shape.size() != 2) throw std::runtime_error("the result has no '" + name + "'");
  const io::Dataset dataset(H5Dopen(file.handle(), name.c_str(), H5P_DEFAULT), name);
  MatrixXd turned(static_cast<Index>(shape[1]), static_cast<Index>(shape[0]));
  io::check_hdf5(
      H5Dread(dataset.get(), H5T_NATIVE_DOUBLE, H5S_ALL, H5S_ALL, H5P_DEFAULT, turned.data()),
      name);
  return turned.transpose();
}

std::unique_ptr<operators::Action> make_action(const models::ModelInput& model,
                                               const DictionarySection& section,
                                               const std::vector<spaces::Extent>& extents,
                                               const spaces::SamplingInput& sampling) {
  const auto outside =
      section.outside == "error" ? operators::Outside::error : operators::Outside::extrapolate;
  if (model.kind == "sde") return std::make_unique<operators::GeneratorAction>(model.sde);
  if (model.kind == "trajectory") return std::make_unique<operators::PairAction>();
  if (section.operator_name == "transfer") {
    return std::make_unique<operators::TransferAction>(model.map, *section.inverse, extents,
                                                       outside);
  }
  if (model.kind == "flow") {
    return std::make_unique<operators::StepAction>(model.flow, extents, outside, sampling.paths);
  }
  return std::make_unique<operators::StepAction>(model.map, extents, outside,
                                                 sampling.noise_points);
}

void write_gram(const DictionaryProblem& problem, const operators::GramMatrices& gram,
                const operators::KoopmanMatrix& matrix, io::ResultFile& file) {
  const auto n = static_cast<hsize_t>(gram.g.rows());
  const std::string unit = problem.rates() ? "1/time" : "-";
  const std::string squared = problem.rates() ? "1/time^2" : "-";
  file.write_small("/gram/g", by_rows(gram.g), {n, n},
                   {{"meaning", std::string("inner products <psi_i, psi_j> of the functions under "
                                            "the samples' weights")},
                    {"unit", std::string("-")}});
  file.write_small(
      "/gram/a", by_rows(gram.a), {n, n},
      {{"meaning", std::string("<psi_i, K psi_j> of the operator K")}, {"unit", unit}});
  file.write_small("/gram/l", by_rows(gram.l), {n, n},
                   {{"meaning", std::string("<K psi_i, K psi_j>")}, {"unit", squared}});
  const auto m = static_cast<hsize_t>(gram.o.cols());
  if (m > 0) {
    file.write_small("/gram/observables", by_rows(gram.o), {n, m},
                     {{"meaning", std::string("<psi_i, observable_j>")},
                      {"unit", std::string("of the observable")}});
    file.write_small("/gram/observable_squares",
                     std::vector<double>(gram.squares.begin(), gram.squares.end()), {m, 1},
                     {{"meaning", std::string("<observable_j, observable_j>")},
                      {"unit", std::string("of the observable, squared")}});
  }
  const auto kept = static_cast<hsize_t>(matrix.eigenvalues.size());
  file.write_small(
      "/gram/eigenvalues",
      std::vector<double>(matrix.eigenvalues.begin(), matrix.eigenvalues.end()), {kept},
      {{"meaning", std::string("eigenvalues of the Gram matrix of the functions scaled "
                               "to norm 1, ascending")},
       {"unit", std::string("-")}});
  std::vector<std::string> names;
  for (std::size_t j = 0; j < problem.dictionary().size(); ++j) {
    names.push_back(problem.dictionary().name(j));
  }
  file.write_strings("/gram/functions", names,
                     {{"meaning", std::string("the functions of the dictionary, in their order")},
                      {"unit", std::string("-")}});
  file.annotate("/gram", {{"samples", gram.samples},
                          {"weight", gram.weight},
                          {"functions", static_cast<std::int64_t>(n)},
                          {"rank", static_cast<std::int64_t>(matrix.rank())},
                          {"rank_cut", problem.section().rank_cut},
                          {"operator", problem.section().operator_name},
                          {"estimator", problem.section().estimator}});
}

} // namespace

void declare(config::Declarer& declarer, DictionarySection& input) {
  declare_keys(declarer, input.functions);
  declarer.choice("operator", input.operator_name, {"koopman", "transfer"},
                  {.help = "koopman: psi -> E psi(image), or the generator of an sde; transfer: of "
                           "densities under Lebesgue measure, by the inverse branches of a map "
                           "without noise."});
  declarer.section("inverse", input.inverse, {.help = "transfer: the inverse branches."});
  declarer.choice("estimator", input.estimator, {"plain", "measure_preserving", "reversible"},
                  {.help =
                       "plain: Galerkin's projection (EDMD); measure_preserving: the orthogonal "
                       "matrix nearest to it, for maps that preserve the samples' measure; "
                       "reversible: its symmetric part, for detailed balance with it."});
  declarer.choice("outside", input.outside, {"error", "extrapolate"},
                  {.help = "Images outside the interval of Legendre, Chebyshev and indicator "
                           "functions."});
  declarer.real("rank_cut", input.rank_cut,
                {.help =
                     "Directions in which the Gram matrix of functions scaled to norm 1 has less "
                     "than this share of its largest eigenvalue are left out."},
                {.min = 1e-16, .max = 0.1});
  declarer.choice("images", input.images, {"random", "exact"},
                  {.help =
                       "trajectory: whether the later frame of a pair is a sample of a random "
                       "image, so that residuals are those of means over cells of 'grid' that two "
                       "halves of the data share, or follows exactly from the earlier one."});
  declarer.real("held_out", input.held_out,
                {.help = "trajectory: share of the blocks ('bootstrap.block') that 'spectrum' and "
                         "'modes' do without, for residuals elsewhere; 0: none."},
                {.min = 0, .max = 0.5});
  declarer.choice("singular", input.singular, {"auto", "cut", "error"},
                  {.help =
                       "A singular Gram matrix. error: always refused; cut: never; auto: refused "
                       "where functions vanish, are proportional or are formulas that depend "
                       "linearly on others, or where samples are fewer than functions."});
  if (!declarer.reading()) return;
  if (input.operator_name == "transfer" && !input.inverse) {
    declarer.reject("operator", "is 'transfer', which needs 'dictionary.inverse', e.g. 'inverse: "
                                "{branches: [1/(x+k)], weight: 1/(x+k)^2, from: 1, to: infinite}'");
  }
  if (input.operator_name != "transfer" && input.inverse) {
    declarer.reject("inverse", "belongs to 'operator: transfer'; set it, or remove this");
  }
}

DictionaryProblem::DictionaryProblem(base::Session& session, const models::ModelInput& model,
                                     const DictionarySection& section,
                                     const spaces::SamplingInput& sampling,
                                     const Observables& observables,
                                     const BootstrapInput& bootstrap)
    : session_(session), section_(section), observables_(observables) {
  const bool sde = model.kind == "sde";
  const bool data = model.kind == "trajectory";
  const bool flow = model.kind == "flow";
  names_ = sde    ? spaces::Names{model.sde.variables, model.sde.parameters}
           : data ? spaces::Names{model.trajectory.variables, model.trajectory.parameters}
           : flow ? spaces::Names{model.flow.variables, model.flow.parameters}
                  : spaces::Names{model.map.variables, model.map.parameters};
  const std::string where = section.functions.origin.text();
  if (model.kind != "map" && section.operator_name == "transfer") {
    throw InputError(fmt::format("{}: 'dictionary.operator: transfer' belongs to a model of kind "
                                 "'map', but 'model.kind' is '{}'",
                                 where, model.kind));
  }
  if (section.operator_name == "transfer" && model.map.noise) {
    throw InputError(fmt::format("{}: 'dictionary.operator: transfer' is for maps without noise; "
                                 "remove 'model.noise', or use 'operator: koopman'",
                                 where));
  }
  if (sde && section.estimator == "measure_preserving") {
    throw InputError(fmt::format("{}: 'dictionary.estimator: measure_preserving' is for maps; use "
                                 "'plain' or 'reversible' for an sde",
                                 where));
  }
  extents_ = spaces::extents(section.functions, names_);
  take_samples(model, sampling, bootstrap);
  action_ = make_action(model, section, extents_, sampling);
  if (flow && dynamic_cast<const operators::StepAction&>(*action_).random()) {
    twin_ = std::make_unique<operators::StepAction>(
        model.flow, extents_,
        section.outside == "error" ? operators::Outside::error : operators::Outside::extrapolate,
        sampling.paths, sampling.paths);
  }
  spaces::Draw drawn;
  if (spaces::needs_points(section.functions)) {
    drawn = spaces::drawn(*samples_, points_for_centers);
    for (std::vector<double>& point : drawn) point.resize(names_.variables.size());
  }
  dictionary_ = spaces::make_dictionary(section.functions, names_, drawn);
  if (action_->generator() && !dictionary_->differentiable()) {
    throw InputError(
        fmt::format("{}: the generator of an sde needs derivatives, which indicator "
                    "functions and 'dictionary.formulas' do not have; use polynomials, "
                    "fourier or rbf",
                    where));
  }
  if (observables_.empty()) return;
  std::vector<config::FormulaText> texts;
  for (const auto& observable : observables_) texts.push_back(observable.second);
  observed_ = std::make_unique<spaces::FormulaDictionary>(texts, names_);
}

void DictionaryProblem::take_samples(const models::ModelInput& model,
                                     const spaces::SamplingInput& sampling,
                                     const BootstrapInput& bootstrap) {
  if (model.kind != "trajectory") {
    lag_ = model.kind == "sde" ? 1 : model.kind == "flow" ? model.flow.lag : model.map.lag;
    samples_ = spaces::make_samples(sampling, names_, extents_);
    others_ = samples_->others();
    return;
  }
  pairs_ = std::make_unique<PairData>(comm(), model.trajectory, bootstrap, section_.held_out,
                                      extents_, section_.outside == "error");
  const std::int64_t lag = pairs_->source().lag_frames();
  lag_ = pairs_->source().lag();
  samples_ = pairs_->estimate(lag);
  others_ = pairs_->held_out(lag);
  if (samples_->count() > 0) return;
  throw InputError(fmt::format("{}: 'dictionary.held_out' leaves no pair of frames at the lag {:g} "
                               "for the estimate; lower it, or 'bootstrap.block'",
                               section_.functions.origin.text(), lag_));
}

operators::GramMatrices DictionaryProblem::finished(operators::GramPass& pass) const {
  operators::GramMatrices gram = pass.result();
  if (pairs_ && estimator() == operators::Estimator::reversible) gram.g = 0.5 * (gram.g + gram.l);
  return gram;
}

operators::Estimator DictionaryProblem::estimator() const {
  return section_.estimator == "plain"                ? operators::Estimator::plain
         : section_.estimator == "measure_preserving" ? operators::Estimator::measure_preserving
                                                      : operators::Estimator::reversible;
}

operators::PassInput DictionaryProblem::pass(const spaces::Samples* other) const {
  return {.dictionary = *dictionary_,
          .action = *action_,
          .samples = other ? *other : *samples_,
          .observables = observed_.get(),
          .variables = names_.variables,
          .twin = twin_.get()};
}

const operators::GramMatrices& DictionaryProblem::gram(const io::ResultFile& file) {
  if (gram_) return *gram_;
  io::check_hdf5(H5Fflush(file.handle(), H5F_SCOPE_GLOBAL), "flushing the result");
  operators::GramMatrices gram;
  MatrixXd squares;
  base::on_first_rank(comm(), [&] {
    gram.g = read_matrix(file, "/gram/g");
    gram.a = read_matrix(file, "/gram/a");
    gram.l = read_matrix(file, "/gram/l");
    if (!observed_) return std::string();
    gram.o = read_matrix(file, "/gram/observables");
    squares = read_matrix(file, "/gram/observable_squares");
    return std::string();
  });
  for (MatrixXd* part : {&gram.g, &gram.a, &gram.l, &gram.o, &squares}) {
    operators::broadcast(comm(), *part);
  }
  gram.squares = squares.reshaped();
  gram.samples = samples_->count();
  gram_ = std::move(gram);
  return *gram_;
}

const operators::KoopmanMatrix& DictionaryProblem::matrix(const io::ResultFile& file) {
  if (matrix_) return *matrix_;
  const operators::GramMatrices& matrices = gram(file);
  std::vector<std::size_t> all(dictionary_->size());
  std::iota(all.begin(), all.end(), std::size_t{0});
  // One rank decides about the rank, so that all go the same way.
  operators::KoopmanMatrix made;
  const std::string problem = base::on_first_rank(comm(), [&]() -> std::string {
    try {
      made = operators::koopman_matrix(matrices, all, estimator(), section_.rank_cut);
    } catch (const base::ConvergenceError& error) {
      return error.what();
    }
    return {};
  });
  if (!problem.empty()) throw base::ConvergenceError(problem);
  operators::broadcast(comm(), made);
  matrix_ = std::move(made);
  return *matrix_;
}

bool gram_section(DictionaryProblem& problem, io::ResultFile& file) {
  base::Log& log = problem.log();
  base::Phase phase(log, "gram");
  operators::GramPass pass(problem.comm(), problem.pass());
  io::Checkpoints* checkpoints = problem.checkpoints();
  if (checkpoints) {
    checkpoints->restore(
        "gram", [&](io::CheckpointReader& reader) { pass.restore(reader.numbers("sums")); });
  }
  while (!pass.finished()) {
    pass.advance();
    log.progress(pass.done(), fmt::format("{} samples", pass.samples()));
    if (checkpoints && !pass.finished()) {
      checkpoints->step(
          "gram", [&](io::CheckpointWriter& writer) { writer.numbers("sums", pass.state()); });
    }
  }
  problem.keep(problem.finished(pass));
  const operators::GramMatrices& gram = problem.gram(file);
  const double seconds = phase.seconds();
  const double flops =
      static_cast<double>(gram.samples) *
      operators::GramPass::flops(problem.dictionary().size(), problem.observables().size());
  phase.finish(fmt::format("{}, {:.3g} GFlop/s", problem.samples().text(), flops / seconds / 1e9));
  const std::string& singular = problem.section().singular;
  if (singular != "cut") {
    const std::size_t own = problem.section().functions.formulas.entries.size();
    const std::string text = base::on_first_rank(
        problem.comm(), [&] { return operators::dependence(gram, problem.dictionary(), own); });
    if (!text.empty()) {
      throw InputError(text + "; or set 'dictionary.singular: cut' to leave out what is dependent");
    }
  }
  const operators::KoopmanMatrix& matrix = problem.matrix(file);
  const std::size_t size = problem.dictionary().size();
  const std::string condition =
      fmt::format("{:.2e}", matrix.eigenvalues.maxCoeff() / matrix.eigenvalues.minCoeff());
  log.line(fmt::format("  {} functions, rank {}, condition of the scaled Gram matrix {}", size,
                       matrix.rank(), matrix.eigenvalues.minCoeff() > 0 ? condition : "infinite"));
  if (matrix.rank() < size) {
    const std::string text = fmt::format(
        "the Gram matrix is singular to rounding: {} of {} directions of the dictionary lie below "
        "'dictionary.rank_cut' ({:g}) and are left out",
        size - matrix.rank(), size, problem.section().rank_cut);
    if (singular == "error") {
      throw InputError(text + "; lower 'dictionary.degree', or allow it by 'singular: cut'");
    }
    log.warning("gram: " + text);
  }
  write_gram(problem, gram, matrix, file);
  return true;
}

} // namespace komori::analyses
