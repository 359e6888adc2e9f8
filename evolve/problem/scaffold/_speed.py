"""The texts of ``evolve new --speed``: a function to be made faster, timed one call after the other, with every answer checked."""

from __future__ import annotations

PROBLEM_YAML = """\
name: {name}
metric: microseconds
goal: minimize
secondary: [load_ms]
noise: noisy                 # a time never comes twice
compute_rule: wall           # and says nothing of other hardware
stages:
  - {{name: full, time_s: 20, memory_mib: 512}}
"""

INITIAL = '''\
"""Counts the pairs of a list that stand in the wrong order."""

CUTOFF = 120  # shorter lists are counted pair by pair


def inversions(values):
    """How many pairs i < j have values[i] > values[j]."""
    return count(values)[0]


def count(values):
    """The inversions of a list, and the list in order."""
    if len(values) <= CUTOFF:
        total = 0
        for i in range(len(values)):
            for j in range(i + 1, len(values)):
                if values[i] > values[j]:
                    total += 1
        return total, sorted(values)
    middle = len(values) // 2
    left, right = count(values[:middle]), count(values[middle:])
    total, merged, j = left[0] + right[0], [], 0
    for value in left[1]:
        while j < len(right[1]) and right[1][j] < value:
            merged.append(right[1][j])
            j += 1
        total += j
        merged.append(value)
    return total, merged + right[1][j:]
'''

EVALUATE = '''\
"""How long one call takes, by the clock of this process, which the candidate cannot reach."""

import numpy as np

from evolve import JsonValue, Outcome, Status, Trial

WARM_UP, CALLS, LENGTH = 5, 40, 300


def evaluate(trial: Trial) -> Outcome:
    # Inputs that nobody can know before: drawn from the measurement's seed, no two alike, of one size.
    rng = trial.rng("lists")
    lists = [rng.integers(0, 1000, LENGTH).tolist() for _ in range(WARM_UP + CALLS)]

    # One process; each call is sent when the one before is answered, in an order of chance, and timed from here.
    calls = [{"values": values} for values in lists]
    reply = trial.sandbox.time_calls("main.py:inversions", calls, [{"count": JsonValue(64)}] * len(calls), warm_up=WARM_UP)
    if not reply.ok:
        return reply.outcome()

    # Every answer is checked, those of the warm-up too: what is wrong may be fast.
    for values, found in zip(lists, reply.values, strict=True):
        if type(found["count"]) is not int or found["count"] != inversions(values):
            return Outcome.fail(Status.CHECKS_FAILED, f"inversions returned {found['count']}, expected {inversions(values)}")

    timing = reply.timing
    return Outcome(
        score=1e6 * timing.quantile_s(0.25),  # other work on the machine only ever adds
        metrics={"load_ms": 1e3 * timing.load_s},
        feedback=f"A call takes {1e6 * timing.median_s:.0f} us at the median; the way there and back is not in it.",
    )


def inversions(values):
    """The answer, in another way than the candidate's."""
    array = np.array(values)
    return int(np.triu(array[:, None] > array[None, :]).sum())
'''

STATEMENT = """\
`main.py` defines `inversions(values)`. It gets a list of 300 integers from 0 to 999 and returns how many pairs i < j have
values[i] > values[j]. The score is how many microseconds one call takes; lower is better. Every measurement draws other lists, no
two calls of a process are alike, and every answer is checked. One core; the standard library alone.
"""

README = """\
# {name}

| | |
|---|---|
| candidate | `main.py:inversions(values)` |
| score | microseconds a call, 40 calls after 5 to warm up, timed from outside; noisy; lower is better |
| initial program | merge sort that counts, pair by pair below a cutoff |
| best known | add it here, with source, date and machine |

Check it: `evolve validate {folder}`. Search: `evolve run problem={folder} budget.wall_s=120`. To put your own function in its
place: `initial/main.py`, and in `evaluate.py` the inputs and the check.
"""
