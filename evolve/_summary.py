"""What a run came to, in the problem's own sign and unit."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from statistics import fmean, stdev

from evolve._contract import Problem
from evolve._frames import SEED
from evolve._population import standing
from evolve._rundir import RunDir
from evolve._search import Search

SCHEMA = 1


@dataclass(frozen=True, slots=True)
class FinalRuns:
    """The reserved measurements at the end of a noisy run: best and seed, interleaved, each on fresh seeds.  Unconfirmed."""

    candidate: str
    best_mean: float
    best_n: int
    seed_mean: float
    seed_n: int
    best_sd: float | None = None  # of one measurement; None with fewer than two
    seed_sd: float | None = None
    verdict: str = "unconfirmed"


@dataclass(frozen=True, slots=True)
class Summary:
    """A run's result.  ``status`` is one of done, stopped, interrupted, degraded, failed; ``failures`` counts candidates."""

    schema: int
    run: str
    status: str
    problem: str
    metric: str
    seed_score: float | None
    best_score: float | None
    best_id: str | None
    candidates: int
    measurements: int
    failures: Mapping[str, int]
    wall_s: float
    cpu_s: float
    reason: str
    tier: str
    final: FinalRuns | None


def best_of(search: Search) -> int | None:
    """The candidate a run stands by.

    The leader, or the best that was measured in a fresh process where the leader only has a warm result.  Once a noisy run has
    made its final measurements it is the program they were made of, if its mean was
    better than the seed program's, and otherwise the seed program: another one's lucky score is no better founded than it was.
    """
    final = _final(search)
    if final is None or search.finals is None or search.finals[1] > 0:
        return search.people.best_cold()
    finalist = search.people.by_id[final.candidate]
    better = search.people.sign * (final.best_mean - final.seed_mean) > 0
    return finalist if better and search.people.score(finalist) is not None else SEED


def summarise(run: RunDir, problem: Problem, search: Search, status: str, why: str, now: float) -> Summary:
    """The summary of a search as it stands."""
    people = search.people
    seed = people.score(SEED) if people.rows else None
    number = best_of(search)
    best = standing(people, number) if number is not None else None
    return Summary(
        schema=SCHEMA,
        run=str(run.path),
        status=status,
        problem=problem.contract.name,
        metric=problem.contract.metric,
        seed_score=people.sign * seed if seed is not None else None,
        best_score=best.score if best is not None else None,
        best_id=best.id if best is not None else None,
        candidates=search.spend.candidates,
        measurements=search.spend.evaluations,
        failures=dict(sorted(people.failures.items())),
        wall_s=round(search.spend.elapsed(now), 3),
        cpu_s=round(search.spend.cpu_s, 3),
        reason=why,
        tier=search.tier,
        final=_final(search),
    )


def _final(search: Search) -> FinalRuns | None:
    if search.finals is None:
        return None
    finalist = search.finals[0]
    best = [score for id_, score in search.final_scores if id_ == finalist]
    seed = [score for id_, score in search.final_scores if id_ != finalist]
    if not best or not seed:
        return None
    return FinalRuns(finalist, fmean(best), len(best), fmean(seed), len(seed), _sd(best), _sd(seed))


def _sd(scores: Sequence[float]) -> float | None:
    return stdev(scores) if len(scores) > 1 else None
