"""What a provider is: the one place that speaks to a server, once a call."""

from __future__ import annotations

import asyncio
from collections.abc import Mapping
from dataclasses import dataclass
from typing import Protocol, runtime_checkable

from evolve.models._failure import CallFailure
from evolve.models._model_info import ModelInfo
from evolve.models._reply import ModelReply
from evolve.models._request import ModelRequest

Answer = ModelReply | CallFailure

FREE = "free"  # ``prices_from`` of a provider whose calls cost nothing


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


@dataclass(frozen=True, slots=True)
class Unsettled:
    """A batch cannot be asked now, for a reason that asking again does not cure; the calls in it are as they were."""

    failure: CallFailure


class Entry(Protocol):
    """One call on its way into a batch."""

    filed: asyncio.Future[str | CallFailure]  # the id of the batch once it is created, or why it was not

    def withdraw(self) -> bool:
        """Take the call back if nothing has been sent yet; whether that was so."""


@runtime_checkable
class BatchProvider(Protocol):
    """A provider whose calls wait for each other and are answered together, later, for half the price.

    ``call`` does without a journal what a ``Caller`` does with one: ``enter``, wait for ``filed``, ``result``.
    """

    def enter(self, custom_id: str, request: ModelRequest) -> Entry:
        """Put a call into the batch that is gathered.

        Args:
            custom_id: Names the call in its batch: 1 to 64 letters, digits, ``-`` and ``_``, never used twice.
            request: The question.
        """

    async def result(self, batch: str, custom_id: str, request: ModelRequest | None) -> Answer | Unsettled:
        """Wait for the batch's end and return the call's answer; a batch that is gone is a failure whose usage nobody knows.

        Args:
            batch: As ``filed`` told it, today or before the run was reopened.
            custom_id: As ``enter`` was given it.
            request: The question; None where nobody knows it any more.
        """
