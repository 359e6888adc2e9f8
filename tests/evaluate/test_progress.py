"""What a learning curve that is reported says of a measurement."""

from __future__ import annotations

import math

import pytest

from archive import Curve, Status
from evolve.evaluate import Outcome
from evolve.evaluate._outcome import OutcomeError, check_outcome, with_progress
from evolve.evaluate._progress import MAX_POINTS, Progress
from evolve.testing._harness import plain_contract

BARS = Curve((0.2, 0.5, 0.8), (5.0, 4.0, 3.5))


def lost(*points: tuple[float, float], minimize: bool = True, bars: Curve | None = BARS) -> bool:
    progress = Progress(bars, minimize=minimize)
    for x, y in points:
        progress.report(x, y)
    return bool(progress.lost)


def test_below_the_first_bar_nothing_is_lost() -> None:
    assert not lost((0.1, 99.0))
    assert lost((0.2, 5.1))
    assert not lost((0.2, 5.0))


def test_one_bad_point_is_not_a_bad_curve() -> None:
    assert not lost((0.3, 4.0), (0.35, 4.0), (0.4, 4.0), (0.45, 4.0), (0.5, 4.0), (0.55, 4.05), bars=Curve((0.5,), (4.01,)))


def test_between_two_bars_the_laxer_holds() -> None:
    assert not lost((0.49, 4.9))
    assert lost((0.5, 4.1))
    assert lost((1.0, 3.6))
    upward = Curve((0.2, 0.5), (1.0, 2.0))
    assert not lost((0.4, 1.1), minimize=False, bars=upward)
    assert lost((0.6, 1.9), minimize=False, bars=upward)


@pytest.mark.parametrize("value", [math.nan, math.inf])
def test_what_is_no_number_promises_nothing_and_is_no_point(value: float) -> None:
    assert lost((0.3, value))
    progress = Progress(None)
    progress.report(0.3, value)
    progress.report(math.nan, 1.0)
    assert progress.curve is None
    assert not progress.lost


def test_a_long_curve_is_thinned() -> None:
    progress = Progress(None)
    for i in range(3 * MAX_POINTS):
        progress.report(i, i)
    progress.report(7, 7)  # time does not go back
    assert progress.curve is not None
    assert len(progress.curve.x) <= MAX_POINTS
    assert progress.curve.x == progress.curve.y
    assert progress.curve.x[-1] == 3 * MAX_POINTS - 1


def outcome_of(status: Status, progress: Progress, score: float | None = None):
    contract = plain_contract()
    return with_progress(check_outcome(Outcome(status=status, score=score, reason="r"), contract, "full"), progress)


def test_who_prunes_must_have_been_told_to() -> None:
    for progress in (Progress(BARS, minimize=True), Progress(BARS, minimize=True, audited=True)):
        if progress.audited:
            progress.report(0.5, 9.0)
        with pytest.raises(OutcomeError, match="although"):
            outcome_of(Status.PRUNED, progress)


def test_the_reason_says_where_it_was_lost_and_an_audited_one_keeps_its_score() -> None:
    progress = Progress(BARS, minimize=True)
    progress.report(0.5, 9.0)
    assert outcome_of(Status.PRUNED, progress).reason == "at 0.50 of the run its learning curve stood at 9, and 4 was asked for"
    progress = Progress(BARS, minimize=True, audited=True)
    progress.report(0.5, 9.0)
    found = outcome_of(Status.OK, progress, score=1.0)
    assert found.score == 1.0
    assert "audited: at 0.50" in found.reason
    assert found.curve is not None
    assert found.curve.y == (9.0,)
