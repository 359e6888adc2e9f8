"""Items of a list in another order: none is lost, none comes twice, all else stays."""

from __future__ import annotations

import ast

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from propose_sources import HOSTILE, STDLIB

from archive import ProposalStatus
from evolve.propose import EditScope, Proposal, ProposalTask, Reorder, canonical_hash

SCOPE = EditScope(("*.py",), may_add_files=False, max_bytes=1 << 20)
WORDS = 'NAMES = [\n    "a",  # first\n    "b",\n    ("c", 1),\n    "d",\n    "e",\n]\n'


def reordered(text: str, seed: int) -> Proposal:
    return Reorder().propose(ProposalTask(({"a.py": text},), (), SCOPE), np.random.default_rng(seed))


def names(text: str) -> list[object]:
    return ast.literal_eval(ast.parse(text).body[0].value)  # type: ignore[attr-defined]


def test_every_child_is_another_order_of_the_same_items() -> None:
    before = names(WORDS)
    seen = set()
    for seed in range(200):
        child = reordered(WORDS, seed).files["a.py"]
        after = names(child)
        assert sorted(map(str, after)) == sorted(map(str, before))
        assert after != before
        assert "# first" in child
        seen.add(tuple(map(str, after)))
    exchanged = {tuple(map(str, [*before[:1], *before[1:4][::-1], *before[4:]]))}
    inserted = {tuple(map(str, [*before[1:], before[0]])), tuple(map(str, [before[-1], *before[:-1]]))}
    turned = {tuple(map(str, before[::-1]))}
    assert exchanged | inserted | turned <= seen


def test_a_longer_list_more_often() -> None:
    text = f"SHORT = [1, 2, 3]\nLONG = {list(range(30))}\n"
    lines = [reordered(text, seed).summary.rpartition(":")[2] for seed in range(100)]
    assert 50 < lines.count("2)") < 100


def test_what_has_no_list_has_no_other_order() -> None:
    made = reordered("x = [1, 2]\na, b, c = f()\n", 0)
    assert (made.status, made.reason) == (
        ProposalStatus.INVALID,
        "the parent has no list of 3 items or more in its editable regions.",
    )
    assert Reorder().propose(ProposalTask((), (), SCOPE), np.random.default_rng(0)).status is ProposalStatus.INVALID
    same = reordered("x = [1, 1, 1]\n", 0)
    assert (same.status, same.reason) == (ProposalStatus.INVALID, "the edit changed nothing that matters.")


def test_only_editable_regions() -> None:
    text = "A = [1, 2, 3]\n# EVOLVE-BLOCK-START\nB = [4, 5, 6]\n# EVOLVE-BLOCK-END\n"
    for seed in range(30):
        assert reordered(text, seed).files["a.py"].startswith("A = [1, 2, 3]\n")


@settings(max_examples=25, deadline=None)
@given(name=st.sampled_from(sorted(STDLIB)), seed=st.integers(0, 1 << 32))
def test_children_of_real_programs(name: str, seed: int) -> None:
    made = reordered(STDLIB[name], seed)
    assert made == reordered(STDLIB[name], seed)
    if made.files is not None:
        ast.parse(made.files["a.py"])
        assert canonical_hash(made.files) != canonical_hash({"a.py": STDLIB[name]})
        assert sorted(made.files["a.py"]) == sorted(STDLIB[name])  # the same characters


@pytest.mark.parametrize("name", sorted(HOSTILE))
def test_hostile_texts(name: str) -> None:
    assert reordered(HOSTILE[name], 0).status in (ProposalStatus.CHILD, ProposalStatus.INVALID)


def test_items_that_give_a_name_its_value_stay_before_those_that_read_it() -> None:
    assert reordered("def f(k):\n    return [z := k * 3, z + 1, z * 2, 5]\n", 2).status is ProposalStatus.INVALID
