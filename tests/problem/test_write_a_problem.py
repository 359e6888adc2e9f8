"""The how-to works as written: its files make a valid problem, its commands do what it says."""

from __future__ import annotations

import re
import subprocess
import sys
import textwrap
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import pytest
from problem_executor import local

from archive import Status
from evolve.evaluate import Outcome, Reply
from evolve.problem._load import load_problem
from evolve.problem.contract._keys import AXIS, DATA, GATE, STAGE, TOP
from evolve.problem.scaffold._scaffold import scaffold
from evolve.validation._problem import candidate_files, validate_problem

PAGE = Path(__file__).parents[2] / "docs" / "how-to" / "write-a-problem.md"
BETTER = """\
def tour(cities):
    left = set(range(1, len(cities)))
    order = [0]
    while left:
        here = cities[order[-1]]
        order.append(min(left, key=lambda i: float(((cities[i] - here) ** 2).sum())))
        left.remove(order[-1])
    return order
"""


@dataclass(frozen=True)
class Fence:
    language: str
    path: str
    text: str


FENCES = [Fence(*found) for found in re.findall(r"^```(\w*) ?(\S*)\n(.*?)^```$", PAGE.read_text(), re.M | re.S)]


@pytest.fixture
def tour(tmp_path: Path) -> Path:
    for fence in FENCES:
        if fence.path.startswith("tour/"):
            (tmp_path / fence.path).parent.mkdir(parents=True, exist_ok=True)
            (tmp_path / fence.path).write_text(fence.text)
    return tmp_path / "tour"


def test_every_fence_is_used_by_a_test() -> None:
    used = {
        ("yaml", ""),
        ("python", "prepare.py"),
        ("python", ""),
        ("python", "selftest"),
        ("python", "tests"),
        ("bash", ""),
        ("", ""),
    }
    assert {(fence.language, fence.path) for fence in FENCES if not fence.path.startswith("tour/")} == used
    assert [fence.path for fence in FENCES if fence.path.startswith("tour/")] == [
        "tour/problem.yaml",
        "tour/initial/main.py",
        "tour/evaluate.py",
        "tour/statement.md",
    ]


def test_the_commands_are_these() -> None:
    lines = [line for fence in FENCES if fence.language == "bash" for line in fence.text.splitlines()]
    assert lines == [
        "evolve new sine",
        "evolve validate sine",
        "evolve validate tour",
        "evolve validate tour better.py",
        "evolve run problem=./tour problem.params.n=60",
        "cd /shared/shards && find . -type f -print0 | LC_ALL=C sort -z | xargs -0 sha256sum | sha256sum",
    ]


def test_the_new_folder_looks_as_shown(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.chdir(tmp_path)
    scaffold(Path("sine"))
    shown = next(fence.text for fence in FENCES if (fence.language, fence.path) == ("", ""))
    names = set(re.findall(r"^  (\S+)", shown, re.M))
    assert names == {path.relative_to("sine").as_posix() for path in Path("sine").rglob("*") if path.is_file()}


def test_the_tour_is_a_valid_problem(tour: Path) -> None:
    problem = load_problem(tour, {"n": 60})
    report = validate_problem(problem, local)
    assert report.ok, report.checks
    assert {check.name for check in report.checks if not check.ok} <= {"redteam"}
    assert report.noise_sd is not None
    assert report.seed_score is not None
    assert report.seed_score > 5


def test_a_better_tour_is_said_to_be_better(tour: Path, tmp_path: Path) -> None:
    (tmp_path / "better.py").write_text(BETTER)
    problem = load_problem(tour)
    report = validate_problem(problem, local, candidate_files(problem, [tmp_path / "better.py"]))
    assert report.ok
    assert "better by" in report.checks[0].found


def test_prepare_writes_what_is_declared(tour: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("EVOLVE_CACHE", str(tmp_path / "cache"))
    prepare = next(fence.text for fence in FENCES if fence.path == "prepare.py")
    line = next(fence.text for fence in FENCES if (fence.language, fence.path) == ("yaml", ""))
    (tour / "prepare.py").write_text(prepare)
    (tour / "problem.yaml").write_text((tour / "problem.yaml").read_text() + line)
    assets = load_problem(tour).assets
    assert assets is not None
    assert sorted(path.name for path in assets.iterdir()) == ["hidden.npy", "sample.npy"]


def test_the_environment_is_named_as_shown(tour: Path) -> None:
    line = next(fence.text for fence in FENCES if fence.language == "yaml" and fence.text.startswith("environment"))
    (tour / "problem.yaml").write_text((tour / "problem.yaml").read_text() + line)
    assert load_problem(tour).contract.environment == ("CUDA_HOME", "JUDGE_API_KEY")


def test_the_data_is_named_as_shown(tour: Path) -> None:
    lines = next(fence.text for fence in FENCES if fence.language == "yaml" and fence.text.startswith("data"))
    (tour / "problem.yaml").write_text((tour / "problem.yaml").read_text() + lines)
    assert [(one.name, one.reader) for one in load_problem(tour).contract.data] == [("corpus", "grader"), ("shards", "candidate")]


@pytest.mark.parametrize(
    ("code", "files", "judged"), [(1, {"report.xml": b""}, True), (1, {}, False), (2, {"report.xml": b""}, False)]
)
def test_a_test_runners_status_is_read_as_shown(code: int, files: dict[str, bytes], judged: bool) -> None:
    body = next(fence.text for fence in FENCES if fence.path == "tests")
    names: dict[str, Any] = {}
    exec("def judge(reply):\n" + textwrap.indent(body, "    ") + "    return 'mine'\n", names)
    found = names["judge"](Reply(status=Status.CRASH, exit_code=code, files=files))
    assert (found == "mine") is judged


@pytest.mark.parametrize(("seconds", "held"), [(0.5, True), (2.0, False)])
def test_the_evaluators_own_bound_quarantines(seconds: float, held: bool) -> None:
    body = next(fence.text for fence in FENCES if (fence.language, fence.path) == ("python", ""))
    names: dict[str, object] = {"Outcome": Outcome, "BANDWIDTH": 10.0, "bytes_read": 10}
    exec("def bound(seconds):\n" + textwrap.indent(body, "    ") + "    return None\n", names)
    outcome = names["bound"](seconds)  # type: ignore[operator]
    assert (outcome is not None and outcome.reason.startswith("quarantined: 0.5 s for 10 bytes")) is held


@pytest.mark.parametrize("check", ["sorted(order) == list(range(n))", "len(order) == n", "False"])
def test_the_self_test_tells_a_broken_check(tour: Path, check: str) -> None:
    body = next(fence.text for fence in FENCES if fence.path == "selftest")
    names: dict[str, object] = {}
    exec((tour / "evaluate.py").read_text().replace("sorted(order) == list(range(n))", check) + body, names)
    told = names["selftest"]()  # type: ignore[operator]
    assert told is None if check.startswith("sorted") else told.startswith("is_order takes")


def test_every_key_is_mentioned() -> None:
    text = PAGE.read_text()
    assert not [key for key in (*TOP, *STAGE, *AXIS, *GATE, *DATA) if key not in ("max_artifact_bytes",) and key not in text]


def test_the_page_imports_only_public_names() -> None:
    code = "\n".join(fence.text for fence in FENCES if fence.language == "python")
    names = re.findall(r"^from evolve import (.*)$", code, re.M)
    done = subprocess.run([sys.executable, "-c", f"from evolve import {names[0]}"], check=False)
    assert done.returncode == 0
    assert "evolve._" not in code
