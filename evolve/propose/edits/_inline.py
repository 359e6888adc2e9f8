"""Old text that is a part of a line, as tools that replace strings take it: made into whole lines where it stands once."""

from __future__ import annotations

import re
from collections.abc import Sequence
from dataclasses import replace

from evolve.propose.edits._edits import Replace
from evolve.propose.edits._indent import spacing
from evolve.propose.edits._source import Source

_LEAST = 6  # characters without spaces: less stands anywhere
_CLOSING = re.compile(r"[\s\])}>,;:{]*(?:(?:#|//|--|/\*).*)?")
_SHARED = 4  # characters without spaces: less follows by chance


def places_inside(edit: Replace, sources: Sequence[Source]) -> list[tuple[Source, int]]:
    """Where the old text stands, whatever is around it, but in no word: the source and the first character, at most two."""
    wanted = edit.search.strip("\n")
    if _size(wanted) < _LEAST:
        return []
    found: list[tuple[Source, int]] = []
    for source in sources:
        text = "\n".join(source.lines)
        at = text.find(wanted)
        while at >= 0 and len(found) < 2:
            if not _in_word(text, at) and not _in_word(text, at + len(wanted)):
                found.append((source, at))
            at = text.find(wanted, at + 1)
    return found


def whole_lines(edit: Replace, source: Source, at: int) -> Replace | None:
    """The edit with all of the lines that it touches; None where the new text seems to have what stands around the old."""
    text = "\n".join(source.lines)
    wanted, new = edit.search.strip("\n"), edit.replace.strip("\n")
    end = at + len(wanted)
    start = text.rfind("\n", 0, at) + 1
    stop = text.find("\n", end)
    stop = stop if stop >= 0 else len(text)
    before, after = text[start:at], text[end:stop]
    if _first(before) not in (None, _first(wanted)) and _first(before) == _first(new):
        return None
    if _last(after) not in (None, _last(wanted)) and _last(after) == _last(new):
        return None
    if before.strip() and (len(spacing(new)) != len(spacing(wanted)) or _in_word(before + new, len(before))):
        return None  # new lines are whole, or the word before grows
    if after.strip() and (_in_word(new + after, len(new)) or (not before.strip() and not _CLOSING.fullmatch(after))):
        return None  # old lines that are whole but for the end of the last: it was cut off
    if _goes_on(wanted, new, after) or _goes_on(wanted[::-1], new[::-1], before[::-1]):
        return None
    return replace(edit, path=source.path, search=text[start:stop] + "\n", replace=f"{before}{new}{after}\n", also=())


def _goes_on(wanted: str, new: str, after: str) -> bool:
    """Whether the new text has what follows the old, which would stand twice: all of it, or as it goes on after the old text."""
    rest = after.strip()
    if _size(rest) >= _SHARED and new.count(rest) > wanted.count(rest):
        return True
    more = new.removeprefix(wanted) if new.startswith(wanted) else ""
    alike = next((i for i, (a, b) in enumerate(zip(more, after, strict=False)) if a != b), min(len(more), len(after)))
    return _size(more[:alike]) >= _SHARED


def _size(text: str) -> int:
    return sum(not sign.isspace() for sign in text)


def _first(text: str) -> str | None:
    """The word or sign that a text begins with."""
    found = re.match(r"\s*(\w+|\S)", text)
    return found[1] if found else None


def _last(text: str) -> str | None:
    """The sign that a text ends with; all digits are one."""
    last = text.rstrip()[-1:]
    return "0" if last.isdigit() else last or None


def _in_word(text: str, at: int) -> bool:
    """Whether the characters on both sides of a place belong to one word or number."""
    if not 0 < at < len(text):
        return False
    if all(sign.isalnum() or sign == "_" for sign in text[at - 1 : at + 1]):
        return True
    return bool(re.match(r"\.\d|\d\.\d", text[at - 1 : at + 2]))
