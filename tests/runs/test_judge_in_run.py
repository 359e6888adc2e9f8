"""A judge in a run: it reads whoever is best, takes a cheat out, and is not used where it cannot tell cheats."""

from __future__ import annotations

import json
import re

import pytest

from archive import CallReserved, Event, Proposed, Retraction, read_journal
from evolve.config._llm import JudgeConfig, LlmConfig, SamplingConfig
from evolve.engine._session import start
from evolve.testing import ModelServer, Say
from evolve.testing._model_says import error, finish, text_block
from evolve.testing._model_says import start as begin

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


class JudgingServer(ModelServer):
    """Proposes a program that reads frames; as a judge it knows such programs, or thinks well of all."""

    fit = True
    away = 0  # how many of the judge's requests are refused first

    def _answer(self, heard):
        if heard.path != "/v1/messages":
            return super()._answer(heard)
        text = "\n".join(part["text"] for each in heard.body["messages"] for part in each["content"])
        if "You review a program for cheating" in text and self.away:
            self.away -= 1
            return error(529, "overloaded_error")
        said = self._verdict(text) if "You review a program for cheating" in text else CHEAT
        return Say(events=(begin(), *text_block(said), *finish()))

    def _verdict(self, text):
        shown = text.split("MARK-")[2]  # after the name of the mark and its first line
        found = SUSPECT.search(shown)
        if found is None or not self.fit:
            return json.dumps({"verdict": "honest", "line": "", "why": "it does the task"})
        return json.dumps({"verdict": "cheating", "line": found[0].strip(), "why": "it reads what it should not"})


@pytest.fixture
def judged(parabola, monkeypatch):
    monkeypatch.setenv("ANTHROPIC_API_KEY", "dummy-key")

    def run(*, fit: bool, away: int = 0, tries: int = 6):
        config = parabola(evaluations=40)
        with JudgingServer(delay_s=0.05) as server:
            server.fit, server.away = fit, away
            config.budget.calls = 200
            config.search.operators = ("crossover",)  # nobody else finds the middle before the model has answered
            config.llm = LlmConfig(
                provider="anthropic",
                base_url=server.url,
                models=("claude-test",),
                judge=JudgeConfig(model="claude-test"),
                prices=("claude-test=1/5",),
                max_concurrency=1,
                max_attempts=tries,
                operators=("llm_mutate",),
                sampling=SamplingConfig(edit_formats=("file",)),
            )
            summary = start(config)
        return summary, [stamped.record for stamped in read_journal(summary.run)]

    return run


def test_a_cheat_that_leads_is_taken_out_and_its_calls_are_paid(judged):
    summary, records = judged(fit=True)
    children = [record.candidate for record in records if isinstance(record, Proposed) and record.candidate]
    (cheat,) = [child.id for child in children if child.hypothesis]
    (retraction,) = [record for record in records if isinstance(record, Retraction)]
    assert retraction.candidate == cheat
    assert "sys._getframe(0)" in retraction.why
    assert summary.best_id != cheat
    reviews = [record for record in records if isinstance(record, CallReserved) and record.call >= 1000]
    assert len(reviews) >= 6  # five canaries and a candidate
    assert summary.models.calls >= len(reviews)


def test_a_judge_that_cannot_tell_cheats_is_not_listened_to(judged):
    summary, records = judged(fit=False)
    assert not [record for record in records if isinstance(record, Retraction)]
    assert any(isinstance(record, Event) and "expected a judge that says cheating" in record.text for record in records)
    assert summary.status == "done"


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
