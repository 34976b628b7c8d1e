#!/usr/bin/env python3
"""Coarse sets, coherent sets, transitions and covers as a user meets them."""
import math
import unittest

import h5py
import numpy
from support import ROOT, DriverTest

CHAIN = (ROOT / "inputs" / "g_pcca_chain.yaml").read_text()
OPEN = """\
model: {kind: map, variables: [x], map: [1.5*x - x^3], noise: {kind: gaussian, sigma: 0.4}}
grid: {x: {from: -1.2, to: 1.2, cells: 40}}
ulam: {samples: 6, outside: leak}
coherent_sets: {pairs: 3, steps: 4, density: x > -1}
"""
HENON = """\
model: {kind: map, variables: [x, y], map: [1 - 1.4*x^2 + y, 0.3*x]}
grid: {x: {from: -1.5, to: 1.5, cells: 1}, y: {from: -0.5, to: 0.5, cells: 1}}
cover: {depth: 14, outside: leak}
stationary: {observables: {mean: x, square: x^2, other: y}}
"""


def noisy_standard_map(n, samples, sigma):
    """Transition probabilities between n x n cells of the torus, the noise integrated over them."""
    place = (numpy.arange(n * samples) + 0.5) / (n * samples)
    x, y = (a.ravel() for a in numpy.meshgrid(place, place, indexing="ij"))
    kick = y + 0.971635406 / (2 * numpy.pi) * numpy.sin(2 * numpy.pi * x)
    edges = numpy.arange(-n, 2 * n + 1) / n  # of three periods: the noise is narrower than one
    below = numpy.vectorize(lambda z: 0.5 * math.erfc(-z / math.sqrt(2)))

    def shares(image):
        masses = numpy.diff(below((edges[None, :] - image[:, None] % 1) / sigma), axis=1)
        return masses.reshape(len(image), 3, n).sum(axis=1)

    both = numpy.einsum("pi,pj->pij", shares(x + kick), shares(kick)).reshape(n, samples, n, samples, n * n)
    return both.mean(axis=(1, 3)).reshape(n * n, n * n)


class Sets(DriverTest):
    driver = "koopman"
    input_text = CHAIN

    def test_coarse_sets(self):
        results = []
        for ranks in (1, 2, 4):
            self.succeed("input.yaml", "--quiet", "--output", f"n{ranks}.h5", ranks=ranks)
            with h5py.File(self.folder / f"n{ranks}.h5") as file:
                sets = file["coarse_sets"]
                self.assertEqual(sets.attrs["sets"], 3)
                self.assertEqual(list(sets["numbers"]), [2, 3, 5])
                numpy.testing.assert_allclose(
                    sets["crispness"][:2], [.741514717000221, .815128047451789], rtol=1e-10)
                for item in sets.values():
                    self.assertIn("meaning", item.attrs)
                    self.assertIn("unit", item.attrs)
                results.append([sets[name][:] for name in
                                ("memberships", "transition_matrix", "weights", "assignment")])
        for other in results[1:]:
            for a, b in zip(results[0], other):
                numpy.testing.assert_allclose(a, b, atol=1e-9)

    def test_impossible_numbers_and_wrong_keys(self):
        self.assert_refused(
            "--set coarse_sets.sets=4: 'coarse_sets.sets' is 4, but eigenvalues 4 and 5 are the "
            "conjugate pair -0.482771 +- 0.489086i, which sets cannot split; 3 and 5 work",
            "input.yaml", "--quiet", "--set", "coarse_sets.sets=4", ranks=2)
        self.assert_refused(
            "--set coarse_sets.sets=13: 'coarse_sets.sets' asks for 13 sets, but there are only 12 "
            "cells or states", "input.yaml", "--quiet", "--set", "coarse_sets.sets=13")
        self.assert_refused(
            "--set coarse_sets.method=sebo: 'coarse_sets.method' is 'sebo', but must be one of "
            "gpcca, seba. Did you mean 'seba'?",
            "input.yaml", "--quiet", "--set", "coarse_sets.method=sebo")

    def test_the_generator_of_an_sde_has_two_sets(self):
        (self.folder / "input.yaml").write_text(
            "model: {kind: sde, variables: [x], potential: (x^2-1)^2, diffusion: 0.25}\n"
            "grid: {x: {from: -2.5, to: 2.5, cells: 64}}\ncoarse_sets: {sets: 2}\n")
        file = self.result(ranks=2)
        assigned = file["coarse_sets/assignment"][:]
        self.assertEqual(set(assigned[:32]), {assigned[0]})
        self.assertEqual(set(assigned[32:]), {assigned[63]})
        rates = file["coarse_sets/transition_matrix"][:]
        # The slowest rate is the sum of both directions'.
        self.assertAlmostEqual(rates[0, 1] + rates[1, 0], 0.0299654751, 8)
        numpy.testing.assert_allclose(file["coarse_sets/weights"][:], 0.5, atol=1e-8)

    def test_transitions_of_a_chain(self):
        (self.folder / "input.yaml").write_text((ROOT / "inputs" / "five_states.yaml").read_text())
        file = self.result(ranks=2)
        transitions = file["transitions"]
        numpy.testing.assert_allclose(
            transitions["committor_forward"][:], [0, .35714286, .42857143, .35714286, 1], atol=5e-9)
        self.assertAlmostEqual(transitions.attrs["rate"], .0272727272727, 12)
        self.assertAlmostEqual(transitions.attrs["flux"], .0108050847458, 12)
        self.assertAlmostEqual(transitions["mean_first_passage_time"][0], 36.6666666667, 9)

    def test_coherent_sets_of_a_noisy_map(self):
        (self.folder / "input.yaml").write_text(
            "model: {kind: map, variables: [x], map: [x + 0.3], noise: {kind: gaussian, sigma: "
            "0.05}}\ngrid: {x: {from: 0, to: 1, cells: 50, boundary: periodic}}\n"
            "coherent_sets: {pairs: 3, steps: 2}\n")
        file = self.result(ranks=2)
        values = file["coherent_sets/singular_values"][:]
        # A turn keeps waves, noise damps them, exp(-(2 pi sigma)^2 / 2) per step; so do means over the cells
        # that are left and reached, sin(pi h) / (pi h) each. Ten points per cell for all: 1e-5.
        value = numpy.exp(-(2 * numpy.pi * 0.05) ** 2) * numpy.sinc(1 / 50) ** 4
        numpy.testing.assert_allclose(values, [1, value, value], rtol=1e-4)
        self.assertLess(file["coherent_sets/residuals"][:].max(), 1e-9)

    def test_coherent_sets_of_the_example_are_what_an_independent_program_finds(self):
        (self.folder / "input.yaml").write_text((ROOT / "inputs" / "coherent_sets.yaml").read_text())
        n, samples, sigma, steps = 24, 4, 0.04, 6
        file = self.result("--set", f"grid.x.cells={n}", "--set", f"grid.y.cells={n}", "--set",
                           f"model.noise.sigma={sigma}", "--set", "coarse_sets.sets=2", ranks=2)
        matrix = noisy_standard_map(n, samples, sigma)
        scaled = numpy.linalg.matrix_power(matrix, steps)
        # Equal masses at the beginning; at the end those that the matrix makes of them.
        end = scaled.mean(axis=0)
        exact = numpy.linalg.svd(scaled / n / numpy.sqrt(end), compute_uv=False)[:4]
        numpy.testing.assert_allclose(file["coherent_sets/singular_values"][:], exact, atol=1e-9)
        self.assertGreater(exact[1], 0.4)

    def test_coherent_sets_of_an_open_map_are_what_an_independent_program_finds(self):
        (self.folder / "input.yaml").write_text(OPEN)
        file = self.result(ranks=2)
        n, samples, sigma, steps = 40, 6, 0.4, 4
        edges = numpy.linspace(-1.2, 1.2, n + 1)
        x = edges[:-1, None] + (numpy.arange(samples) + 0.5) * (2.4 / n / samples)
        below = [[[0.5 * math.erfc((image - edge) / (sigma * math.sqrt(2))) for edge in edges]
                  for image in row] for row in 1.5 * x - x**3]
        matrix = numpy.diff(numpy.array(below), axis=2).mean(axis=1)
        joint = numpy.linalg.matrix_power(matrix, steps) * ((edges[1:] + edges[:-1]) / 2 > -1)[:, None]
        joint = joint[joint.sum(axis=1) > 0]
        survival = joint.sum() / len(joint)
        joint /= joint.sum()
        scaled = joint / numpy.sqrt(numpy.outer(joint.sum(axis=1), joint.sum(axis=0)))
        exact = numpy.linalg.svd(scaled, compute_uv=False)[:3]
        numpy.testing.assert_allclose(file["coherent_sets/singular_values"][:], exact, atol=1e-9)
        self.assertAlmostEqual(file["coherent_sets"].attrs["survival"], survival, 9)
        self.assertTrue(0.5 < survival < 0.9, survival)
        self.assertTrue(0.3 < exact[1] < 0.9, exact)
        told = self.succeed("input.yaml", "--overwrite")
        self.assertIn(f"  of the {100 * survival:.4g} % of all mass that stay on the grid for the whole time\n", told)

    def test_a_cover_of_the_henon_attractor(self):
        (self.folder / "input.yaml").write_text(HENON)
        results = []
        for ranks in (1, 3):
            self.succeed("input.yaml", "--quiet", "--output", f"n{ranks}.h5", ranks=ranks)
            with h5py.File(self.folder / f"n{ranks}.h5") as file:
                centres = file["cover/centres"][:]
                density = file["stationary/density"][:]
                box = numpy.prod(2 * file["cover/radii"][:])
                self.assertAlmostEqual(density.sum() * box, 1, 10)
                means = [file[f"stationary/observables/{name}"][0]
                         for name in ("mean", "square", "other")]
                numpy.testing.assert_allclose(
                    means[1], (density * box * centres[:, 0] ** 2).sum(), rtol=1e-12)
                # Invariance: <y'> = 0.3 <x>, <x'> = 1 - 1.4 <x^2> + <y>, up to the size of boxes.
                self.assertAlmostEqual(means[2], 0.3 * means[0], delta=0.01)
                self.assertAlmostEqual(means[0], 1 - 1.4 * means[1] + means[2], delta=0.03)
                self.assertEqual(file["cover/counts"].shape, (15,))
                results.append((centres, density))
        numpy.testing.assert_array_equal(results[0][0], results[1][0])
        numpy.testing.assert_allclose(results[0][1], results[1][1], rtol=1e-7, atol=1e-7)
        told = self.succeed("input.yaml", "--check")
        self.assertIn("boxes are expected at depth 14", told)

    def test_a_cover_of_too_few_points_says_so(self):
        # Middles of boxes are mapped to their edges, so that every other box is never hit.
        (self.folder / "input.yaml").write_text("""\
model: {kind: map, variables: [x], map: [2*x]}
grid: {x: {from: 0, to: 1, cells: 1, boundary: periodic}}
cover: {depth: 8, samples: 1}
stationary: {}
""")
        done = self.run_driver("input.yaml", "--quiet")
        self.assertEqual(done.returncode, 0)
        self.assertIn("raise 'cover.samples'", done.stderr)
        output = self.succeed("input.yaml", "--overwrite", "--set", "cover.samples=2")
        self.assertIn("256 of 256 boxes, 0 of them added to close it, 0 more with", output)
        with h5py.File(self.folder / "input.h5") as file:
            self.assertEqual(file["cover"].attrs["missed"], 0)

    def test_wrong_covers(self):
        (self.folder / "input.yaml").write_text(HENON.replace(", outside: leak", ", most: 100"))
        self.assert_refused(
            "'cover' has 134 boxes at depth 9, but 'cover.most' allows 100; lower 'cover.depth', or "
            "raise 'cover.most'", "input.yaml", "--quiet", ranks=2)
        (self.folder / "input.yaml").write_text(HENON + "ulam: {}\n")
        self.assert_refused("input.yaml:3: 'cover' stands in place of 'ulam'; give one of them",
                            "input.yaml", "--quiet")


if __name__ == "__main__":
    unittest.main()
