"""Where edits go, and that everything else stays."""

from __future__ import annotations

import pytest
from propose_sources import TRAIN

from evolve.propose import EditScope, check_scope
from evolve.propose.edits._apply import apply_edits
from evolve.propose.edits._edits import (
    MAX_EDITS,
    AnyEdit,
    Applied,
    EditFailure,
    Fault,
    MatchTier,
    Replace,
    RewriteBlock,
    RewriteFile,
)

LONG = "total = weigh(first) + weigh(second)\nlimit = weigh(first)\nratio = 0.125 * total\n"
SCOPE = EditScope(("a.py", "b.py", "a.txt"), may_add_files=False, max_bytes=10_000)
MARKED = (
    "import os\n# EVOLVE-BLOCK-START\nx = 1\ny = 2\n# EVOLVE-BLOCK-END\nz = 3\n"
    "def f():\n    # EVOLVE-BLOCK-START\n    return x\n    # EVOLVE-BLOCK-END\n"
)


def applied(files: dict[str, str], *edits: AnyEdit, scope: EditScope = SCOPE) -> Applied:
    result = apply_edits(files, edits, scope)
    assert isinstance(result, Applied), result
    assert check_scope(files, result.files, scope) == ""
    return result


def failed(files: dict[str, str], *edits: AnyEdit, scope: EditScope = SCOPE) -> EditFailure:
    result = apply_edits(files, edits, scope)
    assert isinstance(result, EditFailure), result
    assert result.feedback.rstrip().endswith(".")
    return result


def replaced(text: str, search: str, replace: str, tier: MatchTier, line: int | None = None) -> str:
    result = applied({"a.py": text}, Replace(1, "a.py", search, replace, line))
    assert result.tier is tier
    return result.files["a.py"]


def test_exact_lines_and_only_whole_lines() -> None:
    assert replaced("xx = 1\nx = 1\n", "x = 1\n", "x = 2\n", MatchTier.EXACT) == "xx = 1\nx = 2\n"
    assert replaced("a = 1\nb = 1\n", "a = 1\n", "", MatchTier.EXACT) == "b = 1\n"
    assert replaced("a = 1\nb = 1\n", "a = 1\n", "a = 1\nc = 1\n", MatchTier.EXACT) == "a = 1\nc = 1\nb = 1\n"
    assert failed({"a.py": "xx = 1\n"}, Replace(1, "a.py", "x = 1\n", "x = 2\n")).fault is Fault.NOT_FOUND


def test_spaces_at_line_ends() -> None:
    assert (
        replaced("a = 1  \nb = 2\t\nc = 3\n", "a = 1\nb = 2\nc = 3 \n", "a = 1\nb = 9\nc = 3 \n", MatchTier.TRAILING)
        == "a = 1  \nb = 9\nc = 3\n"
    )


@pytest.mark.parametrize(
    ("text", "search", "replace", "expected"),
    [
        ("if a:\n    b()\n    c()\n", "b()\nc()\n", "b()\nif d:\n    c()\n", "if a:\n    b()\n    if d:\n        c()\n"),
        ("if a:\n    b()\n    c()\n", "        b()\n        c()\n", "        b()\n        d()\n", "if a:\n    b()\n    d()\n"),
        (
            "if a:\n    if b:\n        c()\n",
            "            c()\n",
            "            c()\n        d()\n",
            "if a:\n    if b:\n        c()\n    d()\n",
        ),
        ("if a:\n\tb()\n\tc()\n", "b()\nc()\n", "b()\nif d:\n    c()\n", "if a:\n\tb()\n\tif d:\n\t\tc()\n"),
        ("if a:\n\tif b:\n\t\tc()\n", "    if b:\n        c()\n", "    if b:\n        d()\n", "if a:\n\tif b:\n\t\td()\n"),
    ],
)
def test_shifted_lines_take_the_replacement_along(text: str, search: str, replace: str, expected: str) -> None:
    assert replaced(text, search, replace, MatchTier.INDENT) == expected


def test_lines_that_do_not_move_alike_are_another_text() -> None:
    text = "if a:\n    b()\nc()\n"
    assert failed({"a.py": text}, Replace(1, "a.py", "if a:\n    b()\n    c()\n", "d()\n")).fault is Fault.NOT_FOUND
    shallow = failed({"a.py": "if a:\n  b()\n"}, Replace(1, "a.py", "        b()\n", "        b()\nd()\n"))
    assert shallow.fault is Fault.NOT_FOUND


def test_blank_lines_and_dots() -> None:
    text = "def f():\n    a = 1\n\n\n    b = 2\n    c = 3\n    return a\n"
    assert replaced(text, "    a = 1\n    b = 2\n", "    a = 1\n    b = 9\n", MatchTier.ELIDED) == text.replace("b = 2", "b = 9")
    for dots in ("...\n", "    # ... existing code ...\n", "    # rest of the code ...\n"):
        edit = f"    a = 1\n{dots}    return a\n", f"    a = 7\n{dots}    return -a\n"
        assert replaced(text, *edit, MatchTier.ELIDED) == text.replace("a = 1", "a = 7").replace("return a", "return -a")
        assert replaced(text, dots + "    return a\n", dots + "    return -a\n", MatchTier.ELIDED) == text.replace(
            "return a", "return -a"
        )


def test_what_was_left_out_must_be_left_out_in_both_parts() -> None:
    text = "a = 1\nb = 2\nc = 3\n"
    for search, replace, fault in [
        ("a = 1\n...\nc = 3\n", "a = 4\nc = 5\n", Fault.ELIDED),
        ("a = 1\n", "a = 2\n# ... rest of the code unchanged\n", Fault.ELIDED),
        ("c = 3\n...\na = 1\n", "c = 4\n...\na = 2\n", Fault.NOT_FOUND),
    ]:
        assert failed({"a.py": text}, Replace(1, "a.py", search, replace)).fault is fault
    assert failed({"a.py": text}, RewriteFile(1, "a.py", "a = 2\n# ... existing code\n")).fault is Fault.ELIDED
    twice = failed({"a.py": "a = 1\nb = 2\nc = 3\nb = 2\n"}, Replace(1, "", "a = 1\n...\nb = 2\n", "a = 4\n...\nb = 5\n"))
    assert twice.fault is Fault.AMBIGUOUS


def test_tokens() -> None:
    text = "def f(a):\n    # why\n    x = g(a,\n          1)  # here\n    return x\n"
    found = replaced(
        text, "def f(a):\n    x = g(a, 1)\n    return x\n", "def f(a):\n    x = g(a, 2)\n    return x\n", MatchTier.TOKENS
    )
    assert found == "def f(a):\n    # why\n    x = g(a, 2)\n    return x\n"
    found = replaced(text, "x=g(a,1) # there\nreturn  x\n", "x=g(a,1) # there\nreturn -x\n", MatchTier.TOKENS)
    assert found == text.replace("return x", "return -x")
    for other in ("x = g(a, 1) return x\n", "if x: y()\nz()\n", "'a  b'\n"):
        files = {"a.py": text + "if x:\n    y()\n    z()\nt = (\n    'a b')\n"}
        assert failed(files, Replace(1, "a.py", other, "q\n")).fault is Fault.NOT_FOUND
    assert failed({"a.txt": text}, Replace(1, "a.txt", "x=g(a,1)\nreturn x\n", "q\n")).fault is Fault.NOT_FOUND


def test_similar_lines_stay_as_the_file_has_them() -> None:
    search = "def lr_at(step, total, warmup=0.1):\n    if step < warmup * totals:\n        return step / (warmup * total)\n"
    found = replaced(TRAIN, search, search.replace("return step", "return 2 * step"), MatchTier.FUZZY)
    assert found == TRAIN.replace("return step", "return 2 * step")


def test_similar_and_short_or_twice_is_nothing() -> None:
    assert failed({"a.py": "learning = 12\n"}, Replace(1, "", "learning = 13\n", "x\n")).fault is Fault.NOT_FOUND
    pair = "value_one = compute(alpha, beta, gamma)\n{}\nvalue_two = compute(alpha, beta, gamma)\n".format("pass\n" * 9)
    found = failed({"a.py": pair}, Replace(1, "", "value_six = compute(alpha, beta, gamma)\n", "x\n"))
    assert found.fault is Fault.AMBIGUOUS
    assert "a.py line 1 and a.py line 12" in found.feedback


def test_feedback_names_the_nearest_lines() -> None:
    found = failed(
        {"a.py": TRAIN}, Replace(2, "a.py", "def norm(x, eps=1e-5):\n    y = x.pow(2).mean(-1)\n    return x / y.sqrt()\n", "z\n")
    )
    assert found.fault is Fault.NOT_FOUND
    line = TRAIN.split("\n").index("def norm(x, eps=1e-5):") + 1
    assert found.feedback.startswith("Block 2: SEARCH must repeat lines")
    assert f"nearest is a.py line {line}, where line {line + 1} is '    # keep this comment'" in found.feedback


def test_never_the_first_of_several() -> None:
    text = "a = 1\nb = 2\na = 1\nc = 3\n"
    found = failed({"a.py": text}, Replace(1, "", "a = 1\n", "a = 5\n"))
    assert found.fault is Fault.AMBIGUOUS
    assert "a.py line 1, a.py line 3" in found.feedback
    assert replaced(text, "a = 1\n", "a = 5\n", MatchTier.EXACT, line=3) == "a = 1\nb = 2\na = 5\nc = 3\n"
    assert failed({"a.py": text}, Replace(1, "", "a = 1\n", "a = 5\n", line=2)).fault is Fault.AMBIGUOUS
    assert failed({"a.py": "a = 1\n", "b.py": "a = 1\n"}, Replace(1, "", "a = 1\n", "a = 5\n")).fault is Fault.AMBIGUOUS
    assert failed({"a.py": "a = 1\n" * 500}, Replace(1, "", "a = 1\n", "a = 5\n")).fault is Fault.AMBIGUOUS
    assert failed({"a.py": "a = 1 \nb = 0\na = 1  \n"}, Replace(1, "", "a = 1\n", "a = 5\n")).fault is Fault.AMBIGUOUS


def test_only_what_may_change() -> None:
    files = {"a.py": MARKED, "c.py": "k = 1\n"}
    for edit, fault in [
        (Replace(1, "a.py", "import os\n", "import sys\n"), Fault.IMMUTABLE),
        (Replace(1, "a.py", "z = 3\n", "z = 4\n"), Fault.IMMUTABLE),
        (Replace(1, "a.py", "y = 2\n# EVOLVE-BLOCK-END\nz = 3\n", "y = 3\n# EVOLVE-BLOCK-END\nz = 4\n"), Fault.IMMUTABLE),
        (Replace(1, "a.py", "# EVOLVE-BLOCK-START\nx = 1\n", "x = 2\n# EVOLVE-BLOCK-START\n"), Fault.IMMUTABLE),
        (Replace(1, "a.py", "x = 1\n", "x = 1\n# EVOLVE-BLOCK-END\n# EVOLVE-BLOCK-START\n"), Fault.SCOPE),
        (Replace(1, "c.py", "k = 1\n", "k = 2\n"), Fault.IMMUTABLE),
        (Replace(1, "", "k = 1\n", "k = 2\n"), Fault.IMMUTABLE),
        (RewriteFile(1, "c.py", "k = 2\n"), Fault.IMMUTABLE),
        (RewriteFile(1, "a.py", "x = 2\n"), Fault.IMMUTABLE),
        (RewriteBlock(1, "a.py", 3, "x = 2\n"), Fault.UNKNOWN_FILE),
        (RewriteBlock(1, "a.py", None, "x = 2\n"), Fault.AMBIGUOUS),
        (RewriteFile(1, "d.py", "x = 2\n"), Fault.UNKNOWN_FILE),
        (Replace(1, "d.py", "x = 2\n", "x = 3\n"), Fault.UNKNOWN_FILE),
    ]:
        assert failed(files, edit).fault is fault, edit
    assert failed({"a.py": "# EVOLVE-BLOCK-START\nx = 1\n"}, RewriteFile(1, "", "x = 2\n")).fault is Fault.IMMUTABLE


def test_context_may_be_outside_the_block() -> None:
    search = "import os\n# EVOLVE-BLOCK-START\nx = 1\ny = 2\n# EVOLVE-BLOCK-END\n"
    assert replaced(MARKED, search, search.replace("y = 2\n", ""), MatchTier.EXACT) == MARKED.replace("y = 2\n", "")
    assert (
        replaced(MARKED, "# EVOLVE-BLOCK-END\nz = 3\n", "w = 0\n# EVOLVE-BLOCK-END\nz = 3\n", MatchTier.EXACT).count(
            "w = 0\n# EVOLVE"
        )
        == 1
    )


def test_blocks_and_files_are_rewritten() -> None:
    files = {"a.py": MARKED}
    assert applied(files, RewriteBlock(1, "", 1, "x = 9\n")).files["a.py"] == MARKED.replace("x = 1\ny = 2\n", "x = 9\n")
    shifted = applied(files, RewriteBlock(1, "", 2, "if x:\n    return 1\n"))
    assert shifted.files["a.py"] == MARKED.replace("    return x\n", "    if x:\n        return 1\n")
    assert shifted.tier is MatchTier.INDENT
    child = MARKED.replace("x = 1", "x = 5").replace("return x", "return -x")
    for sent, note in ((child, False), (child.replace("import os", "import sys"), True), (child.replace("\n", "\r\n"), False)):
        result = applied(files, RewriteFile(1, "", sent))
        assert result.files["a.py"] == child
        assert bool(result.placed[0].note) is note
    blocks = (
        "# EVOLVE-BLOCK-START\nx = 5\ny = 2\n# EVOLVE-BLOCK-END\n    # EVOLVE-BLOCK-START\n    return -x\n    # EVOLVE-BLOCK-END\n"
    )
    assert applied(files, RewriteBlock(1, "", None, blocks)).files["a.py"] == child
    assert applied({"a.py": "x = 1\n"}, RewriteFile(1, "a.py", "x = 2")).files["a.py"] == "x = 2\n"


def test_an_empty_search_fills_an_empty_block() -> None:
    text = "import os\n# EVOLVE-BLOCK-START\n\n# EVOLVE-BLOCK-END\n"
    assert replaced(text, "", "x = 1\n", MatchTier.EXACT) == text.replace("START\n\n", "START\nx = 1\n")
    assert replaced("", "", "x = 1\n", MatchTier.EXACT) == "x = 1\n"
    assert failed({"a.py": "x = 1\n"}, Replace(1, "", "", "y = 1\n")).fault is Fault.NOT_FOUND
    assert failed({"a.py": "", "b.py": ""}, Replace(1, "", "", "y = 1\n")).fault is Fault.AMBIGUOUS


def test_new_files() -> None:
    scope = EditScope(("a.py",), may_add_files=True, max_bytes=100)
    files = {"a.py": "x = 1\n"}
    for edit in (RewriteFile(1, "lib/n.py", "y = 1\r\n"), Replace(1, "./lib/n.py", "", "y = 1\n")):
        assert applied(files, edit, scope=scope).files == {"a.py": "x = 1\n", "lib/n.py": "y = 1\n"}
    assert failed(files, RewriteFile(1, "../n.py", "y = 1\n"), scope=scope).fault is Fault.SCOPE
    assert failed(files, RewriteFile(1, "n.py", "y = = 1\n"), scope=scope).fault is Fault.UNPARSABLE
    assert failed(files, RewriteFile(1, "n.py", "é" * 60), scope=scope).fault is Fault.SCOPE
    assert failed(files, RewriteFile(1, "n.py", "e" * 101), scope=scope).fault is Fault.TOO_LARGE
    twice = failed(files, RewriteFile(1, "n.py", "y = 1\n"), RewriteFile(2, "n.py", "y = 2\n"), scope=scope)
    assert twice.fault is Fault.OVERLAP


def test_a_file_that_an_ancestor_added_is_edited_like_any_other() -> None:
    scope = EditScope(("a.py",), may_add_files=True, max_bytes=100, initial=("a.py", "fixed.py"))
    files = {"a.py": "x = 1\n", "fixed.py": "z = 1\n", "lib/n.py": "y = 1\n"}
    for edit in (
        RewriteFile(1, "lib/n.py", "y = 2\n"),
        RewriteBlock(1, "lib/n.py", None, "y = 2\n"),
        Replace(1, "lib/n.py", "y = 1\n", "y = 2\n"),
        Replace(1, "", "y = 1\n", "y = 2\n"),
    ):
        assert applied(files, edit, scope=scope).files == files | {"lib/n.py": "y = 2\n"}
    said = failed(files, RewriteFile(1, "fixed.py", "z = 2\n"), scope=scope)
    assert (said.fault, "editable: a.py, lib/n.py." in said.feedback) == (Fault.IMMUTABLE, True)
    unnamed = failed(files, RewriteFile(1, "", "y = 2\n"), scope=scope)  # which of the two it is, is not said
    assert unnamed.fault is Fault.UNKNOWN_FILE


def test_edits_refer_to_the_parent_and_must_not_overlap() -> None:
    text = "a = 1\nb = 2\nc = 3\n"
    swap = Replace(1, "", "a = 1\n", "c = 3\n"), Replace(2, "", "c = 3\n", "a = 1\n")
    for edits in (swap, swap[::-1]):
        assert applied({"a.py": text}, *edits).files["a.py"] == "c = 3\nb = 2\na = 1\n"
    context = Replace(1, "", "a = 1\nb = 2\n", "a = 5\nb = 2\n"), Replace(2, "", "b = 2\nc = 3\n", "b = 2\nc = 5\n")
    assert applied({"a.py": text}, *context).files["a.py"] == "a = 5\nb = 2\nc = 5\n"
    clash = failed({"a.py": text}, Replace(1, "", "a = 1\nb = 2\n", "x\n"), Replace(2, "", "b = 2\n", "y\n"))
    assert (clash.fault, clash.fine) == (Fault.OVERLAP, (1,))
    assert clash.feedback.endswith("Fine as they are: block 1.")
    inserts = Replace(1, "", "a = 1\n", "a = 1\nx = 1\n"), Replace(2, "", "b = 2\n", "y = 1\nb = 2\n")
    assert failed({"a.py": text}, *inserts).fault is Fault.OVERLAP


def test_all_or_nothing_unless_asked() -> None:
    edits = Replace(1, "", "a = 1\n", "a = 2\n"), Replace(2, "", "nowhere\n", "x\n")
    assert failed({"a.py": "a = 1\n"}, *edits).fine == (1,)
    result = apply_edits({"a.py": "a = 1\n"}, edits, SCOPE, partial=True)
    assert isinstance(result, Applied)
    assert result.files == {"a.py": "a = 2\n"}
    assert [fault.number for fault in result.rejected] == [2]


def test_what_is_never_evaluated() -> None:
    files = {"a.py": "a = 1  # one\n", "a.txt": "a\n"}
    for edit, fault in [
        (Replace(1, "", "a = 1  # one\n", "a = 1  # one\n"), Fault.NO_OP),
        (Replace(1, "", "a = 1  # one\n", "a  =  1\n"), Fault.NO_OP),
        (RewriteFile(1, "a.py", "a = 1  # one"), Fault.NO_OP),
        (RewriteFile(1, "a.py", "a = (1\n"), Fault.UNPARSABLE),
    ]:
        assert failed(files, edit).fault is fault
    assert apply_edits(files, [], SCOPE) == failed(files)
    assert failed(files, *[Replace(1, "", "a\n", "b\n")] * (MAX_EDITS + 1)).fault is Fault.TOO_LARGE


@pytest.mark.parametrize(
    ("text", "expected"),
    [
        ("a = 1\r\nb = 2\r\nc = 3\r\n", "a = 1\r\nx = 1\r\ny = 1\r\nc = 3\r\n"),
        ("a = 1\r\nb = 2\nc = 3", "a = 1\r\nx = 1\ny = 1\nc = 3"),
        ("a = 1\r\nb = 2", "a = 1\r\nx = 1\r\ny = 1"),
        ("b = 2", "x = 1\ny = 1"),
        ("é\f\x0b\x85\u2028 = '\r'\nb = 2\n", "é\f\x0b\x85\u2028 = '\r'\nx = 1\ny = 1\n"),
    ],
)
def test_line_endings_stay(text: str, expected: str) -> None:
    files = {"a.txt": text}
    assert applied(files, Replace(1, "", "b = 2\n", "x = 1\ny = 1\n")).files["a.txt"] == expected
    assert applied(files, Replace(1, "", "b = 2\r\n", "x = 1\r\ny = 1\r\n")).files["a.txt"] == expected
    assert applied(files, RewriteFile(1, "", expected.replace("\r\n", "\n"))).files["a.txt"] == expected


def test_deleting_the_last_line_keeps_how_the_file_ends() -> None:
    assert applied({"a.txt": "a\nb"}, Replace(1, "", "b\n", "")).files["a.txt"] == "a"
    assert applied({"a.txt": "a\nb"}, Replace(1, "", "b\n", "b\nc\n")).files["a.txt"] == "a\nb\nc"
    assert applied({"a.txt": "a\nb\n"}, Replace(1, "", "a\nb\n", "")).files["a.txt"] == ""


@pytest.mark.parametrize(
    ("search", "replace", "line"),
    [
        ("weigh(second)", "weigh(second, 2)", "total = weigh(first) + weigh(second, 2)\n"),
        ("0.125 * total", "total / 8 - 1", "ratio = total / 8 - 1\n"),
        ("weigh(second)\nlimit =", "1\nlimit = 2 *", "total = weigh(first) + 1\nlimit = 2 * weigh(first)\n"),
    ],
)
def test_a_part_of_a_line_that_stands_once_is_replaced_in_its_line(search: str, replace: str, line: str) -> None:
    made = apply_edits({"a.txt": LONG}, [Replace(1, "a.txt", search + "\n", replace + "\n")], SCOPE)
    assert isinstance(made, Applied)
    assert made.tier is MatchTier.INLINE
    assert line in made.files["a.txt"]


@pytest.mark.parametrize(
    ("search", "replace", "fault"),
    [
        ("weigh(first)", "weigh(third)", Fault.AMBIGUOUS),  # inside two lines
        ("eigh(second)", "eight(second)", Fault.NOT_FOUND),  # inside a word
        ("0.125 * tot", "0.25 * tot", Fault.NOT_FOUND),
        ("2 * t", "3 * t", Fault.NOT_FOUND),  # too short
        ("weigh(second)", "total = weigh(second, 2)", Fault.NOT_FOUND),  # has more of the line than it replaces
        ("total = weigh(first)", "total = weigh(third)", Fault.NOT_FOUND),  # all of the line, cut off, or a part of it
        ("ratio = 0.", "ratio = 0.5", Fault.NOT_FOUND),  # inside a number
        ("limit = weigh", "limit = weigh(first) - 1", Fault.NOT_FOUND),  # goes on as the line does
        ("0.125 *", "0.125 * total * 2 *", Fault.NOT_FOUND),
        ("+ weigh(second)\nlimit = weigh(first)", "    total = 1\nlimit = 2", Fault.NOT_FOUND),  # new lines are whole, old ones not
        (" + weigh(second)", "s += weigh(second)", Fault.NOT_FOUND),  # would end a word
    ],
)
def test_a_part_of_a_line_that_is_no_part_of_it_or_of_several_is_refused(search: str, replace: str, fault: Fault) -> None:
    made = apply_edits({"a.txt": LONG}, [Replace(1, "a.txt", search + "\n", replace + "\n")], SCOPE)
    assert isinstance(made, EditFailure)
    assert made.fault is fault


def test_the_half_of_a_file_of_settings_is_no_file_though_it_has_new_ones() -> None:
    before = "model:\n  layers: 4\n  width: 256\nschedule:\n  kind: step\n  gamma: 0.1\ndata:\n  batch: 128\n"
    scope = EditScope(("a.yaml",), may_add_files=False, max_bytes=10_000)
    half = before[before.index("  kind") :] + "  workers: 4\n"
    made = apply_edits({"a.yaml": before}, [RewriteFile(1, "a.yaml", half)], scope)
    assert isinstance(made, EditFailure)
    assert made.fault is Fault.ELIDED
    assert isinstance(apply_edits({"a.yaml": before}, [RewriteFile(1, "a.yaml", before + "  workers: 4\n")], scope), Applied)
