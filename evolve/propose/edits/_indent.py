"""Moving lines to the right and to the left, together."""

from __future__ import annotations

from collections.abc import Sequence
from math import gcd


def moved_alike(search: list[str], window: list[str], replace: list[str]) -> list[str] | None:
    """``replace`` moved as ``window`` is from ``search``; None when their lines are not moved alike.

    Where the file indents with tabs and the edit with spaces, or the other way round, the edit's steps become the file's first.
    """
    for old, new in (_tabbed(search, replace, window), _spaced(search, replace, window), (search, replace)):
        a, b = margin(old), margin(window)
        same = all(
            x.strip() == y.strip() and x[len(a) :].rstrip() == y[len(b) :].rstrip() for x, y in zip(old, window, strict=True)
        )
        if same:
            return moved(new, a, b)
    return None


def margin(lines: Sequence[str]) -> str:
    """The spacing that all lines begin with, blank ones aside."""
    spacings = [spacing(line) for line in lines if line.strip()]
    if not spacings:
        return ""
    first, last = min(spacings), max(spacings)  # what these two share, all share
    return first[: next((i for i, char in enumerate(first) if last[i : i + 1] != char), len(first))]


def moved(lines: Sequence[str], a: str, b: str) -> list[str] | None:
    """Lines whose margin ``a`` becomes ``b``; None when a line would have to move left of the first column."""
    out = []
    for line in lines:
        own = spacing(line)
        if not line.strip():
            out.append("")
        elif line.startswith(a):
            out.append(b + line[len(a) :])
        elif a.startswith(own) and len(a) - len(own) <= len(b):
            out.append(b[: len(b) - (len(a) - len(own))] + line.lstrip())
        else:
            return None
    return out


def _tabbed(search: list[str], replace: list[str], window: list[str]) -> tuple[list[str], list[str]]:
    spacings = [spacing(line) for line in search + replace if line.strip()]
    unit = gcd(*map(len, spacings))
    if unit < 2 or any("\t" in own for own in spacings) or not any(line.startswith("\t") for line in window):
        return search, replace

    def tabbed(line: str) -> str:
        return "\t" * (len(spacing(line)) // unit) + line.lstrip() if line.strip() else line

    return [tabbed(line) for line in search], [tabbed(line) for line in replace]


def _spaced(search: list[str], replace: list[str], window: list[str]) -> tuple[list[str], list[str]]:
    """Tabs before lines as the spaces that the file has for a step."""
    if not any("\t" in spacing(line) for line in search + replace) or any("\t" in spacing(line) for line in window):
        return search, replace
    unit = gcd(*(len(spacing(line)) for line in window if line.strip())) or 4
    return [_filled(line, unit) for line in search], [_filled(line, unit) for line in replace]


def _filled(line: str, unit: int) -> str:
    own = spacing(line)
    return own.replace("\t", " " * unit) + line[len(own) :]


def spacing(line: str) -> str:
    """What a line begins with before its first sign."""
    return line[: len(line) - len(line.lstrip())]
