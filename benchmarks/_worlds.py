"""Worlds of noise for ``planted_truth.py``: what is added to a program's true value, in units of the noise's standard deviation.

Every draw follows from the repeat, the program, the seed of the run and how many runs there have been, so that a repeat can be made
again.  z is a standard normal draw unless the world says otherwise.
"""

from __future__ import annotations

import hashlib
import math
from collections.abc import Callable
from dataclasses import dataclass, field

import numpy as np

WORLDS = ("gauss", "t4", "skew", "paired", "unequal", "drift", "wild", "jumps")
HARD = ("memory", "gamblers", "age", "position", "rare")


@dataclass(frozen=True, slots=True)
class Traits:
    """What the hard worlds are made with.

    ``memory``: z + ``amplitude`` v, v an Ornstein-Uhlenbeck process of each program's own, of unit variance, that relaxes within
    ``relaxation`` runs (of all programs).  ``gamblers``: a ``share`` of the programs gain ``luck`` and lose ``loss`` once in
    ``1 / probability`` runs, by default what makes their mean 0; noise is ``quiet`` z for all.  ``age``: z - ``wear`` log2(runs of
    this program so far).  ``position``: the first run of a block is ``first`` lower.  ``rare``: the initial program alone gains
    ``windfall`` in a share ``probability`` of its runs, with mean 0; noise is 0.02 z.
    """

    relaxation: float = 300.0
    amplitude: float = 1.0
    share: float = 0.1
    probability: float = 0.05
    luck: float = 0.8
    loss: float = 0.0  # 0: luck / probability
    quiet: float = 0.3
    wear: float = 0.25
    first: float = 1.5
    windfall: float = 8.0


@dataclass
class Noise:
    """One world's noise of one repeat, in units of the score; ``count`` is how many runs there have been, of ``runs``."""

    world: str
    repeat: int
    runs: int
    sd: float
    seed_id: str
    traits: Traits = field(default_factory=Traits)
    count: int = 0
    ages: dict[str, int] = field(default_factory=dict)
    levels: dict[str, tuple[int, float]] = field(default_factory=dict)  # of memory: when it was last looked at, and what it was
    first: set[tuple[str, int]] = field(default_factory=set)  # (program, seed) of runs that open a block

    def __call__(self, candidate: str, seed: int) -> float:
        self.count += 1
        self.ages[candidate] = self.ages.get(candidate, 0) + 1
        own = draw("own", self.repeat, candidate, seed)
        return self.sd * SHAPES.get(self.world, _plain)(self, candidate, seed, own)


def draw(key: str, *parts: object) -> np.random.Generator:
    """A generator that follows from its arguments."""
    digest = hashlib.blake2b(":".join(map(str, (key, *parts))).encode(), digest_size=16).digest()
    return np.random.Generator(np.random.Philox(key=int.from_bytes(digest, "little")))


def _plain(noise: Noise, candidate: str, seed: int, own: np.random.Generator) -> float:
    return float(own.standard_normal())


def _t4(noise: Noise, candidate: str, seed: int, own: np.random.Generator) -> float:
    return float(own.standard_t(4)) / math.sqrt(2.0)


def _skew(noise: Noise, candidate: str, seed: int, own: np.random.Generator) -> float:
    return float(own.standard_exponential()) - 1.0


def _paired(noise: Noise, candidate: str, seed: int, own: np.random.Generator) -> float:
    return float(own.standard_normal() + draw("shared", noise.repeat, seed).standard_normal()) / math.sqrt(2.0)


def _unequal(noise: Noise, candidate: str, seed: int, own: np.random.Generator) -> float:
    return float(own.standard_normal()) * math.exp(draw("factor", candidate).uniform(-0.5, 0.5))


def _drift(noise: Noise, candidate: str, seed: int, own: np.random.Generator) -> float:
    return float(own.standard_normal()) + 2.0 * (1.0 - math.cos(2.0 * math.pi * noise.count / noise.runs))


def _wild(noise: Noise, candidate: str, seed: int, own: np.random.Generator) -> float:
    return float(own.standard_normal()) * (30.0 if draw("wild", candidate).random() < 1 / 30 else 1.0)


def _jumps(noise: Noise, candidate: str, seed: int, own: np.random.Generator) -> float:
    return float(own.standard_normal()) - 20.0 * (own.random() < 0.05)


def _rare(noise: Noise, candidate: str, seed: int, own: np.random.Generator) -> float:
    z, traits = 0.02 * float(own.standard_normal()), noise.traits
    lucky = traits.windfall * ((own.random() < traits.probability) - traits.probability)
    return z + lucky * (candidate == noise.seed_id)


def _memory(noise: Noise, candidate: str, seed: int, own: np.random.Generator) -> float:
    at, level = noise.levels.get(candidate, (0, float(draw("start", noise.repeat, candidate).standard_normal())))
    kept = math.exp((at - noise.count) / noise.traits.relaxation)
    step = float(draw("step", noise.repeat, candidate, noise.count).standard_normal())
    level = kept * level + math.sqrt(1.0 - kept * kept) * step
    noise.levels[candidate] = noise.count, level
    return float(own.standard_normal()) + noise.traits.amplitude * level


def _gamblers(noise: Noise, candidate: str, seed: int, own: np.random.Generator) -> float:
    z, traits = noise.traits.quiet * float(own.standard_normal()), noise.traits
    if candidate == noise.seed_id or draw("gambler", noise.repeat, candidate).random() >= traits.share:
        return z
    loss = traits.loss or traits.luck / traits.probability
    return z + traits.luck - loss * (own.random() < traits.probability)


def _age(noise: Noise, candidate: str, seed: int, own: np.random.Generator) -> float:
    return float(own.standard_normal()) - noise.traits.wear * math.log2(noise.ages[candidate])


def _position(noise: Noise, candidate: str, seed: int, own: np.random.Generator) -> float:
    return float(own.standard_normal()) - noise.traits.first * ((candidate, seed) in noise.first)


SHAPES: dict[str, Callable[[Noise, str, int, np.random.Generator], float]] = {
    "gauss": _plain,
    "t4": _t4,
    "skew": _skew,
    "paired": _paired,
    "unequal": _unequal,
    "drift": _drift,
    "wild": _wild,
    "jumps": _jumps,
    "rare": _rare,
    "memory": _memory,
    "gamblers": _gamblers,
    "age": _age,
    "position": _position,
}
