#!/usr/bin/env python3
"""Long sections of the driver network, stopped and resumed: the paths of a comparison, the pass over paths that makes
dictionaries, norms, matrices of layers, the spectrum of a repeated one."""
import signal
import unittest

import h5py
import numpy
from support import TWO_LAYERS, DriverTest

MODEL = TWO_LAYERS + """\
observable: {variables: [y], formula: y}
checkpoint: {every: 1h}
"""
PATHS = MODEL + "monte_carlo: {samples: 40000000}\n"
DICTIONARY = MODEL + "dictionary: {degree: 40, outputs: 2, samples: 1200000}\nprojection: {kind: linear}\n"
NORMS = """\
model:
  kind: network
  input: {x: [-1, 1], y: [-1, 1]}
  layers:
""" + 4 * "    - {weight: [[1.5, 0.4], [-0.5, 1.2]], activation: tanh, noise: {kind: uniform, half_width: 0.3}}\n" + """\
layers: {cells: [70, 90, 100, 80, 110], order: 1}
norms: {values: 4}
checkpoint: {every: 1h}
"""
# Matrices full of Gaussian noise: millions of entries each.
MATRICES = """\
model:
  kind: network
  input: {x: [-1, 1], y: [-1, 1]}
  noise: {kind: gaussian, sigma: 0.3}
  layers:
    - {weight: [[1.5, 0.4], [-0.5, 1.2]], activation: tanh}
    - {weight: [[1.0, -0.4], [0.5, 1.2]], activation: tanh}
layers: {cells: 90, order: 1}
observable: {formula: x2_1 + x2_2^2}
density: {}
checkpoint: {every: 1h}
"""
# Four wells, hardly left: eigenvalues next to 1.
SPECTRUM = """\
model:
  kind: network
  input: {x: [-1, 1], y: [-1, 1]}
  layers: [{weight: [[1.6, 0.1], [-0.1, 1.5]], activation: tanh, noise: {kind: uniform, half_width: 0.35}}]
layers: {cells: 60, order: 1}
spectrum: {layer: 0, pairs: 8}
checkpoint: {every: 1h}
"""


class Stopped(DriverTest):
    driver = "network"

    def assert_goes_on(self, text, at, datasets):
        """Stopped at a line of its output it leaves a checkpoint, and then ends with the numbers of a whole run."""
        (self.folder / "input.yaml").write_text(text)
        self.succeed("input.yaml", "--quiet", "--output", "whole.h5", ranks=2)
        code, stderr = self.interrupt(None, at=at)
        self.assertEqual(code, 75, stderr)
        self.assertIn("input.checkpoint-1.h5", self.files())
        self.assertNotIn("input.h5", self.files())
        told = self.succeed("input.yaml", "--restart", "auto", ranks=2)
        self.assertIn("resuming from 'input.checkpoint-1.h5'", told)
        self.assertNotIn("input.checkpoint-1.h5", self.files())
        with h5py.File(self.folder / "whole.h5") as whole, h5py.File(self.folder / "input.h5") as file:
            self.assertEqual(file["run"].attrs["resumed"], 1)
            for name in datasets:
                # Sums of the same parts, in the order of the ranks: rounding is all that differs.
                numpy.testing.assert_allclose(file[name][()], whole[name][()], rtol=1e-9, atol=1e-12, err_msg=name)
        return told

    def test_sampled_paths(self):
        told = self.assert_goes_on(PATHS, "paths", ["monte_carlo/values", "expectation/layer_0"])
        # The section that was complete is taken over, not computed again.
        self.assertNotIn("E[y | X_n]", told)

    def test_norms(self):
        (self.folder / "input.yaml").write_text(NORMS)
        # Small spaces, so that a search takes many cycles and most stops come within one.
        small = ("-norms_svd_ncv", "7")
        self.succeed("input.yaml", "--quiet", "--output", "whole.h5", *small, ranks=2)
        # Each run saves after every cycle, and is asked to end at its first save.
        eager = ("--set", "checkpoint.every=1ms", *small)
        for ranks in (None, 2):
            for _ in range(5):
                # mpiexec takes SIGTERM for itself.
                code, stderr = self.interrupt(ranks, *eager, at="    checkpoint '", by=signal.SIGUSR2)
                self.assertEqual(code, 75, stderr)
                self.assertNotIn("input.h5", self.files())
                if any(name.endswith("norms.sought") for name in self.saved()):
                    break
            else:
                self.fail("no stop left a search under way")

        told = self.succeed("input.yaml", "--restart", "auto", *small, ranks=4)

        self.assertRegex(told, r"resuming from 'input.checkpoint-\d+.h5' \(norms\)")
        self.assertIn(", one search resumed", told)
        with h5py.File(self.folder / "whole.h5") as whole, h5py.File(self.folder / "input.h5") as file:
            for name in ["singular_values", "products", "discretisation_error", "residuals"]:
                # Residuals are at most the tolerance, 1e-10, and differ with the number of ranks.
                numpy.testing.assert_allclose(
                    file["norms"][name][()], whole["norms"][name][()], rtol=1e-9, atol=1e-10, err_msg=name)

    def saved(self):
        """Names of what the newest checkpoint holds."""
        newest = max(self.folder.glob("input.checkpoint-*.h5"), key=lambda path: int(path.stem.split("-")[1]))
        names = []
        with h5py.File(newest) as file:
            file.visit(names.append)
        return names

    def test_matrices(self):
        (self.folder / "input.yaml").write_text(MATRICES)
        self.succeed("input.yaml", "--quiet", "--output", "whole.h5", ranks=2)
        # Asked as soon as it begins: it heeds this in the middle of its rows.
        code, stderr = self.interrupt(2, at="nonzeros and", by=signal.SIGUSR2)
        self.assertEqual(code, 75, stderr)
        self.assertTrue(any("matrix" in name and name.endswith(".rows") for name in self.saved()), self.saved())

        told = self.succeed("input.yaml", "--restart", "auto", ranks=2)

        self.assertRegex(told, r"    [1-9]\d* rows from the checkpoint")
        # Rows are the same bits whoever makes them, and so is all that the same ranks compute from them.
        with h5py.File(self.folder / "whole.h5") as whole, h5py.File(self.folder / "input.h5") as file:
            for name in ["expectation/layer_0", "expectation/layer_1", "density/layer_1", "density/layer_2"]:
                numpy.testing.assert_array_equal(file[name][()], whole[name][()], name)

    def test_a_spectrum(self):
        (self.folder / "input.yaml").write_text(SPECTRUM)
        small = ("-spectrum_eps_ncv", "14")
        self.succeed("input.yaml", "--quiet", "--output", "whole.h5", *small, ranks=2)
        eager = ("--set", "checkpoint.every=1ms", *small)
        for _ in range(5):
            code, stderr = self.interrupt(2, *eager, at="    checkpoint '", by=signal.SIGUSR2)
            self.assertEqual(code, 75, stderr)
            self.assertNotIn("input.h5", self.files())
            if any("block.vector" in name for name in self.saved()):
                break
        else:
            self.fail("no stop left a search under way")

        told = self.succeed("input.yaml", "--restart", "auto", *small, ranks=2)

        self.assertRegex(told, r"resuming from 'input.checkpoint-\d+.h5' \((coarser )?spectrum\)")
        with h5py.File(self.folder / "whole.h5") as whole, h5py.File(self.folder / "input.h5") as file:
            # A search goes on from its vectors without the space around them: the same to its tolerance.
            for name in ["eigenvalues", "discretisation_error", "residuals"]:
                numpy.testing.assert_allclose(
                    file["spectrum"][name][()], whole["spectrum"][name][()], rtol=0, atol=1e-9, err_msg=name)

    def test_the_pass_of_a_dictionary(self):
        self.assert_goes_on(DICTIONARY, "paths", ["expectation/norms", "expectation/norms_error", "memory/backward/resolved"])


if __name__ == "__main__":
    unittest.main()
