"""A run opened for reading."""

from __future__ import annotations

import sys
from functools import cache

from evolve.engine.registry._registry import parts_of, stand_in_words
from evolve.views._run_view import RunView, named_view, views_of


def view_run(path: str, problem: str = "", candidate: str = "") -> RunView:
    """The run in this folder as its journal has it now: of several problems that of this name, or the one that has this candidate.

    Raises:
        RunError: as ``view_all``; or it has several problems and it is not certain which is meant.
    """
    return named_view(view_all(path), problem, candidate)


def view_all(path: str) -> tuple[RunView, ...]:
    """The run in this folder as its journal has it now, once for each of its problems.  Nothing is locked or written; what a
    reader must know of parts that are not installed any more is said on stderr.

    Raises:
        RunError: no run in that folder, or one that was killed before its first record.
        ArchiveError: a damaged or foreign journal.
    """
    views = views_of(path, parts_of)
    if missing := stand_in_words(views[0].config):
        _say_once(missing)
    return views


@cache
def _say_once(words: str) -> None:
    """Say it on stderr; who waits for something opens the run again and again."""
    sys.stderr.write(f"{words}\n")
