"""A deterministic problem's scores are measured again: what does not repeat is said, and is not called a gain."""

from __future__ import annotations

import json
from dataclasses import replace

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from simulation import Simulation, build, contract, state

from archive import Event, Measured, MeasureIssued, Purpose, StartMode, Status, TopKArchive
from evolve.problem.contract._contract import Budget
from evolve.runs._checkpoint import dump_state, load_state
from evolve.search._schedule import final_block
from evolve.search._stopping import NOISY
from evolve.search.state._population import Population
from evolve.search.state._steadiness import REMEDY, TIMES, TRUSTED, Steadiness
from evolve.views._progress import ProgressTracker
from evolve.views._summary import ONCE, WITHIN, best_candidate, evidence_label, gain_of, stated_gain
from evolve.views._unchecked import unchecked
from evolve.views.claims._verify import Verification


class Jittery(Simulation):
    """A simulation in which ``jitters`` adds to a score: a function of candidate, seed and how many times it ran."""

    def __init__(self, *args, jitters, **more):
        super().__init__(*args, **more)
        self.jitters, self.times = jitters, {}

    def measure(self, issued, index):
        made, entry = super().measure(issued, index), issued.entries[index]
        self.times[entry.candidate] = n = self.times.get(entry.candidate, 0) + 1
        return replace(made, score=made.score + self.jitters(entry.candidate, entry.seed, n)) if made.score is not None else made


def driven(jitters, *, kind=None, evaluations=60):
    run = Jittery(build(kind or contract(), evaluations=evaluations), np.random.default_rng(3), jitters=jitters)
    run.begin()
    run.run()
    return run


def records(run, kind):
    return [stamped.record for stamped in run.log if isinstance(stamped.record, kind)]


def draw(candidate, seed, n):
    return float(np.random.default_rng([seed % 2**32, n]).normal(0, 5))


def test_before_a_run_ends_its_best_and_the_seed_program_are_measured_again_in_another_slot():
    run = driven(lambda *_: 0.0)
    again = [issued for issued in records(run, MeasureIssued) if issued.purpose is Purpose.RECHECK]
    best = run.search.state.population.candidates[best_candidate(run.search.state)].id
    assert [issued.entries[0].candidate for issued in again] == ["seed", best]
    assert all(issued.needs.elsewhere for issued in again)
    assert all(issued.entries[0].start is StartMode.COLD for issued in again)
    first = {record.result.candidate: record.result.seed for record in reversed(records(run, Measured))}
    assert again[0].entries[0].seed != first["seed"]  # a deterministic score hangs on none
    assert again[1].entries[0].seed == first[best]
    assert run.search.run.usage.evaluations <= 60
    assert evidence_label(run.search.state, best_candidate(run.search.state)) == ""
    assert gain_of(run.search.state, best_candidate(run.search.state)) > 0
    assert not records(run, Event)


@pytest.mark.parametrize("jitters", [draw, lambda candidate, seed, n: draw("", seed, 0)], ids=["of its own", "of the seed"])
def test_noise_that_nobody_declared_is_said_with_what_to_type_and_is_no_gain(jitters):
    run = driven(jitters)
    search = run.search
    said = search.state.steadiness.message(search.state.population)
    assert "noisy although declared deterministic" in said
    assert REMEDY in said
    assert [(event.what, event.level) for event in records(run, Event)] == [(NOISY, "warning")]
    seen = ProgressTracker(search.state).snapshot(run.now)
    assert seen.not_deterministic == said
    assert seen.gain is None
    assert seen.word == (WITHIN if best_candidate(search.state) else "")


def test_a_tremor_far_below_the_gain_is_said_and_leaves_the_gain():
    run = driven(lambda candidate, seed, n: 1e-9 * n)
    assert run.search.state.steadiness.message(run.search.state.population)
    assert gain_of(run.search.state, best_candidate(run.search.state)) > TIMES * 1e-9
    assert evidence_label(run.search.state, best_candidate(run.search.state)) == ""


def test_a_program_that_alone_does_not_repeat_is_rejected_and_the_next_best_is_looked_at():
    own = {}

    def jitters(candidate, seed, n):
        own.setdefault(candidate, len(own) in (10, 150))
        return 9.0 if own[candidate] and n == 1 else 0.0

    run = driven(jitters, evaluations=400)
    search = run.search
    rejected = [one.result for one in records(run, Measured) if one.result.reason.startswith("not_reproducible")]
    assert len(rejected) == search.state.steadiness.rejected == 2
    assert all(own[result.candidate] and result.status is Status.REJECTED for result in rejected)
    assert not search.state.steadiness.doubtful
    assert not own[search.state.population.candidates[best_candidate(search.state)].id]
    assert evidence_label(search.state, best_candidate(search.state)) == ""
    assert search.state.population.score(best_candidate(search.state)) < 2


def test_where_many_programs_do_not_repeat_the_problem_is_at_fault():
    run = driven(lambda candidate, seed, n: 0.0 if candidate == "seed" else 0.01 * n, evaluations=600)
    assert run.search.state.steadiness.rejected == TRUSTED
    assert run.search.state.steadiness.steady
    assert run.search.state.steadiness.message(run.search.state.population)


class Slow(Jittery):
    """The same with a wall limit, where a cold start takes a second and, if it ``fails``, no child survives one."""

    def __init__(self, wall_s, *, jitters, fails=False, arrivals=3):
        search = build(contract(start=StartMode.WARM), evaluations=None)
        search.run.budget = Budget(wall_s=wall_s)
        super().__init__(search, np.random.default_rng(arrivals), jitters=jitters)
        self.fails = fails
        self.begin()
        self.run()

    def measure(self, issued, index):
        made = super().measure(issued, index)
        if issued.purpose is not Purpose.RECHECK:
            return made
        self.now, made = self.now + 1, replace(made, wall_s=1.1)
        broken = self.fails and made.candidate != "seed"
        return replace(made, status=Status.CRASH, score=None, reason="no luck") if broken else made

    @property
    def elapsed(self):
        return self.search.run.usage.elapsed(self.now)


@pytest.mark.parametrize("arrivals", range(4))
@pytest.mark.parametrize("size", [1e-3, 1e-5])
def test_of_a_noisy_evaluator_no_more_is_rejected_the_best_is_kept_and_the_limit_holds(size, arrivals):
    run = Slow(12.0, jitters=lambda candidate, seed, n: size * draw(candidate, seed, n) / 5, arrivals=arrivals)
    found, best = run.search.state.steadiness, best_candidate(run.search.state)
    rejected = [one for one in records(run, Measured) if one.result.reason.startswith("not_reproducible")]
    assert 1 <= len(rejected) <= TRUSTED
    assert run.elapsed < 12 + 1
    assert "noisy although declared deterministic" in found.message(run.search.state.population)
    assert run.search.state.population.candidates[best].measured_cold
    least, most = found.widest[1:]
    assert gain_of(run.search.state, best) > max(0.5, TIMES * (most - least))
    assert unchecked(run.search.state, best, run.now) is None


def test_where_no_leader_survives_a_cold_start_the_limit_holds_too():
    run = Slow(12.0, jitters=lambda *_: 0.0, fails=True)
    assert run.search.state.population.failures["crash"] > 5
    assert run.elapsed < 12 + 1


@pytest.mark.parametrize("start", [StartMode.WARM, StartMode.COLD])
@pytest.mark.parametrize("arrivals", [12, 23])  # where the leader changes late
def test_a_leader_by_more_than_a_tremor_is_measured_again_before_the_end(start, arrivals):
    search = build(contract(start=start), evaluations=80, cold_check_share=0.05)
    run = Jittery(search, np.random.default_rng(arrivals), jitters=lambda c, seed, n: 1e-12 * draw(c, seed, n))
    run.begin()
    run.run()
    best, population = best_candidate(search.state), search.state.population
    assert search.state.steadiness.doubtful
    assert search.state.steadiness.was_repeated(best)
    assert stated_gain(search.state, best) > 0.1
    assert max(population.score(one) for one in population.elites) - population.score(best) < 1e-9
    assert search.run.usage.evaluations == 80


@pytest.mark.parametrize("start", [StartMode.WARM, StartMode.COLD])
@pytest.mark.parametrize(("noise", "due"), [(1e-9, True), (1.0, False)])
def test_once_scores_are_known_not_to_repeat_a_leader_is_measured_again_only_if_it_is_clear_of_the_noise(start, noise, due):
    run = Jittery(build(contract(start=start), evaluations=None), np.random.default_rng(4), jitters=lambda *_: 0.0)
    run.begin()
    run.run(60)
    while run.in_hand:
        run.finish(run.in_hand.pop())
    population, leader = run.search.state.population, run.search.state.population.leader
    others = [number for number in population.elites if number not in (leader, 0)][:2]
    known = {number: [population.score(number), population.score(number) + noise] for number in (0, *others)}
    run.search.state.steadiness = Steadiness(scores=known)
    block = final_block(run.search.state, run.now)
    assert [entry.candidate for entry in block.entries] == [population.candidates[leader].id] if due else block is None
    assert (best_candidate(run.search.state) == leader) == (due and start is StartMode.COLD)
    waits = unchecked(run.search.state, best_candidate(run.search.state), run.now)
    assert (waits is not None) == (due and start is StartMode.WARM)


def test_programs_that_only_a_warm_process_scores_well_are_no_noise_and_count_as_a_fresh_one_has_them():
    own = {}

    def jitters(candidate, seed, n):
        own.setdefault(candidate, len(own) % 9 == 8)
        return 9.0 + len(own) if own[candidate] and n == 1 else 0.0

    search = build(contract(start=StartMode.WARM), evaluations=400, cold_check_share=0.5)
    run = Jittery(search, np.random.default_rng(3), jitters=jitters)
    run.begin()
    run.run()
    again = [one.result for one in records(run, Measured) if one.purpose is Purpose.RECHECK and own[one.result.candidate]]
    assert search.state.steadiness.rejected == TRUSTED < len(again)
    assert not search.state.steadiness.doubtful
    assert all(search.state.population.score(search.state.population.by_id[one.candidate]) in (None, one.score) for one in again)
    assert search.state.population.score(best_candidate(search.state)) < 2


def test_a_seed_program_that_fails_when_it_is_measured_again_ends_nothing_and_nothing_is_called_a_gain():
    run = Jittery(build(contract(), evaluations=60), np.random.default_rng(3), jitters=lambda *_: 0.0)
    honest = run.measure

    def measure(issued, index):
        made = honest(issued, index)
        broken = issued.purpose is Purpose.RECHECK and made.candidate == "seed"
        return replace(made, status=Status.CRASH, score=None, reason="no luck") if broken else made

    run.measure = measure
    run.begin()
    run.run()
    assert not run.search.run.failure
    assert run.search.state.population.score(0) is not None
    assert "ended as crash when it was measured again: no luck" in run.search.state.steadiness.message(run.search.state.population)
    assert gain_of(run.search.state, best_candidate(run.search.state)) is None
    run.open()
    assert not run.search.run.failure


def test_whoever_leads_for_long_is_measured_again_while_the_search_goes_on():
    run = driven(lambda *_: 0.0, evaluations=400)
    order = [issued.purpose for issued in records(run, MeasureIssued)]
    assert Purpose.RECHECK in order[:100]
    assert order.count(Purpose.RECHECK) < 0.1 * len(order)


def test_a_best_that_was_measured_once_is_called_so():
    run = Jittery(build(contract(), evaluations=60), np.random.default_rng(3), jitters=lambda *_: 0.0)
    run.begin()
    run.run(60)
    assert run.search.state.population.leader
    leader = run.search.state.population.leader
    assert evidence_label(run.search.state, leader) == ONCE
    assert gain_of(run.search.state, leader) > 0
    assert stated_gain(run.search.state, leader) is None
    assert ProgressTracker(run.search.state).snapshot(run.now).gain is None


@pytest.mark.parametrize("evaluations", [1, 2, 3, 5, 8])
def test_a_small_budget_is_kept(evaluations):
    run = driven(draw, evaluations=evaluations)
    assert run.search.run.usage.evaluations == evaluations


@settings(max_examples=25, deadline=None)
@given(
    st.integers(0, 2**32),
    st.integers(4, 140),
    st.sampled_from([contract(), contract(start=StartMode.WARM), contract(stages=2)]),
    st.sampled_from([lambda *_: 0.0, draw, lambda candidate, seed, n: 0.0 if candidate == "seed" else -100.0]),
)
def test_what_is_kept_back_for_the_end_is_spent_whoever_leads_then(arrivals, evaluations, kind, jitters):
    run = Jittery(build(kind, evaluations=evaluations), np.random.default_rng(arrivals), jitters=jitters)
    run.begin()
    run.run()
    assert run.search.run.usage.evaluations == evaluations


@settings(max_examples=20, deadline=None)
@given(st.integers(0, 2**32), st.floats(0, 2), st.sampled_from([contract(), contract(start=StartMode.WARM), contract(stages=2)]))
def test_a_replay_knows_what_was_found(arrivals, size, kind):
    run = Jittery(build(kind), np.random.default_rng(arrivals), jitters=lambda c, seed, n: size * draw(c, arrivals, n))
    run.begin()
    run.run()
    again = build(kind)
    for stamped in run.log:
        again.apply(stamped)
    assert state(again) == state(run.search)
    assert again.state.steadiness == run.search.state.steadiness
    json.dumps(again.state.steadiness.message(again.state.population), allow_nan=False)


def test_an_exact_claim_holds_only_for_a_gain_that_came_again():
    good = Verification("measured", "c", 2.0, None, 1.0, "", 1.0)
    assert good.holds
    assert not replace(good, gain=None).holds
    assert not any(replace(good, status=status).holds for status in ("noisy", ONCE, "refuted", "nothing"))


@given(st.dictionaries(st.integers(0, 5), st.lists(st.floats(allow_nan=False, allow_infinity=False), min_size=2), min_size=1))
def test_any_scores_can_be_compared(scores):
    steadiness = Steadiness(scores=scores)
    population = Population("p", contract(), [TopKArchive(capacity=8)])
    assert steadiness.doubtful == any(len({one + 0.0 for one in found}) > 1 for found in scores.values())
    if all(number == 0 for number in scores):
        assert "inf" not in steadiness.message(population)
    assert steadiness.no_gain(0.0) == steadiness.doubtful


def test_what_was_found_outlives_a_checkpoint():
    found = Steadiness(scores={0: [1.0, 1.0], 3: [2.0, 2.5]})
    search, again = build(contract()), build(contract())
    search.state.steadiness = found
    arrays: list = []
    load_state(again, dump_state(search, arrays), arrays)
    assert (again.state.steadiness.widest, again.state.steadiness.doubtful) == ((3, 2.0, 2.5), True)
