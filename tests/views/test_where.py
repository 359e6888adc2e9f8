"""Where a run is measured: as its newest opening has it, in one phrase."""

from __future__ import annotations

import json
import time
from pathlib import Path

import pytest

import evolve
from archive import Journal, RunOpened, SlotsChanged
from evolve.cli import main
from evolve.search.state._state import Whereabouts
from evolve.testing import Harness, Script, scored
from evolve.views._where import where_words


@pytest.mark.parametrize(
    ("executor", "address", "nodes", "words"),
    [
        ("local", "", 0, "2 slots on box"),
        ("ray", "local", 1, "2 slots on box, by a Ray of the run's own"),
        ("ray", "10.0.0.5:6379", 1, "2 slots on the cluster at 10.0.0.5:6379 (1 node), driven from box"),
        ("ray", "10.0.0.5:6379", 0, "2 slots on the cluster at 10.0.0.5:6379, driven from box"),
        ("ray", "", 0, "2 slots on Ray, driven from box"),
        ("theirs", "", 0, "2 slots of theirs, driven from box"),
    ],
)
def test_it_is_one_phrase(executor: str, address: str, nodes: int, words: str) -> None:
    assert where_words(Whereabouts("box", executor, address, 2, nodes)) == words


def test_the_newest_opening_counts_and_what_came_after_it(tmp_path: Path) -> None:
    script = Script(seed_files={"main.py": "X = 0.5\n"}, answer=scored(lambda files, seed: 0.0))
    with Harness(script, tmp_path) as harness:
        run = harness.search.run
        harness.recorder.write(RunOpened("a", machine="box", executor="ray", address="10.0.0.5:6379", slots=8, nodes=2))
        assert run.whereabouts == Whereabouts("box", "ray", "10.0.0.5:6379", 8, 2)
        harness.recorder.write(SlotsChanged("a", 0))
        assert run.whereabouts == Whereabouts("box", "ray", "10.0.0.5:6379", 0, 0)
        harness.recorder.write(RunOpened("b", machine="other", executor="local", slots=3))
        assert run.whereabouts == Whereabouts("other", "local", "", 3, 0)


def test_status_says_where_a_run_went_on(run: evolve.Run, capsys: pytest.CaptureFixture[str]) -> None:
    def shown(*more: str) -> str:
        assert main(["status", str(run.path), *more]) == 0
        return " ".join(capsys.readouterr().out.split())

    here = json.loads(shown("--json"))["where"]
    assert (here["executor"], here["address"], here["slots"]) == ("local", "", 1)
    assert f"where 1 slot on {here['machine']} sandbox" in shown()
    with Journal.open(run.path) as journal:
        opened = RunOpened("e", machine="head", executor="ray", address="10.0.0.5:6379", slots=64, nodes=3)
        journal.append(opened, at=time.time())
    assert "where 64 slots on the cluster at 10.0.0.5:6379 (3 nodes), driven from head sandbox" in shown()
    assert json.loads(shown("--json"))["where"] == {
        "machine": "head",
        "executor": "ray",
        "address": "10.0.0.5:6379",
        "slots": 64,
        "nodes": 3,
    }
