"""What of a model's answer is an edit."""

from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st

from evolve.propose.answers._formats import parse_answer
from evolve.propose.edits._edits import (
    MAX_ANSWER,
    MAX_EDITS,
    MAX_FEEDBACK,
    EditFailure,
    Fault,
    Format,
    ParsedAnswer,
    Replace,
    RewriteBlock,
    RewriteFile,
)

PATHS = ("train.py", "lib/util.py", "__init__.py")


def parsed(text: str, expected: Format = Format.DIFF, *, cut: bool = False) -> ParsedAnswer:
    answer = parse_answer(text, expected, PATHS, cut=cut)
    assert isinstance(answer, ParsedAnswer), answer
    return answer


def refused(text: str, expected: Format = Format.DIFF, *, cut: bool = False) -> EditFailure:
    answer = parse_answer(text, expected, PATHS, cut=cut)
    assert isinstance(answer, EditFailure), answer
    assert answer.feedback.endswith(".")
    return answer


def block(search: str, replace: str, n: int = 7) -> str:
    return f"{'<' * n} SEARCH\n{search}{'=' * n}\n{replace}{'>' * n} REPLACE"


AB = block("a\n", "b\n")


@pytest.mark.parametrize("n", [5, 6, 7, 8, 9])
@pytest.mark.parametrize("around", ["{}", "Sure! I will.\n\n{}\nDone.", "```python\n{}\n```\n", "<DIFF>\n{}\n</DIFF>", "  \n{}"])
def test_search_replace_blocks(n: int, around: str) -> None:
    text = around.format(block("x = 1\n", "x = 2\n", n))
    assert parsed(text).edits == (Replace(1, "", "x = 1\n", "x = 2\n"),)
    assert parsed(text.replace("\n", "\r\n")).edits == (Replace(1, "", "x = 1\n", "x = 2\n"),)


@pytest.mark.parametrize(
    "header",
    [
        "train.py", "`train.py`", "**train.py**", "### train.py", "### File: `train.py`", "file: train.py", "Path = ./train.py",
        "- train.py:", "# train.py", "// train.py", "> **File:** train.py", "\"train.py\"",
    ],
)  # fmt: skip
def test_headers(header: str) -> None:
    assert parsed(f"{header}\n{AB}").edits == (Replace(1, "train.py", "a\n", "b\n"),)
    assert parsed(f"{header}\n\n```python\nx\n```").edits == (RewriteFile(1, "train.py", "x\n"),)


def test_a_header_holds_for_the_blocks_after_it() -> None:
    cut, put = block("c\n", ""), block("", "e\n")
    text = f"train.py\n```\n{AB}\n{cut}\n```\nand\n```\nlib/util.py\n{put}\n```"
    assert parsed(text).edits == (
        Replace(1, "train.py", "a\n", "b\n"),
        Replace(2, "train.py", "c\n", ""),
        Replace(3, "lib/util.py", "", "e\n"),
    )


def test_a_mix_of_formats() -> None:
    text = (
        f"train.py:\n{AB}\nFor example\n```\nf(x)\n```\nfile: new.py\n```py\nx\n```\n"
        "### __init__.py block 2\n```\ny\n```\n```python lib/util.py\nz\n```\n"
    )
    assert parsed(text).edits == (
        Replace(1, "train.py", "a\n", "b\n"),
        RewriteFile(2, "new.py", "x\n"),
        RewriteBlock(3, "__init__.py", 2, "y\n"),
        RewriteFile(4, "lib/util.py", "z\n"),
    )


@pytest.mark.parametrize(
    ("line", "path", "hint"),
    [
        ("<<<<<<< SEARCH", "", None),
        ("<<<<<<< SEARCH line 12", "", 12),
        ("  <<<<<<< search (line 12)", "", 12),
        ("<<<<<<<SEARCH: lines 12-20", "", 12),
        ("<<<<<<< SEARCH @ 12", "", 12),
        ("<<<<<<< SEARCH train.py", "train.py", None),
        ("<<<<<<< ORIGINAL", "", None),
    ],
)
def test_line_hints(line: str, path: str, hint: int | None) -> None:
    assert parsed(f"{line}\na\n=======\nb\n>>>>>>> REPLACE").edits == (Replace(1, path, "a\n", "b\n", hint),)


def test_one_fenced_block_is_what_was_asked_for() -> None:
    text = "Here:\n~~~python\nx = 1\n\n~~~\nIt is faster."
    assert parsed(text, Format.FILE).edits == (RewriteFile(1, "", "x = 1\n\n"),)
    assert parsed(text, Format.BLOCK).edits == (RewriteBlock(1, "", None, "x = 1\n\n"),)
    assert "1 fenced blocks that name no file" in refused(text).feedback
    assert parsed("block 2\n" + text[6:]).edits == (RewriteBlock(1, "", 2, "x = 1\n\n"),)


def test_fences_inside_fences() -> None:
    text = '```python\n"""Doc.\n\n    ```\n    f()\n    ```\n"""\n```'
    assert parsed(text, Format.FILE).edits == (RewriteFile(1, "", '"""Doc.\n\n    ```\n    f()\n    ```\n"""\n'),)
    text = "````\n```\nf()\n```\n````"
    assert parsed(text, Format.FILE).edits == (RewriteFile(1, "", "```\nf()\n```\n"),)
    text = "```md\na\n```sh\nb\n```\nc\n```"
    assert parsed(text, Format.FILE).edits == (RewriteFile(1, "", "a\n```sh\nb\n```\nc\n"),)


def test_fences_inside_both_parts_go_and_in_one_part_stay() -> None:
    assert parsed(block("```python\na\n```\n", "```python\nb\n```\n")).edits == (Replace(1, "", "a\n", "b\n"),)
    assert parsed(block("a\n", "```python\nb\n```\n")).edits == (Replace(1, "", "a\n", "```python\nb\n```\n"),)


def test_underlines_are_no_dividers_unless_nothing_tells_them_apart() -> None:
    assert parsed(block("Title\n=====\n", "Other\n=====\n")).edits == (Replace(1, "", "Title\n=====\n", "Other\n=====\n"),)
    failed = refused(block("Tables!\n=======\n", "Others!\n=======\n"))
    assert failed.fault is Fault.MALFORMED
    assert "exactly one line '======='" in failed.feedback
    assert "found 3" in failed.feedback


def test_a_truncated_last_block_is_the_only_one_lost() -> None:
    text = AB + "\n<<<<<<< SEARCH\nc\n=======\nd = 1"
    answer = parsed(text, cut=True)
    assert answer.edits == (Replace(1, "", "a\n", "b\n"),)
    assert [(fault.number, fault.fault) for fault in answer.rejected] == [(2, Fault.TRUNCATED)]
    assert "'d = 1'" in answer.rejected[0].feedback
    assert refused("<<<<<<< SEARCH\nc\n=======\nd", cut=True).fault is Fault.TRUNCATED
    assert refused("```python\nx = 1\n", Format.FILE, cut=True).fault is Fault.TRUNCATED


def test_a_last_marker_that_is_missing_at_a_clean_stop_is_put_there() -> None:
    assert parsed("<<<<<<< SEARCH\nc\n=======\nd").edits == (Replace(1, "", "c\n", "d\n"),)
    assert parsed("```python\nx = 1\n", Format.FILE).edits == (RewriteFile(1, "", "x = 1\n", ended=False),)
    assert refused("<<<<<<< SEARCH\nc\nd").fault is Fault.TRUNCATED
    assert refused("<<<<<<< SEARCH\nc\n=======\n").fault is Fault.TRUNCATED  # not a deletion
    assert refused("<<<<<<< SEARCH\nc\n=====\nd").fault is Fault.TRUNCATED
    assert refused("<<<<<<< SEARCH\nc\n=======\nd\nThis makes it faster than before.").fault is Fault.TRUNCATED


def test_a_block_without_end_does_not_take_the_next() -> None:
    answer = parsed("<<<<<<< SEARCH\nc\n" + AB)
    assert answer.edits == (Replace(2, "", "a\n", "b\n"),)
    assert answer.rejected[0].fault is Fault.TRUNCATED


@pytest.mark.parametrize(
    ("text", "expected", "fault"),
    [
        ("", Format.DIFF, Fault.EMPTY),
        ("I would not change anything.", Format.FILE, Fault.EMPTY),
        ("```\na\n```\n\n```\nb\n```", Format.FILE, Fault.MALFORMED),
        ("```diff\na\nb\n```", Format.FILE, Fault.MALFORMED),
        ("<<<<<<< SEARCH\na\n>>>>>>> REPLACE", Format.DIFF, Fault.MALFORMED),
        ("x" * (MAX_ANSWER + 1), Format.DIFF, Fault.TOO_LARGE),
        ("\n".join(block(f"a{i}\n", "b\n") for i in range(MAX_EDITS + 1)), Format.DIFF, Fault.TOO_LARGE),
    ],
)
def test_refusals(text: str, expected: Format, fault: Fault) -> None:
    assert refused(text, expected).fault is fault


def test_feedback_is_bounded() -> None:
    failed = refused(("<<<<<<< SEARCH\n" + "a" * 500 + "\n") * MAX_EDITS)
    assert len(failed.faults) == MAX_EDITS
    assert len(failed.feedback) <= MAX_FEEDBACK


MARKS = st.sampled_from(
    [
        "<<<<<<< SEARCH", "<<<<<<<", "=======", "=====", ">>>>>>> REPLACE", ">>>>>>>", "```", "```python", "````", "~~~",
        "train.py", "file: a.py", "block 2", "block", "...", "# ... existing code ...", "# EVOLVE-BLOCK-START",
        "# EVOLVE-BLOCK-END", "x = 1", "    x = 1", "", " ", "\r", "\n", "\r\n", "é\ud800", "\0", "\t", "diff", "file:",
    ]
)  # fmt: skip


@given(
    st.lists(st.tuples(MARKS, st.sampled_from(["", "\n", "\n", "\r\n"])).map("".join), max_size=30).map("".join),
    st.sampled_from(Format),
)
def test_any_text_gives_a_value(text: str, expected: Format) -> None:
    answer = parse_answer(text, expected, PATHS)
    assert isinstance(answer, ParsedAnswer | EditFailure)
    if isinstance(answer, ParsedAnswer):
        numbers = sorted([edit.number for edit in answer.edits] + [fault.number for fault in answer.rejected])
        assert numbers == list(range(1, len(numbers) + 1))


lines = st.lists(st.text(st.characters(codec="utf-8", exclude_characters="\n\r<>=`~\u00a0"), max_size=8), max_size=4)


@given(search=lines, replace=lines, path=st.sampled_from(PATHS))
def test_what_was_written_is_read(search: list[str], replace: list[str], path: str) -> None:
    a, b = ("".join(line + "\n" for line in part) for part in (search, replace))
    assert parsed(f"file: {path}\n{block(a, b)}").edits == (Replace(1, path, a, b),)
    assert parsed(f"file: {path}\n```\n{a}```\n").edits == (RewriteFile(1, path, a),)


@pytest.mark.parametrize(
    "line",
    [
        "<<<<<<< SEARCH" + " " * 180,
        "`" * 199,
        "file:" + " " * 190,
        "block" + " " * 190,
        "- " * 99,
        "=" * 9,
        "x" * 5_000,
        "#" + " block 1" * 22,
        "\r",
        "<think>", "</think>", "a </think>", "<thinking>\n</thinking>", "```thinking", "<|channel|>analysis", "x assistantfinal y",
        "[THINK]", "Thinking...", "<details>\n<summary>Thinking</summary>", "{", "[", '{"a": "', '"\\"', '[{"file": "', "<search>",
        "<path>", '<parameter name="old_str">', "<search>\n</search>", "--- a\n+++ b", "@@", "+x", "*** Update File: train.py",
        "<<<<<<< HEAD", "<<<<<<< SEARCH\na\n=======\n```", "### Search\n```\nx\n```", "1: x", "&lt;" * 40, "a(" * 90, "a b(",
        "> x", "'\''", "# the rest " * 15,
    ],
)  # fmt: skip
def test_long_answers_of_one_line_repeated(line: str) -> None:
    """Each line is read a few times; these would take minutes if it were otherwise."""
    text = (line + "\n") * (30_000 // (len(line) + 1))
    files = {"train.py": "import math\n\n\ndef f(x):\n    return math.sin(x)\n"}
    for known in (PATHS, files, {"a.c": "int f(int x) {\n  return x;\n}\n"}):
        assert isinstance(parse_answer(text, Format.FILE, known), ParsedAnswer | EditFailure)
