"""A block in hand: where it is, and how far it has come."""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import TYPE_CHECKING

from archive import Attempt
from evolve.execute._base import Block

if TYPE_CHECKING:
    from evolve.execute.cluster._seat import Seat

Turn = tuple[Attempt, int]  # an attempt, and how often it had been handed to an actor


@dataclass(slots=True, eq=False)
class Work:
    """A block in hand.

    ``next`` is the first entry that was not reported, ``failed`` are candidates whose later entries are skipped.  ``has_begun``
    where nothing is before it on its seat; ``is_recalled`` once its actor was asked whether it may be had back from there.
    """

    block: Block
    seat: Seat | None = None
    hands: int = 0
    has_begun: bool = False
    is_recalled: bool = False
    is_cancelled: bool = False
    next: int = 0
    failed: set[str] = field(default_factory=set)

    @property
    def attempt(self) -> Attempt:
        return self.block.attempt

    @property
    def turn(self) -> Turn:
        return self.attempt, self.hands

    @property
    def candidates(self) -> set[str]:
        return {entry.candidate for entry in self.block.entries}

    @property
    def running(self) -> int | None:
        """The entry whose report is to come; None where all have."""
        entries = self.block.entries
        return next((i for i in range(self.next, len(entries)) if entries[i].candidate not in self.failed), None)
