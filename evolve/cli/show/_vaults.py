"""Vaults and rulings in a line each, as they come."""

from __future__ import annotations

from typing import TYPE_CHECKING

from archive import TAME, Claim, ConfirmationOpened
from evolve._counted import counted
from evolve.cli.show._text import number, one_line, signed, zero_text

if TYPE_CHECKING:
    from evolve.views.claims._typical import TypicalEffect


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
