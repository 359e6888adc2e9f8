"""The tools of an agent on a run of several problems: for one of them by its name, or of each and in sum."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import pytest
from cli_process import SEED, SETTINGS, write_problem

from evolve.cli import main
from evolve.cli.mcp._tools import Tools

NAMES = ["one", "two"]


def test_every_tool_answers_for_one_problem_by_its_name_or_for_all(tmp_path: Path) -> None:
    for name in NAMES:
        contract = write_problem(tmp_path / "problems" / name) / "problem.yaml"
        contract.write_text(contract.read_text().replace("name: tiny", f"name: {name}"))
    run = str(tmp_path / "run")
    words = (f"problem={tmp_path / 'problems'}", f"out={run}", "search=fixed_candidates", "budget.evaluations=100", *SETTINGS)
    assert main(["run", *words, "--json"]) == 0
    tools = Tools(run)
    for answer in (tools.status(), tools.best(), tools.claims()):
        assert len(answer["problems"]) == 2
    assert [one["problem"] for one in tools.status()["problems"]] == [one["problem"] for one in tools.best()["problems"]] == NAMES
    assert tools.status("two")["problem"] == tools.show("best", "two")["problem"] == "two"
    assert tools.lineage(problem="one")["steps"]
    ticket = tools.ask(problem="two")
    child = tools.tell(ticket["ticket"], {"main.py": SEED.replace("4.0", "3.5")})
    assert (child["status"], child["problem"]) == ("accepted", "two")
    assert tools.result(ticket["ticket"])["candidate"] == child["candidate"]
    assert tools.validate({"main.py": SEED}, problem="two")
    with pytest.raises(Exception, match=r'has 2 problems .*say which: problem="one"'):
        tools.ask()
    found: Any = tools.resume({"evaluations": 101}, drive=False)
    assert found["budget"]["evaluations"] == 101
