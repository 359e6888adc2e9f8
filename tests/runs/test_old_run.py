"""A run that version 0.1.0 made opens, replays, answers and goes on, whatever has been renamed since.

``fixtures/run-0.1.0.tar.xz`` is a run of the problem ``planted`` as that version left it (without its checkpoint): stopped by
``evolve stop``, an ask and a tell, a note, a resume with a larger budget, a claim, a retraction.  The numbers are what 0.1.0 said.
"""

from __future__ import annotations

import json
import tarfile
from pathlib import Path

import pytest

from evolve.cli import main

PACKED = Path(__file__).parent / "fixtures" / "run-0.1.0.tar.xz"
BEST, SEED = "bf122280f49668baa299", "c78df2d0b42a5b40c8cd"


@pytest.fixture
def old(tmp_path: Path) -> str:
    with tarfile.open(PACKED) as packed:
        packed.extractall(tmp_path, filter="data")
    return str(tmp_path / "run")


def said(capsys: pytest.CaptureFixture[str], *words: str) -> dict:
    assert main([*words, "--json"]) == 0
    return json.loads(capsys.readouterr().out)


def test_its_status_best_and_claims_are_what_they_were(old, capsys):
    status = said(capsys, "status", old)
    assert (status["status"], status["reason"]) == ("done", "budget.evaluations")
    assert (status["candidates"], status["measurements"]) == (129, 251)
    assert (status["best_id"], status["best_n"], status["word"]) == (BEST, 26, "confirmed")
    assert status["where"]["executor"] == "local"
    assert (status["where"]["slots"], status["where"]["nodes"]) == (1, 0)
    assert status["best_score"] == pytest.approx(3.6377383649278383, rel=1e-12)
    best = said(capsys, "best", old)
    assert best["operator"] == "tune"
    assert best["parents"] == [SEED]
    (card,) = said(capsys, "claims", old)["claims"]["cards"]
    assert (card["candidate"], card["reference"], card["status"]) == (BEST, SEED, "confirmed")
    assert card["effect"] == pytest.approx(3.863521081947776, rel=1e-12)
    assert card["p_value"] == pytest.approx(0.008771185505751232, rel=1e-12)


def test_it_answers_queries(old, capsys):
    words = "SELECT operator, count(*) AS n, round(max(gain), 9) AS most FROM candidates GROUP BY 1 ORDER BY 1"
    assert said(capsys, "query", old, words)["rows"] == [
        ["ast_edit", 76, 5.117900545],
        ["crossover", 26, 4.481052241],
        ["external", 1, 1.957989161],
        ["seed", 1, 0.0],
        ["tune", 26, 4.416576785],
    ]


def test_it_goes_on(old, capsys):
    found = said(capsys, "resume", old, "budget.evaluations=345")
    assert found["status"] == "done"
    assert found["measurements"] > 251
    assert said(capsys, "status", old)["measurements"] == found["measurements"]
