"""What a search is put together from: other people's choices by name, as values it asks without knowing which they are."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass

from evolve.search._operators import OperatorSpec


@dataclass(frozen=True, slots=True)
class Parts:
    """``operators`` has a spec for each name in the configuration."""

    operators: Mapping[str, OperatorSpec]
