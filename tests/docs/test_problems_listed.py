"""The problems that ship are all in the quickstart, by the names that ``problem=`` takes."""

from __future__ import annotations

import re
from pathlib import Path

ROOT = Path(__file__).parents[2]


def test_the_quickstart_lists_every_problem_that_ships() -> None:
    page = (
        (ROOT / "docs" / "quickstart.md")
        .read_text(encoding="utf-8")
        .partition("## The problems that ship")[2]
        .partition("\n## ")[0]
    )
    rows = [line.split("|")[1] for line in page.splitlines() if line.startswith("| `") and "problem=" not in line]
    named = {name for row in rows for name in re.findall(r"`(\w+)`", row)}
    assert named == {path.parent.name for path in (ROOT / "problems").glob("*/problem.yaml")}
