"""What can be told apart on a noisy problem: the noise, and what the measurements set aside resolve."""

from __future__ import annotations

from dataclasses import dataclass

from evolve.confirm import SIZES, Noise, resolvable
from evolve.search.claims._prospects import confirm_budget
from evolve.search.state._state import ProblemState


@dataclass(frozen=True, slots=True)
class Resolution:
    """``set_aside`` measurements are kept back for vaults, of which the smallest takes ``least``.  The largest that they pay for
    tests ``runs`` of candidate and reference and finds ``difference`` four times in five; None and 0 where they pay for none."""

    noise: Noise
    set_aside: float
    least: int
    runs: tuple[int, int] | None
    difference: float


def least_vault() -> int:
    """Measurements that the smallest vault takes."""
    return SIZES[0].n_candidate + SIZES[0].n_control


def resolution(state: ProblemState, noise: Noise) -> Resolution:
    """What the budget set aside can find under this noise."""
    left, least = confirm_budget(state), least_vault()
    runs = next((sizes.test for sizes in reversed(SIZES) if sizes.n_candidate + sizes.n_control <= left), None)
    return Resolution(noise, left, least, runs, resolvable(noise.sd, *runs) if runs else 0.0)
