"""What a model's answer asks to change, as data: edits, where they went, or why they went nowhere.

``answers.parse_answer`` makes edits of an answer's text, ``_apply.apply_edits`` makes a child of them.  Both give values
back, whatever the text.  Why it is so: ``docs/design/edits.md``.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from enum import StrEnum

MAX_ANSWER = 1_000_000  # characters of one answer
MAX_EDITS = 64  # of one answer
MAX_FEEDBACK = 2_000  # characters that go back to the model


class Format(StrEnum):
    """What the model was asked for.  It decides only what a fenced block without further words means."""

    DIFF = "diff"
    BLOCK = "block"
    FILE = "file"


class MatchTier(StrEnum):
    """How an edit found its place, strictest first.  Journaled, so the values stay."""

    EXACT = "exact"
    TRAILING = "trailing_space"
    INDENT = "indent"
    ELIDED = "elided"
    TOKENS = "tokens"
    INLINE = "inline"
    FUZZY = "fuzzy"


class Fault(StrEnum):
    """Why an edit, or a whole answer, is no use.  Journaled, so the values stay."""

    EMPTY = "empty"  # the answer holds no edit
    MALFORMED = "malformed"
    TRUNCATED = "truncated"
    TOO_LARGE = "too_large"
    UNKNOWN_FILE = "unknown_file"
    NOT_FOUND = "not_found"
    AMBIGUOUS = "ambiguous"
    ELIDED = "elided"  # text left out that nothing here can put back
    IMMUTABLE = "immutable"
    OVERLAP = "overlap"
    SCOPE = "scope"  # every edit has its place, the sum of them is not allowed
    UNPARSABLE = "unparsable"
    NO_OP = "no_op"  # nothing that matters changes: never evaluated


@dataclass(frozen=True, slots=True)
class Replace:
    """Put the lines ``replace`` where the lines ``search`` stand.

    ``number`` is its place in the answer, from 1.  ``path`` is "" when the answer names no file; ``sure`` is false when it only
    names it in a sentence, and the lines may stand in another.  ``line``, from 1, is where the model says the lines are, and
    ``within`` the line of a definition around them; they decide between equal matches and are otherwise ignored.  ``also`` has
    other readings of both parts, for when the first fits nowhere.
    """

    number: int
    path: str
    search: str
    replace: str
    line: int | None = None
    sure: bool = True
    within: str = ""
    also: tuple[tuple[str, str], ...] = ()


@dataclass(frozen=True, slots=True)
class RewriteBlock:
    """Put ``text`` between a pair of markers.  ``block``, from 1, may be None when there is one pair or ``text`` has them all."""

    number: int
    path: str
    block: int | None
    text: str


@dataclass(frozen=True, slots=True)
class RewriteFile:
    """Make ``text`` the file.  Of a file with markers only what is between them is taken.

    ``ended`` is false when nothing in the answer says that the text was over.
    """

    number: int
    path: str
    text: str
    ended: bool = True


AnyEdit = Replace | RewriteBlock | RewriteFile


@dataclass(frozen=True, slots=True)
class BlockFault:
    """Why edit ``number`` (0: the whole answer) is no use.  ``feedback`` is a sentence that can be sent to the model."""

    number: int
    fault: Fault
    feedback: str


@dataclass(frozen=True, slots=True)
class ParsedAnswer:
    """What an answer holds: at least one complete edit, and the blocks that are broken, a truncated last one for example."""

    edits: tuple[AnyEdit, ...]
    rejected: tuple[BlockFault, ...] = ()


@dataclass(frozen=True, slots=True)
class AppliedEdit:
    """Where an edit went: the first line it changed, from 1, as the parent counts.  ``note`` says what of it was left out."""

    number: int
    path: str
    tier: MatchTier
    line: int
    note: str = ""


@dataclass(frozen=True, slots=True)
class Applied:
    """A child.  ``rejected`` is empty unless the caller asked for what can be had."""

    files: Mapping[str, str]
    placed: tuple[AppliedEdit, ...]
    rejected: tuple[BlockFault, ...] = ()

    @property
    def tier(self) -> MatchTier:
        """The loosest tier that was needed."""
        order = list(MatchTier)
        return max((placed.tier for placed in self.placed), key=order.index, default=MatchTier.EXACT)


@dataclass(frozen=True, slots=True)
class EditFailure:
    """No child.  ``faults`` has at least one; ``fine`` lists the edits that had found their place."""

    faults: tuple[BlockFault, ...]
    fine: tuple[int, ...] = ()

    @property
    def fault(self) -> Fault:
        """The kind of the first fault."""
        return self.faults[0].fault

    @property
    def feedback(self) -> str:
        """What to tell the model: a sentence for each fault, in order, and which edits need not be sent again."""
        said = " ".join(fault.feedback for fault in self.faults)
        if len(said) > MAX_FEEDBACK:
            said = said[: MAX_FEEDBACK - 3] + "..."
        if self.fine:
            said += f" Fine as they are: {', '.join(f'block {number}' for number in self.fine)}."
        return said


def failure(fault: Fault, feedback: str, number: int = 0) -> EditFailure:
    """A failure with one cause."""
    return EditFailure((BlockFault(number, fault, feedback),))


def shown(text: str, limit: int = 120) -> str:
    """A piece of text as it can stand in a sentence: quoted, on one line, cut.  Lone surrogates come out escaped."""
    cut = text if len(text) <= limit else text[: limit - 3] + "..."
    return repr(cut)
