"""The policy that is put together from what earns its share: who is drawn, how late, and which changes are made once more."""

from __future__ import annotations

import re
from collections import Counter

import numpy as np
import pytest
from simulation import Simulation, build, contract

from archive import Arm, ConfirmationOpened, MeasureIssued, ProposeIssued, Purpose, RunOpened, StartMode
from evolve._errors import ConfigError
from evolve.config._compose import compose
from evolve.config._llm import LlmConfig
from evolve.config._schema import RunConfig, SearchConfig, StopConfig
from evolve.engine.registry._registry import parts_of
from evolve.problem.contract._contract import Budget
from evolve.search._search import Search
from evolve.search.policy import _portfolio as portfolio
from evolve.search.policy._changes import known_change
from evolve.search.policy._earned import EarnedShares, has_room
from evolve.search.policy._portfolio import Portfolio
from evolve.search.state._climbs import EXCURSION, SELECTORS

OPERATORS = tuple(compose(["search=auto"]).search.operators)


def lived(*, noisy: bool = False, evaluations: int = 120, seed: int = 0, start: StartMode = StartMode.COLD, **config) -> Simulation:
    config = {"operators": OPERATORS} | config
    search = build(contract(noisy=noisy, start=start), policy="auto", evaluations=evaluations, seed=seed, **config)
    run = Simulation(search, np.random.default_rng(seed), noise=0.05 if noisy else 0.0, wrongs=0.2)
    run.begin()
    run.run()
    return run


def tickets(run: Simulation) -> list[ProposeIssued]:
    return [stamped.record for stamped in run.log if isinstance(stamped.record, ProposeIssued)]


def test_every_way_of_choosing_parents_is_used_recorded_and_credited() -> None:
    run = lived(evaluations=250, operators=OPERATORS[1:])  # a tuner would find the best of this little problem by itself
    chosen = Counter(issued.selector for issued in tickets(run) if issued.sample is None)
    assert set(SELECTORS) <= set(chosen)
    earned = run.search.state.climbs.earned
    assert all(state.plays > 0 for state in earned.states)
    assert sum(state.reward for state in earned.states) > 0


@pytest.mark.parametrize("seed", range(3))
def test_others_have_the_tickets_once_the_tuner_has_stopped_gaining(seed: int) -> None:
    issued = tickets(lived(evaluations=400, seed=seed))
    tuned = [one.sample is not None for one in issued]
    assert sum(tuned[:100]) > 60
    assert sum(tuned[-200:]) < 80


def test_the_tuner_looks_at_who_leads_unless_the_main_climb_has_not_taken_it(monkeypatch) -> None:
    state = lived().search.state
    leader, score = state.population.leader, state.population.score
    other = next(one for one in state.population.elites if one != leader)
    state.climbs.main = other  # as where a term gained by rounding
    assert Portfolio().tuned(state) == other
    monkeypatch.setattr(state.population, "score", lambda number: score(leader if number == other else number))
    assert Portfolio().tuned(state) == leader  # the climb has drifted


def test_on_a_noisy_problem_there_are_no_excursions() -> None:
    assert EXCURSION not in {issued.selector for issued in tickets(lived(noisy=True))}


def test_a_change_is_never_given_twice_to_the_same_operator() -> None:
    run = lived(evaluations=250, operators=OPERATORS[1:])
    specs = run.search.state.operators
    given = [(issued.arm.operator, issued.parents) for issued in tickets(run) if specs[issued.arm.operator].repeats]
    assert len(given) > 10
    assert len(given) == len(set(given))


def test_what_is_made_once_more_is_what_the_operator_says() -> None:
    state = lived().search.state
    rows, score = state.population.candidates, state.population.score
    grown = [one for one in state.memory.children if rows[one].parents and rows[rows[one].parents[0]].parents]
    target = max(grown, key=lambda one: len(state.memory.children[one]))
    state.changes = type(state.changes)()  # nothing was given yet
    for child in range(1, len(rows)):
        state.changes.on_child(child, score(child), score(rows[child].parents[0]))
    for name, spec in state.operators.items():
        if not spec.repeats:
            continue
        n_found = 0
        while (change := known_change(state, spec, target)) is not None:
            made_to, before, after = change
            n_found += 1
            state.changes.on_given(name, change)
            assert made_to == target
            worse, better = score(before), score(after)
            if name == "revert":
                assert after in rows[before].parents
            else:
                assert worse is not None
                assert better is not None
                assert worse < better
        assert n_found > 0 or name == "extrapolate", name


def test_on_a_noisy_problem_a_child_did_worse_by_what_relatives_say_too() -> None:
    search = build(contract(noisy=True), policy="auto", evaluations=120, operators=OPERATORS)
    run = Simulation(search, np.random.default_rng(0), noise=2.0)
    run.begin()
    run.run()
    state = search.state
    state.changes = type(state.changes)()  # nothing was given yet
    for target, children in state.memory.children.items():
        found, here = set(), state.population.worth(target)
        while (change := known_change(state, state.operators["mirror"], target)) is not None:
            found.add(change[1])
            state.changes.on_given("mirror", change)
        worths = {child: state.population.worth(child) for child in children[-32:]}
        assert found == {child for child, there in worths.items() if here is not None and there is not None and there < here}


def test_a_step_is_made_once_more_while_it_gains_about_as_much_as_the_one_before() -> None:
    found = Counter[bool]()
    for seed in range(6):
        run = lived(seed=seed, operators=("ast_edit", "extrapolate"))
        rows, score = run.search.state.population.candidates, run.search.state.population.score
        for issued in tickets(run):
            if issued.arm.operator == "extrapolate":
                row = rows[run.search.state.population.by_id[issued.parents[0]]]
                now, before = (score(one) for one in (run.search.state.population.by_id[issued.parents[0]], row.parents[0]))
                assert now is not None
                assert before is not None
                assert now > before
                if run.search.state.bandit.arms[row.arm].operator == "extrapolate":
                    earlier = score(rows[row.parents[0]].parents[0])
                    assert earlier is not None
                    assert now - before >= 0.6 * (before - earlier)
                    found["again"] += 1
                found["once"] += 1
        if min(found["once"], found["again"]) > 3:
            return
    pytest.fail(f"too few steps to tell: {found}")


def test_where_all_around_is_known_who_breeds_changes() -> None:
    """Tickets that lead to known programs move weight from the main climb, and an excursion is given up for them too."""
    run = lived(evaluations=60)
    climbs = run.search.state.climbs
    before = climbs.earned.probabilities([True] * 3)
    climbs.begin(0)
    for _ in range(200):
        climbs.on_refused("main")
    after = climbs.earned.probabilities([True] * 3)
    assert before[0] > 0.9
    assert after[0] < 0.6
    for _ in range(100):
        climbs.on_refused(EXCURSION)
    assert climbs.excursion < 0


def searched(*, call_s: float, evaluation_s: float, batch: int = 0) -> Search:
    llm = LlmConfig(provider="openai", models=("m",), base_url="http://localhost:1", max_concurrency=50)
    if batch:
        llm = LlmConfig(provider="anthropic", models=("m",), max_concurrency=50, batch=batch)
    config = RunConfig(search=SearchConfig(policy="auto", operators=("ast_edit",)), llm=llm)
    search = Search(
        contract=contract(), problem="p", config=config.search, stop=StopConfig(), budget=Budget(evaluations=100), seed=0,
        parts=parts_of(config), llm=llm,
    )  # fmt: skip
    search.run.slots = 2
    search.run.usage.measure_wall_s, search.run.usage.call_wall_s = evaluation_s, call_s
    return search


def calls_under_way(search: Search) -> int:
    """Calls that are begun while nothing comes back."""
    state = search.state
    arm = next(arm for arm in state.bandit.arms if arm.model)
    for n in range(100):
        if not has_room(state, is_model=True):
            return n
        state.run.tickets.proposals[n] = ProposeIssued(search.run.tickets.next_attempt(), "p", arm, ("x",))
    return 100


@pytest.mark.parametrize(
    ("call_s", "evaluation_s", "calls"),
    [(0.01, 1.0, 1), (1.0, 1.0, 2), (10.0, 1.0, 20), (10.0, 0.1, 50), (1.0, 100.0, 1), (0.0, 0.0, 2)],
)
def test_as_many_calls_are_under_way_as_keep_the_slots_busy(call_s: float, evaluation_s: float, calls: int) -> None:
    assert calls_under_way(searched(call_s=call_s, evaluation_s=evaluation_s)) == calls


def test_so_many_calls_are_under_way_that_a_batch_of_them_fills() -> None:
    assert calls_under_way(searched(call_s=1.0, evaluation_s=1.0, batch=8)) == 8


def test_children_wait_only_where_measurements_are_quicker_than_they_can_be_handed_out() -> None:
    waiting = {}
    for took in (0.001, 1.0):
        search = build(contract(), policy="auto", operators=OPERATORS)
        run, most = Simulation(search, np.random.default_rng(0)), 0
        run.begin()
        for _ in range(200):
            run.step()
            search.run.usage.measure_wall_s = took
            most = max(most, len(search.state.population.queue) + len(search.run.tickets.blocks))
        waiting[took] = most
    assert waiting == {0.001: 4, 1.0: 2}


def test_warm_results_breed_at_once_and_only_who_stays_in_front_is_checked() -> None:
    run = lived(start=StartMode.WARM, evaluations=150)
    rows = run.search.state.population.candidates
    checked = sum(row.measured_cold for row in rows[1:])
    assert any(not rows[row.parents[0]].measured_cold for row in rows[1:])
    assert 1 <= checked <= 10
    best = run.search.state.population.leader
    assert best is not None
    assert rows[best].measured_cold


@pytest.mark.parametrize(
    "key", ["tournament=3", "uniform_parent_share=0.5", "bandit_discount=0.9", "family_floor=0.2", "best_of_n=3"]
)
def test_what_it_decides_itself_is_refused_beside_it(key: str) -> None:
    with pytest.raises(ConfigError) as caught:
        compose(["search=auto", f"search.{key}"])
    told = f"search.{key.partition('=')[0]} is decided by search=auto and must be left out, found {key.partition('=')[2]};"
    assert str(caught.value).startswith(told)
    typed = str(caught.value).partition("type ")[2].partition(" for ")[0]
    assert compose(typed.split()).search.policy == ("best_of_n" if "best_of_n" in key else "map_elites")  # who takes it
    said = re.search(rf"^ +{key.partition('=')[0]}: (.*?)(?=\n +[a-z_]+: )", SearchConfig.__doc__ or "", re.M | re.S)
    assert said is not None
    assert "``auto``" in said[1]  # what a reader of the reference finds


def test_an_arm_that_waits_keeps_its_share_while_measurements_are_what_is_scarce() -> None:
    """A model that is busy does not turn its tickets over to whoever is free, unless time is scarcer."""
    search = searched(call_s=1.0, evaluation_s=1.0)
    run = Simulation(search, np.random.default_rng(0))
    run.begin()
    while not search.state.population.elites:
        run.step()
    run.write(RunOpened("with a model", slots=2, models=("m",)))
    search.run.tickets.proposals = {
        n: ProposeIssued(search.run.tickets.next_attempt(), "p", Arm("llm_mutate", "m", "diff"), ("x",)) for n in range(900, 950)
    }
    drawn = [EarnedShares().allocate(search.state, Portfolio(), np.random.default_rng(n), run.now) for n in range(200)]
    assert 100 < drawn.count(None) < 200
    search.run.budget = Budget(wall_s=10.0)
    drawn = [EarnedShares().allocate(search.state, Portfolio(), np.random.default_rng(n), run.now) for n in range(200)]
    assert drawn.count(None) == 0


def test_models_keep_a_part_of_the_tickets_whatever_others_earn() -> None:
    search = searched(call_s=0.0, evaluation_s=1.0)
    run = Simulation(search, np.random.default_rng(0))
    run.begin()
    while not search.state.population.elites:
        run.step()
    run.write(RunOpened("with a model", slots=2, models=("m",)))
    edits = next(i for i, arm in enumerate(search.state.bandit.arms) if not arm.model)
    for n in range(600):
        search.state.bandit.learn(edits, 1.0 + n, 1.0)
        search.state.bandit.learn(n % len(search.state.bandit.arms), 0.0, 1.0)
    search.run.tickets.blocks.clear()
    search.state.population.queue.clear()
    drawn = [EarnedShares().allocate(search.state, Portfolio(), np.random.default_rng(n), run.now) for n in range(400)]
    asked = sum(one is not None and bool(search.state.bandit.arms[one.arm].model) for one in drawn)
    assert 0.25 < asked / len(drawn) < 0.5


def issued_for(run: Simulation, purpose: Purpose) -> list[int]:
    """Where in the journal measurements of a purpose were issued."""
    return [one.seq for one in run.log if isinstance(one.record, MeasureIssued) and one.record.purpose is purpose]


@pytest.mark.parametrize("seed", range(1, 4))
def test_the_only_vault_that_is_paid_for_is_kept_for_the_end_and_for_the_best(seed) -> None:
    """One that opens earlier is spent on whoever leads then, and the run would stand by that program."""
    run = lived(noisy=True, evaluations=150, seed=seed)
    opened = next(one.seq for one in run.log if isinstance(one.record, ConfirmationOpened))
    assert max(issued_for(run, Purpose.SEARCH)) < opened
    (vault,) = run.search.state.confirmations.confirmations
    descent = run.search.state.population.descent
    best, sd = descent.of(descent.best)
    assert descent.of(vault.candidate)[0] >= best - 2 * sd


def test_what_is_set_aside_is_spent() -> None:
    run = lived(noisy=True, evaluations=150)
    assert run.search.run.usage.evaluations == 150
    assert len(issued_for(run, Purpose.SEARCH)) > 75


def test_on_a_noisy_problem_a_program_is_worth_what_its_relatives_say_too() -> None:
    population = lived(noisy=True, evaluations=120, seed=1).search.state.population
    assert population.by_descent
    scored = [one for one in range(len(population.candidates)) if population.score(one) is not None]
    assert any(population.worth(one) != pytest.approx(population.score(one), rel=1e-3) for one in scored)
    best = population.descent.best
    assert population.worth(best) == max(map(population.worth, scored))


def test_what_is_shown_of_a_program_is_what_was_measured_of_it() -> None:
    """The lineage model is for choosing: its steps are an assumption, and its standard deviations with them."""
    population = lived(noisy=True, evaluations=120, seed=1).search.state.population
    for one in range(len(population.candidates)):
        if population.score(one) is not None:
            assert population.posterior_as_measured(one)[0] == pytest.approx(population.posterior(one)[0])


def test_an_elite_that_is_out_of_reach_neither_breeds_nor_is_shown() -> None:
    state = lived().search.state
    population, rng = state.population, np.random.default_rng(0)
    reach = float(np.median([population.score(elite) for elite in population.elites]))
    assert {portfolio._elite(state, rng) for _ in range(500)} == {*population.elites}
    state.climbs.heights = [reach] * 17  # as if the best had stood there so many gains ago
    hopeless = [elite for elite in population.elites if population.score(elite) < reach]
    assert hopeless
    bred = {portfolio._elite(state, rng) for _ in range(500)}
    shown = {one for _ in range(100) for one in portfolio._shown(state, rng, (state.climbs.main,))}
    assert len(bred) > 1
    assert not bred & {*hopeless}
    assert not shown & {*hopeless}
