"""How many slots a cluster has room for, by what its nodes say of themselves."""

from __future__ import annotations

from collections.abc import Collection, Iterable, Mapping
from dataclasses import dataclass, field
from typing import Any

from evolve.problem.contract._contract import Problem

_ROUNDING = 1e-6


@dataclass(frozen=True, slots=True)
class SlotNeeds:
    """What one slot holds while it lives: the most that any stage of the problems asks for."""

    cpus: float = 1.0
    gpus: float = 0.0

    @property
    def options(self) -> dict[str, Any]:
        """As Ray takes them for an actor."""
        return {"num_cpus": self.cpus, "num_gpus": self.gpus}

    @property
    def named(self) -> Mapping[str, float]:
        return {name: amount for name, amount in (("CPU", self.cpus), ("GPU", self.gpus)) if amount > 0}

    def __str__(self) -> str:
        gpus = f" and {self.gpus:g} GPU{'' if self.gpus == 1 else 's'}" if self.gpus else ""
        return f"{self.cpus:g} CPU{'' if self.cpus == 1 else 's'}{gpus}"


@dataclass(frozen=True, slots=True)
class Node:
    """A node of the cluster; ``resources`` as Ray counts them.  One that is drained ends soon, and gets nothing new."""

    id: str
    name: str
    alive: bool = True
    draining: bool = False
    resources: Mapping[str, float] = field(default_factory=dict)

    def holds(self, needs: SlotNeeds) -> int:
        """Slots that fit here while nobody else takes anything."""
        if not self.alive or self.draining:
            return 0
        return int(min(self.resources.get(name, 0.0) / amount for name, amount in needs.named.items()) + _ROUNDING)


def needs_of(problems: Iterable[Problem]) -> SlotNeeds:
    """What a slot needs that runs any stage of these problems."""
    stages = [stage for problem in problems for stage in problem.contract.stages]
    return SlotNeeds(max(stage.cpus for stage in stages), max(stage.gpus for stage in stages))


def nodes_of(told: Iterable[Mapping[str, Any]], draining: Collection[str]) -> list[Node]:
    """The nodes that ``ray.nodes()`` tells."""
    return [
        Node(
            id=one["NodeID"],
            name=one.get("NodeManagerHostname", ""),
            alive=bool(one["Alive"]),
            draining=one["NodeID"] in draining,
            resources=one.get("Resources") or {},
        )
        for one in told
    ]


def no_room(nodes: Iterable[Node], needs: SlotNeeds) -> str:
    """What to say where no node holds a slot."""
    found = ", ".join(f"{node.name}: {_told(node.resources)}" for node in nodes if node.alive) or "no node"
    return f"expected a node with {needs} for a slot, found {found}; add one, or ask for less in problem.yaml (stages)."


def _told(resources: Mapping[str, float]) -> str:
    return ", ".join(f"{resources.get(name, 0):g} {name}s" for name in ("CPU", "GPU"))


def capacity(nodes: Iterable[Node], needs: SlotNeeds, unfit: Collection[str] = ()) -> int:
    """Slots that the nodes hold together, without those that cannot serve."""
    return sum(node.holds(needs) for node in nodes if node.id not in unfit)
