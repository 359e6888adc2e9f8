"""A run from start to end, through real graders: start, stop, resume, damage."""

from __future__ import annotations

import shutil
import threading
import time

import pytest

import evolve
from archive import JournalDamaged, Measured, MeasureIssued, Purpose, RunClosed, RunOpened, read_journal
from evolve import Budget
from evolve._errors import RunLocked, UsageError
from evolve.cli import main

SLOTS = 2


def records(run, kind):
    return [stamped.record for stamped in read_journal(run.path) if isinstance(stamped.record, kind)]


def read(run):
    """All that a reader sees of a run who opens it now."""
    reader = evolve.open_run(run.path)
    ids = [id_ for (id_,) in reader.query("SELECT id FROM candidates").rows]
    candidates = [reader.candidate(id_) for id_ in ids]
    return reader.summary(), reader.progress, [(one, one.files) for one in candidates], reader.elites(), reader.claims()


def test_a_run_finds_a_better_program_and_says_what_it_spent(parabola):
    run = parabola(evaluations=40)
    summary = run.optimize()
    assert summary.status == "done"
    assert summary.reason == "budget.evaluations"
    assert summary.seed_score == pytest.approx(-0.125)
    assert summary.best_score > summary.seed_score
    assert summary.measurements <= 40
    assert len(records(run, Measured)) == summary.measurements
    assert isinstance(list(read_journal(run.path))[-1].record, RunClosed)


def test_a_noisy_run_ends_with_ten_reserved_measurements_and_says_unconfirmed(parabola):
    run = parabola(noisy=True, evaluations=60)
    summary = run.optimize()
    finals = [record for record in records(run, Measured) if record.purpose is Purpose.FINAL]
    assert len(finals) == 10
    assert summary.final.verdict == "unconfirmed"
    assert summary.final.best_n == summary.final.seed_n == 5
    best = [record.result.score for record in finals if record.result.candidate == summary.final.candidate]
    assert summary.final.best_mean == pytest.approx(sum(best) / 5)
    better = summary.final.best_mean > summary.final.seed_mean
    assert run.best.id == summary.best_id == (summary.final.candidate if better else run.initial.id)


def test_resume_with_a_larger_budget_goes_on_where_the_run_was(parabola):
    run = parabola(evaluations=20)
    first = run.optimize()
    second = run.resume(Budget(evaluations=35))
    assert first.measurements <= 20 < second.measurements <= 35
    assert len(records(run, RunOpened)) == 2
    keys = [(r.attempt.ticket, r.result.candidate, r.result.seed) for r in records(run, Measured)]
    assert len(keys) == len(set(keys)) == second.measurements


@pytest.mark.parametrize(
    "damage",
    [None, pytest.param(b"", marks=pytest.mark.slow), pytest.param(b"{", marks=pytest.mark.slow), b'{"tie":"0","state":{}}'],
)
def test_a_run_without_a_checkpoint_or_with_a_damaged_one_is_the_same_run(parabola, damage):
    run = parabola(evaluations=25)
    run.optimize()
    before, checkpoint = read(run), run.path / "checkpoint.json"
    if damage is None:
        checkpoint.unlink()
    else:
        assert checkpoint.stat().st_size > 100
        checkpoint.write_bytes(damage)
    assert read(run) == before


def test_a_checkpoint_of_another_journal_is_ignored(parabola, tmp_path):
    first, second = (parabola({"out": tmp_path / name}, evaluations=n) for name, n in (("first", 15), ("second", 30)))
    first.optimize()
    assert second.optimize().measurements > 15
    before = read(second)
    for suffix in (".json", ".npz"):
        shutil.copy((first.path / "checkpoint").with_suffix(suffix), (second.path / "checkpoint").with_suffix(suffix))
    assert read(second) == before


def test_a_stop_request_drains_the_run_and_is_carried_out_once(parabola):
    run, asked = parabola(evaluations=100_000), []

    def ask_to_stop(progress):
        if progress.handed_out > 10 and not asked:
            asked.append(run.stop(wait_s=0))

    assert run.optimize(ask_to_stop, every_s=0).status == "stopped"
    assert asked == ["draining"]
    issued = {record.attempt.ticket for record in records(run, MeasureIssued)}
    ended = {record.attempt.ticket for record in records(run, Measured)}
    assert issued == ended
    assert not list((run.path / "inbox").iterdir())
    assert run.resume(Budget(evaluations=run.progress.handed_out + 10)).status == "done"


def test_a_budget_request_reaches_a_live_run(parabola):
    run, asked = parabola(evaluations=12), []

    def raise_budget(progress):
        if not asked:
            asked.append(threading.Thread(target=run.resume, args=[Budget(evaluations=24)]))
            asked[0].start()
        if progress.budget.evaluations == 12:
            time.sleep(0.1)  # at each record, so that the request is seen before the run ends

    assert 12 < run.optimize(raise_budget, every_s=0).measurements <= 24
    asked[0].join(30)


def test_only_one_driver_at_a_time(parabola):
    run, seen = parabola(evaluations=10), []

    def drive_too(progress):
        if not seen:
            seen.append(run.status)
            with pytest.raises(RunLocked, match="evolve stop"):
                evolve.open_run(run.path).optimize()

    assert run.optimize(drive_too).status == run.status == "done"
    assert seen == ["running"]


def test_a_folder_that_is_taken_is_refused_and_nothing_is_lost(parabola):
    run = parabola(evaluations=10)
    run.optimize()
    before = sorted(path.name for path in run.path.iterdir())
    with pytest.raises(UsageError, match="evolve resume"):
        parabola(evaluations=10)
    assert sorted(path.name for path in run.path.iterdir()) == before


def test_what_is_no_run_is_refused(tmp_path, capsys):
    assert main(["resume", str(tmp_path)]) == 2
    assert "expected a run's folder" in capsys.readouterr().err


def drop_checkpoint(run):
    for suffix in (".json", ".npz"):
        (run.path / "checkpoint").with_suffix(suffix).unlink()


def test_a_flipped_byte_is_a_named_error_and_changes_nothing(parabola):
    run = parabola(evaluations=10)
    run.optimize()
    drop_checkpoint(run)
    segment = next((run.path / "journal").iterdir())
    data = bytearray(segment.read_bytes())
    data[len(data) // 2] ^= 1
    segment.write_bytes(data)
    with pytest.raises(JournalDamaged):
        run.optimize()
    assert segment.read_bytes() == bytes(data)


def test_a_run_is_whole_without_the_folder_it_was_started_from(parabola, problem):
    run = parabola(evaluations=10)
    run.optimize()
    shutil.rmtree(problem())
    assert run.resume(Budget(evaluations=16)).measurements > 10


def test_a_broken_evaluator_ends_the_run_as_failed(parabola, problem):
    (problem() / "evaluate.py").write_text("def evaluate(trial):\n    raise RuntimeError('boom')\n")
    summary = parabola(evaluations=10).optimize()
    assert summary.status == "failed"
    assert "boom" in summary.reason


def test_readers_catch_up_after_a_kill_between_a_measurement_and_its_places(parabola):
    run = parabola(evaluations=20)
    run.optimize()
    drop_checkpoint(run)
    segment = next((run.path / "journal").iterdir())
    lines = segment.read_bytes().splitlines(keepends=True)
    last_placed = max(i for i, line in enumerate(lines) if b'"kind":"placed"' in line)
    segment.write_bytes(b"".join(lines[:last_placed]))
    run.resume(Budget(evaluations=21))
    shown = run.query("SELECT candidate FROM elites").rows
    assert sorted(id_ for (id_,) in shown) == sorted(one.id for one in run.elites())
    assert len(shown) > 3
