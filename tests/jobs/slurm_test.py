#!/usr/bin/env python3
"""Jobs in SLURM: several nodes, a time limit, scancel, errors and arrays, by the scripts of jobs/.

The cluster is started for the test. Where that is impossible the test is skipped (exit code 77),
with KOMORI_REQUIRE_SLURM=1 it fails.
"""
import csv
import os
import pathlib
import re
import sys
import time
import unittest

sys.path.insert(0, str(pathlib.Path(__file__).resolve().parents[1] / "cli"))

import h5py
import numpy
from cluster import Cluster
from support import DOUBLE_WELL, DRIVERS, ROOT, DriverTest

SKIPPED = 77
SCRIPT = ROOT / "jobs" / "komori.sbatch"
SWEEP = ROOT / "jobs" / "sweep.py"
QUICK = DOUBLE_WELL + """\
evolve: {initial: exp(-(x+1)^2/0.05), times: [0.1, 1], observables: {mean_x: x}}
"""
# Some seconds of one long sum that can be cut anywhere and goes on to the last bit.
LONG = """\
model: {variables: [x], drift: ["1"], diffusion: 0.02}
grid: {x: {from: 0, to: 1, cells: 20000, boundary: periodic}}
evolve:
  initial: exp(-(x-0.5)^2/0.01)
  times: [0.002, 0.005, 0.01]
  observables: {mean_x: x}
  method: uniformisation
checkpoint: {every: 1s}
"""
TWO_NODES = ("--nodes=2", "--ntasks-per-node=1")
# mpirun waits that long, several times, before it returns any code but 0.
IMPATIENT = {"OMPI_MCA_odls_base_sigkill_timeout": "1"}
NEAR_THE_LIMIT = "the time limit is near"
cluster = Cluster()


def setUpModule():
    cluster.__enter__()


def tearDownModule():
    cluster.__exit__()


def numbers(path):
    """All that two runs of one input must agree in."""
    with h5py.File(path) as file:
        names = ("spectrum/eigenvalues", "evolve/density", "evolve/observables/mean_x")
        return {name: file[name][:] for name in names if name in file}


class JobTest(DriverTest):
    def submit(self, *arguments, sbatch=TWO_NODES, **settings):
        """One job for the input of this test."""
        return cluster.submit(
            "--output=job.log", *sbatch, SCRIPT, "fokker_planck", "input.yaml", *arguments,
            cwd=self.folder, KOMORI_BIN=str(DRIVERS), **settings,
        )

    def log(self):
        path = self.folder / "job.log"
        return path.read_text() if path.exists() else ""

    def wait_until(self, what, condition, seconds=90):
        end = time.monotonic() + seconds
        while not condition():
            self.assertLess(time.monotonic(), end, f"waiting until {what}:\n{self.log()}")
            time.sleep(0.1)

    def saved(self, stem="input"):
        return any(self.folder.glob(f"{stem}.checkpoint-*.h5"))

    def wait(self, job, state, seconds=180):
        self.assertEqual(cluster.wait(job, seconds), state, self.log())

    def assert_same(self, found, expected):
        self.assertEqual(set(found), set(expected))
        for name, values in expected.items():
            tolerance = 1e-9 if name == "spectrum/eigenvalues" else 1e-10
            numpy.testing.assert_allclose(found[name], values, rtol=tolerance, atol=tolerance,
                                          err_msg=name)


class TwoNodes(JobTest):
    input_text = QUICK

    def test_the_result_is_that_of_one_process(self):
        self.succeed("input.yaml", "--quiet", "--output", "local.h5")
        expected = numbers(self.folder / "local.h5")
        self.assertEqual(len(expected), 3)
        for launcher in ("srun", "mpirun"):
            with self.subTest(launcher):
                job = self.submit("--quiet", sbatch=("--nodes=2", "--ntasks-per-node=2"),
                                  KOMORI_LAUNCHER=launcher)
                self.wait(job, "COMPLETED")
                self.assertIn(f": {launcher} ", self.log())
                with h5py.File(self.folder / "input.h5") as file:
                    self.assertEqual(file["run"].attrs["nodes"], 2)
                    self.assertEqual(file["run"].attrs["ranks"], 4)
                self.assert_same(numbers(self.folder / "input.h5"), expected)
                (self.folder / "input.h5").unlink()
                (self.folder / "job.log").unlink()

    def test_a_job_without_the_environment_of_its_user(self):
        job = self.submit("--quiet", sbatch=(*TWO_NODES, f"--export=KOMORI_BIN={DRIVERS}"))
        self.wait(job, "COMPLETED")
        self.assertTrue((self.folder / "input.h5").exists())

    def test_an_error_ends_the_job(self):
        for launcher in ("srun", "mpirun"):
            with self.subTest(launcher):
                job = self.submit("--set", "spectrum.pairs=0", KOMORI_LAUNCHER=launcher,
                                  **IMPATIENT)
                self.wait(job, "FAILED")
                self.assertEqual(cluster.exit_code(job), (2, 0), self.log())
                self.assertEqual(cluster.restarts(job), 0)
                self.assertIn("error: --set spectrum.pairs=0", self.log())


class ScalingStudy(JobTest):
    input_text = (ROOT / "inputs" / "scaling.yaml").read_text().replace("cells: 512", "cells: 96")

    def test_it_submits_itself_and_ends_in_its_table_and_plot(self):
        told = cluster.command(
            sys.executable, "-B", ROOT / "jobs" / "scaling.py", "strong", "input.yaml", "--ranks",
            "1,2,4", "--folder", "study", cwd=self.folder, KOMORI_BIN=str(DRIVERS),
        )
        jobs = re.match(r"submitted jobs (\d+) (\d+) (\d+); job (\d+) writes", told).groups()
        for job in jobs:
            self.assertEqual(cluster.wait(job, 120), "COMPLETED", job)
        with open(self.folder / "study" / "table.csv", encoding="utf-8") as file:
            rows = list(csv.DictReader(file))
        self.assertEqual([row["ranks"] for row in rows], ["1", "2", "4"])
        self.assertEqual([row["nodes"] for row in rows][2], "2")
        self.assertTrue((self.folder / "study" / "scaling.png").read_bytes().startswith(b"\x89PNG"))
        self.assertIn("## Messages per product", (self.folder / "study" / "report.md").read_text())


class Interrupted(JobTest):
    input_text = LONG

    @classmethod
    def setUpClass(cls):
        class Reference(DriverTest):
            input_text = LONG

            def runTest(self):
                self.succeed("input.yaml", "--quiet", ranks=2)
                cls.expected = numbers(self.folder / "input.h5")

        done = unittest.TestResult()
        Reference().run(done)
        if not done.wasSuccessful():
            raise RuntimeError(done.errors + done.failures)

    def assert_went_on(self, job):
        self.assertGreaterEqual(cluster.restarts(job), 1, self.log())
        self.assertIn("resuming from", self.log())
        self.assert_same(numbers(self.folder / "input.h5"), self.expected)
        self.assertFalse(self.saved())

    def test_time_limit(self):
        # Held still, the run meets the limit on a fast machine, too, and costs nothing.
        job = self.submit(sbatch=(*TWO_NODES, "--time=1", "--signal=B:USR1@15"))
        self.wait_until("there is a checkpoint", self.saved)
        cluster.signal(job, "STOP")
        self.wait_until("SLURM warns of the limit", lambda: NEAR_THE_LIMIT in self.log())
        self.assertEqual(cluster.restarts(job), 0)
        cluster.signal(job, "CONT")
        self.wait(job, "COMPLETED")
        self.assert_went_on(job)

    def test_time_limit_of_mpirun(self):
        # The signal of the limit, but sent by hand.
        job = self.submit(KOMORI_LAUNCHER="mpirun", **IMPATIENT)
        self.wait_until("there is a checkpoint", self.saved)
        cluster.signal(job, "USR1", batch=True)
        self.wait(job, "COMPLETED")
        self.assertIn(NEAR_THE_LIMIT, self.log())
        self.assert_went_on(job)

    def test_cancelled(self):
        for launcher in ("srun", "mpirun"):
            with self.subTest(launcher):
                job = self.submit("--set", "checkpoint.every=1h", KOMORI_LAUNCHER=launcher)
                self.wait_until("the solver works", lambda: "product" in self.log())
                self.assertFalse(self.saved())
                cluster.cancel(job)
                self.wait(job, "CANCELLED")
                self.assertEqual(cluster.restarts(job), 0)
                self.assertEqual(self.files(),
                                 ["input.checkpoint-1.h5", "input.yaml", "job.log"], self.log())
                told = self.succeed("input.yaml", "--restart", "auto", ranks=2)
                self.assertIn("resuming from 'input.checkpoint-1.h5'", told)
                self.assert_same(numbers(self.folder / "input.h5"), self.expected)
                for name in ("input.h5", "input.xdmf", "job.log"):
                    (self.folder / name).unlink()

    def sweep(self, *arguments):
        return cluster.command(sys.executable, "-B", SWEEP, *arguments, cwd=self.folder,
                               KOMORI_BIN=str(DRIVERS))

    def test_array(self):
        what = ("input.yaml", "model.diffusion=0.02,0.021", "--folder", "array")
        told = self.sweep(*what, "--limit", "2", "--", "--nodes=1", "--ntasks-per-node=1")
        job = re.search(r"Submitted batch job (\d+)", told)[1]
        # The last task to start has the number of the whole array; only it must go back.
        self.wait_until("both tasks have saved",
                        lambda: self.saved("array/input-1") and self.saved("array/input-2"))
        cluster.signal(f"{job}_2", "USR1", batch=True)
        self.wait(job, ["COMPLETED", "COMPLETED"])
        restarts = {task["ArrayTaskId"]: task["Restarts"] for task in cluster.show(job)}
        self.assertEqual(restarts, {"1": "0", "2": "1"})

        self.assert_same(numbers(self.folder / "array" / "input-1.h5"), self.expected)
        self.sweep("--collect", "array")
        with open(self.folder / "array" / "table.csv", encoding="utf-8") as file:
            rows = list(csv.DictReader(file))
        self.assertEqual([(row["task"], row["model.diffusion"], row["state"]) for row in rows],
                         [("1", "0.02", "done"), ("2", "0.021", "done")])
        self.assertEqual(self.sweep(*what), "2 combinations, 2 of them solved, in array\n")


if __name__ == "__main__":
    reason = Cluster.missing()
    if reason:
        print(f"no SLURM: {reason}")
        sys.exit(1 if os.environ.get("KOMORI_REQUIRE_SLURM") == "1" else SKIPPED)
    unittest.main()
