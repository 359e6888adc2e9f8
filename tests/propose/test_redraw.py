"""Numbers drawn anew: a few beside each other at once, choices from those of their list, amounts at any distance."""

from __future__ import annotations

import ast
from collections import Counter

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from propose_sources import HOSTILE, STDLIB

from archive import ProposalStatus
from evolve.propose import EditScope, Proposal, ProposalTask, Redraw, canonical_hash, check_scope

SCOPE = EditScope(("*",), may_add_files=False, max_bytes=1 << 20)
BITS = "BITS = [0, 1, 1, 0, 1, 0, 0, 1, 1, 0, 1, 0]\n"
ROWS = "ROWS = [\n" + "".join(f"    [{i % 3}, {0.3 + 0.1 * i:.1f}],\n" for i in range(8)) + "]\n"


def redrawn(files: dict[str, str], seed: int) -> Proposal:
    return Redraw().propose(ProposalTask((files,), (), SCOPE), np.random.default_rng(seed))


def value_of(text: str, name: str) -> object:
    tree = ast.parse(text)
    return next(ast.literal_eval(node.value) for node in tree.body if isinstance(node, ast.Assign) and node.targets[0].id == name)  # type: ignore[attr-defined]


def changed(before: list[object], after: list[object]) -> list[int]:
    return [i for i, (one, other) in enumerate(zip(before, after, strict=True)) if one != other]


def test_choices_come_from_their_list_and_neighbours_change_at_once() -> None:
    before = value_of(BITS, "BITS")
    sizes, values = Counter(), Counter()
    for seed in range(300):
        made = redrawn({"a.py": BITS}, seed)
        after = value_of(made.files["a.py"], "BITS")
        at = changed(before, after)
        assert at
        assert at[-1] - at[0] < 4  # beside each other
        sizes[len(at)] += 1
        values.update(after[i] for i in at)
    assert sizes[1] > sizes[2] > sizes[3] > 0
    assert sizes[2] + sizes[3] + sizes[4] > 50
    assert {0, 1} <= set(values) <= {-1, 0, 1, 2}
    assert values[0] + values[1] > 4 * (values[-1] + values[2])


def test_whole_numbers_and_amounts_of_one_table_keep_their_kind() -> None:
    pairs = 0
    for seed in range(200):
        rows = value_of(redrawn({"a.py": ROWS}, seed).files["a.py"], "ROWS")
        assert all(isinstance(mode, int) and isinstance(number, float | int) for mode, number in rows)
        before = value_of(ROWS, "ROWS")
        pairs += any(rows[i][0] != before[i][0] and rows[i][1] != before[i][1] for i in range(8))
    assert pairs > 20  # a mode and the number that goes with it


def test_amounts_go_near_and_far() -> None:
    away = []
    for seed in range(300):
        child = redrawn({"a.py": "rate = 2.0\n"}, seed).files["a.py"]
        away.append(abs(value_of(child, "rate") - 2.0) / 2.0)
    assert np.quantile(away, 0.2) < 0.02
    assert np.quantile(away, 0.8) > 0.2
    assert max(away) > 1.0


def test_numbers_that_are_an_order_stay() -> None:
    made = redrawn({"a.py": "ORDER = [3, 0, 2, 1, 4]\n"}, 0)
    assert made.status is ProposalStatus.INVALID


def test_bounds_of_a_comment_hold() -> None:
    for seed in range(100):
        made = redrawn({"a.py": "rate = 0.5  # tune: 0.4..0.6\n"}, seed)
        if made.files is not None:
            assert 0.4 <= value_of(made.files["a.py"], "rate") <= 0.6
    assert redrawn({"a.py": "rate = 0.5  # tune: off\n"}, 0).status is ProposalStatus.INVALID


def test_other_languages_have_numbers_too() -> None:
    made = redrawn({"a.json": '{"rate": 0.25, "steps": 40}\n'}, 3)
    assert made.files is not None
    assert made.files["a.json"] != '{"rate": 0.25, "steps": 40}\n'


def test_without_numbers_there_is_nothing_to_draw() -> None:
    made = redrawn({"a.py": "def f(x):\n    return x\n"}, 0)
    assert (made.status, made.reason) == (ProposalStatus.INVALID, "the parent has no number that may move in its editable regions.")
    assert Redraw().propose(ProposalTask((), (), SCOPE), np.random.default_rng(0)).status is ProposalStatus.INVALID


@settings(max_examples=25, deadline=None)
@given(name=st.sampled_from(sorted(STDLIB)), seed=st.integers(0, 1 << 32))
def test_children_of_real_programs(name: str, seed: int) -> None:
    parent = {"a.py": STDLIB[name]}
    made = redrawn(parent, seed)
    assert made == redrawn(parent, seed)
    if made.files is not None:
        ast.parse(made.files["a.py"])
        assert canonical_hash(made.files) != canonical_hash(parent)
        assert check_scope(parent, made.files, SCOPE) == ""
        assert "\n" not in made.summary


@pytest.mark.parametrize("name", sorted(HOSTILE))
def test_hostile_texts(name: str) -> None:
    made = redrawn({"a.py": HOSTILE[name]}, 0)
    assert made.status in (ProposalStatus.CHILD, ProposalStatus.INVALID)


def test_large_whole_numbers_keep_all_their_digits() -> None:
    text = "h = [123456789, 123456791, 123456790, 123456799]\n"
    for seed in range(60):
        values = value_of(redrawn({"a.py": text}, seed).files["a.py"], "h")
        assert all(123456788 <= value <= 123456800 for value in values)
