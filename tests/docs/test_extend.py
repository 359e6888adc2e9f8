"""The page that adds parts of one's own: its files make a package, and its commands are carried out with it installed."""

from __future__ import annotations

import os
import re
import shlex
import subprocess
import sys
from pathlib import Path

import pytest

ROOT = Path(__file__).parents[2]
PACKAGE = ROOT / "tests" / "packaging" / "evolve_voronoi"
PAGE = (ROOT / "docs" / "how-to" / "extend.md").read_text(encoding="utf-8")
FENCES = re.findall(r"^```(\w*) ?(\S*)\n(.*?)^```$", PAGE, re.MULTILINE | re.DOTALL)
WRITTEN = {path: text for _, path, text in FENCES if path}
FILES = {path: text for path, text in WRITTEN.items() if not path.startswith("halves/")}
COMMANDS = [line for language, path, text in FENCES if language == "bash" and not path for line in text.splitlines()]


def test_the_page_is_the_package_that_is_built_and_installed_in_a_test():
    there = {str(path.relative_to(PACKAGE)): path.read_text() for path in PACKAGE.rglob("*") if path.suffix in (".py", ".toml")}
    assert {path: text for path, text in there.items() if text} == FILES
    assert all(path or language == "bash" for language, path, _ in FENCES)


@pytest.mark.parametrize("path", [path for path in FILES if path.startswith("evolve_voronoi/")])
def test_each_takes_under_40_lines(path):
    assert len(FILES[path].splitlines()) < 40


@pytest.mark.slow
def test_the_commands_of_the_page_work(tmp_path):
    package = tmp_path / "package"
    for path, text in {**FILES, "evolve_voronoi/__init__.py": ""}.items():
        (package / path).parent.mkdir(parents=True, exist_ok=True)
        (package / path).write_text(text, encoding="utf-8")
    for path in WRITTEN.keys() - FILES.keys():
        (tmp_path / path).parent.mkdir(exist_ok=True)
        (tmp_path / path).write_text(WRITTEN[path], encoding="utf-8")
    target = tmp_path / "site"
    install = ["install", "--quiet", "--no-deps", "--no-index", "--no-build-isolation", "--target", str(target), str(package)]
    subprocess.run([sys.executable, "-m", "pip", *install], check=True, capture_output=True)
    env = {**os.environ, "PYTHONPATH": f"{target}{os.pathsep}{ROOT}", "EVOLVE_CACHE": str(tmp_path / "cache")}
    assert [line.split()[1] for line in COMMANDS] == ["config", "run", "status", "validate", "run"]
    for line in COMMANDS:
        argv = [sys.executable, "-m", "evolve", *shlex.split(line)[1:]]
        done = subprocess.run(argv, cwd=tmp_path, env=env, capture_output=True, text=True, timeout=120, check=False)
        assert done.returncode == 0, (line, done.stdout, done.stderr)
