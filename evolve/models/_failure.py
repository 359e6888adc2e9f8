"""How a call fails: a named kind, one sentence, and whether trying again may help.  A failure is a value, not an exception."""

from __future__ import annotations

import re
from dataclasses import dataclass
from enum import StrEnum

from evolve.models._reply import NOTHING, TokenUsage
from evolve.models._secrets import redact, redact_and_repair

_MOST_READ = 65536
_LONGEST = 300  # characters of a server's own words that are passed on


class FailureKind(StrEnum):
    RATE_LIMITED = "rate_limited"
    OVERLOADED = "overloaded"
    SERVER_ERROR = "server_error"
    UNREACHABLE = "unreachable"  # no connection: nothing was sent
    TIMEOUT = "timeout"
    NO_ANSWER = "no_answer"  # the connection ended before anything was said
    CUT_STREAM = "cut_stream"  # the answer ended in the middle
    GARBLED = "garbled"  # bytes that are no text, or text that is no JSON
    TOO_LONG = "too_long"  # more than any model writes
    WRONG_SERVER = "wrong_server"  # what answers is no server of models: a page, a redirection, another protocol
    DIALECT = "dialect"  # a field was refused that can be left out: the next request does
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
    FailureKind.NO_ANSWER, FailureKind.CUT_STREAM, FailureKind.GARBLED, FailureKind.NO_STOP_REASON, FailureKind.DIALECT,
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
    usage: TokenUsage | None
    text: str = ""
    retry_after_s: float | None = None
    status: int = 0
    hold_s: float = 0.0

    def __post_init__(self) -> None:
        for name in ("sentence", "text"):
            object.__setattr__(self, name, redact_and_repair(getattr(self, name)))

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
    "model_not_found": FailureKind.NOT_FOUND,
    "invalid_request_error": FailureKind.BAD_REQUEST,
}
_BY_STATUS = {
    401: FailureKind.AUTH,
    402: FailureKind.PAYMENT,
    403: FailureKind.AUTH,
    404: FailureKind.NOT_FOUND,
    405: FailureKind.WRONG_SERVER,
    408: FailureKind.TIMEOUT,
    409: FailureKind.SERVER_ERROR,  # a conflict on the server's side, gone a moment later
    410: FailureKind.NOT_FOUND,
    429: FailureKind.RATE_LIMITED,
    504: FailureKind.TIMEOUT,
    529: FailureKind.OVERLOADED,
}
_ADVICE = {
    FailureKind.AUTH: "; check the key and what it may use",
    FailureKind.PAYMENT: "; the account cannot pay for the call",
    FailureKind.WRONG_SERVER: "; check llm.base_url: it must lead to the API itself, with its version (.../v1)",
}
_NO_MODEL = "; the server is there, and lacks the model: check its name, and that the server has loaded it"
_NO_PLACE = "; the server has nothing at that address: check llm.base_url, which must lead to the API itself (.../v1)"
_EITHER = (
    "; it lacks that address or that model: check llm.base_url, which must lead to the API itself (.../v1), then the model's name"
)
_OF_MODEL = re.compile(r"\bmodels?\b", re.IGNORECASE)
_OF_PLACE = re.compile(r"\b(path|route|ur[li]|page)\b|\bcannot (get|post)\b", re.IGNORECASE)
# a model that the server lacks, told with any status; one that is being loaded comes by itself
_MISSING = re.compile(
    r"\bmodels?\b.{0,100}?\b(not found|not loaded|is ?n['o]t loaded|not exist|is ?n['o]t available|unknown|not a valid)\b"
    r"|\b(no such|unknown|invalid|no) models?\b|\bno models? (is |are )?loaded\b",
    re.IGNORECASE | re.DOTALL,
)
_LATER = re.compile(r"\bloading\b|\btry again\b|\bretry\b|\bbusy\b|\bwarming\b", re.IGNORECASE)


def kind_of(status: int, error_type: str = "", words: str = "") -> FailureKind:
    """The kind of an error answer.  ``error_type`` is the server's word for it and decides where the status does not; ``words`` may
    say that the model is not there, which servers tell with any status."""
    if error_type in ("billing_error", "insufficient_quota"):
        return FailureKind.PAYMENT
    if status in _BY_STATUS:
        return _BY_STATUS[status]
    missing = error_type == "model_not_found" or (_MISSING.search(words) and not _LATER.search(words))
    if missing and (status < 300 or status >= 400):
        return FailureKind.NOT_FOUND
    if 300 <= status < 400:
        return FailureKind.WRONG_SERVER
    if 400 <= status < 500:
        return FailureKind.BAD_REQUEST
    if status >= 500:
        return FailureKind.SERVER_ERROR
    return _BY_TYPE.get(error_type, FailureKind.SERVER_ERROR)


def server_error(
    server: str,
    status: int,
    error_type: str,
    words: str,
    *,
    usage: TokenUsage | None,
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
    kind = kind_of(status, error_type, words[:_MOST_READ])
    if midway and (kind in _ADVICE or kind is FailureKind.NOT_FOUND):
        kind = FailureKind.SERVER_ERROR
        words = f"{error_type}: {words}"
    said = in_short(words).rstrip(".") or "no message"
    named = f" (request {request_id})" if request_id else ""
    sentence = f"{server} answered {status} {kind}{named}: {said}{_advice(kind, error_type, words[:_MOST_READ])}."
    return CallFailure(kind, sentence, usage, text, retry_after_s, status, hold_s)


def _advice(kind: FailureKind, error_type: str, words: str) -> str:
    """What to check.  Of what was not found the server's words may tell whether it is the model or the address."""
    if kind is not FailureKind.NOT_FOUND:
        return _ADVICE.get(kind, "")
    model = error_type == "model_not_found" or bool(_OF_MODEL.search(words))
    place = bool(_OF_PLACE.search(words))
    return _EITHER if model == place else _NO_MODEL if model else _NO_PLACE


def in_short(words: str) -> str:
    """A server's words on one line, without keys, cut.  What is cut off comes last: half a key would not be found."""
    return " ".join(redact(words[:_MOST_READ]).split())[:_LONGEST]


def elsewhere(server: str, what: str, words: str, status: int = 200) -> CallFailure:
    """The failure of a request that something else than a server of models answered: nothing was worked on, and nothing will be.

    Args:
        server: The provider's name.
        what: What came, for a sentence.
        words: What it said.
        status: HTTP status.
    """
    said = f": {in_short(words).rstrip('.')}" if words.strip() else ""
    sentence = f"{server} answered {status} with {what}{said}{_ADVICE[FailureKind.WRONG_SERVER]}."
    return CallFailure(FailureKind.WRONG_SERVER, sentence, NOTHING, status=status)


def transport_fault(server: str, kind: FailureKind, what: str, usage: TokenUsage | None, text: str = "") -> CallFailure:
    """The failure of a connection or of a stream."""
    return CallFailure(kind, f"{server}: {what}.", usage, text)
