"""A node without evolve, or with another version, says so and takes no part."""

from __future__ import annotations

import pickle
import subprocess
import sys
from pathlib import Path

import pytest
import ray.cloudpickle

import evolve
from evolve._errors import EnvironmentFault
from evolve.execute.cluster import ClusterExecutor, _door, _seat
from evolve.execute.cluster._connection import Connection
from evolve.execute.cluster._door import Door
from evolve.testing import Probe, open_executor_bench

OPENS = """
import pickle, sys
door = pickle.load(sys.stdin.buffer)
assert not [name for name in sys.modules if name.partition(".")[0] == "evolve"]
sys.modules["evolve"] = None
print(door("1.2", b"", 0)._fault())
"""


def test_it_travels_by_value_and_needs_nothing_of_ours() -> None:
    ray.cloudpickle.register_pickle_by_value(_door)
    sent = ray.cloudpickle.dumps(Door)
    told = subprocess.run([sys.executable, "-c", OPENS], input=sent, capture_output=True, check=False)
    assert told.returncode == 0, told.stderr.decode()[-2000:]
    assert told.stdout.decode().startswith("expected evolve 1.2 on every node, found none that can be imported (")
    assert told.stdout.decode().strip().endswith("); install the same there")


def test_another_version_is_found_before_anything_of_the_run_is_unpacked() -> None:
    said = Door("9.9.9", pickle.dumps("what no host takes"), 0)._fault()
    assert said == f"expected evolve 9.9.9 on every node, found {evolve.__version__}; install the same there"


def test_a_cluster_of_another_version_alone_is_refused(
    ray_here: Connection, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(_seat, "__version__", "9.9.9")

    def make(problems: object, *, slots: int, sink: object) -> ClusterExecutor:
        return ClusterExecutor(problems, slots=slots, tier="none", sink=sink)  # type: ignore[arg-type]

    with pytest.raises(EnvironmentFault, match=r"^no node can serve: .*: expected evolve 9.9.9 on every node, found "):  # noqa: SIM117
        with open_executor_bench(make, Probe(tmp_path)):
            pass
