"""Programs on the same seeds, through an executor that may lose, void or refuse what it is given."""

from __future__ import annotations

from collections import Counter
from collections.abc import Callable, Mapping
from dataclasses import replace
from pathlib import Path

import pytest
from research_problem import write_problem

import evolve
from archive import BlockEntry, BlockStatus, Measurement, Status
from evolve._errors import EnvironmentFault, UsageError
from evolve.execute import Block, BlockReport, EntryReport, Sink
from evolve.research._kept import Asked, finish, kept
from evolve.research._measuring import TRIES, Bench, Scores
from evolve.testing import ScriptedExecutor

PROGRAMS = {name: {"main.py": name} for name in ("champion", "initial", "without", "alone")}
SEEDS = (11, 22, 33, 44, 55)


@pytest.fixture
def problem(tmp_path: Path) -> evolve.Problem:
    return evolve.load_problem(write_problem(tmp_path / "parts"))


def answer(entry: BlockEntry, files: Mapping[str, str]) -> Measurement:
    return Measurement(entry.candidate, entry.stage, entry.seed, Status.OK, score=len(files["main.py"]) + entry.seed / 100)


class Bad(ScriptedExecutor):
    """Ends blocks as it is told by ``how``, which sees them; where that says nothing, as they should end."""

    how: Callable[[Block], BlockStatus | None]

    def submit(self, block: Block) -> None:
        status = self.how(block)
        if status is None:
            super().submit(block)
            return
        lost = 0 if status is BlockStatus.LOST else None
        if status is BlockStatus.VOID:
            self._sink(EntryReport(block.attempt, 0, answer(block.entries[0], block.files[block.entries[0].candidate])))
        self._sink(BlockReport(block.attempt, status, reason="it went wrong", lost=lost))


def measured(
    problem: evolve.Problem, answer=answer, how=lambda block: None, known=(), seeds=SEEDS, slots=2, least=0, **words: object
) -> tuple[Scores, list]:
    seen: list[Measurement] = []

    def make(problems: object, sink: Sink) -> Bad:
        made = Bad(answer, sink=sink, slots=slots)
        made.how = how
        return made

    bench = Bench(problem, make, seen.append, lambda line: None, **words)  # type: ignore[arg-type]
    return bench.measure(PROGRAMS, seeds, known, least=least), seen


def test_every_program_is_measured_on_every_seed_once(problem):
    found, seen = measured(problem)
    assert found.seeds == SEEDS
    assert found.scores == {name: tuple(len(name) + seed / 100 for seed in SEEDS) for name in PROGRAMS}
    assert Counter((one.candidate, one.seed) for one in seen) == {(name, seed): 1 for name in PROGRAMS for seed in SEEDS}


def test_within_a_seed_the_order_is_drawn_and_the_same_again(problem):
    orders = []
    for _ in range(2):
        _, seen = measured(problem)
        orders.append([[one.candidate for one in seen if one.seed == seed] for seed in SEEDS])
    assert orders[0] == orders[1]
    assert len({tuple(order) for order in orders[0]}) > 1


def test_a_program_that_fails_is_not_measured_again_and_costs_the_others_nothing(problem):
    def fails(entry, files):
        bad = entry.candidate == "without" and entry.seed == 22
        return Measurement(entry.candidate, entry.stage, entry.seed, Status.CRASH, reason="no") if bad else answer(entry, files)

    found, seen = measured(problem, fails)
    assert found.failed["without"].reason == "no"
    assert found.seeds == SEEDS
    assert set(found.scores) == set(PROGRAMS) - {"without"}
    assert [one.seed for one in seen if one.candidate == "without"] == [11, 22]


@pytest.mark.parametrize("status", [BlockStatus.LOST, BlockStatus.VOID])
def test_what_was_lost_or_void_is_measured_again(problem, status):
    bad = iter([status, None, status])
    found, seen = measured(problem, how=lambda block: next(bad, None))
    assert found.seeds == SEEDS
    assert not found.failed
    assert len(seen) == len(PROGRAMS) * len(SEEDS)  # of a void block nothing counts


def test_a_program_whose_grader_ends_again_and_again_has_failed(problem):
    found, _ = measured(problem, how=lambda block: BlockStatus.LOST if block.entries[0].candidate == "alone" else None)
    assert set(found.failed) == {"alone"}
    assert f"its grader ended {TRIES} times" in found.failed["alone"].reason
    assert found.seeds == SEEDS


def test_an_evaluator_that_cannot_judge_is_the_fault_of_no_program(problem):
    def judge(entry, files):
        ok = answer(entry, files)
        return replace(ok, status=Status.EVALUATOR_ERROR, score=None, reason="no data") if entry.candidate == "alone" else ok

    with pytest.raises(EnvironmentFault, match="no data"):
        measured(problem, judge)


def test_results_that_are_there_are_not_measured_again(problem):
    _, before = measured(problem, seeds=SEEDS[:2])
    found, seen = measured(problem, known=before)
    assert found.seeds == SEEDS
    assert {one.seed for one in seen} == set(SEEDS[2:])


class Clock:
    """A second for each measurement."""

    now = 0.0

    def answer(self, entry: BlockEntry, files: Mapping[str, str]) -> Measurement:
        self.now += 1.0
        return answer(entry, files)


def test_when_the_time_is_over_every_program_has_as_many_seeds(problem):
    clock = Clock()
    found, seen = measured(problem, clock.answer, slots=1, wall_s=17.0, clock=lambda: clock.now)
    assert found.seeds == SEEDS[:4]
    assert len(seen) == 16
    assert {len(scores) for scores in found.scores.values()} == {4}


def test_time_for_fewer_than_three_seeds_is_refused_with_what_to_type(problem):
    clock = Clock()
    with pytest.raises(UsageError, match=r"room for 3 seeds.*budget\.wall_s=24"):
        measured(problem, clock.answer, slots=1, least=3, wall_s=9.0, clock=lambda: clock.now)
    assert clock.now <= 8.0


def test_where_no_seed_is_needed_a_short_time_gives_as_many_as_it_has_room_for(problem):
    clock = Clock()
    found, _ = measured(problem, clock.answer, slots=1, wall_s=9.0, clock=lambda: clock.now)
    assert found.seeds == SEEDS[:2]


# ------------------------------------------------------------------------------------------------ what is kept

ASKED = Asked("p", "e", ("a", "b"), (1, 2, 3))


def result(program: str, seed: int) -> Measurement:
    return Measurement(program, "full", seed, Status.OK, score=0.1 * seed, feedback="much")


def test_what_an_interrupted_ablation_measured_is_gone_on_with_on_its_seeds(tmp_path):
    with kept(tmp_path, ASKED) as one:
        one.add(result("a", 1))
        one.add(result("b", 1))
    with (tmp_path / "measured.part").open("a") as file:
        file.write('{"candidate": "a", "stag')  # killed while it wrote
    with kept(tmp_path, replace(ASKED, seeds=(7, 8, 9))) as two:
        assert two.asked == ASKED
        assert [(found.candidate, found.seed, found.score) for found in two.results] == [("a", 1, 0.1), ("b", 1, 0.1)]
        two.add(result("a", 2))
    with kept(tmp_path, replace(ASKED, seeds=(7, 8))) as three:
        assert len(three.results) == 3
        assert three.asked.seeds == (1, 2)


@pytest.mark.parametrize("other", [{"evaluator": "f"}, {"programs": ("a", "c")}, {"seeds": (4, 5, 6, 7)}])
def test_what_is_another_ablation_begins_anew(tmp_path, other):
    with kept(tmp_path, ASKED) as one:
        one.add(result("a", 1))
    with kept(tmp_path, replace(ASKED, **other)) as two:
        assert two.asked == replace(ASKED, **other)
        assert two.results == []


def test_what_is_finished_is_not_gone_on_with(tmp_path):
    with kept(tmp_path, ASKED) as one:
        one.add(result("a", 1))
    finish(tmp_path)
    assert len((tmp_path / "measured.jsonl").read_text().splitlines()) == 2
    with kept(tmp_path, ASKED) as two:
        assert two.results == []


def test_two_at_once_are_refused(tmp_path):
    with kept(tmp_path, ASKED), pytest.raises(UsageError, match="another ablation"), kept(tmp_path, ASKED):
        pass
