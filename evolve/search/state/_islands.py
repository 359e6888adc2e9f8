"""Islands: archives side by side, and who stands in which.

A candidate stands where it was bred, its home, and as a guest wherever a copy of it was sent.  Of an island that was reset everyone
has left: they stay known, and breed no more unless they are guests elsewhere.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence

from archive import Archive, Axis, Change

Place = tuple[int, int, int]  # island, cell, rank
Changes = list[tuple[int, Change]]  # with the island


class Islands:
    """The archives, one an island, with the candidates as keys.  ``home`` is a candidate's own island and its cell there."""

    def __init__(self, archives: Sequence[Archive]) -> None:
        self.archives = list(archives)
        self.guests: dict[int, tuple[tuple[int, int], ...]] = {}  # island and cell of each copy
        self.left: set[int] = set()  # whose home was reset
        self.migrated_at = 0  # children whose worth was known when elites were last sent on
        self.reset_at = 0  # likewise when islands were last reset

    @property
    def elites(self) -> list[int]:
        """Occupants of the archives, each once."""
        first, *others = self.archives
        if not others:
            return first.cells.elites
        return list(dict.fromkeys(number for archive in self.archives for number in archive.cells.elites))

    def stands(self, number: int, home: tuple[int, int]) -> tuple[tuple[int, int], ...]:
        """Where a candidate stands or would: island and cell, its home first."""
        guest = self.guests.get(number, ())
        return guest if number in self.left else (home, *guest)

    def judge(self, number: int, home: tuple[int, int], mean: float, sd: float) -> Changes:
        """It is worth this now, wherever it stands."""
        return [
            (island, change)
            for island, cell in self.stands(number, home)
            for change in self.archives[island].add_or_update(number, cell, mean, sd).changes
        ]

    def forget(self, number: int, home: tuple[int, int]) -> Changes:
        """It failed, or was retracted: it stands nowhere any more."""
        stands = self.stands(number, home)
        self.guests.pop(number, None)
        return [(island, change) for island, _ in stands for change in self.archives[island].retract(number).changes]

    def leave_home(self, number: int) -> None:
        """It is about to lose its place at home for good: where it is a guest it stays."""
        if self.guests.get(number):
            self.left.add(number)

    def invite(self, number: int, island: int, descriptors: Mapping[str, float], mean: float, sd: float) -> Changes:
        """A copy of it is sent to an island on which it does not stand."""
        archive = self.archives[island]
        cell = archive.cell_of(descriptors)
        self.guests[number] = (*self.guests.get(number, ()), (island, cell))
        return [(island, change) for change in archive.add_or_update(number, cell, mean, sd).changes]

    def reset(self, island: int) -> Changes:
        """Everyone leaves an island."""
        archive = self.archives[island]
        known = [number for number, _ in archive.cells.placed_cells()]
        found: Changes = []
        for number in sorted(known, key=archive.cells.__contains__):  # the bench first: nobody is to be promoted meanwhile
            found += [(island, change) for change in archive.retract(number).changes]
            guest = self.guests.pop(number, ())
            if all(where != island for where, _ in guest):
                self.left.add(number)  # it was at home
            if kept := tuple(one for one in guest if one[0] != island):
                self.guests[number] = kept
        return found

    def is_known(self, number: int, island: int) -> bool:
        """Whether it stands on an island, an elite or not."""
        return self.archives[island].cells.is_known(number)

    def places(self) -> dict[Place, int]:
        """Who stands where."""
        return {
            (island, cell, rank): number
            for island, archive in enumerate(self.archives)
            for cell, rank, number in archive.cells.items()
        }

    def rebin(self, axes: Sequence[Axis], descriptors_of: Callable[[int], Mapping[str, float]]) -> dict[int, int]:
        """All candidates judged again on other axes; the cells of those who stand at home."""
        self.archives = [one.rebin(axes, descriptors_of) for one in self.archives]
        self.guests = {
            number: tuple((one, self.archives[one].cells.cell(number)) for one, _ in stands if self.is_known(number, one))
            for number, stands in self.guests.items()
        }
        return {
            number: cell
            for island, archive in enumerate(self.archives)
            for number, cell in archive.cells.placed_cells()
            if all(where != island for where, _ in self.guests.get(number, ()))
        }
