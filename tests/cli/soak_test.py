#!/usr/bin/env python3
"""Runs killed without warning at random moments, writing a checkpoint included, end right.

Every run is restarted on another number of ranks until it is done. KOMORI_SOAK is the number of
kills (40), KOMORI_SOAK_SEED where the random moments start.
"""
import os
import pathlib
import random
import signal
import subprocess
import time
import unittest

import h5py
import numpy
from support import DriverTest, command, environment

KILLS = int(os.environ.get("KOMORI_SOAK", "40"))
SEED = int(os.environ.get("KOMORI_SOAK_SEED", "1"))

# Detailed balance: a block solver, a Chebyshev series, two linear systems.
WELL = """\
model: {variables: [x, y], potential: (x^2-1)^2 + y^2 + x*y/2, diffusion: 0.25}
grid: {x: {from: -2.2, to: 2.2, cells: 96}, y: {from: -2.2, to: 2.2, cells: 96}}
stationary: {}
spectrum: {pairs: 4, solver: iterative, tolerance: 1e-11, error_estimate: false}
transitions: {from: x < -0.7, to: x > 0.7, points: [[0, 0]]}
evolve:
  initial: exp(-((x+1)^2+y^2)/0.02)
  times: [0, 0.5, 1, 2]
  observables: {mean_x: x}
  method: chebyshev
"""
# None: both sides of a Krylov space, GMRES, a resolvent.
ROTOR = """\
model: {variables: [x, y], drift: ["-x + y", "-x - y"], noise: 1}
grid: {x: {from: -4, to: 4, cells: 72}, y: {from: -4, to: 4, cells: 72}}
stationary: {solver: iterative}
spectrum: {pairs: 4, sides: both, error_estimate: false}
transitions: {from: x < -1, to: x > 1}
evolve:
  initial: exp(-((x-1)^2+y^2)/0.1)
  times: [0.5, 1, 4]
  observables: {mean_x: x, mean_y: y}
  method: shift_invert
  tolerance: 1e-9
"""
# Nothing but a long sum of positive terms, and much to save.
RING = """\
model: {variables: [x], drift: ["1"], diffusion: 0.02}
grid: {x: {from: 0, to: 1, cells: 1500, boundary: periodic}}
evolve:
  initial: exp(-(x-0.5)^2/0.01)
  times: [0.01, 0.05, 0.1, 0.2]
  method: uniformisation
"""
STUDIES = {"well": WELL, "rotor": ROTOR, "ring": RING}
# Name, relative and absolute tolerance: eigenvalues and solutions to the solvers' tolerance times
# their condition, the evolution to rounding.
NUMBERS = (
    ("spectrum/eigenvalues", 0, 1e-8),
    ("evolve/mass", 1e-10, 0),
    ("evolve/density", 1e-10, 1e-10),
    ("evolve/observables/mean_x", 1e-10, 1e-10),
    ("transitions/mean_first_passage_time", 1e-6, 0),
    ("transitions/committor_forward", 0, 1e-6),
    ("stationary/density", 1e-6, 1e-8),
)


def descendants(pid):
    """The process and all below it."""
    found = [pid]
    try:
        for task in pathlib.Path(f"/proc/{pid}/task").iterdir():
            for child in (task / "children").read_text().split():
                found += descendants(int(child))
    except OSError:
        pass  # it ended meanwhile
    return found


class Soak(DriverTest):
    def setUp(self):
        super().setUp()
        self.reference = {}
        self.seconds = {}
        for name, text in STUDIES.items():
            (self.folder / f"{name}.yaml").write_text(text)
            begun = time.monotonic()
            self.succeed(f"{name}.yaml", "--quiet", "--output", f"{name}_reference.h5", ranks=2)
            self.seconds[name] = time.monotonic() - begun
            with h5py.File(self.folder / f"{name}_reference.h5") as file:
                self.reference[name] = {n: file[n][...] for n, _, _ in NUMBERS if n in file}

    def launch(self, name, ranks):
        words = command(
            [f"{name}.yaml", "--quiet", "--overwrite", "--restart", "auto", "--set",
             "checkpoint.every=20ms"], ranks
        )
        return subprocess.Popen(
            words, cwd=self.folder, env=environment(), text=True, start_new_session=True,
            stdout=subprocess.DEVNULL, stderr=subprocess.PIPE,
        )

    def kill(self, process):
        """All ranks and mpiexec at once, as when the power goes."""
        for pid in descendants(process.pid):
            try:
                os.kill(pid, signal.SIGKILL)
            except ProcessLookupError:
                pass
        process.communicate()

    def writing(self, name):
        return any(self.folder.glob(f"{name}.checkpoint-*.h5.partial"))

    def assert_reference(self, name):
        with h5py.File(self.folder / f"{name}.h5") as file:
            for dataset, relative, absolute in NUMBERS:
                if dataset not in self.reference[name]:
                    continue
                numpy.testing.assert_allclose(
                    file[dataset][...], self.reference[name][dataset], rtol=relative,
                    atol=absolute, err_msg=f"{name}: {dataset}",
                )

    def test_killed_at_any_moment(self):
        chance = random.Random(SEED)
        names = list(STUDIES)
        ranks = (1, 2, 4)
        kills = while_writing = resumed = turn = 0
        while kills < KILLS:
            name = names[turn % len(names)]
            killed_here = 0
            for attempt in range(100):
                process = self.launch(name, ranks[(turn + attempt) % 3])
                # A run is killed three times at most, so that the next study has its turn.
                if killed_here < 3 and kills < KILLS:
                    time.sleep(chance.uniform(0.2, 0.6 + 0.8 * self.seconds[name]))
                    if chance.random() < 0.5:  # half of them while a checkpoint is being written
                        limit = time.monotonic() + 2
                        while not self.writing(name) and time.monotonic() < limit:
                            if process.poll() is not None:
                                break
                    if process.poll() is None:
                        while_writing += self.writing(name)
                        resumed += any(self.folder.glob(f"{name}.checkpoint-*.h5"))
                        self.kill(process)
                        kills += 1
                        killed_here += 1
                        continue
                _, stderr = process.communicate(timeout=300)
                self.assertEqual((process.returncode, stderr), (0, ""))
                break
            else:
                self.fail(f"{name} was not done after 100 attempts")
            self.assert_reference(name)
            (self.folder / f"{name}.h5").unlink()
            (self.folder / f"{name}.xdmf").unlink()
            self.assertEqual([f for f in self.files() if f.startswith(f"{name}.checkpoint")], [])
            turn += 1
        print(f"{kills} kills, {while_writing} while a checkpoint was being written, {resumed} with "
              f"a checkpoint to go on from, {turn} runs completed")
        self.assertGreater(while_writing, 0)
        self.assertGreater(resumed, KILLS // 4)


if __name__ == "__main__":
    unittest.main()
