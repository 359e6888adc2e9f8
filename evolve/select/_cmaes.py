"""CMA-ES: the covariance matrix adaptation evolution strategy, as pure functions over an explicit state.

The state holds arrays and no generator: ``draw`` takes its standard normal numbers as an argument and ``update`` takes points that
were already ranked, so the same calls give the same state bit for bit on one machine.  Everything is numpy.

Points are drawn with the symmetric square root of the covariance, ``x = mean + sigma * C^(1/2) z``, which does not depend on the
signs or the order of the eigenvectors that LAPACK happens to return.

Source: Hansen 2016, "The CMA Evolution Strategy: A Tutorial", https://arxiv.org/abs/1604.00772; equation numbers below are those
of its last version.  Points that were not drawn from the present distribution are shortened as in Hansen 2011, "Injecting external
solutions into CMA-ES", https://arxiv.org/abs/1110.4181.

Two things are not in the tutorial and off unless they are asked for: ``recoil``, by which the worse half pushes the mean as the
better half pulls it (Arnold 2005, "Optimal weighted recombination", https://doi.org/10.1007/11513575_12), and ``damping``, by which
the step size changes more slowly.

Not here: boundaries and units (see ``evolve.select._tuner``), step-size rules other than cumulation.
"""

from __future__ import annotations

import math
from dataclasses import dataclass, replace
from functools import lru_cache

import numpy as np

Array = np.ndarray

_SIGMA_MAX = 1e32
_EIGENVALUE_MIN = 1e-20  # relative to the largest: keeps C^(-1/2) finite when rounding makes an eigenvalue zero or negative


@dataclass(frozen=True, slots=True, eq=False)
class CmaConstants:
    """What follows from the dimension and the population size alone (table 1 of the tutorial).

    ``weights`` has shape (population,), the first ``mu`` positive and summing to one, the rest zero or negative: they are the
    covariance's.  ``pull`` are the mean's, the same for the first ``mu``; ``pull_eff`` is one over the sum of their squares.
    """

    mu: int
    weights: Array
    pull: Array
    pull_eff: float
    c_sigma: float
    d_sigma: float
    c_c: float
    c_1: float
    c_mu: float
    chi_n: float
    eigen_every: int


@lru_cache(maxsize=64)
def cma_constants(n: int, population: int, active: bool = True, recoil: float = 0.0, damping: float = 1.0) -> CmaConstants:
    """The strategy's constants for ``n`` dimensions and ``population`` points a generation.

    ``active`` gives the worse half negative weights (equations 50 to 53); without it they are zero.  In the mean's step they have
    weights that sum to minus ``recoil``.  ``damping`` multiplies that of the step size.

    Raises:
        ValueError: ``n`` is below 1 or ``population`` below 2.
    """
    if n < 1 or population < 2:
        raise ValueError(f"CMA-ES needs n >= 1 and population >= 2; found n = {n}, population = {population}.")
    mu = population // 2
    raw = math.log((population + 1) / 2) - np.log(np.arange(1, population + 1))
    mu_eff = float(raw[:mu].sum() ** 2 / (raw[:mu] ** 2).sum())
    mu_eff_minus = float(raw[mu:].sum() ** 2 / (raw[mu:] ** 2).sum())
    c_1 = 2 / ((n + 1.3) ** 2 + mu_eff)
    c_mu = min(1 - c_1 - 1e-8, 2 * (mu_eff - 2 + 1 / mu_eff) / ((n + 2) ** 2 + mu_eff))
    weights = np.where(raw > 0, raw / raw[raw > 0].sum(), 0.0)
    if active and c_mu > 0:
        mass = min(1 + c_1 / c_mu, 1 + 2 * mu_eff_minus / (mu_eff + 2), (1 - c_1 - c_mu) / (n * c_mu))
        weights = np.where(raw < 0, mass * raw / np.abs(raw[raw < 0]).sum(), weights)
    pull = np.where(raw > 0, raw / raw[raw > 0].sum(), 0.0) - recoil * np.where(raw < 0, raw / raw[raw < 0].sum(), 0.0)
    pull_eff = 1 / float((pull**2).sum())
    weights.setflags(write=False)
    pull.setflags(write=False)
    c_sigma = (pull_eff + 2) / (n + pull_eff + 5)
    return CmaConstants(
        mu=mu,
        weights=weights,
        pull=pull,
        pull_eff=pull_eff,
        c_sigma=c_sigma,
        d_sigma=damping * (1 + 2 * max(0.0, math.sqrt(max(0.0, pull_eff - 1) / (n + 1)) - 1) + c_sigma),
        c_c=(4 + mu_eff / n) / (n + 4 + 2 * mu_eff / n),
        c_1=c_1,
        c_mu=c_mu,
        chi_n=math.sqrt(n) * (1 - 1 / (4 * n) + 1 / (21 * n * n)),
        eigen_every=max(1, math.floor(1 / (10 * n * (c_1 + c_mu)))),
    )


@dataclass(frozen=True, slots=True, eq=False)
class CmaState:
    """The distribution and its evolution paths.  The arrays are never written to.

    ``mean``, ``p_sigma``, ``p_c`` and ``scales`` have shape (n,); ``cov`` and ``basis`` (n, n).  ``basis`` and ``scales`` are the
    eigenvectors of ``cov`` (columns) and the square roots of its eigenvalues, at most ``eigen_every`` generations old.
    """

    mean: Array
    sigma: float
    cov: Array
    p_sigma: Array
    p_c: Array
    basis: Array
    scales: Array
    population: int
    generation: int = 0
    active: bool = True
    recoil: float = 0.0
    damping: float = 1.0

    @property
    def n(self) -> int:
        return int(self.mean.shape[0])

    @property
    def constants(self) -> CmaConstants:
        return cma_constants(self.n, self.population, self.active, self.recoil, self.damping)

    @property
    def sds(self) -> Array:
        """(n,) standard deviation of each coordinate of a draw."""
        return self.sigma * np.sqrt(np.diagonal(self.cov))

    @property
    def condition(self) -> float:
        """Condition number of the covariance."""
        return float((self.scales.max() / self.scales.min()) ** 2)


def default_population(n: int) -> int:
    """``4 + floor(3 ln n)`` (equation 48)."""
    return 4 + math.floor(3 * math.log(n))


def cma_start(
    mean: Array,
    sigma: float,
    *,
    population: int | None = None,
    cov: Array | None = None,
    active: bool = True,
    recoil: float = 0.0,
    damping: float = 1.0,
) -> CmaState:
    """A fresh state.

    Args:
        mean: (n,) first mean.
        sigma: overall step size, positive.
        population: points a generation; ``default_population(n)`` when None.
        cov: (n, n) positive definite first covariance; the identity when None.
        active: whether the worse half of a generation pushes the covariance away.
        recoil: how hard the worse half pushes the mean away, 1 as hard as the better half pulls it.
        damping: how many times more slowly the step size changes.

    Raises:
        ValueError: ``sigma`` is not positive and finite, or ``mean`` is not finite.
    """
    mean = np.array(mean, dtype=np.float64)
    n = mean.shape[0]
    if not (sigma > 0 and math.isfinite(sigma)):
        raise ValueError(f"sigma must be positive and finite; found {sigma}.")
    if not np.isfinite(mean).all():
        raise ValueError("mean must be finite; found NaN or infinity.")
    cov = np.eye(n) if cov is None else np.array(cov, dtype=np.float64)
    basis, scales = _eigen(cov)
    zeros = np.zeros(n)
    population = population or default_population(n)
    return CmaState(mean, float(sigma), cov, zeros, zeros, basis, scales, population, 0, active, recoil, damping)


def draw(state: CmaState, z: Array) -> Array:
    """The point that the standard normal numbers ``z`` (n,) stand for: ``mean + sigma * C^(1/2) z``."""
    return state.mean + state.sigma * (state.basis @ (state.scales * (state.basis.T @ z)))


def turned(z: Array, others: Array) -> Array:
    """``z`` (n,) turned until it is at right angles to ``others`` (m, n), fewer than n, and as long as before.

    A generation of such draws looks in every direction once before it looks anywhere again (Wang, Emmerich and Bäck 2019,
    "Mirrored orthogonal sampling", https://doi.org/10.1162/evco_a_00251; they are not mirrored here).
    """
    basis = np.linalg.qr(others.T)[0]
    rest = z - basis @ (basis.T @ z)
    length = float(np.linalg.norm(rest))
    return rest * (float(np.linalg.norm(z)) / length) if length > 0 else z


def shorten(state: CmaState, x: Array) -> Array:
    """``x`` (n,) moved towards the mean until it is no further off (in sigmas) than a draw is likely to be.

    For points of an earlier generation: without it a single one could throw the step size (Hansen 2011, equation 3).
    """
    step = x - state.mean
    length = float(np.linalg.norm(_whiten(state, step))) / state.sigma
    n = state.n
    longest = math.sqrt(n) + 2 * n / (n + 2)
    return x if length <= longest else state.mean + step * (longest / length)


def update(state: CmaState, xs: Array, n_ok: int | None = None) -> CmaState:
    """The state after a generation.

    Args:
        xs: (population, n) points, best first.
        n_ok: how many of them, counted from the best, have a score; the rest failed and never move the mean.  All when None.

    Returns:
        The next state.  With no point left the step size is halved and nothing else is learnt.

    Raises:
        ValueError: ``xs`` is not (population, n) or not finite.
    """
    k = state.constants
    n_ok = state.population if n_ok is None else n_ok
    if xs.shape != (state.population, state.n) or not np.isfinite(xs).all():
        raise ValueError(f"expected {state.population} finite points of {state.n} coordinates; found an array {xs.shape}.")
    if n_ok == 0:
        return replace(state, sigma=state.sigma / 2, generation=state.generation + 1)
    weights, pull = k.weights, k.pull
    if n_ok < state.population:
        pull = pull.copy()
        pull[n_ok:] = 0.0
    if n_ok < k.mu:
        pull /= pull.sum()
        weights = np.concatenate([pull[: k.mu], weights[k.mu :]])
    ys = (xs - state.mean) / state.sigma  # (population, n)
    y_w = pull @ ys
    generation = state.generation + 1
    p_sigma = (1 - k.c_sigma) * state.p_sigma + math.sqrt(k.c_sigma * (2 - k.c_sigma) * k.pull_eff) * _whiten(state, y_w)
    norm = float(np.linalg.norm(p_sigma))
    sigma = min(_SIGMA_MAX, state.sigma * math.exp(min(1.0, k.c_sigma / k.d_sigma * (norm / k.chi_n - 1))))
    unbiased = norm / math.sqrt(1 - (1 - k.c_sigma) ** (2 * (generation + 1)))
    stalled = unbiased >= (1.4 + 2 / (state.n + 1)) * k.chi_n  # h_sigma = 0: do not learn from a path that is too long
    p_c = (1 - k.c_c) * state.p_c
    if not stalled:
        p_c = p_c + math.sqrt(k.c_c * (2 - k.c_c) * k.pull_eff) * y_w
    if state.active:
        lengths = np.square(_whiten(state, ys.T)).sum(axis=0)
        weights = np.where(weights >= 0, weights, weights * state.n / (lengths + 1e-8))
    decay = 1 - k.c_1 - k.c_mu * float(k.weights.sum()) + (k.c_1 * k.c_c * (2 - k.c_c) if stalled else 0.0)
    cov = decay * state.cov + k.c_1 * np.outer(p_c, p_c) + k.c_mu * (ys.T @ (weights[:, None] * ys))
    cov = (cov + cov.T) / 2
    fresh = generation % k.eigen_every == 0
    basis, scales = _eigen(cov) if fresh else (state.basis, state.scales)
    mean = state.mean + state.sigma * y_w
    return replace(
        state, mean=mean, sigma=sigma, cov=cov, p_sigma=p_sigma, p_c=p_c, basis=basis, scales=scales, generation=generation
    )


def _whiten(state: CmaState, y: Array) -> Array:
    """``C^(-1/2) y`` for a vector (n,) or for columns (n, m)."""
    inner = state.basis.T @ y
    return state.basis @ (inner / (state.scales if y.ndim == 1 else state.scales[:, None]))


def _eigen(cov: Array) -> tuple[Array, Array]:
    """Eigenvectors (columns) and square roots of the eigenvalues, floored so that all are positive."""
    values, basis = np.linalg.eigh(cov)
    return basis, np.sqrt(np.maximum(values, _EIGENVALUE_MIN * max(float(values[-1]), _EIGENVALUE_MIN)))
