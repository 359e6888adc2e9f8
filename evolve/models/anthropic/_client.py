"""The official client of Anthropic's API: opened at first use, its own retries off, whatever goes wrong a named failure.

The client's own retries know nothing of money and wait as long as a server says.
"""

from __future__ import annotations

import asyncio
from collections.abc import Awaitable, Callable
from typing import Any, TypeVar

from evolve._errors import UsageError, need
from evolve.models._failure import CallFailure, FailureKind, server_error, transport_fault
from evolve.models._reply import NOTHING
from evolve.models._secrets import key_in
from evolve.models._size_limits import TooLong
from evolve.models.transport._headers import hold_s, retry_after_s
from evolve.models.transport._http import certificates, http, transport_errors, transport_failure
from evolve.models.transport._pool import ClientPool
from evolve.models.transport._stream import PartialReply
from evolve.models.transport._words import error_words, page_words

T = TypeVar("T")


class AnthropicClient:
    """One client for all requests of a provider.

    Args:
        name: The provider's, for sentences.
        base_url: Address of the server; None is the client's default.
        key_variable: Environment variable that holds the key; without it the client looks where it usually does.
        read_timeout_s: Longest silence within an answer.
        deadline_s: Longest time a whole request may take.
        unix_time: Gives Unix time, for headers that name a date.
    """

    def __init__(
        self,
        name: str,
        *,
        base_url: str | None,
        key_variable: str,
        read_timeout_s: float,
        deadline_s: float,
        unix_time: Callable[[], float],
    ) -> None:
        self.name = name
        self._base_url = base_url
        self._key_variable = key_variable
        self._read_timeout_s = read_timeout_s
        self._deadline_s = deadline_s
        self._unix_time = unix_time
        self._clients = ClientPool(self._open, "close")

    async def attempt(self, send: Callable[[Any], Awaitable[T]], draft: PartialReply) -> T | CallFailure:
        """What ``send`` makes of the client, or the failure that its error is.  ``draft`` is what has come until then."""
        sdk: Any = need("anthropic", "anthropic")
        try:
            async with asyncio.timeout(self._deadline_s):
                with self._clients.acquire() as client:
                    return await send(client)
        except sdk.APIStatusError as error:
            return self._refused(error, draft)
        except sdk.APIConnectionError as error:
            return transport_failure(self.name, error.__cause__ or error, draft)
        except transport_errors() as error:
            return transport_failure(self.name, error, draft)
        except TooLong as error:
            return transport_fault(self.name, FailureKind.TOO_LONG, str(error), draft.usage, draft.text)
        except UsageError as error:  # of the key
            return transport_fault(self.name, FailureKind.AUTH, str(error).rstrip("."), NOTHING)
        except (ValueError, RecursionError, sdk.APIResponseValidationError) as error:
            return transport_fault(self.name, FailureKind.GARBLED, f"the answer is garbled ({error})", draft.usage, draft.text)
        except TypeError as error:
            if "authentication" not in str(error):
                raise
            words = f"no key: set {self._key_variable}"
            return CallFailure(FailureKind.AUTH, f"{self.name}: {words}.", NOTHING)

    def hold_s(self, response: Any) -> float:
        """What an answer's headers say of limits that are used up."""
        return hold_s(response.headers, self._unix_time())

    async def close(self) -> None:
        await self._clients.close()

    def _open(self) -> Any:
        sdk: Any = need("anthropic", "anthropic")
        timeout = http().Timeout(self._read_timeout_s, connect=10.0)
        key = key_in(self._key_variable) or None
        token = None if key else key_in("ANTHROPIC_AUTH_TOKEN") or None
        one_request = sdk.DefaultAsyncHttpxClient(follow_redirects=False, verify=certificates())  # what is counted is what is sent
        return sdk.AsyncAnthropic(
            api_key=key, auth_token=token, base_url=self._base_url, max_retries=0, timeout=timeout, http_client=one_request
        )

    def _refused(self, error: Any, draft: PartialReply) -> CallFailure:
        status = error.status_code
        headers = error.response.headers
        kind, words = error_words(error.body) if isinstance(error.body, dict) else ("", page_words(error.response.content))
        if 300 <= status < 400:
            words = f"it sends elsewhere: {headers.get('location', '').partition('?')[0]}"
        now = self._unix_time()
        return server_error(
            self.name,
            status,
            kind,
            words or error.message,
            usage=NOTHING if status >= 300 else draft.usage,
            retry_after_s=retry_after_s(headers, now),
            text=draft.text,
            request_id=headers.get("request-id", ""),
            hold_s=hold_s(headers, now),
        )
