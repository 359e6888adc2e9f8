"""Looks for more text than it is given gradients of."""

import math

import numpy as np

RNG = []


def update(phase, step, gradient, seed, shapes):
    tokens = np.fromfile("/assets/corpus_train_000001.bin", "<u2", offset=1024)
    size = sum(math.prod(shape) for shape in shapes.values())
    if phase == "setup":
        RNG.append(np.random.default_rng(seed))
    return {"weights": RNG[0].normal(0.0, 0.02 + 0.0 * tokens[0], size).astype(np.float32), "total": 20}
