"""Says that it made more steps than it was given gradients, and gives weights of another length of race."""

import math

import numpy as np

RNG = []


def update(phase, step, gradient, seed, shapes):
    size = sum(math.prod(shape) for shape in shapes.values())
    print(f"step:1/1 val_loss:0.1000 train_time:1ms step_avg:1.00ms after {step} steps")
    if phase == "setup":
        RNG.append(np.random.default_rng(seed))
    return {"weights": RNG[0].normal(0.0, 0.02, size).astype(np.float32), "total": 20 if phase == "setup" else 2}
