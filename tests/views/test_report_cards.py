"""What a report card counts: separate occasions, and over how long."""

from __future__ import annotations

from dataclasses import replace

import pytest

from archive import Attempt, LogEntry, Measured, Measurement, Purpose, RunOpened, Status
from evolve.views.claims._report_cards import _of_blocks, _Seen


@pytest.mark.parametrize(
    ("moments", "occasions", "over_s"),
    [
        ([], 0, 0.0),
        ([0.0], 1, 0.0),
        ([0.0, 60.0, 3660.0], 1, 3660.0),  # an hour is no gap yet
        ([0.0, 60.0, 3661.0], 2, 3661.0),
        ([0.0, 60.0, None, 70.0], 2, 70.0),  # another opening
        ([None, 5.0, None, None, 7.0], 2, 2.0),  # one without a run is none
        ([0.0, -3661.0, 3662.0], 2, 3662.0),  # what failed in between is no run
    ],
)
def test_occasions_are_openings_and_runs_an_hour_apart(moments: list[float | None], occasions: int, over_s: float) -> None:
    """None is an opening of the run, a negative moment a run that failed."""
    result = Measurement("c", "full", 1, Status.OK, score=1.0)
    records = [
        LogEntry(i, 0.0, RunOpened(f"e{i}"))
        if at is None
        else LogEntry(
            i,
            1e9 + abs(at),
            Measured(Attempt("e", 0), "p", 0, Purpose.SEARCH, result if at >= 0 else replace(result, status=Status.CRASH)),
        )
        for i, at in enumerate(moments)
    ]
    seen: dict[str, _Seen] = {}
    assert len(list(_of_blocks(records, seen))) == len(records)
    one = seen.get("c", _Seen())
    assert (one.occasions, one.last_at - one.first_at) == (occasions, over_s)
