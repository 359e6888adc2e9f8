"""What a run has learnt of its own means: what each way of choosing parents, each operator and each model made, earned and cost,
and how likely it is to make the next child.  All of it is read off the state."""

from __future__ import annotations

import math
from collections import Counter
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, fields, replace

from archive import Status, difference
from evolve.budget._cpu_budget import INITIAL
from evolve.search.policy._arms import EXTERNAL
from evolve.search.policy._policies import policy_of
from evolve.search.state._costs import Cost
from evolve.search.state._state import ProblemState
from evolve.views._course import course, selector_shares
from evolve.views._spread import Lines, Spread

LATELY = 100  # children

Means = tuple[str, str, str]  # how a child's parents were chosen, its operator, its model; "" where there is none
_NOBODY = ("", "", "")


@dataclass(frozen=True, slots=True)
class Earned:
    """What one means made, earned and cost.  None is what is not known.

    ``children`` are programs, of which ``failed`` were measured and failed; tickets that gave no new program ended as
    ``duplicates`` of a known one, or with ``no_child`` at all.  ``better`` did better than their parent and ``new_bests``
    better than all that were made before them, by ``gain`` together; on a noisy problem nobody knows which.  ``share`` is that
    of the last 100 children, ``probability`` that of making the next (None of people and agents, whom nobody draws; 0 while there
    is nothing to work on).  A child has an operator, a way where the policy's ways chose its parent, and a model where one was
    asked: probabilities of operators add up to 1, those of ways and of models to what the operators have that use them.
    ``cpu_s`` counts making and measuring, ``wall_s`` measuring, ``usd`` what models took.
    """

    name: str
    children: int = 0
    failed: int = 0
    better: int | None = None
    new_bests: int | None = None
    gain: float | None = None
    share: float | None = None
    probability: float | None = None
    duplicates: int = 0
    no_child: int = 0
    cpu_s: float = 0.0
    wall_s: float = 0.0
    usd: float = 0.0


@dataclass(frozen=True, slots=True)
class Learnt:
    """What a run has learnt.

    What earned what: by ``selectors``, the ways of choosing parents (where a policy has several), by ``operators`` and by
    ``models``, whoever made most first.  How far the population spreads; and its ``course``: who breeds now, and since when the
    best stands.
    """

    selectors: tuple[Earned, ...]
    operators: tuple[Earned, ...]
    models: tuple[Earned, ...]
    spread: Spread
    course: str


def learnt(state: ProblemState, now: float) -> Learnt:
    """What a search has learnt at Unix time ``now``."""
    rows, chances = state.population.candidates, policy_of(state).chances(state, now)
    means = [_means(state, row.selector, row.arm) if number != INITIAL else _NOBODY for number, row in enumerate(rows)]
    by_arm = [(_means(state, "", arm), float(chance)) for arm, chance in enumerate(chances)] if chances.any() else []
    return Learnt(
        selectors=tuple(_earned(state, means, 0, selector_shares(state, now))),
        operators=tuple(_earned(state, means, 1, _summed(by_arm, 1))),
        models=tuple(_earned(state, means, 2, _summed(by_arm, 2))),
        spread=Lines().spread(state.population),
        course=course(state, now),
    )


def _means(state: ProblemState, selector: str, arm: int) -> Means:
    if arm < 0:
        return "", EXTERNAL, ""
    made = state.bandit.arms[arm]
    return selector, made.operator, made.model


def _summed(by_arm: list[tuple[Means, float]], kind: int) -> dict[str, float]:
    """The chances of each means of a kind."""
    found: dict[str, float] = {}
    for means, chance in by_arm:
        found[means[kind]] = found.get(means[kind], 0.0) + chance
    return found


def _earned(state: ProblemState, means: list[Means], kind: int, chances: Mapping[str, float]) -> list[Earned]:
    """What each means of a kind came to, the most children first; those that made none are among them where they may make the
    next."""
    names = [one[kind] for one in means]
    children, failed = Counter(names), Counter(name for name, bad in zip(names, _failed(state), strict=True) if bad)
    last = names[INITIAL + 1 :][-LATELY:]
    lately = Counter(last)
    steps = _steps(state)
    costs = [(_means(state, *maker)[kind], cost) for maker, cost in state.costs.of.items()]
    found = []
    for name in dict.fromkeys([*names, *(name for name, _ in costs), *(name for name, chance in chances.items() if chance > 0)]):
        if not name:
            continue
        share = lately[name] / len(last) if last else None
        one = Earned(name, children[name], failed[name], share=share, probability=chances.get(name))
        one = _with_costs(one, [cost for whose, cost in costs if whose == name])
        if steps is not None:
            mine = [step for step, whose in zip(steps, names, strict=True) if whose == name]
            gains = [gain for _, gain in mine if gain > 0]
            one = replace(one, better=sum(better for better, _ in mine), new_bests=len(gains), gain=math.fsum(gains))
        found.append(one)
    return sorted(found, key=lambda one: -one.children)


def _with_costs(one: Earned, costs: Sequence[Cost]) -> Earned:
    every = [Cost(), *costs]
    return replace(one, **{each.name: sum(getattr(cost, each.name) for cost in every) for each in fields(Cost)})


def _failed(state: ProblemState) -> list[bool]:
    good = (None, Status.OK, Status.PRUNED, Status.EVALUATOR_ERROR)
    return [row.status not in good for row in state.population.candidates]


def _steps(state: ProblemState) -> list[tuple[bool, float]] | None:
    """Of each candidate whether it is better than its parent, and by how much better than all before it; None in noise."""
    population, best = state.population, None
    if state.contract.noisy or state.steadiness.doubtful:
        return None
    scores = [population.score(number) for number in range(len(population.candidates))]
    steps = []
    for row, score in zip(population.candidates, scores, strict=True):
        before = scores[row.parents[0]] if row.parents else None
        gain = max(difference(score, best), 0.0) if score is not None and best is not None else 0.0
        steps.append((score is not None and before is not None and score > before, gain))
        best = score if best is None or gain > 0 else best
    return steps
