"""Tables in a text, of Markdown or of columns of blanks: what stands under a heading that says what it is."""

from __future__ import annotations

import re
from collections.abc import Iterator

_MEAN = re.compile(r"\b(?:mean|average|avg)\b|μ")
_SD = re.compile(r"\b(?:std|sd|stdev)\b|σ")
_P = re.compile(r"\bp\b(?! *<)|\bp\(|p-value")
_COUNT = re.compile(r"^(?:n|runs)$")
_DIFFERENCE = re.compile(r"\+/-|delta|δ|diff", re.I)
_SEPARATOR = re.compile(r"^[\s|:+=-]*$")
_VALUE = re.compile(r"^\W*(\d+(?:\.\d+)?(?:e[-+]?\d+)?)", re.I)
_LEAST = 3  # cells of a row that is one of a table


def table_values(text: str) -> Iterator[tuple[str, str]]:
    """``(kind, number)`` for the cells under a heading that tells one: mean, sd, p, count, time."""
    kinds: list[str] = []
    for line in text.splitlines():
        cells = _cells(line)
        if len(cells) < _LEAST:
            kinds = [] if not _SEPARATOR.match(line) or not line.strip() else kinds
            continue
        heads = [_kind(cell.lower()) for cell in cells]
        if sum(map(bool, heads)) >= 2 and not any(_VALUE.match(cell) for cell in cells):
            kinds = heads
            continue
        row = [""] * (len(cells) - len(kinds)) + kinds if 0 <= len(cells) - len(kinds) <= 1 else []
        for kind, cell in zip(row, cells, strict=False):
            if kind and (value := _VALUE.match(cell)):
                yield kind, value[1]


def _cells(line: str) -> list[str]:
    if "|" in line:
        return [cell.strip() for cell in line.strip().strip("|").split("|")]
    return re.split(r" {2,}", line.strip())


def _kind(head: str) -> str:
    """What a column has in it, by its heading; "" where nothing is known of it."""
    if _DIFFERENCE.search(head):
        return ""
    if _COUNT.match(head.strip("*` ")):
        return "count"
    if _P.search(head):
        return "p"
    if "time" in head:
        return "time" if _MEAN.search(head) else ""
    if "loss" not in head:
        return ""
    return "mean" if _MEAN.search(head) else "sd" if _SD.search(head) else ""
