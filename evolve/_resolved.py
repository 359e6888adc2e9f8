"""The resolved configuration as JSON text, as a run keeps it."""

from __future__ import annotations

import json
from dataclasses import asdict

from evolve._config import (
    BudgetConfig,
    ExecutorConfig,
    ProblemConfig,
    RunConfig,
    SandboxConfig,
    SearchConfig,
    StopConfig,
)


def config_to_json(config: RunConfig) -> str:
    """The configuration as one line of JSON."""
    return json.dumps(asdict(config), separators=(",", ":"))


def config_from_json(text: str) -> RunConfig:
    """The inverse of ``config_to_json``.

    Raises:
        TypeError: a key that this version does not know.
    """
    found = json.loads(text)
    return RunConfig(
        problem=ProblemConfig(**found["problem"]),
        search=SearchConfig(**found["search"]),
        budget=BudgetConfig(**found["budget"]),
        stop=StopConfig(**found["stop"]),
        executor=ExecutorConfig(**found["executor"]),
        sandbox=SandboxConfig(**found["sandbox"]),
        seed=found["seed"],
        out=found["out"],
    )
