"""The descriptors' ranges in force, and how many candidates stand beyond them."""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence

from archive import Axis


class Ranges:
    """Counts over all candidates that have a cell, also those that hold no place in it."""

    def __init__(self, axes: Sequence[Axis]) -> None:
        self.axes = tuple(axes)
        self.n_placed = 0
        self.beyond: dict[str, int] = {}  # candidates, by axis; none where it has no entry
        self.by_hand: set[str] = set()  # axes that somebody gave a range

    def on_placed(self, descriptors: Mapping[str, float]) -> None:
        """A candidate was given a cell."""
        self.n_placed += 1
        for axis in self.axes:
            if not axis.low <= descriptors.get(axis.name, axis.low) <= axis.high:
                self.beyond[axis.name] = self.beyond.get(axis.name, 0) + 1

    def on_rebinned(self, axes: Sequence[Axis], placed: Iterable[Mapping[str, float]]) -> None:
        """Other axes are in force, and these are the descriptors of all that have a cell."""
        self.axes, self.n_placed, self.beyond = tuple(axes), 0, {}
        for descriptors in placed:
            self.on_placed(descriptors)
