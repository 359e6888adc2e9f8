"""What a server says where no answer of a model comes: the words of an error, in any of its many forms, or of a page."""

from __future__ import annotations

import html
import json
import re
from collections.abc import Mapping

from evolve.models.transport._stream import text

_MOST_PAGE = 8192  # bytes of a page that are looked at
_UNSEEN = re.compile(r"<(script|style|head)\b.*?</\1\s*>|<!--.*?-->", re.DOTALL | re.IGNORECASE)
_TITLE = re.compile(r"<title[^>]*>(.*?)</title", re.DOTALL | re.IGNORECASE)
_TAG = re.compile(r"<[^<>]*>")
_DECIDING = ("insufficient_quota", "model_not_found")  # codes that say more than the type does
_MESSAGES = ("message", "detail", "error_description", "msg", "title", "reason")


def error_words(body: object) -> tuple[str, str]:
    """The server's word for an error, and its message; servers agree on little here."""
    inner = body
    for name in ("error", "errors"):
        if isinstance(inner, Mapping) and inner.get(name):
            inner = inner[name]
    if isinstance(inner, list) and inner:
        inner = inner[0] if isinstance(inner[0], Mapping) else inner
    if not isinstance(inner, Mapping):
        return "", inner if isinstance(inner, str) else _dumped(inner)
    code, kind = text(inner.get("code")), text(inner.get("type"))
    message = next((inner[name] for name in _MESSAGES if inner.get(name)), inner)
    if not isinstance(message, str) or "loc" in inner:  # where it is wrong is said beside the message
        message = _dumped(inner)
    return code if code in _DECIDING else kind or code, text(message)


def error_status(body: object) -> int:
    """The HTTP status that an error in a body names for itself; 0 where it names none."""
    inner = body.get("error") if isinstance(body, Mapping) else None
    for found in (inner, body):
        for name in ("status", "code", "status_code"):
            value = found.get(name) if isinstance(found, Mapping) else None
            if isinstance(value, int) and not isinstance(value, bool) and 400 <= value < 600:
                return value
    return 0


def is_error(body: object) -> bool:
    """Whether a JSON answer with status 200 is an error all the same."""
    if not isinstance(body, Mapping):
        return False
    return bool(body.get("error") or body.get("errors") or body.get("detail")) or "error" in (body.get("object"), body.get("type"))


def is_lines(said: str) -> bool:
    """Whether an answer is two JSON objects or more, each on a line of its own."""
    first, _, rest = said.strip().partition("\n")
    second = rest.strip().partition("\n")[0]
    try:
        return bool(second) and isinstance(json.loads(first), dict) and isinstance(json.loads(second), dict)
    except (ValueError, RecursionError):
        return False


def page_words(raw: bytes) -> str:
    """What a person would read of a page, or of any text: its title, then its words, without tags, scripts and styles."""
    page = raw[:_MOST_PAGE].decode(errors="replace")
    title = _TITLE.search(page)
    shown = _TAG.sub(" ", _UNSEEN.sub(" ", page))
    words = " ".join(html.unescape(f"{title[1] if title else ''} {shown}").split())
    return words.partition("<")[0].strip()  # a tag that was cut off is no word


def _dumped(value: object) -> str:
    try:
        return json.dumps(value, ensure_ascii=False, separators=(", ", ": "))
    except (ValueError, RecursionError):
        return ""
