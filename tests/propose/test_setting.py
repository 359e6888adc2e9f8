"""Settings of a script moved as far as matters."""

from __future__ import annotations

import ast
from collections import Counter

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from propose_sources import HOSTILE, STDLIB

from archive import ProposalStatus
from evolve.propose import EditScope, Proposal, ProposalTask, Setting, canonical_hash, check_scope

SCOPE = EditScope(("*",), may_add_files=False, max_bytes=1 << 20)
SCRIPT = (
    "LR = 0.02\nMOMENTUM = 0.9\nLAYERS = 6\nHEADS = 2  # tune: 1..8\nWARMDOWN = 0.2  # tune: 0..1\n"
    "RATE = 3e-4  # tune: 1e-5..1e-1 log\nVOCABULARY = 1024  # tune: off\nUSE_BIAS = True\nSCHEDULE = 'linear'\n"
    "def decay(step):\n    return 0.5 * step + 7.25\n"
)


def moved(text: str, seed: int, path: str = "a.py") -> Proposal:
    return Setting().propose(ProposalTask(({path: text},), (), SCOPE), np.random.default_rng(seed))


def given_in(text: str) -> dict[str, object]:
    return {ast.unparse(one.targets[0]): ast.literal_eval(one.value) for one in ast.parse(text).body if isinstance(one, ast.Assign)}


@pytest.fixture(scope="module")
def changes() -> list[dict[str, tuple[object, object]]]:
    before, found = given_in(SCRIPT), []
    for seed in range(600):
        made = moved(SCRIPT, seed)
        assert made.status is ProposalStatus.CHILD
        assert made.files["a.py"].endswith("    return 0.5 * step + 7.25\n")  # a number within an expression is no setting
        after = given_in(made.files["a.py"])
        found.append({name: (before[name], after[name]) for name in before if after[name] != before[name]})
    return found


def test_one_setting_moves_and_sometimes_a_second(changes) -> None:
    sizes = Counter(map(len, changes))
    assert set(sizes) == {1, 2}
    assert 0.15 < sizes[2] / len(changes) < 0.4
    assert {name for one in changes for name in one} == set(given_in(SCRIPT)) - {"VOCABULARY"}


def test_numbers_go_far_enough_to_be_seen_and_keep_their_kind(changes) -> None:
    rates = [after / before for one in changes for name, (before, after) in one.items() if name == "LR"]
    assert all(ratio <= 0.67 or ratio >= 1.49 for ratio in rates)
    layers = [after for one in changes for name, (_, after) in one.items() if name == "LAYERS"]
    assert all(isinstance(n, int) and n >= 1 for n in layers)
    assert {3, 9, 12} <= set(layers)
    momenta = [after for one in changes for name, (_, after) in one.items() if name == "MOMENTUM"]
    assert all(0 < one < 1 for one in momenta)  # of a share its distance to 1 is what moves
    assert max(momenta) > 0.95


def test_a_range_is_kept_and_all_of_it_is_reached(changes) -> None:
    def after(name: str) -> list:
        return [now for one in changes for changed, (_, now) in one.items() if changed == name]

    assert set(after("HEADS")) == {1, 3, 4, 5, 6, 7, 8}
    assert min(after("WARMDOWN")) >= 0
    assert max(after("WARMDOWN")) > 0.8
    assert min(after("RATE")) < 1e-4
    assert 1e-2 < max(after("RATE")) <= 1e-1


def test_switches_are_thrown_and_choices_made(changes) -> None:
    after = {name: now for one in changes for name, (_, now) in one.items() if name in ("USE_BIAS", "SCHEDULE")}
    assert after["USE_BIAS"] is False
    assert after["SCHEDULE"] in {"cosine", "constant", "exponential", "polynomial"}


def test_without_a_setting_it_says_so() -> None:
    for text in ("def f(x):\n    return x\n", "", "x = (\n", "A = 3  # tune: off\n"):
        made = moved(text, 0)
        assert (made.status, made.reason) == (
            ProposalStatus.INVALID,
            "the parent has no setting that may move in its editable regions.",
        )


def test_other_languages_have_settings_too() -> None:
    made = moved('{"lr": 0.5, "name": "x"}', 1, "a.json")
    assert made.status is ProposalStatus.CHILD
    assert made.files["a.json"] != '{"lr": 0.5, "name": "x"}'


@given(st.sampled_from([*HOSTILE.values(), *STDLIB.values()]), st.integers(0, 1 << 30))
def test_children_of_any_program(text: str, seed: int) -> None:
    made = moved(text, seed)
    assert made == moved(text, seed)
    if made.status is ProposalStatus.CHILD:
        assert not check_scope({"a.py": text}, made.files, SCOPE)
        assert canonical_hash(made.files, SCOPE.comments) != canonical_hash({"a.py": text}, SCOPE.comments)
        assert "\n" not in made.summary
