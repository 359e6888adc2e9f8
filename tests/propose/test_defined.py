"""Which names may be undefined: what the text tells is never less than what running it shows."""

from __future__ import annotations

import ast
import re
import textwrap

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from propose_sources import BODIES, STDLIB

from evolve.propose.mutate._defined import bound_in, undefined


def found(source: str) -> set[tuple[str, str]]:
    return {(one.scope, one.name) for one in undefined(textwrap.dedent(source))}


@pytest.mark.parametrize(
    ("source", "names"),
    [
        ("print(x)", {("", "x")}),
        ("x = 1\nprint(x)", set()),
        ("x += 1", {("", "x")}),
        ("x: int\nprint(x)", {("", "x")}),
        ("def f():\n    return g() + h\ndef g(): return 1", {("f.", "h")}),
        ("def f(a):\n    if a:\n        x = 1\n    return x", {("f.", "x")}),
        ("def f(a):\n    if a:\n        x = 1\n    else:\n        x = 2\n    return x", set()),
        ("def f(a):\n    if a:\n        x = 1\n    else:\n        raise ValueError\n    return x", set()),
        ("def f(a):\n    for i in a:\n        pass\n    return i", {("f.", "i")}),
        ("def f(a):\n    while True:\n        y = a()\n        if y:\n            break\n    return y", set()),
        ("def f(a):\n    while a:\n        y = a()\n    return y", {("f.", "y")}),
        ("def f(a):\n    try:\n        y = a()\n    except KeyError:\n        y = 1\n    return y", set()),
        ("def f(a):\n    try:\n        y = a()\n    except KeyError:\n        pass\n    return y", {("f.", "y")}),
        ("def f(a):\n    try:\n        a()\n    finally:\n        y = 1\n    return y", set()),
        ("def f(a):\n    try:\n        a()\n    except KeyError as e:\n        pass\n    return e", {("f.", "e")}),
        ("def f(a):\n    with a as b:\n        c = 1\n    return b, c", set()),
        ("def f(a, suppress):\n    with suppress(a):\n        c = 1\n    return c", {("f.", "c")}),
        ("def f(a):\n    del a\n    return a", {("f.", "a")}),
        ("def f(a):\n    return [x for x in a if x for x in x], x", {("f.", "x")}),
        ("def f(a):\n    return (b := a) + b", set()),
        ("def f(a):\n    a and (b := 1)\n    return b", {("f.", "b")}),
        ("def f(a):\n    g = lambda: k\n    k = 1\n    return g", set()),
        ("def f(a):\n    g = lambda: k\n    return g", {("f.lambda.", "k")}),
        ("def f(a):\n    match a:\n        case [b]:\n            pass\n        case _:\n            b = 1\n    return b", set()),
        ("def f(a):\n    match a:\n        case [b]:\n            pass\n    return b", {("f.", "b")}),
        ("class A:\n    b = 1\n    c = b\n    def m(self):\n        return b", {("A.m.", "b")}),
        ("def f():\n    global g\n    g = 1\ndef h():\n    return g", {("h.", "g")}),
        ("from os import *\nprint(path)", set()),
        ("try:\n    import a\nexcept ImportError:\n    a = None\ndef f():\n    return a", set()),
        ("def f(a: T = d) -> R: pass", {("", "T"), ("", "R"), ("", "d")}),
        ("print(__file__, len)", set()),
    ],
)
def test_names_that_may_be_undefined(source: str, names: set[tuple[str, str]]) -> None:
    assert found(source) == names


@settings(max_examples=200, deadline=None)
@given(BODIES, st.lists(st.booleans(), min_size=12, max_size=12))
def test_what_runs_into_an_undefined_name_was_told(body: str, ways: list[bool]) -> None:
    """Whichever way a program takes, it meets no undefined name but those that were found, and those that a function reads from
    outside before they are bound."""
    source = f"def f(a, b=0):\n{body}\n"
    left = list(ways)
    space = {"t": lambda: left.pop() if left else False}
    exec(compile(source, "x", "exec"), space)
    try:
        space["f"](0)
    except NameError as error:
        said = str(error)
    except (TypeError, KeyError):
        return
    else:
        return
    (named,) = re.findall(r"'(\w+)'", said)
    assert "free variable" in said or named in {one.name for one in undefined(source)}, source


@pytest.mark.parametrize("name", sorted(STDLIB))
def test_modules_that_work_have_next_to_none(name: str) -> None:
    """Names that one function binds and another reads are all that it cannot follow."""
    assert len([one for one in undefined(STDLIB[name]) if not one.own]) <= 1


def test_a_source_that_is_too_deep_or_none_is_no_answer() -> None:
    assert undefined("x = (") == undefined("x = " + " + ".join(["1"] * 300)) == frozenset()
    with pytest.raises(RecursionError):
        undefined("x = " + " + ".join(["1"] * 1500))


def test_what_a_statement_binds() -> None:
    body = "import a.b, c as d\nfor e, (f, *g) in h: i = [j for j in k]\ndef l(m=(n := 1)): o = 1\nwith p as q: r.s = t\n"
    assert set(bound_in(ast.parse(body).body)) == {"a", "d", "e", "f", "g", "i", "l", "n", "q"}
