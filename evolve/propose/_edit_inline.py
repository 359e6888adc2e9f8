"""Old text that is a part of a line, as tools that replace strings take it: made into whole lines where it stands once."""

from __future__ import annotations

import re
from collections.abc import Sequence
from dataclasses import replace

from evolve.propose._edit_source import Source
from evolve.propose._edits import Replace

_LEAST = 6  # characters without spaces: less stands anywhere


def places_inside(edit: Replace, sources: Sequence[Source]) -> list[tuple[Source, int]]:
    """Where the old text stands, whatever is around it, but in no word: the source and the first character, at most two."""
    wanted = edit.search.strip("\n")
    if sum(not sign.isspace() for sign in wanted) < _LEAST:
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
    return replace(edit, path=source.path, search=text[start:stop] + "\n", replace=f"{before}{new}{after}\n", also=())


def _first(text: str) -> str | None:
    """The word or sign that a text begins with."""
    found = re.match(r"\s*(\w+|\S)", text)
    return found[1] if found else None


def _last(text: str) -> str | None:
    """The word or sign that a text ends with."""
    return text.rstrip()[-1:] or None


def _in_word(text: str, at: int) -> bool:
    """Whether the characters on both sides of a place belong to one word or number."""
    return 0 < at < len(text) and all(sign.isalnum() or sign == "_" for sign in text[at - 1 : at + 1])
