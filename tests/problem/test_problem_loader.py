"""Folders become problems: files, identity, params, copies."""

from __future__ import annotations

import json
import os
import shutil
from pathlib import Path

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st
from problem_folders import MINIMAL, write_problem

from evolve._errors import MissingPackage, ProblemError
from evolve.problem._find import builtin_problems
from evolve.problem._load import copy_problem, load_problem
from evolve.problem._packaged import resource_folder
from evolve.problem.contract._contract import Param

PARAMS = MINIMAL + "params: {n: 3, rate: 0.5, kind: {default: a, choices: [a, b]}, on_top: false}\n"


def test_a_minimal_folder(tmp_path: Path) -> None:
    problem = load_problem(write_problem(tmp_path / "tiny"))
    assert problem.contract.editable == ("main.py",)
    assert problem.initial_files == {"main.py": "x = 1\n"}
    assert problem.id.startswith("tiny@")
    assert (problem.assets, problem.statement, problem.params) == (None, "", {})


@pytest.mark.parametrize("name", builtin_problems())
def test_built_in_problems_are_found_by_name_from_anywhere(name: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.chdir(tmp_path)
    problem = load_problem(name, prepare=False)
    assert problem.contract.name == name
    assert problem.folder == resource_folder("problems") / name
    assert problem.statement


def test_a_folder_is_found_by_text_path_and_link(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    folder = write_problem(tmp_path / "tiny")
    (tmp_path / "link").symlink_to(folder)
    monkeypatch.chdir(tmp_path)
    assert load_problem("./tiny") == load_problem("tiny") == load_problem(folder) == load_problem(tmp_path / "link")
    monkeypatch.chdir(folder)
    assert load_problem(".") == load_problem(folder)


@pytest.mark.parametrize(
    ("where", "said"),
    [
        ("circle_packin", r"found 'circle_packin'; did you mean circle_packing\?"),
        ("zzz", r"found 'zzz'; the built-in ones are circle_packing"),
        ("./nothing", r"expected a problem folder at nothing, found nothing"),
        ("", r"expected the name of a built-in problem or a folder, found ''"),
    ],
)
def test_what_is_not_there(where: str, said: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.chdir(tmp_path)
    with pytest.raises(ProblemError, match=said):
        load_problem(where)


def test_params_are_typed_by_their_defaults(tmp_path: Path) -> None:
    folder = write_problem(tmp_path / "p", PARAMS)
    assert load_problem(folder).params == {"n": 3, "rate": 0.5, "kind": "a", "on_top": False}
    chosen = load_problem(folder, {"rate": 2, "kind": "b"}).params
    assert chosen == {"n": 3, "rate": 2.0, "kind": "b", "on_top": False}
    assert type(chosen["rate"]) is float


@pytest.mark.parametrize(
    ("params", "said"),
    [
        ({"m": 1}, r"problem.params.m: tiny has no such param"),
        ({"knd": "b"}, r"did you mean kind\?"),
        ({"n": 1.0}, r"expected a whole number, found 1.0; write for example problem.params.n=3"),
        ({"n": True}, r"expected a whole number, found True"),
        ({"on_top": 1}, r"expected true or false, found 1"),
        ({"kind": 1}, r"expected text, found 1"),
        ({"kind": "c"}, r"expected one of a, b, found 'c'"),
        ({"rate": float("nan")}, r"expected a number, found nan"),
    ],
)
def test_a_wrong_param_is_told(tmp_path: Path, params: dict[str, Param], said: str) -> None:
    with pytest.raises(ProblemError, match=said):
        load_problem(write_problem(tmp_path / "p", PARAMS), params)


def test_identity_rests_on_meaning(tmp_path: Path) -> None:
    base = load_problem(write_problem(tmp_path / "a", PARAMS))
    same = load_problem(
        write_problem(tmp_path / "b", f"# other comment\n{PARAMS}budget: {{wall_s: 5}}\n", README_md="new", redteam__x_py="1")
    )
    assert (same.id, same.evaluator) == (base.id, base.evaluator)
    other = load_problem(tmp_path / "a", {"n": 4})
    assert other.id != base.id
    assert other.evaluator != base.evaluator
    assert load_problem(write_problem(tmp_path / "c", f"{PARAMS}unit: s\n")).id != base.id


@pytest.mark.parametrize("path", ["evaluate.py", "helper.py", "data.json", "statement.md", "initial/main.py", "initial/more.py"])
def test_the_evaluator_hash_covers_what_decides_a_score(tmp_path: Path, path: str) -> None:
    folder = write_problem(tmp_path / "p")
    before = load_problem(folder)
    (folder / path).write_text("y = 2\n")
    after = load_problem(folder)
    assert after.id == before.id
    assert after.evaluator != before.evaluator


def test_a_pipe_is_refused(tmp_path: Path) -> None:
    folder = write_problem(tmp_path / "p")
    os.mkfifo(folder / "pipe")
    with pytest.raises(ProblemError, match="found a pipe, socket or device"):
        load_problem(folder)


@pytest.mark.parametrize(
    ("contract", "path", "data", "said"),
    [
        (
            MINIMAL + "editable: [mian.py]\n",
            "x",
            b"",
            r"editable: expected a file of initial/, found 'mian.py'; did you mean main.py\?",
        ),
        (MINIMAL + "max_bytes: 5\n", "x", b"", r"initial: expected at most 5 bytes, found 6"),
        (MINIMAL, "initial/a.bin", b"\xff\xfe", r"a.bin: expected a readable UTF-8 text"),
        (MINIMAL, "initial/a.py", b"a\0b", r"a.py: expected a text, found a NUL character"),
        (MINIMAL, "statement.md", b"\xff", r"statement.md: expected a readable UTF-8 text"),
    ],
)
def test_broken_folders_are_told(tmp_path: Path, contract: str, path: str, data: bytes, said: str) -> None:
    folder = write_problem(tmp_path / "p", contract)
    (folder / path).write_bytes(data)
    with pytest.raises(ProblemError, match=said):
        load_problem(folder)


@pytest.mark.parametrize(
    ("gone", "said"), [("initial", "expected the initial program in"), ("evaluate.py", "expected a file evaluate.py")]
)
def test_missing_parts_are_told(tmp_path: Path, gone: str, said: str) -> None:
    folder = write_problem(tmp_path / "p")
    (folder / gone).rename(tmp_path / "away")
    with pytest.raises(ProblemError, match=said):
        load_problem(folder)


def test_missing_packages_are_told_unless_only_read(tmp_path: Path) -> None:
    contract = MINIMAL + "candidate_imports: [numpy, no-such-dist]\nrequires: [nor-this-one]\n"
    folder = write_problem(tmp_path / "p", contract)
    with pytest.raises(
        MissingPackage, match=r"tiny needs nor-this-one, no-such-dist, which are .*run: pip install nor-this-one no-such-dist"
    ):
        load_problem(folder)
    assert load_problem(folder, prepare=False).contract.requires == ("nor-this-one",)


# ------------------------------------------------------------------------------------------------ copies


@settings(max_examples=25, deadline=None, suppress_health_check=[HealthCheck.function_scoped_fixture])
@given(n=st.integers(-5, 5), rate=st.floats(-10, 10), kind=st.sampled_from("ab"))
def test_a_copy_loads_to_the_same_problem(tmp_path: Path, n: int, rate: float, kind: str) -> None:
    folder, target = tmp_path / "p", tmp_path / "copy"
    shutil.rmtree(target, ignore_errors=True)
    write_problem(folder, PARAMS, helper_py="y = 1\n", statement_md="do", README_md="read")
    problem = load_problem(folder, {"n": n, "rate": rate, "kind": kind})
    copy = copy_problem(problem, target)
    assert load_problem(target) == copy
    assert (copy.id, copy.evaluator, copy.params, copy.initial_files) == (
        problem.id,
        problem.evaluator,
        problem.params,
        problem.initial_files,
    )
    assert load_problem(target, problem.params) == copy


def test_a_copy_of_a_copy_is_the_same(tmp_path: Path) -> None:
    first = copy_problem(load_problem(write_problem(tmp_path / "p", PARAMS), {"n": 9}), tmp_path / "one")
    second = copy_problem(first, tmp_path / "two")
    assert (second.id, second.evaluator, second.params) == (first.id, first.evaluator, first.params)


@pytest.mark.parametrize("path", ["evaluate.py", "initial/main.py", "problem.yaml"])
def test_a_changed_copy_is_another_problem_with_the_params_of_the_copy(tmp_path: Path, path: str) -> None:
    copy = copy_problem(load_problem(write_problem(tmp_path / "p", PARAMS), {"n": 9}), tmp_path / "copy")
    with (tmp_path / "copy" / path).open("a") as file:
        file.write("unit: s\n" if path == "problem.yaml" else "y = 2\n")
    changed = load_problem(tmp_path / "copy")
    assert changed.evaluator != copy.evaluator
    assert changed.params == copy.params


def test_other_params_may_be_given_for_a_copy(tmp_path: Path) -> None:
    folder = write_problem(tmp_path / "p", PARAMS)
    copy_problem(load_problem(folder, {"n": 9}), tmp_path / "copy")
    again = load_problem(tmp_path / "copy", {"n": 3})
    assert (again.id, again.evaluator) == (load_problem(folder).id, load_problem(folder).evaluator)


@pytest.mark.parametrize("text", ["", "{}", "[]", '{"params": 3, "id": "", "evaluator": ""}', "[" * 100_000])
def test_a_file_of_the_problems_own_may_have_the_name_of_a_copys_record(tmp_path: Path, text: str) -> None:
    folder = write_problem(tmp_path / "p")
    (folder / "bundle.json").write_text(text)
    problem = load_problem(folder)
    copy = copy_problem(problem, tmp_path / "copy")
    assert (tmp_path / "copy" / "bundle.json").read_text() == text
    assert load_problem(tmp_path / "copy") == copy
    (folder / "bundle.json").write_text("other")
    assert load_problem(folder).evaluator != problem.evaluator


def test_a_copy_never_overwrites(tmp_path: Path) -> None:
    problem = load_problem(write_problem(tmp_path / "p"))
    (tmp_path / "full").mkdir()
    (tmp_path / "full" / "mine.txt").write_text("mine")
    with pytest.raises(ProblemError, match="expected no folder or an empty one"):
        copy_problem(problem, tmp_path / "full")
    assert (tmp_path / "full" / "mine.txt").read_text() == "mine"
    (tmp_path / "empty").mkdir()
    assert copy_problem(problem, tmp_path / "empty").id == problem.id


def test_a_folder_that_changed_since_it_was_loaded_is_not_copied(tmp_path: Path) -> None:
    problem = load_problem(write_problem(tmp_path / "p"))
    (tmp_path / "p" / "evaluate.py").write_text("changed = 1\n")
    with pytest.raises(ProblemError, match=r"evaluate\.py in .* was changed while it was copied"):
        copy_problem(problem, tmp_path / "copy")
    assert [path.name for path in tmp_path.iterdir()] == ["p"]


def test_a_copy_leaves_caches_behind_and_keeps_the_rest(tmp_path: Path) -> None:
    folder = write_problem(tmp_path / "p", redteam__cheat_py="1", README_md="r")
    (folder / "__pycache__").mkdir()
    (folder / "__pycache__" / "a.pyc").write_text("x")
    copy_problem(load_problem(folder), tmp_path / "copy")
    names = sorted(path.relative_to(tmp_path / "copy").as_posix() for path in (tmp_path / "copy").rglob("*") if path.is_file())
    assert names == ["README.md", "bundle.json", "evaluate.py", "initial/main.py", "problem.yaml", "redteam/cheat.py"]
    assert json.loads((tmp_path / "copy" / "bundle.json").read_text())["schema"] == 1
