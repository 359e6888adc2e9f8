"""Scores a sequence of signs by its merit factor, in whole numbers.

The energy of a sequence s of n signs is the sum of C_k**2 over its shifts k = 1 to n - 1, with C_k the sum of s[i] * s[i + k]; its
merit factor (Golay 1972) is n**2 / (2 * energy).  ``LEAST_ENERGY`` is known for all n up to 66, by branch and bound over all
sequences (Mertens 1996 up to 48, Bauke and Mertens 2004 up to 60, Packebusch and Mertens 2016 up to 66: "Low autocorrelation binary
sequences", Journal of Physics A 49, 165001).
"""

import json
from itertools import pairwise

import numpy as np

from evolve import JsonValue, Outcome, Status, Trial

FIRST = 3  # the least n of the table
LEAST_ENERGY = [
    # n = 3, 4, ... 9, then ten in each row
    1, 2, 2, 7, 3, 8, 12,
    13, 5, 10, 6, 19, 15, 24, 32, 25, 29,
    26, 26, 39, 47, 36, 36, 45, 37, 50, 62,
    59, 67, 64, 64, 65, 73, 82, 86, 87, 99,
    108, 108, 101, 109, 122, 118, 131, 135, 140, 136,
    153, 153, 166, 170, 175, 171, 192, 188, 197, 205,
    218, 226, 235, 207, 208, 240, 257,
]  # fmt: skip
MOST_DIGITS = 8  # of a sign, with what stands around it


def evaluate(trial: Trial) -> Outcome:
    n = trial.params["n"]
    reply = trial.sandbox.call("main.py:sequence", {"n": n}, {"sequence": JsonValue(MOST_DIGITS * n)})
    if not reply.ok:
        return reply.outcome()
    found = reply.value["sequence"]
    if not is_sequence(found, n):
        return Outcome.fail(Status.INVALID, f"sequence({n}) must return a list of {n} whole numbers, each 1 or -1")
    return judge(found)


def judge(signs) -> Outcome:
    """The outcome of a sequence of signs."""
    n, found = len(signs), energy(signs)
    if found < least_energy(n):
        return Outcome.quarantine(f"an energy of {found} with {n} signs, where {least_energy(n)} is known to be the least")
    after = [energy([*signs[:i], -signs[i], *signs[i + 1 :]]) for i in range(n)]
    better = sum(other < found for other in after)
    return Outcome(
        score=n * n / (2 * found),
        metrics={"energy": float(found), "better_flips": float(better)},
        descriptors={"runs": (1 + changes(signs)) / n, "imbalance": abs(sum(signs)) / n},
        feedback=describe(signs, found, after, better),
        artifacts={"sequence": json.dumps(signs).encode()},
    )


def is_sequence(found: object, n: int) -> bool:
    """Whether it is a list of n plain integers, each 1 or -1."""
    return isinstance(found, list) and len(found) == n and all(type(sign) is int and abs(sign) == 1 for sign in found)


def correlations(signs):
    """C_k for k = 1 to n - 1."""
    whole = np.array(signs, dtype=np.int64)
    return np.correlate(whole, whole, "full")[len(signs) :]


def energy(signs):
    return int((correlations(signs) ** 2).sum())


def least_energy(n):
    return LEAST_ENERGY[n - FIRST]


def changes(signs):
    """How often the sign changes."""
    return sum(a != b for a, b in pairwise(signs))


def describe(signs, found, after, better):
    """What stands in the way, for whoever makes the next sequence."""
    shifts = np.abs(correlations(signs))
    worst = ", ".join(f"C_{k + 1} = {shifts[k]}" for k in np.argsort(-shifts, kind="stable")[:3])
    if better:
        flips = f"{better} of {len(signs)} single flips lower the energy, the best to {min(after)}."
    else:
        flips = f"No single flip lowers the energy (the best leads to {min(after)}): only larger changes can."
    least = least_energy(len(signs))
    return f"Energy {found}; the least that {len(signs)} signs can have is {least}. Largest sizes: {worst}.\n{flips}"


def selftest():
    barker = [1, 1, 1, 1, 1, -1, -1, 1, 1, -1, 1, -1, 1]
    if energy(barker) != 6 or least_energy(13) != 6 or least_energy(66) != 257 or len(LEAST_ENERGY) != 64:
        return "the energy of Barker's sequence is 6, and the table goes up to 66"
    return ""
