#!/usr/bin/env python3
"""What a run computes and how its file describes it, whatever the number of ranks."""
import unittest

import h5py
import numpy
from support import DriverTest

TINY = """\
model: {variables: [x, y], drift: [y - x, -x - y], diffusion: 0.5}
grid: {x: {from: -2, to: 2, cells: 3}, y: {from: -2, to: 2, cells: 2}}
stationary: {}
spectrum: {pairs: 4, sides: both}
transitions: {from: x < -1, to: x > 1, points: [[0, 0]]}
"""

FULL = """\
model:
  variables: [x, y]
  drift: [y - x, -x - y]
  diffusion: [[0.8 + 0.2*cos(x), 0.5], [0.5, 0.6 + 0.1*sin(y)]]
grid: {x: {from: -2, to: 2, cells: 17, boundary: absorbing}, y: {from: -2, to: 2, cells: 12}}
spectrum: {pairs: 3, sides: both}
transitions: {points: [[0, 0]]}
evolve: {initial: exp(-x^2-y^2), times: [0, 0.5], observables: {xy: x*y}}
"""


class Numbers(DriverTest):
    def test_double_well_of_64_cells(self):
        file = self.result()
        values = file["spectrum/eigenvalues"][:]
        self.assertEqual(values.shape, (3, 2))
        self.assertAlmostEqual(values[0, 0], 0, delta=1e-12)
        self.assertAlmostEqual(values[1, 0], -0.0299654751, delta=1e-10)
        self.assertAlmostEqual(values[2, 0], -3.2908153059, delta=1e-9)
        numpy.testing.assert_array_equal(values[:, 1], 0)
        self.assertEqual([word.decode() for word in file["spectrum/verdict"]], 3 * ["converged"])

    def test_square_root_rates(self):
        file = self.result("--set", "scheme.rates=square_root")
        values = file["spectrum/eigenvalues"][:, 0]
        numpy.testing.assert_allclose(values[1:], [-0.0300546517, -3.3121548787], atol=1e-9)

    def test_errors_are_stated(self):
        file = self.result()
        exact = [0, -0.029779593309, -3.31039406412]
        values = file["spectrum/eigenvalues"][:, 0]
        stated = file["spectrum/discretisation_error"][:] + file["spectrum/solver_error"][:]
        self.assertTrue(all(abs(values - exact) <= 3 * stated), (values, stated))
        # The coarsest of the three grids has 16 cells: the order shows within the band that counts.
        numpy.testing.assert_allclose(file["spectrum/observed_order"][1:], 2, atol=0.6)
        self.assertLess(abs(file["spectrum/extrapolated"][1, 0] - exact[1]), 1e-5)
        self.assertEqual(list(file["spectrum/trusted_digits"][:]), [-1, 1, 1])
        self.assertIn("counted by inertia", file["spectrum"].attrs["audit"].decode())
        self.assertEqual(file["spectrum"].attrs["missing"], 0)
        variance = file["stationary/variance/x"]
        self.assertGreaterEqual(variance.attrs["trusted_digits"], 2)
        self.assertLess(variance.attrs["discretisation_error"], 1e-2)

    def test_errors_are_a_choice(self):
        file = self.result("--set", "spectrum.error_estimate=false", "--set",
                           "stationary.error_estimate=false")
        self.assertTrue(numpy.isnan(file["spectrum/discretisation_error"][:]).all())
        self.assertNotIn("observed_order", file["spectrum"])
        self.assertNotIn("discretisation_error", file["stationary/variance/x"].attrs)

    def test_stationary_density_is_boltzmann_and_normalised(self):
        file = self.result()
        x = file["grid/x"][:]
        width = numpy.diff(file["grid_edges/x"][:])
        density = file["stationary/density"][:]
        self.assertAlmostEqual(numpy.dot(density, width), 1, delta=1e-13)
        weight = numpy.exp(-4 * (x * x - 1) ** 2)
        numpy.testing.assert_allclose(density, weight / numpy.dot(weight, width), rtol=1e-11)
        mean = numpy.dot(density * width, x * x)
        self.assertAlmostEqual(
            file["stationary/observables/mean_square"][:].item(), mean, delta=1e-12
        )

    def test_eigenvectors_belong_to_the_eigenvalues(self):
        file = self.result()
        right, left = file["spectrum/right"][:], file["spectrum/left"][:]
        width = numpy.diff(file["grid_edges/x"][:])
        numpy.testing.assert_allclose(numpy.abs(right).max(axis=1), 1, rtol=1e-12)
        product = (left * width) @ right.T
        numpy.testing.assert_allclose(product - numpy.diag(numpy.diag(product)), 0, atol=1e-7)


class Description(DriverTest):
    def test_every_dataset_says_what_it_is(self):
        file = self.result("--set", "transitions={from: x < -0.7, to: x > 0.7, points: [[0.3]]}")
        bare = []

        def visit(name, item):
            if isinstance(item, h5py.Dataset):
                bare.extend(
                    f"{name}: {key}" for key in ("meaning", "unit") if key not in item.attrs
                )

        file.visititems(visit)
        self.assertEqual(bare, [])

    def test_the_run_is_on_record(self):
        file = self.result(ranks=2)
        run = file["run"].attrs
        self.assertEqual(file.attrs["title"].decode(), "Small double well")
        self.assertEqual(file.attrs["driver"].decode(), "fokker_planck")
        self.assertEqual(run["ranks"], 2)
        self.assertEqual(run["cells"], 64)
        self.assertEqual(run["early_exit"].decode(), "")
        self.assertGreater(run["seconds"], 0)
        for key in ("version", "git_hash", "petsc", "slepc", "hdf5", "mpi", "blas", "host"):
            self.assertTrue(run[key], key)
        phases = [name.decode() for name in file["run/phases/name"]]
        self.assertEqual(phases[:2], ["discretisation", "stationary"])
        self.assertTrue(all(file["run/phases/peak_bytes"][:] > 1e6))
        self.assertIn("input.yaml", file["run/command_line"][()].decode())

    def test_the_recorded_input_runs_again_to_the_same_numbers(self):
        first = self.result("--set", "spectrum.pairs=2")
        (self.folder / "again.yaml").write_bytes(first["run/input"][()])
        again = self.result(name="again")
        self.assertEqual(first["run/input"][()], again["run/input"][()])
        for name in ("spectrum/eigenvalues", "stationary/density"):
            numpy.testing.assert_array_equal(first[name][:], again[name][:])

    def test_paraview_gets_its_sidecar(self):
        self.result()
        self.assertIn("input.h5:/stationary/density", (self.folder / "input.xdmf").read_text())


class Ranks(DriverTest):
    def compare(self, *arguments, ranks, tolerance):
        self.succeed(*arguments, "--quiet", "--output", "one.h5")
        self.succeed(*arguments, "--quiet", "--output", "many.h5", ranks=ranks)
        with h5py.File(self.folder / "one.h5") as one, h5py.File(self.folder / "many.h5") as many:
            names = []
            one.visit(names.append)
            others = []
            many.visit(others.append)
            self.assertEqual(names, others)
            for name in names:
                item = one[name]
                if name.startswith("run") or not isinstance(item, h5py.Dataset):
                    continue
                if item.dtype.kind == "f" and name != "spectrum/residuals":
                    numpy.testing.assert_allclose(
                        many[name][:], item[:], rtol=tolerance, atol=tolerance, err_msg=name
                    )

    def test_order_and_numbers_are_those_of_one_rank(self):
        for ranks in (2, 4, 7):
            with self.subTest(ranks=ranks):
                self.compare("input.yaml", "--overwrite", ranks=ranks, tolerance=1e-7)

    def test_full_diffusion_matrices(self):
        (self.folder / "full.yaml").write_text(FULL)
        for ranks in (2, 7):
            with self.subTest(ranks=ranks):
                self.compare("full.yaml", "--overwrite", ranks=ranks, tolerance=1e-8)

    def test_more_ranks_than_cells(self):
        for boundary in ("reflecting", "periodic"):
            with self.subTest(boundary):
                (self.folder / "tiny.yaml").write_text(TINY)
                self.compare(
                    "tiny.yaml", "--overwrite", "--set", f"grid.y.boundary={boundary}",
                    ranks=7, tolerance=1e-10,
                )


if __name__ == "__main__":
    unittest.main()
