"""The resolved configuration as JSON text, as a run keeps it."""

from __future__ import annotations

import json
from collections.abc import Mapping
from dataclasses import asdict, is_dataclass
from typing import Any, TypeVar, get_type_hints

from evolve._renamed import new_section
from evolve.config._llm import LlmConfig
from evolve.config._schema import BudgetConfig, ExecutorConfig, ProblemConfig, RunConfig, SandboxConfig, SearchConfig, StopConfig

Section = TypeVar("Section")


def config_to_json(config: RunConfig) -> str:
    """The configuration as one line of JSON."""
    return json.dumps(asdict(config), separators=(",", ":"))


def config_from_json(text: str) -> RunConfig:
    """The inverse of ``config_to_json``, also of older versions, in whose words a run may be kept.

    Keys that this version does not have any more say nothing to it and are left out.
    """
    found = json.loads(text)
    return RunConfig(
        problem=_made(ProblemConfig, found["problem"]),
        search=_made(SearchConfig, new_section("search", found["search"])),
        llm=_made(LlmConfig, new_section("llm", found.get("llm", {}))),
        budget=_made(BudgetConfig, new_section("budget", found["budget"])),
        stop=_made(StopConfig, found["stop"]),
        executor=_made(ExecutorConfig, found["executor"]),
        sandbox=_made(SandboxConfig, found["sandbox"]),
        seed=found["seed"],
        out=found["out"],
        plugins=found.get("plugins", {}),
    )


def _made(section: type[Section], found: Mapping[str, Any]) -> Section:
    kinds = get_type_hints(section)
    values = {key: value for key, value in found.items() if key in kinds}
    return section(**{key: _made(kinds[key], value) if is_dataclass(kinds[key]) else value for key, value in values.items()})
