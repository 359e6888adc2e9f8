"""The ``cpu_budget`` frame: a candidate may spend 1.10 x the CPU that the seed program spends, and CPU time is noisy.

A single run decides nothing.  The seed's cost is pooled over all its runs; a candidate is over budget when the lower 95 % bound of
its own mean, with the relative spread pooled over all replicated candidates, exceeds the allowance.  One run is killed at 1.5 x.
"""

from __future__ import annotations

import math
from dataclasses import dataclass, field

ALLOWANCE = 1.10
KILL_AT = 1.5
SEED_RUNS = 5
CONFIDENCE = 0.95
SEED = 0  # the seed program is always row 0


@dataclass(slots=True)
class CpuFrame:
    """Log CPU seconds of each candidate: (n, mean), and the pooled sum of squares within candidates."""

    by_row: dict[int, tuple[int, float]] = field(default_factory=dict)
    within: float = 0.0
    df: int = 0

    def add(self, row: int, cpu_s: float) -> None:
        """Count one run."""
        value = math.log(cpu_s)
        n, mean = self.by_row.get(row, (0, 0.0))
        delta = value - mean
        mean += delta / (n + 1)
        self.by_row[row] = (n + 1, mean)
        if n:
            self.within += delta * (value - mean)
            self.df += 1

    @property
    def seed_cpu_s(self) -> float | None:
        """What the seed program costs; None before it has run often enough to say."""
        n, mean = self.by_row.get(SEED, (0, 0.0))
        return math.exp(mean) if n >= SEED_RUNS else None

    @property
    def kill_s(self) -> float | None:
        """CPU seconds at which one run is killed; None before the seed's cost is known."""
        seed = self.seed_cpu_s
        return None if seed is None else KILL_AT * seed

    def ratio(self, row: int) -> float | None:
        """The candidate's mean cost as a multiple of the seed's; None while either is unknown."""
        seed = self.seed_cpu_s
        return math.exp(self.by_row[row][1]) / seed if seed is not None and row in self.by_row else None

    def over_with(self, row: int, cpu_s: float) -> bool:
        """Whether one more run at this cost puts the lower bound of the candidate's mean cost above the allowance."""
        seed = self.seed_cpu_s
        if row == SEED or seed is None or self.df < 1 or cpu_s <= 0:
            return False
        from scipy.special import stdtrit

        n, mean = self.by_row.get(row, (0, 0.0))
        n, mean = n + 1, mean + (math.log(cpu_s) - mean) / (n + 1)
        n_seed = self.by_row[SEED][0]
        error = math.sqrt(self.within / self.df * (1 / n + 1 / n_seed))
        return bool(mean - float(stdtrit(self.df, CONFIDENCE)) * error > math.log(seed * ALLOWANCE))
