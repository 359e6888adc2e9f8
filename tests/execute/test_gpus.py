"""Leases on GPUs, as pure bookkeeping: what may stand beside what, and that nobody waits for ever."""

from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st

from archive import Resources
from evolve.execute._gpus import Leases, measure, next_in_line

AMOUNTS = st.sampled_from([0.0, 0.0, 0.1, 0.25, 1 / 3, 0.5, 1.0, 1.0, 2.0, 3.0])
NEEDS = st.builds(Resources, gpus=AMOUNTS, exclusive=st.sampled_from([False, False, False, True]))


def test_what_is_timed_takes_a_whole_device() -> None:
    assert measure(Resources()) == (0, 1.0)
    assert measure(Resources(gpus=0.25)) == (1, 0.25)
    assert measure(Resources(gpus=0.25, exclusive=True)) == (1, 1.0)
    assert measure(Resources(gpus=2)) == (2, 1.0)


def test_a_share_goes_where_there_are_shares_and_a_whole_lease_where_the_holder_was() -> None:
    leases = Leases(["a", "b", "c"])
    assert leases.lend("one", Resources(gpus=0.25), first=["b"]) == ("b",)
    assert leases.lend("two", Resources(gpus=0.5)) == ("b",)
    assert leases.lend("three", Resources(gpus=0.5)) == ("a",)
    assert leases.find(Resources(gpus=1)) == ("c",)
    leases.give_back("three")
    assert leases.find(Resources(gpus=1), first=["c"]) == ("c",)
    assert leases.find(Resources(gpus=2)) == ("a", "c")
    assert leases.find(Resources(gpus=3)) is None


def test_three_thirds_are_one() -> None:
    leases = Leases(["a"])
    for holder in range(3):
        assert leases.lend(holder, Resources(gpus=1 / 3)) == ("a",)
    assert leases.find(Resources(gpus=0.01)) is None


def test_a_suspect_device_is_lent_to_nobody() -> None:
    leases = Leases(["a", "b"])
    leases.suspect["a"] = "it fell off the bus"
    assert leases.sound == 1
    assert leases.find(Resources(gpus=1)) == ("b",)
    assert leases.find(Resources(gpus=2)) is None
    assert leases.find(Resources(gpus=0.5), first=["a"]) == ("b",)
    del leases.suspect["a"]
    assert leases.find(Resources(gpus=2)) == ("a", "b")


def test_nothing_is_lent_twice_to_one_holder_nor_beyond_what_there_is() -> None:
    leases = Leases(["a"])
    leases.lend("one", Resources(gpus=0.5))
    with pytest.raises(ValueError, match="cannot be lent"):
        leases.lend("one", Resources(gpus=0.25))
    with pytest.raises(ValueError, match="cannot be lent"):
        leases.lend("two", Resources(gpus=1))
    assert leases.held("two") == ()


@given(st.integers(1, 4), st.lists(st.tuples(st.booleans(), st.integers(0, 30), NEEDS), max_size=60))
def test_no_device_is_lent_beyond_itself_and_a_whole_lease_is_alone(n: int, steps: list[tuple[bool, int, Resources]]) -> None:
    devices = [f"d{i}" for i in range(n)]
    leases, held = Leases(devices), {}
    for number, (back, which, needs) in enumerate(steps):
        if back and held:
            holder = sorted(held)[which % len(held)]
            leases.give_back(holder)
            del held[holder]
        elif leases.find(needs) is not None:
            got = leases.lend(number, needs)
            assert len(got) == len(set(got)) == measure(needs)[0]
            if got:
                held[number] = (got, measure(needs)[1])
        for device in devices:
            shares = [share for got, share in held.values() if device in got]
            assert leases.taken(device) == pytest.approx(sum(shares))
            assert sum(shares) <= 1 + 1e-6
            assert 1.0 not in shares or len(shares) == 1
    for holder in held:
        leases.give_back(holder)
    assert leases.find(Resources(gpus=n)) == tuple(devices)


@given(
    st.integers(1, 3),
    st.integers(1, 4),
    st.lists(st.tuples(st.integers(1, 4), NEEDS, st.integers(1, 5)), min_size=1, max_size=40),
    st.randoms(use_true_random=False),
)
def test_nothing_starves(n: int, slots: int, blocks: list[tuple[int, Resources, int]], rng: object) -> None:
    """Only what needs no GPU passes a block, and only while it waits for one; it begins as soon as slot and GPUs are free."""
    leases, free = Leases([f"d{i}" for i in range(n)]), slots
    waiting = [(number, min(width, slots), needs, time) for number, (width, needs, time) in enumerate(blocks)]
    waiting = [one for one in waiting if measure(one[2])[0] <= n]
    order = [one[0] for one in waiting]
    running: list[list] = []
    began = []
    while waiting or running:
        number = next_in_line([(width, needs) for _, width, needs, _ in waiting], free, leases)
        if number is None:
            assert running, "nothing runs and nothing may begin"
            for one in running:
                one[2] -= 1
            for one in [one for one in running if one[2] <= 0]:
                running.remove(one)
                free += one[1]
                leases.give_back(one[0])
            continue
        for passed in waiting[:number]:
            assert waiting[number][2].gpus == 0, "only what needs no GPU passes"
            assert passed[2].gpus > 0
            assert passed is not waiting[0] or leases.find(passed[2]) is None, "whoever can begin is not passed"
        block, width, needs, time = waiting.pop(number)
        leases.lend(block, needs)
        free -= width
        running.append([block, width, time])
        began.append(block)
    assert sorted(began) == order
    with_gpus = [block for block in began if blocks[block][1].gpus > 0]
    assert with_gpus == sorted(with_gpus), "those that need GPUs begin in the order in which they came"
