"""What a server's headers ask for."""

from __future__ import annotations

import math
import re
from collections.abc import Mapping
from datetime import UTC, datetime
from email.utils import parsedate_to_datetime

_ANTHROPIC = ("requests", "tokens", "input-tokens", "output-tokens")
_OPENAI = ("requests", "tokens")
_SPAN = re.compile(r"(?:(\d+)h)?(?:(\d+)m)?(?:(\d+(?:\.\d+)?)s)?(?:(\d+)ms)?")  # as Go writes one: 1h2m3.5s, 120ms


def retry_after_s(headers: Mapping[str, str], now: float) -> float | None:
    """Seconds that the server asks to be left alone, or None.

    Args:
        headers: Of the answer; names in lower case, or a mapping that does not mind case.
        now: Unix time, for a date where the answer carries no date of its own.
    """
    milliseconds = _number(headers.get("retry-after-ms"))
    if milliseconds is not None:
        return milliseconds / 1000
    text = headers.get("retry-after")
    seconds = _number(text)
    if seconds is not None or text is None:
        return seconds
    until = _unix(text)
    if until is None:
        return None
    sent = _unix(headers.get("date"))
    return max(until - (now if sent is None else sent), 0.0)


def hold_s(headers: Mapping[str, str], now: float) -> float:
    """Seconds until the limits that are used up are there again; 0 where none is, or where nothing is said.

    Args:
        headers: As in ``retry_after_s``: Anthropic's, whose resets are dates, or OpenAI's, whose resets are spans.
        now: As in ``retry_after_s``.
    """
    sent = _unix(headers.get("date"))
    here = now if sent is None else sent
    waits = [0.0]
    for name in _ANTHROPIC:
        if _number(headers.get(f"anthropic-ratelimit-{name}-remaining")) == 0:
            until = _date(headers.get(f"anthropic-ratelimit-{name}-reset"))
            waits.append(until - here if until is not None else 0.0)
    for name in _OPENAI:
        if _number(headers.get(f"x-ratelimit-remaining-{name}")) == 0:
            waits.append(_span(headers.get(f"x-ratelimit-reset-{name}")))
    return max(waits)


def _date(text: str | None) -> float | None:
    """Unix time of a date in RFC 3339; one without a zone is UTC."""
    try:
        found = datetime.fromisoformat(text) if text else None
        if found is None:
            return None
        return (found if found.tzinfo is not None else found.replace(tzinfo=UTC)).timestamp()
    except (ValueError, OverflowError):
        return None


def _span(text: str | None) -> float:
    """Seconds of a span, or of a plain number; 0 for what is neither."""
    seconds = _number(text)
    if seconds is not None:
        return seconds
    found = _SPAN.fullmatch(text or "")
    if found is None:
        return 0.0
    hours, minutes, whole, thousandths = (float(part or 0) for part in found.groups())
    return hours * 3600 + minutes * 60 + whole + thousandths / 1000


def _number(text: str | None) -> float | None:
    try:
        value = float(text) if text is not None else math.nan
    except ValueError:
        return None
    return value if math.isfinite(value) and value >= 0 else None


def _unix(text: str | None) -> float | None:
    try:
        return parsedate_to_datetime(text).timestamp() if text else None
    except ValueError:
        return None
