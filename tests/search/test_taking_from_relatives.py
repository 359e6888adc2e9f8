"""What one problem of a run takes from another: where they share a solution it helps, where they do not it costs little."""

from __future__ import annotations

import math
from collections.abc import Mapping, Sequence
from dataclasses import replace
from pathlib import Path
from statistics import fmean

import numpy as np
import pytest

from archive import BlockEntry, BudgetSet, Measurement, ProposalStatus
from evolve.config._schema import BudgetConfig, SearchConfig, SuiteConfig
from evolve.execute import Block
from evolve.propose import EditScope, ProposalTask
from evolve.propose.mutate._adopt import Adopt
from evolve.runs import _checkpoint
from evolve.search._search import Search
from evolve.testing import Harness, Script, plain_contract, scored

SAME = ((2.5, -1.0, 4.0, 0.3),) * 3
OTHER = ((2.5, -1.0, 4.0, 0.3), (-3.0, 2.0, 0.5, -2.0), (6.0, 5.0, -4.0, 1.0))
OPERATORS = (*SearchConfig().operators, "adopt")


def program(i: int) -> Mapping[str, str]:
    return {"main.py": f"X0 = 0.5\nX1 = 0.6\nX2 = 0.7\nX3 = 0.8\nW = {i + 1}\n"}


class Playing(Harness):
    """A harness whose programs are scored by the problem that they are measured for."""

    def __init__(
        self, folder: Path, best: Sequence[Sequence[float]], seed: int, families: Sequence[str] = "fff", **more: object
    ) -> None:
        contracts = [replace(plain_contract(), name=f"p{i}", family=family) for i, family in enumerate(families)]
        self.best, self.now = best, ""
        script = Script(
            seed_files=program(0),
            answer=self._answer,
            contract=contracts[0],
            others=[(contract, program(i)) for i, contract in enumerate(contracts) if i],
            budget=BudgetConfig(evaluations=120),
            slots=1,
            seed=seed,
            search=SearchConfig(operators=OPERATORS),
        )
        super().__init__(replace(script, **more), folder)  # type: ignore[arg-type]
        submit = self.executor.submit

        def note(block: Block) -> None:
            self.now = block.problem
            submit(block)

        self.executor.submit = note  # type: ignore[method-assign]

    def _answer(self, entry: BlockEntry, files: Mapping[str, str]) -> Measurement:
        return scored(self._score)(entry, files)

    def _score(self, files: Mapping[str, str], seed: int) -> float | None:
        scope: dict[str, float] = {}
        try:
            exec(files["main.py"], scope)  # type: ignore[arg-type]
            return -sum((scope[f"X{k}"] - x) ** 2 for k, x in enumerate(self.best[int(self.now[1])]))
        except (KeyError, NameError, TypeError, ValueError, ArithmeticError):
            return None


def gap(search: Search) -> float:
    """What is left of the way to the best score, in the mean over the problems, as a logarithm."""
    left = []
    for state in search.states:
        first, best = state.population.worth(0), state.population.best_so_far
        now = None if best is None else state.population.worth(best)
        assert first is not None
        assert now is not None
        left.append(now / first)
    return math.log10(fmean(left) + 1e-9)


def adopted(search: Search) -> list[int]:
    return [
        sum(row.arm >= 0 and state.bandit.arms[row.arm].operator == "adopt" for row in state.population.candidates)
        for state in search.states
    ]


def test_where_relatives_share_a_solution_it_is_found_sooner(tmp_path: Path) -> None:
    found: dict[str, list[float]] = {"true": [], "false": []}
    for seed in range(6):
        for share, gaps in found.items():
            with Playing(tmp_path / f"{share}{seed}", SAME, seed, suite=SuiteConfig(share_ideas=share)) as harness:
                harness.drive()
                gaps.append(gap(harness.search))
                assert any(adopted(harness.search)) == (share == "true")
    assert fmean(found["true"]) < fmean(found["false"]) - 0.15


def test_where_they_share_nothing_few_children_are_made_of_it(tmp_path: Path) -> None:
    for seed in range(3):
        with Playing(tmp_path / str(seed), OTHER, seed) as harness:
            harness.drive()
            assert sum(adopted(harness.search)) < 0.12 * 120


@pytest.mark.parametrize(("families", "some"), [("ffg", [True, True, False]), ("fgh", [False, False, False])])
def test_only_related_problems_are_taken_from(tmp_path: Path, families: str, some: list[bool]) -> None:
    with Playing(tmp_path, SAME, 1, families) as harness:
        harness.drive()
        assert [bool(n) for n in adopted(harness.search)] == some


@pytest.mark.parametrize("checkpoint", [False, True])
def test_what_was_offered_is_known_after_a_restart(tmp_path: Path, checkpoint: bool) -> None:
    with Playing(tmp_path, SAME, 2) as harness:
        harness.drive()
        if checkpoint:
            harness.checkpoint()
        before = _checkpoint.dump_state(harness.search, [])
    with Playing(tmp_path, SAME, 2) as again:
        assert _checkpoint.dump_state(again.search, [])["problems"] == before["problems"]
        assert any(state.changes.taken for state in again.search.states)
        again.recorder.write(BudgetSet(evaluations=140))
        assert again.drive() == "budget.evaluations"


PARENT = {"main.py": "A = 1.0\nB = 2.0\n\n\ndef answer():\n    return A + B\n", "notes.txt": "mine"}


@pytest.mark.parametrize(
    ("other", "whole"),
    [
        ({"main.py": "A = 5.0\nB = 2.0\n\n\ndef answer():\n    return A * B\n", "notes.txt": "theirs"}, True),
        ({"main.py": "A = 5.0\nB = 2.0\n\n\ndef reply():\n    return A * B\n"}, False),
        ({"other.py": "A = 5.0\n"}, None),
    ],
    ids=["all of it", "only parts, as the function is missing", "nothing"],
)
def test_what_is_taken_fits(other: dict[str, str], whole: bool | None) -> None:
    scope = EditScope(("main.py",), may_add_files=False, max_bytes=10_000, entries=("main.py:answer",))
    made = [Adopt().propose(ProposalTask((PARENT,), (other,), scope), np.random.default_rng(seed)) for seed in range(20)]
    children = [one.files for one in made if one.status is ProposalStatus.CHILD and one.files is not None]
    assert bool(children) == (whole is not None)
    assert any(child["main.py"] == other.get("main.py") for child in children) == bool(whole)
    assert all(child["notes.txt"] == "mine" and "def answer" in child["main.py"] for child in children)
