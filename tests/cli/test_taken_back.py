"""A claim that was confirmed and does not hold any more is shown with what became of it, and when."""

from __future__ import annotations

import json
import tarfile
from dataclasses import replace
from pathlib import Path

import pytest

import evolve
from archive import Claim, ConfirmationOpened, Journal, Record, read_journal
from evolve.cli import main
from evolve.cli.show._ending import _claim_rows
from evolve.cli.show._vaults import claim_text
from evolve.confirm import Effect

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


def ruled(run: Path, *, confirmed: bool, reason: str = "", at: float = 2e9, **numbers: float) -> Claim:
    """One more ruling of the run's claim, as a driver writes it."""
    last = [stamped.record for stamped in read_journal(run) if isinstance(stamped.record, Claim)][-1]
    record = replace(last, confirmed=confirmed, reason=reason, **numbers)
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


def test_a_confirmed_interval_that_crosses_zero_says_what_decided(run, capsys):
    words = "crosses zero: the test's own half of the fresh runs decided, this other half only estimates"
    assert words not in said(capsys, "claims", str(run))
    record = ruled(run, confirmed=True, ci_low=-0.002, ci_high=0.0006, effect=-0.0007)
    assert f"; {words}" in said(capsys, "claims", str(run))
    assert words in claim_text(record)
    ruled(run, confirmed=False, reason=WHY, ci_low=-0.002, ci_high=0.0006, effect=-0.0007)
    assert words not in said(capsys, "claims", str(run))  # nothing is confirmed there


def rewrite(run: Path, records: list[tuple[float, Record]]) -> None:
    """The same run with these records, and the times they came at."""
    for part in [*(run / "journal").iterdir(), *run.glob("checkpoint.*")]:
        part.unlink()
    with Journal.create(run) as journal:
        for at, record in records:
            journal.append(record, at=at)


def test_the_end_says_against_whom_each_claim_was_made_and_where_an_interval_crosses_zero(run):
    opened = evolve.open_run(run)._view()
    (vault,) = opened.state.confirmations.confirmations
    ((word, told),) = _claim_rows(opened)
    assert (word, told.partition(",")[0]) == ("confirmed", f"{opened.id_of(vault.candidate)} against the initial program")
    assert "crosses zero" not in told
    vault.effect, vault.reference = Effect(0.0007, -0.0006, 0.002), vault.candidate
    ((_, told),) = _claim_rows(opened)
    assert f" against {opened.id_of(vault.candidate)}, effect" in told
    assert "; crosses zero: the test's own half" in told


def test_the_card_of_an_open_vault_says_what_opened_it(run, capsys):
    kept = [(one.at, one.record) for one in read_journal(run) if not isinstance(one.record, Claim)]
    rewrite(run, kept)  # as after a kill before the first ruling
    (vault,) = [record for _, record in kept if isinstance(record, ConfirmationOpened)]
    (card,) = json.loads(said(capsys, "claims", str(run), "--json"))["claims"]["cards"]
    assert (card["status"], card["e_value"]) == ("open", vault.e_value)
    assert f"e = {vault.e_value:.3g} while searching" in said(capsys, "claims", str(run))
    assert vault.e_value >= 300
