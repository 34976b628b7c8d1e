#!/usr/bin/env python3
"""Long sections of the driver network, stopped and resumed: the paths of a comparison, the pass over paths that makes
dictionaries, norms."""
import signal
import subprocess
import time
import unittest

import h5py
import numpy
from support import TWO_LAYERS, DriverTest, command, environment

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
""" + 8 * "    - {weight: [[1.5, 0.4], [-0.5, 1.2]], activation: tanh, noise: {kind: uniform, half_width: 0.9}}\n" + """\
layers: {cells: 160, order: 1}
norms: {values: 4}
checkpoint: {every: 0.1s}
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
        self.succeed("input.yaml", "--quiet", "--output", "whole.h5", ranks=2)
        words = command(["input.yaml", "--restart", "auto"], None, self.driver)
        with subprocess.Popen(
            words, cwd=self.folder, env=environment(), stdout=subprocess.DEVNULL, stderr=subprocess.PIPE, text=True,
        ) as process:
            # The first state that is saved has the norm of one operator at least.
            while process.poll() is None and not any("checkpoint-" in name for name in self.files()):
                time.sleep(0.02)
            process.send_signal(signal.SIGTERM)
            _, stderr = process.communicate(timeout=120)
        self.assertEqual(process.returncode, 75, stderr)

        told = self.succeed("input.yaml", "--restart", "auto", ranks=2)

        self.assertRegex(told, r"8 operators, \d+ of 16 norms as saved")
        with h5py.File(self.folder / "whole.h5") as whole, h5py.File(self.folder / "input.h5") as file:
            for name in ["singular_values", "products", "discretisation_error", "residuals"]:
                # Residuals are at most the tolerance, 1e-10, and differ with the number of ranks.
                numpy.testing.assert_allclose(
                    file["norms"][name][()], whole["norms"][name][()], rtol=1e-9, atol=1e-10, err_msg=name)

    def test_the_pass_of_a_dictionary(self):
        self.assert_goes_on(DICTIONARY, "paths", ["expectation/norms", "expectation/norms_error", "memory/backward/resolved"])


if __name__ == "__main__":
    unittest.main()
