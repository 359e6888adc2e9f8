"""Children whose learning curve loses are ended early: only where that is known to be safe, and with a check on it."""

from __future__ import annotations

import sys
from pathlib import Path

import pytest

from archive import Measured, MeasureIssued, Purpose, Status
from evolve.config._schema import BudgetConfig, SearchConfig
from evolve.testing._harness import Harness, Script, plain_contract

sys.path.insert(0, str(Path(__file__).parents[2] / "benchmarks"))
import pruning as world


def searched(folder: Path, learning_curve: str = "loss", **search: object) -> tuple[Harness, list]:
    """A search of 1,600 s of CPU in the benchmark's world, and its records."""
    records: list = []
    script = Script(
        seed_files={"main.py": world.PROGRAM},
        answer=world.measured,
        contract=plain_contract(goal="minimize", noisy=True, learning_curve=learning_curve),
        search=SearchConfig(**search),
        budget=BudgetConfig(cpu_s=1600.0),
        seed=3,
        secret=f"{3:064x}",
        hooks=(lambda state, stamped: records.append(stamped.record),),
    )
    with Harness(script, folder) as harness:
        harness.drive()
    return harness, records


@pytest.fixture(scope="module")
def run(tmp_path_factory) -> tuple[Harness, list]:
    return searched(tmp_path_factory.mktemp("pruning") / "run", audit_share=0.3)


def test_some_are_pruned_and_they_stand_nowhere(run) -> None:
    harness, records = run
    state = harness.search.problems[harness.problem.id]
    pruned = [
        record.result.candidate for record in records if isinstance(record, Measured) and record.result.status is Status.PRUNED
    ]
    assert len(pruned) == state.pruning.pruned > 3
    assert state.population.failures[Status.PRUNED] == len(pruned)
    rows = [state.population.by_id[candidate] for candidate in pruned]
    assert all(state.population.score(number) is None and not state.population.holds_place(number) for number in rows)
    assert 0.0 < state.pruning.saved_share < 0.5


def test_only_first_looks_at_children_have_bars_and_only_at_what_was_changed_before(run) -> None:
    _, records = run
    touched: dict[str, set[str]] = {}
    seen: set[str] = set()
    barred = 0
    for record in records:
        if (candidate := getattr(record, "candidate", None)) is not None and hasattr(candidate, "touched"):
            touched[candidate.id] = set(candidate.touched)
        if isinstance(record, Measured) and record.result.status is Status.OK:
            seen |= touched.get(record.result.candidate, set())
        if isinstance(record, MeasureIssued):
            for entry in record.entries:
                if entry.bars is not None:
                    barred += 1
                    assert record.purpose is Purpose.SEARCH
                    assert touched[entry.candidate]
                    assert touched[entry.candidate] <= seen
    assert barred > 10


def test_a_share_is_made_to_its_end_whatever_its_curve(run) -> None:
    _, records = run
    audited = {
        entry.candidate for record in records if isinstance(record, MeasureIssued) for entry in record.entries if entry.audited
    }
    assert audited
    ends = [
        r.result.status
        for r in records
        if isinstance(r, Measured) and r.purpose is Purpose.SEARCH and r.result.candidate in audited
    ]
    assert Status.PRUNED not in ends


@pytest.mark.parametrize(("curve", "search"), [("loss", {"pruning": "false"}), ("", {})], ids=["switched off", "no curve"])
def test_without_leave_nobody_is_pruned(tmp_path: Path, curve: str, search: dict) -> None:
    _, records = searched(tmp_path / "run", curve, **search)
    assert not any(entry.bars for record in records if isinstance(record, MeasureIssued) for entry in record.entries)


def test_what_is_set_aside_for_claims_is_reckoned_by_whole_runs(run) -> None:
    harness, _ = run
    spent = harness.search.run.usage.measure_cpu_s
    assert spent == pytest.approx(world.START_S + world.TRAIN_S, rel=1e-3)
