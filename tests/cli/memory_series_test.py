#!/usr/bin/env python3
"""The driver mori_zwanzig on time series: results, agreement of ranks, errors."""
import unittest

import numpy
from support import DriverTest

INPUT = """\
title: A rotating process
model: {kind: trajectory, variables: [x, y], files: [a.npy, b.npy], dt: 0.1}
projection: {kind: observables, observables: [x]}
memory: {lags: 6}
bootstrap: {samples: 20, block: 5}
"""
GRID = "{x: {from: -9, to: 9, cells: 18}, y: {from: -9, to: 9, cells: 18}}"
A = numpy.array([[0.8, 0.3], [-0.3, 0.7]])
REFUSED = {
    "memory.lags=4000":
        "'memory.lags' and one more: 400.1 is 4001 frames of 'model.dt', but the longest of the 2 "
        "pieces of the trajectory has 3000 frames: there is no pair; choose a shorter lag",
    "projection.observables=[x, 2 - x]":
        "'projection.observables[1]' (2 - x) is a linear combination of those before it and the "
        "constant 1 on the data",
    "projection.observables=[x - x]":
        "'projection.observables[0]' (x - x) is constant on the data; the constant 1 belongs to every "
        "projection already, and nothing else is known of a constant; remove it",
    "projection={kind: variables, variables: [x]}":
        "'projection.kind' is 'variables', which takes an operator on a grid; of a trajectory name "
        "'observables' or 'sets'",
    "memory.inner_product=lebesgue":
        "'memory.inner_product' is 'lebesgue', but averages over frames are those of the stationary "
        "density; remove it",
    "memory.times={to: 1, steps: 10}":
        "'memory.lags' is for discrete time and 'memory.times' for continuous time; remove one of "
        "them",
    "counts={}":
        "'counts' belongs to a grid, on which transitions are counted; add 'grid', or remove it",
}


def path(frames, seed):
    """x -> A x + noise."""
    noise = numpy.random.default_rng(seed).normal(size=(frames, 2))
    x = [noise[0]]
    for step in noise[1:]:
        x.append(A @ x[-1] + step)
    return numpy.array(x)


class MemoryOfSeries(DriverTest):
    driver = "mori_zwanzig"
    input_text = INPUT

    def refused(self, message, *arguments):
        before = self.files()
        done = self.run_driver("input.yaml", "--quiet", *arguments, ranks=2)
        self.assertEqual(done.returncode, 2, done.stderr)
        self.assertIn(message, done.stderr)
        self.assertEqual(done.stderr.count("error:"), 1)
        self.assertEqual(self.files(), before)

    def setUp(self):
        super().setUp()
        numpy.save(self.folder / "a.npy", path(3000, 1))
        numpy.save(self.folder / "b.npy", path(2000, 2))

    def test_result(self):
        exact = [A[0, 0]] + [A[0, 1] * A[1, 1] ** l * A[1, 0] for l in range(6)]
        results = []
        for ranks in (1, 2, 4):
            file = self.result("--overwrite", ranks=ranks)
            self.assertEqual(file["memory"].attrs["source"], b"time series")
            self.assertNotIn("memory_operator", file)
            lower, upper = file["memory/omega_lower"][:, 0, 0], file["memory/omega_upper"][:, 0, 0]
            width = upper - lower
            self.assertTrue((width > 0).all())
            self.assertTrue(((lower - width < exact) & (exact < upper + width)).all())
            self.assertGreaterEqual(((lower < exact) & (exact < upper)).sum(), 5)
            self.assertLess(file["memory/identity_error"][0], 1e-13)
            self.assert_explained(file)
            results.append({name: file["memory/" + name][:]
                            for name in ("omega", "omega_lower", "propagator", "gram")})
            file.close()
        for other in results[1:]:
            for name, values in results[0].items():
                numpy.testing.assert_allclose(values, other[name], rtol=1e-9, atol=1e-12)

    def test_beside_the_fitted_operator(self):
        file = self.result("--set", f"grid={GRID}", "--set", "memory.rates=2", ranks=2)
        shared = set(file["memory"]) & set(file["memory_operator"])
        self.assertLessEqual({"omega", "times", "propagator", "gram", "truncation_error"}, shared)
        for name in ("omega", "times", "gram", "integral", "truncation_error"):
            self.assertEqual(file["memory"][name].shape, file["memory_operator"][name].shape, name)
        self.assertEqual(file["memory_operator"].attrs["source"], b"operator")
        self.assertEqual(len(file["memory_operator/rates"]), 2)
        lower, upper = file["memory/omega_lower"][:, 0, 0], file["memory/omega_upper"][:, 0, 0]
        fitted = file["memory_operator/omega"][:, 0, 0]
        width = upper - lower + 0.05  # cells as wide as a third of the noise smear the variables
        self.assertTrue(((lower - width < fitted) & (fitted < upper + width)).all())
        self.assertGreater(file["grid"].attrs["kept_pairs"], 0.9)

    def test_kernel_in_continuous_time(self):
        file = self.result("--set", "memory={times: {to: 1, steps: 10}, smoothing: 0.2}")
        self.assertEqual(file["memory/kernel"].shape, (11, 1, 1))
        self.assertEqual(file["memory/kernel_upper"].shape, (11, 1, 1))
        self.assertEqual(file["memory"].attrs["smoothing"], 0.2)
        self.assertEqual(file["memory"].attrs["samples"], 20)
        self.assertGreater(file["memory"].attrs["kernel_error"], -1)
        file.close()
        self.refused(
            "'grid' asks for the operator fitted to the data, which moves in steps of the lag; use "
            "'memory.lags' in place of 'memory.times', or remove 'grid'", "--set",
            "memory={times: {to: 1, steps: 10}}", "--set", f"grid={GRID}", "--overwrite")

    def test_wrong_keys(self):
        for assignment, message in REFUSED.items():
            with self.subTest(assignment):
                self.refused(message, "--set", assignment)

    def test_check(self):
        out = self.succeed("input.yaml", "--check", ranks=2)
        self.assertIn("5000 frames in 2 pieces, 0.1 apart; 4998 pairs at lag 0.1", out)
        self.assertEqual(self.files(), ["a.npy", "b.npy", "input.yaml"])


if __name__ == "__main__":
    unittest.main()
