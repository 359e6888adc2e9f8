"""How Ray is found, refused and started: one sentence each, and nothing of the driver's environment gets in."""

from __future__ import annotations

import os
import signal
import socket
import subprocess
import sys
import tempfile
from pathlib import Path

import pytest

from evolve._errors import MissingPackage, UsageError
from evolve.execute._scratch import Scratch
from evolve.execute.cluster._connection import Connection, address_of, load_ray
from evolve.execute.cluster._settings import ENVIRONMENT, environment


def free_port() -> int:
    with socket.socket() as found:
        found.bind(("127.0.0.1", 0))
        return int(found.getsockname()[1])


def alone(code: str, **variables: str) -> str:
    """What a program prints that has a Python, and so a Ray, of its own."""
    told = {**{name: value for name, value in os.environ.items() if not name.startswith("RAY_")}, **variables}
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, env=told, check=False)
    assert done.returncode == 0, done.stderr[-2000:]
    return done.stdout


def test_an_address_is_as_given_else_as_the_environment_has_it(monkeypatch: pytest.MonkeyPatch) -> None:
    assert address_of("") == ""
    monkeypatch.setenv("RAY_ADDRESS", "10.0.0.1:6379")
    assert address_of("") == "10.0.0.1:6379"
    assert address_of("auto") == "auto"


@pytest.mark.parametrize("address", ["ray://head:10001", "ray://127.0.0.1:10001"])
def test_a_ray_client_is_refused_with_the_reason(address: str) -> None:
    with pytest.raises(UsageError, match="results are lost when the connection is; run evolve on a machine of the cluster"):
        address_of(address)


@pytest.mark.parametrize(
    ("address", "kind", "words"),
    [
        ("executor.address=10.0.0.7:6379", "UsageError", "expected executor.address=auto or HOST:PORT, found 'executor.address="),
        ("nonsense", "UsageError", "expected executor.address=auto or HOST:PORT, found 'nonsense'"),
        ("127.0.0.1:{port}", "EnvironmentFault", "found none that answers ([Errno 111] Connection refused); type: ray status"),
    ],
)
def test_an_address_that_cannot_serve_is_one_sentence_at_once(address: str, kind: str, words: str) -> None:
    where = address.format(port=free_port())
    code = f"""
from evolve._errors import EvolveError
from evolve.execute.cluster._connection import Connection
try:
    Connection({where!r})
except EvolveError as error:
    print(type(error).__name__, error)
"""
    said = alone(code)
    assert said.startswith(kind)
    assert words in said
    assert said.count("\n") == 1


def test_a_token_that_is_not_there_is_one_sentence() -> None:
    with socket.socket() as somebody:
        somebody.bind(("127.0.0.1", 0))
        somebody.listen()
        code = f"""
from evolve._errors import EnvironmentFault
from evolve.execute.cluster._connection import Connection
try:
    Connection("127.0.0.1:{somebody.getsockname()[1]}")
except EnvironmentFault as error:
    print(error)
"""
        said = alone(code, RAY_AUTH_MODE="token", RAY_AUTH_TOKEN_PATH="/no/ray.token")
    assert (
        said
        == "expected the cluster's token in /no/ray.token (RAY_AUTH_TOKEN_PATH), found no token there; copy it from the head.\n"
    )


def test_a_driver_on_a_machine_that_is_no_node_is_told_to_make_it_one() -> None:
    """Ray waits a minute for a node of the cluster on the driver's machine, and then raises this."""
    with socket.socket() as somebody:
        somebody.bind(("127.0.0.1", 0))
        somebody.listen()
        address = f"127.0.0.1:{somebody.getsockname()[1]}"
        code = f"""
from evolve._errors import EnvironmentFault
from evolve.execute.cluster._connection import Connection, load_ray
def init(**how):
    cause = RuntimeError("No node info found matching attributes: '' when trying to resolve node to connect to.")
    raise ConnectionError("Failed to connect to Ray cluster at {address}") from cause
load_ray().init = init
try:
    Connection({address!r})
except EnvironmentFault as error:
    print(error)
"""
        said = alone(code)
    assert said == (
        f"expected this machine to be a node of the Ray cluster at {address}, found none of its nodes here; "
        f"type: ray start --address={address} --num-cpus=0, or run evolve on a machine of the cluster.\n"
    )


def test_without_ray_it_says_what_to_type(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setitem(sys.modules, "ray", None)
    with pytest.raises(MissingPackage, match="type: pip install ray"):
        load_ray()


def test_a_ray_of_ours_starts_in_an_empty_environment_and_leaves_it_as_it_was(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("SOME_API_KEY", "secret")
    before = {name: value for name, value in os.environ.items() if name not in ENVIRONMENT}
    with environment({"RAY_AUTH_TOKEN_PATH": "/somewhere"}, cleared=True):
        assert "SOME_API_KEY" not in os.environ
        assert "HOME" not in os.environ
        assert os.environ["PATH"] == before["PATH"]
        assert os.environ["RAY_ACCEL_ENV_VAR_OVERRIDE_ON_ZERO"] == "1"
    after = {name: value for name, value in os.environ.items() if name not in ENVIRONMENT and name != "RAY_AUTH_TOKEN_PATH"}
    assert after == before


def test_no_key_of_the_driver_reaches_a_worker_and_no_worker_sees_a_gpu(
    ray_here: Connection, monkeypatch: pytest.MonkeyPatch
) -> None:
    ray = ray_here.ray
    seen = ray.get(ray.remote(lambda: dict(os.environ)).remote())
    assert not [name for name in seen if name.endswith(("_API_KEY", "_TOKEN")) or name == "HOME"]
    assert seen.get("CUDA_VISIBLE_DEVICES", "") == ""
    assert seen["RAY_ENABLE_UV_RUN_RUNTIME_ENV"] == "0"


def test_the_token_of_a_ray_of_ours_is_private(ray_here: Connection) -> None:
    ray = ray_here.ray
    path = ray.get(ray.remote(lambda: os.environ["RAY_AUTH_TOKEN_PATH"]).remote())
    assert os.stat(path).st_mode & 0o077 == 0
    assert os.stat(os.path.dirname(path)).st_mode & 0o077 == 0


@pytest.mark.slow
def test_another_token_is_told_as_such(tmp_path) -> None:
    for name in ("right", "wrong"):
        (tmp_path / name).write_text(f"a token that is {name}")
        (tmp_path / name).chmod(0o600)
    code = f"""
import subprocess, sys
from evolve._errors import EnvironmentFault
from ray.cluster_utils import Cluster
cluster = Cluster(initialize_head=True, head_node_args={{"num_cpus": 0, "include_dashboard": False}})
told = "from evolve._errors import EvolveError\\nfrom evolve.execute.cluster._connection import Connection\\n"
told += f"try:\\n    Connection({{cluster.address!r}})\\nexcept EvolveError as error:\\n    print(error)"
import os
env = {{**os.environ, "RAY_AUTH_TOKEN_PATH": {str(tmp_path / "wrong")!r}}}
done = subprocess.run([sys.executable, "-c", told], capture_output=True, text=True, env=env)
cluster.shutdown()
print(done.stdout)
"""
    said = alone(code, RAY_AUTH_MODE="token", RAY_AUTH_TOKEN_PATH=str(tmp_path / "right"))
    assert "expected the token that the Ray cluster at" in said
    assert f"found that of {tmp_path / 'wrong'}; type: export RAY_AUTH_MODE=token RAY_AUTH_TOKEN_PATH=FILE" in said


def test_a_connection_that_is_there_is_used_and_left(ray_here: Connection) -> None:
    with Connection() as second:
        assert not second.is_own
    assert ray_here.ray.is_initialized()


_IS_KILLED = """
import os, pathlib, signal, tempfile
from evolve.execute.cluster._connection import Connection
connection = Connection(cpus=1)
print(*{path.parents[2].name for path in pathlib.Path(tempfile.gettempdir()).glob("*/r/session_*/sockets")}, flush=True)
os.kill(os.getpid(), signal.SIGKILL)
"""


def test_the_session_of_a_ray_of_ours_goes_with_what_is_swept_after_a_kill(monkeypatch: pytest.MonkeyPatch) -> None:
    with tempfile.TemporaryDirectory(prefix="r") as folder:
        killed = subprocess.run(
            [sys.executable, "-c", _IS_KILLED],
            env={**os.environ, "TMPDIR": folder},
            capture_output=True,
            text=True,
            check=False,
        )
        assert killed.returncode == -signal.SIGKILL
        first = killed.stdout.strip()
        assert first.startswith("evolve-scratch-")
        assert (Path(folder) / first).exists()
        monkeypatch.setattr(tempfile, "tempdir", folder)
        Scratch().close()
        assert not (Path(folder) / first / "lock").exists()
