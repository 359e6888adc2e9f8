"""What is shown of what a run has learnt: in ``evolve status``, in the live view, once at the end."""

from __future__ import annotations

import re
import shutil
from dataclasses import replace
from pathlib import Path

import pytest
from cli_process import SETTINGS, Say

import evolve
from evolve.cli.show._learnt import LEARNT, archive_text, learnt_table, percent
from evolve.cli.show._live import rows

KNOWN = {"better": 123, "new_bests": 17, "gain": 0.012345, "duplicates": 1234, "wall_s": 4000.0, "probability": 0.5}


@pytest.fixture
def found(ended: tuple[Path, str, str]):
    """What a run learnt with these operators, of which nothing is known but ``known``."""
    learnt = evolve.open_run(ended[0])._view().learnt()
    blank = type(learnt.operators[0])("")

    def call(*names: str, **known: object):
        made = [replace(blank, name=name, children=10000 - n, failed=1234, **known) for n, name in enumerate(names)]
        return replace(learnt, operators=tuple(made))

    return call


@pytest.fixture
def ways(found):
    """The three ways of choosing a parent."""
    return tuple(replace(one, children=9) for one in found("main", "excursion", "archive", **KNOWN).operators)


def test_what_is_not_known_has_no_column_and_what_had_no_ticket_no_line(found) -> None:
    known = found("ast_edit", "tune")
    known = replace(known, selectors=(), operators=(*known.operators, replace(known.operators[0], name="merge", children=0)))
    assert [line.split() for line in learnt_table(known, "r").splitlines()] == [
        ["made", "failed", "known", "took"],
        ["ast_edit", "10000", "1234", "0", "0.0", "s"],
        ["tune", "9999", "1234", "0", "0.0", "s"],
    ]
    assert learnt_table(replace(found(), selectors=()), "r") == ""


def test_the_table_fits_a_terminal(found, ways) -> None:
    full = replace(found(*(f"operator_{n}" for n in range(12)), **KNOWN), selectors=ways)
    lines = [LEARNT, *learnt_table(full, "r --json").splitlines()]
    assert max(map(len, lines)) <= 80
    assert len(lines) == 13
    assert lines[-1] == "... 5 more; all: evolve status r --json"
    fits = learnt_table(replace(found("ast_edit", "tune", **KNOWN), selectors=ways), "r")
    names = [line[:14].rstrip() for line in fits.splitlines()]
    assert names == ["", "main climb", "excursions", "archive elites", "ast_edit", "tune"]


def test_the_archive_is_told_by_places_lines_and_median(found) -> None:
    spread = replace(found().spread, elites=23, filled=23, cells=360, lines=8, median=1.993731)
    assert archive_text(spread) == "23 of 360 cells, 8 lines of descent, median 1.993731"
    flat = replace(spread, cells=None, filled=64, elites=64, lines=1)
    assert archive_text(flat) == "64 elites, 1 line of descent, median 1.993731"
    assert archive_text(replace(flat, islands=4)) == "64 elites on 4 islands, 1 line of descent, median 1.993731"
    assert archive_text(replace(spread, filled=1, elites=1, lines=0)) == "1 of 360 cells"


@pytest.mark.parametrize(("archive", "bins"), [("grid", " in 6 bins"), ("cvt", ""), ("novelty", "")])
def test_ranges_have_bins_where_cells_are_bins(archive: str, bins: str, say: Say, problem: Path, tmp_path: Path) -> None:
    cut = Path(shutil.copytree(problem, tmp_path / "cut"))
    contract, evaluate = cut / "problem.yaml", cut / "evaluate.py"
    contract.write_text(contract.read_text() + "descriptors: [{name: side, low: -9, high: 9, bins: 6}]\n")
    evaluate.write_text(evaluate.read_text().replace("artifacts={", 'descriptors={"side": x - y},\n        artifacts={'))
    run = tmp_path / "run"
    say("run", f"problem={cut}", f"search.archive={archive}", "budget.evaluations=6", f"out={run}", *SETTINGS)
    assert re.search(rf"^ranges +side -9 to 9{bins}$", say("status", run), re.M)


def test_islands_without_descriptors_have_no_cells(say: Say, problem: Path, tmp_path: Path) -> None:
    words = [f"problem={problem}", "search=map_elites", "search.islands=3", "budget.evaluations=25", f"out={tmp_path / 'run'}"]
    end = say("run", *words, *SETTINGS)
    assert re.search(r"^archive +\d+ elites on 3 islands, ", end, re.M)


@pytest.mark.parametrize("search", ["auto", "map_elites"])
def test_a_run_says_at_its_end_what_it_learnt_and_status_in_short(search: str, say: Say, problem: Path, tmp_path: Path) -> None:
    run = tmp_path / "run"
    words = [f"problem={problem}", f"search={search}", "budget.evaluations=40", f"out={run}", *SETTINGS]
    end, status = say("run", *words), say("status", run)
    table = end.partition(f"\n{LEARNT}\n")[2].partition("\n\n")[0]
    assert re.search(r"^(ast_edit|redraw|grow|tune) +\d+ +\d+ +\d+ +\d+ +\d+ ", table, re.M)  # the table has the busiest
    assert ("main climb" in table) == (search == "auto")
    course = evolve.open_run(run).progress.course
    for text in (end, status):
        assert re.search(rf"^search +{re.escape(course)}$", text, re.M)
        assert re.search(r"^archive +\d+ elites, \d+ lines? of descent, median ", text, re.M)
    assert status.partition(f"\n{LEARNT}\n")[2].strip() == table.strip()
    for one in evolve.open_run(run).learnt().operators:  # what is said of the next child, and of what the others took
        chance = re.escape(percent(one.probability)) if one.probability else "-"
        took = re.escape(f"{one.wall_s:.1f} s")
        assert re.search(rf"^{one.name} .* {took} +{chance}$", status, re.M) or not one.children, one.name


def test_who_cost_much_and_made_nothing_has_a_line(found) -> None:
    asked = replace(*found("llm_mutate").operators, children=0, failed=0, no_child=3, usd=1.23456, probability=0.001)
    refused = replace(found(), selectors=(), operators=(asked,))
    assert learnt_table(refused, "r").splitlines()[1].split() == ["llm_mutate", "0", "0", "0", "0.0", "s", "1.23", "<", "1", "%"]


def test_who_has_nothing_to_work_on_now_has_a_dash(found) -> None:
    never = replace(found("revert").operators[0], probability=0.0)
    assert learnt_table(replace(found(), selectors=(), operators=(never,)), "r").splitlines()[1].endswith(" -")


def test_the_live_view_has_two_lines_of_it(ended: tuple[Path, str, str]) -> None:
    seen = evolve.open_run(ended[0]).progress
    shown = rows(seen, 1.0, 1.0)
    first = [name for name, _ in shown].index("search")
    parts = [text for name, text in shown[first:] if name in ("search", "")]
    assert "; ".join(parts) == seen.course != ""
    assert max(map(len, parts)) <= 70
    assert dict(shown)["archive"] == archive_text(seen.spread)


def test_the_live_view_says_who_may_make_the_next_child(ended: tuple[Path, str, str]) -> None:
    seen = evolve.open_run(ended[0]).progress
    most = max(seen.shares, key=lambda one: one.probability or 0.0)
    assert dict(rows(seen, 1.0, 1.0))["next"].startswith(f"{most.operator} {percent(most.probability)}, ")


def test_before_the_first_child_nothing_is_learnt(say: Say, undriven: Path) -> None:
    status = say("status", undriven)
    assert not re.search(r"^(search|what earned what) ", status, re.M)
    assert re.search(r"^archive +1 elite$", status, re.M)
