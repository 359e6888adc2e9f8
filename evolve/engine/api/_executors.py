"""Where the blocks of a run go, as Python says it."""

from __future__ import annotations

from dataclasses import dataclass

from evolve._errors import UsageError
from evolve.config._schema import RAY, ExecutorConfig


@dataclass(frozen=True, slots=True, kw_only=True)
class RayExecutor:
    """Measurements on a Ray cluster: one actor a slot, wherever Ray places it.

    Args:
        address: ``"auto"`` for the cluster that this machine belongs to, or ``"HOST:PORT"``; None for what RAY_ADDRESS names, else
            for a Ray of the run's own on this machine.
        slots: Measurements at once, at most; None for as many as the cluster has room for, as nodes join and leave.

    Example:
        >>> run = evolve.create_run("circle_packing", executor=evolve.RayExecutor(address="auto"))
    """

    address: str | None = None
    slots: int | None = None


def executor_config(executor: object, slots: int | None) -> ExecutorConfig:
    """The configuration of what ``create_run`` was given as ``executor``.

    Raises:
        UsageError: it is neither a name nor a ``RayExecutor``, or says of the slots something else than ``slots``.
    """
    if executor is None:
        return ExecutorConfig(slots=slots)
    if isinstance(executor, str):
        return ExecutorConfig(kind=executor, slots=slots)
    if not isinstance(executor, RayExecutor):
        raise UsageError(f'expected executor="local", "ray" or evolve.RayExecutor(...), found {executor!r:.80}.')
    if slots is not None and executor.slots is not None and slots != executor.slots:
        raise UsageError(f"expected one number of slots, found slots={slots} and {executor!r}; leave one of them out.")
    return ExecutorConfig(kind=RAY, slots=slots if executor.slots is None else executor.slots, address=executor.address)
