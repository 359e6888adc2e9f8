"""A run of several problems: whose turn it is, what of the budget is whose, and that results go where they belong."""

from __future__ import annotations

import random
from collections.abc import Callable, Mapping, Sequence
from dataclasses import replace
from pathlib import Path
from statistics import fmean

import pytest

from archive import (
    BlockEntry,
    BudgetSet,
    Claim,
    ConfirmationOpened,
    Event,
    Measured,
    Measurement,
    Proposed,
    ProposeIssued,
    StartMode,
    read_journal,
)
from evolve.config._schema import BudgetConfig, SuiteConfig
from evolve.confirm import SIZES, Confirmation, Effect, Verdict, make_confirmation
from evolve.problem.contract._contract import Stage
from evolve.propose.prompts._parts import optional_parts
from evolve.runs import _checkpoint
from evolve.search import _suite as suite
from evolve.search.claims import _claims as confirming
from evolve.search.state._state import ProblemState
from evolve.search.state._turns import Turns
from evolve.testing import Harness, Script, plain_contract, scored

Climb = Callable[[float, random.Random], float]


def climb(chance: float, part: float) -> Climb:
    """Each try closes, with this chance, up to this part of the gap to 1."""
    return lambda score, rng: score + (1 - score) * part * rng.random() if rng.random() < chance else score


def climbed(
    climbs: Sequence[Climb], tries: int, seed: int, costs: Sequence[float], *, equal: bool
) -> tuple[list[float], list[float]]:
    """What so many problems came to, and what each was given."""
    rng, n = random.Random(seed), len(climbs)
    turns, scores, spent = [Turns() for _ in climbs], [0.0] * n, [0.0] * n
    for i in range(n):
        suite.on_counted(turns, i, 1, costs[i], 0.0)
    while sum(spent) < tries:
        due = [1 / n] * n if equal else suite.shares(turns, costs)
        i = min(range(n), key=lambda one: turns[one].cost / due[one])
        spent[i] += costs[i]
        scores[i] = climbs[i](scores[i], rng)
        suite.on_counted(turns, i, 1, costs[i], scores[i])
    return scores, spent


@pytest.mark.parametrize(
    "climbs",
    [[climb(0.5, 0.5)] * 3 + [climb(0.05, 0.1)] * 3 + [climb(0, 0)] * 2, [climb(0, 0)] * 6 + [climb(0.1, 0.05)] * 2],
    ids=["some saturate", "most cannot gain"],
)
def test_what_flows_to_where_it_pays_gains_more_than_an_equal_split(climbs: list[Climb]) -> None:
    costs = [1.0] * len(climbs)
    both = [[sum(climbed(climbs, 1600, seed, costs, equal=equal)[0]) for seed in range(10)] for equal in (False, True)]
    assert fmean(both[0]) > fmean(both[1]) + 0.15
    assert sum(ours > theirs for ours, theirs in zip(*both, strict=True)) >= 8


@pytest.mark.parametrize("costs", [[1.0] * 6, [0.01, 0.1, 1.0, 1.0, 1.0, 3.0]], ids=["alike", "of other costs"])
def test_nobody_starves(costs: list[float]) -> None:
    n = len(costs)
    for seed in range(5):
        if len(set(costs)) == 1:
            _, alike = climbed([climb(0.2, 0.1)] * n, 2000, seed, costs, equal=False)
            assert min(alike) > 0.5 * 2000 / n
        _, other = climbed([climb(0.5, 0.05)] + [climb(0, 0)] * (n - 1), 2000, seed, costs, equal=False)
        assert min(other) > 0.9 * suite.FLOOR * 2000 / n


def test_the_unit_of_a_problem_does_not_count() -> None:
    turns = [Turns(), Turns()]
    for best in (0.0, 1.0, 1.5):
        for i, unit in enumerate((1.0, 1e-9)):
            suite.on_counted(turns, i, 1, 1.0, best * unit)
    assert suite.shares(turns, [1.0, 1.0]) == pytest.approx([0.5, 0.5], abs=0.02)


# ------------------------------------------------------------------------------------------------ whole runs

STAGE = Stage(name="full")
TARGETS = {"near": 1.0, "far": 40.0}


def program(name: str) -> dict[str, str]:
    return {"main.py": f"NAME = {name!r}\nX = 0.5\n"}


def read(files: Mapping[str, str]) -> tuple[str, float | None]:
    """A program's name and number; None where an operator left it without one."""
    scope: dict[str, object] = {}
    try:
        exec(files["main.py"], scope)
        return str(scope["NAME"]), float(scope["X"])  # type: ignore[arg-type]
    except (KeyError, NameError, TypeError, ValueError, ArithmeticError):
        return "", None


def score_of(files: Mapping[str, str], seed: int) -> float | None:
    name, x = read(files)
    return None if x is None or name not in TARGETS else -abs(x - TARGETS[name])


def script(**changes: object) -> Script:
    near, far = (replace(plain_contract(), name=name) for name in TARGETS)
    base = Script(
        seed_files=program("near"),
        contract=near,
        others=((far, program("far")),),
        answer=scored(score_of),
        budget=BudgetConfig(evaluations=120),
        slots=2,
    )
    return replace(base, **changes)  # type: ignore[arg-type]


def test_results_go_to_their_problem_and_one_budget_holds_for_all(tmp_path: Path) -> None:
    with Harness(script(), tmp_path) as harness:
        assert harness.drive() == "budget.evaluations"
        states = harness.search.states
    assert harness.search.run.usage.evaluations <= 120
    assert sum(state.part.usage.evaluations for state in states) == harness.search.run.usage.evaluations > 110
    for state, name in zip(states, TARGETS, strict=True):
        texts = [harness.texts.files(one.id)["main.py"] for one in state.population.candidates]
        assert len(texts) > 10
        (other,) = set(TARGETS) - {name}
        assert not any(other in text for text in texts)
        best = state.population.best_so_far
        assert best is not None
        assert state.population.worth(best) > state.population.worth(0)
        assert state.part.fixed is not None
    parts = [stamped.record for stamped in read_journal(tmp_path) if isinstance(stamped.record, BudgetSet)]
    assert sorted(one.problem for one in parts) == sorted(harness.search.problems)
    assert sum(one.evaluations or 0 for one in parts) <= 120


def test_what_takes_a_hundred_times_as_long_does_not_wait_for_ever(tmp_path: Path) -> None:
    def answer(entry: BlockEntry, files: Mapping[str, str]) -> Measurement:
        took_s = 1.0 if "far" in files["main.py"] else 0.01
        return replace(scored(score_of)(entry, files), wall_s=took_s, cpu_s=took_s)

    with Harness(script(answer=answer, budget=BudgetConfig(cpu_s=20.0)), tmp_path) as harness:
        harness.drive()
        _, far = harness.search.states
    assert far.part.usage.cpu_s > 0.8 * suite.FLOOR / 2 * 20.0


def test_equal_is_equal(tmp_path: Path) -> None:
    with Harness(script(suite=SuiteConfig(allocation="equal")), tmp_path) as harness:
        harness.drive()
        near, far = (state.part.usage.evaluations for state in harness.search.states)
    assert abs(near - far) <= 4


@pytest.mark.parametrize("checkpoint", [False, True])
def test_a_run_that_was_cut_off_stands_where_it_was(tmp_path: Path, checkpoint: bool) -> None:
    with Harness(script(budget=BudgetConfig(evaluations=60)), tmp_path) as harness:
        harness.drive()
        if checkpoint:
            harness.checkpoint()
        before = _checkpoint.dump_state(harness.search, [])
    with Harness(script(budget=BudgetConfig(evaluations=60)), tmp_path) as again:
        after = _checkpoint.dump_state(again.search, [])
        assert after["problems"] == before["problems"]
        assert all(one is state.part for one, state in zip(again.search.state.pool.parts, again.search.states, strict=True))
        again.recorder.write(BudgetSet(evaluations=100))
        assert again.drive() == "budget.evaluations"
        assert 90 < again.search.run.usage.evaluations <= 100


def test_the_same_script_gives_the_same_journal(tmp_path: Path) -> None:
    told = []
    for name in "ab":
        with Harness(script(), tmp_path / name) as harness:
            harness.drive()
        told.append([stamped.record for stamped in read_journal(tmp_path / name)])
    assert told[0] == told[1]


def test_a_problem_that_fails_is_given_up_and_the_others_go_on(tmp_path: Path) -> None:
    bad = replace(plain_contract(), name="bad")
    with Harness(script(others=((bad, {"main.py": "NAME = 'bad'\nX = 1.0\n"}),)), tmp_path) as harness:
        assert harness.drive() == "budget.evaluations"
        good, given_up = harness.search.states
    assert given_up.failure.startswith("the initial program failed")
    assert not good.failure
    assert good.part.usage.evaluations > 100
    events = [one.record for one in read_journal(tmp_path) if isinstance(one.record, Event)]
    assert [event.problem for event in events if event.what == suite.PROBLEM_FAILED] == [given_up.problem]


def test_where_all_fail_the_run_does(tmp_path: Path) -> None:
    bad = [replace(plain_contract(), name=name) for name in ("bad", "worse")]
    files = {"main.py": "NAME = 'bad'\nX = 1.0\n"}
    found = script(contract=bad[0], seed_files=files, others=((bad[1], files),))
    with Harness(found, tmp_path) as harness:
        assert harness.drive().startswith("no problem of the run can be searched any more")
        assert harness.search.run.failure


@pytest.mark.parametrize(("family", "share", "shown"), [("f", "true", 1), ("g", "true", 0), ("f", "false", 0)])
def test_the_best_of_a_relative_is_shown_where_ideas_are_shared(tmp_path: Path, family: str, share: str, shown: int) -> None:
    near, far = (replace(plain_contract(), name=name) for name in TARGETS)
    related = script(
        contract=replace(near, family="f"),
        others=((replace(far, family=family), program("far")),),
        suite=SuiteConfig(share_ideas=share),
    )
    with Harness(related, tmp_path) as harness:
        harness.drive()
        state, other = harness.search.states
        issued = next(one.record for one in read_journal(tmp_path) if isinstance(one.record, ProposeIssued))
        proposer = harness.proposers[state.problem]
        told = proposer.context(state, replace(issued, parents=(state.population.candidates[0].id,), inspirations=()), 0.0)
        assert len(told.related) == shown
        for one in told.related:
            best = other.population.best_so_far
            assert best is not None
            assert (one.problem, one.score) == ("far", other.population.score(best))
        prompt = "".join(part.text for part in optional_parts(told))
        assert ("Of far (maximize value)" in prompt) == bool(shown)


# ------------------------------------------------------------------------------------------------ claims


def noisy(names: Sequence[str], gain: float, evaluations: int) -> Script:
    """Noisy problems: of each name, what a program may gain over its first at most."""

    def value(files: Mapping[str, str], seed: int) -> float | None:
        _, x = read(files)
        return None if x is None else gain * min(abs(x - 0.5), 1.0) + random.Random(seed).gauss(0.0, 1.0)

    contracts = [plain_contract(name=name, noisy=True) for name in names]
    first, *rest = zip(contracts, map(program, names), strict=True)
    return Script(
        contract=first[0],
        seed_files=first[1],
        others=tuple(rest),
        answer=scored(value),
        budget=BudgetConfig(evaluations=evaluations),
        slots=2,
    )


def test_what_is_real_is_claimed_on_each_problem(tmp_path: Path) -> None:
    with Harness(noisy("ab", gain=6.0, evaluations=800), tmp_path) as harness:
        harness.drive()
        assert harness.search.run.usage.evaluations <= 800
    records = [one.record for one in read_journal(tmp_path)]
    for id_ in harness.search.problems:
        assert any(isinstance(one, Claim) and one.confirmed and one.problem == id_ for one in records)
        assert any(isinstance(one, ConfirmationOpened) and one.problem == id_ for one in records)


def test_planted_nulls_over_several_problems_are_not_claimed(tmp_path: Path) -> None:
    for seed in range(3):
        with Harness(replace(noisy("abcd", gain=0.0, evaluations=800), seed=seed), tmp_path / str(seed)) as harness:
            harness.drive()
        records = [one.record for one in read_journal(tmp_path / str(seed))]
        assert sum(isinstance(one, Measured) for one in records) > 700
        assert len({one.problem for one in records if isinstance(one, Proposed)}) == 4
        assert not [one for one in records if isinstance(one, Claim) and one.confirmed]


class PlainJudge:
    """Judges vaults by their test alone."""

    def __init__(self, state: ProblemState) -> None:
        self.state = state

    def __call__(self, vault: Confirmation) -> Verdict:
        return Verdict(vault.test_p or 0.0)

    def effect(self, vault: Confirmation) -> Effect | None:
        return vault.effect

    def median(self, vault: Confirmation) -> float | None:
        return None

    def span_s(self, vault: Confirmation) -> float | None:
        return None


def open_vault(state: ProblemState, p_value: float, effect: float | None) -> None:
    number = len(state.confirmations.confirmations)
    vault = make_confirmation(number, 0, 0, 1 + number, SIZES[0], number, False, range(SIZES[0].n_candidate + SIZES[0].n_control))
    vault.test_p = p_value
    vault.effect = None if effect is None else Effect(effect, effect - 1, effect + 1)
    state.confirmations.on_opened(vault)


def test_a_claim_is_taken_back_when_what_is_opened_on_other_problems_finds_nothing(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(confirming, "Doubts", PlainJudge)
    with Harness(noisy("ab", gain=0.0, evaluations=100), tmp_path) as harness:
        ours, other = harness.search.states
        open_vault(ours, 0.008, 1.0)
        claim = confirming.next_record(ours, 0.0, "", None)
        assert isinstance(claim, Claim)
        assert claim.confirmed
        harness.recorder.write(claim)
        assert confirming.next_record(ours, 0.0, "", None) is None
        for _ in range(9):
            open_vault(other, 0.9, None)
        again = confirming.next_record(ours, 0.0, "", None)
        assert isinstance(again, Claim)
        assert (again.confirmed, again.problem) == (False, ours.problem)
        harness.recorder.write(again)
        assert confirming.next_record(ours, 0.0, "", None) is None


# ------------------------------------------------------------------------------------------------ one clock


class _Clock:
    """A clock that goes on with what is measured, so many slots at once."""

    def __init__(self, took_s: Mapping[str, float], slots: int) -> None:
        self.now, self._took_s, self._slots = 0.0, took_s, slots

    def __call__(self) -> float:
        return self.now

    def answer(self, entry: BlockEntry, files: Mapping[str, str]) -> Measurement:
        took_s = self._took_s[read(files)[0] or "far"] * (1 if entry.start is not StartMode.COLD else 2)
        self.now += took_s / self._slots
        return replace(scored(score_of)(entry, files), wall_s=took_s, cpu_s=took_s)


@pytest.mark.parametrize("wall_s", [6.0, 15.0, 40.0])
@pytest.mark.parametrize("took_s", [{"near": 0.1, "far": 0.1}, {"near": 0.02, "far": 0.5}], ids=["alike", "of other costs"])
def test_a_run_takes_the_time_that_it_has_and_no_more(took_s: dict[str, float], wall_s: float, tmp_path: Path) -> None:
    clock = _Clock(took_s, slots=2)
    with Harness(script(clock=clock, answer=clock.answer, budget=BudgetConfig(wall_s=wall_s)), tmp_path) as harness:
        assert harness.drive() == "budget.wall_s"
        states = harness.search.states
        last = max(took_s.values())
    assert wall_s - 3 * last < clock.now < wall_s + 2 * last
    assert all(
        one.population.leader in (0, None) or one.population.candidates[one.population.leader].measured_cold for one in states
    )
    assert all(one.part.usage.evaluations > 5 for one in states)
