"""A judge in a run: it reads whoever is best, takes cheats out, is waited for by nobody, not used where it cannot tell cheats."""

from __future__ import annotations

import json
import re

import pytest

from archive import (
    CallReserved,
    CallSettled,
    Event,
    Journal,
    Proposed,
    ProposeIssued,
    Retraction,
    Reviewed,
    ReviewIssued,
    open_query,
    read_journal,
)
from evolve import Budget
from evolve.cli import main
from evolve.models import Anthropic
from evolve.testing import AnsweringServer, Asked, Say

CHEAT = """HYPOTHESIS: the middle is best
PLAN: put the point there

```python
# file: main.py
import sys

FRAME = sys._getframe(0)
X = 0.5
Y = 0.5


def point():
    return [X, Y]
```
"""
SUSPECT = re.compile(r"^.*(?:perf_counter =|_getframe).*$", re.MULTILINE)


OVERLOADED = Say(status=529, body={"type": "error", "error": {"type": "overloaded_error", "message": "no"}})


class Model:
    """Proposes a program that reads frames; as a judge it knows such programs, or thinks well of all."""

    fit = True
    away = 0  # how many of the judge's requests are refused first
    silent = False  # whether the judge answers nothing

    def __call__(self, asked: Asked) -> str | Say:
        if "You review a program for cheating" not in asked.text:
            return CHEAT
        if self.silent:
            return Say(events=(), end="stall")
        if self.away:
            self.away -= 1
            return OVERLOADED
        return self._verdict(asked.text)

    def _verdict(self, text):
        shown = text.split("MARK-")[2]  # after the name of the mark and its first line
        found = SUSPECT.search(shown)
        if found is None or not self.fit:
            return json.dumps({"verdict": "honest", "line": "", "why": "it does the task"})
        return json.dumps({"verdict": "cheating", "line": found[0].strip(), "why": "it reads what it should not"})


@pytest.fixture
def model():
    return Model()


@pytest.fixture
def judged(parabola, model, monkeypatch):
    monkeypatch.setenv("ANTHROPIC_API_KEY", "dummy-key")
    with AnsweringServer(model, delay_s=0.05) as server:

        def drive(*, fit: bool, away: int = 0, tries: int = 6, operators=("crossover",), policy: str = "auto", **limits):
            model.fit, model.away = fit, away
            models = Anthropic(
                ["claude-test"],
                base_url=server.url,
                judge="claude-test",
                prices=("claude-test=1/5",),
                max_concurrency=1,
                max_attempts=tries,
                grace_s=0.5 if model.silent else 30.0,
                operators=("llm_mutate",),
                edit_formats=("file",),
            )
            # Of these operators nobody else finds the middle before the model has answered.
            run = parabola(
                {"models": models, "operators": operators, "policy": policy}, **{"evaluations": 40, "calls": 200, **limits}
            )
            run.optimize()
            return run, records_of(run)

        yield drive


def records_of(run):
    return [stamped.record for stamped in read_journal(run.path)]


def test_a_cheat_that_leads_is_taken_out_and_its_calls_are_paid(judged, capsys):
    run, records = judged(fit=True)
    children = [record.candidate for record in records if isinstance(record, Proposed) and record.candidate]
    (cheat,) = [child.id for child in children if child.hypothesis]
    (retraction,) = [record for record in records if isinstance(record, Retraction)]
    assert retraction.candidate == cheat
    assert "sys._getframe(0)" in retraction.why
    assert run.best.id != cheat
    tickets = {record.attempt.ticket for record in records if isinstance(record, ReviewIssued)}
    assert not tickets & {record.attempt.ticket for record in records if isinstance(record, Proposed | ProposeIssued)}
    first = [record.call for record in records if isinstance(record, CallReserved) and record.attempt.ticket == min(tickets)]
    assert first == [1, 2, 3, 4, 5, 6]  # five canaries and a candidate
    said = {record.candidate: record for record in records if isinstance(record, Reviewed)}
    assert (said[cheat].verdict, said[cheat].line, said[cheat].reason) == (
        "cheating", "FRAME = sys._getframe(0)", "it reads what it should not",
    )  # fmt: skip
    assert records.index(retraction) < records.index(said[cheat])
    with open_query([run.path]) as query:
        ended = query.sql("SELECT candidate, status, usd > 0 FROM tickets WHERE kind = 'review' AND status = 'cheating'").rows
    assert [tuple(row) for row in ended] == [(cheat, "cheating", True)]
    assert main(["show", str(run.path), cheat, "--prompt"]) == 0
    shown = capsys.readouterr().out
    assert shown.index("==== call 1: asked") < shown.index("==== judge, call ") < shown.index("it reads what it should not")


def test_a_judge_that_cannot_tell_cheats_is_not_listened_to(judged):
    run, records = judged(fit=False)
    assert not [record for record in records if isinstance(record, Retraction)]
    assert any(isinstance(record, Event) and "expected a judge that says cheating" in record.text for record in records)
    assert run.status == "done"


def test_a_judge_that_is_tried_again_has_a_number_for_every_request(judged):
    _, records = judged(fit=True, away=1)
    calls = [(record.attempt, record.call) for record in records if isinstance(record, CallReserved)]
    assert len(calls) == len(set(calls))
    assert [record for record in records if isinstance(record, Retraction)]


def test_a_judge_that_is_away_is_not_called_unfit(judged):
    _, records = judged(fit=True, away=2, tries=2)
    (warning,) = [record.text for record in records if isinstance(record, Event) and record.what == "judge"]
    assert "the judge did not answer" in warning
    assert "overloaded" in warning


def test_nothing_waits_for_a_judge_that_says_nothing(judged, model):
    """Models alone make children, with one place for their calls."""
    model.silent = True
    run, records = judged(fit=True, operators=(), wall_s=10.0)
    issued = next(record for record in records if isinstance(record, ReviewIssued))
    asked = next(n for n, one in enumerate(records) if isinstance(one, CallReserved) and one.attempt == issued.attempt)
    later = {record.attempt for record in records[asked + 1 :] if isinstance(record, CallReserved)}
    answered = [record for record in records if isinstance(record, CallSettled) and record.attempt in later]
    assert {record.outcome for record in answered} == {"ok"}
    assert len(answered) >= 3
    assert run.status == "done"
    (end,) = [record for record in records if isinstance(record, Reviewed) and record.attempt == issued.attempt]
    assert (end.verdict, end.reason) == ("", "the run ended before the judge answered")
    (charged,) = [record for record in records if isinstance(record, CallSettled) and record.attempt == end.attempt]
    assert (charged.outcome, charged.usd_assumed) == ("lost", charged.usd)


@pytest.mark.slow
def test_a_run_that_is_opened_again_asks_about_whom_the_judge_said_nothing_and_about_nobody_twice(judged, model):
    model.silent = True
    run, records = judged(fit=True, evaluations=20, policy="map_elites")  # whose best is still the best when it is opened again
    silent = {record.candidate for record in records if isinstance(record, ReviewIssued)}
    model.silent = False
    for evaluations in (40, 60):
        run.resume(Budget(evaluations=evaluations))
    records = records_of(run)
    said = [record for record in records if isinstance(record, Reviewed) and record.verdict]
    assert {record.candidate for record in said} & silent
    assert len({record.candidate for record in said}) == len(said)
    (retraction,) = [record for record in records if isinstance(record, Retraction)]
    assert retraction.candidate in {record.candidate for record in said if record.verdict == "cheating"}


@pytest.mark.slow
def test_what_a_killed_driver_asked_the_judge_is_over_and_asked_again(judged):
    """The journal as it is cut off after the first review was issued."""
    run, records = judged(fit=True)
    folder = run.path
    cut = next(n for n, record in enumerate(records) if isinstance(record, ReviewIssued)) + 1
    stamped = [*read_journal(folder)][:cut]
    for part in folder.glob("checkpoint*"):
        part.unlink()
    _rewrite(folder, stamped)
    run.optimize()
    records = records_of(run)
    first, *later = [record for record in records if isinstance(record, ReviewIssued)]
    ends = [record for record in records if isinstance(record, Reviewed)]
    assert (ends[0].attempt, ends[0].verdict, ends[0].reason) == (first.attempt, "", "its driver ended while the judge was asked")
    assert first.candidate in {record.candidate for record in later}
    assert [record.candidate for record in records if isinstance(record, Retraction)]


def _rewrite(folder, stamped):
    """The same run with these records alone."""
    for part in (folder / "journal").iterdir():
        part.unlink()
    with Journal.create(folder) as journal:
        for entry in stamped:
            journal.append(entry.record, at=entry.at)
