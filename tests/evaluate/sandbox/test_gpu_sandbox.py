"""A strict sandbox with GPUs that are none: which nodes are there, and what a hostile candidate finds beside them."""

from __future__ import annotations

import json
import os
import tempfile
from collections.abc import Iterator
from pathlib import Path

import pytest
from gpu_stand_in import Card, StandIn, needs_compiler

from archive import StartMode
from evolve.evaluate import JsonValue, SandboxFactory, VisibleFiles, open_sandbox_factory
from evolve.evaluate.isolation._gpu import Gpu
from evolve.problem.contract._contract import Stage

pytestmark = needs_compiler

LOOK = """
import os, resource, threading

def tried(what, *words):
    try:
        return str(what(*words))
    except OSError as error:
        return type(error).__name__ + " " + str(error.errno)

def opened(path):
    os.close(os.open(path, os.O_RDWR))
    return "opened"

def named():
    path = f"/proc/{os.getpid()}/task/{threading.get_native_id()}/comm"
    with open(path, "r+") as file:
        file.write("worker")
    return open(path).read().strip()

def look():
    found = {path: tried(opened, path) for path in ("/dev/null", "/dev/nvidiactl", "/dev/nvidia0", "/dev/nvidia1")}
    found |= {
        "dev": sorted(os.listdir("/dev")),
        "visible": os.environ.get("CUDA_VISIBLE_DEVICES"),
        "named": tried(named),
        "event": tried(lambda: os.close(os.eventfd(0))),
        "files": resource.getrlimit(resource.RLIMIT_NOFILE)[0],
        "locked": resource.getrlimit(resource.RLIMIT_MEMLOCK)[0],
        "addresses": resource.getrlimit(resource.RLIMIT_AS)[0] == resource.RLIM_INFINITY,
        "data": resource.getrlimit(resource.RLIMIT_DATA)[0] == resource.RLIM_INFINITY,
        "shm": os.statvfs("/dev/shm").f_blocks * os.statvfs("/dev/shm").f_frsize >> 20,
        "sys": sorted(os.listdir("/sys")) if os.path.exists("/sys") else [],
        "root": sorted(os.listdir("/")),
        "cards": os.listdir("/sys/bus/pci/devices") if os.path.isdir("/sys/bus") else [],
    }
    return found
"""

ATTACK = """
import os, stat

def attack():
    achieved = []
    def attempt(name, what):
        try:
            what()
        except OSError:
            return
        achieved.append(name)
    for name in ("nvidia1", "nvidia2", "nvidia-caps/nvidia-cap1", "nvidia-modeset"):
        attempt("open " + name, lambda: os.open("/dev/" + name, os.O_RDWR))
    for folder in ("/dev", "/tmp", "/dev/shm", "/work"):
        attempt("mknod in " + folder, lambda: os.mknod(folder + "/other", stat.S_IFCHR | 0o666, os.makedev(195, 1)))
    attempt("link", lambda: os.symlink("/dev/nvidia1", "/dev/other"))
    attempt("chmod", lambda: os.chmod("/dev/nvidia0", 0o600))
    attempt("utime", lambda: os.utime("/dev/nvidia0", (1, 1)))
    attempt("unlink", lambda: os.unlink("/dev/nvidia0"))
    attempt("a file in /dev", lambda: open("/dev/left", "w"))
    attempt("a file in /sys", lambda: open("/sys/left", "w"))
    for number in range(1, 40):
        if number != os.getpid():
            attempt(f"root of {number}", lambda: os.listdir(f"/proc/{number}/root/dev"))
    for folder, _, files in os.walk("/proc"):
        if folder.split("/")[2:3] and (folder.split("/")[2].isdigit() or folder.split("/")[2] in ("self", "thread-self")):
            continue
        for file in files:
            attempt("write " + folder + "/" + file, lambda: os.open(folder + "/" + file, os.O_WRONLY))
    return sorted(achieved)
"""


@pytest.fixture(scope="module")
def factory() -> Iterator[SandboxFactory]:
    with open_sandbox_factory("strict", VisibleFiles()) as factory:
        yield factory


@pytest.fixture(scope="module")
def machine() -> Iterator[StandIn]:
    with tempfile.TemporaryDirectory() as folder:
        os.chmod(folder, 0o755)  # the slot's own user must come to the nodes, as it does below /dev
        machine = StandIn(Path(folder), [Card(0), Card(1)])
        machine.node("nvidia-modeset")
        machine.node("nvidia-caps/nvidia-cap1")
        yield machine


def looked(factory: SandboxFactory, gpus: tuple[Gpu, ...], start: StartMode = StartMode.COLD, code: str = LOOK) -> dict:
    stage = Stage(name="s", time_s=20.0, memory_mib=256, gpus=float(len(gpus)))
    entry = "look" if code is LOOK else "attack"
    with factory.sandbox({"m.py": code}, stage, start=start, gpus=gpus) as sandbox:
        reply = sandbox.call(f"m.py:{entry}", {}, {"found": JsonValue()})
    assert reply.ok, (reply.reason, reply.log)
    found = reply.value["found"]
    return found | {"start": sandbox.start} if isinstance(found, dict) else {"achieved": found}


PLAIN = ["fd", "null", "random", "shm", "stderr", "stdin", "stdout", "urandom", "zero"]
CONTROL = ["nvidia-uvm", "nvidia-uvm-tools", "nvidiactl"]


def test_without_gpus_there_is_no_node_and_nothing_that_they_need(factory: SandboxFactory, machine: StandIn) -> None:
    with_one, found = looked(factory, machine.driver.survey().gpus[:1]), looked(factory, ())
    assert found["dev"] == PLAIN
    assert found["visible"] == ""
    assert found["/dev/null"] == "opened"
    assert (found["sys"], found["cards"]) == ([], [])
    assert found["root"] == [name for name in with_one["root"] if name not in ("driver", "sys")]
    assert found["named"] == "OSError 30"
    assert found["event"] == "OSError 38"
    assert found["files"] == 1024


def test_with_a_gpu_there_are_its_nodes_and_no_other(factory: SandboxFactory, machine: StandIn) -> None:
    first, second = machine.driver.survey().gpus
    found = looked(factory, (first,))
    assert found["dev"] == sorted([*PLAIN, *CONTROL, "nvidia0"])
    assert found["visible"] == first.uuid
    assert [found[f"/dev/{name}"] for name in ("null", "nvidiactl", "nvidia0")] == ["opened"] * 3
    assert found["/dev/nvidia1"] == "FileNotFoundError 2"
    assert found["cards"] == ["0000:01:00.0"]
    found = looked(factory, (second, first))
    assert found["dev"] == sorted([*PLAIN, *CONTROL, "nvidia0", "nvidia1"])
    assert found["visible"] == f"{second.uuid},{first.uuid}"
    assert looked(factory, ())["dev"] == PLAIN


def test_with_a_gpu_there_is_what_cuda_needs(factory: SandboxFactory, machine: StandIn) -> None:
    found = looked(factory, machine.driver.survey().gpus[:1])
    assert (found["named"], found["event"]) == ("worker", "None")
    assert found["files"] >= 4096
    assert found["locked"] >= 8 << 20
    assert found["addresses"]
    assert found["data"]
    assert found["shm"] >= 1024


def test_a_spare_has_its_gpus_and_serves_only_who_has_the_same(factory: SandboxFactory, machine: StandIn) -> None:
    first, second = machine.driver.survey().gpus
    starts = [looked(factory, gpus, StartMode.SPARE) for gpus in ((first,), (first,), (second,), (second,), (), ())]
    spare, cold = StartMode.SPARE, StartMode.COLD
    assert [found["start"] for found in starts] == [cold, spare, cold, spare, cold, spare]
    assert [found["visible"] for found in starts[::2]] == [found["visible"] for found in starts[1::2]]
    assert starts[3]["dev"] == sorted([*PLAIN, *CONTROL, "nvidia1"])
    assert starts[5]["dev"] == PLAIN


def test_with_a_gpu_nothing_starts_warm(factory: SandboxFactory, machine: StandIn) -> None:
    assert looked(factory, machine.driver.survey().gpus[:1], StartMode.WARM)["start"] is StartMode.COLD
    assert looked(factory, (), StartMode.WARM)["dev"] == PLAIN


@pytest.mark.parametrize("start", [StartMode.COLD, StartMode.SPARE])
def test_a_hostile_candidate_finds_no_other_card(factory: SandboxFactory, machine: StandIn, start: StartMode) -> None:
    gpus = machine.driver.survey().gpus[:1]
    for _ in range(2):
        assert looked(factory, gpus, start, ATTACK)["achieved"] == []
    assert (machine.root / "dev/nvidia0").stat().st_mode & 0o777 == 0o666


def test_a_hostile_candidate_of_roots_own_finds_none_either(machine: StandIn) -> None:
    """Where a slot has no user of its own, what is not of a process below /proc is not to be written all the same."""
    with open_sandbox_factory("strict", VisibleFiles()) as factory:
        factory.isolation.share_user("for a test")  # type: ignore[attr-defined]
        assert looked(factory, machine.driver.survey().gpus[:1], code=ATTACK)["achieved"] == []


def test_in_tier_none_the_variable_alone_says_which(machine: StandIn) -> None:
    gpus = machine.driver.survey().gpus[:1]
    with open_sandbox_factory("none", VisibleFiles()) as factory:
        for lent, expected in ((gpus, gpus[0].uuid), ((), "")):
            with factory.sandbox({}, Stage(name="s"), start=StartMode.COLD, gpus=lent) as sandbox:
                reply = sandbox.run(["python", "-c", "import os; print(repr(os.environ['CUDA_VISIBLE_DEVICES']))"])
            assert reply.log.strip() == repr(expected), reply.reason


def test_a_command_sees_what_a_call_sees(factory: SandboxFactory, machine: StandIn) -> None:
    gpus = machine.driver.survey().gpus[1:]
    with factory.sandbox({"m.py": LOOK}, Stage(name="s", gpus=1), start=StartMode.COLD, gpus=gpus) as sandbox:
        reply = sandbox.run(["python", "-c", "import json, m; print(json.dumps(m.look()))"])
    found = json.loads(reply.log)
    assert (found["visible"], found["/dev/nvidia0"]) == (gpus[0].uuid, "FileNotFoundError 2")


def test_libraries_of_the_driver_that_lie_elsewhere_are_found(factory: SandboxFactory, machine: StandIn, tmp_path: Path) -> None:
    folder = machine.root / "opt"
    folder.mkdir(exist_ok=True)
    (folder / "libcuda.so.1").touch()
    (gpu,) = machine.driver.survey().gpus[:1]
    elsewhere = Gpu(uuid=gpu.uuid, index=0, minor=0, name="x", library=str(folder / "libcuda.so.1"), root=gpu.root)
    code = "import os\ndef look():\n    return {'files': os.listdir('/driver'), 'path': os.environ.get('LD_LIBRARY_PATH', '')}\n"
    with factory.sandbox({"m.py": code}, Stage(name="s", gpus=1), start=StartMode.COLD, gpus=(elsewhere,)) as sandbox:
        found = sandbox.call("m.py:look", {}, {"found": JsonValue()}).value["found"]
    assert found["files"] == ["libcuda.so.1"]
    assert found["path"].split(":")[0] == "/driver"
