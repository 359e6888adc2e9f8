"""Answers as models write them are taken as they are meant, or refused; no child has a line that neither parent nor answer has."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from model_answers import ModelAnswer, model_answers

from evolve.propose import EditScope
from evolve.propose._model_operator import AnswerParser
from evolve.propose.answers._formats import parse_answer
from evolve.propose.edits._edits import AnyEdit, Applied, EditFailure, MatchTier, ParsedAnswer, Replace
from evolve.propose.edits._slips import unescaped
from evolve.propose.prompts._statement import Rationale

ANSWERS = model_answers()
BY_NAME = {answer.name: answer for answer in ANSWERS}


def read(answer: ModelAnswer, text: str | None = None, *, partial: bool = False, cut: bool | None = None) -> Applied | EditFailure:
    scope = EditScope(
        tuple(answer.parent), may_add_files=True, max_bytes=1_000_000, entries=(answer.entry,) if answer.entry else ()
    )
    reading = AnswerParser(answer.parent, answer.format, scope)
    return reading.apply(answer.text if text is None else text, partial=partial, cut=answer.cut if cut is None else cut)


@pytest.mark.parametrize("name", BY_NAME)
def test_an_answer_is_taken_as_it_is_meant(name: str) -> None:
    answer = BY_NAME[name]
    made = read(answer)
    if isinstance(made, Applied):
        assert dict(made.files) in [dict(child) for child in answer.children]
    else:
        assert {fault.fault for fault in made.faults} & answer.faults, made.feedback
        assert made.feedback.rstrip().endswith(".")


@pytest.mark.parametrize("name", BY_NAME)
def test_what_was_cut_off_or_ends_in_another_way_gives_no_other_child(name: str) -> None:
    """Line ends, spaces after the answer and a server's word of a limit change nothing but whether there is a child."""
    answer = BY_NAME[name]
    windows = answer.text.replace("\r\n", "\n").replace("\n", "\r\n")
    for text, cut in ((windows, answer.cut), (answer.text + "\n\n", answer.cut), (answer.text, True)):
        made = read(answer, text, cut=cut)
        assert isinstance(made, EditFailure) or dict(made.files) in [dict(child) for child in answer.children]


def strange_lines(parent: Mapping[str, str], made: Applied, text: str) -> list[str]:
    """Lines of a child that stand in neither parent nor answer, spacing at their ends and signs before them aside.  Where part of a
    line was replaced, lines of the parent with text of the answer in them are not strange."""
    own = {line.strip() for part in parent.values() for line in part.split("\n")}
    said = [line.strip() for line in text.replace("\r\n", "\n").split("\n")]
    written = text + unescaped(text) + text.replace("\\n", "\n").replace('\\"', '"')  # the last: strings of JSON
    new = {line.strip() for part in made.files.values() for line in part.split("\n")} - own - {*said, *map(unescaped, said)}
    strange = [line for line in new if line not in written]
    if made.tier is MatchTier.INLINE:
        return [line for line in strange if not any(_holds(line, each, written) for each in own)]
    return strange


def _holds(line: str, own: str, written: str) -> bool:
    """Whether a line is one of the parent's with a part of it replaced by text of the answer."""
    before = _alike(line, own)
    after = _alike(line[before:][::-1], own[before:][::-1])
    return before + after > 0 and line[before : len(line) - after] in written


def _alike(a: str, b: str) -> int:
    """How many characters two texts have in common at their start."""
    return next((i for i, (x, y) in enumerate(zip(a, b, strict=False)) if x != y), min(len(a), len(b)))


def said(edits: Sequence[AnyEdit]) -> set[tuple[str, ...]]:
    """What edits say, without their numbers."""
    return {(each.path, *((each.search, each.replace) if isinstance(each, Replace) else (each.text,))) for each in edits}


@given(name=st.sampled_from(sorted(BY_NAME)), share=st.floats(0, 1))
@settings(max_examples=200, deadline=None)
def test_an_answer_that_was_cut_gives_a_child_of_whole_edits_only(name: str, share: float) -> None:
    """Wherever it is cut, each edit of the child is one of the whole answer's; none where it does not say what it does."""
    answer = BY_NAME[name]
    text = answer.text[: int(len(answer.text) * share)]
    reading = AnswerParser(answer.parent, answer.format, EditScope(tuple(answer.parent), may_add_files=True, max_bytes=1_000_000))
    if isinstance(reading.apply(text, partial=True, cut=True), Applied):
        part, whole = (
            parse_answer(each, answer.format, answer.parent, cut=cut) for each, cut in ((text, True), (answer.text, False))
        )
        assert isinstance(part, ParsedAnswer)
        assert isinstance(whole, ParsedAnswer)
        assert said(part.edits) <= said(whole.edits)
        assert reading.statement != Rationale()


PIECES = st.integers(0, 400)


WAYS: dict[str, Callable[[list[str]], list[str]]] = {
    "drop": lambda part: [],
    "twice": lambda part: part * 2,
    "escape": lambda part: [line.replace("&", "&amp;").replace("<", "&lt;").replace(">", "&gt;") for line in part],
    "cut": lambda part: [line[: len(line) // 2] for line in part],
    "join": lambda part: ["".join(part)],
}


@given(name=st.sampled_from(sorted(BY_NAME)), at=PIECES, n=st.integers(1, 4), how=st.sampled_from(sorted(WAYS)))
@settings(max_examples=150, deadline=None)
def test_no_line_of_a_child_is_made_up(name: str, at: int, n: int, how: str) -> None:
    """Answers with lines lost, doubled, escaped or cut off give children of the parent's and the answer's own lines, or none."""
    answer = BY_NAME[name]
    lines = answer.text.split("\n")
    at %= len(lines)
    text = "\n".join([*lines[:at], *WAYS[how](lines[at : at + n]), *lines[at + n :]])
    made = read(answer, text)
    if isinstance(made, Applied):
        assert strange_lines(answer.parent, made, text) == []
        known = "".join(answer.parent.values())
        if "&lt;" not in known and "&lt;" not in answer.text:
            assert "&lt;" not in "".join(made.files.values())
