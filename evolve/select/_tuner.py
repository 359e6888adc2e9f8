"""The constant tuner's state: which numbers move, how, and what has been learnt.

``Tuner`` is a value.  ``sample`` turns standard normal draws into numbers for the program and changes nothing; ``tell`` gives the
tuner after one more result, in record order.  All of it follows from the literals and the results, so a replay gives the same
state bit for bit on one machine.

Coordinates are in units of each literal's initial step, zero at its first value, so that every coordinate starts with standard
deviation one.  A generation closes when as many results are there as the population is large, whichever samples they belong to.
A sample of the generation before counts in the present one as the step that its draw is, for the mean has hardly moved: taken from
where it lay it would rank low for being behind, and as the worse half pushes the mean, push it on the way it goes already
(docs/log.md).  An older one counts from the values that were recorded, shortened where it lies too far out (see
``evolve.select._cmaes.shorten``).  Failures rank last.
"""

from __future__ import annotations

import math
from collections.abc import Sequence
from dataclasses import dataclass, replace
from functools import lru_cache

import numpy as np

from archive import Literal, TunerSample
from evolve.select._cmaes import CmaState, cma_start, default_population, draw, shorten, turned, update

_SIGMA_AGAIN = 0.5  # of a restart around the best, in initial steps: it looks about, but not everywhere
_SD_DONE = 1e-2  # of the initial step, in every coordinate: what is left to gain is not worth an evaluation
_SD_FLOOR = 0.1  # of the initial step: what an inherited coordinate has at least
_CONDITION_MAX = 1e14
_RECOIL = 0.5  # of the worse half on the mean, less where a generation has more points than there are dimensions
_PATIENCE = 0.5  # more damping of the step size in many dimensions: on a ridge it would be small before that is known
_MANY = 50  # dimensions
_POPULATION = 4.0  # times the root of the dimension: rugged objectives need more than 4 + 3 ln n (docs/log.md has the comparison)
_INT_SD = 0.4  # of one: draws of an integer keep at least this, so that it does not freeze by rounding
_LARGE = 1e100  # bounds, and one over it a step: squares of what is computed from them are numbers
_MOST_STEPS = 1e50  # between the bounds
_DIGITS = 3  # of the standard deviation: values are written no finer than this


@dataclass(frozen=True, slots=True, eq=False)
class Domain:
    """The literals as arrays of shape (n,): how coordinates and values turn into each other.

    ``x_low`` and ``x_high`` are the bounds as coordinates.
    """

    value: np.ndarray
    step: np.ndarray
    low: np.ndarray
    high: np.ndarray
    is_log: np.ndarray
    is_int: np.ndarray
    x_low: np.ndarray
    x_high: np.ndarray

    @classmethod
    def of(cls, literals: Sequence[Literal]) -> Domain:
        value, step, low, high = (
            np.array([getattr(literal, name) for literal in literals], dtype=np.float64)
            for name in ("value", "step", "low", "high")
        )
        is_log = np.array([literal.scale == "log" for literal in literals])
        is_int = np.array([literal.kind == "int" for literal in literals])
        domain = cls(value, step, low, high, is_log, is_int, low, high)
        return replace(domain, x_low=domain.encode(low), x_high=domain.encode(high))

    def encode(self, values: np.ndarray) -> np.ndarray:
        """Coordinates of values, which are put within the bounds first."""
        values = np.minimum(np.maximum(values, self.low), self.high)
        ratio = np.where(self.is_log, values, 1.0) / np.where(self.is_log, self.value, 1.0)
        return np.where(self.is_log, np.log(ratio), values - self.value) / self.step

    def decode(self, x: np.ndarray) -> np.ndarray:
        """Values of coordinates, within the bounds, neither rounded nor whole."""
        moved = self.step * np.minimum(np.maximum(x, self.x_low), self.x_high)
        values = np.where(self.is_log, self.value * np.exp(np.where(self.is_log, moved, 0.0)), self.value + moved)
        return np.minimum(np.maximum(values, self.low), self.high)

    def clip(self, x: np.ndarray) -> np.ndarray:
        """Coordinates put within the bounds."""
        return np.minimum(np.maximum(x, self.x_low), self.x_high)


@dataclass(frozen=True, slots=True, eq=False)
class Tuner:
    """CMA-ES over the literals of one program.

    ``generation`` never falls, over restarts either; samples carry the one they were drawn in.  ``pending`` are the points of the
    open generation with their scores (higher is better, None for a failure).  ``best`` is the best point told with its score.
    ``history`` holds the best score of each closed generation since the last restart, the newest last, None where all failed;
    ``bar`` is the best score before that restart.
    """

    literals: tuple[Literal, ...]
    state: CmaState
    generation: int = 0
    pending: tuple[tuple[tuple[float, ...], float | None], ...] = ()
    best: tuple[tuple[float, ...], float] | None = None
    history: tuple[float | None, ...] = ()
    restarts: int = 0
    bar: float | None = None
    told_count: int = 0

    @property
    def n(self) -> int:
        return len(self.literals)

    @property
    def domain(self) -> Domain:
        """The literals as arrays."""
        return _domain_of(_ById(self.literals))

    @property
    def population(self) -> int:
        return self.state.population

    def turned(self, z: Sequence[float], issued: Sequence[Sequence[float]]) -> tuple[float, ...]:
        """``z`` at right angles to the last draws that were ``issued`` in the open generation; of n of them a block is full."""
        others = issued[len(issued) // self.n * self.n :]
        return tuple(turned(np.asarray(z), np.asarray(others)).tolist()) if others else tuple(z)

    def sample(self, z: Sequence[float]) -> tuple[tuple[float, ...], int]:
        """The literals' values that the draws stand for, and the generation they belong to.

        Args:
            z: (n,) standard normal numbers.

        Returns:
            Values in the order of ``literals``, within their bounds, integers whole, with no more digits than the present standard
            deviation calls for; and the generation, to be recorded with them.
        """
        drawn = np.asarray(z, dtype=np.float64)
        domain, state = self.domain, self.state
        values = domain.decode(draw(state, drawn))
        sds = state.sds * domain.step * np.where(domain.is_log, np.abs(values), 1.0)  # of the values
        widened = np.where(domain.is_int, values + np.maximum(0.0, _INT_SD - sds) * drawn, values)
        digits = _DIGITS - np.floor(np.log10(np.where(domain.is_int, 10.0**_DIGITS, np.maximum(sds, 1e-300))))
        rounded = np.array([round(value, int(n)) for value, n in zip(widened.tolist(), digits.tolist(), strict=True)])
        low = np.where(domain.is_int, np.ceil(domain.low), domain.low)
        high = np.where(domain.is_int, np.floor(domain.high), domain.high)
        return tuple(np.minimum(np.maximum(rounded, low), high).tolist()), self.generation

    def tell(self, sample: TunerSample, score: float | None) -> Tuner:
        """The tuner after the result of a sample.

        Args:
            sample: as it was recorded; ``sample.z`` is used if it belongs to the open generation or the one before, else
                ``sample.values``.
            score: higher is better; None when the child failed or could not be made.  A duplicate is told the score it is known by.

        Raises:
            ValueError: ``score`` is NaN or infinite, or the sample has another number of values than the tuner has literals.
        """
        if score is not None and not math.isfinite(score):
            raise ValueError(f"a score must be finite, or None for a failure; found {score}.")
        if len(sample.values) != self.n or len(sample.z) != self.n:
            raise ValueError(f"expected a sample of {self.n} values; found {len(sample.values)} and {len(sample.z)} draws.")
        if sample.generation >= self.generation - 1:
            x = self.domain.clip(draw(self.state, np.asarray(sample.z, dtype=np.float64)))
        else:
            x = shorten(self.state, self.domain.encode(np.array(sample.values)))
        point = tuple(x.tolist())
        best = self.best
        if score is not None and (best is None or score > best[1]):
            best = (tuple(self.domain.encode(np.array(sample.values)).tolist()), score)
        tuner = replace(self, pending=(*self.pending, (point, score)), best=best, told_count=self.told_count + 1)
        return tuner if len(tuner.pending) < tuner.population else tuner._closed()

    def hint(self, values: Sequence[float], score: float) -> Tuner:
        """The tuner after hearing of a point that it did not draw: a restart may begin there, the distribution stays as it is.

        Telling it as a sample instead (Hansen 2011) made packings converge early to worse optima (docs/log.md).
        """
        if self.best is not None and score <= self.best[1]:
            return self
        return replace(self, best=(tuple(self.domain.encode(np.array(values)).tolist()), score))

    @property
    def is_stagnant(self) -> bool:
        """Whether more samples of this distribution are unlikely to gain anything.

        So it is when every standard deviation is below a hundredth of the initial step, the covariance has degenerated, or the
        last generations (10 + 30 n / population of them) brought no better best than those before.
        """
        if float(self.state.sds.max()) < _SD_DONE or self.state.condition > _CONDITION_MAX:
            return True
        window = self._window
        if len(self.history) < 2 * window:
            return False
        before, after = _largest(self.history[:-window]), _largest(self.history[-window:])
        return after is None or (before is not None and after <= before)

    def restart(self) -> Tuner:
        """A fresh distribution: around the best point while that gains, else as wide as the first and from where that began.

        The best so far is remembered either way.
        """
        best, bar = self.best, self.bar
        gained = best is not None and (bar is None or best[1] > bar)
        mean, sigma = (np.array(best[0]), _SIGMA_AGAIN) if gained and best is not None else (np.zeros(self.n), 1.0)
        return replace(
            self,
            state=_start(self.domain.clip(mean), sigma, self.population),
            generation=self.generation + 2,  # draws of the last one were of another distribution
            pending=(),
            history=(),
            restarts=self.restarts + 1,
            bar=best[1] if best is not None else None,
        )

    # ------------------------------------------------------------------------------------------------ inside

    @property
    def _window(self) -> int:
        return 10 + math.ceil(30 * self.n / self.population)

    def _closed(self) -> Tuner:
        """After a full generation.  Ties rank in record order."""
        order = sorted(range(len(self.pending)), key=lambda i: _rank(self.pending[i][1]))
        scores = [score for _, score in self.pending if score is not None]
        xs = np.array([self.pending[i][0] for i in order])
        state = update(self.state, xs, len(scores))
        state = replace(state, mean=self.domain.clip(state.mean))
        history = (*self.history, max(scores, default=None))[-2 * self._window :]
        return replace(self, state=state, generation=self.generation + 1, pending=(), history=history)


def open_tuner(literals: Sequence[Literal], *, sigma: float = 1.0, population: int | None = None) -> Tuner:
    """A tuner around the literals' present values.

    Args:
        literals: what may move; at least one.
        sigma: initial standard deviation in units of each literal's step.
        population: results a generation; the larger of 4 + 3 ln n and 4 sqrt n when None.

    Raises:
        ValueError: no literals, or one that is not ``tunable``.
    """
    literals = tuple(literals)
    if not literals:
        raise ValueError("a tuner needs at least one literal; found none.")
    for literal in literals:
        if not tunable(literal):
            raise ValueError(f"expected low <= value <= high, step > 0 and, on a log scale, low > 0; found {literal}.")
    n = len(literals)
    population = population or max(default_population(n), round(_POPULATION * math.sqrt(n)))
    return Tuner(literals, _start(np.zeros(n), sigma, population))


def tunable(literal: Literal) -> bool:
    """Whether a number can be moved: its range is not empty, its step positive, a log scale stays above zero, and all sizes are
    moderate enough for what is computed from them to stay within the range of a float."""
    low, high, step = literal.low, literal.high, literal.step
    if not (-_LARGE <= low <= literal.value <= high <= _LARGE and 1.0 / _LARGE <= step <= _LARGE):
        return False
    if literal.scale == "log":
        return low >= 1.0 / _LARGE and math.log(high / low) / step <= _MOST_STEPS
    return (high - low) / step <= _MOST_STEPS


def inherit(old: Tuner, literals: Sequence[Literal]) -> Tuner:
    """A tuner for a descendant's literals that keeps what ``old`` learnt about those that survived, by path.

    Means are the descendant's own values.  The surviving block of the covariance is kept, with no standard deviation below a tenth
    of the initial step; other coordinates start fresh.  The evolution paths, the generation count and the best start anew.
    """
    fresh = open_tuner(literals)
    where = {literal.path: i for i, literal in enumerate(old.literals)}
    kept = [
        (i, where[literal.path])
        for i, literal in enumerate(fresh.literals)
        if literal.path in where and old.literals[where[literal.path]].scale == literal.scale
    ]
    if not kept:
        return fresh
    new, was = [pair[0] for pair in kept], [pair[1] for pair in kept]
    ratio = np.array([old.literals[j].step / fresh.literals[i].step for i, j in kept])
    block = old.state.sigma**2 * old.state.cov[np.ix_(was, was)] * np.outer(ratio, ratio)
    lift = np.maximum(1.0, _SD_FLOOR / np.sqrt(np.diagonal(block)))
    cov = np.eye(fresh.n)
    cov[np.ix_(new, new)] = block * np.outer(lift, lift)
    sigma = math.exp(0.5 * float(np.log(np.diagonal(cov)).mean()))  # geometric mean of the coordinates' sds
    return replace(fresh, state=_start(fresh.state.mean, sigma, fresh.population, cov / sigma**2))


def _start(mean: np.ndarray, sigma: float, population: int, cov: np.ndarray | None = None) -> CmaState:
    n = len(mean)
    recoil = _RECOIL * min(1.0, n / population)
    damping = 1.0 + _PATIENCE * min(1.0, n / _MANY) ** 2
    return cma_start(mean, sigma, population=population, cov=cov, recoil=recoil, damping=damping)


class _ById:
    """A key for one tuple of literals, by identity: hashing all of them would cost as much as working with them."""

    __slots__ = ("literals",)

    def __init__(self, literals: tuple[Literal, ...]) -> None:
        self.literals = literals

    def __hash__(self) -> int:
        return id(self.literals)

    def __eq__(self, other: object) -> bool:
        return isinstance(other, _ById) and other.literals is self.literals


@lru_cache(maxsize=16)
def _domain_of(key: _ById) -> Domain:
    return Domain.of(key.literals)


def _rank(score: float | None) -> tuple[bool, float]:
    return (True, 0.0) if score is None else (False, -score)


def _largest(scores: Sequence[float | None]) -> float | None:
    return max((score for score in scores if score is not None), default=None)
