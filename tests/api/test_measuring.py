"""Programs measured and compared outside of any run, and problems checked."""

from __future__ import annotations

from pathlib import Path

import pytest
from api_problem import SEED

import evolve
from evolve._errors import ProblemError, UsageError

BETTER = {"main.py": SEED.replace("0.75", "0.5")}


def test_a_program_is_measured_on_the_seeds_that_were_named(parabola: Path) -> None:
    found = evolve.measure(parabola, BETTER, seeds=[3, 4], sandbox="none")
    assert [(one.seed, one.status, one.score) for one in found] == [(3, evolve.Status.OK, -0.0625), (4, evolve.Status.OK, -0.0625)]
    assert all(one.wall_s > 0 for one in found)


def test_the_initial_program_is_measured_in_the_sandbox_on_fresh_seeds(parabola: Path) -> None:
    found = evolve.measure(parabola, n=2)
    assert [(one.score, one.tier) for one in found] == [(-0.125, "strict")] * 2
    assert found[0].seed != found[1].seed


def test_a_program_that_fails_is_data(parabola: Path) -> None:
    (found,) = evolve.measure(parabola, {"main.py": "def point():\n    raise ValueError('mine')\n"}, sandbox="none")
    assert (found.status, found.score) == (evolve.Status.CRASH, None)
    assert "mine" in found.reason


def test_a_better_program_is_confirmed_and_a_worse_one_is_not(parabola: Path) -> None:
    found = evolve.validate(parabola, BETTER, sandbox="none")
    assert (found.ok, found.confirmed) == (True, True)
    assert found.comparison is not None
    worse = evolve.validate(parabola, {"main.py": SEED}, against=BETTER, sandbox="none")
    assert (worse.ok, worse.confirmed) == (True, False)
    quick = evolve.validate(parabola, BETTER, quick=True, sandbox="none")
    assert (quick.ok, quick.confirmed) == (True, None)


def test_a_problem_is_checked(parabola: Path) -> None:
    found = evolve.validate(evolve.load_problem(parabola), sandbox="none")
    assert (found.ok, found.confirmed) == (True, None)
    assert "initial program" in [one.name for one in found.checks]
    (parabola / "initial" / "main.py").write_text("def point():\n    return 3\n")
    bad = evolve.validate(parabola, sandbox="none")
    assert not bad.ok
    assert any(not one.ok and one.remedy for one in bad.checks if not one.hint)


@pytest.mark.parametrize(
    ("call", "said"),
    [
        (lambda p: evolve.measure(p, n=0), "expected at least one measurement"),
        (lambda p: evolve.measure(p, n="2"), "n must be a whole number, found '2'"),
        (lambda p: evolve.measure(p, seeds=[-1]), "expected seeds that are whole numbers from 0"),
        (lambda p: evolve.measure(p, seeds=[2**63]), "expected seeds that are whole numbers from 0"),
        (lambda p: evolve.measure(p, stage="quick"), "expected a stage of parabola"),
        (lambda p: evolve.measure(p, "x"), "expected files as a mapping"),
        (lambda p: evolve.measure(3), "expected a problem's name or its folder, found 3"),
        (lambda p: evolve.validate(p, against=BETTER), "against and quick are about a program"),
        (lambda p: evolve.validate(p, budget=3), "expected a budget"),
    ],
)
def test_arguments_that_are_none_are_refused_in_a_sentence(parabola: Path, call, said: str) -> None:
    with pytest.raises(UsageError, match=said):
        call(parabola)


def test_a_problem_has_its_params() -> None:
    assert evolve.load_problem("circle_packing", n=5).params["n"] == 5
    with pytest.raises(ProblemError, match="circle_packing has no such param"):
        evolve.load_problem("circle_packing", m=5)
    with pytest.raises(ProblemError, match="expected the name of a built-in problem or a folder, found 'circle_pack'"):
        evolve.load_problem("circle_pack")
