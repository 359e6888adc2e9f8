"""Where in a cluster a problem may run: labels of nodes, and what a slot takes beside CPUs and GPUs, in Ray's own words."""

from __future__ import annotations

import re
from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import TYPE_CHECKING

from evolve._errors import EnvironmentFault

if TYPE_CHECKING:
    from evolve.problem.contract._contract import Contract

_VALUE = r"[a-zA-Z0-9](?:[a-zA-Z0-9_.-]{0,61}[a-zA-Z0-9])?"
_LIST = rf"!?in\({_VALUE}(?:, ?{_VALUE})*\)"
LABEL = re.compile(rf"(?:[a-zA-Z0-9][a-zA-Z0-9.-]{{0,252}}/)?{_VALUE}\Z")
SELECTOR = re.compile(rf"(?:!?{_VALUE}|{_LIST})\Z")
RESOURCE = re.compile(r"[a-zA-Z][a-zA-Z0-9_.:-]*\Z")


@dataclass(frozen=True, slots=True, kw_only=True)
class Placement:
    """What a node must be to hold a slot of the problem.

    ``labels`` maps a label to ``value``, ``!value``, ``in(one, another)`` or ``!in(one, another)``; where no node has them all, the
    first of ``fallback`` that some node has counts.  ``resources`` are custom ones, by name, that a slot takes.

    Source: https://docs.ray.io/en/latest/ray-core/scheduling/labels.html
    """

    labels: Mapping[str, str] = field(default_factory=dict)
    fallback: tuple[Mapping[str, str], ...] = ()
    resources: Mapping[str, float] = field(default_factory=dict)

    @property
    def is_anywhere(self) -> bool:
        """Whether a machine of which nothing is known will do."""
        return not self.resources and not all(self.choices)

    @property
    def choices(self) -> tuple[Mapping[str, str], ...]:
        """The labels, then what may stand for them."""
        return self.labels, *self.fallback

    def fits(self, labels: Mapping[str, str]) -> bool:
        """Whether a node with these labels may hold a slot."""
        return any(all(_agrees(labels.get(name), wanted) for name, wanted in choice.items()) for choice in self.choices)

    def __str__(self) -> str:
        chosen = " or ".join(", ".join(f"{name}={wanted}" for name, wanted in one.items()) or "any labels" for one in self.choices)
        taken = ", ".join(f"{amount:g} {name}" for name, amount in self.resources.items())
        return " and ".join(text for text in (taken, chosen if self.labels else "") if text)


ANYWHERE = Placement()


def _agrees(found: str | None, wanted: str) -> bool:
    negated, plain = wanted.startswith("!"), wanted.removeprefix("!")
    named = re.findall(_VALUE, plain.removeprefix("in(")) if plain.startswith("in(") else [plain]
    return (found in named) != negated


def check_placement(contract: Contract) -> None:
    """See that the problem may run on a machine that is no node of a cluster.

    Raises:
        EnvironmentFault: it asks for what only nodes have.
    """
    if not contract.placement.is_anywhere:
        raise EnvironmentFault(
            f"expected a node of a cluster with {contract.placement} for {contract.name} (problem.yaml, placement), found this "
            "machine alone; type: executor=ray executor.address=auto"
        )
