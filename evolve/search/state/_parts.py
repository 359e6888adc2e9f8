"""What a search is put together from: other people's choices by name, as values it asks without knowing which they are."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass

from archive import Archive
from evolve.config._schema import SearchConfig
from evolve.problem.contract._contract import Contract
from evolve.search.state._operators import OperatorSpec


@dataclass(frozen=True, slots=True)
class Parts:
    """``operators`` has a spec for each name in the configuration; ``archive`` makes an empty one for a problem, and ``source``
    says which code of somebody else's its state is of ("" for what is shipped)."""

    operators: Mapping[str, OperatorSpec]
    archive: Callable[[Contract, SearchConfig], Archive]
    source: str = ""
