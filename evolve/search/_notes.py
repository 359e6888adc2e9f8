"""What came of changes, as it is known now: their effects, and the scratchpad that models and people are shown."""

from __future__ import annotations

import math
from bisect import insort

from archive import Status, bounded, difference
from evolve._counted import counted
from evolve.search._memory import EFFECTS, MAX_NOTES, NOTES_EVERY, ChangeEffect, Count
from evolve.search._state import ProblemState

_REPAIRABLE = frozenset({Status.INVALID, Status.CHECKS_FAILED, Status.CRASH, Status.TIMEOUT, Status.OVER_BUDGET})


def remember(state: ProblemState, number: int, score: float | None) -> None:
    """It is known what became of a child."""
    people, memory = state.population, state.memory
    row = people.rows[number]
    if not row.parents:
        return
    count = memory.counts.setdefault(arm_name(state, number), Count())
    count.children += 1
    if score is None:
        made_by_hand = row.arm < 0 or bool(state.bandit.arms[row.arm].model)
        if made_by_hand and row.status in _REPAIRABLE and row.bred == 0:
            memory.broken.append(number)
    else:
        count.ok += 1
        _remember_effect(state, number, count)
    if people.n_settled - memory.noted_at >= NOTES_EVERY:
        memory.notes, memory.noted_at = notes(state), people.n_settled
        memory.failures = {str(status): (n, memory.reasons.get(status, "")) for status, n in sorted(people.failures.items())}


def _remember_effect(state: ProblemState, number: int, count: Count) -> None:
    found, memory = effect_of(state, number), state.memory
    if found is None:
        return
    if found.effect > 0:
        count.better += 1
        count.best = max(count.best, found.effect)
    if found.effect > 0 and (len(memory.gains) < EFFECTS or found > memory.gains[0]):
        insort(memory.gains, found)
        del memory.gains[: -EFFECTS or None]
    if found.effect < 0 and (len(memory.losses) < EFFECTS or found < memory.losses[-1]):
        insort(memory.losses, found)
        del memory.losses[EFFECTS:]


def effect_of(state: ProblemState, number: int) -> ChangeEffect | None:
    """What a child's change did, as it is known now; None while child or parent have no score."""
    people = state.population
    parents = people.rows[number].parents
    if not parents or people.score(number) is None or people.score(parents[0]) is None:
        return None
    (mine, sd), (before, before_sd) = people.shown(number), people.shown(parents[0])
    return ChangeEffect(difference(mine, before), bounded(math.hypot(sd, before_sd)), number)


def arm_name(state: ProblemState, number: int) -> str:
    """The arm that made a candidate, in words."""
    arm = state.population.rows[number].arm
    if arm < 0:
        return "external"
    found = state.bandit.arms[arm]
    return " ".join(part for part in (found.operator, found.model, found.format) if part)


def notes(state: ProblemState) -> str:
    """The scratchpad: at most 50 lines of what was measured, in the problem's own sign."""
    people, memory = state.population, state.memory
    lines = [f"After {counted(people.n_settled, 'child', 'children')}."]
    seed, leader = people.score(0), people.leader
    if seed is not None and leader is not None:
        start, best = _told(state, 0), _told(state, leader)
        lines.append(
            f"The seed program scores {start}, the best so far {best} (by {arm_name(state, leader)}); "
            f"the best last changed {counted(people.n_settled - people.leader_at, 'child', 'children')} ago."
        )
    lines.append("Children by who made them:")
    ranked = sorted(memory.counts.items(), key=lambda item: (-item[1].children, item[0]))
    lines += [
        f"- {name}: {count.children}, ok {count.ok}, better than their parent {count.better}"
        + (f", at most by {count.best:.3g}" if count.better else "")
        for name, count in ranked[:12]
    ]
    for title, effects in (("What helped most:", memory.gains[::-1]), ("What hurt most:", memory.losses)):
        shown = [_effect_line(state, effect) for effect in effects if people.score(effect.number) is not None]
        lines += [title, *shown[:EFFECTS]] if shown else []
    return "\n".join(lines[:MAX_NOTES])


def _told(state: ProblemState, number: int) -> str:
    """A score with its spread and how many measurements it rests on, in the problem's own sign."""
    mean, sd = state.population.shown(number)
    n = state.population.n_measured(number)
    if not state.contract.noisy:
        return f"{state.population.sign * mean:.6g}"
    return f"{state.population.sign * mean:.3g} ± {sd:.2g} ({n})" if sd > 0 else f"{state.population.sign * mean:.3g} ({n})"


def _effect_line(state: ProblemState, effect: ChangeEffect) -> str:
    summary = state.memory.summaries.get(effect.number, "")
    size = f"{state.population.sign * effect.effect:+.3g}" + (f" ± {effect.sd:.2g}" if effect.sd else "")
    return f"- {size}  {state.population.rows[effect.number].id[:10]}  {summary}"
