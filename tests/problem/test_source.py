"""What is read of a Python source is what Python runs of it."""

from __future__ import annotations

import ast
import warnings

import pytest
from hypothesis import example, given, settings
from hypothesis import strategies as st

from evolve.problem._source import MAX_DOTS, MAX_PARSE_CHARS, other_encoding, parses_safely, python_text, why_not_parsed
from evolve.propose._python import Wide, parse

BITS = [
    "\ufeff", "#", "\r", "\n", "\r\n", "\x0c", "\x0b", "\x1c", "\u2028", "\x85", " ", "\t", "x = 1", "y = 'é'", "'+AG4-'", '"""',
    "'", "\\", "coding: utf-7",
    "coding=latin-1", "coding : x", "-*- coding: utf_8-unix -*-", "coding:\tascii", "if x:", "(", ")", "a" * 5000,
]  # fmt: skip


@settings(max_examples=300, deadline=None)
@given(text=st.lists(st.sampled_from(BITS), max_size=12).map("".join))
@example(text="#" + "a" * 5000 + "\n# coding: utf-7\nx = '+AG4-'\n")
@example(text="\ufeff# coding: latin-1\nx = 'é'\n")
@example(text="\x0c \t# coding: latin-1\rx = 'é'\n")
@example(text="#\rimport a.b\n")
def test_what_is_read_is_what_python_runs(text: str) -> None:
    if other_encoding(text) or text.endswith("\\\r\n"):
        return  # refused; Python 3.11 takes a backslash before the last line end for nothing, but only from bytes with \r\n
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")
        try:
            runs = compile(text.encode(), "main.py", "exec", ast.PyCF_ONLY_AST)  # as an import does: from bytes
        except (SyntaxError, ValueError):
            return
        assert ast.dump(ast.parse(python_text(text))) == ast.dump(runs)


@pytest.mark.parametrize(
    "text",
    [
        "#" * 70_000 + "\n# coding: utf-7\n",
        "\n" + "#" + " " * 70_000 + "coding=latin-1\n",
        "\r# vim: set fileencoding=cp1252 :\r",
        "\ufeff# coding: utf-16\n",
        "# not a coding, encoding:\t koi8-r\n",
    ],
)
def test_another_encoding_is_seen_however_long_the_lines_are(text: str) -> None:
    assert other_encoding(text)


def test_an_encoding_on_the_third_line_is_none() -> None:
    assert other_encoding("#\n#\n# coding: utf-7\n") == ""


LONG_NAME = ".".join("a" * (MAX_DOTS + 2))


@pytest.mark.parametrize(
    "text",
    [
        f"import {LONG_NAME}",
        f"#\rimport {LONG_NAME}",
        "import " + " . \\\n ".join("a" * (MAX_DOTS + 2)),
        " " * (MAX_PARSE_CHARS + 1),
    ],
)
def test_what_costs_the_parser_more_than_its_length_is_not_parsed(text: str) -> None:
    assert why_not_parsed(text)
    assert not parses_safely(text)
    assert parse(text).tree is None
    assert parse(text).error.startswith("not parsed: ")


def test_many_short_names_are_parsed() -> None:
    assert not why_not_parsed("x = a.b + c.d\n" * 1000)


@settings(max_examples=200, deadline=None)
@given(text=st.text(st.sampled_from("aé\u2028\U0001f600\n"), max_size=30))
def test_bytes_and_characters_of_a_text_map_to_each_other(text: str) -> None:
    wide = Wide.of(text)
    assert (wide is None) == text.isascii()
    for at in range(len(text) + 1):
        byte = len(text[:at].encode())
        assert (at, byte) == (byte, at) if wide is None else (wide.character(byte), wide.byte(at)) == (at, byte)


def test_spans_are_those_of_the_text_with_its_mark() -> None:
    text = "\ufeffé = 'ü'; x = 2.5\r\ny = 3\r"
    parsed = parse(text)
    assert parsed.tree is not None
    found = [text[slice(*parsed.span(node))] for node in ast.walk(parsed.tree) if isinstance(node, ast.Name | ast.Constant)]
    assert sorted(found) == sorted(["é", "'ü'", "x", "2.5", "y", "3"])
