"""Two processes of this engine keep off each other's GPUs."""

from __future__ import annotations

import os
import subprocess
import sys
from pathlib import Path

from evolve.execute._gpu_locks import GpuLocks


def test_what_one_has_alone_another_has_not(tmp_path: Path) -> None:
    one, other = GpuLocks(tmp_path / "locks"), GpuLocks(tmp_path / "locks")
    assert one.take("a", ["GPU-1", "GPU-2"], alone=True) == ""
    assert other.take("b", ["GPU-0", "GPU-2"], alone=True) == "GPU-2"
    assert other.take("b", ["GPU-2"], alone=False) == "GPU-2"
    assert one.take("c", ["GPU-0"], alone=True) == "", "what could not be had in whole was let go"
    one.give_back("a")
    one.give_back("a")
    assert other.take("b", ["GPU-2", "GPU-1"], alone=True) == ""


def test_parts_go_together_and_never_with_a_whole(tmp_path: Path) -> None:
    one, other = GpuLocks(tmp_path), GpuLocks(tmp_path)
    assert one.take("a", ["GPU-1"], alone=False) == ""
    assert other.take("b", ["GPU-1"], alone=False) == ""
    one.give_back("a")
    assert one.take("a", ["GPU-1"], alone=True) == "GPU-1"


def test_a_lock_ends_with_its_process_and_is_not_inherited(tmp_path: Path) -> None:
    code = (
        "import subprocess, sys, pathlib; from evolve.execute._gpu_locks import GpuLocks\n"
        "print(GpuLocks(pathlib.Path(sys.argv[1])).take('a', ['GPU-1'], alone=True), flush=True)\n"
        "child = subprocess.Popen([sys.executable, '-c', 'input()'], stdin=sys.stdin); print(child.pid, flush=True); input()\n"
    )
    holder = subprocess.Popen([sys.executable, "-c", code, str(tmp_path)], stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True)
    assert holder.stdout is not None
    assert holder.stdout.readline() == "\n"
    child = int(holder.stdout.readline())
    mine = GpuLocks(tmp_path)
    assert mine.take("b", ["GPU-1"], alone=True) == "GPU-1"
    holder.kill()
    holder.wait()
    try:
        assert mine.take("b", ["GPU-1"], alone=True) == ""
    finally:
        os.kill(child, 9)
        holder.stdout.close()
        assert holder.stdin is not None
        holder.stdin.close()


def test_where_no_file_can_be_had_there_is_no_lock(tmp_path: Path) -> None:
    (tmp_path / "file").touch()
    assert GpuLocks(tmp_path / "file").take("a", ["GPU-1"], alone=True) == ""
    (tmp_path / "GPU-2").symlink_to(tmp_path / "elsewhere")
    assert GpuLocks(tmp_path).take("a", ["GPU-2"], alone=True) == ""
    assert not (tmp_path / "elsewhere").exists()
