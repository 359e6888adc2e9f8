"""What a race came to: the points at which it was validated, by the grader."""

from collections.abc import Mapping
from dataclasses import dataclass


@dataclass(frozen=True, slots=True)
class Point:
    """A validation: nats a token after so many steps and seconds."""

    step: int
    loss: float
    seconds: float


@dataclass(frozen=True, slots=True)
class Course:
    """A race from its first validation to its last.  ``score`` is what it took to the target, or to its end, ``reached`` the step
    at which that was seen to be reached, None where it was not; ``clock`` is what ``seconds`` of its points are."""

    form: str
    clock: str
    total: int
    points: tuple[Point, ...]
    reached: int | None
    score: float
    metrics: Mapping[str, float]
    peak_mib: float
    log: str
    probe_hash: str = ""
