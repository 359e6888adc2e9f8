"""Every cheat of a shipped problem is caught and every honest program accepted; for nanochat_cpu see its own tests."""

from __future__ import annotations

import re
import shutil
from collections.abc import Mapping
from dataclasses import replace

import pytest

from evolve import LocalExecutor, Problem, load_problem
from evolve.execute import Executor, Sink
from evolve.redteam._bench import RedteamReport, redteam_problem

TIME_S = 6  # instead of the contract's 20 s, so that the endless one ends soon
BROKEN = re.compile(r"NameError|AttributeError: module|SyntaxError")  # an attack that fails of itself shows nothing


def strict(problems: Mapping[str, Problem], sink: Sink) -> Executor:
    return LocalExecutor(problems, slots=2, tier="strict", sink=sink)


def tried(name: str, *only: str, time_s: float = TIME_S) -> RedteamReport:
    problem = load_problem(name)
    *before, last = problem.contract.stages
    stages = (*before, replace(last, time_s=min(time_s, last.time_s)))
    return redteam_problem(replace(problem, contract=replace(problem.contract, stages=stages)), strict, only=only)


def wrong(report: RedteamReport) -> list[tuple[str, str, str]]:
    return [(one.name, one.verdict, one.by) for one in report.findings if not one.good or BROKEN.search(one.by)]


@pytest.mark.slow
def test_planted_catches_its_own_cheats_and_every_general_one() -> None:
    report = tried("planted")
    assert wrong(report) == []
    assert {"own", "general"} == {one.source for one in report.findings}
    assert report.tier == "strict"
    assert "fixes_seeds" in {one.name for one in report.findings}


@pytest.mark.slow
def test_circle_packing_catches_its_own_cheats() -> None:
    report = tried("circle_packing", "own")
    assert wrong(report) == []
    assert sum(one.cheat for one in report.findings) > 20


@pytest.mark.slow
def test_a_function_to_be_made_faster_catches_who_only_looks_fast() -> None:
    report = tried("edit_distance", "own", time_s=60.0)  # one loads for longer than the evaluator allows, not than the stage does
    assert wrong(report) == []
    assert sum(one.cheat for one in report.findings) == 10


@pytest.mark.slow
@pytest.mark.skipif(shutil.which("cc") is None, reason="no compiler on this machine")
def test_a_function_in_c_catches_who_only_looks_fast() -> None:
    report = tried("edit_distance_c", "own", time_s=60.0)
    assert wrong(report) == []
    assert sum(one.cheat for one in report.findings) == 10


@pytest.mark.slow
def test_circle_packing_catches_every_general_cheat() -> None:
    assert wrong(tried("circle_packing", "general")) == []
