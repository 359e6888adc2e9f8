"""What a budget is too small for: a child, or on a noisy problem a vault; and how much holds them."""

from __future__ import annotations

import math
import shlex
from dataclasses import dataclass, replace
from typing import Any, cast

from evolve.budget._cpu_budget import INITIAL
from evolve.budget._usage import Usage, exhausted
from evolve.problem.contract._contract import Budget
from evolve.search._room import reserved
from evolve.search.claims._prospects import affords_one, confirm_budget
from evolve.search.policy._policies import policy_of
from evolve.search.state._state import ProblemState
from evolve.views.claims._resolution import least_vault

_MACHINE = ("wall_s", "cpu_s", "evaluations")
_TIMES = ("budget.wall_s", "budget.cpu_s")
_COUNTS = ("evaluations", "candidates")
_MARGIN = 1.15  # what a measurement takes is an estimate
_STEP = 1.02
_DIGITS = 2  # of an advised time
_MOST_STEPS = 1000


@dataclass(frozen=True, slots=True)
class Shortfall:
    """A whole budget that holds no child or no vault, by what one measurement has taken lately.

    A vault takes ``least`` measurements; ``for_claims`` is what ``share`` of the budget pays for.  ``needs`` are the settings that
    hold both, about; ``given`` says that the run makes no children itself.
    """

    child: bool
    vault: bool
    measure_s: float
    least: int
    for_claims: float
    share: float
    needs: tuple[str, ...]
    given: bool

    def words(self) -> str:
        """What one measurement takes, what the budget does not hold, and what would."""
        missing = " and ".join(f"no {name}" for name, held in (("child", self.child), ("vault", self.vault)) if not held)
        pays = f"{100 * self.share:g} % of the budget pays for {self.for_claims:.0f}"
        takes = "" if self.vault else f" (a vault takes {self.least} measurements, and {pays})"
        held = "holds both" if not self.child and not self.vault else "holds one"
        timed = any(need.partition("=")[0] in _TIMES for need in self.needs)
        cost = f"one measurement takes about {self.measure_s:.2g} s: " if timed else ""
        more = f"; about {' '.join(self.needs)} {held}" if self.needs else ""
        return f"{cost}the budget holds {missing}{takes}{more}"

    def command(self, run: str) -> str:
        """What gives the run as much, once nobody drives it."""
        needs = " ".join(shlex.quote(need) for need in self.needs)
        return f"evolve resume {shlex.quote(run)} {needs}"


def is_known(state: ProblemState) -> bool:
    """Whether the initial program has a score, and so a measurement its price."""
    return bool(state.population.candidates) and state.population.score(INITIAL) is not None


def shortfall(state: ProblemState) -> Shortfall | None:
    """What the budget is too small for; None where it is not, and until the initial program is measured."""
    population, given = state.population, bool(policy_of(state).fixed_candidates)
    if not is_known(state) or state.others:  # a part of a budget grows or shrinks with what it is spent on
        return None
    vaults = state.contract.noisy and state.budget.confirm_share > 0.0  # else none is wanted
    opened = bool(state.confirmations.confirmations)
    vault = not vaults or opened or affords_one(state)
    child = given or any(row.credited for row in population.candidates[INITIAL + 1 :]) or not _lacks_for_child(state)
    if child and vault:
        return None
    return Shortfall(
        child=child,
        vault=vault,
        measure_s=state.usage.measure_wall_s,
        least=least_vault(),
        for_claims=math.floor(confirm_budget(state)),
        share=state.budget.confirm_share,
        needs=_needs(state, vaults=vaults, given=given),
        given=given,
    )


def _lacks_for_child(state: ProblemState) -> str:
    """The limit under which nothing is left for a child, after the initial program's runs and beside what is kept back."""
    spend, runs = state.usage, state.run.config.initial_runs if state.contract.noisy else 1
    fresh = Usage(
        evaluations=runs,
        cpu_s=runs * spend.measure_cpu_s,
        measure_wall_s=spend.measure_wall_s,
        measure_cpu_s=spend.measure_cpu_s,
    )
    limits = replace(state.budget, candidates=None)
    return exhausted(limits, fresh, 0.0, reserved(state), queued=math.ceil(runs / state.run.slots))


def _needs(state: ProblemState, *, vaults: bool, given: bool) -> tuple[str, ...]:
    """Each limit that is in the way, raised until it alone holds a child and a vault."""
    budget, found = state.budget, []
    keys = [key for key in _MACHINE if getattr(budget, key) is not None] or ["candidates"]
    for key in keys:
        if (limit := getattr(budget, key)) is None:
            continue
        amount = float(limit)
        if key in _COUNTS and vaults and not _holds(_alone(state, key, amount), vaults=vaults, given=given):
            amount = max(amount, float(math.floor(least_vault() / budget.confirm_share)) - 1)
        for _ in range(_MOST_STEPS):
            if _holds(_alone(state, key, amount), vaults=vaults, given=given):
                break
            amount = amount + 1 if key in _COUNTS else amount * _STEP
        if amount > limit:
            found.append(f"budget.{key}={f'{amount:.0f}' if key in _COUNTS else _rounded(amount)}")
    return tuple(found)


def _holds(state: ProblemState, *, vaults: bool, given: bool) -> bool:
    return (not vaults or affords_one(state)) and (given or not _lacks_for_child(state))


def _alone(state: ProblemState, key: str, amount: float) -> ProblemState:
    """The search under this limit and no other."""
    none = cast("dict[str, Any]", dict.fromkeys((*_MACHINE, "candidates")))
    number = int(amount) if key in _COUNTS else amount
    budget: Budget = replace(state.budget, **(none | {key: number}))
    return replace(state, run=replace(state.run, budget=budget))


def _rounded(seconds: float) -> str:
    """With a margin, in few digits, upwards."""
    much = _MARGIN * seconds
    unit = 10.0 ** max(math.floor(math.log10(much)) - _DIGITS + 1, 0)
    return f"{math.ceil(much / unit) * unit:.0f}"
