#!/usr/bin/env python3
"""Trains the classifier of digits.yaml: 64-32-32-32-10, tanh, with noise on every hidden neuron.

The images of digits.npy keep their order: the first 1437 train, the last 360 (other hands) are held out: no
gradient sees them and nothing stops by them, but their accuracy was looked at for some eight settings of noise and
decay before one was chosen, so that it is not a blind test. Adam on the cross entropy, noise and a small decay of the weights, all from one seed.
The grey values 0 .. 16 go in as they are: their scale is in the first layer's weights.
Writes digits_network.h5 with the names of PyTorch's state_dict, beside this script. Takes seconds.
"""
import pathlib

import h5py
import numpy

HERE = pathlib.Path(__file__).resolve().parent
WIDTHS = [64, 32, 32, 32, 10]
HELD_OUT = 360
NOISE = 0.3  # half width, uniform
EPOCHS, BATCH, RATE, DECAY = 150, 32, 2e-3, 1e-2


def forward(layers, x, random=None):
    """The values of all layers; with noise if there are random numbers."""
    values = [x]
    for n, (weight, bias) in enumerate(layers):
        z = values[-1] @ weight.T + bias
        if n + 1 < len(layers):
            z = numpy.tanh(z)
            if random is not None:
                z = z + random.uniform(-NOISE, NOISE, z.shape)
        values.append(z)
    return values


def gradients(layers, x, labels, random):
    """Of the mean cross entropy. The derivative of tanh is that of the value before its noise."""
    clean, values = [], [x]
    for n, (weight, bias) in enumerate(layers):
        z = values[-1] @ weight.T + bias
        last = n + 1 == len(layers)
        clean.append(z if last else numpy.tanh(z))
        values.append(clean[-1] if last else clean[-1] + random.uniform(-NOISE, NOISE, z.shape))
    odds = numpy.exp(values[-1] - values[-1].max(axis=1, keepdims=True))
    delta = odds / odds.sum(axis=1, keepdims=True)
    delta[numpy.arange(len(labels)), labels] -= 1
    delta /= len(labels)
    result = []
    for n in reversed(range(len(layers))):
        result.insert(0, (delta.T @ values[n], delta.sum(axis=0)))
        if n > 0:
            delta = (delta @ layers[n][0]) * (1 - clean[n - 1] ** 2)
    return result


def train(x, labels):
    random = numpy.random.default_rng(1)
    layers = [(random.normal(0, m**-0.5, (n, m)), numpy.zeros(n)) for m, n in zip(WIDTHS, WIDTHS[1:])]
    first = [[numpy.zeros_like(part) for part in layer] for layer in layers]
    second = [[numpy.zeros_like(part) for part in layer] for layer in layers]
    step = 0
    for epoch in range(EPOCHS):
        rate = RATE * 0.5 * (1 + numpy.cos(numpy.pi * epoch / EPOCHS))
        order = random.permutation(len(x))
        for begin in range(0, len(x), BATCH):
            step += 1
            chosen = order[begin:begin + BATCH]
            updated = []
            for n, (layer, slope) in enumerate(zip(layers, gradients(layers, x[chosen], labels[chosen], random))):
                parts = []
                for k, (part, g) in enumerate(zip(layer, slope)):
                    first[n][k] = 0.9 * first[n][k] + 0.1 * g
                    second[n][k] = 0.999 * second[n][k] + 0.001 * g * g
                    move = first[n][k] / (1 - 0.9**step) / (numpy.sqrt(second[n][k] / (1 - 0.999**step)) + 1e-8)
                    parts.append(part - rate * (move + (DECAY * part if k == 0 else 0)))
                updated.append(tuple(parts))
            layers = updated
    return layers


def accuracy(layers, x, labels, random=None):
    return float((forward(layers, x, random)[-1].argmax(axis=1) == labels).mean())


def main():
    rows = numpy.load(HERE / "digits.npy").astype(float)
    x, labels = rows[:, :64] / 16, rows[:, 64].astype(int)
    layers = train(x[:-HELD_OUT], labels[:-HELD_OUT])
    for name, part in (("train", slice(None, -HELD_OUT)), ("held out", slice(-HELD_OUT, None))):
        noisy = accuracy(layers, x[part], labels[part], numpy.random.default_rng(2))
        print(f"{name}: accuracy {accuracy(layers, x[part], labels[part]):.4f}, with noise {noisy:.4f}")
    with h5py.File(HERE / "digits_network.h5", "w") as file:
        for n, (weight, bias) in enumerate(layers):
            file[f"{2 * n}.weight"] = (weight / 16 if n == 0 else weight).astype("f4")
            file[f"{2 * n}.bias"] = bias.astype("f4")


if __name__ == "__main__":
    main()
