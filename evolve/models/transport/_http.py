"""The HTTP library that the ``anthropic`` package brings along: ``httpx2``, or ``httpx`` with its older versions."""

from __future__ import annotations

import asyncio
import importlib
import importlib.util
import ssl
from collections.abc import AsyncIterator
from contextlib import suppress
from functools import cache
from types import ModuleType
from typing import Any

from evolve._errors import MissingPackage
from evolve.models._failure import CallFailure, FailureKind, elsewhere, transport_fault
from evolve.models._reply import NOTHING
from evolve.models.transport._incoming import Silent
from evolve.models.transport._stream import PartialReply

_REST_S = 0.25  # for what follows the end of an answer


def http() -> Any:
    """The library.

    Raises:
        MissingPackage: None of the two is installed.
    """
    for name in ("httpx2", "httpx"):
        if importlib.util.find_spec(name) is not None:
            found: ModuleType = importlib.import_module(name)
            return found
    raise MissingPackage("model calls need an HTTP library, which comes with anthropic; run: pip install anthropic")


@cache
def certificates() -> ssl.SSLContext:
    """The certificates that servers are checked by, read once: they take 17 ms and 0.8 MiB a client otherwise."""
    context: ssl.SSLContext = http().create_ssl_context()
    return context


def transport_errors() -> tuple[type[BaseException], ...]:
    """What goes wrong on the wire."""
    library = http()
    return (library.RequestError, library.StreamError, library.InvalidURL, ssl.SSLError, TimeoutError)


def transport_failure(server: str, error: BaseException, draft: PartialReply) -> CallFailure:
    """The failure that a transport error is.  Where the server may have worked, nobody knows what it will charge."""
    library = http()
    what = f"{type(error).__name__} {error}".strip()
    if isinstance(error, library.ConnectError | library.ConnectTimeout | library.UnsupportedProtocol | library.InvalidURL):
        return transport_fault(server, FailureKind.UNREACHABLE, f"no connection ({what})", NOTHING)
    if isinstance(error, library.LocalProtocolError) and draft.usage is None and not draft.texts:
        # the library's words show the header that it cannot send, the key among them
        what = "the request is no valid HTTP and was not sent; check the key and llm.base_url"
        return transport_fault(server, FailureKind.BAD_REQUEST, what, NOTHING)
    if isinstance(error, Silent):
        return transport_fault(server, FailureKind.TIMEOUT, str(error), draft.usage, draft.text)
    if isinstance(error, library.TimeoutException | TimeoutError):
        return transport_fault(server, FailureKind.TIMEOUT, f"no answer in time ({what})", draft.usage, draft.text)
    if draft.begun:
        return transport_fault(
            server, FailureKind.CUT_STREAM, f"the connection broke in the answer ({what})", draft.usage, draft.text
        )
    if isinstance(error, library.RemoteProtocolError) and "illegal" in str(error):
        return elsewhere(server, "another protocol than HTTP", what, 0)
    return transport_fault(server, FailureKind.NO_ANSWER, f"the connection broke before an answer began ({what})", None)


async def read_rest(coming: AsyncIterator[str]) -> None:
    """Read what follows the end of an answer, so that its connection can be used again; some servers leave it open and silent."""
    with suppress(ValueError, *transport_errors()):  # the answer is whole
        async with asyncio.timeout(_REST_S):
            async for _ in coming:
                pass
