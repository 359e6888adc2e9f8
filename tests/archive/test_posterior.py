"""The shrinkage formulas against numpy, and their limits."""

from __future__ import annotations

import dataclasses
import json
import math
import sys

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from archive import PooledPosterior, PooledPosteriorState, mean_of, sd_of, shrink

SCORES = st.lists(st.tuples(st.sampled_from("abcdefg"), st.floats(-1e6, 1e6)), min_size=1, max_size=40)


def reference(scores: list[tuple[str, float]], candidate: str) -> tuple[float, float]:
    """The formulas of the module's docstring, written down with numpy."""
    by_id: dict[str, list[float]] = {}
    for name, score in scores:
        by_id.setdefault(name, []).append(score)
    df = sum(len(found) - 1 for found in by_id.values())
    s2 = sum(float(np.sum((np.array(found) - np.mean(found)) ** 2)) for found in by_id.values()) / df if df else 0.0
    n, mean = len(by_id[candidate]), float(np.mean(by_id[candidate]))
    if s2 == 0:
        return mean, 0.0
    if len(by_id) < 2:
        return mean, math.sqrt(s2 / n)
    first = np.array([found[0] for found in by_id.values()])
    tau2 = max(float(first.var(ddof=1)) - s2, s2 / len(by_id))
    weight = tau2 / (tau2 + s2 / n)
    return float(first.mean()) + weight * (mean - float(first.mean())), math.sqrt(weight * s2 / n)


@given(SCORES)
def test_posteriors_equal_the_formulas(scores: list[tuple[str, float]]) -> None:
    pooled = PooledPosterior(noisy=True)
    for name, score in scores:
        pooled.add(name, score)
    scale = max(abs(score) for _, score in scores) or 1.0
    for name in {name for name, _ in scores}:
        mean, sd = reference(scores, name)
        got = pooled.posterior(name)
        assert got[0] == pytest.approx(mean, rel=1e-9, abs=1e-7 * scale)
        assert got[1] == pytest.approx(sd, rel=1e-5, abs=1e-5 * scale)


@given(SCORES)
def test_a_deterministic_problem_has_the_plain_mean(scores: list[tuple[str, float]]) -> None:
    pooled = PooledPosterior(noisy=False)
    for name, score in scores:
        pooled.add(name, score)
    for name, _ in scores:
        mean, sd = pooled.posterior(name)
        assert mean == pytest.approx(np.mean([s for n, s in scores if n == name]), rel=1e-9, abs=1e-6)
        assert sd == 0.0


@given(SCORES, st.booleans())
@settings(max_examples=50)
def test_a_dump_through_json_is_the_identity_and_goes_on_alike(scores: list[tuple[str, float]], noisy: bool) -> None:
    pooled = PooledPosterior(noisy)
    for name, score in scores[::2]:
        pooled.add(name, score)
    found = json.loads(json.dumps(dataclasses.asdict(pooled.dump())))
    found["first"] = tuple(found["first"])
    again = PooledPosterior.load(PooledPosteriorState(**found))
    for name, score in scores[1::2]:
        pooled.add(name, score)
        again.add(name, score)
    assert again.dump() == pooled.dump()


@given(st.floats(-1e3, 1e3), st.integers(1, 50), st.floats(1e-6, 1e6), st.tuples(st.floats(-1e3, 1e3), st.floats(1e-6, 1e6)))
def test_shrinking_moves_toward_the_prior_and_never_past_it(mean: float, n: int, noise: float, prior: tuple[float, float]) -> None:
    got, sd = shrink(mean, n, noise, prior)
    low, high = sorted((mean, prior[0]))
    assert low - 1e-9 <= got <= high + 1e-9
    assert 0 < sd <= math.sqrt(noise / n) * (1 + 1e-12)
    assert sd <= math.sqrt(prior[1]) * (1 + 1e-12)
    assert shrink(mean, n + 1, noise, prior)[1] <= sd


def test_a_lucky_single_run_ranks_below_an_equal_mean_of_many() -> None:
    rng = np.random.default_rng(1)
    pooled = PooledPosterior(noisy=True)
    for name in range(40):
        pooled.add(str(name), float(rng.normal()))
        pooled.add(str(name), float(rng.normal()))
    pooled.add("lucky", 2.5)
    for _ in range(12):
        pooled.add("proven", 2.5)
    assert pooled.posterior("proven")[0] > pooled.posterior("lucky")[0] > 0


def test_an_absurd_score_turns_shrinkage_off_and_breaks_nothing() -> None:
    pooled = PooledPosterior(noisy=True)
    for name, score in (("a", 1.0), ("a", 1.2), ("b", 2.0), ("hack", 1e200), ("hack", -1e200)):
        pooled.add(name, score)
    for name in ("a", "b", "hack"):
        assert all(map(math.isfinite, pooled.posterior(name)))


def test_without_replicates_the_noise_is_not_known() -> None:
    pooled = PooledPosterior(noisy=True)
    pooled.add("a", 1.0)
    pooled.add("b", 3.0)
    assert (pooled.df, pooled.noise) == (0, 0.0)
    assert pooled.posterior("a") == (1.0, 0.0)
    assert "c" not in pooled
    assert len(pooled) == 2
    with pytest.raises(KeyError):
        pooled.posterior("c")


@given(
    st.lists(st.floats(1e151, sys.float_info.max).flatmap(lambda x: st.sampled_from([x, -x])), min_size=1, max_size=6),
    st.lists(st.floats(-1e9, 1e9), max_size=3),
)
def test_people_are_shown_scores_beyond_what_is_compared_as_they_were(wild: list[float], plain: list[float]) -> None:
    pooled = PooledPosterior(noisy=True)
    for score in (*plain, *wild, 1.0):
        pooled.add("a", score)
        pooled.add("b", 1.0)
    scores = [*plain, *wild, 1.0]
    mean, sd = pooled.as_measured("a")
    assert mean == pytest.approx(mean_of(scores), rel=1e-9, abs=1e-12 * max(map(abs, wild)))
    assert sd == pytest.approx(min(sd_of(scores) / len(scores) ** 0.5, sys.float_info.max), rel=1e-9)
    assert pooled.as_measured("b") == pooled.posterior("b")
    assert pooled.n_wild == 1
    again = PooledPosterior.load(pooled.dump())
    assert again.as_measured("a") == (mean, sd)
    again.add("a", wild[0])
    pooled.add("a", wild[0])
    assert again.as_measured("a") == pooled.as_measured("a")
