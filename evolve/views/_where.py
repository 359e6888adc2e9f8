"""Where a run is measured, in words."""

from __future__ import annotations

from evolve._counted import counted
from evolve.config._schema import LOCAL, RAY
from evolve.search.state._state import Whereabouts


def where_words(place: Whereabouts) -> str:
    """A phrase, as ``64 slots on the cluster at 10.0.0.5:6379 (3 nodes), driven from head``."""
    machine, slots = place.machine or "a machine without a name", counted(place.slots, "slot")
    if place.executor == LOCAL:
        return f"{slots} on {machine}"
    if place.executor != RAY:
        return f"{slots} of {place.executor}, driven from {machine}"
    if place.address == LOCAL:
        return f"{slots} on {machine}, by a Ray of the run's own"
    cluster = f"the cluster at {place.address}" if place.address else "Ray"  # which one, runs of before do not say
    nodes = f" ({counted(place.nodes, 'node')})" if place.nodes else ""
    return f"{slots} on {cluster}{nodes}, driven from {machine}"
