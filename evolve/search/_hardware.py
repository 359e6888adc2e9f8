"""Scores that hang on the speed of machines are compared with those of the same hardware alone."""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import replace

from archive import Hardware, Measured, Measurement, Status
from evolve.search.state._state import ProblemState


def of_one_class(state: ProblemState, result: Measurement) -> Measurement:
    """The result; as one that could not be judged where it was made on other hardware than the stage's results so far.

    An executor keeps to one class by itself: this holds whatever an executor does.
    """
    expected = state.hardware.get(result.stage, "")
    if not expected or result.hardware in ("", expected):
        return result
    known = state.run.hardware
    reason = (
        f"measured on {known.get(result.hardware, result.hardware)}, expected {known.get(expected, expected)}: scores of "
        f"{state.contract.name} hang on speed, and those of different hardware are never compared"
    )
    return replace(result, status=Status.EVALUATOR_ERROR, score=None, reason=reason)


def on_measured(state: ProblemState, record: Measured) -> None:
    """The first hardware of a stage is that of all its results."""
    result = record.result
    if state.contract.depends_on_speed and result.hardware and result.status is not Status.EVALUATOR_ERROR:
        state.hardware.setdefault(result.stage, result.hardware)


def measured_on(states: Iterable[ProblemState]) -> Hardware | None:
    """What the scores of a run that hang on speed were measured on, with a card where one had a part in it; None where there are
    none yet."""
    known = [state.run.hardware[one] for state in states for one in state.hardware.values()]
    return max(known, key=lambda one: bool(one.card), default=None)
