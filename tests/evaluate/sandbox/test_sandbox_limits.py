"""Limits, what breaking them means, and what is left when a factory is closed."""

from __future__ import annotations

import os
import threading
import time
from pathlib import Path

import pytest
from sandbox_calls import ONE, called, ran

from archive import StartMode, Status
from evolve._errors import EnvironmentFault
from evolve.evaluate import SandboxFactory, VisibleFiles, open_sandbox_factory
from evolve.problem.contract._contract import Stage


def test_time_adds_up_against_the_stage(factory: SandboxFactory) -> None:
    with factory.sandbox(
        {"m.py": "import time\ndef f(s):\n    time.sleep(s)\n"}, Stage(name="s", time_s=4.0), start=StartMode.COLD
    ) as sandbox:  # the start of the first call is in its time, and a busy machine takes seconds for it
        first = sandbox.call("m.py:f", {"s": 0.6}, ONE)
        second = sandbox.call("m.py:f", {"s": 60.0}, ONE)
        third = sandbox.call("m.py:f", {"s": 0.0}, ONE)
        wall_s = sandbox.usage.wall_s
    assert [first.status, second.status, third.status] == [Status.OK, Status.TIMEOUT, Status.TIMEOUT]
    assert 3.9 < wall_s < 6.0


def test_a_cpu_limit_is_a_timeout_of_the_stage_and_over_budget_of_the_entry(factory: SandboxFactory) -> None:
    files = {"m.py": "def f():\n    while True: pass\n"}
    for limit, status in ((None, Status.TIMEOUT), (0.3, Status.OVER_BUDGET), (5.0, Status.TIMEOUT)):
        with factory.sandbox(files, Stage(name="s", time_s=9.0, cpu_s=0.4), start=StartMode.COLD, cpu_limit_s=limit) as sandbox:
            reply = sandbox.call("m.py:f", {}, ONE)
        assert reply.status is status
        assert 0.25 < reply.usage.cpu_s < 0.8


def test_the_scorers_calls_are_counted_apart(factory: SandboxFactory) -> None:
    files = {"m.py": "def f():\n    for _ in range(3_000_000): pass\n"}
    with factory.sandbox(files, Stage(name="s", time_s=9.0, cpu_s=0.02), start=StartMode.COLD) as sandbox:
        reply = sandbox.call("m.py:f", {}, ONE, budgeted=False)
        assert reply.ok
        assert sandbox.usage.cpu_s == 0.0
        assert sandbox.scorer_usage.cpu_s == reply.usage.cpu_s > 0.02
        assert sandbox.call("m.py:f", {}, ONE).status is Status.TIMEOUT


def test_cpu_counts_from_the_first_moment_though_the_grader_looks_late(
    factory: SandboxFactory, monkeypatch: pytest.MonkeyPatch
) -> None:
    """On a busy machine a sandbox runs while the process that started it waits for its turn."""
    start = factory.spawner.start

    def late(*arguments: object, **options: object) -> object:
        child = start(*arguments, **options)  # type: ignore[arg-type]
        time.sleep(1.0)
        return child

    monkeypatch.setattr(factory.spawner, "start", late)
    source = "import time\ndef f():\n    while time.process_time() < 0.2:\n        pass\n    return 1\n"
    assert 0.2 <= called(factory, source, Stage(name="s", time_s=9.0)).usage.cpu_s < 0.6


def test_cpu_of_children_counts_even_when_nobody_waits_for_them(factory: SandboxFactory) -> None:
    """To the end of the last of them, however long the machine takes: ``wait`` then says that there is none."""
    if factory.spawner.cpu_s() is None:
        pytest.skip("neither a control group nor a counter here: what is spent between the last look and the end is lost")
    source = (
        "import os, signal, time\ndef f():\n    signal.signal(signal.SIGCHLD, signal.SIG_IGN)\n    for _ in range(2):\n"
        "        if os.fork() == 0:\n            end = time.process_time() + 0.3\n"
        "            while time.process_time() < end: pass\n            os._exit(0)\n"
        "    try: os.wait()\n    except ChildProcessError: pass\n"
    )
    reply = called(factory, source)
    assert reply.ok
    assert 0.6 < reply.usage.cpu_s < 1.0


def test_a_command_that_signals_its_group_ends_itself_and_nobody_outside(factory: SandboxFactory) -> None:
    reply = ran(factory, "import os, signal\nos.kill(0, signal.SIGKILL)\n")
    assert (reply.status, reply.exit_code) == (Status.CRASH, -9)
    assert called(factory, "def f():\n    return 1\n").ok


def test_peak_memory_is_seen(factory: SandboxFactory) -> None:
    reply = called(factory, "def f():\n    return len(bytes(200 << 20).replace(b'\\0', b'x', 1))\n")
    assert reply.ok
    assert 200 < reply.usage.memory_mib < 500


def test_a_timeout_leaves_nobody_and_takes_little_longer(factory: SandboxFactory) -> None:
    source = (
        "import subprocess, sys, time\n"
        "sleep = [sys.executable, '-I', '-S', '-c', 'import time; time.sleep(60)', 'left-by-timeout']\n"
        "def f():\n    for session in (False, True) * 3:\n        subprocess.Popen(sleep, start_new_session=session)\n"
        "    time.sleep(60)\n"
    )
    began = time.perf_counter()
    reply = called(factory, source, Stage(name="s", time_s=0.5))
    assert reply.status is Status.TIMEOUT
    assert time.perf_counter() - began < 5.0
    assert not [pid for pid in os.listdir("/proc") if pid.isdigit() and b"left-by-timeout" in _cmdline(pid)]


def _cmdline(pid: str) -> bytes:
    try:
        return Path(f"/proc/{pid}/cmdline").read_bytes()
    except OSError:
        return b""


def test_logs_are_capped_and_cleaned(factory: SandboxFactory) -> None:
    source = "def f():\n    print('first'); print('x' * 200000)\n"
    source += "    print('\\x1b[31mred\\x1b[0m [bold]rich[/bold] <b>html</b> \\x07\\u202e[1, 2] <module>')\n"
    reply = called(factory, source)
    assert len(reply.log) <= 65536
    assert reply.log.endswith("red rich html [1, 2] <module>\n")
    assert "first" not in reply.log


# ------------------------------------------------------------------------------------------------------------------- assorted


def test_assets_are_shown_read_only(tmp_path: Path) -> None:
    (tmp_path / "tokens").write_text("abc")
    source = (
        "import os\ndef f():\n    place = os.environ['EVOLVE_ASSETS'] + '/tokens'\n    try:\n        open(place, 'a').write('x')\n"
        "    except OSError as error:\n        return [open(place).read(), error.errno]\n"
    )
    with open_sandbox_factory("strict", VisibleFiles(assets=tmp_path)) as factory:
        assert called(factory, source).value["value"] == ["abc", 30]
    assert (tmp_path / "tokens").read_text() == "abc"


def test_threads_are_as_many_as_the_stage_has_cpus(bare_view: SandboxFactory) -> None:
    source = "import os\ndef f():\n    return sorted({v for k, v in os.environ.items() if k.endswith('_NUM_THREADS')})\n"
    for cpus, threads in ((0.5, "1"), (1.0, "1"), (3.0, "3")):
        assert called(bare_view, source, Stage(name="s", cpus=cpus)).value["value"] == [threads]


def test_two_launchers_work_side_by_side() -> None:
    def work(slot: int) -> None:
        with open_sandbox_factory("strict", VisibleFiles(), slot=slot) as factory:
            for n in range(10):
                found.append(called(factory, "def f(n):\n    return n\n", n=n).value["value"])

    found: list[object] = []
    threads = [threading.Thread(target=work, args=(slot,)) for slot in range(2)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert sorted(found) == sorted(list(range(10)) * 2)  # type: ignore[type-var]


def test_closing_leaves_no_process_no_folder_and_no_group() -> None:
    factory = open_sandbox_factory("strict", VisibleFiles())
    pid, folder, group = factory.spawner._process.pid, factory._private, factory.spawner.cgroup
    groups = list(group._folders.values()) if group else []
    called(factory, "def f():\n    return 1\n")
    factory.close()
    factory.close()
    assert not Path(f"/proc/{pid}").exists()
    assert not folder.exists()
    assert not any(path.exists() for path in groups)


def test_the_policys_hash_tells_tiers_and_views_apart() -> None:
    with (
        open_sandbox_factory("strict", VisibleFiles()) as one,
        open_sandbox_factory("strict", VisibleFiles(), slot=1) as two,
        open_sandbox_factory("none", VisibleFiles()) as none,
    ):
        assert one.tier_hash == two.tier_hash != none.tier_hash
    with open_sandbox_factory("strict", VisibleFiles(imports=("numpy",))) as other:
        assert other.tier_hash != one.tier_hash


def test_folders_of_killed_launchers_are_removed_and_those_of_living_ones_are_not(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("tempfile.tempdir", str(tmp_path))
    stale, young, foreign = (tmp_path / name for name in ("evolve-sandbox-stale", "evolve-sandbox-young", "something-else"))
    for folder in (stale, young, foreign):
        (folder / "candidate").mkdir(parents=True)
    with open_sandbox_factory("strict", VisibleFiles()) as living:
        for folder in (stale, foreign, living._private):
            os.utime(folder, (1.0, 1.0))
        with open_sandbox_factory("strict", VisibleFiles()):
            assert not stale.exists()
            assert young.exists()
            assert foreign.exists()
            assert living._private.exists()


def test_a_dead_spawner_is_a_fault_of_the_machine_not_an_endless_wait(bare_view: SandboxFactory) -> None:
    with open_sandbox_factory("strict", VisibleFiles()) as factory:
        factory.spawner._process.kill()
        factory.spawner._process.wait()
        with pytest.raises(EnvironmentFault, match="spawner"):
            called(factory, "def f():\n    return 1\n")


def test_a_candidate_that_eats_the_memory_in_small_bites_does_not_take_the_spawner_along(bare_view: SandboxFactory) -> None:
    source = (
        "import os, time\ndef f():\n    for _ in range(60):\n        if os.fork() == 0:\n            kept = []\n"
        "            while True:\n                kept.append(b'x' * 300_000); time.sleep(0.01)\n    time.sleep(60)\n"
    )
    reply = called(bare_view, source, Stage(name="s", time_s=4.0, memory_mib=128))
    assert reply.status in (Status.CRASH, Status.TIMEOUT)
    assert called(bare_view, "def f():\n    return 1\n").ok
