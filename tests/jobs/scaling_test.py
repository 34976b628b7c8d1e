#!/usr/bin/env python3
"""jobs/scaling.py on one machine: its runs, its report, and what the report claims about messages."""
import csv
import pathlib
import re
import subprocess
import sys
import unittest

sys.path.insert(0, str(pathlib.Path(__file__).resolve().parents[1] / "cli"))

import h5py
from support import DRIVERS, ROOT, DriverTest, environment

SCRIPT = ROOT / "jobs" / "scaling.py"
STUDY = (ROOT / "inputs" / "scaling.yaml").read_text().replace("cells: 512", "cells: 96")


class Scaling(DriverTest):
    input_text = STUDY

    def scaling(self, *arguments):
        return subprocess.run(
            [sys.executable, "-B", str(SCRIPT), *map(str, arguments)], cwd=self.folder,
            env={**environment(), "KOMORI_BIN": str(DRIVERS)}, capture_output=True, text=True,
            check=False, timeout=300,
        )

    def rows(self, folder):
        with open(self.folder / folder / "table.csv") as file:
            return list(csv.DictReader(file))

    def test_a_strong_study(self):
        done = self.scaling("strong", "input.yaml", "--local", "--ranks", "1,2,4,6")
        self.assertEqual((done.returncode, done.stderr), (0, ""), done.stdout)
        folder = "results/input-strong"
        rows = self.rows(folder)
        self.assertEqual([row["ranks"] for row in rows], ["1", "2", "4", "6"])
        self.assertEqual({row["unknowns"] for row in rows}, {str(96 * 96)})
        for row in rows:
            self.assertGreater(float(row["spectrum s"]), 0)
            self.assertGreater(float(row["MB/rank"]), 1)
        # Iterations do not depend on the number of ranks, within a fifth.
        iterations = [int(row["spectrum iterations"]) for row in rows]
        self.assertLessEqual(max(iterations), 1.2 * min(iterations))
        self.assertEqual(len({row["evolve products"] for row in rows}), 1)
        self.assertEqual(float(rows[0]["messages/rank"]), 0)
        self.assertTrue((self.folder / folder / "scaling.png").read_bytes().startswith(b"\x89PNG"))
        report = (self.folder / folder / "report.md").read_text()
        # Halos of Cartesian blocks, nothing else: what is sent follows the surfaces.
        off = [float(percent) for percent in re.findall(r"\| ([-+][\d.]+)% \|", report)]
        self.assertEqual(len(off), 3)
        self.assertLess(max(map(abs, off)), 2)
        self.assertIn("| 4096 |", report)

        # What is there is not computed again.
        again = self.scaling("strong", "input.yaml", "--local", "--ranks", "1,2,4,6")
        self.assertEqual(again.stdout.count("is there already"), 4)

    def test_a_weak_study(self):
        done = self.scaling("weak", "input.yaml", "--local", "--ranks", "1,2,4", "--set",
                            "spectrum.pairs=2")
        self.assertEqual((done.returncode, done.stderr), (0, ""), done.stdout)
        rows = self.rows("results/input-weak")
        self.assertEqual([int(row["unknowns"]) for row in rows], [96 * 96 * n for n in (1, 2, 4)])
        with h5py.File(self.folder / "results/input-weak/weak-4.h5") as file:
            self.assertEqual(len(file["spectrum/eigenvalues"]), 2)

    def test_what_it_refuses(self):
        for arguments, message in (
            (("strong", "absent.yaml", "--local"), "scaling: absent.yaml: No such file or directory\n"),
            (("weak", "input.yaml", "--local", "--ranks", "2,3"),
             "scaling: --ranks: all of [2, 3] must be multiples of the first for a weak study\n"),
            (("report", "."), "scaling: . holds no result of a study\n"),
        ):
            with self.subTest(arguments):
                done = self.scaling(*arguments)
                self.assertEqual((done.returncode, done.stderr), (2, message))


if __name__ == "__main__":
    unittest.main()
