"""A known change made once more: numbers move by as much, what was replaced is replaced, and what does not fit is said."""

from __future__ import annotations

import ast
from itertools import pairwise

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from propose_sources import HOSTILE, STDLIB, TRAIN

from archive import ProposalStatus
from evolve.propose import EditScope, ProposalTask
from evolve.propose._registry import OPERATORS, make_operator
from evolve.propose.mutate._transplant import changed

SCOPE = EditScope(("main.py", "notes.txt"), may_add_files=False, max_bytes=10_000)
LIST = "X = [\n    1.0,\n    {},\n    {},\n]\n"


def made(operator: str, *parents: str, path: str = "main.py"):
    task = ProposalTask(tuple({path: text} for text in parents), (), SCOPE)
    return make_operator(operator).propose(task, np.random.default_rng(0))


def test_a_gain_of_another_line_is_brought_over_beside_what_the_target_has() -> None:
    before, after, target = LIST.format(2.0, 3.0), LIST.format(2.5, 3.0), LIST.format(2.0, 3.75)
    child = made("merge", target, before, after)
    assert child.status is ProposalStatus.CHILD
    assert child.files == {"main.py": LIST.format(2.5, 3.75)}
    assert child.summary == "a change of another line brought over"  # its operator stands beside it everywhere


def test_a_step_that_paid_goes_on_and_is_longer_each_time() -> None:
    first = made("extrapolate", LIST.format(2.5, 3), LIST.format(2.0, 3), LIST.format(2.5, 3))
    assert first.files == {"main.py": LIST.format(3.5, 3)}
    assert first.files is not None
    again = made("extrapolate", first.files["main.py"], LIST.format(2.5, 3), first.files["main.py"])
    assert again.files == {"main.py": LIST.format(5.5, 3)}


def test_a_step_that_did_not_pay_is_made_the_other_way() -> None:
    parent, worse = LIST.format(2.0, 3), LIST.format(2.25, 3)
    assert made("mirror", parent, worse, parent).files == {"main.py": LIST.format(1.75, 3)}


def test_a_step_of_an_ancestor_is_taken_back() -> None:
    old, between, now = LIST.format(2.0, 3.0), LIST.format(2.5, 3.0), LIST.format(2.5, 4.0)
    assert made("revert", now, between, old).files == {"main.py": LIST.format(2.0, 4.0)}


@pytest.mark.parametrize(
    ("before", "after", "target", "child"),
    [
        ("n = 4\n", "n = 6\n", "n = 10\n", "n = 12\n"),  # whole numbers stay whole
        ("n = 4\n", "n = 4.5\n", "n = 10\n", "n = 10.5\n"),
        ("x = -2.0\n", "x = -3.0\n", "x = 1.0\n", "x = 0.0\n"),
        ("x = 8.0\n", "x = 4.0\n", "x = 2.0\n", "x = 1.0\n"),  # as many times as much where its sign would change
        ("y = a + b\n", "y = a * 2\n", "y = a + b  # sum\n", "y = (a * 2)  # sum\n"),
        ("y = f(a, b)\nz = 1\n", "y = f(a, c + 1)\nz = 1\n", "y = f(a, b)\nz = 2\n", "y = f(a, (c + 1))\nz = 2\n"),
        ("a = 1\n\n\nb = 2\n", "a = 1\n\n\nnew()\nb = 2\n", "a = 7\n\n\nb = 2\n", "a = 7\n\n\nnew()\nb = 2\n"),  # by lines
    ],
)
def test_what_changed_changes_and_nothing_else(before: str, after: str, target: str, child: str) -> None:
    assert changed({"main.py": target}, {"main.py": before}, {"main.py": after}, SCOPE) == {"main.py": child}


def test_a_step_made_again_and_again_reaches_a_number_of_the_other_sign() -> None:
    """By parts of itself a number would go to zero for ever; a rate that is halved stays a rate at first."""
    numbers = [0.1, 0.05]
    for _ in range(2):
        told = made("extrapolate", *(f"rate = {number!r}\n" for number in (numbers[-1], numbers[-2], numbers[-1])))
        numbers.append(float(told.files["main.py"].removeprefix("rate = ")))
    assert numbers[2] == pytest.approx(0.0125)
    assert numbers[3] == pytest.approx(-0.0625)


@pytest.mark.parametrize(
    ("line", "numbers", "child"),
    [
        ("x = {}  # tune: 0..1\n", (0.5, 0.9), 1.0),  # as far as it may
        ("n = {}  # tune: 1..8.5\n", (3, 6), 8),
        ("x = {}  # tune: 0..1\n", (0.5, 1.0), None),  # where it may go no further there is nothing to make
        ("x = {}  # tune: off\n", (0.5, 0.9), None),
    ],
)
def test_a_step_ends_at_the_bounds_of_a_number(line: str, numbers: tuple[float, float], child: float | None) -> None:
    before, after = map(line.format, numbers)
    told = made("extrapolate", after, before, after)
    if child is None:
        assert told.status is ProposalStatus.INVALID
    else:
        assert told.files == {"main.py": line.format(child)}


def test_other_languages_change_by_lines() -> None:
    before, after = "rate: 1\nsize: 2\nkind: a\n", "rate: 1\nsize: 3\nkind: a\n"
    target = "first: 0\n" + before
    assert changed({"notes.txt": target}, {"notes.txt": before}, {"notes.txt": after}, SCOPE) == {"notes.txt": "first: 0\n" + after}


@pytest.mark.parametrize(
    ("target", "before", "after"),
    [
        ("y = a - b\n", "y = a + b\n", "y = a * b\n"),  # what was replaced is not there
        ("y = 1\n", "y = 2\n", "y = 2\n"),  # nothing changed
        ("def f(:\n", "y = 2\n", "y = 3\n"),  # no program
        ("# EVOLVE-BLOCK-START\na = 1\n# EVOLVE-BLOCK-END\ny = 2\n", "y = 2\n", "y = 3\n"),
    ],
)
def test_a_change_that_does_not_fit_is_no_child(target: str, before: str, after: str) -> None:
    told = made("merge", target, before, after)
    assert told.status is ProposalStatus.INVALID
    assert told.reason


def test_a_number_that_was_what_it_was_before_becomes_what_it_became_to_the_last_digit() -> None:
    before, after = "x = 250.0\ny = 1.0\n", "x = 2.0103343992922881e-07\ny = 1.0\n"
    child = changed({"main.py": before.replace("1.0", "3.0")}, {"main.py": before}, {"main.py": after}, SCOPE)
    assert child is not None
    assert ast.literal_eval(child["main.py"].split()[2]) == 2.0103343992922881e-07


def test_it_needs_three_programs() -> None:
    assert made("merge", "a = 1\n", "a = 2\n").status is ProposalStatus.INVALID


def test_only_what_may_be_edited_changes() -> None:
    text = "# EVOLVE-BLOCK-START\na = {}\n# EVOLVE-BLOCK-END\nb = {}\n"
    child = changed({"main.py": text.format(1, 5)}, {"main.py": text.format(1, 2)}, {"main.py": text.format(3, 9)}, SCOPE)
    assert child == {"main.py": text.format(3, 5)}


PROGRAMS = st.builds(
    lambda numbers, names: (
        "def f(x):\n    return " + " + ".join(f"{n} * {name}" for n, name in zip(numbers, names, strict=True)) + "\n"
    ),
    st.lists(st.integers(0, 9), min_size=3, max_size=3),
    st.lists(st.sampled_from(["x", "max(x, 1)", "(x - 2)"]), min_size=3, max_size=3),
)


@settings(max_examples=100, deadline=None)
@given(PROGRAMS, PROGRAMS)
def test_a_change_made_to_what_it_was_made_to_gives_what_it_gave(before: str, after: str) -> None:
    child = changed({"main.py": before}, {"main.py": before}, {"main.py": after}, SCOPE)
    assert ast.dump(ast.parse(child["main.py"] if child else before)) == ast.dump(ast.parse(after))


def test_those_that_repeat_a_change_are_one_class_and_say_so() -> None:
    repeating = [spec for spec in OPERATORS.values() if spec.repeats]
    assert [spec.name for spec in repeating] == ["extrapolate", "mirror", "merge", "revert"]
    assert {type(make_operator(spec.name)) for spec in repeating} == {type(make_operator("merge"))}
    assert not any(spec.edits for spec in repeating)


@pytest.mark.parametrize("name", HOSTILE)
def test_hostile_programs_are_data(name: str) -> None:
    bad, good, other = HOSTILE[name], TRAIN, TRAIN.replace("0.02", "0.03")
    for three in (
        (bad, good, other),
        (good, bad, other),
        (good, other, bad),
        (bad, bad + "\ny = 2\n", bad),
        (bad, bad, bad + "\ny = 2\n"),
    ):
        told = made("merge", *three)
        assert told.status in (ProposalStatus.CHILD, ProposalStatus.INVALID)


@pytest.mark.parametrize("name", STDLIB)
def test_two_changes_of_a_real_program_go_together(name: str) -> None:
    """Where both fit, the child has both: what the one edit did is there whichever came first."""
    scope = EditScope(("main.py",), may_add_files=False, max_bytes=10**6)
    base, merged = STDLIB[name], 0
    edits = [
        make_operator("ast_edit").propose(ProposalTask(({"main.py": base},), (), scope), np.random.default_rng(n)) for n in range(8)
    ]
    children = [one.files["main.py"] for one in edits if one.files is not None]
    for one, other in pairwise(children):
        there = changed({"main.py": one}, {"main.py": base}, {"main.py": other}, scope)
        back = changed({"main.py": other}, {"main.py": base}, {"main.py": one}, scope)
        if there is not None and back is not None:
            merged += 1
            assert ast.dump(ast.parse(there["main.py"])) == ast.dump(ast.parse(back["main.py"]))
    assert merged >= 3
