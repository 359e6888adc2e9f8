"""Control groups: where they may be made, read from the kernel's own formats, and the real thing where this machine has one."""

from __future__ import annotations

import os
import subprocess
import sys
from pathlib import Path

import pytest

from evolve.evaluate.isolation import _cgroup
from evolve.evaluate.isolation._cgroup import Cgroup, Layout, find_layout
from evolve.evaluate.isolation._process_tree import ProcMeter

MEGABYTES = "import sys; kept = b'x' * (64 << 20); sys.stdout.write('ready\\n'); sys.stdout.flush(); sys.stdin.read()"


def v2_folder(path: Path, controllers: str) -> None:
    path.mkdir(parents=True)
    (path / "cgroup.subtree_control").write_text(controllers)
    (path / "cgroup.procs").write_text("")


def test_version_2_needs_a_parent_that_gives_memory_and_pids_to_its_children(tmp_path: Path) -> None:
    v2_folder(tmp_path / "user" / "app", "cpu memory pids")
    v2_folder(tmp_path / "user" / "app" / "term.scope", "")
    mounts = f"31 23 0:28 / {tmp_path} rw,relatime shared:4 - cgroup2 cgroup2 rw\n"
    layout = _cgroup._v2(mounts, "0::/user/app/term.scope\n")
    assert layout is not None
    assert layout.folders["memory"] == tmp_path / "user" / "app"
    (tmp_path / "user" / "app" / "cgroup.subtree_control").write_text("cpu")
    assert _cgroup._v2(mounts, "0::/user/app/term.scope\n") is None
    assert _cgroup._v2(mounts, "3:memory:/x\n") is None
    assert _cgroup._v2("", "0::/\n") is None


def test_version_1_needs_all_three_controllers(tmp_path: Path) -> None:
    for name in ("memory", "pids", "cpu,cpuacct"):
        (tmp_path / name / "mine").mkdir(parents=True)
    lines = [
        f"3{n} 31 0:3{n} /box {tmp_path}/{name} rw - cgroup cgroup rw,{name}"
        for n, name in enumerate(("memory", "pids", "cpu,cpuacct"))
    ]
    own = "4:cpu,cpuacct:/box/mine\n3:pids:/box/mine\n2:memory:/box/mine\n0::/\n"
    layout = _cgroup._v1("\n".join(lines), own)
    assert layout is not None
    assert layout.folders["cpuacct"] == tmp_path / "cpu,cpuacct" / "mine"
    assert _cgroup._v1("\n".join(lines[:2]), own) is None


def test_version_2_files_are_read_and_written(tmp_path: Path) -> None:
    group = Cgroup(Layout("v2", dict.fromkeys(("memory", "pids", "cpuacct"), tmp_path)), 0)
    (folder,) = tmp_path.iterdir()
    (folder / "cpu.stat").write_text("usage_usec 1500000\nuser_usec 1\n")
    (folder / "memory.stat").write_text("anon 1048576\nfile 999999999\nshmem 2097152\n")
    (folder / "memory.events").write_text("low 0\noom 3\noom_kill 2\n")
    (folder / "cgroup.procs").write_text("12\n13\n")
    group.limit(100, 50)
    assert (folder / "memory.max").read_text() == str(100 << 20)
    assert (folder / "pids.max").read_text() == "50"
    assert (group.cpu_s(), group.memory_mib(), group.oom_kills(), group.pids()) == (1.5, 3.0, 2, (12, 13))


def test_a_real_group_counts_and_limits() -> None:
    layout = find_layout()
    if layout is None:
        pytest.skip("no control group can be made here")
    group = Cgroup(layout, 7)
    try:
        group.limit(512, 20)
        child = subprocess.Popen([sys.executable, "-c", MEGABYTES], stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True)
        group.add(child.pid)
        assert child.stdout is not None
        child.stdout.readline()
        assert group.pids() == (child.pid,)
        assert group.cpu_s() > 0.0
        child.communicate("")
        assert group.pids() == ()
        assert group.oom_kills() == 0
    finally:
        group.close()
    assert not any(folder.exists() for folder in group._folders.values())


def test_groups_of_dead_engines_are_swept() -> None:
    layout = find_layout()
    if layout is None:
        pytest.skip("no control group can be made here")
    dead = subprocess.Popen([sys.executable, "-c", ""])
    dead.wait()
    left = layout.folders["memory"] / f"evolve-{dead.pid}-0-ab"
    mine = layout.folders["memory"] / f"evolve-{os.getpid()}-0-ab"
    left.mkdir()
    mine.mkdir()
    try:
        Cgroup(layout, 0).close()
        assert not left.exists()
        assert mine.exists()
    finally:
        mine.rmdir()


def test_a_tree_is_looked_at_with_its_children() -> None:
    script = f"import subprocess, sys; subprocess.run([sys.executable, '-c', {MEGABYTES!r}])"
    child = subprocess.Popen([sys.executable, "-c", script], stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True)
    assert child.stdout is not None
    child.stdout.readline()
    meter = ProcMeter(child.pid)
    spent = meter.look()
    assert meter.n_processes == 2
    assert 64 < meter.memory_mib < 200
    assert 64 < meter.proportional_mib() < 200
    assert spent > 0.0
    child.communicate("")
    assert meter.look() == spent  # what was seen stays counted
