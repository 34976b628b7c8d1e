#!/usr/bin/env python3
"""Runs that cannot finish: too large, a solver that does not converge, a signal."""
import signal
import subprocess
import unittest

import h5py
from support import DOUBLE_WELL, DriverTest, command, environment

# A ring with hardly any noise: days of work, saved and looked after every few milliseconds.
ENDLESS = """\
model: {variables: [x], drift: ["1"], diffusion: 1e-6}
grid: {x: {from: 0, to: 1, cells: 5000, boundary: periodic}}
evolve:
  initial: exp(-(x-0.5)^2/0.001)
  times: [1e6]
  method: uniformisation
  tolerance: 1e-3
"""
LARGE = """\
model: {variables: [x, y, z], potential: x^2 + y^2 + z^2, diffusion: 0.25}
grid:
  x: {from: -2.5, to: 2.5, cells: 1200}
  y: {from: -2.5, to: 2.5, cells: 1200}
  z: {from: -2.5, to: 2.5, cells: 1200}
spectrum: {pairs: 3}
"""


class TooLarge(DriverTest):
    input_text = LARGE

    def test_more_memory_than_there_is(self):
        for options in ([], ["--check"]):
            done = self.run_driver("input.yaml", *options, ranks=2)
            self.assertEqual(done.returncode, 4)
            self.assertRegex(
                done.stderr,
                r"\Aerror: this run needs about [\d.]+ \wB on a node with [\d.]+ GB \(1.728e\+09 cells, "
                r"2 ranks here, about [\d.]+ \wB each\); use more nodes, fewer cells\n\Z",
            )
            self.assertEqual(done.stdout, "")
            self.assertEqual(self.files(), ["input.yaml"])

    def test_more_than_an_index_numbers(self):
        if "64-bit indices" in self.run_driver("--version").stdout:
            return  # nothing of a size that could be written down is too large then
        for changes, message in (
            (["--set", "grid.x.cells=20000"],
             "the grid has 2.88e+10 cells, more than this build's 32-bit indices can number; use "
             "fewer cells, or a komori built with 64-bit indices ("),
            (["--set", "operator=assembled"],
             "a rank's part of the assembled matrix would have 6.048e+09 nonzeros, more than this "
             "build's 32-bit indices can number; use more ranks, fewer cells, or a komori built with "
             "64-bit indices ("),
        ):
            with self.subTest(message):
                done = self.run_driver("input.yaml", "--check", *changes, ranks=2)
                self.assertEqual(done.returncode, 4)
                self.assertIn("error: " + message, done.stderr)
                self.assertIn("KOMORI_INDEX64", done.stderr)
                self.assertEqual(self.files(), ["input.yaml"])


class NotConverged(DriverTest):
    def test_what_converged_is_written_and_marked(self):
        done = self.run_driver(
            "input.yaml", "--quiet", "-spectrum_eps_max_it", "1", "-spectrum_eps_ncv", "5", ranks=2
        )
        self.assertEqual(done.returncode, 3)
        warning, error = done.stderr.splitlines()
        self.assertRegex(warning, r"\Awarning: spectrum: \d of 3 pairs converged; raise ")
        self.assertEqual(error, "error: spectrum did not converge; what converged is in 'input.h5'")
        with h5py.File(self.folder / "input.h5") as file:
            self.assertEqual(
                file["run"].attrs["early_exit"].decode(), "spectrum did not converge"
            )
            self.assertEqual(file["stationary"].attrs["verdict"].decode(), "converged")
            self.assertLess(len(file["spectrum/eigenvalues"]), 3)
            self.assertEqual(len(file["run/warnings"]), 1)


class Signals(DriverTest):
    input_text = ENDLESS

    def stopped_by(self, number, ranks=None):
        """Sends the signal once the solver is at work; returns exit code and standard error."""
        # Open MPI kills what has not ended by then; its default of a second is short on a busy
        # machine.
        settings = {**environment(), "OMPI_MCA_odls_base_sigkill_timeout": "5"}
        with subprocess.Popen(
            command(["input.yaml"], ranks), cwd=self.folder, env=settings, text=True,
            stdout=subprocess.PIPE, stderr=subprocess.PIPE,
        ) as process:
            try:
                for line in process.stdout:
                    if "product" in line:
                        break
                process.send_signal(number)
                _, stderr = process.communicate(timeout=60)
            finally:
                process.kill()
        return process.returncode, stderr

    def assert_checkpoint_only(self):
        self.assertEqual(self.files(), ["input.checkpoint-1.h5", "input.yaml"])

    def test_one_process(self):
        for number, name in ((signal.SIGTERM, "Terminated"), (signal.SIGINT, "Interrupt")):
            with self.subTest(name):
                code, stderr = self.stopped_by(number)
                self.assertEqual(
                    stderr,
                    f"error: stopped by signal {int(number)} ({name}); run the same command again "
                    "with '--restart auto' to go on\n",
                )
                self.assertEqual(code, 75)
                self.assert_checkpoint_only()
                (self.folder / "input.checkpoint-1.h5").unlink()

    def test_under_mpiexec(self):
        # Open MPI passes both on as SIGTERM and has an exit code of its own.
        for number in (signal.SIGTERM, signal.SIGINT):
            with self.subTest(number.name):
                code, stderr = self.stopped_by(number, ranks=2)
                self.assertEqual(
                    stderr,
                    "error: stopped by signal 15 (Terminated); run the same command again with "
                    "'--restart auto' to go on\n",
                )
                self.assertNotEqual(code, 0)
                self.assert_checkpoint_only()
                (self.folder / "input.checkpoint-1.h5").unlink()

    def test_checkpoint_of_another_problem_is_refused(self):
        self.stopped_by(signal.SIGTERM)
        self.assert_refused(
            "checkpoint 'input.checkpoint-1.h5' belongs to another problem: 'evolve.tolerance' is "
            "0.01 here, but 0.001 there; use the input it was made with, or leave --restart away to "
            "begin afresh",
            "input.yaml", "--quiet", "--restart", "auto", "--set", "evolve.tolerance=0.01",
        )


if __name__ == "__main__":
    unittest.main()
