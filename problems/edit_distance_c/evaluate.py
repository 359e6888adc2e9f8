"""How long one call takes, by the clock of this process; every answer is checked against another way of finding it."""

import numpy as np

from evolve import JsonValue, Outcome, Status, Trial

WARM_UP, CALLS = 5, 40
LETTERS = "abcdefghijklmnopqrstuvwxyz"
MOST_LOAD_S = 10.0  # the build is in it


def evaluate(trial: Trial) -> Outcome:
    pairs = drawn(trial.rng("pairs"), trial.params["length"])
    calls = [{"a": a, "b": b} for a, b in pairs]
    reply = trial.sandbox.time_calls("main.py:distance", calls, [{"distance": JsonValue(64)}] * len(calls), warm_up=WARM_UP)
    if not reply.ok:
        return reply.outcome()
    for (a, b), found in zip(pairs, reply.values, strict=True):
        if type(found["distance"]) is not int or found["distance"] != distance(a, b):
            return Outcome.fail(Status.CHECKS_FAILED, f"distance({a!r}, {b!r}) is {distance(a, b)}, found {found['distance']}")
    timing = reply.timing
    if timing.load_s > MOST_LOAD_S:
        return Outcome.fail(Status.CHECKS_FAILED, f"loading took {timing.load_s:.1f} s, at most {MOST_LOAD_S:g} s are allowed")
    return Outcome(
        score=1e6 * timing.quantile_s(0.25),  # other work on the machine only ever adds
        metrics={"load_ms": 1e3 * timing.load_s},
        feedback=f"A call takes {1e6 * timing.median_s:.0f} us at the median; the way there and back is not in it.",
    )


def drawn(rng, length):
    """Pairs of texts, all of one length and no two alike: the second of each is the first with about half of it changed."""
    pairs = []
    for _ in range(WARM_UP + CALLS):
        a = rng.integers(0, len(LETTERS), length)
        b = np.where(rng.random(length) < 0.5, np.roll(a, 1), rng.integers(0, len(LETTERS), length))
        pairs.append(("".join(LETTERS[i] for i in a), "".join(LETTERS[i] for i in b)))
    return pairs


def distance(a, b):
    """The answer, by the columns of the table at once."""
    b_codes = np.frombuffer(b.encode(), np.uint8)
    steps = np.arange(len(b) + 1)
    row = steps.copy()
    for i, letter in enumerate(a.encode(), 1):
        best = np.minimum(row[1:] + 1, row[:-1] + (b_codes != letter))
        row = np.minimum.accumulate(np.concatenate([[i], best]) - steps) + steps
    return int(row[-1])
