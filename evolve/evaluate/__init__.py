"""Evaluation that cannot be fooled: trials, the sandbox, strict readers, the grader process."""

from evolve.evaluate._trial import Array, JsonValue, Outcome, Reply, Sandbox, Trial, Usage

__all__ = ["Array", "JsonValue", "Outcome", "Reply", "Sandbox", "Trial", "Usage"]
