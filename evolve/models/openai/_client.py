"""HTTP to a server that speaks OpenAI's protocol: opened at first use, whatever goes wrong a named failure."""

from __future__ import annotations

import asyncio
import json
from collections.abc import AsyncIterator, Awaitable, Callable
from contextlib import asynccontextmanager
from dataclasses import dataclass
from typing import Any, TypeVar

from evolve._errors import UsageError
from evolve.models._failure import CallFailure, FailureKind, elsewhere, in_short, server_error, transport_fault
from evolve.models._reply import NOTHING
from evolve.models._secrets import key_in
from evolve.models._size_limits import TooLong, whole
from evolve.models.transport._headers import hold_s, retry_after_s
from evolve.models.transport._http import certificates, http, transport_errors, transport_failure
from evolve.models.transport._incoming import Incoming, Silence
from evolve.models.transport._pool import ClientPool
from evolve.models.transport._stream import PartialReply
from evolve.models.transport._words import error_status, error_words, is_error, page_words

_MOST_WORDS = 65536  # bytes of an error answer that are read

T = TypeVar("T")


@dataclass(frozen=True, slots=True)
class Fetched:
    """A whole answer: its JSON, the server's name of the request, and for how long a limit is used up."""

    body: Any
    request_id: str
    hold_s: float


class OpenAIClient:
    """One client for all requests of a provider.

    Args:
        name: The provider's, for sentences.
        base_url: With the version: ``https://api.openai.com/v1``.
        key_variable: Environment variable that holds the key; nothing is sent where it is not set.
        read_timeout_s: Longest silence within an answer.
        deadline_s: Longest time a whole request may take.
        unix_time: Gives Unix time, for headers that name a date.
    """

    def __init__(
        self,
        name: str,
        base_url: str,
        *,
        key_variable: str,
        read_timeout_s: float,
        deadline_s: float,
        unix_time: Callable[[], float],
    ) -> None:
        self.name = name
        self._base_url = base_url.rstrip("/")
        self._key_variable = key_variable
        self._read_timeout_s = read_timeout_s
        self._deadline_s = deadline_s
        self._unix_time = unix_time
        self._clients = ClientPool(self._open, "aclose")

    def _open(self) -> Any:
        return http().AsyncClient(timeout=http().Timeout(self._read_timeout_s, connect=10.0), verify=certificates())

    async def attempt(self, send: Callable[[], Awaitable[T]], draft: PartialReply) -> T | CallFailure:
        """What ``send`` returns, or the failure that its error is.  ``draft`` is what has come until then."""
        try:
            async with asyncio.timeout(self._deadline_s):
                return await send()
        except transport_errors() as error:
            return transport_failure(self.name, error, draft)
        except TooLong as error:
            return transport_fault(self.name, FailureKind.TOO_LONG, str(error), draft.usage, draft.text)
        except UsageError as error:  # of the key
            return transport_fault(self.name, FailureKind.AUTH, str(error).rstrip("."), NOTHING)
        except (ValueError, RecursionError) as error:
            return transport_fault(self.name, FailureKind.GARBLED, f"the answer is garbled ({error})", draft.usage, draft.text)

    @asynccontextmanager
    async def stream(
        self, method: str, path: str, content: bytes | None, accept: str, *, patient: bool = False
    ) -> AsyncIterator[Any]:
        """The answer to one request, its body still to be read.  ``patient``: it comes whole, so that silence says nothing."""
        headers = {"accept": accept}
        if content is not None:
            headers["content-type"] = "application/json"
        key = key_in(self._key_variable)
        if key:
            headers["authorization"] = f"Bearer {key}"
        with self._clients.acquire() as client:
            read_s = self._deadline_s if patient else self._read_timeout_s
            timeout = http().Timeout(read_s, connect=10.0)
            async with client.stream(method, self._base_url + path, content=content, headers=headers, timeout=timeout) as response:
                yield response

    async def fetch(self, method: str, path: str, content: bytes | None = None) -> Fetched | CallFailure:
        """The whole answer to one request."""

        async def read() -> Fetched | CallFailure:
            async with self.stream(method, path, content, "application/json") as response:
                if response.status_code != 200:
                    return await self.refused(response)
                incoming = self.incoming(response)
                if await incoming.form() == "page":
                    return await self.page(incoming)
                body = json.loads(await whole(aiter(incoming)))
                if is_error(body):
                    return self.refused_within(response, body, PartialReply())
                return Fetched(body, response.headers.get("x-request-id", ""), self.hold_s(response))

        return await self.attempt(read, PartialReply())

    async def refused(self, response: Any) -> CallFailure:
        """The failure that an error answer is."""
        raw = b""
        async for piece in response.aiter_bytes():
            raw += piece
            if len(raw) > _MOST_WORDS:
                break
        try:
            kind, words = error_words(json.loads(raw))
        except (ValueError, RecursionError):
            kind, words = "", page_words(raw)
        if 300 <= response.status_code < 400:
            words = f"it sends elsewhere: {response.headers.get('location', '').partition('?')[0]}"
        return server_error(
            self.name,
            response.status_code,
            kind,
            words,
            usage=NOTHING,
            retry_after_s=retry_after_s(response.headers, self._unix_time()),
            request_id=response.headers.get("x-request-id", ""),
            hold_s=self.hold_s(response),
        )

    def refused_within(self, response: Any, body: object, draft: PartialReply) -> CallFailure:
        """The failure that an error in the body of an answer with status 200 is.

        Args:
            response: The answer.
            body: The error, as JSON.
            draft: What has come before it; where nothing has, the request was refused and costs nothing.
        """
        kind, words = error_words(body)
        midway = bool(draft.texts or draft.tool_json or draft.usage)
        return server_error(
            self.name,
            200 if midway else error_status(body) or 200,
            kind,
            words,
            usage=draft.usage if midway else NOTHING,
            text=draft.text,
            retry_after_s=retry_after_s(response.headers, self._unix_time()),
            request_id=draft.request_id,
            hold_s=self.hold_s(response),
            midway=midway,
        )

    def incoming(self, response: Any, silence: Silence | None = None) -> Incoming:
        """The body of an answer, to be looked at before it is read."""
        return Incoming(response.aiter_bytes(), silence or self.silence())

    def silence(self) -> Silence:
        """The watch over one answer."""
        return Silence(self._read_timeout_s)

    async def page(self, incoming: Incoming) -> CallFailure:
        """The failure that a page is, or any text that is no answer."""
        return elsewhere(self.name, "a page", page_words(await incoming.begins(_MOST_WORDS)))

    def other(self, body: object) -> CallFailure:
        """The failure that JSON of another form than asked for is."""
        words = in_short(json.dumps(body, ensure_ascii=False))
        return elsewhere(self.name, "JSON that is no chat completion", words)

    def hold_s(self, response: Any) -> float:
        """What an answer's headers say of limits that are used up."""
        return hold_s(response.headers, self._unix_time())

    async def close(self) -> None:
        await self._clients.close()
