"""A run that somebody else made, years ago or this moment, is read without a lock; the numbers are what version 0.1.0 said."""

from __future__ import annotations

import os
from pathlib import Path

import pytest

import archive
import evolve
from evolve._errors import RunError

BEST, SEED = "bf122280f49668baa299", "c78df2d0b42a5b40c8cd"


def listing(folder: Path) -> list[tuple[str, int, int]]:
    found = [one for one in folder.rglob("*") if one.is_file()]
    return sorted((str(one), one.stat().st_size, one.stat().st_mtime_ns) for one in found)


def test_an_old_run_is_read_and_nothing_is_written(old: Path) -> None:
    before = listing(old)
    run = evolve.open_run(old)
    assert (run.status, run.best.id, run.best.n, run.best.verdict) == ("done", BEST, 26, "confirmed")
    assert run.best.score == pytest.approx(3.6377383649278383, rel=1e-12)
    assert (run.initial.id, run.initial.operator, run.initial.verdict) == (SEED, "seed", "")
    assert (run.progress.candidates, run.progress.measurements) == (129, 251)
    (card,) = run.claims().cards.cards
    assert (card.candidate, card.reference, card.confirmed) == (BEST, SEED, True)
    assert run.claims().confirmed
    assert run.claims().exact is None
    assert (run.problem.contract.name, run.summary().reason) == ("planted", "budget.evaluations")
    assert listing(old) == before


def test_a_lineage_names_its_steps(old: Path) -> None:
    run = evolve.open_run(str(old))
    steps = run.lineage(run.best)
    assert [(one.id, one.generation, one.operator) for one in steps] == [(SEED, 0, "seed"), (BEST, 1, "tune")]
    assert steps == run.lineage() == run.lineage(BEST[:6])
    assert (steps[1].added, steps[1].removed) == (steps[1].removed, steps[1].added) != (0, 0)


def test_a_query_gives_plain_rows(old: Path) -> None:
    table = evolve.open_run(old).query("SELECT operator, count(*) FROM candidates GROUP BY 1 ORDER BY 1")
    assert table.rows == (("ast_edit", 76), ("crossover", 26), ("external", 1), ("seed", 1), ("tune", 26))
    assert evolve.open_run(old).query("SELECT id FROM candidates", limit=2).more
    with pytest.raises(archive.QueryError, match="a query is one SELECT"):
        evolve.open_run(old).query("DROP TABLE candidates")


def test_an_old_run_says_what_it_learnt(old: Path) -> None:
    found = evolve.open_run(old).learnt()
    assert {one.name: one.children for one in found.operators} == {"ast_edit": 76, "crossover": 26, "external": 1, "tune": 26}
    assert (found.selectors, found.models) == ((), ())
    assert {one.gain for one in found.operators} == {None}  # it is noisy
    assert all(one.cpu_s > 0 for one in found.operators)


def test_elites_hold_a_place_the_best_first(old: Path) -> None:
    run = evolve.open_run(old)
    elites = run.elites()
    held = {id_ for (id_,) in run.query("SELECT DISTINCT candidate FROM elites").rows}
    assert {one.id for one in elites} == held
    scores = [one.score for one in elites if one.score is not None]
    assert len(scores) > 3
    assert scores == sorted(scores, reverse=run.problem.contract.maximize)


def test_a_candidate_is_named_by_itself_its_id_or_the_beginning_of_it(old: Path) -> None:
    run = evolve.open_run(old)
    best = run.best
    assert best == run.candidate(best) == run.candidate(BEST) == run.candidate(BEST[:5]) == run.candidate("best")
    assert best.files == run.candidate(BEST).files != {}
    assert "main" not in repr(best)  # a whole program is no line
    with pytest.raises(RunError, match="has no candidate 'x'"):
        run.candidate("x")
    with pytest.raises(RunError, match="has no candidate ''"):
        run.candidate("")


def test_what_was_written_since_is_seen(old: Path) -> None:
    run, other = evolve.open_run(old), evolve.open_run(old)
    sql = "SELECT count(*) FROM events WHERE kind = 'note' AND text = 'seen'"
    before = run.progress
    other.note("seen")
    assert run.query(sql).rows == ((1,),)
    assert run._view().state.memory.remarks[-1].text == "seen"
    assert run._view() is run._view()  # and nothing is read twice
    assert run.progress == before


def test_where_there_is_no_run_a_sentence_says_so(tmp_path: Path) -> None:
    with pytest.raises(RunError, match=r"expected a run's folder, found no run\.json in"):
        evolve.open_run(tmp_path)
    with pytest.raises(evolve.EvolveError, match="expected the path of a run's folder, found 3"):
        evolve.open_run(3)  # type: ignore[arg-type]


def test_an_old_run_goes_on(old: Path) -> None:
    run = evolve.open_run(old)
    assert run.resume(evolve.Budget(evaluations=345)).measurements > 251
    assert not os.access(old / "export", os.F_OK)
