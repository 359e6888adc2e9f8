"""What a run sets out to do for claims, and vaults and rulings in a line each, as they come."""

from __future__ import annotations

import math
from typing import TYPE_CHECKING

from archive import TAME, Claim, ConfirmationOpened
from evolve._counted import counted
from evolve.cli.show._text import number, one_line, signed, zero_text
from evolve.views.claims._resolution import least_vault

if TYPE_CHECKING:
    from evolve.views._progress import Progress
    from evolve.views._run_view import RunView
    from evolve.views.claims._typical import TypicalEffect


def problem_text(opened: RunView, seen: Progress) -> str:
    """A problem's name, goal, and whether it is noisy."""
    contract = opened.problem.contract
    noise = "noisy" if contract.noisy else "declared deterministic" if seen.not_deterministic else "deterministic"
    return f"{contract.name}: {contract.goal} {contract.metric}, {noise}"


def confirm_text(opened: RunView) -> str:
    """What is kept to confirm improvements, as far as it is known before measurements have a cost."""
    budget, short = opened.budget, opened.shortfall()
    share = f"{100 * budget.confirm_share:.0f} % of {'its part of ' if opened.several else ''}the budget"
    if short is not None and not short.vault:
        return f"nothing is set aside: {share} does not pay for a vault, and the rest goes to children and final runs"
    text = f"{share} is set aside to confirm improvements, where that pays for a vault ({counted(least_vault(), 'measurement')})"
    if not opened.several or budget.evaluations is None:
        return text
    pays = math.floor(budget.confirm_share * budget.evaluations)
    return f"{text}; its part is {counted(budget.evaluations, 'measurement')} now, which sets {pays} aside"


def vault_text(record: ConfirmationOpened) -> str:
    """An opening in a line."""
    (n, m), (k, j) = record.gate, record.estimate
    seeds = "paired with the reference's" if record.paired else "fresh"
    pair = f"{record.candidate[:10]} against {record.reference[:10]}"
    return f"vault {record.vault}: {pair}, {n} + {k} runs against {m} + {j}, seeds {seeds}"


def claim_text(record: Claim, typical: TypicalEffect | None = None) -> str:
    """A ruling in a line; ``typical`` is the effect without runs that are far off, where some are."""
    pair = f"{record.candidate[:10]} against {record.reference[:10]}"
    if record.confirmed and record.effect is not None:
        low, high = record.ci_low or 0.0, record.ci_high or 0.0
        told = f"effect {effect_text(record.effect, low, high, typical, ' (', ')')}"
        compared = abs(record.effect) < TAME / 1e3  # else scores beyond it may have had a part, which count as something else
        return f"confirmed: {pair}, {told if compared else 'see evolve claims'}"
    return f"not confirmed: {pair}, {refusal_text(record.reason, typical, 200)}"


def refusal_text(reason: str, typical: TypicalEffect | None, width: int) -> str:
    """Why a claim is refused; where the effect that is shown leaves runs out, that the reason does not."""
    told = one_line(reason, width)
    return told if typical is None else f"{told}; a ruling counts every run, those that are far off too"


def effect_text(
    effect: float,
    low: float,
    high: float,
    typical: TypicalEffect | None,
    before: str = ", 95 % interval ",
    after: str = "",
    *,
    holds: bool = True,
) -> str:
    """An effect with its interval, which stands between ``before`` and ``after``; of a claim that ``holds``, that it crosses zero.
    Where runs are far off it is that of the others, and the whole one stands behind it."""
    if typical is not None:
        runs = f"{typical.far_off} of {counted(typical.runs, 'run')} {'is' if typical.far_off == 1 else 'are'}"
        them = "it" if typical.far_off == 1 else "them"
        here = effect_text(typical.effect, typical.low, typical.high, None, before, after, holds=holds)
        whole = effect_text(effect, low, high, None, " (", ")", holds=False)
        return f"{here}; {runs} far off and not in this; with {them}: {whole}"
    width = high - low
    spread = f"{number(low, width)} to {number(high, width)}{zero_text(low, high) if holds else ''}"
    return f"{signed(effect, width)}{before}{spread}{after}"
