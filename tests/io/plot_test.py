#!/usr/bin/env python3
"""Checks drivers/plot.py on made-up result files of one to four variables: plot_test.py [PLOT.PY]"""
import contextlib
import io
import os
import subprocess
import sys
import tempfile
import unittest
import unittest.mock

import h5py
import matplotlib.image
import matplotlib.pyplot as plt
import numpy as np

sys.dont_write_bytecode = True
HERE = os.path.dirname(os.path.abspath(__file__))
PLOT = os.path.join(HERE, "..", "..", "drivers", "plot.py")
if len(sys.argv) > 1 and sys.argv[1].endswith(".py"):
    PLOT = sys.argv.pop(1)
PLOT = os.path.abspath(PLOT)
sys.path.insert(0, os.path.dirname(PLOT))
import plot  # noqa: E402
from plots import densities, dictionary, drawing, network, series, spectrum  # noqa: E402


def run_program(*arguments, python=(sys.executable,)):
    return subprocess.run([*python, PLOT, *arguments], capture_output=True, text=True, check=False)


def run(*arguments):
    """The same within this process, which saves the imports."""
    code, errors = 0, io.StringIO()
    with unittest.mock.patch.object(sys, "argv", [PLOT, *arguments]), \
            contextlib.redirect_stdout(io.StringIO()), contextlib.redirect_stderr(errors):
        try:
            plot.main()
        except SystemExit as leave:
            code = leave.code
    return subprocess.CompletedProcess(arguments, code, "", errors.getvalue())


def texts(values):
    return np.array([value.encode() for value in values])


def double_well(dimension, cells, seed=1):
    """Edges, and a density with two wells along the first axis and a tilt along the others."""
    rng = np.random.default_rng(seed)
    names = ["x", "y", "z", "w"][:dimension]
    edges = {name: np.linspace(-2.2, 2.2, cells + 1 + k) for k, name in enumerate(names)}
    edges["x"] = edges["x"] + 0.01 * np.sin(edges["x"]) * rng.uniform(0.9, 1)  # not quite uniform
    centres = [0.5 * (edge[1:] + edge[:-1]) for edge in edges.values()]
    grids = np.meshgrid(*centres, indexing="ij")
    energy = 3 * (grids[0]**2 - 1)**2
    for other in grids[1:]:
        energy = energy + 2.5 * (other - 0.4 * grids[0])**2
    density = np.exp(-energy)
    volume = np.ones_like(density)
    for k, edge in enumerate(edges.values()):
        volume = volume * np.diff(edge).reshape([-1 if j == k else 1 for j in range(dimension)])
    return edges, grids, density / (density * volume).sum()


def write_grid(file, edges):
    file.attrs["axes"] = texts(edges)
    file.attrs["title"] = "Double well, made up"
    file.attrs["driver"] = "fokker_planck"
    for name, edge in edges.items():
        file["grid_edges/" + name] = edge
        file["grid/" + name] = 0.5 * (edge[1:] + edge[:-1])


def write_spectrum(file, grids, planar):
    if planar:
        values = [[0, 0], [-0.3, 0], [-1.1, 2.0], [-1.1, -2.0], [-2.5, 4.1], [-2.5, -4.1],
                  [-4, 0]]
    else:
        values = [[0, 0], [-0.0123, 0], [-3.1, 0], [-5.4, 0], [-8.2, 0], [-9.9, 0], [-12.1, 0]]
    values = np.array(values, float)
    count = len(values)
    file["spectrum/eigenvalues"] = values
    file["spectrum/rates"] = -values[:, 0]
    file["spectrum/residuals"] = 10.0**np.linspace(-14, -9, count)
    file["spectrum/discretisation_error"] = np.where(np.arange(count) < 5,
                                                     0.02 * np.abs(values[:, 0]), np.nan)
    file["spectrum/verdict"] = texts(["converged"] * (count - 2) + ["suspect", "not converged"])
    x = grids[0]
    modes = [np.ones_like(x)] + [np.tanh(3 * x) if k == 1 else np.cos(k * (x + grids[-1]))
                                 for k in range(1, count)]
    file["spectrum/right"] = np.array(modes)
    file["spectrum/left"] = np.array([mode * np.exp(-x**2) for mode in modes])


def write_stationary(file, edges, grids, density):
    file["stationary/density"] = density
    file["stationary"].attrs["entropy_production_rate"] = 1.25
    file["stationary"].attrs["verdict"] = "converged"
    for k, name in enumerate(edges):
        turned = grids[(k + 1) % len(grids)] * (-1)**k
        file["stationary/current/" + name] = density * turned
    file["stationary/observables/mean_x"] = np.array([0.0])


def write_evolve(file, grids, density):
    times = np.array([0, 0.1, 0.5, 1, 5, 20, 100.0])
    start = np.exp(-8 * sum((grid + 1)**2 for grid in grids))
    start *= density.sum() / start.sum()
    file["evolve/times"] = times
    file["evolve/density"] = np.array([density + (start - density) * np.exp(-t / 5)
                                       for t in times])
    file["evolve/observables/mean_x"] = -np.exp(-times / 5)
    file["evolve/observables/mean_x2"] = 1 - 0.2 * np.exp(-times / 5)
    file["evolve/mass"] = 1 + 1e-13 * times
    file["evolve/minimum"] = np.zeros(len(times))


def write_transitions(file, grids, density):
    forward = 0.5 * (1 + np.tanh(3 * grids[0]))
    file["transitions/committor_forward"] = forward
    file["transitions/committor_backward"] = 1 - forward
    file["transitions/mean_first_passage_time"] = 80 * (1 - forward)
    file["transitions/reactive_density"] = density * forward * (1 - forward)
    file["transitions"].attrs["rate"] = 0.0061


def write_memory(file, discrete):
    times = np.linspace(0, 4, 9 if discrete else 81)
    rates, amplitudes = np.array([0.5, 2.0, 3.0]), np.array([1.0, 2.0, 0.0])
    factors = np.exp(-rates * times[:, None])
    kernel = (factors * amplitudes).sum(1)[:, None, None]
    file.create_group("memory").attrs["time"] = "discrete" if discrete else "continuous"
    file["memory"].attrs["verdict"] = "exponential"
    file["memory"].attrs["accuracy"] = 1e-3
    file["memory"].attrs["shortest_memory"] = 2.5
    file["memory/times"] = times
    file["memory/omega"] = kernel if discrete else np.array([[[-1.0]]])
    if not discrete:
        file["memory/kernel"] = kernel
    values = np.exp(-rates * times[1]) if discrete else -rates
    file["memory/orthogonal_eigenvalues"] = np.stack([values, 0 * values], 1)
    file["memory/rates"] = rates
    file["memory/amplitudes"] = amplitudes
    file["memory/amplitude_matrices"] = np.stack([amplitudes, 0 * rates], 1)[:, None, None]
    file["memory/visible"] = np.array([1, 1, 0])
    file["memory/propagator_times"] = times
    file["memory/propagator"] = np.exp(-times)[:, None, None]
    file["memory/model"] = np.exp(-times)[:, None, None]
    file["memory/truncation_lags"] = times
    file["memory/truncation_error"] = np.exp(-3 * times)


def write_run(file):
    run_group = file.create_group("run")
    facts = {"driver": "fokker_planck", "version": "0.1.0", "git_hash": "1a2b3c4d5e6f",
             "ranks": 4, "host": "node01", "start_time": "2031-02-03T04:05:06Z",
             "seconds": 12.3, "cells": 4096, "early_exit": ""}
    for name, value in facts.items():
        run_group.attrs[name] = value


def write_all(path, dimension, planar=False):
    cells = {1: 200, 2: 90, 3: 24, 4: 12}[dimension]
    edges, grids, density = double_well(dimension, cells)
    with h5py.File(path, "w") as file:
        write_grid(file, edges)
        write_spectrum(file, grids, planar)
        write_stationary(file, edges, grids, density)
        write_evolve(file, grids, density)
        write_transitions(file, grids, density)
        write_run(file)


class Plot(unittest.TestCase):
    def setUp(self):
        folder = tempfile.TemporaryDirectory()
        self.addCleanup(folder.cleanup)
        self.folder = folder.name

    def path(self, name):
        return os.path.join(self.folder, name)

    def assert_drawn(self, path, least_width=500):
        """The page exists and is not one flat colour; returns its pixels."""
        pixels = matplotlib.image.imread(path)
        self.assertGreater(pixels.shape[1], least_width)
        self.assertGreater(pixels[..., :3].std(), 0.02)
        return pixels

    def assert_refused(self, done, *words):
        self.assertEqual(done.returncode, 2, done.stderr)
        self.assertEqual(done.stderr.count("\n"), 1, done.stderr)
        self.assertNotIn("Traceback", done.stderr)
        for word in words:
            self.assertIn(word, done.stderr)

    def test_draws_everything_in_any_dimension(self):
        for dimension in (1, 2, 3, 4):
            with self.subTest(dimension=dimension):
                path = self.path(f"d{dimension}.h5")
                write_all(path, dimension, planar=dimension % 2 == 0)
                done = run(path) if dimension != 3 else run(path, "--show", "stationary")
                self.assertEqual((done.returncode, done.stderr), (0, ""))
                self.assert_drawn(self.path(f"d{dimension}.png"))

    def test_draws_each_section_alone(self):
        edges, grids, density = double_well(2, 20)
        writers = {"spectrum": lambda f: write_spectrum(f, grids, False),
                   "stationary": lambda f: write_stationary(f, edges, grids, density),
                   "evolve": lambda f: write_evolve(f, grids, density),
                   "transitions": lambda f: write_transitions(f, grids, density),
                   "memory": lambda f: write_memory(f, False),
                   "discrete memory": lambda f: write_memory(f, True)}
        for name, write in writers.items():
            with self.subTest(section=name):
                path = self.path(name + ".h5")
                with h5py.File(path, "w") as file:
                    write_grid(file, edges)
                    write(file)
                done = run(path)
                self.assertEqual((done.returncode, done.stderr), (0, ""))
                self.assert_drawn(self.path(name + ".png"))

    def test_draws_a_spectrum_without_a_grid(self):
        path = self.path("chain.h5")
        with h5py.File(path, "w") as file:
            file["spectrum/eigenvalues"] = np.array([[0, 0], [-1, 0.5], [-1, -0.5]])
        done = run(path)
        self.assertEqual((done.returncode, done.stderr), (0, ""))
        self.assert_drawn(self.path("chain.png"), 300)

    def test_draws_modes_without_a_prediction(self):
        path = self.path("modes.h5")
        with h5py.File(path, "w") as file:
            file["modes/eigenvalues"] = np.array([[1, 0], [0.5, 0.2], [0.5, -0.2]])
            file["modes/amplitudes/square"] = np.array([[2, 0], [0.3, 0.4], [0.3, -0.4]])
        done = run(path)
        self.assertEqual((done.returncode, done.stderr), (0, ""))
        self.assert_drawn(self.path("modes.png"), 300)
        with h5py.File(path) as file:
            figure, ax = plot.plt.subplots()
            (_, draw), = dictionary.mode_panels(drawing.Result(file))
            draw(ax)
            np.testing.assert_allclose([bar.get_height() for bar in ax.patches], [2, 0.5, 0.5])
            plot.plt.close(figure)

    def test_draws_multipliers_of_discrete_time_on_the_unit_disc(self):
        path = self.path("map.h5")
        with h5py.File(path, "w") as file:
            file["spectrum/eigenvalues"] = np.array([[1, 0], [0.9, 0], [-0.3, 0], [0.01, 0]])
            file["spectrum/rates"] = np.array([0, 0.105, 1.2, np.nan])  # the last is rounding
            file["spectrum/verdict"] = texts(["converged"] * 3 + ["suspect"])
            file["spectrum"].attrs["time"] = "discrete"
        done = run(path)
        self.assertEqual((done.returncode, done.stderr), (0, ""))
        self.assert_drawn(self.path("map.png"), 300)
        with h5py.File(path) as file:
            figure, ax = plot.plt.subplots()
            spectrum.draw_spectrum(ax, drawing.Result(file))
            self.assertEqual([patch.radius for patch in ax.patches], [1])
            plot.plt.close(figure)

    def test_draws_a_prediction_of_a_single_number_of_steps(self):
        path = self.path("ck.h5")
        with h5py.File(path, "w") as file:
            group = file.create_group("chapman_kolmogorov")
            group["steps"], group["sets"] = [3], texts(["left", "right"])
            for what, value in (("predicted", 0.6), ("estimated", 0.5)):
                for end, shift in (("", 0), ("_lower", -0.1), ("_upper", 0.1)):
                    group[what + end] = np.full((1, 2, 2), value + shift)
        with h5py.File(path) as file:
            figure, ax = plot.plt.subplots()
            series.draw_chapman_kolmogorov(ax, drawing.Result(file), 0, 0)
            self.assertNotIn(ax.lines[0].get_marker(), (None, "None", "", " "))
            np.testing.assert_allclose(ax.lines[0].get_xydata(), [[3, 0.6]])
            band, = (c for c in ax.collections if c.get_linewidth()[0] > 5)
            np.testing.assert_allclose(band.get_segments(), [[[3, 0.5], [3, 0.7]]])
            plot.plt.close(figure)

    def test_obeys_show_and_output(self):
        path = self.path("r.h5")
        write_all(path, 1)
        done = run_program(path, "-o", self.path("one.png"), "--show", "spectrum")
        self.assertEqual(done.returncode, 0, done.stderr)
        done = run(path, "-o", self.path("two.png"), "--show", "spectrum,evolve")
        self.assertEqual(done.returncode, 0, done.stderr)
        one, two = (self.assert_drawn(self.path(n), 300) for n in ("one.png", "two.png"))
        self.assertLess(one.shape[1], two.shape[1])
        self.assertFalse(os.path.exists(self.path("r.png")))
        self.assert_refused(run(path, "--show", "spectra"), "spectra", "spectrum")

    def test_marginals_are_integrals(self):
        """They agree with sums over the whole array, in one chunk or many."""
        edges, _, density = double_well(3, 14)
        path = self.path("m.h5")
        with h5py.File(path, "w") as file:
            write_grid(file, edges)
            file["stationary/density"] = density
        for chunk in (1, 2**23):
            with unittest.mock.patch.object(drawing, "LARGEST_CHUNK", chunk), \
                    h5py.File(path) as file:
                result = drawing.Result(file)
                field = result.field("stationary/density")
                for keep in ((0,), (2,), (0, 1), (1, 2)):
                    marginal = result.integrated(field, keep)
                    for k in reversed(range(len(keep))):
                        marginal = (marginal * result.widths[keep[k]]).sum(axis=-1)
                    self.assertAlmostEqual(float(marginal), 1.0, 12)
                wy, wz = result.widths[1], result.widths[2]
                np.testing.assert_allclose(result.integrated(field, (0,)),
                                           np.einsum("ijk,j,k->i", density, wy, wz), rtol=1e-12)
                ones = result.mean(lambda a, b: np.ones((b - a, *result.shape[1:])), (0, 1))
                np.testing.assert_allclose(ones[np.isfinite(ones)], 1.0, rtol=1e-12)

    def test_layers_of_three_variables_and_terms_that_are_not_there(self):
        """Marginals of a product of three densities are these; a term of size 0 does not stretch the axis."""
        places = [np.linspace(a, b, n) for a, b, n in ((-1, 1, 41), (0, 3, 31), (-2, 0, 21))]
        singles = [np.exp(-(x - x.mean())**2) for x in places]
        singles = [one / (one @ network.widths_of(x)) for one, x in zip(singles, places)]
        path = self.path("layers.h5")
        with h5py.File(path, "w") as file:
            for name, x in zip("pqr", places):
                file[f"layers/1/{name}"] = x
            for group in ("density", "expectation"):
                file[f"{group}/layer_1"] = np.einsum("i,j,k->ijk", *singles)
                file[f"{group}/layer_1"].attrs["axes"] = list("pqr")
            file["probability/points"], file["probability/values"] = [[0.1], [0.2]], [0.5, 0.75]
            file["probability/discretisation_error"] = [0.01, 0.02]
            file["memory/backward/memory"] = [[0, 0], [1e-3, 0]]
            file["memory/backward/memory_error"] = [[0, 0], [2e-3, 1e-9]]
            file["memory/backward/streaming"] = [1.0, 1.0]
        with h5py.File(path) as file:
            result = drawing.Result(file)
            panels = {title: draw for part in plot.PANELS.values() for title, draw in part(result)}
            self.assertEqual(list(panels), ["Conditional expectation, layer 1", "Density of the layers, layer 1",
                                            "Probability of the set at points", "Memory of expectations by lag"])
            for title, draw in panels.items():
                _, ax = plt.subplots()
                draw(ax)
                if "Density" in title:
                    for line, x, one in zip(ax.get_lines(), places, singles):
                        np.testing.assert_allclose(line.get_xydata(), np.stack([x, one], 1), rtol=1e-12)
                if "Memory" in title:
                    self.assertGreater(ax.get_ylim()[0], 1e-5)
                plt.close()

    def test_does_not_draw_rounding_as_a_current(self):
        edges, grids, density = double_well(2, 20)
        path = self.path("still.h5")
        with h5py.File(path, "w") as file:
            write_grid(file, edges)
            write_stationary(file, edges, grids, density)
            file["grid"].attrs["generator_norm"] = 100.0
        for factor, title in ((1.0, "Current"), (1e-16, "(no current)")):
            with h5py.File(path, "a") as file:
                for name in edges:
                    file["stationary/current/" + name][...] *= factor
            with h5py.File(path) as file:
                titles = [title for title, _ in densities.stationary_panels(drawing.Result(file))]
            self.assertIn(title, titles[-1])

    def test_one_bad_dataset_does_not_cost_the_page(self):
        path = self.path("bad.h5")
        write_all(path, 2)
        with h5py.File(path, "a") as file:
            del file["spectrum/residuals"]
            file["spectrum/residuals"] = np.zeros(2)
        done = run(path, "--show", "spectrum,transitions")
        self.assertEqual(done.returncode, 0, done.stderr)
        self.assertIn("Spectrum", done.stderr)
        self.assert_drawn(self.path("bad.png"))

    def test_refuses_what_is_no_result(self):
        self.assert_refused(run_program(self.path("absent.h5")), "absent.h5", "no such file")
        foreign = self.path("foreign.h5")
        with open(foreign, "w", encoding="utf-8") as file:
            file.write("not HDF5\n" * 100)
        self.assert_refused(run(foreign), "foreign.h5", "HDF5")
        other = self.path("other.h5")
        with h5py.File(other, "w") as file:
            file["something"] = np.ones(3)
        self.assert_refused(run(other), "nothing to draw")
        whole = self.path("whole.h5")
        write_all(whole, 1)
        with open(whole, "rb") as file:
            half = file.read(os.path.getsize(whole) // 2)
        with open(self.path("half.h5"), "wb") as file:
            file.write(half)
        self.assert_refused(run(self.path("half.h5")), "half.h5")
        wrong = self.path("wrong.h5")
        write_all(wrong, 1)
        with h5py.File(wrong, "a") as file:
            del file["stationary/density"]
            file["stationary/density"] = np.ones((3, 4))
        self.assert_refused(run(wrong), "wrong.h5", "shape")
        self.assert_refused(run(whole, "-o", whole), "overwrite")
        self.assert_refused(run(whole, "--show", "spectrum", "-o", self.path("nowhere/x.png")),
                            "cannot be written")
        self.assertEqual(run().returncode, 2)

    def test_finds_a_python_that_has_the_packages(self):
        """Or names the packages: never a traceback."""
        path = self.path("r.h5")
        write_all(path, 1)
        bare = run_program(path, "--show", "transitions", python=(sys.executable, "-I", "-S"))
        if bare.returncode == 0:
            self.assert_drawn(self.path("r.png"))
        else:
            self.assert_refused(bare, "python3-h5py", "python3-matplotlib")


if __name__ == "__main__":
    unittest.main()
