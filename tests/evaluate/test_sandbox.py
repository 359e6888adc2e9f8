"""Calls, commands, limits and what their ends mean, in both tiers."""

from __future__ import annotations

import os
import threading
import time
from collections.abc import Iterator
from pathlib import Path

import numpy as np
import pytest

from archive import Start, Status
from evolve._contract import Stage
from evolve._errors import EnvironmentFault, MissingPackage, UsageError
from evolve.evaluate import Array, JsonValue, Launcher, Reply, View, open_launcher

STAGE = Stage(name="s", time_s=10.0, memory_mib=512)
ECHO = "def echo(**values):\n    return values\n"
ONE = {"value": JsonValue()}


@pytest.fixture(scope="module", params=["strict", "none"])
def launcher(request: pytest.FixtureRequest) -> Iterator[Launcher]:
    with open_launcher(request.param, View(imports=("numpy",))) as launcher:
        yield launcher


@pytest.fixture(scope="module")
def bare_view() -> Iterator[Launcher]:
    with open_launcher("strict", View()) as launcher:
        yield launcher


def called(launcher: Launcher, source: str, stage: Stage = STAGE, **arguments: object) -> Reply:
    with launcher.sandbox({"m.py": source}, stage, start=Start.COLD) as sandbox:
        return sandbox.call("m.py:f", arguments, ONE)


def ran(launcher: Launcher, source: str, stage: Stage = STAGE, **more: object) -> Reply:
    with launcher.sandbox({"m.py": source}, stage, start=Start.COLD) as sandbox:
        return sandbox.run(["python", "/candidate/m.py"], **more)  # type: ignore[arg-type]


# ------------------------------------------------------------------------------------------------------------------- values


@pytest.mark.parametrize("dtype", ["float64", "float32", "int64", "uint8", "bool", "complex128", "float16"])
@pytest.mark.parametrize("shape", [(), (0,), (3,), (2, 3), (2, 0, 4)])
def test_arrays_travel_unchanged(launcher: Launcher, dtype: str, shape: tuple[int, ...]) -> None:
    sent = np.arange(int(np.prod(shape, initial=1))).reshape(shape).astype(dtype)
    with launcher.sandbox({"m.py": ECHO}, STAGE, start=Start.COLD) as sandbox:
        reply = sandbox.call("m.py:echo", {"x": sent}, {"x": Array(dtype, shape)})
    assert reply.ok, reply.reason
    got = reply.value["x"]
    assert isinstance(got, np.ndarray)
    assert (got.dtype, got.shape) == (sent.dtype, sent.shape)
    np.testing.assert_array_equal(got, sent)


def test_json_travels_unchanged(launcher: Launcher) -> None:
    sent = {"a": [1, -2.5, None, True, "\x00é\u2028😀"], "": {}, "big": 10**30, "nested": [[[]]]}
    with launcher.sandbox({"m.py": ECHO}, STAGE, start=Start.COLD) as sandbox:
        reply = sandbox.call("m.py:echo", {"value": sent}, ONE)
    assert reply.value["value"] == sent


def test_a_tuple_and_a_bare_value_are_named_by_their_order(launcher: Launcher) -> None:
    files = {"m.py": "def f():\n    return 1, [2.0, 3.0]\ndef g():\n    return {'k': 1}\n"}
    with launcher.sandbox(files, STAGE, start=Start.COLD) as sandbox:
        both = sandbox.call("m.py:f", {}, {"a": JsonValue(), "b": Array("float64", (None,))})
        bare = sandbox.call("m.py:g", {}, ONE)
    assert both.value["a"] == 1
    np.testing.assert_array_equal(both.value["b"], [2.0, 3.0])
    assert bare.value["value"] == {"k": 1}


def test_lists_become_arrays_where_numpy_is_not_declared(bare_view: Launcher) -> None:
    files = {
        "m.py": "def f(x):\n    assert x == [[0.0, 1.0], [2.0, 3.0]]\n"
        "    return [[v * 2 for v in row] for row in x], [True, False]\n"
    }
    with bare_view.sandbox(files, STAGE, start=Start.COLD) as sandbox:
        returns = {"x": Array("float64", (2, 2)), "b": Array("bool", (2,))}
        reply = sandbox.call("m.py:f", {"x": np.arange(4.0).reshape(2, 2)}, returns)
    assert reply.ok, reply.reason
    np.testing.assert_array_equal(reply.value["x"], [[0.0, 2.0], [4.0, 6.0]])


@pytest.mark.parametrize(
    ("body", "why"),
    [
        ("return [1.0, float('nan')]", "NaN"),
        ("return [1.0, float('inf')]", "infinite"),
        ("return [1.0]", "shape"),
        ("return [[1.0, 2.0]]", "dimensions"),
        ("import numpy; return numpy.zeros(2, 'float32')", "expected an array of <f8"),
        ("import numpy; return numpy.array([None, None])", "expected an array of <f8"),
        ("return 'text'", "x"),
        ("return None", "x"),
        ("return [[1.0], [2.0, 3.0]]", "x"),
    ],
)
def test_another_array_than_declared_is_invalid(launcher: Launcher, body: str, why: str) -> None:
    with launcher.sandbox({"m.py": f"def f():\n    {body}\n"}, STAGE, start=Start.COLD) as sandbox:
        reply = sandbox.call("m.py:f", {}, {"x": Array("float64", (2,))})
    assert reply.status is Status.INVALID
    assert why in reply.reason


def test_one_failure_fails_all_of_call_many(launcher: Launcher) -> None:
    source = "n = 0\ndef f(x):\n    global n\n    n += 1\n    return x // (x - 3) + n\n"
    with launcher.sandbox({"m.py": source}, STAGE, start=Start.COLD) as sandbox:
        good = sandbox.call_many("m.py:f", [{"x": 4}, {"x": 5}], [ONE, ONE])
        bad = sandbox.call_many("m.py:f", [{"x": 4}, {"x": 3}], [ONE, ONE])
    assert [value["value"] for value in good.values] == [5, 4]
    assert bad.status is Status.CRASH
    assert "ZeroDivisionError" in bad.reason
    assert bad.values == ()


def test_equal_replies_have_equal_hashes(launcher: Launcher) -> None:
    with launcher.sandbox({"m.py": "def f(x):\n    return x\n"}, STAGE, start=Start.COLD) as sandbox:
        hashes = [sandbox.call("m.py:f", {"x": x}, ONE).output_hash for x in (1, 1, 2)]
        assert sandbox.output_hash == hashes[2]
        sandbox.call("m.py:f", {}, ONE)
        assert sandbox.output_hash == hashes[2]
    assert hashes[0] == hashes[1] != hashes[2]


def test_candidates_of_several_files_import_each_other(launcher: Launcher) -> None:
    files = {"pkg/__init__.py": "", "pkg/a.py": "X = 7\n", "m.py": "from pkg.a import X\ndef f():\n    return X\n"}
    files["pkg/m.py"] = "from pkg import a\ndef f():\n    return a.X + 1\n"
    with launcher.sandbox(files, STAGE, start=Start.COLD) as sandbox:
        assert sandbox.call("m.py:f", {}, ONE).value["value"] == 7
        assert sandbox.call("pkg/m.py:f", {}, ONE).value["value"] == 8
        assert sandbox.call("absent.py:f", {}, ONE).status is Status.INVALID


@pytest.mark.parametrize("path", ["/etc/x", "../x", "a/../../x", "a//b", "", "a\0b"])
def test_files_stay_in_their_folder(launcher: Launcher, path: str) -> None:
    with launcher.sandbox({path: "x", "m.py": ECHO}, STAGE, start=Start.COLD) as sandbox:
        assert sandbox.call("m.py:echo", {}, ONE).status is Status.INVALID


# --------------------------------------------------------------------------------------------------------------- the evaluator


def test_mistakes_of_the_evaluator_raise(launcher: Launcher, tmp_path: Path) -> None:
    with launcher.sandbox({"m.py": ECHO}, STAGE, start=Start.COLD) as sandbox:
        with pytest.raises(TypeError, match="JSON or a numpy array"):
            sandbox.call("m.py:echo", {"x": object()}, ONE)
        with pytest.raises(ValueError, match="an entry is"):
            sandbox.call("m.py", {}, ONE)
        with pytest.raises(ValueError, match="one for each"):
            sandbox.call_many("m.py:echo", [{}], [])
        with pytest.raises(ValueError, match="below /output"):
            sandbox.run(["python", "/candidate/m.py"], outputs={"../x": 1})
        with pytest.raises(ValueError, match="below /input"):
            sandbox.call("m.py:echo", {}, ONE, inputs={"/etc/x": b""})
        with pytest.raises(FileNotFoundError):
            sandbox.call("m.py:echo", {}, ONE, inputs={"x": tmp_path / "absent"})


def test_what_cannot_be_had_is_said() -> None:
    with pytest.raises(UsageError, match="strict, none"):
        open_launcher("docker", View())
    with pytest.raises(MissingPackage, match="pip install no-such-package"):
        open_launcher("strict", View(imports=("no_such.package",)))
    with pytest.raises(EnvironmentFault, match="not a folder"):
        open_launcher("strict", View(assets=Path("/no/such/folder")))


# ------------------------------------------------------------------------------------------------------------------ commands


def test_a_command_reads_inputs_and_leaves_outputs(launcher: Launcher, tmp_path: Path) -> None:
    (tmp_path / "file").write_bytes(b"from a path")
    (tmp_path / "folder").mkdir()
    (tmp_path / "folder" / "deep").write_bytes(b"from a folder")
    source = (
        "import os, sys\nI, O = os.environ['EVOLVE_INPUT'], os.environ['EVOLVE_OUTPUT']\n"
        "os.mkdir(O + '/d')\n"
        "data = b'|'.join(open(I + '/' + n, 'rb').read() for n in ('a', 'sub/b', 'file', 'folder/deep'))\n"
        "open(O + '/d/out', 'wb').write(data)\nopen(O + '/empty', 'wb')\n"
        "print(sys.argv[1:], os.environ['MODE'], os.getcwd() == os.environ['EVOLVE_WORK'])\n"
    )
    inputs: dict[str, bytes | Path] = {"a": b"bytes", "sub/b": b"more", "file": tmp_path / "file", "folder": tmp_path / "folder"}
    with launcher.sandbox({"m.py": source}, STAGE, start=Start.COLD) as sandbox:
        argv = ["python", "/candidate/m.py", "x"]
        reply = sandbox.run(argv, inputs=inputs, outputs={"d/out": 100, "empty": 0}, env={"MODE": "fast"})
    assert reply.ok, (reply.reason, reply.log)
    assert reply.files == {"d/out": b"bytes|more|from a path|from a folder", "empty": b""}
    assert reply.log == "['x'] fast True\n"
    assert reply.exit_code == 0


@pytest.mark.parametrize(
    ("body", "why"),
    [
        ("pass", "missing"),
        ("os.symlink('/etc/passwd', 'out')", "regular"),
        ("os.symlink('real', 'out'); open('real', 'w').write('x')", "regular"),
        ("os.mkfifo('out')", "regular"),
        ("os.mkdir('out')", "regular"),
        ("socket.socket(socket.AF_UNIX).bind('out')", "regular"),
        ("open('out', 'wb').write(b'x' * 11)", "at most 10"),
        ("open('out', 'wb').truncate(1 << 33)", "at most 10"),
        ("os.mkdir('real'); open('real/out', 'w'); os.symlink('real', 'd')", "missing"),
    ],
)
def test_outputs_are_regular_files_of_bounded_size(launcher: Launcher, body: str, why: str) -> None:
    source = f"import os, socket\nos.chdir(os.environ['EVOLVE_OUTPUT'])\n{body}\n"
    reply = ran(launcher, source, outputs={"out": 10})
    assert reply.status is Status.INVALID
    assert why in reply.reason
    assert reply.files == {}


def test_an_output_below_a_linked_folder_is_refused(launcher: Launcher) -> None:
    source = "import os\nos.chdir(os.environ['EVOLVE_OUTPUT'])\nos.mkdir('real'); open('real/out', 'w'); os.symlink('real', 'd')\n"
    assert ran(launcher, source, outputs={"d/out": 10}).status is Status.INVALID


@pytest.mark.parametrize(
    ("body", "code", "why"),
    [
        ("raise SystemExit(3)", 3, "exit status 3"),
        ("1 / 0", 1, "exit status 1"),
        ("import os; os.kill(os.getpid(), 9)", -9, "SIGKILL"),
        ("import os; os.abort()", -6, "SIGABRT"),
    ],
)
def test_a_command_that_fails_is_a_crash(launcher: Launcher, body: str, code: int, why: str) -> None:
    reply = ran(launcher, body)
    assert reply.status is Status.CRASH
    assert reply.exit_code == code
    assert why in reply.reason


def test_a_command_that_does_not_exist_is_a_crash(launcher: Launcher) -> None:
    with launcher.sandbox({}, STAGE, start=Start.COLD) as sandbox:
        assert sandbox.run(["/no/such/program"]).status is Status.CRASH


def test_large_values_and_files_fit_through(launcher: Launcher) -> None:
    source = "import os\ndef f(x):\n    return x\nif __name__ == '__main__':\n"
    source += "    open(os.environ['EVOLVE_OUTPUT'] + '/big', 'wb').write(bytes(range(256)) * (1 << 16))\n"
    sent = np.random.default_rng(0).normal(size=(1 << 20))
    with launcher.sandbox({"m.py": source}, STAGE, start=Start.COLD) as sandbox:
        reply = sandbox.call("m.py:f", {"x": sent}, {"x": Array("float64", (None,))})
        files = sandbox.run(["python", "/candidate/m.py"], outputs={"big": 1 << 24}).files
    np.testing.assert_array_equal(reply.value["x"], sent)
    assert files["big"] == bytes(range(256)) * (1 << 16)


# -------------------------------------------------------------------------------------------------------------------- limits


def test_time_adds_up_against_the_stage(launcher: Launcher) -> None:
    with launcher.sandbox(
        {"m.py": "import time\ndef f(s):\n    time.sleep(s)\n"}, Stage(name="s", time_s=1.5), start=Start.COLD
    ) as sandbox:
        first = sandbox.call("m.py:f", {"s": 0.6}, ONE)
        second = sandbox.call("m.py:f", {"s": 5.0}, ONE)
        third = sandbox.call("m.py:f", {"s": 0.0}, ONE)
        wall_s = sandbox.usage.wall_s
    assert [first.status, second.status, third.status] == [Status.OK, Status.TIMEOUT, Status.TIMEOUT]
    assert 1.4 < wall_s < 2.5


def test_a_cpu_limit_is_a_timeout_of_the_stage_and_over_budget_of_the_entry(launcher: Launcher) -> None:
    files = {"m.py": "def f():\n    while True: pass\n"}
    for limit, status in ((None, Status.TIMEOUT), (0.3, Status.OVER_BUDGET), (5.0, Status.TIMEOUT)):
        with launcher.sandbox(files, Stage(name="s", time_s=9.0, cpu_s=0.4), start=Start.COLD, cpu_limit_s=limit) as sandbox:
            reply = sandbox.call("m.py:f", {}, ONE)
        assert reply.status is status
        assert 0.25 < reply.usage.cpu_s < 0.8


def test_the_scorers_calls_are_counted_apart(launcher: Launcher) -> None:
    files = {"m.py": "def f():\n    for _ in range(3_000_000): pass\n"}
    with launcher.sandbox(files, Stage(name="s", time_s=9.0, cpu_s=0.02), start=Start.COLD) as sandbox:
        reply = sandbox.call("m.py:f", {}, ONE, budgeted=False)
        assert reply.ok
        assert sandbox.usage.cpu_s == 0.0
        assert sandbox.scorer_usage.cpu_s == reply.usage.cpu_s > 0.02
        assert sandbox.call("m.py:f", {}, ONE).status is Status.TIMEOUT


def test_cpu_of_children_counts_even_when_nobody_waits_for_them(launcher: Launcher) -> None:
    source = (
        "import os, signal, time\ndef f():\n    signal.signal(signal.SIGCHLD, signal.SIG_IGN)\n    for _ in range(2):\n"
        "        if os.fork() == 0:\n            end = time.process_time() + 0.3\n"
        "            while time.process_time() < end: pass\n            os._exit(0)\n    time.sleep(2.0)\n"
    )
    reply = called(launcher, source)
    assert reply.ok
    assert 0.5 < reply.usage.cpu_s < 1.0


def test_peak_memory_is_seen(launcher: Launcher) -> None:
    reply = called(launcher, "def f():\n    return len(bytes(200 << 20).replace(b'\\0', b'x', 1))\n")
    assert reply.ok
    assert 200 < reply.usage.memory_mib < 500


def test_a_timeout_leaves_nobody_and_takes_little_longer(launcher: Launcher) -> None:
    source = (
        "import subprocess, sys, time\n"
        "sleep = [sys.executable, '-I', '-S', '-c', 'import time; time.sleep(60)', 'left-by-timeout']\n"
        "def f():\n    for session in (False, True) * 3:\n        subprocess.Popen(sleep, start_new_session=session)\n"
        "    time.sleep(60)\n"
    )
    began = time.perf_counter()
    reply = called(launcher, source, Stage(name="s", time_s=0.5))
    assert reply.status is Status.TIMEOUT
    assert time.perf_counter() - began < 5.0
    assert not [pid for pid in os.listdir("/proc") if pid.isdigit() and b"left-by-timeout" in _cmdline(pid)]


def _cmdline(pid: str) -> bytes:
    try:
        return Path(f"/proc/{pid}/cmdline").read_bytes()
    except OSError:
        return b""


def test_logs_are_capped_and_cleaned(launcher: Launcher) -> None:
    source = "def f():\n    print('first'); print('x' * 200000)\n"
    source += "    print('\\x1b[31mred\\x1b[0m [bold]rich[/bold] <b>html</b> \\x07\\u202e[1, 2] <module>')\n"
    reply = called(launcher, source)
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
    with open_launcher("strict", View(assets=tmp_path)) as launcher:
        assert called(launcher, source).value["value"] == ["abc", 30]
    assert (tmp_path / "tokens").read_text() == "abc"


def test_threads_are_as_many_as_the_stage_has_cpus(bare_view: Launcher) -> None:
    source = "import os\ndef f():\n    return sorted({v for k, v in os.environ.items() if k.endswith('_NUM_THREADS')})\n"
    for cpus, threads in ((0.5, "1"), (1.0, "1"), (3.0, "3")):
        assert called(bare_view, source, Stage(name="s", cpus=cpus)).value["value"] == [threads]


def test_two_launchers_work_side_by_side() -> None:
    def work(slot: int) -> None:
        with open_launcher("strict", View(), slot=slot) as launcher:
            for n in range(10):
                found.append(called(launcher, "def f(n):\n    return n\n", n=n).value["value"])

    found: list[object] = []
    threads = [threading.Thread(target=work, args=(slot,)) for slot in range(2)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert sorted(found) == sorted(list(range(10)) * 2)  # type: ignore[type-var]


def test_closing_leaves_no_process_no_folder_and_no_group() -> None:
    launcher = open_launcher("strict", View())
    pid, folder, group = launcher.lane._process.pid, launcher._private, launcher.lane.cgroup
    groups = list(group._folders.values()) if group else []
    called(launcher, "def f():\n    return 1\n")
    launcher.close()
    launcher.close()
    assert not Path(f"/proc/{pid}").exists()
    assert not folder.exists()
    assert not any(path.exists() for path in groups)


def test_the_policys_hash_tells_tiers_and_views_apart() -> None:
    with (
        open_launcher("strict", View()) as one,
        open_launcher("strict", View(), slot=1) as two,
        open_launcher("none", View()) as none,
    ):
        assert one.tier_hash == two.tier_hash != none.tier_hash
    with open_launcher("strict", View(imports=("numpy",))) as other:
        assert other.tier_hash != one.tier_hash


def test_folders_of_killed_launchers_are_removed_and_those_of_living_ones_are_not(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("tempfile.tempdir", str(tmp_path))
    stale, young, foreign = (tmp_path / name for name in ("evolve-sandbox-stale", "evolve-sandbox-young", "something-else"))
    for folder in (stale, young, foreign):
        (folder / "candidate").mkdir(parents=True)
    with open_launcher("strict", View()) as living:
        for folder in (stale, foreign, living._private):
            os.utime(folder, (1.0, 1.0))
        with open_launcher("strict", View()):
            assert not stale.exists()
            assert young.exists()
            assert foreign.exists()
            assert living._private.exists()


def test_a_dead_spawner_is_a_fault_of_the_machine_not_an_endless_wait(bare_view: Launcher) -> None:
    with open_launcher("strict", View()) as launcher:
        launcher.lane._process.kill()
        launcher.lane._process.wait()
        with pytest.raises(EnvironmentFault, match="launcher"):
            called(launcher, "def f():\n    return 1\n")


def test_a_candidate_that_eats_the_memory_in_small_bites_does_not_take_the_spawner_along(bare_view: Launcher) -> None:
    source = (
        "import os, time\ndef f():\n    for _ in range(60):\n        if os.fork() == 0:\n            kept = []\n"
        "            while True:\n                kept.append(b'x' * 300_000); time.sleep(0.01)\n    time.sleep(60)\n"
    )
    reply = called(bare_view, source, Stage(name="s", time_s=4.0, memory_mib=128))
    assert reply.status in (Status.CRASH, Status.TIMEOUT)
    assert called(bare_view, "def f():\n    return 1\n").ok
