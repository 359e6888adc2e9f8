"""Blocks on a Ray cluster: one actor a slot.  What a slot does with a block is ``evolve.execute``'s; nothing is decided here."""

from evolve.execute.cluster._executor import ClusterExecutor
from evolve.execute.cluster._inspection import inspect_cluster, need_cluster

__all__ = ["ClusterExecutor", "inspect_cluster", "need_cluster"]
