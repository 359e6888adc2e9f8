"""Who stands where: up to ``capacity`` occupants a cell, and a reserve from which a vacant place is filled.

Judgement is in the order of calls: a place is taken only by what is strictly worth more, so ties keep the incumbent.  Of equals in
the reserve the one that was added first is promoted.  Nothing here is random, and an operation costs O(capacity + log of the cell's
own entries), whatever the number of cells.
"""

from __future__ import annotations

import heapq
from collections.abc import Iterator
from dataclasses import dataclass
from enum import IntEnum

_COMPACT_AT = 64  # entries of a bench below which stale ones are not worth looking for


class AddStatus(IntEnum):
    """What an ``add`` or ``update`` did to the archive.  Ordered, and truthy when the archive changed."""

    NOT_ADDED = 0
    IMPROVED = 1
    NEW = 2


@dataclass(frozen=True, slots=True)
class Change:
    """``key`` stands at place ``rank`` of ``cell`` now; None: nobody does.

    The places of a cell are numbered, not sorted: a newcomer takes the place of whoever left, so that one entry is one change.
    """

    cell: int
    slot: int
    key: int | None


@dataclass(frozen=True, slots=True)
class AddResult:
    """What an operation did: its status, and each place whose occupant changed."""

    status: AddStatus
    changes: tuple[Change, ...] = ()

    def __bool__(self) -> bool:
        return bool(self.status)


_UNCHANGED = AddResult(AddStatus.NOT_ADDED)


@dataclass(frozen=True, slots=True)
class CellsState:
    """The whole state as columns: every key ever added and not retracted, in order of arrival.

    ``ranks`` are the places of ``elites`` within their cells; empty where a cell has one place only.
    """

    keys: tuple[int, ...]
    cells: tuple[int, ...]
    values: tuple[float, ...]
    orders: tuple[int, ...]
    occupants: tuple[tuple[int, tuple[int, ...]], ...]
    elites: tuple[int, ...]
    ranks: tuple[int, ...]
    next_order: int


class CellStore:
    """Occupants and bench of numbered cells.

    Args:
        capacity: Most occupants of one cell, >= 1.

    Keys are non-negative integers, unique; a key belongs to one cell for good.  Deterministic; not safe to share between threads.
    """

    def __init__(self, *, capacity: int = 1) -> None:
        if capacity < 1:
            raise ValueError(f"capacity is {capacity} but a cell must hold at least one occupant; pass capacity >= 1.")
        self.capacity = capacity
        self._occupants: dict[int, list[int]] = {}  # best first
        self._reserve: dict[int, list[tuple[float, int, int]]] = {}  # heaps of (-worth, order, key), some entries stale
        self._place: dict[int, tuple[int, float, int]] = {}  # key -> cell, worth, order
        self._elites: list[int] = []  # for O(1) uniform draws
        self._elite_slot: dict[int, int] = {}
        self._rank: dict[int, int] = {}  # of each occupant; empty with one place a cell
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
        """(cell, rank, key) of every occupant, ``rank`` as in ``Change``."""
        for cell, keys in self._occupants.items():
            for key in keys:
                yield cell, self._rank.get(key, 0), key

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

    def value(self, key: int) -> float:
        """What ``key`` is worth.

        Raises:
            KeyError: ``key`` was never added, or was retracted.
        """
        return self._place[key][1]

    def is_known(self, key: int) -> bool:
        """Whether ``key`` was added and not retracted, occupant or not."""
        return key in self._place

    def would_enter(self, cell: int, worth: float) -> bool:
        """Whether something new of this worth would take a place in ``cell`` now."""
        keys = self._occupants.get(cell)
        return keys is None or len(keys) < self.capacity or worth > self._place[keys[-1]][1]

    def add(self, key: int, cell: int, worth: float) -> AddResult:
        """Judge ``key`` against the occupants of ``cell``; the loser goes to the bench.

        Raises:
            KeyError: ``key`` was added before; use ``update``.
            ValueError: ``worth`` is NaN.
        """
        if key in self._place:
            raise KeyError(f"key {key} was added before; expected a new key, or a call of update.")
        if worth != worth:
            raise ValueError(f"key {key} is worth NaN; expected a number.")
        keys = self._occupants.get(cell)
        self._place[key] = (cell, worth, self._next_order)
        self._next_order += 1
        if keys is None:
            self._occupants[cell] = keys = []
            return AddResult(AddStatus.NEW, (self._occupy(key, cell, keys),))
        if len(keys) < self.capacity:
            return AddResult(AddStatus.IMPROVED, (self._occupy(key, cell, keys),))
        if worth > self._place[keys[-1]][1]:
            return AddResult(AddStatus.IMPROVED, (self._swap(keys.pop(), key, cell, keys),))
        self._push_reserve(key)
        return _UNCHANGED

    def update(self, key: int, worth: float) -> AddResult:
        """Judge ``key`` again after its worth changed: it may lose its place to the bench's best, or win one.

        Raises:
            KeyError: ``key`` was never added, or was retracted.
            ValueError: ``worth`` is NaN.
        """
        cell, before, order = self._place[key]
        if worth != worth:
            raise ValueError(f"key {key} is worth NaN; expected a number.")
        if worth == before:
            return _UNCHANGED
        self._place[key] = (cell, worth, order)
        keys = self._occupants[cell]
        if key not in self._elite_slot:  # somebody sits on the bench, so the cell is full
            if worth > self._place[keys[-1]][1]:
                return AddResult(AddStatus.IMPROVED, (self._swap(keys.pop(), key, cell, keys),))
            self._push_reserve(key)
            return _UNCHANGED
        keys.remove(key)
        rival = self._best_reserve(cell)
        if rival is not None and self._place[rival][1] > worth:
            return AddResult(AddStatus.IMPROVED, (self._swap(key, rival, cell, keys),))
        self._insert_sorted(key, keys)
        return _UNCHANGED

    def retract(self, key: int) -> AddResult:
        """Forget ``key``; if it was an occupant, the best of the bench takes the free place.  Unknown keys change nothing."""
        if key not in self._place:
            return _UNCHANGED
        cell = self._place[key][0]
        if key not in self._elite_slot:
            del self._place[key]
            return _UNCHANGED
        keys = self._occupants[cell]
        keys.remove(key)
        rival = self._best_reserve(cell)
        if rival is not None:
            change = self._swap(key, rival, cell, keys)
        else:
            self._remove_elite(key)
            change = Change(cell, self._rank.pop(key, 0), None)
            if not keys:
                del self._occupants[cell]
        del self._place[key]
        return AddResult(AddStatus.IMPROVED, (change,))

    def dump(self) -> CellsState:
        """The state as columns; ``load`` of it behaves the same from here on."""
        places = self._place
        return CellsState(
            keys=tuple(places),
            cells=tuple(place[0] for place in places.values()),
            values=tuple(place[1] for place in places.values()),
            orders=tuple(place[2] for place in places.values()),
            occupants=tuple((cell, tuple(keys)) for cell, keys in self._occupants.items()),
            elites=tuple(self._elites),
            ranks=tuple(self._rank[key] for key in self._elites) if self.capacity > 1 else (),
            next_order=self._next_order,
        )

    @classmethod
    def load(cls, state: CellsState, *, capacity: int) -> CellStore:
        """Rebuild from ``dump``."""
        cells = cls(capacity=capacity)
        cells._place = dict(zip(state.keys, zip(state.cells, state.values, state.orders, strict=True), strict=True))
        cells._occupants = {cell: list(keys) for cell, keys in state.occupants}
        cells._elites = list(state.elites)
        cells._elite_slot = {key: slot for slot, key in enumerate(state.elites)}
        cells._rank = dict(zip(state.elites, state.ranks, strict=True)) if state.ranks else {}
        cells._next_order = state.next_order
        for key in state.keys:
            if key not in cells._elite_slot:
                cells._push_reserve(key)
        return cells

    def _occupy(self, key: int, cell: int, keys: list[int]) -> Change:
        """Take a free place."""
        rank = 0
        if self.capacity > 1:
            taken = {self._rank[other] for other in keys}
            while rank in taken:
                rank += 1
            self._rank[key] = rank
        self._add_elite(key)
        self._insert_sorted(key, keys)
        return Change(cell, rank, key)

    def _swap(self, leaver: int, key: int, cell: int, keys: list[int]) -> Change:
        """``key`` takes the place of ``leaver``, who is not in ``keys`` any more and goes to the bench."""
        rank = 0
        if self.capacity > 1:
            rank = self._rank[key] = self._rank.pop(leaver)
        self._remove_elite(leaver)
        self._push_reserve(leaver)
        self._add_elite(key)
        self._insert_sorted(key, keys)
        return Change(cell, rank, key)

    def _insert_sorted(self, key: int, keys: list[int]) -> None:
        worth = self._place[key][1]
        at = len(keys)
        while at and worth > self._place[keys[at - 1]][1]:
            at -= 1
        keys.insert(at, key)

    def _push_reserve(self, key: int) -> None:
        """Put ``key`` on the bench.  What else is there of it goes stale, and is dropped when met or when the heap has doubled."""
        cell, worth, order = self._place[key]
        bench = self._reserve.setdefault(cell, [])
        heapq.heappush(bench, (-worth, order, key))
        if len(bench) >= _COMPACT_AT and len(bench) & (len(bench) - 1) == 0:
            bench[:] = {entry for entry in bench if self._is_current(entry)}
            heapq.heapify(bench)

    def _is_current(self, entry: tuple[float, int, int]) -> bool:
        worth, order, key = entry
        place = self._place.get(key)
        return place is not None and place[1] == -worth and place[2] == order and key not in self._elite_slot

    def _best_reserve(self, cell: int) -> int | None:
        bench = self._reserve.get(cell)
        while bench:
            if self._is_current(bench[0]):
                return bench[0][2]
            heapq.heappop(bench)
        return None

    def _add_elite(self, key: int) -> None:
        self._elite_slot[key] = len(self._elites)
        self._elites.append(key)

    def _remove_elite(self, key: int) -> None:
        slot = self._elite_slot.pop(key)
        last = self._elites.pop()
        if last != key:
            self._elites[slot] = last
            self._elite_slot[last] = slot
