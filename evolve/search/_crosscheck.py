"""Rules that need more than one measurement, applied to each result before it is recorded."""

from __future__ import annotations

from dataclasses import replace

from archive import Measurement, Purpose, Status
from evolve.budget._cpu_budget import INITIAL
from evolve.search.state._population import Population
from evolve.search.state._steadiness import Steadiness, not_reproducible, reproduced


def apply_cross_checks(population: Population, steadiness: Steadiness, result: Measurement, purpose: Purpose) -> Measurement:
    """The result, or its failure: a candidate must not ignore its seed nor spend more than the compute rule allows, and a
    deterministic score must be the same again."""
    number = population.by_id[result.candidate]
    if population.is_seed_insensitive(number, result):
        reason = "seed_insensitive: two seeds gave the same, while the initial program's results differ"
        return replace(result, status=Status.REJECTED, score=None, reason=reason)
    if reason := population.over_budget(number, result, vault=purpose is Purpose.VAULT):
        return replace(result, status=Status.OVER_BUDGET, score=None, reason=reason)
    if purpose is not Purpose.RECHECK or population.contract.noisy or result.score is None or number == INITIAL:
        return result
    first, warm = population.sign * population.posterior(number)[0], not population.candidates[number].measured_cold
    blamed = steadiness.rejects and (warm or steadiness.steady)
    if not blamed or reproduced(first, result.score, warm=warm):
        return result
    return replace(result, status=Status.REJECTED, score=None, reason=not_reproducible(first, result.score, warm=warm))
