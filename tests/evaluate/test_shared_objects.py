"""What two sandboxes share, looked for from inside on the machine at hand: nothing but what stands on a short list with reasons."""

from __future__ import annotations

import os
import resource
import sys
from collections.abc import Iterator
from pathlib import Path

import pytest

sys.path.insert(0, str(Path(__file__).parent))

from hostile._experiment import open_up
from hostile._ordinary import as_ordinary_user
from hostile._shared import STAGE, enumerate_from_inside, locks_seen

from archive import StartMode
from evolve.evaluate import JsonValue, SandboxFactory, VisibleFiles, open_sandbox_factory
from evolve.evaluate.isolation._limits import MAX_FILES

NOTHING = {"changed": [], "told": [], "marks": []}


@pytest.fixture(scope="module")
def slots() -> Iterator[tuple[SandboxFactory, SandboxFactory]]:
    with open_sandbox_factory("strict", VisibleFiles()) as one, open_sandbox_factory("strict", VisibleFiles(), slot=1) as two:
        yield one, two


@pytest.mark.parametrize("start", [StartMode.COLD, StartMode.WARM])
def test_nothing_of_the_host_can_be_changed_read_or_marked(slots: tuple[SandboxFactory, SandboxFactory], start: StartMode) -> None:
    assert enumerate_from_inside(slots[0], start) == NOTHING


def test_a_lock_on_a_file_that_all_are_shown_is_seen_by_nobody_else(slots: tuple[SandboxFactory, SandboxFactory]) -> None:
    if not slots[0].isolation.own_files:  # type: ignore[union-attr]
        pytest.skip("no overlays on this machine: `evolve doctor` says so")
    assert locks_seen(*slots) == []


@pytest.mark.slow
def test_without_overlays_such_a_lock_is_seen() -> None:
    """The test above looks where there is something to be seen."""
    with open_sandbox_factory("strict", VisibleFiles()) as one, open_sandbox_factory("strict", VisibleFiles(), slot=1) as two:
        open_up(one)
        open_up(two)
        assert "flock" in locks_seen(one, two)


HONEST = """
import asyncio, concurrent.futures, logging, mmap, multiprocessing, os, sqlite3, subprocess, sys, tempfile
def double(x):
    return 2 * x
async def programs():
    async def one(number):
        how = {"stdout": asyncio.subprocess.PIPE, "start_new_session": True}
        process = await asyncio.create_subprocess_exec(sys.executable, "-c", f"print({number})", **how)
        return (await process.communicate())[0].decode()
    return await asyncio.gather(one(7), one(8), asyncio.to_thread(str, 9))
def f():
    told = [asyncio.run(programs())]
    with sqlite3.connect("/work/a.db", isolation_level=None) as db:
        db.execute("pragma journal_mode=wal")
        db.execute("create table t (x)")
        db.executemany("insert into t values (?)", [(1,), (2,)])
        told.append(db.execute("select sum(x) from t").fetchone()[0])
    with multiprocessing.get_context("fork").Pool(2) as pool:
        told.append(pool.map(double, [1, 2]))
    with concurrent.futures.ProcessPoolExecutor(2, mp_context=multiprocessing.get_context("forkserver")) as pool:
        told.append(list(pool.map(double, [3])))
    queue = multiprocessing.get_context("fork").Queue()
    queue.put("queued")
    told.append(queue.get())
    told.append(subprocess.run([sys.executable, "-c", "print(5)"], capture_output=True, text=True).stdout)
    with tempfile.NamedTemporaryFile() as file:
        file.write(b"x" * 4096)
        file.flush()
        os.fsync(file.fileno())
        told.append(mmap.mmap(file.fileno(), 4096)[:1].decode())
    logging.basicConfig(filename="/work/log")
    logging.error("said")
    told.append(open("/work/log").read().endswith("said\\n"))
    told.append([os.cpu_count() >= 1, len(os.sched_getaffinity(0)) >= 1, "processor" in open("/proc/cpuinfo").read()])
    told.append(open("/dev/null", "w").write("x") + len(open("/dev/urandom", "rb").read(3)) + len(open("/dev/zero", "rb").read(2)))
    return told
"""


@pytest.mark.parametrize("start", [StartMode.COLD, StartMode.WARM])
def test_honest_programs_miss_nothing_of_it(slots: tuple[SandboxFactory, SandboxFactory], start: StartMode) -> None:
    with slots[0].sandbox({"m.py": HONEST}, STAGE, start=start) as sandbox:
        reply = sandbox.call("m.py:f", {}, {"value": JsonValue()})
    assert reply.ok, (reply.reason, reply.log)
    assert reply.value["value"] == [["7\n", "8\n", "9"], 3, [2, 4], [6], "queued", "5\n", "x", True, [True, True, True], 6]


IN_FLIGHT = """
import array, os, socket, time
def f():
    sent, kept = 0, []
    try:
        while sent < 20000:
            one, two = socket.socketpair()
            kept += [one, two]
            one.setblocking(False)
            for _ in range(8):
                one.sendmsg([b"x"], [(socket.SOL_SOCKET, socket.SCM_RIGHTS, array.array("i", [0] * 200))])
                sent += 200
    except OSError:
        pass
    time.sleep(1.5)
    return sent
"""


def test_descriptors_that_a_candidate_keeps_in_flight_do_not_stop_the_engine(slots: tuple[SandboxFactory, SandboxFactory]) -> None:
    import threading

    soft, hard = resource.getrlimit(resource.RLIMIT_NOFILE)
    assert soft == min(hard, 1 << 16) or soft > MAX_FILES
    if soft < 2 * MAX_FILES and os.geteuid() != 0:
        pytest.skip(f"this user may have {hard} descriptors, no more than a candidate with one full socket")
    sent: list[object] = []

    def exhaust() -> None:
        with slots[0].sandbox({"m.py": IN_FLIGHT}, STAGE, start=StartMode.COLD) as sandbox:
            sent.append(sandbox.call("m.py:f", {}, {"value": JsonValue()}).value["value"])

    thread = threading.Thread(target=exhaust)
    thread.start()
    while thread.is_alive():
        with slots[1].sandbox({"m.py": "def f():\n    return 1\n"}, STAGE, start=StartMode.COLD) as sandbox:
            assert sandbox.call("m.py:f", {}, {"value": JsonValue()}).ok
    assert isinstance(sent[0], int)
    assert MAX_FILES - 200 <= sent[0] <= MAX_FILES + 400


@pytest.mark.skipif(os.geteuid() != 0, reason="only root can become another user; the tests above ran as one")
@pytest.mark.slow
def test_an_ordinary_user_finds_no_more() -> None:
    told = as_ordinary_user("hostile._shared")
    assert told["found"] == NOTHING
    assert told["locks"] == [] or not told["own_files"]
