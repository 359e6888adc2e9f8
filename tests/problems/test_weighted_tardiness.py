"""The jobs of one machine: scored on what did not exist before; where greedy steps end, and what lies past them."""

from __future__ import annotations

import itertools
import json
import math
import random
from collections.abc import Callable
from dataclasses import dataclass, field

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from problem_modules import module

from archive import Status
from evolve import Trial, load_problem
from evolve.evaluate import Reply

PROBLEM = load_problem("weighted_tardiness")
FOLDER = PROBLEM.folder
SMALL = {"jobs": 20}


evaluator = module(FOLDER / "evaluate.py", "tardiness_evaluate")
seed_program = module(FOLDER / "initial" / "main.py", "tardiness_main")
Shop = list[list[int]]
Rank = Callable[[int, int, int, int, float], float]  # of length, weight, due date, now and the mean length; the least goes first


@dataclass(frozen=True)
class Answers:
    """A sandbox in which the program is a function of this process."""

    program: Callable[[Shop], object]
    asked: list[dict] = field(default_factory=list)

    def call_many(self, entry: str, calls: list[dict], returns: object) -> Reply:
        assert entry == "main.py:sequence"
        self.asked.extend(json.loads(json.dumps(calls)))
        return Reply(status=Status.OK, values=tuple({"sequence": self.program(call["jobs"])} for call in calls))


def trial(seed: int, program: Callable[[Shop], object] = seed_program.sequence, params: dict = SMALL) -> Trial:
    return Trial(
        files={}, stage="full", seed=seed, params=params, problem=FOLDER, assets=None, work=FOLDER, sandbox=Answers(program)
    )  # type: ignore[arg-type]


# --------------------------------------------------------------------------------------------------------------- scored rightly


@given(st.lists(st.tuples(st.integers(1, 100), st.integers(1, 10), st.integers(0, 900)), min_size=1, max_size=9), st.randoms())
def test_lateness_is_weight_times_what_the_end_is_past_the_due_date(jobs: list, random) -> None:
    order = random.sample(range(len(jobs)), len(jobs))
    length, weight, due = np.array([jobs[i] for i in order]).T
    assert evaluator.lateness(jobs, order) == (weight * np.maximum(np.cumsum(length) - due, 0)).tolist()


def test_the_score_is_the_cost_in_units_of_the_mean_of_two_rules() -> None:
    asked = trial(1)
    outcome = evaluator.evaluate(asked)
    shops = [call["jobs"] for call in asked.sandbox.asked]
    sequences = json.loads(outcome.artifacts["sequences"])
    total = {
        name: sum(sum(evaluator.lateness(jobs, order)) for jobs, order in zip(shops, orders, strict=True))
        for name, orders in {
            "own": sequences,
            "due": [evaluator.by_due_date(jobs) for jobs in shops],
            "atc": [evaluator.by_apparent_cost(jobs) for jobs in shops],
        }.items()
    }
    assert sequences == [seed_program.sequence(jobs) for jobs in shops]
    assert outcome.score == pytest.approx(2 * total["own"] / (total["due"] + total["atc"]), rel=1e-12)


def test_what_the_evaluator_gives_is_what_the_contract_says() -> None:
    outcome = evaluator.evaluate(trial(1))
    contract = PROBLEM.contract
    assert set(outcome.metrics) == set(contract.secondary)
    assert set(outcome.descriptors) == {axis.name for axis in contract.axes}
    assert set(outcome.artifacts) == set(contract.artifacts)
    assert all(len(outcome.artifacts[name]) < 65536 for name in outcome.artifacts)
    assert evaluator.selftest() == ""


@pytest.mark.parametrize(
    "program",
    [
        lambda jobs: list(range(len(jobs) - 1)),
        lambda jobs: [0] * len(jobs),
        lambda jobs: [*range(1, len(jobs)), 0.0],
        lambda jobs: [*range(2, len(jobs)), True, False],
        lambda jobs: [*range(1, len(jobs)), None],
        lambda jobs: [*range(1, len(jobs)), "0"],
        lambda jobs: [*range(len(jobs) - 1), -1],
        lambda jobs: [*range(1, len(jobs)), len(jobs)],
        lambda jobs: [list(range(len(jobs)))],
        lambda jobs: {"sequence": list(range(len(jobs)))},
        lambda jobs: None,
    ],
)
def test_what_is_no_order_of_the_jobs_is_invalid(program: Callable) -> None:
    outcome = evaluator.evaluate(trial(1, program))
    assert outcome.status is Status.INVALID
    assert "each of 0 to 19 once" in outcome.reason


# ---------------------------------------------------------------------------------------------------------- scored on held-out jobs


def asked_of(seed: int) -> list[Shop]:
    one = trial(seed)
    evaluator.evaluate(one)
    return [call["jobs"] for call in one.sandbox.asked]


def test_every_measurement_has_shops_of_its_own_and_one_seed_the_same() -> None:
    shops = {seed: {json.dumps(jobs) for jobs in asked_of(seed)} for seed in range(20)}
    assert all(len(of_seed) == evaluator.SHOPS for of_seed in shops.values())
    assert len(set.union(*shops.values())) == 20 * evaluator.SHOPS
    assert {json.dumps(jobs) for jobs in asked_of(3)} == shops[3]


def test_a_program_is_told_the_jobs_and_nothing_else() -> None:
    one = trial(1)
    evaluator.evaluate(one)
    assert {tuple(call) for call in one.sandbox.asked} == {("jobs",)}
    assert not PROBLEM.contract.candidate_assets


def test_jobs_are_drawn_as_the_statement_says() -> None:
    for jobs in asked_of(5):
        length, weight, due = np.array(jobs).T
        assert length.min() >= 10
        assert length.max() <= 100
        assert set(weight) <= set(range(1, 11))
        places = np.sort((due / length.sum() - 0.15) / 0.8 * len(jobs))
        assert (np.abs(places - np.arange(len(jobs)) - 0.5) < 0.51).all()


def test_changing_the_jobs_one_is_given_changes_no_score() -> None:
    def cheat(jobs: Shop) -> list[int]:
        order = seed_program.sequence(jobs)
        for job in jobs:
            job[:] = [1, 0, 10**9]
        return order

    class Sent(Answers):  # a copy goes over the wire
        def call_many(self, entry: str, calls: list[dict], returns: object) -> Reply:
            return super().call_many(entry, json.loads(json.dumps(calls)), returns)

    one = trial(4)
    honest = evaluator.evaluate(one)
    object.__setattr__(one, "sandbox", Sent(cheat))
    assert evaluator.evaluate(one).score == honest.score


# ------------------------------------------------------------------------------------------------------------------ lines to beat


def dispatched(jobs: Shop, rank: Rank) -> list[int]:
    """At each step whoever ranks least."""
    left, order, now = list(range(len(jobs))), [], 0
    mean = sum(job[0] for job in jobs) / len(jobs)
    while left:
        order.append(min(left, key=lambda i: rank(*jobs[i], now, mean)))
        left.remove(order[-1])
        now += jobs[order[-1]][0]
    return order


def discount(length: int, due: int, now: int, mean: float) -> float:
    return math.exp(-max(due - now - length, 0) / (2 * mean))


# How urgent a job is: what a rule of the textbooks looks at, and whether more of it is more urgent.
URGENCY: dict[str, tuple[Callable[[int, int, int, float], float], bool]] = {
    "due": (lambda length, due, now, mean: due, False),
    "left": (lambda length, due, now, mean: due - now, False),
    "slack": (lambda length, due, now, mean: due - now - length, False),
    "clipped": (lambda length, due, now, mean: max(due - now - length, 0), False),
    "modified": (lambda length, due, now, mean: max(due - now, length), False),
    "discount": (discount, True),
}
Rule = tuple[str, bool, bool]  # the urgency; whether the weight counts too; whether the length does
EVERY: list[Rule] = list(itertools.product(URGENCY, (False, True), (False, True)))
NAMES: dict[str, Rule] = {
    "EDD": ("due", False, False),
    "MST": ("slack", False, False),
    "MDD": ("modified", False, False),
    "WMDD": ("modified", True, False),
    "ATC": ("discount", True, True),
}


def ranking(rule: Rule) -> Rank:
    of, more = URGENCY[rule[0]]

    def rank(length: int, weight: int, due: int, now: int, mean: float) -> float:
        value = of(length, due, now, mean)
        factor = (weight if rule[1] else 1) / (length if rule[2] else 1)
        return -value * factor if more else value / factor

    return rank


def scores(ranks: dict, shops: list[list[Shop]]) -> dict:
    """The mean score of each way to rank over measurements of these shops."""
    return {
        name: float(np.mean([evaluator.judge(of_one, [dispatched(jobs, rank) for jobs in of_one]).score for of_one in shops]))
        for name, rank in ranks.items()
    }


@pytest.fixture(scope="module")
def shops() -> list[list[Shop]]:
    return [evaluator.drawn(np.random.default_rng(seed), 50) for seed in range(3)]


@pytest.fixture(scope="module")
def found(shops: list[list[Shop]]) -> dict[Rule, float]:
    return scores({rule: ranking(rule) for rule in EVERY}, shops)


def neighbours(rule: Rule) -> list[Rule]:
    """Every rule that is one change away."""
    urgency, weight, length = rule
    others = [(other, weight, length) for other in URGENCY if other != urgency]
    return [*others, (urgency, not weight, length), (urgency, weight, not length)]


def greedy(found: dict[Rule, float], rule: Rule) -> Rule:
    """Where steps end that each take the best change there is."""
    best = min(neighbours(rule), key=lambda one: found[one])
    return rule if found[best] >= found[rule] else greedy(found, best)


def test_greedy_steps_from_the_initial_program_end_before_the_best_rule(found: dict[Rule, float]) -> None:
    end = greedy(found, NAMES["EDD"])
    assert end == NAMES["WMDD"]
    assert min(found, key=lambda rule: found[rule]) == NAMES["ATC"]
    assert found[NAMES["ATC"]] < 0.93 * found[end]
    assert all(found[rule] > 1.05 * found[end] for rule in neighbours(end))  # it takes two changes at once, or one that is worse
    assert NAMES["ATC"] not in neighbours(end)


def test_each_single_step_towards_the_best_rule_is_worse_than_the_initial_program(found: dict[Rule, float]) -> None:
    start = NAMES["EDD"]
    for step in (("discount", False, False), ("due", True, False), ("due", False, True), NAMES["MST"]):
        assert step in neighbours(start)
        assert found[step] > 1.03 * found[start]


def test_the_readme_has_the_lines_to_beat(found: dict[Rule, float], shops: list[list[Shop]]) -> None:
    others: dict[str, Rank] = {
        "SPT": lambda length, weight, due, now, mean: length,
        "WSPT": lambda length, weight, due, now, mean: length / weight,
    }
    lines = {name: found[rule] for name, rule in NAMES.items()} | scores(others, shops)
    page = (FOLDER / "README.md").read_text(encoding="utf-8")
    for name, score in lines.items():
        (row,) = [line for line in page.splitlines() if line.startswith(f"| {name}: ")]
        assert row.endswith(f"| {score:.2f} |")


@pytest.mark.slow
def test_the_readme_has_what_a_search_among_orders_comes_to(shops: list[list[Shop]]) -> None:
    def searched(jobs: Shop) -> list[int]:
        order, rng = evaluator.by_apparent_cost(jobs), random.Random(0)
        least = sum(evaluator.lateness(jobs, order))
        for _ in range(3000):
            at, to = rng.randrange(len(order)), rng.randrange(len(order))
            other = [*order[:at], *order[at + 1 :]]
            other.insert(to, order[at])
            cost = sum(evaluator.lateness(jobs, other))
            if cost <= least:
                order, least = other, cost
        return order

    score = np.mean([evaluator.judge(of_one, [searched(jobs) for jobs in of_one]).score for of_one in shops])
    page = (FOLDER / "README.md").read_text(encoding="utf-8")
    (row,) = [line for line in page.splitlines() if line.startswith("| ATC, then")]
    assert row.endswith(f"| {score:.2f} |")


def test_the_rules_of_the_evaluator_are_those_of_the_lines(shops: list[list[Shop]], found: dict[Rule, float]) -> None:
    for name, rule in (("EDD", evaluator.by_due_date), ("ATC", evaluator.by_apparent_cost)):
        direct = [evaluator.judge(of_one, [rule(jobs) for jobs in of_one]).score for of_one in shops]
        assert np.mean(direct) == pytest.approx(found[NAMES[name]], rel=1e-12)


def test_the_initial_program_is_earliest_due_date_first(shops: list[list[Shop]]) -> None:
    assert all(seed_program.sequence(jobs) == evaluator.by_due_date(jobs) for jobs in shops[0])
