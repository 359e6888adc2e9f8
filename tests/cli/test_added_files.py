"""A file that a child added is its descendants' to change: people's and agents', models' and mechanical operators'."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import pytest
from cli_process import SETTINGS, write_problem

from archive import Proposed, TextStore, find_records
from evolve.cli import main
from evolve.testing import AnsweringServer

MAIN = "from helper import X, Y\n\n\ndef point(sleep):\n    return [X, Y]\n"


class Cli:
    """The command line in this process and in a folder of its own."""

    def __init__(self, folder: Path, capsys: pytest.CaptureFixture[str]) -> None:
        self.folder, self._capsys = folder, capsys

    def __call__(self, *words: str) -> tuple[int, str, str]:
        """Exit code, stdout, stderr."""
        self._capsys.readouterr()
        code = main(list(words))
        return code, *self._capsys.readouterr()


@pytest.fixture
def cli(tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]) -> Cli:
    monkeypatch.chdir(tmp_path)
    return Cli(tmp_path, capsys)


@pytest.fixture
def open_run(cli: Cli, tmp_path: Path) -> Path:
    """A run, of the initial program alone, of a problem whose programs may grow; a second file of it may not change."""
    problem = write_problem(tmp_path / "grows")
    (problem / "initial" / "fixed.py").write_text("Z = 1.5\n")
    yaml = problem / "problem.yaml"
    yaml.write_text(f"{yaml.read_text()}editable: [main.py]\nmay_add_files: true\n")
    code, _, err = cli("run", "problem=grows", "search=fixed_candidates", "out=run", *SETTINGS)
    assert code == 0, err
    return tmp_path / "run"


def asked(cli: Cli, folder: str, *words: str) -> dict[str, Any]:
    code, out, err = cli("ask", "run", "--json", *words)
    assert code == 0, err
    found: dict[str, Any] = json.loads(out)
    place = cli.folder / folder
    for path, text in found["parents"][0]["files"].items():
        (place / path).parent.mkdir(parents=True, exist_ok=True)
        (place / path).write_text(text)
    return found


def told(cli: Cli, ticket: int, *words: str, code: int = 0) -> dict[str, Any]:
    ended, out, err = cli("tell", "run", str(ticket), *words, "--wait", "--json")
    assert ended == code, err + out
    found: dict[str, Any] = json.loads(out)
    return found


def grown(cli: Cli) -> str:
    """Adds helper.py, from which main.py has its numbers; gives the child's id."""
    first = asked(cli, "first")
    assert first["task"]["editable"] == ["main.py"]
    (cli.folder / "first" / "helper.py").write_text("X = 3.0\nY = 2.5\n")
    (cli.folder / "first" / "main.py").write_text(MAIN)
    found = told(cli, first["ticket"], "--dir", "first")
    assert (found["status"], found["result"]["score"]) == ("accepted", 2.5)
    return str(found["candidate"])


def test_an_agent_changes_what_its_parent_added(cli: Cli, open_run: Path) -> None:
    parent = grown(cli)
    second = asked(cli, "second", "--parent", parent)
    assert second["task"]["editable"] == ["main.py", "helper.py"]
    assert any("Files that may change: `main.py`, `helper.py`." in rule for rule in second["task"]["rules"])
    helper = cli.folder / "second" / "helper.py"
    helper.write_text("X = 1.0\nY = 2.5\n")
    found = told(cli, second["ticket"], "second/helper.py")
    assert (found["status"], found["result"]["score"], found["result"]["effect_gain"]) == ("accepted", 0.5, 2.0)
    code, _, err = cli("best", "run", "--source", "-o", "best")
    assert code == 0, err
    assert {path.name: path.read_text() for path in (cli.folder / "best").iterdir()} == {
        "main.py": MAIN,
        "fixed.py": "Z = 1.5\n",
        "helper.py": "X = 1.0\nY = 2.5\n",
    }
    third = asked(cli, "third", "--parent", found["candidate"])
    (cli.folder / "third" / "fixed.py").write_text("Z = 2.5\n")
    refused = told(cli, third["ticket"], "third/fixed.py", code=1)
    assert refused["reason"].endswith("fixed.py must not change; editable: main.py, helper.py.")


@pytest.mark.slow
def test_a_model_and_operators_without_one_change_what_an_ancestor_added(cli: Cli, tmp_path: Path) -> None:
    problem = write_problem(tmp_path / "grows")
    (problem / "problem.yaml").write_text((problem / "problem.yaml").read_text() + "may_add_files: true\n")
    answers = [
        f"PLAN: nearer\n\nfile: helper.py\n```\nX = {3 - i / 9}\nY = 2.5\n```\n\nfile: main.py\n```\n{MAIN}```\n" for i in range(12)
    ]
    changed: set[bool] = set()
    for n in range(8):  # which parents are drawn is chance, and of whom a model is asked a matter of milliseconds
        changed |= changed_by(cli, tmp_path, f"run{n}", answers)
        if changed == {True, False}:
            return
    raise AssertionError(f"only seen of models: {changed}")


def changed_by(cli: Cli, folder: Path, name: str, answers: list[str]) -> set[bool]:
    """Of whom, models (True) or not, a run has children that differ from their parents in a file that an ancestor added."""
    texts = iter(answers)
    with AnsweringServer(lambda asked: next(texts, "I would rather not.")) as server:
        words = (
            "llm=openai",
            f"llm.base_url={server.url}/v1",
            "llm.models=[local-test]",
            "llm.prices=[*=0/0]",
            "llm.sampling.edit_formats=[file]",
            "problem.params.sleep=0.05",  # so that models are heard while there is something to measure
        )
        code, _, err = cli("run", "problem=grows", *words, "budget.calls=12", "budget.evaluations=60", f"out={name}", *SETTINGS)
    assert code == 0, err
    code, out, err = cli("query", name, "SELECT id, operator FROM candidates WHERE status = 'ok'", "--json")
    assert code == 0, err
    operators: dict[str, str] = dict(json.loads(out)["rows"])
    texts, changed = TextStore.of_run(folder / name), set()
    for record in (one.record for one in find_records(folder / name, ("proposed",))):
        if isinstance(record, Proposed) and (made := record.candidate) is not None and made.parents and made.id in operators:
            before, after = texts.files(made.parents[0]), texts.files(made.id)
            if "helper.py" in before and before["helper.py"] != after["helper.py"]:
                changed.add(operators[made.id].startswith("llm"))
    return changed
