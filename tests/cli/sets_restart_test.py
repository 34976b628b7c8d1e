#!/usr/bin/env python3
"""Long phases of sets and covers, stopped and resumed on other numbers of ranks, to the same numbers."""
import signal
import unittest

import h5py
import numpy
from support import DriverTest

# A noisy shear of the torus: every value but the first comes twice.
COHERENT = """\
model: {kind: map, variables: [x, y], map: [x + 0.3, y + x], noise: {kind: gaussian, sigma: 0.02}}
grid: {x: {from: 0, to: 1, cells: 60, boundary: periodic}, y: {from: 0, to: 1, cells: 60, boundary: periodic}}
ulam: {samples: 2}
coherent_sets: {pairs: 12, steps: 2}
"""
HENON = """\
model: {kind: map, variables: [x, y], map: [1 - 1.4*x^2 + y, 0.3*x]}
grid: {x: {from: -1.5, to: 1.5, cells: 1}, y: {from: -0.5, to: 0.5, cells: 1}}
cover: {depth: 18, samples: 16, outside: leak}
stationary: {}
"""
ULAM = """\
model: {kind: map, variables: [x, y], map: [x + 0.3 + sin(2*pi*y)/10, y + x + exp(-x*x)*cos(y)]}
grid: {x: {from: 0, to: 1, cells: 220, boundary: periodic}, y: {from: 0, to: 1, cells: 220, boundary: periodic}}
ulam: {samples: 120}
stationary: {}
"""
# Few boxes with many points in each, so that their rows are what takes time.
COVERED = """\
model: {kind: map, variables: [x, y], map: [1 - 1.4*x^2 + y + 0.01*sin(40*x), 0.3*x + 0.001*exp(-y*y)]}
grid: {x: {from: -1.5, to: 1.5, cells: 1}, y: {from: -0.5, to: 0.5, cells: 1}}
cover: {depth: 13, samples: 128, rule: random, outside: leak}
stationary: {}
"""
# Saves at every step, so that each of them can be where a run ends.
EAGER = ("--set", "checkpoint.every=1ms")


def names(file):
    """Of all datasets but what is told of the run."""
    found = []
    file.visit(found.append)
    return [name for name in found if not name.startswith("run")]


class Stopped(DriverTest):
    driver = "koopman"

    def stop_and_go_on(self, text, phase, stops):
        """Stops one run after another, once each has saved; the last one ends, on two ranks. Returns what a run
        without a stop has, and what that one has."""
        (self.folder / "input.yaml").write_text(text)
        self.succeed("input.yaml", "--quiet", "--output", "whole.h5")
        for _ in range(stops):
            code, stderr = self.interrupt(None, *EAGER, at="    checkpoint '")
            self.assertEqual(code, 75, stderr)
            self.assertNotIn("input.h5", self.files())
        told = self.succeed("input.yaml", "--restart", "auto", ranks=2)
        self.assertRegex(told, rf"resuming from 'input.checkpoint-\d+.h5' \({phase}\)")
        self.assertFalse([name for name in self.files() if "checkpoint" in name])
        files = [h5py.File(self.folder / name) for name in ("whole.h5", "input.h5")]
        for file in files:
            self.addCleanup(file.close)
        self.assertEqual(files[1]["run"].attrs["resumed"], 1)
        self.assertEqual(names(files[1]), names(files[0]))
        return files

    def assert_same_coherent_sets(self, stops):
        whole, file = self.stop_and_go_on(COHERENT, "coherent sets", stops)
        for name in ("singular_values", "coherence"):
            numpy.testing.assert_allclose(
                file[f"coherent_sets/{name}"][:], whole[f"coherent_sets/{name}"][:], atol=1e-9, err_msg=name)
        self.assertLess(file["coherent_sets/residuals"][:].max(), 1e-9)

    # Values converge one by one, some of them before their twins: each stop leaves others.
    def test_coherent_sets_stopped_once(self):
        self.assert_same_coherent_sets(1)

    def test_coherent_sets_stopped_again_and_again(self):
        self.assert_same_coherent_sets(2)

    def test_a_cover(self):
        whole, file = self.stop_and_go_on(HENON, "cover", 2)
        for name in ("centres", "counts"):
            numpy.testing.assert_array_equal(file[f"cover/{name}"][:], whole[f"cover/{name}"][:])
        for name in ("boxes", "added", "missed"):
            self.assertEqual(file["cover"].attrs[name], whole["cover"].attrs[name])
        numpy.testing.assert_allclose(
            file["stationary/density"][:], whole["stationary/density"][:], rtol=1e-7, atol=1e-7)

    def test_the_assembly_of_a_matrix(self):
        (self.folder / "input.yaml").write_text(ULAM)
        self.succeed("input.yaml", "--quiet", "--output", "whole.h5")
        known = self.rows_of_two_stops(
            (("of 48400 cells", signal.SIGTERM), ("of 48400 cells", signal.SIGUSR2)), 48400)
        self.assertTrue(known, "no signal came before all rows were made")
        done = self.run_driver("input.yaml", "--quiet", "--restart", "auto", "--walltime", "2s", ranks=4)
        self.assertEqual(done.returncode, 75, done.stderr)
        self.assertGreater(self.saved_rows(), known)
        # The matrix took longer than it takes to be read: it stays in later saves.
        code, stderr = self.interrupt(None, *EAGER, at="  assembly  ")
        self.assertEqual(code, 75, stderr)
        told = self.succeed("input.yaml", "--restart", "auto", ranks=2)
        self.assertRegex(told, r"resuming from 'input.checkpoint-\d+.h5' \(stationary\)")
        self.assertIn("    48400 rows from the checkpoint\n", told)
        self.assertFalse([name for name in self.files() if "checkpoint" in name])
        with h5py.File(self.folder / "whole.h5") as whole, h5py.File(self.folder / "input.h5") as file:
            numpy.testing.assert_allclose(
                file["stationary/density"][:], whole["stationary/density"][:], rtol=1e-7, atol=1e-7)
            self.assertEqual(file["grid"].attrs["nonzeros"], whole["grid"].attrs["nonzeros"])
            self.assertEqual(names(file), names(whole))

    def test_the_assembly_of_a_matrix_on_a_cover(self):
        # Rows that take longer, where signals came after all of them.
        for samples in (128, 192, 288):
            (self.folder / "input.yaml").write_text(COVERED.replace("samples: 128", f"samples: {samples}"))
            self.succeed("input.yaml", "--quiet", "--output", "whole.h5", "--overwrite")
            with h5py.File(self.folder / "whole.h5") as whole:
                boxes = whole["cover"].attrs["boxes"]
            # As soon as the rows have begun: finding the boxes takes ten times as long as they do.
            known = self.rows_of_two_stops(
                (("  cover  ", signal.SIGUSR2), (" rows from the checkpoint", signal.SIGTERM)), boxes)
            if known:
                break
        self.assertTrue(known, f"no signal came before all of {boxes} rows were made")
        told = self.succeed("input.yaml", "--restart", "auto", ranks=4)
        self.assertIn(f"    {known} rows from the checkpoint\n", told)
        self.assertFalse([name for name in self.files() if "checkpoint" in name])
        with h5py.File(self.folder / "whole.h5") as whole, h5py.File(self.folder / "input.h5") as file:
            numpy.testing.assert_allclose(
                file["stationary/density"][:], whole["stationary/density"][:], rtol=1e-7, atol=1e-7)
            self.assertEqual(file["grid"].attrs["nonzeros"], whole["grid"].attrs["nonzeros"])
            self.assertEqual(file["grid"].attrs["largest_leak"], whole["grid"].attrs["largest_leak"])
            self.assertEqual(names(file), names(whole))

    def rows_of_two_stops(self, stops, all_rows):
        """Stops two runs in the middle of their rows, each by a signal once it has printed something, the second
        one going on with the rows of the first; returns the rows that are then known. A signal comes late where
        this process does not get its turn for as long as the rows take; such a run has shown nothing, and both are
        made again. 0 where three times all rows were made."""
        for _ in range(3):
            known = 0
            for at, by in stops:
                code, stderr = self.interrupt(None, at=at, by=by)
                self.assertIn(code, (0, 75), stderr)
                before, known = known, self.saved_rows(all_rows) if code == 75 else all_rows
                if known == all_rows:
                    break
                self.assertGreater(known, before)
            else:
                return known
            for name in self.files():
                if name.startswith("input.") and name != "input.yaml":
                    (self.folder / name).unlink()
        return 0

    def saved_rows(self, otherwise=0):
        """Rows of the matrix in the newest checkpoint, behind the block of its seal; a later phase's may have none."""
        newest = max((name for name in self.files() if "checkpoint" in name),
                     key=lambda name: int(name.split("-")[1].split(".")[0]))
        with h5py.File(self.folder / newest) as file:
            name = "state/assembly.rows.size"
            return int(file[name][0]) if name in file else otherwise


if __name__ == "__main__":
    unittest.main()
