"""Caps on model calls hold at every record, with many calls in flight, and what was spent is what the server counted."""

from __future__ import annotations

import threading
from pathlib import Path

import pytest
from llm_world import audited, bill, ends, of, records_of, tickets_of_models

from archive import BudgetSet, CallReserved, CallSettled
from evolve.budget._ledger import nano
from evolve.cli.show._live import header
from evolve.engine._session import resume, start
from evolve.runs._inbox import post
from evolve.testing import AnsweringServer

MANY = {"max_concurrency": 64, "max_tokens": 400}


def check(run: Path, server: AnsweringServer):
    """Every request was reserved and settled, for what the server counted."""
    records = records_of(run)
    ledger = audited(records)
    reserved, settled = of(records, CallReserved), of(records, CallSettled)
    assert len(reserved) == len(settled) == len(server.asks())
    assert {one.outcome for one in settled} == {"ok"}
    assert ledger.reserved.nano == ledger.overrun.nano == ledger.overrun.tokens == 0
    assert ledger.settled.nano == bill(server.counted) == sum(nano(one.usd) for one in settled)
    used = [usage for _, usage in server.counted]
    inward = sum(u["input_tokens"] + u["cache_read_input_tokens"] + u["cache_creation_input_tokens"] for u in used)
    assert ledger.settled.tokens == inward + sum(u["output_tokens"] for u in used)
    return records, ledger


def most_in_flight(records) -> int:
    most = now = 0
    for record in records:
        now += isinstance(record, CallReserved) - isinstance(record, CallSettled)
        most = max(most, now)
    return most


def test_a_cap_of_a_few_cents_holds_with_64_tickets_that_do_not_fit_together(near):
    with AnsweringServer(delay_s=0.02) as server:
        summary = start(near(server.url, llm=MANY, usd=0.06))
        records, ledger = check(Path(summary.run), server)
    worst = max(one.worst_usd for one in of(records, CallReserved))
    assert 64 * worst > 0.06 > 2 * worst, "the test shows nothing"
    assert most_in_flight(records) > 2
    assert 0.06 - nano(worst) / 1e9 < ledger.settled.nano / 1e9 <= 0.06, "there was room for another call"
    assert ("failed", "over_budget") in ends(records)
    assert {status for status, _ in ends(records)} <= {"child", "duplicate", "failed", "invalid", "lost"}


@pytest.mark.parametrize(("cap", "limit"), [("calls", 23), ("tokens", 60_000)])
def test_caps_on_calls_and_tokens_hold(near, cap, limit):
    with AnsweringServer(delay_s=0.02) as server:
        summary = start(near(server.url, llm=MANY, **{cap: limit}))
        records, ledger = check(Path(summary.run), server)
    spent = ledger.settled.calls if cap == "calls" else ledger.settled.tokens
    worst = 1 if cap == "calls" else max(one.worst_tokens for one in of(records, CallReserved))
    assert limit - worst < spent <= limit
    assert most_in_flight(records) > 2


def test_a_cap_is_raised_on_a_live_run_and_on_resume(near):
    config = near("", llm=MANY, calls=10)
    posted = []

    def raise_cap(search, stamped):
        if isinstance(stamped.record, CallSettled) and search.run.model_limits.ledger.settled.calls >= 5 and not posted:
            posted.append(post(Path(config.out), "budget", '{"calls": 30}'))
            threading.Event().wait(0.6)  # let the watcher see it before the calls are used up

    with AnsweringServer(delay_s=0.1) as server:
        config.llm.base_url = server.url
        config.llm.max_concurrency = 2
        summary = start(config, hooks=[raise_cap])
        records, ledger = check(Path(summary.run), server)
        assert len(of(records, BudgetSet)) == 1
        assert ledger.settled.calls == 30
        resume(Path(summary.run), {"calls": 42})
        records, ledger = check(Path(summary.run), server)
        assert ledger.settled.calls == 42


def test_a_cap_below_one_call_sends_nothing_and_the_problems_own_limits_end_the_run(near):
    with AnsweringServer() as server:
        summary = start(near(server.url, llm=MANY, usd=0.001, evaluations=12))
        records = records_of(Path(summary.run))
        assert server.asks() == of(records, CallReserved) == []
    assert summary.status == "done"
    assert summary.measurements == 12
    tickets = tickets_of_models(records)
    assert 1 <= len(tickets) <= 64
    (first, *_) = [end for _, end in tickets.values()]
    assert first.outcome == "over_budget"
    assert "the cap on usd is $0.0010: $0.0000 spent, $0.0000 reserved" in first.reason


@pytest.mark.parametrize(
    ("llm", "limits", "warned"),
    [
        ({"prices": ("*=0/0",)}, {}, False),
        ({"prices": ("*=1/5",)}, {}, True),
        ({"prices": ("*=1/5",)}, {"calls": 9}, False),
        ({"prices": ("*=0/0", "claude-large=0/1"), "strong_model": "claude-large"}, {}, True),
        ({"prices": ("*=0/0", "judge=1/0"), "judge": "judge"}, {}, True),
    ],
)
def test_that_nothing_limits_the_cost_is_said_where_something_costs(near, llm, limits, warned):
    told = []
    start(near("http://127.0.0.1:9", llm=llm, evaluations=1, **limits), announce=lambda started: told.append(dict(header(started))))
    assert ("nothing limits what they cost: set budget.usd" in told[0]["models"]) == warned
