"""Records for the archive's tests: a hypothesis strategy for every kind, and a small run with a known content."""

from __future__ import annotations

import dataclasses
import types
import typing
from collections.abc import Mapping
from enum import Enum
from pathlib import Path
from typing import Any

from hypothesis import strategies as st

from archive import (
    RECORD_TYPES,
    Arm,
    Attempt,
    BlockClosed,
    BlockEntry,
    BlockStatus,
    Candidate,
    ElitePlaced,
    Event,
    Journal,
    LogEntry,
    Measured,
    MeasureIssued,
    Measurement,
    ProblemInfo,
    ProposalStatus,
    Proposed,
    ProposeIssued,
    Purpose,
    RunClosed,
    RunCreated,
    RunOpened,
    Status,
    TextStore,
    candidate_id,
)

TEXT = st.text(st.characters(codec="utf-8"), max_size=12)
NUMBER = st.floats(allow_nan=False, allow_infinity=False)
WHOLE = st.integers(-(2**63), 2**63 - 1)
EPOCH = "0011223344556677"
PROBLEM = "toy@0123456789ab"
INFO = ProblemInfo(PROBLEM, "toy", "feedc0de", "loss", False, "nats", True, "none", ("tiny", "full"))


def values(hint: Any) -> st.SearchStrategy[Any]:
    """Any value of a record's field type."""
    origin, args = typing.get_origin(hint), typing.get_args(hint)
    if origin in (typing.Union, types.UnionType):
        return st.one_of([values(arg) for arg in args])
    if origin is tuple:
        return st.lists(values(args[0]), max_size=3).map(tuple) if args[-1] is ... else st.tuples(*map(values, args))
    if origin is Mapping:
        return st.dictionaries(values(args[0]), values(args[1]), max_size=3)
    if dataclasses.is_dataclass(hint):
        return made(typing.cast(type, hint))
    if isinstance(hint, type) and issubclass(hint, Enum):
        return st.sampled_from(list(hint))
    return {str: TEXT, float: NUMBER, int: WHOLE, bool: st.booleans(), type(None): st.none()}[hint]


def made(cls: type) -> st.SearchStrategy[Any]:
    """Any instance of a dataclass, fields at their default included."""
    hints = typing.get_type_hints(cls)
    required, optional = {}, {}
    for field in dataclasses.fields(cls):
        has_default = field.default is not dataclasses.MISSING or field.default_factory is not dataclasses.MISSING
        (optional if has_default else required)[field.name] = values(hints[field.name])
    return st.fixed_dictionaries(required, optional=optional).map(lambda found: cls(**found))


def any_record() -> st.SearchStrategy[Any]:
    return st.one_of([made(cls) for cls in RECORD_TYPES])


def event(text: str) -> Event:
    return Event("info", "test", text)


class ToyRun:
    """A journal written as a driver writes it, for readers to read.

    ``scores`` holds what was measured: (candidate, stage) to the list of ok scores.
    """

    def __init__(self, folder: Path, *, name: str = "toy-1", info: ProblemInfo = INFO, segment_bytes: int = 64 << 20) -> None:
        self.folder = folder
        self.journal = Journal.create(folder, segment_bytes=segment_bytes)
        self.texts = TextStore(folder, lambda: self.journal.durable_seq)
        self.ticket = 0
        self.at = 1_000.0
        self.scores: dict[tuple[str, str], list[float]] = {}
        self.stamped: list[LogEntry] = []
        self.info = info
        self.add(RunCreated(name, 7, "{}", (info,), "0.1"))
        self.add(RunOpened(EPOCH, "0.1", machine="box", tier="strict", slots=2))

    def add(self, record: Any) -> LogEntry:
        self.at += 0.5
        self.stamped.append(self.journal.append(record, at=self.at))
        return self.stamped[-1]

    def propose(
        self, files: Mapping[str, str], parents: tuple[str, ...] = (), operator: str = "", summary: str = "", generation: int = 0
    ) -> str:
        """A candidate; the seed where ``operator`` is empty."""
        attempt = self._attempt()
        if operator:
            self.add(ProposeIssued(attempt, self.info.id, Arm(operator), parents))
        name = candidate_id(files)
        text = self.texts.encode(name, files, parents[0] if parents else "")
        child = Candidate(name, "h" + name, text, parents, generation=generation, descriptors={"loops": 1.0}, summary=summary)
        self.add(Proposed(attempt, self.info.id, ProposalStatus.CHILD, child, cpu_s=0.25, usd=0.5))
        assert self.journal.written is not None
        self.texts.locate(name, self.journal.written, text)
        return name

    def measure(
        self,
        candidate: str,
        scores: list[float | None],
        stage: str = "full",
        *,
        failure: Status = Status.CRASH,
        closed: BlockStatus | None = BlockStatus.OK,
        purpose: Purpose = Purpose.SEARCH,
    ) -> None:
        """A block with one entry a score; None is a failure."""
        attempt = self._attempt()
        self.add(MeasureIssued(attempt, self.info.id, purpose, tuple(BlockEntry(candidate, stage, i) for i in range(len(scores)))))
        for i, score in enumerate(scores):
            status = Status.OK if score is not None else failure
            result = Measurement(candidate, stage, i, status, score, metrics={"aux": 0.5}, wall_s=2.0, cpu_s=1.0, scorer_cpu_s=0.5)
            self.add(Measured(attempt, self.info.id, i, purpose, result))
            if score is not None:
                self.scores.setdefault((candidate, stage), []).append(score)
        if closed is not None:
            self.add(BlockClosed(attempt, self.info.id, closed))

    def place(self, cell: int, candidate: str, *, rank: int = 0, space: int = 0) -> None:
        self.add(ElitePlaced(self.info.id, 0, space, cell, rank, candidate, 1.0 if candidate else None, 0.1 if candidate else None))

    def close(self) -> None:
        self.add(RunClosed(EPOCH, "done", "budget"))
        self.journal.close()

    def _attempt(self) -> Attempt:
        self.ticket += 1
        return Attempt(EPOCH, self.ticket - 1)
