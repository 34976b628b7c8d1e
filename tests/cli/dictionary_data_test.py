#!/usr/bin/env python3
"""Dictionaries on trajectories in the driver koopman: results, ranks, real data, errors."""
import unittest

import h5py
import numpy
from support import ROOT, DriverTest

INPUT = """\
title: Two pieces of a stochastic system
model: {kind: trajectory, variables: [x], files: [a.npy, b.npy], dt: 0.5, lag: 1}
dictionary: {family: monomial, degree: 2, held_out: 0.25}
grid: {x: {from: -5, to: 5, cells: 20}}
spectrum: {pairs: 3, sides: both}
time_scales: {lags: [0.5, 1], pairs: 2}
modes: {observables: {x: x}, predict: {from: [[1]], steps: 2}}
bootstrap: {samples: 4, block: 50}
"""
ALANINE = f"""\
model:
  kind: trajectory
  variables: [phi, psi]
  files: [{ROOT}/inputs/data/alanine_1.npy, {ROOT}/inputs/data/alanine_2.npy]
  dt: 0.2
dictionary: {{family: fourier, degree: 6, on: {{phi: [-pi, pi], psi: [-pi, pi]}}}}
time_scales: {{lags: [2], pairs: 2}}
"""
SETS = {
    "model.lag=3000":
        "'model.lag': 3000 is 6000 frames of 'model.dt', but the longest of the 2 pieces of the "
        "trajectory has 4000 frames: there is no pair; choose a shorter lag",
    "time_scales.lags=[0.7]":
        "'time_scales.lags[0]' is 0.7, but must be a multiple of the 0.5 between two frames "
        "('model.dt'), e.g. 0.5 or 1",
    "dictionary.formulas=[x]":
        "the functions 'x' and 'x' are proportional at all samples, so that the Gram matrix is "
        "singular; remove one of them; or set 'dictionary.singular: cut' to leave out what is "
        "dependent",
    "dictionary.held_out=0.7":
        "'dictionary.held_out' is 0.7, but must be a number in [0, 0.5]",
    "dictionary.images=noisy":
        "'dictionary.images' is 'noisy', but must be one of random, exact",
    "sampling.points=3":
        "'sampling' belongs to a model of kind 'map', 'flow' or 'sde'; the samples of a trajectory are its "
        "frames; remove it",
    "counts.estimator=plain":
        "'counts' belongs to a grid, not to a 'dictionary'; remove one of them",
    "pseudospectrum.re.points=3":
        "'pseudospectrum' needs images without noise; set 'dictionary.images: exact' if the frames "
        "follow from each other, or remove it",
    "bootstrap.block=0.7":
        "'bootstrap.block' is 0.7, but must be a multiple of the 0.5 between two frames",
}


def path(frames, seed):
    """x_(n+1) = 0.9 x_n + noise."""
    noise = numpy.random.default_rng(seed).normal(size=frames)
    x = [noise[0]]
    for xi in noise[1:]:
        x.append(0.9 * x[-1] + numpy.sqrt(1 - 0.81) * xi)
    return numpy.array(x).reshape(-1, 1)


class DictionaryOfData(DriverTest):
    driver = "koopman"
    input_text = INPUT

    def setUp(self):
        super().setUp()
        numpy.save(self.folder / "a.npy", path(4000, 1))
        numpy.save(self.folder / "b.npy", path(3000, 2))

    def test_result_on_any_number_of_ranks(self):
        # 0.25 of blocks of 100 frames, spread: every fourth.
        g = numpy.zeros((3, 3))
        a = numpy.zeros((3, 3))
        block = 0
        for name in ("a", "b"):
            x = numpy.load(self.folder / f"{name}.npy")[:, 0]
            start = numpy.arange(len(x) - 2)
            keep = (block + start // 100) % 4 != 3
            block += len(x) // 100
            before, after = (x[s + start[keep]][:, None] ** numpy.arange(3) for s in (0, 2))
            g += before.T @ before
            a += before.T @ after
        exact = numpy.sort(numpy.linalg.eigvals(numpy.linalg.solve(g, a)).real)[::-1]
        results = []
        for ranks in (1, 2, 4):
            self.succeed("input.yaml", "--quiet", "--output", f"n{ranks}.h5", ranks=ranks)
            file = h5py.File(self.folder / f"n{ranks}.h5")
            self.addCleanup(file.close)
            results.append(file)
            numpy.testing.assert_allclose(file["gram/g"][:], g / g[0, 0], rtol=1e-12, atol=1e-14)
            numpy.testing.assert_allclose(file["gram/a"][:], a / g[0, 0], rtol=1e-11, atol=1e-13)
            numpy.testing.assert_allclose(file["spectrum/eigenvalues"][:, 0], exact, atol=1e-11)
        for other in results[1:]:
            for name in ("spectrum/residuals", "spectrum/independent_residuals", "spectrum/right",
                         "spectrum/eigenvalues_lower", "spectrum/eigenvalues_upper",
                         "time_scales/values", "time_scales/upper", "modes/prediction/x"):
                numpy.testing.assert_allclose(
                    other[name][:], results[0][name][:], rtol=1e-7, atol=1e-9, err_msg=name)
        file = results[0]
        # The scale of x is 1/ln(1/0.9) steps of 0.5, by the data of both files.
        scale = -0.5 / numpy.log(0.9)
        self.assertAlmostEqual(file["time_scales/values"][1, 0], scale, delta=0.2 * scale)
        # Without a constant part x would be predicted to be 0.81^n.
        numpy.testing.assert_allclose(file["modes/prediction/x"][0], 0.81 ** numpy.arange(3), atol=0.06)
        self.assert_explained(file)

    def test_wrong_keys(self):
        self.assert_settings_refused(SETS)

    def test_a_value_that_is_not_finite(self):
        data = path(4000, 1)
        data[3500] = numpy.nan
        numpy.save(self.folder / "a.npy", data)
        for ranks in (1, 4):
            self.assert_refused(
                "'a.npy': row 3500, column 0 (from 0) is nan, but every value must be finite; cut the "
                "array there into several", "input.yaml", "--quiet", ranks=ranks)

    def test_the_peptide_against_its_markov_chain(self):
        # A chain on 36 x 36 cells has 1003 and 1.508 ps at a lag of 2 ps (README); 85 functions
        # come to 97 % of the slow one.
        (self.folder / "input.yaml").write_text(ALANINE)
        file = self.result(ranks=2)
        slow, fast = file["time_scales/values"][0]
        self.assertAlmostEqual(slow, 1003, delta=50)
        self.assertAlmostEqual(fast, 1.508, delta=0.02)

    def test_check(self):
        out = self.succeed("input.yaml", "--check", ranks=2)
        self.assertIn("7000 frames in 2 pieces, 0.5 apart; 6996 pairs at lag 1", out)
        self.assertIn("3 functions: 1, x, ..., x^2", out)
        self.assertEqual(self.files(), ["a.npy", "b.npy", "input.yaml"])


if __name__ == "__main__":
    unittest.main()
