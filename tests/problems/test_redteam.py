"""Every cheat of a shipped problem is caught and every honest program accepted; for nanochat_cpu see its own tests."""

from __future__ import annotations

import re
import shutil
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest

from evolve import load_problem

TIME_S = 6  # instead of the contract's 20 s, so that the endless one ends soon
BROKEN = re.compile(r"NameError|AttributeError: module|SyntaxError")  # an attack that fails of itself shows nothing


@pytest.fixture
def quick(tmp_path: Path) -> Callable[..., Path]:
    """Copies a problem, of which a measurement takes no longer than this."""

    def copy(name: str, *, time_s: int = TIME_S) -> Path:
        folder = Path(shutil.copytree(load_problem(name).folder, tmp_path / name))
        contract = (folder / "problem.yaml").read_text()
        (folder / "problem.yaml").write_text(
            re.sub(r"time_s: (\d+)", lambda found: f"time_s: {min(time_s, int(found[1]))}", contract)
        )
        return folder

    return copy


def wrong(found: dict[str, Any]) -> list[tuple[str, str, str]]:
    return [(one["name"], one["verdict"], one["by"]) for one in found["programs"] if not one["good"] or BROKEN.search(one["by"])]


@pytest.mark.slow
def test_planted_catches_its_own_cheats_and_every_general_one(tried, quick) -> None:
    found = tried(quick("planted"))
    assert wrong(found) == []
    assert {"own", "general"} == {one["source"] for one in found["programs"]}
    assert found["tier"] == "strict"
    assert "fixes_seeds" in {one["name"] for one in found["programs"]}


@pytest.mark.slow
def test_circle_packing_catches_its_own_cheats(tried, quick) -> None:
    found = tried(quick("circle_packing"), "own")
    assert wrong(found) == []
    assert sum(one["cheat"] for one in found["programs"]) > 20


@pytest.mark.slow
def test_a_function_to_be_made_faster_catches_who_only_looks_fast(tried, quick) -> None:
    found = tried(
        quick("edit_distance", time_s=60), "own"
    )  # one loads for longer than the evaluator allows, not than the stage does
    assert wrong(found) == []
    assert sum(one["cheat"] for one in found["programs"]) == 10


@pytest.mark.slow
@pytest.mark.skipif(shutil.which("cc") is None, reason="no compiler on this machine")
def test_a_function_in_c_catches_who_only_looks_fast(tried, quick) -> None:
    found = tried(quick("edit_distance_c", time_s=60), "own")
    assert wrong(found) == []
    assert sum(one["cheat"] for one in found["programs"]) == 10


@pytest.mark.slow
@pytest.mark.parametrize(("name", "cheats"), [("merit_factor", 23), ("weighted_tardiness", 21)])
def test_a_problem_that_greedy_search_fails_on_catches_its_own_cheats(tried, quick, name: str, cheats: int) -> None:
    # The contract's own limits: the processor's time ends who never does, and the longest replies take some seconds to be read.
    found = tried(quick(name, time_s=20), "own")
    assert wrong(found) == []
    assert sum(one["cheat"] for one in found["programs"]) == cheats


@pytest.mark.slow
@pytest.mark.parametrize("name", ["merit_factor", "weighted_tardiness"])
def test_a_problem_that_greedy_search_fails_on_catches_every_general_cheat(tried, quick, name: str) -> None:
    assert wrong(tried(quick(name), "general")) == []


@pytest.mark.slow
def test_circle_packing_catches_every_general_cheat(tried, quick) -> None:
    assert wrong(tried(quick("circle_packing"), "general")) == []
