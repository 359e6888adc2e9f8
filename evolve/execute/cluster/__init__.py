"""Blocks on a Ray cluster: one actor a slot.  What a slot does with a block is ``evolve.execute``'s; nothing is decided here."""

from evolve.execute.cluster._executor import ClusterExecutor

__all__ = ["ClusterExecutor"]
