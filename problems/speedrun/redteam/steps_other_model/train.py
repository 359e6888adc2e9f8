"""Trains a larger model than the race is about."""

import math

import numpy as np

RNG = []


def update(phase, step, gradient, seed, shapes):
    size = sum(math.prod(shape) for shape in shapes.values())
    if phase == "setup":
        RNG.append(np.random.default_rng(seed))
    return {"weights": RNG[0].normal(0.0, 0.02, size).repeat(2).astype(np.float32), "total": 20}
