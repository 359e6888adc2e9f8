# ruff: noqa: E501  (programs stand in one string each)
"""A candidate is imported as Python imports it: form by form, against a plain interpreter started in its folder."""

from __future__ import annotations

import json
import os
import subprocess
import sys
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path

import pytest

from archive import StartMode, Status
from evolve.evaluate import JsonValue, Reply, SandboxFactory, VisibleFiles, open_sandbox_factory
from evolve.evaluate._entry import EntryPoint, parse_entry
from evolve.problem.contract._contract import Stage

STAGE = Stage(name="s", time_s=20.0, memory_mib=512)
ONE = {"value": JsonValue()}
MODES = ("cold", "spare", "warm", "none")
# What starts with imports loaded have in memory already, and a candidate may have a file of that name for.
AHEAD = "import numpy, random, statistics\n"


@dataclass(frozen=True, slots=True)
class Form:
    """A candidate and what is asked of it: ``entries`` are called, or ``argv`` is run and prints; ``plain`` imports ``f``."""

    files: dict[str, str]
    plain: str = "from m import f"
    entries: tuple[str, ...] = ("m.py:f", "m:f")
    argv: tuple[str, ...] = ()


PACKAGE = {"pkg/__init__.py": "from .rank import rank\nfrom . import deep\n__version__ = '3'\n", "pkg/deep/__init__.py": ""}
PACKAGE["pkg/rank.py"] = (
    "from . import __name__ as parent\nfrom .deep.low import LOW\nfrom .deep import low as again\n\ndef rank():\n"
    "    import pkg\n    return [LOW, parent, __name__, __package__, pkg.rank is rank, again.LOW, __spec__.name]\n"
)
PACKAGE["pkg/deep/low.py"] = "from ..top import TOP\nLOW = ['low', TOP]\n"
PACKAGE["pkg/top.py"] = "TOP = 'top'\n"
RECORD = (
    "from __future__ import annotations\nimport dataclasses, inspect, pickle, typing, enum\n\n@dataclasses.dataclass(slots=True)\n"
    "class Row:\n    x: Other\n    y: int = 0\n\nclass Other(enum.Enum):\n    A = 1\n\nclass Pair(typing.NamedTuple):\n    a: int\n\n"
    "def f():\n    row = pickle.loads(pickle.dumps(Row(Other.A)))\n    hints = typing.get_type_hints(Row)\n"
    "    return [str(row), hints['x'] is Other, pickle.loads(pickle.dumps(Pair(2))).a, inspect.getsource(Other).split()[0],\n"
    "            inspect.getmodule(f).__name__, __name__]\n"
)
DATA = (
    "import importlib.resources as r, os, pkgutil\n\ndef f():\n    here = os.path.dirname(os.path.abspath(__file__))\n"
    "    with open(os.path.join(here, 'data', 'a.txt')) as file:\n        beside = file.read()\n"
    "    with open('pkg/data/a.txt') as file:\n        relative = file.read()\n"
    "    names = sorted(item.name for item in r.files('pkg').joinpath('data').iterdir())\n"
    "    return [r.files('pkg').joinpath('data/a.txt').read_text(), pkgutil.get_data('pkg', 'data/a.txt').decode(), beside, relative,\n"
    "            names, os.path.basename(__file__), os.path.isfile('pkg/data/a.txt')]\n"
)
# modules that an interpreter has built in cannot be shadowed, and which those are is up to who built it
SHADOWED = [
    name
    for name in ("random", "statistics", "resource", "queue", "array", "select", "_json")
    if name not in sys.builtin_module_names
]
TELLS = "import json\nprint(json.dumps({}))\n"

FORMS = {
    "re-export": Form(
        PACKAGE, "from pkg.rank import rank as f", ("pkg/rank.py:rank", "pkg.rank:rank", "pkg:rank", "pkg/__init__.py:rank")
    ),
    "package data": Form(
        {"pkg/__init__.py": DATA, "pkg/data/a.txt": "text\n"}, "from pkg import f", ("pkg:f", "pkg/__init__.py:f")
    ),
    "records": Form({"m.py": RECORD}),
    "namespace": Form(
        {
            "ns/deep/m.py": "from ns.other import X\nfrom .. import other\ndef f():\n    return [X, other.X, __package__]\n",
            "ns/other.py": "X = 1\n",
        },
        "from ns.deep.m import f",
        ("ns/deep/m.py:f", "ns.deep.m:f"),
    ),
    "circular": Form(
        {
            "a/__init__.py": "from a import b\nfrom a.c import C\n",
            "a/b.py": "import a.c\ndef f():\n    return [a.c.C, a.c.g()]\n",
            "a/c.py": "import a.b\nC = 1\ndef g():\n    return a.b.f.__name__\n",
        },
        "from a.b import f",
        ("a/b.py:f", "a.b:f"),
    ),
    "a file beside which others lie": Form(
        {
            "src/run.py": "from lib import X\nimport pkg.m\ndef f():\n    from late import Y\n    return [X, Y, pkg.m.Z]\n",
            "src/lib.py": "X = 1\n",
            "src/late.py": "from lib import X\nY = X + 1\n",
            "src/pkg/__init__.py": "",
            "src/pkg/m.py": "Z = 3\n",
        },
        "import sys; sys.path.append('src'); from src.run import f",
        ("src/run.py:f",),
    ),
    "a package below src": Form(
        {
            "src/pkg/__init__.py": "X = 1\n",
            "src/pkg/m.py": "from pkg import X\nfrom pkg.other import Y\nfrom .other import Y as Z\ndef f():\n    return [X, Y, Z]\n",
            "src/pkg/other.py": "Y = 2\n",
        },
        "import sys; sys.path.append('src'); from pkg.m import f",
        ("src/pkg/m.py:f",),
    ),
    "lazy": Form(
        {
            "m.py": "import importlib\ndef f():\n    from late import X\n    return [X, importlib.import_module('late').__name__, __import__('sub.leaf').leaf.Y]\n",
            "late.py": "X = 2\n",
            "sub/__init__.py": "",
            "sub/leaf.py": "Y = 3\n",
        }
    ),
    "lazy package": Form(
        {
            "pkg/__init__.py": "def __getattr__(name):\n    if name != 'f':\n        raise AttributeError(name)\n    from .m import g\n    return g\n",
            "pkg/m.py": "def g():\n    return 'lazy'\n",
        },
        "from pkg import f",
        ("pkg:f", "pkg/__init__.py:f"),
    ),
    "siblings": Form(
        {
            "pkg/__init__.py": "",
            "pkg/m.py": "import conftest, helper\ndef f():\n    return [conftest.C, helper.H]\n",
            "conftest.py": "import helper\nC = helper.H + 1\n",
            "helper.py": "H = 1\n",
        },
        "from pkg.m import f",
        ("pkg/m.py:f", "pkg.m:f"),
    ),
    "named like the standard library": Form(
        {
            "m.py": f"import {', '.join(SHADOWED)}\ndef f():\n    return [{', '.join(f'{name}.X' for name in SHADOWED)}]\n",
            **{f"{name}.py": f"X = '{name}'\n" for name in SHADOWED},
        }
    ),
    "entry named like the standard library": Form(
        {"random.py": "def f():\n    import random\n    return [__name__, random.f is f]\n"},
        "from random import f",
        ("random.py:f", "random:f"),
    ),
    "a folder without __init__ does not hide the standard library": Form(
        {"json/x.py": "", "m.py": "import json\ndef f():\n    return json.dumps([1])\n"}
    ),
    "a package's version": Form(
        {
            "m.py": "from importlib import metadata\nimport numpy\ndef f():\n    return metadata.version('numpy') == numpy.__version__\n"
        }
    ),
    "its own version, by metadata it brings": Form(
        {
            "own-1.5.dist-info/METADATA": "Metadata-Version: 2.1\nName: own\nVersion: 1.5\n",
            "own/__init__.py": "from importlib.metadata import version\n__version__ = version('own')\ndef f():\n    return __version__\n",
        },
        "from own import f",
        ("own:f",),
    ),
    "main guard": Form(
        {
            "m.py": "RAN = []\nif __name__ == '__main__':\n    RAN.append(1)\ndef f():\n    import sys\n    return [RAN, __name__, sys.modules[__name__].f is f]\n"
        }
    ),
    "names of site": Form({"m.py": "def f():\n    return [callable(exit), callable(quit), callable(help)]\n"}),
    "a child by name": Form(
        {
            "m.py": "import subprocess, sys\ndef f():\n    out = lambda *a: subprocess.run([sys.executable, *a], capture_output=True, text=True).stdout\n"
            "    return [out('-m', 'pkg'), out('tool.py'), out('-c', 'import pkg; print(pkg.X)')]\n",
            "pkg/__init__.py": "X = 4\n",
            "pkg/__main__.py": "from . import X\nprint(X, __package__)\n",
            "tool.py": "import pkg\nprint(pkg.X)\n",
        }
    ),
    "object in a module's place": Form(
        {"m.py": "import sys\nclass M:\n    def f(self):\n        return 'object'\nsys.modules[__name__] = M()\n"},
        "import m; f = m.f",
    ),
    "a method": Form(
        {"m.py": "class Solver:\n    @staticmethod\n    def solve():\n        return 'solved'\nf = Solver()\n"},
        "from m import Solver; f = Solver.solve",
        ("m.py:Solver.solve", "m:f.solve"),
    ),
    "writing beside its data": Form(
        {"m.py": "def f():\n    open('data.txt', 'a').write('!')\n    return open('data.txt').read()\n", "data.txt": "x"}
    ),
    "the last word of encodings": Form({"m.py": "# -*- coding: latin-1 -*-\ndef f():\n    return 'é'\n"}),
    "python -m package": Form(
        {
            "pkg/__init__.py": "",
            "pkg/__main__.py": "import sys\nfrom .m import X\n" + TELLS.format("[X, __name__, __package__, sys.argv[1:]]"),
            "pkg/m.py": "X = 1\n",
        },
        argv=("-m", "pkg", "-a"),
    ),
    "python -m module": Form(
        {
            "pkg/m.py": "import os.path\nfrom pkg.n import X\n"
            + TELLS.format("[X, __name__, __spec__.name, os.path.basename(__file__)]"),
            "pkg/n.py": "X = 5\n",
        },
        argv=("-m", "pkg.m"),
    ),
    "python -c": Form({"m.py": "X = 6\n"}, argv=("-c", "import m, json; print(json.dumps(m.X))")),
    "script": Form(
        {
            "m.py": "import dataclasses, pickle, typing, random, sys, helper\n@dataclasses.dataclass\nclass Row:\n    x: 'int'\n\n"
            "if __name__ == '__main__':\n    row = pickle.loads(pickle.dumps(Row(1)))\n"
            "    told = [str(row), typing.get_type_hints(Row)['x'] is int, random.X, helper.H, callable(exit), open('data.txt').read(), __spec__ is None]\n    "
            + TELLS.format("told").replace("\n", "\n    ")
            + "\n    exit(0)\n",
            "random.py": "X = 'mine'\n",
            "helper.py": "H = 1\n",
            "data.txt": "text",
        },
        argv=("m.py",),
    ),
    "script in a folder": Form(
        {
            "tools/run.py": "import side, sys, os\n" + TELLS.format("[side.X, os.path.basename(sys.path[0]), sys.argv]"),
            "tools/side.py": "X = 7\n",
            "random.py": "1/0\n",
        },
        argv=("tools/run.py", "a"),
    ),
}


@pytest.fixture(scope="module")
def factories() -> Iterator[dict[str, SandboxFactory]]:
    with (
        open_sandbox_factory("strict", VisibleFiles(imports=("numpy",))) as strict,
        open_sandbox_factory("none", VisibleFiles(imports=("numpy",))) as none,
    ):
        yield {"cold": strict, "spare": strict, "warm": strict, "none": none}


def asked(factory: SandboxFactory, mode: str, form: Form, entry: str) -> Reply:
    """One form in one mode; the start is what it should be, but for a machine that has no warm one."""
    start = StartMode.COLD if mode == "none" else StartMode(mode)
    if mode == "spare":
        with factory.sandbox({"m.py": AHEAD}, STAGE, start=start):
            pass  # the slot is idle: a spare is made
        assert factory._spare is not None
    with factory.sandbox({**form.files}, STAGE, start=start) as sandbox:
        if form.argv:
            reply = sandbox.run(["python", *form.argv])
        else:
            reply = sandbox.call(entry, {}, ONE)
        assert sandbox.start is start or factory.no_warm or (mode == "warm" and form.argv)
    return reply


def plainly(form: Form, folder: Path) -> object:
    """What a plain interpreter started in the candidate's folder makes of it."""
    for name, text in form.files.items():
        (folder / name).parent.mkdir(parents=True, exist_ok=True)
        (folder / name).write_text(text, encoding="utf-8")
    code = f"{form.plain}\nimport sys\nvalue = f()\nsys.path.pop(0)\nsys.modules.pop('_json', None)\nimport json\nprint(json.dumps(value))"
    argv = [sys.executable, "-B", *(form.argv or ("-c", code))]
    env = {name: value for name, value in os.environ.items() if not name.startswith("PYTHON")}
    done = subprocess.run(argv, cwd=folder, env=env, capture_output=True, text=True, check=False, timeout=60)
    assert done.returncode == 0, done.stderr
    return json.loads(done.stdout)


@pytest.mark.parametrize("name", FORMS)
@pytest.mark.parametrize("modes", [MODES[:1], pytest.param(MODES[1:], marks=pytest.mark.slow)], ids=(*MODES[:1], "others"))
def test_what_a_plain_interpreter_runs_a_sandbox_runs_alike(
    factories: dict[str, SandboxFactory], name: str, modes: tuple[str, ...], tmp_path: Path
) -> None:
    form = FORMS[name]
    expected = plainly(form, tmp_path)
    for mode in modes:
        for entry in form.entries if not form.argv else ("",):
            reply = asked(factories[mode], mode, form, entry)
            assert reply.ok, (mode, entry, reply.status, reply.reason, reply.log)
            got = json.loads(reply.log) if form.argv else reply.value["value"]
            assert got == expected, (mode, entry)


FAILURES = {
    "no such file": ({}, "m.py:f", Status.INVALID, "there is no file m.py"),  # and not where it would lie on this machine
    "no such module": ({"m.py": ""}, "pkg.mod:f", Status.INVALID, "there is no file pkg/mod.py"),
    "no function": ({"m.py": "g = 1\n"}, "m:f", Status.INVALID, "m.py has no function f"),
    "no syntax": ({"m.py": "def f(:\n"}, "m.py:f", Status.INVALID, "SyntaxError"),
    "no syntax beside it": ({"m.py": "import n\n", "n.py": "def f(:\n"}, "m:f", Status.INVALID, "SyntaxError"),
    "a null byte": ({"m.py": "def f():\n    '\0'\n"}, "m.py:f", Status.INVALID, "null bytes"),
    "too deep to compile": ({"m.py": "x = " + "(" * 5000 + ")" * 5000}, "m.py:f", Status.INVALID, ""),
    "its package raises": ({"p/__init__.py": "1 / 0\n", "p/m.py": "def f():\n    return 1\n"}, "p/m.py:f", Status.CRASH, "ZeroDivisionError"),
    "a package it needs is absent": ({"m.py": "import absent\n"}, "m.py:f", Status.CRASH, "absent"),
    "a module of its own is absent": ({"p/__init__.py": "from .x import y\n", "p/m.py": ""}, "p.m:f", Status.CRASH, "p.x"),
    "a value it cannot convert": ({"m.py": "int('x')\n"}, "m.py:f", Status.CRASH, "ValueError"),
    "its own version, not installed": ({"m.py": "from importlib.metadata import version\nversion('own')\n"}, "m.py:f", Status.CRASH, "own"),
}  # fmt: skip


@pytest.mark.parametrize("name", FAILURES)
@pytest.mark.parametrize("mode", MODES)
def test_an_entry_that_cannot_be_had_says_why(factories: dict[str, SandboxFactory], mode: str, name: str) -> None:
    files, entry, status, why = FAILURES[name]
    reply = asked(factories[mode], mode, Form(files), entry)
    assert reply.status is status, (reply.reason, reply.log)
    assert why in reply.reason
    assert "/candidate" not in reply.reason


@pytest.mark.parametrize("entry", ["math.py:f", "os.py:f", "my-prog/v1.2.py:f", "json/x.py:f", "runpy.py:f"])
def test_a_file_is_loaded_even_where_python_would_not_find_it(factories: dict[str, SandboxFactory], entry: str) -> None:
    for mode in MODES:
        reply = asked(factories[mode], mode, Form({entry.partition(":")[0]: "def f():\n    return 8\n"}), entry)
        assert reply.ok, (mode, reply.reason, reply.log)
        assert reply.value["value"] == 8


def test_packages_come_after_the_standard_library(factories: dict[str, SandboxFactory]) -> None:
    source = "import sys\ndef f():\n    names = [p.rpartition('/')[2] for p in sys.path]\n    return [sys.path[0].rpartition('/')[2], names]\n"
    for mode in MODES:
        first, names = asked(factories[mode], mode, Form({"m.py": source}), "m.py:f").value["value"]
        assert first == "candidate"
        assert names.index("lib-dynload") < names.index("site-packages" if mode == "none" else "site")


@pytest.mark.parametrize(
    ("text", "module", "file", "function"),
    [
        ("main.py:f", "main", "main.py", "f"),
        ("pkg/sub/m.py:f", "pkg.sub.m", "pkg/sub/m.py", "f"),
        ("pkg/__init__.py:f", "pkg", "pkg/__init__.py", "f"),
        ("__init__.py:f", "__init__", "__init__.py", "f"),
        ("pkg.sub.m:C.run", "pkg.sub.m", "", "C.run"),
        ("pkg:f", "pkg", "", "f"),
    ],
)
def test_both_forms_of_an_entry_are_read(text: str, module: str, file: str, function: str) -> None:
    assert parse_entry(text) == EntryPoint(module=module, file=file, function=function)


@pytest.mark.parametrize(
    ("text", "why"),
    [
        ("m.py", "an entry is"),
        ("", "an entry is"),
        ("m.py:", "an entry is"),
        (":f", "an entry is"),
        ("m.py:f()", "no function's name"),
        ("m.py:a-b", "no function's name"),
        ("/m.py:f", "relative"),
        ("../m.py:f", "relative"),
        ("./m.py:f", "relative"),
        ("pkg/m:f", r"pkg/m\.py:f or pkg\.m:f"),
        ("pkg..m:f", "an entry is"),
        ("my-pkg:f", "an entry is"),
    ],
)
def test_an_entry_of_another_form_is_refused_in_a_sentence(text: str, why: str) -> None:
    with pytest.raises(ValueError, match=why) as raised:
        parse_entry(text)
    assert "\n" not in str(raised.value)
