#!/usr/bin/env python3
"""The driver `verify` finds this installation right."""
import re
import unittest

from support import DriverTest


class Verify(DriverTest):
    def test_everything_passes_on_two_ranks(self):
        done = self.run_driver(ranks=2, driver="verify", timeout=600)
        self.assertEqual((done.returncode, done.stderr), (0, ""), done.stdout)
        self.assertGreater(len(re.findall(r"\bpass\b", done.stdout)), 20)
        self.assertNotIn("FAIL", done.stdout)
        self.assertEqual(self.files(), ["input.yaml"])

    def test_takes_no_input(self):
        self.assert_refused(
            "verify takes no input file, but was given 'input.yaml'", "input.yaml", driver="verify"
        )


if __name__ == "__main__":
    unittest.main()
