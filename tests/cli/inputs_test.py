#!/usr/bin/env python3
"""Every file in inputs/ is valid, and runs on a coarse grid."""
import re
import unittest

import h5py
from support import ROOT, DriverTest

INPUTS = sorted((ROOT / "inputs").glob("*.yaml"))
CELLS = {1: 64, 2: 32, 3: 16, 4: 10, 5: 6, 6: 5}


def coarse(text):
    """The input with fewer cells on every axis, and fewer samples for bands."""
    text = re.sub(r"\bbootstrap: *{samples: *\d+", "bootstrap: {samples: 3", text)
    axes = len(re.findall(r"\bcells:", text))
    if axes == 0:
        return text
    return re.sub(r"\bcells: *(\d+)", lambda m: f"cells: {min(int(m[1]), CELLS[axes])}", text)


def driver_of(path):
    """The driver that takes a model of this kind and these sections."""
    text = path.read_text()
    kind = re.search(r"\bkind: *(\w+)", text).group(1)
    if kind == "network":
        return "network"
    if re.search(r"^projection:", text, re.MULTILINE):
        return "mori_zwanzig"
    if re.search(r"^(dictionary|coarse_sets):", text, re.MULTILINE):
        return "koopman"
    return "fokker_planck" if kind == "sde" else "koopman"


class Inputs(DriverTest):
    def setUp(self):
        super().setUp()
        (self.folder / "data").symlink_to(ROOT / "inputs" / "data")  # sought beside an input, too

    def test_all_are_valid(self):
        for path in INPUTS:
            with self.subTest(path.name):
                self.succeed(path, "--check", driver=driver_of(path))

    def test_all_run(self):
        for path in INPUTS:
            with self.subTest(path.name):
                name = path.stem
                (self.folder / f"{name}.yaml").write_text(coarse(path.read_text()))
                done = self.run_driver(
                    f"{name}.yaml", "--quiet", ranks=2, driver=driver_of(path))
                self.assertEqual(done.returncode, 0, done.stderr)
                self.assertNotIn("error", done.stderr)
                with h5py.File(self.folder / f"{name}.h5") as file:
                    for section in ("stationary", "spectrum", "transitions", "evolve", "memory",
                                    "density", "norms", "monte_carlo", "time_scales",
                                    "chapman_kolmogorov", "cover", "coarse_sets", "coherent_sets"):
                        asked = re.search(rf"^{section}:", path.read_text(), re.MULTILINE)
                        self.assertEqual(section in file, bool(asked), section)
                    self.assertEqual(file["run"].attrs["early_exit"], b"")


if __name__ == "__main__":
    unittest.main()
