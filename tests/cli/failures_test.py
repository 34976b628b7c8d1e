#!/usr/bin/env python3
"""What goes wrong around a run: ranks that fail, disks that are full, folders that are read-only."""
import os
import pathlib
import shutil
import subprocess
import time
import unittest

import h5py
from support import DriverTest, command, environment

STUDY = """\
model: {variables: [x], drift: ["1"], diffusion: 0.02}
grid: {x: {from: 0, to: 1, cells: 2000, boundary: periodic}}
evolve:
  initial: exp(-(x-0.5)^2/0.01)
  times: [0.001, 0.02]
  method: uniformisation
checkpoint: {every: 1ms, folder: saved}
"""


class FailingRank(DriverTest):
    ending = {}  # as for a user: ranks that are alive are given time

    def ends(self, how, ranks):
        begun = time.monotonic()
        done = self.run_driver(how, ranks=ranks, driver="failing_rank", timeout=60)
        # Ranks wait ten seconds for one another before the job is given up.
        self.assertLess(time.monotonic() - begun, 30)
        return done

    def test_nobody(self):
        self.assertEqual(self.ends("nobody", 3).returncode, 0)

    def test_an_exception_on_one_rank_ends_the_job_and_is_told_once(self):
        done = self.ends("exception", 3)
        self.assertEqual(done.returncode, 1)
        self.assertEqual(
            done.stderr.count("error: rank 2 of 3: unexpected: this rank has had enough"), 1
        )
        self.assertEqual(done.stderr.count("had enough"), 1)

    def test_no_memory_on_one_rank(self):
        done = self.ends("memory", 3)
        self.assertEqual(done.returncode, 4)
        self.assertEqual(done.stderr.count("error: rank 2 of 3: out of memory; use more nodes"), 1)

    def test_a_killed_rank(self):
        self.assertNotEqual(self.ends("killed", 3).returncode, 0)

    def test_alone(self):
        done = self.run_driver("exception", driver="failing_rank")
        self.assertEqual((done.returncode, done.stderr),
                         (1, "error: unexpected: this rank has had enough\n"))


class OutOfMemory(DriverTest):
    input_text = (
        "model: {variables: [x, y], drift: ['-x+y', '-x-y'], noise: 1}\n"
        "grid: {x: {from: -4, to: 4, cells: 700}, y: {from: -4, to: 4, cells: 700}}\n"
    )
    SECTIONS = {
        "stationary": "stationary: {solver: direct}\n",
        "spectrum": "spectrum: {pairs: 3, solver: direct, error_estimate: false}\n",
        "transitions": "transitions: {from: x < -1, to: x > 1, solver: direct}\n",
    }

    def test_what_the_prediction_missed_ends_with_its_code(self):
        for name, section in self.SECTIONS.items():
            with self.subTest(name):
                (self.folder / "input.yaml").write_text(self.input_text + section)
                # A limit that the libraries fit into, but not the factorisation.
                words = " ".join(command(["input.yaml", "--quiet"], 1))
                done = subprocess.run(
                    ["bash", "-c", f"ulimit -v 900000; exec {words}"], cwd=self.folder,
                    env=environment(), capture_output=True, text=True, timeout=120, check=False,
                )
                self.assertEqual(done.returncode, 4, done.stderr)
                self.assertRegex(done.stderr, r"\Aerror: out of memory[^\n]*; use more nodes")
                self.assertEqual(self.files(), ["input.yaml"])


@unittest.skipUnless(os.getuid() == 0, "only root can mount a small disk")
class SmallDisk(DriverTest):
    input_text = STUDY

    def setUp(self):
        super().setUp()
        self.saved = self.folder / "saved"
        self.saved.mkdir()
        self.mount("-t", "tmpfs", "-o", "size=8m", "small", self.saved)
        self.addCleanup(subprocess.run, ["umount", self.saved], check=True)

    def mount(self, *words):
        subprocess.run(["mount", *words], check=True)

    def checkpoints(self):
        return sorted(path.name for path in self.saved.glob("*.h5"))

    def saved_some(self):
        """Stops a run once it has saved, and gives the bytes of its newest checkpoint."""
        done = self.run_driver(
            "input.yaml", "--quiet", "--walltime", "4s", "--set", "evolve.times=[0.001, 50]"
        )
        self.assertEqual((done.returncode, done.stderr.count("warning")), (75, 0), done.stderr)
        newest = max(self.saved.glob("*.h5"), key=lambda path: path.stat().st_mtime)
        return newest, newest.read_bytes()

    def test_a_full_disk_keeps_what_there_is(self):
        newest, before = self.saved_some()
        with open(self.saved / "filler", "wb", buffering=0) as filler:
            try:
                while filler.write(b"x" * 4096):
                    pass
            except OSError:
                pass
        done = self.run_driver(
            "input.yaml", "--quiet", "--restart", "auto", "--set", "evolve.times=[0.001, 50]",
            "--walltime", "6s", ranks=2,
        )
        self.assertNotIn("PETSC", done.stderr)
        warnings = done.stderr.splitlines()
        self.assertRegex(
            warnings[0], r"\Awarning: no checkpoint was written: .*No space left on device.*; "
            r"earlier ones are kept\Z",
        )
        self.assertRegex(warnings[-1], r"\Aerror: stopped by the end of its wall time; ")
        self.assertEqual(done.returncode, 1)
        self.assertEqual(newest.read_bytes(), before)
        self.assertEqual(list(self.saved.glob("*.partial")), [])

        # With room again the run goes on from what was kept.
        (self.saved / "filler").unlink()
        done = self.run_driver(
            "input.yaml", "--restart", "auto", "--set", "evolve.times=[0.001, 50]", "--walltime",
            "4s",
        )
        self.assertIn(f"resuming from '{newest.relative_to(self.folder)}'", done.stdout)
        self.assertEqual((done.returncode, done.stderr.count("warning")), (75, 0), done.stderr)

    def test_a_folder_that_is_read_only(self):
        newest, before = self.saved_some()
        self.mount("-o", "remount,ro", self.saved)
        self.assert_refused(
            "'checkpoint.folder' is 'saved', but files cannot be written there (Read-only file "
            "system); choose another, or leave the key out to save beside the result",
            "input.yaml", "--quiet", "--restart", "auto",
        )
        self.assertEqual(newest.read_bytes(), before)

    def test_a_folder_that_becomes_read_only(self):
        words = command(["input.yaml", "--set", "evolve.times=[0.001, 0.2]"])
        with subprocess.Popen(words, cwd=self.folder, env=environment(), text=True,
                              stdout=subprocess.PIPE, stderr=subprocess.PIPE) as process:
            for line in process.stdout:
                if "checkpoint '" in line:
                    break
            # A file may be open for writing at this very moment.
            while subprocess.run(["mount", "-o", "remount,ro", self.saved],
                                 stderr=subprocess.DEVNULL).returncode:
                if process.poll() is not None:
                    break
            _, stderr = process.communicate(timeout=120)
        self.assertEqual(process.returncode, 0, stderr)
        self.assertRegex(stderr, r"\Awarning: no checkpoint was written: .*(?i:read.only).*; earlier ones are kept")
        with h5py.File(self.folder / "input.h5") as file:
            self.assertEqual(file["evolve"].attrs["verdict"].decode(), "converged")


class NoFolder(DriverTest):
    input_text = STUDY

    def test_is_refused_before_any_work(self):
        self.assert_refused(
            "'checkpoint.folder' is 'saved', but there is no such folder; create it, or leave the "
            "key out to save beside the result",
            "input.yaml", "--quiet", ranks=2,
        )


if __name__ == "__main__":
    unittest.main()
