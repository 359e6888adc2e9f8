"""A limit that is spent already is refused before anything is written, whoever asks; one that leaves something to do is not."""

from __future__ import annotations

import json
import re
import threading
import time
from pathlib import Path

import pytest

from archive import Measured, RequestHandled, find_records
from evolve import Budget
from evolve._errors import UsageError
from evolve.cli import main


def on_disk(run: Path) -> dict[str, bytes]:
    """All files but the lock, which says who looked last."""
    return {str(one.relative_to(run)): one.read_bytes() for one in run.rglob("*") if one.is_file() and one.name != "lock"}


def refused_in_python(run, key, limit, capsys) -> str:
    with pytest.raises(UsageError) as refused:
        run.resume(Budget(**{key: limit}))
    return str(refused.value)


def refused_when_typed(run, key, limit, capsys) -> str:
    assert main(["resume", str(run.path), f"budget.{key}={limit}"]) == 2
    out, err = capsys.readouterr()
    assert (out, err.count("\n")) == ("", 1)
    return err.strip().removeprefix("evolve: ")


WAYS = {"typed": refused_when_typed, "Python": refused_in_python}  # by a tool of MCP: see tests/cli/test_mcp.py
LIMITS = [("evaluations", 5), ("evaluations", 20), ("candidates", 2), ("wall_s", 0.001), ("cpu_s", 1e-4)]


@pytest.mark.parametrize(
    ("way", "key", "limit"),
    [
        pytest.param(way, *one, marks=[pytest.mark.slow] * (one == LIMITS[1] or (way == "Python" and one != LIMITS[0])))
        for way in WAYS
        for one in LIMITS
    ],
)
def test_a_limit_that_is_spent_is_refused_with_what_to_type_and_nothing_is_written(parabola, way, key, limit, capsys):
    run = parabola(evaluations=21)
    run.optimize()
    run.resume(Budget(evaluations=24))  # the limit on record is another than what is asked for
    before = on_disk(run.path)
    told = WAYS[way](run, key, limit, capsys)
    said = rf"expected budget\.{key} above the \S+ that are spent, found {limit}; type: evolve resume \S+ budget\.{key}=\S+"
    assert re.match(said, told)
    assert on_disk(run.path) == before
    words = told.rpartition(f"type: evolve resume {run.path} ")[2].split()
    assert main(["resume", str(run.path), *words]) == 0
    assert run.summary().measurements > 24


def test_the_limit_on_record_may_be_said_again(parabola, capsys):
    run = parabola(evaluations=12)
    run.optimize()
    before = on_disk(run.path)
    told = refused_when_typed(run, "evaluations", 5, capsys)
    more = f"evolve resume {run.path} budget.evaluations=24"
    assert told == f"expected budget.evaluations above the 12 that are spent, found 5; type: {more}"
    assert on_disk(run.path) == before
    for words in (["budget.evaluations=12"], []):
        assert main(["resume", str(run.path), *words]) == 0
        assert "done: budget.evaluations is spent" in capsys.readouterr().out


def test_a_driver_refuses_it_too_and_goes_on(parabola):
    run, asked, answered = parabola(evaluations=60), [], threading.Event()

    def ask() -> None:
        with pytest.raises(UsageError) as refused:
            run.resume(Budget(evaluations=3))
        asked.append(str(refused.value))
        answered.set()

    def lower(progress) -> None:
        if progress.measurements >= 10 and not asking.ident:
            asking.start()
        if asking.ident and not answered.is_set():
            time.sleep(0.1)  # at each record, so that the request is seen before the run ends

    asking = threading.Thread(target=ask)
    assert run.optimize(lower, every_s=0).measurements > 50
    assert answered.wait(30)
    assert f"found 3; type: evolve resume {run.path} budget.evaluations=" in asked[0]
    (handled,) = (one.record for one in find_records(run.path, ("requested",)) if isinstance(one.record, RequestHandled))
    assert not handled.accepted
    assert "found 3; type: evolve resume RUN budget.evaluations=" in json.loads(handled.answer)["error"]
    assert sum(isinstance(one.record, Measured) for one in find_records(run.path, ("measured",))) > 50


def test_two_limits_that_are_spent_are_told_in_one_sentence(parabola):
    run = parabola(evaluations=12)
    run.optimize()
    said = (
        "evaluations above the 12 that are spent, found 2, and budget.candidates above the .* that are spent, found 1; type: .*=.*="
    )
    with pytest.raises(UsageError, match=said):
        run.resume(Budget(evaluations=2, candidates=1))
