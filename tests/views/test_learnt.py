"""What a run has learnt: every figure against the tables of ``evolve query``, and none that is not known."""

from __future__ import annotations

import math
import re
from collections import Counter
from dataclasses import fields
from pathlib import Path

import numpy as np
import pytest

import evolve
from archive import find_records
from evolve.models import Scripted
from evolve.search.policy._policies import policy_of
from evolve.search.policy._portfolio import _chosen
from evolve.search.state._costs import Cost
from evolve.views._course import course, selector_shares

CONTRACT = """
name: near
metric: distance
goal: minimize
noise: {noise}
descriptors: [{{name: side, low: -9, high: 9, bins: 6}}]
"""
EVALUATE = """
import re

from evolve import Outcome, Status

def evaluate(trial):
    found = re.findall(r"^[XY] = (-?[0-9.e-]+)$", trial.files["main.py"], re.M)
    if len(found) < 2 or float(found[0]) > 4.0:
        return Outcome.fail(Status.CHECKS_FAILED, "too far")
    x, y = map(float, found)
    return Outcome(score=abs(x - 1) + abs(y - 2) + NOISE * trial.rng().standard_normal(), descriptors={"side": x - y})
"""


@pytest.fixture
def make(tmp_path: Path):
    """Drives a run of a problem in which some children fail and some are known."""

    def call(*, noisy: bool = False, n: int = 80, **words: object) -> evolve.Run:
        problem = tmp_path / "near"
        (problem / "initial").mkdir(parents=True)
        (problem / "problem.yaml").write_text(CONTRACT.format(noise="noisy" if noisy else "deterministic"))
        (problem / "initial" / "main.py").write_text("X = 4.0\nY = 2.5\nZ = [3, 1]\n\n\ndef f(a):\n    return a + 1\n")
        (problem / "evaluate.py").write_text(EVALUATE.replace("NOISE", "0.1" if noisy else "0.0"))
        words = {"budget": evolve.Budget(evaluations=n), "slots": 1, "sandbox": "none", "seed": 5, **words}
        run = evolve.create_run(problem, out=tmp_path / "run", **words)
        run.optimize()
        return run

    return call


def by(run: evolve.Run, what: str, table: str, column: str, where: str = "true") -> dict[str, object]:
    rows = run.query(f"SELECT {column}, {what} FROM {table} WHERE {where} AND {column} NOT IN ('', 'seed') GROUP BY 1").rows
    return dict(rows)


NEW_BESTS = """(SELECT operator, model, gain - before AS more FROM (SELECT operator, model, gain,
    max(gain) OVER (ORDER BY seq ROWS BETWEEN UNBOUNDED PRECEDING AND 1 PRECEDING) AS before
    FROM candidates WHERE status = 'ok') WHERE gain > before)"""
BETTER = """(SELECT c.operator, c.model FROM candidates c JOIN candidates p ON c.parents[1] = p.id
    WHERE c.status = 'ok' AND p.status = 'ok' AND c.gain > p.gain)"""


NEW_BESTS_BY_SCORE = "(SELECT id FROM candidates WHERE status = 'ok' ORDER BY gain DESC, seq LIMIT 1)"


@pytest.mark.parametrize("policy", ["auto", "map_elites", "one_plus_one", "hill_climb"])
def test_operators_made_earned_and_cost_what_the_tables_say(policy: str, make) -> None:
    run = make(policy=policy)
    found = {one.name: one for one in run.learnt().operators}
    kinds = {
        "children": by(run, "count(*)", "candidates", "operator"),
        "failed": by(run, "count(*)", "candidates", "operator", "status NOT IN ('ok', 'evaluator_error')"),
        "better": by(run, "count(*)", BETTER, "operator"),
        "new_bests": by(run, "count(*)", NEW_BESTS, "operator"),
        "duplicates": by(run, "count(*)", "tickets", "operator", "status = 'duplicate'"),
        "no_child": by(run, "count(*)", "tickets", "operator", "status IN ('invalid', 'failed', 'lost')"),
    }
    assert sum(kinds["failed"].values()) > 0
    assert sum(kinds["new_bests"].values()) > 0
    for kind, expected in kinds.items():
        assert {name: getattr(one, kind) for name, one in found.items() if getattr(one, kind)} == expected, kind
    gains, cpu = by(run, "sum(more)", NEW_BESTS, "operator"), by(run, "sum(cost_cpu_s)", "candidates", "operator")
    assert {name: one.gain for name, one in found.items() if one.gain} == pytest.approx(gains)
    assert sum(gains.values()) == pytest.approx(run.query("SELECT max(gain) FROM candidates").rows[0][0])
    for name, one in found.items():  # the cost of tickets without a child stands with the operator too
        assert one.cpu_s >= cpu.get(name, 0.0) - 1e-5
        assert one.usd == 0
    lately = "(SELECT operator FROM candidates WHERE operator <> 'seed' ORDER BY seq DESC LIMIT 100)"
    shares = {
        name: n / sum(found.children for found in found.values()) for name, n in by(run, "count(*)", lately, "operator").items()
    }
    assert {name: one.share for name, one in found.items() if one.share} == pytest.approx(shares)  # fewer than 100 were made


def test_ways_of_choosing_parents_are_told_where_a_policy_has_several(make) -> None:
    run = make(policy="auto")
    found = {one.name: one for one in run.learnt().selectors}
    made = by(run, "count(*)", "tickets", "selector", "kind = 'propose' AND status = 'child'")
    assert {name: one.children for name, one in found.items() if one.children} == made
    assert {*found} <= {"main", "excursion", "archive"}
    assert all(one.probability is not None and one.share is not None for one in found.values())
    of_all = sum(made.values()) / (run.query("SELECT count(*) FROM candidates").rows[0][0] - 1)  # fewer than 100
    assert sum(one.share for one in found.values()) == pytest.approx(of_all)
    assert run.progress.course.startswith(("exploits: ", "explores: "))


def test_the_course_follows_what_was_earned(make) -> None:
    run = make(policy="auto", n=30)
    view = run._view()
    state = view.state
    climbs, population = state.climbs, state.population
    for _ in range(300):
        climbs.earned.learn(0, 1.0, 1.0)
    assert re.match(r"exploits: the main climb breeds \d+ %, excursions and archive \d+ %; ", course(state, view.now))
    for _ in range(300):  # who is asked most and gains nothing falls back
        climbs.learn("main", None)
        climbs.learn("excursion", 1.0)
    climbs.lately["archive"] = [False, True, False]
    population.n_credited = population.leader_since + 99999
    shares = {name: f"{100 * share:.0f} %" for name, share in selector_shares(state, view.now).items()}
    who, why, since = course(state, view.now).split("; ")
    assert (
        who == f"explores: excursions breed {shares['excursion']}, the archive {shares['archive']}, the main climb {shares['main']}"
    )
    assert why == "0 of the main climb's last 20 tickets gained, 21 of the others' 23"
    assert since.startswith("no gain for ")
    assert max(map(len, (who, why, since))) <= 70  # beside the first column of a display of 80


def test_what_the_last_tickets_gained_is_what_the_records_say(make) -> None:
    run = make(policy="auto", n=80, operators=["ast_edit", "redraw"])  # a tuner might find the best by itself
    state = run._view().state
    ended = {"main": [], "excursion": [], "archive": []}
    rows = run.query(
        "SELECT t.selector, c.score FROM tickets t LEFT JOIN candidates c USING (ticket) "
        "LEFT JOIN (SELECT candidate, min(unix_s) AS ended_s FROM measurements GROUP BY 1) m ON m.candidate = c.id "
        "WHERE kind = 'propose' AND t.status IN ('child', 'duplicate', 'invalid', 'failed') ORDER BY coalesce(m.ended_s, t.ended_s)"
    ).rows
    lowest = run.initial.score
    for selector, score in rows:  # a ticket ends when its child is measured, or with none
        if selector:
            ended[selector].append(score is not None and score < lowest)
        lowest = lowest if score is None else min(lowest, score)
    assert sum(ended["main"]) > 0
    assert {name: sum(gained) for name, gained in state.climbs.lately.items()} == {
        name: sum(gained[-20:]) for name, gained in ended.items()
    }


def test_children_without_a_gain_are_those_measured_since_the_best(make) -> None:
    run = make(policy="one_plus_one", n=40)
    before = run.query(f"SELECT min(m.seq) FROM measurements m JOIN {NEW_BESTS_BY_SCORE} b ON m.candidate = b.id").rows[0][0]
    later = run.query(f"SELECT count(DISTINCT candidate) FROM measurements WHERE seq > {before} AND purpose = 'search'").rows[0][0]
    assert later > 0
    assert run.progress.course.endswith(f"; no gain for {later} child{'ren' if later > 1 else ''}")


def test_a_way_that_the_policy_would_not_take_has_no_chance(make) -> None:
    view = make(policy="auto", noisy=True, n=30)._view()
    state = view.state
    drawn = {_chosen(state, np.random.default_rng(seed))[1] for seed in range(400)}
    assert drawn == {name for name, share in selector_shares(state, view.now).items() if share > 0} == {"main", "archive"}
    assert re.match(r"whoever is best by its relatives too breeds \d+ %, the archive \d+ %; ", course(state, view.now))


@pytest.mark.parametrize("noisy", [False, True])
def test_ways_have_of_the_next_child_what_operators_have_that_use_them(noisy: bool, make) -> None:
    view = make(policy="auto", noisy=noisy, n=60)._view()
    state, n, drawn = view.state, 1500, Counter[str]()
    for seed in range(n):
        plan = policy_of(state).plan(state, np.random.default_rng(seed), view.now)
        drawn[plan.selector] += 1
    found = view.learnt()
    said = {one.name: one.probability for one in found.selectors if one.probability}
    using = {"ast_edit", "redraw", "grow", "reorder", "crossover"}
    assert sum(said.values()) == pytest.approx(sum(one.probability for one in found.operators if one.name in using))
    assert 0 < sum(said.values()) < 1  # other operators have a parent of their own
    said[""] = 1 - sum(said.values())
    assert said.keys() >= drawn.keys()
    assert all(abs(drawn[name] / n - share) <= 4 * math.sqrt(share / n) for name, share in said.items())


@pytest.mark.parametrize("policy", ["auto", "map_elites", "one_plus_one", "independent"])
def test_operators_are_drawn_as_often_as_is_said(policy: str, make) -> None:
    view = make(policy=policy, n=60)._view()
    state, policy_used = view.state, policy_of(view.state)
    n, drawn = 1500, Counter[str]()
    for seed in range(n):
        given = policy_used.operators.allocate(state, policy_used.parents, np.random.default_rng(seed), view.now)
        drawn[state.bandit.arms[given.arm].operator] += 1
    said = {one.name: one.probability for one in view.learnt().operators if one.probability}
    assert said.keys() >= drawn.keys()
    assert sum(said.values()) == pytest.approx(1)
    assert all(abs(drawn[name] / n - share) <= 4 * math.sqrt(share / n) for name, share in said.items())
    shares = {one.operator: one.probability for one in view.progress().shares if one.probability}
    assert shares == pytest.approx(said)


@pytest.mark.parametrize("policy", ["auto", "map_elites"])
def test_all_costs_are_counted_and_none_twice(policy: str, make) -> None:
    run = make(policy=policy)
    state, (initial_cpu, initial_wall) = (
        run._view().state,
        run.query(
            "SELECT sum(cpu_s + scorer_cpu_s), sum(wall_s) FROM measurements m JOIN candidates c ON candidate = id "
            "WHERE c.operator = 'seed'"
        ).rows[0],
    )
    ended = [stamped.record for stamped in find_records(run.path, ("proposed",))][1:]  # the first is the initial program
    assert {"duplicate", "child"} <= {one.status for one in ended}
    expected = {
        "duplicates": sum(one.status == "duplicate" for one in ended),
        "no_child": sum(one.status in ("invalid", "failed", "lost") for one in ended),
        "cpu_s": state.run.usage.cpu_s - initial_cpu + sum(one.cpu_s for one in ended),
        "wall_s": sum(state.run.usage.wall_by_purpose.values()) - initial_wall,
        "usd": 0.0,
    }
    assert {*expected} == {one.name for one in fields(Cost)}
    for name, whole in expected.items():
        assert sum(getattr(one, name) for one in run.learnt().operators) == pytest.approx(whole, abs=1e-6), name


def test_in_noise_nobody_is_said_to_be_better(make) -> None:
    run = make(policy="auto", noisy=True, n=120)
    found = run.learnt()
    assert found.operators
    assert all(one.better is one.new_bests is one.gain is None for one in (*found.operators, *found.selectors))
    assert {one.name for one in found.selectors} <= {"main", "archive"}  # as the policy has no excursions there
    assert "gain" not in found.course
    near, of = map(int, re.search(r"; (\d+) of (\d+) elites? within 2 sd of the best; ", found.course).groups())
    assert 1 <= near <= of == found.spread.elites


def test_scores_that_do_not_repeat_earn_nobody_anything(make) -> None:
    view = make(policy="map_elites")._view()
    assert any(one.new_bests for one in view.learnt().operators)
    view.state.steadiness.initial_failure = "as if the initial program had failed when measured again"
    assert all(one.new_bests is None for one in view.learnt().operators)


def test_models_have_lines_of_their_own_and_what_they_took(make) -> None:
    answers = iter(range(1, 1000))

    def answer(request: object) -> str:
        lines = f"X = {4.0 - next(answers) % 8 / 10:.1f}\nY = 2.5\nZ = [3, 1]\n\n\ndef f(a):\n    return a + 1"
        return f"<file path='main.py'>\n{lines}\n</file>"

    scripted = Scripted(answer, prices_from="https://api.anthropic.com")
    scripted.name = "claude-haiku-4-5"
    run = make(operators=["ast_edit"], models=scripted, budget=evolve.Budget(evaluations=40, calls=15, usd=5), policy="auto")
    (model,) = run.learnt().models
    tickets = run.query("SELECT count(*), sum(usd) FROM tickets WHERE model <> '' AND kind = 'propose'").rows[0]
    assert model.children + model.duplicates + model.no_child == tickets[0] > 0
    assert model.usd == pytest.approx(tickets[1])
    assert model.usd > 0
    assert model.duplicates > 0
    assert model.children == by(run, "count(*)", "candidates", "model")[model.name]


def test_what_was_told_is_nobody_elses(make) -> None:
    run = make(policy="fixed_candidates")
    assert run.learnt().operators == ()
    ticket = run.ask()
    run.wait(run.tell(ticket, {"main.py": "X = 3.0\nY = 2.5\n"}))
    (told,) = run.learnt().operators
    assert (told.name, told.children, told.new_bests, told.gain) == ("external", 1, 1, pytest.approx(1.0))
    assert run.progress.course == ""


@pytest.mark.parametrize("policy", ["auto", "independent"])
def test_the_spread_counts_places_and_lines_of_descent(policy: str, make) -> None:
    run = make(policy=policy)
    spread, elites = run.learnt().spread, run.elites()
    assert spread == run.progress.spread

    def founder(one: evolve.Candidate) -> str:
        return run.lineage(one)[min(1, one.generation)].id

    assert spread.lines == len({founder(one) for one in elites} - {run.initial.id})
    assert spread.lines == spread.elites - (run.initial in elites) > 1 or policy == "auto"
    assert (spread.elites, spread.filled, spread.cells) == (len(elites), len(elites), 6)
    scores = sorted(one.score for one in elites)
    assert spread.best == scores[0] == run.best.score
    assert scores[0] <= spread.median <= scores[-1]
    assert spread.programs == run.query("SELECT count(DISTINCT code_hash) FROM candidates").rows[0][0]


def test_the_words_are_those_of_the_policy(make) -> None:
    assert make(policy="one_plus_one", n=10).progress.course.startswith("the last that was no worse breeds; ")
