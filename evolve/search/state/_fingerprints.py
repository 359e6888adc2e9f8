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


def fingerprint(result: Measurement, score: float) -> SeedFingerprint:
    """What a measurement with this score shows of its seed."""
    return SeedFingerprint(result.seed, score, result.output_hash, result.probe_hash)


def seed_insensitive(initial: Sequence[SeedFingerprint], before: Sequence[SeedFingerprint], now: SeedFingerprint) -> bool:
    """Whether a run gave the same as one before it with another seed: one answer to what was asked of both, or equal outputs and
    equal scores.  Answers and outputs tell something only where those of the initial program's runs (two or more) all differ: a
    program that never sees its seed has equal outputs, and its scores may be equal too, at a bound or by rounding."""
    pairs = [(a, b) for a, b in combinations(initial, 2) if a.seed != b.seed]
    if not pairs:
        return False
    answers_tell = all(a.probe != b.probe for a, b in pairs)
    outputs_tell = all(a.output != b.output for a, b in pairs)
    others = [one for one in before if one.seed != now.seed]
    if answers_tell and now.probe and any(now.probe == one.probe for one in others):
        return True
    return outputs_tell and bool(now.output) and any((now.output, now.score) == (one.output, one.score) for one in others)
