"""Ranges given by hand: on a run that somebody drives, on one that nobody does, through Python and by the verb."""

from __future__ import annotations

import json
import re
import threading
from pathlib import Path

import pytest
from api_problem import Make

import evolve
from evolve._errors import UsageError
from evolve.cli import main

AXES = "descriptors: [{name: length, source: outcome, low: 0, high: 1, bins: 4}]\n"


@pytest.fixture
def binned(parabola: Path, make: Make) -> Make:
    """The tiny problem with a descriptor whose range is wrong: it is some hundred."""
    contract, evaluate = parabola / "problem.yaml", parabola / "evaluate.py"
    contract.write_text(contract.read_text() + AXES)
    evaluate.write_text(
        evaluate.read_text().replace("Outcome(score=", "Outcome(descriptors={'length': 100.0 + 7000 * x % 50}, score=")
    )
    return make


def rebinnings(run: evolve.Run) -> list[str]:
    return [text for (text,) in run.query("SELECT text FROM events WHERE kind = 'rebinned' ORDER BY seq").rows]


def test_a_run_that_nobody_drives_has_them_at_once_and_keeps_them_when_it_goes_on(binned: Make) -> None:
    run = binned(budget=evolve.Budget(evaluations=40), policy="map_elites")
    run.optimize()
    assert run.progress.spread.filled == 1
    spread = run.rebin({"length": (100, 150, 10)})
    assert (spread.cells, [*map(str, spread.axes)]) == (10, ["Axis(name='length', low=100.0, high=150.0, bins=10)"])
    assert spread.filled > 1
    assert spread == run.progress.spread
    assert [text.partition(";")[0] for text in rebinnings(run)] == [
        "by hand: length is 100 to 150 in 10 bins now, was 0 to 1 in 4 bins"
    ]
    elites = {elite.id for elite in run.elites()}
    run.resume(evolve.Budget(evaluations=60))
    assert run.progress.spread.axes == spread.axes
    assert len(rebinnings(run)) == 1
    assert len(elites) > 1
    assert {row[0] for row in run.query("SELECT candidate FROM elites").rows} == {elite.id for elite in run.elites()}


def test_a_run_that_is_driven_takes_them_while_it_goes_on(binned: Make) -> None:
    run, told, end = binned(budget=evolve.Budget(wall_s=60)), threading.Event(), []
    driver = threading.Thread(target=lambda: end.append(run.optimize(on_progress=lambda _: told.set())))
    driver.start()
    assert told.wait(30)
    spread = run.rebin({"length": (100, 150)})
    assert spread.axes[0].high == 150
    run.stop()
    driver.join(60)
    assert len(rebinnings(run)) == 1
    assert evolve.open_run(run.path).progress.spread.axes == spread.axes


def test_the_verb_does_the_same_and_status_shows_the_ranges(binned: Make, capsys: pytest.CaptureFixture[str]) -> None:
    run = binned()
    run.optimize()
    assert main(["rebin", str(run.path), "length=100:150:5"]) == 0
    said = capsys.readouterr().out
    assert "every candidate is placed anew: " in said
    assert " of 5 cells" in said
    assert "ranges: length 100 to 150 in 5 bins\n" in said
    assert main(["rebin", str(run.path), "length=100:160", "--json"]) == 0
    assert json.loads(capsys.readouterr().out)["spread"]["axes"] == [{"name": "length", "low": 100, "high": 160, "bins": 5}]
    assert main(["status", str(run.path)]) == 0
    assert re.search(r"^ranges +length 100 to 160 in 5 bins$", capsys.readouterr().out, re.MULTILINE)


@pytest.mark.parametrize(
    ("words", "told"),
    [
        (["length"], "expected NAME=LOW:HIGH or NAME=LOW:HIGH:BINS, found 'length'; type for example x=0:10:20"),
        (["length=1"], "found 'length=1'"),
        (["length=a:b"], "found 'length=a:b'"),
        (["length=0:inf"], "found 'length=0:inf'"),
        (["length=0:1:1.5"], "found 'length=0:1:1.5'"),
        (["=0:1"], "found '=0:1'"),
        (["length=5:1"], "with LOW below HIGH, found 5.0:1.0."),
        (["lenght=0:1"], "expected one of length, found 'lenght'; did you mean length"),
        (["length=0:1", "length=0:2"], "expected each descriptor once, found length=0:1 length=0:2"),
    ],
)
def test_what_is_no_range_is_refused_in_a_sentence(binned: Make, capsys: pytest.CaptureFixture[str], words, told) -> None:
    run = binned()
    assert main(["rebin", str(run.path), *words]) == 2
    assert told in capsys.readouterr().err
    assert not rebinnings(run)


@pytest.mark.parametrize("axes", [{}, 3, {"length": 5}, {"length": (1,)}, {"length": (0, float("inf"))}, {1: (0, 1)}])
def test_python_says_what_it_takes(binned: Make, axes) -> None:
    with pytest.raises(UsageError, match=r'expected ranges by descriptor, as \{"x": \(0, 10\)\}'):
        binned().rebin(axes)
