"""Limits that somebody asks for, held against what is spent."""

from __future__ import annotations

import shlex
from collections.abc import Mapping, Sequence
from dataclasses import replace
from typing import Any, cast

from evolve._errors import UsageError
from evolve.search._stopping import only_models
from evolve.search.state._state import ProblemState, RunState
from evolve.views._outlook import raising, spent_of, used
from evolve.views._run_view import RunView

_OF_MODELS = ("usd", "tokens", "calls")


def need_room(states: Sequence[ProblemState], changes: Mapping[str, object], now: float, run: str = "RUN") -> None:
    """Find out that limits which change leave something to be done at Unix time ``now``.

    A limit below what is spent leaves nothing, and one equal to it neither, but where something goes on under it: without models
    where others than models make children; the measuring of what is counted already, of children that wait and of measurements
    that were handed out.  A limit that stays as it is is never refused: a script may say the same again.

    Raises:
        UsageError: what is spent, what was asked for, and what to type.
    """
    if len(states) > 1:
        _need_more(states[0].run, changes, now, run)
        return
    (state,) = states
    asked = {key: value for key, value in changes.items() if value is not None and value != getattr(state.run.budget, key, None)}
    found = {
        key: spent
        for key, (spent, _) in used(state, now).items()
        if key in asked and _leaves_nothing(state, key, asked[key], spent)
    }
    if not found:
        return
    said = ", and ".join(f"budget.{key} above the {spent:.6g} that are spent, found {asked[key]}" for key, spent in found.items())
    limits = cast("dict[str, Any]", {key: asked[key] for key in used(state, now) if key in asked})
    as_if = replace(state, run=replace(state.run, budget=replace(state.run.budget, **limits)))
    raise UsageError(f"expected {said}; type: {raising(as_if, now, run, *(f'budget.{key}' for key in found))}")


def need_room_in(view: RunView, changes: Mapping[str, object]) -> None:
    """The same for a run that is opened for reading.  Raises as ``need_room``."""
    need_room((view.state, *view.state.others), changes, view.now, str(view.run.path))


def _need_more(run: RunState, changes: Mapping[str, object], now: float, path: str) -> None:
    """Of a run of several problems: no limit that changes may be below what all of them have spent."""
    for key, limit in changes.items():
        spent = spent_of(run, now).get(key, 0.0)
        if isinstance(limit, int | float) and limit <= spent and limit != getattr(run.budget, key, None):
            more = f"evolve resume {shlex.quote(path)} budget.{key}={max(2 * spent, 1):.0f}"
            raise UsageError(f"expected budget.{key} above the {spent:.6g} that are spent, found {limit}; type: {more}")


def _leaves_nothing(state: ProblemState, key: str, limit: object, spent: float) -> bool:
    if not isinstance(limit, int | float) or limit > spent:
        return False
    handed_out = bool(state.run.tickets.blocks)
    counted = {"evaluations": handed_out, "candidates": handed_out or bool(state.population.queue)}
    goes_on = counted.get(key, key in _OF_MODELS and not only_models(state))
    return limit < spent or not goes_on
