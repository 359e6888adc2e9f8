"""A run whose models are asked in batches: a batch is a slow call, and what is open when a driver dies is charged in full."""

from __future__ import annotations

import os
import signal
import threading
import time
from dataclasses import replace

import pytest

from archive import Attempt, CallReserved, CallSettled, Journal, Proposed, ProposeIssued, open_query, read_journal
from evolve import Budget
from evolve.cli import main
from evolve.models import Anthropic
from evolve.testing import ModelServer

GOOD = """HYPOTHESIS: the middle is best
PLAN: put the point there

```python
# file: main.py
X = 0.5
Y = {y}


def point():
    return [X, Y]
```
"""


@pytest.fixture
def server(request, monkeypatch):
    """Its batches end at once, or after as many looks as a test says."""
    monkeypatch.setenv("ANTHROPIC_API_KEY", "dummy-key")
    made = iter(range(1, 1000))
    polls = getattr(request, "param", 0)
    with ModelServer(verdict=lambda place, params: GOOD.format(y=0.5 + next(made) / 1e4), polls=polls) as server:
        yield server


def batched(parabola, server, calls):
    models = Anthropic(
        ["claude-test"],
        base_url=server.url,
        prices=("claude-test=1/5",),
        max_concurrency=2,
        batch=2,
        batch_wait_s=0.1,
        grace_s=0.0,
        operators=("llm_mutate",),
        edit_formats=("file",),
    )
    return parabola({"models": models, "operators": []}, calls=calls)


def of(run, kind):
    return [stamped.record for stamped in read_journal(run.path) if isinstance(stamped.record, kind)]


def test_children_of_batches_come_as_any_and_cost_half(parabola, server):
    run = batched(parabola, server, calls=4)
    summary = run.optimize()
    assert (summary.status, summary.models.calls) == ("done", 4)
    assert [one.status for one in of(run, Proposed) if one.usd] == ["child"] * 4
    reserved, settled = of(run, CallReserved), of(run, CallSettled)
    assert [one.outcome for one in settled] == ["ok"] * 4
    assert {one.batch for one in reserved} == {""}
    assert settled[0].usd == (settled[0].tokens_in * 1 + settled[0].tokens_out * 5) / 2e6


@pytest.mark.parametrize("server", [10**9], indirect=True)
def test_what_is_in_a_batch_at_the_end_is_charged_in_full_and_its_ticket_is_lost(parabola, server, capsys):
    run = batched(parabola, server, calls=4)

    def interrupt():
        while len(of(run, CallReserved)) < 2:
            time.sleep(0.05)
        os.kill(os.getpid(), signal.SIGINT)

    somebody = threading.Thread(target=interrupt)
    somebody.start()
    assert run.optimize().status == "interrupted"
    somebody.join()
    reserved, settled = of(run, CallReserved), of(run, CallSettled)
    assert sorted(one.usd for one in settled) == sorted(one.worst_usd for one in reserved) != []
    assert {one.status for one in of(run, Proposed)[1:]} == {"lost"}
    assert main(["status", str(run.path)]) == 0
    told = " ".join(capsys.readouterr().out.split())
    assert "are assumed, for 2 calls that no server counted or a driver left open" in told


def test_a_run_of_a_version_that_left_calls_in_batches_goes_on_and_they_are_charged_in_full(parabola, server):
    run = batched(parabola, server, calls=2)
    run.optimize()
    issued = of(run, ProposeIssued)[-1]
    left = Attempt(issued.attempt.epoch, issued.attempt.ticket + 1)
    call = CallReserved(left, 1, "anthropic-batches", "claude-test", "row", 0.25, worst_tokens=70)
    with Journal.open(run.path) as journal:
        for record in (replace(issued, attempt=left), call, replace(call, batch="msgbatch_9")):
            journal.append(record, at=time.time())
    summary = run.resume(Budget(calls=4))
    assert (summary.status, summary.models.calls) == ("done", 4)
    (end,) = [one for one in of(run, Proposed) if one.attempt == left]
    (settled,) = [one for one in of(run, CallSettled) if one.attempt == left]
    assert end.status == "lost"
    assert (settled.usd, settled.usd_assumed, settled.tokens_assumed) == (0.25, 0.25, 70)
    assert not [each for each in server.heard if "msgbatch_9" in each.path]
    with open_query([run.path]) as query:
        rows = query.sql(f"SELECT outcome, usd FROM llm_calls WHERE ticket = {left.ticket}").rows
    assert [tuple(row) for row in rows] == [("lost", 0.25)]
