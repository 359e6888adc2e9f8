"""Sixteen bits through every channel that two sandboxes of one machine might have, both running: none that is not on a short list
brings over more than chance does."""

from __future__ import annotations

import os
import sys
from collections.abc import Iterator
from pathlib import Path

import pytest

sys.path.insert(0, str(Path(__file__).parent))

from hostile._experiment import STAGE, leaks, names, open_up, prepare, sent
from hostile._ordinary import as_ordinary_user

from archive import StartMode
from evolve.evaluate import JsonValue, SandboxFactory, VisibleFiles, open_sandbox_factory

OPEN = {
    "Futex SharedPages SharedPageMap": "the pages of a shown file are the machine's, and with them who waits on one and how often "
    "it is mapped; only a copy of the view in memory, a gigabyte a slot, would have others",
    "Sysinfo Processes": "sysinfo tells them of the machine; a filter can only refuse it, and honest programs ask it for memory",
    "Packets TcpSockets TcpMemory UdpMemory": "counters of the machine's network below /proc/PID/net of each process, which no "
    "mount covers",
    "NumbersOfPipes": "inodes without a file are numbered over the machine",
    "NumbersOfSessions": "told in /proc/PID/autogroup of each process; honest programs begin sessions (start_new_session)",
}
OF_ONE_USER = {"InFlight PipePages": "counted for a user, and only root can give each slot one of its own"}
# What comes over where the walls are taken down, whatever else the machine does: the programs do send and read.
PROVEN = {
    "Lease",
    "WriteHint",
    "InFlight",
    "PipePages",
    "Notices",
    "WatchInstances",
    "Flock",
    "PosixLock",
    "OpenFileLock",
    "Resident",
}
PROVEN |= {"ResidentByRead", "LockedNow", "Futex", "NumbersOfEvents", "NumbersOfProcesses"}


def listed(*lists: dict[str, str]) -> set[str]:
    return {name for one in lists for names in one for name in names.split()}


@pytest.fixture(scope="module")
def slots() -> Iterator[tuple[SandboxFactory, SandboxFactory]]:
    with open_sandbox_factory("strict", VisibleFiles()) as one, open_sandbox_factory("strict", VisibleFiles(), slot=1) as two:
        yield one, two


@pytest.mark.slow
@pytest.mark.parametrize("start", [StartMode.COLD, StartMode.SPARE, StartMode.WARM])
def test_nothing_comes_over_but_what_is_listed(slots: tuple[SandboxFactory, SandboxFactory], start: StartMode) -> None:
    for factory in slots if start is StartMode.SPARE else ():
        prepare(factory)
    shared = all(factory.isolation.user for factory in slots)  # type: ignore[union-attr]
    known = listed(OPEN) if shared else listed(OPEN, OF_ONE_USER)
    assert leaks(*slots, start, known) == set()


def test_what_is_listed_is_a_channel() -> None:
    assert listed(OPEN, OF_ONE_USER) | PROVEN <= set(names())


@pytest.mark.slow
def test_where_the_walls_are_down_the_same_programs_bring_bits_over() -> None:
    missing = PROVEN
    with open_sandbox_factory("strict", VisibleFiles()) as one, open_sandbox_factory("strict", VisibleFiles(), slot=1) as two:
        open_up(one)
        open_up(two)
        for step_s in (0.04, 0.1, 0.2, 0.2):  # a busy machine misses moments
            right = sent(one, two, StartMode.COLD, sorted(missing), 16, step_s) if missing else {}
            missing = {name for name, bits in right.items() if bits < 14}
    assert missing == set()


@pytest.mark.slow
@pytest.mark.skipif(os.geteuid() != 0, reason="only root can become another user; the tests above ran as one")
def test_an_ordinary_user_brings_over_no_more() -> None:
    assert as_ordinary_user("hostile._experiment", *listed(OPEN, OF_ONE_USER))["found"] == []


WHO = """
def f():
    return open("/proc/self/uid_map").read().split()[1]
"""


@pytest.mark.skipif(os.geteuid() != 0, reason="only root can give a slot a user of its own")
def test_root_gives_each_slot_a_user_that_nobody_else_is(slots: tuple[SandboxFactory, SandboxFactory]) -> None:
    whoever = []
    for factory in slots:
        with factory.sandbox({"m.py": WHO}, STAGE, start=StartMode.COLD) as sandbox:
            whoever.append(int(str(sandbox.call("m.py:f", {}, {"value": JsonValue()}).value["value"])))
    assert 0 not in whoever
    assert len(set(whoever)) == 2


NUMBERS = """
import os
def f():
    folder = os.path.dirname(os.__file__)
    return [os.stat(os.path.join(folder, name)).st_ino for name in ("encodings", "json", "email", "os.py", "ast.py")]
"""


def test_numbers_of_files_do_not_tell_what_was_looked_at_first(monkeypatch: pytest.MonkeyPatch) -> None:
    """An overlay numbers folders in the order in which they are first seen, unless told to take the numbers below."""
    monkeypatch.setattr("tempfile.tempdir", "/dev/shm")  # another file system than the library's, as a rule
    with (
        open_sandbox_factory("strict", VisibleFiles()) as factory,
        factory.sandbox({"m.py": NUMBERS}, STAGE, start=StartMode.COLD) as sandbox,
    ):
        found = sandbox.call("m.py:f", {}, {"value": JsonValue()}).value["value"]
    library = Path(os.__file__).parent
    assert isinstance(found, list)
    assert [int(str(one)) & 0xFFFFFFFF for one in found] == [
        (library / name).stat().st_ino & 0xFFFFFFFF for name in ("encodings", "json", "email", "os.py", "ast.py")
    ]
