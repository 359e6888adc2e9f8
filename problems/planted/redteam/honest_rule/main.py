"""A point by a rule, with whole numbers among the others, a log and a generator of its own."""

import random
import time


def point(dimension):
    began = time.perf_counter()
    rng = random.Random(4)
    found = [1] + [round(rng.uniform(0.8, 1.2), 3) for _ in range(dimension - 1)]
    print(f"reading: unknown; {dimension} numbers after {time.perf_counter() - began:.6f} s")
    return found
