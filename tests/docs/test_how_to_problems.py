"""The pages that write a problem do: their files make one that validates, and their commands are carried out."""

from __future__ import annotations

import re
import shlex
import shutil
import subprocess
import sys
from pathlib import Path

import pytest

from evolve.problem._load import load_problem
from evolve.problem.contract._contract import Stage

HOW_TO = Path(__file__).parents[2] / "docs" / "how-to"
PAGES = ("make-it-faster", "c", "python-package", "sql", "prompt")
LONG = ("make-it-faster", "c", "python-package", "sql")  # what their commands do, those of the shortest do too
FENCE = re.compile(r"^```(\w*) ?(\S*)\n(.*?)^```$", re.MULTILINE | re.DOTALL)


def written(page: str, folder: Path) -> list[str]:
    """Write the page's files into a folder; its commands."""
    commands = []
    for language, path, text in FENCE.findall((HOW_TO / f"{page}.md").read_text(encoding="utf-8")):
        assert path or language == "bash", f"a fence of {page} that nothing uses: {text[:60]}"
        if path:
            (folder / path).parent.mkdir(parents=True, exist_ok=True)
            (folder / path).write_text(text, encoding="utf-8")
        else:
            commands += text.splitlines()
    return commands


@pytest.mark.parametrize(
    "page", [pytest.param(page, marks=[pytest.mark.slow, pytest.mark.long] * (page in LONG)) for page in PAGES]
)
def test_a_pages_problem_validates_by_the_pages_own_commands(page: str, tmp_path: Path) -> None:
    if page == "c" and shutil.which("cc") is None:
        pytest.skip("no compiler on this machine")
    commands = written(page, tmp_path)
    assert any(line.startswith("evolve validate ") for line in commands)
    for line in commands:
        done = subprocess.run(
            [sys.executable, "-m", "evolve", *shlex.split(line)[1:]],
            cwd=tmp_path,
            capture_output=True,
            text=True,
            timeout=120,
            check=False,
        )
        assert done.returncode == 0, (line, done.stdout, done.stderr)


@pytest.mark.parametrize("page", PAGES)
def test_every_page_has_limits_that_a_stage_knows(page: str, tmp_path: Path) -> None:
    written(page, tmp_path)
    (contract,) = tmp_path.glob("*/problem.yaml")
    if "toolbox" in contract.read_text() and shutil.which("cc") is None:
        pytest.skip("no compiler on this machine")
    assert all(isinstance(stage, Stage) for stage in load_problem(contract.parent, prepare=False).contract.stages)


def test_links_between_the_pages_lead_somewhere() -> None:
    found = {
        (page, target)
        for page in PAGES
        for target in re.findall(r"\]\(([^)#]+\.md)\)", (HOW_TO / f"{page}.md").read_text(encoding="utf-8"))
    }
    assert found
    assert [(page, target) for page, target in found if not (HOW_TO / target).exists()] == []
