"""What mechanical edits of one parent have in common: a few draws, of which the first that is a new program is taken."""

from __future__ import annotations

from collections.abc import Callable

from archive import ProposalStatus
from evolve.propose._canonical import canonical_hash
from evolve.propose._operator import EditScope, Files, Proposal, ProposalTask
from evolve.propose._python import is_python, parse
from evolve.propose._scope import check_scope
from evolve.propose.mutate._bounds import overstepped
from evolve.propose.mutate._literals import find

ATTEMPTS = 8

Draft = tuple[Files, str]  # a child, and what is new in it, in words


def drafted(task: ProposalTask, draft: Callable[[], Draft | None], lacks: str) -> Proposal:
    """The first draft that is a new program.

    Args:
        draft: Draws a child of the first parent; None where the draw leads nowhere.
        lacks: What the parent has not got where no draw leads anywhere.
    """
    parent = task.parents[0]
    reason = f"the parent has {lacks} in its editable regions."
    for _ in range(ATTEMPTS):
        drawn = draft()
        if drawn is None:
            continue
        files, summary = drawn
        reason = rejection_reason(parent, files, task.scope)
        if not reason:
            return Proposal.child(files, summary)
    return Proposal(ProposalStatus.INVALID, reason=reason)


def rejection_reason(parent: Files, child: Files, scope: EditScope) -> str:
    """Why a mechanical child is no use: broken, out of scope, or the same program; "" when it is fine."""
    for path, text in child.items():
        if is_python(path) and text != parent.get(path) and (error := parse(text).error):
            return f"the edit left {path} unparsable: {error}."
        before = parent.get(path, "")
        commented = text != before and ("tune:" in before or "tune:" in text)
        if commented and (said := overstepped(before, text, find(path, before), find(path, text))):
            return said
    if reason := check_scope(parent, child, scope):
        return reason
    return (
        "the edit changed nothing that matters."
        if canonical_hash(child, scope.comments) == canonical_hash(parent, scope.comments)
        else ""
    )
