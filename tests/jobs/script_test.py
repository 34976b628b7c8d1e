#!/usr/bin/env python3
"""The decisions of jobs/komori.sbatch, with stand-ins for SLURM and the driver."""
import os
import pathlib
import shutil
import signal
import subprocess
import tempfile
import time
import unittest

ROOT = pathlib.Path(__file__).resolve().parents[2]
SCRIPT = ROOT / "jobs" / "komori.sbatch"
STANDINS = {
    "scontrol": 'case $1 in show) echo "   Command=$ROOT/jobs/komori.sbatch solver a.yaml" ;; '
                '*) echo "$@" >>calls; exit "${REFUSE:-0}" ;; esac',
    "squeue": "echo 2030-01-01T00:00:00",
    "srun": 'if [ "$1" = --mpi=list ]; then echo "${MPI:-pmix}"; exit; fi; '
            'echo "srun $*" >launched; while [ "${1#-}" != "$1" ]; do shift; done; exec "$@"',
    "mpirun": 'echo "mpirun $*" >launched; exec "$@"',
    # Ends at once, or on USR2.
    "solver": 'printf "%s " "$@" >arguments; env >environment; '
              '[ -z "${AT_STOP:-}" ] || { trap "exit $AT_STOP" USR2; touch started; '
              'while :; do sleep 0.02; done; }; exit "${CODE:-0}"',
}


class Script(unittest.TestCase):
    def setUp(self):
        self.folder = pathlib.Path(tempfile.mkdtemp())
        self.addCleanup(shutil.rmtree, self.folder)
        programs = self.folder / "bin"
        programs.mkdir()
        for name, text in STANDINS.items():
            (programs / name).write_text(f"#!/bin/bash\n{text}\n")
            (programs / name).chmod(0o755)
        (self.folder / "a.yaml").touch()

    def start(self, *arguments, **settings):
        kept = {key: value for key, value in os.environ.items()
                if not key.startswith(("SLURM", "KOMORI", "OMP"))}
        programs = self.folder / "bin"
        return subprocess.Popen(
            ["bash", str(SCRIPT), *(arguments or ("solver", "a.yaml"))], cwd=self.folder, text=True,
            stdout=subprocess.PIPE, stderr=subprocess.PIPE,
            env={**kept, "PATH": f"{programs}:{os.environ['PATH']}", "KOMORI_BIN": str(programs),
                 "ROOT": str(ROOT), "SLURM_JOB_ID": "7", **settings},
        )

    def run_script(self, *arguments, signal_number=None, **settings):
        """(exit code, calls of scontrol, all output)"""
        with self.start(*arguments, **settings) as process:
            if signal_number:
                end = time.monotonic() + 30
                while not (self.folder / "started").exists() and time.monotonic() < end:
                    time.sleep(0.02)
                process.send_signal(signal_number)
            out, err = process.communicate(timeout=60)
        return process.returncode, self.text("calls"), out + err

    def text(self, name):
        path = self.folder / name
        return path.read_text().strip() if path.exists() else ""

    def test_what_the_driver_is_given(self):
        cases = {
            ("a.yaml", "--set", "x=1"):
                "a.yaml --set x=1 --restart auto --overwrite --output a.h5",
            ("in/a.yaml", "--output", "out/b.h5", "--restart", "old.h5", "--overwrite"):
                "in/a.yaml --restart old.h5 --overwrite --output out/b.h5",
            ("--output=b.h5", "a.yaml", "-log_view"):
                "a.yaml -log_view --restart auto --overwrite --output b.h5",
            ("--version",): "--version",
        }
        for given, expected in cases.items():
            with self.subTest(given):
                code, calls, told = self.run_script("solver", *given)
                self.assertEqual((code, calls), (0, ""), told)
                self.assertEqual(self.text("arguments"), expected)
        self.assertTrue((self.folder / "out").is_dir())

    def test_the_environment(self):
        self.run_script(SLURM_EXPORT_ENV="NONE", SLURM_JOB_END_TIME="1")
        lines = self.text("environment").splitlines()
        end = int(time.mktime(time.strptime("2030-01-01", "%Y-%m-%d")))
        for line in ("OMP_NUM_THREADS=1", "OPENBLAS_NUM_THREADS=1", f"SLURM_JOB_END_TIME={end}"):
            self.assertIn(line, lines)
        self.assertNotIn("SLURM_EXPORT_ENV=NONE", lines)
        self.assertEqual("OMPI_ALLOW_RUN_AS_ROOT=1" in lines, os.geteuid() == 0)

    def test_the_launcher(self):
        for settings, expected in (({}, "srun"), ({"MPI": "none pmi2"}, "mpirun"),
                                   ({"KOMORI_LAUNCHER": "mpirun"}, "mpirun"),
                                   ({"KOMORI_LAUNCHER": "srun", "MPI": "none"}, "srun")):
            with self.subTest(settings):
                self.assertEqual(self.run_script(**settings)[0], 0)
                words = self.text("launched").split()
                self.assertEqual(words[0], expected)
                self.assertEqual("--mpi=pmix" in words, not settings)

    def test_only_an_incomplete_run_goes_back_to_the_queue(self):
        for code in (0, 1, 2, 3, 4, 137):
            with self.subTest(code):
                self.assertEqual(self.run_script(CODE=str(code))[:2], (code, ""))
        self.assertEqual(self.run_script(CODE="75")[:2], (75, "requeue 7"))

    def test_only_the_task_of_an_array_goes_back(self):
        _, calls, _ = self.run_script(CODE="75", SLURM_ARRAY_JOB_ID="7", SLURM_ARRAY_TASK_ID="3")
        self.assertEqual(calls, "requeue 7_3")

    def test_restarts_have_an_end(self):
        settings = {"CODE": "75", "KOMORI_MAX_RESTARTS": "2"}
        code, calls, told = self.run_script(SLURM_RESTART_COUNT="2", **settings)
        self.assertEqual((code, calls), (75, ""))
        self.assertIn("incomplete after 2 restarts (KOMORI_MAX_RESTARTS)", told)
        self.assertEqual(self.run_script(SLURM_RESTART_COUNT="1", **settings)[1], "requeue 7")

    def test_a_refused_requeue_is_told(self):
        code, _, told = self.run_script(CODE="75", REFUSE="1")
        self.assertEqual(code, 75)
        self.assertIn("SLURM refused to requeue; submit the same again to go on", told)

    def test_near_the_limit(self):
        # 137 and 143 are put in place of 75 when a rank is late; other codes stand.
        (self.folder / "a.checkpoint-3.h5").touch()
        for at_stop, expected in ((75, (75, "requeue 7")), (137, (75, "requeue 7")),
                                  (143, (75, "requeue 7")), (0, (0, "")), (3, (3, ""))):
            with self.subTest(at_stop):
                found = self.run_script(signal_number=signal.SIGUSR1, AT_STOP=str(at_stop))
                self.assertEqual(found[:2], expected, found[2])
                for name in ("calls", "started"):
                    (self.folder / name).unlink(missing_ok=True)

    def test_a_run_killed_while_it_started(self):
        found = self.run_script(signal_number=signal.SIGUSR1, AT_STOP="140")
        self.assertEqual(found[:2], (75, "requeue 7"), found[2])

    def test_installed_drivers(self):
        programs = self.folder / "bin"
        (programs / "solver").rename(programs / "komori-solver")
        self.assertEqual(self.run_script()[0], 0)
        self.assertIn("bin/komori-solver a.yaml", self.text("launched"))

    def test_cancelled(self):
        code, calls, told = self.run_script(signal_number=signal.SIGTERM, AT_STOP="75")
        self.assertEqual((code, calls), (75, ""))
        self.assertIn("cancelled; submit the same again to go on", told)

    def test_sweep(self):
        (self.folder / "sweep.txt").write_text("x=1 y=[1,2]\nx=2 y=max(1,x)\n")
        what = ("--sweep", "sweep.txt", "solver", "a.yaml", "--output", "out/r.h5")
        array = {"SLURM_ARRAY_JOB_ID": "7", "SLURM_ARRAY_TASK_ID": "2"}
        self.assertEqual(self.run_script(*what, **array)[0], 0)
        self.assertEqual(self.text("arguments"), "a.yaml --set x=2 --set y=max(1,x) --restart auto "
                                                 "--overwrite --output out/r-2.h5")
        (self.folder / "arguments").unlink()
        for settings, message in (
            ({**array, "SLURM_ARRAY_TASK_ID": "3"}, "'sweep.txt' has no line 3"),
            ({}, "--sweep is for arrays: sbatch --array=1-N"),
        ):
            self.assertEqual(self.run_script(*what, **settings),
                             (2, "", f"komori.sbatch: {message}\n"))
        self.assertEqual(self.text("arguments"), "")

    def test_mistakes(self):
        programs = self.folder / "bin"
        for arguments, settings, message in (
            (("other", "a.yaml"), {},
             f"there is no driver 'other' in {programs}; build komori, or set KOMORI_BIN"),
            ((), {"KOMORI_LAUNCHER": "ssh"},
             "KOMORI_LAUNCHER is 'ssh', but must be srun or mpirun"),
            ((), {"SLURM_JOB_ID": ""},
             "this is a job script; run 'sbatch jobs/komori.sbatch DRIVER INPUT.yaml'"),
            ((), {"ROOT": "/nowhere"}, "komori's folder was not found; set KOMORI_ROOT to it"),
        ):
            with self.subTest(message):
                self.assertEqual(self.run_script(*arguments, **settings),
                                 (2, "", f"komori.sbatch: {message}\n"))


if __name__ == "__main__":
    unittest.main()
