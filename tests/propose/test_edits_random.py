"""Edits under random and hostile texts: what is applied is right, the rest is a value, and the cost is bounded."""

from __future__ import annotations

from difflib import SequenceMatcher

import pytest
from hypothesis import given
from hypothesis import strategies as st
from propose_sources import HOSTILE, TRAIN

from evolve.propose import EditScope, canonical_hash, check_scope
from evolve.propose.answers._formats import parse_answer
from evolve.propose.edits._apply import apply_edits
from evolve.propose.edits._edits import (
    AnyEdit,
    Applied,
    EditFailure,
    Fault,
    Format,
    MatchTier,
    ParsedAnswer,
    Replace,
    RewriteBlock,
    RewriteFile,
)
from evolve.propose.edits._fuzzy import WorkLimit, common, nearest
from evolve.propose.edits._source import Cut, Source, View, cut_lines, spliced

SCOPE = EditScope(("a.py", "b.py", "a.txt"), may_add_files=False, max_bytes=10_000)
MARKED = (
    "import os\n# EVOLVE-BLOCK-START\nx = 1\ny = 2\n# EVOLVE-BLOCK-END\nz = 3\n"
    "def f():\n    # EVOLVE-BLOCK-START\n    return x\n    # EVOLVE-BLOCK-END\n"
)

LINE = st.sampled_from(["", "a", "b", "  a", "a ", "\tb", "é", "\u2028", "x\ry", "=", "a" * 9])
LINES = st.lists(LINE, max_size=9)


def written(lines: list[str], ending: str, bare: bool) -> str:
    text = "".join(line + ending for line in lines)
    return text.removesuffix(ending) if bare and lines and lines[-1] else text


def hunks(old: list[str], new: list[str]) -> list[Replace]:
    """The difference, each hunk with as much context as makes it unique."""
    edits = []
    for tag, i, j, k, m in SequenceMatcher(None, old, new, autojunk=False).get_opcodes():
        if tag == "equal":
            continue
        start, end = i, j
        while (start > 0 or end < len(old)) and not (
            any(line.strip() for line in old[start:end]) and len(View(old, "\n").find(old[start:end])) == 1
        ):
            start, end = max(0, start - 1), min(len(old), end + 1)
        search = "".join(line + "\n" for line in old[start:end])
        replace = "".join(line + "\n" for line in [*old[start:i], *new[k:m], *old[j:end]])
        edits.append(Replace(len(edits) + 1, "a.txt", search, replace))
    return edits


@given(old=LINES, new=LINES, ending=st.sampled_from(["\n", "\r\n"]), bare=st.booleans())
def test_applying_a_difference_gives_the_second_text(old: list[str], new: list[str], ending: str, bare: bool) -> None:
    bare = bare and bool(old and new and old[-1] and new[-1])
    ending = ending if len(old) > bare else "\n"  # the first text shows none
    files, second = {"a.txt": written(old, ending, bare)}, written(new, ending, bare)
    result = apply_edits(files, hunks(old, new) or [RewriteFile(1, "a.txt", files["a.txt"])], SCOPE)
    if isinstance(result, Applied):
        assert result.files["a.txt"] == second
        assert result.tier is MatchTier.EXACT
    elif canonical_hash(files) == canonical_hash({"a.txt": second}):  # blank lines at the end
        assert {fault.fault for fault in result.faults} == {Fault.NO_OP}
    else:  # two insertions that slid to the same place
        assert {fault.fault for fault in result.faults} == {Fault.OVERLAP}
    whole = apply_edits(files, [RewriteFile(1, "a.txt", "".join(line + "\n" for line in new))], SCOPE)
    if isinstance(whole, Applied):
        assert whole.files["a.txt"] == second
    elif whole.fault is Fault.ELIDED:  # what lacks the start or the end of a longer text
        assert sum(bool(line.strip()) for line in new) < len(old) - 1
    else:
        assert whole.fault is Fault.NO_OP
        assert canonical_hash(files) == canonical_hash({"a.txt": second})


@given(lines=LINES, ending=st.sampled_from(["\n", "\r\n", ""]), cuts=st.lists(st.tuples(st.integers(0, 9), LINES), max_size=2))
def test_lines_outside_cuts_keep_their_bytes(lines: list[str], ending: str, cuts: list[tuple[int, list[str]]]) -> None:
    text = "".join(line + (ending or ("\n", "\r\n")[i % 2]) for i, line in enumerate(lines))
    source = Source("a.txt", text, editable=True)
    assert "".join(map("".join, zip(*cut_lines(text), strict=True))) == text
    assert spliced(source, []) == text
    for at, new in cuts:
        row = min(at, len(lines))
        kept = ["".join(pair) for pair in zip(source.lines, source.ends, strict=True)]
        child = spliced(source, [Cut(row, row, tuple(new))])
        assert child.startswith("".join(kept[:row]))
        assert child.endswith("".join(kept[row:]))


PIECE = st.sampled_from(
    [
        "x = 1", "y = 2", "z = 3", "import os", "    return x", "return x", "# EVOLVE-BLOCK-START", "# EVOLVE-BLOCK-END", "",
        "...", "    # EVOLVE-BLOCK-END", "x  =  1", "x = 11", "# ... existing code ...", "def f():", "w = 0", "é",
        "\ud800", "'''", "(", "\0", " ",
    ]
)  # fmt: skip
PART = st.lists(PIECE, max_size=4).map(lambda lines: "".join(line + "\n" for line in lines))
PATH = st.sampled_from(["", "a.py", "b.py", "c.py", "new.py", "../x"])
EDIT = st.one_of(
    st.builds(Replace, st.integers(1, 9), PATH, PART, PART, st.none() | st.integers(0, 20)),
    st.builds(RewriteBlock, st.integers(1, 9), PATH, st.none() | st.integers(0, 3), PART),
    st.builds(RewriteFile, st.integers(1, 9), PATH, PART),
)
FILES = st.dictionaries(
    st.sampled_from(["a.py", "b.py", "c.py"]),
    st.sampled_from([MARKED, MARKED.replace("\n", "\r\n"), "x = 1", "", "'''"]),
    min_size=1,
)


@given(files=FILES, edits=st.lists(EDIT, max_size=4), add=st.booleans(), partial=st.booleans())
def test_whatever_is_applied_is_in_scope(files: dict[str, str], edits: list[AnyEdit], add: bool, partial: bool) -> None:
    scope = EditScope(("a.py", "b.py"), add, 2_000)
    result = apply_edits(files, edits, scope, partial=partial)
    if isinstance(result, EditFailure):
        assert result.feedback
        return
    assert check_scope(files, result.files, scope) == ""
    assert result.files != files
    assert "c.py" not in files or result.files["c.py"] == files["c.py"]
    assert {placed.tier for placed in result.placed} <= set(MatchTier)


MARKS = st.sampled_from(
    [
        "<<<<<<< SEARCH",
        "=======",
        ">>>>>>> REPLACE",
        "```",
        "a.py",
        "file: n.py",
        "block 1",
        "x = 1",
        "y = 2",
        "    return x",
        "...",
        "",
        "z",
    ]
)


@given(st.lists(MARKS, max_size=40).map("\n".join), st.sampled_from(Format))
def test_any_answer_gives_a_value(text: str, expected: Format) -> None:
    files = {"a.py": MARKED}
    answer = parse_answer(text, expected, files)
    if isinstance(answer, ParsedAnswer):
        assert isinstance(apply_edits(files, answer.edits, SCOPE), Applied | EditFailure)


@pytest.mark.parametrize("name", HOSTILE)
def test_hostile_texts(name: str) -> None:
    text = HOSTILE[name]
    scope = EditScope(("a.py",), may_add_files=False, max_bytes=10**6)
    first = text.split("\n")[0] + "\n"
    for edit in (
        RewriteFile(1, "", text),
        Replace(1, "", text, "x = 1\n"),
        Replace(1, "", first, text),
        Replace(1, "", text[:999] + "q", ""),
    ):
        assert isinstance(apply_edits({"a.py": text}, [edit], scope), Applied | EditFailure)
        assert isinstance(apply_edits({"a.py": TRAIN}, [edit], scope), Applied | EditFailure)


@pytest.mark.parametrize(
    "search", ["a\n" * 1_999 + "b\n", " a\n" * 1_000, "a\n...\n" * 900, "a\n" * 150_000 + "b\n", "a " * 1_000 + "\n"]
)
def test_lookups_do_not_multiply(search: str, monkeypatch: pytest.MonkeyPatch) -> None:
    """However often a text repeats, an edit costs a bounded number of lookups, hits and cells."""
    calls: list[int] = []
    find = View.find

    def counted(view: View, run: list[str]) -> list[int]:
        hits = find(view, run)
        calls.append(len(hits))
        return hits

    monkeypatch.setattr(View, "find", counted)
    files = {"a.py": "a\n" * 200_000}
    result = apply_edits(files, [Replace(1, "", search, "c\n")], EditScope(("a.py",), may_add_files=False, max_bytes=10**6))
    assert isinstance(result, EditFailure)
    assert len(calls) <= 20
    assert max(calls) <= 101


@given(a=st.text("ab ", max_size=30), b=st.text("abc ", max_size=30))
def test_likeness_is_that_of_the_longest_common_subsequence(a: str, b: str) -> None:
    table = [[0] * (len(b) + 1) for _ in range(len(a) + 1)]
    for i, x in enumerate(a):
        for j, y in enumerate(b):
            table[i + 1][j + 1] = table[i][j] + 1 if x == y else max(table[i][j + 1], table[i + 1][j])
    assert common(a, b) == table[-1][-1]


def test_comparisons_stop_when_the_budget_is_spent() -> None:
    source = Source("a.txt", "alpha beta gamma\n" * 200, editable=True)
    assert nearest([source], ["alpha beta gamme"], WorkLimit())
    assert nearest([source], ["alpha beta gamme"], WorkLimit(cells=10)) == []
    assert nearest([source], ["x" * 4_001], WorkLimit()) == []
