"""The contribution map: what each change of a program contributes, from scores of the programs that its design asks for."""

from __future__ import annotations

import math
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass, replace
from difflib import unified_diff
from enum import StrEnum

from archive import Measurement
from evolve._counted import counted
from evolve._untrusted import visible
from evolve.budget._cpu_budget import INITIAL, CpuBudget
from evolve.problem.contract._contract import Contract
from evolve.research._changes import Change, Changes
from evolve.research._design import Contrasts, Design
from evolve.research._effects import Interval, Scatter, Table, Weights, interval, scatter_of
from evolve.research._measuring import Scores

_NAMED = 3  # changes in a sentence
_REASON = 160  # characters of why a program failed


class Verdict(StrEnum):
    """What leaving a change out shows."""

    NEEDED = "needed"  # without it the program fails
    HELPS = "helps"
    HURTS = "hurts"
    HELPS_ALONE = "helps alone"  # not beside the others, which make up for it
    NOT_SHOWN = "not shown"  # the interval has 0 in it
    NOTHING = "nothing"  # of a deterministic problem: the score is the same


@dataclass(frozen=True, slots=True)
class Contribution:
    """One change: what leaving it out of the champion loses, what putting it alone into the initial program gives, and by how much
    the first is more than the second.  Positive: it helps, in the problem's unit.

    None stands where a program failed; ``without_failed`` and ``alone_failed`` say how.  ``interacts``: what it contributes is
    shown to depend on the other changes.  ``without`` and ``alone`` are the programs' ids.
    """

    name: str
    declared: bool
    places: tuple[str, ...]
    diff: str
    verdict: Verdict
    left_out: Interval | None
    put_in: Interval | None
    interaction: Interval | None
    interacts: bool
    without_failed: str
    alone_failed: str
    without: str
    alone: str


@dataclass(frozen=True, slots=True)
class Reduced:
    """The program without the changes that are not shown to help; ``left_out`` are their names.

    ``compared`` is by how much it is better than the champion, on seeds of its own; None where it failed, or there is no such
    program: ``why`` says so.
    """

    left_out: tuple[str, ...]
    files: Mapping[str, str]
    id: str
    compared: Interval | None
    why: str = ""

    @property
    def may_be_proposed(self) -> bool:
        """Whether there is one, and nothing shows that it is worse."""
        return self.compared is not None and not self.compared.hurts


@dataclass(frozen=True, slots=True)
class AblationMap:
    """What became of taking a program apart.

    ``whole`` is what all changes together contribute.  ``contributions`` are ranked, the most needed first.  Scores are means, in
    the problem's own sign; contributions are positive where they help.
    """

    problem: str
    metric: str
    unit: str
    champion: str
    initial: str
    champion_score: float
    initial_score: float | None
    whole: Interval | None
    contributions: tuple[Contribution, ...]
    scatter: Scatter
    seeds: tuple[int, ...]
    measurements: int
    caveats: tuple[str, ...] = ()
    reduced: Reduced | None = None


def map_of(contract: Contract, changes: Changes, design: Design, found: Scores) -> AblationMap:
    """The map of a design whose champion could be measured; without a reduced program yet."""
    failed = {program: said(result) for program, result in found.failed.items()} | _over_budget(contract, design, found.results)
    sign = 1.0 if contract.maximize else -1.0
    table = {program: [sign * score for score in scores] for program, scores in found.scores.items()}
    scatter = scatter_of(table, design.n_intervals, exact=not contract.noisy)
    table = {program: scores for program, scores in table.items() if program not in failed or program == design.champion}
    items = [
        _contribution(change, changes, table, scatter, asked, (without, alone), failed)
        for change, asked, without, alone in zip(changes.items, design.contrasts, design.without, design.alone, strict=True)
    ]
    return AblationMap(
        problem=contract.name,
        metric=contract.metric,
        unit=contract.unit,
        champion=design.champion,
        initial=design.initial,
        champion_score=sign * _mean(table[design.champion]),
        initial_score=sign * _mean(table[design.initial]) if design.initial in table else None,
        whole=_interval(table, design.whole, scatter),
        contributions=tuple(sorted(items, key=_rank)),
        scatter=scatter,
        seeds=found.seeds,
        measurements=len(found.results),
        caveats=tuple(_caveats(contract, design, found, failed)),
    )


def left_out_of(design: Design, ablation: AblationMap) -> list[int]:
    """The changes that the reduced program is without, by index: those that neither leaving out nor putting in alone shows to
    help."""
    by_program = {one.without: one for one in ablation.contributions}
    idle = (Verdict.NOT_SHOWN, Verdict.NOTHING, Verdict.HURTS)
    return [index for index, without in enumerate(design.without) if by_program[without].verdict in idle]


def with_reduced(
    ablation: AblationMap, contract: Contract, reduced: Reduced, found: Scores | None, scores: Mapping[str, Sequence[float]]
) -> AblationMap:
    """The map with the reduced program, whose scores and the champion's stand in ``scores``, on the same seeds."""
    more = len(found.results) if found is not None else 0
    if reduced.id in scores and ablation.champion in scores:
        sign = 1.0 if contract.maximize else -1.0
        table = {program: [sign * score for score in scores[program]] for program in (reduced.id, ablation.champion)}
        reduced = replace(reduced, compared=_interval(table, {reduced.id: 1.0, ablation.champion: -1.0}, ablation.scatter))
    return replace(ablation, reduced=reduced, measurements=ablation.measurements + more)


def some_of(names: Sequence[str]) -> str:
    """The first names, and how many more there are."""
    more = f"; and {len(names) - _NAMED} more" if len(names) > _NAMED else ""
    return "; ".join(names[:_NAMED]) + more


def said(result: Measurement) -> str:
    """How a program failed, in a line."""
    line = " ".join(visible(f"{result.status}: {result.reason}" if result.reason else str(result.status)).split())
    return line if len(line) <= _REASON else f"{line[: _REASON - 1]}…"


def _contribution(
    change: Change,
    changes: Changes,
    table: Table,
    scatter: Scatter,
    asked: Contrasts,
    programs: tuple[str, str],
    failed: Mapping[str, str],
) -> Contribution:
    without, alone = programs
    left_out, put_in, interaction = (
        _interval(table, weights, scatter) for weights in (asked.left_out, asked.put_in, asked.interaction)
    )
    return Contribution(
        name=change.name,
        declared=change.declared,
        places=tuple(dict.fromkeys(f"{hunk.path}:{hunk.line}" for hunk in change.hunks)),
        diff=_diff(changes, changes.items.index(change)),
        verdict=_verdict(left_out, put_in, scatter),
        left_out=left_out,
        put_in=put_in,
        interaction=interaction,
        interacts=interaction is not None and interaction.shown,
        without_failed=failed.get(without, ""),
        alone_failed=failed.get(alone, ""),
        without=without,
        alone=alone,
    )


def _verdict(left_out: Interval | None, put_in: Interval | None, scatter: Scatter) -> Verdict:
    if left_out is None:
        return Verdict.NEEDED
    if left_out.shown:
        return Verdict.HELPS if left_out.helps else Verdict.HURTS
    if put_in is not None and put_in.helps:
        return Verdict.HELPS_ALONE
    return Verdict.NOTHING if scatter.exact else Verdict.NOT_SHOWN


def _rank(one: Contribution) -> tuple[float, float]:
    """The needed first, then by what leaving out loses."""
    return -(math.inf if one.left_out is None else one.left_out.effect), -(one.put_in.effect if one.put_in is not None else 0.0)


def _interval(table: Table, weights: Weights, scatter: Scatter) -> Interval | None:
    """None where a program that it takes has no scores."""
    if not weights:
        return Interval(0.0, 0.0, 0.0)
    return interval(table, weights, scatter) if all(program in table for program in weights) else None


def _diff(changes: Changes, index: int) -> str:
    """What a change does to the champion: lines without it against lines with it."""
    without, lines = changes.without([index]), list[str]()
    for path in sorted(changes.after):
        a, b = (files.get(path, "").splitlines() for files in (without, changes.after))
        lines += unified_diff(a, b, path, path, n=1, lineterm="")
    return visible("\n".join(lines))


def _over_budget(contract: Contract, design: Design, results: Sequence[Measurement]) -> dict[str, str]:
    """Programs that spend more CPU than the problem allows, as a run finds it."""
    if contract.compute_rule != "cpu_budget":
        return {}
    spent, found = CpuBudget(), dict[str, str]()
    rows = {design.initial: INITIAL} | {program: row for row, program in enumerate(design.programs, 1) if program != design.initial}
    for result in sorted(results, key=lambda one: one.candidate != design.initial):
        if result.cpu_s > 0 and result.candidate in rows:
            if why := spent.excess_with(rows[result.candidate], result.cpu_s):
                found[result.candidate] = f"over_budget: {why}"
            spent.add(rows[result.candidate], result.cpu_s)
    return found


def _caveats(contract: Contract, design: Design, found: Scores, failed: Mapping[str, str]) -> Iterator[str]:
    """What must stand beside the map."""
    if contract.caveat:
        yield f"the score is {contract.caveat}"
    if design.initial in failed:
        yield f"the initial program failed ({failed[design.initial]}): nothing could be put into it"
    if design.champion in failed:
        yield f"the program that is taken apart is over budget itself ({failed[design.champion]})"
    kinds = {result.hardware for result in found.results if result.hardware}
    if len(kinds) > 1 and contract.depends_on_speed:
        yield f"measured on {counted(len(kinds), 'kind')} of hardware, and scores hang on speed"


def _mean(scores: Sequence[float]) -> float:
    return math.fsum(scores) / len(scores)
