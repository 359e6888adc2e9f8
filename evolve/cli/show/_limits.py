"""Limits of a budget for people: what they are, and what is left of each."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from typing import TYPE_CHECKING

from evolve.cli.show._text import duration, one_line

if TYPE_CHECKING:
    from evolve.problem.contract._contract import Budget
    from evolve.views._progress import Progress
    from evolve.views._summary import Summary

_SPENT = 0.95  # of the clock: what is left of it then is not worth a word
Spent = Mapping[str, float]  # by the limit's name
_Limit = tuple[float, float, Callable[[float], str], str, str]


def spent_of(seen: Progress, elapsed_s: float) -> Spent:
    """What a search has spent of each limit."""
    machine = {"wall_s": elapsed_s, "cpu_s": seen.cpu_s, "evaluations": seen.handed_out, "candidates": seen.candidates}
    return {**machine, "usd": seen.models.usd, "tokens": seen.models.tokens, "calls": seen.models.calls}


def budget_text(budget: Budget, *, ends: bool = False) -> str:
    """The limits, or that there are none; ``ends`` says that the run does by itself."""
    limits = [f"{write(limit)} {full}" for limit, _, write, full, _ in _limits(budget, {})]
    return ", ".join(limits) or f"none: it goes on until {'everything that was given is measured' if ends else 'it is stopped'}"


def left_text(budget: Budget, spent: Spent) -> str:
    """What is left of each limit."""
    left = [
        f"{write(max(limit - gone, 0))} of {write(limit)} {short}".rstrip()
        for limit, gone, write, _, short in _limits(budget, spent)
    ]
    return ", ".join(left) or f"no limit, {duration(spent['wall_s'])} so far"


def ended_text(summary: Summary, budget: Budget, handed_out: int, kept_for: str) -> str:
    """How a run ended, and how much of the limit that ended it was kept back and not spent.  ``kept_for`` says what a noisy problem
    keeps it for, "" where none is noisy."""
    reason = summary.reason
    if summary.status != "done" or not reason.startswith("budget."):
        return f"{summary.status}: {one_line(reason, 400)}" if reason != summary.status else summary.status
    kept = f"kept for {kept_for} and not spent" if kept_for else "kept and not spent"
    limit = budget.evaluations if reason == "budget.evaluations" else None
    if limit is not None and handed_out < limit:
        return f"done: {reason}, with {limit - handed_out} of {limit} left that were {kept}"
    wall_s = budget.wall_s if reason == "budget.wall_s" else None
    if wall_s is not None and kept_for and summary.wall_s < _SPENT * wall_s:
        return f"done: {reason}, with {duration(wall_s - summary.wall_s)} of {duration(wall_s)} left that was {kept}"
    return f"done: {reason} is spent"


def spent_share(budget: Budget, spent: Spent) -> float | None:
    """The share spent of the limit that is nearest, in [0, 1]; None without any."""
    shares = [gone / limit for limit, gone, *_ in _limits(budget, spent)]
    return min(max(shares), 1.0) if shares else None


def _limits(budget: Budget, spent: Spent) -> list[_Limit]:
    """Each limit that there is: its amount, what is spent of it, how to write an amount, its words in full and in short."""
    every: tuple[tuple[str, Callable[[float], str], tuple[str, str]], ...] = (
        ("wall_s", duration, ("on the clock", "")),
        ("cpu_s", duration, ("of CPU", "CPU")),
        ("evaluations", _count, _nouns(budget.evaluations, "measurement")),
        ("candidates", _count, _nouns(budget.candidates, "candidate")),
        ("usd", _dollars, ("for models", "for models")),
        ("tokens", _count, _nouns(budget.tokens, "token", " of models")),
        ("calls", _count, _nouns(budget.calls, "call", " of models")),
    )
    found = ((getattr(budget, name), spent.get(name, 0), write, *words) for name, write, words in every)
    return [one for one in found if one[0] is not None]


def _nouns(limit: float | None, one: str, of: str = "") -> tuple[str, str]:
    noun = one if limit == 1 else f"{one}s"
    return f"{noun}{of}", noun


def _count(amount: float) -> str:
    return f"{amount:.0f}"


def _dollars(amount: float) -> str:
    return f"${amount:.4g}"
