"""A budget that holds no child or no vault says so, once a measurement has its price and at the end, and what would hold them."""

from __future__ import annotations

import json
import re
from pathlib import Path

import pytest
from cli_process import SETTINGS, Cli, Say, write_problem

SLEEP = "    plain = PLAIN"
WALL = re.compile(r"about budget\.wall_s=(\d+) holds both")


@pytest.fixture
def slow(tmp_path: Path) -> Path:
    """A noisy problem, of which a measurement takes a while."""
    folder = write_problem(tmp_path / "slow", noisy=True)
    text = (
        (folder / "evaluate.py")
        .read_text()
        .replace(SLEEP, f"    time.sleep(0.4)\n{SLEEP}")
        .replace("import re\n", "import re\nimport time\n")
    )
    (folder / "evaluate.py").write_text(text)
    return folder


def test_a_clock_too_short_for_a_child_is_told_with_what_holds_one(cli: Cli, slow: Path) -> None:
    code, out, err = cli("run", f"problem={slow}", "out=run", "budget.wall_s=2.5", *SETTINGS)
    assert code == 0, err
    for text in (err, out):  # when the first measurement is known, and at the end
        assert re.search(r"one measurement takes about [\d.]+ s: the budget holds no child and no vault \(a vault takes 20", text)
        assert WALL.search(text)
    assert "press Ctrl-C and type: evolve resume run budget.wall_s=" in err
    assert "left that was kept for final runs of best and initial program and not spent" in out
    assert "for claims" not in out
    told = WALL.search(out)
    assert told is not None
    assert out.splitlines()[-1].strip() == f"evolve resume run budget.wall_s={told[1]}"


def test_a_count_too_small_for_a_vault_is_told_in_json_and_nothing_is_said_to_be_kept_for_one(say: Say, tmp_path: Path) -> None:
    problem, run = write_problem(tmp_path / "noisy", noisy=True), tmp_path / "run"
    found = json.loads(say("run", "--json", f"problem={problem}", f"out={run}", "budget.evaluations=40", *SETTINGS))
    short = found["shortfall"]
    assert (short["child"], short["vault"], short["least"], short["needs"]) == (True, False, 20, ["budget.evaluations=67"])


def test_a_budget_that_holds_both_says_nothing_of_it(ended: tuple[Path, str, str]) -> None:
    assert json.loads(ended[1])["shortfall"] is None
    assert "the budget holds" not in ended[2]


@pytest.mark.parametrize(("noisy", "evaluations"), [(True, 30), (False, 2)])
def test_the_end_status_and_claims_advise_the_same_and_that_makes_a_child(
    cli: Cli, tmp_path: Path, noisy: bool, evaluations: int
) -> None:
    problem = write_problem(tmp_path / "problem", noisy=noisy)
    _, out, err = cli("run", f"problem={problem}", "out=run", f"budget.evaluations={evaluations}", *SETTINGS)
    advised = out.splitlines()[-1].strip()
    assert re.fullmatch(r"evolve resume run budget\.evaluations=\d+", advised), err
    before = json.loads(cli("status", "run", "--json")[1])
    assert before["outlook"]["command"] == advised
    assert f"to go on, type: {advised}\n" in cli("status", "run")[1]
    if noisy:
        assert cli("claims", "run")[1].endswith(f"with more to spend: {advised}\n")
    cli(*advised.split()[1:])
    assert json.loads(cli("status", "run", "--json")[1])["candidates"] > before["candidates"]
