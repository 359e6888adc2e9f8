"""How a call fails: a named kind, one sentence, and whether trying again may help.  A failure is a value, not an exception."""

from __future__ import annotations

from dataclasses import dataclass
from enum import StrEnum

from evolve.models._keys import hidden, shown
from evolve.models._reply import Usage

_MOST_READ = 65536
_LONGEST = 300  # characters of a server's own words that are passed on


class FailureKind(StrEnum):
    RATE_LIMITED = "rate_limited"
    OVERLOADED = "overloaded"
    SERVER_ERROR = "server_error"
    UNREACHABLE = "unreachable"  # no connection: nothing was sent
    TIMEOUT = "timeout"
    CUT_STREAM = "cut_stream"  # the answer ended in the middle
    NO_STOP_REASON = "no_stop_reason"  # the answer ended in good order but does not say why
    BAD_REQUEST = "bad_request"
    AUTH = "auth"
    PAYMENT = "payment"
    NOT_FOUND = "not_found"
    MAX_TOKENS = "max_tokens"
    REFUSAL = "refusal"
    WRONG_FORM = "wrong_form"  # text where a tool call was asked, text that is not the JSON asked for
    CANCELED = "canceled"  # a batch was cancelled before the call's turn came
    EXPIRED = "expired"  # a batch's time was over before the call's turn came
    OVER_BUDGET = "over_budget"  # never sent: a cap of the ledger


_AGAIN = frozenset({
    FailureKind.RATE_LIMITED, FailureKind.OVERLOADED, FailureKind.SERVER_ERROR, FailureKind.UNREACHABLE, FailureKind.TIMEOUT,
    FailureKind.CUT_STREAM, FailureKind.NO_STOP_REASON,
})  # fmt: skip


@dataclass(frozen=True, slots=True)
class CallFailure:
    """One HTTP request that gave no usable answer.

    Attributes:
        kind: What happened.
        sentence: For people: what happened, and what to do where something can be done.
        usage: What it cost in tokens; zero where the server charges nothing, None where nobody knows.
        text: What was answered all the same: a parser may still find something in it.
        retry_after_s: How long the server asks to be left alone, where it says so.
        status: HTTP status; 0 where there was none.
        hold_s: For how long the server has said that its limit is used up; 0 where it is not.
    """

    kind: FailureKind
    sentence: str
    usage: Usage | None
    text: str = ""
    retry_after_s: float | None = None
    status: int = 0
    hold_s: float = 0.0

    def __post_init__(self) -> None:
        for name in ("sentence", "text"):
            object.__setattr__(self, name, shown(getattr(self, name)))

    @property
    def again(self) -> bool:
        """Whether the same request may succeed later; otherwise the failure is final."""
        return self.kind in _AGAIN


_BY_TYPE = {
    "overloaded_error": FailureKind.OVERLOADED,
    "rate_limit_error": FailureKind.RATE_LIMITED,
    "api_error": FailureKind.SERVER_ERROR,
    "timeout_error": FailureKind.TIMEOUT,
    "billing_error": FailureKind.PAYMENT,
    "insufficient_quota": FailureKind.PAYMENT,  # chat completions send it with status 429
    "authentication_error": FailureKind.AUTH,
    "permission_error": FailureKind.AUTH,
    "not_found_error": FailureKind.NOT_FOUND,
    "invalid_request_error": FailureKind.BAD_REQUEST,
}
_BY_STATUS = {
    401: FailureKind.AUTH,
    402: FailureKind.PAYMENT,
    403: FailureKind.AUTH,
    404: FailureKind.NOT_FOUND,
    408: FailureKind.TIMEOUT,
    409: FailureKind.SERVER_ERROR,  # a conflict on the server's side, gone a moment later
    429: FailureKind.RATE_LIMITED,
    504: FailureKind.TIMEOUT,
    529: FailureKind.OVERLOADED,
}
_ADVICE = {
    FailureKind.AUTH: "; check the key and what it may use",
    FailureKind.PAYMENT: "; the account cannot pay for the call",
    FailureKind.NOT_FOUND: "; check the model's name and the address",
}


def kind_of(status: int, error_type: str = "") -> FailureKind:
    """The kind of an error answer.  ``error_type`` is the server's word for it and decides where the status does not."""
    if error_type in ("billing_error", "insufficient_quota"):
        return FailureKind.PAYMENT
    if status in _BY_STATUS:
        return _BY_STATUS[status]
    if 400 <= status < 500:
        return FailureKind.BAD_REQUEST
    if status >= 500:
        return FailureKind.SERVER_ERROR
    return _BY_TYPE.get(error_type, FailureKind.SERVER_ERROR)


def refused(
    server: str,
    status: int,
    error_type: str,
    words: str,
    *,
    usage: Usage | None,
    retry_after_s: float | None = None,
    text: str = "",
    request_id: str = "",
    hold_s: float = 0.0,
    midway: bool = False,
) -> CallFailure:
    """The failure that an error answer of a server is.

    Args:
        server: The provider's name.
        status: HTTP status; 200 for an error inside a stream.
        error_type: The server's word for the error, or "".
        words: The server's message.
        usage: As in ``CallFailure``.
        retry_after_s: As in ``CallFailure``.
        text: What had come before the error.
        request_id: The server's name of the request, or "".
        hold_s: As in ``CallFailure``.
        midway: Whether the request was taken and the error came in its answer: then it says nothing of the next request.
    """
    kind = kind_of(status, error_type)
    if midway and kind in _ADVICE:
        kind = FailureKind.SERVER_ERROR
        words = f"{error_type}: {words}"
    # what is cut off comes last: half a key would not be found
    said = " ".join(hidden(words[:_MOST_READ]).split())[:_LONGEST].rstrip(".") or "no message"
    named = f" (request {request_id})" if request_id else ""
    sentence = f"{server} answered {status} {kind}{named}: {said}{_ADVICE.get(kind, '')}."
    return CallFailure(kind, sentence, usage, text, retry_after_s, status, hold_s)


def broken(server: str, kind: FailureKind, what: str, usage: Usage | None, text: str = "") -> CallFailure:
    """The failure of a connection or of a stream."""
    return CallFailure(kind, f"{server}: {what}.", usage, text)
