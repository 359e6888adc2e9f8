"""The battery of hostile candidates against the strict tier, as whoever runs the tests and as an ordinary user."""

from __future__ import annotations

import json
import os
import shutil
import socket
import subprocess
import sys
import sysconfig
from collections.abc import Iterator
from pathlib import Path

import pytest

sys.path.insert(0, str(Path(__file__).parent))

from hostile._attack import Attack
from hostile._run import ATTACKS, carry_out
from hostile._sources import SOURCES

from archive import StartMode
from evolve.evaluate import JsonValue, SandboxFactory, VisibleFiles, open_sandbox_factory
from evolve.problem.contract._contract import Stage

REPO = Path(__file__).parents[2]


@pytest.fixture(scope="module")
def factory() -> Iterator[SandboxFactory]:
    with open_sandbox_factory("strict", VisibleFiles()) as factory:
        yield factory


@pytest.mark.parametrize("attack", ATTACKS, ids=lambda attack: attack.name)
def test_attack_achieves_nothing(factory: SandboxFactory, attack: Attack, tmp_path: Path) -> None:
    secret = tmp_path / "secret"
    secret.write_text("the answer")
    _, problem = carry_out(factory, attack, secret)
    assert problem == ""


@pytest.mark.parametrize("name", SOURCES)
def test_source_breaks_nothing(factory: SandboxFactory, name: str) -> None:
    source, statuses = SOURCES[name]
    files = {"attack.py": source} | ({"json.py": "x = 1\n"} if name == "shadows_json" else {})
    stage = Stage(name="s", time_s=3.0, memory_mib=256)
    with factory.sandbox(files, stage, start=StartMode.COLD) as sandbox:
        reply = sandbox.call("attack.py:attack", {"secret": "", "port": 1, "marker": ""}, {"achieved": JsonValue()})
    assert reply.status in statuses, (reply.status, reply.reason)
    reply.reason.encode("utf-8")
    reply.log.encode("utf-8")


def test_nothing_of_the_checkout_the_home_or_the_run_can_be_opened(factory: SandboxFactory, tmp_path: Path) -> None:
    run = tmp_path / "run"
    run.mkdir()
    (run / "journal-000001.jsonl").write_text("{}")
    places = [
        REPO,
        REPO / "evolve" / "evaluate" / "_sandbox.py",
        run,
        run / "journal-000001.jsonl",
        Path.home(),
        Path.home() / ".ssh",
    ]
    places += [Path(sys.prefix), Path(sysconfig.get_path("purelib")), Path(__file__), Path("/etc/passwd")]
    source = (
        "import os\ndef f(places):\n    found = []\n    for place in places:\n        try:\n"
        "            os.listdir(place) if os.path.isdir(place) else open(place, 'rb')\n            found.append(place)\n"
        "        except OSError:\n            pass\n    return found\n"
    )
    with factory.sandbox({"m.py": source}, Stage(name="s"), start=StartMode.COLD) as sandbox:
        reply = sandbox.call("m.py:f", {"places": [str(place) for place in places]}, {"found": JsonValue()})
    assert reply.value["found"] == []


def _other_python() -> str | None:
    """An interpreter of this version that every user can reach."""
    name = f"python{sys.version_info[0]}.{sys.version_info[1]}"
    return next((path for folder in ("/usr/bin", "/usr/local/bin") if os.access(path := f"{folder}/{name}", os.X_OK)), None)


@pytest.mark.skipif(os.geteuid() != 0, reason="only root can become another user; the tests above ran as one")
@pytest.mark.slow
def test_the_battery_holds_for_an_ordinary_user(tmp_path: Path) -> None:
    python, setpriv = _other_python(), shutil.which("setpriv")
    if python is None or setpriv is None:
        pytest.skip("no interpreter of this version outside the home, or no setpriv")
    path = os.pathsep.join([str(REPO), str(Path(__file__).parent), sysconfig.get_path("purelib")])
    argv = [
        setpriv,
        "--reuid=65534",
        "--regid=65534",
        "--clear-groups",
        "--inh-caps=-all",
        python,
        "-B",
        "-m",
        "hostile._run",
        "hostile._forge",
    ]
    done = subprocess.run(argv, env={"PYTHONPATH": path, "PATH": os.defpath}, cwd="/", capture_output=True, text=True, check=False)
    if "ModuleNotFoundError" in done.stderr or "Permission denied" in done.stderr:
        pytest.skip("the checkout or its packages cannot be read by other users")
    told = json.loads(done.stdout)
    assert told["uid"] == 65534
    assert told["wrong"] == []


@pytest.mark.slow
def test_tier_none_stops_none_of_this(tmp_path: Path) -> None:
    """What the battery looks for is there to be found: without walls the same machine gives it away."""
    secret = tmp_path / "secret"
    secret.write_text("the answer")
    source = (
        "import os, socket\ndef attack(secret, port):\n    with socket.create_connection(('127.0.0.1', port), 5):\n"
        "        return [open(secret).read(), len([n for n in os.listdir('/proc') if n.isdigit()]) > 2]\n"
    )
    with (
        socket.create_server(("127.0.0.1", 0)) as server,
        open_sandbox_factory("none", VisibleFiles()) as factory,
        factory.sandbox({"m.py": source}, Stage(name="s"), start=StartMode.COLD) as sandbox,
    ):
        arguments = {"secret": str(secret), "port": server.getsockname()[1]}
        reply = sandbox.call("m.py:attack", arguments, {"got": JsonValue()})
    assert reply.value["got"] == ["the answer", True]
