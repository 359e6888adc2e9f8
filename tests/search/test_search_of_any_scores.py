"""Any finite score will do: a search fed with extreme, tiny, equal and mixed ones decides, replays and can be read."""

from __future__ import annotations

import json
import sys
from dataclasses import asdict, replace

import numpy as np
import pytest
from hypothesis import example, given, settings
from hypothesis import strategies as st
from simulation import Simulation, build, contract, hash_of, state

from archive import Measured, StartMode, Status, tame
from evolve.cli.show._text import gain, score
from evolve.confirm import SIZES, estimate, make_confirmation
from evolve.search._notes import notes
from evolve.validation._compare import _no_vault
from evolve.views._progress import ProgressTracker
from evolve.views._summary import best_candidate, evidence_label, noise_of
from evolve.views.candidate._score import score_of
from evolve.views.claims._report_cards import bound_of

LARGEST = sys.float_info.max
KINDS = st.sampled_from([contract(), contract(noisy=True), contract(start=StartMode.WARM, block=3), contract(stages=2)])
POLICIES = st.sampled_from(["auto", "map_elites", "independent", "best_of_n", "hill_climb", "one_plus_one"])
ODD = [0.0, -0.0, 1.0, 1.32, 5e-324, -5e-324, 1e-160, 1e-310, 2.0**53, 1e20, -1e20, 1e150, 1e155, 1e200, -1e200, LARGEST, -LARGEST]
FINITE = st.one_of(st.floats(allow_nan=False, allow_infinity=False), st.sampled_from(ODD))


class Odd(Simulation):
    """A simulation whose scores are drawn from a list by candidate and, where the problem is noisy, by seed."""

    scores: list[float]

    def measure(self, issued, index):
        entry = issued.entries[index]
        made = super().measure(issued, index)
        key = hash_of(entry.candidate) + (entry.seed if self.search.state.contract.noisy else 0)
        value = self.scores[key % len(self.scores)]
        return replace(made, score=value) if made.status is Status.OK else made


def odd(kind, policy, scores, *, evaluations=60, **config):
    run = Odd(build(kind, policy=policy, evaluations=evaluations, **config), np.random.default_rng(7))
    run.scores = scores
    run.begin()
    return run


def read(search):
    """What the reading verbs compute; every number of it has to be one."""
    seen = ProgressTracker(search.state).snapshot(1e6)
    number_ = best_candidate(search.state)
    noise_of(search.state, tails=True)
    notes(search.state)
    for row in range(len(search.state.population.candidates)):
        if search.state.population.score(row) is not None:
            _no_vault(search, search.state.population.candidates[row].id)
            evidence_label(search.state, row)
    text = json.dumps(asdict(seen), allow_nan=False)
    assert "inf" not in text.replace("confirm", "")
    if seen.best is not None and seen.seed is not None:
        said = score(seen.best.score, seen.best.sd, seen.best.n) + gain(seen.gain, seen.seed.score, seen.seed.sd)
        assert "nan" not in said
        assert "inf" not in said
    return number_


@settings(max_examples=25, deadline=None)
@given(KINDS, POLICIES, st.lists(FINITE, min_size=1, max_size=7))
@example(contract(noisy=True), "map_elites", [1.0, 1.01, 0.99, 1e200])
@example(contract(noisy=True), "map_elites", [LARGEST, -LARGEST])
@example(contract(noisy=True), "map_elites", [-8.1e307, -1.7e308, LARGEST, -LARGEST, 0.0])
@example(contract(), "auto", [LARGEST, -LARGEST, 1.0])
@example(contract(noisy=True), "map_elites", [5e-324, 0.0, 1e-323])
@example(contract(), "map_elites", [LARGEST, -LARGEST, 1.0])
@example(contract(noisy=True), "auto", [0.0, 0.3125, 1e-160])
@example(contract(noisy=True), "auto", [0.3125, 1e-160, 0.0])
@example(contract(noisy=True), "auto", [0.0, 0.0, -1.0, 0.0, 1.1140839731628394e-254])
def test_any_finite_scores_can_be_searched_replayed_and_read(kind, policy, scores):
    run = odd(kind, policy, scores)
    run.run()
    assert run.search.state.population.n_credited > 1 or run.search.run.failure or policy == "one_plus_one"
    read(run.search)
    again = build(kind, policy=policy)
    for stamped in run.log:
        again.apply(stamped)
    assert state(again) == state(run.search)


def test_a_score_beyond_what_is_compared_is_shown_as_it_is():
    run = odd(contract(noisy=True), "map_elites", [3e200, 3e200, 7e250, 7e250])
    run.run()
    seen, population = ProgressTracker(run.search.state).snapshot(1e6), run.search.state.population
    assert seen.best.score > 1e199
    assert seen.seed.score > 1e199
    for row in population.candidates:
        if population.score(population.by_id[row.id]) is not None:
            scores = [one.record.result.score for one in run.log if isinstance(one.record, Measured)]
            place = score_of(population, population.by_id[row.id])
            assert min(scores) * 0.999 <= place.score <= max(scores) * 1.001
            assert 1e150 not in (place.score, place.sd)
    assert "which count as 1e+150 where programs are compared" in seen.beyond
    means = [
        abs(population.placement_record((0, cell, rank), number).mean)
        for cell, rank, number in population.archives[0].cells.items()
    ]
    assert means
    assert 1e150 not in means


@pytest.mark.parametrize(
    ("own", "theirs", "said"),
    [
        ([1.0, 2.0], [1.0, 3.0], ""),
        ([1e200, 1e200], [1.0, 3.0], "+1e+150 at least: scores beyond 1e+150 count as that"),
        ([1.0, 1.0], [-1e200, -1e200], "+1e+150 at least: scores beyond 1e+150 count as that"),
        ([1e200, 1e200], [1e200, 1.0], "not known: scores beyond 1e+150 count as that"),
        ([-1e200, 1.0], [1.0, 1.0], "not known: scores beyond 1e+150 count as that"),
    ],
)
def test_an_effect_of_scores_that_count_as_something_else_is_a_bound_or_none(own, theirs, said):
    vault = make_confirmation(0, 1, 0, 1, SIZES[0], 0, False, tuple(range(SIZES[0].n_candidate + SIZES[0].n_control)))
    vault.candidate_scores, vault.control_scores = (dict(enumerate(map(tame, scores))) for scores in (own, theirs))
    vault.effect = estimate(list(vault.candidate_scores.values()), list(vault.control_scores.values()), paired=False)
    assert bound_of(vault, 1.0) == said
    assert bound_of(vault, -1.0) == said.replace("+1e+150", "-1e+150")
