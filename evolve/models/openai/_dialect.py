"""What servers of chat completions differ in, and what a refusal teaches of it.

The protocol is one company's, and others speak parts of it.  A server that refuses a field names it; from then on that model is
asked without.  What is learnt is kept as long as the provider; a setting says it from the start.
"""

from __future__ import annotations

import re
from collections.abc import Sequence
from dataclasses import dataclass, replace

_REFUSES = re.compile(
    r"not (support|allow|permit|implement|available|recogni|a valid|valid)|unsupported|unrecogni[sz]ed|unknown|unexpected|"
    r"extra[ _](inputs?|fields?|forbidden)|extra_forbidden|forbidden|invalid|disabled|must be|should be|expected|only|cannot|can't|"
    r"does(n't| not)|no such|not exist",
    re.IGNORECASE,
)
_STREAM = re.compile(r"\bstream(ing|ed)?\b", re.IGNORECASE)
_SYSTEM = re.compile(r"\bsystem\b.{0,40}\b(role|message|prompt|instruction)|\brole\b.{0,40}\bsystem\b", re.IGNORECASE | re.DOTALL)
_ROLES = re.compile(r"roles? must alternate|only user and assistant", re.IGNORECASE)
_PARTS = re.compile(r"\bcontent\b.{0,80}\b(list|array|sequence)\b", re.IGNORECASE | re.DOTALL)
_OTHER = {"max_tokens": "max_completion_tokens", "max_completion_tokens": "max_tokens"}


@dataclass(frozen=True, slots=True)
class Dialect:
    """How one model of a server is asked.

    Attributes:
        stream: Whether it streams; otherwise the answer comes whole, and silence says nothing.
        stream_options: Whether it takes the field that asks for a count of tokens at a stream's end.
        system_role: Whether it knows the role; otherwise what is said in it begins the first message.
        content_parts: Whether it wants a message's content as a list of parts.
        limit_field: Its name of ``max_tokens``.
    """

    stream: bool = True
    stream_options: bool = True
    system_role: bool = True
    content_parts: bool = False
    limit_field: str = "max_tokens"

    def after(self, words: str) -> tuple[Dialect, str] | None:
        """What a refusal in these words teaches: the dialect to try next, and in what it differs; None where it teaches nothing."""
        if self.stream and self.stream_options and "stream_options" in words:
            return replace(self, stream_options=False), "without stream_options"
        if self.limit_field in _OTHER and "max_completion_tokens" in words and _REFUSES.search(words):
            other = _OTHER[self.limit_field]
            return replace(self, limit_field=other), f"with {other}"
        if self.system_role and ((_SYSTEM.search(words) and _REFUSES.search(words)) or _ROLES.search(words)):
            return replace(self, system_role=False), "without the system role"
        if not self.content_parts and _PARTS.search(words) and _REFUSES.search(words):
            return replace(self, content_parts=True), "with content as a list of parts"
        if self.stream and "stream_options" not in words and _STREAM.search(words) and _REFUSES.search(words):
            return replace(self, stream=False), "without streaming"
        return None


def dialect_of(names: Sequence[str], limit_field: str = "max_tokens") -> Dialect:
    """The dialect that settings name, each out of those of ``llm.sampling.dialect``."""
    return Dialect(
        stream="no_stream" not in names,
        stream_options="no_stream_options" not in names,
        system_role="no_system_role" not in names,
        content_parts="content_parts" in names,
        limit_field=limit_field,
    )
