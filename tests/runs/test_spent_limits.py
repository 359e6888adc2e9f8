"""A limit that is spent already is refused before anything is written, whoever asks; one that leaves something to do is not."""

from __future__ import annotations

import json
import time
from dataclasses import replace
from pathlib import Path
from types import SimpleNamespace

import pytest

import evolve
from archive import Attempt, BlockEntry, Measured, MeasureIssued, Purpose, RequestHandled, find_records
from evolve._errors import UsageError
from evolve.budget._ledger import Amount, nano
from evolve.cli import main
from evolve.cli.mcp._driving import resume_run
from evolve.config._compose import budget_changes
from evolve.engine._reading import view_run
from evolve.engine._session import resume, start
from evolve.engine.requests._limits import need_room
from evolve.runs._inbox import post

WAYS = {
    "engine": lambda run, limit: resume(run, limit),
    "Python": lambda run, limit: evolve.open_run(run).resume(evolve.Budget(**limit)),
    "MCP": lambda run, limit: resume_run(str(run), limit, drive=True, wait_s=1),
}


def on_disk(run: Path) -> dict[str, bytes]:
    """All files but the lock, which says who looked last."""
    return {str(one.relative_to(run)): one.read_bytes() for one in run.rglob("*") if one.is_file() and one.name != "lock"}


@pytest.mark.parametrize("way", WAYS)
@pytest.mark.parametrize(
    ("key", "limit"), [("evaluations", 5), ("evaluations", 20), ("candidates", 2), ("wall_s", 0.001), ("cpu_s", 1e-4)]
)
def test_a_limit_that_is_spent_is_refused_with_what_to_type_and_nothing_is_written(parabola, way, key, limit):
    run = Path(start(parabola(evaluations=21)).run)
    resume(run, {"evaluations": 24})  # the limit on record is another than what is asked for
    before = on_disk(run)
    said = rf"^expected budget\.{key} above the \S+ that are spent, found {limit}; type: evolve resume \S+ budget\.{key}=\S+"
    with pytest.raises(UsageError, match=said) as refused:
        WAYS[way](run, {key: limit})
    assert on_disk(run) == before
    words = str(refused.value).rpartition(f"type: evolve resume {run} ")[2].split()
    assert resume(run, budget_changes(words)).measurements > 24


def test_the_command_line_ends_with_2_and_one_sentence(parabola, capsys):
    run = Path(start(parabola(evaluations=12)).run)
    before = on_disk(run)
    assert main(["resume", str(run), "budget.evaluations=5"]) == 2
    more = f"evolve resume {run} budget.evaluations=24"
    sentence = f"evolve: expected budget.evaluations above the 12 that are spent, found 5; type: {more}\n"
    assert capsys.readouterr() == ("", sentence)
    assert on_disk(run) == before
    assert main(["resume", str(run), "budget.evaluations=12"]) == 0  # as it is on record
    assert "done: budget.evaluations is spent" in capsys.readouterr().out
    assert main(["resume", str(run)]) == 0
    assert "done: budget.evaluations is spent" in capsys.readouterr().out


def test_a_driver_refuses_it_too_and_goes_on(parabola):
    asked = []

    def lower(state, stamped) -> None:
        if isinstance(stamped.record, Measured) and state.run.usage.measured >= 10 and not asked:
            asked.append(post(Path(config.out), "budget", '{"evaluations": 3}'))
        if asked and not state.run.handled_requests:
            time.sleep(0.1)  # at each record, so that the watcher sees it before the run ends

    config = parabola(evaluations=60)
    summary = start(config, hooks=[lower])
    (handled,) = (one.record for one in find_records(Path(config.out), ("requested",)) if isinstance(one.record, RequestHandled))
    assert not handled.accepted
    assert "found 3; type: evolve resume RUN budget.evaluations=" in json.loads(handled.answer)["error"]
    assert summary.measurements > 50


def test_what_is_spent_may_be_the_limit_where_something_goes_on_under_it(parabola):
    view = view_run(start(parabola(evaluations=12)).run)
    state, run = view.state, view.state.run
    run.model_limits.ledger.settled = Amount(nano(0.5), 700, 7)
    spent = {"usd": 0.5, "tokens": 700, "calls": 7}
    need_room(state, spent, view.now)  # no call more: others than models make children
    alone = replace(state, run=replace(run, config=replace(run.config, operators=())))
    for key, much in spent.items():
        for of, limit in ((state, much * 0.9), (alone, much)):
            with pytest.raises(UsageError, match=rf"expected budget\.{key} above the {much:g} that are spent, found {limit}"):
                need_room(of, {key: limit}, view.now)

    run.budget = replace(run.budget, evaluations=100)
    state.population.queue.append(SimpleNamespace(index=1))
    need_room(state, {"candidates": run.usage.candidates}, view.now)  # a child waits, which is counted already
    state.population.queue.clear()
    n = {"evaluations": run.usage.evaluations, "candidates": run.usage.candidates}
    for key, much in n.items():
        with pytest.raises(UsageError, match=f"above the {much} that are spent, found {much}"):
            need_room(state, {key: much}, view.now)
    child = state.population.candidates[1].id
    block = MeasureIssued(Attempt("e", run.tickets.next_ticket), state.problem, Purpose.SEARCH, (BlockEntry(child, 0, 0),))
    run.tickets.on_issued(block)
    need_room(state, n, view.now)  # what was handed out is counted already
    with pytest.raises(UsageError):
        need_room(state, {"evaluations": n["evaluations"] - 1}, view.now)


def test_two_limits_that_are_spent_are_told_in_one_sentence(parabola):
    run = start(parabola(evaluations=12)).run
    said = (
        "evaluations above the 12 that are spent, found 2, and budget.candidates above the .* that are spent, found 1; type: .*=.*="
    )
    with pytest.raises(UsageError, match=said):
        resume(Path(run), {"evaluations": 2, "candidates": 1})
