"""Answers over the turns of one conversation: what had its place is kept, and what comes again replaces it."""

from __future__ import annotations

import pytest

from evolve.propose import EditScope
from evolve.propose._model_operator import AnswerParser
from evolve.propose.edits._edits import Applied, EditFailure, Fault, Format

FILES = {"main.py": "A = 1.5\nB = 2.5\nC = 3.5\nC2 = 3.5\n\n\ndef one():\n    return 1\n\n\ndef two():\n    return 1\n"}
SCOPE = EditScope(("main.py",), False, 1000)


def edit(old: str, new: str) -> str:
    return f"file: main.py\n<<<<<<< SEARCH\n{old}\n=======\n{new}\n>>>>>>> REPLACE\n"


def reading(**more) -> AnswerParser:
    return AnswerParser(FILES, Format.DIFF, SCOPE, **more)


def test_edits_that_were_fine_are_kept_for_the_next_turn():
    read = reading()
    made = read.apply("PLAN: both\n\n" + edit("A = 1.5", "A = 9.5") + edit("    return 1", "    return 2"), partial=False)
    assert isinstance(made, EditFailure)
    assert (made.fault, made.fine) == (Fault.AMBIGUOUS, (1,))
    made = read.apply(edit("def two():\n    return 1", "def two():\n    return 2"), partial=False)
    assert isinstance(made, Applied)
    text = made.files["main.py"]
    assert "A = 9.5" in text
    assert "def two():\n    return 2" in text
    assert "def one():\n    return 1" in text
    assert read.statement.plan == "both"


def test_an_edit_that_comes_again_replaces_the_one_that_was_kept():
    read = reading()
    read.apply(edit("A = 1.5", "A = 9.5") + edit("nowhere", "x"), partial=False)
    made = read.apply(edit("A = 1.5", "A = 7.5"), partial=False)
    assert isinstance(made, Applied)
    assert made.files["main.py"].startswith("A = 7.5\n")


def test_the_last_turn_takes_what_can_be_had():
    read = reading()
    made = read.apply(edit("A = 1.5", "A = 9.5") + edit("nowhere", "x"), partial=True)
    assert isinstance(made, Applied)
    assert made.files["main.py"].startswith("A = 9.5\nB = 2.5")
    assert [fault.fault for fault in made.rejected] == [Fault.NOT_FOUND]


def test_a_whole_edit_before_a_broken_one_is_kept():
    read = reading()
    made = read.apply(edit("A = 1.5", "A = 9.5") + edit("B = 2.5", "B = 8")[:-25], partial=False)
    assert isinstance(made, EditFailure)
    assert made.fault is Fault.TRUNCATED
    made = read.apply(edit("B = 2.5", "B = 8.5"), partial=False)
    assert isinstance(made, Applied)
    assert made.files["main.py"].startswith("A = 9.5\nB = 8.5\n")


@pytest.mark.parametrize(("new", "fits"), [("A = 1", True), ("A = 15.25", False), ("A = 9.5", False)])
def test_a_simplification_must_have_fewer_bytes(new, fits):
    made = reading(shorter=True).apply(edit("A = 1.5", new), partial=False)
    assert isinstance(made, Applied) is fits
    if not fits:
        assert (made.fault, "must be shorter" in made.feedback) == (Fault.NO_OP, True)


def test_a_simplification_that_was_too_long_starts_anew():
    read = reading(shorter=True)
    read.apply(edit("A = 1.5", "A = 15.25"), partial=False)
    made = read.apply(edit("C2 = 3.5\n", ""), partial=False)
    assert isinstance(made, Applied)
    assert made.files["main.py"].startswith("A = 1.5\n")


def test_a_long_simplification_is_refused_in_the_last_turn_too():
    assert isinstance(reading(shorter=True).apply(edit("A = 1.5", "A = 15.25"), partial=True), EditFailure)


@pytest.mark.parametrize("partial", [False, True])
@pytest.mark.parametrize("second", [
    edit("A = 1.5", "A = 4.5"),  # the same place again
    edit("A = 9.5", "A = 4.5"),  # what the first one would have written
])  # fmt: skip
def test_of_two_versions_of_one_place_none_is_taken(second: str, partial: bool):
    made = reading().apply("PLAN: more\n\n" + edit("A = 1.5", "A = 9.5") + "Wait, corrected:\n\n" + second, partial=partial)
    assert isinstance(made, EditFailure)
    assert [fault.fault for fault in made.faults] == [Fault.OVERLAP]


@pytest.mark.parametrize("cut", [False, True])
def test_of_two_versions_of_a_file_none_is_taken(cut: bool):
    text = "".join(
        f"file: main.py\n```python\n{FILES['main.py'].replace('1.5', new)}```\nWait, corrected:\n\n" for new in ("9.5", "4.5")
    )
    made = reading().apply("PLAN: more\n\n" + text, partial=True, cut=cut)
    assert isinstance(made, EditFailure)
    assert [fault.fault for fault in made.faults] == [Fault.OVERLAP]


def test_what_the_last_turn_says_goes_before_what_was_kept():
    read = reading()
    read.apply(edit("A = 1.5", "A = 9.5") + edit("C = 3.5\n", "C = 6.5\n") + edit("nowhere", "x"), partial=False)
    made = read.apply(edit("A = 1.5\nB = 2.5", "A = 4.5\nB = 2.25") + edit("nowhere", "x"), partial=True)
    assert isinstance(made, Applied)
    assert made.files["main.py"].startswith("A = 4.5\nB = 2.25\nC = 6.5\n")
