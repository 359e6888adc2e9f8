"""What ``import evolve`` offers, and what every part of it says of itself."""

from __future__ import annotations

import ast
import inspect
import re
import subprocess
import sys
from pathlib import Path

import pytest
from api_problem import Make

import evolve
from evolve._errors import ConfigError, UsageError

NAMES = [name for name in evolve.__all__ if name != "__version__"]
METHODS = [name for name in dir(evolve.Run) if not name.startswith("_")]
EXAMPLE = re.compile(r"^ *Example:\n((?: +(?:>>>|\.\.\.).*\n?| *\n)+)", re.MULTILINE)


def examples(text: str) -> list[str]:
    """The code of the examples in a docstring."""
    blocks = [re.findall(r"^ *(>>>|\.\.\.) ?(.*)$", block, re.MULTILINE) for block in EXAMPLE.findall(text)]
    return ["\n".join(line for _, line in block) for block in blocks]


def test_the_public_names_are_these() -> None:
    assert NAMES == [
        "Array", "Budget", "Candidate", "EvolveError", "JsonValue", "LocalExecutor", "Measurement", "Operator", "Outcome",
        "Problem", "Proposal", "RayExecutor", "Run", "Status", "Trial", "create_run", "load_problem", "measure", "open_run",
        "validate",
    ]  # fmt: skip


@pytest.mark.parametrize("name", NAMES)
def test_every_public_name_says_what_it_is_with_an_example(name: str) -> None:
    found = examples(inspect.getdoc(getattr(evolve, name)) or "")
    assert found
    for code in found:
        ast.parse(code)


def test_the_examples_that_read_what_they_load_print_it(make: Make, tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    """Carried out as they stand, names and all, where that takes no search of their own."""
    run = make(out=tmp_path / "read")
    run.optimize()
    alike = [evolve.Candidate, evolve.load_problem, evolve.Problem, evolve.Budget, evolve.Proposal, evolve.Run.query]
    for one in alike:
        for code in examples(inspect.getdoc(one) or ""):
            exec(code, {"evolve": evolve, "run": run})
    assert "sum_radii maximize" in capsys.readouterr().out


@pytest.mark.parametrize("name", METHODS)
def test_every_method_of_a_run_says_what_it_does(name: str) -> None:
    one = inspect.getattr_static(evolve.Run, name)
    text = inspect.getdoc(one)
    assert text
    for code in examples(text):
        ast.parse(code)
    if isinstance(one, property):
        return
    given = [word for word in inspect.signature(one).parameters if word != "self"]
    if len(given) > 1:
        assert all(re.search(rf"\b{word}\b", text) for word in given), given


@pytest.mark.parametrize("name", ["create_run", "open_run", "load_problem", "measure", "validate"])
def test_every_argument_of_a_function_is_explained(name: str) -> None:
    text = inspect.getdoc(getattr(evolve, name)) or ""
    for word in inspect.signature(getattr(evolve, name)).parameters:
        assert re.search(rf"^    {word}: ", text, re.MULTILINE), word
    assert "Raises:" in text


def test_rooms_are_found_by_attribute_and_strangers_are_not() -> None:
    assert evolve.models.Anthropic.__doc__
    assert evolve.testing.ExecutorContract
    assert {"models", "testing", "create_run"} <= set(dir(evolve))
    with pytest.raises(AttributeError, match="no attribute 'ClusterExecutor'"):
        evolve.ClusterExecutor  # noqa: B018


@pytest.mark.parametrize(
    ("words", "said"),
    [
        ({"wall_s": -1}, "budget.wall_s must be above 0, found -1"),
        ({"wall_s": "180"}, "budget.wall_s must be a number, found '180'"),
        ({"evaluations": 2.5}, "budget.evaluations must be a whole number, found 2.5"),
        ({"usd": True}, "budget.usd must be a number, found True"),
        ({"confirm_share": 1.5}, "budget.confirm_share must be at least 0 and below 1, found 1.5"),
    ],
)
def test_a_budget_that_is_none_is_refused(words: dict, said: str) -> None:
    with pytest.raises(ConfigError, match=said):
        evolve.Budget(**words)


@pytest.mark.parametrize(
    ("words", "said"),
    [
        ({"seed": -1}, "seed must be a whole number from 0, found -1"),
        ({"seed": "8"}, "seed must be a whole number from 0, found '8'"),
        ({"out": 3}, "out must be the path of a folder, found 3"),
        ({"budget": {"wall_s": 3}}, "expected a budget, as evolve.Budget"),
        ({"archive": "gird"}, "search.archive must be one of .*did you mean grid"),
        ({"policy": "best"}, "search.policy must be one of"),
        ({"policy": "given"}, "policy='given' is called 'fixed_candidates' now"),
        ({"sandbox": "weak"}, "sandbox.tier must be one of strict, none"),
        ({"slots": 0}, "executor.slots must be from 1"),
        ({"slots": "2"}, "slots must be a whole number, found '2'"),
        ({"target": "high"}, "target must be a number, found 'high'"),
        ({"budget": evolve.Budget(usd=1)}, "budget.usd limits model calls, and no model is asked"),
    ],
)
def test_an_argument_of_create_run_that_is_none_is_refused_and_nothing_is_made(
    make: Make, tmp_path: Path, words: dict, said: str
) -> None:
    with pytest.raises(UsageError, match=said) as caught:
        make(**words)
    assert "\n" not in str(caught.value)
    assert not (tmp_path / "run").exists()


def test_a_problem_that_is_none_and_a_folder_that_is_taken_are_refused(make: Make, tmp_path: Path) -> None:
    with pytest.raises(UsageError, match="expected a problem's name, its folder or what load_problem gives, found 3"):
        evolve.create_run(3)  # type: ignore[arg-type]
    make()
    with pytest.raises(UsageError, match="exists and is not empty"):
        make()


def test_the_reference_page_is_what_the_docstrings_say() -> None:
    written = Path(__file__).parents[2] / "docs" / "reference" / "api.md"
    made = subprocess.run([sys.executable, "-m", "evolve.cli._api_reference"], capture_output=True, text=True, check=True)
    assert written.read_text() == made.stdout, "write it anew: python -m evolve.cli._api_reference > docs/reference/api.md"
