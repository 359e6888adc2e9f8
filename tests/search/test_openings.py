"""One run, opened again and again: what is due, spent or over follows from the records of the whole run, never from an opening."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import replace

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from simulation import PROBLEM, Simulation, build, contract, state
from simulation import _candidate as candidate

from archive import (
    Arm,
    BudgetSet,
    ConfirmationOpened,
    MeasureIssued,
    ProposalStatus,
    ProposeIssued,
    Purpose,
    RunClosed,
    StopRequested,
)
from evolve.problem.contract._contract import DEFAULT_CONFIRM_SHARE, Budget
from evolve.runs._checkpoint import dump_state, load_state
from evolve.search import _stopping as ends
from evolve.search._stopping import GIVEN, PAUSED
from evolve.search.state._tickets import ProposalResult

CONCLUDES = {ConfirmationOpened, Purpose.FINAL, Purpose.VAULT, Purpose.REMEASURE, Purpose.REFERENCE, Purpose.RECHECK}
MARGIN = 16  # runs of final measurements and of those in hand


@pytest.fixture(autouse=True, scope="module")
def soon_exhausted() -> Iterator[None]:
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(ends, "MAX_FRUITLESS", 40)
        yield


class Fed(Simulation):
    """A run whose children are told, by openings that only measure what is ready and by drivers."""

    told = 0

    def tell(self, gain: float) -> None:
        search = self.search
        leader = search.state.population.leader or 0
        parent = search.state.population.candidates[leader].id
        issued = ProposeIssued(search.run.tickets.next_attempt(), PROBLEM, Arm("external"), (parent,), expires_at=self.now + 1e9)
        self.write(issued)
        self.told += 1
        value = self.values[parent] + gain + self.told * 1e-6
        name = f"told{self.told}"
        self.values[name] = value
        made = ProposalResult(issued.attempt, ProposalStatus.CHILD, candidate=candidate(name, name, value, issued.parents, 1))
        self.write(search.accept_proposal(made))

    def opening(self, *, pausing: bool, most: int | None = None, stop: bool = False) -> str:
        """Open, drive for at most so many steps, close; returns why it ended.  Between openings a day passes."""
        self.now += 86_400.0
        self.measure_only = pausing
        self.open()
        why, steps = self.search.done(self.now, measure_only=self.measure_only), 0
        while not why or self.in_hand:
            if stop and most is not None and steps == most:
                self.write(StopRequested("stopped"))
            elif most is not None and steps >= most and not stop:
                self.measure_only = False
                return ""  # killed: nothing is closed
            assert self.step() or self.in_hand or self.search.done(self.now, measure_only=self.measure_only), (
                "nothing to do, and not done"
            )
            steps += 1
            why = self.search.done(self.now, measure_only=self.measure_only)
        self.write(RunClosed(self.epoch, "stopped" if why == PAUSED else "done", why))
        self.measure_only = False
        return why

    @property
    def share(self) -> float:
        """Of the nearest limit, what is spent."""
        budget, spend = self.search.run.budget, self.search.run.usage
        shares = [spend.elapsed(self.now) / budget.wall_s] if budget.wall_s is not None else []
        shares += [spend.evaluations / budget.evaluations] if budget.evaluations is not None else []
        return max(shares)

    def truly_reached(self) -> bool:
        """Whether a limit is reached once what is set aside for claims is taken off."""
        budget, spend = self.search.run.budget, self.search.run.usage
        free = 1.0 - (DEFAULT_CONFIRM_SHARE if self.search.state.contract.noisy else 0.0)
        if budget.evaluations is not None and spend.evaluations >= free * budget.evaluations - MARGIN:
            return True
        margin_s = 1.2 * MARGIN * max(spend.measure_wall_s, 0.1) + 2.0
        return budget.wall_s is not None and spend.elapsed(self.now) >= free * budget.wall_s - 0.05 * budget.wall_s - margin_s


def fed(
    *, noisy: bool = True, policy: str = "fixed_candidates", arrivals: int = 0, noise: float = 0.05, **limits: float | int
) -> Fed:
    search = build(contract(noisy=noisy), policy=policy, evaluations=None)
    search.run.budget = Budget(**limits)  # type: ignore[arg-type]
    run = Fed(search, np.random.default_rng(arrivals), wrongs=0.05, noise=noise if noisy else 0.0)
    run.begin()
    run.opening(pausing=policy == "fixed_candidates")
    return run


def begun_since(run: Fed, start: int) -> set[object]:
    """Purposes of blocks that were not only handed out again, and openings of vaults."""
    records = [stamped.record for stamped in run.log[start:]]
    issued = {record.purpose for record in records if isinstance(record, MeasureIssued) and record.attempt.n == 1}
    return issued | {ConfirmationOpened for record in records if isinstance(record, ConfirmationOpened)}


TELL = st.tuples(st.just("tell"), st.sampled_from([-0.2, 0.0, 0.1, 0.3]))
ACTS = st.one_of(
    TELL,
    TELL,
    TELL,
    st.just(("measure", 0)),
    st.just(("measure", 0)),
    st.just(("drive", 0)),
    st.tuples(st.just("kill"), st.integers(1, 30)),
    st.tuples(st.just("stop"), st.integers(1, 30)),
    st.tuples(st.just("raise"), st.sampled_from([1.5, 2.0])),
)


def test_nothing_is_over_before_a_limit_is_reached_and_what_is_due_is_measured():
    waited = []

    @settings(max_examples=30, deadline=None, derandomize=True)
    @given(
        st.booleans(),
        st.sampled_from(["fixed_candidates", "fixed_candidates", "hill_climb"]),
        st.sampled_from([{"evaluations": 80}, {"evaluations": 150}, {"wall_s": 20.0}, {"wall_s": 20.0, "evaluations": 150}]),
        st.integers(0, 2**16),
        st.lists(ACTS, min_size=3, max_size=20),
    )
    def look(noisy, policy, limits, arrivals, acts):
        run = fed(noisy=noisy, policy=policy, arrivals=arrivals, **limits)
        for act, much in [*acts, ("tell", 0.1), ("measure", 0)]:
            start, search = len(run.log), run.search
            if act == "tell":
                run.tell(float(much))
                continue
            if act == "raise":
                budget = search.run.budget
                more = {key: type(getattr(budget, key))(getattr(budget, key) * much) for key in limits}
                run.write(BudgetSet(**dict.fromkeys(("wall_s", "cpu_s", "evaluations", "candidates")) | more))
                continue
            why = run.opening(pausing=act == "measure", most=int(much) or None, stop=act == "stop")
            if act == "measure":
                assert not begun_since(run, start) & CONCLUDES
            if why.startswith("budget."):
                assert run.truly_reached(), (why, run.share)
            if act in ("measure", "drive") and search.state.population.queue:
                assert run.truly_reached(), run.share
                waited.append(run.share)
        again = build(contract(noisy=noisy), policy=policy, evaluations=None)
        again.run.budget = Budget(**limits)
        for stamped in run.log:
            again.apply(stamped)
        assert state(again) == state(run.search)
        arrays: list[np.ndarray] = []
        load_state(again, dump_state(run.search, arrays), arrays)
        assert state(again) == state(run.search)
        milestones = [stamped.record.milestone for stamped in run.log if isinstance(stamped.record, ConfirmationOpened)]
        assert milestones == sorted(milestones)

    look()
    assert waited  # children were left waiting, or the test shows less than it says


@pytest.mark.parametrize("gain", [0.0, 0.15])
def test_children_are_measured_one_opening_each_until_the_budget_less_what_is_set_aside(gain):
    run = fed(evaluations=100)
    for _ in range(120):
        run.tell(gain)
        if run.opening(pausing=True) != PAUSED:
            break
    assert ends.search_is_over(run.search.state, run.now) == "budget.evaluations"
    assert run.search.run.usage.evaluations == 70  # 0.3 of the budget is set aside for claims
    assert run.search.state.population.queue
    assert not run.search.state.confirmations.confirmations


def test_a_driver_concludes_when_nothing_is_left_and_the_run_goes_on():
    run = fed(evaluations=400, noise=0.02)
    for _ in range(4):
        run.tell(0.15)
        run.opening(pausing=True)
    assert run.opening(pausing=False) == GIVEN
    first = list(run.search.state.confirmations.confirmations)
    assert first
    assert first[0].confirmed
    assert run.search.run.usage.evaluations < 200  # what certainty takes is what is set aside, no more
    run.tell(0.15)
    assert run.opening(pausing=True) == PAUSED
    assert not run.search.state.population.queue
    run.opening(pausing=False)
    assert len(run.search.state.confirmations.confirmations) > len(first)  # better than what is confirmed: a vault of its own
    assert run.search.state.confirmations.confirmations[-1].interim > first[-1].interim


def test_a_vault_of_an_older_record_is_not_taken_for_the_end_of_the_budget():
    run = fed(evaluations=400, noise=0.02)
    for _ in range(4):
        run.tell(0.15)
        run.opening(pausing=True)
    run.opening(pausing=False)
    again = build(contract(noisy=True), policy="fixed_candidates", evaluations=400)
    for stamped in run.log:  # as it was written before: the last milestone, and no reason
        if isinstance(stamped.record, ConfirmationOpened):
            stamped = replace(stamped, record=replace(stamped.record, milestone=5, over=""))
        again.apply(stamped)
    run.search = again
    run.tell(0.1)
    assert run.opening(pausing=True) == PAUSED
    assert not again.state.population.queue


def test_the_limit_that_ended_a_search_goes_on_to_be_named_until_the_budget_is_changed():
    run = fed(policy="hill_climb", evaluations=200, noise=0.02)
    assert run.search.state.confirmations.ended_by == "budget.evaluations"
    assert run.opening(pausing=False) == "budget.evaluations"
    left = 200 - run.search.run.usage.evaluations
    run.tell(0.1)
    if left > 1:  # what was set aside and not needed is there for children
        assert run.opening(pausing=True) == PAUSED
    run.write(BudgetSet(wall_s=None, cpu_s=None, evaluations=300, candidates=None))
    assert run.search.state.confirmations.ended_by == ""
    assert ends.search_is_over(run.search.state, run.now) == ""
