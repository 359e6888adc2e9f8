"""The reduced program as a candidate of the run, by way of a ticket: the way that every child of people and agents takes."""

from __future__ import annotations

import shlex
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path

from evolve._counted import counted
from evolve._errors import EvolveError
from evolve.engine.requests._asking import ask
from evolve.engine.requests._telling import Told, tell
from evolve.research._map import Reduced, some_of
from evolve.views._run_view import RunView


@dataclass(frozen=True, slots=True)
class Proposed:
    """What became of it.  ``candidate`` is its id in the run, whoever made it; "" where the run took none: then ``why`` says so.
    ``next`` is what to type."""

    candidate: str
    why: str
    next: str


def propose(path: str, view: RunView, champion: str, reduced: Reduced, folder: Path) -> Proposed | None:
    """Hand in the reduced program, which lies in ``folder``, if nothing speaks against it.

    Whether it is an improvement the run finds out: nothing here is evidence for it.
    """
    if not reduced.may_be_proposed:
        return None
    name = view.problem.contract.name if view.several else ""
    parent = view.texts.files(champion)
    if not parent.keys() <= reduced.files.keys():  # a ticket's files go on top of the parent's
        champion, parent = view.id_of(0), view.texts.files(view.id_of(0))
    try:
        ticket = ask(path, parent=champion, problem=name)
        told = tell(path, ticket.number, _changed(parent, reduced.files), _words(reduced))
    except EvolveError as error:  # the run has no room for a child, or somebody else has its lock
        run, place = shlex.quote(path), shlex.quote(str(folder))
        ask_for = f"evolve ask {view.quote(f'--parent {champion}')}"
        return Proposed("", str(error), f"{ask_for}; then evolve tell {run} TICKET --dir {place}")
    return _proposed(told, path, folder)


def _changed(parent: Mapping[str, str], files: Mapping[str, str]) -> dict[str, str]:
    return {path: text for path, text in files.items() if parent.get(path) != text}


def _words(reduced: Reduced) -> dict[str, str]:
    n = counted(len(reduced.left_out), "change")
    return {
        "summary": f"ablate: without {n} not shown to help ({some_of(reduced.left_out)})",
        "hypothesis": "what these changes do cannot be told from nothing",
    }


def _proposed(told: Told, path: str, folder: Path) -> Proposed:
    if told.candidate is None:
        ticket, place = told.ticket, shlex.quote(str(folder))
        return Proposed("", told.reason, f"evolve tell {shlex.quote(path)} {ticket} --dir {place}")
    fate = told.fate.words if told.fate is not None else ""
    known = "" if told.status == "accepted" else f"the run knows it already: {told.reason}"
    what = told.candidate if told.result is not None else f"{told.candidate} --wait"
    return Proposed(told.candidate, known or fate, f"evolve result {shlex.quote(path)} {what}")
