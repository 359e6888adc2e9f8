"""What a run has learnt, in words: who earned what, and how far the population spreads."""

from __future__ import annotations

from typing import TYPE_CHECKING

from evolve._counted import counted
from evolve.cli.show._text import columns, duration, number

if TYPE_CHECKING:
    from evolve.views._learnt import Earned, Learnt
    from evolve.views._spread import Spread

LEARNT = "what earned what (known: duplicates; took: measuring; next: chance, -: not now)"
_ROWS = 10  # of the table
_WAYS = {"main": "main climb", "excursion": "excursions", "archive": "archive elites"}  # of choosing a parent


def archive_text(spread: Spread) -> str:
    """Places held, lines of descent among who holds them, and the median score."""
    parts = [f"{spread.filled} of {counted(spread.cells, 'cell')}" if spread.cells is not None else counted(spread.filled, "elite")]
    if spread.cells is not None and spread.elites != spread.filled:
        parts.append(counted(spread.elites, "elite"))
    if spread.islands > 1:
        parts[-1] += f" on {spread.islands} islands"
    if spread.lines:
        parts.append(counted(spread.lines, "line of descent", "lines of descent"))
    if spread.median is not None and spread.elites > 1:
        parts.append(f"median {number(spread.median)}")
    return ", ".join(parts)


def ranges_text(spread: Spread) -> str:
    """The descriptors' ranges in force, with their bins where cells are bins; "" where there is one cell."""
    return ", ".join(
        f"{axis.name} {axis.low:g} to {axis.high:g}" + (f" in {counted(axis.bins, 'bin')}" if spread.binned else "")
        for axis in spread.axes
    )


def learnt_table(found: Learnt, all_of_it: str) -> str:
    """One line for each way of choosing parents, each operator and each model that had a ticket; "" where none had.
    ``all_of_it`` is what to type after ``evolve status`` for more of them."""
    every = [*found.selectors, *found.models, *found.operators]
    made = sorted((one for one in every if one.children or one.duplicates or one.no_child), key=lambda one: -one.children)
    kept = made[:_ROWS]
    shown = [one for group in (found.selectors, found.operators, found.models) for one in group if one in kept]
    if not shown:
        return ""
    heads, cells = ["", "made", "failed"], [[_WAYS.get(one.name, one.name), str(one.children), str(one.failed)] for one in shown]
    for head, texts in (
        ("known", [str(one.duplicates) for one in shown]),
        ("better", [_count(one.better) for one in shown]),
        ("best", [_count(one.new_bests) for one in shown]),
        ("gain", [_gain(one) for one in shown]),
        ("took", [_seconds(one.wall_s) for one in shown]),
        ("$", [f"{one.usd:.3g}" if one.usd else "" for one in shown]),
        ("next", [_chance(one) for one in shown]),
    ):
        if any(texts):
            heads.append(head)
            cells = [[*row, text] for row, text in zip(cells, texts, strict=True)]
    more = f"\n... {len(made) - len(shown)} more; all: evolve status {all_of_it}" if len(made) > len(shown) else ""
    return columns([heads, *cells]) + more


def percent(share: float) -> str:
    """A chance in whole percent; a small one is not none."""
    return "< 1 %" if 0 < share < 0.005 else f"{100 * share:.0f} %"


def _chance(one: Earned) -> str:
    return "" if one.probability is None else percent(one.probability) if one.probability else "-"


def _seconds(seconds: float) -> str:
    return f"{seconds:.1f} s" if seconds < 60 else duration(seconds)


def _count(n: int | None) -> str:
    return "" if n is None else str(n)


def _gain(one: Earned) -> str:
    return f"{one.gain:+.3g}" if one.gain else ""
