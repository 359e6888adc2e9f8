"""Which operator gets the next ticket: a discounted, cost-aware bandit with a floor for every family.

An arm's *rate* is its discounted reward per second of cost.  Arms are drawn in proportion to the square of their rate (probability
matching sharpened once), after each family has been given its floor; the probability is recorded with the draw, so that a run can
be judged off-policy.  An arm that was never tried is taken to be as good as the best one seen.

Reward is the rank of a gain among recent gains: free of the problem's unit, bounded, and not ruled by one outlier.
Bandits over operators and models with cost in the reward: ShinkaEvolve, https://arxiv.org/abs/2509.19349.
"""

from __future__ import annotations

from bisect import bisect_left, insort
from collections import deque
from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np

from archive import Arm

RECENT_GAINS = 128
_PRIOR_PLAYS = 2.0  # how many plays at the best rate an arm is credited with before its own are believed
_COST_FLOOR_S = 1e-3
_PRIOR_WEIGHT = 6.0  # plays that a prior counts as much as
_LITTLE = 0.05  # reward of one play, while nobody has earned anything
_LEAST_COST = 0.1  # of a mean play: what gave no program to measure was not free


@dataclass(slots=True)
class ArmState:
    """Discounted totals of one arm."""

    plays: float = 0.0
    reward: float = 0.0
    cost_s: float = 0.0


class Bandit:
    """Arms, their families, and what they earned.

    Args:
        arms: At least one.
        families: The family of each arm.
        discount: What a result is worth after each further result, in (0, 1].
        family_floor: Least probability of each family, shared equally by its arms; floors must leave room for a choice.
        priors: What is expected of each arm before it has earned anything, beside the others; without them an arm that was never
            tried is taken to be as good as the best one seen.
    """

    def __init__(
        self,
        arms: Sequence[Arm],
        families: Sequence[str],
        *,
        discount: float,
        family_floor: float,
        priors: Sequence[float] = (),
    ) -> None:
        self.arms = tuple(arms)
        self.families = tuple(families)
        self.discount = discount
        self.priors = np.array(priors)
        names = sorted(set(families))
        floor = min(family_floor, 1.0 / len(names))
        self._floor = np.array([floor / self.families.count(family) for family in self.families])
        self.states = [ArmState() for _ in arms]
        self._recent: deque[float] = deque(maxlen=RECENT_GAINS)
        self._sorted: list[float] = []

    def probabilities(self, allowed: Sequence[bool]) -> np.ndarray:
        """Probability of each arm, zero where not allowed.

        Raises:
            ValueError: no arm is allowed.
        """
        mask = np.array(allowed, dtype=bool)
        if not mask.any():
            raise ValueError("no arm is allowed; expected at least one.")
        rates = np.array([state.reward / max(state.cost_s, _COST_FLOOR_S) for state in self.states])
        plays = np.array([state.plays for state in self.states])
        if self.priors.size:
            rates = self._expected(plays)
        else:
            believed = plays / (plays + _PRIOR_PLAYS)
            rates = believed * rates + (1 - believed) * (rates.max() if rates.max() > 0 else 1.0)
        weights = np.where(mask, np.maximum(rates, 1e-12) ** 2, 0.0)
        floor = np.where(mask, self._floor, 0.0)
        return np.asarray(floor + (1.0 - floor.sum()) * weights / weights.sum())

    def _expected(self, plays: np.ndarray) -> np.ndarray:
        """Reward for a mean cost of each arm: its own, and its prior times the mean of all for as long as its own is little."""
        rewards = np.array([state.reward for state in self.states])
        costs = np.array([state.cost_s for state in self.states])
        unit = costs.sum() / plays.sum() if plays.sum() > 0 else 1.0
        mean = (rewards.sum() + _LITTLE) / (plays.sum() + 1.0)
        return np.asarray(
            (_PRIOR_WEIGHT * self.priors * mean + rewards) / (_PRIOR_WEIGHT + np.maximum(costs / unit, _LEAST_COST * plays))
        )

    def choose(self, allowed: Sequence[bool], u: float) -> tuple[int, float]:
        """The arm at quantile ``u`` in [0, 1) of the probabilities, and its probability."""
        return drawn(self.probabilities(allowed), u)

    def rank(self, gain: float) -> float:
        """The share of recent gains below this one, in (0, 1]; 0 for no gain."""
        if gain <= 0:
            return 0.0
        return (bisect_left(self._sorted, gain) + 1) / (len(self._sorted) + 1)

    def learn(self, arm: int, gain: float | None, cost_s: float) -> None:
        """Credit ``arm`` with a child that gained ``gain`` over its baseline (None: no valid child) at this cost."""
        reward = self.rank(gain) if gain is not None else 0.0
        if gain is not None and gain > 0:
            if len(self._recent) == RECENT_GAINS:
                self._sorted.pop(bisect_left(self._sorted, self._recent[0]))
            self._recent.append(gain)
            insort(self._sorted, gain)
        for state in self.states:
            state.plays *= self.discount
            state.reward *= self.discount
            state.cost_s *= self.discount
        chosen = self.states[arm]
        chosen.plays += 1.0
        chosen.reward += reward
        chosen.cost_s += max(cost_s, _COST_FLOOR_S)

    def dump(self) -> dict[str, list[float]]:
        """The state as lists of numbers; ``load`` of it is exact."""
        return {
            "plays": [state.plays for state in self.states],
            "reward": [state.reward for state in self.states],
            "cost_s": [state.cost_s for state in self.states],
            "recent": list(self._recent),
        }

    def load(self, dumped: dict[str, list[float]]) -> None:
        """Take the state of ``dump``."""
        columns = zip(dumped["plays"], dumped["reward"], dumped["cost_s"], strict=True)
        self.states = [ArmState(*row) for row in columns]
        self._recent = deque(dumped["recent"], maxlen=RECENT_GAINS)
        self._sorted = sorted(dumped["recent"])


def drawn(p: np.ndarray, u: float) -> tuple[int, float]:
    """The index at quantile ``u`` in [0, 1) of probabilities, not all of them zero, and its probability."""
    index = int(np.searchsorted(np.cumsum(p), u * p.sum(), side="right"))
    index = min(index, int(np.flatnonzero(p)[-1]))  # rounding may step over the last one
    return index, float(p[index])
