#!/usr/bin/env python3
"""`--check` predicts the peak memory of a run, whatever solves it.

    tests/cli/peak_memory_test.py                 # as the suite runs it
    tests/cli/peak_memory_test.py --cells 1000    # the same for one size (cells per axis), as a table
"""
import re
import sys
import unittest

import h5py
from support import DriverTest

UNITS = {"kB": 1e3, "MB": 1e6, "GB": 1e9}
# Small enough to be quick; at a tenth of this the libraries' share would hide everything else.
CELLS = (100, 150, 200)
RANKS = 2
WITHIN = 0.25

REVERSIBLE = "{kind: sde, variables: [x, y], potential: (x^2-1)^2 + y^2, diffusion: 0.25}"
DRIVEN = "{kind: sde, variables: [x, y], drift: [-x + y, -x - y], diffusion: 0.25}"

# model, sections beside the grid
SOLVERS = {
    "eigenpairs, block multigrid": (
        REVERSIBLE, "spectrum: {pairs: 10, solver: iterative, tolerance: 1e-6, error_estimate: false}"),
    "eigenpairs, algebraic multigrid": (
        REVERSIBLE, "operator: assembled\n"
        "spectrum: {pairs: 4, solver: iterative, tolerance: 1e-6, error_estimate: false}"),
    "eigenpairs, factorisation": (
        REVERSIBLE, "spectrum: {pairs: 4, solver: direct, error_estimate: false}"),
    "stationary density, multigrid": (
        DRIVEN, "stationary: {solver: iterative, error_estimate: false, current: false}"),
    "stationary density, factorisation": (
        DRIVEN, "stationary: {solver: direct, error_estimate: false, current: false}"),
    "evolution, series": (
        REVERSIBLE, "evolve: {initial: (1+0.1*x)*exp(-4*((x^2-1)^2+y^2)), times: [0.01], method: chebyshev}"),
}


def bytes_of(text):
    number, unit = re.search(r"nonzeros and ([\d.]+) (kB|MB|GB) per rank", text).groups()
    return float(number) * UNITS[unit]


class Memory(DriverTest):
    def compare(self, solver, cells):
        """Predicted and measured bytes of the rank that took most."""
        model, sections = SOLVERS[solver]
        axes = ", ".join(f"{name}: {{from: -2.5, to: 2.5, cells: {cells}}}" for name in "xy")
        (self.folder / "input.yaml").write_text(f"model: {model}\ngrid: {{{axes}}}\n{sections}\n")
        # A run begins with what --check says.
        predicted = bytes_of(self.succeed("input.yaml", "--overwrite", ranks=RANKS))
        with h5py.File(self.folder / "input.h5") as file:
            return predicted, float(file["run/phases/peak_bytes"][:].max())

    def test_check_predicts_what_the_run_predicts(self):
        self.compare("eigenpairs, factorisation", 50)
        told = self.succeed("input.yaml", "--check", ranks=RANKS)
        self.assertEqual(bytes_of(told), bytes_of(self.succeed("input.yaml", "--overwrite", ranks=RANKS)))

    def test_the_prediction_is_near_what_is_then_measured(self):
        for solver in SOLVERS:
            for cells in CELLS:
                with self.subTest(solver=solver, cells=cells):
                    predicted, measured = self.compare(solver, cells)
                    self.assertLess(abs(predicted / measured - 1), WITHIN,
                                    f"predicted {predicted / 1e6:.0f} MB, took {measured / 1e6:.0f} MB")

    def table(self, cells):
        for solver in SOLVERS:
            predicted, measured = self.compare(solver, cells)
            print(f"{solver:36} {cells:6} {predicted / 1e6:9.0f} MB predicted {measured / 1e6:9.0f} MB "
                  f"measured {100 * (predicted / measured - 1):+6.0f} %", flush=True)


PLANE = "[[0.9, -0.4], [0.5, 1.1]]"
SPACE = "[[0.9, -0.4, 0.2], [0.5, 1.1, -0.3], [-0.6, 0.3, 1]]"
UNIFORM = "{kind: uniform, half_width: 0.9}"
GAUSSIAN = "{kind: gaussian, sigma: 0.5}"
PRODUCT = "observable: {variables: [a, b], formula: a*b}"
# inputs, weights, how many layers, noise, sections
NETWORKS = {
    "tables of averages": ("xyz", SPACE, 1, UNIFORM, "layers: {cells: 110, order: 1}\ndensity: {}"),
    "norms": ("xyz", SPACE, 1, UNIFORM, "layers: {cells: 64, order: 1}\nnorms: {products: false}"),
    "memory terms": ("xy", PLANE, 4, UNIFORM, "layers: {cells: 400, order: 1}\n" + PRODUCT +
                     "\nprojection: {kind: basis, rank: 6}\nmemory: {direction: both}"),
    "matrices": ("xy", PLANE, 2, GAUSSIAN, "layers: {cells: 20, order: 3}\ndensity: {}\nnorms: {}"),
}


class NetworkMemory(DriverTest):
    driver = "network"

    def test_the_prediction_is_near_what_is_then_measured(self):
        for name, (inputs, weight, depth, noise, sections) in NETWORKS.items():
            with self.subTest(name):
                ranges = ", ".join(f"{one}: [-1, 1]" for one in inputs)
                layer = f"    - {{weight: {weight}, activation: tanh, noise: {noise}}}\n"
                (self.folder / "input.yaml").write_text(
                    f"model:\n  kind: network\n  input: {{{ranges}}}\n  layers:\n{depth * layer}{sections}\n")
                predicted = bytes_of(self.succeed("input.yaml", "--overwrite", ranks=RANKS))
                with h5py.File(self.folder / "input.h5") as file:
                    measured = float(file["run/phases/peak_bytes"][:].max())
                self.assertLess(abs(predicted / measured - 1), WITHIN,
                                f"predicted {predicted / 1e6:.0f} MB, took {measured / 1e6:.0f} MB")


if __name__ == "__main__":
    if len(sys.argv) == 3 and sys.argv[1] == "--cells":
        case = Memory("table")
        case.setUp()
        case.table(int(sys.argv[2]))
        case.doCleanups()
    else:
        unittest.main()
