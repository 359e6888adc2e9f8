"""What a child may change."""

from __future__ import annotations

from dataclasses import replace

import pytest
from hypothesis import given
from hypothesis import strategies as st

from evolve.propose import EditScope, check_scope
from evolve.propose._scope import editable_names, editable_regions

MARKED = (
    "import os\n# EVOLVE-BLOCK-START\nx = 1\n# EVOLVE-BLOCK-END\ny = 2\n    # EVOLVE-BLOCK-START here\nz = 3\n# EVOLVE-BLOCK-END\n"
)
SCOPE = EditScope(("a.py",), may_add_files=False, max_bytes=500)


def test_blocks_are_the_lines_between_markers() -> None:
    assert [MARKED[start:end] for start, end in editable_regions(MARKED)] == ["x = 1\n", "z = 3\n"]
    assert editable_regions("x = 1\n") == ((0, 6),)
    assert editable_regions("// EVOLVE-BLOCK-START\nint x;\n// EVOLVE-BLOCK-END") == ((22, 29),)


@pytest.mark.parametrize(
    "broken",
    [
        "# EVOLVE-BLOCK-START\nx = 1\n",
        "x = 1\n# EVOLVE-BLOCK-END\n",
        "# EVOLVE-BLOCK-START\n# EVOLVE-BLOCK-START\nx\n# EVOLVE-BLOCK-END\n",
    ],
)
def test_markers_that_do_not_pair_up_close_the_file(broken: str) -> None:
    assert editable_regions(broken) == ()
    assert "do not pair up" in check_scope({"a.py": broken}, {"a.py": broken + "\n"}, SCOPE)
    assert check_scope({"a.py": broken}, {"a.py": broken}, SCOPE) == ""


def test_files_beside_each_other_are_no_clash() -> None:
    files = {"a.py": "x", "a/b": "", "a/c": "", "a/d/e": "", "ab": "", "a.py.txt": ""}
    assert check_scope({"a.py": "x"}, files, EditScope(("a.py",), True, 99)) == ""


lines = st.lists(st.sampled_from(["x = 1\n", "", "# EVOLVE-BLOCK-STOP\n", "é = 'EVOLVE-BLOCK-START'\n", "\n", "  y\n"]), max_size=5)


@given(first=lines, second=lines)
def test_anything_goes_between_the_markers(first: list[str], second: list[str]) -> None:
    child = MARKED.replace("x = 1\n", "".join(first)).replace("z = 3\n", "".join(second))
    assert check_scope({"a.py": MARKED}, {"a.py": child}, SCOPE) == ""


@given(
    at=st.integers(0, len(MARKED)),
    new=st.sampled_from(["", "#", "\n", "x = 1\n", "# EVOLVE-BLOCK-START\n", "# EVOLVE-BLOCK-END\n"]),
)
def test_nothing_goes_outside_them(at: int, new: str) -> None:
    """Whatever is accepted has every byte outside the blocks in place."""
    child = MARKED[:at] + new + MARKED[at + 1 :]
    if check_scope({"a.py": MARKED}, {"a.py": child}, SCOPE):
        return
    inner = editable_regions(child)
    outside = child[: inner[0][0]], child[inner[0][1] : inner[1][0]], child[inner[1][1] :]
    before = editable_regions(MARKED)
    assert outside == (MARKED[: before[0][0]], MARKED[before[0][1] : before[1][0]], MARKED[before[1][1] :])


@pytest.mark.parametrize(
    ("child", "scope", "reason"),
    [
        ({"a.py": "y"}, SCOPE, "b.py must stay"),
        ({"a.py": "y", "b.py": "changed"}, SCOPE, "b.py must not change; editable: a.py."),
        ({"a.py": "y", "b.py": "x", "c.py": ""}, SCOPE, "c.py is a new file"),
        ({"a.py": "y" * 500, "b.py": "x"}, SCOPE, "at most 500 bytes are allowed in all files together; the child has 501."),
        ({"a.py": "é" * 250, "b.py": "x"}, SCOPE, "the child has 501"),
        ({"a.py": "\ud800", "b.py": "x"}, SCOPE, "UTF-8"),
        ({"a.py": "y", "b.py": "x", "../c.py": ""}, EditScope(("a.py",), True, 99), "not a plain relative path"),
        ({"a.py": "y", "b.py": "x", "/c.py": ""}, EditScope(("a.py",), True, 99), "not a plain relative path"),
        ({"a.py": "y", "b.py": "x", ".git/c": ""}, EditScope(("a.py",), True, 99), "not a plain relative path"),
        ({"a.py": "y", "b.py": "x", "a\nb": ""}, EditScope(("a.py",), True, 99), "not a plain relative path"),
        ({"a.py": "y", "b.py": "x", "c\\d": ""}, EditScope(("a.py",), True, 99), "not a plain relative path"),
        (
            {"a.py": "y", "b.py": "x", "b.py/c.py": ""},
            EditScope(("a.py",), True, 99),
            "b.py is a file, and b.py/c.py needs a folder",
        ),
        ({"a.py": "y", "b.py": "x", "c/d/e": "", "c": ""}, EditScope(("a.py",), True, 99), "c is a file, and c/d/e needs a folder"),
        ({"c/d": "", "a.py": "y", "b.py": "x", "c/d/e": ""}, EditScope(("a.py",), True, 99), "c/d is a file, and c/d/e needs"),
        ({"../evil.py": "y"}, SCOPE, "'../evil.py' is not a plain relative path"),
        ({"a.py": "y", "b.py": "x", "lib/c.py": ""}, EditScope(("a.py",), True, 99), ""),
        ({"a.py": "", "b.py": "x"}, SCOPE, ""),
        ({"a.py": "y", "b.py": "other"}, EditScope(("*.py",), False, 99), ""),
    ],
)
def test_reasons(child: dict[str, str], scope: EditScope, reason: str) -> None:
    found = check_scope({"a.py": "x = 1\n", "b.py": "x"}, child, scope)
    assert reason in found
    assert bool(found) == bool(reason)


def test_an_added_file_is_editable_held_against_the_seed_and_against_the_ancestor_that_added_it() -> None:
    scope = EditScope(("a.py",), may_add_files=True, max_bytes=99, initial=("a.py", "fixed.py"))
    seed, parent = {"a.py": "x", "fixed.py": ""}, {"a.py": "x", "fixed.py": "", "b.py": "1"}
    for base in (seed, parent):
        assert check_scope(base, parent | {"b.py": "2"}, scope) == ""
    said = "fixed.py must not change; editable: a.py, b.py."
    assert check_scope(parent, parent | {"fixed.py": "2"}, scope) == said
    assert check_scope(parent, seed, scope) == "b.py must stay, but the child lacks it."
    fixed = replace(scope, may_add_files=False)
    assert check_scope(parent, parent | {"b.py": "2"}, fixed) == "b.py must not change; editable: a.py."


names = st.sampled_from(["a.py", "b.py", "lib/c.py", "lib/d.txt", "e.json"])
programs = st.dictionaries(names, st.sampled_from(["", "x = 1\n", "x = 2\n"]))


@given(seed=programs.filter(bool), steps=st.lists(programs, max_size=4), editable=st.sets(names), may_add=st.booleans())
def test_along_any_line_of_descent_just_the_initial_files_that_are_not_named_stay(
    seed: dict[str, str], steps: list[dict[str, str]], editable: set[str], may_add: bool
) -> None:
    scope = EditScope(tuple(sorted(editable & set(seed))), may_add, 999, initial=tuple(seed))
    parent = seed
    for changes in steps:
        child = parent | changes
        changed = {path for path in child if parent.get(path) != child[path]}
        wrong = {path for path in changed if path in seed and path not in editable}
        wrong |= {path for path in changed if path not in seed and not may_add}
        assert bool(check_scope(parent, child, scope)) == bool(wrong)
        if wrong:
            continue
        assert check_scope(seed, child, scope) == ""
        assert set(editable_names(child, scope)) == {path for path in child if path not in seed or path in editable}
        parent = child
