"""What a run shows of its seed, and whether a candidate ignores the seeds that it is given."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from itertools import combinations

from archive import Measurement

SEEDS_KEPT = 5  # runs of a candidate that later ones are compared with


@dataclass(frozen=True, slots=True)
class SeedFingerprint:
    """What one seed gave: enough to tell a candidate that ignores its seed."""

    seed: int
    score: float
    output: str
    probe: str

    def matches(self, other: SeedFingerprint) -> bool:
        """Whether two different seeds gave the same: one answer to the same question, or equal outputs and equal scores."""
        if self.seed == other.seed:
            return False
        if self.probe and self.probe == other.probe:
            return True
        return bool(self.output) and self.output == other.output and self.score == other.score


def fingerprint(result: Measurement, score: float) -> SeedFingerprint:
    """What a measurement with this score shows of its seed."""
    return SeedFingerprint(result.seed, score, result.output_hash, result.probe_hash)


def seed_insensitive(seed_program: Sequence[SeedFingerprint], before: Sequence[SeedFingerprint], now: SeedFingerprint) -> bool:
    """Whether a run gave the same as one before it with another seed, although the initial program's runs (two or more) all
    differ."""
    if len(seed_program) < 2 or any(a.matches(b) for a, b in combinations(seed_program, 2)):
        return False
    return any(now.matches(one) for one in before)
