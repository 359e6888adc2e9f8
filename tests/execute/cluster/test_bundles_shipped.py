"""A problem that travels arrives as it was, once a machine, and what was changed on the way is told."""

from __future__ import annotations

import dataclasses
import os
import time
from pathlib import Path

import pytest

import evolve
from evolve._errors import EnvironmentFault
from evolve.execute.cluster._bundle import pack, prune, unpack
from evolve.problem.contract._contract import Problem


@pytest.fixture(scope="module")
def problem() -> Problem:
    return evolve.load_problem("circle_packing")


def test_what_arrives_loads_as_the_same_problem(problem: Problem, tmp_path: Path) -> None:
    bundle = pack(problem)
    assert pack(problem).digest == bundle.digest
    found = unpack(bundle, tmp_path)
    again = evolve.load_problem(found.folder)
    assert (again.id, again.evaluator) == (problem.id, problem.evaluator)
    assert (found.id, found.evaluator) == (problem.id, problem.evaluator)
    assert not [path for path in found.folder.rglob("*") if path.is_file() and path.stat().st_mode & 0o222]


def test_it_is_unpacked_once(problem: Problem, tmp_path: Path) -> None:
    bundle = pack(problem)
    first = unpack(bundle, tmp_path).folder
    written = (first / "evaluate.py").stat().st_ino
    second = unpack(bundle, tmp_path).folder
    assert first == second
    assert (second / "evaluate.py").stat().st_ino == written


def test_what_was_damaged_on_the_way_is_refused_and_nothing_is_left(problem: Problem, tmp_path: Path) -> None:
    bundle = dataclasses.replace(pack(problem), data=pack(problem).data[:-1] + b"x")
    with pytest.raises(EnvironmentFault, match="arrived as"):
        unpack(bundle, tmp_path)
    assert [path for path in tmp_path.iterdir() if path.is_dir()] == []


def test_what_was_changed_where_it_lies_is_named(problem: Problem, tmp_path: Path) -> None:
    bundle = pack(problem)
    file = unpack(bundle, tmp_path).folder / "evaluate.py"
    file.chmod(0o644)
    file.write_text("def evaluate(trial): ...\n")
    with pytest.raises(EnvironmentFault, match=r"expected \S+evaluate.py as it was sent .* found it changed; remove"):
        unpack(bundle, tmp_path)


def test_bundles_that_nobody_used_for_a_week_go(problem: Problem, tmp_path: Path) -> None:
    folder = unpack(pack(problem), tmp_path).folder
    prune(tmp_path)
    assert folder.exists()
    prune(tmp_path, now=time.time() + 8 * 86400)
    assert not folder.exists()
    assert os.listdir(tmp_path)  # its lock
