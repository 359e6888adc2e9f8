"""Who takes which block: what stands in the line of a seat, and what becomes of it when an actor dies."""

from __future__ import annotations

from dataclasses import dataclass, field
from types import SimpleNamespace
from typing import Any

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from archive import Attempt, BlockEntry, Resources
from evolve.execute import Block
from evolve.execute.cluster import _fleet
from evolve.execute.cluster._capacity import Node, SlotNeeds
from evolve.execute.cluster._fleet import Fleet
from evolve.execute.cluster._host import HostFacts
from evolve.execute.cluster._work import Work


@dataclass(eq=False)
class ASeat:
    """A seat whose actor is awake."""

    number: int
    machine: str = "here"
    is_awake: bool = True
    is_leaving: bool = False
    is_gone: bool = False
    line: list[Work] = field(default_factory=list)
    node: str = "n"

    @property
    def is_busy(self) -> bool:
        return bool(self.line)

    @property
    def facts(self) -> HostFacts:
        return HostFacts(machine=self.machine, node=self.node, pid=self.number)

    def kill(self) -> None:
        self.is_gone, self.is_awake = True, False

    def doubt(self) -> None:
        self.is_awake = False


def fleet_of(*machines: str) -> tuple[Fleet, list[Any]]:
    connection: Any = SimpleNamespace(ray=None)
    fleet = Fleet(connection, SlotNeeds(), None, (None, ()), lambda: None)
    seats: list[Any] = [ASeat(number, machine) for number, machine in enumerate(machines)]
    fleet._seats = {seat.number: seat for seat in seats}
    for seat in seats:
        fleet._note(seat)
    return fleet, seats


def work(ticket: int, *candidates: str, **needs: Any) -> Work:
    entries = tuple(BlockEntry(one, "full", 0) for one in candidates or (f"c{ticket}",))
    return Work(Block(Attempt("e", ticket), "p", entries, {}, Resources(**needs)))


def test_one_block_waits_behind_each_and_whoever_began_first_is_next() -> None:
    fleet, seats = fleet_of("here", "here")
    taken = [fleet.take(work(i), set()) for i in range(5)]
    assert taken == [seats[0], seats[1], seats[0], seats[1], None]
    assert (fleet.n_idle, fleet.n_behind) == (0, 2)
    first, second = seats[0].line
    assert (first.has_begun, second.has_begun) == (True, False)
    fleet.give(first)
    assert second.has_begun
    assert fleet.take(work(5), set()) is seats[0]


def test_whose_line_an_actor_died_in_stands_alone_from_then_on() -> None:
    fleet, (seat,) = fleet_of("here")
    first, second = work(0, "a"), work(1, "b")
    fleet.take(first, set())
    fleet.take(second, set())
    fleet.lose(first)
    fleet.lose(second)
    assert fleet.take(work(2, "a"), set()) is seat
    assert fleet.take(work(3, "c"), set()) is None, "nothing waits behind a suspect"
    fleet.give(seat.line[0])
    assert fleet.take(work(4, "c"), set()) is seat
    assert fleet.take(work(5, "b"), set()) is None, "a suspect waits behind nothing"
    fleet.clear(first)
    fleet.clear(second)
    assert fleet.take(work(6, "b"), set()) is seat


def test_who_died_alone_is_no_suspect() -> None:
    """The entry that ran is named then, and there is nothing to find out."""
    fleet, (seat,) = fleet_of("here")
    only = work(0, "a")
    fleet.take(only, set())
    fleet.lose(only)
    fleet.take(work(1, "a"), set())
    assert fleet.take(work(2, "b"), set()) is seat


def test_what_waits_is_had_back_for_a_seat_that_is_idle_or_from_one_that_leaves() -> None:
    fleet, _seats = fleet_of("here", "here")
    works = [work(i) for i in range(4)]
    for one in works:
        fleet.take(one, set())
    assert fleet.waiting() is None
    fleet.give(works[1])
    fleet.give(works[3])
    assert fleet.waiting() is works[2]
    works[2].is_recalled = True
    assert fleet.waiting() is None, "it is asked for once"
    fleet.take(work(4), set())
    works[2].is_recalled = False
    fleet.refresh([Node("n", "host", draining=True)])
    assert fleet.waiting() is works[2]


def test_a_block_that_asks_for_another_place_gets_another_machine_where_there_is_one() -> None:
    fleet, seats = fleet_of("here", "here", "there")
    first = work(0, "a")
    assert fleet.take(first, set()) is seats[0]
    fleet.give(first)
    again = work(1, "a", elsewhere=True)
    assert fleet.take(again, set()) is seats[2]
    fleet.take(work(2), set()), fleet.take(work(3), set())
    assert fleet.take(work(4, "a", elsewhere=True), set()) is None, "it waits for a seat that is free, never in a line"
    one_machine, (left, right) = fleet_of("here", "here")
    for expected in (left, right, left):
        it = work(5, "a", elsewhere=True)
        assert one_machine.take(it, set()) is expected
        one_machine.give(it)


def test_an_exclusive_block_has_nothing_behind_it() -> None:
    fleet, seats = fleet_of("here", "here")
    assert fleet.take(work(0, exclusive=True), set()) is seats[0]
    assert fleet.take(work(1), set()) is None


@pytest.mark.parametrize("machine", ["here", "there"])
def test_a_block_for_one_machine_stands_in_its_lines_alone(machine: str) -> None:
    fleet, _ = fleet_of("here", "there")
    for i in range(2):
        seat = fleet.take(work(i, machine=machine), set())
        assert seat is not None
        assert seat.machine == machine
    assert fleet.take(work(2, machine=machine), set()) is None


@settings(max_examples=60, deadline=None)
@given(st.lists(st.tuples(st.sampled_from(["take", "give", "lose"]), st.integers(0, 7)), max_size=60))
def test_each_block_stands_in_one_line_and_what_is_counted_is_there(steps: list[tuple[str, int]]) -> None:
    fleet, seats = fleet_of("here", "here", "there")
    standing: list[Work] = []
    for ticket, (step, number) in enumerate(steps):
        if step == "take":
            one = work(ticket, f"c{number}")
            if fleet.take(one, set()) is not None:
                standing.append(one)
        elif standing:
            seat: Any = standing[number % len(standing)].seat
            gone = seat.line[:1] if step == "give" else list(seat.line)
            for one in gone:
                standing.remove(one)
                fleet.give(one) if step == "give" else fleet.lose(one)
        lines = [seat.line for seat in seats]
        assert sorted(id(one) for line in lines for one in line) == sorted(id(one) for one in standing)
        assert max(map(len, lines)) <= 2
        assert all(one.seat is seat for seat in seats for one in seat.line)
        assert (fleet.n_idle, fleet.n_behind) == (sum(not line for line in lines), sum(len(line) > 1 for line in lines))
        assert all([one.has_begun for one in line] == [True, False][: len(line)] for line in lines)


def test_an_actor_that_dies_in_an_exclusive_block_frees_its_machine() -> None:
    fleet, _seats = fleet_of("here", "here")
    alone = work(0, exclusive=True)
    assert fleet.take(alone, set()) is not None
    assert fleet.take(work(1), set()) is None
    fleet.lose(alone)
    assert fleet.take(work(2), set()) is not None


def test_an_exclusive_block_for_one_machine_gets_that_one_and_none_that_leaves() -> None:
    fleet, seats = fleet_of("here", "there")
    assert fleet.take(work(0, exclusive=True, machine="there"), set()) is seats[1]
    fleet, seats = fleet_of("here", "there")
    seats[0].is_leaving = True
    fleet._note(seats[0])
    assert fleet.take(work(0, exclusive=True), set()) is seats[1]


def test_a_node_that_was_drained_and_is_not_any_more_serves_again() -> None:
    fleet, (seat,) = fleet_of("here")
    only = work(0)
    fleet.take(only, set())
    fleet.refresh([Node("n", "host", draining=True)])
    assert seat.is_leaving
    fleet.refresh([Node("n", "host")])
    fleet.give(only)
    assert fleet.take(work(1), set()) is seat


def test_a_node_that_did_not_fit_is_looked_at_again_and_later_each_time(monkeypatch: pytest.MonkeyPatch) -> None:
    clock = [1000.0]
    monkeypatch.setattr(_fleet.time, "monotonic", lambda: clock[0])
    fleet, _ = fleet_of()
    for length_s in (15.0, 30.0, 60.0):
        fleet._note_fault("n", "no sandbox")
        assert fleet._now_barred == ["n"]
        clock[0] += length_s - 1
        fleet._look_again(0)
        assert fleet._now_barred == ["n"]
        clock[0] += 2
        fleet._look_again(0)
        assert fleet._now_barred == []
        assert fleet.unfit == {"n": "no sandbox"}, "until it is known to be well"


def test_nodes_that_take_no_part_are_told_by_name_until_they_are_gone() -> None:
    fleet, (one, two) = fleet_of("box", "pod")
    one.node, two.node = "a" * 8, "b" * 8
    both = [Node("a" * 8, "box"), Node("b" * 8, "pod")]
    fleet.refresh(both)
    fleet._note_fault("a" * 8, "no sandbox")
    assert fleet.troubles() == {"a" * 8: "box: no sandbox"}
    assert fleet.name_of(two) == "pod"
    fleet.refresh([*both, Node("c" * 8, "box")])
    assert fleet.troubles() == {"a" * 8: "box aaaaaa: no sandbox"}
    assert fleet.name_of(one) == "box aaaaaa"
    fleet.refresh([Node("a" * 8, "box", alive=False), *both[1:]])
    assert fleet.troubles() == {}


@pytest.mark.parametrize(
    ("told", "cause"),
    [
        ("\x1b[36mray::Door\x1b[39m (pid=1)\n  File x\n    ^^^^\nImportError: no x\n", "ImportError: no x"),
        ("The actor died before it finished.\n\tclass_name: Door\n\tactor_id: 1", "The actor died before it finished."),
        ("", ""),
    ],
)  # fmt: skip
def test_of_what_ray_tells_the_error_is_kept(told: str, cause: str) -> None:
    assert _fleet._cause(told) == cause


@pytest.mark.parametrize(("n_unplaced", "left"), [(-1, [0, 1, 2]), (0, [0, 1, 2]), (1, [0, 1]), (9, [0])])
def test_only_actors_that_found_no_place_are_asked_for_anew(n_unplaced: int, left: list[int]) -> None:
    """The others may be starting: reading data may take an hour."""
    fleet, seats = fleet_of("here", "", "")
    for seat in seats[1:]:
        seat.node = ""
    fleet._barred = {"n": (1e-9, 15.0)}
    fleet._look_again(n_unplaced)
    assert list(fleet._seats) == left
