"""A run opened for reading."""

from __future__ import annotations

import sys
from functools import cache

from evolve.engine.registry._registry import parts_of, stand_in_words
from evolve.views._run_view import RunView, view_of


def view_run(path: str) -> RunView:
    """The run in this folder as its journal has it now.  Nothing is locked or written; what a reader must know of parts that are
    not installed any more is said on stderr.

    Raises:
        RunError: no run in that folder, or one that was killed before its first record.
        ArchiveError: a damaged or foreign journal.
    """
    view = view_of(path, parts_of)
    if missing := stand_in_words(view.config):
        _say_once(missing)
    return view


@cache
def _say_once(words: str) -> None:
    """Say it on stderr; who waits for something opens the run again and again."""
    sys.stderr.write(f"{words}\n")
