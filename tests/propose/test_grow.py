"""A term more: the child parses, computes with what is there, and differs from its parent by one summand."""

from __future__ import annotations

import ast

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from propose_sources import HOSTILE, STDLIB, TRAIN

from archive import ProposalStatus
from evolve.propose import EditScope, Grow, Proposal, ProposalTask, canonical_hash
from evolve.propose.mutate._defined import undefined

SCOPE = EditScope(("*.py",), may_add_files=False, max_bytes=1 << 20)
RULE = "def priority(value, weight, room):\n    return 0.0 - weight\n"


def grown(text: str, seed: int) -> Proposal:
    return Grow().propose(ProposalTask(({"a.py": text},), (), SCOPE), np.random.default_rng(seed))


def called(text: str, name: str, *given: float) -> float:
    scope: dict[str, object] = {}
    exec(text, scope)  # this file's own programs
    return scope[name](*given)  # type: ignore[operator]


def test_terms_are_made_of_all_that_a_function_is_given() -> None:
    children = [grown(RULE, seed).files["a.py"] for seed in range(200)]
    assert all(len(child.splitlines()) == 2 for child in children)
    for name in ("value", "weight", "room"):
        assert sum(child.splitlines()[1].count(name) > (name == "weight") for child in children) > 30
    for shape in ("max(", "min(", "abs(", " > ", " * room"):
        assert any(shape in child for child in children), shape
    values = [called(child, "priority", 2.0, 3.0, 5.0) for child in children]
    assert len({round(value, 6) for value in values}) > 100
    assert sum(abs(value + 3.0) < 1.0 for value in values) > 80  # mostly small


def test_a_new_direction_gains_about_as_often_as_not() -> None:
    """What the operator is for: a line that should be another line, by squares at five points."""
    text = "def f(x):\n    return 0.5 * x + 0.1\n"

    def error(source: str) -> float:
        return sum((called(source, "f", x) - (1.3 * x * x - 0.4)) ** 2 for x in (-2.0, -1.0, 0.0, 1.0, 2.0))

    better = sum(error(grown(text, seed).files["a.py"]) < error(text) for seed in range(100))
    assert 20 < better < 80


def test_what_is_no_number_gets_no_term() -> None:
    for text in (
        "def f(name):\n    return 'a' + name\n",
        "def f(rows):\n    return len(rows)\n",
        "x = [1, 2, 3]\n",
        "def f(a):\n    return '%s' % a\n",
        "def f(x, s):\n    return s + str(x) + s\n",
    ):
        made = grown(text, 0)
        assert (made.status, made.reason) == (
            ProposalStatus.INVALID,
            "the parent has no expression that may get a term in its editable regions.",
        )
    assert Grow().propose(ProposalTask((), (), SCOPE), np.random.default_rng(0)).status is ProposalStatus.INVALID


def test_arguments_that_are_something_else_are_no_terms() -> None:
    text = "def push(k, gap, rows, call):\n    for row in rows:\n        gap = gap - call(row)\n    return k[0] * gap\n"
    for seed in range(100):
        term = grown(text, seed).summary
        added = term.partition(" (a.py")[0].rpartition("* ")[2]
        assert "rows" not in added
        assert "call" not in added


def test_a_program_with_arrays_gets_nothing_that_asks_whether_an_array_is_true() -> None:
    text = f"import numpy as np\n\n{RULE}"
    children = [grown(text, seed).files["a.py"] for seed in range(100)]
    assert not any("max(" in child or "min(" in child for child in children)


def test_an_expression_does_not_grow_for_ever() -> None:
    text = RULE
    for seed in range(400):
        made = grown(text, seed)
        if made.files is None:
            break
        text = made.files["a.py"]
    assert made.status is ProposalStatus.INVALID
    assert len(text) < 2000


def test_only_editable_regions() -> None:
    text = f"def g(x):\n    return 2.0 * x\n\n# EVOLVE-BLOCK-START\n{RULE}# EVOLVE-BLOCK-END\n"
    for seed in range(30):
        assert grown(text, seed).files["a.py"].startswith("def g(x):\n    return 2.0 * x\n")


@settings(max_examples=25, deadline=None)
@given(name=st.sampled_from([*sorted(STDLIB), "train"]), seed=st.integers(0, 1 << 32))
def test_children_of_real_programs(name: str, seed: int) -> None:
    text = TRAIN if name == "train" else STDLIB[name]
    made = grown(text, seed)
    assert made == grown(text, seed)
    if made.files is not None:
        ast.parse(made.files["a.py"])
        assert canonical_hash(made.files) != canonical_hash({"a.py": text})
        assert undefined(made.files["a.py"]) <= undefined(text)
        assert "\n" not in made.summary


@pytest.mark.parametrize("name", sorted(HOSTILE))
def test_hostile_texts(name: str) -> None:
    assert grown(HOSTILE[name], 0).status in (ProposalStatus.CHILD, ProposalStatus.INVALID)


def test_cases_and_handlers_are_looked_at_too() -> None:
    handler = "    try:\n        g(x)\n    except ValueError:\n        return x * 2.0\n"
    text = f"def f(x):\n{handler}    match x:\n        case _:\n            return x + 1.0\n"
    lines = {int(grown(text, seed).summary.rpartition(":")[2].rstrip(")")) for seed in range(60)}
    assert {5, 8} <= lines


def test_summaries_are_one_line_whatever_a_term_is_made_of() -> None:
    text = "def f(a, b):\n    return b - a[\n        0  # keep\n    ]\n"
    made = [grown(text, seed) for seed in range(30)]
    assert not any("\n" in one.summary for one in made)
