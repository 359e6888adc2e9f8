"""Killing a process with everything below it."""

from __future__ import annotations

import fcntl
import os
import signal
import subprocess
import sys
import time
from pathlib import Path

import pytest

from evolve.execute import _scratch, _tree
from evolve.execute._scratch import Scratch
from evolve.execute._tree import kill_tree
from evolve.testing import is_running

# The root adopts orphans, as the grader does; below it: a child, a daemon that left session and parent, a grandchild in it.
_FAMILY = """
import ctypes, os, sys, time
ctypes.CDLL(None).prctl(36, 1, 0, 0, 0)
folder = sys.argv[1]
def note():
    open(os.path.join(folder, str(os.getpid())), "w").close()
def forever():
    note()
    while True:
        time.sleep(60)
if os.fork() == 0:
    forever()
if os.fork() == 0:
    os.setsid()
    if os.fork() != 0:
        os._exit(0)
    if os.fork() == 0:
        os.setsid()
        forever()
    forever()
forever()
"""


@pytest.mark.parametrize("search", [False, True])
def test_no_daemon_survives(tmp_path: Path, search: bool, monkeypatch: pytest.MonkeyPatch) -> None:
    if search:  # as on a kernel without /proc/PID/task/TID/children
        monkeypatch.setattr(_tree, "_children", _tree._children_by_search)
    root = subprocess.Popen([sys.executable, "-c", _FAMILY, str(tmp_path)])
    deadline = time.monotonic() + 60
    while len(list(tmp_path.iterdir())) < 4 and time.monotonic() < deadline:
        time.sleep(0.01)
    pids = [int(path.name) for path in tmp_path.iterdir()]
    assert len(pids) == 4
    kill_tree(root.pid)
    root.wait()
    assert [pid for pid in pids if is_running(pid)] == []


def test_children_of_one_that_dies_between_the_look_at_the_list_and_the_look_at_it_are_found(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    listed = _tree._children

    def then_they_die(pid: int) -> list[int]:
        found = listed(pid)
        for child in found:
            os.kill(child, signal.SIGKILL)
        while any(is_running(child) for child in found):
            time.sleep(0.001)
        return found

    monkeypatch.setattr(_tree, "_children", then_they_die)
    test_no_daemon_survives(tmp_path, False, monkeypatch)


def test_a_process_that_is_dead_already_is_no_error() -> None:
    root = subprocess.Popen([sys.executable, "-c", ""])
    while is_running(root.pid):
        time.sleep(0.01)
    kill_tree(root.pid)
    assert root.wait() == 0


def test_others_are_left_alone() -> None:
    bystander = subprocess.Popen([sys.executable, "-c", "import time; time.sleep(60)"])
    root = subprocess.Popen([sys.executable, "-c", "import time; time.sleep(60)"])
    try:
        kill_tree(root.pid)
        root.wait()
        assert is_running(bystander.pid)
    finally:
        bystander.kill()
        bystander.wait()


def test_scratch_of_the_dead_is_swept_and_of_the_living_kept(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("tempfile.tempdir", str(tmp_path))
    code = "from evolve.execute._scratch import Scratch; import os; print(Scratch().path); os.kill(os.getpid(), 9)"
    killed = subprocess.run(
        [sys.executable, "-c", code], env={"TMPDIR": str(tmp_path), "PYTHONPATH": _packages()}, capture_output=True, text=True
    )
    living = Scratch()
    left = tmp_path / "evolve-scratch-unlocked"
    left.mkdir()
    assert killed.returncode == -9
    other = Scratch()
    assert {path.name for path in tmp_path.iterdir()} == {living.path.name, other.path.name, left.name}
    other.close()
    living.close()
    living.close()
    assert [path.name for path in tmp_path.iterdir()] == [left.name]


@pytest.mark.parametrize("when", ["before", "after"])
def test_scratch_is_not_swept_while_its_owner_takes_the_lock(tmp_path: Path, monkeypatch: pytest.MonkeyPatch, when: str) -> None:
    """Another run that starts at the same moment sweeps before or after the lock is taken."""
    monkeypatch.setattr("tempfile.tempdir", str(tmp_path))
    flock = fcntl.flock

    def with_another(file: object, how: int) -> None:
        if how == fcntl.LOCK_EX and when == "before":
            _scratch._sweep(tmp_path)
        flock(file, how)  # type: ignore[arg-type]
        if how == fcntl.LOCK_EX and when == "after":
            _scratch._sweep(tmp_path)

    monkeypatch.setattr(_scratch.fcntl, "flock", with_another)
    scratch = Scratch()
    assert scratch.path.is_dir()
    scratch.close()
    assert list(tmp_path.iterdir()) == []


def _packages() -> str:
    import evolve

    return str(Path(evolve.__file__).parent.parent)
