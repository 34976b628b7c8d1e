#!/usr/bin/env python3
"""Long sections of the driver network, stopped and resumed: the paths of a comparison, the pass over paths that makes
dictionaries."""
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

    def test_the_pass_of_a_dictionary(self):
        self.assert_goes_on(DICTIONARY, "paths", ["expectation/norms", "expectation/norms_error", "memory/backward/resolved"])


if __name__ == "__main__":
    unittest.main()
