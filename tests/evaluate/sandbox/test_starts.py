"""Warm and spare starts: faster, and as closed as cold where it counts."""

from __future__ import annotations

import os
import signal
import subprocess
import sys
import time
from collections.abc import Iterator
from pathlib import Path

import numpy as np
import pytest

sys.path.insert(0, str(Path(__file__).parents[1]))

from hostile import _exhaust, _forge, _reach
from hostile._attack import Attack
from hostile._run import carry_out

from archive import StartMode, Status
from evolve.evaluate import Array, JsonValue, Reply, SandboxFactory, VisibleFiles, doctor, open_sandbox_factory
from evolve.problem.contract._contract import Stage

STAGE = Stage(name="s", time_s=10.0, memory_mib=256)
ONE = {"value": JsonValue()}
CONDITION = (
    "import os\ndef f():\n    return [os.getpriority(os.PRIO_PROCESS, 0), len(os.sched_getaffinity(0)), os.sched_getscheduler(0),\n"
    "            [name for place in ('/work', '/tmp', '/dev/shm', '/output') for name in os.listdir(place) if name != 'm.py']]\n"
)


@pytest.fixture(scope="module")
def factory() -> Iterator[SandboxFactory]:
    with open_sandbox_factory("strict", VisibleFiles(imports=("numpy",))) as factory:
        if "works" not in {check.name: check.found for check in doctor()}["warm start"]:
            pytest.skip("this machine has no warm starts")
        yield factory


def called(
    factory: SandboxFactory, source: str, start: StartMode = StartMode.WARM, stage: Stage = STAGE, **arguments: object
) -> Reply:
    with factory.sandbox({"m.py": source}, stage, start=start) as sandbox:
        reply = sandbox.call("m.py:f", arguments, ONE)
        assert sandbox.start is start
    return reply


@pytest.mark.parametrize(
    "attack", [*_reach.ATTACKS, _reach.SERVER_ATTACK, *_exhaust.ATTACKS, *_forge.ATTACKS[::4]], ids=lambda attack: attack.name
)
def test_an_attack_on_a_warm_child_achieves_nothing_and_leaves_nothing(
    factory: SandboxFactory, attack: Attack, tmp_path: Path
) -> None:
    secret = tmp_path / "secret"
    secret.write_text("the answer")
    _, problem = carry_out(factory, attack, secret, StartMode.WARM)
    assert problem == ""
    after = called(factory, CONDITION)
    assert after.value["value"] == [0, len(os.sched_getaffinity(0)), 0, []], f"{attack.name} left something for the next child"


def test_warm_children_give_what_cold_ones_give(factory: SandboxFactory) -> None:
    files = {
        "m.py": "from pkg import a\nimport numpy as np\ndef f(x, k):\n    return np.sort(x) + a.ONE, {k: open('/input/i').read()}\n"
    }
    files |= {"pkg/__init__.py": "", "pkg/a.py": "ONE = 1\n"}
    returns = {"x": Array("float64", (None,)), "k": JsonValue()}
    replies = []
    for start in (StartMode.COLD, StartMode.WARM, StartMode.SPARE, StartMode.SPARE):
        with factory.sandbox(files, STAGE, start=start) as sandbox:
            replies.append(sandbox.call("m.py:f", {"x": np.array([3.0, 1.0]), "k": "é"}, returns, inputs={"i": b"text"}))
    assert [reply.status for reply in replies] == [Status.OK] * 4
    assert len({reply.output_hash for reply in replies}) == 1
    np.testing.assert_array_equal(replies[1].value["x"], [2.0, 4.0])


def test_generators_differ_between_children(factory: SandboxFactory) -> None:
    source = (
        "import random, uuid, numpy as np\ndef f():\n    return [random.random(), float(np.random.random()), uuid.uuid4().hex]\n"
    )
    draws = [called(factory, source).value["value"] for _ in range(3)]
    for column in zip(*draws, strict=True):
        assert len(set(column)) == 3


def test_nothing_is_carried_from_one_child_to_the_next(factory: SandboxFactory) -> None:
    source = (
        "import os, sys, numpy\ndef f():\n"
        "    seen = [getattr(numpy, 'mark', 0), sys.modules.get('mark') is not None, 'MARK' in os.environ]\n"
        "    numpy.mark = 1; sys.modules['mark'] = numpy; os.environ['MARK'] = '1'\n"
        "    open('/work/mark', 'w').write('1')\n    return [*seen, sorted(os.listdir('/work')) == ['m.py', 'mark']]\n"
    )
    assert [called(factory, source).value["value"] for _ in range(3)] == [[0, False, False, True]] * 3


def test_limits_hold_for_a_child_and_the_server_lives_on(factory: SandboxFactory) -> None:
    called(factory, "def f():\n    return 1\n")
    server = factory._warm
    spin = called(factory, "def f():\n    while True: pass\n", stage=Stage(name="s", time_s=9.0, cpu_s=0.3, memory_mib=256))
    late = called(factory, "import time\ndef f():\n    time.sleep(60)\n", stage=Stage(name="s", time_s=0.3, memory_mib=256))
    full = called(factory, "def f():\n    return len(b'x' * (1 << 30))\n")
    fine = called(factory, "def f():\n    return 2\n")
    assert [spin.status, late.status, full.status, fine.status] == [Status.TIMEOUT, Status.TIMEOUT, Status.CRASH, Status.OK]
    assert 0.25 < spin.usage.cpu_s < 0.7
    assert factory._warm is server


def test_stages_of_different_size_share_a_server_and_get_their_own_room(factory: SandboxFactory) -> None:
    source = "import os\ndef f():\n    room = os.statvfs('/work')\n    return room.f_blocks * room.f_frsize >> 20\n"
    sizes, servers = [], set()
    for memory_mib in (256, 512, 64, 256):
        sizes.append(called(factory, source, stage=Stage(name="s", memory_mib=memory_mib)).value["value"])
        servers.add(factory._warm)
    assert sizes == [128, 256, 64, 128]
    assert len(servers) == 1


def test_a_killed_server_is_replaced(factory: SandboxFactory) -> None:
    called(factory, "def f():\n    return 1\n")
    server = factory._warm
    assert server is not None
    os.kill(server._child.pid, signal.SIGKILL)
    time.sleep(0.3)
    with factory.sandbox({"m.py": "def f():\n    return 1\n"}, STAGE, start=StartMode.WARM) as sandbox:
        sandbox.call("m.py:f", {}, ONE)  # lost with the server, or already on the next one
    assert called(factory, "def f():\n    return 2\n").value["value"] == 2
    assert factory._warm is not server


def test_modules_that_candidates_import_are_loaded_ahead() -> None:
    with open_sandbox_factory("strict", VisibleFiles(imports=("numpy",))) as factory:
        source = "import sys\nbefore = 'numpy.polynomial' in sys.modules\nimport numpy.polynomial\ndef f():\n    return before\n"
        assert called(factory, source).value["value"] is True


def test_a_hostile_import_only_costs_the_warm_start() -> None:
    with open_sandbox_factory("strict", VisibleFiles(imports=("numpy",))) as factory:
        text = "def f():\n    return 1\n'''\n" + "".join(f"import numpy.no{n}\n" for n in range(30)) + "'''\n"
        for _ in range(2):
            assert called(factory, text).value["value"] == 1
        assert factory._servers == 1


def test_commands_and_scripts_are_never_warm(factory: SandboxFactory) -> None:
    with factory.sandbox({"m.py": "print(1)"}, STAGE, start=StartMode.WARM) as sandbox:
        assert sandbox.run(["python", "/candidate/m.py"]).log == "1\n"
        assert sandbox.start is StartMode.COLD


def test_a_spare_is_used_once_and_runs_scripts_with_its_imports_loaded() -> None:
    script = (
        "import sys\nloaded = 'numpy' in sys.modules\nimport numpy, os, helper\n"
        "told = [loaded, sys.argv[1:], __name__, os.getcwd(), helper.X]\n"
        "open(os.environ['EVOLVE_OUTPUT'] + '/o', 'w').write(repr(told))\nsys.exit(0)\n"
    )
    files = {"m.py": script, "helper.py": "X = 5\n"}
    found = []
    with open_sandbox_factory("strict", VisibleFiles(imports=("numpy",))) as factory:
        for _ in range(3):
            with factory.sandbox(files, STAGE, start=StartMode.SPARE) as sandbox:
                reply = sandbox.run(["python", "/candidate/m.py", "-a"], outputs={"o": 1000})
                assert reply.ok, (reply.status, reply.reason, reply.log, sandbox.start)
                found.append((sandbox.start, reply.files["o"].decode()))
    assert [start for start, _ in found] == [StartMode.COLD, StartMode.SPARE, StartMode.SPARE]
    assert found[0][1] == "[False, ['-a'], '__main__', '/work', 5]"
    assert found[1][1] == found[2][1] == "[True, ['-a'], '__main__', '/work', 5]"


def test_a_traceback_begins_in_the_program_however_it_was_started(factory: SandboxFactory) -> None:
    source = "def f():\n    return g()\ndef g():\n    return 1 / 0\n"
    for start in (StartMode.WARM, StartMode.COLD):
        log = called(factory, source, start).log
        assert log.startswith('Traceback (most recent call last):\n  File "/candidate/m.py", line 2, in f\n')
    with open_sandbox_factory("strict", VisibleFiles(imports=("numpy",))) as spares:
        for started in (StartMode.COLD, StartMode.SPARE):
            with spares.sandbox({"m.py": source + "f()\n"}, STAGE, start=StartMode.SPARE) as sandbox:
                log = sandbox.run(["python", "/candidate/m.py"]).log
                assert sandbox.start is started
            assert log.startswith('Traceback (most recent call last):\n  File "/candidate/m.py", line 5, in <module>\n')


@pytest.mark.parametrize("start", [StartMode.COLD, StartMode.WARM])
def test_spawned_processes_work_however_the_program_was_started(factory: SandboxFactory, start: StartMode) -> None:
    source = (
        "import sys, multiprocessing as mp\ndef double(x):\n    return 2 * x\n"
        "def f():\n    main = sys.modules['__main__']\n"
        "    with mp.get_context('spawn').Pool(2) as pool:\n"
        "        return [pool.map(double, [1, 2]), sys.argv, hasattr(main, '__file__'), main.__spec__]\n"
    )
    reply = called(factory, source, start)
    assert reply.ok, (reply.status, reply.reason, reply.log)
    assert reply.value["value"] == [[2, 4], ["/candidate/m.py"], False, None]


def test_a_spare_that_died_or_does_not_fit_is_passed_over() -> None:
    source = "def f():\n    return 1\n"
    with open_sandbox_factory("strict", VisibleFiles(imports=("numpy",))) as factory:
        for memory_mib in (256, 256, 512):
            with factory.sandbox({"m.py": source}, Stage(name="s", memory_mib=memory_mib), start=StartMode.SPARE) as sandbox:
                assert sandbox.call("m.py:f", {}, ONE).ok
        assert factory._spare is not None
        factory._spare._child.kill()
        with factory.sandbox({"m.py": source}, Stage(name="s", memory_mib=512), start=StartMode.SPARE) as sandbox:
            assert sandbox.call("m.py:f", {}, ONE).ok
            assert sandbox.start is StartMode.COLD


def test_tier_none_is_never_warm() -> None:
    with (
        open_sandbox_factory("none", VisibleFiles()) as factory,
        factory.sandbox({"m.py": "def f():\n    return 1\n"}, STAGE, start=StartMode.WARM) as sandbox,
    ):
        assert sandbox.call("m.py:f", {}, ONE).ok
        assert sandbox.start is StartMode.COLD


def test_everything_ends_with_the_process_that_opened_it() -> None:
    script = (
        "import sys, time\nfrom archive import StartMode\nfrom evolve.problem.contract._contract import Stage\n"
        "from evolve.evaluate import *\nL = open_sandbox_factory('strict', VisibleFiles())\n"
        "files = {'m.py': 'import time\\ndef f(): return 1\\ndef g(): time.sleep(60)\\n'}\n"
        "with L.sandbox(files, Stage(name='s', time_s=60), start=StartMode.WARM) as s:\n"
        "    s.call('m.py:f', {}, {'value': JsonValue()})\n    print(L.spawner._process.pid, L._warm._child.pid, flush=True)\n"
        "    s.call('m.py:g', {}, {'value': JsonValue()})\n"
    )
    child = subprocess.Popen(
        [sys.executable, "-c", script], stdout=subprocess.PIPE, text=True, env={**os.environ, "PYTHONPATH": os.getcwd()}
    )
    assert child.stdout is not None
    pids = [int(pid) for pid in child.stdout.readline().split()]
    assert len(pids) == 2
    time.sleep(0.3)
    child.kill()
    child.wait()
    child.stdout.close()
    deadline = time.monotonic() + 10
    while any(_alive(pid) for pid in pids) and time.monotonic() < deadline:
        time.sleep(0.02)
    assert not [pid for pid in pids if _alive(pid)]


def _alive(pid: int) -> bool:
    try:
        return Path(f"/proc/{pid}/stat").read_text().rpartition(")")[2].split()[0] != "Z"
    except OSError:
        return False
