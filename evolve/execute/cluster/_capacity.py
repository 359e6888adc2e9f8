"""How many slots a cluster has room for, by what its nodes say of themselves."""

from __future__ import annotations

from collections import Counter
from collections.abc import Collection, Iterable, Mapping
from dataclasses import dataclass, field, replace
from typing import Any

from evolve._errors import UsageError
from evolve.problem.contract._contract import Problem
from evolve.problem.contract._placement import ANYWHERE, Placement

_ROUNDING = 1e-6
_NODE_ID = "ray.io/node-id"
_SHOWN = 6  # letters of a node's id


@dataclass(frozen=True, slots=True)
class SlotNeeds:
    """What one slot holds while it lives: the most that any stage of the problems asks for."""

    cpus: float = 1.0
    gpus: float = 0.0
    placement: Placement = ANYWHERE

    def options(self, without: Collection[str] = ()) -> dict[str, Any]:
        """As Ray takes them for an actor, which is placed on none of the nodes ``without``."""
        barred = {_NODE_ID: f"!in({','.join(sorted(without))})"} if without else {}
        # Ray 2.60 accepts "in(a, b)" and then looks for " b".
        plain = [{name: wanted.replace(" ", "") for name, wanted in choice.items()} for choice in self.placement.choices]
        labels, *others = [{**choice, **barred} for choice in plain]
        return {
            "num_cpus": self.cpus,
            "num_gpus": self.gpus,
            **({"resources": dict(self.placement.resources)} if self.placement.resources else {}),
            **({"label_selector": labels} if labels or others else {}),
            **({"fallback_strategy": [{"label_selector": other} for other in others]} if others else {}),
        }

    @property
    def named(self) -> Mapping[str, float]:
        named = {"CPU": self.cpus, "GPU": self.gpus, **self.placement.resources}
        return {name: amount for name, amount in named.items() if amount > 0}

    def __str__(self) -> str:
        gpus = f" and {self.gpus:g} GPU{'' if self.gpus == 1 else 's'}" if self.gpus else ""
        placement = f" and {self.placement}" if str(self.placement) else ""
        return f"{self.cpus:g} CPU{'' if self.cpus == 1 else 's'}{gpus}{placement}"


@dataclass(frozen=True, slots=True)
class Node:
    """A node of the cluster; ``resources`` as Ray counts them.  One that is drained ends soon, and gets nothing new."""

    id: str
    name: str
    alive: bool = True
    draining: bool = False
    resources: Mapping[str, float] = field(default_factory=dict)
    labels: Mapping[str, str] = field(default_factory=dict)

    def holds(self, needs: SlotNeeds) -> int:
        """Slots that fit here while nobody else takes anything."""
        if not self.alive or self.draining or not needs.placement.fits(self.labels):
            return 0
        return int(min(self.resources.get(name, 0.0) / amount for name, amount in needs.named.items()) + _ROUNDING)


def needs_of(problems: Iterable[Problem]) -> SlotNeeds:
    """What a slot needs that runs any stage of these problems.

    Raises:
        UsageError: problems of one run ask for nodes with different labels.
    """
    contracts = [problem.contract for problem in problems]
    stages = [stage for contract in contracts for stage in contract.stages]
    labelled = [contract for contract in contracts if any(contract.placement.choices)]
    for one in labelled[1:]:
        if one.placement.choices != labelled[0].placement.choices:
            raise UsageError(
                f"expected problems of one run to ask for the same labels of nodes, found {one.name} with {one.placement} and "
                f"{labelled[0].name} with {labelled[0].placement}; give each a run of its own."
            )
    resources: dict[str, float] = {}
    for contract in contracts:
        for name, amount in contract.placement.resources.items():
            resources[name] = max(amount, resources.get(name, 0.0))
    placement = replace(labelled[0].placement if labelled else ANYWHERE, resources=resources)
    return SlotNeeds(max(stage.cpus for stage in stages), max(stage.gpus for stage in stages), placement)


def nodes_of(told: Iterable[Mapping[str, Any]], draining: Collection[str]) -> list[Node]:
    """The nodes that ``ray.nodes()`` tells."""
    return [
        Node(
            id=one["NodeID"],
            name=one.get("NodeManagerHostname", ""),
            alive=bool(one["Alive"]),
            draining=one["NodeID"] in draining,
            resources=one.get("Resources") or {},
            labels=one.get("Labels") or {},
        )
        for one in told
    ]


def names_of(nodes: Iterable[Node]) -> dict[str, str]:
    """What people call the nodes that are alive, by id: their name, and where several have one the beginning of the id too."""
    alive = [node for node in nodes if node.alive]
    shared = Counter(node.name for node in alive)
    return {node.id: f"{node.name} {node.id[:_SHOWN]}" if shared[node.name] > 1 else node.name for node in alive}


def no_room(nodes: Collection[Node], needs: SlotNeeds) -> str:
    """What to say where no node holds a slot."""
    names = names_of(nodes)
    found = "; ".join(f"{names[node.id]}: {_told(node, needs)}" for node in nodes if node.alive) or "no node"
    where = "stages, placement" if str(needs.placement) else "stages"
    return f"expected a node with {needs} for a slot, found {found}; add one, or ask for less in problem.yaml ({where})."


def _told(node: Node, needs: SlotNeeds) -> str:
    named = {name for choice in needs.placement.choices for name in choice}
    return ", ".join(
        [
            *(f"{node.resources.get(name, 0):g} {name}s" for name in ("CPU", "GPU")),
            *(f"{node.resources.get(name, 0):g} {name}" for name in needs.placement.resources),
            *(f"{name}={node.labels[name]}" if name in node.labels else f"no {name}" for name in sorted(named)),
        ]
    )


def capacity(nodes: Iterable[Node], needs: SlotNeeds, unfit: Collection[str] = ()) -> int:
    """Slots that the nodes hold together, without those that cannot serve."""
    return sum(node.holds(needs) for node in nodes if node.id not in unfit)
