"""The table of results that a checkout of autoresearch keeps, continued: a row for each candidate, in the columns that it has."""

from __future__ import annotations

import csv
import math
from collections.abc import Mapping
from dataclasses import dataclass

from archive import Status
from evolve._untrusted import clean
from evolve.budget._cpu_budget import INITIAL
from evolve.search.state._state import ProblemState

DEFAULT_COLUMNS = ("commit", "val_bpb", "memory_gb", "status", "description")
KEEP, DISCARD, CRASH = "keep", "discard", "crash"
COMMIT = 7  # characters of an id
_MIB_PER_GB = 1024.0
_DESCRIPTION = 200


@dataclass(frozen=True, slots=True)
class ResultsTable:
    """The table as it was found: ``head`` are its bytes, which stay as they are; rows that follow are in its ``columns``."""

    head: bytes
    columns: tuple[str, ...]
    line_end: bytes

    @classmethod
    def of(cls, head: bytes) -> ResultsTable:
        """Continue this table; where it is empty it begins with the columns of autoresearch."""
        end = b"\r\n" if b"\r\n" in head else b"\n"
        text = head.decode("utf-8-sig", "replace")
        first = next((row for row in csv.reader(text.splitlines(), delimiter="\t", quoting=csv.QUOTE_NONE) if any(row)), [])
        columns = tuple(cell.strip() for cell in first)
        if not columns:
            return cls("\t".join(DEFAULT_COLUMNS).encode() + end, DEFAULT_COLUMNS, end)
        return cls(head if head.endswith((b"\n", b"\r")) else head + end, columns, end)

    def row(self, state: ProblemState, number: int) -> bytes | None:
        """A candidate's row; None while it is not known what became of it, and where the evaluator could not judge it."""
        row = state.population.candidates[number]
        if (not row.credited and number != INITIAL) or row.status in (None, Status.EVALUATOR_ERROR):
            return None
        cells = _cells(state, number)
        return "\t".join(_cell(cells.get(name, "")) for name in self.columns).encode("utf-8", "replace") + self.line_end


def _cells(state: ProblemState, number: int) -> dict[str, str]:
    """What there is to say of a candidate, by the name of a column."""
    population, told, idea = state.population, state.memory.feedback.get(number), state.memory.ideas.get(number)
    stats = population.stats(number)
    score = population.sign * stats.mean if stats is not None else 0.0
    metrics: Mapping[str, float] = told.metrics if told is not None else {}
    memory = metrics.get("peak_vram_mb", told.memory_mib if told is not None else 0.0)
    found = {name: f"{value:.10g}" for name, value in metrics.items() if math.isfinite(value)}
    return found | {
        "commit": population.candidates[number].id[:COMMIT],
        state.contract.metric: f"{score:.6f}",
        "memory_gb": f"{memory / _MIB_PER_GB:.1f}",
        "status": _status(state, number),
        "hypothesis": idea.hypothesis[:_DESCRIPTION] if idea is not None else "",
        "description": state.memory.summaries.get(number, "")[:_DESCRIPTION],
    }


def _status(state: ProblemState, number: int) -> str:
    """``keep`` for the initial program, and for what was better than the best before it by more than its measurements scatter."""
    if state.population.stats(number) is None:
        return CRASH
    return KEEP if number == INITIAL or number in state.memory.bests else DISCARD


def _cell(text: str) -> str:
    return " ".join(clean(text).split())
