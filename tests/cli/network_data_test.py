#!/usr/bin/env python3
"""The driver network on networks and data in files: classifiers, layers and neurons that go, hostile files."""
import math
import unittest

import h5py
import numpy
from support import ROOT, DriverTest

DATA = ROOT / "inputs" / "data"
DIGITS = (ROOT / "inputs" / "digits.yaml").read_text().replace("data/", f"{DATA}/")
# A classifier of the quarters of a square, and rows of it: exactly right on all but one.
ROWS = [[0.5, 0.5, 0], [-0.5, 0.5, 1], [-0.5, -0.5, 2], [0.5, -0.5, 3], [0.9, 0.1, 0], [0.1, 0.2, 3]]
QUARTERS = """\
model:
  kind: network
  input: {x: [-1, 1], y: [-1, 1]}
  noise: {kind: uniform, half_width: 0.05}
  layers:
    - {weight: [[1, 0], [0, 1]], activation: tanh}
    - {weight: [[1, 1], [-1, 1], [-1, -1], [1, -1]]}
data: {file: rows.csv, labels: true, held_out: 1}
dictionary: {degree: 1, outputs: 1, samples: 5000}
reduction: {keep: outputs, tolerance: 0.05}
"""


def forward(group, x, activation=numpy.tanh):
    """The network in an HDF5 group as anyone would evaluate it."""
    names = sorted((name[:-7] for name in group if name.endswith(".weight")), key=int)
    for name in names:
        x = x @ group[f"{name}.weight"][:].T + group[f"{name}.bias"][:]
        if name != names[-1]:
            x = activation(x)
    return x


class Digits(DriverTest):
    driver = "network"
    input_text = DIGITS

    def test_a_trained_classifier_and_smaller_ones(self):
        rows = numpy.load(DATA / "digits.npy").astype(float)
        x, labels = rows[:, :64], rows[:, 64].astype(int)

        def accuracies(group):
            right = forward(group, x).argmax(axis=1) == labels
            return [right.mean(), right[:-360].mean(), right[-360:].mean()]

        file = self.result(ranks=2)
        with h5py.File(DATA / "digits_network.h5") as network:
            numpy.testing.assert_allclose(file["accuracy/without_noise"][0], accuracies(network), atol=1e-12)
        self.assertGreater(file["accuracy/without_noise"][0, 2], 0.88)
        self.assertLess(file["memory/backward"].attrs["identity"], 1e-12)
        memory = file["memory/backward/memory"][-1]
        self.assertGreater(memory[0], memory[1])
        before = file["accuracy/without_noise"][0, 1]
        for name in ("network", "shallow"):
            group = file[f"reduction/{name}"]
            found = accuracies(group)
            self.assertAlmostEqual(group.attrs["accuracy"], found[0], 12)
            self.assertAlmostEqual(group.attrs["accuracy_held_out"], found[2], 12)
            self.assertGreaterEqual(found[1], before - 0.01 - 1e-9)
            self.assertLess(group.attrs["weights"], 0.7 * 4522)
        # A bound holds for the worst inputs there are: measured costs stay below, and it is no mere number.
        costs, bounds = file["reduction/neuron_cost"][:], file["reduction/neuron_bound"][:]
        self.assertTrue(numpy.all(costs[:, 2] <= bounds))
        self.assertTrue(numpy.all(bounds < 1e4))
        # Neurons are ranked alike on any number of ranks, and the same go.
        (self.folder / "alone.yaml").write_text(DIGITS)
        alone = self.result(name="alone")
        numpy.testing.assert_allclose(alone["reduction/neuron_cost"][:], costs, rtol=0, atol=1e-11)
        for name in ("neurons", "course", "network/2.weight"):
            numpy.testing.assert_array_equal(alone["reduction"][name][()], file["reduction"][name][()], name)
        # By lags of memory kept: with all of them the reduced layers are exact, without any they are worse.
        errors = file["reduction/measured_error"][:]
        self.assertLess(errors[-1], 1e-10)
        self.assertGreater(errors[0], errors[1])
        # A smaller network is a network: read back from the result.
        (self.folder / "again.yaml").write_text(
            DIGITS.replace(f"{DATA}/digits_network.h5", "input.h5\n  group: /reduction/network").split("dictionary:")[0]
            + "dictionary: {degree: 1, outputs: 0, samples: 2000}\n")
        again = self.result(name="again", ranks=2)
        self.assertAlmostEqual(again["accuracy/without_noise"][0, 0], file["reduction/network"].attrs["accuracy"], 12)


class Files(DriverTest):
    driver = "network"
    input_text = QUARTERS

    def setUp(self):
        super().setUp()
        self.write(ROWS)

    def write(self, rows):
        (self.folder / "rows.csv").write_text("\n".join(",".join(map(str, row)) for row in rows))

    def test_rows_in_every_format(self):
        numpy.save(self.folder / "rows.npy", numpy.array(ROWS))
        with h5py.File(self.folder / "rows.h5", "w") as file:
            file["data"] = numpy.array(ROWS)
        for ranks, name in ((1, "rows.csv"), (2, "rows.npy"), (3, "rows.h5")):
            self.succeed("input.yaml", "--quiet", "--overwrite", "--set", f"data.file={name}", ranks=ranks)
            with h5py.File(self.folder / "input.h5") as result:
                numpy.testing.assert_allclose(result["accuracy/without_noise"][0], [5 / 6, 1, 0], atol=1e-14)

    def test_a_bound_that_is_reached(self):
        """One input, two neurons of which the second does nothing but +-1: without it outputs change by all of it."""
        (self.folder / "input.yaml").write_text(
            "model: {kind: network, input: {x: [-1, 1]}, layers: [{weight: [[0], [1]], bias: [2, 0], activation: "
            "identity}, {weight: [[1, -3]], activation: identity}]}\ndata: {file: rows.csv}\n"
            "dictionary: {degree: 1, outputs: 1, samples: 1000}\nreduction: {keep: outputs, tolerance: 0.05}\n")
        self.write([[-1], [1], [1], [-1]])
        file = self.result(ranks=2)
        names = [name.decode() for name in file["reduction/neurons"][:]]
        at = names.index("x1_2")
        # The best constant in its place is 0: |-3 * 1| over the root mean square of 2 - 3 x.
        exact = 3 / numpy.sqrt((5 ** 2 + 1) / 2)
        self.assertAlmostEqual(file["reduction/neuron_cost"][at, 2], exact, 9)
        self.assertAlmostEqual(file["reduction/neuron_bound"][at], exact, 9)

    def test_a_bound_of_probabilities(self):
        """The same neurons, and noise after them: laws of the outputs that are shifted by 3, seen by uniform noise of
        width 4 they share a quarter; carried on to noise of width 16, by weights 1 and slopes of tanh, 13 sixteenths."""
        text = ("model: {kind: network, input: {x: [-1, 1]}, layers: [{weight: [[0], [1]], bias: [2, 0]}, "
                "{weight: [[1, -3]], noise: {kind: uniform, half_width: 2}}LAST]}\n"
                "dictionary: {degree: 1, outputs: 1, samples: 1000}\nobservable: {variables: [y], formula: y}\n"
                "reduction: {tolerance: 0.05}\ndata: {file: rows.csv}\n")
        self.write([[-1], [1], [1], [-1]])
        for last, expected in (("", 3 / 4), (
                ", {weight: [[1]], activation: tanh, noise: {kind: uniform, half_width: 8}}", 3 / 16), (
                ", {weight: [[1]], activation: tanh, noise: {kind: gaussian, sigma: 5}}", math.erf(0.3 / math.sqrt(2))), (
                ", {weight: [[1]], formula: 'z^3', noise: {kind: uniform, half_width: 8}}", 3 / 4)):
            (self.folder / "input.yaml").write_text(text.replace("LAST", last))
            self.succeed("input.yaml", "--overwrite")
            with h5py.File(self.folder / "input.h5") as file:
                at = [name.decode() for name in file["reduction/neurons"][:]].index("x1_2")
                self.assertAlmostEqual(file["reduction/neuron_law_bound"][at], expected, 9)
                # Of an observable there is no bound but this one.
                self.assertNotIn("neuron_bound", file["reduction"])

    def test_data_on_grids(self):
        text = QUARTERS.split("dictionary:")[0].replace(", held_out: 1", "").replace(
            "    - {weight: [[1, 1], [-1, 1], [-1, -1], [1, -1]]}\n", "").replace(
            "labels: true", "labels: false").replace("tanh}", "tanh, variables: [p, q]}")
        self.write([row[:2] for row in ROWS])
        (self.folder / "input.yaml").write_text(
            text + "layers: {cells: 40, order: 1}\nobservable: {formula: p*q}\ndensity: {}\n"
            "probability: {set: p*q > 0}\nmonte_carlo: {samples: 200000}\n")
        exact = numpy.mean([numpy.tanh(x) * numpy.tanh(y) for x, y, _ in ROWS])
        for ranks in (1, 3):
            file = self.result("--overwrite", ranks=ranks)
            # Rows are the points they are: with noise that is a mean over boxes, p*q is exact to h^2 of layer 1.
            self.assertLess(abs(file["expectation/mean"][()] - exact), 5e-4)
            self.assertAlmostEqual(file["density/layer_1"].attrs["mass"], 1, 12)
            exact_mean = numpy.mean(numpy.tanh(numpy.array(ROWS)[:, :2]), axis=0)
            numpy.testing.assert_allclose(file["density/layer_1"].attrs["mean"], exact_mean, atol=2e-3)
            self.assertLess(abs(file["probability/total"][()] - 4 / 6), 0.02)
            values = file["monte_carlo/values"]
            self.assertLess(values.attrs["largest_deviation"], 4)
            self.assertEqual(values.attrs["samples"], 200004)  # whole passes over six rows
            file.close()

    def test_rows_in_order_on_narrow_noise(self):
        """Rows sorted by what they are, fewer paths than would be even over them, cells that cut rows anyhow."""
        (self.folder / "input.yaml").write_text(
            "model: {kind: network, input: {x: [-1, 1]}, layers: [{weight: [[1.3]], activation: tanh, noise: "
            "{kind: uniform, half_width: 0.2}}, {weight: [[2]], activation: sigmoid, noise: {kind: gaussian, "
            "sigma: 0.1}}]}\ndata: {file: rows.csv}\nlayers: {cells: 32}\nobservable: {variables: [y], formula: y^2}\n"
            "monte_carlo: {samples: 100000}\n")
        self.write([[math.sin(5 * i * i) ** 3] for i in range(700)])
        rows = sorted(float(line) for line in (self.folder / "rows.csv").read_text().split())
        self.write([[x] for x in rows])
        file = self.result(ranks=2)
        self.assertLess(file["monte_carlo/values"].attrs["largest_deviation"], 4)
        self.assertEqual(file["monte_carlo/values"].attrs["samples"], 100100)

    def test_wrong_rows(self):
        wrong = {
            "row 1, column 0 (from 0) is 3, but the range of x is [-1, 1]": [[0, 0, 0], [3, 0, 0]],
            "row 0 has the label 4, but must have one of 0 .. 3": [[0, 0, 4], [0, 0, 0]],
            "row 0 has the label 0.5": [[0, 0, 0.5], [0, 0, 0]],
            "the array has 2 columns, but the network has 2 inputs and 'data.labels' adds a column: it takes 3":
                [[0, 0], [1, 1]],
            "line 2, column 1 is 'nan', but must be a finite number": [[0, 0, 0], ["nan", 0, 0]],
            "'data.held_out' is 1, but 'rows.csv' has 1 rows": [[0, 0, 0]],
        }
        for message, rows in wrong.items():
            with self.subTest(message):
                self.write(rows)
                before = self.files()
                done = self.run_driver("input.yaml", "--quiet", ranks=2)
                self.assertEqual((done.returncode, done.stderr.count("\n")), (2, 1), done.stderr)
                self.assertIn(message, done.stderr)
                self.assertEqual(self.files(), before)

    def test_wrong_networks(self):
        """Weights of PyTorch's state_dict that fit, and files that are not what they say."""
        layers = QUARTERS[QUARTERS.index("  layers:"):QUARTERS.index("data:")]
        (self.folder / "input.yaml").write_text(
            QUARTERS.replace(layers, "  file: net.h5\n  activations: [tanh]\n"))
        good = {"0.weight": numpy.eye(2), "0.bias": numpy.zeros(2),
                "2.weight": numpy.array([[1, 1], [-1, 1], [-1, -1], [1, -1.0]])}

        def write(**changed):
            with h5py.File(self.folder / "net.h5", "w") as file:
                for name, value in {**good, **{key.replace("_", "."): value for key, value in changed.items()}}.items():
                    if value is not None:
                        file[name] = value

        write()
        file = self.result(ranks=2)
        numpy.testing.assert_allclose(file["accuracy/without_noise"][0], [5 / 6, 1, 0], atol=1e-14)
        file.close()
        nan = good["0.weight"].copy()
        nan[1, 1] = numpy.nan
        wrong = {
            "'2.weight' has the shape [4, 3], but the layer before it, '0', has 2 neurons":
                {"2_weight": numpy.ones((4, 3))},
            "finite": {"0_weight": nan},
            "there is a '0.bias', but no '0.weight'": {"0_weight": None},
            "has 1 axes or no entries": {"0_weight": numpy.ones(2)},
            "dataset 'running.mean' is not understood": {"running_mean": numpy.ones(2)},
        }
        for message, changed in wrong.items():
            with self.subTest(message):
                write(**changed)
                done = self.run_driver("input.yaml", "--quiet", "--overwrite", ranks=2)
                self.assertEqual((done.returncode, done.stderr.count("\n")), (2, 1), done.stderr)
                self.assertIn(message, done.stderr)
        for content in (b"", b"\x89HDF\r\n\x1a\n" + b"\0" * 100, b"\x08\x08\x12\xff\xff\xff\xff\xff\xff"):
            with self.subTest(content):
                (self.folder / "net.h5").write_bytes(content)
                done = self.run_driver("input.yaml", "--quiet", "--overwrite", ranks=2)
                self.assertEqual((done.returncode, done.stderr.count("\n")), (2, 1), done.stderr)
                self.assertIn("net.h5", done.stderr)


if __name__ == "__main__":
    unittest.main()
