"""What an actor is before anything of ours is known to be on its node.

It travels by value and imports nothing of ours until it is asked who it is, so that a node without evolve, or with another version,
says so: an actor that cannot be made says nothing, and nobody knows where.
"""

from __future__ import annotations

import os
import pickle
import platform
from collections.abc import Iterator
from typing import Any


class Door:
    """An actor of one slot: ``SlotHost``, once it is there.  Settings come pickled, bundles as references."""

    def __init__(self, engine: str, settings: bytes, number: int) -> None:
        self._engine, self._settings, self._number = engine, settings, number
        self._host: Any = None

    def hello(self, bundles: list[Any]) -> Any:
        """``HostFacts``; where they cannot be had what is known instead, as plain values."""
        import ray

        if self._host is None and (fault := self._fault()):
            node = str(ray.get_runtime_context().get_node_id())
            return {"machine": platform.node(), "node": node, "pid": os.getpid(), "fault": fault}
        return self._host.hello(*ray.get(bundles))

    def _fault(self) -> str:
        """Why there is no host, or "" once there is one."""
        wanted, remedy = f"expected evolve {self._engine} on every node", "install the same there"
        try:
            from evolve._version import __version__ as found

            if found != self._engine:
                return f"{wanted}, found {found}; {remedy}"
            from evolve.execute.cluster._host import SlotHost

            self._host = SlotHost(pickle.loads(self._settings), self._number)  # of the driver, as all that Ray brings here
        except ImportError as error:
            return f"{wanted}, found none that can be imported ({error}); {remedy}"
        return ""

    def live(self) -> None:
        self._host.live()

    def run(self, block: Any, turn: Any) -> Any:
        return self._host.run(block, turn)

    def stream(self, block: Any, turn: Any) -> Iterator[Any]:
        yield from self._host.stream(block, turn)

    def cancel(self, turn: Any) -> None:
        self._host.cancel(turn)

    def give_back(self, turn: Any) -> bool:
        return bool(self._host.give_back(turn))

    def close(self) -> None:
        if self._host is not None:
            self._host.close()
