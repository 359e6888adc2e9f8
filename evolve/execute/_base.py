"""The executor interface: it runs measure blocks and nothing else.

Executions happen at least once, records exactly once: an executor may report an entry twice (the loop drops what no open attempt
waits for) but never invents one.  Reports are handed to ``sink`` from any thread, entries of a block in order, its ``BlockReport``
last.  An executor makes no decision: it does not retry, reorder or skip except as said here.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from typing import Protocol

from archive import Attempt, BlockEntry, BlockStatus, Hardware, Measurement, Resources
from evolve._errors import EnvironmentFault


@dataclass(frozen=True, slots=True)
class Block:
    """Work for one lease.  ``files`` maps candidate ids to {path: text}."""

    attempt: Attempt
    problem: str
    entries: tuple[BlockEntry, ...]
    files: Mapping[str, Mapping[str, str]]
    needs: Resources = field(default_factory=Resources)


@dataclass(frozen=True, slots=True)
class EntryReport:
    """Entry ``index`` ended.  ``hardware`` is what it was measured on; None where nobody looked."""

    attempt: Attempt
    index: int
    result: Measurement
    hardware: Hardware | None = None


@dataclass(frozen=True, slots=True)
class BlockReport:
    """The block ended; nothing more comes from this attempt.  ``lost`` names the entry that was running when the grader died."""

    attempt: Attempt
    status: BlockStatus
    skipped: tuple[int, ...] = ()
    drift: float | None = None
    reason: str = ""
    lost: int | None = None


class ExecutorLost(EnvironmentFault):
    """What an executor runs on is gone, and it cannot go on."""


Report = EntryReport | BlockReport
Sink = Callable[[Report], None]


class Executor(Protocol):
    """Runs blocks on its slots.  ``submit``, ``cancel`` and ``close`` are called from the main thread only.

    After an entry ends in a failure other than ``evaluator_error``, the later entries of the same candidate in that block are
    skipped.  A grader that dies, or whose sandboxes' helper does, is ``BlockStatus.LOST`` with the running entry named; the
    executor starts another grader and goes on with the next block.  A slot that cannot load a problem tries again for a while:
    where nobody has loaded it yet the entries end as ``evaluator_error``, else the block is lost and no entry named.
    """

    @property
    def slots(self) -> int:
        """Blocks that can run at once.

        Raises:
            ExecutorLost: none ever will.
        """

    @property
    def room(self) -> int:
        """Blocks that ``submit`` will take now without piling up: free slots plus a short queue (one a slot)."""

    @property
    def pending(self) -> int:
        """Blocks submitted whose ``BlockReport`` has not been handed to the sink."""

    def submit(self, block: Block) -> None:
        """Queue a block.  Never waits."""

    def cancel(self, attempt: Attempt) -> None:
        """Give a block up: running entries are killed, its report says ``cancelled``.  Unknown attempts are ignored."""

    def close(self, *, drain: bool) -> None:
        """Stop: with ``drain`` after the blocks in hand, else at once.  Idempotent.  Afterwards no process of ours is left."""
