"""What a run claims, read from its records again."""

from __future__ import annotations

import shlex
from dataclasses import dataclass

from archive import read_journal
from evolve.problem.contract._contract import Budget
from evolve.search.claims._claims import doubt
from evolve.views._run_view import CREATED, INITIAL, RunView
from evolve.views._summary import FinalRuns
from evolve.views.claims._report_cards import ReportCards, bound_of, report_cards
from evolve.views.claims._typical import TypicalEffect, typical_effect
from evolve.views.claims._verify import Verification, verify_best


@dataclass(frozen=True, slots=True)
class Claims:
    """What a run claims and by which evidence; nothing else is an improvement.

    ``cards`` holds one report card a claim of a noisy problem: effect, 95 % interval and p-value from seeds that did not exist
    before.  ``exact`` is there for a deterministic problem instead: its best program, verified again.  ``final`` are the final runs
    of a noisy run that opened no vault: they compare best and initial program, and claim nothing.
    """

    cards: ReportCards
    exact: Verification | None
    final: FinalRuns | None = None

    @property
    def confirmed(self) -> bool:
        """Whether some program is shown to be better than the initial one."""
        return any(card.confirmed for card in self.cards.cards) if self.exact is None else self.exact.holds


def claims(view: RunView) -> Claims:
    """All report cards; for a deterministic problem, the best program verified again, which runs the problem's ``verify.py``."""
    cards = report_cards(view.state, view.problem, read_journal(view.run.path))
    if view.problem.contract.noisy:
        return Claims(cards, None, view.final_runs())
    return Claims(cards, verify_best(view.run, view.problem, view.state, view.unchecked()))


@dataclass(frozen=True, slots=True)
class VaultStanding:
    """What a vault came to, as the search has it: confirmed, withdrawn, open or not confirmed; ``reference`` is against whom.

    Effect and interval are in the problem's own sign; None where nothing is claimed.  ``bound`` stands instead of the effect where
    scores are too large to be compared; ``suspicion`` says why a claim is suspect; ``typical`` is the effect without runs that are
    far off, where some are.
    """

    candidate: str
    reference: str
    word: str
    effect: float | None = None
    low: float = 0.0
    high: float = 0.0
    bound: str = ""
    suspicion: str = ""
    typical: TypicalEffect | None = None


def vaults(view: RunView) -> tuple[VaultStanding, ...]:
    """What the vaults came to, in the order of their opening; reads no record."""
    found, sign = [], view.sign
    for vault in view.state.confirmations.confirmations:
        pair = view.id_of(vault.candidate), "the initial program" if vault.reference == INITIAL else view.id_of(vault.reference)
        if vault.confirmed and vault.effect is not None and not vault.withdrawn:
            low, high = sorted((sign * vault.effect.low, sign * vault.effect.high))
            doubtful = doubt(view.state, vault)
            bound, typical = bound_of(vault, sign), typical_effect(view.state, vault)
            found.append(VaultStanding(*pair, "confirmed", sign * vault.effect.effect, low, high, bound, doubtful, typical))
        else:
            word = "withdrawn" if vault.withdrawn else "open" if vault.confirmed is None else "not confirmed"
            found.append(VaultStanding(*pair, word))
    return tuple(found)


def more_to_confirm(view: RunView) -> str:
    """The command that gives a run without a vault another chance of one; "" where nothing does."""
    run = shlex.quote(str(view.run.path))
    way = f"evolve resume {run}" if view.status == CREATED else view.way_on(view.status, view.reason)
    if view.budget.confirm_share == 0.0 and way.startswith("evolve resume "):
        way += f" budget.confirm_share={Budget().confirm_share:g}"  # nothing is set aside for one
    return way
