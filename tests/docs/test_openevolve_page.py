"""The page that brings an OpenEvolve problem: its files are one, and its commands are carried out."""

from __future__ import annotations

import os
import re
import shlex
import subprocess
import sys
from pathlib import Path

import pytest

PAGE = Path(__file__).parents[2] / "docs" / "how-to" / "openevolve.md"
FENCE = re.compile(r"^```(\w*) ?(\S*)\n(.*?)^```$", re.MULTILINE | re.DOTALL)


@pytest.mark.slow
def test_the_commands_of_the_page_work_on_the_files_of_the_page(tmp_path: Path) -> None:
    env, said = {**os.environ, "EVOLVE_CACHE": str(tmp_path / "cache")}, {}
    for language, path, text in FENCE.findall(PAGE.read_text(encoding="utf-8")):
        assert path or language == "bash"
        if path:
            (tmp_path / path).parent.mkdir(parents=True, exist_ok=True)
            (tmp_path / path).write_text(text, encoding="utf-8")
            continue
        for line in text.splitlines():
            argv = [sys.executable, "-m", "evolve", *shlex.split(line)[1:]]
            done = subprocess.run(argv, cwd=tmp_path, env=env, capture_output=True, text=True, timeout=120, check=False)
            assert done.returncode == 0, (line, done.stdout, done.stderr)
            said[line] = done
    first, *_, last = said.values()
    assert [line.split()[1] for line in said] == ["validate", "run", "claims", "best", "validate"]
    assert "Not used of config.yaml: llm.temperature." in first.stderr
    assert "printed by code that shares a process with the candidate" in said["evolve claims first"].stdout
    assert "points is fine." in last.stdout
