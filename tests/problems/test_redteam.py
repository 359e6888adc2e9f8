"""Every program in a problem's redteam/ gets the verdict written for it, from the real grader and sandbox."""

from __future__ import annotations

import json
import queue
from pathlib import Path

import pytest

from archive import Attempt, BlockStatus, Entry, Measurement
from evolve._contract import Problem
from evolve._problem import copy_problem, load_problem
from evolve.execute import Block, EntryReport
from evolve.execute._local import LocalExecutor

PROBLEMS = ("circle_packing",)
TIME_S = 4  # instead of the contract's 20 s, so that the endless one ends soon


@pytest.fixture(scope="module", params=PROBLEMS)
def problem(request: pytest.FixtureRequest, tmp_path_factory: pytest.TempPathFactory) -> Problem:
    folder = tmp_path_factory.mktemp("redteam") / request.param
    copy_problem(load_problem(request.param), folder)
    (folder / "bundle.json").unlink()
    contract = folder / "problem.yaml"
    text = contract.read_text()
    assert "time_s: 20" in text
    contract.write_text(text.replace("time_s: 20", f"time_s: {TIME_S}"))
    return load_problem(folder)


@pytest.fixture(scope="module")
def measured(problem: Problem) -> dict[str, Measurement]:
    """Each candidate of redteam/, measured once in a block of its own."""
    reports: queue.SimpleQueue = queue.SimpleQueue()
    names = sorted(path.parent.name for path in (problem.folder / "redteam").glob("*/main.py"))
    executor = LocalExecutor({problem.id: problem}, slots=2, tier="strict", sink=reports.put)
    results: dict[str, Measurement] = {}
    try:
        for number, name in enumerate(names):
            files = {"main.py": (problem.folder / "redteam" / name / "main.py").read_text()}
            stage = problem.contract.stages[-1].name
            executor.submit(Block(Attempt("test", number), problem.id, (Entry(name, stage, number),), {name: files}))
        ended = 0
        while ended < len(names):
            report = reports.get(timeout=60)
            if isinstance(report, EntryReport):
                results[report.result.candidate] = report.result
            else:
                assert report.status is BlockStatus.OK, report
                ended += 1
    finally:
        executor.close(drain=False)
    return results


def verdicts(problem: Problem) -> list[dict]:
    return json.loads((problem.folder / "redteam" / "verdicts.json").read_text())["verdicts"]


def test_every_program_gets_its_verdict(problem: Problem, measured: dict[str, Measurement]) -> None:
    wrong = []
    for verdict in verdicts(problem):
        result = measured[verdict["candidate"]]
        good = result.status in verdict["expect"]
        if result.score is not None:
            good &= verdict.get("score_at_least", -1e9) <= result.score <= verdict.get("score_at_most", 1e9)
        if not good:
            wrong.append((verdict["candidate"], result.status, result.score, result.reason))
    assert not wrong


def test_every_cheat_has_a_verdict_and_an_honest_twin(problem: Problem) -> None:
    known = {verdict["candidate"]: verdict for verdict in verdicts(problem)}
    assert set(known) == {path.parent.name for path in Path(problem.folder / "redteam").glob("*/main.py")}
    for verdict in known.values():
        if verdict["cheat"]:
            assert not known[verdict["twin"]]["cheat"]
            assert "ok" not in verdict["expect"] or "score_at_most" in verdict
        else:
            assert verdict["expect"] == ["ok"]
