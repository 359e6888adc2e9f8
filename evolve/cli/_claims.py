"""What was claimed, and what is taken back: claims, retract."""

from __future__ import annotations

import shlex
from argparse import Namespace
from collections.abc import Iterator, Sequence
from datetime import UTC, datetime
from typing import TYPE_CHECKING

from evolve._counted import counted
from evolve._errors import EXIT_DONE
from evolve.cli._command import JSON, PROBLEM, RUN, Argument, Verb
from evolve.cli.show._text import (
    columns,
    counted_text,
    duration,
    final_rows,
    gain,
    one_line,
    put,
    put_json,
    signed,
    unchecked_text,
)
from evolve.cli.show._vaults import effect_text, refusal_text

if TYPE_CHECKING:
    from evolve.views._run_view import RunView
    from evolve.views._summary import FinalRuns
    from evolve.views.claims._report_cards import ReportCard, ReportCards, RulingMade
    from evolve.views.claims._verify import Verification


def claims(words: Namespace) -> int:
    from evolve.cli.show._json_runs import any_json, claims_json
    from evolve.engine._reading import view_all
    from evolve.views._run_view import named_view

    views = view_all(words.RUN)
    problem = words.problem or ""
    if words.json:
        put_json(any_json(views, problem, claims_json))
    elif len(views) > 1 and not problem:
        put("\n\n".join(f"{one.problem.contract.name}\n{_claims_text(one)}" for one in views))
    else:
        put(_claims_text(named_view(views, problem)))
    return EXIT_DONE


def _claims_text(opened: RunView) -> str:
    from evolve.views.claims._claims import claims

    found = claims(opened)
    if found.exact is not None:
        return exact_text(found.exact)
    return cards_text(found.cards) if found.cards.cards else _none_text(opened, found.final)


def retract(words: Namespace) -> int:
    from evolve.engine._reading import view_run
    from evolve.engine.api._create import open_run
    from evolve.runs._folder import is_driven, open_folder

    run = open_run(words.RUN).of(view_run(words.RUN, words.problem or "", words.ID).problem.contract.name)
    one = run.candidate(words.ID)
    heirs = run.retract(one, words.why or "")
    if words.json:
        put_json({"run": str(run.path), "candidate": one.id, "descendants": heirs})
        return EXIT_DONE
    put(f"{one.id} is retracted: it has left the archive, and claims made for it stay visible as withdrawn.")
    if heirs:
        put(f"descended from it: {counted(len(heirs), 'program')}; what holds a place, title or claim is measured again next:")
        put("\n".join(f"  {heir}" for heir in heirs[:10]) + (f"\n  ... {len(heirs) - 10} more" if len(heirs) > 10 else ""))
        if not is_driven(open_folder(run.path)):
            put(f"next: evolve resume {shlex.quote(str(run.path))}")
    return EXIT_DONE


def cards_text(cards: ReportCards) -> str:
    """The report cards for people."""
    rows = [
        ("problem", f"{cards.problem}, evaluator {cards.evaluator}, compute rule {cards.frame}"),
        ("engine", cards.engine),
        ("tried", f"{counted(cards.candidates, 'candidate')}, {counted(cards.measurements, 'run')}"),
        ("vaults", f"{cards.openings} opened; false claims to be expected by chance: at most {cards.expected_false:.2g}"),
    ]
    return "\n\n".join([columns(rows), *(card_text(card, cards) for card in cards.cards)])


def card_text(card: ReportCard, cards: ReportCards) -> str:
    """One report card."""
    rows = [(card.status, f"{card.candidate} against {card.reference}")]
    if card.effect is not None and card.ci_low is not None and card.ci_high is not None:
        unit = f" {cards.unit}" if cards.unit else ""
        width = card.ci_high - card.ci_low
        before = f"{unit} {cards.metric}, 95 % interval "
        shown = card.effect if card.typical is None else card.typical.effect
        rows.append(("effect", effect_text(card.effect, card.ci_low, card.ci_high, card.typical, before, holds=card.confirmed)))
        if card.median is not None:
            other = ", the other way: a few runs make the difference of the means" if card.median * shown < 0 else ""
            rows.append(("medians", f"differ by {signed(card.median, width)}{unit}{other}"))
    elif card.bound:
        rows.append(("effect", card.bound))
    searching = f"e = {card.e_value:.3g} while searching"
    if card.vault < 0:
        rows.append(("evidence", f"{searching}; no vault was opened"))
    else:
        how = "pairs at equal seeds" if card.paired else "independent seeds"
        untested = "its vault has not come to its end" if card.status == "open" else "its vault ended before the test"
        p_value = f"p = {card.p_value:.3g} on fresh seeds" if card.p_value is not None else untested
        rows.append(("evidence", f"{p_value} ({counted(card.gate[0], 'run')} against {card.gate[1]}, {how}); {searching}"))
        rows.append(("estimate", f"from {counted(card.estimate[0], 'further run')} against {card.estimate[1]}"))
    runs = ", ".join(f"{name} {count}" for name, count in card.runs.items())
    rows.append(("runs", f"{runs}; blocks lost {card.retries}, void {card.voids}"))
    rows.append(("made", f"on {counted(card.occasions, 'separate occasion')}, over {duration(card.over_s)} in all"))
    if card.span_s is not None:
        rows.append(("span", f"{duration(card.span_s)} from the vault's first run to its last; what is slower it cannot have seen"))
    if cards.caveat:
        rows.append(("score", cards.caveat))
    rows.append(("where", f"sandbox {', '.join(card.tiers) or '-'}; machine {', '.join(card.machines) or '-'}"))
    rows += _measured_on(card.hardware, cards.depends_on_speed)
    if card.suspect:
        rows.append(("suspect", card.suspicion))
    if cards.far_off is not None and not card.confirmed:
        rows.append(("far off", counted_text(cards.far_off, cards.noise_sd or 0.0)))
    if card.reason:
        rows.append(("reason", refusal_text(card.reason, card.typical, 300)))
    if not card.confirmed and any(one.confirmed for one in card.rulings):
        rows.append(("history", "; ".join(_history(card.rulings))))
    return columns(rows)


def _history(rulings: Sequence[RulingMade]) -> Iterator[str]:
    """What was ruled of a claim, one after the other; a second refusal in a row says nothing new."""
    before: RulingMade | None = None
    for one in rulings:
        if before is None or one.confirmed != before.confirmed:
            when = datetime.fromtimestamp(one.at, UTC).isoformat(timespec="seconds")
            word = "confirmed" if one.confirmed else "taken back" if before else "not confirmed"
            yield f"{when} {word}" + (f": {one_line(one.reason, 160)}" if one.reason else "")
        before = one


def exact_text(exact: Verification) -> str:
    """What a deterministic problem's best program came to when it was verified again."""
    rows = [(exact.status, f"{exact.candidate or '-'}: {exact.found}")]
    if exact.gain is not None and exact.seed_score is not None:
        rows.append(("gain", gain(exact.gain, exact.seed_score)))
    if exact.unchecked is not None:
        rows.append(("better", unchecked_text(exact.unchecked)))
    if exact.caveat:
        rows.append(("score", exact.caveat))
    return columns([*rows, *_measured_on(exact.hardware, exact.depends_on_speed)])


def _measured_on(hardware: Sequence[str], depends_on_speed: bool) -> list[tuple[str, str]]:
    there = "; scores hang on speed, so it holds there" if depends_on_speed else ""
    return [("measured", f"on {'; '.join(hardware)}{there}")] if hardware else []


def _none_text(opened: RunView, final: FinalRuns | None) -> str:
    """That nothing is claimed, what the final runs say, and what to type or to wait for."""
    from evolve.views.claims._claims import more_to_confirm

    run, more = opened.quote(), more_to_confirm(opened)
    none = "no vault was opened: nothing is claimed." + (f"\n\n{columns(final_rows(final))}\n" if final is not None else "")
    if beyond := opened.progress().beyond:
        return f"{none}\n{beyond}, and start a new run\nnext: evolve status {run}"
    if opened.driven:
        when = "once a program has the evidence for one and what is set aside pays for it, at the latest when searching is over"
        return f"{none}\nthe run goes on: a vault opens {when}\nnext: evolve status {run}"
    word = "with more to spend" if opened.status not in ("created", "stopped", "interrupted") else "to go on"
    return f"{none}\nnext: evolve status {run}" + (f"; {word}: {more}" if more else "")


VERBS = (
    Verb(
        "claims",
        "what a run claims, with the evidence; for a deterministic problem, its best program verified again",
        (RUN, PROBLEM, JSON),
        claims,
    ),
    Verb(
        "retract",
        "take a candidate out that was found to cheat; the next best takes its place",
        (
            RUN,
            Argument("ID", "the candidate, as many letters as tell it"),
            Argument("--why", "the reason", value="TEXT"),
            PROBLEM,
            JSON,
        ),
        retract,
        acts=True,
        notes="Works on a live run and on one that nobody drives.  Claims stay visible as withdrawn.",
    ),
)
