"""prepare.py runs once, its files are named by their contents, and a changed one is noticed."""

from __future__ import annotations

import os
import shutil
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path

import pytest
from problem_folders import ASSETS, MINIMAL, PREPARE, write_problem

from evolve._errors import EnvironmentFault, ProblemError
from evolve.problem._assets import cache_folder
from evolve.problem._load import candidate_assets_folder, copy_problem, load_problem


@pytest.fixture(autouse=True)
def cache(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    monkeypatch.setenv("EVOLVE_CACHE", str(tmp_path / "cache"))
    return tmp_path / "cache"


def names(folder: Path) -> list[str]:
    return sorted(path.relative_to(folder).as_posix() for path in folder.rglob("*") if path.is_file())


def test_assets_are_made_once_and_shown_apart(tmp_path: Path) -> None:
    folder = write_problem(tmp_path / "p", ASSETS, prepare_py=PREPARE)
    said: list[str] = []
    problem = load_problem(folder, progress=said.append)
    assert said == ["tiny: preparing assets, once", "counting to 3"]
    assert problem.assets is not None
    assert names(problem.assets) == ["answers.txt", "public/table.txt"]
    shown = candidate_assets_folder(problem)
    assert shown is not None
    assert names(shown) == ["public/table.txt"]
    assert load_problem(folder, progress=said.append) == problem
    assert (tmp_path / "prepared.log").read_text() == "once\n"
    assert names(folder) == ["evaluate.py", "initial/main.py", "prepare.py", "problem.yaml"]


@pytest.mark.parametrize(
    ("path", "again"),
    [("prepare.py", True), ("helper.py", True), ("evaluate.py", False), ("README.md", False), ("initial/main.py", False)],
)
def test_what_makes_assets_decides_when_they_are_made_again(tmp_path: Path, path: str, again: bool) -> None:
    folder = write_problem(tmp_path / "p", ASSETS, prepare_py=PREPARE)
    load_problem(folder)
    with (folder / path).open("a") as file:
        file.write("\n# changed\n")
    load_problem(folder)
    assert (tmp_path / "prepared.log").read_text() == "once\n" * (2 if again else 1)


def test_params_reach_prepare(tmp_path: Path) -> None:
    folder = write_problem(tmp_path / "p", ASSETS + "params: {n: 7}\n", prepare_py=PREPARE)
    said: list[str] = []
    load_problem(folder, {"n": 8}, progress=said.append)
    assert said[-1] == "counting to 8"


def test_reading_prepares_nothing(tmp_path: Path) -> None:
    folder = write_problem(tmp_path / "p", ASSETS, prepare_py=PREPARE)
    problem = load_problem(folder, prepare=False)
    assert problem.assets is None
    assert candidate_assets_folder(problem) is None
    assert not (tmp_path / "prepared.log").exists()
    made = load_problem(folder)
    assert load_problem(folder, prepare=False) == made


@pytest.mark.parametrize("harm", ["change", "remove", "add", "link"])
def test_changed_assets_are_noticed(tmp_path: Path, harm: str) -> None:
    folder = write_problem(tmp_path / "p", ASSETS, prepare_py=PREPARE)
    assets = load_problem(folder).assets
    assert assets is not None
    if harm == "change":
        (assets / "answers.txt").chmod(0o644)
        (assets / "answers.txt").write_text("7")
    elif harm == "remove":
        (assets / "answers.txt").unlink()
    elif harm == "add":
        (assets / "more.txt").write_text("")
    else:
        (assets / "more.txt").symlink_to("/etc/hostname")
    with pytest.raises(ProblemError, match=r"delete that folder to prepare|symbolic link"):
        load_problem(folder)


def test_a_candidate_that_may_see_an_asset_shares_no_folder_with_the_others(tmp_path: Path) -> None:
    problem = load_problem(write_problem(tmp_path / "p", ASSETS, prepare_py=PREPARE))
    shown = candidate_assets_folder(problem)
    assert shown is not None
    assert problem.assets is not None
    assert not problem.assets.is_relative_to(shown)
    assert all(path.stat().st_mode & 0o222 == 0 for path in shown.rglob("*") if path.is_file())


def test_a_copy_carries_its_assets(tmp_path: Path, cache: Path) -> None:
    problem = load_problem(write_problem(tmp_path / "p", ASSETS, prepare_py=PREPARE))
    copy = copy_problem(problem, tmp_path / "copy")
    shutil.rmtree(cache)
    shutil.rmtree(tmp_path / "p")
    assert load_problem(tmp_path / "copy") == copy
    assert (copy.id, copy.evaluator) == (problem.id, problem.evaluator)
    assert copy.assets is not None
    assert (copy.assets / "answers.txt").read_text() == "6"
    shown = candidate_assets_folder(copy)
    assert shown is not None
    assert names(shown) == ["public/table.txt"]


def test_the_evaluator_hash_covers_assets(tmp_path: Path) -> None:
    first = load_problem(write_problem(tmp_path / "p", ASSETS, prepare_py=PREPARE))
    shutil.rmtree(tmp_path / "cache")
    other = write_problem(tmp_path / "q", ASSETS, prepare_py=PREPARE, source_md="")
    (other / "prepare.py").write_text(PREPARE.replace('"6"', '"7"'))
    (other / "source.md").unlink()
    assert load_problem(other).id == first.id
    assert load_problem(other).evaluator != first.evaluator


@pytest.mark.parametrize(
    ("code", "said"),
    [
        ("import sys; print('no corpus here'); sys.exit(3)", r"ended with exit status 3 \(no corpus here\)"),
        ("pass", r"expected the asset public, found nothing"),
        (PREPARE + "(out / 'extra').write_text('')\n", r"wrote extra, which problem.yaml does not declare"),
        (PREPARE + "(out / 'public' / 'l').symlink_to('/etc/hostname')\n", r"is a symbolic link"),
    ],
)
def test_a_prepare_that_fails_leaves_nothing(tmp_path: Path, cache: Path, code: str, said: str) -> None:
    folder = write_problem(tmp_path / "p", ASSETS, prepare_py=code)
    with pytest.raises(ProblemError, match=said):
        load_problem(folder)
    assert list((cache / "assets").iterdir()) == []


def test_assets_without_prepare_are_told(tmp_path: Path) -> None:
    with pytest.raises(ProblemError, match=r"declares assets but has no prepare\.py"):
        load_problem(write_problem(tmp_path / "p", ASSETS))


def test_a_cache_that_is_a_file_is_told(tmp_path: Path, cache: Path) -> None:
    cache.write_text("")
    with pytest.raises(EnvironmentFault, match="set EVOLVE_CACHE"):
        load_problem(write_problem(tmp_path / "p", ASSETS, prepare_py=PREPARE))


def test_the_cache_lies_where_the_environment_says(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    assert cache_folder() == tmp_path / "cache"
    monkeypatch.delenv("EVOLVE_CACHE")
    monkeypatch.setenv("XDG_CACHE_HOME", str(tmp_path / "xdg"))
    assert cache_folder() == tmp_path / "xdg" / "evolve"
    monkeypatch.delenv("XDG_CACHE_HOME")
    monkeypatch.setenv("HOME", os.fspath(tmp_path))
    assert cache_folder() == tmp_path / ".cache" / "evolve"


def test_a_problem_without_assets_needs_no_cache(tmp_path: Path, cache: Path) -> None:
    load_problem(write_problem(tmp_path / "p", MINIMAL))
    assert not cache.exists()


def test_many_may_prepare_at_once(tmp_path: Path, cache: Path) -> None:
    slow = PREPARE.replace("import json", "import time\ntime.sleep(0.3)\nimport json")
    folder = write_problem(tmp_path / "p", ASSETS, prepare_py=slow)
    with ThreadPoolExecutor(4) as pool:
        problems = list(pool.map(load_problem, [folder] * 4))
    assert all(problem == problems[0] for problem in problems)
    assert len((tmp_path / "prepared.log").read_text().split()) > 1
    assert len(list((cache / "assets").iterdir())) == 1
