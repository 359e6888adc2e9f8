"""Who stands where: up to ``keep`` occupants a cell, and a bench from which a vacant place is filled.

Judgement is in the order of calls: a place is taken only by what is strictly worth more, so ties keep the incumbent.  Nothing
here is random, and every operation is O(log of the cell's own entries), whatever the number of cells.
"""

from __future__ import annotations

import heapq
from collections.abc import Iterable, Iterator
from dataclasses import dataclass
from enum import IntEnum


class AddStatus(IntEnum):
    """What an ``add`` or ``update`` did to the archive.  Ordered, and truthy when the archive changed."""

    NOT_ADDED = 0
    IMPROVED = 1
    NEW = 2


@dataclass(frozen=True, slots=True)
class Change:
    """``key`` stands at ``rank`` of ``cell`` now; None: nobody does."""

    cell: int
    rank: int
    key: int | None


@dataclass(frozen=True, slots=True)
class Added:
    """What an operation did: its status, and each place whose occupant changed."""

    status: AddStatus
    changes: tuple[Change, ...] = ()

    def __bool__(self) -> bool:
        return bool(self.status)


@dataclass(frozen=True, slots=True)
class CellsState:
    """The whole state as columns: every key ever added and not retracted, in order of arrival."""

    keys: tuple[int, ...]
    cells: tuple[int, ...]
    worths: tuple[float, ...]
    orders: tuple[int, ...]
    occupants: tuple[tuple[int, tuple[int, ...]], ...]
    elites: tuple[int, ...]
    next_order: int


class Cells:
    """Occupants and bench of numbered cells.

    Args:
        keep: Most occupants of one cell, >= 1.

    Keys are non-negative integers, unique; a key belongs to one cell for good.
    """

    def __init__(self, *, keep: int = 1) -> None:
        if keep < 1:
            raise ValueError(f"keep is {keep} but a cell must hold at least one occupant; pass keep >= 1.")
        self.keep = keep
        self._occupants: dict[int, list[int]] = {}
        self._bench: dict[int, list[tuple[float, int, int]]] = {}
        self._place: dict[int, tuple[int, float, int]] = {}  # key -> cell, worth, order
        self._elites: list[int] = []  # for O(1) uniform draws
        self._elite_slot: dict[int, int] = {}
        self._next_order = 0

    def __len__(self) -> int:
        """Number of occupants."""
        return len(self._elites)

    def __contains__(self, key: int) -> bool:
        """Whether ``key`` is an occupant."""
        return key in self._elite_slot

    @property
    def n_filled(self) -> int:
        """Number of cells with an occupant."""
        return len(self._occupants)

    @property
    def elites(self) -> list[int]:
        """All occupants, in an order that depends on history alone.  Do not change the list."""
        return self._elites

    def occupants(self, cell: int) -> tuple[int, ...]:
        """Occupants of ``cell``, best first."""
        return tuple(self._occupants.get(cell, ()))

    def items(self) -> Iterator[tuple[int, int, int]]:
        """(cell, rank, key) of every occupant."""
        for cell, keys in self._occupants.items():
            for rank, key in enumerate(keys):
                yield cell, rank, key

    def placed_cells(self) -> Iterator[tuple[int, int]]:
        """(key, cell) of every key that was added and not retracted."""
        for key, place in self._place.items():
            yield key, place[0]

    def cell(self, key: int) -> int:
        """The cell ``key`` was added to.

        Raises:
            KeyError: ``key`` was never added, or was retracted.
        """
        return self._place[key][0]

    def worth(self, key: int) -> float:
        """What ``key`` is worth.

        Raises:
            KeyError: ``key`` was never added, or was retracted.
        """
        return self._place[key][1]

    def knows(self, key: int) -> bool:
        """Whether ``key`` was added and not retracted, occupant or not."""
        return key in self._place

    def would_enter(self, cell: int, worth: float) -> bool:
        """Whether something of this worth would take a place in ``cell`` now."""
        keys = self._occupants.get(cell)
        return keys is None or len(keys) < self.keep or worth > self._place[keys[-1]][1]

    def add(self, key: int, cell: int, worth: float) -> Added:
        """Judge ``key`` against the occupants of ``cell``; the loser goes to the bench.

        Raises:
            KeyError: ``key`` was added before; use ``update``.
        """
        if key in self._place:
            raise KeyError(f"key {key} was added before; expected a new key, or a call of update.")
        self._place[key] = (cell, worth, self._next_order)
        self._next_order += 1
        keys = self._occupants.get(cell)
        if keys is None:
            self._occupants[cell] = [key]
            self._enlist(key)
            return Added(AddStatus.NEW, (Change(cell, 0, key),))
        if len(keys) >= self.keep and worth <= self._place[keys[-1]][1]:
            self._sit(key)
            return Added(AddStatus.NOT_ADDED)
        before = tuple(keys)
        self._seat(key, keys)
        if len(keys) > self.keep:
            self._dismiss(keys.pop())
        return Added(AddStatus.IMPROVED, _changes(cell, before, keys))

    def update(self, key: int, worth: float) -> Added:
        """Judge ``key`` again after its worth changed: it may lose its place to the bench's best, or win one.

        Raises:
            KeyError: ``key`` was never added, or was retracted.
        """
        cell, _, order = self._place[key]
        self._place[key] = (cell, worth, order)
        keys = self._occupants[cell]
        before = tuple(keys)
        if key in self._elite_slot:
            keys.remove(key)
            self._delist(key)
        self._sit(key)
        if len(keys) >= self.keep and worth > self._place[keys[-1]][1]:
            self._dismiss(keys.pop())
        self._fill(cell, keys)
        changes = _changes(cell, before, keys)
        return Added(AddStatus.IMPROVED if changes else AddStatus.NOT_ADDED, changes)

    def retract(self, key: int) -> Added:
        """Forget ``key``; if it was an occupant, the best of the bench takes the free place.  Unknown keys change nothing."""
        if key not in self._place:
            return Added(AddStatus.NOT_ADDED)
        cell = self._place.pop(key)[0]
        if key not in self._elite_slot:
            return Added(AddStatus.NOT_ADDED)
        keys = self._occupants[cell]
        before = tuple(keys)
        keys.remove(key)
        self._delist(key)
        self._fill(cell, keys)
        if not keys:
            del self._occupants[cell]
        return Added(AddStatus.IMPROVED, _changes(cell, before, keys))

    def dump(self) -> CellsState:
        """The state as columns; ``load`` of it behaves the same from here on."""
        places = self._place
        return CellsState(
            keys=tuple(places),
            cells=tuple(place[0] for place in places.values()),
            worths=tuple(place[1] for place in places.values()),
            orders=tuple(place[2] for place in places.values()),
            occupants=tuple((cell, tuple(keys)) for cell, keys in self._occupants.items()),
            elites=tuple(self._elites),
            next_order=self._next_order,
        )

    @classmethod
    def load(cls, state: CellsState, *, keep: int) -> Cells:
        """Rebuild from ``dump``."""
        cells = cls(keep=keep)
        cells._place = dict(zip(state.keys, zip(state.cells, state.worths, state.orders, strict=True), strict=True))
        cells._occupants = {cell: list(keys) for cell, keys in state.occupants}
        cells._elites = list(state.elites)
        cells._elite_slot = {key: slot for slot, key in enumerate(state.elites)}
        cells._next_order = state.next_order
        for key in state.keys:
            if key not in cells._elite_slot:
                cells._sit(key)
        return cells

    def _seat(self, key: int, keys: list[int]) -> None:
        worth = self._place[key][1]
        rank = len(keys)
        while rank and worth > self._place[keys[rank - 1]][1]:
            rank -= 1
        keys.insert(rank, key)
        self._enlist(key)

    def _sit(self, key: int) -> None:
        # Entries of the bench go stale when a key moves or is retracted; _fill recognises them by a worth that no longer holds.
        cell, worth, order = self._place[key]
        heapq.heappush(self._bench.setdefault(cell, []), (-worth, order, key))

    def _fill(self, cell: int, keys: list[int]) -> None:
        bench = self._bench.get(cell)
        while bench and len(keys) < self.keep:
            worth, _, key = heapq.heappop(bench)
            place = self._place.get(key)
            if place is not None and -worth == place[1] and key not in self._elite_slot:
                self._seat(key, keys)

    def _enlist(self, key: int) -> None:
        self._elite_slot[key] = len(self._elites)
        self._elites.append(key)

    def _delist(self, key: int) -> None:
        slot = self._elite_slot.pop(key)
        last = self._elites.pop()
        if last != key:
            self._elites[slot] = last
            self._elite_slot[last] = slot

    def _dismiss(self, key: int) -> None:
        self._delist(key)
        self._sit(key)


def _changes(cell: int, before: Iterable[int], after: Iterable[int]) -> tuple[Change, ...]:
    old, new = list(before), list(after)
    return tuple(
        Change(cell, rank, new[rank] if rank < len(new) else None)
        for rank in range(max(len(old), len(new)))
        if rank >= len(old) or rank >= len(new) or old[rank] != new[rank]
    )
