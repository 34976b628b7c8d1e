#!/usr/bin/env python3
"""Dictionaries in the driver koopman as a user meets them: results, errors, ranks, checkpoints."""
import unittest

import h5py
import numpy
from support import DriverTest

POLLUTION = """\
title: Spectral pollution
model: {kind: map, variables: [x], map: [exp(-2*x^2)-1-exp(-2)]}
dictionary: {family: legendre, functions: 40, on: {x: [-1, 0]}}
sampling: {rule: gauss, points: 100}
spectrum: {pairs: 40, sides: both}
pseudospectrum: {re: {from: -1, to: 1, points: 5}, im: {from: 0, to: 1, points: 3}}
modes: {observables: {x: x, square: x^2}, predict: {from: [[-0.4], [-0.9]], steps: 4}}
"""
SETS = {
    "dictionary.famly=legendre":
        "unknown key 'dictionary.famly'. Did you mean 'family'?",
    "dictionary.degree=3":
        "'dictionary.functions' says the same as 'degree'; give one of them",
    "dictionary.family=indicator":
        "'dictionary.functions' belongs to polynomials, fourier and rbf, but 'family' is "
        "'indicator'; remove it",
    "sampling.points=0":
        "'sampling.points' is 0, but must be an integer in [1, 10000000000]",
    "sampling.weight=-1":
        "'sampling.weight' must be finite and not negative, but is -1 at",
    "model.map=[2*x]":
        "'model.map[0]' leads to x = -1.99971, beyond the lower end of 'dictionary.on.x' (-1), from "
        "x = -0.999857; widen 'dictionary.on', or set 'dictionary.outside: extrapolate'",
    "model.map=[ln(-1-x)]":
        "'model.map[0]' is not finite (it is nan) at x = -0.999857",
    "pseudospectrum.re.from=2":
        "'pseudospectrum.re.from' must be below 'to'",
    "modes.predict.from=[[0, 1]]":
        "'modes.predict.from' must be points of 1 coordinate, e.g. [[0]]",
}


class Dictionary(DriverTest):
    driver = "koopman"
    input_text = POLLUTION

    def test_result_on_any_number_of_ranks(self):
        names = ("spectrum/residuals", "pseudospectrum/residual", "gram/a",
                 "modes/prediction/square")
        results = []
        for ranks in (1, 2, 4):
            self.succeed("input.yaml", "--quiet", "--output", f"n{ranks}.h5", ranks=ranks)
            with h5py.File(self.folder / f"n{ranks}.h5") as file:
                results.append([file[name][:] for name in names])
                if ranks != 2:
                    continue
                values = file["spectrum/eigenvalues"][:]
                residuals = file["spectrum/residuals"][:]
                verdicts = file["spectrum/verdict"][:]
                at = numpy.argmin(abs(values[:, 0] - 0.011652338) + abs(values[:, 1]))
                self.assertAlmostEqual(residuals[at], 8.8e-6, delta=5e-8)
                # Thirty functions do not have it yet, but the residual is that of the operator.
                self.assertEqual(verdicts[at], b"converged")
                self.assertGreater(file["spectrum/discretisation_error"][at], 0.1 * values[at, 0])
                ring = abs(values[:, 1]) > 0.05
                self.assertGreater(ring.sum(), 10)
                self.assertGreater(residuals[ring].min(), 0.02)  # next to 1
                self.assertAlmostEqual(residuals[ring].max(), 0.49, delta=0.005)
                self.assertEqual(set(verdicts[ring]), {b"suspect"})
                # Predictions are those of the map, to what forty polynomials can.
                numpy.testing.assert_allclose(file["modes/prediction/x"][:], file["modes/path/x"][:],
                                              atol=2e-3)
                # The residual can be computed from the matrices in the file.
                g, a, l = (file["gram/" + name][:] for name in "gal")
                v, mu = file["spectrum/coefficients_right"][at], values[at, 0]
                square = v @ l @ v - 2 * mu * (v @ a @ v) + mu**2 * (v @ g @ v)
                numpy.testing.assert_allclose(
                    numpy.sqrt(square / (v @ g @ v)), residuals[at], rtol=1e-3)
                self.assert_explained(file)
        for other in results[1:]:
            for a, b in zip(results[0], other):
                # Residuals of the non-normal pairs carry rounding times their condition.
                numpy.testing.assert_allclose(a, b, rtol=1e-4, atol=1e-6)

    def test_wrong_keys(self):
        self.assert_settings_refused(SETS)

    def test_other_sections_do_not_fit(self):
        (self.folder / "input.yaml").write_text(POLLUTION + "stationary: {}\n")
        self.assert_refused("input.yaml:8: 'stationary' belongs to a grid, not to a 'dictionary'; "
                            "remove one of them", "input.yaml")
        (self.folder / "input.yaml").write_text(
            "model: {kind: map, variables: [x], map: [x/2]}\n"
            "grid: {x: {from: 0, to: 1, cells: 8}}\npseudospectrum: {}\nspectrum: {}\n")
        self.assert_refused("input.yaml:3: 'pseudospectrum' belongs to a 'dictionary'; add one, or "
                            "remove it", "input.yaml")

    def test_singular_matrices(self):
        (self.folder / "input.yaml").write_text(
            "model: {kind: map, variables: [x], map: [x/2]}\n"
            "dictionary: {formulas: [x, 2*x]}\nsampling: {on: {x: [0, 1]}}\nspectrum: {}\n")
        self.assert_refused("the functions 'x' and '2*x' are proportional at all samples, so that the Gram "
                            "matrix is singular; remove one of them; or set 'dictionary.singular: cut' to "
                            "leave out what is dependent", "input.yaml", "--quiet", ranks=2)
        (self.folder / "input.yaml").write_text(
            "model: {kind: map, variables: [x], map: [x/2]}\n"
            "dictionary: {family: monomial, degree: 40}\nsampling: {on: {x: [0, 1]}}\n"
            "spectrum: {pairs: 4}\n")
        done = self.run_driver("input.yaml", ranks=2)
        self.assertEqual(done.returncode, 0, done.stderr)
        self.assertIn("the Gram matrix is singular to rounding", done.stderr)

    def test_filter_leaves_out_the_ring(self):
        file = self.result("--set", "spectrum.filter=residual", ranks=2)
        self.assertEqual(set(file["spectrum/verdict"][:]), {b"converged"})
        values = file["spectrum/eigenvalues"][:]
        self.assertLess(abs(values[:, 1]).max(), 1e-6)
        for right in (1, 0.011652338, 0.001923106):
            self.assertLess(abs(values[:, 0] - right).min(), 1e-8)

    def test_check_predicts(self):
        text = self.succeed("input.yaml", "--check", ranks=2)
        self.assertIn("40 functions: 1, P1(x), ..., P39(x)", text)
        self.assertIn("GFlop for Gram matrices", text)
        self.assertEqual(list(self.folder.glob("*.h5")), [])

    def test_a_long_pass_goes_on_where_it_stopped(self):
        options = ["--set", "sampling.rule=quasi_monte_carlo", "--set", "sampling.points=3000000"]
        done = self.run_driver("input.yaml", *options, "--walltime", "1s", ranks=2)
        self.assertEqual(done.returncode, 75, done.stdout + done.stderr)
        text = self.succeed("input.yaml", *options, "--restart", "auto", ranks=1)
        self.assertIn("resuming from", text)
        again = self.succeed("input.yaml", *options, "--output", "whole.h5", ranks=2)
        self.assertNotIn("resuming", again)
        with h5py.File(self.folder / "input.h5") as a, h5py.File(self.folder / "whole.h5") as b:
            for name in ("gram/g", "gram/a", "gram/l"):
                numpy.testing.assert_allclose(a[name][:], b[name][:], rtol=1e-10, atol=1e-10)


if __name__ == "__main__":
    unittest.main()
