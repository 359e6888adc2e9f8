"""Children by language models: a prompt, an answer, its edits, and further turns where they cannot be applied.

Every failure is a draft that says why; only a broken engine raises.  What a model writes is text: parsed, never run.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field, replace
from typing import TYPE_CHECKING

from archive import Attempt, ProposalStatus
from evolve.models import (
    Block,
    Caller,
    CallFailure,
    FailureKind,
    Message,
    ModelInfo,
    ModelReply,
    ModelRequest,
    adapt_request,
    find_model,
    thinking_of,
)  # fmt: skip
from evolve.propose._operator import EditScope, Files
from evolve.propose.answers._formats import parse_answer
from evolve.propose.answers._thinking import spoken
from evolve.propose.edits._apply import apply_edits
from evolve.propose.edits._edits import MAX_ANSWER, AnyEdit, Applied, EditFailure, Fault, Format, Replace, RewriteBlock, failure
from evolve.propose.prompts._context import ProposalContext
from evolve.propose.prompts._prompt import Prompt, PromptTooLong, render, repair_turn
from evolve.propose.prompts._specs import SIMPLIFY
from evolve.propose.prompts._statement import Rationale, parse_rationale
from evolve.propose.prompts._templates import Templates

if TYPE_CHECKING:
    import numpy as np

_READABLE = frozenset({FailureKind.MAX_TOKENS, FailureKind.WRONG_FORM})  # what was written may hold whole edits all the same


@dataclass(frozen=True, slots=True, kw_only=True)
class SamplingSettings:
    """How models are asked."""

    max_tokens: int = 16000
    effort: str = ""
    thinking: str = ""
    prompt_tokens: int = 40000
    repairs: int = 2


@dataclass(frozen=True, slots=True, kw_only=True)
class ModelDraft:
    """What became of a ticket with a model.  ``outcome`` names what went wrong, in a word; ``calls`` are HTTP requests."""

    status: ProposalStatus
    files: Files | None = None
    statement: Rationale = field(default_factory=Rationale)
    summary: str = ""
    reason: str = ""
    outcome: str = ""
    usd: float = 0.0
    calls: int = 0
    sketch: str = ""


class ModelOperator:
    """Makes children with one provider's models.

    Args:
        caller: Asks.
        known: What the provider's server reports of its models; empty where it reports nothing.
        templates: Of prompts.
        manner: How to ask.
    """

    def __init__(self, caller: Caller, known: Mapping[str, ModelInfo], templates: Templates, manner: SamplingSettings) -> None:
        self._caller, self._known, self._templates, self._manner = caller, known, templates, manner

    async def make(self, attempt: Attempt, assignment: ProposalContext, scope: EditScope, rng: np.random.Generator) -> ModelDraft:
        """A child of the assignment's first parent.

        Args:
            attempt: The ticket.
            assignment: Its arm says operator, model and format.
            scope: What a child may change.
            rng: Draws the jitter of waits.

        Raises:
            ConfigError: the model has no price.
            UsageError: a recording or a script has no answer.
        """
        format = Format(assignment.arm.format)
        manner = self._manner
        prompt = render(assignment, format, self._templates, budget_tokens=manner.prompt_tokens, max_tokens=manner.max_tokens)
        if isinstance(prompt, PromptTooLong):
            return ModelDraft(status=ProposalStatus.FAILED, reason=prompt.reason, outcome="prompt_too_long")
        talk = _Conversation(self._caller, attempt, self._request(assignment, prompt), rng)
        reading = AnswerParser(assignment.parents[0].files, format, scope, shorter=assignment.arm.operator == SIMPLIFY.name)
        refused: EditFailure | None = None
        for turn in range(self._manner.repairs + 1):
            text = await talk.ask()
            if text is None and refused is not None and talk.over_budget:
                break  # what came of the ticket is the answer that is there
            if text is None:
                return talk.failed()
            made = reading.apply(text, partial=turn == self._manner.repairs or talk.truncated, cut=talk.truncated)
            if isinstance(made, Applied):
                said = reading.statement
                summary = _summary(said, made, assignment.arm.operator, cut=talk.truncated)
                return talk.draft(status=ProposalStatus.CHILD, files=made.files, statement=said, summary=summary)
            talk.follow_up(text, repair_turn(made, self._templates, cut_at=talk.cut_at))
            refused = made
        assert refused is not None
        said = reading.statement
        return talk.draft(status=ProposalStatus.INVALID, statement=said, reason=refused.feedback, outcome=str(refused.fault))

    def _request(self, assignment: ProposalContext, prompt: Prompt) -> ModelRequest:
        request = ModelRequest(
            model=assignment.arm.model,
            messages=(Message("user", prompt.user),),
            max_tokens=self._manner.max_tokens,
            system=prompt.system,
            effort=self._manner.effort,  # type: ignore[arg-type]
            thinking=thinking_of(self._manner.thinking),
        )
        info = find_model(assignment.arm.model, self._known)
        return adapt_request(request, info).request if info is not None else request


class _Conversation:
    """One conversation about one ticket: what was asked, what it cost, how the last call failed."""

    def __init__(self, caller: Caller, attempt: Attempt, request: ModelRequest, rng: np.random.Generator) -> None:
        self._caller, self._attempt, self._request, self._rng = caller, attempt, request, rng
        self._calls, self._usd = 0, 0.0
        self._failure: CallFailure | None = None
        self.truncated = False  # the last answer was not whole
        self.cut_at = 0  # the limit that it hit, in tokens
        self._new = "\n\n".join(block.text for block in (*request.system, *request.messages[0].blocks))

    async def ask(self) -> str | None:
        """The answer's text, or None where there is none that could hold edits."""
        outcome = await self._caller.ask(self._attempt, self._request, self._rng, prompt=self._new, first_call=self._calls + 1)
        self._calls += outcome.calls
        self._usd += outcome.usd
        answer = outcome.answer
        self.truncated, self.cut_at = False, 0
        if isinstance(answer, ModelReply):
            return answer.text
        self._failure = answer
        self.cut_at = self._request.max_tokens if answer.kind is FailureKind.MAX_TOKENS else 0
        self.truncated = answer.kind in _READABLE and bool(answer.text)
        return answer.text if self.truncated else None

    def follow_up(self, said: str, more: str) -> None:
        """A further turn in the same conversation."""
        messages = (
            *self._request.messages,
            Message("assistant", (Block(said or "(nothing)"),)),
            Message("user", (Block(more),)),
        )
        self._request, self._new = replace(self._request, messages=messages), more

    @property
    def over_budget(self) -> bool:
        """Whether the last call was not sent, as a limit left no room for it."""
        return self._failure is not None and self._failure.kind is FailureKind.OVER_BUDGET

    def failed(self) -> ModelDraft:
        """The draft where the last call gave nothing."""
        assert self._failure is not None
        return self.draft(status=ProposalStatus.FAILED, reason=self._failure.sentence, outcome=str(self._failure.kind))

    def draft(self, **found: object) -> ModelDraft:
        return ModelDraft(usd=self._usd, calls=self._calls, **found)  # type: ignore[arg-type]


class AnswerParser:
    """The answers of one conversation as edits of one parent.  Edits that had their place in an earlier answer are kept.

    Args:
        parent: What is edited.
        format: What was asked for.
        scope: What a child may change.
        shorter: Whether the child must have fewer bytes than its parent.
    """

    def __init__(self, parent: Files, format: Format, scope: EditScope, *, shorter: bool = False) -> None:
        self._parent, self._format, self._scope, self._shorter = parent, format, scope, shorter
        self._kept: tuple[AnyEdit, ...] = ()
        self.statement = Rationale()

    def apply(self, text: str, *, partial: bool, cut: bool = False) -> Applied | EditFailure:
        """The child that this answer and what was kept describe.

        Args:
            text: The answer, with or without what the model thought.
            partial: Take what can be had.
            cut: The server says that the answer hit a limit.  Then only edits that have their end count, and none where the answer
                does not say what it does: they may be a draft.
        """
        if self.statement == Rationale():
            known = "\n".join(self._parent.values())
            self.statement = parse_rationale(spoken(text.replace("\r\n", "\n")[:MAX_ANSWER], known).text)
        answer = parse_answer(text, self._format, self._parent, cut=cut)
        if isinstance(answer, EditFailure):
            return answer
        drafted = cut and self.statement == Rationale()
        if drafted and not answer.rejected and not self._kept:
            said = (
                "The answer was cut off and does not say what it does, so its edits may be a draft; think less, and send the edits."
            )
            return failure(Fault.TRUNCATED, said)
        new = {_place(edit) for edit in answer.edits}
        kept = (edit for edit in self._kept if _place(edit) not in new)
        edits = (*answer.edits, *(replace(edit, number=len(answer.edits) + i) for i, edit in enumerate(kept, 1)))
        if answer.rejected and (drafted or not partial):
            self._kept = edits
            return EditFailure(answer.rejected, tuple(edit.number for edit in edits))
        made = apply_edits(self._parent, edits, self._scope, partial=partial)
        if partial and isinstance(made, EditFailure) and (older := _overlapping(made, beyond=len(answer.edits))):
            edits = tuple(edit for edit in edits if edit.number not in older)
            made = apply_edits(self._parent, edits, self._scope, partial=True)
        if isinstance(made, EditFailure):
            self._kept = tuple(edit for edit in edits if edit.number in made.fine)
        elif self._shorter and _size(made.files) >= _size(self._parent):
            self._kept = ()
            sizes = f"the program has {_size(self._parent)} bytes, yours {_size(made.files)}"
            return failure(Fault.NO_OP, f"A simplification must be shorter: {sizes}.")
        return made


def _place(edit: AnyEdit) -> tuple[str, str]:
    """What an edit is about: one that comes again replaces the earlier one."""
    if isinstance(edit, Replace):
        return edit.path, edit.search
    return edit.path, f"block {edit.block}" if isinstance(edit, RewriteBlock) else "the file"


def _overlapping(made: EditFailure, *, beyond: int) -> frozenset[int]:
    """The edits kept from earlier answers, where they are all that overlaps: what the last answer says goes before them."""
    numbers = frozenset(fault.number for fault in made.faults if fault.fault is Fault.OVERLAP)
    return numbers if numbers and min(numbers) > beyond else frozenset()


def _size(files: Files) -> int:
    return sum(len(text.encode()) for text in files.values())


def _summary(said: Rationale, made: Applied, operator: str, *, cut: bool) -> str:
    """What a child is, in the model's words where it has some, and what of its answer is missing."""
    summary = said.summary or f"{operator} at {_places(made)}"
    left = f"{len(made.rejected)} of its edits left out" if made.rejected else ""
    if cut:
        return f"{summary} [answer cut off{', ' + left if left else ''}]"
    return f"{summary} [{left}]" if left else summary


def _places(made: Applied) -> str:
    return ", ".join(f"{placed.path}:{placed.line}" for placed in made.placed[:4])
