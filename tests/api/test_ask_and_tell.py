"""Whoever makes a child in Python goes through the gates that every child passes."""

from __future__ import annotations

import threading

import pytest
from api_problem import SEED, Make

import evolve
from evolve._errors import RunError, UsageError

BETTER = SEED.replace("0.75", "0.5")


def test_a_child_is_asked_for_told_and_measured_where_nobody_drives(make: Make) -> None:
    run = make()
    ticket = run.ask()
    assert dict(ticket.files) == {"main.py": SEED}
    assert ticket.assignment.task.metric == "height"
    assert ticket.rules
    child = run.tell(ticket, {"main.py": BETTER}, summary="Y in the middle", hypothesis="it peaks there")
    assert (child.ticket, child.status, child.late) == (ticket.number, "accepted", False)
    found = run.wait(child, 60)
    assert (found.status, found.score, found.effect_gain) == ("ok", -0.0625, 0.0625)
    assert (found.gain, found.word) == (run.best.gain, "measured once") == (None, "measured once")
    assert (found.parent, found.parent_score) == (run.initial.id, -0.125)
    best = run.best
    assert (best.id, best.operator, best.summary, best.hypothesis) == (
        child.candidate, "external", "Y in the middle", "it peaks there",
    )  # fmt: skip
    assert run.status == "stopped"
    assert run.optimize().status == "done"  # with the child among the parents
    assert run.best.score >= -0.0625


def test_a_child_is_measured_by_whoever_drives(make: Make) -> None:
    run, told = make(budget=evolve.Budget(wall_s=60)), threading.Event()
    driver = threading.Thread(target=lambda: run.optimize(on_progress=lambda _: told.set()))
    driver.start()
    assert told.wait(30)
    child = run.tell(run.ask("seed"), {"main.py": BETTER})
    assert run.wait(child, 30).score == -0.0625
    assert run.status == "running"
    run.stop()
    driver.join(30)


def test_a_refused_child_says_why_and_leaves_its_ticket_open(make: Make) -> None:
    run = make()
    ticket = run.ask()
    other = run.tell(ticket, {"other.py": "x = 1\n"})
    assert (other.status, other.candidate) == ("invalid", None)
    assert "other.py" in other.reason
    with pytest.raises(UsageError, match=r"there is nothing to wait for, as the child was not taken: .*other\.py"):
        run.wait(other)
    same = run.tell(ticket, {"main.py": SEED})
    assert (same.status, same.reason) == ("duplicate", "it is the parent, unchanged")
    child = run.tell(ticket, {"main.py": BETTER})
    assert (child.status, child.late) == ("accepted", False)


def test_a_wait_that_is_over_says_so_and_the_score_comes_later(make: Make) -> None:
    run = make()
    child = run.tell(run.ask(), {"main.py": BETTER})
    found = run.wait(child, 0)
    assert found.status == "not measured"
    assert found.reason.startswith("the wait is over, and ")
    assert run.wait(child.candidate, 60).score == -0.0625


def test_a_parent_may_be_a_candidate(make: Make) -> None:
    run = make()
    child = run.tell(run.ask(), {"main.py": BETTER})
    run.wait(child, 60)
    ticket = run.ask(run.best)
    assert dict(ticket.files) == {"main.py": BETTER}
    with pytest.raises(RunError, match="has no candidate 'zzz'"):
        run.ask("zzz")


def test_notes_stand_in_the_next_tickets(make: Make) -> None:
    run = make()
    run.note("Y is not there yet", author="ann")
    assert [(one.author, one.text) for one in run.ask().remarks] == [("ann", "Y is not there yet")]


def test_a_retracted_candidate_gives_way_and_its_descendants_are_named(make: Make) -> None:
    run = make()
    first = run.tell(run.ask(), {"main.py": BETTER})
    run.wait(first, 60)
    second = run.tell(run.ask(first.candidate), {"main.py": BETTER.replace("0.25", "0.5")})
    run.wait(second, 60)
    assert run.retract(first.candidate, why="it peeks") == (second.candidate,)
    assert run.best.id != first.candidate
    with pytest.raises(UsageError, match="was retracted already"):
        run.retract(first.candidate, why="it peeks")
    with pytest.raises(UsageError, match="the initial program cannot be retracted"):
        run.retract("seed", why="it peeks")


@pytest.mark.parametrize(
    ("files", "said"),
    [
        ("x = 1\n", "expected files as a mapping from path to text"),
        ({"main.py": b"x = 1\n"}, "expected files as a mapping from path to text"),
        ({3: "x"}, "expected files as a mapping from path to text"),
    ],
)
def test_files_that_are_none_are_refused(make: Make, files: object, said: str) -> None:
    run = make()
    with pytest.raises(UsageError, match=said):
        run.tell(run.ask(), files)  # type: ignore[arg-type]


def test_words_and_tickets_that_are_none_are_refused(make: Make) -> None:
    run = make()
    ticket = run.ask()
    with pytest.raises(UsageError, match="hypothesis must be a text, found 3"):
        run.tell(ticket, {"main.py": BETTER}, hypothesis=3)  # type: ignore[arg-type]
    with pytest.raises(UsageError, match="no ticket 99 was handed out"):
        run.tell(99, {"main.py": BETTER})
    with pytest.raises(UsageError, match="a ticket expires after more than 0"):
        run.ask(expires_s=-1)
