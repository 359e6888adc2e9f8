"""The house as it stands on disk: the README's tree, what each room says of itself, how many doors there are."""

from __future__ import annotations

import ast
import importlib
import re
from dataclasses import fields
from pathlib import Path

import pytest

from evolve._renamed import INITIAL_FOLDER, KEYS, OLD_INITIAL_FOLDER, PROBLEM_KEYS, VALUES
from evolve.config._compose import known_keys
from evolve.problem.contract._contract import Problem
from evolve.problem.contract._keys import STAGE, TOP

ROOT = Path(__file__).parents[2]
ROOMS = sorted(path.parent for top in ("evolve", "archive") for path in (ROOT / top).rglob("__init__.py"))


def tree_of_readme() -> set[str]:
    """The folders that the README's tree names, by path."""
    text = (ROOT / "README.md").read_text(encoding="utf-8").partition("## The tree")[2].split("```")[1]
    found, top = set(), ""
    for line in text.strip().splitlines():
        indent, name = re.match(r"( *)(\S+)/", line).groups()
        top = top if indent else name
        found.add(f"{top}/{name}" if indent else name)
    return found


def test_the_tree_in_the_readme_is_the_tree_on_disk():
    packages = {str(room.relative_to(ROOT)) for room in ROOMS if len(room.relative_to(ROOT).parts) <= 2}
    data = {name for name in ("problems", "configs", "benchmarks") if (ROOT / name).is_dir()}
    assert tree_of_readme() == packages | data


@pytest.mark.parametrize("room", ROOMS, ids=lambda room: str(room.relative_to(ROOT)))
def test_every_room_says_what_lives_there(room):
    said = ast.get_docstring(ast.parse((room / "__init__.py").read_text(encoding="utf-8")))
    assert said
    assert said.splitlines()[0].endswith((".", "``"))


def test_few_modules_stand_outside_of_all_rooms():
    assert len(list((ROOT / "evolve").glob("*.py"))) <= 8


def test_the_page_of_the_house_names_files_that_are_there():
    page = (ROOT / "docs" / "design" / "architecture.md").read_text(encoding="utf-8")
    named = set(re.findall(r"\b((?:evolve|archive|engine|search|execute|evaluate|confirm|runs)/[\w/]+\.py)\b", page))
    assert len(named) > 10
    assert [name for name in sorted(named) if not any((ROOT / base / name).is_file() for base in ("", "evolve"))] == []


def test_what_is_said_to_be_renamed_is_there_by_its_new_name_and_not_by_its_old_one():
    page = (ROOT / "docs" / "reference" / "renamed.md").read_text(encoding="utf-8").partition("## Modules")[2]
    rows = re.findall(r"^\| `([\w.]+)` \| `([\w.]+)` \|$", page, re.MULTILINE)
    places = [(ROOT / f"{old.replace('.', '/')}.py", ROOT / f"{new.replace('.', '/')}.py") for old, new in rows]
    assert len(rows) > 100
    assert [str(new) for _, new in places if not new.is_file()] == []
    taken = {str(new) for _, new in places}  # a name that another module has taken since
    assert [str(old) for old, _ in places if old.is_file() and str(old) not in taken] == []


def test_the_page_lists_every_key_that_has_another_name_and_the_new_one_is_known():
    page = (ROOT / "docs" / "reference" / "renamed.md").read_text(encoding="utf-8").partition("## Keys")[2].partition("\n## ")[0]
    rows = dict(re.findall(r"^\| (.+) \| (.+) \|$", page, re.MULTILINE)[1:])
    typed = {f"`{old}`": f"`{new}`" for old, new in KEYS.items()}
    typed |= {f"`{key}={old}`": f"`{key}={new}`" for (key, old), new in VALUES.items()}
    written = {f"`{old}:` in problem.yaml": f"`{new}:`" for old, new in PROBLEM_KEYS.items()}
    assert rows == typed | written | {f"folder `{OLD_INITIAL_FOLDER}/` of a problem": f"`{INITIAL_FOLDER}/`"}
    assert set(KEYS.values()) <= set(known_keys())
    assert not set(KEYS) & set(known_keys())
    assert set(PROBLEM_KEYS.values()) <= {*TOP, *STAGE}


@pytest.mark.parametrize("path", [
    pytest.param(path, id=path.replace(".", "-")) for path in re.findall(
        r"^\| `[\w.]+` \| `((?:archive|evolve)[\w.]+)` \|$",
        (ROOT / "docs" / "reference" / "renamed.md").read_text(encoding="utf-8").partition("## Modules")[0], re.MULTILINE,
    )
])  # fmt: skip
def test_what_python_gives_by_another_name_is_there(path):
    module, _, name = path.rpartition(".")
    if module == "evolve.Problem":
        assert name in {field.name for field in fields(Problem)}
    else:
        assert name in importlib.import_module(module).__all__


def test_the_command_line_reads_no_search_state():
    """What it prints are values of ``evolve.views``; that it imports nothing of the search is in the import contract."""
    reads = [
        f"{file.relative_to(ROOT)}:{node.lineno}"
        for file in sorted((ROOT / "evolve" / "cli").rglob("*.py"))
        for node in ast.walk(ast.parse(file.read_text(encoding="utf-8")))
        if isinstance(node, ast.Attribute) and node.attr == "state"
    ]
    assert reads == []


# Private modules that tests of what a user sees may name, each for its reason; what else is private is tested in the folder that
# mirrors its room.
ERRORS = "evolve._errors"  # of all the errors that are documented only the base has a public name
STRANGE = {
    "runs/test_folder.py": "evolve.runs._folder",  # it tests this module, and its room is this folder
    "runs/test_inbox.py": "evolve.runs._inbox",  # likewise
    "cli/test_tool_words.py": "evolve.engine.requests._client",  # how long a driver is waited for, half a minute, is shortened
    "problems/test_speedrun.py": "evolve.redteam._cases",  # a few programs of its corpus are measured, not all as the verb does
    "cli/test_unanswered.py": "evolve.budget._model_limits",  # how long a model rests, a minute and more, is shortened
}


def private_modules(file: Path) -> set[str]:
    """The private modules of the engine that a test file imports, or patches by name."""
    named = set()
    for node in ast.walk(ast.parse(file.read_text(encoding="utf-8"))):
        if isinstance(node, ast.Import):
            named |= {alias.name for alias in node.names}
        elif isinstance(node, ast.ImportFrom) and node.module and not node.level:
            named |= {node.module, *(f"{node.module}.{alias.name}" for alias in node.names if alias.name.startswith("_"))}
        elif isinstance(node, ast.Call) and isinstance(node.func, ast.Attribute) and node.func.attr == "setattr":
            named |= {one.value for one in node.args[:1] if isinstance(one, ast.Constant) and isinstance(one.value, str)}
    found = (re.match(r"(?:evolve|archive)(?:\.[a-z]\w*)*\._[a-z]\w*", name) for name in named)
    return {one[0] for one in found if one}


def strange(file: Path) -> set[str]:
    """Of these, those that a test of what a user sees should not know; the command line's tests may know its modules."""
    own = ("evolve.cli.",) if file.parent.name == "cli" else ()
    return {name for name in private_modules(file) if name != ERRORS and not name.startswith(own)}


@pytest.mark.parametrize("folder", ["api", "cli", "problems", "runs"])
def test_tests_of_what_a_user_sees_import_what_a_user_imports(folder):
    files = sorted((ROOT / "tests" / folder).glob("*.py"))
    assert files
    allowed = {f"{folder}/{file.name}": {STRANGE[name]} for file in files if (name := f"{folder}/{file.name}") in STRANGE}
    assert {f"{folder}/{file.name}": names for file in files if (names := strange(file))} == allowed
