"""What changes from prompt to prompt, as pieces: each has a place, a text, and a rank by which it stays when room is short."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from dataclasses import dataclass

from evolve.propose.prompts._context import Cost, PriorAttempt, ProgramView, ProposalContext, RelatedProgram, RemovedCode
from evolve.propose.prompts._text import (
    changes,
    clean,
    curve_line,
    effect,
    encodable,
    fenced,
    mark_for,
    number,
    one_line,
    show_files,
    values,
)

SLOW = ("start", "failures", "notes")
PROGRAM = ("base", "parent", "second")
CHILD = ("tried", "removed", "inspirations", "related", "stands", "request")
MAX_FEEDBACK, MAX_REASON, MAX_SUMMARY, MAX_NOTE, MAX_IDEA = 4000, 400, 200, 300, 300  # characters
MAX_NOTES, MAX_REMOVED = 50, 20  # lines; removed: of one change

_INTRO = {
    "failures": ("How children failed so far", "By kind, with the reason of the latest."),
    "notes": ("Notes", "What was measured and written down in this run."),
    "inspirations": (
        "Other good programs",
        "Elites of other kinds. Where their text is shown, it is as a unified diff from the program to change.",
    ),
    "related": (
        "Good programs of related problems",
        "Other evaluators measured them: their scores cannot be compared with this problem's. Their ideas may carry over.",
    ),
    "tried": (
        "Tried on this program before",
        "Children of the program to change: what each did, and by how much its score differs from the program's.",
    ),
    "removed": (
        "Removed on the way to this program",
        "Lines that earlier changes took out, and by how much these moved the score. Putting them back repeats a measurement.",
    ),
    "base": ("The working program that the failed one was made from", "The fault is in what differs, or comes from it."),
    "parent": ("The program to change", ""),
    "second": ("The second program", "Take from it; do not change it."),
}
_APPROACHES = ("Approaches so far", "The best of each kind of program that the search has found.")


@dataclass(frozen=True, slots=True)
class PromptPart:
    """``text`` for one place of a section.  A later piece for the same place takes it over.  ``name`` tells what was left out."""

    section: str
    place: int
    text: str
    name: str = ""


# --------------------------------------------------------------------------------------------------- together


def join_parts(assignment: ProposalContext, request: str, pieces: Mapping[tuple[str, int], str]) -> tuple[str, str, str]:
    """The text that changes slowly, that of the program to change, and that of this child, each with a mark of its own.

    ``request`` is what is asked for.
    """
    slow, program, child = (_joined(sections, assignment, request, pieces) for sections in (SLOW, PROGRAM, CHILD))
    return slow, program, child


def _joined(sections: tuple[str, ...], assignment: ProposalContext, request: str, pieces: Mapping[tuple[str, int], str]) -> str:
    chosen = {section: [pieces[key] for key in sorted(pieces) if key[0] == section] for section in sections}
    mark = mark_for(text for section in sections for text in chosen[section])
    parts = []
    for section in sections:
        if section == "start":
            parts.append(_start(assignment))
        elif section == "stands":
            parts.append(_stands(assignment))
        elif section == "request":
            parts.append(f"# What to do now\n\n{request}")
        elif chosen[section]:
            approaches = section == "inspirations" and assignment.arm.operator == "llm_paradigm"
            title, intro = _APPROACHES if approaches else _INTRO[section]
            body = "\n".join((mark, *chosen[section], mark))
            parts.append("\n\n".join(part for part in (f"# {title}", intro, body) if part))
    return encodable("\n\n".join(part for part in parts if part))


def _start(assignment: ProposalContext) -> str:
    """Where the search began: this does not move any more once it is measured."""
    task, score = assignment.task, assignment.seed_score
    if score is None:
        return ""
    said = f"{task.metric} {number(score, assignment.seed_sd)}{_times(assignment.seed_n)}"
    return f"# Where the search began\n\nThe initial program: {said}"


def _stands(assignment: ProposalContext) -> str:
    lines = []
    if assignment.best_score is not None:
        said = number(assignment.best_score, assignment.best_sd)
        lines.append(f"- Best so far: {assignment.task.metric} {said}{_times(assignment.best_n)}")
    if assignment.left:
        lines.append(f"- Left of the run: {assignment.left}")
    return "# Where the search stands\n\n" + "\n".join(lines) if lines else ""


def _times(n: int) -> str:
    return f" ({n} measurement{'' if n == 1 else 's'})" if n else ""


# --------------------------------------------------------------------------------------------------- pieces


def required_parts(assignment: ProposalContext) -> list[PromptPart]:
    """What no prompt goes without: the first parent whole, and the second, whole or as a diff, whichever is shorter."""
    first, *others = assignment.parents
    pieces = [PromptPart("parent", 0, _about(first, assignment)), PromptPart("parent", 3, show_files(first.files))]
    if assignment.base is not None:
        pieces += [PromptPart("base", 0, _about(assignment.base, assignment)), PromptPart("base", 1, _base(assignment.base, first))]
    for second in others[:1]:
        whole, diff = _second(first, second)
        text = whole if diff is None or len(whole) <= len(diff) else diff
        pieces += [PromptPart("second", 0, _about(second, assignment)), PromptPart("second", 1, text)]
    return pieces


def optional_parts(assignment: ProposalContext) -> Iterator[PromptPart]:
    """The rest, the most important first: the order in which pieces are given what room there is."""
    first, *others = assignment.parents
    if feedback := clean(first.feedback, MAX_FEEDBACK):
        yield PromptPart("parent", 1, f"What the evaluator said:\n{feedback}", "feedback")
    for second in others[:1]:
        whole, diff = _second(first, second)
        if diff is not None and len(diff) < len(whole):
            yield PromptPart("second", 1, whole, "whole text of the second program")
    for i, tried in enumerate(assignment.tried):
        yield PromptPart("tried", i, _tried(tried, assignment), f"tried {_short(tried.id)}")
    for i, failed in enumerate(assignment.failures):
        often = "once" if failed.count == 1 else f"{failed.count} times"
        line = f"- {one_line(failed.status, 40)}, {often}: {one_line(failed.reason, MAX_REASON)}"
        yield PromptPart("failures", i, line, f"failures {one_line(failed.status, 40)}")
    notes = [line for line in clean(assignment.notes, MAX_NOTES * MAX_NOTE).split("\n") if line.strip()]
    for i, note in enumerate(notes[:MAX_NOTES]):
        yield PromptPart("notes", i, one_line(note, MAX_NOTE), f"note {i + 1}")
    for i, other in enumerate(assignment.inspirations):
        yield PromptPart("inspirations", i, _about(other, assignment), f"inspiration {_short(other.id)}")
    for i, one in enumerate(assignment.related):
        yield PromptPart("related", i, _related(one), f"program of {one_line(one.problem, 40)}")
    if curve := curve_line(first.curve):
        yield PromptPart("parent", 2, f"Learning curve: {curve}", "learning curve")
    for i, removed in enumerate(() if assignment.base is not None else assignment.removed):  # a repair has the whole difference
        yield PromptPart("removed", i, _removed(removed, assignment), f"removed at {_short(removed.child)}")
    if assignment.arm.operator != "llm_paradigm":  # which wants to know what there is, not how to change into it
        yield from _diffs(assignment)


def _diffs(assignment: ProposalContext) -> Iterator[PromptPart]:
    """Inspirations again, with their text as a diff, where that is shorter than the text."""
    first = assignment.parents[0]
    for i, other in enumerate(assignment.inspirations):
        diff = changes(first.files, other.files)
        if diff and len(diff) < sum(len(text) for text in other.files.values()):
            text = f"{_about(other, assignment)}\n{fenced(diff, 'diff')}"
            yield PromptPart("inspirations", i, text, f"changes of inspiration {_short(other.id)}")


def _related(program: RelatedProgram) -> str:
    """The best of a related problem, whole."""
    first = "" if program.seed_score is None else f", its initial program {number(program.seed_score)}"
    said = f"Of {one_line(program.problem, 40)} ({program.goal} {program.metric}): {number(program.score)}{first}"
    return f"{said}\n{show_files(program.files)}"


def _base(base: ProgramView, broken: ProgramView) -> str:
    """The working program, as what was changed of it or whole, whichever is shorter."""
    whole, diff = show_files(base.files, leave=broken.files), changes(base.files, broken.files)
    if not diff or len(whole) <= len(diff):
        return whole
    return f"What was changed of it, as a unified diff to the program that failed:\n{fenced(diff, 'diff')}"


def _second(first: ProgramView, second: ProgramView) -> tuple[str, str | None]:
    """The second parent whole, and as a diff, which is None where both are too long to compare."""
    diff = changes(first.files, second.files)
    if diff is not None:
        diff = f"As a unified diff from the first program:\n{fenced(diff, 'diff')}" if diff else "The same text as the first."
    return show_files(second.files, leave=first.files), diff


def _about(program: ProgramView, assignment: ProposalContext) -> str:
    """What is known of a program, in a line or a few, its text apart."""
    task = assignment.task
    score = "no score" if program.status else "not measured"
    if program.score is not None:
        score = f"{task.metric} {number(program.score, program.sd)}"
    times = _times(program.n)
    status = f", status {one_line(program.status, 40)}" if program.status not in ("", "ok") else ""
    lines = [f"Program {_short(program.id)}: {score}{times}{status}"]
    if program.reason:
        lines.append(f"Reason: {one_line(program.reason, MAX_REASON)}")
    if program.summary:
        lines.append(f"What its change was: {one_line(program.summary, MAX_SUMMARY)}")
    if program.hypothesis:
        lines.append(f"The idea of its change: {one_line(program.hypothesis, MAX_IDEA)}")
    if program.expected:
        came = effect(program.effect, program.effect_sd, task.goal == "maximize") if program.effect is not None else "no score"
        lines.append(f"Expected of it: {one_line(program.expected, MAX_IDEA)}; measured: {came}")
    if program.cost is not None:
        lines.append(_cost(program.cost))
    if program.metrics:
        lines.append(f"Also measured: {values(program.metrics)}")
    if program.descriptors:
        lines.append(f"Its kind: {values(program.descriptors)}")
    return "\n".join(lines)


def _cost(cost: Cost) -> str:
    parts = [f"{cost.wall_s:.3g} s on the clock", f"{cost.cpu_s:.3g} s of CPU"]
    parts += [f"{cost.memory_mib:.0f} MiB of memory"] if cost.memory_mib else []
    return f"Its last measurement took {', '.join(parts)}."


def _tried(tried: PriorAttempt, assignment: ProposalContext) -> str:
    idea = one_line(tried.hypothesis, MAX_IDEA)
    summary = (idea if tried.lines else "") or one_line(tried.summary, MAX_SUMMARY) or "no summary"  # lines say what was done
    if tried.effect is not None:
        came = effect(tried.effect, tried.sd, assignment.task.goal == "maximize")
    else:
        came = f"no score, {one_line(tried.status, 40)}: {one_line(tried.reason, MAX_REASON)}".rstrip(": ")
    expected = f"; expected: {one_line(tried.expected, MAX_IDEA)}" if tried.expected else ""
    lines = [f"- {_short(tried.id)}: {summary} -> {came}{expected}"]
    if idea and not tried.lines:
        lines.append(f"  idea: {idea}")
    return "\n".join([*lines, *(f"  {line[:1]}{_code_line(line[1:])}" for line in tried.lines)])


def _removed(removed: RemovedCode, assignment: ProposalContext) -> str:
    came = "no score" if removed.effect is None else effect(removed.effect, removed.sd, assignment.task.goal == "maximize")
    lines = [_code_line(line) for line in removed.lines[:MAX_REMOVED]]
    more = f"\n({len(removed.lines) - MAX_REMOVED} more lines)" if len(removed.lines) > MAX_REMOVED else ""
    return f"- by {_short(removed.child)}: {came}\n{fenced(chr(10).join(lines))}{more}"


def _code_line(line: str) -> str:
    """A line of code to be read, not quoted: cleaned, with its indentation."""
    return line[: len(line) - len(line.lstrip(" \t"))][:80] + clean(line, MAX_SUMMARY)


def _short(id: str) -> str:
    return one_line(id, 40)[:12]
