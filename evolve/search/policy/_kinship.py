"""How two programs are related: who comes from whom."""

from __future__ import annotations

from evolve.search.state._state import ProblemState

_MOST = 4096  # programs looked at


def is_ancestor(state: ProblemState, elder: int, younger: int) -> bool:
    """Whether ``younger`` comes from ``elder``; rows are numbered in the order in which they were made."""
    return elder in ancestors(state, younger, since=elder)


def ancestors(state: ProblemState, younger: int, *, since: int) -> set[int]:
    """Whom ``younger`` comes from, by any of its parents, of those that were made since this one."""
    rows, waiting, seen = state.population.candidates, [younger], {younger}
    while waiting and len(seen) < _MOST:
        for parent in rows[waiting.pop()].parents:
            if parent >= since and parent not in seen:
                seen.add(parent)
                waiting.append(parent)
    return seen - {younger}


def related(state: ProblemState, one: int, other: int) -> bool:
    """Whether one of the two comes from the other."""
    return is_ancestor(state, min(one, other), max(one, other))


def relation(state: ProblemState, first: int, second: int) -> str:
    """What the two parents of a crossover are to each other, in a sentence."""
    rows = state.population.candidates
    elder, younger = min(first, second), max(first, second)
    if is_ancestor(state, elder, younger):
        names = ("The second", "the first") if elder == first else ("The first", "the second")
        how = "was made from" if elder in rows[younger].parents else "comes, by several changes, from"
        return f"{names[0]} {how} {names[1]}: what differs is what was changed on the way."
    if set(rows[first].parents) & set(rows[second].parents):
        return "Both were made from the same program, by different changes."
    return "They come from different lines of descent, so they probably owe their scores to different things."
