"""CMA-ES: equal to an independent implementation, converges, and is a pure function of its arguments."""

from __future__ import annotations

import numpy as np
import pytest
from cmaes import CMA
from hypothesis import given, settings
from hypothesis import strategies as st

from evolve.select._cmaes import CmaState, cma_constants, cma_start, default_population, draw, shorten, update


def rosenbrock(x: np.ndarray) -> float:
    return float((100 * (x[1:] - x[:-1] ** 2) ** 2 + (1 - x[:-1]) ** 2).sum())


def ellipsoid(x: np.ndarray) -> float:
    return float((10 ** (6 * np.linspace(0, 1, len(x))) * x**2).sum())


def sphere(x: np.ndarray) -> float:
    return float((x**2).sum())


def generation(state: CmaState, rng: np.random.Generator, objective: object) -> tuple[np.ndarray, list[float]]:
    """The points of one generation, best first, with their values."""
    xs = np.array([draw(state, rng.standard_normal(state.n)) for _ in range(state.population)])
    values = [objective(x) for x in xs]  # type: ignore[operator]
    order = np.argsort(values, kind="stable")
    return xs[order], [values[i] for i in order]


def minimise(objective: object, n: int, generations: int, seed: int = 0, **options: object) -> float:
    rng = np.random.default_rng(seed)
    state = cma_start(np.full(n, 0.5), 0.5, **options)  # type: ignore[arg-type]
    best = np.inf
    for _ in range(generations):
        xs, values = generation(state, rng, objective)
        best = min(best, values[0])
        state = update(state, xs)
    return best


@pytest.mark.parametrize("objective", [sphere, ellipsoid, rosenbrock])
@pytest.mark.parametrize(("n", "population"), [(2, None), (5, None), (5, 40), (12, None)])
def test_equals_the_cmaes_package(objective: object, n: int, population: int | None) -> None:
    rng = np.random.default_rng(n)
    start = rng.standard_normal(n)
    ours = cma_start(start, 0.7, population=population)
    peer = CMA(mean=start, sigma=0.7, population_size=population)
    assert ours.population == peer.population_size
    for _ in range(60):
        xs, values = generation(ours, rng, objective)
        peer.tell([(x, value) for x, value in zip(xs, values, strict=True)])
        ours = update(ours, xs)
        np.testing.assert_allclose(ours.mean, peer.mean, rtol=1e-6, atol=1e-9)
        np.testing.assert_allclose(ours.sigma, peer._sigma, rtol=1e-6)
        np.testing.assert_allclose(ours.cov, peer._C, rtol=1e-5, atol=1e-7 * np.abs(ours.cov).max())


@pytest.mark.parametrize(
    ("objective", "n", "generations", "target"),
    [
        (sphere, 1, 60, 1e-8),
        (sphere, 2, 80, 1e-10),
        (sphere, 20, 250, 1e-8),
        (ellipsoid, 10, 450, 1e-8),
        (rosenbrock, 6, 500, 1e-8),
    ],
)
def test_converges(objective: object, n: int, generations: int, target: float) -> None:
    assert minimise(objective, n, generations) < target


def test_negative_weights_help_on_an_ellipsoid() -> None:
    passive = np.median([minimise(ellipsoid, 10, 250, seed, active=False) for seed in range(5)])
    assert np.median([minimise(ellipsoid, 10, 250, seed) for seed in range(5)]) < passive


@given(n=st.integers(1, 60), population=st.integers(2, 200), active=st.booleans(), recoil=st.sampled_from([0.0, 0.5, 1.0]))
def test_constants_are_within_their_ranges(n: int, population: int, active: bool, recoil: float) -> None:
    k = cma_constants(n, population, active, recoil)
    assert k.pull.sum() == pytest.approx(1 - recoil)
    assert k.d_sigma > 0
    assert k.weights.shape == (population,)
    assert k.weights[: k.mu].sum() == pytest.approx(1)
    assert (np.diff(k.weights) <= 1e-15).all()
    assert k.c_1 > 0
    assert k.c_1 + k.c_mu <= 1
    assert 0 < k.c_sigma < 1
    assert 0 < k.c_c <= 1


@settings(max_examples=40, deadline=None)
@given(n=st.integers(1, 8), seed=st.integers(0, 10_000), n_ok=st.lists(st.integers(0, 12), min_size=1, max_size=30))
def test_any_mix_of_failures_leaves_a_usable_distribution(n: int, seed: int, n_ok: list[int]) -> None:
    rng = np.random.default_rng(seed)
    state = cma_start(np.zeros(n), 1.0)
    for ok in n_ok:
        xs, _ = generation(state, rng, sphere)
        before = state
        state = update(state, xs, min(ok, state.population))
        assert state.sigma > 0
        assert np.isfinite(state.mean).all()
        assert (np.linalg.eigvalsh(state.cov) > 0).all()
        if ok == 0:
            assert state.sigma == before.sigma / 2
            assert (state.mean == before.mean).all()


def test_the_worse_half_on_the_mean_helps_in_many_dimensions() -> None:
    without = np.median([minimise(sphere, 30, 60, seed, population=22) for seed in range(5)])
    assert np.median([minimise(sphere, 30, 60, seed, population=22, recoil=0.5) for seed in range(5)]) < 0.8 * without


def test_damping_slows_the_step_size() -> None:
    one, two = (cma_start(np.full(5, 0.5), 0.5, damping=damping) for damping in (1.0, 2.0))
    xs, _ = generation(one, np.random.default_rng(0), sphere)
    assert np.log(update(one, xs).sigma / 0.5) == pytest.approx(2 * np.log(update(two, xs).sigma / 0.5))


def test_the_worse_half_pushes_as_hard_as_it_is_told_to_and_failures_never_do() -> None:
    state = cma_start(np.zeros(2), 1.0, population=4, recoil=0.5)
    pull = state.constants.pull
    assert pull.sum() == pytest.approx(1 - 0.5)
    bad = np.array([0.0, -1.0])
    after = update(state, np.array([np.zeros(2), np.zeros(2), bad, bad]))
    np.testing.assert_allclose(after.mean, [0.0, 0.5])
    np.testing.assert_allclose(update(state, np.array([np.zeros(2), np.zeros(2), bad, bad]), 2).mean, 0.0)


@pytest.mark.parametrize("recoil", [0.0, 0.5])
def test_failures_do_not_pull_the_mean(recoil: float) -> None:
    state = cma_start(np.zeros(3), 1.0, population=6, recoil=recoil)
    good, bad = np.full(3, 1.0), np.full(3, -2.0)
    after = update(state, np.array([good, bad, bad, bad, bad, bad]), 1)
    np.testing.assert_allclose(after.mean, good)


def test_the_same_calls_give_the_same_bits() -> None:
    def trajectory() -> CmaState:
        rng = np.random.default_rng(3)
        state = cma_start(np.ones(7), 0.3)
        for _ in range(40):
            state = update(state, generation(state, rng, rosenbrock)[0])
        return state

    one, two = trajectory(), trajectory()
    for name in ("mean", "cov", "p_sigma", "p_c", "basis", "scales"):
        assert getattr(one, name).tobytes() == getattr(two, name).tobytes()
    assert one.sigma == two.sigma


def test_update_leaves_its_arguments_alone() -> None:
    state = cma_start(np.zeros(4), 1.0)
    copies = {name: getattr(state, name).copy() for name in ("mean", "cov", "p_sigma", "p_c", "basis", "scales")}
    xs, _ = generation(state, np.random.default_rng(0), sphere)
    kept = xs.copy()
    update(state, xs)
    assert (xs == kept).all()
    for name, copy in copies.items():
        assert (getattr(state, name) == copy).all()


def test_draws_have_the_covariance() -> None:
    cov = np.array([[2.0, 0.6], [0.6, 0.5]])
    state = cma_start(np.array([1.0, -1.0]), 0.5, cov=cov)
    rng = np.random.default_rng(0)
    xs = np.array([draw(state, rng.standard_normal(2)) for _ in range(20_000)])
    np.testing.assert_allclose(np.cov(xs.T), 0.25 * cov, atol=0.02)
    np.testing.assert_allclose(state.sds, np.sqrt(0.25 * np.diag(cov)))


def test_far_points_are_shortened_and_near_ones_kept() -> None:
    state = cma_start(np.zeros(4), 0.1)
    near, far = np.full(4, 0.05), np.full(4, 5.0)
    assert shorten(state, near) is near
    assert np.linalg.norm(shorten(state, far)) == pytest.approx(0.1 * (2 + 8 / 6))


@pytest.mark.parametrize("bad", [np.zeros((3, 2)), np.full((4 + 2, 2), np.nan)])
def test_wrong_generations_are_refused(bad: np.ndarray) -> None:
    state = cma_start(np.zeros(2), 1.0)
    assert state.population == default_population(2) == 6
    with pytest.raises(ValueError, match="expected 6 finite points"):
        update(state, bad)


@pytest.mark.parametrize("sigma", [0.0, -1.0, float("nan"), float("inf")])
def test_a_step_size_must_be_positive(sigma: float) -> None:
    with pytest.raises(ValueError, match="sigma"):
        cma_start(np.zeros(2), sigma)
