"""Executors: one interface, implementations that run measure blocks.  What a block holds is the search's to say."""

from evolve.execute._base import Block, BlockReport, EntryReport, Executor, ExecutorLost, Report, Sink
from evolve.execute._cards import need_gpus
from evolve.execute._local import LocalExecutor

__all__ = ["Block", "BlockReport", "EntryReport", "Executor", "ExecutorLost", "LocalExecutor", "Report", "Sink", "need_gpus"]
