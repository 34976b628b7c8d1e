#!/usr/bin/env python3
"""Flows in the driver koopman: double gyre, noise, what is reported, and wrong input."""
import unittest

import h5py
import numpy
from support import ROOT, DriverTest

OU = """\
title: Ornstein-Uhlenbeck
model: {kind: flow, variables: [x], drift: [-x], diffusion: 0.5, lag: 0.5, steps: 10}
grid: {x: {from: -4.5, to: 4.5, cells: 60}}
ulam: {samples: 400, outside: leak}
stationary: {observables: {variance: x^2}}
spectrum: {pairs: 3}
"""
SETS = {
    "model.drift=[-y]": "'model.drift[0]' has an unknown name 'y'",
    "model.lag=0": "'model.lag' is 0, but must be a number > 0",
    "model.steps=0": "needs 'steps' because it has noise",
    "model.method=verner": "'model.method' is 'verner', which is for flows without noise",
    "ulam.outside=error": "leads to x = ",
    "model.drift=[-x*t]":
        "'stationary' repeats the step of one lag, but the formulas of the flow have other values "
        "at t = ",
    "model.drift=[-100*x^3]": "raise 'model.steps'",
}


def gyre(t, x, y):
    """The driven double gyre of inputs/double_gyre.yaml."""
    s = 0.25 * numpy.sin(2 * numpy.pi * t)
    f = s * x**2 + (1 - 2 * s) * x
    return (-numpy.pi / 4 * numpy.sin(numpy.pi * f) * numpy.cos(numpy.pi * y),
            numpy.pi / 4 * numpy.cos(numpy.pi * f) * numpy.sin(numpy.pi * y) * (2 * s * x + 1 - 2 * s))


def flown(x, y, lag, steps=400):
    """Images by the classical method of Runge and Kutta, whose error here is below 1e-9."""
    h = lag / steps
    for n in range(steps):
        t = n * h
        a = gyre(t, x, y)
        b = gyre(t + h / 2, x + h / 2 * a[0], y + h / 2 * a[1])
        c = gyre(t + h / 2, x + h / 2 * b[0], y + h / 2 * b[1])
        d = gyre(t + h, x + h * c[0], y + h * c[1])
        x = x + h / 6 * (a[0] + 2 * b[0] + 2 * c[0] + d[0])
        y = y + h / 6 * (a[1] + 2 * b[1] + 2 * c[1] + d[1])
    return x, y


class Flow(DriverTest):
    driver = "koopman"
    input_text = OU

    def test_double_gyre_is_what_an_independent_program_finds(self):
        (self.folder / "input.yaml").write_text((ROOT / "inputs" / "double_gyre.yaml").read_text())
        small = ["--set", "grid.x.cells=32", "--set", "grid.y.cells=16", "--set", "ulam.samples=5"]
        file = self.result(*small, ranks=2)
        nx, ny, samples = 32, 16, 5
        x, y = numpy.meshgrid((numpy.arange(nx * samples) + 0.5) * 2 / (nx * samples),
                              (numpy.arange(ny * samples) + 0.5) / (ny * samples), indexing="ij")
        rows = (numpy.arange(nx * samples) // samples)[:, None] * ny + \
            (numpy.arange(ny * samples) // samples)[None, :]
        to_x, to_y = flown(x, y, 2)
        columns = (to_x * nx / 2).astype(int) * ny + (to_y * ny).astype(int)
        matrix = numpy.zeros((nx * ny, nx * ny))
        numpy.add.at(matrix, (rows.ravel(), columns.ravel()), 1 / samples**2)
        # Cells of equal mass at the beginning; q is their mass at the end.
        p = numpy.full(nx * ny, 1 / (nx * ny))
        q = p @ matrix
        with numpy.errstate(divide="ignore"):
            scaled = numpy.sqrt(p)[:, None] * matrix * numpy.where(q > 0, 1 / numpy.sqrt(q), 0)
        exact = numpy.linalg.svd(scaled, compute_uv=False)[:4]
        numpy.testing.assert_allclose(file["coherent_sets/singular_values"][:], exact, atol=1e-9)
        # Two halves that are carried along, and hardly mix: left and right of the moving wall.
        self.assertGreater(exact[1], 0.9)
        sides = file["coherent_sets/beginning"][1] > 0
        left = numpy.repeat((numpy.arange(nx) < nx / 2)[:, None], ny, axis=1)
        share = numpy.mean(sides == left)
        self.assertGreater(max(share, 1 - share), 0.85)
        self.assertIn(b"Dormand-Prince", file["integration"].attrs["method"])
        self.assertLess(numpy.max(file["integration/largest_change"][:]), 1e-6)

    def test_double_gyre_as_the_example_has_it(self):
        (self.folder / "input.yaml").write_text((ROOT / "inputs" / "double_gyre.yaml").read_text())
        # The same program as above with the cells and samples of the example, and SciPy's svds. An image on
        # the edge of a cell may be counted on either side, which moves a value by some 1e-9.
        exact = [1, 0.9998534659196, 0.9994489122066, 0.9994367594886]
        file = self.result(ranks=2)
        numpy.testing.assert_allclose(file["coherent_sets/singular_values"][:], exact, atol=2e-9)

    def test_eigenvalues_of_a_noisy_flow_lie_within_their_errors(self):
        file = self.result(ranks=2)
        values = file["spectrum/eigenvalues"][:, 0]
        exact = numpy.exp(-0.5 * numpy.arange(3))
        stated = file["spectrum/discretisation_error"][:] + 3 * file["spectrum/sampling_error"][:]
        for n in range(1, 3):
            self.assertLess(abs(values[n] - exact[n]), stated[n])
        self.assertLess(stated[1], 0.03)
        self.assertEqual(file["spectrum/sampling_error"].attrs["draws"], 400)
        self.assertAlmostEqual(file["stationary/observables/variance"][0], 0.5, delta=0.03)
        mean = file["integration/mean_change"][0]
        self.assertLess(abs(mean), 2e-4 + 4 * file["integration/mean_standard_error"][0])

    def test_any_number_of_ranks_gives_the_same_numbers(self):
        self.succeed("input.yaml", "--quiet", "--output", "one.h5")
        self.succeed("input.yaml", "--quiet", "--output", "three.h5", ranks=3)
        with h5py.File(self.folder / "one.h5") as one, h5py.File(self.folder / "three.h5") as three:
            for name in ("spectrum/eigenvalues", "stationary/density", "integration/rms_change"):
                numpy.testing.assert_allclose(one[name][:], three[name][:], rtol=1e-9, atol=1e-11)

    def test_wrong_input_names_the_key(self):
        for key, message in SETS.items():
            with self.subTest(key):
                done = self.run_driver("input.yaml", "--set", key)
                self.assertEqual(done.returncode, 2, done.stderr)
                self.assertIn(message, done.stderr)
                self.assertFalse((self.folder / "input.h5").exists())

    def test_a_flow_that_changes_has_coherent_sets_of_one_step_only(self):
        text = (ROOT / "inputs" / "double_gyre.yaml").read_text()
        (self.folder / "input.yaml").write_text(text)
        small = ["--set", "grid.x.cells=16", "--set", "grid.y.cells=8", "--set", "ulam.samples=3"]
        self.succeed("input.yaml", "--quiet", "--set", "model.lag=0.3", *small)
        done = self.run_driver("input.yaml", "--overwrite", "--set", "model.lag=0.3", "--set",
                               "coherent_sets.steps=2", *small)
        self.assertEqual(done.returncode, 2)
        self.assertIn("make 'model.lag' a multiple of the period", done.stderr)

    def test_options_reach_the_integrator(self):
        text = OU.replace("diffusion: 0.5, ", "").replace(", steps: 10", "").replace("60", "61")
        (self.folder / "input.yaml").write_text(text)
        output = self.succeed("input.yaml", "--overwrite", "-flow_ts_rk_type", "8vr")
        self.assertIn("integrated by", output)
        done = self.run_driver("input.yaml", "--overwrite", "-flow_ts_rk_tpye", "8vr")
        self.assertEqual(done.returncode, 2)
        self.assertIn("flow_ts_rk_tpye", done.stderr)

    def test_dictionaries_of_flows(self):
        # x' = -x over ln 2 halves x: eigenvalues are the powers of 1/2, and polynomials suffice.
        (self.folder / "input.yaml").write_text("""\
model: {kind: flow, variables: [x], drift: [-x], lag: ln(2), rtol: 1e-12, atol: 1e-13}
dictionary: {family: legendre, degree: 4, on: {x: [-1, 1]}}
sampling: {rule: gauss, points: 12}
spectrum: {pairs: 5}
""")
        file = self.result(ranks=2)
        numpy.testing.assert_allclose(file["spectrum/eigenvalues"][:, 0], 0.5**numpy.arange(5), atol=1e-9)
        self.assertIn("integration", file)
        # With noise: E X^2 after t is x^2 e^-2t + (1 - e^-2t)/2, the eigenvalue of He_2 e^-2t.
        (self.folder / "noisy.yaml").write_text("""\
model: {kind: flow, variables: [x], drift: [-x], noise: 1, lag: 0.5, steps: 8}
dictionary: {family: hermite, degree: 2, scale: 0.7071067811865476}
sampling: {rule: monte_carlo, points: 4000, paths: 16}
spectrum: {pairs: 3}
""")
        file = self.result(name="noisy", ranks=2)
        values = file["spectrum/eigenvalues"][:, 0]
        numpy.testing.assert_allclose(values, numpy.exp(-0.5 * numpy.arange(3)), atol=0.02)
        # Hermite functions are eigenfunctions: residuals are those of sampling, not of the noise,
        # which has a standard deviation of 0.2 in the mean over 16 paths.
        self.assertLess(file["spectrum/residuals"][:].max(), 0.08)
        done = self.run_driver("noisy.yaml", "--overwrite", "--set", "pseudospectrum.re.points=3")
        self.assertEqual(done.returncode, 2)


if __name__ == "__main__":
    unittest.main()
