/// An input with every kind of key, for the tests of the three declarers.
#pragma once

#include <cstdint>
#include <optional>
#include <string>
#include <utility>
#include <vector>

#include "config/declaration.hpp"

namespace komori::config::sample {

struct Axis {
  double from = 0;
  double to = 1;
  std::int64_t cells = 0;
  std::string boundary = "reflecting";
};

inline void declare(Declarer& d, Axis& axis) {
  d.real("from", axis.from, {"Lower end.", "length", Need::required}, {});
  d.real("to", axis.to, {"Upper end.", "length", Need::required}, {});
  d.integer("cells", axis.cells, {"Number of cells.", "-", Need::required}, Range::at_least(1));
  d.choice("boundary", axis.boundary, {"reflecting", "absorbing", "periodic"},
           {"What happens at both ends."});
  if (d.reading() && axis.to <= axis.from) d.reject("to", "must lie above 'from'");
}

struct Spectrum {
  std::int64_t pairs = 10;
  double tolerance = 1e-10;
  std::string sides = "right";
  WordOrNumber target{"slowest", 0};
};

inline void declare(Declarer& d, Spectrum& spectrum) {
  d.integer("pairs", spectrum.pairs, {"Number of eigenpairs."}, Range::at_least(1));
  d.real("tolerance", spectrum.tolerance, {"Relative residual of each pair."},
         {.min = 0, .max = 1, .min_excluded = true, .max_excluded = true});
  d.choice("sides", spectrum.sides, {"right", "left", "both"}, {"Which eigenvectors to keep."});
  d.choice_or_real("target", spectrum.target, {"slowest", "largest"},
                   {"Which eigenvalues, or a number they are near to."});
}

struct Stationary {};
inline void declare(Declarer&, Stationary&) {}

struct Point {
  std::vector<double> point;
};
inline void declare(Declarer& d, Point& point) {
  d.reals("point", point.point, {"Where all starts.", "length", Need::required}, {});
}

struct Evolve {
  FormulaText initial;
  std::optional<Point> start;
  std::vector<double> times{0, 1};
  std::vector<std::pair<std::string, FormulaText>> observables;
};

inline void declare(Declarer& d, Evolve& evolve) {
  d.formula_or_section("initial", evolve.initial, evolve.start,
                       {"Density at time 0, up to a factor."});
  d.reals("times", evolve.times, {"When to record.", "time"}, Range::at_least(0));
  d.named_formulas("observables", "name", evolve.observables, {"What to average."});
}

struct Model {
  std::vector<std::string> variables;
  std::vector<std::pair<std::string, double>> parameters;
  FormulaText potential;
  FormulaArray diffusion;
};

inline void declare(Declarer& d, Model& model) {
  d.names("variables", model.variables, {"Names of the state.", "-", Need::required});
  d.constants("parameters", "name", model.parameters, {"Constants of all formulas."});
  d.formula("potential", model.potential, {"U in f = -grad U.", "energy"});
  d.formula_array("diffusion", model.diffusion, {"D: scalar, per axis, or a matrix."});
}

struct Checkpoint {
  double every = 600;
  std::int64_t keep = 2;
};

inline void declare(Declarer& d, Checkpoint& checkpoint) {
  d.duration("every", checkpoint.every, {"Time between two checkpoints.", "s"}, Range::positive());
  d.integer("keep", checkpoint.keep, {"How many to keep."}, Range::between(1, 100));
}

struct Input {
  std::string title;
  Model model;
  std::vector<std::pair<std::string, Axis>> grid;
  std::vector<std::string> modes{"exact", "exact"};
  bool verbose = false;
  std::vector<std::vector<double>> points;
  std::optional<Spectrum> spectrum;
  std::optional<Stationary> stationary;
  std::optional<Evolve> evolve;
  Checkpoint checkpoint;
};

inline void declare(Declarer& d, Input& input) {
  d.text("title", input.title, {"For the record."});
  d.section("model", input.model, {"The system.", "-", Need::required});
  d.named_sections("grid", "axis", input.grid, {"One section per axis."});
  d.choices("modes", input.modes, {"exact", "sampled"}, 2, {"How to fill each of two parts."});
  d.boolean("verbose", input.verbose, {"Say more."});
  d.real_rows("points", input.points, {"Points of interest.", "length"});
  d.section("spectrum", input.spectrum, {"Eigenvalues and eigenvectors."});
  d.section("stationary", input.stationary, {"The stationary density."});
  d.section("evolve", input.evolve, {"Densities over time."});
  d.section("checkpoint", input.checkpoint, {"Saving the state of long runs."});
}

} // namespace komori::config::sample
