#!/usr/bin/env python3
"""The driver koopman as a user meets it: results, errors, files of chains, checkpoints."""
import os
import re
import unittest
import unittest.mock

import h5py
import numpy
from support import DriverTest

LAYER = """\
title: Noisy layer
model: {kind: map, variables: [x], map: [tanh(2*x)], noise: {kind: gaussian, sigma: 0.3}}
grid: {x: {from: -3.6, to: 3.6, cells: 120}}
stationary: {observables: {mean_square: x^2}}
spectrum: {pairs: 4, sides: both}
"""
CHAIN = """\
model: {kind: chain, matrix: [[0.5, 0.5, 0], [0, 0.5, 0.5], [0.25, 0, 0.75]]}
stationary: {}
spectrum: {pairs: 3}
"""
SETS = {
    "ulam.entrees=exact":
        "unknown key 'ulam.entrees'. Did you mean 'entries'? Allowed here: entries, samples, rule, "
        "seed, outside",
    "ulam.samples=0":
        "'ulam.samples' is 0, but must be an integer in [1, 100000]",
    "model.kind=mapp":
        "'model.kind' is 'mapp', but must be one of map, flow, chain, sde, trajectory. Did you mean 'map'?",
    "model.map=[tanh(2*y)]":
        "'model.map[0]' has an unknown name 'y' at position 8 of 'tanh(2*y)'. Known: x, pi, e.",
    "model.map=[sqrt(x+3)/9]":
        "'model.map[0]' is not finite (it is nan) at x = -3.597",
    "model.map=[6*x]":
        "'model.map[0]' leads to x = -21.582, beyond the lower end of the axis (-3.6), from x = "
        "-3.597; widen 'grid.x', or set 'ulam.outside: leak' to let it leave",
    "model.noise.sigma=-1":
        "'model.noise.sigma' is -1, but must be a number >= 0",
}
WHOLE = {
    "spectrum.pairs=200":
        "--set spectrum.pairs=200: 'spectrum.pairs' is 200, but there are only 120 cells or states; ask for fewer pairs",
    "ulam.entries=exact":
        "'ulam.entries' is 'exact', which is for maps without noise; use 'sampled', which integrates "
        "the noise exactly over the cells",
}


class Koopman(DriverTest):
    driver = "koopman"
    input_text = LAYER

    def test_result(self):
        file = self.result(ranks=2)
        self.assertEqual(file.attrs["driver"].decode(), "koopman")
        self.assertEqual(file["spectrum"].attrs["time"].decode(), "discrete")
        values = file["spectrum/eigenvalues"][:]
        self.assertEqual(values.shape, (4, 2))
        numpy.testing.assert_allclose(values[0], [1, 0], atol=1e-11)
        numpy.testing.assert_allclose(
            file["spectrum/rates"][1:], -numpy.log(values[1:, 0]), rtol=1e-9)
        # The estimated error of the grid is the true one.
        error = file["spectrum/discretisation_error"][1]
        numpy.testing.assert_allclose(abs(values[1, 0] - 0.990307251931), error, rtol=0.1)
        density = file["stationary/density"][:]
        width = numpy.diff(file["grid_edges/x"][:])
        self.assertAlmostEqual(float((density * width).sum()), 1, 12)
        self.assertAlmostEqual(
            float(file["stationary/observables/mean_square"][0]),
            float((density * width * file["grid/x"][:] ** 2).sum()), 12)
        self.assert_explained(file)

    def test_ranks_agree(self):
        results = []
        for ranks in (1, 2, 4):
            self.succeed("input.yaml", "--quiet", "--output", f"n{ranks}.h5", ranks=ranks)
            with h5py.File(self.folder / f"n{ranks}.h5") as file:
                results.append([file[name][:] for name in
                                ("spectrum/eigenvalues", "stationary/density", "spectrum/right")])
        for other in results[1:]:
            for a, b in zip(results[0], other):
                numpy.testing.assert_allclose(a, b, rtol=1e-8, atol=1e-8)

    def test_wrong_keys(self):
        for assignment, message in SETS.items():
            with self.subTest(assignment):
                self.assert_refused(
                    f"--set {assignment}: {message}", "input.yaml", "--set", assignment,
                    "--quiet", ranks=4)
        for assignment, message in WHOLE.items():
            with self.subTest(assignment):
                self.assert_refused(message, "input.yaml", "--set", assignment, "--quiet")

    def test_sections_of_other_kinds(self):
        (self.folder / "chain.yaml").write_text(CHAIN + "grid: {x: {from: 0, to: 1, cells: 4}}\n")
        self.assert_refused(
            "chain.yaml:4: 'grid' does not belong to a model of kind 'chain'; remove it",
            "chain.yaml")
        (self.folder / "chain.yaml").write_text(CHAIN + "ulam: {}\n")
        self.assert_refused(
            "chain.yaml:4: 'ulam' belongs to a model of kind 'map' or 'flow', but 'model.kind' is 'chain'; "
            "remove it", "chain.yaml")
        (self.folder / "chain.yaml").write_text(CHAIN.split("stationary")[0])
        self.assert_refused(
            "chain.yaml:1: asks for nothing; add 'stationary: {}' or 'spectrum: {}'", "chain.yaml")

    def test_rows_that_do_not_sum_to_one(self):
        (self.folder / "chain.yaml").write_text(CHAIN.replace("0.75", "0.73"))
        for ranks in (None, 4):
            self.assert_refused(
                "chain.yaml:1: 'model.matrix': row 2 (from 0) sums to 0.98, but rows of a matrix of "
                "probabilities must sum to 1", "chain.yaml", "--quiet", ranks=ranks)

    def test_chain_from_a_file(self):
        # {0,1}^8 at unit rates: 2k with multiplicity C(8, k).
        d, lines = 8, []
        for i in range(1 << d):
            lines.append(f"{i + 1} {i + 1} {-d}")
            lines += [f"{i + 1} {(i ^ (1 << k)) + 1} 1" for k in range(d)]
        (self.folder / "cube.mtx").write_text(
            "%%MatrixMarket matrix coordinate real general\n"
            f"{1 << d} {1 << d} {len(lines)}\n" + "\n".join(lines) + "\n")
        (self.folder / "cube.yaml").write_text(
            "model: {kind: chain, file: cube.mtx}\nstationary: {}\nspectrum: {pairs: 9}\n")
        for ranks in (1, 4):
            file = self.result("--overwrite", name="cube", ranks=ranks)
            numpy.testing.assert_allclose(
                file["spectrum/rates"][:], [0] + 8 * [2], rtol=1e-9, atol=1e-9)
            numpy.testing.assert_allclose(file["stationary/density"][:], 2.0**-d, rtol=1e-9)
            self.assertEqual(file["grid"].attrs["irreducible"], 1)
            file.close()
        (self.folder / "cube.mtx").write_text("%%MatrixMarket matrix coordinate real general\n256 256 1\n")
        self.assert_refused(
            "'cube.mtx': line 3 is missing: the file ends after 0 of 1 entries", "cube.yaml",
            "--quiet", "--overwrite", ranks=2)

    def test_files_that_claim_more_than_they_hold(self):
        with h5py.File(self.folder / "claims.h5", "w") as file:
            file.create_dataset("matrix", (10**6, 10**6), "f8", chunks=(1000, 1000))
            rows = file.create_group("rows")
            rows.create_dataset("indptr", (2 * 10**9,), "i8", chunks=(1000,))
            rows["indices"], rows["data"] = [0], [1.0]
        for dataset, message in (
                ("matrix", "dataset 'matrix' has shape [1000000, 1000000], but only 0 bytes in the file: it was never "
                           "written"),
                ("rows", "dataset 'rows/indptr' has shape [2000000000], but only 0 bytes in the file: it was never "
                         "written")):
            (self.folder / "chain.yaml").write_text(
                f"model: {{kind: chain, file: claims.h5, dataset: {dataset}}}\nspectrum: {{}}\n")
            self.assert_refused(f"'claims.h5': {message}", "chain.yaml", "--quiet", ranks=2)
        (self.folder / "many.mtx").write_text(
            "%%MatrixMarket matrix coordinate real general\n2000000000 2000000000 1\n1 1 1\n")
        (self.folder / "chain.yaml").write_text("model: {kind: chain, file: many.mtx}\nspectrum: {}\n")
        with unittest.mock.patch.dict(os.environ, {"SLURM_MEM_PER_NODE": "1000"}):  # MiB, on any machine
            done = self.run_driver("chain.yaml", "--quiet", ranks=2)
        self.assertEqual(done.returncode, 4, done.stderr)
        self.assertRegex(done.stderr, r"^error: 'many.mtx': a chain of 2e\+09 states needs more than 232.00 GB on a "
                                      r"node with .*; use more nodes, or fewer states\n$")

    def test_both_sides_of_multiple_eigenvalues_belong_together_on_any_number_of_ranks(self):
        # Ulam's matrix of the doubling map on 15 cells: 0.5 four times, then 0.5i and -0.5i three times each,
        # then -0.5; copies of one modulus are in the order of their real parts, and no pair is split.
        (self.folder / "input.yaml").write_text(
            "model: {kind: map, variables: [x], map: [2*x]}\n"
            "grid: {x: {from: 0, to: 1, cells: 15, boundary: periodic}}\n"
            "ulam: {entries: exact}\nspectrum: {pairs: 6, sides: both}\n")
        matrix = numpy.zeros((15, 15))
        for i in range(15):
            matrix[i, 2 * i % 15] = matrix[i, (2 * i + 1) % 15] = 0.5
        for ranks in (1, 2, 3, 4):
            file = self.result("--overwrite", ranks=ranks)
            values = file["spectrum/eigenvalues"][:] @ [1, 1j]
            numpy.testing.assert_allclose(values, [1, 0.5, 0.5, 0.5, 0.5, 0.5j, -0.5j], atol=1e-12)
            for side, operator in (("right", matrix), ("left", matrix.T)):
                vectors = file["spectrum/" + side][:]
                real = vectors[:5]
                numpy.testing.assert_allclose(real @ operator.T, values[:5, None].real * real, atol=1e-12)
                pair = vectors[5] + 1j * vectors[6]
                numpy.testing.assert_allclose(operator @ pair, 0.5j * pair, atol=1e-12)
                # Five spaces of one copy each.
                self.assertGreater(numpy.linalg.svd(real, compute_uv=False)[-1], 1e-3)

    def test_a_reducible_chain_is_said_to_be(self):
        (self.folder / "input.yaml").write_text(
            CHAIN.replace("[0, 0.5, 0.5]", "[0, 1, 0]"))
        done = self.run_driver("input.yaml", ranks=2)
        self.assertIn("the chain is reducible: state 0 does not lead to 1 of 3 states", done.stderr)
        self.assertEqual(done.returncode, 0)

    def test_an_sde_has_the_spectrum_of_its_generator(self):
        (self.folder / "input.yaml").write_text(
            "model: {kind: sde, variables: [x], potential: (x^2-1)^2, diffusion: 0.25}\n"
            "grid: {x: {from: -2.5, to: 2.5, cells: 64}}\nstationary: {}\nspectrum: {pairs: 3}\n")
        file = self.result(ranks=2)
        numpy.testing.assert_allclose(
            file["spectrum/rates"][1:], [0.0299654751, 3.2908153059], rtol=1e-8)

    def test_nilpotent_spectrum_has_no_rates(self):
        (self.folder / "input.yaml").write_text(
            "model: {kind: map, variables: [x], map: [2*x]}\n"
            "grid: {x: {from: 0, to: 1, cells: 256, boundary: periodic}}\n"
            "ulam: {entries: exact}\nspectrum: {pairs: 5}\n")
        done = self.run_driver("input.yaml", ranks=2)
        self.assertEqual(done.returncode, 0, done.stderr)
        self.assertRegex(done.stderr, r"eigenvalues? (is|are) decided by rounding")
        with h5py.File(self.folder / "input.h5") as file:
            rates = file["spectrum/rates"][:]
            self.assertAlmostEqual(rates[0], 0, 12)
            self.assertTrue(numpy.isnan(rates[1:]).all(), rates)
            self.assertEqual(set(file["spectrum/verdict"][1:]), {b"suspect"})

    def test_check_and_help(self):
        self.assertIn("nothing was run (--check)", self.succeed("input.yaml", "--check", ranks=2))
        self.assertEqual(self.files(), ["input.yaml"])
        told = self.succeed("--help")
        for words in ("half_width", "indptr", "diffusion", "ulam", "outside"):
            self.assertIn(words, told)

    def test_saves_at_every_step_and_ends_with_the_same_numbers(self):
        (self.folder / "input.yaml").write_text(
            re.sub(r"cells: \d+", "cells: 400", LAYER) + "checkpoint: {every: 1ms}\n")
        slow = ("-spectrum_eps_ncv", "12")
        file = self.result("--set", "spectrum.error_estimate=false", *slow, ranks=2)
        saved = file["spectrum/eigenvalues"][:]
        self.assertGreater(file["run"].attrs["checkpoints"], 0)
        file.close()
        self.succeed("input.yaml", "--quiet", "--overwrite", "--set", "checkpoint.every=1h", "--set",
                     "spectrum.error_estimate=false", ranks=2)
        with h5py.File(self.folder / "input.h5") as file:
            numpy.testing.assert_allclose(
                saved, file["spectrum/eigenvalues"][:], rtol=1e-8, atol=1e-9)

    def test_the_stationary_density_is_saved_while_it_is_sought(self):
        layer = re.sub(r"cells: \d+", "cells: 400", LAYER).split("spectrum:")[0]
        (self.folder / "input.yaml").write_text(layer + "checkpoint: {every: 1ms}\n")
        file = self.result("-stationary_eps_ncv", "4", ranks=2)
        saved = file["stationary/density"][:]
        # One is saved between sections in any case.
        self.assertGreater(file["run"].attrs["checkpoints"], 1)
        file.close()
        self.succeed("input.yaml", "--quiet", "--overwrite", "--set", "checkpoint.every=1h", ranks=2)
        with h5py.File(self.folder / "input.h5") as file:
            numpy.testing.assert_allclose(saved, file["stationary/density"][:], rtol=1e-7, atol=1e-9)


if __name__ == "__main__":
    unittest.main()
