#!/usr/bin/env python3
"""The options of a driver do what --help says, and the environment what README says."""
import json
import pathlib
import re
import subprocess
import unittest

from support import DriverTest, command, environment


class Options(DriverTest):
    def test_set_changes_one_key(self):
        file = self.result("--set", "spectrum.pairs=2", "--set", "grid.x.cells=32")
        self.assertEqual(file["spectrum/eigenvalues"].shape, (2, 2))
        self.assertEqual(file["stationary/density"].shape, (32,))

    def test_set_may_come_before_the_input(self):
        self.succeed("--set", "spectrum.pairs=2", "--quiet", "input.yaml")

    def test_without_output_the_result_is_named_after_the_input(self):
        self.succeed("input.yaml", "--quiet")
        self.assertEqual(self.files(), ["input.h5", "input.xdmf", "input.yaml"])

    def test_output_names_the_result(self):
        self.succeed("input.yaml", "--quiet", "--output", "other.h5")
        self.assertEqual(self.files(), ["input.yaml", "other.h5", "other.xdmf"])

    def test_overwrite_replaces_the_result(self):
        (self.folder / "input.h5").write_text("not a result")
        self.succeed("input.yaml", "--quiet", "--overwrite")
        self.assertEqual((self.folder / "input.h5").read_bytes()[1:4], b"HDF")

    def test_check_predicts_and_writes_nothing(self):
        out = self.succeed("input.yaml", "--check", ranks=2)
        self.assertRegex(out, r"64 unknowns, about 192 nonzeros and [\d.]+ MB per rank, 2 ranks")
        self.assertIn("the input is valid; nothing was run (--check)", out)
        self.assertEqual(self.files(), ["input.yaml"])

    def test_check_does_not_mind_an_existing_result(self):
        self.succeed("input.yaml", "--quiet")
        self.succeed("input.yaml", "--check")

    def test_terminal_shows_phases_and_tables_once(self):
        out = self.succeed("input.yaml", ranks=4)
        for text in ("Small double well", "Stationary density", "Spectrum of the generator",
                     "average of mean_square", "-0.02996547", "Result: input.h5"):
            self.assertEqual(out.count(text), 1, text)

    def test_quiet_prints_nothing(self):
        self.assertEqual(self.succeed("input.yaml", "--quiet", ranks=2), "")

    def test_json_is_one_object_per_line(self):
        events = [json.loads(line) for line in
                  self.succeed("input.yaml", "--log", "json", ranks=2).splitlines()]
        kinds = {event["event"] for event in events}
        self.assertLessEqual({"line", "phase", "table"}, kinds)
        tables = {event["title"]: event["rows"] for event in events if event["event"] == "table"}
        rows = tables["Spectrum of the generator"]
        self.assertAlmostEqual(float(rows[1]["Re lambda"]), -0.0299654751, delta=1e-10)

    def test_json_covers_errors(self):
        done = self.run_driver("absent.yaml", "--log", "json")
        event = json.loads(done.stderr)
        self.assertEqual((done.returncode, event["event"]), (2, "error"))

    def test_version_names_the_libraries(self):
        out = self.succeed("--version", ranks=2)
        self.assertRegex(out, r"^komori \d+\.\d+\.\d+ \(\S+\)\n")
        self.assertRegex(out, r"PETSc [\d.]+, SLEPc [\d.]+, HDF5 [\d.]+")

    def test_petsc_options_reach_their_solver(self):
        out = self.succeed("input.yaml", "-spectrum_eps_view")
        self.assertIn("EPS Object: (spectrum_)", out)

    def test_petsc_options_without_a_value_leave_the_input_alone(self):
        self.succeed("-spectrum_eps_view", "input.yaml", "--quiet")


class Help(DriverTest):
    def test_help_needs_no_input_and_comes_once(self):
        out = self.succeed("--help", ranks=4)
        self.assertEqual(out.count("Usage: "), 1)
        self.assertLessEqual(max(map(len, out.splitlines()[2:])), 100)

    def test_help_explains_every_option(self):
        out = self.succeed("--help")
        for option in ("--set KEY=VALUE", "--output FILE", "--overwrite", "--check", "--quiet",
                       "--log text|json", "--help", "--version", "-NAME [VALUE]"):
            self.assertIn(f"\n  {option}", out)

    def test_help_lists_every_key_of_every_section(self):
        out = self.succeed("--help")
        keys = {".".join(path): line for path, line in entries(out[out.index("Input keys"):])}
        file = self.result("--set", "transitions={from: x < -0.7, to: x > 0.7, points: [[0.3]]}")
        free = ("model.parameters.", "stationary.observables.")
        for path, _ in entries(file["run/input"][()].decode()):
            key = ".".join("<axis>" if path[:i] == ["grid"] else name
                           for i, name in enumerate(path))
            if not key.startswith(free) and key != "grid.<axis>":
                self.assertIn(key, keys)
        self.assertIn("default 10", keys["spectrum.pairs"])
        self.assertIn("[1/time]", keys["spectrum.target"])

    def test_memory_comes_in_huge_pages_where_the_system_gives_them_on_request(self):
        enabled = pathlib.Path("/sys/kernel/mm/transparent_hugepage/enabled")
        expected = enabled.exists() and "[madvise]" in enabled.read_text()
        for given in (None, "glibc.malloc.check=0"):
            variables = environment()
            del variables["GLIBC_TUNABLES"]
            if given:
                variables["GLIBC_TUNABLES"] = given
            seen = set()
            with subprocess.Popen(command(["input.yaml", "--quiet", "--overwrite"]), cwd=self.folder,
                                  env=variables, stdout=subprocess.DEVNULL) as process:
                while process.poll() is None:
                    for entry in self.environment_of(process.pid):
                        seen.add(entry)
            self.assertEqual(process.returncode, 0)
            # The C library may have split the list where it lies.
            asked = any(entry.endswith("glibc.malloc.hugetlb=1") for entry in seen)
            self.assertEqual(asked, expected, seen)

    @staticmethod
    def environment_of(pid):
        try:
            return pathlib.Path(f"/proc/{pid}/environ").read_text().split("\0")
        except (OSError, UnicodeDecodeError):
            return []  # it has just ended


def entries(text):
    """The keys of YAML, or of --help, each as a list of names from the outermost section on."""
    path = []
    for line in text.splitlines():
        entry = re.match(r"( *)([\w<>]+):( |$)", line)
        # Explanations stand further to the right than any key could.
        if entry and len(entry[1]) // 2 <= len(path) + 1:
            depth = len(entry[1]) // 2
            path = [*path[:depth], *["<axis>"] * (depth - len(path)), entry[2]]
            yield path, line


if __name__ == "__main__":
    unittest.main()
