"""What of a folder belongs to a problem, and that a copy is the same whatever lies in it."""

from __future__ import annotations

import os
import shutil
import socket
import stat
import sys
from pathlib import Path

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st
from problem_folders import MINIMAL, write_problem

from evolve._errors import ProblemError
from evolve.problem._files import MAX_FOLDER_BYTES, Piece, copy_pieces, difference, hash_pieces, scan
from evolve.problem._load import copy_problem, load_problem
from evolve.problem.contract._contract import Problem

ODD_NAMES = [
    "a b",
    " ",
    "-rf",
    "ä",
    "e\u0301",
    "new\nline",
    "tab\there",
    '"quotes"',
    "back\\slash",
    "*.txt",
    "a" * 255,
    "..x",
    "\udcff",
]


def _copied(problem: Problem, target: Path) -> Problem:
    shutil.rmtree(target, ignore_errors=True)
    return copy_problem(problem, target)


def _tree(folder: Path) -> dict[str, object]:
    """Everything below a folder: bytes, links, folders, and what may be executed."""
    found: dict[str, object] = {}
    for here, folders, files in os.walk(folder):
        for name in [*folders, *files]:
            path = Path(here, name)
            key = str(path.relative_to(folder))
            if path.is_symlink():
                found[key] = ("link", os.readlink(path))
            elif path.is_dir():
                found[key] = "folder"
            else:
                found[key] = (path.read_bytes(), bool(path.stat().st_mode & stat.S_IXUSR))
    return found


@pytest.mark.parametrize(
    "path", [".config", ".env", ".data/table.json", ".gitignore", "data/.hidden", "runs/table.json", "initial/.rc"]
)
def test_hidden_files_belong_to_a_problem_and_decide_scores(tmp_path: Path, path: str) -> None:
    folder = write_problem(tmp_path / "p")
    before = load_problem(folder)
    (folder / path).parent.mkdir(exist_ok=True)
    (folder / path).write_text("x = 1\n")
    problem = load_problem(folder)
    assert problem.evaluator != before.evaluator
    _copied(problem, tmp_path / "copy")
    assert (tmp_path / "copy" / path).read_text() == "x = 1\n"


def test_a_hidden_file_of_the_program_is_run_but_changed_only_where_the_contract_names_it(tmp_path: Path) -> None:
    folder = write_problem(tmp_path / "p")
    (folder / "initial" / ".rc").write_text("x = 1\n")
    assert (load_problem(folder).contract.editable, sorted(load_problem(folder).initial_files)) == (
        ("main.py",),
        [".rc", "main.py"],
    )
    write_problem(folder, MINIMAL + "editable: [.rc]\n")
    assert load_problem(folder).contract.editable == (".rc",)


@pytest.mark.parametrize(
    "path",
    [
        *("__pycache__/evaluate.cpython-311.pyc", "initial/__pycache__/main.pyc", ".git/HEAD", "sub/.git", ".hg/store", ".svn/x"),
        *(
            "initial/main.py~",
            ".evaluate.py.swp",
            "#evaluate.py#",
            ".#evaluate.py",
            ".DS_Store",
            ".idea/x",
            ".vscode/settings.json",
        ),
        *(".mypy_cache/x", ".pytest_cache/x", ".ruff_cache/x", "initial/.ipynb_checkpoints/x", ".venv/bin/python"),
    ],
)
def test_what_tools_leave_behind_does_not_count(tmp_path: Path, path: str) -> None:
    folder = write_problem(tmp_path / "p")
    before = load_problem(folder)
    (folder / path).parent.mkdir(parents=True, exist_ok=True)
    (folder / path).write_text("x")
    assert load_problem(folder) == before


def test_a_virtual_environment_is_known_by_its_marker_and_its_links_are_no_matter(tmp_path: Path) -> None:
    folder = write_problem(tmp_path / "p")
    before = load_problem(folder)
    (folder / "my-env" / "bin").mkdir(parents=True)
    (folder / "my-env" / "pyvenv.cfg").write_text("home = /usr/bin\n")
    (folder / "my-env" / "bin" / "python").symlink_to(sys.executable)
    assert load_problem(folder) == before


@pytest.mark.parametrize("place", ["first", "results/first", "runs/first", "runs/deep/first"])
def test_runs_below_a_problem_are_no_part_of_it(tmp_path: Path, place: str) -> None:
    folder = write_problem(tmp_path / "p")
    before = load_problem(folder)
    (folder / place).mkdir(parents=True)
    (folder / place / "run.json").write_text('{"format": 1, "run": "0011", "problem": "tiny"}\n')
    (folder / place / "notes.txt").write_text("x")
    assert load_problem(folder) == before
    (folder / "other").mkdir()
    (folder / "other" / "run.json").write_text('{"laps": 3}\n')
    assert load_problem(folder) != before


def test_a_copy_keeps_links_empty_folders_and_what_may_be_executed(tmp_path: Path) -> None:
    folder = write_problem(tmp_path / "p")
    (folder / "data" / "empty").mkdir(parents=True)
    (folder / "data" / "table.txt").write_text("1")
    (folder / "latest").symlink_to("data/table.txt")
    (folder / "data" / "up").symlink_to("../evaluate.py")
    (folder / "all").symlink_to("data")
    (folder / "not-yet").symlink_to("cache/later")
    (folder / "around").symlink_to("../p/data/table.txt")
    (folder / "absolute").symlink_to(folder / "data" / "table.txt")
    (folder / "initial" / "alias.py").symlink_to("main.py")
    (folder / "run.sh").write_text("#!/bin/sh\n")
    (folder / "run.sh").chmod(0o755)
    (folder / "key").write_text("k")
    (folder / "key").chmod(0o400)
    problem = load_problem(folder)
    assert problem.initial_files["alias.py"] == problem.initial_files["main.py"]
    copy = _copied(problem, tmp_path / "copy")
    assert (copy.id, copy.evaluator) == (problem.id, problem.evaluator)
    there = _tree(tmp_path / "copy")
    del there["bundle.json"]
    for rewritten in ("around", "absolute"):
        assert there[rewritten] == ("link", "data/table.txt")
    shutil.rmtree(folder)
    assert (tmp_path / "copy" / "around").read_text() == (tmp_path / "copy" / "absolute").read_text() == "1"
    assert (tmp_path / "copy" / "key").stat().st_mode & 0o777 == 0o600  # nobody else may read it, and its owner may write it
    assert load_problem(tmp_path / "copy") == copy


@pytest.mark.parametrize("what", ["mode", "link", "folder"])
def test_the_evaluator_hash_covers_modes_links_and_empty_folders(tmp_path: Path, what: str) -> None:
    folder = write_problem(tmp_path / "p", helper_py="x = 1\n", other_py="x = 1\n")
    (folder / "link").symlink_to("helper.py")
    before = load_problem(folder).evaluator
    if what == "mode":
        (folder / "helper.py").chmod(0o755)
    elif what == "link":
        (folder / "link").unlink()
        (folder / "link").symlink_to("other.py")
    else:
        (folder / "empty").mkdir()
    assert load_problem(folder).evaluator != before


def test_permissions_of_others_do_not_count(tmp_path: Path) -> None:
    folder = write_problem(tmp_path / "p")
    before = load_problem(folder)
    (folder / "evaluate.py").chmod(0o664)
    assert load_problem(folder) == before


def test_plain_files_are_hashed_as_ever() -> None:
    assert hash_pieces([Piece("evaluate.py", "file", "aa"), Piece("data/x", "file", "bb")]) == "1ae42d0f26d50666"


@pytest.mark.parametrize("target", ["/etc/hostname", "../outside.txt", "..", "../gone"])
@pytest.mark.parametrize("place", ["data.txt", "initial/extra.py"])
def test_a_link_out_of_the_folder_is_refused_by_name(tmp_path: Path, place: str, target: str) -> None:
    folder = write_problem(tmp_path / "p")
    (tmp_path / "outside.txt").write_text("x")
    (folder / place).symlink_to(f"../{target}" if place.startswith("initial/") and target.startswith("..") else target)
    with pytest.raises(ProblemError, match=rf"{place} is a symbolic link out of the folder, to .*; put a copy there"):
        load_problem(folder)


def test_a_link_to_what_is_left_out_is_refused_by_name(tmp_path: Path) -> None:
    folder = write_problem(tmp_path / "p")
    (folder / ".git").mkdir()
    (folder / ".git" / "HEAD").write_text("x")
    (folder / "head").symlink_to(".git/HEAD")
    with pytest.raises(ProblemError, match=r"head is a symbolic link to \.git/HEAD, which is left out"):
        load_problem(folder)


@pytest.mark.parametrize("target", ["../data", "nowhere", "link"])
def test_a_link_in_the_program_must_lead_to_a_file(tmp_path: Path, target: str) -> None:
    folder = write_problem(tmp_path / "p", data__x_py="1")
    (folder / "initial" / "link").symlink_to(target)
    with pytest.raises(ProblemError, match="link: expected a file, found a symbolic link to"):
        load_problem(folder)


@pytest.mark.skipif(os.getuid() == 0, reason="root may read everything")
@pytest.mark.parametrize("path", ["data.txt", "data"])
def test_what_may_not_be_read_is_named(tmp_path: Path, path: str) -> None:
    folder = write_problem(tmp_path / "p")
    place = folder / path
    place.mkdir() if path == "data" else place.write_text("x")
    place.chmod(0)
    try:
        with pytest.raises(ProblemError, match=rf"{path} cannot be read \(Permission denied\)"):
            load_problem(folder)
    finally:
        place.chmod(0o700)


def test_special_files_are_refused_by_name(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    folder = write_problem(tmp_path / "p")
    monkeypatch.chdir(folder)  # a socket's path is short
    with socket.socket(socket.AF_UNIX) as server:
        server.bind("here.sock")
        with pytest.raises(ProblemError, match=r"here\.sock: expected a file or a folder, found a pipe, socket or device"):
            load_problem(folder)


def test_too_much_is_refused_and_what_is_large_is_copied(tmp_path: Path) -> None:
    folder = write_problem(tmp_path / "p")
    with (folder / "large.bin").open("wb") as file:
        file.truncate(8 << 20)
        file.seek(5 << 20)
        file.write(b"here")
    copy_problem(load_problem(folder), tmp_path / "copy")
    assert (tmp_path / "copy" / "large.bin").read_bytes() == (folder / "large.bin").read_bytes()
    with (folder / "large.bin").open("wb") as file:
        file.truncate(MAX_FOLDER_BYTES + 1)
    with pytest.raises(ProblemError, match="expected at most 256 MiB of files"):
        load_problem(folder)


names = st.sampled_from(ODD_NAMES) | st.text(
    st.characters(exclude_characters="/\0", exclude_categories=["Cs"]), min_size=1, max_size=20
)


@settings(max_examples=40, deadline=None, suppress_health_check=[HealthCheck.function_scoped_fixture])
@given(names=st.lists(names, min_size=1, max_size=6), kinds=st.lists(st.sampled_from("fxdl"), min_size=6, max_size=6))
def test_whatever_lies_in_a_folder_its_copy_is_the_same_to_the_last_byte(
    tmp_path: Path, names: list[str], kinds: list[str]
) -> None:
    folder, target = tmp_path / "p", tmp_path / "copy"
    for one in (folder, target):
        shutil.rmtree(one, ignore_errors=True)
    folder.mkdir()
    (folder / "base").write_bytes(b"\x00\xff")
    for name, kind in zip(names, kinds, strict=False):
        place = folder / name
        if os.path.lexists(place) or name in (".", "..") or len(os.fsencode(name)) > 255:
            continue
        if kind == "d":
            place.mkdir()
        elif kind == "l":
            place.symlink_to("base")
        else:
            place.write_bytes(os.fsencode(name))
            place.chmod(0o755 if kind == "x" else 0o644)
    pieces = scan(folder)
    target.mkdir()
    copy_pieces(folder, pieces, target)
    assert scan(target) == pieces
    assert hash_pieces(scan(target)) == hash_pieces(pieces)
    assert not any(difference(target, one) for one in pieces)
    held, there = {one.path for one in pieces}, _tree(target)
    assert {path: what for path, what in _tree(folder).items() if path in held} == there
