"""What a change imports and lies beside it is handed in too, or named: such a child could only fail."""

from __future__ import annotations

import json
import shlex
from pathlib import Path

import pytest
from cli_process import SETTINGS, Say, write_problem

from evolve.cli.external._handed_in import handed_in
from evolve.cli.external._neighbours import lacking

PROGRAM = {"main.py": "import os\n", "lib/a.py": "", "lib/__init__.py": "", "names/data.py": "", "old.py": "import helper\n"}
LYING = (
    *("helper.py", "pkg/__init__.py", "pkg/mod.py", "space/deep/inner.py", "random.py", "lib/b.py", "lib/sub/__init__.py"),
    *("names/more.py", "old.py"),
)


@pytest.fixture
def work(tmp_path: Path) -> Path:
    for path in (*PROGRAM, *LYING):
        place = tmp_path / "work" / path
        place.parent.mkdir(parents=True, exist_ok=True)
        place.write_text(PROGRAM.get(path, ""))
    return tmp_path / "work"


def lacks(work: Path, path: str, text: str, *more: str, folder: str | None = None) -> tuple[str, ...]:
    (work / path).write_text(text)
    handed = handed_in([str(work / one) for one in (path, *more)], folder, PROGRAM, may_add=True)
    files = {one.path: one.place.read_text() for one in handed}
    return lacking(handed, files, PROGRAM, 1 << 20)


@pytest.mark.parametrize(
    ("path", "text", "missing"),
    [
        ("main.py", "import helper\n", ("helper.py",)),
        ("main.py", "import os, helper as h\n", ("helper.py",)),
        ("main.py", "from helper import x\n", ("helper.py",)),
        ("main.py", "from helper import *\n", ("helper.py",)),
        ("main.py", "from .helper import x\n", ("helper.py",)),
        ("main.py", "from . import helper\n", ("helper.py",)),
        ("main.py", "def f():\n    with a:\n        import helper\n", ("helper.py",)),
        ("main.py", "match a:\n    case 1:\n        import helper\n", ("helper.py",)),
        ("main.py", "import pkg.mod\n", ("pkg/__init__.py", "pkg/mod.py")),
        ("main.py", "from pkg import mod\n", ("pkg/__init__.py", "pkg/mod.py")),
        ("main.py", "from pkg import other\n", ("pkg/__init__.py",)),
        ("main.py", "import space.deep.inner\n", ("space/deep/inner.py",)),
        ("main.py", "import lib.b\n", ("lib/b.py",)),
        ("main.py", "from lib import b\n", ("lib/b.py",)),
        ("main.py", "import names.more\n", ("names/more.py",)),
        ("lib/a.py", "from .b import x\n", ("lib/b.py",)),
        ("lib/a.py", "from . import sub\n", ("lib/sub/__init__.py",)),
        ("lib/a.py", "from ..helper import x\n", ("helper.py",)),
        ("lib/a.py", "import helper\n", ("helper.py",)),
        ("lib/a.py", "import b\n", ("lib/b.py",)),
        ("main.py", "try:\n    import helper\nexcept ValueError:\n    pass\n", ("helper.py",)),
        ("main.py", "try:\n    import x\nexcept ImportError:\n    pass\nelse:\n    import helper\n", ("helper.py",)),
        ("main.py", "if a:\n    pass\n" + "elif b:\n    pass\n" * 2000 + "else:\n    import helper\n", ("helper.py",)),
        ("main.py", "import lib.a, names.data, os.path, gone, gone.more\n", ()),
        ("main.py", "import random\n", ()),  # Python's own
        ("main.py", "from ..helper import x\n", ()),  # above the program
        ("main.py", "import helper.inner\nimport helper(\n", ()),  # does not parse: measured as invalid
        ("main.py", f"import {'h' * 300}\n", ()),
        ("main.py", "try:\n    import helper\nexcept (KeyError, ModuleNotFoundError):\n    helper = None\n", ()),
        ("main.py", "if typing.TYPE_CHECKING:\n    import helper\n", ()),
        ("main.py", "if __name__ == '__main__':\n    import helper\n", ()),
        ("main.py", "'import helper'\n# import helper\n", ()),
        ("old.py", "import helper\nx = 1\n", ()),  # it did before
    ],
)
def test_what_is_imported_and_lies_there_is_known(work: Path, path: str, text: str, missing: tuple[str, ...]) -> None:
    assert lacks(work, path, text) == missing


def test_what_is_imported_in_turn_is_needed_too_and_what_is_handed_in_is_not_missing(work: Path) -> None:
    (work / "helper.py").write_text("import pkg\nimport main\n")
    (work / "pkg" / "__init__.py").write_text("from .mod import x\nfrom helper import y\n")
    assert lacks(work, "main.py", "import helper\n") == ("helper.py", "pkg/__init__.py", "pkg/mod.py")
    assert lacks(work, "main.py", "import helper\n", "pkg/mod.py", "helper.py", folder=str(work)) == ("pkg/__init__.py",)
    (work / "pkg" / "__init__.py").write_text("")
    assert lacks(work, "main.py", "import pkg.mod\n", "pkg/mod.py", folder=str(work)) == ()  # a folder is a package too
    (work / "pkg" / "__init__.py").write_text("mod = 1\n")
    assert lacks(work, "main.py", "from pkg import mod\n", "pkg/__init__.py", folder=str(work)) == ()  # no module


def test_a_file_known_by_its_last_name_has_the_neighbours_of_its_own_folder(tmp_path: Path) -> None:
    (tmp_path / "b.py").write_text("")
    (tmp_path / "helper.py").write_text("")
    (tmp_path / "a.py").write_text("from . import b\nfrom .. import helper\nimport lib.b\n")
    (handed,) = handed_in([str(tmp_path / "a.py")], None, PROGRAM, may_add=True)
    assert lacking([handed], {"lib/a.py": handed.place.read_text()}, PROGRAM, 99) == ("lib/b.py",)


@pytest.mark.parametrize("may_add", [False, True])
def test_a_child_without_what_it_imports_is_refused_and_told_what_to_type(say: Say, tmp_path: Path, may_add: bool) -> None:
    problem, run, work = write_problem(tmp_path / "tiny"), tmp_path / "the run", tmp_path / "work"
    (problem / "problem.yaml").write_text((problem / "problem.yaml").read_text() + f"may_add_files: {str(may_add).lower()}\n")
    say("run", "--json", f"problem={problem}", "search=fixed_candidates", f"out={run}", *SETTINGS)
    say("ask", run, "--parent", "seed", "--out", work)
    (ticket,) = (one.stem.removeprefix("TASK@") for one in work.glob("TASK@*.md"))
    (work / "main.py").write_text("from helper import X\n\n\ndef point(sleep):\n    return [X, 2.0]\n")
    (work / "helper.py").write_text("X = 1.0\n")
    found = json.loads(say("tell", run, ticket, work / "main.py", "--json", code=1))
    assert (found["status"], found["candidate"], found["left_out"]) == ("invalid", None, ["helper.py"])
    said = "the change needs helper.py, which is no part of it: "
    out = say("tell", run, ticket, work / "main.py", code=1)
    assert "left out, no part of the child: helper.py" in out
    if not may_add:
        assert found["reason"] == f"{said}this problem takes no new files."
        assert json.loads(say("tell", run, ticket, "--dir", work, "--json", code=1))["reason"] == found["reason"]
        return
    assert found["reason"].startswith(f"{said}it was not handed in; type: evolve tell ")
    command = shlex.split(found["reason"].partition("type: evolve ")[2])
    told = json.loads(say(*command, "--wait", "--json"))
    assert (told["status"], told["result"]["score"], told["left_out"]) == ("accepted", 0.0, [])


def test_where_the_folder_is_no_programs_it_says_how_to_lay_one_out(say: Say, tmp_path: Path) -> None:
    problem, run = write_problem(tmp_path / "tiny"), tmp_path / "run"
    (problem / "problem.yaml").write_text((problem / "problem.yaml").read_text() + "may_add_files: true\n")
    (problem / "initial" / "lib").mkdir()
    (problem / "initial" / "lib" / "a.py").write_text("")
    say("run", "--json", f"problem={problem}", "search=fixed_candidates", f"out={run}", *SETTINGS)
    ticket = json.loads(say("ask", run, "--json"))["ticket"]
    (tmp_path / "a.py").write_text("from . import b\n")
    (tmp_path / "b.py").write_text("")
    reason = json.loads(say("tell", run, ticket, tmp_path / "a.py", "--json", code=1))["reason"]
    assert reason.endswith(
        f"lay them into a folder as they lie in the program and type: evolve tell {run} {ticket} --dir DIR lib/a.py lib/b.py"
    )
