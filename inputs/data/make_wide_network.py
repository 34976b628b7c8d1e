#!/usr/bin/env python3
"""Writes a 784-16-4 network as PyTorch's state_dict would be written: weights that look at smooth patterns of 28 x 28
pixels, drawn with a fixed seed. No data went into it: it is for the comparison of operators with sampled paths."""
import sys

import h5py
import numpy

random = numpy.random.default_rng(28)
row, column = numpy.mgrid[0:28, 0:28] / 27 - 0.5
patterns = []
for _ in range(16):
    waves = random.normal(size=2) * 6
    centre = random.uniform(-0.3, 0.3, size=2)
    pattern = numpy.exp(-8 * ((row - centre[0]) ** 2 + (column - centre[1]) ** 2))
    pattern *= numpy.cos(waves[0] * row + waves[1] * column + random.uniform(0, 6))
    patterns.append(pattern.ravel() / numpy.linalg.norm(pattern))
first = 2 * numpy.array(patterns)
with h5py.File(sys.argv[1] if len(sys.argv) > 1 else "wide_network.h5", "w") as file:
    file["0.weight"] = first
    file["0.bias"] = -first.sum(axis=1) / 2  # pixels have the mean 1/2
    file["1.weight"] = random.normal(size=(4, 16)) / 2
    file["1.bias"] = random.normal(size=4) / 4
