"""A look at every node of a cluster: what it has, whether a slot could serve there, and what to type where it could not."""

from __future__ import annotations

import os
import platform
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path

from evolve._errors import EnvironmentFault, EvolveError
from evolve._version import __version__
from evolve.evaluate import Check, doctor
from evolve.execute._cards import need_gpus
from evolve.execute.cluster._capacity import Node, capacity, names_of, needs_of, no_room
from evolve.execute.cluster._connection import Connection, is_own, load_ray
from evolve.problem.contract._contract import Problem

_LOOK_S = 120.0


@dataclass(frozen=True, slots=True, kw_only=True)
class _Look:
    """What a node found of itself."""

    engine: str
    python: str
    visible_gpus: str
    checks: tuple[Check, ...]


def need_cluster(problems: Sequence[Problem], address: str = "") -> None:
    """Find out that a slot for these problems can be had, before a run is made.

    Raises: as ``Connection``; and
        EnvironmentFault: no node of the cluster, or not this machine, has what a slot needs.
    """
    needs = needs_of(problems)
    if is_own(address):
        load_ray()
        need_gpus(problem.contract for problem in problems)
        nodes = [Node("", platform.node(), resources={"CPU": len(os.sched_getaffinity(0)), "GPU": needs.gpus})]
    else:
        with Connection(address) as connection:
            nodes = connection.nodes()
    if not capacity(nodes, needs):
        raise EnvironmentFault(no_room(nodes, needs))


def inspect_cluster(address: str = "", imports: Sequence[str] = ()) -> tuple[Check, ...]:
    """Look at a cluster, node by node; without an address, and where RAY_ADDRESS names none, at a Ray that is started here.

    Args:
        address: as of ``executor.address``.
        imports: distributions that candidates shall import.

    Raises: as ``Connection``.
    """
    with Connection(address) as connection:
        nodes = [node for node in connection.nodes() if node.alive]
        names = names_of(nodes)
        return (
            *_driver(),
            _cluster(connection, nodes),
            *(_node(connection, node, names[node.id], tuple(imports)) for node in nodes),
        )


def _driver() -> list[Check]:
    """What of this machine's environment surprises those who start Ray."""
    found = []
    stale = Path.home() / ".ray" / "auth_token"
    if stale.exists() and "RAY_AUTH_TOKEN_PATH" not in os.environ:
        remedy = f"ray start asks for this token on every node; remove it where none is wanted: rm {stale}"
        found.append(Check("token", True, f"{stale} turns token authentication on", remedy, hint=True))
    if "UV" in os.environ or "UV_RUN_RECURSION_DEPTH" in os.environ:
        remedy = "where others start the cluster, RAY_ENABLE_UV_RUN_RUNTIME_ENV=0 keeps its workers from resolving it anew"
        found.append(Check("uv", True, "started by uv run", remedy, hint=True))
    return found


def _cluster(connection: Connection, nodes: Sequence[Node]) -> Check:
    total = {name: sum(node.resources.get(name, 0.0) for node in nodes) for name in ("CPU", "GPU")}
    where = "started here" if connection.is_own else f"at {connection.where}"
    found = f"Ray {connection.ray.__version__}, {where}; nodes: {len(nodes)}, CPUs: {total['CPU']:g}, GPUs: {total['GPU']:g}"
    return Check("cluster", bool(nodes), found, "" if nodes else "add a node: ray start --address=HOST:PORT")


def _node(connection: Connection, node: Node, name: str, imports: tuple[str, ...]) -> Check:
    """One node, by a task that runs there."""
    name, has = f"node {name}", f"CPUs: {node.resources.get('CPU', 0):g}, GPUs: {node.resources.get('GPU', 0):g}"
    ray = connection.ray
    where = ray.util.scheduling_strategies.NodeAffinitySchedulingStrategy(node.id, soft=False)
    task = ray.remote(num_cpus=0, max_retries=0, scheduling_strategy=where)(_look)
    try:
        look: _Look = ray.get(task.remote(imports), timeout=_LOOK_S)
    except ray.exceptions.RayError as error:
        why = " ".join(str(error).split())[-200:]
        return Check(
            name, False, f"{has}; no slot starts there ({why})", f"install there: pip install evolve-search-engine=={__version__}"
        )
    cpu = next((f" ({one.found})" for one in look.checks if one.name == "CPU"), "")
    found = f"{has}{cpu}; evolve {look.engine}, Python {look.python}"
    if look.engine != __version__:
        return Check(name, False, found, f"expected evolve {__version__}, as here; install the same there")
    if look.visible_gpus:
        remedy = "start its Ray with RAY_ACCEL_ENV_VAR_OVERRIDE_ON_ZERO=1"
        return Check(name, False, f"{found}; what asks for no GPU sees {look.visible_gpus}", remedy)
    if (wrong := next((one for one in look.checks if not one.ok and not one.hint), None)) is not None:
        return Check(name, False, f"{found}; {wrong.name}: {wrong.found}", wrong.remedy)
    tier = next((one.found for one in reversed(look.checks) if one.name == "tier"), "none")
    return Check(name, True, f"{found}, tier {tier}")


def _look(imports: tuple[str, ...]) -> _Look:
    """Runs on the node."""
    try:
        checks = doctor(imports)
    except EvolveError as error:
        checks = (Check("doctor", False, str(error)),)
    seen = os.environ.get("CUDA_VISIBLE_DEVICES", "")
    return _Look(engine=__version__, python=platform.python_version(), visible_gpus=seen, checks=checks)
