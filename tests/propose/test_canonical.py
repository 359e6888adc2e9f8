"""The canonical hash: blind to layout and to comments that nobody reads, to nothing else, and never in trouble."""

from __future__ import annotations

import ast
import io
import itertools
import random
import tokenize
from collections.abc import Iterator
from dataclasses import replace

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from propose_sources import HOSTILE, STDLIB, TRAIN

from evolve.propose import AST_DESCRIPTORS, EditScope, analyse, canonical_hash, static_descriptors
from evolve.propose._python import parse

SCOPE = EditScope(("*.py",), may_add_files=False, max_bytes=1 << 20)


def same(a: str, b: str) -> bool:
    return canonical_hash({"a.py": a}) == canonical_hash({"a.py": b})


def meaning(text: str) -> str:
    """The tree as text: an independent idea of sameness."""
    return ast.dump(ast.parse(text))


def with_plain_comments(text: str) -> str:
    """Every comment made one that nobody reads."""
    lines = text.splitlines(keepends=True)
    for token in tokenize.generate_tokens(io.StringIO(text).readline):
        if token.type == tokenize.COMMENT:
            row, column = token.start
            lines[row - 1] = lines[row - 1][:column] + "# a word" + lines[row - 1][token.end[1] :]
    return "".join(lines)


def respaced(text: str, seed: int) -> str:
    """Comments and blank lines added or dropped, wider spaces, deeper indentation: the same program."""
    rng = random.Random(seed)
    out: list[str] = []
    depth = 0
    fresh = True
    for kind, string in _tokens(text):
        if kind == tokenize.INDENT:
            depth += 1
        elif kind == tokenize.DEDENT:
            depth -= 1
        elif kind in (tokenize.NEWLINE, tokenize.NL):
            if kind == tokenize.NEWLINE:
                out.append(rng.choice(["", "  # a note, 'quoted'"]) + "\n" + rng.choice(["", "\n", "      # alone\n", "\t\n"]))
                fresh = True
        elif kind not in (tokenize.COMMENT, tokenize.ENDMARKER):
            out.append("   " * depth if fresh else rng.choice([" ", "  ", "\t"]))
            out.append(string)
            fresh = False
    return "".join(out)


def _tokens(text: str) -> Iterator[tuple[int, str]]:
    """Kind and text of each token, f-strings whole: from Python 3.12 on they come in pieces."""
    starts = [0, *itertools.accumulate(map(len, text.splitlines(keepends=True)))]
    begins, ends = getattr(tokenize, "FSTRING_START", -1), getattr(tokenize, "FSTRING_END", -1)
    open_at: list[int] = []
    for token in tokenize.generate_tokens(io.StringIO(text).readline):
        (row, column), (end_row, end_column) = token.start, token.end
        if token.type == begins:
            open_at.append(starts[row - 1] + column)
        elif token.type == ends:
            start = open_at.pop()
            if not open_at:
                yield tokenize.STRING, text[start : starts[end_row - 1] + end_column]
        elif not open_at:
            yield token.type, token.string


@pytest.mark.parametrize("name", STDLIB)
def test_comments_and_spacing_do_not_count(name: str) -> None:
    text = with_plain_comments(STDLIB[name])
    for seed in range(3):
        other = respaced(text, seed)
        assert other != text
        assert ast.dump(ast.parse(other)) == ast.dump(ast.parse(text)), "the test's own respacing is wrong"
        assert same(text, other)


@pytest.mark.parametrize(
    ("a", "b"),
    [
        ("x = 1\n", "x = 1"),
        ("x = 1\n", "\n\n# c\nx   =  1 # d\n# e"),
        ("x = 1\r\ny = 2\r\n", "x = 1\ny = 2\n"),
        ("f(a,\n  b)\n", "f(a, # why\n\n b)\n"),
        ("if a:\n  x = 1\n", "if a:\n\t# c\n\tx = 1\n"),
        ("x = a + \\\n  b\n", "x = a + b\n"),
        ("def f():\n  if a:\n    b\n", "def f():\n  if a:\n    b  # c"),
        ("def f():\n  if a:\n    b\n", "def f():\n  if a:\n    b\n\n   \t\n  # c"),
        ("# first\rx = 1\r", "x = 1\n"),
        ("x = f\"{d['a']}\"  # c\n", "x   = f\"{d['a']}\"\n"),
        ("if a:\n    b\nelse:\n    c\n", "if a:\n  b\nelse:\n      c\n"),
    ],
)
def test_same(a: str, b: str) -> None:
    assert meaning(a) == meaning(b)
    assert same(a, b)


@pytest.mark.parametrize(
    ("a", "b"),
    [
        ("if a:\n  x = 1\n  y = 2\n", "if a:\n  x = 1\ny = 2\n"),
        ("x = 1\n", "x = 2\n"),
        ("x = ' a'\n", "x = 'a'\n"),
        ("x = '# a'\n", "x = '# b'\n"),
        ("x = 'a b'\n", "x = 'a  b'\n"),
        ("x = '''a\n\nb'''\n", "x = '''a\nb'''\n"),
        ("a, b\n", "a\nb\n"),
        ("x = y\n", "x == y\n"),
        ("return1\n", "return_1\n"),
        ("x = f'{a}'\n", "x = f'{b}'\n"),
        ("x = f\"{d['a']}\"\n", "x = f\"{d['b']}\"\n"),
        ("x = f\"{d['a']}#1\"\n", "x = f\"{d['a']}#2\"\n"),
        ("x = (f'a'\n'b')\n", "x = (f'a'\n'c')\n"),
        ("f'{g()}'\n", "pass\n"),
        ("for i in a:\n  if i:\n    b\n  else:\n    c\n", "for i in a:\n  if i:\n    b\nelse:\n    c\n"),
        ("x = not a\n", "x = nota\n"),
        ("x = 1.\n", "x = 1\n"),
        ("x = b''\n", "x = ''\n"),
        ('x = ""\n', 'x = "" ""\n'),
        ('def f():\n    """Doc."""\n    return 1\n', "def f():\n    return 1\n"),
        ('"""Hi."""\nx = 1\n', '"""Answer."""\nx = 1\n'),
        ("x = 1\n'kept'\n", "x = 1\n"),
        ("x = []  # type: list[int]\n", "x = []  # type: list[float]\n"),
        ("x = []  # type: list[int]\n", "x = []\n# type: list[int]\n"),
        ("# cython: boundscheck=False\nx = 1\n", "# cython: boundscheck=True\nx = 1\n"),
        ("#cython:wraparound=False\nx = 1\n", "x = 1\n"),
        ("f(a,  # pragma: unroll 4\n  b)\n", "f(a,\n  b)\n"),
        ("#pragma omp parallel\nx = 1\n", "x = 1\n"),
        ("#omp parallel for\nx = 1\n", "x = 1\n"),
        ("#$ omp parallel\nx = 1\n", "x = 1\n"),
        ("# pythran export f(int)\nx = 1\n", "# pythran export f(float)\nx = 1\n"),
        ("#!/usr/bin/env python\nx = 1\n", "#!/usr/bin/env -S python -O\nx = 1\n"),
        ("# -*- coding: utf-8 -*-\nx = 1\n", "x = 1\n"),
        ("# this file has the encoding=ascii\nx = 1\n", "x = 1\n"),
        ("x = 1  # fmt: off", "x = 1"),
    ],
)
def test_different(a: str, b: str) -> None:
    assert not same(a, b)


@settings(max_examples=150, deadline=None)
@given(name=st.sampled_from(sorted(STDLIB)), data=st.data())
def test_equal_hashes_mean_equal_programs(name: str, data: st.DataObject) -> None:
    """Drop or double one character anywhere: where the hash stays, so does the tree."""
    text = STDLIB[name][:6000]
    at = data.draw(st.integers(0, len(text) - 1))
    other = text[:at] + data.draw(st.sampled_from(["", text[at] * 2, " " + text[at], "\n" + text[at]])) + text[at + 1 :]
    try:
        a, b = meaning(text), meaning(other)
    except SyntaxError:
        return
    if same(text, other):
        assert a == b


def test_a_byte_order_mark_makes_no_other_program() -> None:
    assert same("\ufeffx = 1\n", "x = 1\n")


def test_a_problem_says_which_comments_count() -> None:
    def hashed(text: str, *comments: str) -> str:
        return canonical_hash({"a.py": text}, comments)

    tiled, wide = "x = 1  # tile 8 by 8\n", "x = 1  # tile 9 by 9\n"
    assert hashed(tiled) == hashed(wide)
    assert hashed(tiled, "tile") != hashed(wide, "tile")
    assert hashed("x = 1  # of tile 8\n", "tile") == hashed("x = 1\n", "tile")
    assert hashed("x = 1  # any\n", "") != hashed("x = 1\n", "")
    assert analyse({"a.py": tiled}, replace(SCOPE, comments=("tile",))).code_hash == hashed(tiled, "tile")


def test_all_files_count_with_their_names() -> None:
    one = {"a.py": "x = 1\n", "b.txt": "y\n"}
    assert canonical_hash(one) == canonical_hash(dict(reversed(one.items())))
    assert canonical_hash(one) != canonical_hash({**one, "b.txt": "y\n z"})
    assert canonical_hash(one) != canonical_hash({"b.py": "x = 1\n", "b.txt": "y\n"})
    assert canonical_hash({"a.py": "x", "b.py": ""}) != canonical_hash({"a.py": "", "b.py": "x"})


@pytest.mark.parametrize("path", ["a.txt", "a.c", "a.pyx", "Makefile"])
def test_of_other_files_every_byte_counts_but_line_ends_and_space_before_them(path: str) -> None:
    def hashed(text: str) -> str:
        return canonical_hash({path: text})

    assert hashed("a\n  b\n") == hashed("a\r\n  b\r\n") == hashed("a \t\n  b") == hashed("a\r  b\n\n")
    for other in ("a\n b\n", "a\n\n  b\n", "# c\na\n  b\n", "a\n  B\n", "a\x0c\n  b\n", "\ufeffa\n  b\n"):
        assert hashed("a\n  b\n") != hashed(other)


def test_the_hash_does_not_change_between_versions() -> None:
    assert canonical_hash({"train.py": TRAIN}) == "72d15483dff73ec6561b1a7d70901e4a"


@pytest.mark.parametrize("name", HOSTILE)
def test_hostile_sources_are_data(name: str) -> None:
    analysis = analyse({"a.py": HOSTILE[name], "b.py": "x = 2.5\n"}, SCOPE)
    assert len(analysis.code_hash) == 32
    assert set(analysis.descriptors) == set(AST_DESCRIPTORS)


@settings(max_examples=200, deadline=None)
@given(text=st.text(max_size=300))
def test_no_text_breaks_it(text: str) -> None:
    analyse({"a.py": text}, SCOPE)


def test_parse_errors_name_the_line() -> None:
    assert parse("x = 1\ny = (\n").error == "line 2: '(' was never closed"


def test_descriptors_count_what_they_say() -> None:
    found = static_descriptors([ast.parse(TRAIN)])
    expected = {"loops": 2, "branches": 1, "functions": 4, "classes": 1, "imports": 2, "nesting": 3, "comprehensions": 0}
    assert {name: found[name] for name in expected} == expected
    assert 0 < found["share_of_literals"] < 1


def test_descriptors_come_from_editable_files_only() -> None:
    files = {"a.py": "for i in x:\n    pass\n", "fixed.py": "for i in x:\n    for j in x:\n        pass\n"}
    assert analyse(files, EditScope(("a.py",), may_add_files=False, max_bytes=999)).descriptors["loops"] == 1


def test_what_an_ancestor_added_counts_in_descriptors_and_in_the_hash() -> None:
    files = {"a.py": "for i in x:\n    pass\n", "fixed.py": "while x:\n    pass\n", "added.py": "while x:\n    pass\n"}
    scope = EditScope(("a.py",), may_add_files=True, max_bytes=999, initial=("a.py", "fixed.py"))
    found = analyse(files, scope)
    assert found.descriptors["loops"] == 2
    assert analyse(files | {"added.py": "while y:\n    pass\n"}, scope).code_hash != found.code_hash


@pytest.mark.parametrize("name", STDLIB)
def test_descriptors_do_not_see_comments_or_values(name: str) -> None:
    tree = ast.parse(STDLIB[name])
    before = static_descriptors([tree])
    assert all(0 <= value < float("inf") for value in before.values())
    assert static_descriptors([ast.parse(respaced(STDLIB[name], 1))]) == before
    for node in ast.walk(tree):
        if isinstance(node, ast.Constant) and type(node.value) is float:
            node.value += 1.5
    assert static_descriptors([tree]) == before


@pytest.mark.parametrize(
    "reads",
    [
        "open(__file__).read()",
        "__loader__.get_data(name)",
        "__import__('inspect').getsource(f)",
        "__import__('inspect').getcomments(f)",
        "__import__('linecache').getlines(name)",
        "__import__('sys')._getframe().f_lineno",
        "f.__code__.co_firstlineno",
        "list(f.__code__.co_lines())",
        "list(f.__code__.co_positions())",
        "__import__('traceback').format_stack()",
        "__import__('traceback').format_exc()",
        "error.__traceback__.tb_lineno",
    ],
)
def test_comments_and_lines_count_where_a_program_reads_itself(reads):
    text = f"def f():\n    pass\n\n\nX = {reads}  # 1\n"
    for other in (text.replace("# 1", "# 2"), text.replace("\n\n\n", "\n"), text.replace("X = ", "X  = ")):
        assert canonical_hash({"main.py": text}) != canonical_hash({"main.py": other})
    assert canonical_hash({"main.py": text}) == canonical_hash({"main.py": text.replace("\n", "\r\n")})
    assert canonical_hash({"main.py": "X = 1  # 1\n", "a.py": text}) != canonical_hash({"main.py": "X = 1  # 2\n", "a.py": text})
