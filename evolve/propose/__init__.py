"""Operators: they make children.  Mechanical ones need no model."""

from evolve.propose._base import Files, Operator, Proposal, Scope, Task

__all__ = ["Files", "Operator", "Proposal", "Scope", "Task"]
