"""The executor that answers from a function."""

from __future__ import annotations

from collections.abc import Mapping

import pytest
from hypothesis import given
from hypothesis import strategies as st

from archive import Attempt, BlockEntry, BlockStatus, Measurement, Status
from evolve.execute import Block, BlockReport, EntryReport, Report
from evolve.testing import ScriptedExecutor


def _answer(entry: BlockEntry, files: Mapping[str, str]) -> Measurement:
    bad = files["main.py"] == "bad"
    status = Status.INVALID if bad else Status.OK
    return Measurement(entry.candidate, entry.stage, entry.seed, status, None if bad else float(entry.seed))


def _block(ticket: int, candidates: str = "a") -> Block:
    entries = tuple(BlockEntry(name, "full", ticket) for name in candidates)
    return Block(Attempt("e", ticket), "p@1", entries, {name: {"main.py": "bad" if name == "b" else "good"} for name in candidates})


def _run(n: int, hold: int, seed: int) -> list[Report]:
    reports: list[Report] = []
    executor = ScriptedExecutor(_answer, sink=reports.append, slots=4, hold=hold, seed=seed)
    for ticket in range(n):
        executor.submit(_block(ticket, "abab"))
    assert executor.pending == min(n, hold)
    executor.close(drain=True)
    assert executor.pending == 0
    return reports


@given(n=st.integers(0, 20), hold=st.integers(0, 7), seed=st.integers(0, 5))
def test_every_block_is_answered_once_whatever_the_order(n: int, hold: int, seed: int) -> None:
    reports = _run(n, hold, seed)
    assert reports == _run(n, hold, seed)
    for ticket in range(n):
        own = [report for report in reports if report.attempt.ticket == ticket]
        assert [(r.index, r.result.status) for r in own if isinstance(r, EntryReport)] == [
            (0, Status.OK),
            (1, Status.INVALID),
            (2, Status.OK),
        ]
        assert own[-1] == BlockReport(Attempt("e", ticket), BlockStatus.OK, (3,))
    assert len(reports) == 4 * n


def test_holding_back_changes_the_order_and_not_holding_keeps_it() -> None:
    order = [report.attempt.ticket for report in _run(20, 7, 0) if isinstance(report, BlockReport)]
    assert sorted(order) == list(range(20))
    assert order != sorted(order)
    assert [report.attempt.ticket for report in _run(20, 0, 0) if isinstance(report, BlockReport)] == list(range(20))


def test_cancel_and_close_without_a_drain_answer_what_is_held() -> None:
    reports: list[Report] = []
    executor = ScriptedExecutor(_answer, sink=reports.append, slots=2, hold=3)
    for ticket in range(3):
        executor.submit(_block(ticket))
    executor.cancel(Attempt("e", 1))
    executor.cancel(Attempt("e", 99))
    assert [(report.attempt.ticket, report.status) for report in reports if isinstance(report, BlockReport)] == [
        (1, BlockStatus.CANCELLED)
    ]
    executor.close(drain=False)
    assert {report.attempt.ticket for report in reports} == {0, 1, 2}
    assert all(isinstance(report, BlockReport) and report.status is BlockStatus.CANCELLED for report in reports)
    assert executor.room == 0
    with pytest.raises(RuntimeError):
        executor.submit(_block(4))


def test_a_hold_that_would_stop_a_loop_is_refused() -> None:
    with pytest.raises(ValueError):
        ScriptedExecutor(_answer, sink=lambda _: None, slots=2, hold=4)
