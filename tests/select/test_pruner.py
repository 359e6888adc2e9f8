"""Bars on learning curves."""

from __future__ import annotations

import math

import numpy as np
import pytest

from archive import Curve
from evolve.select._pruner import FEWEST, SHARES, CompleteRun, bars, standing


def run_of(rng: np.random.Generator, truth: float, noise: float = 0.1, seen: float = 0.2) -> CompleteRun:
    """A program whose curve rises to its truth, by the same law for all; run to run both scatter."""
    score = truth + noise * rng.standard_normal()
    return CompleteRun(tuple(score - 3.0 * (1.0 - share) + seen * rng.standard_normal() for share in SHARES), score)


def lost(run: CompleteRun, found: list[tuple[float, float]]) -> bool:
    return any(run.at[SHARES.index(share)] < value for share, value in found)


def test_a_curve_stands_where_its_later_half_does() -> None:
    curve = Curve((0.1, 0.2, 0.3, 0.5, 0.7, 0.9), (9.0, 8.0, 7.0, 5.0, 4.0, 3.0))
    assert curve.lately(0.2) == 8.0  # what stands at half of it is not in the later half
    assert standing(curve) == pytest.approx((8.0, 7.5, 6.0, 5.0, 4.5))
    assert all(math.isnan(y) for y in standing(Curve()))
    assert [math.isnan(y) for y in standing(Curve((0.4, 0.6), (1.0, 2.0)))] == [True, True, False, True, True]


def test_few_runs_or_curves_that_foretell_nothing_make_no_bars() -> None:
    rng = np.random.default_rng(0)
    runs = [run_of(rng, truth) for truth in rng.standard_normal(40)]
    assert len(bars(runs, 1.0)) == len(SHARES)
    assert bars(runs[: FEWEST - 1], 1.0) == []
    blind = [CompleteRun(tuple(rng.standard_normal(len(SHARES))), run.score) for run in runs]
    assert bars(blind, 1.0) == []
    flat = [CompleteRun((1.0,) * len(SHARES), run.score) for run in runs]
    assert bars(flat, 1.0) == []


def test_who_would_have_been_good_enough_is_hardly_ever_ended_and_most_losers_are() -> None:
    rng = np.random.default_rng(1)
    ended = wrong = losers = 0
    for _ in range(300):
        runs = [run_of(rng, truth) for truth in rng.standard_normal(30)]
        best = max(run.score for run in runs)
        found = bars(runs, best - 0.2)
        for truth in rng.standard_normal(30):
            run = run_of(rng, truth)
            is_lost = lost(run, found)
            ended += is_lost
            wrong += is_lost and run.score >= best - 0.2
            losers += run.score < best - 1.0
    assert wrong <= 0.01 * ended
    assert ended >= 0.8 * losers


def test_a_parent_that_ends_better_than_its_curve_promises_makes_them_laxer() -> None:
    rng = np.random.default_rng(2)
    runs = [run_of(rng, truth) for truth in rng.standard_normal(30)]
    late = CompleteRun(tuple(y - 2.0 for y in runs[0].at), runs[0].score)  # as a schedule that falls late
    early = CompleteRun(tuple(y + 2.0 for y in runs[0].at), runs[0].score)
    plain, laxer = dict(bars(runs, 1.0)), dict(bars(runs, 1.0, late))
    assert all(laxer[share] < plain[share] - 1.0 for share in plain)
    assert dict(bars(runs, 1.0, early)) == plain
