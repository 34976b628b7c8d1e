#!/usr/bin/env python3
"""Runs that cannot finish: too large, a solver that does not converge, a signal."""
import signal
import subprocess
import unittest

import h5py
from support import DOUBLE_WELL, DriverTest, command, environment

ENDLESS = """\
model: {variables: [x, y], potential: (x^2-1)^2 + y^2, diffusion: 0.25}
grid: {x: {from: -2.2, to: 2.2, cells: 40}, y: {from: -2.2, to: 2.2, cells: 40}}
spectrum: {pairs: 4}
"""
# Subspace iteration never gets below rounding: it goes on until it is stopped.
ON_AND_ON = (
    "-spectrum_eps_type", "subspace", "-spectrum_eps_tol", "1e-300",
    "-spectrum_eps_max_it", "1000000",
)
LARGE = """\
model: {variables: [x, y, z], potential: x^2 + y^2 + z^2, diffusion: 0.25}
grid:
  x: {from: -2.5, to: 2.5, cells: 20000}
  y: {from: -2.5, to: 2.5, cells: 20000}
  z: {from: -2.5, to: 2.5, cells: 20000}
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
                r"\Aerror: this run needs about [\d.]+ \wB on a node with [\d.]+ GB \(8e\+12 cells, "
                r"2 ranks here, about [\d.]+ \wB each\); use more nodes, fewer cells\n\Z",
            )
            self.assertEqual(done.stdout, "")
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

    def stopped_by(self, number, ranks):
        """Sends the signal once the solver is at work; returns exit code and standard error."""
        words = command(["input.yaml", *ON_AND_ON], ranks)
        # Open MPI kills what has not ended by then; its default of a second is short on a busy
        # machine.
        settings = {**environment(), "OMPI_MCA_odls_base_sigkill_timeout": "5"}
        with subprocess.Popen(
            words, cwd=self.folder, env=settings, text=True,
            stdout=subprocess.PIPE, stderr=subprocess.PIPE,
        ) as process:
            try:
                for line in process.stdout:
                    if "largest remaining error" in line:
                        break
                process.send_signal(number)
                _, stderr = process.communicate(timeout=60)
            finally:
                process.kill()
        return process.returncode, stderr

    def test_one_process(self):
        for number, name in ((signal.SIGTERM, "Terminated"), (signal.SIGINT, "Interrupt")):
            with self.subTest(name):
                code, stderr = self.stopped_by(number, None)
                self.assertRegex(stderr, rf"\Aerror: stopped by signal {int(number)} \({name}\); [^\n]+\n\Z")
                self.assertEqual(code, 75)
                self.assertEqual(self.files(), ["input.yaml"])

    def test_under_mpiexec(self):
        # Open MPI passes both on as SIGTERM and has an exit code of its own.
        for number in (signal.SIGTERM, signal.SIGINT):
            code, stderr = self.stopped_by(number, 2)
            self.assertRegex(stderr, r"\Aerror: stopped by signal 15 \(Terminated\); [^\n]+\n\Z")
            self.assertNotEqual(code, 0)
            self.assertEqual(self.files(), ["input.yaml"])


if __name__ == "__main__":
    unittest.main()
