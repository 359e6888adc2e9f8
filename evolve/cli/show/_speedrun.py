"""What ``evolve speedrun`` says of a record, for people and as JSON."""

from __future__ import annotations

import math
from typing import TYPE_CHECKING, Any

from evolve._counted import counted
from evolve._untrusted import visible
from evolve.cli.show._text import Json, columns, json_of

if TYPE_CHECKING:
    from evolve.speedrun import Report


def speedrun_json(report: Report) -> Json:
    """Every field of the report, a number that is none as null, and ``ok``."""
    return {**_finite(json_of(report)), "ok": report.ok}


def _finite(value: Any) -> Any:
    if isinstance(value, dict):
        return {key: _finite(item) for key, item in value.items()}
    if isinstance(value, list):
        return [_finite(item) for item in value]
    return None if isinstance(value, float) and not math.isfinite(value) else value


def speedrun_text(report: Report) -> str:
    """What was read, the statistics of text and logs side by side, what they are worth, and a line a rule."""
    against = f" against {report.baseline}" if report.baseline else ""
    head = f"track {report.track}, target {report.target:g}: {report.record}{against}, in {report.folder}"
    sets = [("set", "role", "runs", "steps", "mean loss", "sd", "mean s")]
    sets += [
        (
            one.name,
            one.role,
            str(one.runs),
            f"{one.steps:,}",
            _number(one.mean_loss, ".5f"),
            _number(one.sd_loss, ".5f"),
            _number(one.mean_s, ".3f"),
        )
        for one in report.sets
    ]
    stats = [("", "text", "logs", "")]
    stats += [(one.name, one.written or "-", _number(one.recomputed, ".6g"), _AGREES[one.agrees]) for one in report.statistics]
    rules = [(check.name, check.verdict, check.reason) for check in report.checks]
    parts = [head, columns(sets), columns(stats), "\n".join(_derived(report)), columns(rules), _ending(report)]
    notes = [f"note: {note}" for note in report.notes]
    return visible("\n\n".join(part for part in (*parts[:-1], "\n".join([*notes, parts[-1]])) if part))


_AGREES = {None: "", True: "agree", False: "differ"}


def _number(value: float | None, form: str) -> str:
    return "-" if value is None or not math.isfinite(value) else format(value, form)


def _derived(report: Report) -> list[str]:
    sample, times, equal = report.sample, report.times, report.equal_loss
    lines = []
    if sample.t is not None and sample.p is not None and sample.p_worst is not None:
        worst = f"; with losses rounded to ±{sample.rounding:g}, {sample.p_best:.3g} to {sample.p_worst:.3g}"
        lines.append(f"loss: t = {sample.t:.2f}, one-sided p = {sample.p:.3g}{worst}")
    if times.base_mean is not None:
        base = f"{times.base_mean:.3f} s (sd {_number(times.base_sd, '.3f')})"
        spread = f"{times.mean:.3f} s (sd {_number(times.sd, '.3f')}) against {base}"
        test = f", Welch t = {times.t:.2f}, one-sided p = {times.p:.2g}" if times.t is not None and times.p is not None else ""
        lines.append(f"time: {spread}{test}")
    if equal is not None:
        how = (
            "measured between two step counts of it"
            if equal.measured
            else "the end of its curve, which is more than a step is worth"
        )
        lines.append(
            f"equal loss: {equal.gain_s:+.3f} s gained as run, {equal.gain_at_equal_loss_s:+.3f} s at the baseline's mean loss"
            f" ({equal.extra_steps:+.1f} steps of {equal.loss_per_step:.2g} each, {how})"
        )
    return lines


def _ending(report: Report) -> str:
    by = {verdict: [check.name for check in report.checks if check.verdict == verdict] for verdict in _ORDER}
    told = [f"{len(names)} {_WORDS[verdict][len(names) == 1]}" for verdict, names in by.items() if names]
    failing = f" ({', '.join(by['fails'])})" if by["fails"] else ""
    begin = (
        f"{counted(len(by['fails']), 'rule')} of {len(report.checks)} not kept{failing}"
        if by["fails"]
        else "nothing that can be told fails"
    )
    return f"{begin}: {', '.join(told)}."


_ORDER = ("fails", "waiver claimed", "cannot be told", "holds")
_WORDS = {
    "fails": ("fail", "fails"),
    "waiver claimed": ("waivers claimed", "waiver claimed"),
    "cannot be told": ("cannot be told from logs", "cannot be told from logs"),
    "holds": ("hold", "holds"),
}
