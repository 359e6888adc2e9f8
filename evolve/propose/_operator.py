"""What an operator is: something that makes a child from parents, or says in a sentence why it cannot.

Operators know nothing of scores, archives or budgets; the search chose the parents and drew the parameters.  The same task and
generator give the same child, in any process.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from typing import TYPE_CHECKING, Protocol

from archive import Literal, ProposalStatus, TunerSample
from evolve.search.state._operators import OperatorSpec

if TYPE_CHECKING:
    import numpy as np

Files = Mapping[str, str]


@dataclass(frozen=True, slots=True)
class EditScope:
    """What a child may change: the editable files, whether it may add some, its greatest size in bytes.  ``comments`` is what
    comments begin with that make another program, besides directives (see ``canonical_hash``).  ``entries`` are the functions that
    the evaluator calls, as ``file.py:function``: a child that a model writes keeps them.  ``initial`` are the initial program's
    files: where files may be added, every other one may change; without any, only ``editable`` ones may."""

    editable: tuple[str, ...]
    may_add_files: bool
    max_bytes: int
    comments: tuple[str, ...] = ()
    entries: tuple[str, ...] = ()
    initial: tuple[str, ...] = ()


@dataclass(frozen=True, slots=True)
class ProposalTask:
    """One propose ticket as an operator sees it.  ``literals`` and ``sample`` are set for the constant tuner's samples."""

    parents: tuple[Files, ...]
    inspirations: tuple[Files, ...]
    scope: EditScope
    sample: TunerSample | None = None
    literals: tuple[Literal, ...] = ()


@dataclass(frozen=True, slots=True)
class Proposal:
    """What an operator gives back; made by ``Proposal.child`` or ``Proposal.none``.

    ``files`` is the child, whole, by relative path; ``summary`` says in a line what was done; ``reason`` says why there is none.
    (``literals`` are of an opened tuner.)

    Example:
        >>> evolve.Proposal.child({"main.py": "x = 2\\n"}, summary="doubled x")
        >>> evolve.Proposal.none("the parent has no loop")
    """

    status: ProposalStatus
    files: Files | None = None
    literals: tuple[Literal, ...] = ()
    reason: str = ""
    summary: str = ""

    @classmethod
    def child(cls, files: Files, summary: str = "") -> Proposal:
        """A child of these files: all of the program, not only what changed."""
        return cls(ProposalStatus.CHILD, files=files, summary=summary)

    @classmethod
    def none(cls, reason: str) -> Proposal:
        """No child, and why."""
        return cls(ProposalStatus.INVALID, reason=reason)


class Operator(Protocol):
    """Stateless; safe to call from any thread."""

    spec: OperatorSpec  # what the search is told of it

    def propose(self, task: ProposalTask, rng: np.random.Generator) -> Proposal:
        """Make a child.  Never raises for what the parents contain: an unusable parent is ``INVALID`` with a reason."""
