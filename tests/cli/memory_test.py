#!/usr/bin/env python3
"""The driver mori_zwanzig as a user meets it: results, errors, ranks, checkpoints."""
import unittest

import h5py
import numpy
from support import DriverTest

LUMPED = """\
title: Lumps
model:
  kind: chain
  matrix: [[0.7, 0.2, 0.1, 0], [0.2, 0.7, 0, 0.1], [0.1, 0, 0.8, 0.1], [0, 0.1, 0.1, 0.8]]
projection: {kind: sets, sets: [[0, 1], [2, 3]]}
memory: {lags: 5, rates: 5}
"""
RING = """\
model: {kind: sde, variables: [q], drift: [1 - 0.5*sin(q)], diffusion: 0.1}
grid: {q: {from: 0, to: 2*pi, cells: 48, boundary: periodic}}
projection: {kind: observables, observables: [cos(q), sin(q)]}
memory: {times: {to: 5, steps: 20}, rates: 4, laplace: [0.5]}
"""
LINEAR = """\
model:
  {kind: sde, variables: [x, y], parameters: {a: 1, b: 1.5, c: 1.5, d: 2},
   drift: [-a*x + b*y, -c*x - d*y], diffusion: [a, d]}
grid: {x: {from: -5, to: 5, cells: 32}, y: {from: -5, to: 5, cells: 32}}
projection: {kind: observables, observables: [x]}
memory: {times: {to: 3, steps: 30}, rates: 3}
"""
STEPS = """\
model:
  {kind: map, variables: [x, z], map: [x + 0.3*sin(2*pi*z), z + 0.2*sin(2*pi*x) + 0.1],
   noise: {kind: gaussian, sigma: 0.05}}
grid:
  {x: {from: 0, to: 1, cells: 36, boundary: periodic},
   z: {from: 0, to: 1, cells: 36, boundary: periodic}}
ulam: {samples: 2}
projection:
  {kind: observables,
   observables: [cos(2*pi*x), sin(2*pi*x), cos(2*pi*z), sin(2*pi*z), cos(4*pi*x), sin(4*pi*z)]}
memory: {lags: 60, rates: 2}
"""
FLOW = """\
model:
  {kind: flow, variables: [x, y], parameters: {push: 0},
   drift: [1 + 0.5*sin(2*pi*y) + push*t, 0.7 + 0.4*sin(2*pi*x)], lag: 0.5}
grid:
  {x: {from: 0, to: 1, cells: 48, boundary: periodic},
   y: {from: 0, to: 1, cells: 48, boundary: periodic}}
ulam: {samples: 25}
projection: {kind: observables, observables: [cos(2*pi*x), sin(2*pi*x)]}
memory: {lags: 4, rates: 0}
"""
LUMPED_REFUSED = {
    "projection.sets=[[0,1],[2]]":
        "--set projection.sets=[[0,1],[2]]: 'projection.sets' lists 3 of the 4 states; each must be "
        "in one set",
    "projection.sets=[[0,1],[2,3,1]]":
        "'projection.sets[1][2]' names state 1 again; it is in set 0 already, and each state must "
        "be in one set",
    "projection.sets=[[0],[1],[2],[3]]":
        "'projection' resolves all 4 states, so that nothing is left to forget (Q = 0); resolve "
        "fewer sets",
    "projection.sets=[[0,1],[2,7]]":
        "'projection.sets[1][1]' is 7, but must be a state, 0 to 3",
    "memory.times={to: 3}":
        "'memory.times' is for continuous time, but the model moves in steps; use 'lags'",
}
RING_REFUSED = {
    "projection.observables=[cos(q),3]":
        "'projection.observables[1]' (3) is constant on the grid; the constant 1 belongs to every "
        "projection already, and nothing else is known of a constant; remove it",
    "projection.observables=[cos(q),1-2*cos(q)]":
        "'projection.observables[1]' (1-2*cos(q)) is a linear combination of those before it and "
        "the constant 1",
    "memory.lags=4":
        "'memory.lags' is for discrete time, but the model moves in continuous time; use 'times: "
        "{to: 10, steps: 200}'",
}


class Memory(DriverTest):
    driver = "mori_zwanzig"
    input_text = LUMPED

    def refused(self, assignment, message, *there):
        done = self.run_driver("input.yaml", "--set", assignment, "--quiet")
        self.assertEqual(done.returncode, 2, done.stderr)
        self.assertIn(message, done.stderr)
        self.assertEqual(done.stderr.count("error:"), 1)
        self.assertEqual(self.files(), sorted(["input.yaml", *there]))

    def test_exactly_lumpable(self):
        for ranks in (1, 2, 4):
            file = self.result("--overwrite", ranks=ranks)
            omega = file["memory/omega"][:]
            numpy.testing.assert_allclose(omega[0], [[0.9, 0.1], [0.1, 0.9]], atol=1e-12)
            numpy.testing.assert_allclose(omega[1:], 0, atol=1e-13)
            self.assertEqual(file["memory"].attrs["verdict"].decode(), "no memory")
            numpy.testing.assert_allclose(
                file["memory/orthogonal_eigenvalues"][:, 0], [0.74142136, 0.45857864], atol=1e-8)
            self.assertEqual(list(file["memory/visible"][:]), [0, 0])
            self.assertLess(file["memory/identity_error"][0], 1e-12)
            file.close()

    def test_lumps_that_remember(self):
        (self.folder / "input.yaml").write_text(
            LUMPED.replace("[[0, 1], [2, 3]]", "[[0], [1, 2, 3]]"))
        file = self.result()
        p = numpy.array([[0.7, 0.2, 0.1, 0], [0.2, 0.7, 0, 0.1], [0.1, 0, 0.8, 0.1],
                         [0, 0.1, 0.1, 0.8]])
        v = numpy.array([[1, 0], [0, 1], [0, 1], [0, 1]])
        w = v / v.sum(0) # the chain is doubly stochastic: the stationary density is flat
        q = numpy.eye(4) - v @ w.T
        expected = [w.T @ p @ numpy.linalg.matrix_power(q @ p, l) @ v for l in range(6)]
        numpy.testing.assert_allclose(file["memory/omega"][:], expected, atol=1e-13)
        modes = file["memory/amplitude_matrices"][:] @ numpy.array([1, 1j])
        mu = file["memory/orthogonal_eigenvalues"][:] @ numpy.array([1, 1j])
        for l in range(1, 6):
            numpy.testing.assert_allclose(
                (modes * mu[:, None, None] ** (l - 1)).sum(0).real, expected[l], atol=1e-12)
        self.assertEqual(file["memory"].attrs["verdict"].decode(), "exponential")
        # Long after the lags kept, the model without memory beyond them still says what it misses.
        self.assertGreater(file["memory/gme_error"][-1], file["memory/gme_error"][1])

    def test_ring(self):
        (self.folder / "input.yaml").write_text(RING)
        results = []
        for ranks in (1, 2, 4):
            file = self.result("--overwrite", ranks=ranks)
            self.assertLess(file["memory/identity_error"][0], 1e-10)
            self.assertLess(file["memory/gme_error"][:].max(), 1e-8)
            results.append({name: file["memory/" + name][:] for name in
                            ("omega", "kernel", "rates", "propagator", "transform", "amplitudes")})
            self.assert_explained(file)
            file.close()
        for other in results[1:]:
            for name, values in results[0].items():
                numpy.testing.assert_allclose(values, other[name], rtol=1e-7, atol=1e-8)

    def test_linear_system_remembers_as_long_as_what_is_not_seen(self):
        (self.folder / "input.yaml").write_text(LINEAR)
        errors = []
        for cells in (24, 48):
            file = self.result("--overwrite", "--set", f"grid.x.cells={cells}", "--set",
                               f"grid.y.cells={cells}")
            times = file["memory/times"][:]
            kernel = file["memory/kernel"][:, 0, 0]
            errors.append(abs(kernel - 2.25 * numpy.exp(-2 * times)).max())
            self.assertLess(file["memory/identity_error"][0], 1e-10)
            file.close()
        self.assertLess(errors[1], 0.35 * errors[0])

    def test_wrong_input(self):
        for assignment, message in LUMPED_REFUSED.items():
            with self.subTest(assignment):
                self.refused(assignment, message)
        (self.folder / "input.yaml").write_text(RING)
        for assignment, message in RING_REFUSED.items():
            with self.subTest(assignment):
                self.refused(assignment, message)

    def test_sets_by_conditions(self):
        (self.folder / "input.yaml").write_text(RING.replace(
            "{kind: observables, observables: [cos(q), sin(q)]}",
            "{kind: sets, sets: [cos(q) > 0, cos(q) <= 0]}"))
        self.refused("projection.sets=[cos(q) > 0, cos(q) > -0.5]",
                     "each state must be in one set; the number of sets that a state is in must be 1 "
                     "(it is 2) at q = ")
        file = self.result(ranks=2)
        self.assertEqual(file["memory/kernel"].shape, (21, 2, 2))
        self.assertLess(file["memory/identity_error"][0], 1e-10)
        numpy.testing.assert_allclose(file["memory/propagator"][:].sum(2), 1, atol=1e-9)

    def test_saves_at_every_step_and_ends_with_the_same_numbers(self):
        (self.folder / "input.yaml").write_text(RING)
        names = ("kernel", "rates", "propagator")
        file = self.result(ranks=2)
        whole = {name: file["memory/" + name][:] for name in names}
        file.close()
        file = self.result("--overwrite", "--set", "checkpoint.every=1ms", ranks=2)
        self.assertGreater(file["run"].attrs["checkpoints"], 0)
        for name in names:
            numpy.testing.assert_allclose(whole[name], file["memory/" + name][:], rtol=1e-9,
                                          atol=1e-9)

    def finished(self, *options, **how):
        """The numbers of a run that may warn."""
        done = self.run_driver("input.yaml", "--quiet", "--overwrite", *options, **how)
        self.assertEqual(done.returncode, 0, done.stderr)
        with h5py.File(self.folder / "input.h5") as file:
            numbers = {name: data[:] for name, data in file["memory"].items()
                       if data.dtype.kind == "f"}
            return numbers, file["run"].attrs["resumed"]

    def test_stopped_kernels_go_on_to_the_same_bits(self):
        for text in (LINEAR, STEPS):
            with self.subTest(text=text):
                (self.folder / "input.yaml").write_text(text)
                whole, _ = self.finished()
                code, stderr = self.interrupt(None, "--overwrite", at="memory rates")
                self.assertEqual(code, 75, stderr)
                parts, resumed = self.finished("--restart", "auto")
                self.assertEqual(resumed, 1)
                self.assertEqual(whole.keys(), parts.keys())
                for name, values in whole.items():
                    numpy.testing.assert_array_equal(values, parts[name], name)

    def test_flow_stopped_while_its_matrix_is_made(self):
        (self.folder / "input.yaml").write_text(FLOW)
        whole, _ = self.finished()
        code, stderr = self.interrupt(None, "--overwrite", at="of 2304 cells")
        self.assertEqual(code, 75, stderr)
        parts, resumed = self.finished("--restart", "auto", ranks=2)
        self.assertEqual(resumed, 1)
        for name, values in whole.items():
            numpy.testing.assert_allclose(values, parts[name], rtol=1e-9, atol=1e-12, err_msg=name)
        with h5py.File(self.folder / "input.h5") as file:
            self.assertLess(file["memory/identity_error"][0], 1e-12)
            self.assertLess(file["integration/largest_change"][:].max(), 1e-6)
            self.assert_explained(file)
        (self.folder / "input.h5").unlink()
        self.refused("model.parameters.push=1", "'memory' repeats the step of one lag, but ")

    def test_coarse_sets_of_a_result_as_projection(self):
        (self.folder / "chain.yaml").write_text(LUMPED.split("projection")[0] +
                                                "coarse_sets: {sets: 2}\n")
        self.succeed("chain.yaml", "--quiet", driver="koopman")
        file = self.result("--set", "projection={kind: sets, from: chain.h5}", ranks=2)
        with h5py.File(self.folder / "chain.h5") as sets:
            assignment = sets["coarse_sets/assignment"][:].astype(int)
        p = numpy.array([[0.7, 0.2, 0.1, 0], [0.2, 0.7, 0, 0.1], [0.1, 0, 0.8, 0.1],
                         [0, 0.1, 0.1, 0.8]])
        v = numpy.eye(2)[assignment]
        w = v / v.sum(0)
        numpy.testing.assert_allclose(file["memory/omega"][0], w.T @ p @ v, atol=1e-13)
        file.close()
        (self.folder / "input.h5").unlink()
        self.refused("projection={kind: sets, from: absent.h5}",
                     "'projection.from': 'absent.h5': cannot be read: No such file or directory",
                     "chain.h5", "chain.yaml")
        (self.folder / "input.yaml").write_text(RING.replace(
            "{kind: observables, observables: [cos(q), sin(q)]}", "{kind: sets, from: chain.h5}"))
        self.refused("memory.rates=1", "'/grid_edges/q'", "chain.h5", "chain.yaml")

    def test_many_functions_in_three_dimensions_without_a_factorisation(self):
        (self.folder / "input.yaml").write_text(
            "model: {kind: sde, variables: [x, y, z], potential: x^2/2 + y^2/2 + z^2/2 + x*y/2 + "
            "y*z/3, diffusion: 1}\n"
            "grid: {x: {from: -3, to: 3, cells: 10}, y: {from: -3, to: 3, cells: 10}, z: {from: -3, "
            "to: 3, cells: 10}}\n"
            "projection: {kind: variables, variables: [x, y]}\n"
            "memory: {times: {to: 2, steps: 8}, rates: 2, solver: direct, tolerance: 1e-8}\n")
        file = self.result()
        exact = {name: file["memory/" + name][:] for name in ("kernel", "rates", "propagator")}
        file.close()
        for ranks in (1, 2):
            file = self.result("--overwrite", "--set", "memory.solver=iterative", ranks=ranks)
            self.assertLess(file["memory/identity_error"][0], 1e-8)
            for name, values in exact.items():
                numpy.testing.assert_allclose(values, file["memory/" + name][:], rtol=1e-5,
                                              atol=1e-6)
            file.close()

    def test_check_and_help(self):
        self.assertIn("nothing was run (--check)", self.succeed("input.yaml", "--check", ranks=2))
        self.assertEqual(self.files(), ["input.yaml"])
        told = self.succeed("--help")
        for words in ("inner_product", "observables", "laplace", "adaptive"):
            self.assertIn(words, told)


if __name__ == "__main__":
    unittest.main()
