"""Runs real drivers in a folder of their own, the way a user would."""
import atexit
import os
import pathlib
import shutil
import signal
import subprocess
import tempfile
import unittest

import h5py

ROOT = pathlib.Path(__file__).resolve().parents[2]
DRIVERS = pathlib.Path(os.environ.get("KOMORI_DRIVERS", ROOT / "build" / "bin"))
MPIEXEC = os.environ.get("KOMORI_MPIEXEC", "mpiexec")

DOUBLE_WELL = """\
title: Small double well
model:
  kind: sde
  variables: [x]
  parameters: {beta: 4}
  potential: (x^2-1)^2
  diffusion: 1/beta
grid:
  x: {from: -2.5, to: 2.5, cells: 64}
stationary: {observables: {mean_square: x^2}}
spectrum: {pairs: 3, sides: both}
"""

# Of Venturi and Li, Res. Math. Sci. 10 (2023), with uniform noise.
TWO_LAYERS = """\
model:
  kind: network
  input: {x: [-1, 1]}
  layers:
    - {weight: [[1]], bias: [1], activation: tanh, noise: {kind: uniform, half_width: 2}}
    - {weight: [[2]], bias: [-1], activation: tanh, noise: {kind: uniform, half_width: 3}}
"""


# Starts in a fraction of the time: no search for networks, no daemon beside a single process.
ONE_NODE = {
    "OMPI_MCA_pml": "ob1",
    "OMPI_MCA_btl": "self,vader",
    "OMPI_MCA_ess_singleton_isolated": "1",
}
# Processes started alone all take themselves for the first of the same job.
SESSIONS = tempfile.mkdtemp(prefix="mpi")
atexit.register(shutil.rmtree, SESSIONS, ignore_errors=True)
# mpiexec waits for a second before it returns any code but 0, also where all ranks have ended.
IMPATIENT = {"OMPI_MCA_odls_base_sigkill_timeout": "0"}


def environment():
    settings = {
        "OMPI_ALLOW_RUN_AS_ROOT": "1",
        "OMPI_ALLOW_RUN_AS_ROOT_CONFIRM": "1",
        "OMPI_MCA_mpi_yield_when_idle": "1",
        "OMPI_MCA_rmaps_base_oversubscribe": "1",
        **ONE_NODE,
        "OMPI_MCA_orte_tmpdir_base": tempfile.mkdtemp(dir=SESSIONS),
        "OMP_NUM_THREADS": "1",
        "GLIBC_TUNABLES": "glibc.malloc.hugetlb=1",  # drivers would begin anew to set it
    }
    return {**os.environ, **settings}


def command(arguments, ranks=None, driver="fokker_planck"):
    """The words that run a driver; without `ranks` as a single process, without mpiexec."""
    launch = []
    if ranks:
        # Open MPI's own report on a rank that fails is not what is tested here.
        launch = [MPIEXEC, "--quiet", "--oversubscribe", "--bind-to", "none", "-n", str(ranks)]
    return [*launch, str(DRIVERS / driver), *map(str, arguments)]


class DriverTest(unittest.TestCase):
    """Each test has an empty folder with an input file in it and runs there."""

    maxDiff = None
    input_text = DOUBLE_WELL
    driver = "fokker_planck"
    ending = IMPATIENT

    def setUp(self):
        self.folder = pathlib.Path(tempfile.mkdtemp())
        self.addCleanup(shutil.rmtree, self.folder)
        (self.folder / "input.yaml").write_text(self.input_text)

    def run_driver(self, *arguments, ranks=None, driver=None, timeout=300):
        return subprocess.run(
            command(arguments, ranks, driver or self.driver), cwd=self.folder,
            env={**environment(), **self.ending}, timeout=timeout,
            capture_output=True, text=True, check=False,
        )

    def succeed(self, *arguments, ranks=None, driver=None):
        done = self.run_driver(*arguments, ranks=ranks, driver=driver)
        self.assertEqual((done.returncode, done.stderr), (0, ""), done.stdout)
        return done.stdout

    def result(self, *options, ranks=None, name="input"):
        """Runs NAME.yaml and opens NAME.h5."""
        self.succeed(f"{name}.yaml", "--quiet", *options, ranks=ranks)
        file = h5py.File(self.folder / f"{name}.h5", "r")
        self.addCleanup(file.close)
        return file

    def interrupt(self, ranks, *options, at="discretisation", by=signal.SIGTERM):
        """Starts the run, asks it to stop once the solver is at work; returns standard error."""
        words = command(["input.yaml", "--restart", "auto", *options], ranks, self.driver)
        with subprocess.Popen(
            words, cwd=self.folder, env=environment(), text=True,
            stdout=subprocess.PIPE, stderr=subprocess.PIPE,
        ) as process:
            for line in process.stdout:
                if at in line:
                    break
            process.send_signal(by)
            _, stderr = process.communicate(timeout=120)
        return process.returncode, stderr

    def files(self):
        return sorted(path.name for path in self.folder.iterdir())

    def assert_refused(self, message, *arguments, code=2, **how):
        """The run ends with this code and this one sentence, and leaves no file behind."""
        before = self.files()
        done = self.run_driver(*arguments, **how)
        self.assertEqual((done.stderr, done.returncode), (f"error: {message}\n", code))
        self.assertEqual(self.files(), before)
        return done

    def assert_settings_refused(self, messages, ranks=2):
        """Each `--set` ends the run with code 2 and one line that holds its message; no file is left."""
        for assignment, message in messages.items():
            with self.subTest(assignment):
                before = self.files()
                done = self.run_driver("input.yaml", "--set", assignment, "--quiet", ranks=ranks)
                self.assertEqual(done.returncode, 2, done.stderr)
                self.assertIn(message, done.stderr)
                self.assertEqual(len(done.stderr.splitlines()), 1, done.stderr)
                self.assertEqual(self.files(), before)

    def assert_explained(self, file):
        """Every result says what it means and in which unit."""
        datasets = []
        file.visititems(lambda _, item: datasets.append(item))
        for item in datasets:
            if isinstance(item, h5py.Dataset) and not item.name.startswith("/run"):
                self.assertIn("meaning", item.attrs, item.name)
                self.assertIn("unit", item.attrs, item.name)
