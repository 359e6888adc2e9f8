"""A child holds together: what its files read, and what its parent had, is still there."""

from __future__ import annotations

import pytest

from evolve.propose.edits._links import unlinked

PARENT = {
    "main.py": "from lib import table\nfrom lib.util import scale\n\n\ndef solve(x):\n    return scale(x) + table.OFFSET\n",
    "lib/__init__.py": "",
    "lib/util.py": "def scale(x):\n    top = 2\n    return top * x\n\n\ndef spare(x):\n    return x\n",
    "lib/table.py": "OFFSET = 3\nLIMIT = 4\n",
}


@pytest.mark.parametrize(
    ("path", "text", "said"),
    [
        ("lib/util.py", "def spare(x):\n    return x\n", "'scale' of lib/util.py"),
        ("lib/table.py", "LIMIT = 4\n", "'OFFSET' of lib/table.py"),
        ("lib/util.py", "def scale(x):\n    return top * x\n", "uses 'top'"),
        (
            "main.py",
            "from lib.fast import scale\n\n\ndef solve(x):\n    return scale(x)\n",
            "'lib.fast', and there is no such file",
        ),
        ("main.py", "from lib.util import scale\n\n\ndef solved(x):\n    return scale(x)\n", "lost 'solve'"),
    ],
)
def test_what_a_program_still_asks_for_must_not_be_lost(path: str, text: str, said: str) -> None:
    assert said in unlinked(PARENT, {**PARENT, path: text})


@pytest.mark.parametrize(
    ("path", "text", "entry"),
    [
        ("lib/util.py", "def scale(x):\n    return 2 * x\n", "lib/util.py:spare"),  # nothing in the program asks for it
        (
            "main.py",
            "from lib.util import scale\n\n\nclass Solver:\n    def solve(self, x):\n        return scale(x)\n",
            "main.py:solve",
        ),
        (
            "main.py",
            "from lib.util import scale\n\n\ndef other(x):\n    solve = scale(x)\n    return solve\n",
            "main.py:solve.__call__",
        ),
    ],
)
def test_what_the_evaluator_calls_must_stay(path: str, text: str, entry: str) -> None:
    name = entry.partition(":")[2].partition(".")[0]
    assert f"{path} has no {name!r} at its first level" in unlinked(PARENT, {**PARENT, path: text}, (entry,))


@pytest.mark.parametrize(
    "text",
    [
        "from lib.util import spare as solve\n",
        "from lib.util import scale\n\nsolve = scale\n",
        "try:\n    from fast import solve\nexcept ImportError:\n    from lib.util import scale as solve\n",
        "import lib.util\n\nglobals()['solve'] = lib.util.scale\n",
    ],
)
def test_an_entry_may_be_bound_in_any_way(text: str) -> None:
    assert unlinked(PARENT, {**PARENT, "main.py": text}, ("main.py:solve", "main.py:never", "gone.py:solve")) == ""


CLASS = """\
class Walk:
    step = 1

    def __init__(self):
        self.at = 0

    def run(self):
        self.at += self.step
        return self.at
"""


@pytest.mark.parametrize(
    ("text", "said"),
    [
        (
            "class Walk:\n    def __init__(self):\n        self.at = 0\n\n    def run(self):\n        return self.at + self.step\n",
            "'Walk.step'",
        ),
        ("class Walk:\n    step = 1\n\n    def run(self):\n        return self.at + self.step\n", "'Walk.at'"),
        ("class Walk:\n    def start(self):\n        return 1\n", "no 'Walk.run' any more"),
        ("class Walk:\n    step = 1\n\n    def run(self):\n        return self.step\n", ""),
        ("class Base:\n    at, step = 0, 1\n\n\nclass Walk(Base):\n    def run(self):\n        return self.at + self.step\n", ""),
        ("class Walk:\n    def run(self):\n        return self.at\n\n    def __getattr__(self, name):\n        return 1\n", ""),
        ("class Walk:\n    def go(self):\n        return 1\n\n    run = go\n", ""),
    ],
)
def test_a_class_has_what_its_methods_read_and_what_the_evaluator_calls(text: str, said: str) -> None:
    found = unlinked({"a.py": CLASS}, {"a.py": text}, ("a.py:Walk.run",))
    assert said in found if said else found == ""


def test_what_another_file_asks_of_a_file_in_c_must_stay() -> None:
    parent = {
        "main.py": "def f(lib):\n    return lib.twice(2)\n",
        "a.c": "int once(int x)\n{\n    return x;\n}\nint twice(int x)\n{\n    return 2 * x;\n}\n",
    }
    assert "main.py needs 'twice' of a.c" in unlinked(parent, {**parent, "a.c": "int once(int x)\n{\n    return x;\n}\n"})
    assert unlinked(parent, {**parent, "a.c": "int twice(int x)\n{\n    return x + x;\n}\n"}) == ""


@pytest.mark.parametrize(
    ("path", "text"),
    [
        ("lib/util.py", "def scale(x):\n    return 3 * x\n"),  # nothing asks for the other function
        ("lib/util.py", "from math import *\n\n\ndef scale(x):\n    return top * x\n"),
        ("lib/table.py", "def __getattr__(name):\n    return 3\n"),
        ("lib/table.py", "globals().update(OFFSET=3)\n"),
        ("main.py", "import numpy.fft\nfrom lib import util\n\n\ndef solve(x):\n    return util.scale(x)\n"),
        ("main.py", "from lib.util import *\n\n\ndef answer(x):\n    return scale(x)\n"),
        (
            "main.py",
            "try:\n    from lib.fast import scale\nexcept ImportError:\n    scale = abs\n\n\ndef solve(x):\n    return scale(x)\n",
        ),
    ],
)
def test_what_cannot_be_known_to_be_lost_is_let_pass(path: str, text: str) -> None:
    assert unlinked(PARENT, {**PARENT, path: text}) == ""


def test_a_fault_that_the_parent_has_is_not_its_child_s() -> None:
    parent = {"main.py": "from lib.gone import x\n\n\ndef solve(n):\n    return n + y\n", "lib/a.py": "z = 1\n"}
    assert unlinked(parent, {**parent, "main.py": parent["main.py"] + "\n\ndef more():\n    return 1\n"}) == ""


def test_a_program_that_is_run_rather_than_called_may_lose_a_function() -> None:
    parent = {"main.py": "def spare():\n    return 1\n\n\nprint(2)\n"}
    assert unlinked(parent, {"main.py": "print(3)\n"}) == ""


def test_relative_imports_are_followed() -> None:
    parent = {
        "p/__init__.py": "",
        "p/a.py": "from .b import f\n\n\ndef g():\n    return f()\n",
        "p/b.py": "def f():\n    return 1\n",
    }
    assert "'f' of p/b.py" in unlinked(parent, {**parent, "p/b.py": "def h():\n    return 1\n"})
