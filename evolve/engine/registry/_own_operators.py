"""Operators that somebody gave as objects: what they must be, and what they may give back."""

from __future__ import annotations

import re
from collections.abc import Mapping, Sequence
from typing import TYPE_CHECKING, Protocol

from archive import ProposalStatus
from evolve._errors import UsageError
from evolve.config._schema import OwnOperator, SearchConfig
from evolve.propose._operator import Proposal, ProposalTask
from evolve.propose._registry import OPERATORS
from evolve.search.state._operators import OperatorSpec

if TYPE_CHECKING:
    import numpy as np

_WORD = re.compile(r"[a-z][a-z0-9_]*")
_TAKEN = frozenset({*OPERATORS, "external", "seed", "initial"})
_GIVEN = (ProposalStatus.CHILD, ProposalStatus.INVALID)


class GivenOperator(Protocol):
    """What makes a child from parents: any object with these attributes and this method.

    ``name`` is a word of small letters, digits and underscores that no other operator of the run has; ``family`` another: each
    family keeps a share of the tickets; ``n_parents`` is 1 or 2.  It is stateless, and safe to call from any thread.

    ``task.parents`` are the parents' files by relative path (``task.parents[0]["main.py"]``), ``task.inspirations`` those of other
    good programs, ``task.scope`` says what a child may change.  All chance comes from ``rng``, a ``numpy.random.Generator``: the
    same task and generator give the same child.

    Example:
        >>> class Shuffle:
        ...     name, family, n_parents = "shuffle", "edit", 1
        ...
        ...     def propose(self, task, rng):
        ...         lines = task.parents[0]["main.py"].splitlines(keepends=True)
        ...         rng.shuffle(lines)
        ...         return evolve.Proposal.child({"main.py": "".join(lines)}, summary="lines shuffled")
        >>> run = evolve.create_run("circle_packing", operators=[Shuffle(), "tune"])
    """

    name: str
    family: str
    n_parents: int

    def propose(self, task: ProposalTask, rng: np.random.Generator) -> Proposal:
        """Make a child.  Never raises for what the parents contain: an unusable parent is ``Proposal.none(reason)``.

        What it raises all the same ends ``Run.optimize``; the run can be gone on with."""


def own_operators(given: Sequence[object]) -> tuple[GivenOperator, ...]:
    """The operators among these names and objects that are objects.

    Raises:
        UsageError: one is no operator, or two have one name.
    """
    own = [one for one in given if not isinstance(one, str)]
    names = [one if isinstance(one, str) else _checked(one) for one in given]
    twice = next((name for i, name in enumerate(names) if name in names[:i]), None)
    if twice is not None:
        raise UsageError(f"two operators are called {twice}; give each a name of its own.")
    return tuple(own)  # type: ignore[arg-type]


def operator_text(one: str | GivenOperator) -> str:
    """How the configuration of a run keeps an operator."""
    return one if isinstance(one, str) else str(OwnOperator(one.name, one.family, one.n_parents))


def _checked(one: object) -> str:
    """The name of an operator.

    Raises:
        UsageError: it has not what an operator has.
    """
    what = type(one).__name__
    name, family, n_parents = (getattr(one, key, None) for key in ("name", "family", "n_parents"))
    if not callable(getattr(one, "propose", None)) or isinstance(one, type):
        raise UsageError(f"an operator is a name or an object with a method propose(task, rng), found {what} ({one!r}).")
    for key, word in (("name", name), ("family", family)):
        if not isinstance(word, str) or not _WORD.fullmatch(word):
            raise UsageError(f"an operator's {key} is a word of small letters, digits and underscores, found {word!r} ({what}).")
    if name in _TAKEN:
        raise UsageError(f"an operator of your own cannot be called {name}, as the engine has one; give {what} another name.")
    if n_parents not in (1, 2) or isinstance(n_parents, bool):
        raise UsageError(f"an operator's n_parents is 1 or 2, found {n_parents!r} ({what}).")
    return str(name)


class Checked:
    """An operator that somebody gave, whose answers are looked at."""

    def __init__(self, operator: GivenOperator) -> None:
        self.name, self.family, self.n_parents = operator.name, operator.family, operator.n_parents
        self.spec = OperatorSpec(self.name, self.family, n_parents=self.n_parents)
        self._operator = operator

    def propose(self, task: ProposalTask, rng: np.random.Generator) -> Proposal:
        """What it gives back.

        Raises:
            UsageError: that is no proposal, or its files are none.
        """
        found: object = self._operator.propose(task, rng)
        if not isinstance(found, Proposal) or found.status not in _GIVEN:
            raise UsageError(f"the operator {self.name} must return Proposal.child or Proposal.none, found {found!r:.200}.")
        if found.status is ProposalStatus.CHILD and not _are_files(found.files):
            what = "files as a mapping from path to text"
            raise UsageError(f"the operator {self.name} must return {what}, found {found.files!r:.200}.")
        return found


def absent_operators(config: SearchConfig, given: Sequence[GivenOperator]) -> list[GivenOperator]:
    """Stand-ins for the operators of a run that were not given."""
    names = {one.name for one in given}
    return [Absent(own) for name, own in config.own_operators.items() if name not in names]


class Absent:
    """Stands for an operator that is not here, where only what is ready is measured: its open tickets are given up."""

    n_parents = 1

    def __init__(self, own: OwnOperator) -> None:
        self.name, self.family = own.name, own.family
        self.spec = OperatorSpec(own.name, own.family)

    def propose(self, task: ProposalTask, rng: np.random.Generator) -> Proposal:
        return Proposal(ProposalStatus.LOST, reason=f"the operator {self.name} was not given when the run was opened to measure")


def _are_files(files: object) -> bool:
    return isinstance(files, Mapping) and all(isinstance(one, str) for pair in files.items() for one in pair)
