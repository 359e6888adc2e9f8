"""What an adapter is, and what it leaves to say."""

from __future__ import annotations

from collections.abc import Iterable
from pathlib import Path
from typing import Protocol

NOTES_FILE = "README.adapter"  # in a converted folder; like every README* it decides no score


class Adapter(Protocol):
    """Reads one form of problem.  Neither method imports or runs anything of what lies at ``path``.

    ``name`` is what ``problem=NAME:PATH`` chooses it by; of a package's adapter also the name of its entry point.  An adapter may
    have ``asks``, names of params that decide what it makes: ``convert`` gets those that were chosen, as keywords.
    """

    name: str

    def detect(self, path: Path) -> float:
        """How sure it is that ``path``, a file or a folder, is a problem of its form: 0 (not at all) to 1.  Cheap: a few looks."""

    def convert(self, path: Path, into: Path) -> Path:
        """Write a problem folder (``problem.yaml``, ``evaluate.py``, ``initial/``, ...) into the empty folder ``into``; where it
        lies.

        It needs nothing outside itself: a run keeps a copy of it and goes on when ``path`` is gone.  What was not understood or
        not taken over is left by ``write_notes``.

        Raises:
            ProblemError: it cannot be done; the message says what was expected, what was found, and what to type.
        """


def write_notes(folder: Path, notes: Iterable[str]) -> None:
    """Leave what the user should know of a conversion, a sentence each: ``run`` and ``validate`` show it."""
    (folder / NOTES_FILE).write_text("".join(f"{' '.join(note.split())}\n" for note in notes), encoding="utf-8")


def notes_of(folder: Path) -> tuple[str, ...]:
    """What a conversion left to say; nothing of a folder that is no converted one."""
    try:
        return tuple((folder / NOTES_FILE).read_text(encoding="utf-8").splitlines())
    except (OSError, UnicodeDecodeError):
        return ()
