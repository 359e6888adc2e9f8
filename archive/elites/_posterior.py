"""What the measurements say about a candidate's true score: normal shrinkage with pooled noise.

The search and the queries both use these formulas, so that what a run decides and what it reports agree.  For one problem at
one stage, with candidate ``c`` measured ``n_c`` times with mean ``y_c``:

    s2   = sum_c M2_c / sum_c (n_c - 1)            noise of one measurement, pooled over all replicates but those of candidates
                                                   that scatter far more than the others, whose own variance is their s2
    m0   = mean of the candidates' first scores    where a candidate starts from
    tau2 = max(v0 - s2, s2 / k)                    spread of true scores; v0 = sample variance of the k first scores
    w    = tau2 / (tau2 + s2 / n_c)
    mean = m0 + w (y_c - m0),   sd = sqrt(w s2 / n_c)

First scores are used for the prior because every candidate has exactly one, however often it was measured afterwards.  ``tau2``
has the floor ``s2 / k``: a smaller spread cannot be told from none with k candidates, and at exactly zero all candidates would
tie with no uncertainty left to explore.  With fewer than two candidates there is no prior and ``w`` is 1; with no replicate yet,
or on a deterministic problem, the noise is 0 and the posterior is the plain mean.  A wild score (a hack, a diverged run) makes
``tau2`` large, and so only turns shrinkage off.  Who scatters far more than the others: ``archive.elites._noise``.  Scores of a
noisy problem beyond 1e150 count as that, so that squares stay numbers; what people are shown of such
candidates (``PooledPosterior.as_measured``) is the plain mean of their scores as they were.

What counts: every ``ok`` measurement at that stage, whatever its purpose, in the problem's own sign.  The formulas do not depend
on the order, up to rounding.
"""

from __future__ import annotations

from dataclasses import dataclass, field
from math import inf, sqrt

from archive._floats import LARGEST, TAME, bounded, tame
from archive.elites._noise import RobustNoise

WILD_UNIT = 2.0**600  # scores beyond 1e150 are counted in this unit: their squares are numbers then


def shrink(mean: float, n: int, noise: float, prior: tuple[float, float] | None) -> tuple[float, float]:
    """Posterior (mean, sd) of a candidate measured ``n`` times, given the noise variance and the prior (m0, tau2)."""
    error = noise / n
    if error <= 0.0:
        return mean, 0.0
    if prior is None:
        return mean, sqrt(error)
    m0, tau2 = prior
    both = tau2 + error
    if both == inf:
        tau2, error, both = tau2 / 4.0, error / 4.0, tau2 / 4.0 + error / 4.0
    weight, gap = tau2 / both, mean - m0
    sd = sqrt(weight * (noise / n))
    if not -inf < gap < inf:
        return bounded(weight * mean + error / both * m0), sd
    if weight > 0.5:  # the smaller share is what is added: one wild score makes m0 so large that the other way loses the mean
        return mean - error / both * gap, sd
    return m0 + weight * gap, sd


@dataclass(slots=True)
class RunningStats:
    """The measurements of one candidate: how many, their mean, the sum of squared differences from it."""

    n: int = 0
    mean: float = 0.0
    m2: float = 0.0

    def add(self, score: float) -> None:
        """Count a finite score (Welford)."""
        self.n += 1
        delta = score - self.mean
        if -inf < delta < inf:
            self.mean += delta / self.n
        else:
            self.mean = bounded(self.mean * ((self.n - 1) / self.n) + score / self.n)
        m2 = self.m2 + delta * (score - self.mean)
        self.m2 = m2 if m2 < inf else LARGEST


@dataclass(frozen=True, slots=True)
class PooledPosteriorState:
    """``PooledPosterior`` as plain lists and numbers, for a checkpoint.

    ``first`` is (k, mean, M2) of the first scores; ``df`` and ``within`` count those that are pooled.
    ``wild`` is (id, n, mean, M2) of those with a score beyond 1e150, in ``WILD_UNIT``.
    """

    noisy: bool
    df: int
    within: float
    first: tuple[int, float, float]
    ids: list[str]
    counts: list[int]
    means: list[float]
    m2s: list[float]
    wild: list[tuple[str, int, float, float]] = field(default_factory=list)


class PooledPosterior:
    """Scores of one problem at one stage, with O(1) updates.  Deterministic; not thread-safe."""

    __slots__ = ("_by_id", "_first", "_scatter", "_shape", "_wild", "noisy")

    def __init__(self, noisy: bool) -> None:
        self.noisy = noisy
        self._by_id: dict[str, RunningStats] = {}
        self._wild: dict[str, RunningStats] = {}  # of those with a score beyond 1e150, as they were, in WILD_UNIT
        self._first = RunningStats()
        self._scatter = RobustNoise()
        self._shape: tuple[float, tuple[float, float] | None] | None = None  # noise and prior until the next score

    def __contains__(self, candidate: str) -> bool:
        return candidate in self._by_id

    def __len__(self) -> int:
        return len(self._by_id)

    def add(self, candidate: str, score: float) -> None:
        """Count one ok measurement (a finite score; of a noisy problem as ``tame`` gives it)."""
        if self.noisy:
            if self._wild or abs(score) > TAME:
                self._count_wild(candidate, score)
            score = tame(score)
        stats = self._by_id.get(candidate)
        if stats is None:
            stats = self._by_id[candidate] = RunningStats()
            self._first.add(score)
        stats.add(score)
        if self.noisy and stats.n > 1:
            self._scatter.update(candidate, stats.n - 1, stats.m2)
        self._shape = None

    def supersede(self, candidate: str, score: float) -> None:
        """Count one more ok measurement of a deterministic problem, which takes the place of those before it."""
        self.add(candidate, score)
        self._by_id[candidate].mean, self._by_id[candidate].m2 = score, 0.0

    def _count_wild(self, candidate: str, score: float) -> None:
        wild = self._wild.get(candidate)
        if wild is None:
            if abs(score) <= TAME:
                return
            before = self._by_id.get(candidate, RunningStats())
            wild = self._wild[candidate] = RunningStats(before.n, before.mean / WILD_UNIT)  # as good as equal beside what comes
        wild.add(score / WILD_UNIT)

    @property
    def n_wild(self) -> int:
        """How many candidates have a score that counts as 1e150, which it is not."""
        return len(self._wild)

    def stats(self, candidate: str) -> RunningStats:
        """The candidate's own measurements; treat as read-only.  KeyError when it has none."""
        return self._by_id[candidate]

    @property
    def df(self) -> int:
        """Degrees of freedom of the pooled noise: measurements beyond each candidate's first, of those that are pooled."""
        return self._scatter.df

    @property
    def noise(self) -> float:
        """Variance of one measurement; 0 when deterministic or not yet known."""
        if not self.noisy or self._scatter.df == 0:
            return 0.0
        return self._scatter.within / self._scatter.df

    def noise_of(self, candidate: str) -> float:
        """The same for one candidate: its own variance where it scatters far more than the others."""
        return self._scatter.own_variance(candidate) if self._scatter.is_outlier(candidate) else self.noise

    @property
    def typical(self) -> float:
        """Variance of one measurement of most candidates, whatever a few of them do: the median; 0 while unknown."""
        return self._scatter.typical

    @property
    def prior(self) -> tuple[float, float] | None:
        """(m0, tau2), or None with fewer than two candidates."""
        k = self._first.n
        if k < 2:
            return None
        noise = self.noise
        return self._first.mean, max(self._first.m2 / (k - 1) - noise, noise / k)

    def posterior(self, candidate: str) -> tuple[float, float]:
        """(mean, sd) of the candidate's true score.  KeyError when it has no measurement."""
        stats = self._by_id[candidate]
        if not self.noisy:
            return stats.mean, 0.0
        if self._shape is None:
            self._shape = self.noise, self.prior
        noise, prior = self._shape
        return shrink(
            stats.mean, stats.n, self._scatter.own_variance(candidate) if self._scatter.is_outlier(candidate) else noise, prior
        )

    def as_measured(self, candidate: str) -> tuple[float, float]:
        """(mean, sd) for people: where scores count as something else, those of the scores themselves.  KeyError without any."""
        mean, sd = self.posterior(candidate)
        wild = self._wild.get(candidate)
        if wild is None:
            return mean, sd
        if wild.n > 1:
            sd = bounded(sqrt(wild.m2 / (wild.n - 1) / wild.n) * WILD_UNIT)
        return bounded(wild.mean * WILD_UNIT), sd

    def dump(self) -> PooledPosteriorState:
        all_stats = list(self._by_id.values())
        return PooledPosteriorState(
            noisy=self.noisy,
            df=self._scatter.df,
            within=self._scatter.within,
            first=(self._first.n, self._first.mean, self._first.m2),
            ids=list(self._by_id),
            counts=[stats.n for stats in all_stats],
            means=[stats.mean for stats in all_stats],
            m2s=[stats.m2 for stats in all_stats],
            wild=[(id_, stats.n, stats.mean, stats.m2) for id_, stats in self._wild.items()],
        )

    @classmethod
    def load(cls, state: PooledPosteriorState) -> PooledPosterior:
        """The inverse of ``dump``, exactly."""
        pooled = cls(state.noisy)
        pooled._first = RunningStats(*state.first)
        rows = zip(state.ids, state.counts, state.means, state.m2s, strict=True)
        pooled._wild = {id_: RunningStats(n, mean, m2) for id_, n, mean, m2 in state.wild}
        pooled._by_id = {id_: RunningStats(n, mean, m2) for id_, n, mean, m2 in rows}
        repeated = ((id_, n - 1, m2) for id_, n, m2 in zip(state.ids, state.counts, state.m2s, strict=True) if n > 1)
        if state.noisy:
            pooled._scatter.load(repeated, state.df, state.within)
        return pooled
