"""A file as the applier sees it: lines, line endings, what may change, and views in which texts are looked up.

Lines end at a line feed and nowhere else, as the markers' rule has it.  A view is one long string with a separator around each key,
so that a lookup is one search in C, linear in the text, whatever the text is.
"""

from __future__ import annotations

import re
from bisect import bisect_left
from collections.abc import Sequence
from dataclasses import dataclass
from functools import cached_property
from itertools import accumulate

from evolve.propose._scope import editable_regions

MAX_HITS = 100  # more places than that are not told apart

# Possessive quantifiers keep it linear on hostile texts.  A string without an end is cut at once, or it costs n^2.
_TOKEN = re.compile(
    r"""
    \#[^\n]*+ | \\\r?\n                                          # comments and continued lines: dropped
    | ( [bBfFrRtTuU]{0,2}+
        (?: \"{3}(?:[^\\"]++|\\.|"(?!""))*+\"{3} | '{3}(?:[^\\']++|\\.|'(?!''))*+'{3}
          | "(?!"")(?:[^\\"\n]++|\\.)*+" | '(?!'')(?:[^\\'\n]++|\\.)*+' )
      | (?:\d|\.\d)[\w.]*+ | \w++ | (?:\"{3}|'{3}).*+ | ["'][^\n]*+ | \S )
    """,
    re.VERBOSE | re.DOTALL,
)
_WORD = re.compile(r"\w+|[^\w\s]")


@dataclass(frozen=True, slots=True)
class Cut:
    """Put ``lines`` (without endings) in place of the rows ``start`` to ``end`` (not included)."""

    start: int
    end: int
    lines: tuple[str, ...]


class View:
    """Keys in which runs of keys are found."""

    def __init__(self, keys: Sequence[str], separator: str) -> None:
        self.keys = keys
        self._separator = separator
        self._text = separator + separator.join(keys) + separator
        self._starts = [0, *accumulate(len(key) + 1 for key in keys)]

    def find(self, run: Sequence[str]) -> list[int]:
        """Where the run stands: indices of its first key, overlapping ones too, at most ``MAX_HITS + 1``."""
        needle = self._separator + self._separator.join(run) + self._separator
        hits: list[int] = []
        at = self._text.find(needle)
        while at >= 0 and len(hits) <= MAX_HITS:
            index = bisect_left(self._starts, at)
            if self._starts[index] == at:  # false inside a token that holds the separator
                hits.append(index)
            at = self._text.find(needle, at + 1)
        return hits


@dataclass(frozen=True, slots=True)
class Tokens:
    """The tokens of a text with the rows each begins and ends on.  Comments and spacing are none."""

    keys: tuple[str, ...]
    first: tuple[int, ...]
    last: tuple[int, ...]


class Source:
    """One file of the parent.  The views are made when a tier first needs them."""

    def __init__(self, path: str, text: str, editable: bool) -> None:
        self.path, self.text = path, text
        self.lines, self.ends = cut_lines(text)
        spans = editable_regions(text) if editable else ()
        self.marked = editable and spans != ((0, len(text)),)
        starts = [0, *accumulate(len(line) + len(end) for line, end in zip(self.lines, self.ends, strict=True))]
        self.regions = tuple((bisect_left(starts, start), bisect_left(starts, end)) for start, end in spans)

    def may_change(self, cut: Cut) -> bool:
        """Whether a cut lies within one editable region."""
        return any(start <= cut.start and cut.end <= end for start, end in self.regions)

    @cached_property
    def exact(self) -> View:
        return View(self.lines, "\n")

    @cached_property
    def trailing(self) -> View:
        return View([line.rstrip() for line in self.lines], "\n")

    @cached_property
    def stripped(self) -> View:
        return View([line.strip() for line in self.lines], "\n")

    @cached_property
    def dense_rows(self) -> list[int]:
        """The rows that are not blank: what the keys of ``dense`` stand for."""
        return [row for row, line in enumerate(self.lines) if line.strip()]

    @cached_property
    def dense(self) -> View:
        return View([self.lines[row].rstrip() for row in self.dense_rows], "\n")

    @cached_property
    def words(self) -> list[list[str]]:
        """Words and signs of each line, of any language."""
        return [_WORD.findall(line) for line in self.lines]

    @cached_property
    def tokens(self) -> Tokens:
        return tokens_of(self.lines)

    @cached_property
    def token_view(self) -> View:
        return View(self.tokens.keys, "\0")


def words_of(lines: Sequence[str]) -> list[str]:
    """Words and signs of all lines."""
    return [word for line in lines for word in _WORD.findall(line)]


def cut_lines(text: str) -> tuple[list[str], list[str]]:
    """Lines, and their endings: a line feed, a carriage return and a line feed, or nothing for a last line without."""
    *whole, last = text.split("\n")
    lines = [line.removesuffix("\r") for line in whole]
    ends = ["\r\n" if line.endswith("\r") else "\n" for line in whole]
    return ([*lines, last], [*ends, ""]) if last else (lines, ends)


def tokens_of(lines: Sequence[str]) -> Tokens:
    """Cut lines of Python, or of part of it, into tokens.  Rows count from 0."""
    text = "\n".join(lines)
    starts = [0, *accumulate(len(line) + 1 for line in lines)]
    keys: list[str] = []
    first: list[int] = []
    last: list[int] = []
    row = 0
    for found in _TOKEN.finditer(text):
        if found[1] is None:
            continue
        while starts[row + 1] <= found.start():
            row += 1
        keys.append(found[1])
        first.append(row)
        last.append(row + found[1].count("\n"))
    return Tokens(tuple(keys), tuple(first), tuple(last))


def spliced(source: Source, cuts: Sequence[Cut]) -> str:
    """The file with all cuts made; they must not overlap and refer to the file as given.

    Lines at either end of a cut that are as they were keep their bytes.  New lines end as the line they stand for does, and whether
    the file ends with a line feed stays as it was.
    """
    rows: list[tuple[str, str]] = []
    at = 0
    usual = source.ends[0] if source.ends and source.ends[0] else "\n"
    for cut in sorted(cuts, key=lambda cut: (cut.start, cut.end)):
        head, tail = shared(source.lines[cut.start : cut.end], cut.lines)
        start, end = cut.start + head, cut.end - tail
        rows += zip(source.lines[at:start], source.ends[at:start], strict=True)
        near = source.ends[start : start + 1] or source.ends[start - 1 : start] if start else source.ends[:1]
        ending = (near[0] if near else "") or usual
        rows += [(line, ending) for line in cut.lines[head : len(cut.lines) - tail]]
        at = end
    rows += zip(source.lines[at:], source.ends[at:], strict=True)
    parts = [line + (end or usual) for line, end in rows[:-1]]
    if rows:
        bare = bool(source.ends) and not source.ends[-1]
        parts.append(rows[-1][0] + ("" if bare else rows[-1][1] or usual))
    return "".join(parts)


def shared(old: Sequence[str], new: Sequence[str]) -> tuple[int, int]:
    """How many lines the two have in common at the start, and of the rest at the end."""
    most = min(len(old), len(new))
    head = 0
    while head < most and old[head] == new[head]:
        head += 1
    tail = 0
    while tail < most - head and old[-1 - tail] == new[-1 - tail]:
        tail += 1
    return head, tail
