"""A claim that was confirmed and does not hold any more is shown with what became of it, and when."""

from __future__ import annotations

import json
import tarfile
from dataclasses import replace
from pathlib import Path

import pytest

from archive import Claim, Journal, read_journal
from evolve.cli import main

PACKED = Path(__file__).parents[1] / "runs" / "fixtures" / "run-0.1.0.tar.xz"
WHY = "its runs differ more between moments than within one"


@pytest.fixture
def run(tmp_path: Path) -> Path:
    with tarfile.open(PACKED) as packed:
        packed.extractall(tmp_path, filter="data")
    return tmp_path / "run"


def said(capsys: pytest.CaptureFixture[str], *words: str) -> str:
    assert main([*words]) == 0
    return capsys.readouterr().out


def ruled(run: Path, *, confirmed: bool, reason: str = "", at: float = 2e9) -> Claim:
    """One more ruling of the run's claim, as a driver writes it."""
    last = [stamped.record for stamped in read_journal(run) if isinstance(stamped.record, Claim)][-1]
    record = replace(last, confirmed=confirmed, reason=reason)
    with Journal.open(run) as journal:
        journal.wait_durable(journal.append(record, at=at).seq)
    return record


def test_a_claim_that_is_taken_back_says_when_and_why(run, capsys):
    record = ruled(run, confirmed=False, reason=WHY)
    text = said(capsys, "claims", str(run))
    assert f"taken back  {record.candidate}" in text
    assert f"2033-05-18T03:33:20+00:00 taken back: {WHY}" in text
    (card,) = json.loads(said(capsys, "claims", str(run), "--json"))["claims"]["cards"]
    assert (card["status"], card["confirmed"]) == ("taken back", False)
    assert [(one["confirmed"], one["reason"]) for one in card["rulings"]] == [(True, ""), (False, WHY)]
    assert card["rulings"][1]["at"] == 2e9


def test_a_claim_that_holds_after_all_is_confirmed_and_keeps_its_rulings(run, capsys):
    ruled(run, confirmed=False, reason=WHY)
    ruled(run, confirmed=True, at=2e9 + 60)
    (card,) = json.loads(said(capsys, "claims", str(run), "--json"))["claims"]["cards"]
    assert (card["status"], [one["confirmed"] for one in card["rulings"]]) == ("confirmed", [True, False, True])
    assert "history" not in said(capsys, "claims", str(run))


def test_a_retraction_is_part_of_a_claims_history(run, capsys):
    (card,) = json.loads(said(capsys, "claims", str(run), "--json"))["claims"]["cards"]
    said(capsys, "retract", str(run), card["candidate"], "--why", "it reads the truth")
    text = said(capsys, "claims", str(run))
    assert "withdrawn" in text
    assert "taken back: retracted: it reads the truth" in text


def test_rulings_are_events(run, capsys):
    record = ruled(run, confirmed=False, reason=WHY)
    words = "SELECT what, text FROM events WHERE kind = 'claim' ORDER BY seq"
    rows = json.loads(said(capsys, "query", str(run), words, "--json"))["rows"]
    assert rows == [[record.candidate, f"confirmed against {record.reference}"], [record.candidate, f"not confirmed: {WHY}"]]
