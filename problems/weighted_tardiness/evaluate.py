"""Draws shops of jobs, has each put in order, and sums up by how much the jobs are late.

Every measurement draws other shops, from its own seed.  No file holds one, and a program is handed the jobs alone: what it is
scored on did not exist when it was written.  The sum is divided by the mean of what two rules of the textbooks get on the same
shops, which takes most of the luck of the draw out of the score.
"""

import json
import math

import numpy as np

from evolve import JsonValue, Outcome, Status, Trial

SHOPS = 32
FIRST_DUE, LAST_DUE = 0.15, 0.95  # the range of due dates, as shares of the time that all jobs take
REACH = 2.0  # of ATC: within how many mean lengths of its latest start a job becomes urgent
MOST_DIGITS = 8  # of a job's number, with what stands around it


def evaluate(trial: Trial) -> Outcome:
    shops = drawn(trial.rng("jobs"), trial.params["jobs"])
    calls = [{"jobs": jobs} for jobs in shops]
    returns = {"sequence": JsonValue(MOST_DIGITS * trial.params["jobs"])}
    reply = trial.sandbox.call_many("main.py:sequence", calls, [returns] * len(calls))
    if not reply.ok:
        return reply.outcome()
    sequences = [value["sequence"] for value in reply.values]
    if not all(is_order(found, len(jobs)) for found, jobs in zip(sequences, shops, strict=True)):
        return Outcome.fail(Status.INVALID, f"sequence(jobs) must return a list of each of 0 to {len(shops[0]) - 1} once")
    return judge(shops, sequences)


def judge(shops, sequences) -> Outcome:
    """The outcome of one sequence for each shop."""
    costs = [lateness(jobs, found) for jobs, found in zip(shops, sequences, strict=True)]
    due, atc = ([sum(lateness(jobs, rule(jobs))) for jobs in shops] for rule in (by_due_date, by_apparent_cost))
    usual = max((sum(due) + sum(atc)) / 2, 1.0)
    totals = [sum(cost) for cost in costs]
    late = sum(amount > 0 for cost in costs for amount in cost) / sum(map(len, costs))
    return Outcome(
        score=sum(totals) / usual,
        metrics={"late_share": late, "worst": max(totals) * len(shops) / usual},
        descriptors={"late_share": late, "due_order": due_order(shops, sequences)},
        feedback=describe(shops, sequences, costs, [sum(both) / usual for both in (totals, due, atc)]),
        artifacts={"sequences": json.dumps(sequences).encode()},
    )


def drawn(rng, n):
    """Shops of n jobs, each [length, weight, due date], all whole numbers: one due date in each of n equal parts of their range."""
    shops = []
    for _ in range(SHOPS):
        lengths, weights = rng.integers(10, 101, n), rng.integers(1, 11, n)
        places = FIRST_DUE + (LAST_DUE - FIRST_DUE) * (rng.permutation(n) + rng.random(n)) / n
        dues = np.rint(lengths.sum() * places).astype(np.int64)
        shops.append(np.column_stack([lengths, weights, dues]).tolist())
    return shops


def is_order(found: object, n: int) -> bool:
    """Whether it is a list of plain integers, each of 0 to n - 1 once."""
    return isinstance(found, list) and all(type(i) is int for i in found) and sorted(found) == list(range(n))


def lateness(jobs, order):
    """What each job costs, in the order in which they are done: its weight for each unit of time past its due date."""
    now, costs = 0, []
    for i in order:
        length, weight, due = jobs[i]
        now += length
        costs.append(weight * max(0, now - due))
    return costs


def by_due_date(jobs):
    """Earliest due date first (Jackson 1955): the initial program's order."""
    return sorted(range(len(jobs)), key=lambda i: jobs[i][2])


def by_apparent_cost(jobs):
    """ATC, apparent tardiness cost (Vepsalainen and Morton 1987): weight over length, discounted by the slack that is left."""
    scale = REACH * sum(length for length, _, _ in jobs) / len(jobs)
    left, now, order = set(range(len(jobs))), 0, []

    def index(i):
        length, weight, due = jobs[i]
        return weight / length * math.exp(-max(due - length - now, 0) / scale)

    while left:
        order.append(max(sorted(left), key=index))
        left.remove(order[-1])
        now += jobs[order[-1]][0]
    return order


def due_order(shops, sequences):
    """The share of neighbours of which the first is due no later than the second."""
    steps = [np.diff([jobs[i][2] for i in order]) for jobs, order in zip(shops, sequences, strict=True)]
    return float(np.mean(np.concatenate(steps) >= 0))


def describe(shops, sequences, costs, scores):
    """Where it costs, for whoever writes the next rule."""
    worst = max(range(len(shops)), key=lambda k: sum(costs[k]))
    place = max(range(len(costs[worst])), key=lambda k: costs[worst][k])
    length, weight, due = shops[worst][sequences[worst][place]]
    late = costs[worst][place] // weight
    return (
        f"Score {scores[0]:.4f}; on the same shops due dates alone come to {scores[1]:.4f}, the rule ATC to {scores[2]:.4f}.\n"
        f"What cost most in the worst shop: a job of length {length}, weight {weight}, due at {due}, done as number {place + 1} of "
        f"{len(costs[worst])} and {late} late."
    )


def selftest():
    jobs = [[2, 1, 2], [3, 5, 3], [4, 2, 9]]
    if lateness(jobs, [1, 0, 2]) != [0, 3, 0] or lateness(jobs, [0, 1, 2]) != [0, 10, 0]:
        return "lateness sums up wrongly"
    if is_order([0, 0, 2], 3) or is_order([0, True, 2], 3) or not is_order([2, 0, 1], 3):
        return "is_order takes a wrong order, or refuses a right one"
    return ""
