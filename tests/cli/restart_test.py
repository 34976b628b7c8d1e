#!/usr/bin/env python3
"""A run cut short goes on where it stopped, on another number of ranks, to the same numbers."""
import signal
import unittest

import h5py
import numpy
from support import DriverTest

# A block solver on a small grid with a tolerance near rounding: some dozen iterations.
LONG = """\
model: {variables: [x, y], potential: (x^2-1)^2 + y^2 + x*y/2, diffusion: 0.25}
grid: {x: {from: -2.5, to: 2.5, cells: 160}, y: {from: -2.5, to: 2.5, cells: 160}}
stationary: {}
spectrum: {pairs: 6, solver: iterative, tolerance: 1e-11, error_estimate: false}
checkpoint: {every: 1h}
"""
# One factorisation, in which nothing can be saved.
FACTORISED = """\
model: {variables: [x, y], drift: ["-x + y", "-x - y"], diffusion: 0.5}
grid: {x: {from: -4, to: 4, cells: 60}, y: {from: -4, to: 4, cells: 60}}
stationary: {solver: direct}
"""
# A spectrum that options keep from converging, and then some seconds of work.
FAILING = """\
model: {variables: [x], drift: ["1 + x*(1-x)"], diffusion: 0.02}
grid: {x: {from: 0, to: 1, cells: 6000}}
spectrum: {pairs: 3, error_estimate: false}
evolve: {initial: exp(-(x-0.5)^2/0.01), times: [0.5], method: uniformisation, tolerance: 1e-6}
"""
# One long series of products, in which the work is one pass over memory each.
SERIES = """\
model: {variables: [x, y], potential: (x^2-1)^2 + y^2 + x*y/2, diffusion: 0.25}
grid: {x: {from: -2.5, to: 2.5, cells: 400}, y: {from: -2.5, to: 2.5, cells: 256}}
evolve: {initial: exp(-((x+1)^2+y^2)/0.02), times: [0.2, 30], method: chebyshev, tolerance: 1e-9}
checkpoint: {every: 1h}
"""
# Stops the block solver once per iteration; each run makes little progress and saves it.
IMPATIENT = ("--set", "checkpoint.every=1ms")


class Restart(DriverTest):
    input_text = LONG

    def reference(self):
        self.succeed("input.yaml", "--quiet", "--output", "whole.h5", ranks=2)
        with h5py.File(self.folder / "whole.h5") as file:
            return file["spectrum/eigenvalues"][:, 0]

    def test_stopped_and_resumed_on_other_ranks(self):
        expected = self.reference()
        code, stderr = self.interrupt(None)
        self.assertEqual(code, 75, stderr)
        self.assertIn("run the same command again with '--restart auto'", stderr)
        self.assertIn("input.checkpoint-1.h5", self.files())
        self.assertNotIn("input.h5", self.files())

        told = self.succeed("input.yaml", "--restart", "auto", ranks=4)

        self.assertIn("resuming from 'input.checkpoint-1.h5'", told)
        with h5py.File(self.folder / "input.h5") as file:
            found = file["spectrum/eigenvalues"][:, 0]
            self.assertEqual(file["stationary"].attrs["verdict"].decode(), "converged")
        numpy.testing.assert_allclose(found, expected, rtol=1e-9, atol=1e-9)
        self.assertNotIn("input.checkpoint-1.h5", self.files())

    def test_a_series_goes_on_to_the_same_bits(self):
        (self.folder / "input.yaml").write_text(SERIES)
        for form in ("matrix_free", "assembled"):
            asked = ("--set", f"operator={form}")
            self.succeed("input.yaml", "--quiet", "--output", "whole.h5", "--overwrite", *asked,
                         ranks=2)
            code, stderr = self.interrupt(2, "--overwrite", *asked, at="as asked",
                                          by=signal.SIGUSR2) # which mpirun passes on
            self.assertEqual(code, 75, stderr)
            told = self.succeed("input.yaml", "--restart", "auto", "--overwrite", *asked, ranks=2)
            self.assertIn("resuming from 'input.checkpoint-", told)
            with h5py.File(self.folder / "input.h5") as file, h5py.File(
                self.folder / "whole.h5"
            ) as whole:
                self.assertEqual(file["run"].attrs["resumed"], 1)
                numpy.testing.assert_array_equal(
                    file["evolve/density"][:], whole["evolve/density"][:], form)

    def test_a_run_saved_at_every_step_ends_with_the_same_numbers(self):
        expected = self.reference()
        self.succeed("input.yaml", "--quiet", *IMPATIENT, ranks=2)
        with h5py.File(self.folder / "input.h5") as file:
            numpy.testing.assert_allclose(
                file["spectrum/eigenvalues"][:, 0], expected, rtol=1e-9, atol=1e-9
            )
            self.assertGreater(file["run"].attrs["checkpoints"], 0)
            self.assertGreater(file["run"].attrs["checkpoint_bytes"], 0)

    def test_what_did_not_converge_before_a_stop_is_still_said_after_it(self):
        (self.folder / "input.yaml").write_text(FAILING)
        hasty = ("-spectrum_eps_max_it", "1", "-spectrum_eps_ncv", "5")
        code, stderr = self.interrupt(None, *hasty, at="product")
        self.assertEqual(code, 75, stderr)
        done = self.run_driver("input.yaml", "--restart", "auto", *hasty, ranks=2)
        self.assertIn("taken over from the checkpoint", done.stdout)
        self.assertEqual(done.returncode, 3, done.stderr)
        self.assertIn("spectrum did not converge", done.stderr)
        with h5py.File(self.folder / "input.h5") as file:
            self.assertEqual(file["run"].attrs["early_exit"].decode(), "spectrum did not converge")
            self.assertEqual(file["run"].attrs["resumed"], 1)
        self.assertEqual(self.files(), ["input.h5", "input.xdmf", "input.yaml"])

    def test_a_fresh_start_does_not_replace_what_an_earlier_run_saved(self):
        self.interrupt(None)
        saved = (self.folder / "input.checkpoint-1.h5").read_bytes()
        done = self.run_driver("input.yaml", "--quiet", "--walltime", "1s", "--set",
                               "stationary.solver=direct")
        self.assertEqual(done.returncode, 75, done.stderr)
        self.assertIn("the checkpoints of an earlier run are kept", done.stderr)
        self.assertEqual(self.files(), ["input.checkpoint-1.h5", "input.yaml"])
        self.assertEqual((self.folder / "input.checkpoint-1.h5").read_bytes(), saved)

    def test_another_problem_is_refused(self):
        code, stderr = self.interrupt(None)
        self.assertEqual(code, 75, stderr)
        done = self.run_driver(
            "input.yaml", "--restart", "auto", "--set", "model.diffusion=0.3", ranks=2
        )
        self.assertEqual(done.returncode, 2)
        self.assertRegex(
            done.stderr,
            r"\Aerror: checkpoint 'input.checkpoint-1.h5' belongs to another problem: "
            r"'model.diffusion' is 0.3 here, but 0.25 there; [^\n]*\n\Z",
        )
        self.assertNotIn("input.h5", self.files())

    def test_a_file_that_is_no_checkpoint(self):
        (self.folder / "foreign.h5").write_text("x" * 1000)
        done = self.run_driver("input.yaml", "--restart", "foreign.h5", ranks=2)
        self.assertEqual(done.returncode, 2)
        self.assertEqual(
            done.stderr,
            "error: checkpoint 'foreign.h5' cannot be used: it is not a komori checkpoint\n",
        )
        self.assertEqual(self.files(), ["foreign.h5", "input.yaml"])

    def test_the_wall_time_is_kept(self):
        done = self.run_driver("input.yaml", "--restart", "auto", "--walltime", "1s", ranks=2)
        self.assertIn(done.returncode, (75,), done.stderr)
        self.assertIn("stopped by the end of its wall time", done.stderr)
        self.succeed("input.yaml", "--quiet", "--restart", "auto", ranks=1)

    def test_runs_too_short_for_any_progress_do_not_go_on_for_ever(self):
        (self.folder / "input.yaml").write_text(FACTORISED)
        hopeless = ("input.yaml", "--quiet", "--restart", "auto", "--walltime", "1s")
        for code in (75, 75, 3):
            done = self.run_driver(*hopeless, ranks=2)
            self.assertEqual(done.returncode, code, done.stderr)
        self.assertEqual(
            done.stderr,
            "error: 3 runs in a row were stopped before they could save any progress; give each "
            "run more time, or more ranks\n",
        )


if __name__ == "__main__":
    unittest.main()
