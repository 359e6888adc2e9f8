"""Executors: one interface, implementations that run measure blocks."""

from evolve.execute._base import Block, BlockReport, EntryReport, Executor, Report, Sink

__all__ = ["Block", "BlockReport", "EntryReport", "Executor", "Report", "Sink"]
