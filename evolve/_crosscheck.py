"""Rules that need more than one measurement, applied to each result before it is recorded."""

from __future__ import annotations

from dataclasses import replace

from archive import Measurement, Purpose, Status
from evolve._population import Population


def cross_checked(people: Population, result: Measurement, purpose: Purpose) -> Measurement:
    """The result, or its failure: a candidate must not ignore its seed nor spend more than the frame allows, and a deterministic
    score must not depend on how the process was started."""
    number = people.by_id[result.candidate]
    if people.ignores_its_seed(number, result):
        reason = "seed_insensitive: two seeds gave the same, while the seed program's results differ"
        return replace(result, status=Status.REJECTED, score=None, reason=reason)
    if reason := people.over_budget(number, result, vault=purpose is Purpose.VAULT):
        return replace(result, status=Status.OVER_BUDGET, score=None, reason=reason)
    if purpose is not Purpose.RECHECK or people.contract.noisy or result.score is None:
        return result
    warm = people.sign * people.posterior(number)[0]
    if abs(result.score - warm) <= 1e-9 * max(1.0, abs(warm)):
        return result
    reason = f"scored {warm!r} in a warm process and {result.score!r} in a fresh one, with the same seed"
    return replace(result, status=Status.REJECTED, score=None, reason=reason)
