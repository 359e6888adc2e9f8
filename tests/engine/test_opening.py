"""A driver is known by its lock, and is said to have a run once the first records of its opening are on the disk."""

from __future__ import annotations

from pathlib import Path

from archive import BudgetSet, RunClosed, RunOpened, find_records
from evolve.engine._session import resume, start
from evolve.runs import _folder


def test_a_driver_is_known_to_have_opened_a_run_once_its_first_records_are_there(plain):
    summary = start(plain(evaluations=10))
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
