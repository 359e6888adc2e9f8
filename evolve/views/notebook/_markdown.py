"""The lab journal as Markdown.  Candidates' and models' words stand in it as words: on one line, cut, and escaped."""

from __future__ import annotations

import re
from collections.abc import Iterator

from evolve._counted import counted
from evolve._untrusted import clean, visible
from evolve.propose.prompts._text import fenced, number
from evolve.views._progress import BY_NOBODY
from evolve.views.notebook._attempts import Attempt
from evolve.views.notebook._graveyard import Graveyard
from evolve.views.notebook._notebook import Notebook, Page
from evolve.views.notebook._plans import OpenIdea, Plans
from evolve.views.notebook._resolved import Resolved
from evolve.views.notebook._steps import Line

_SPECIAL = re.compile(r"([\\`*_{}\[\]<>|~#&$@!])|(?<=\w)(:)(?=//)|(?<=\bwww)(\.)", re.IGNORECASE)
_LEADING = re.compile(r"\A(\d*)([-+=.)])")
_WORDS, _REASON, _IDEA = 120, 80, 240  # characters
_ID = 10


def markdown(book: Notebook) -> str:
    """The journal's text."""
    lines = [
        f"# Lab journal of run {words(book.run, 80)}",
        "",
        "Rebuilt from the records as results come in: what is written into this file is lost; notes are kept by `evolve note`.",
        "Words of whoever made a child are quoted as they are: nobody has checked them.",
    ]
    for page in book.pages:
        head = "##"
        if len(book.pages) > 1:
            lines += ["", f"## {words(page.problem, 80)}"]
            head = "###"
        lines += _page(page, head)
    return "\n".join(lines) + "\n"


def words(text: str, most: int) -> str:
    """Untrusted text on one line, cut, without a meaning in Markdown."""
    line = " ".join(clean(text[: 4 * most]).split())
    line = line if len(line) <= most else f"{line[: most - 1]}…"
    return _LEADING.sub(r"\1\\\2", _SPECIAL.sub(lambda found: f"\\{found[0]}", line))


def _page(page: Page, head: str) -> Iterator[str]:
    parts = (
        ("Where it stands", _standing(page)),
        ("What was tried", _tried(page)),
        ("What moved", _moved(page.line)),
        ("What the noise can resolve", _noise(page.resolved, page)),
        ("Graveyard", _graves(page.graveyard)),
        ("Planned next", _next(page.plans)),
        ("Said and done", _drifts(page)),
    )
    for title, lines in parts:
        yield from ("", f"{head} {title}", "")
        yield from lines


# --------------------------------------------------------------------------------------------------- sections


def _standing(page: Page) -> Iterator[str]:
    seen = page.progress
    caveat = f" The score is {words(page.caveat, 200)}." if page.caveat else ""
    unit = f" ({words(page.unit, 40)})" if page.unit else ""
    yield f"- `{page.problem}`: {words(page.aim, 120)}{unit}; `search={page.policy}`.{caveat}"
    why = f" ({words(page.reason, 300)})" if page.reason not in ("", page.status) else ""
    tried = f"{counted(seen.candidates, 'child', 'children')}, {counted(seen.measurements, 'measurement')}"
    spent = f"{seen.elapsed_s:.0f} s on the clock, {seen.cpu_s:.0f} s of CPU"
    yield f"- {page.status.capitalize()}{why}: {tried}, {spent}."
    if seen.seed is None or seen.best is None:
        yield "- Nothing is measured yet."
        return
    start, best = (number(one.score, one.sd) for one in (seen.seed, seen.best))
    gain = f", gain {seen.gain:+.4g}" if seen.gain is not None else ""
    found = f"best {best} (`{seen.best.id[:_ID]}`{gain}{f'; {seen.word}' if seen.word else ''})"
    found = "nothing better stands" if seen.best_operator == BY_NOBODY else found
    yield f"- Initial program {start}, {found}{_checked(page)}."


def _checked(page: Page) -> str:
    """What was measured of it on fresh seeds."""
    final, seen = page.final, page.progress
    error = "" if final is None or final.gain_se is None else f", standard error {final.gain_se:.2g}"
    text = "" if final is None else f"; final runs: `{final.candidate[:_ID]}` has gain {final.gain:+.3g}{error}, {final.verdict}"
    return text + (f"; {seen.claims} of {counted(seen.openings, 'vault')} confirmed" if seen.openings else "")


def _tried(page: Page) -> Iterator[str]:
    if not page.attempts:
        yield "Nothing yet."
        return
    of = counted(page.progress.candidates, "child", "children")
    yield f"The latest {len(page.attempts)} of {of}, the newest first. The effect is the score minus the parent's."
    yield ""
    yield "| child | parent | made by | in its maker's words | effect | verdict |"
    yield "|---|---|---|---|---|---|"
    for one in page.attempts:
        cells = (f"`{one.id[:_ID]}`", f"`{one.parent[:_ID]}`", words(one.maker, 60), words(one.words, _WORDS), _effect(one))
        yield f"| {' | '.join(cells)} | {words(one.verdict, _REASON)} |"


def _effect(one: Attempt) -> str:
    if one.effect is None:
        return ""
    return number(one.effect, one.effect_sd, "+") if one.effect_sd else f"{one.effect:+.4g}"


def _moved(line: Line) -> Iterator[str]:
    if not line.length:
        yield "Nothing yet: the initial program stands."
        return
    if len(line.steps) < line.length:
        yield f"{line.length} changes lead to the best. Here are {len(line.steps)}: the last, and those that moved the score most."
        yield ""
    for one in line.steps:
        effect = f"{_effect(one.made)}, " if one.made.effect is not None else ""
        said = f": {words(one.made.words, _WORDS)}" if one.made.words else ""
        yield f"- `{one.made.id[:_ID]}` by {words(one.made.maker, 60)}{said} ({effect}{words(one.made.verdict, _REASON)})"
        yield ""
        shown = [visible(text) for text in one.lines]
        more = "the files are too long to be compared" if one.more is None else f"{counted(one.more, 'more line')}"
        shown += [f"# {more}"] if one.more is None or one.more else []
        yield "\n".join(f"  {text}" for text in fenced("\n".join(shown), "diff").split("\n"))
        yield ""


def _noise(found: Resolved, page: Page) -> Iterator[str]:
    if not found.noisy:
        yield f"Scores are declared to be deterministic. {words(found.found, 300)}".rstrip()
        if found.found:
            yield f"{found.below} of {counted(found.listed, 'listed difference')} are within what was found."
        return
    if found.noise is None or not found.least:
        yield "The noise is not known yet: no program was measured twice. No difference above says anything."
        return
    noise = found.noise
    unit = f" {words(page.unit, 40)}" if page.unit else ""
    yield f"- One run scatters with sd {noise.sd:.3g}{unit} (90 % interval {noise.low:.3g} to {noise.high:.3g}, df {noise.df})."
    least = ", ".join(f"{value:.3g} with {counted(runs, 'run')}" for runs, value in found.least)
    yield f"- A difference of two programs is more than noise alone does in 19 cases of 20 from: {least} of each."
    verb = "is" if found.below == 1 else "are"
    listed = counted(found.listed, "difference")
    yield f"- {found.below} of {listed} in the table {verb} within the noise: no improvement. Others may be noise too."
    yield "- What holds is confirmed on fresh seeds: `evolve claims`."


def _graves(found: Graveyard) -> Iterator[str]:
    if found.measured:
        measured = counted(found.measured, "child with a score", "children with a score")
        yield f"- {found.lost} of {measured} were no better than their parent when they were measured."
    if found.known or found.without:
        yield f"- {counted(found.known, 'ticket')} led to a program that was known, {found.without} to none."
    if not found.failed:
        yield "- No child failed."
        return
    yield f"- {counted(found.failed, 'child', 'children')} failed:"
    for grave in found.graves:
        yield f"  - {counted(grave.n, 'time')}: {words(grave.reason, _WORDS)} (latest `{grave.latest[:_ID]}`)"
    if found.kinds > len(found.graves):
        yield f"  - and {counted(found.kinds - len(found.graves), 'more kind')}"


def _next(found: Plans) -> Iterator[str]:
    if found.course:
        yield f"- The search: {found.course}."
    if found.waiting:
        yield f"- {counted(found.waiting, 'child waits', 'children wait')} to be measured."
    for ticket in found.tickets:
        yield f"- {words(ticket, 160)}"
    for note in found.notes:
        yield f"- Note{f' of {words(note.author, 40)}' if note.author else ''}: {words(note.text, _IDEA)}"
    if found.untested:
        yield f"- Stated and not tested ({found.untested}):"
    yield from map(_idea, found.ideas)
    if found.again:
        yield f"- The bottleneck moved {found.moved}. Discarded under the old one, and worth another try:"
    yield from map(_idea, found.again)
    if not (found.course or found.waiting or found.tickets or found.notes or found.untested or found.again):
        yield "Nothing was stated."


def _idea(idea: OpenIdea) -> str:
    plan = f" Plan: {words(idea.plan, _IDEA)}" if idea.hypothesis and idea.plan else ""
    return f"  - `{idea.id[:_ID]}`, {idea.why}: {words(idea.hypothesis or idea.plan, _IDEA)}{plan}"


def _drifts(page: Page) -> Iterator[str]:
    found, n = page.drifts, page.n_drifts
    if not page.attempts:
        yield "Nothing yet."
        return
    if not page.stated:
        yield "Operators without a model made all children, and their words are made of the change: there is nothing to compare."
        return
    if not n:
        yield "No change was found to differ from what was said of it."
        return
    yield f"{counted(n, 'change is', 'changes are')} not what was said of {'it' if n == 1 else 'them'}:"
    yield ""
    for one in found:
        yield f"- `{one.id[:_ID]}` by {words(one.maker, 60)}: {words(one.text, _IDEA)}"
