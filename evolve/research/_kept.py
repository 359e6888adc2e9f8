"""Results of an ablation that is under way, in a file: who goes on with it measures nothing twice.

``measured.part`` holds a line that says what is measured, and one for each result.  When all of it is there it becomes
``measured.jsonl``.  Only what nobody has looked at is gone on with: seeds that are added because of what others said would be no
fair sample.
"""

from __future__ import annotations

import fcntl
import json
import os
from collections.abc import Iterator, Sequence
from contextlib import contextmanager, suppress
from dataclasses import dataclass, field, replace
from pathlib import Path
from typing import TextIO

from archive import Measurement, decode_value, encode_value
from evolve._errors import UsageError

PART, WHOLE = "measured.part", "measured.jsonl"


@dataclass(frozen=True, slots=True)
class Asked:
    """What is measured: by which evaluator, which programs, on which seeds."""

    problem: str
    evaluator: str
    programs: tuple[str, ...]
    seeds: tuple[int, ...]


@dataclass(slots=True)
class Kept:
    """``asked`` is what an earlier process began, if it is the same but for the seeds, else what was asked; ``results`` are its."""

    asked: Asked
    file: TextIO
    results: list[Measurement] = field(default_factory=list)

    def add(self, result: Measurement) -> None:
        """Keep a result."""
        self.results.append(result)
        self._write(encode_value(replace(result, artifacts={}, feedback="")))

    def _write(self, value: object) -> None:
        self.file.write(json.dumps(value) + "\n")
        self.file.flush()


@contextmanager
def kept(folder: Path, asked: Asked) -> Iterator[Kept]:
    """Results in this folder, to go on with or to begin.

    Raises:
        UsageError: another process measures there.
    """
    file = os.fdopen(os.open(folder / PART, os.O_RDWR | os.O_CREAT | os.O_CLOEXEC, 0o644), "r+", encoding="utf-8")
    with file:
        try:
            fcntl.flock(file, fcntl.LOCK_EX | fcntl.LOCK_NB)
        except BlockingIOError:
            raise UsageError(f"another ablation is measuring in {folder}; wait for it, or name another place: --out DIR") from None
        begun, results = _read(file.read().splitlines())
        same = begun is not None and replace(begun, seeds=()) == replace(asked, seeds=()) and len(begun.seeds) >= len(asked.seeds)
        found = Kept(replace(begun, seeds=begun.seeds[: len(asked.seeds)]) if same and begun is not None else asked, file)
        file.seek(0)
        file.truncate()
        found._write(encode_value(found.asked))
        for one in results if same else ():
            found.add(one)
        yield found


def finish(folder: Path) -> None:
    """All of it is measured."""
    with suppress(FileNotFoundError):
        os.replace(folder / PART, folder / WHOLE)


def _read(lines: Sequence[str]) -> tuple[Asked | None, list[Measurement]]:
    """What a file holds; a last line that was not finished is left out."""
    asked, results = None, []
    with suppress(ValueError, KeyError, TypeError):
        for number, line in enumerate(lines):
            if number == 0:
                asked = decode_value(Asked, json.loads(line))
            else:
                results.append(decode_value(Measurement, json.loads(line)))
    return asked, results
