"""Nodes that take no part are in the journal, and shown with how the run stands."""

from __future__ import annotations

from pathlib import Path

from archive import BudgetSet, NodesUnfit, read_journal
from evolve.config._schema import BudgetConfig
from evolve.testing import Harness, Script, scored


def test_who_takes_no_part_is_recorded_when_that_changes(tmp_path: Path) -> None:
    ticks = iter(range(100_000))
    script = Script(
        seed_files={"main.py": "X = 0.5\n"},
        answer=scored(lambda files, seed: -float(len(files["main.py"]))),
        clock=lambda: float(next(ticks)),
        budget=BudgetConfig(evaluations=12),
    )
    with Harness(script, tmp_path) as harness:
        harness.executor.unfit = {"n1": "box: evolve 0.1 there, 0.2 here"}  # type: ignore[attr-defined]
        harness.drive()
        assert harness.search.run.unfit == {"n1": "box: evolve 0.1 there, 0.2 here"}
        harness.executor.unfit = {}  # type: ignore[attr-defined]
        harness.recorder.write(BudgetSet(evaluations=24))
        harness.drive()
        assert harness.search.run.unfit == {}
    told = [one.record.nodes for one in read_journal(tmp_path) if isinstance(one.record, NodesUnfit)]
    assert told == [{"n1": "box: evolve 0.1 there, 0.2 here"}, {}]
