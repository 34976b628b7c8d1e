#!/usr/bin/env python3
"""Networks in files that lie: ONNX and HDF5, truncated, with cycles, values that are no numbers, absurd sizes.

Each ends in one message on all ranks with exit code 2, and nothing is written.
"""
import math
import struct
import unittest

import h5py
import numpy
from support import DriverTest

INPUT = """\
model:
  kind: network
  file: net.onnx
  input_range: [-1, 1]
  noise: {kind: uniform, half_width: 0.5}
observable: {variables: [y], formula: y}
expectation: {points: [[0.5, -0.25]]}
"""
FLOAT, DOUBLE = 1, 11


def varint(value):
    value %= 1 << 64
    parts = bytearray()
    while value >= 128:
        parts.append(value & 127 | 128)
        value >>= 7
    parts.append(value)
    return bytes(parts)


def number(field, value):
    return varint(field << 3) + varint(value)


def part(field, content):
    content = content.encode() if isinstance(content, str) else content
    return varint(field << 3 | 2) + varint(len(content)) + content


def tensor(name, shape, values, kind=DOUBLE):
    data = values if isinstance(values, bytes) else struct.pack(f"<{len(values)}{'d' if kind == DOUBLE else 'f'}", *values)
    return part(5, part(8, name) + number(2, kind) + b"".join(number(1, n) for n in shape) + part(9, data))


def node(kind, inputs, output):
    return part(1, part(2, output) + part(3, f"n_{output}") + part(4, kind) + b"".join(part(1, name) for name in inputs))


def value(field, name, shape=()):
    extents = b"".join(part(1, number(1, n) if n >= 0 else part(2, "batch")) for n in shape)
    return part(field, part(1, name) + part(2, part(1, number(1, FLOAT) + part(2, extents))))


def model(*parts, inputs=(-1, 2)):
    graph = part(2, "test") + value(11, "x", inputs) + b"".join(parts) + value(12, "y")
    return number(1, 8) + part(8, number(2, 17)) + part(7, graph)


WEIGHT = tensor("w", (2, 1), (1.5, -0.5))
PRODUCT = node("MatMul", ("x", "w"), "z")
TANH = node("Tanh", ("z",), "y")
GOOD = model(WEIGHT, PRODUCT, TANH)
ONNX = {
    "nothing": (b"", "this is not an ONNX file"),
    "half of it": (GOOD[:len(GOOD) // 2], "this is not an ONNX file"),
    "all but a byte": (GOOD[:-1], "this is not an ONNX file"),
    "a cycle": (model(WEIGHT, node("Add", ("x", "v"), "u"), node("Identity", ("u",), "v"), node("MatMul", ("v", "w"), "y")),
                "the graph has a cycle through node"),
    "nan": (model(tensor("w", (2, 1), (1, math.nan)), PRODUCT, TANH),
            "tensor 'w' holds nan at entry 1 (counted from 0); every value must be"),
    "infinity": (model(tensor("w", (2, 1), (math.inf, 1), FLOAT), PRODUCT, TANH), "tensor 'w' holds inf at entry 0"),
    "an absurd size": (model(tensor("w", (1 << 40, 1 << 40), (1, 2)), PRODUCT, TANH), "but at most"),
    "a negative size": (model(tensor("w", (-2, 1), (1, 2)), PRODUCT, TANH), "has the extent -2"),
    "fewer values than it says": (model(tensor("w", (2, 1), (1,)), PRODUCT, TANH),
                                  "has the shape [2, 1], but holds 1 numbers"),
    "a width of billions": (model(node("Tanh", ("x",), "y"), inputs=(-1, 1 << 40)), "the input 'x' has the shape"),
    "a pair that does not fit": (model(tensor("w", (3, 1), (1, 2, 3)), PRODUCT, TANH), "'x'"),
    "what no node computes": (model(WEIGHT, node("MatMul", ("x", "lost"), "y")), "needs 'lost', which nothing computes"),
    "a name of control characters": (model(WEIGHT, node("\x1b[2J\n", ("x",), "y")), "is not understood"),
    "an operator that is no layer": (model(WEIGHT, PRODUCT, node("Softmax", ("z",), "y")), "'Softmax' is not understood"),
}


class Onnx(DriverTest):
    driver = "network"
    input_text = INPUT

    def test_a_file_that_holds(self):
        (self.folder / "net.onnx").write_bytes(GOOD)
        file = self.result(ranks=2)
        self.assertAlmostEqual(file["expectation/values"][0], math.tanh(1.5 * 0.5 + 0.5 * 0.25), 10)

    def test_a_result_that_would_replace_what_is_read(self):
        """A network beside an input of the same name: the result's default name is that of the network."""
        (self.folder / "net.onnx").write_bytes(GOOD)
        (self.folder / "net.h5").symlink_to("net.onnx")
        (self.folder / "net.yaml").write_text(INPUT)
        remedy = ": the result would take its place; give it another name by --output"
        for ranks, options, named in (
            (None, [], "net.yaml:"), (2, ["--overwrite"], "net.yaml:"), (None, ["--overwrite", "--output", "./net.onnx"], "net.yaml:"),
            (None, ["--overwrite", "--output", "net.yaml"], "'net.yaml' is the input"),
            (None, ["--overwrite", "--set", "model.file=./net.h5"], "--set model.file=./net.h5: './net.h5' is read"),
        ):
            with self.subTest(options):
                done = self.run_driver("net.yaml", "--quiet", *options, ranks=ranks)
                self.assertEqual((done.returncode, done.stderr.count("\n")), (2, 1), done.stderr)
                self.assertIn(named, done.stderr)
                self.assertIn(remedy, done.stderr)
                self.assertEqual((self.folder / "net.onnx").read_bytes(), GOOD)
                self.assertEqual((self.folder / "net.yaml").read_text(), INPUT)

    def test_files_that_lie(self):
        for i, (name, (content, message)) in enumerate(ONNX.items()):
            with self.subTest(name):
                (self.folder / "net.onnx").write_bytes(content)
                before = self.files()
                done = self.run_driver("input.yaml", "--quiet", ranks=2 if i % 3 == 0 else None)
                self.assertEqual((done.returncode, done.stderr.count("\n")), (2, 1), done.stderr)
                self.assertIn("net.onnx", done.stderr)
                self.assertIn(message, done.stderr)
                self.assertEqual(self.files(), before)

    def test_files_that_are_none(self):
        with (self.folder / "net.onnx").open("wb") as file:
            file.truncate(65 << 20)  # of zeros that no disk holds
        done = self.run_driver("input.yaml", "--quiet", ranks=2)
        self.assertEqual((done.returncode, done.stderr.count("\n")), (2, 1), done.stderr)
        self.assertIn("it has 65 MiB, but at most 64 MiB of network are read", done.stderr)
        (self.folder / "net.onnx").unlink()
        (self.folder / "net.onnx").mkdir()
        done = self.run_driver("input.yaml", "--quiet", ranks=2)
        self.assertEqual((done.returncode, done.stderr.count("\n")), (2, 1), done.stderr)
        self.assertIn("this is not a file that can be read", done.stderr)


class Hdf5(DriverTest):
    driver = "network"
    input_text = INPUT.replace("net.onnx", "net.h5\n  activations: [tanh]")

    def network(self, file):
        file["0.weight"] = numpy.array([[1.5, -0.5], [0, 1]])
        file["1.weight"] = numpy.array([[1.0, 1.0]])

    def assert_one_message(self, message, ranks=None):
        before = self.files()
        done = self.run_driver("input.yaml", "--quiet", ranks=ranks)
        self.assertEqual((done.returncode, done.stderr.count("\n")), (2, 1), done.stderr)
        self.assertIn("net.h5", done.stderr)
        self.assertIn(message, done.stderr)
        self.assertEqual(self.files(), before)

    def test_truncated_files(self):
        path = self.folder / "net.h5"
        with h5py.File(path, "w") as file:
            self.network(file)
        whole = path.read_bytes()
        for size in (9, 100, len(whole) // 2, len(whole) - 1):
            with self.subTest(size):
                path.write_bytes(whole[:size])
                self.assert_one_message("", ranks=2)

    def test_files_that_are_none(self):
        self.assert_one_message("there is no such file")
        for content in (b"", b"\x89", b"0.weight: [[1]]\n"):
            with self.subTest(content):
                (self.folder / "net.h5").write_bytes(content)
                self.assert_one_message("this is not an ONNX file (nor HDF5), or it is damaged or incomplete")

    def test_names_that_say_no_order(self):
        """An encoder and its decoder fit together either way round; the alphabet is no order."""
        with h5py.File(self.folder / "net.h5", "w") as file:
            file["encoder.weight"] = [[1.5, -0.5], [0.5, 1]]
            file["decoder.weight"] = [[1.0, 2], [0, 1]]
            file["encoder.bias"] = [0.25, 0]
            file["decoder.bias"] = h5py.SoftLink("/encoder.bias")  # which counts as the dataset it leads to
        text = self.input_text.replace("variables: [y], formula: y", "variables: [u, v], formula: u")
        (self.folder / "input.yaml").write_text(text)
        self.assert_one_message("the names 'decoder' and 'encoder' do not say which layer comes first; give all in their order, "
                                "e.g. 'order: [decoder, encoder]' in 'model'")
        for order in ("[encoder]", "[encoder, encoder]", "[encoder, decoder, more]", "[encoder, coder]"):
            done = self.run_driver("input.yaml", "--quiet", "--set", f"model.order={order}")
            self.assertEqual((done.returncode, done.stderr.count("\n")), (2, 1), done.stderr)
            self.assertIn("but must have each of its layers once: decoder, encoder", done.stderr)
        (self.folder / "study.yaml").write_text(text)
        file = self.result("--set", "model.order=[encoder, decoder]", name="study", ranks=2)
        self.assertAlmostEqual(file["expectation/values"][0], math.tanh(1.5 * 0.5 + 0.5 * 0.25 + 0.25) + 0.25, 8)

    def test_files_that_lie(self):
        def absurd(file):
            file.create_dataset("0.weight", (1 << 31, 1 << 31), chunks=(1, 16), dtype="f8")

        def large(file):
            file.create_dataset("0.weight", (1 << 13, (1 << 12) + 1), chunks=(1, 16), dtype="f8")

        def unlimited(file):
            file.create_dataset("0.weight", (0, 0), maxshape=(None, None), chunks=(1, 16), dtype="f8")

        def infinite(file):
            file["0.weight"] = numpy.array([[1, numpy.inf]])
            file["1.weight"] = numpy.array([[1.0]])

        def text(file):
            file["0.weight"] = "weights"

        def loop(file):
            self.network(file)
            file["again"] = file["/"]

        def lost(file):
            file["0.weight"] = h5py.SoftLink("/nowhere")

        def lost_bias(file):
            self.network(file)
            file["0.bias"] = h5py.SoftLink("/nowhere")

        def outside_bias(file):
            self.network(file)
            file["0.bias"] = h5py.ExternalLink("other.h5", "/bias")

        def outside(file):
            file["0.weight"] = h5py.ExternalLink("other.h5", "/weight")

        def unprintable(file):
            self.network(file)
            file[b"2.\x9b31m\n\xc2\x85"] = numpy.array([1.0])

        def words(file):
            self.network(file)
            file["0.activation"] = "tanh relu relu"

        def noise(file):
            self.network(file)
            file["0.noise"] = numpy.array([[1, 0.5, 0.3], [7, 0.5, 0.3]])

        wrong = {unprintable: "dataset '2.?31m???' is not understood", words: "'0.activation' has 3 words",
                 noise: "row 1 of '0.noise' is no noise", absurd: "0.weight", large: "0.weight", unlimited: "no entries", infinite: "finite", text: "0.weight",
                 loop: None, lost: "", outside: "", lost_bias: "0.bias",
                 outside_bias: "link into another file"}
        for i, (change, message) in enumerate(wrong.items()):
            with self.subTest(change.__name__):
                with h5py.File(self.folder / "net.h5", "w") as file:
                    change(file)
                if message is not None:
                    self.assert_one_message(message, ranks=2 if i % 3 == 0 else None)
                else:  # the network is there, whatever else is
                    self.succeed("input.yaml", "--quiet", "--check", ranks=2)


SKIP = """\
model:
  kind: network
  input: {a: [-1, 1], b: [0, 1]}
  layers:
    - weight: [[1, -0.5], [0.3, 0.8], [-1, 0.2], [1, 0]]
      activation: [tanh, sigmoid, leaky_relu, identity]
      slope: 0.3
      noise: {kind: gaussian, sigma: [0.3, 0.2, 0.4, 0.1], reach: 6}
    - {weight: [[0.5, -1, 0.7, 0.1], [0, 0.2, 0.4, 1]], activation: [erf, gelu], noise: {kind: uniform, half_width: 0.2}}
    - {weight: [[1, 2], [0.5, 0]], activation: softplus, residual: true}
dictionary: {degree: 2, samples: 3000}
observable: {variables: [p, q], formula: p + q}
reduction: {tolerance: 1e-9, keep: outputs}
"""


class SmallerNetworks(DriverTest):
    driver = "network"
    input_text = SKIP

    def test_are_read_back_whole(self):
        """Activations, slopes, what is added and noise of every neuron lie beside weights."""
        whole = self.result()
        self.assertEqual(whole["reduction/network"].attrs["dropped"], 0)
        self.assertNotIn("accuracy", whole["reduction/network"].attrs)
        self.assert_explained(whole["reduction"])
        (self.folder / "again.yaml").write_text(
            "model: {kind: network, file: input.h5, group: /reduction/network, input: {a: [-1, 1], b: [0, 1]}}\n" +
            SKIP[SKIP.index("dictionary"):])
        self.succeed("again.yaml", "--quiet")
        with h5py.File(self.folder / "again.h5") as again:
            # The same paths with the same noise.
            self.assertEqual(again["expectation/mean"][()], whole["expectation/mean"][()])
            for name in whole["reduction/network"]:
                numpy.testing.assert_array_equal(
                    again["reduction/network"][name][()], whole["reduction/network"][name][()], name)

    def test_are_read_back_with_their_formulas(self):
        """A formula in place of an activation is part of the network."""
        text = SKIP.replace("activation: softplus, residual: true", 'formula: "z - z^3/10", residual: true')
        (self.folder / "input.yaml").write_text(text)
        whole = self.result()
        group = whole["reduction/network"]
        self.assertEqual(group["4.formula"][()].decode(), "z - z^3/10")
        self.assertNotIn("4.activation", group)
        model = "model: {kind: network, file: input.h5, group: /reduction/network, input: {a: [-1, 1], b: [0, 1]}}\n"
        (self.folder / "again.yaml").write_text(model + text[text.index("dictionary:"):])
        self.succeed("again.yaml", "--quiet")
        with h5py.File(self.folder / "again.h5") as again:
            self.assertEqual(again["expectation/mean"][()], whole["expectation/mean"][()])
            self.assertEqual(again["reduction/network/4.formula"][()], group["4.formula"][()])
        with h5py.File(self.folder / "bad.h5", "w") as file:
            whole.copy("reduction/network", file, "net")
            del file["net/4.formula"]
            file["net/4.formula"] = "z - w"
        (self.folder / "again.yaml").write_text(model.replace("input.h5, group: /reduction/network", "bad.h5, group: net") +
                                                text[text.index("dictionary:"):])
        done = self.run_driver("again.yaml", "--overwrite")
        self.assertEqual(done.returncode, 2)
        self.assertIn("'net/4.formula' has an unknown name 'w'", done.stderr)

    def test_a_model_without_its_kind_says_which_there_is(self):
        (self.folder / "input.yaml").write_text(
            "model: {file: net.h5, group: /reduction/network, input_range: [0, 1]}\nobservable: {formula: x1_1}\n")
        done = self.run_driver("input.yaml", "--check")
        self.assertEqual(done.returncode, 2)
        self.assertIn("'model.kind' is missing; add e.g. 'kind: network' (one of network: ", done.stderr)


if __name__ == "__main__":
    unittest.main()
