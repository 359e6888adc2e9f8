"""The resolved configuration as JSON text, as a run keeps it."""

from __future__ import annotations

import json
from collections.abc import Mapping
from dataclasses import is_dataclass
from typing import Any, TypeVar, get_type_hints

from archive import plain
from evolve._renamed import new_section
from evolve.config._schema import RunConfig

Section = TypeVar("Section")


def config_to_json(config: RunConfig) -> str:
    """The configuration as one line of JSON."""
    return json.dumps(plain(config), separators=(",", ":"))


def config_from_json(text: str) -> RunConfig:
    """The inverse of ``config_to_json``, also of older versions, in whose words a run may be kept.

    Keys that this version does not have any more say nothing to it and are left out.
    """
    found = json.loads(text)
    renamed = {name: new_section(name, found.get(name, {})) for name in ("search", "llm", "budget")}
    return built(RunConfig, {**found, **renamed}, known_only=True)


def built(kind: type[Section], found: Mapping[str, Any], *, known_only: bool = False) -> Section:
    """A section, and those within it, from plain values as its dataclass, which checks the ranges.

    Args:
        kind: The dataclass.
        found: Values by key; a section within may be there already.
        known_only: Leave out keys that it does not have, instead of failing.
    """
    kinds = get_type_hints(kind)
    values = {key: value for key, value in found.items() if key in kinds or not known_only}
    sections = {key for key, value in values.items() if isinstance(value, dict) and is_dataclass(kinds.get(key))}
    return kind(
        **{key: built(kinds[key], value, known_only=known_only) if key in sections else value for key, value in values.items()}
    )
