#!/usr/bin/env python3
"""The driver koopman on time series: results, agreement of ranks, errors, checkpoints."""
import unittest

import h5py
import numpy
from support import DriverTest

INPUT = """\
title: Three states
model: {kind: trajectory, variables: [x], files: [a.npy, b.npy], dt: 0.5}
grid: {x: {from: -0.5, to: 2.5, cells: 3}}
stationary: {}
spectrum: {pairs: 3, sides: both}
coarse_sets: {sets: 2}
time_scales: {lags: [0.5, 1], pairs: 2}
chapman_kolmogorov: {steps: [1, 2, 4], sets: {low: x < 0.5, high: x > 1.5}}
bootstrap: {samples: 10, block: 50}
"""
HOP = 0.05


def path(frames, seed):
    """A chain of three states in a row, with eigenvalues 1, 1 - HOP, 1 - 3 HOP."""
    steps = numpy.random.default_rng(seed).choice([-1, 0, 1], frames, p=[HOP, 1 - 2 * HOP, HOP])
    states = [1]
    for step in steps[1:]:
        states.append(min(2, max(0, states[-1] + step)))
    return numpy.array(states, dtype="f4").reshape(-1, 1)


SETS = {
    "model.lag=0.7":
        "'model.lag' is 0.7, but must be a multiple of the 0.5 between two frames ('model.dt'), e.g. "
        "0.5 or 1",
    "counts.estimator=reversibel":
        "'counts.estimator' is 'reversibel', but must be one of plain, reversible. Did you mean "
        "'reversible'?",
    "time_scales.lags=[0.5,3000]":
        "'time_scales.lags[1]': 3000 is 6000 frames of 'model.dt', but the longest of the 2 pieces of "
        "the trajectory has 4000 frames: there is no pair; choose a shorter lag",
    "model.lag=2000":
        "'model.lag': 2000 is 4000 frames of 'model.dt', but the longest of the 2 pieces of the "
        "trajectory has 4000 frames: there is no pair; choose a shorter lag",
    "grid.x.to=1.99":
        "x = 2 lies outside 'grid.x' from -0.5 to 1.99; widen it, or set 'counts.outside: skip' to "
        "leave out such frames",
    "model.files=[a.npy,c.npy]":
        "'c.npy': cannot be read: No such file or directory",
    "chapman_kolmogorov.coarse=true":
        "'chapman_kolmogorov.coarse' stands in place of 'sets'; give one of them",
    "coarse_sets.sets=4":
        "'coarse_sets.sets' asks for 4 sets, but there are only 3 cells or states",
    "chapman_kolmogorov.sets.high=x < 9":
        "shares cells with a set before it",
}


class Trajectory(DriverTest):
    driver = "koopman"
    input_text = INPUT

    def setUp(self):
        super().setUp()
        numpy.save(self.folder / "a.npy", path(4000, 1))
        numpy.save(self.folder / "b.npy", path(3000, 2))

    def test_result(self):
        counts = numpy.zeros((3, 3))
        for name in ("a", "b"):
            states = numpy.load(self.folder / f"{name}.npy").astype(int)[:, 0]
            numpy.add.at(counts, (states[:-1], states[1:]), 1)
        matrix = counts / counts.sum(axis=1, keepdims=True)
        exact = numpy.sort(numpy.linalg.eigvals(matrix).real)[::-1]
        results = []
        for ranks in (1, 2, 4):
            self.succeed("input.yaml", "--quiet", "--output", f"n{ranks}.h5", ranks=ranks)
            file = h5py.File(self.folder / f"n{ranks}.h5")
            self.addCleanup(file.close)
            results.append(file)
            numpy.testing.assert_allclose(file["spectrum/eigenvalues"][:, 0], exact, atol=1e-10)
            numpy.testing.assert_allclose(
                file["time_scales/values"][0], -0.5 / numpy.log(exact[1:]), rtol=1e-8)
            numpy.testing.assert_array_equal(file["counts/visits"][:], counts.sum(axis=1))
            self.assertEqual(file["grid"].attrs["kept_pairs"], 1)
        for other in results[1:]:
            for group in ("time_scales", "chapman_kolmogorov", "coarse_sets"):
                for name, data in results[0][group].items():
                    if data.dtype.kind == "f":
                        numpy.testing.assert_allclose(
                            other[group][name][:], data[:], rtol=1e-7, atol=1e-9, err_msg=name)
        file = results[0]
        sets = file["coarse_sets/transition_matrix"][:]
        numpy.testing.assert_allclose(numpy.linalg.eigvals(sets).real.max(), 1, atol=1e-9)
        self.assertTrue((file["coarse_sets/transition_matrix_lower"][:] <= sets).all())
        low, high = file["time_scales/lower"][:], file["time_scales/upper"][:]
        self.assertTrue((low < high).all())
        predicted = file["chapman_kolmogorov/predicted"][:]
        numpy.testing.assert_allclose(
            predicted[2, 0, 0], numpy.linalg.matrix_power(matrix, 4)[0, 0], rtol=1e-9)
        numpy.testing.assert_allclose(  # one step of the chain is what was counted
            predicted[0], file["chapman_kolmogorov/estimated"][0], rtol=1e-9)
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

    def test_blocks_that_lags_do_not_fit_in(self):
        done = self.run_driver("input.yaml", "--quiet", "--set", "time_scales.lags=[0.5,200]")
        self.assertEqual(done.returncode, 0, done.stderr)
        self.assertIn("time_scales: blocks of 50 are shorter than the longest lag 200, so that the bands are too "
                      "narrow; raise 'bootstrap.block'", done.stderr)

    def test_a_time_column_in_another_unit(self):
        times = numpy.arange(4000) * 0.02
        numpy.save(self.folder / "a.npy", numpy.column_stack([times, path(4000, 1)[:, 0]]))
        (self.folder / "input.yaml").write_text(
            "model: {kind: trajectory, variables: [x], files: a.npy, time_column: 0, columns: [1], dt: 0.5}\n"
            "grid: {x: {from: -0.5, to: 2.5, cells: 3}}\nstationary: {}\n")
        self.assert_refused(
            "input.yaml:1: 'model.lag': 'model.time_column' (0) advances by anything but 'model.dt' (0.5) after "
            "every frame, so that there is no pair; set 'model.dt' to the time between two frames",
            "input.yaml", "--quiet", ranks=2)

    def test_hdf5_gives_the_same(self):
        with h5py.File(self.folder / "all.h5", "w") as file:
            file["run"] = numpy.concatenate(
                [numpy.load(self.folder / f"{name}.npy") for name in ("a", "b")])
        first = self.result(ranks=2)
        self.succeed("input.yaml", "--quiet", "--set", "model.files=all.h5", "--set",
                     "model.dataset=/run", "--set", "model.breaks=[4000]", "--output", "second.h5")
        with h5py.File(self.folder / "second.h5") as file:
            for name in ("time_scales/values", "time_scales/upper", "spectrum/eigenvalues"):
                numpy.testing.assert_allclose(file[name][:], first[name][:], rtol=1e-8, atol=1e-12)

    def test_sections_of_trajectories_alone(self):
        (self.folder / "input.yaml").write_text(
            "model: {kind: map, variables: [x], map: [x/2]}\ngrid: {x: {from: 0, to: 1, cells: 4}}\n"
            "spectrum: {}\ncounts: {}\n")
        self.assert_refused(
            "input.yaml:4: 'counts' belongs to a model of kind 'trajectory', but 'model.kind' is "
            "'map'; remove it", "input.yaml")

    def test_check(self):
        out = self.succeed("input.yaml", "--check", ranks=2)
        self.assertIn("7000 frames in 2 pieces, 0.5 apart; 6998 pairs at lag 0.5", out)
        self.assertEqual(self.files(), ["a.npy", "b.npy", "input.yaml"])

    def test_stopped_runs_end_with_the_same_numbers(self):
        (self.folder / "input.yaml").write_text(
            INPUT.split("stationary")[0] + "time_scales: {lags: [0.5, 1, 1.5, 2], pairs: 2}\n"
            "bootstrap: {samples: 300, block: 50}\n")
        whole = self.result("--output", "input.h5", ranks=2)
        stopped = 0
        for seconds in (1, 3, 9, 27, 81, 243):  # enough on any machine, in the end
            done = self.run_driver("input.yaml", "--quiet", "--output", "parts.h5", "--walltime",
                                   f"{seconds}s", "--restart", "auto", ranks=2)
            if done.returncode != 75:
                break
            stopped += 1
        self.assertEqual(done.returncode, 0, done.stderr)
        self.assertGreater(stopped, 0)
        with h5py.File(self.folder / "parts.h5") as parts:
            for name in ("values", "lower", "upper"):
                numpy.testing.assert_allclose(
                    parts["time_scales"][name][:], whole["time_scales"][name][:], rtol=1e-9)


if __name__ == "__main__":
    unittest.main()
