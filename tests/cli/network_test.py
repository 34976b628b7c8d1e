#!/usr/bin/env python3
"""The driver network as a user meets it: numbers, errors, what the result file holds.

Numbers of the two layers (network of Venturi and Li, Res. Math. Sci. 10, 2023, with uniform noise) and of the
repeated layer were computed independently with numpy and scipy on two resolutions.
"""
import math
import re
import time
import unittest

import numpy
from support import TWO_LAYERS, DriverTest

TWO = TWO_LAYERS + """\
observable: {variables: [y], formula: y}
expectation: {points: [[-1], [-0.5], [0], [0.5], [1]]}
density: {}
probability: {set: y > 0, points: [[0]]}
norms: {}
projection: {kind: basis, family: legendre, rank: 2}
memory: {direction: both}
"""
WIDTHS = """\
model:
  kind: network
  input: {a: [-1, 1], b: [0, 2]}
  noise: {kind: uniform, half_width: 0.9}
  layers:
    - {weight: [[1, -0.5], [0.3, 0.8], [-1, 0.2]], bias: [0.1, -0.2, 0.3], activation: tanh}
    - {weight: [[0.5, -1, 0.7]], activation: sigmoid, variables: [z]}
    - {weight: [[1.5], [-1]], activation: softplus}
layers: {cells: [10, 8, 24, 14]}
observable: {variables: [p, q], formula: p*q}
density: {initial: 1 + a*b/2}
projection: {kind: neurons, neurons: [a, x1_1, x1_3]}
memory: {direction: both}
monte_carlo: {samples: 20000}
"""
FOUR = """\
model:
  kind: network
  input: {a: [-1, 1], b: [-1, 1], c: [-1, 1], d: [-1, 1]}
  noise: {kind: uniform, half_width: 0.5}
  layers:
    - weight: [[1.43, -1.79, 0.29, -0.4], [-0.32, -0.15, -1.41, -0.16], [-0.61, 2.33, 0.16, -0.25], [-0.2, -0.47, -0.74, -0.27]]
      bias: [0.14, -0.07, 0.29, -0.06]
      activation: tanh
    - weight: [[0.02, 1.08, 0.38, -0.35], [-0.13, 0.38, 1.35, -0.19], [-0.17, 0.7, -0.62, -0.2], [0.62, 0.41, 0.06, 0.47]]
      bias: [-0.85, 0.31, -0.29, -0.5]
      activation: tanh
layers: {cells: 8, order: 1}
observable: {formula: x2_1*x2_2 + x2_3^2}
monte_carlo: {samples: 2000000}
"""
EXPECTED = [-0.249696214220, -0.018928668729, 0.130692465248, 0.202370583619, 0.231752310929]
SETS = {
    "model.layers[1].weight=[[1, 2]]":
        "'model.layers[1]' takes 2 inputs (columns of its weight), but input.yaml:5: 'model.layers[0]' "
        "has 1 neuron; the two must be the same",
    "model.layers[0].activation=tahn":
        "'model.layers[0].activation' is 'tahn', but must be one of identity, tanh, relu, leaky_relu, "
        "sigmoid, softplus, gelu, erf. Did you mean 'tanh'?",
    "model.layers[0].noise.half_width=[1, 2]":
        "'model.layers[0].noise.half_width' has 2 values, but the layer has 1 neuron",
    "model.layers[0].wieght=[[1]]":
        "unknown key 'model.layers[0].wieght'. Did you mean 'weight'?",
    "model.layers[0].formula=z^2":
        "'model.layers[0].formula' stands in place of 'activation'; remove one of them",
    "model.layers[0]={weight: [[1]], formula: w}":
        "'model.layers[0].formula' has an unknown name 'w'",
    "model.layers[0]={weight: [[1]], formula: 1/z}":
        "its formula '1/z' has no finite value at z = 0, which it reaches",
    "observable.formula=z":
        "'observable.formula' has an unknown name 'z'",
    "observable.formula=log(y)":
        "'observable.formula' must be finite wherever the outputs can be (it is ",
    "observable.formula=1/y":
        "'observable.formula' has no mean: near x2_1 = 0 it grows like 1/distance^1, whose integral is infinite from "
        "power 1 on; cut it off there, as in min(100, max(-100, ...)), or observe another function",
    "observable.formula=tan(y)^2":
        "'observable.formula' has no mean: near x2_1 = -1.5708 it grows like 1/distance^2",
    "probability={set: z > 0}":
        "'probability.set' has an unknown name 'z' at position 1 of 'z > 0'. Known: y",
    "probability={set: log(y)}":
        "'probability.set' must be finite wherever the outputs can be (it is ",
    "density={initial: x}":
        "'density.initial' must be finite and not negative (it is -0.997518) at x = -0.997518",
    "density={initial: 0*x}":
        "'density.initial' is 0 everywhere, so it cannot be normalised",
    "norms={values: 300}":
        "'norms.values' is 300, but layer 0 has only 128 points; ask for fewer values, or raise 'layers.cells'",
    "spectrum={pairs: 300}":
        "'spectrum.pairs' is 300, but layer 0 has only 128 points; ask for fewer pairs, or raise 'layers.cells'",
    "layers={cells: [4, 4, 2]}":
        "raise 'layers.cells'; '[4, 4, 4]' is enough for all layers",
    "layers.ranges={x1_1: [-2, 2]}":
        "x1_1 reaches [-2, 2.96402758008], but its range is given as [-2, 2]; widen it in "
        "'layers.ranges', or leave it out",
    "model.layers[0].noise.half_width=1e-12":
        "cells, more than any grid has: widen the noise",
    "model.layers[1]={weight: [[1e308]], bias: [1e308], activation: relu}":
        "'model.layers[1]': neuron 0 (counted from 0) reaches from 0 to inf, more than numbers can hold",
    "expectation.points=[[3]]":
        "'expectation.points[0]': x = 3 lies outside its range [-1, 1]",
    "projection={kind: neurons, neurons: [x9]}":
        "'projection.neurons' names 'x9', which is no variable of the network. Variables: x, x1_1, x2_1",
    "spectrum.layer=2":
        "'spectrum.layer' is 2, but the steps are 0 to 1",
}


class Network(DriverTest):
    driver = "network"
    input_text = TWO

    def test_two_layers(self):
        for ranks in (1, 3):
            file = self.result("--overwrite", ranks=ranks)
            numpy.testing.assert_allclose(file["expectation/values"][:], EXPECTED, atol=2e-12)
            self.assertLess(file["expectation/discretisation_error"][:].max(), 1e-7)
            self.assertAlmostEqual(file["expectation/mean"][()], 0.081170573177, 11)
            numpy.testing.assert_allclose(
                numpy.exp(file["norms/log_K"][:]), [0.5, 0.827337930013], rtol=1e-11)
            numpy.testing.assert_allclose(
                file["norms/singular_values"][:, 0], [0.67951, 0.83312], atol=1.5e-5)
            for direction in ("backward", "forward"):
                self.assertLess(file[f"memory/{direction}"].attrs["identity"], 1e-13)
            for n in range(3):
                density = file[f"density/layer_{n}"]
                self.assertAlmostEqual(density.attrs["mass"], 1, 12)
                self.assertGreaterEqual(density[:].min(), 0)
            self.assertAlmostEqual(file["density/layer_2"].attrs["mean"][0], 0.081170573177, 3)
            file.close()

    def test_four_variables_on_few_cells(self):
        """Grids of 8 to 16 cells agree with paths within the error of the grid that they state, which is of second order."""
        (self.folder / "input.yaml").write_text(FOUR)
        means = []
        for cells in ("8", "12", "16", "[8, 13, 10]"):
            file = self.result("--overwrite", "--set", f"layers.cells={cells}", ranks=2)
            comparison = file["monte_carlo/values"]
            self.assertLess(comparison.attrs["largest_deviation"], 4)
            # The errors are no excuse for anything: a few thousandths of bins of about 0.1, less on more cells.
            bins = [name.startswith(b"bin") for name in file["monte_carlo/names"][:]]
            if cells.isdigit():
                self.assertLess(comparison[bins, 1].max(), 1 / int(cells) ** 2)
            means.append(file["expectation/mean"][()])
            file.close()
        # c h^2 makes the ratio 2.86, c h 2 and c h^3 4.1.
        self.assertAlmostEqual((means[0] - means[1]) / (means[1] - means[2]), 2.86, delta=0.4)

    def test_paths_that_contradict_the_operators(self):
        # Ranges cut at one sigma miss a third of the noise that paths have.
        (self.folder / "input.yaml").write_text(TWO_LAYERS.replace("uniform, half_width: 2", "gaussian, sigma: 1, reach: 1") +
                                                "density: {}\nmonte_carlo: {samples: 100000}\n")
        done = self.run_driver("input.yaml", "--quiet", ranks=2)
        self.assertEqual(done.returncode, 3)
        self.assertRegex(done.stderr, r"monte_carlo: .* is \S+ by operators, error of the grid \S+, but \S+ by paths, standard "
                                      r"error \S+: \S+ standard errors beyond the error of the grid, 4 at most")

    def test_datasets_explain_themselves(self):
        file = self.result(ranks=2)
        self.assert_explained(file)

    def test_the_shortest_input(self):
        (self.folder / "input.yaml").write_text(
            TWO_LAYERS + "observable: {variables: [y], formula: y}\n")
        self.assertIn("mean over the inputs: 0.0811705731", self.succeed("input.yaml", ranks=2))

    def test_observables_that_grow_slowly_have_means(self):
        (self.folder / "input.yaml").write_text(TWO_LAYERS + "observable: {variables: [y], formula: y}\n")
        for formula in ("log(abs(y))", "abs(y)^-0.9", "1/(y^2 + 1e-6)", "min(100, max(-100, 1/y))", "sin(y)/y", "sign(y)*cos(70*y)"):
            self.succeed("input.yaml", "--check", "--set", f"observable.formula={formula}")

    def test_probabilities_against_paths_and_the_exact_ones(self):
        (self.folder / "input.yaml").write_text(
            TWO_LAYERS + "probability: {set: x2_1 > 1 && x2_1 < 2.3, points: [[0], [0.5]]}\nmonte_carlo: {samples: 400000}\n")

        def from_first(x):
            middle = numpy.tanh(2 * x - 1)
            return numpy.maximum(numpy.minimum(middle + 3, 2.3) - numpy.maximum(middle - 3, 1), 0) / 6

        def from_input(x):
            centre = numpy.tanh(x + 1)
            places = centre - 2 + 4 * (numpy.arange(200000) + 0.5) / 200000
            return from_first(places).mean()

        exact = [from_input(0), from_input(0.5)]
        exact.append(numpy.mean([from_input(-1 + 2 * (i + 0.5) / 400) for i in range(400)]))
        for ranks in (1, 3):
            file = self.result("--overwrite", ranks=ranks)
            found = [*file["probability/values"][:], file["probability/total"][()]]
            # A boundary cuts a cell at one of 1024 places; the rest is the step of shares.
            numpy.testing.assert_allclose(found, exact, atol=3e-4)
            names = file["monte_carlo/names"][:].astype(str).tolist()
            for own, name in zip(found, ("P(x2_1 > 1 && x2_1 < 2.3 | x = 0)", "P(x2_1 > 1 && x2_1 < 2.3 | x = 0.5)",
                                         "P(x2_1 > 1 && x2_1 < 2.3)")):
                row = file["monte_carlo/values"][names.index(name)]
                self.assertEqual(row[0], own)
                self.assertLess(abs(row[2] - row[0]), 4 * row[3] + row[1])
                self.assertAlmostEqual(row[3], (own * (1 - own) / 400000)**0.5, 5)
            self.assertLess(file["monte_carlo/values"].attrs["largest_deviation"], 4)
            file.close()

    def test_observables_without_a_mean_on_wide_layers(self):
        (self.folder / "input.yaml").write_text(WIDTHS.split("layers: {cells")[0] + "dictionary: {degree: 2, samples: 2000}\n"
                                                "observable: {variables: [p, q], formula: q/(p - 0.7)}\n")
        for ranks in (1, 2):
            done = self.run_driver("input.yaml", "--quiet", ranks=ranks)
            self.assertEqual(done.returncode, 2)
            self.assertRegex(done.stderr, r"input.yaml:\d+: 'observable.formula' has no mean: near x3_1 = 0.7, x3_2 = \S+ it "
                                          r"grows like 1/distance\^1, whose integral")
        self.succeed("input.yaml", "--check", "--set", "observable.formula=q/(p + 5)")
        for setting, text in (
                ("observable.formula=log(p - 1)",
                 r"observable.formula=log\(p - 1\): 'observable.formula' must be finite wherever paths lead \(it is -?nan\) at "
                 r"x3_1 = \S+, x3_2 = -?[0-9.e-]+\n"),
                ("probability={set: p > 0}",
                 "'probability' needs grids, so it does not go with 'dictionary'; remove it, and give its 'set' as")):
            done = self.run_driver("input.yaml", "--quiet", "--set", setting, ranks=2)
            self.assertEqual(done.returncode, 2)
            self.assertRegex(done.stderr, text)

    def test_widths_that_change(self):
        (self.folder / "input.yaml").write_text(WIDTHS)
        results = []
        for ranks in (1, 2, 4):
            file = self.result("--overwrite", ranks=ranks)
            for direction in ("backward", "forward"):
                self.assertLess(file[f"memory/{direction}"].attrs["identity"], 1e-13)
            self.assertLess(file["monte_carlo/values"].attrs["largest_deviation"], 4)
            results.append([file[name][:] for name in
                            ("expectation/layer_0", "density/layer_3", "memory/forward/memory")])
            file.close()
        for other in results[1:]:
            for a, b in zip(results[0], other):
                numpy.testing.assert_allclose(a, b, rtol=1e-11, atol=1e-13)

    def test_wide_layers_are_held_on_sampled_functions(self):
        weights = [[[round(1.5 * math.sin(7 * i + 3 * j + n), 4) / columns**0.5 for j in range(columns)]
                    for i in range(rows)] for n, (rows, columns) in enumerate([(16, 2), (16, 16), (1, 16)])]
        layers = "".join(f"    - {{weight: {weight}, activation: tanh, noise: {{kind: uniform, half_width: 0.3}}}}\n"
                         for weight in weights)
        (self.folder / "input.yaml").write_text(
            "model:\n  kind: network\n  input: {x: [-1, 1], y: [-1, 1]}\n  layers:\n" + layers +
            "dictionary: {degree: 1, outputs: 2, samples: 20000}\nobservable: {variables: [z], formula: z}\n"
            "projection: {kind: basis, rank: 2}\nmemory: {}\nreduction: {tolerance: 0.05}\n")
        means, errors = [], []
        for ranks in (1, 2, 4):
            file = self.result("--overwrite", ranks=ranks)
            self.assertLess(file["memory/backward"].attrs["identity"], 1e-13)
            # With the memory of all lags kept the reduced layers leave nothing out.
            self.assertLess(file["reduction/measured_error"][-1], 1e-12)
            self.assertGreater(file["reduction/measured_error"][0], 1e-6)
            self.assertLess(file["reduction/network"].attrs["measured_error"], 0.05)
            kept = file["reduction/network/2.weight"].shape
            self.assertEqual(32 - kept[0] - kept[1], file["reduction/network"].attrs["dropped"])
            means.append(file["expectation/mean"][()])
            errors.append(file["reduction/measured_error"][0])
            file.close()
        numpy.testing.assert_allclose(means, means[0], rtol=1e-10, atol=1e-12)
        numpy.testing.assert_allclose(errors, errors[0], rtol=1e-8)

    def test_an_affine_layer_goes_at_no_cost(self):
        """However strong its noise, which is 0 on average: without noise nothing changes."""
        (self.folder / "input.yaml").write_text(
            "model:\n  kind: network\n  input: {x: [-1, 1], y: [0, 1]}\n  layers:\n"
            "    - {weight: [[1, 0.5], [-0.4, 2], [0.3, 0.1]], activation: tanh, noise: {kind: uniform, half_width: 0.5}}\n"
            "    - {weight: [[1, 2, 0.5], [-1, 0.5, 1]], bias: [0.3, -1], noise: {kind: uniform, half_width: 2}}\n"
            "    - {weight: [[1, -0.7]], activation: tanh}\n"
            "dictionary: {degree: 1, outputs: 2, samples: 5000}\nobservable: {formula: x3_1}\n"
            "reduction: {keep: outputs, tolerance: 1e-10}\n")
        for ranks in (1, 2, 4):
            file = self.result("--overwrite", ranks=ranks)
            self.assertEqual([name.decode() for name in file["reduction/layers"][:]], ["layer 2", "layer 1"])
            self.assertLess(file["reduction/layer_cost"][0, 2], 1e-13)
            self.assertGreater(file["reduction/layer_cost"][1, 2], 1e-3)
            self.assertEqual(file["reduction/shallow"].attrs["dropped"], 1)
            merged = numpy.array([[1, -0.7]]) @ numpy.array([[1, 2, 0.5], [-1, 0.5, 1]])
            numpy.testing.assert_allclose(file["reduction/shallow/2.weight"][:], merged, atol=1e-12)
            numpy.testing.assert_allclose(file["reduction/shallow/2.bias"][:], [0.3 + 0.7], atol=1e-12)
            file.close()

    def test_a_repeated_layer(self):
        (self.folder / "input.yaml").write_text(
            "model:\n  kind: network\n  input: {x: [-1, 1]}\n  layers: [{weight: [[2]], activation: tanh, "
            "noise: {kind: gaussian, sigma: 0.3}}]\nlayers: {cells: 24}\nspectrum: {pairs: 5}\n")
        for ranks in (1, 2, 4):
            file = self.result("--overwrite", ranks=ranks)
            numpy.testing.assert_allclose(
                file["spectrum/eigenvalues"][:, 0],
                [1, .990307251931, .534821663911, .323774933602, .185087821211], atol=1e-11)
            self.assertLess(file["spectrum/discretisation_error"][:].max(), 1e-6)
            file.close()

    def test_a_repeated_layer_without_noise(self):
        """Near its fixed point .957504024077269 the powers of the multiplier .166372087751674 there, of functions that
        are polynomials on the whole range; ones that jump have a spectrum without gaps."""
        (self.folder / "input.yaml").write_text(
            "model: {kind: network, input: {x: [0.9, 1]}, layers: [{weight: [[2]], activation: tanh}]}\n"
            "layers: {cells: 1, order: 16}\nspectrum: {pairs: 5}\n")
        for ranks in (1, 2, 4):
            file = self.result("--overwrite", ranks=ranks)
            numpy.testing.assert_allclose(
                file["spectrum/eigenvalues"][:, 0], .166372087751674 ** numpy.arange(5), rtol=1e-9, atol=1e-10)
            numpy.testing.assert_allclose(file["spectrum/eigenvalues"][:, 1], 0, atol=1e-12)
            self.assertGreater(file["spectrum/discretisation_error"][:].max(), 0)
            file.close()

    def test_steps_of_gradient_descent(self):
        """x - eta V'(x) + sqrt(2 eta T) xi, V = (x^2-1)^2, T = 1/4: eigenvalues computed with numpy and scipy."""
        cases = {0.05: [1, .998364749468, .850461561047, .747161031852], 0.01: [1, .999698718372, .967598405277]}
        for eta, expected in cases.items():
            (self.folder / "input.yaml").write_text(
                "model: {kind: network, input: {x: [-1, 1]}, layers: [{weight: [[1]], "
                f"formula: 'z - {4 * eta}*(z^3 - z)', noise: {{kind: gaussian, sigma: {math.sqrt(eta / 2)!r}}}}}]}}\n"
                f"layers: {{cells: 80, order: 6}}\nspectrum: {{pairs: {len(expected)}}}\n")
            for ranks in (1, 2, 4):
                file = self.result("--overwrite", ranks=ranks)
                numpy.testing.assert_allclose(file["spectrum/eigenvalues"][:, 0], expected, atol=2e-11)
                file.close()

    def test_wrong_input(self):
        self.assert_settings_refused(SETS)

    def test_the_cells_that_narrow_noise_takes_are_enough(self):
        narrow = ["--set", "model.layers[0].noise.half_width=0.01", "--quiet"]
        done = self.run_driver("input.yaml", *narrow)
        self.assertEqual(done.returncode, 2)
        self.assertIn("the noise of x1_1 is 0.02 wide, less than a cell", done.stderr)
        cells = int(re.search(r"at least (\d+) cells", done.stderr)[1])
        self.assertEqual(self.run_driver("input.yaml", *narrow, "--set", f"layers.cells={cells - 1}").returncode, 2)
        self.succeed("input.yaml", *narrow, "--set", f"layers.cells={cells}")

    def test_cells_that_are_left_out_follow_the_noise(self):
        (self.folder / "input.yaml").write_text(
            "model:\n  kind: network\n  input: {x: [-1, 1]}\n  layers:\n"
            "    - {weight: [[1.3]], activation: softplus, noise: {kind: gaussian, sigma: 0.4}}\n"
            "    - {weight: [[1]], activation: tanh, noise: {kind: gaussian, sigma: 0.2}}\n"
            "observable: {variables: [y], formula: y^2}\nexpectation: {points: [[0.3]]}\nspectrum: {layer: 1, pairs: 2}\n")
        file = self.result()
        nodes, weights = numpy.polynomial.legendre.leggauss(200)
        gauss = numpy.exp(-(9 * nodes)**2 / 2) * weights
        first = math.log1p(math.exp(1.3 * 0.3)) + 0.4 * 9 * nodes
        exact = gauss @ numpy.tanh(first)**2 / gauss.sum() + 0.04
        self.assertAlmostEqual(file["expectation/values"][0], exact, 10)
        self.assertLess(file["expectation/discretisation_error"][0], 1e-6)

    def test_a_stop_while_matrices_are_made(self):
        (self.folder / "input.yaml").write_text(
            "model:\n  kind: network\n  input: {x: [-1, 1], z: [-1, 1]}\n  layers:\n"
            "    - {weight: [[1, 0], [0, 1]], activation: tanh, noise: {kind: gaussian, sigma: 0.9}}\n"
            "layers: {cells: 90, order: 1}\nobservable: {variables: [y, v], formula: y}\n")
        begun = time.monotonic()
        done = self.run_driver("input.yaml", "--quiet", "--walltime", "1s", ranks=2)
        self.assertEqual(done.returncode, 75, done.stderr)
        self.assertIn("stopped by the end of its wall time", done.stderr)
        self.assertLess(time.monotonic() - begun, 15)

    def test_check(self):
        text = self.succeed("input.yaml", "--check")
        self.assertIn("layer 1: x1_1 [-2, 2.96403]; 16 cells of 8 points per variable", text)
        self.assertIn("nothing was run", text)
        self.assertEqual(list(self.folder.glob("*.h5")), [])


if __name__ == "__main__":
    unittest.main()
