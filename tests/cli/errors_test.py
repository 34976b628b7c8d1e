#!/usr/bin/env python3
"""Wrong input ends a run at once: exit code 2, one sentence, nothing written."""
import unittest

from support import DOUBLE_WELL, DriverTest

SETS = {
    # --set KEY=VALUE: the message after it
    "spectrum.piars=2":
        "unknown key 'spectrum.piars'. Did you mean 'pairs'? Allowed here: pairs, tolerance, sides, "
        "target, solver, error_estimate",
    "spectrum.pairs=0":
        "'spectrum.pairs' is 0, but must be an integer in [1, 10000]",
    "model.potential=(x^2-1":
        "'model.potential' has a '(' that is never closed at position 1 of '(x^2-1'. Count the "
        "brackets.",
    "model.potential=x^2-z":
        "'model.potential' has an unknown name 'z' at position 5 of 'x^2-z'. Known: x, beta, pi, e.",
    "grid.x.cells=0":
        "'grid.x.cells' is 0, but must be an integer in [1, 100000000]",
    "grid.x.from=3":
        "'grid.x.from' is 3, but must be below 'to' (2.5)",
    "model.diffusion=x":
        "'model.diffusion' is negative (it is -2.46094) at x = -2.46094",
    "model.potential=1/(x-0.0390625)":
        "'model.potential' is not finite (it is inf) at x = 0.0390625",
}
WHOLE = {
    "model.variables=[x, y]":
        "'grid.y' is missing: every variable of the model needs an axis; add e.g. 'y: {from: -1, "
        "to: 1, cells: 128}' to 'grid'",
    "spectrum.pairs=100":
        "'spectrum.pairs' is 100, but the grid has only 64 cells; ask for fewer pairs or refine the "
        "grid",
    "transitions={from: x < 0, points: [[0]]}":
        "'transitions' needs 'to' (the target set), or a grid with an absorbing wall; add e.g. "
        "'to: x > 0.7'",
}


class Input(DriverTest):
    def test_set(self):
        for assignment, message in SETS.items():
            with self.subTest(assignment):
                self.assert_refused(
                    f"--set {assignment}: {message}", "input.yaml", "--set", assignment
                )
        for assignment, message in WHOLE.items():
            with self.subTest(assignment):
                self.assert_refused(message, "input.yaml", "--set", assignment)

    def test_set_on_four_ranks_says_it_once(self):
        for assignment in ("spectrum.piars=2", "model.potential=x^2-z", "model.diffusion=x",
                           "model.potential=1/(x-0.0390625)"):
            with self.subTest(assignment):
                self.assert_refused(
                    f"--set {assignment}: {SETS[assignment]}", "input.yaml", "--set", assignment,
                    ranks=4,
                )

    def test_file_names_its_line(self):
        text = DOUBLE_WELL.replace("boundary", "").replace("cells: 64", "cells: 64, bundary: periodic")
        (self.folder / "bad.yaml").write_text(text)
        self.assert_refused(
            "bad.yaml:9: unknown key 'grid.x.bundary'. Did you mean 'boundary'? Allowed here: from, "
            "to, cells, boundary, grading, edges",
            "bad.yaml", ranks=4,
        )

    def test_axis_without_a_variable(self):
        (self.folder / "bad.yaml").write_text(DOUBLE_WELL.replace("  x: {", "  X: {"))
        self.assert_refused(
            "bad.yaml:9: 'grid.X' is not a variable of the model. Did you mean 'x'? Variables: x",
            "bad.yaml",
        )

    def test_force_singular_on_a_face(self):
        self.assert_refused(
            "the model's rates are not finite between the cell at x = -0.0390625 and the next one "
            "along x: a formula is singular there, or the force over the diffusion exceeds what a "
            "number can hold; move the grid's edges or soften the formula",
            "input.yaml", "--quiet", "--set", "model={variables: [x], drift: [1/x], diffusion: 1}",
            "--set", "scheme.face_drift=midpoint", ranks=2,
        )

    def test_matrix_that_is_not_a_diffusion(self):
        text = """\
model:
  variables: [x, y]
  drift: [-x, -y]
  diffusion: MATRIX
grid: {x: {from: -2, to: 2, cells: 8}, y: {from: -2, to: 2, cells: 4}}
spectrum: {}
"""
        for matrix, message in {
            "[[1, x], [x, 1]]":
                "is not a positive definite matrix: its smallest eigenvalue is not above 0 (it is "
                "-0.75) at x = -1.75, y = -1.5",
            "[[1, 1], [1, 1]]":
                "is not a positive definite matrix: its smallest eigenvalue is not above 0 (it is 0) "
                "at x = -1.75, y = -1.5",
            "[[1, 0], [0.5*y, 1]]":
                "is not a symmetric matrix: the largest difference between D_ij and D_ji is not 0 "
                "(it is 0.75) at x = -1.75, y = -1.5",
            "[[1, 0]]":
                "is a 1 x 2 matrix, but the model has 2 variables; give a 2 x 2 matrix",
        }.items():
            with self.subTest(matrix):
                (self.folder / "bad.yaml").write_text(text.replace("MATRIX", matrix))
                for ranks in (None, 4):
                    self.assert_refused(
                        f"bad.yaml:4: 'model.diffusion' {message}", "bad.yaml", ranks=ranks
                    )

    def test_absent_file(self):
        for ranks in (None, 4):
            self.assert_refused(
                "cannot read 'absent.yaml': No such file or directory.", "absent.yaml", ranks=ranks
            )

    def test_nothing_asked_for(self):
        text = DOUBLE_WELL[: DOUBLE_WELL.index("stationary")]
        (self.folder / "bad.yaml").write_text(text)
        self.assert_refused(
            "bad.yaml:1: asks for nothing; add 'stationary: {}', 'spectrum: {}', 'transitions: "
            "{...}' or 'evolve: {...}'",
            "bad.yaml",
        )


class CommandLine(DriverTest):
    def test_no_input(self):
        self.assert_refused(
            "no input file; call it as: fokker_planck INPUT.yaml [options], or see fokker_planck "
            "--help",
            ranks=4,
        )

    def test_unknown_option(self):
        for ranks in (None, 4):
            self.assert_refused(
                "unknown option '--ouptut'. Did you mean '--output'? Options: --set, --output, "
                "--overwrite, --restart, --walltime, --check, --quiet, --log, --help, --version",
                "input.yaml", "--ouptut", "a.h5", ranks=ranks,
            )

    def test_petsc_option_of_no_solver(self):
        self.assert_refused(
            "option '-spectum_eps_ncv' belongs to no solver of this run. Did you mean "
            "'-spectrum_...'? Solver options here begin with -spectrum_* -stationary_* "
            "-transitions_* -evolve_* -extension_*",
            "input.yaml", "-spectum_eps_ncv", "20", ranks=4,
        )

    def test_petsc_option_that_its_solver_does_not_use(self):
        done = self.run_driver("input.yaml", "-spectrum_foo", "1", "--quiet", ranks=4)
        self.assertRegex(
            done.stderr,
            r"\Aerror: option '-spectrum_foo' was not used by the solver 'spectrum_' [^\n]*\n\Z",
        )
        self.assertEqual(done.returncode, 2)
        self.assertEqual(self.files(), ["input.yaml"])


class Output(DriverTest):
    def test_existing_result_is_kept(self):
        (self.folder / "input.h5").write_text("precious")
        self.assert_refused(
            "output 'input.h5' exists and is kept; give --overwrite to replace it, or --output "
            "another name",
            "input.yaml", ranks=4,
        )
        self.assertEqual((self.folder / "input.h5").read_text(), "precious")

    def test_folder(self):
        (self.folder / "results").mkdir()
        self.assert_refused(
            "output 'results' is a folder; give --output a file name",
            "input.yaml", "--output", "results",
        )

    def test_folder_that_is_not_there(self):
        for name in ("absent", "input.yaml"):
            self.assert_refused(
                f"output '{name}/a.h5' cannot be written: there is no folder '{name}'; create it, "
                "or give --output another name",
                "input.yaml", "--output", f"{name}/a.h5",
            )

    def test_folder_that_takes_no_files(self):
        done = self.run_driver("input.yaml", "--quiet", "--output", "/proc/a.h5", ranks=2)
        self.assertEqual(done.returncode, 2, done.stderr)
        self.assertRegex(done.stderr, r"\Aerror: output '/proc/a.h5' cannot be written in folder '/proc': [^\n]*; give --output "
                                      r"another name\n\Z")


if __name__ == "__main__":
    unittest.main()
