"""The contribution map in words: rows of a table, sentences, and ABLATION.md."""

from __future__ import annotations

import math
from collections.abc import Iterator

from evolve._counted import counted
from evolve._untrusted import visible
from evolve.research._ablate import PICTURE, TABLE, Ablation
from evolve.research._effects import LEVEL, Interval
from evolve.research._hand_in import Proposed
from evolve.research._map import AblationMap, Contribution, Verdict, some_of

HEADS = ("change", "leaving it out loses", "alone it gives", "interaction", "verdict")


def rows(ablation: AblationMap) -> list[tuple[str, ...]]:
    """The table: a row for each change, ranked, and one for all together."""
    found = [
        (
            visible(one.name),
            _cell(one.left_out, ablation, one.without_failed),
            _cell(one.put_in, ablation, one.alone_failed),
            _cell(one.interaction, ablation, "") if one.interacts else "",
            _verdict(one),
        )
        for one in ablation.contributions
    ]
    whole = _cell(ablation.whole, ablation, "")
    return [*found, ("all together", whole, whole, "", "")]


def sentences(ablation: AblationMap, proposed: Proposed | None) -> list[str]:
    """What must stand beside the table."""
    found = [_how(ablation)]
    for one in ablation.contributions:
        if one.verdict is Verdict.NEEDED:
            found.append(f"{one.name} is needed: without it {one.without_failed}")
        if one.interaction is not None and one.interacts:
            how = "more" if one.interaction.helps else "less"
            found.append(f"{one.name} depends on the others: it gives {how} beside them than alone")
    found += [*ablation.caveats, *_reduced(ablation, proposed)]
    return [visible(one) for one in found]


def page(ablation: Ablation) -> str:
    """ABLATION.md."""
    found = ablation.map
    unit = f" {found.unit}" if found.unit else ""
    first = f"{found.metric} {found.champion_score:.7g}{unit}"
    before = "" if found.initial_score is None else f"; the initial program's is {found.initial_score:.7g}{unit}"
    lines = [
        f"# {found.problem}: what each change of {found.champion[:10]} contributes",
        "",
        f"{first}{before}. Contributions are differences of means; positive means that the change helps.",
        "",
        f"![contributions]({PICTURE})",
        "",
        _markdown_row(HEADS),
        "|" + "---|" * len(HEADS),
        *(_markdown_row(row) for row in rows(found)),
        "",
        *(f"- {_escaped(one)}" for one in sentences(found, ablation.proposed)),
        "",
        f"All numbers: [{TABLE}]({TABLE}).",
        "",
        "## The changes",
    ]
    for one in found.contributions:
        fence = "`" * max(3, _longest_run(one.diff) + 1)
        lines += ["", f"### {_escaped(one.name)}", "", f"{fence}diff", one.diff, fence]
    return "\n".join([*lines, ""])


def effect_text(value: Interval, *, exact: bool) -> str:
    """A contribution with its interval: as many digits as the interval's width has two of."""
    if exact:
        return f"{value.effect + 0.0:+.6g}" if value.effect else "0"
    half = value.high / 2 - value.low / 2
    if not 0 < half < math.inf or max(abs(value.low), abs(value.high)) >= 1e6:
        return f"{value.effect:+.4g} [{value.low:+.4g}, {value.high:+.4g}]"
    digits = max(1 - math.floor(math.log10(half)), 0)
    if digits > 9:
        return f"{value.effect:+.3g} [{value.low:+.3g}, {value.high:+.3g}]"
    effect, low, high = (f"{round(one, digits) + 0.0:+.{digits}f}" for one in (value.effect, value.low, value.high))
    return f"{effect} [{low}, {high}]"


def _cell(value: Interval | None, ablation: AblationMap, failed: str) -> str:
    if value is None:
        return failed.partition(":")[0] or "-"
    return effect_text(value, exact=ablation.scatter.exact)


def _verdict(one: Contribution) -> str:
    return f"{one.verdict}, interacts" if one.interacts else str(one.verdict)


def _how(ablation: AblationMap) -> str:
    scatter = ablation.scatter
    if scatter.exact:
        return f"deterministic: one measurement of each program, {ablation.measurements} in all; differences are exact"
    rest = (
        f"one standard deviation for all, {scatter.sd:.3g} of one measurement (df {scatter.df})"
        if scatter.pooled
        else f"seed by seed, for the programs scatter differently (df {scatter.n - 1})"
    )
    seeds = f"{counted(len(ablation.seeds), 'measurement seed')}, the same for all programs"
    return (
        f"{seeds}, {ablation.measurements} measurements in all;"
        f" {scatter.n_intervals} intervals hold together with probability {1 - LEVEL:g}: {rest}"
    )


def _reduced(ablation: AblationMap, proposed: Proposed | None) -> Iterator[str]:
    """What is said of the program without the changes that are not shown to help."""
    reduced = ablation.reduced
    if reduced is None:
        return
    if reduced.compared is None:
        yield f"no reduced program: {reduced.why}"
        return
    left = f"the reduced program, without {counted(len(reduced.left_out), 'change')} ({some_of(reduced.left_out)}),"
    seeds = "" if ablation.scatter.exact else ", on seeds of their own"
    yield f"{left} against the champion: {effect_text(reduced.compared, exact=ablation.scatter.exact)}{seeds}"
    if not reduced.may_be_proposed:
        yield "that is worse, so it is not proposed: changes that seem idle one by one are not when all are gone"
    elif proposed is not None and proposed.candidate:
        known = f"it is candidate {proposed.candidate} of the run ({proposed.why})"
        yield f"{known}; whether it is better the run decides: {proposed.next}"
    elif proposed is not None:
        yield f"the run did not take it ({proposed.why}); to hand it in: {proposed.next}"


def _markdown_row(cells: tuple[str, ...]) -> str:
    name, *others = cells
    return f"| {' | '.join([_escaped(name), *others])} |"


def _escaped(text: str) -> str:
    """Text that Markdown shows as it is."""
    for mark in "\\`*_[]<|":
        text = text.replace(mark, f"\\{mark}")
    return " ".join(text.split())


def _longest_run(text: str) -> int:
    """The longest row of backticks."""
    longest = run = 0
    for letter in text:
        run = run + 1 if letter == "`" else 0
        longest = max(longest, run)
    return longest
