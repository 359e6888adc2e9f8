"""Blocks on a Ray cluster: one actor a slot.  What a slot does with a block is ``evolve.execute``'s; who decides what is not here."""

from evolve.execute.cluster._executor import RayExecutor

__all__ = ["RayExecutor"]
