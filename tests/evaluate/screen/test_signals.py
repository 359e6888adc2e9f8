"""Signals: what a candidate's text shows is named, decides nothing, and no text stalls or breaks the look."""

from __future__ import annotations

import time

import pytest
from hypothesis import given
from hypothesis import strategies as st

from archive import Status
from evolve.evaluate.screen._screen import MAX_PARSE_CHARS, Screened, screen
from evolve.problem._find import builtin_problems
from evolve.problem._load import load_problem
from evolve.problem.contract._contract import Contract, Stage

CONTRACT = Contract(
    name="p",
    metric="m",
    goal="maximize",
    editable=("main.py",),
    max_bytes=1 << 24,
    may_add_files=True,
    stages=(Stage(name="full"),),
)


def look(text: str, path: str = "main.py") -> Screened:
    return screen({path: text}, CONTRACT, {})


@pytest.mark.parametrize(
    ("text", "signals"),
    [
        ("import ctypes", "native_memory"),
        ("from ctypes import c_int as c", "native_memory"),
        ("import sys\nx = sys.modules['a']", "introspection"),
        ("from sys import _getframe", "introspection"),
        ("import gc", "introspection"),
        ("def f():\n    import inspect.stack", "introspection"),
        ("x = ().__class__.__base__.__subclasses__()", "introspection"),
        ("x = f.__globals__", "introspection"),
        ("import threading", "threads"),
        ("from concurrent.futures import ThreadPoolExecutor", "threads"),
        ("import subprocess as s", "processes"),
        ("import os\nos.fork()", "os_calls"),
        ("from os import kill", "os_calls"),
        ("import socket", "network"),
        ("import urllib.request", "network"),
        ("exec('x = 1')", "dynamic_code"),
        ("f = eval", "dynamic_code"),
        ("getattr(m, 'a' + 'b')", "dynamic_code"),
        ("import pickle", "dynamic_code"),
        ("import time\ntime.time = lambda: 0.0", "patching"),
        ("import torch as t\nt.Tensor.clone = f", "patching"),
        ("setattr(m, 'a', f)", "patching"),
        ("try:\n    f()\nexcept:\n    pass", "swallowed_errors"),
        ("try:\n    f()\nexcept (ValueError, Exception) as e:\n    x = slow()", "swallowed_errors"),
        ("T = [" + "0.5, " * 300 + "]", "large_constant"),
        ("T = {" + ", ".join(f"{i}: -1" for i in range(300)) + "}", "large_constant"),
        ("T = [" + "(1, 2, 3), " * 100 + "]", "large_constant"),
        ("T = '" + "1 2 " * 300 + "'", "large_constant"),
        ("N = 1 << 3 | " + "9" * 400, "large_constant"),
        ("B = '" + "QUJD" * 40 + "'", "encoded_data"),
        ("B = b'" + "\\x00\\xff" * 80 + "'", "encoded_data"),
        ("import base64", "encoded_data"),
        ("x = 1  # \u202e reversed", "hidden_text"),
        ("x = " + "(" * 90 + "1" + ")" * 90, "not_parsed"),
        ("x = 1\n" + "#" * MAX_PARSE_CHARS, "not_parsed"),
    ],
)
def test_what_is_seen_is_named_and_decides_nothing(text: str, signals: str) -> None:
    assert look(text) == Screened(None, (signals,))


@pytest.mark.parametrize(
    "text",
    [
        "'''ctypes, eval, os.fork, subprocess'''\nx = 1  # import gc",
        "import os\nroot = os.environ.get('A', os.path.join('a', 'b'))",
        "import sys\nprint(sys.argv)",
        "import torch\ntorch.backends.cudnn.benchmark = True",
        "import re\np = re.compile('x')\nclass A:\n    def eval(self):\n        self.x = self.y",
        "try:\n    f()\nexcept ValueError:\n    pass",
        "try:\n    f()\nexcept Exception:\n    raise",
        "x = getattr(m, 'name')\nT = [" + "1, " * 200 + "]",
        "def f():\n    '''" + "a long docstring " * 200 + "'''",
    ],
)
def test_ordinary_text_shows_nothing(text: str) -> None:
    assert look(text) == Screened(None, ())


def test_all_files_are_looked_at_and_names_come_once_in_order() -> None:
    files = {"main.py": "import threading, gc\nimport _thread", "b.py": "import ctypes", "c.txt": "import socket"}
    assert screen(files, CONTRACT, {}).signals == ("introspection", "native_memory", "threads")


@pytest.mark.parametrize("name", builtin_problems())
def test_the_seed_programs_show_nothing(name: str) -> None:
    problem = load_problem(name, prepare=False)
    assert screen(problem.initial_files, problem.contract, problem.initial_files) == Screened(None, ())


def test_files_of_the_problem_that_nobody_may_change_show_nothing() -> None:
    seed = {"main.py": "x = 1\n", "build.py": "import subprocess\n"}
    assert screen(seed, CONTRACT, seed).signals == ()
    assert screen({**seed, "main.py": "import subprocess\n"}, CONTRACT, seed).signals == ("processes",)


HOSTILE = {
    "nested displays": "x = " + "[" * 79 + "1" + "]" * 79 + "\n",
    "wide": "x = [" + "1," * 100_000 + "]",
    "rows": "x = [" + "(1,)," * 50_000 + "]",
    "attributes": "x = a" + ".b" * 490 + "\n" + "import a\n" * 100,
    "assigned attributes": ("a" + ".b" * 200 + " = c\n") * 500,
    "words": "x = '" + ("a" * 119 + " ") * 2000 + "'",
    "blob": "x = '" + "a" * 250_000 + "'",
    "handlers": "".join("try: pass\nexcept: pass\n" for _ in range(8000)),
    "statements": "x\n" * 100_000,
    "nulls": "\0" * 60_000,
    "surrogates": "x = '\udcff'",
    "marks": "# " + "\u202e" * 60_000,
}


@pytest.mark.parametrize("name", HOSTILE)
def test_hostile_text_neither_breaks_nor_stalls_the_look(name: str) -> None:
    """The bound on time tells linear from quadratic, not fast from slow: it is some fifty times what the slowest takes."""
    began = time.process_time()
    screened = look(HOSTILE[name])
    assert screened.finding is None or screened.finding.status in (Status.INVALID, Status.REJECTED)
    assert time.process_time() - began < 60


@given(st.text(max_size=400), st.text("abc.=()[]{}:'\"\n #\\@,*fb01\x00\ud800\u202e", max_size=400))
def test_no_text_breaks_the_look(one: str, other: str) -> None:
    for text in (one, other):
        screened = look(text)
        assert screened.finding is None or screened.signals == ()
