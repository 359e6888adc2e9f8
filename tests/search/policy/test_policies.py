"""Laws of what policies are put together from: who is selected may breed, propensities are probabilities, schedules keep time."""

from __future__ import annotations

from dataclasses import fields
from itertools import product

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from simulation import Simulation, build, contract

from archive import Arm, MeasureIssued, ProposeIssued, StartMode
from evolve.budget._cpu_budget import INITIAL
from evolve.config._schema import RunConfig, SearchConfig
from evolve.engine.registry._registry import parts_of
from evolve.search.policy import _allocators, _earned, _policies, _portfolio, _schedules, _selectors
from evolve.search.policy._allocators import BanditWithTuner, OperatorAllocator, Uniform
from evolve.search.policy._arms import NO_ARM
from evolve.search.policy._policies import POLICIES, Policy
from evolve.search.policy._portfolio import Portfolio
from evolve.search.policy._schedules import Asynchronous, Never, OneAtATime, Rounds, Schedule
from evolve.search.policy._selectors import ArchiveTournament, Incumbent, InitialProgram, Leader, ParentSelector, external_parents
from evolve.search.state._operators import OperatorSpec, Parent
from evolve.search.state._parts import Parts


def parts_in(module, kind):
    """The classes of a kind that a module defines, each made."""
    found = [one for one in vars(module).values() if isinstance(one, type) and kind in one.__mro__[1:]]
    return [one() for one in found if one.__module__ == module.__name__]


SELECTORS = [*parts_in(_selectors, ParentSelector), *parts_in(_portfolio, ParentSelector)]
ALLOCATORS = [*parts_in(_allocators, OperatorAllocator), *parts_in(_earned, OperatorAllocator)]
SCHEDULES = parts_in(_schedules, Schedule)
MAKING = [one for one in SCHEDULES if one.makes_children]
COMBINATIONS = [Policy(*parts) for parts in product(SELECTORS, ALLOCATORS, MAKING)]


OWN = (
    OperatorSpec("pair", family="new", n_parents=2),
    OperatorSpec("best", family="new", parent=Parent.LEADER, replaces=True),
    OperatorSpec("mend", family="new", parent=Parent.FAILED),
)
SHIPPED = parts_of(RunConfig())
PARTS = Parts({**SHIPPED.operators, **{spec.name: spec for spec in OWN}}, SHIPPED.archive)
EVERY = (*SearchConfig().operators, *(spec.name for spec in OWN))


def name_of(policy):
    return "-".join(type(getattr(policy, one.name)).__name__ for one in fields(policy))


class Watched(Simulation):
    """Calls ``look`` before every step, with a generator that the search knows nothing of."""

    def step(self):
        self.look(self.search.state, np.random.default_rng(len(self.log)), self.now)
        return super().step()


def lived(look, *, policy="map_elites", noisy=False, start=StartMode.COLD, seed=0, evaluations=60, **config):
    """A run that is looked at before every step once it has begun."""
    config = {"operators": EVERY, "parts": PARTS} | config
    search = build(contract(noisy=noisy, start=start), policy=policy, evaluations=evaluations, seed=seed, **config)
    run = Watched(search, np.random.default_rng(seed), noise=0.05 if noisy else 0.0, wrongs=0.3)
    run.look = look
    run.begin()
    run.run()
    return run


def may_breed(state, number):
    """Whether a program may have children at all: it was measured, and did not fail since."""
    return number == INITIAL or (state.population.score(number) is not None and number not in state.retracted)


def trusted(state, number, arm):
    """Whether a fresh process, or that arm itself, stands behind a program's score."""
    row = state.population.candidates[number]
    return row.measured_cold or row.arm == arm


# ------------------------------------------------------------------------------------------------ the table


def test_a_policy_is_three_parts_and_a_baseline_in_the_table_is_only_a_combination():
    assert [one.name for one in fields(Policy)] == ["parents", "operators", "schedule"]
    for policy in POLICIES.values():
        assert type(policy) is Policy
        assert policy.parents in SELECTORS
        assert policy.operators in ALLOCATORS
        assert policy.schedule in SCHEDULES
    assert len(set(POLICIES.values())) == len(POLICIES)
    made = [one for one in vars(_policies).values() if isinstance(one, type) and one.__module__ == _policies.__name__]
    assert {one.__name__ for one in made} == {"PlannedProposal", "Policy"}  # no part of its own for one policy


def test_every_part_is_used_by_some_policy():
    used = {part for policy in POLICIES.values() for part in (policy.parents, policy.operators, policy.schedule)}
    assert used == {*SELECTORS, *ALLOCATORS, *SCHEDULES}


@pytest.mark.parametrize("noisy", [False, True])
@pytest.mark.parametrize("policy", COMBINATIONS, ids=name_of)
def test_every_combination_is_a_search_that_finds_something_better(policy, noisy, monkeypatch):
    monkeypatch.setitem(_policies.POLICIES, "map_elites", policy)
    run = lived(lambda state, rng, now: None, noisy=noisy, evaluations=60 if noisy else 30)  # half of them are replicas
    population = run.search.state.population
    assert run.search.run.failure == ""
    best = population.descent.best if population.by_descent else population.leader
    assert population.worth(best) > population.worth(INITIAL)


# ------------------------------------------------------------------------------------------------ selectors


@settings(max_examples=12, deadline=None)
@given(st.integers(0, 2**32), st.booleans(), st.sampled_from(sorted(POLICIES)), st.sampled_from([StartMode.COLD, StartMode.WARM]))
def test_whoever_is_selected_may_breed_and_nobody_twice(seed, noisy, policy, start):
    seen = set()

    def look(state, rng, now):
        if not state.population.elites:
            return
        for selector, (arm, made) in product(SELECTORS, enumerate(state.bandit.arms)):
            spec = state.operators[made.operator]
            if not selector.serves(state, spec):
                continue
            chosen = selector.select(state, rng, arm)
            shown = (*chosen.parents, *chosen.inspirations)
            assert len(chosen.parents) == spec.n_parents
            assert spec.repeats or len(set(shown)) == len(shown)
            assert all(may_breed(state, number) for number in chosen.parents)
            assert (
                spec.repeats
                or isinstance(selector, Leader | Incumbent | Portfolio)
                or all(trusted(state, number, arm) for number in chosen.parents)
            )
            assert set(chosen.inspirations) <= {*state.population.elites, _selectors.leader(state)}
            seen.add(type(selector))
        parents, shown = external_parents(state, rng, None)
        assert may_breed(state, parents[0])
        assert trusted(state, parents[0], NO_ARM)
        assert parents[0] not in shown

    lived(look, noisy=noisy, seed=seed, policy=policy, start=start)
    assert seen == {type(one) for one in SELECTORS}


def test_selectors_that_say_that_they_only_serve_edits_do():
    def look(state, rng, now):
        for selector, spec in product(SELECTORS, state.operators.values()):
            assert spec.edits or not (selector.edits_only and selector.serves(state, spec))
            assert not (spec.tunes and selector.serves(state, spec))

    lived(look)
    assert [type(one) for one in SELECTORS if not one.edits_only] == [ArchiveTournament, Portfolio]


def test_the_best_of_a_run_is_the_leaders_and_the_initial_program_stays_where_it_is():
    found = {}

    def look(state, rng, now):
        if state.population.leader is not None:
            found.setdefault("leaders", set()).add(Leader().parent(state, rng, 0))
            assert Leader().parent(state, rng, 0) == state.population.leader
            assert InitialProgram().parent(state, rng, 0) == INITIAL
            assert Incumbent().parent(state, rng, 0) == state.incumbent

    lived(look)
    assert len(found["leaders"]) > 2


def test_what_is_shown_beside_a_pair_is_none_of_the_two():
    state = lived(lambda state, rng, now: None).search.state
    pair, shown = EVERY.index("pair"), 0
    for seed in range(200):
        chosen = ArchiveTournament().select(state, np.random.default_rng(seed), pair)
        assert len({*chosen.parents, *chosen.inspirations}) == len(chosen.parents) + len(chosen.inspirations)
        shown += len(chosen.inspirations)
    assert shown > 100


def test_an_empty_archive_has_the_initial_program_to_offer():
    search = build(contract())
    assert external_parents(search.state, np.random.default_rng(0), None) == ((INITIAL,), ())
    assert ArchiveTournament().parent(search.state, np.random.default_rng(0), 0) == INITIAL


def test_an_operator_that_mends_gets_who_failed_last_and_nothing_while_nobody_did():
    state = lived(lambda state, rng, now: None).search.state
    mend = EVERY.index("mend")
    assert not ArchiveTournament().serves(state, PARTS.operators["mend"])
    state.memory.repairable.extend([3, 5])
    assert ArchiveTournament().serves(state, PARTS.operators["mend"])
    assert ArchiveTournament().select(state, np.random.default_rng(0), mend).parents == (5,)


# ------------------------------------------------------------------------------------------------ allocators


@settings(max_examples=8, deadline=None)
@given(st.integers(0, 2**32), st.booleans(), st.sampled_from(sorted(POLICIES)))
def test_propensities_are_probabilities_and_only_arms_that_are_served_get_a_ticket(seed, noisy, policy):
    def look(state, rng, now):
        for allocator, selector in product(ALLOCATORS, SELECTORS):
            given = allocator.allocate(state, selector, rng, now)
            if given is None:
                continue
            spec = state.operators[state.bandit.arms[given.arm].operator]
            assert 0.0 < given.propensity <= 1.0
            assert spec.tunes if given.base is not None else selector.serves(state, spec)
            assert given.base is not None or given.sample is None
            assert given.base is None or may_breed(state, given.base)

    lived(look, noisy=noisy, seed=seed, policy=policy)


@pytest.mark.parametrize("selector", SELECTORS, ids=lambda one: type(one).__name__)
@pytest.mark.parametrize("allocator", ALLOCATORS, ids=lambda one: type(one).__name__)
def test_arms_are_drawn_as_often_as_their_propensities_say(allocator, selector):
    """Of one moment: the share of each arm's draws is the propensity that is recorded with it."""
    search = lived(lambda state, rng, now: None, evaluations=40).search
    state, draws, n = search.state, {}, 2000
    for seed in range(n):
        given = allocator.allocate(state, selector, np.random.default_rng(seed), 0.0)
        draws.setdefault((given.arm, given.base is None), []).append(given.propensity)
    assert sum(found[0] for found in draws.values()) == pytest.approx(1.0)
    for found in draws.values():
        assert set(found) == {found[0]}
        assert len(found) / n == pytest.approx(found[0], abs=4 * np.sqrt(0.25 / n))


def test_the_tuner_has_every_ticket_where_nothing_else_may_and_none_where_nothing_is_left_to_tune():
    search = build(contract(), operators=("tune",), evaluations=30)
    run = Simulation(search, np.random.default_rng(0))
    run.begin()
    while not search.state.population.elites:
        run.step()
    given = BanditWithTuner().allocate(search.state, ArchiveTournament(), np.random.default_rng(0), 0.0)
    assert given == _allocators.Allocation(0, 1.0, base=INITIAL)
    search.state.tuner_session.exhausted.add(INITIAL)
    assert BanditWithTuner().allocate(search.state, ArchiveTournament(), np.random.default_rng(0), 0.0) is None


def test_a_gain_is_counted_from_the_leader_where_the_bandit_learns_and_else_from_the_parent():
    state = lived(lambda state, rng, now: None).search.state
    other = next(one for one in state.population.elites if one != state.population.leader)
    assert Uniform().baseline(state, other) == state.population.score(other)
    assert BanditWithTuner().baseline(state, other) == state.population.score(state.population.leader)
    assert state.population.score(other) != state.population.score(state.population.leader)


# ------------------------------------------------------------------------------------------------ schedules


def in_flight(state):
    """Children that were planned and of which it is not known what became."""
    due = {pending.index for pending in state.population.queue} - {INITIAL}
    return len(due) + len(state.run.tickets.proposals) + sum(row.n_in_flight for row in state.population.candidates[1:])


def most_under_way(policy, **config):
    most = [0]

    def look(state, rng, now):
        most[0] = max(most[0], in_flight(state))

    return lived(look, policy=policy, **config), most[0]


def test_one_at_a_time_is_one_at_a_time_and_nobody_worse_replaces_the_incumbent():
    scores = []

    def look(state, rng, now):
        if state.population.leader is not None:
            scores.append(state.population.score(state.incumbent))

    lived(look, policy="one_plus_one")
    assert scores == sorted(scores)
    assert len(set(scores)) > 3
    assert most_under_way("one_plus_one")[1] == 1
    assert most_under_way("hill_climb")[1] > 1


@pytest.mark.parametrize("size", [1, 3, 8])
def test_a_round_has_so_many_children_of_one_parent_and_the_next_waits_for_the_last(size):
    run, most = most_under_way("best_of_n", best_of_n=size)
    parents = [stamped.record.parents for stamped in run.log if isinstance(stamped.record, ProposeIssued)]
    rounds = [parents[i : i + size] for i in range(0, len(parents), size)]
    assert [len(set(one)) for one in rounds] == [1] * len(rounds)
    assert len({one[0] for one in rounds}) > 2
    assert most <= size


def test_never_plans_nothing_and_measures_what_is_there():
    run = lived(lambda state, rng, now: None, policy="fixed_candidates")
    assert not any(isinstance(stamped.record, ProposeIssued) for stamped in run.log)
    assert any(isinstance(stamped.record, MeasureIssued) for stamped in run.log)
    assert not Never().is_due(run.search.state)


def test_planning_remembers_nothing_and_only_a_ticket_or_a_result_does():
    state = lived(lambda state, rng, now: None, policy="best_of_n", evaluations=30).search.state
    for policy in COMBINATIONS:
        before = (state.incumbent, state.round_size)
        for seed in range(20):
            policy.plan(state, np.random.default_rng(seed), 0.0)
        assert (state.incumbent, state.round_size) == before


def test_what_a_schedule_remembers_is_what_its_tickets_and_results_said():
    state = lived(lambda state, rng, now: None, policy="independent").search.state
    leader, worst = state.population.leader, min(state.population.elites, key=state.population.score)
    issued = ProposeIssued(
        state.run.tickets.next_attempt(), state.problem, Arm("ast_edit"), (state.population.candidates[leader].id,)
    )
    for schedule in (Asynchronous(), Never()):
        schedule.on_issued(state, issued)
        schedule.on_credited(state, leader, state.population.score(leader))
        assert (state.incumbent, state.round_size) == (INITIAL, 0)
    OneAtATime().on_credited(state, leader, state.population.score(leader))
    assert state.incumbent == leader
    OneAtATime().on_credited(state, worst, state.population.score(worst))
    OneAtATime().on_credited(state, worst, None)
    assert state.incumbent == leader
    state.incumbent, state.round_size = INITIAL, state.run.config.best_of_n
    Rounds().on_issued(state, issued)
    assert (state.incumbent, state.round_size) == (leader, 1)
    Rounds().on_issued(state, issued)
    assert (state.incumbent, state.round_size) == (leader, 2)
