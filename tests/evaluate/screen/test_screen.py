"""The static screen, on honest and on hostile files."""

from __future__ import annotations

import ast
import time

import pytest
from hypothesis import given
from hypothesis import strategies as st

from archive import Status
from evolve.evaluate.screen._screen import MAX_PARSE_CHARS, parses_safely, screen
from evolve.problem.contract._contract import Contract, Stage

SEED = {"main.py": "x = 1\n", "lib/fixed.py": "y = 2\n"}


def _contract(**changes: object) -> Contract:
    values = {
        "name": "p",
        "metric": "m",
        "goal": "maximize",
        "editable": ("main.py",),
        "max_bytes": 1000,
        "stages": (Stage(name="full"),),
    }
    return Contract(**(values | changes))


def _status(files: dict[str, str], **changes: object) -> Status | None:
    finding = screen(files, _contract(**changes), SEED).finding
    return finding and finding.status


def test_the_seed_and_an_edit_of_it_pass() -> None:
    assert _status(SEED) is None
    assert _status({**SEED, "main.py": "x = 3\n"}) is None
    assert _status({"main.py": "x = 3\n"}) is None


def test_rules_of_the_problem_reject() -> None:
    assert _status({}) is Status.REJECTED
    assert _status({**SEED, "lib/fixed.py": "y = 3\n"}) is Status.REJECTED
    assert _status({**SEED, "new.py": ""}) is Status.REJECTED
    assert _status({**SEED, "new.py": ""}, may_add_files=True) is None
    assert _status({**SEED, "lib/fixed.py": "y = 3\n"}, may_add_files=True) is Status.REJECTED
    assert _status({"main.py": "x = 1" + " " * 1000}) is Status.REJECTED
    assert _status({"main.py": "é" * 501}) is Status.REJECTED
    assert _status({"main.py": "x = '\ud800'"}) is Status.REJECTED
    assert _status({f"{i}.txt": "" for i in range(300)}, may_add_files=True) is Status.REJECTED


@pytest.mark.parametrize(
    "path", ["/etc/x", "../x", "a/../../x", "a//b", "./a", "a/", "", ".", "..", "a\0b", "a\nb", "a\\b", "é", "x" * 300, "a/./b"]
)
def test_paths_that_leave_the_folder_or_hide_are_rejected(path: str) -> None:
    assert _status({**SEED, path: ""}, may_add_files=True) is Status.REJECTED


def test_python_that_does_not_parse_is_invalid_with_its_line() -> None:
    finding = screen({"main.py": "x = 1\ny = (\nz = 2)\n"}, _contract(), SEED).finding
    assert finding is not None
    assert finding.status is Status.INVALID
    assert finding.reason.startswith("main.py:2: ") or finding.reason.startswith("main.py:3: ")
    assert _status({"main.py": "x = '\0'"}) is Status.INVALID
    assert _status({"main.py": "x = " + "9" * 500}) is None
    assert _status({"main.py": "\ufeffx = 1\n"}) is None
    assert _status({"main.py": "x = " + "9" * 5000}, max_bytes=9999) is Status.INVALID
    assert _status({"main.py": "", "notes.txt": "this is no ( python"}, may_add_files=True) is None


@pytest.mark.parametrize("name", ["utf-8", "UTF_8", "utf8", "utf-8-sig", "utf-8-unix", "UTF-8-dos", "utf_8_mac", "us-ascii"])
def test_what_python_takes_for_utf_8_is_no_other_encoding(name: str) -> None:
    text = f"# -*- coding: {name} -*-\nx = 'é'\n"
    if "ascii" not in name:
        values: dict[str, str] = {}
        exec(compile(text.encode(), "main.py", "exec"), values)
        assert values["x"] == "é"
    assert _status({"main.py": text}) is None


@pytest.mark.parametrize("name", ["latin-1", "utf-16", "utf-7", "utf-80", "utf8-unix", "cp1252", "rot13"])
def test_another_encoding_is_invalid(name: str) -> None:
    assert _status({"main.py": f"#!/usr/bin/python\n# coding: {name}\nx = 1\n"}) is Status.INVALID


@pytest.mark.parametrize("path", ["main.py/x", "lib/fixed.py/deep/er.py", "lib"])
def test_a_path_that_is_a_file_and_a_folder_is_rejected(path: str) -> None:
    finding = screen({**SEED, path: ""}, _contract(may_add_files=True), SEED).finding
    assert finding is not None
    assert finding.status is Status.REJECTED
    assert "is a file, and another file's path needs a folder of that name" in finding.reason
    assert _status({**SEED, "lib/x/y.py": "", "lib/x/z.py": "", "main.py.d/x": ""}, may_add_files=True) is None


@pytest.mark.filterwarnings("error")
def test_source_that_makes_the_parser_warn_is_quiet() -> None:
    assert _status({"main.py": "x = '\\d'\ny = 1 is 1\n"}) is None


HOSTILE = {
    "minus": "x = " + "-" * 30000 + "1",
    "sum": "x = " + "+".join(["1"] * 30000),
    "power": "x = " + "**".join(["2"] * 30000),
    "brackets": "[" * 60000,
    "calls": "x = f" + "()" * 30000,
    "attributes": "x = a" + ".b" * 30000,
    "not": "x = " + "not " * 15000 + "1",
    "lambda": "x = " + "lambda:" * 9000 + "1",
    "conditional": "x = " + "1 if a else " * 5000 + "1",
    "elif": "if a: pass\n" + "elif a: pass\n" * 5000,
    "indent": "".join(" " * i + "if a:\n" for i in range(300)),
    "dicts": "x = " + "{1:" * 180 + "1" + "}" * 180,
    "both": "x = " + "".join("(" + "-" * 390 for _ in range(80)) + "1" + ")" * 80,
    "format": "x = f'{" + "-" * 30000 + "1}'",
    "decorators": "@a\n" * 20000 + "def f(): pass",
    "semicolons": "a;" * 30000,
    "escapes": "\\'" * 30000,
    "triple escapes": "\\'''" * 15000,
    "open triple": "'''" + "\\" * 60001,
    "digits": "x = " + "9" * 60000,
    "spaces": " " * 60000 + "x",
    "nulls": "\0" * 60000,
    "dotted name behind a carriage return": "#\rimport " + ".".join("a" * 30000),
    "carriage returns": "\r" * 60000,
    "dots": "import " + "." * 60000,
    "spaced dots": "import a" + " . a" * 15000,
}


@pytest.mark.parametrize("name", HOSTILE)
def test_hostile_sources_neither_crash_nor_stall(name: str) -> None:
    """The bound on time is a thousand times what it takes: it tells linear from quadratic, not fast from slow."""
    began = time.process_time()
    status = _status({"main.py": HOSTILE[name]}, max_bytes=1 << 20)
    assert status in (None, Status.INVALID)
    assert time.process_time() - began < 20


def test_files_beyond_the_parsers_means_are_left_to_the_sandbox() -> None:
    assert _status({"main.py": "(" * (MAX_PARSE_CHARS + 1)}, max_bytes=1 << 24) is None
    half = "x = (\n" + " " * (MAX_PARSE_CHARS * 2 // 3)
    assert _status({"a.py": half.replace("(", "1"), "b.py": half}, max_bytes=1 << 24, may_add_files=True) is None


_PIECES = st.lists(
    st.sampled_from(
        [
            "(",
            ")",
            "[",
            "]",
            "{",
            "}",
            "-",
            "+",
            "not ",
            "lambda:",
            " if a else ",
            ".b",
            "a",
            "1",
            ",",
            "\n",
            "'",
            '"',
            "f'",
            "\\",
            "'''",
        ]
    ),
    max_size=60,
)


@given(_PIECES, st.integers(1, 40))
def test_what_passes_the_scan_has_a_shallow_tree(pieces: list[str], times: int) -> None:
    text = "x=" + "".join(pieces) * times
    if not parses_safely(text):
        return
    try:
        tree = ast.parse(text)
    except (SyntaxError, ValueError):
        return
    assert _depth(tree) < 2000


def _depth(tree: ast.AST) -> int:
    depth, level = 0, [tree]
    while level:
        depth, level = depth + 1, [child for node in level for child in ast.iter_child_nodes(node)]
    return depth


def test_ordinary_programs_are_parsed_here() -> None:
    import inspect
    import json.decoder
    import subprocess
    import typing

    for module in (subprocess, typing, json.decoder, ast):
        assert parses_safely(inspect.getsource(module))
