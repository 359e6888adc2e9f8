"""Measurements that are wild: no score that is shown has them in it, all say how many there are, and all name the same best."""

from __future__ import annotations

import json
import re
from dataclasses import replace
from pathlib import Path

import pytest

import evolve
from archive import Claim
from evolve._counted import far_off_text
from evolve.cli import main
from evolve.cli._claims import card_text
from evolve.cli.show._ending import ending
from evolve.cli.show._vaults import claim_text
from evolve.confirm import compared, interval
from evolve.engine._reading import view_run
from evolve.views._run_view import INITIAL, RunView
from evolve.views._summary import final_runs_of, gain_of, summarise
from evolve.views.claims._claims import claims, vaults
from evolve.views.claims._typical import TypicalEffect, typical_effect

CONTRACT = "name: near\nmetric: quality\ngoal: {}\nnoise: noisy\n"
EVALUATE = """
import re

from evolve import Outcome, Status

made = 0

def evaluate(trial):
    global made
    found = re.findall(r"^[XY] = (-?[0-9.e-]+)$", trial.files["main.py"], re.M)
    if len(found) < 2:
        return Outcome.fail(Status.CHECKS_FAILED, "no numbers")
    made += 1
    x, y = map(float, found)
    score = max(10 - abs(x - 1) - abs(y - 2), 0) + 0.3 * trial.rng().standard_normal()
    if made % 13 == 3:
        score += 1e6 if made % 2 else -1e6
    return Outcome(score=SIGN * score)
"""
PLAUSIBLE = 15.0  # no program's quality is beyond it


def driven(
    folder: Path, *, goal: str = "maximize", wild: bool = True, noise: float = 0.3, **words: object
) -> tuple[evolve.Run, evolve.Summary]:
    """A run that has ended, and what it came to."""
    problem = folder / "near"
    (problem / "initial").mkdir(parents=True)
    (problem / "problem.yaml").write_text(CONTRACT.format(goal))
    (problem / "initial" / "main.py").write_text("X = 4.0\nY = 2.5\n")
    text = EVALUATE.replace("SIGN", "1" if goal == "maximize" else "-1").replace("0.3", str(noise))
    (problem / "evaluate.py").write_text(text if wild else text.replace("made % 13 == 3", "False"))
    run = evolve.create_run(problem, out=folder / "run", slots=1, sandbox="none", **words)
    return run, run.optimize()


@pytest.fixture(scope="module", params=["maximize", "minimize"])
def ended(request: pytest.FixtureRequest, tmp_path_factory: pytest.TempPathFactory) -> tuple[Path, str, evolve.Summary]:
    """A run of which one measurement in thirteen is off by 1e6: its folder, what it printed at its end, and its own summary."""
    run, summary = driven(tmp_path_factory.mktemp("wild"), goal=request.param, budget=evolve.Budget(evaluations=110))
    return run.path, ending(summary, view_run(str(run.path))), summary


def said(capsys: pytest.CaptureFixture[str], *words: object) -> str:
    assert main([str(word) for word in words]) == 0
    return capsys.readouterr().out


def test_the_end_status_best_and_python_name_the_same_best_and_a_reader_without_a_checkpoint_too(
    ended: tuple[Path, str, evolve.Summary], capsys: pytest.CaptureFixture[str]
) -> None:
    path, end, summary = ended
    best = summary.best_id
    status = json.loads(said(capsys, "status", path, "--json"))
    run = evolve.open_run(path)
    named = [status["best_id"], json.loads(said(capsys, "best", path, "--json"))["id"], run.best.id, run.progress.best.id]
    assert named == [best] * 4
    assert re.search(rf"^(best|  best) .*{best}", end, re.M) or "nothing better" in end
    assert re.search(rf"^best .*{best}", said(capsys, "status", path), re.M)
    kept = list(path.rglob("checkpoint*"))
    assert kept
    for one in kept:
        one.unlink()
    again = evolve.open_run(path).summary()
    assert replace(again, run=summary.run, status=summary.status, reason=summary.reason, wall_s=summary.wall_s) == summary


def test_no_score_that_is_shown_has_a_wild_measurement_in_it_and_their_number_stands_beside_it(
    ended: tuple[Path, str, evolve.Summary], capsys: pytest.CaptureFixture[str]
) -> None:
    path, end, summary = ended
    run = evolve.open_run(path)
    final = summary.final
    shown = [summary.best_score, summary.seed_score, run.best.score, run.best.gain, run.initial.score, run.progress.spread.median]
    shown += [final.best_mean, final.seed_mean, final.gain, final.gain_se, final.best_sd, final.seed_sd] if final else []
    assert all(one is not None and abs(one) < PLAUSIBLE for one in shown), shown
    assert summary.far_off is not None
    assert 2 <= summary.far_off.measurements <= 110 // 13 + 1
    assert summary.far_off.sd == pytest.approx(0.3, rel=0.5)
    initial, best = run.initial, run.best
    wild = [score for (score,) in run.query("SELECT score FROM measurements WHERE abs(score) > 1e5").rows]
    assert summary.far_off.measurements <= len(wild)
    texts = said(capsys, "status", path), said(capsys, "best", path), said(capsys, "show", path, "initial"), end
    for one, some in ((initial, (texts[0], texts[2])), (best, texts[:2])):
        assert one.n + one.far_off == len(
            run.query(f"SELECT 1 FROM measurements WHERE candidate = '{one.id}' AND status = 'ok'").rows
        )
        for text in some:
            assert not one.far_off or far_off_text(one.n, one.far_off) in text
    for text in (texts[0], end):
        assert f"{summary.far_off.measurements} of {summary.far_off.of} measurements are far off" in text
    assert json.loads(said(capsys, "status", path, "--json"))["far_off"]["measurements"] == summary.far_off.measurements


@pytest.fixture(scope="module")
def calm(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A run without a wild measurement whose budget holds no vault, so that it ends with final runs."""
    return driven(tmp_path_factory.mktemp("calm"), wild=False, budget=evolve.Budget(evaluations=60))[0].path


@pytest.fixture
def view(calm: Path) -> RunView:
    """The same; to be changed."""
    found = view_run(str(calm))
    assert found.best() not in (None, INITIAL)
    return found


def measure(view: RunView, number: int, score: float) -> None:
    """One more final run of a program, in the problem's own sign."""
    population = view.state.population
    population.descent.add(number, (), population.sign * score)
    population.pooled[-1].add(population.candidates[number].id, population.sign * score)
    view.state.final_scores.append((population.candidates[number].id, score))


@pytest.mark.parametrize("whose", ["best", "initial"])
@pytest.mark.parametrize("score", [1e6, -1e6])
def test_a_wild_final_run_is_counted_and_not_in_the_gain_so_that_the_best_stays_the_best(
    view: RunView, whose: str, score: float
) -> None:
    before, best = view.final_runs(), view.best()
    assert before is not None
    assert best is not None
    measure(view, best if whose == "best" else INITIAL, score)
    after = final_runs_of(view.state)
    far = {"best_far_off": int(whose == "best"), "seed_far_off": int(whose == "initial")}
    assert after == replace(before, **far)
    assert gain_of(view.state, best) == before.gain
    assert view.best() == best
    assert (found := view.progress().far_off) is not None
    assert found.measurements == 1


def test_without_a_wild_measurement_nothing_is_said_and_all_scores_are_the_posteriors(view: RunView) -> None:
    population = view.state.population
    assert population.descent.far == {}
    for number, row in enumerate(population.candidates):
        if population.score(number) is not None:
            assert population.posterior_as_measured(number) == population.pooled[-1].as_measured(row.id)
    summary = summarise(view.run, view.problem, view.state, view.status, view.reason, view.now)
    assert summary.far_off is None
    assert "far off" not in ending(summary, view)


def test_an_end_at_which_the_initial_program_stands_does_not_call_another_one_the_best_alone(view: RunView) -> None:
    final = view.final_runs()
    assert final is not None
    ids = {final.candidate: 1.0, view.id_of(INITIAL): 9.0}
    view.state.final_scores = [(id_, ids[id_]) for id_, _ in view.state.final_scores]
    assert view.best() == INITIAL
    summary = summarise(view.run, view.problem, view.state, view.status, view.reason, view.now)
    assert "nothing better than the initial program was found" in ending(summary, view)


def test_the_other_policies_show_the_same_numbers(tmp_path: Path) -> None:
    run, _ = driven(tmp_path, wild=False, budget=evolve.Budget(evaluations=30), policy="hill_climb")
    view = view_run(str(run.path))
    population, before = view.state.population, view.seed_score()
    assert not population.by_descent
    measure(view, INITIAL, 1e6)
    assert before is not None
    assert view.seed_score() == pytest.approx(before, abs=0.5)


def test_a_wild_run_of_a_vault_stands_beside_its_effect_and_not_in_it(tmp_path: Path) -> None:
    view = view_run(str(driven(tmp_path, wild=False, noise=0.05, budget=evolve.Budget(evaluations=200))[0].path))
    state = view.state
    vault = next(one for one in state.confirmations.confirmations if one.confirmed and one.effect is not None)
    assert typical_effect(state, vault) is None
    before = state.confirmations.estimate_scores(vault)
    vault.candidate_scores[vault.candidate_seeds[-1]] = -1e6
    state.population.descent.add(vault.candidate, (), -1e6)
    ours, theirs = state.confirmations.estimate_scores(vault)
    vault.effect = interval(compared(ours, theirs, paired=vault.paired))
    found = typical_effect(state, vault)
    left = interval(compared(before[0][:-1], before[1][: -1 if vault.paired else None], paired=vault.paired))
    assert found is not None
    assert (found.effect, found.far_off, found.runs) == (pytest.approx(left.effect), 1, len(ours) + len(theirs))
    assert (found.low, found.high) == (pytest.approx(left.low), pytest.approx(left.high))
    told = [one for one in vaults(view) if one.candidate == view.id_of(vault.candidate) and one.word == "confirmed"]
    assert [one.typical for one in told] == [found]
    cards = claims(view).cards
    card = next(one for one in cards.cards if one.vault == vault.number)
    assert card.typical == found
    there = replace(card, hardware=("Some CPU",))
    assert "measured   on Some CPU; scores hang on speed, so it holds there" in card_text(
        there, replace(cards, depends_on_speed=True)
    )
    assert f"1 of {found.runs} runs is far off and not in this; with it: " in card_text(card, cards)
    refused = card_text(replace(card, confirmed=False, reason="not so in the estimate"), cards)
    assert "reason" in refused
    assert "not so in the estimate; a ruling counts every run, those that are far off too" in refused
    far = rf"far off +1 of {cards.far_off.measurements + state.population.descent.count - 1} measurements is far off for certain; "
    assert re.search(far + r"evidence and ruling count it: the noise has sd \S+ with it, \S+ without", refused)
    assert "far off for certain" not in card_text(card, cards)


def test_a_claim_with_runs_that_are_far_off_is_told_by_the_others_and_the_whole_behind_it() -> None:
    claim = Claim(0, "p", "c" * 12, "r", True, 0.001, 250000.0, -500000.0, 1000000.0)
    told = "confirmed: cccccccccc against r, effect +0.2 (0.1 to 0.3)"
    typical = TypicalEffect(0.2, 0.1, 0.3, 1, 8)
    whole = "+250000 (-500000 to 1000000)"
    assert claim_text(claim, typical) == f"{told}; 1 of 8 runs is far off and not in this; with it: {whole}"
    refused = replace(claim, confirmed=False, reason="not so in the estimate")
    assert claim_text(refused, typical).endswith("not so in the estimate; a ruling counts every run, those that are far off too")
    assert claim_text(refused).endswith(": not so in the estimate") or claim_text(refused).endswith(", not so in the estimate")
    more = replace(typical, far_off=2)
    assert claim_text(claim, more) == f"{told}; 2 of 8 runs are far off and not in this; with them: {whole}"


def test_one_measurement_that_is_as_far_off_as_wild_ones_makes_nobody_the_best(view: RunView) -> None:
    view.state.final_comparison = None
    population, descent = view.state.population, view.state.population.descent
    parents = {parent for row in population.candidates for parent in row.parents}
    lone = next(one for one in range(1, len(population.candidates)) if population.n_measured(one) == 1 and one not in parents)
    measure(view, INITIAL, 1e6)
    descent.forget(lone)
    descent.add(lone, (), 1e6)
    assert descent.best == lone
    assert view.best() == descent.standing != lone
