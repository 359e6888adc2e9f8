"""What is ahead of a run and of its children, worked out from its state: the limit to raise, and how long a child waits."""

from __future__ import annotations

from dataclasses import replace
from types import SimpleNamespace
from typing import cast

from archive import Attempt, BlockEntry, MeasureIssued, Purpose
from evolve.budget._model_limits import ModelLimits
from evolve.engine._reading import view_run
from evolve.problem.contract._contract import Budget
from evolve.search._stopping import NO_MODEL, exhausted_limit
from evolve.search.state._state import ProblemState
from evolve.views._outlook import ending_limits, fate, outlook, raising


def test_the_hint_raises_the_limit_that_ended_the_run_and_no_other() -> None:
    why = "openai: not sent, as the cap on calls is 6: 6 spent, 0 reserved, 1 asked for"
    accounts = ModelLimits(Budget(calls=6))
    accounts.over_cap["m"] = why
    ended = cast(
        ProblemState,
        SimpleNamespace(run=SimpleNamespace(budget=Budget(wall_s=60.0, calls=6, evaluations=100), model_limits=accounts)),
    )
    assert ending_limits(ended, "budget.evaluations") == ("budget.evaluations",)
    assert ending_limits(ended, NO_MODEL) == ending_limits(ended, "budget.calls") == ("budget.calls",)
    assert ending_limits(ended, "stop.target") == ()


def test_the_limit_that_is_named_is_above_what_is_spent_and_set_aside(run) -> None:
    state = view_run(str(run.path)).state
    now = state.run.usage.last_at
    state.run.budget = Budget(wall_s=60.0, calls=6, evaluations=1)
    assert raising(state, now, "my run", "budget.calls") == "evolve resume 'my run' budget.calls=12 budget.evaluations=2"
    assert raising(state, now, "r", "budget.wall_s") == "evolve resume r budget.wall_s=120 budget.evaluations=2"
    state.run.budget = replace(state.run.budget, evaluations=None)
    assert raising(state, now, "my run", "budget.calls") == "evolve resume 'my run' budget.calls=12"
    state.run.budget = replace(state.run.budget, evaluations=1)
    state.run.usage.evaluations, state.run.usage.before_s = 131, 500.0
    for name, much in (("evaluations", 131), ("wall_s", 500.0)):
        named = raising(state, now, "r", f"budget.{name}").rpartition(f"budget.{name}=")[2].split()[0]
        assert float(named) > much
        state.run.budget = replace(state.run.budget, **{name: float(named)})
    assert exhausted_limit(state, now) == ""


def test_a_child_in_hand_is_after_nobody_and_its_time_is_what_is_left(run) -> None:
    ticket = run.ask()
    id_ = run.tell(ticket, {path: f"{text}\nMORE = 1\n" for path, text in ticket.files.items()}).candidate
    state = view_run(str(run.path)).state
    now, number = state.run.usage.last_at, state.population.by_id[id_]
    state.run.usage.measure_wall_s = 60.0
    seen = outlook(state, now, run="r", driven=True)
    assert "it is measured in about 60 s" in fate(state, number, seen, now, run="r").words
    attempt = Attempt("e", state.run.tickets.next_ticket, 1)
    state.run.tickets.on_issued(MeasureIssued(attempt, state.problem, Purpose.SEARCH, (BlockEntry(id_, 0, 0),)))
    state.population.queue.clear()
    seen = outlook(state, now, run="r", driven=True)
    found = fate(state, number, seen, now, run="r", ran_s=20.0)
    assert (found.ahead, found.about_s, found.will) == (0, 40.0, True)
    late = fate(state, number, seen, now, run="r", ran_s=90.0)
    assert "for 90 s already" in late.words
    killed = outlook(state, now, run="r", driven=False)
    starting = outlook(state, now, run="r", driven=True, opening=True)
    assert [(one.waiting, one.running) for one in (seen, killed, starting)] == [(0, 1), (1, 0), (1, 0)]
    assert "being measured" not in fate(state, number, starting, now, run="r").words
