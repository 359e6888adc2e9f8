"""Why a search explores or exploits now: who breeds, what its last tickets gained, and since when the best stands.  Read off the
state, with no threshold of its own."""

from __future__ import annotations

from collections.abc import Mapping

from evolve._counted import counted
from evolve.budget._cpu_budget import INITIAL
from evolve.search.policy._allocators import BanditWithTuner, tuner_share
from evolve.search.policy._policies import policy_of
from evolve.search.policy._portfolio import Portfolio, is_chosen
from evolve.search.policy._schedules import Rounds
from evolve.search.policy._selectors import ArchiveTournament, Incumbent, InitialProgram
from evolve.search.state._climbs import ARCHIVE, EXCURSION, MAIN, SELECTORS
from evolve.search.state._state import ProblemState

_NEAR_SDS = 2.0  # of its own posterior: an elite that is farther behind is rarely the best
_HALF = 0.5  # whoever breeds more gives the name


def selector_shares(state: ProblemState, now: float) -> dict[str, float]:
    """With what probability each way of choosing a parent breeds the next child; none where a policy has but one.  Together they
    have what the operators have that work on a parent chosen so: others have one of their own."""
    if not isinstance(policy_of(state).parents, Portfolio):
        return {}
    elites, noisy = bool(state.population.elites), state.contract.noisy
    able = [name == MAIN or (elites and not (noisy and name == EXCURSION)) for name in SELECTORS]
    chances = policy_of(state).chances(state, now)
    chosen = sum(chance for chance, arm in zip(chances, state.bandit.arms, strict=True) if is_chosen(state.operators[arm.operator]))
    shares = chosen * state.climbs.earned.probabilities(able)
    return {name: float(share) for name, share, one in zip(SELECTORS, shares, able, strict=True) if one}


def course(state: ProblemState, now: float) -> str:
    """One sentence; "" before the first child, and where a policy makes none."""
    population, policy = state.population, policy_of(state)
    if not population.elites or len(population.candidates) == 1 or policy.fixed_candidates:
        return ""
    shares = selector_shares(state, now)
    who = _by_ways(state, shares) if shares else _who_breeds(state)
    return "; ".join(part for part in (who, _why(state) if shares else "", _since(state)) if part)


def _by_ways(state: ProblemState, shares: Mapping[str, float]) -> str:
    """Which way of choosing parents breeds most, and how much of the next child; "" while no operator's parent is chosen."""
    total = sum(shares.values())
    if not total:
        return ""
    main, others = f"{100 * shares[MAIN]:.0f} %", f"{100 * (total - shares[MAIN]):.0f} %"
    if shares[MAIN] >= _HALF * total:
        if state.contract.noisy:  # which is as much exploring
            return f"whoever is best by its relatives too breeds {main}, the archive {others}"
        return f"exploits: the main climb breeds {main}, excursions and archive {others}"
    out = f"excursions breed {100 * shares[EXCURSION]:.0f} %, " if EXCURSION in shares else ""
    return f"explores: {out}the archive {'' if out else 'breeds '}{100 * shares.get(ARCHIVE, 0.0):.0f} %, the main climb {main}"


def _who_breeds(state: ProblemState) -> str:
    """The same where a policy has but one way."""
    policy = policy_of(state)
    if isinstance(policy.parents, ArchiveTournament):
        tunes = isinstance(policy.operators, BanditWithTuner) and state.tuner_session.can_sample
        tuner = f", the tuner makes {100 * tuner_share(state):.0f} %" if tunes else ""
        n = len(state.population.elites)
        return f"{counted(n, 'elite')} {'breeds' if n == 1 else 'breed'}{tuner}"
    if isinstance(policy.parents, InitialProgram):
        return "the initial program alone breeds"
    if isinstance(policy.parents, Incumbent):
        in_rounds = isinstance(policy.schedule, Rounds)
        return f"the best of the last {state.run.config.best_of_n} breeds" if in_rounds else "the last that was no worse breeds"
    return "the best alone breeds"


def _why(state: ProblemState) -> str:
    """What the shares follow from, where a policy has several ways of choosing parents."""
    if state.contract.noisy:
        return _near_the_best(state)
    lately = state.climbs.lately
    mine, others = lately[MAIN], [gained for name in SELECTORS if name != MAIN for gained in lately[name]]
    theirs = f"{sum(others)} of the others' {len(others)}" if others else ""
    if not mine:
        return theirs and f"{theirs} tickets gained"
    return f"{sum(mine)} of the main climb's last {counted(len(mine), 'ticket')} gained{f', {theirs}' if theirs else ''}"


def _near_the_best(state: ProblemState) -> str:
    """How many elites may still be the best."""
    population = state.population
    posteriors = [population.posterior_as_measured(number) for number in population.elites]
    best = max(mean for mean, _ in posteriors)
    near = sum(mean + _NEAR_SDS * sd >= best for mean, sd in posteriors)
    return f"{near} of {counted(len(posteriors), 'elite')} within {_NEAR_SDS:g} sd of the best"


def _since(state: ProblemState) -> str:
    """Since when the best stands, in children whose fate is known."""
    population = state.population
    leader = INITIAL if population.leader is None else population.leader
    since = max(population.n_credited - population.leader_since - population.candidates[leader].credited, 0)
    children = counted(since, "child", "children")
    if state.contract.noisy:  # who leads may have gained nothing
        return f"the archive's first changed {children} ago" if since else "the archive's first changed just now"
    return f"no gain for {children}" if since else "a gain just now"
