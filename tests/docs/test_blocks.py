"""What README and pages tell a reader to type works: every ``evolve`` line in their code blocks is carried out.

``RUN`` stands for a small finished run.  ``evolve run`` lines are composed by ``evolve config`` and not carried out here, since
they take minutes; ``evolve resume`` is, on a run whose target is reached.  Blocks marked ``python`` are run as they are, those of
a page in order and in one folder; ``<!-- slow -->`` on the line before a block leaves it to ``-m slow``.
"""

from __future__ import annotations

import re
import shlex
import shutil
import subprocess
import sys
from dataclasses import dataclass
from pathlib import Path

import pytest

from evolve.cli import main

ROOT = Path(__file__).parents[2]
PAGES = [
    ROOT / "README.md",
    *sorted((ROOT / "docs").glob("*.md")),
    ROOT / "docs" / "how-to" / "python-api.md",
    ROOT / "docs" / "how-to" / "suites.md",
    ROOT / "benchmarks" / "README.md",
]
FENCE = re.compile(r"^(<!-- slow -->\n)?```(\w*)\n(.*?)^```$", re.M | re.S)
SMALL = ("problem=circle_packing", "problem.params.n=3", "executor.slots=1", "sandbox=none", "stop.target=0.1")
NO_SANDBOX = 3


@dataclass(frozen=True)
class Block:
    page: str
    slow: bool
    language: str
    text: str


BLOCKS = [
    Block(str(page.relative_to(ROOT)), bool(slow), language, text)
    for page in PAGES
    if page.exists()
    for slow, language, text in FENCE.findall(page.read_text(encoding="utf-8"))
]
COMMANDS = [
    pytest.param(part.strip(), id=f"{block.page}: {part.strip()}")
    for block in BLOCKS
    if block.language in ("", "bash", "console")
    for line in block.text.splitlines()
    for part in line.split("  #")[0].split("&&")
    if part.strip().startswith("evolve ")
]
LONG = {"docs/how-to/python-api.md"}  # whole runs in the sandbox; what they call has tests of its own in tests/api
SCRIPTS = [
    pytest.param(page, slow, marks=[pytest.mark.slow] * slow + [pytest.mark.slow, pytest.mark.long] * (page in LONG))
    for page, slow in dict.fromkeys((block.page, block.slow) for block in BLOCKS if block.language == "python")
]


def evolve(*arguments: str, cwd: Path) -> subprocess.CompletedProcess[str]:
    argv = [sys.executable, "-m", "evolve", *arguments]
    return subprocess.run(
        argv, cwd=cwd, capture_output=True, encoding="utf-8", errors="replace", timeout=120, stdin=subprocess.DEVNULL, check=False
    )


@pytest.fixture(scope="module")
def place(tmp_path_factory):
    """A folder with a finished run and a problem made by ``evolve new``."""
    folder = tmp_path_factory.mktemp("reader")
    done = evolve("run", *SMALL, "out=finished", cwd=folder)
    assert done.returncode == 0, done.stderr
    made = evolve("new", "my_problem", cwd=folder)
    assert made.returncode == 0, made.stderr
    return folder


@pytest.mark.parametrize("command", COMMANDS)
def test_a_command_of_the_pages_works(command, place, monkeypatch, capfdbinary):
    monkeypatch.chdir(place)
    verb, *arguments = shlex.split(command)[1:]
    if verb == "run":
        verb = "config"
    if verb == "new":
        shutil.rmtree(place / arguments[0], ignore_errors=True)
    code = main([verb, *("finished" if word == "RUN" else word for word in arguments)])
    told = capfdbinary.readouterr().err.decode()
    assert code == 0 or (verb == "doctor" and code == NO_SANDBOX), told
    assert "Traceback" not in told


@pytest.mark.parametrize(("page", "slow"), SCRIPTS)
def test_the_scripts_of_a_page_run_in_order(page, slow, tmp_path):
    for block in BLOCKS:
        if (block.page, block.language, block.slow) == (page, "python", slow):
            text = block.text.replace("wall_s=60", "wall_s=15")  # a reader waits a minute, on all cores
            done = subprocess.run(
                [sys.executable, "-c", text], cwd=tmp_path, capture_output=True, text=True, timeout=600, check=False
            )
            assert done.returncode == 0, f"{block.text}\n{done.stderr}"


def test_the_pages_have_commands_to_test():
    assert len(COMMANDS) >= 10
