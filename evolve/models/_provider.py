"""What a provider is: the one place that speaks to a server, once a call."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Protocol

from evolve.models._failure import CallFailure
from evolve.models._model_info import ModelInfo
from evolve.models._reply import ModelReply
from evolve.models._request import ModelRequest

Answer = ModelReply | CallFailure

FREE = "free"  # ``prices_from`` of a provider whose calls cost nothing
IN_BATCHES = " in batches"  # at the end of the ``prices_from`` of a provider whose calls cost half


class Provider(Protocol):
    """One HTTP request a call: no retries, no waiting, no money.  Used from one asyncio loop."""

    name: str
    prices_from: str  # whose price list applies: a provider's name in it, an address that starts with http, or ``FREE``

    def request_bytes(self, request: ModelRequest) -> int:
        """Bytes of the request as it is sent: no model makes more tokens of it."""

    async def call(self, request: ModelRequest) -> Answer:
        """Send the request and read the answer to its end.  Whatever a server does is a value, never an exception."""

    async def catalogue(self) -> Mapping[str, ModelInfo] | CallFailure:
        """The models that the server lists, by id; empty where it has no such list."""

    async def close(self) -> None:
        """Close connections.  The provider may be used again; it then opens new ones."""
