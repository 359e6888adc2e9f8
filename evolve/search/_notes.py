"""What came of changes, as it is known now: their effects and whether these are more than noise, which children moved the best, and
the reflection that models and people are shown every 20 children."""

from __future__ import annotations

import math
from bisect import insort
from dataclasses import dataclass

from archive import Status, bounded, difference, is_better
from evolve._counted import counted
from evolve.budget._cpu_budget import INITIAL
from evolve.search.state._memory import BESTS, EFFECTS, MAX_NOTES, NOTES_EVERY, ArmStats, ChangeEffect
from evolve.search.state._state import ProblemState

CLEAR = 1.96  # standard deviations of a difference: noise alone goes beyond in one case of twenty
BOTTLENECK = "bottleneck"  # a descriptor or metric whose value is the class of what limits a program
_GRAVES, _DRIFTS, _REOPENED = 3, 3, 3  # lines of the scratchpad
_REPAIRABLE = frozenset({Status.INVALID, Status.CHECKS_FAILED, Status.CRASH, Status.TIMEOUT, Status.OVER_BUDGET})


def remember(state: ProblemState, number: int, score: float | None) -> None:
    """It is known what became of a child."""
    population, memory = state.population, state.memory
    row = population.candidates[number]
    if not row.parents:
        return
    count = memory.arm_stats.setdefault(arm_name(state, number), ArmStats())
    count.children += 1
    if score is None:
        made_by_hand = row.arm < 0 or bool(state.bandit.arms[row.arm].model)
        if made_by_hand and row.status in _REPAIRABLE and row.n_children == 0:
            memory.repairable.append(number)
    else:
        count.ok += 1
        _remember_effect(state, number, count)
    if population.n_credited - memory.noted_at >= NOTES_EVERY:
        memory.notes, memory.noted_at = notes(state), population.n_credited
        memory.failures = {str(status): (n, memory.reasons.get(status, "")) for status, n in sorted(population.failures.items())}


def _remember_effect(state: ProblemState, number: int, count: ArmStats) -> None:
    found, memory = effect_of(state, number), state.memory
    if found is None:
        return
    if found.effect > 0:
        count.better += 1
        count.best = max(count.best, found.effect)
    if found.effect > 0 and (len(memory.best_changes) < EFFECTS or found > memory.best_changes[0]):
        insort(memory.best_changes, found)
        del memory.best_changes[: -EFFECTS or None]
    if found.effect < 0 and (len(memory.worst_changes) < EFFECTS or found < memory.worst_changes[-1]):
        insort(memory.worst_changes, found)
        del memory.worst_changes[EFFECTS:]


def effect_of(state: ProblemState, number: int) -> ChangeEffect | None:
    """What a child's change did, as it is known now; None while child or parent have no score."""
    population = state.population
    parents = population.candidates[number].parents
    if not parents or population.score(number) is None or population.score(parents[0]) is None:
        return None
    (mine, sd), (before, before_sd) = population.posterior_as_measured(number), population.posterior_as_measured(parents[0])
    return ChangeEffect(difference(mine, before), bounded(math.hypot(sd, before_sd)), number)


def is_clear(state: ProblemState, effect: ChangeEffect) -> bool:
    """Whether an effect is more than what noise alone does in 19 cases of 20, or than rounding where there is none; never while the
    noise is not known."""
    if state.contract.noisy:
        return effect.sd > 0 and abs(effect.effect) > CLEAR * effect.sd
    mine, _ = state.population.posterior(effect.number)
    differs = is_better(mine, mine - effect.effect) or is_better(mine - effect.effect, mine)
    return differs and not state.steadiness.within_noise(effect.effect)


def least_clear(state: ProblemState, runs: int) -> float | None:
    """The least difference of two programs with so many runs each that is clear; None where the noise is not known, or there is
    none."""
    noise = state.population.noise
    return CLEAR * math.sqrt(2 * noise / runs) if noise > 0 else None


def remember_best(state: ProblemState, number: int) -> None:
    """A child was measured, once or again: whether it is clearly better than the best before it.  What later runs take back is no
    best any more."""
    bests, known = state.memory.bests, number in state.memory.bests
    before = bests[: bests.index(number)] if known else bests
    standing = next((one for one in reversed(before) if state.population.score(one) is not None), INITIAL)
    better = number != INITIAL and _is_clearly_better(state, number, standing)
    if better and not known:
        state.memory.bests = [*bests, number][-BESTS:]
    elif known and not better:
        bests.remove(number)


def _is_clearly_better(state: ProblemState, number: int, other: int) -> bool:
    """By posteriors, which know how many programs were tried and how much these differ."""
    population = state.population
    if population.score(number) is None or population.score(other) is None:
        return False
    (mine, sd), (theirs, other_sd) = population.posterior(number), population.posterior(other)
    found = ChangeEffect(difference(mine, theirs), bounded(math.hypot(sd, other_sd)), number)
    return found.effect > 0 and is_clear(state, found)


@dataclass(frozen=True, slots=True)
class Reopened:
    """The best is of another class of ``BOTTLENECK`` than it was: from ``before`` to ``now`` with candidate ``since``.  ``ideas``
    are children that somebody had a reason for and that were discarded while the old one held: the newest last."""

    before: float
    now: float
    since: int
    ideas: tuple[int, ...]


def reopened(state: ProblemState) -> Reopened | None:
    """Ideas that deserve another try; None where the problem names no bottleneck, or it has not moved."""
    memory, rows = state.memory, state.population.candidates
    line = [(one, found) for one in (INITIAL, *memory.bests) if (found := bottleneck(state, one)) is not None]
    at = next((i for i in range(len(line) - 1, -1, -1) if line[i][1] != line[-1][1]), None)
    if at is None:
        return None
    (_, before), (since, now) = line[at], line[at + 1]
    bests = frozenset(memory.bests)
    old = (one for one in memory.ideas if one < since and one not in bests and rows[one].credited and rows[one].parents)
    ideas = tuple(one for one in old if bottleneck(state, rows[one].parents[0]) == before)
    return Reopened(before, now, since, ideas)


def bottleneck(state: ProblemState, number: int) -> float | None:
    """The class of what limits a program; None where nothing says so."""
    told = state.memory.feedback.get(number)
    metrics = told.metrics if told is not None else {}
    return state.population.candidates[number].descriptors.get(BOTTLENECK, metrics.get(BOTTLENECK))


def arm_name(state: ProblemState, number: int) -> str:
    """The arm that made a candidate, in words."""
    arm = state.population.candidates[number].arm
    if arm < 0:
        return "external"
    found = state.bandit.arms[arm]
    return " ".join(part for part in (found.operator, found.model, found.format) if part)


def notes(state: ProblemState) -> str:
    """The scratchpad: at most 50 lines of what was measured, in the problem's own sign."""
    population, memory = state.population, state.memory
    lines = [f"After {counted(population.n_credited, 'child', 'children')}."]
    seed, leader = population.score(0), population.best_so_far
    if seed is not None and leader is not None:
        start, best = _told(state, 0), _told(state, leader)
        lines.append(
            f"The initial program scores {start}, the best so far {best} (by {arm_name(state, leader)}); "
            f"the best last changed {counted(population.n_credited - population.leader_since, 'child', 'children')} ago."
        )
    lines.append("Children by who made them:")
    ranked = sorted(memory.arm_stats.items(), key=lambda item: (-item[1].children, item[0]))
    lines += [
        f"- {name}: {count.children}, ok {count.ok}, better than their parent {count.better}"
        + (f", at most by {count.best:.3g}" if count.better else "")
        for name, count in ranked[:12]
    ]
    for title, effects in (("What helped most:", memory.best_changes[::-1]), ("What hurt most:", memory.worst_changes)):
        shown = [_effect_line(state, effect) for effect in effects if population.score(effect.number) is not None]
        lines += [title, *shown[:EFFECTS]] if shown else []
    lines += [*_noise_lines(state), *_grave_lines(state), *_reopened_lines(state), *_drift_lines(state)]
    return "\n".join(lines[:MAX_NOTES])


def _told(state: ProblemState, number: int) -> str:
    """A score with its spread and how many measurements it rests on, in the problem's own sign."""
    mean, sd = state.population.posterior_as_measured(number)
    n = state.population.n_measured(number) - len(state.population.far_off(number))
    if not state.contract.noisy:
        return f"{state.population.sign * mean:.6g}"
    return f"{state.population.sign * mean:.3g} ± {sd:.2g} ({n})" if sd > 0 else f"{state.population.sign * mean:.3g} ({n})"


def _effect_line(state: ProblemState, effect: ChangeEffect) -> str:
    summary = state.memory.summaries.get(effect.number, "")
    size = f"{state.population.sign * effect.effect:+.3g}" + (f" ± {effect.sd:.2g}" if effect.sd else "")
    return f"- {size}  {state.population.candidates[effect.number].id[:10]}  {summary}"


def _noise_lines(state: ProblemState) -> list[str]:
    """How many of the latest effects are no more than noise, and from where on one is."""
    if not state.contract.noisy:
        return []
    latest = range(max(len(state.population.candidates) - NOTES_EVERY, INITIAL + 1), len(state.population.candidates))
    found = [effect for number in latest if (effect := effect_of(state, number)) is not None]
    unclear, least = sum(not is_clear(state, effect) for effect in found), least_clear(state, 1)
    if not found:
        return []
    bar = f"; with one run of each, a difference says something from {least:.2g} on" if least is not None else ""
    return [f"Of the last {counted(len(found), 'effect')}, {unclear} are within the noise{bar}."]


def _grave_lines(state: ProblemState) -> list[str]:
    graves = sorted(state.memory.graves.items(), key=lambda item: (-item[1][0], item[0]))
    if not graves:
        return []
    return ["What failed most often:", *(f"- {counted(n, 'time')}: {kind}" for kind, (n, _) in graves[:_GRAVES])]


def _reopened_lines(state: ProblemState) -> list[str]:
    found, rows = reopened(state), state.population.candidates
    if found is None or not found.ideas:
        return []
    moved = f"The bottleneck moved from {found.before:g} to {found.now:g} with {rows[found.since].id[:10]}"
    latest = found.ideas[-_REOPENED:]
    said = (f"- {rows[number].id[:10]}  {state.memory.summaries.get(number, '')}" for number in latest)
    return [f"{moved}; discarded under the old one, worth another try:", *said]


def _drift_lines(state: ProblemState) -> list[str]:
    memory, rows = state.memory, state.population.candidates
    if not memory.drifts:
        return []
    latest = list(memory.drifts.items())[-_DRIFTS:]
    title = f"Changes that are not what was said of them ({memory.n_drifts} so far); do what you say:"
    return [title, *(f"- {rows[number].id[:10]}  {text}" for number, text in latest)]
