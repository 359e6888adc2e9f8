"""The contribution map from results: what is said of each change, and which are left out of the reduced program."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import replace
from pathlib import Path

import pytest
from research_problem import write_problem

import evolve
from archive import Measurement, Status
from evolve.problem.contract._contract import Contract
from evolve.research._changes import Changes, changes_of
from evolve.research._design import Design, design_of
from evolve.research._figure import figure
from evolve.research._map import AblationMap, Reduced, left_out_of, map_of, with_reduced
from evolve.research._measuring import Scores
from evolve.research._report import effect_text, rows, sentences

NAMES = "ABCD"
BEFORE = "".join(f"{name} = 0\n" for name in NAMES)
Worth = Callable[[Mapping[str, int]], float | None]


@pytest.fixture
def contract(tmp_path: Path) -> Contract:
    return evolve.load_problem(write_problem(tmp_path / "parts", noisy=False)).contract


def taken_apart() -> tuple[Changes, Design]:
    changes = changes_of({"main.py": BEFORE}, {"main.py": BEFORE.replace("0", "1")})
    return changes, design_of(changes)


def results(design: Design, worth: Worth, seeds: tuple[int, ...] = (1,), cpu: Worth = lambda names: 1.0) -> Scores:
    """What is measured where this is what the values of A to D are worth; None is a crash."""
    found = []
    for program, files in design.programs.items():
        names: dict[str, int] = {}
        exec(files["main.py"], names)
        score = worth(names)
        status = Status.CRASH if score is None else Status.OK
        found += [
            Measurement(
                program, "full", seed, status, score=score, reason="no" * (score is None), cpu_s=(cpu(names) or 0) + seed / 1000
            )
            for seed in seeds
        ]
    failed = {one.candidate: one for one in found if one.score is None}
    scores = {
        program: tuple(one.score for one in found if one.candidate == program)
        for program in design.programs
        if program not in failed
    }
    return Scores(seeds, scores, failed, tuple(found))


def mapped(contract: Contract, worth: Worth, **words: object) -> tuple[AblationMap, list[int]]:
    changes, design = taken_apart()
    found = map_of(contract, changes, design, results(design, worth, **words))  # type: ignore[arg-type]
    return found, left_out_of(design, found)


def verdicts(found: AblationMap) -> dict[str, str]:
    return {one.name.split()[1]: str(one.verdict) for one in found.contributions}


def test_of_two_changes_that_make_up_for_each_other_both_stay(contract):
    found, left_out = mapped(contract, lambda v: max(v["A"], v["B"]) - v["C"])
    assert verdicts(found) == {"A": "helps alone", "B": "helps alone", "C": "hurts", "D": "nothing"}
    assert left_out == [2, 3]
    assert [one.interacts for one in found.contributions] == [True, True, False, False]
    assert sum("gives less beside them than alone" in line for line in sentences(found, None)) == 2


def test_what_fails_without_a_change_needs_it_and_it_ranks_first(contract):
    found, left_out = mapped(contract, lambda v: None if v["B"] and not v["D"] else 5.0 * v["A"] + v["C"])
    assert [one.name.split()[1] for one in found.contributions] == ["D", "A", "C", "B"]
    needed = found.contributions[0]
    assert (needed.verdict, needed.left_out, needed.without_failed) == ("needed", None, "crash: no")
    assert (found.contributions[3].put_in, found.contributions[3].alone_failed) == (None, "crash: no")
    assert left_out == [1]
    assert rows(found)[0][1:] == ("crash", "0", "", "needed")


def test_an_initial_program_that_fails_leaves_what_is_lost_without_a_change(contract):
    found, _ = mapped(contract, lambda v: sum(v[name] for name in NAMES) or None)
    assert found.initial_score is None
    assert found.whole is None
    assert {one.left_out.effect for one in found.contributions} == {1.0}
    assert {one.put_in for one in found.contributions} == {None}
    assert any("the initial program failed" in line for line in sentences(found, None))


def test_where_less_is_better_a_change_that_lowers_the_score_helps(contract):
    found, _ = mapped(replace(contract, goal="minimize"), lambda v: 10.0 - v["A"])
    assert verdicts(found)["A"] == "helps"
    assert found.contributions[0].left_out.effect == 1.0
    assert (found.champion_score, found.initial_score) == (9.0, 10.0)


def test_a_program_beyond_the_cpu_that_is_allowed_has_failed(contract):
    found, left_out = mapped(
        replace(contract, compute_rule="cpu_budget"),
        lambda v: v["A"] + 3.0 * (not v["B"]),
        seeds=(1, 2, 3, 4, 5, 6),
        cpu=lambda v: 1.0 if v["B"] or not v["A"] else 2.0,  # B makes A affordable
    )
    assert verdicts(found)["B"] == "needed"
    assert "over_budget" in found.contributions[0].without_failed
    assert 1 not in left_out


def test_a_reduced_program_that_is_worse_is_not_proposed(contract):
    found, left_out = mapped(contract, lambda v: float(v["A"]))
    reduced = Reduced(tuple(found.contributions[index].name for index in left_out), {"main.py": "x"}, "r", None)
    worse, as_good = (with_reduced(found, contract, reduced, None, {"r": [score], found.champion: [1.0]}) for score in (0.5, 1.0))
    assert not worse.reduced.may_be_proposed
    assert "it is not proposed" in sentences(worse, None)[-1]
    assert as_good.reduced.may_be_proposed
    assert not with_reduced(found, contract, replace(reduced, why="no change can be spared"), None, {}).reduced.may_be_proposed


def test_names_of_programs_do_nothing_in_a_picture(contract):
    found, _ = mapped(contract, lambda v: float(v["A"]))
    hostile = replace(found.contributions[0], name='<script>"x"</script>\x1b[31m & more ' + "y" * 100)
    text = figure(replace(found, contributions=(hostile,), problem="a<b"))
    assert "<script>" not in text
    assert "\x1b" not in text
    assert "&lt;script&gt;" in text


@pytest.mark.parametrize("score", [0.0, 1e300, 1e-300, 123456.0])
def test_scores_of_any_size_have_a_picture_and_a_table(contract, score):
    found, _ = mapped(contract, lambda v: score * (1 - 2 * v["A"]))
    assert "nan" not in figure(found)
    assert "inf" not in figure(found)
    assert len(rows(found)) == 5


def test_an_effect_has_as_many_digits_as_its_interval_needs(contract):
    changes, design = taken_apart()
    noisy = map_of(replace(contract, noisy=True), changes, design, results(design, lambda v: float(v["A"]), seeds=(1, 2, 3)))
    one = noisy.contributions[0].left_out
    assert effect_text(replace(one, effect=0.01234, low=0.0101, high=0.0146), exact=False) == "+0.0123 [+0.0101, +0.0146]"
    assert effect_text(replace(one, effect=-0.0004, low=-0.016, high=0.0152), exact=False) == "+0.000 [-0.016, +0.015]"
    assert effect_text(replace(one, effect=12.34, low=-2.0, high=26.0), exact=False) == "+12 [-2, +26]"
    assert effect_text(replace(one, effect=0.0, low=0.0, high=0.0), exact=True) == "0"
    assert effect_text(replace(one, effect=0.5, low=0.5, high=0.5), exact=True) == "+0.5"
