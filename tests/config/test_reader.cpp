/// Reading inputs: values, defaults, and what is said about each kind of mistake.
#include <random>

#include <fmt/format.h>

#include "sample.hpp"
#include "support.hpp"

namespace komori::config {
namespace {

using sample::Input;
using testing::ElementsAre;
using testing::HasSubstr;
using testing::Pair;
using testing::StartsWith;

const std::string good = "title: Double well\n"
                         "model:\n"
                         "  variables: [x, y]\n"
                         "  parameters: {beta: 4, n: 16, half: beta/8, pi: 3}\n"
                         "  potential: (x^2-1)^2 + y^2\n"
                         "  diffusion: [1/beta, 2]\n"
                         "grid:\n"
                         "  y: {from: -half, to: 2.5, cells: 2*n, boundary: periodic}\n"
                         "  x: {from: -2.5, to: +2.5, cells: 1e3}\n"
                         "modes: [exact, sampled]\n"
                         "verbose: true\n"
                         "points: [[0, 1], [half, pi]]\n"
                         "spectrum: {pairs: 20, target: -3.3}\n"
                         "stationary:\n"
                         "evolve:\n"
                         "  initial: exp(-x^2)\n"
                         "  times: [0, 2^3]\n"
                         "  observables: {mean x: x, y2: y^2}\n"
                         "checkpoint: {every: 10min}\n";

/// The model that every input needs, and one more piece of input from line 2 on.
std::string with(const std::string& more) {
  return "model: {variables: [x, y]}\n" + more;
}

std::string error_with(const std::string& more) {
  return read_error<Input>(with(more));
}

Input input_with(const std::string& more) {
  return read_yaml<Input>(with(more));
}

TEST(Reader, ReadsEveryKindOfValue) {
  const auto input = read_yaml<Input>(good);

  EXPECT_EQ(input.title, "Double well");
  EXPECT_THAT(input.model.variables, ElementsAre("x", "y"));
  EXPECT_THAT(input.model.parameters,
              ElementsAre(Pair("beta", 4), Pair("n", 16), Pair("half", 0.5), Pair("pi", 3)));
  EXPECT_EQ(input.model.potential.text, "(x^2-1)^2 + y^2");
  EXPECT_EQ(input.model.potential.path, "model.potential");
  EXPECT_EQ(input.model.potential.origin.text(), "inputs/a.yaml:5");
  ASSERT_EQ(input.grid.size(), 2u);
  EXPECT_EQ(input.grid[0].first, "y");
  EXPECT_EQ(input.grid[0].second.from, -0.5);
  EXPECT_EQ(input.grid[0].second.cells, 32);
  EXPECT_EQ(input.grid[0].second.boundary, "periodic");
  EXPECT_EQ(input.grid[1].second.to, 2.5);
  EXPECT_EQ(input.grid[1].second.cells, 1000);
  EXPECT_EQ(input.grid[1].second.boundary, "reflecting");
  EXPECT_THAT(input.modes, ElementsAre("exact", "sampled"));
  EXPECT_TRUE(input.verbose);
  EXPECT_THAT(input.points, ElementsAre(ElementsAre(0, 1), ElementsAre(0.5, 3)));
  EXPECT_EQ(input.spectrum->pairs, 20);
  EXPECT_EQ(input.spectrum->tolerance, 1e-10);
  EXPECT_EQ(input.spectrum->target.word, "");
  EXPECT_EQ(input.spectrum->target.number, -3.3);
  EXPECT_TRUE(input.stationary.has_value());
  EXPECT_EQ(input.evolve->initial.text, "exp(-x^2)");
  EXPECT_FALSE(input.evolve->start.has_value());
  EXPECT_THAT(input.evolve->times, ElementsAre(0, 8));
  EXPECT_EQ(input.evolve->observables[0].first, "mean x");
  EXPECT_EQ(input.evolve->observables[1].second.path, "evolve.observables.y2");
  EXPECT_EQ(input.checkpoint.every, 600);
  EXPECT_EQ(input.checkpoint.keep, 2);
}

TEST(Reader, WhatIsLeftOutKeepsItsDefault) {
  const Input input = input_with("");

  EXPECT_EQ(input.title, "");
  EXPECT_TRUE(input.grid.empty());
  EXPECT_THAT(input.modes, ElementsAre("exact", "exact"));
  EXPECT_FALSE(input.spectrum.has_value());
  EXPECT_FALSE(input.stationary.has_value());
  EXPECT_EQ(input.checkpoint.keep, 2);
  EXPECT_FALSE(input.model.diffusion.given());
}

TEST(Reader, EmptySectionsArePresent) {
  EXPECT_TRUE(input_with("stationary:\n").stationary.has_value());
  EXPECT_TRUE(input_with("stationary: {}\n").stationary.has_value());
  EXPECT_TRUE(input_with("stationary: ~\n").stationary.has_value());
  EXPECT_EQ(input_with("spectrum: {}\n").spectrum->pairs, 10);
}

TEST(Reader, FormulaArraysOfEachRank) {
  const auto diffusion = [](const std::string& text) {
    return read_yaml<Input>("model: {variables: [x], diffusion: " + text + "}\n").model.diffusion;
  };
  const FormulaArray scalar = diffusion("1/2");
  EXPECT_EQ(scalar.rank, 0);
  EXPECT_EQ(scalar.entries.size(), 1u);
  EXPECT_EQ(scalar.entries[0].path, "model.diffusion");
  const FormulaArray list = diffusion("[a, b, c]");
  EXPECT_EQ(list.rank, 1);
  EXPECT_EQ(list.rows, 3u);
  EXPECT_EQ(list.columns, 1u);
  EXPECT_EQ(list.entries[2].path, "model.diffusion[2]");
  const FormulaArray matrix = diffusion("[[a, b, c], [d, e, f]]");
  EXPECT_EQ(matrix.rank, 2);
  EXPECT_EQ(matrix.rows, 2u);
  EXPECT_EQ(matrix.columns, 3u);
  EXPECT_EQ(matrix.entries[5].text, "f");
  EXPECT_EQ(matrix.entries[5].path, "model.diffusion[1][2]");
  EXPECT_EQ(matrix.origin.line, 1);
}

TEST(Reader, FormulaOrSection) {
  const auto evolve = *input_with("evolve: {initial: {point: 3}}\n").evolve;

  EXPECT_FALSE(evolve.initial.given());
  EXPECT_THAT(evolve.start->point, ElementsAre(3));
}

TEST(Reader, UnknownKeys) {
  EXPECT_EQ(error_with("spectrum: {pars: 3}\n"),
            "inputs/a.yaml:2: unknown key 'spectrum.pars'. Did you mean 'pairs'? Allowed here: "
            "pairs, tolerance, sides, target");
  EXPECT_EQ(error_with("colour: red\n"),
            "inputs/a.yaml:2: unknown key 'colour'. Allowed here: title, model, grid, modes, "
            "verbose, points, spectrum, stationary, evolve, checkpoint");
  EXPECT_EQ(error_with("stationary:\n  what: 1\n"),
            "inputs/a.yaml:3: unknown key 'stationary.what'. No keys are allowed here");
  EXPECT_EQ(error_with("grid: {x: {from: 0, to: 1, cells: 1, cels: 3}}\n"),
            "inputs/a.yaml:2: unknown key 'grid.x.cels'. Did you mean 'cells'? Allowed here: from, "
            "to, cells, boundary");
}

TEST(Reader, MissingKeys) {
  EXPECT_EQ(read_error<Input>("title: a\n"),
            "inputs/a.yaml:1: 'model' is missing; add e.g. 'model: ...' (a section: The system.)");
  EXPECT_EQ(error_with("grid:\n  x:\n    from: 0\n    cells: 3\n"),
            "inputs/a.yaml:3: 'grid.x.to' is missing; add e.g. 'to: ...' (a number: Upper end.)");
  EXPECT_EQ(error_with("grid: {x: {from: 0, to: 1}}\n"),
            "inputs/a.yaml:2: 'grid.x.cells' is missing; add e.g. 'cells: ...' (an integer >= 1: "
            "Number of cells.)");
  EXPECT_EQ(error_with("grid:\n  x:\n    form: 0\n    to: 3\n"),
            "inputs/a.yaml:3: 'grid.x.from' is missing; add e.g. 'from: ...' (a number: Lower "
            "end.). Is 'form' in inputs/a.yaml:4 meant to be it?");
  EXPECT_THAT(error_with("evolve: {initial: {}}\n"),
              StartsWith("inputs/a.yaml:2: 'evolve.initial.point' is missing"));
}

TEST(Reader, Integers) {
  const auto pairs = [](const std::string& text) {
    return error_with("spectrum: {pairs: " + text + "}\n");
  };
  const std::string start = "inputs/a.yaml:2: 'spectrum.pairs' is ";
  EXPECT_EQ(pairs("-3"), start + "-3, but must be an integer >= 1");
  EXPECT_EQ(pairs("0"), start + "0, but must be an integer >= 1");
  EXPECT_EQ(pairs("2.5"), start + "2.5, but must be an integer >= 1");
  EXPECT_EQ(pairs("ten"), start + "'ten', but must be an integer >= 1");
  EXPECT_EQ(pairs("''"), start + "'', but must be an integer >= 1");
  EXPECT_EQ(pairs("5/2"), start + "5/2 = 2.5, but must be an integer >= 1");
  EXPECT_EQ(pairs("1e400"), start + "'1e400', but must be an integer >= 1; as a formula it has a "
                                    "number '1e400' beyond double precision at position 1 of "
                                    "'1e400'.");
  EXPECT_EQ(pairs("1e300"), start + "1e300, but must be an integer >= 1");
  EXPECT_EQ(pairs("2^53+1"), "(no error)"); // rounds to 2^53
  EXPECT_EQ(pairs("2^60"), start + "2^60 = 1.152921504606847e+18, but must be an integer >= 1");
  EXPECT_EQ(pairs(".inf"), start + "'.inf', but must be an integer >= 1");
  EXPECT_EQ(pairs("inf"), start + "'inf', but must be an integer >= 1");
  EXPECT_EQ(pairs("nan"), start + "'nan', but must be an integer >= 1");
  EXPECT_EQ(pairs("1/0"), start + "1/0 = inf, but must be an integer >= 1");
  EXPECT_EQ(pairs("0x10"), start + "'0x10', but must be an integer >= 1; as a formula it has no "
                                   "operator before 'x10' at position 2 of '0x10'. Write * to "
                                   "multiply.");
  EXPECT_EQ(pairs("[3]"), start + "a list, but must be an integer >= 1");
  EXPECT_EQ(pairs("{a: 3}"), start + "a section, but must be an integer >= 1");
  EXPECT_EQ(pairs(""), start + "empty, but must be an integer >= 1");
  EXPECT_EQ(pairs("~"), start + "empty, but must be an integer >= 1");
  EXPECT_EQ(error_with("checkpoint: {keep: 101}\n"),
            "inputs/a.yaml:2: 'checkpoint.keep' is 101, but must be an integer in [1, 100]");

  const auto read_pairs = [](const std::string& text) {
    return input_with("spectrum: {pairs: " + text + "}\n").spectrum->pairs;
  };
  EXPECT_EQ(read_pairs("512"), 512);
  EXPECT_EQ(read_pairs("+512"), 512);
  EXPECT_EQ(read_pairs("\"512\""), 512);
  EXPECT_EQ(read_pairs("1e6"), 1'000'000);
  EXPECT_EQ(read_pairs("5.0"), 5);
  EXPECT_EQ(read_pairs("9223372036854775807"), 9223372036854775807);
  EXPECT_EQ(read_pairs("floor(7/2)"), 3);
}

TEST(Reader, Reals) {
  const auto tolerance = [](const std::string& text) {
    return error_with("spectrum: {tolerance: " + text + "}\n");
  };
  const std::string start = "inputs/a.yaml:2: 'spectrum.tolerance' is ";
  EXPECT_EQ(tolerance("0"), start + "0, but must be a number in (0, 1)");
  EXPECT_EQ(tolerance("1"), start + "1, but must be a number in (0, 1)");
  EXPECT_EQ(tolerance("small"), start + "'small', but must be a number in (0, 1)");
  EXPECT_EQ(tolerance("2*3"), start + "2*3 = 6, but must be a number in (0, 1)");
  EXPECT_EQ(tolerance("1/0"), start + "1/0 = inf, but must be a finite number");
  EXPECT_EQ(tolerance("sqrt(-1)"), start + "sqrt(-1) = nan, but must be a finite number");
  EXPECT_EQ(tolerance("2*(3"), start +
                                   "'2*(3', but must be a number in (0, 1); as a formula it has "
                                   "a '(' that is never closed at position 3 of '2*(3'. Count "
                                   "the brackets.");
  EXPECT_EQ(tolerance("true"), start + "'true', but must be a number in (0, 1)");
  EXPECT_EQ(tolerance("1 m"), start +
                                  "'1 m', but must be a number in (0, 1); as a formula it has no "
                                  "operator before 'm' at position 3 of '1 m'. Write * to "
                                  "multiply.");
}

TEST(Reader, NamesOfConstantsInNumbers) {
  const auto error = [](const std::string& pairs) {
    return read_error<Input>(
        "model: {variables: [x], parameters: {beta: 4}}\nspectrum: {pairs: " + pairs + "}\n");
  };
  EXPECT_EQ(error("bta"),
            "inputs/a.yaml:2: 'spectrum.pairs' is 'bta', but must be an integer >= 1. "
            "Did you mean 'beta'?");
  EXPECT_EQ(
      error("2*bta"),
      "inputs/a.yaml:2: 'spectrum.pairs' is '2*bta', but must be an integer >= 1; as a "
      "formula it has an unknown name 'bta' at position 3 of '2*bta'. Known: beta, pi, e. Did "
      "you mean 'beta'?");
  EXPECT_EQ(error("beta/3"),
            "inputs/a.yaml:2: 'spectrum.pairs' is beta/3 = 1.3333333333333333, but "
            "must be an integer >= 1");
  EXPECT_EQ(error("beta"), "(no error)");
}

TEST(Reader, Constants) {
  const auto error = [](const std::string& parameters) {
    return read_error<Input>("model:\n  variables: [x]\n  parameters: " + parameters + "\n");
  };
  const std::string start = "inputs/a.yaml:3: 'model.parameters";
  EXPECT_EQ(error("{2x: 1}"), start + ".2x' is '2x', but must be a name: a letter, then letters, "
                                      "digits and '_', 64 at most");
  EXPECT_EQ(error("{exp: 1}"), start + ".exp' is 'exp', which is a function of formulas; choose "
                                       "another name");
  EXPECT_EQ(error("{a: b, b: 1}"), start + ".a' is 'b', but must be a number");
  EXPECT_EQ(error("{a: 1/0}"), start + ".a' is 1/0 = inf, but must be a finite number");
  EXPECT_EQ(error("{a: .nan}"), start + ".a' is '.nan', but must be a number");
  EXPECT_EQ(error("{a: [1]}"), start + ".a' is a list, but must be a number");
  EXPECT_EQ(error("3"), start + "' is 3, but must be named numbers, e.g. {name: 1}");
  EXPECT_EQ(error("{a: 1, a: 2}"),
            "inputs/a.yaml:3: key 'a' is given twice, first in line 3; keep one of them");
  std::string many = "{a0: 0";
  for (int i = 1; i <= 10'000; ++i) many += fmt::format(", a{}: 0", i);
  EXPECT_EQ(error(many + "}"), start + "' has 10001 entries, but at most 10000 are allowed");

  const Node root = parse(good, "inputs/a.yaml");
  Reader reader(root);
  Input input;
  declare(reader, input);
  EXPECT_EQ(reader.constants(), input.model.parameters);
}

TEST(Reader, WordsTextAndSwitches) {
  EXPECT_EQ(error_with("grid: {x: {from: 0, to: 1, cells: 1, boundary: reflectin}}\n"),
            "inputs/a.yaml:2: 'grid.x.boundary' is 'reflectin', but must be one of reflecting, "
            "absorbing, periodic. Did you mean 'reflecting'?");
  EXPECT_EQ(error_with("spectrum: {sides: 3}\n"),
            "inputs/a.yaml:2: 'spectrum.sides' is 3, but must be one of right, left, both");
  EXPECT_EQ(error_with("spectrum: {sides: [left]}\n"),
            "inputs/a.yaml:2: 'spectrum.sides' is a list, but must be one of right, left, both");
  EXPECT_EQ(error_with("verbose: yes\n"),
            "inputs/a.yaml:2: 'verbose' is 'yes', but must be true or false");
  EXPECT_EQ(error_with("verbose: [true]\n"),
            "inputs/a.yaml:2: 'verbose' is a list, but must be true or false");
  EXPECT_EQ(error_with("title: [a, b]\n"), "inputs/a.yaml:2: 'title' is a list, but must be text");
  EXPECT_EQ(input_with("title: 10\n").title, "10");
  EXPECT_EQ(input_with("title: ''\n").title, "");
  EXPECT_EQ(error_with("spectrum: {target: slowes}\n"),
            "inputs/a.yaml:2: 'spectrum.target' is 'slowes', but must be one of slowest, largest, "
            "or a number. Did you mean 'slowest'?");
  EXPECT_EQ(error_with("spectrum: {target: [1]}\n"),
            "inputs/a.yaml:2: 'spectrum.target' is a list, but must be one of slowest, largest, or "
            "a number");
  EXPECT_EQ(input_with("spectrum: {target: largest}\n").spectrum->target.word, "largest");
  EXPECT_EQ(input_with("spectrum: {target: pi}\n").spectrum->target.number, 3.141592653589793);
}

TEST(Reader, Choices) {
  EXPECT_THAT(input_with("modes: sampled\n").modes, ElementsAre("sampled", "sampled"));
  EXPECT_EQ(error_with("modes: [exact]\n"), "inputs/a.yaml:2: 'modes' has 1 entries, but must have "
                                            "2, or be a single word for all");
  EXPECT_EQ(error_with("modes: [exact, sampeld]\n"),
            "inputs/a.yaml:2: 'modes[1]' is 'sampeld', but must be one of exact, sampled. Did you "
            "mean 'sampled'?");
}

TEST(Reader, Durations) {
  EXPECT_EQ(error_with("checkpoint: {every: 10mn}\n"),
            "inputs/a.yaml:2: 'checkpoint.every' is '10mn', but must be a duration > 0, e.g. 90s, "
            "10min, 2h, 1h30m or 1:30:00");
  EXPECT_THAT(error_with("checkpoint: {every: 0s}\n"),
              HasSubstr("is '0s', but must be a duration"));
  EXPECT_THAT(error_with("checkpoint: {every: [1]}\n"), HasSubstr("is a list, but must be"));
  EXPECT_EQ(input_with("checkpoint: {every: 1:30:00}\n").checkpoint.every, 5400);
}

TEST(Reader, Names) {
  const auto error = [](const std::string& names) {
    return read_error<Input>("model: {variables: " + names + "}\n");
  };
  const std::string start = "inputs/a.yaml:1: 'model.variables";
  EXPECT_EQ(error("x"), start + "' is 'x', but must be a list of names, e.g. [x, y]");
  EXPECT_EQ(error("[]"), start + "' is an empty list, but must be a list of names, e.g. [x, y]");
  EXPECT_EQ(error("[x, x]"), start +
                                 "[1]' is 'x', which stands in the list already; give each name "
                                 "once");
  EXPECT_EQ(error("[x, 1y]"), start + "[1]' is '1y', but must be a name: a letter, then letters, "
                                      "digits and '_', 64 at most");
  EXPECT_EQ(error("[sin]"), start +
                                "[0]' is 'sin', which is a function of formulas; choose another "
                                "name");
  EXPECT_EQ(error("[[x]]"), start + "[0]' is a list, but must be a name");
}

TEST(Reader, ListsOfNumbers) {
  EXPECT_THAT(input_with("evolve: {times: 2}\n").evolve->times, ElementsAre(2));
  const auto times = [](const std::string& text) {
    return error_with("evolve: {times: " + text + "}\n");
  };
  const std::string start = "inputs/a.yaml:2: 'evolve.times";
  EXPECT_EQ(times("[0, -1]"), start + "[1]' is -1, but must be a number >= 0");
  EXPECT_EQ(times("[0, [1]]"), start + "[1]' is a list, but must be a number >= 0");
  EXPECT_EQ(times("[0, ]"), "(no error)");
  EXPECT_EQ(times("[0, ~]"), start + "[1]' is empty, but must be a number >= 0");
  EXPECT_EQ(times("[]"), start + "' is an empty list, but must be a list of numbers, each >= 0");
  EXPECT_EQ(times("{}"), start + "' is a section, but must be a list of numbers, each >= 0");

  const std::string rows = "a list of lists of numbers, e.g. [[0, 1], [2, 3]]";
  EXPECT_EQ(error_with("points: 3\n"), "inputs/a.yaml:2: 'points' is 3, but must be " + rows);
  EXPECT_EQ(error_with("points: []\n"),
            "inputs/a.yaml:2: 'points' is an empty list, but must be " + rows);
  EXPECT_EQ(error_with("points: [1, 2]\n"),
            "inputs/a.yaml:2: 'points[0]' is 1, but must be a list of numbers");
  EXPECT_EQ(error_with("points:\n  - [1, 2]\n  - [3]\n"),
            "inputs/a.yaml:4: 'points[1]' has 1 numbers, but 'points[0]' has 2; all must have as "
            "many");
  EXPECT_EQ(error_with("points: [[1, two]]\n"),
            "inputs/a.yaml:2: 'points[0][1]' is 'two', but must be a number");
}

TEST(Reader, Formulas) {
  const auto model = [](const std::string& more) {
    return read_error<Input>("model:\n  variables: [x]\n  " + more + "\n");
  };
  EXPECT_EQ(model("potential: [x]"),
            "inputs/a.yaml:3: 'model.potential' is a list, but must be a formula");
  EXPECT_EQ(model("potential: ''"), "inputs/a.yaml:3: 'model.potential' is '', but must be a "
                                    "formula");
  EXPECT_EQ(model("potential:"), "inputs/a.yaml:3: 'model.potential' is empty, but must be a "
                                 "formula");
  const std::string start = "inputs/a.yaml:3: 'model.diffusion";
  EXPECT_EQ(model("diffusion: {a: 1}"), start + "' is a section, but must be a formula, a list of "
                                                "formulas, or a list of equally long lists");
  EXPECT_EQ(model("diffusion: []"), start + "' is an empty list, but must be a formula, a list of "
                                            "formulas, or a list of equally long lists");
  EXPECT_EQ(model("diffusion: [[]]"), start + "[0]' is an empty list, but must be a list of "
                                              "formulas");
  EXPECT_EQ(model("diffusion: [x, [x]]"), start + "[1]' is a list, but must be a formula");
  EXPECT_EQ(model("diffusion: [[x], x]"), start +
                                              "[1]' is 'x', but must be a list of formulas like "
                                              "the first");
  EXPECT_EQ(model("diffusion: [[x, 1], [x]]"),
            start + "[1]' has 1 formulas, but 'model.diffusion[0]' has 2; all must have as many");
  EXPECT_EQ(model("diffusion: [[x, [1]]]"), start + "[0][1]' is a list, but must be a formula");
  EXPECT_EQ(error_with("evolve: {initial: [x]}\n"),
            "inputs/a.yaml:2: 'evolve.initial' is a list, but must be a formula or a section");
  EXPECT_EQ(error_with("evolve: {observables: x}\n"), "inputs/a.yaml:2: 'evolve.observables' is "
                                                      "'x', but must be named formulas, e.g. "
                                                      "{name: ...}");
  EXPECT_EQ(error_with("evolve: {observables: {a/b: x}}\n"),
            "inputs/a.yaml:2: 'evolve.observables.a/b' cannot be a name in the result file; choose "
            "one without '/'");
  EXPECT_EQ(error_with("evolve: {observables: {a: }}\n"),
            "inputs/a.yaml:2: 'evolve.observables.a' is empty, but must be a formula");
}

TEST(Reader, Sections) {
  EXPECT_EQ(error_with("spectrum: 5\n"),
            "inputs/a.yaml:2: 'spectrum' is 5, but must be a section, e.g. 'spectrum: {...}'");
  EXPECT_EQ(error_with("spectrum: [5]\n"),
            "inputs/a.yaml:2: 'spectrum' is a list, but must be a section, e.g. 'spectrum: {...}'");
  EXPECT_EQ(error_with("grid: [5]\n"), "inputs/a.yaml:2: 'grid' is a list, but must be sections by "
                                       "name, e.g. 'grid: {axis: {...}}'");
  EXPECT_EQ(error_with("grid: {x: 5}\n"), "inputs/a.yaml:2: 'grid.x' is 5, but must be a section");
}

TEST(Reader, ChecksAcrossKeysNameTheirPlace) {
  EXPECT_EQ(error_with("grid:\n  x:\n    from: 3\n    to: 1\n    cells: 4\n"),
            "inputs/a.yaml:5: 'grid.x.to' must lie above 'from'");

  const Node root = parse("a: 1\n", "inputs/a.yaml");
  Reader reader(root);
  EXPECT_EQ(message_of([&] { reader.reject("b", "is wanted"); }), "inputs/a.yaml:1: 'b' is wanted");
  EXPECT_EQ(message_of([&] { reader.reject("", "is odd"); }), "inputs/a.yaml:1: is odd");
  EXPECT_EQ(error_with("grid: {x: {from: 3, to: 1, cells: 4, bondary: periodic}}\n"),
            "inputs/a.yaml:2: 'grid.x.to' must lie above 'from'. Is 'bondary' in inputs/a.yaml:2 "
            "meant to be 'boundary'?");
}

TEST(Reader, ErrorsOfSetNameTheOption) {
  Node root = parse(with(""), "inputs/a.yaml");
  apply_set(root, "spectrum.pars=3");
  EXPECT_THAT(
      message_of([&] { read<Input>(root); }),
      StartsWith("--set spectrum.pars=3: unknown key 'spectrum.pars'. Did you mean 'pairs'?"));

  Node other = parse(with("spectrum: {pairs: 3}\n"), "inputs/a.yaml");
  apply_set(other, "spectrum.pairs=-1");
  EXPECT_EQ(message_of([&] { read<Input>(other); }),
            "--set spectrum.pairs=-1: 'spectrum.pairs' is -1, but must be an integer >= 1");
}

TEST(Reader, DamagedInputsNeverDoWorseThanAnInputError) {
  std::mt19937 engine(7);
  const std::string alphabet = "abx019.-+*/^(){}[]:,#'\"&!|>%@`\\?=~ \n\t\xC3\xA9";
  int refused = 0;
  for (int i = 0; i < 5'000; ++i) {
    std::string text = good;
    for (unsigned n = engine() % 4 + 1; n > 0; --n) {
      const std::size_t at = engine() % text.size();
      switch (engine() % 3) {
      case 0:
        text[at] = alphabet[engine() % alphabet.size()];
        break;
      case 1:
        text.insert(at, 1, alphabet[engine() % alphabet.size()]);
        break;
      default:
        text.erase(at, engine() % 8 + 1);
      }
    }
    try {
      read_yaml<Input>(text);
    } catch (const base::InputError&) {
      ++refused;
    }
  }
  EXPECT_GT(refused, 1000);
}

} // namespace
} // namespace komori::config
