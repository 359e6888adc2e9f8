"""What people call a change: where it stands, and what became of what."""

from __future__ import annotations

import re
from collections.abc import Sequence

from evolve._counted import counted
from evolve._untrusted import visible
from evolve.propose._python import is_python
from evolve.propose.mutate._literals import find, short_name
from evolve.research._hunks import Hunk
from evolve.research._needs import Files

_WIDTH = 48  # of a line that is quoted
_LONG = 400  # of what is looked at
_TARGET = re.compile(r"([A-Za-z_][\w.]*)[\"']?\s*(?::[^=]*)?[:=]=?\s*[-+]?$")
_SETTING = re.compile(r"\s*([A-Za-z_][\w.\[\]]*)\s*(?::[^=]+)?=(?!=)\s*(.+?)\s*(?:#.*)?$")
_COMMENT = re.compile(r"\s*(?:#|//|--|;|%)")


def name_of(hunks: Sequence[Hunk], before: Files, after: Files) -> str:
    """Place and words of the piece that says most, and how many others there are."""
    telling = next((hunk for hunk in hunks if _code(hunk)), hunks[0])
    more = f", and {counted(len(hunks) - 1, 'place')} more" if len(hunks) > 1 else ""
    return f"{telling.path}:{telling.line} {_words(telling, after)}{more}"


def _words(hunk: Hunk, after: Files) -> str:
    if hunk.whole:
        return f"new file, {counted(len(hunk.new.splitlines()), 'line')}"
    if hunk.is_number:
        return f"{_target(hunk, after[hunk.path])} {hunk.old} -> {hunk.new}".strip()
    old, new = (_SETTING.match(text) if text.count("\n") <= 1 and len(text) <= _LONG else None for text in (hunk.old, hunk.new))
    if old and new and old[1] == new[1]:
        return f"{old[1]} {_short(old[2], _WIDTH // 2)} -> {_short(new[2], _WIDTH // 2)}"
    added, removed = len(hunk.new.splitlines()), len(hunk.old.splitlines())
    sizes = " ".join(f"{sign}{n}" for sign, n in (("+", added), ("-", removed)) if n)
    return f"{_short(_code(hunk) or hunk.new or hunk.old, _WIDTH)} ({sizes})"


def _code(hunk: Hunk) -> str:
    """The first line of a piece that is no comment: of what is new, else of what was."""
    lines = (line for text in (hunk.new, hunk.old) for line in text.splitlines())
    return next((line for line in lines if line.strip() and not _COMMENT.match(line)), "")


def _target(hunk: Hunk, text: str) -> str:
    """What a number is given to; "" where nothing says so."""
    sites = find(hunk.path, text) if is_python(hunk.path) else ()
    site = next((site for site in sites if site.start <= hunk.at < site.end), None)
    if site is not None:
        return short_name(site.path)
    start = max(text.rfind("\n", 0, hunk.at) + 1, text.rfind("\r", 0, hunk.at) + 1, hunk.at - _LONG)
    found = _TARGET.search(text[start : hunk.at])
    if found:
        return found[1]
    setting = _SETTING.match(text[start : hunk.at + 1])
    return setting[1] if setting else ""


def _short(text: str, width: int) -> str:
    line = " ".join(visible(text).split())
    return line if len(line) <= width else f"{line[: width - 1]}…"
