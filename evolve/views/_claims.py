"""What a run claims, read from its records again."""

from __future__ import annotations

from dataclasses import dataclass

from archive import read_journal
from evolve.views._report_cards import ReportCards, report_cards
from evolve.views._run_view import RunView
from evolve.views._verify import Verification, verify_best


@dataclass(frozen=True, slots=True)
class Claims:
    """What a run claims and by which evidence; nothing else is an improvement.

    ``cards`` holds one report card a claim of a noisy problem: effect, 95 % interval and p-value from seeds that did not exist
    before.  ``exact`` is there for a deterministic problem instead: its best program, verified again.
    """

    cards: ReportCards
    exact: Verification | None

    @property
    def confirmed(self) -> bool:
        """Whether some program is shown to be better than the initial one."""
        return any(card.confirmed for card in self.cards.cards) if self.exact is None else self.exact.holds


def claims(view: RunView) -> Claims:
    """All report cards; for a deterministic problem, the best program verified again, which runs the problem's ``verify.py``."""
    cards = report_cards(view.state, view.problem, read_journal(view.run.path))
    return Claims(cards, None if view.problem.contract.noisy else verify_best(view.run, view.problem, view.state))
