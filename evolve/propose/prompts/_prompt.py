"""From an assignment to what a model, a person or an agent is told.

``render`` makes a prompt for a model: a system text that is the same for the whole run, what changes slowly, the form of the
answer, and what is asked for now, in this order, since providers keep what stands first and charge little for it.  ``repair_turn``
goes on when the edits of an answer had no place; ``as_text`` is the same for people.  How it is built, and what goes first:
``docs/how-to/prompts.md``.

All are pure, except that ``as_text`` reads the shipped templates when it is given none; equal input gives equal text anywhere.
Whatever did not come from the problem brief or a template is untrusted and stands between marks (``_parts.join_parts``).
"""

from __future__ import annotations

from dataclasses import dataclass

from evolve.models import Block
from evolve.propose.edits._edits import BlockFault, EditFailure, Fault, Format
from evolve.propose.prompts._context import ProposalContext
from evolve.propose.prompts._parts import join_parts, optional_parts, required_parts
from evolve.propose.prompts._task import form_text, system_text, task_words
from evolve.propose.prompts._templates import OPERATORS, Templates
from evolve.propose.prompts._text import n_bytes, n_tokens, number, one_line

_UNRELATED = "They come from different lines of descent, so they probably owe their scores to different things."
_FREE = frozenset({"llm_mutate", "llm_crossover", "llm_paradigm"})
_PLACES = (  # where a child may differ from another of the same facts
    "what the program spends most of its time on",
    "how it represents the problem",
    "how it begins: its start, its initial values, its order",
    "what it does at the end: its last phase, what it stops by, what it keeps",
    "a number or a schedule that was never questioned",
    "what it does not use of what it is given or computes",
    "a known method for a problem of this kind that it does not have",
)


@dataclass(frozen=True, slots=True)
class Prompt:
    """What to send.

    Args:
        system: One block, marked to be kept for an hour; equal for equal task sheet and templates.
        user: What changes slowly, marked to be kept for five minutes and missing while nothing is known; the form of the answer,
            marked likewise; then the program, which calls for the same one have in common; then the rest and what is asked for.
        left_out: What did not fit, by name, the most important first.
        n_tokens: Estimate on the high side, at most the budget.
    """

    system: tuple[Block, ...]
    user: tuple[Block, ...]
    left_out: tuple[str, ...]
    n_tokens: int


@dataclass(frozen=True, slots=True)
class PromptTooLong:
    """No prompt: what none goes without is estimated at ``n_tokens``, more than ``budget_tokens``."""

    n_tokens: int
    budget_tokens: int

    @property
    def reason(self) -> str:
        """The sentence for the proposal that failed."""
        return (
            f"problem, rules and parents need a prompt of about {self.n_tokens} tokens, and {self.budget_tokens} are allowed; "
            "allow more, or shorten the problem's texts or the program."
        )


def render(
    assignment: ProposalContext, format: Format, templates: Templates, *, budget_tokens: int, max_tokens: int = 0
) -> Prompt | PromptTooLong:
    """The prompt for one child.

    Args:
        assignment: What is to be told; ``arm.operator`` is one of ``OPERATORS``.
        format: The form of the edits asked for.
        templates: The words.
        budget_tokens: Bound on the estimate of the whole prompt.
        max_tokens: How long the answer may be, which is told; 0 tells nothing.

    Returns:
        The prompt, with as much in it as the budget takes; or how much is needed at least.

    Raises:
        ValueError: An operator without a template, or too few parents for it.
    """
    _check(assignment)
    system = system_text(assignment.task, templates, format)
    inside = templates.wants("system.md", "answer")  # a user's own words have it there
    form = "" if inside else f"# Your answer\n\n{form_text(assignment.task, templates, format, max_tokens)}"
    request = _request(assignment, templates, assignment.arm.operator)
    chosen = {(piece.section, piece.place): piece.text for piece in required_parts(assignment)}
    texts = join_parts(assignment, request, chosen)
    fixed = n_bytes(system) + n_bytes(form)
    size = n_tokens(fixed + sum(map(n_bytes, texts)))
    if size > budget_tokens:
        return PromptTooLong(size, budget_tokens)
    left_out = []
    for piece in optional_parts(assignment):
        more = chosen | {(piece.section, piece.place): piece.text}
        longer = join_parts(assignment, request, more)
        n = n_tokens(fixed + sum(map(n_bytes, longer)))
        if n <= budget_tokens:
            chosen, texts, size = more, longer, n
        else:
            left_out.append(piece.name)
    slow, program, child = texts
    kept = tuple(Block(text, "5m") for text in (slow, form) if text)
    return Prompt((Block(system, "1h"),), (*kept, Block(program), Block(child)), tuple(left_out), size)


def as_text(assignment: ProposalContext, templates: Templates | None = None) -> str:
    """All of an assignment as one Markdown text for people and coding agents, who hand in whole files.

    Without ``templates`` the shipped ones are read.  Any operator that has no template is taken for ``llm_mutate``.

    Raises:
        ValueError: The assignment has no parent.
    """
    if not assignment.parents:
        raise ValueError("an assignment needs a parent, found none.")
    words = templates or Templates.load(None)
    operator = assignment.arm.operator if assignment.arm.operator in OPERATORS else "llm_mutate"
    chosen = {(piece.section, piece.place): piece.text for piece in (*required_parts(assignment), *optional_parts(assignment))}
    parts = [system_text(assignment.task, words), *join_parts(assignment, _request(assignment, words, operator), chosen)]
    if not words.wants("system.md", "answer"):
        parts.append(f"# Your answer\n\n{form_text(assignment.task, words, None)}")
    return "\n\n".join(part for part in parts if part) + "\n"


def repair_turn(failure: EditFailure, templates: Templates, *, cut_at: int = 0) -> str:
    """The next turn of the same conversation after ``apply_edits`` or ``parse_answer`` made no child: what is wrong, what to send.

    Nothing of the program is repeated: the model has it above.  The edits in ``failure.fine`` are not asked for again, so the
    caller keeps them and applies them together with those of the next answer.

    Args:
        failure: What is wrong.
        templates: The words.
        cut_at: The limit in tokens at which the answer was cut off; 0 where it ended by itself.
    """
    if cut_at:
        others = tuple(fault for fault in failure.faults if fault.fault is not Fault.TRUNCATED)
        said = f"Your answer was cut off at {cut_at:,} tokens, the most it may have, your thinking included."
        cut = BlockFault(0, Fault.TRUNCATED, said)
        failure = EditFailure((cut, *others), failure.fine)
    if failure.fine:
        resend = "Send only the edits that were wrong, corrected, in the same form; the others are kept."
    else:
        resend = "Send all edits again, corrected, in the same form."
    faults = {fault.fault for fault in failure.faults}
    if faults & {Fault.NOT_FOUND, Fault.AMBIGUOUS}:
        resend += " Copy the old lines exactly from the program above, and enough of them that they occur once."
    if Fault.TRUNCATED in faults:
        resend += " Make a smaller change, or the same one in a shorter form." if cut_at else " See that it is whole this time."
    return templates.fill(
        "repair_turn.md", {"feedback": failure.feedback, "resend": f"{resend} Do not repeat the three first parts."}
    )


def _check(assignment: ProposalContext) -> None:
    operator = assignment.arm.operator
    if operator not in OPERATORS:
        raise ValueError(f"expected an operator among {', '.join(OPERATORS)}, found {operator!r}.")
    least = 2 if operator == "llm_crossover" else 1
    if len(assignment.parents) < least:
        raise ValueError(f"{operator} needs {least} parents, found {len(assignment.parents)}.")


def _request(assignment: ProposalContext, templates: Templates, operator: str) -> str:
    """What the operator asks for.  Of the program only its status is named here, outside of the marks."""
    words = task_words(assignment.task) | {
        "status": one_line(assignment.parents[0].status, 40) or "not measured",
        "stagnant": str(assignment.stagnant),
        "best": "unknown" if assignment.best_score is None else number(assignment.best_score, assignment.best_sd),
        "seed": "unknown" if assignment.seed_score is None else number(assignment.seed_score, assignment.seed_sd),
        "relation": assignment.relation or _UNRELATED,
    }
    return "\n\n".join(part for part in (templates.fill(f"{operator}.md", words), _apart(assignment, operator)) if part)


def _apart(assignment: ProposalContext, operator: str) -> str:
    """What is to make this child another than those that are being made of the same program, or were just now."""
    said = ""
    if assignment.siblings:
        n = assignment.siblings
        others = "Another child of this program is" if n == 1 else f"{n} other children of this program are"
        said = f"{others} being made at this moment, from the same facts; make yours differ (it is number {n + 1}). "
    if operator in _FREE and (assignment.siblings or assignment.tried):
        said += f"Look first at {_PLACES[assignment.ticket % len(_PLACES)]}; where that promises nothing, choose freely."
    return said.strip()
