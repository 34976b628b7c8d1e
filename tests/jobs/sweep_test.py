#!/usr/bin/env python3
"""jobs/sweep.py on one machine: what it would submit, local runs, the table, its messages."""
import csv
import pathlib
import subprocess
import sys
import unittest

sys.path.insert(0, str(pathlib.Path(__file__).resolve().parents[1] / "cli"))

import h5py
from support import DRIVERS, ROOT, DriverTest, environment


class Sweep(DriverTest):
    def sweep(self, *arguments):
        # mpirun waits that long, several times, before it returns any code but 0.
        kept = {**environment(), "KOMORI_BIN": str(DRIVERS),
                "OMPI_MCA_odls_base_sigkill_timeout": "1"}
        return subprocess.run(
            [sys.executable, "-B", str(ROOT / "jobs" / "sweep.py"), *map(str, arguments)],
            cwd=self.folder, env=kept, capture_output=True, text=True, check=False, timeout=300,
        )

    def lines(self):
        return (self.folder / "results" / "input" / "sweep.txt").read_text().splitlines()

    def table(self):
        with open(self.folder / "results" / "input" / "table.csv", encoding="utf-8") as file:
            return list(csv.DictReader(file))

    def test_local_runs_and_their_table(self):
        what = ("input.yaml", "model.parameters.beta=3,4", "grid.x.cells=40:60:2", "--local", "-n",
                1)
        done = self.sweep(*what)
        self.assertEqual((done.returncode, done.stderr), (0, ""), done.stdout)
        self.assertEqual(self.lines(), [
            f"model.parameters.beta={beta} grid.x.cells={cells}" for beta in (3, 4)
            for cells in (40, 60)])
        self.assertEqual(self.sweep("--collect", "results/input").returncode, 0)
        rows = self.table()
        self.assertEqual([(row["task"], row["model.parameters.beta"], row["grid.x.cells"])
                          for row in rows],
                         [("1", "3", "40"), ("2", "3", "60"), ("3", "4", "40"), ("4", "4", "60")])
        direct = self.result("--set", "model.parameters.beta=4", "--set", "grid.x.cells=40")
        self.assertAlmostEqual(float(rows[2]["rate_1"]), direct["spectrum/rates"][1], places=9)
        self.assertAlmostEqual(float(rows[2]["mean_square"]),
                               direct["stationary/observables/mean_square"][0], places=9)
        self.assertEqual((rows[2]["state"], rows[2]["verdict_0"]), ("done", "converged"))

        # Again: only what is missing is solved.
        folder = self.folder / "results" / "input"
        (folder / "input-3.h5").unlink()
        others = [folder / f"input-{n}.h5" for n in (1, 2, 4)]
        times = [path.stat().st_mtime_ns for path in others]
        self.assertEqual(self.sweep("--collect", folder).returncode, 0)
        self.assertEqual([row["state"] for row in self.table()],
                         ["done", "done", "missing", "done"])
        done = self.sweep(*what)
        self.assertIn("4 combinations, 3 of them solved", done.stdout)
        self.assertTrue((folder / "input-3.h5").exists())
        self.assertEqual(times, [path.stat().st_mtime_ns for path in others])

    def test_incomplete_results_are_told(self):
        done = self.sweep("input.yaml", "spectrum.pairs=3,4", "--local", "-n", 1)
        self.assertEqual(done.returncode, 0, done.stdout)
        folder = self.folder / "results" / "input"
        with h5py.File(folder / "input-1.h5", "a") as file:
            file["run"].attrs["early_exit"] = "spectrum did not converge"
        (folder / "input-2.h5").write_text("no HDF5")
        self.sweep("--collect", folder)
        self.assertEqual([row["state"] for row in self.table()],
                         ["spectrum did not converge", "unreadable"])

    def test_a_failing_run_does_not_stop_the_others(self):
        done = self.sweep("input.yaml", "spectrum.pairs=0,3", "--local", "-n", 1)
        self.assertEqual(done.returncode, 2)
        self.assertIn("  failed with exit code 2, see results/input/task-1.log\n", done.stdout)
        folder = self.folder / "results" / "input"
        self.assertIn("'spectrum.pairs' is 0", (folder / "task-1.log").read_text())
        self.assertTrue((folder / "input-2.h5").exists())

    def test_what_would_be_submitted(self):
        done = self.sweep("input.yaml", "spectrum.pairs=3,4,5", "--dry-run", "--limit", 2,
                          "--folder", "mine", "--driver", "other", "--", "--time=10")
        self.assertEqual(done.stdout, (
            "3 combinations, 0 of them solved, in mine\n"
            "1: spectrum.pairs=3\n2: spectrum.pairs=4\n3: spectrum.pairs=5\n"
            "sbatch --array=1-3%2 --output=mine/task-%a.log --job-name=mine --time=10 "
            f"{ROOT}/jobs/komori.sbatch --sweep mine/sweep.txt other mine/input.yaml "
            "--output mine/input.h5\n"))
        self.assertEqual(self.files(), ["input.yaml"])

    def test_values(self):
        for word, expected in (
            ("a.b=0:1:3", ["0", "0.5", "1"]), ("a=0:0.3:4", ["0", "0.1", "0.2", "0.3"]),
            ("a=1e-3,x", ["1e-3", "x"]), ("a=[1,2],[3,4]", ["[1,2]", "[3,4]"]),
            ("a=max(x,1),-x", ["max(x,1)", "-x"]),
        ):
            with self.subTest(word):
                done = self.sweep("input.yaml", word, "--dry-run", "--local")
                key = word.split("=")[0]
                self.assertEqual([line.split("=", 1)[1] for line in done.stdout.splitlines()
                                  if f": {key}=" in line], expected)

    def test_mistakes(self):
        (self.folder / "old").mkdir()
        (self.folder / "old" / "sweep.txt").write_text("a=3\n")
        for arguments, message in (
            (["input.yaml"], "give at least one KEY=V1,V2,... or KEY=FROM:TO:COUNT"),
            (["none.yaml", "a=1"], "the input 'none.yaml' is no YAML file; give INPUT.yaml first, "
                                   "then KEY=VALUES"),
            (["input.yaml", "a"], "'a' is no KEY=V1,V2,... and no KEY=FROM:TO:COUNT"),
            (["input.yaml", "a=1,,2"], "'a=1,,2': values must not be empty or hold spaces"),
            (["input.yaml", "a=1,1"], "'a=1,1': a value is given twice"),
            (["input.yaml", "a=1", "a=2"], "a key is given twice"),
            (["input.yaml", "a=x:2:3"], "'a=x:2:3': 'x' is no number; write KEY=FROM:TO:COUNT"),
            (["input.yaml", "a=1:2:1"], "'a=1:2:1': COUNT must be at least 2"),
            (["input.yaml", "a=1", "--lokal"], "unrecognized arguments: --lokal"),
            (["input.yaml", "a=1", "--local", "--", "-N2"], "--limit and options of sbatch are for "
                                                            "SLURM, not for --local"),
            (["input.yaml", "a=1", "--folder", "old"], "'old/sweep.txt' is of another sweep; give "
                                                       "another --folder, or remove that one"),
            (["--collect", "."], "there is no 'sweep.txt'; give --collect the folder of a sweep"),
        ):
            with self.subTest(message):
                done = self.sweep(*arguments)
                self.assertEqual((done.returncode, done.stderr, done.stdout),
                                 (2, f"sweep.py: {message}\n", ""))
        self.assertEqual(self.files(), ["input.yaml", "old"])


if __name__ == "__main__":
    unittest.main()
