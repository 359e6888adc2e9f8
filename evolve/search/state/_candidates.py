"""One candidate, as the search knows it, and the measurements that are due."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field

from archive import Status
from evolve.search.state._fingerprints import SeedFingerprint


@dataclass(slots=True)
class CandidateState:
    """One candidate.  ``stage`` is the highest stage with an ok measurement (-1: none); ``cold`` says that one of them did not come
    from a warm start; ``gain`` was told to the bandit when ``credited``."""

    id: str
    code_hash: str
    parents: tuple[int, ...]
    generation: int
    arm: int
    ticket: int
    tuner: int
    descriptors: Mapping[str, float]
    baseline: float | None = None
    status: Status | None = None
    stage: int = -1
    measured_cold: bool = False
    credited: bool = False
    n_children: int = 0
    n_in_flight: int = 0
    next_seed_index: int = 0
    cell: int = -1
    cost_s: float = 0.0
    n_losses: int = 0
    island: int = 0  # which of the archives it stands in
    selector: str = ""  # how its parents were chosen
    fingerprints: list[SeedFingerprint] = field(default_factory=list)  # of a noisy problem: what its first runs gave


@dataclass(frozen=True, slots=True)
class PendingStage:
    """A measurement that is due."""

    index: int
    stage: int
