"""What a run has learnt of its own means: what each way of choosing parents, each operator and each model made, earned and cost.

All but costs and refusals is read off the state; those stand in the records, and are None where nobody looked there.
"""

from __future__ import annotations

import math
from collections import Counter
from collections.abc import Iterable
from dataclasses import dataclass, replace
from pathlib import Path

from archive import Measured, ProposalStatus, Proposed, ProposeIssued, Status, difference, find_records
from evolve.budget._cpu_budget import INITIAL
from evolve.search.policy._arms import EXTERNAL
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
    of the last 100 children (of a way of choosing parents: of those whose parent was chosen), ``probability`` that of being the
    next.  ``cpu_s`` counts making and measuring, ``wall_s`` measuring, ``usd`` what models took.
    """

    name: str
    children: int = 0
    failed: int = 0
    better: int | None = None
    new_bests: int | None = None
    gain: float | None = None
    share: float | None = None
    probability: float | None = None
    duplicates: int | None = None
    no_child: int | None = None
    cpu_s: float | None = None
    wall_s: float | None = None
    usd: float | None = None


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


@dataclass(slots=True)
class _Cost:
    duplicates: int = 0
    no_child: int = 0
    cpu_s: float = 0.0
    wall_s: float = 0.0
    usd: float = 0.0


def learnt(state: ProblemState, run: Path | None = None) -> Learnt:
    """What a search has learnt; with costs where the ``run`` is given, whose journal is then read from end to end.

    Raises:
        ArchiveError: as ``find_records``.
    """
    means = [_means(state, number) for number in range(len(state.population.candidates))]
    costs = None if run is None else _costs(run)
    chances = selector_shares(state)
    selectors = [replace(one, probability=chances.get(one.name)) for one in _earned(state, means, costs, 0)]
    return Learnt(
        selectors=tuple(selectors),
        operators=tuple(_earned(state, means, costs, 1)),
        models=tuple(_earned(state, means, costs, 2)),
        spread=Lines().spread(state.population),
        course=course(state),
    )


def _means(state: ProblemState, number: int) -> Means:
    row = state.population.candidates[number]
    if row.arm < 0:
        return _NOBODY if number == INITIAL else ("", EXTERNAL, "")
    arm = state.bandit.arms[row.arm]
    return row.selector, arm.operator, arm.model


def _earned(state: ProblemState, means: list[Means], costs: dict[Means, _Cost] | None, kind: int) -> list[Earned]:
    """What each means of a kind came to, the most children first."""
    names = [one[kind] for one in means]
    children, failed = Counter(names), Counter(name for name, bad in zip(names, _failed(state), strict=True) if bad)
    lately = Counter(name for name in names[INITIAL + 1 :][-LATELY:] if name)
    steps = _steps(state)
    found = []
    for name in children | Counter({one[kind]: 1 for one in costs or ()}):
        if not name:
            continue
        one = Earned(name, children[name], failed[name], share=lately[name] / lately.total() if lately else None)
        if steps is not None:
            mine = [step for step, whose in zip(steps, names, strict=True) if whose == name]
            gains = [gain for _, gain in mine if gain > 0]
            one = replace(one, better=sum(better for better, _ in mine), new_bests=len(gains), gain=math.fsum(gains))
        found.append(
            one if costs is None else _with_costs(one, [cost for which, cost in costs.items() if which[kind] == name], kind)
        )
    return sorted(found, key=lambda one: -one.children)


def _with_costs(one: Earned, costs: Iterable[_Cost], kind: int) -> Earned:
    every = list(costs)
    usd = sum(cost.usd for cost in every)
    return replace(
        one,
        duplicates=sum(cost.duplicates for cost in every),
        no_child=sum(cost.no_child for cost in every),
        cpu_s=round(sum(cost.cpu_s for cost in every), 6),
        wall_s=round(sum(cost.wall_s for cost in every), 6),
        usd=usd if usd or kind == 2 else None,
    )


def _failed(state: ProblemState) -> list[bool]:
    good = (None, Status.OK, Status.EVALUATOR_ERROR)
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


def _costs(run: Path) -> dict[Means, _Cost]:
    """What each means took, and how many of its tickets gave no new program."""
    issued: dict[int, Means] = {}
    ended: dict[int, ProposalStatus] = {}
    maker: dict[str, Means] = {}
    costs: dict[Means, _Cost] = {}
    for stamped in find_records(run, (ProposeIssued.kind, Proposed.kind, Measured.kind)):
        match stamped.record:
            case ProposeIssued(attempt=attempt, expires_at=None, arm=arm, selector=selector):
                issued[attempt.ticket] = (selector, arm.operator, arm.model)
            case ProposeIssued(attempt=attempt):
                issued[attempt.ticket] = ("", EXTERNAL, "")
            case Proposed(attempt=attempt, status=status, candidate=candidate) as record:
                told = ("", EXTERNAL, "") if maker else _NOBODY  # the first is the initial program
                means = issued.setdefault(attempt.ticket, told)
                if candidate is not None:
                    maker[candidate.id] = means
                ended[attempt.ticket] = status
                cost = costs.setdefault(means, _Cost())
                cost.cpu_s += record.cpu_s
                cost.usd += record.usd
            case Measured(result=result) if result.candidate in maker:
                cost = costs.setdefault(maker[result.candidate], _Cost())
                cost.cpu_s += result.cpu_s + result.scorer_cpu_s
                cost.wall_s += result.wall_s
    for ticket, status in ended.items():
        cost = costs[issued[ticket]]
        cost.duplicates += status is ProposalStatus.DUPLICATE
        cost.no_child += status in (ProposalStatus.INVALID, ProposalStatus.FAILED, ProposalStatus.LOST)
    return costs
