"""What is spent may be a limit where something goes on under it, and only there."""

from __future__ import annotations

from dataclasses import replace
from types import SimpleNamespace

import pytest

from archive import Attempt, BlockEntry, MeasureIssued, Purpose
from evolve._errors import UsageError
from evolve.budget._ledger import Amount, nano
from evolve.engine._reading import view_run
from evolve.engine._session import start
from evolve.engine.requests._limits import need_room


def test_what_is_spent_may_be_the_limit_where_something_goes_on_under_it(plain):
    view = view_run(start(plain(evaluations=12)).run)
    state, run = view.state, view.state.run
    run.model_limits.ledger.settled = Amount(nano(0.5), 700, 7)
    spent = {"usd": 0.5, "tokens": 700, "calls": 7}
    need_room((state,), spent, view.now)  # no call more: others than models make children
    alone = replace(state, run=replace(run, config=replace(run.config, operators=())))
    for key, much in spent.items():
        for of, limit in ((state, much * 0.9), (alone, much)):
            with pytest.raises(UsageError, match=rf"expected budget\.{key} above the {much:g} that are spent, found {limit}"):
                need_room((of,), {key: limit}, view.now)

    run.budget = replace(run.budget, evaluations=100)
    state.population.queue.append(SimpleNamespace(index=1))
    need_room((state,), {"candidates": run.usage.candidates}, view.now)  # a child waits, which is counted already
    state.population.queue.clear()
    n = {"evaluations": run.usage.evaluations, "candidates": run.usage.candidates}
    for key, much in n.items():
        with pytest.raises(UsageError, match=f"above the {much} that are spent, found {much}"):
            need_room((state,), {key: much}, view.now)
    child = state.population.candidates[1].id
    block = MeasureIssued(Attempt("e", run.tickets.next_ticket), state.problem, Purpose.SEARCH, (BlockEntry(child, 0, 0),))
    run.tickets.on_issued(block)
    need_room((state,), n, view.now)  # what was handed out is counted already
    with pytest.raises(UsageError):
        need_room((state,), {"evaluations": n["evaluations"] - 1}, view.now)
