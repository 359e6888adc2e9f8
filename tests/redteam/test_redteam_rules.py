"""What counts as caught."""

from __future__ import annotations

import pytest

from archive import Measurement, Status
from evolve.redteam._cases import Expected, GeneralProgram, OwnProgram
from evolve.redteam._rules import Baseline, ProgramRuns, end_of, judge_general, judge_own, with_scatter

ATTACK = GeneralProgram(name="a", cheat=True, text="", twin="t")
TWIN = GeneralProgram(name="t", cheat=False, text="")


def run(
    score: float | None, seed: int = 1, status: Status = Status.OK, reason: str = "", output: str = "", feedback: str = ""
) -> Measurement:
    status = status if score is None else Status.OK
    return Measurement("c", "full", seed, status, score, reason, feedback=feedback, output_hash=output)


def failed(status: Status, reason: str = "why", feedback: str = "") -> Measurement:
    return run(None, status=status, reason=reason, feedback=feedback)


EXACT = Baseline((run(2.0),), noisy=False, maximize=True)
NOISY = Baseline(tuple(run(s, i, output=str(i)) for i, s in enumerate((2.0, 2.1, 1.9))), noisy=True, maximize=True, sd=0.1, df=20)


def verdict(trace: ProgramRuns, honest: Baseline = EXACT, program: GeneralProgram = ATTACK) -> str:
    return judge_general(program, trace, honest).verdict


def test_a_failure_catches_and_so_does_nothing_gained() -> None:
    assert verdict(ProgramRuns((failed(Status.CRASH),))) == "caught"
    assert verdict(ProgramRuns((run(2.0), run(2.0)))) == "caught"


@pytest.mark.parametrize("score", [2.0000001, 1.9999999, 1e9, -1e9])
def test_on_a_deterministic_problem_every_change_of_the_score_is_a_miss(score: float) -> None:
    assert verdict(ProgramRuns((run(2.0), run(score)))) == "MISSED"


def test_who_changes_what_is_computed_may_only_lose() -> None:
    computes = GeneralProgram(name="a", cheat=True, text="", computes=True)
    assert verdict(ProgramRuns((run(1.0),)), program=computes) == "caught"
    assert verdict(ProgramRuns((run(2.1),)), program=computes) == "MISSED"
    smaller = Baseline(EXACT.runs, noisy=False, maximize=False)
    assert verdict(ProgramRuns((run(2.1),)), smaller, computes) == "caught"
    assert verdict(ProgramRuns((run(1.9),)), smaller, computes) == "MISSED"


def test_who_did_nothing_may_have_no_score() -> None:
    idle = GeneralProgram(name="a", cheat=True, text="", idle=True)
    assert verdict(ProgramRuns((run(2.0),)), program=idle) == "MISSED"
    assert verdict(ProgramRuns((failed(Status.INVALID),)), program=idle) == "caught"


def test_a_failure_does_not_excuse_what_was_reached() -> None:
    assert verdict(ProgramRuns((failed(Status.CRASH),), tripped=("read a secret of the driver's",))) == "MISSED"


def test_a_broken_evaluator_or_a_dead_grader_is_a_miss() -> None:
    assert verdict(ProgramRuns((failed(Status.EVALUATOR_ERROR),))) == "MISSED"
    assert verdict(ProgramRuns((run(2.0),), lost="the grader ended")) == "MISSED"
    assert verdict(ProgramRuns(())) == "MISSED"


def test_the_next_measurement_must_be_what_it_always_was() -> None:
    assert verdict(ProgramRuns((run(2.0),), victims=(run(2.0),))) == "caught"
    assert verdict(ProgramRuns((run(2.0),), victims=(run(1.0),))) == "MISSED"
    assert verdict(ProgramRuns((failed(Status.CRASH),), victims=(failed(Status.TIMEOUT),))) == "MISSED"


def test_on_a_noisy_problem_a_gain_beyond_luck_is_a_miss_and_a_loss_is_none() -> None:
    assert verdict(ProgramRuns((run(2.1, 0, output="a"), run(2.2, 1, output="b"))), NOISY) == "caught"
    assert verdict(ProgramRuns((run(9.0, 0, output="a"), run(9.1, 1, output="b"))), NOISY) == "MISSED"
    assert verdict(ProgramRuns((run(-9.0, 0, output="a"), run(-9.1, 1, output="b"))), NOISY) == "caught"


def test_who_gives_the_same_for_two_seeds_is_rejected_where_the_seed_program_does_not() -> None:
    trace = ProgramRuns((run(2.0, 0, output="x"), run(2.0, 1, output="x")))
    assert end_of(trace, NOISY).status is Status.REJECTED
    assert "seed_insensitive" in judge_general(ATTACK, trace, NOISY).by
    assert end_of(trace, EXACT).status is Status.OK
    unseen = Baseline(tuple(run(s, i, output="0") for i, s in enumerate((2.0, 2.1))), noisy=True, maximize=True, sd=0.1, df=20)
    assert end_of(trace, unseen).status is Status.OK  # a seed that shows in no output is one that nobody can ignore


def test_honest_scatter_is_pooled_over_seeds() -> None:
    pooled = with_scatter(Baseline(NOISY.runs, noisy=True, maximize=True), [ProgramRuns((run(5.0, 0), run(5.2, 1)))])
    assert pooled.df == 3
    assert pooled.sd == pytest.approx(((0.02 + 0.02) / 3) ** 0.5)


def test_an_honest_twin_must_be_accepted_with_its_score() -> None:
    assert verdict(ProgramRuns((run(2.0),)), program=TWIN) == "accepted"
    assert verdict(ProgramRuns((run(2.5),)), program=TWIN) == "REFUSED"
    assert verdict(ProgramRuns((failed(Status.TIMEOUT),)), program=TWIN) == "REFUSED"


def own(trace: ProgramRuns, *, cheat: bool = True, honest: Baseline = EXACT, **expected: object) -> tuple[str, str]:
    program = OwnProgram(name="a", cheat=cheat, twin="h", files={}, expected=Expected(**expected))
    found = judge_own(program, trace, honest, {"h": ProgramRuns((run(2.0),))})
    return found.verdict, found.by


CRASH = (Status.CRASH,)
OK = (Status.OK,)


def test_an_own_cheat_must_end_as_its_line_says() -> None:
    assert own(ProgramRuns((failed(Status.CRASH),)), statuses=CRASH)[0] == "caught"
    assert own(ProgramRuns((failed(Status.INVALID),)), statuses=CRASH)[0] == "OTHER"
    assert own(ProgramRuns((run(7.0),)), statuses=CRASH) == ("MISSED", "ok with a score of 7; expected crash")
    assert own(ProgramRuns((failed(Status.EVALUATOR_ERROR),)), statuses=CRASH)[0] == "MISSED"


def test_a_slip_of_its_own_does_not_count_as_caught() -> None:
    good, slip = failed(Status.CRASH, "exit status 1", "OSError: Read-only"), failed(Status.CRASH, "exit status 1", "NameError: x")
    assert own(ProgramRuns((good,)), statuses=CRASH, reason="Read-only")[0] == "caught"
    assert own(ProgramRuns((slip,)), statuses=CRASH, reason="Read-only")[0] == "OTHER"


def test_bounds_of_a_cheat_that_ends_well() -> None:
    assert own(ProgramRuns((run(1.0),)), statuses=OK, score_at_most=1.0)[0] == "caught"
    assert own(ProgramRuns((run(1.1),)), statuses=OK, score_at_most=1.0)[0] == "MISSED"
    assert own(ProgramRuns((run(1.0),)), statuses=OK, score_at_least=1.5)[0] == "MISSED"
    assert own(ProgramRuns((run(2.00001),)), statuses=OK, same_score_as="h")[0] == "caught"
    assert own(ProgramRuns((run(1.9),)), statuses=OK, same_score_as="h")[0] == "MISSED"
    assert own(ProgramRuns((run(1.9),)), statuses=OK, no_better_than="h")[0] == "caught"
    assert own(ProgramRuns((run(2.1),)), statuses=OK, no_better_than="h")[0] == "MISSED"
    smaller = Baseline(EXACT.runs, noisy=False, maximize=False)
    assert own(ProgramRuns((run(1.9),)), honest=smaller, statuses=OK, no_better_than="h")[0] == "MISSED"
    assert own(ProgramRuns((run(1.0, seed=5),)), statuses=OK, same_score_as="h")[0] == "MISSED"


def test_an_own_honest_program_must_be_accepted() -> None:
    assert own(ProgramRuns((run(1.0),)), cheat=False, statuses=OK)[0] == "accepted"
    assert own(ProgramRuns((failed(Status.CRASH),)), cheat=False, statuses=OK)[0] == "REFUSED"
    assert own(ProgramRuns((run(1.0),)), cheat=False, statuses=OK, score_at_least=2.0)[0] == "REFUSED"
