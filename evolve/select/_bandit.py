"""Which operator gets the next ticket: a discounted, cost-aware bandit with a floor for every family.

An arm's *rate* is its discounted reward per second of cost.  Arms are drawn in proportion to the square of their rate (probability
matching sharpened once), after each family has been given its floor; the probability is recorded with the draw, so that a run can
be judged off-policy.  An arm that was never tried is taken to be as good as the best one seen.

Reward is the rank of a gain among recent gains: free of the problem's unit, bounded, and not ruled by one outlier.
Bandits over operators and models with cost in the reward: ShinkaEvolve, https://arxiv.org/abs/2509.19349.
"""

from __future__ import annotations

from bisect import bisect_left, bisect_right, insort
from collections import deque
from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np

from archive import Arm

RECENT_GAINS = 128
_PRIOR_PLAYS = 2.0  # how many plays at the best rate an arm is credited with before its own are believed
_COST_FLOOR_S = 1e-3
_PRIOR_WEIGHT = 6.0  # plays that a prior counts as much as
_PRIOR_GAINS = 6.0  # gains, in plays at the mean of all, that it counts at least: where gains are rare, one is no proof
_LITTLE = 0.05  # reward of one play, while nobody has earned anything
_REFUSED = 0.3  # of a mean program's cost: what gave none to measure was not free


@dataclass(slots=True)
class ArmState:
    """Totals of one arm, discounted but for those of its whole life."""

    plays: float = 0.0
    made: float = 0.0  # plays that made a program
    reward: float = 0.0
    cost_s: float = 0.0
    life_made: float = 0.0
    life_reward: float = 0.0


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
        self._weights: np.ndarray | None = None  # until something is learnt

    def probabilities(self, allowed: Sequence[bool]) -> np.ndarray:
        """Probability of each arm, zero where not allowed.

        Raises:
            ValueError: no arm is allowed.
        """
        return self.shares(self.weights(), allowed)

    def weights(self) -> np.ndarray:
        """What each arm is drawn in proportion to, floors aside; treat as read-only."""
        if self._weights is None:
            self._weights = self._worked_out()
        return self._weights

    def _worked_out(self) -> np.ndarray:
        plays = np.array([state.plays for state in self.states])
        if self.priors.size:
            rates = self._expected(plays)
        else:
            rates = np.array([state.reward / max(state.cost_s, _COST_FLOOR_S) for state in self.states])
            believed = plays / (plays + _PRIOR_PLAYS)
            rates = believed * rates + (1 - believed) * (rates.max() if rates.max() > 0 else 1.0)
        return np.asarray(np.maximum(rates, 1e-12) ** 2)

    def shares(self, weights: np.ndarray, allowed: Sequence[bool]) -> np.ndarray:
        """The probabilities that follow from ``weights``.

        Raises:
            ValueError: no arm is allowed.
        """
        mask = np.array(allowed, dtype=bool)
        if not mask.any():
            raise ValueError("no arm is allowed; expected at least one.")
        weights, floor = np.where(mask, weights, 0.0), np.where(mask, self._floor, 0.0)
        return np.asarray(floor + (1.0 - floor.sum()) * weights / weights.sum())

    def _expected(self, plays: np.ndarray) -> np.ndarray:
        """Reward of each arm's program over its cost, in mean ones: its own of late, for as long as that is little its own of all
        its life, and for as long as that is little its prior times the mean of all.  So where nobody gains any more, who never
        gained falls behind whoever did."""
        totals = [(one.reward, one.cost_s, one.made, one.life_reward, one.life_made) for one in self.states]
        rewards, costs, made, earned, lived = np.ascontiguousarray(np.array(totals).T)
        unit = costs.sum() / made.sum() if made.sum() > 0 and costs.sum() > 0 else 1.0
        mean = (earned.sum() + _LITTLE) / (lived.sum() + 1.0)
        weight = max(_PRIOR_WEIGHT, _PRIOR_GAINS / mean)
        expected = (weight * self.priors * mean + earned) / (weight + lived)
        reward = (weight * expected + rewards) / (weight + made)
        cost = (_PRIOR_WEIGHT + costs / unit + _REFUSED * (plays - made)) / (_PRIOR_WEIGHT + made)
        return np.asarray(reward / cost)

    def choose(self, allowed: Sequence[bool], u: float) -> tuple[int, float]:
        """The arm at quantile ``u`` in [0, 1) of the probabilities, and its probability."""
        return drawn(self.probabilities(allowed), u)

    def rank(self, gain: float) -> float:
        """The share of recent gains below this one, in (0, 1]; 0 for no gain.  Of equal ones half are, where there are priors."""
        if gain <= 0:
            return 0.0
        below: float = bisect_left(self._sorted, gain)
        if self.priors.size:  # equal gains are worth the same, whoever came first
            below = (below + bisect_right(self._sorted, gain)) / 2
        return (below + 1) / (len(self._sorted) + 1)

    def learn(self, arm: int, gain: float | None, cost_s: float, *, made: bool = True) -> None:
        """Credit ``arm`` with a child that gained ``gain`` over its baseline (None: no valid child) at this cost; ``made``: whether
        it made a program that was not known."""
        self._weights = None
        reward = self.rank(gain) if gain is not None else 0.0
        if gain is not None and gain > 0:
            if len(self._recent) == RECENT_GAINS:
                self._sorted.pop(bisect_left(self._sorted, self._recent[0]))
            self._recent.append(gain)
            insort(self._sorted, gain)
        for state in self.states:
            state.plays *= self.discount
            state.made *= self.discount
            state.reward *= self.discount
            state.cost_s *= self.discount
        chosen = self.states[arm]
        chosen.plays += 1.0
        chosen.made += made
        chosen.reward += reward
        chosen.cost_s += max(cost_s, _COST_FLOOR_S)
        chosen.life_made += made
        chosen.life_reward += reward

    def dump(self) -> dict[str, list[float]]:
        """The state as lists of numbers; ``load`` of it is exact."""
        return {
            "plays": [state.plays for state in self.states],
            "made": [state.made for state in self.states],
            "reward": [state.reward for state in self.states],
            "cost_s": [state.cost_s for state in self.states],
            "life_made": [state.life_made for state in self.states],
            "life_reward": [state.life_reward for state in self.states],
            "recent": list(self._recent),
        }

    def load(self, dumped: dict[str, list[float]]) -> None:
        """Take the state of ``dump``."""
        names = ("plays", "made", "reward", "cost_s", "life_made", "life_reward")
        columns = zip(*(dumped[name] for name in names), strict=True)
        self.states = [ArmState(*row) for row in columns]
        self._recent = deque(dumped["recent"], maxlen=RECENT_GAINS)
        self._sorted = sorted(dumped["recent"])
        self._weights = None


def drawn(p: np.ndarray, u: float) -> tuple[int, float]:
    """The index at quantile ``u`` in [0, 1) of probabilities, not all of them zero, and its probability."""
    index = int(np.searchsorted(np.cumsum(p), u * p.sum(), side="right"))
    index = min(index, int(np.flatnonzero(p)[-1]))  # rounding may step over the last one
    return index, float(p[index])
