"""Text a candidate wrote, made fit to be kept: untrusted still, and to be escaped by whoever shows it."""

from __future__ import annotations

import re

from evolve._untrusted import clean

_RICH = re.compile(
    r"\[/?(?:bold|dim|italic|underline|blink2?|reverse|conceal|strike|black|red|green|yellow|blue|magenta|cyan|white"
    r"|bright_[a-z]+|#[0-9a-f]{6})\b[^\[\]\n]{0,200}\]|\[(?:link|@[a-z.]+)=[^\[\]\n]{0,500}\]|\[/[a-z@#]{0,20}\]",
    re.IGNORECASE,
)
_HTML = re.compile(
    r"</?(?:a|abbr|audio|base|body|br|button|canvas|div|embed|form|frame|h[1-6]|head|hr|html|iframe|img|input|link|li|math|meta"
    r"|object|ol|p|pre|script|source|span|style|svg|table|td|template|textarea|th|title|tr|ul|video|b|i|u|s|em|strong|code)"
    r"(?:[\s/][^<>]*)?>|<!--|<!doctype[^<>]*>|<\?[^<>]*>",
    re.IGNORECASE,
)
_OURS = re.compile(r'^  File "_stub(?:_server|_program|_command)?\.py", line \d+, in .*\n', re.MULTILINE)


def clean_log(data: bytes) -> str:
    """``clean_text`` of what was printed: tracebacks begin where the program does: the frames that started it are the sandbox's."""
    return _OURS.sub("", clean_text(data.decode("utf-8", "ignore")))


def clean_text(text: str) -> str:
    """What a candidate said, ``clean`` and without rich and HTML tags.

    Angle and square brackets that are no tags stay (``<module>``, ``x[i]``): whoever shows the text still has to escape it.
    """
    text = clean(text)
    # Removing one tag may join the halves of another; three rounds catch what is not deliberate, the rest is cut open.
    for _ in range(3):
        shorter = _HTML.sub("", _RICH.sub("", text))
        if shorter == text:
            return text
        text = shorter
    return _HTML.sub("", _RICH.sub("", text)).replace("<", "(").replace(">", ")")
