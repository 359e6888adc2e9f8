"""Numbers and untrusted text for people, and the two ways out: ``put`` for data, ``say`` for everything else."""

from __future__ import annotations

import json
import math
import sys
from collections.abc import Mapping, Sequence
from typing import TYPE_CHECKING, Any

from archive import bounded, plain
from evolve._counted import counted, far_off_text
from evolve._untrusted import visible

if TYPE_CHECKING:
    from evolve.problem.contract._contract import Budget
    from evolve.views._progress import OperatorShare
    from evolve.views._pruned import Pruned
    from evolve.views._run_view import RunView
    from evolve.views._summary import EvaluatorFaults, FarOff, FinalRuns, ModelUse
    from evolve.views._unchecked import Unchecked

GAINS = '"SELECT operator, count(*), max(gain) FROM candidates GROUP BY 1"'  # the statement that examples of `query` have
SCHEMA = 1  # of all that ``--json`` prints: one more where a field changes its meaning
Json = dict[str, Any]
_LONGEST_S = 1e15
_MOST_DIGITS = 17  # of a float


def put(text: str) -> None:
    """Data, on stdout."""
    sys.stdout.write(text if text.endswith("\n") else f"{text}\n")


def put_source(text: str) -> None:
    """Programs and what was said of them, on stdout: cleaned onto a terminal, as they are and in UTF-8 into a pipe or a file."""
    if sys.stdout.isatty():
        put(visible(text))
        return
    sys.stdout.flush()
    sys.stdout.buffer.write((text if text.endswith("\n") else f"{text}\n").encode())
    sys.stdout.buffer.flush()


def put_json(answer: object) -> None:
    """An answer as one JSON object on stdout."""
    put(json.dumps(json_of(answer), indent=2))


def json_of(answer: object) -> Json:
    """A frozen value, or some by name, as ``--json`` prints it: ``schema`` and then its fields."""
    return {"schema": SCHEMA, **plain(answer)}


def picked(value: object, *names: str) -> Json:
    """Some attributes of a value, by name and in this order."""
    return {name: getattr(value, name) for name in names}


def say(text: str) -> None:
    """Progress or an error, on stderr."""
    sys.stderr.write(text if text.endswith("\n") else f"{text}\n")
    sys.stderr.flush()


def encodable(text: str, encoding: str) -> str:
    """As a stream of this encoding shows it, escaped where it has no such character: its width is known before it is written."""
    return text.encode(encoding, "backslashreplace").decode(encoding)


def one_line(text: str, width: int = 100) -> str:
    """Cleaned, on one line, cut."""
    line = " ".join(visible(text).split())
    return line if len(line) <= width else f"{line[: width - 1]}…"


def number(value: float, error: float = 0.0) -> str:
    """Seven digits, and of larger numbers two behind the point: enough to tell two scores apart; beside an ``error`` as many as its
    second digit needs; never more than a float has."""
    value += 0.0  # no minus before a zero
    whole = math.floor(math.log10(abs(value))) + 3 if abs(value) >= 1e4 and math.isfinite(value) else 0
    digits = max(whole, 7, _digits(value, error))
    return f"{value:.{digits}g}" if digits < _MOST_DIGITS else repr(value).removesuffix(".0")


def _digits(value: float, error: float) -> int:
    """How many digits of a value the second digit of its error needs."""
    if not value or not math.isfinite(value) or not 0 < error < math.inf:
        return 0
    return math.floor(math.log10(abs(value))) - math.floor(math.log10(error)) + 2


def all_far_off_text(far: FarOff) -> str:
    """The same of a whole run."""
    verb = "is" if far.measurements == 1 else "are"
    some = f"{far.measurements} of {counted(far.of, 'measurement')} {verb} far off for certain and in none of these scores"
    return f"{some}; the only one of a program may be wild too and is in its score; without them the noise has sd {far.sd:.3g}"


def counted_text(far: FarOff, sd: float) -> str:
    """The same beside a claim that was refused, which is about the mean of all: a program may fail now and then.  ``sd`` is that of
    the noise with them."""
    verb, them = ("is", "it") if far.measurements == 1 else ("are", "them")
    some = f"{far.measurements} of {counted(far.of, 'measurement')} {verb} far off for certain; evidence and ruling count {them}"
    return f"{some}: the noise has sd {sd:.3g} with {them}, {far.sd:.3g} without"


def beside(text: str) -> str:
    """What stands in brackets after a number; "" where there is nothing."""
    return f" ({text})" if text else ""


def score(mean: float, sd: float, n: int, unit: str = "", far: int = 0) -> str:
    """A score with what is known of its uncertainty; beside it ``far`` measurements are wild."""
    more = f"; {far_off_text(n, far)}" if far else ""
    spread = f" ± {sd:.2g} (n={n}{more})" if sd > 0 else ""
    return f"{number(mean, sd)}{f' {unit}' if unit else ''}{spread}"


def gain(value: float, base: float, sd: float = 0.0, error: float = 0.0) -> str:
    """A gain (higher is better) with its sign, and relative to the initial program's score where that is known well enough to
    divide by.  ``sd`` is the initial program's, ``error`` the gain's own where it stands beside it."""
    share = f" ({_percent(value, abs(base))})" if abs(base) > 5 * sd and math.isfinite(value / abs(base)) else ""
    return f"{signed(value, error)}{share}"


def gain_with_error(value: float, base: float, se: float | None, sd: float = 0.0) -> str:
    """The same, with its standard error where final runs gave one."""
    return f"{gain(value, base, sd, se or 0.0)}" + ("" if se is None else f", standard error {se:.2g}")


def gain_beside(value: float, base: float, se: float | None, of: str, sd: float = 0.0) -> str:
    """The same beside two scores: it is their difference, or what stands behind it says ``of`` what else it is."""
    return gain_with_error(value, base, se, sd) + _in_final_runs(of)


def gain_over(value: float, base: float, se: float | None, of: str) -> str:
    """The same where the initial program's score, ``base``, does not stand beside it."""
    return gain_with_error(value, base, se) + (_in_final_runs(of) or f" over the initial program's {number(base)}")


def _in_final_runs(of: str) -> str:
    from evolve.views._summary import FROM_FINAL

    return f", in the {FROM_FINAL}" if of == FROM_FINAL else ""


def final_rows(final: FinalRuns) -> list[tuple[str, str]]:
    """Both means of the final measurements.  Whether their difference is real nobody has tested."""

    def mean(value: float, sd: float | None, n: int, far: int) -> str:
        text = f"{number(value, sd)}, sd {sd:.3g}, n {n}" if sd is not None else f"{number(value)}, n {n}"
        return f"{text}{beside(far_off_text(n, far))}"

    much = gain_with_error(final.gain, final.seed_mean, final.gain_se, final.seed_sd or 0.0)
    return [
        ("final", f"{'best' if final.gain > 0 else 'finalist'} and initial program measured in turn, on fresh seeds"),
        (
            "  best" if final.gain > 0 else "  finalist",
            f"{mean(final.best_mean, final.best_sd, final.best_n, final.best_far_off)}  ({final.candidate})",
        ),
        ("  initial", mean(final.seed_mean, final.seed_sd, final.seed_n, final.seed_far_off)),
        ("  gain", f"{much}, {final.verdict}"),
    ]


def signed(value: float, error: float = 0.0) -> str:
    """A difference: five digits, and of larger ones all that are whole; beside an ``error`` as many as its second digit needs."""
    digits = _digits(value, error)
    if 1e4 <= abs(value) < 1e17 or digits >= _MOST_DIGITS:
        return f"{'+' if value > 0 else ''}{number(value, error)}"
    return f"{value + 0.0:+.{max(digits, 5)}g}"


def zero_text(low: float, high: float) -> str:
    """What must stand beside a confirmed effect whose interval crosses zero ("" where it does not)."""
    return (
        "; crosses zero: the test's own half of the fresh runs decided, this other half only estimates" if low <= 0 <= high else ""
    )


def _percent(value: float, base: float) -> str:
    share = bounded(100 * (value / base)) + 0.0
    return f"{share:+.2f} %" if abs(share) < 1e7 else f"{share:+.3g} %"


def duration(seconds: float) -> str:
    """``0:43``, ``12:05``, ``3:20:00``."""
    whole = max(round(min(seconds, _LONGEST_S)), 0)
    hours, rest = divmod(whole, 3600)
    minutes, s = divmod(rest, 60)
    return f"{hours}:{minutes:02}:{s:02}" if hours else f"{minutes}:{s:02}"


def counts(numbers: Mapping[str, int]) -> str:
    """``timeout 3, crash 1``, most first."""
    return ", ".join(f"{name} {n}" for name, n in sorted(numbers.items(), key=lambda item: -item[1]))


def columns(rows: Sequence[Sequence[str]]) -> str:
    """Rows as aligned columns."""
    widths = [max(len(row[i]) for row in rows) for i in range(len(rows[0]))] if rows else []
    return "\n".join("  ".join(cell.ljust(width) for cell, width in zip(row, widths, strict=True)).rstrip() for row in rows)


def evaluator_rows(faults: EvaluatorFaults, opened: RunView | None = None) -> list[tuple[str, str]]:
    """What the evaluator could not do, with its first words; nothing where it could do everything."""
    rows = []
    if faults.errors:
        some = faults.unjudged
        which = f"; {counted(len(some), 'program')} not judged ({faults.unjudged_words})" if some else ""
        which += f"; {faults.waiting} to be measured again" if faults.waiting else ""
        how = f"; see: evolve show {opened.quote(some[0])}" if opened is not None and some else ""
        rows.append(
            (
                "evaluator",
                f"failed {counted(faults.errors, 'time')}{which}; first: {one_line(faults.first, 300)}{how}",
            )
        )
    if faults.incomplete:
        lacking = one_line(faults.lacking, 300)
        rows.append(("incomplete", f"{counted(faults.incomplete, 'result')} without a declared number; first: {lacking}"))
    return rows


def pruned_rows(found: Pruned | None) -> list[tuple[str, str]]:
    """How many children were ended early, and how far that can be trusted; nothing where none was and none would have been."""
    if found is None or not (found.children or found.audited):
        return []
    check = f"; {found.audited} more made to their end as a check, of which {found.wrong} became the best" if found.audited else ""
    text = (
        f"{counted(found.children, 'child', 'children')} ended early, which saved {found.saved_share:.0%} of the CPU of first looks"
    )
    return [("pruned", text + check)]


def where_rows(opened: RunView) -> list[tuple[str, str]]:
    """Where a run is measured; nothing where nobody has driven it yet."""
    return [("where", one_line(opened.where, 300))] if opened.where else []


def unfit_rows(unfit: Sequence[str]) -> list[tuple[str, str]]:
    """Which nodes of a cluster take no part, a line each; nothing where all do."""
    return [("unfit" if i == 0 else "", one_line(why, 300)) for i, why in enumerate(unfit)]


def operator_rows(shares: Sequence[OperatorShare]) -> list[tuple[str, str]]:
    """At how many tickets operators broke; nothing where none did."""
    broke = {one.operator: one.broken_tickets for one in shares if one.broken_tickets}
    return (
        [("operators", f"failed: {counts(broke)} (tickets without a child; why: the table tickets of evolve query)")]
        if broke
        else []
    )


def unchecked_text(waits: Unchecked) -> str:
    """That better scores wait for a fresh process, and what to type."""
    who = counted(waits.programs, "program") + (
        " with a better score, " if waits.programs == 1 else " with better scores, the best "
    )
    verb = "waits" if waits.programs == 1 else "wait"
    type_ = f"; type: {waits.command}" if waits.command else ""
    return f"{who}{number(waits.best_score)} ({waits.best_id[:10]}), {verb} to be measured from a fresh process{type_}"


_IN_WORDS = {  # of answers, what only names a kind
    "empty": "no edits in it",
    "malformed": "edits that cannot be read",
    "truncated": "cut short",
    "too_large": "too long",
    "unknown_file": "a file that is not there",
    "not_found": "lines to replace that are not in the file",
    "ambiguous": "lines to replace that stand in several places",
    "elided": "text left out",
    "immutable": "a change of what must stay",
    "overlap": "edits of the same lines",
    "scope": "more changed than may be",
    "unparsable": "no program that parses",
    "no_op": "nothing changed",
    "too_similar": "too like a known program",
}
_SILENT = {
    "over_budget": "not sent, as a limit of the budget was reached",
    "not_found": "no such model or address",
}  # of tickets without one


def _vain_text(models: ModelUse) -> str:
    """Which answers gave no child, and which tickets got no answer."""
    silent = models.unanswered
    lost = {cause: n for cause, all_of_it in models.lost.items() if (n := all_of_it - silent.get(cause, 0))}
    vain, asked = _in_words(lost, _IN_WORDS), models.tickets - sum(silent.values())
    text = f"; {sum(lost.values())} of {counted(asked, 'answer')} gave no child: {vain}" if lost else ""
    return text + (f"; {counted(sum(silent.values()), 'ticket')} without an answer: {_in_words(silent, _SILENT)}" if silent else "")


def _in_words(causes: Mapping[str, int], words: Mapping[str, str]) -> str:
    return counts({words.get(cause, cause): n for cause, n in causes.items()})


def models_text(models: ModelUse, budget: Budget) -> str:
    """What models have cost; "" where none was asked or offered."""
    if not models.offered and not models.calls:
        return ""
    cap = f" of ${budget.usd:g}" if budget.usd is not None else ""
    flying = f" and ${models.reserved_usd:.4f} reserved" if models.reserved_usd else ""
    flying += f", ${models.overrun_usd:.4f} of it beyond what was reserved" if models.overrun_usd else ""
    tokens = counted(models.tokens - models.assumed_tokens, "token")
    text = f"${models.usd:.4f}{cap} spent{flying}, {counted(models.calls, 'call')}, {tokens}"
    if models.assumed_calls:
        much = f"${models.assumed_usd:.4f} of it and {counted(models.assumed_tokens, 'more token')}"
        text += f"; {much} are assumed, for {counted(models.assumed_calls, 'call')} that no server counted or a driver left open"
    text += _vain_text(models)
    return text + "".join(f"; {model} is not asked any more: {one_line(why, 160)}" for model, why in models.refused.items())
