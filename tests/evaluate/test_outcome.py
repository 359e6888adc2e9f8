"""What ``evaluate`` returns, checked field by field."""

from __future__ import annotations

import math
import re
from dataclasses import replace
from fractions import Fraction
from typing import Any

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from archive import Curve, Status
from evolve.evaluate import Outcome
from evolve.evaluate._outcome import MAX_FEEDBACK_CHARS, OutcomeError, check_outcome, clean, line, pack_artifact, unpack_artifact
from evolve.problem.contract._contract import INCOMPLETE, Contract, DescriptorSpec, Gate, Stage

CONTRACT = Contract(
    name="p",
    metric="m",
    goal="maximize",
    secondary=("speed", "size"),
    stages=(Stage(name="tiny"), Stage(name="full")),
    axes=(
        DescriptorSpec(name="place", source="outcome", low=0, high=1, bins=2),
        DescriptorSpec(name="loops", source="ast", low=0, high=1, bins=2),
    ),
    artifacts={"blob": ".bin"},
    max_artifact_bytes=10,
)
GOOD: dict[str, Any] = {"score": 1, "metrics": {"speed": 2, "size": np.float32(3)}, "descriptors": {"place": 0.5}}


def _judge(stage: str = "full", **fields: Any) -> Any:
    return check_outcome(Outcome(**(GOOD | fields)), CONTRACT, stage)


def test_a_whole_outcome_becomes_plain_numbers() -> None:
    judged = _judge(score=np.float64(2.5), curve=Curve((1,), (np.float32(0.5),), "steps", "loss"), artifacts={"blob": b"abc"})
    assert (judged.status, judged.score, type(judged.score)) == (Status.OK, 2.5, float)
    assert judged.metrics == {"speed": 2.0, "size": 3.0}
    assert {type(value) for value in (*judged.metrics.values(), *judged.descriptors.values(), *judged.curve.y)} == {float}
    assert unpack_artifact(judged.artifacts["blob"], 3) == b"abc"


@pytest.mark.parametrize("score", [math.nan, math.inf, -math.inf, None, "1", True, 1j, [1.0], np.array(1.0), 10**400])
def test_an_ok_outcome_has_a_finite_number_as_its_score(score: object) -> None:
    with pytest.raises(OutcomeError):
        _judge(score=score)


@pytest.mark.parametrize("status", [status for status in Status if status is not Status.OK])
def test_a_failure_has_no_score_and_needs_no_metrics(status: Status) -> None:
    judged = check_outcome(Outcome.fail(status, "why"), CONTRACT, "full")
    assert (judged.status, judged.score, judged.reason, judged.feedback) == (status, None, "why", "why")
    with pytest.raises(OutcomeError):
        check_outcome(Outcome(status=status, score=1.0), CONTRACT, "full")


@pytest.mark.parametrize(
    "fields",
    [
        {"metrics": {"speed": 1, "size": 1, "other": 1}},
        {"metrics": [("speed", 1)]},
        {"descriptors": {"place": 0.5, "loops": 1}},
        {"artifacts": {"other": b""}},
        {"artifacts": {"blob": b"x" * 11}},
        {"artifacts": {"blob": np.zeros(2)}},
        {"artifacts": {"blob": "text"}},
        {"feedback": b"bytes"},
        {"reason": None},
        {"output_hash": 3},
        {"curve": ((1,), (2,))},
        {"curve": Curve((1.0,), ())},
        {"curve": Curve((math.nan,), (1.0,))},
        {"curve": Curve((1.0,) * 5000, (1.0,) * 5000)},
        {"status": "ok"},
    ],
)
def test_what_the_contract_does_not_say_is_the_evaluators_error(fields: dict[str, Any]) -> None:
    with pytest.raises(OutcomeError):
        _judge(**fields)


@pytest.mark.parametrize("other", [None, 1.0, {"score": 1.0}, "ok"])
def test_only_an_outcome_is_an_outcome(other: object) -> None:
    with pytest.raises(OutcomeError):
        check_outcome(other, CONTRACT, "full")


@pytest.mark.parametrize(
    ("fields", "said"),
    [
        ({"metrics": {"speed": 1}}, "metrics.size is missing, which problem.yaml declares"),
        ({"metrics": {"speed": 1, "size": np.float64("nan")}}, "metrics.size is nan, expected a finite number"),
        ({"descriptors": {}}, "descriptors.place is missing, which problem.yaml declares"),
        ({"descriptors": {"place": -math.inf}}, "descriptors.place is -inf, expected a finite number"),
        ({"descriptors": {"place": None}}, "descriptors.place is NoneType, expected a number"),
        ({"descriptors": {"place": True}}, "descriptors.place is bool, expected a number"),
        ({"descriptors": {"place": 10**400}}, "descriptors.place is too large for a float"),
        ({"metrics": {"speed": 1, "size": "1"}}, "metrics.size is str, expected a number"),
    ],
)
def test_a_declared_number_that_is_none_is_named_and_costs_no_score(fields: dict[str, Any], said: str) -> None:
    judged = _judge(reason="mine", **fields)
    assert (judged.status, judged.score, judged.reason) == (Status.OK, 1.0, f"{INCOMPLETE}{said}")
    assert all(math.isfinite(value) for value in (*judged.metrics.values(), *judged.descriptors.values()))
    assert _judge(reason="mine").reason == "mine"


@pytest.mark.parametrize("metrics", [{"size": 1}, {"size": 1, "speed": math.nan}])
def test_a_number_that_a_gate_looks_at_must_be_there(metrics: dict[str, float]) -> None:
    with pytest.raises(OutcomeError, match=r"speed.*, by which a gate holds results"):
        check_outcome(Outcome(score=1.0, metrics=metrics, descriptors={"place": 0.5}), GATED, "full")


def test_an_earlier_stage_may_leave_metrics_out_but_not_invent_them() -> None:
    assert _judge("tiny", metrics={}, descriptors={}).metrics == {}
    with pytest.raises(OutcomeError):
        _judge("tiny", metrics={"other": 1})


GATED = replace(
    CONTRACT,
    gates=(
        Gate(metric="m", floor=0.0, ceiling=10.0, why="a sum of ten numbers up to 1"),
        Gate(metric="speed", ceiling=100.0, why="the roofline"),
        Gate(metric="speed", ceiling=50.0, why="the bus"),
    ),
)


@pytest.mark.parametrize(
    ("score", "speed", "reason"),
    [
        (0, 50, ""),
        (10, 0, ""),
        (10.000001, 0, "quarantined: m is 10.000001, above the ceiling of 10: a sum of ten numbers up to 1"),
        (-1e-300, 0, "quarantined: m is -1e-300, below the floor of 0: a sum of ten numbers up to 1"),
        (1, 50.5, "quarantined: speed is 50.5, above the ceiling of 50: the bus"),
        (1, 1e308, "quarantined: speed is 1e+308, above the ceiling of 100: the roofline"),
    ],
)
@pytest.mark.parametrize("stage", ["tiny", "full"])
def test_what_is_impossible_is_quarantined(score: float, speed: float, reason: str, stage: str) -> None:
    outcome = Outcome(score=score, metrics={"speed": speed, "size": 1}, descriptors={"place": 0.5}, artifacts={"blob": b"x"})
    judged = check_outcome(outcome, GATED, stage)
    assert judged.reason == reason
    assert (judged.status, judged.score) == ((Status.REJECTED, None) if reason else (Status.OK, score))
    assert judged.metrics == {"speed": speed, "size": 1.0}  # what it is held for can be looked into
    assert set(judged.artifacts) == {"blob"}


def test_a_gate_looks_only_at_what_was_measured() -> None:
    assert check_outcome(Outcome(score=1), GATED, "tiny").status is Status.OK


def test_an_evaluators_own_bound_is_a_quarantine() -> None:
    judged = check_outcome(Outcome.quarantine("1 s for 9 GB, above 8 GB/s"), GATED, "full")
    assert (judged.status, judged.score) == (Status.REJECTED, None)
    assert judged.reason == judged.feedback == "quarantined: 1 s for 9 GB, above 8 GB/s"


@given(
    status=st.sampled_from(Status),
    score=st.none() | st.floats(),
    speed=st.floats(allow_nan=False, allow_infinity=False),
    bound=st.floats(allow_nan=False, allow_infinity=False),
)
def test_gates_only_lower(status: Status, score: float | None, speed: float, bound: float) -> None:
    """With gates an outcome is what it is without them, or rejected without a score."""
    outcome = Outcome(status=status, score=score, metrics={"speed": speed, "size": 1}, descriptors={"place": 0.5})
    gated = replace(CONTRACT, gates=(Gate(metric="speed", floor=bound, why="w"), Gate(metric="m", ceiling=bound, why="w")))
    try:
        before = check_outcome(outcome, CONTRACT, "full")
    except OutcomeError:
        with pytest.raises(OutcomeError):
            check_outcome(outcome, gated, "full")
        return
    after = check_outcome(outcome, gated, "full")
    held = before.score is not None and (speed < bound or before.score > bound)
    assert (after.status, after.score) == ((Status.REJECTED, None) if held else (before.status, before.score))
    assert held or after == before


@given(st.text(max_size=300).map(lambda text: text * 40), st.integers(20, 500))
def test_text_is_capped_and_holds_nothing_that_controls_a_terminal(text: str, limit: int) -> None:
    short = clean(text, limit)
    assert len(short) <= limit
    codes = {ord(char) for char in short} - {ord("\n"), ord("\t")}
    assert not any(code < 32 or 127 <= code < 160 or 0xD800 <= code < 0xE000 for code in codes)
    assert "\n" not in line(text)


def test_feedback_keeps_its_beginning_and_its_end() -> None:
    text = _judge(feedback="first\x1b[31m\x07" + "x" * 10_000 + "\u202elast").feedback
    assert text.startswith("first")
    assert text.endswith("last")
    assert len(text) <= MAX_FEEDBACK_CHARS
    assert not {"\x1b", "\x07", "\u202e"} & set(text)


@given(st.binary(max_size=2000))
def test_artifacts_survive(data: bytes) -> None:
    assert unpack_artifact(pack_artifact(data), len(data)) == data
    if data:
        with pytest.raises(ValueError):
            unpack_artifact(pack_artifact(data), len(data) - 1)


def test_a_bomb_of_an_artifact_is_refused_without_unpacking_it() -> None:
    with pytest.raises(ValueError):
        unpack_artifact(pack_artifact(bytes(50_000_000)), 1000)
    with pytest.raises(ValueError):
        unpack_artifact("nonsense!", 1000)


@pytest.mark.parametrize("value", [2**53 + 1, -(2**53) - 1, 10**30, np.int64(2**60 + 1), Fraction(2**53 + 1)])
@pytest.mark.parametrize("where", ["score", "metrics", "descriptors"])
def test_a_whole_number_that_a_float_would_round_is_refused_by_name(value: Any, where: str) -> None:
    fields = {"score": value, "metrics": {"speed": value, "size": 1}, "descriptors": {"place": value}}
    said = re.compile(f"{where}.* is -?\\d+, a whole number beyond 2..53 that a float does not hold exactly")
    if where == "score":
        with pytest.raises(OutcomeError, match=said):
            _judge(score=value)
    else:
        judged = _judge(**{where: fields[where]})
        assert said.search(judged.reason)
        assert "speed" not in judged.metrics or where != "metrics"
        assert judged.score == 1.0


@given(st.one_of(st.integers(-(2**53), 2**53), st.integers(0, 60).map(lambda power: 3 * 2**power), st.fractions()))
def test_a_number_is_kept_as_the_nearest_float(value: Any) -> None:
    if isinstance(value, Fraction) and abs(value) > 2**53:
        return
    assert _judge(score=value).score == float(value)
