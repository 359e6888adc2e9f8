"""The ``tune:`` comments of a program: how far a number may move, and which lines are to be left as they are.

They bind whatever changes a program without a model: the tuner, the edits of the tree, crossover.
"""

from __future__ import annotations

import math
import re
from collections import Counter
from collections.abc import Sequence

from evolve.propose.mutate._numbers import LiteralSite

_COMMENT_CHARS = 400  # of the end of a line are looked at for a comment, or a long line costs its square
_TUNE = re.compile(
    r"(?:\#|//|/\*)\s*tune:\s*(?:(?P<off>off)|(?P<low>[-+\d.eE]+)\s*\.\.\s*(?P<high>[-+\d.eE]+?)\s*(?P<scale>log|linear)?)\s*"
    r"(?:\#.*|\*/.*|$)"
)


def bounds_at(text: str, end: int) -> tuple[float, float, str] | None:
    """The ``tune:`` comment on the line where a number ends: (low, high, scale), scale ``off`` to leave it alone."""
    stop = text.find("\n", end)
    stop = stop if stop >= 0 else len(text)
    return _read(text[max(end, stop - _COMMENT_CHARS) : stop])


def is_off(text: str, end: int) -> bool:
    """Whether the line where a number ends is to be left as it is."""
    bounds = bounds_at(text, end)
    return bounds is not None and bounds[2] == "off"


def within(text: str, end: int, value: float, *, is_int: bool) -> float | None:
    """The value next to ``value`` that the number which ends there may have; None where it may have no other."""
    bounds = bounds_at(text, end)
    if bounds is None:
        return value
    low, high, scale = bounds
    if is_int:
        low, high = math.ceil(low), math.floor(high)
    return None if scale == "off" or not low <= high else min(max(value, low), high)


def overstepped(parent: str, child: str, before: Sequence[LiteralSite], after: Sequence[LiteralSite]) -> str:
    """What a child does not keep of its parent's ``tune:`` comments, in a sentence; "" when it keeps them.

    Args:
        parent: A file of the parent.
        child: The same file of the child.
        before: The numbers of ``parent``.
        after: The numbers of ``child``.
    """
    if gone := _off(parent) - _off(child):
        return f"a line with 'tune: off' would not stay as it is: {min(gone)[:60]}."
    was = {item.path: item.value for item in before}
    for item in after:
        if (bounds := bounds_at(child, item.end)) is None or was.get(item.path) == item.value:
            continue
        low, high, scale = bounds
        if scale != "off" and not low <= item.value <= high:
            return f"{item.value:.6g} is not in {low:.6g}..{high:.6g}, which a comment beside it says."
    return ""


def _off(text: str) -> Counter[str]:
    lines = (line for line in text.split("\n") if "tune:" in line)
    return Counter(line.strip() for line in lines if (read := _read(line[-_COMMENT_CHARS:])) is not None and read[2] == "off")


def _read(end_of_line: str) -> tuple[float, float, str] | None:
    line = end_of_line.rstrip("\r")
    match = _TUNE.search(line) if "tune:" in line else None
    if match is None:
        return None
    if match["off"]:
        return 0.0, 0.0, "off"
    try:
        low, high = float(match["low"]), float(match["high"])
    except ValueError:
        return None
    return (low, high, match["scale"] or "linear") if math.isfinite(high - low) else None
