"""A run from start to end, through real graders: start, stop, resume, damage."""

from __future__ import annotations

import shutil
import threading
from dataclasses import replace
from pathlib import Path

import pytest

from archive import (
    BudgetSet,
    ElitePlaced,
    JournalDamaged,
    Measured,
    MeasureIssued,
    Purpose,
    RunClosed,
    RunCreated,
    RunOpened,
    find_records,
    read_journal,
)  # fmt: skip
from evolve._errors import RunError, RunLocked, UsageError
from evolve.engine._session import resume, start
from evolve.engine.registry._registry import parts_of
from evolve.runs import _folder
from evolve.runs._inbox import inbox_folder, post
from evolve.runs._open import load_run
from evolve.search._rng import measurement_seed
from evolve.views._summary import best_candidate


def records(summary, kind):
    return [stamped.record for stamped in read_journal(Path(summary.run)) if isinstance(stamped.record, kind)]


def test_a_run_finds_a_better_program_and_says_what_it_spent(parabola):
    summary = start(parabola(evaluations=40))
    assert summary.status == "done"
    assert summary.reason == "budget.evaluations"
    assert summary.seed_score == pytest.approx(-0.125)
    assert summary.best_score > summary.seed_score
    assert summary.measurements <= 40
    assert len(records(summary, Measured)) == summary.measurements
    assert isinstance(records(summary, RunClosed)[-1], RunClosed)


def test_a_noisy_run_ends_with_ten_reserved_measurements_and_says_unconfirmed(parabola):
    summary = start(parabola(noisy=True, evaluations=60))
    finals = [record for record in records(summary, Measured) if record.purpose is Purpose.FINAL]
    assert len(finals) == 10
    assert summary.final.verdict == "unconfirmed"
    assert summary.final.best_n == summary.final.seed_n == 5
    best = [record.result.score for record in finals if record.result.candidate == summary.final.candidate]
    assert summary.final.best_mean == pytest.approx(sum(best) / 5)


def test_resume_with_a_larger_budget_goes_on_where_the_run_was(parabola):
    first = start(parabola(evaluations=20))
    second = resume(Path(first.run), {"evaluations": 35})
    assert first.measurements <= 20 < second.measurements <= 35
    assert len(records(second, RunOpened)) == 2
    keys = [(r.attempt.ticket, r.result.candidate, r.result.seed) for r in records(second, Measured)]
    assert len(keys) == len(set(keys)) == second.measurements


def test_resume_without_a_checkpoint_gives_the_same_state(parabola):
    summary = start(parabola(evaluations=25))
    run = _folder.open_folder(Path(summary.run))
    assert run.checkpoint.with_suffix(".json").exists()
    with_checkpoint = load_run(run, parts_of)[2]
    run.checkpoint.with_suffix(".json").unlink()
    without = load_run(run, parts_of)[2]
    assert [row.id for row in with_checkpoint.state.population.candidates] == [
        row.id for row in without.state.population.candidates
    ]
    assert with_checkpoint.run.usage == without.run.usage
    assert with_checkpoint.state.population.leader == without.state.population.leader


@pytest.mark.parametrize("damage", [b"", b"{", b'{"tie":"0","state":{}}'])
def test_a_damaged_checkpoint_is_ignored(parabola, damage):
    summary = start(parabola(evaluations=15))
    run = _folder.open_folder(Path(summary.run))
    whole = load_run(run, parts_of)[2]
    run.checkpoint.with_suffix(".json").write_bytes(damage)
    assert load_run(run, parts_of)[2].run.usage == whole.run.usage


def test_a_stop_request_drains_the_run_and_is_carried_out_once(parabola):
    config = parabola(evaluations=100_000)
    asked = []

    def ask_to_stop(search, stamped):
        if search.run.usage.evaluations > 10 and not asked:
            asked.append(post(Path(config.out), "stop", "{}"))

    summary = start(config, hooks=[ask_to_stop])
    assert summary.status == "stopped"
    issued = {record.attempt.ticket for record in records(summary, MeasureIssued)}
    ended = {record.attempt.ticket for record in records(summary, Measured)}
    assert issued == ended
    assert not list(inbox_folder(Path(config.out)).iterdir())
    again = resume(Path(config.out), {"evaluations": summary.measurements + 10})
    assert again.status == "done"


def test_a_budget_request_reaches_a_live_run(parabola):
    config = parabola(evaluations=12)
    posted = []

    def raise_budget(search, stamped):
        if not posted:
            posted.append(post(Path(config.out), "budget", '{"evaluations": 24}'))
        if search.run.budget.evaluations == 12:
            threading.Event().wait(0.1)  # at each record, so that the watcher sees it before the run ends

    assert 12 < start(config, hooks=[raise_budget]).measurements <= 24


def test_only_one_driver_at_a_time(parabola):
    summary = start(parabola(evaluations=10))
    run = _folder.open_folder(Path(summary.run))
    assert not _folder.is_driven(run)
    with _folder.RunLock(run):
        assert _folder.is_driven(run)
        with pytest.raises(RunLocked, match="evolve stop"):
            resume(Path(summary.run))


def test_a_driver_is_known_to_have_opened_a_run_once_its_first_records_are_there(parabola):
    summary = start(parabola(evaluations=10))
    run, seen = _folder.open_folder(Path(summary.run)), []

    def look(state, stamped):
        seen.append((stamped.record.__class__, _folder.hold_of(run)))

    def opened(announcement):
        last = [stamped.record for stamped in find_records(run.path, ("opened", "budget_set"))][-2:]
        seen.append((tuple(map(type, last)), _folder.hold_of(run)))

    resume(run.path, {"evaluations": 12}, hooks=[look], announce=opened)
    assert seen[0] == (RunOpened, _folder.Hold.OPENING)
    assert ((RunOpened, BudgetSet), _folder.Hold.OPEN) in seen
    assert seen[-1] == (RunClosed, _folder.Hold.OPEN)
    assert _folder.hold_of(run) is _folder.Hold.NOBODY


def test_a_folder_that_is_taken_is_refused_and_nothing_is_lost(parabola):
    config = parabola(evaluations=10)
    start(config)
    before = sorted(path.name for path in Path(config.out).iterdir())
    with pytest.raises(UsageError, match="evolve resume"):
        start(config)
    assert sorted(path.name for path in Path(config.out).iterdir()) == before


def test_what_is_no_run_is_refused(tmp_path):
    with pytest.raises(RunError, match="run's folder"):
        resume(tmp_path)


def test_a_flipped_byte_is_a_named_error_and_changes_nothing(parabola):
    summary = start(parabola(evaluations=10))
    run = _folder.open_folder(Path(summary.run))
    for suffix in (".json", ".npz"):
        run.checkpoint.with_suffix(suffix).unlink()
    segment = next((run.path / "journal").iterdir())
    data = bytearray(segment.read_bytes())
    data[len(data) // 2] ^= 1
    segment.write_bytes(data)
    with pytest.raises(JournalDamaged):
        resume(run.path)
    assert segment.read_bytes() == bytes(data)


def test_a_run_is_whole_without_the_folder_it_was_started_from(parabola):
    config = parabola(evaluations=10)
    summary = start(config)
    shutil.rmtree(config.problem.name)
    assert resume(Path(summary.run), {"evaluations": 16}).measurements > 10


def test_a_broken_evaluator_ends_the_run_as_failed(parabola):
    config = parabola(evaluations=10)
    Path(config.problem.name, "evaluate.py").write_text("def evaluate(trial):\n    raise RuntimeError('boom')\n")
    summary = start(config)
    assert summary.status == "failed"
    assert "boom" in summary.reason


def test_readers_catch_up_after_a_kill_between_a_measurement_and_its_places(parabola):
    summary = start(parabola(evaluations=20))
    run = _folder.open_folder(Path(summary.run))
    for suffix in (".json", ".npz"):
        run.checkpoint.with_suffix(suffix).unlink()
    segment = next((run.path / "journal").iterdir())
    lines = segment.read_bytes().splitlines(keepends=True)
    last_placed = max(i for i, line in enumerate(lines) if b'"kind":"placed"' in line)
    segment.write_bytes(b"".join(lines[:last_placed]))
    resume(run.path, {"evaluations": 21})
    shown = {}
    for stamped in read_journal(run.path):
        if isinstance(stamped.record, ElitePlaced):
            shown[stamped.record.cell, stamped.record.rank] = stamped.record.candidate
    population = load_run(run, parts_of)[2].state.population
    held = {(cell, rank): population.candidates[key].id for cell, rank, key in population.archives[0].cells.items()}
    assert {place: id_ for place, id_ in shown.items() if id_} == held


def test_a_checkpoint_of_another_journal_is_ignored(parabola, tmp_path):
    config = parabola(evaluations=15)
    first = start(config)
    config.out, config.budget.evaluations = str(tmp_path / "other"), 30
    second = start(config)
    for suffix in (".json", ".npz"):
        shutil.copy(Path(first.run, "checkpoint").with_suffix(suffix), Path(second.run, "checkpoint").with_suffix(suffix))
    assert load_run(_folder.open_folder(Path(second.run)), parts_of)[2].run.usage.evaluations == second.measurements


def test_after_final_runs_the_run_stands_by_what_they_show(parabola):
    config = parabola(noisy=True, evaluations=60)
    summary = start(config)
    if summary.final.best_mean > summary.final.seed_mean:
        assert summary.best_id == summary.final.candidate
    search = load_run(_folder.open_folder(Path(summary.run)), parts_of)[2]
    finalist = summary.final.candidate
    search.state.final_scores = [(id_, -9.0 if id_ == finalist else 0.0) for id_, _ in search.state.final_scores]
    assert best_candidate(search.state) == 0
    search.state.final_scores = [(id_, 9.0 if id_ == finalist else 0.0) for id_, _ in search.state.final_scores]
    assert search.state.population.candidates[best_candidate(search.state)].id == finalist


def foreseen(summary):
    """Seeds of measurements that who knows all but the secret would name."""
    ids = {record.result.candidate for record in records(summary, Measured)}
    key = records(summary, RunCreated)[0].seed
    return {measurement_seed(key, id_, stream, i) for id_ in ids for stream in ("search", "final") for i in range(40)}


def test_nobody_who_knows_the_programs_and_the_seed_foresees_a_measurement(parabola):
    summary = start(parabola(noisy=True, evaluations=40))
    seeds = {record.result.seed for record in records(summary, Measured)}
    assert len(bytes.fromhex(records(summary, RunCreated)[0].secret)) == 32
    assert not seeds & foreseen(summary)


def test_a_secret_that_is_given_fixes_the_measurement_seeds(parabola):
    config = parabola(noisy=True, evaluations=8)
    runs = [start(replace(config, out=f"{config.out}-{i}"), secret=secret) for i, secret in enumerate(("ab" * 32, "ab" * 32, None))]
    one, two, other = ({r.result.seed for r in records(run, Measured) if r.purpose is Purpose.INITIAL} for run in runs)
    assert len(one) == 5
    assert one == two
    assert one.isdisjoint(other)


def test_a_resumed_run_goes_on_with_its_secret(parabola):
    first = start(parabola(noisy=True, evaluations=20))
    second = resume(Path(first.run), {"evaluations": 30})
    secret = records(second, RunCreated)[0].secret
    ids = {r.result.candidate for r in records(second, Measured)}
    known = {measurement_seed(secret, id_, stream, i) for id_ in ids for stream in ("search", "final") for i in range(60)}
    assert {r.result.seed for r in records(second, Measured) if r.purpose is not Purpose.VAULT} <= known


def test_a_run_of_before_there_were_secrets_derives_its_seeds_as_then(parabola):
    summary = start(parabola(noisy=True, evaluations=12), secret="")
    assert {record.result.seed for record in records(summary, Measured)} <= foreseen(summary)
    assert resume(Path(summary.run), {"evaluations": 40}).measurements > summary.measurements  # 16 may all be set aside
