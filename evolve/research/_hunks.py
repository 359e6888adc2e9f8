"""Where two programs differ, as pieces that can be taken one by one.

Lines are compared; then pieces are made smaller where that loses nothing: a line and what became of it are a piece of their own,
numbers that were changed in a line that stays as it was are too, and what was inserted or deleted in a Python source falls
apart into statements.  Applied all together the pieces give the second program byte for byte, whatever the texts are.
"""

from __future__ import annotations

import ast
import re
from bisect import bisect_right
from collections.abc import Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from difflib import SequenceMatcher
from itertools import accumulate, groupby, pairwise

from evolve.propose._python import Edit, apply_edits, is_python, parse

NUMBER = re.compile(r"(?<![\w.])(?:\d[\d_]*(?:\.[\d_]*)?|\.\d[\d_]*)(?:[eE][+-]?\d+)?(?![\w.])")
_MARK = re.compile(r"(?:#|//|--|;|%)[ \t]*component:[ \t]*([^\r\n]*\S)")
_COMMENT = re.compile(r"[ \t]*(?:#|//|--|;|%)")
_GIVEN = re.compile(r"\s*([\w.\[\]]+)\s*(?::[^=]+)?=(?!=)")
_ALIKE = 0.5  # least likeness of two lines of which one replaced the other
_MOST_PAIRS = 900  # of lines that are compared
_MOST_LETTERS = 250_000  # of two lines, times each other
_MANY_LINES = 5000  # the same line many times over costs its square


@dataclass(frozen=True, slots=True)
class Hunk:
    """``new`` in place of the characters ``start`` to ``end`` of a file of the first program; with ``whole`` it is all of a file
    that only the second one has.

    ``line`` is where it stands in the second program (from 1), of something deleted where it would stand; ``at`` the character
    there.  ``component`` is the name that a comment declares for it, "" without one.
    """

    path: str
    start: int
    end: int
    old: str
    new: str
    line: int
    at: int
    component: str = ""
    whole: bool = False

    @property
    def is_number(self) -> bool:
        """Whether one number became another, and nothing else."""
        return bool(NUMBER.fullmatch(self.old) and NUMBER.fullmatch(self.new))


def hunks_of(before: Mapping[str, str], after: Mapping[str, str]) -> tuple[Hunk, ...]:
    """The pieces in which two programs differ, by path and place.  The second has all files of the first."""
    found: list[Hunk] = []
    for path in sorted(after):
        if path not in before:
            found.append(Hunk(path, 0, 0, "", after[path], 1, 0, _declared(after[path].splitlines()[:1]), whole=True))
        elif before[path] != after[path]:
            found += _of_file(path, before[path], after[path])
    return tuple(found)


def applied(before: Mapping[str, str], hunks: Iterable[Hunk]) -> dict[str, str]:
    """The first program with these pieces, which stand in the order of ``hunks_of``."""
    files = dict(before)
    for path, own in groupby(hunks, key=lambda hunk: hunk.path):
        pieces = list(own)
        files[path] = (
            pieces[0].new if pieces[0].whole else apply_edits(before[path], (Edit(one.start, one.end, one.new) for one in pieces))
        )
    return files


def _of_file(path: str, before: str, after: str) -> Iterator[Hunk]:
    old, new = before.splitlines(keepends=True), after.splitlines(keepends=True)
    starts, places = [0, *accumulate(map(len, old))], [0, *accumulate(map(len, new))]
    cuts_old, cuts_new = (_statement_starts(text) if is_python(path) else {} for text in (before, after))
    for tag, i1, i2, j1, j2 in SequenceMatcher(None, old, new, autojunk=len(new) > _MANY_LINES).get_opcodes():
        if tag == "equal":
            continue
        name = _declared(new[j1 - 1 : j1], alone=True) if j1 else ""
        name = name or (_declared(old[i1 - 1 : i1], alone=True) if i1 else "")
        for a, b, c, d in _pieces(old, new, (i1, i2, j1, j2), cuts_old, cuts_new):
            own = _declared(new[c:d]) or _declared(old[a:b])
            if own and (_declared(new[c:d], alone=True) or _declared(old[a:b], alone=True)):
                name = own  # it stands above what follows too
            line = next((row for row in range(c, d) if new[row].strip()), c) + 1
            hunk = Hunk(path, starts[a], starts[b], "".join(old[a:b]), "".join(new[c:d]), line, places[c], own or name)
            yield from _numbers(hunk, c)


def _pieces(
    old: Sequence[str],
    new: Sequence[str],
    span: tuple[int, int, int, int],
    cuts_old: Mapping[int, int],
    cuts_new: Mapping[int, int],
) -> Iterator[tuple[int, int, int, int]]:
    """One difference as smaller ones: lines of the first and of the second text."""
    i1, i2, j1, j2 = span
    if i1 == i2:
        for c, d in _cut(new, j1, j2, cuts_new):
            yield i1, i1, c, d
    elif j1 == j2:
        for a, b in _cut(old, i1, i2, cuts_old):
            yield a, b, j1, j1
    else:
        for a, b, c, d in _aligned(old, new, span):
            if b - a == d - c == 1 or (a < b and c < d):
                yield a, b, c, d
            else:
                yield from _pieces(old, new, (a, b, c, d), cuts_old, cuts_new)


def _aligned(old: Sequence[str], new: Sequence[str], span: tuple[int, int, int, int]) -> Iterator[tuple[int, int, int, int]]:
    """Lines that were replaced by others, as pairs of a line and what became of it, and what stands between those."""
    i1, i2, j1, j2 = span
    at_old, at_new = i1, j1
    for i, j in [*_pairs(old[i1:i2], new[j1:j2]), (i2 - i1, j2 - j1)]:
        if (at_old, at_new) != (i1 + i, j1 + j):
            yield at_old, i1 + i, at_new, j1 + j
        if i1 + i < i2 and old[i1 + i] != new[j1 + j]:
            yield i1 + i, i1 + i + 1, j1 + j, j1 + j + 1
        at_old, at_new = i1 + i + 1, j1 + j + 1


def _pairs(old: Sequence[str], new: Sequence[str]) -> list[tuple[int, int]]:
    """Which line became which, in order: of all ways to pair them that in which the pairs are most alike; none of very many."""
    if len(old) * len(new) > _MOST_PAIRS:
        return []
    best: dict[tuple[int, int], tuple[float, list[tuple[int, int]]]] = {}
    nothing: tuple[float, list[tuple[int, int]]] = (0.0, [])
    for i in range(len(old)):
        for j in range(len(new)):
            like, (before, pairs) = _likeness(old[i], new[j]), best.get((i - 1, j - 1), nothing)
            ways = [best.get((i - 1, j), nothing), best.get((i, j - 1), nothing)]
            best[i, j] = max([*ways, (before + like, [*pairs, (i, j)])] if like else ways, key=lambda way: way[0])
    return best[len(old) - 1, len(new) - 1][1]


def _likeness(old: str, new: str) -> float:
    """How much of one line is in what became of it; 0 of lines that are not as far indented, or are another one.
    Lines that give the same name a value are alike."""
    if len(old) - len(old.lstrip()) != len(new) - len(new.lstrip()) or not old.strip():
        return 1.0 if old == new else 0.0
    if NUMBER.sub("0", old) == NUMBER.sub("0", new):
        return 1.0
    given, given_now = _GIVEN.match(old), _GIVEN.match(new)
    short = len(old) * len(new) <= _MOST_LETTERS
    like = SequenceMatcher(None, old.strip(), new.strip(), autojunk=False).ratio() if short else 0.0
    if given and given_now and given[1] == given_now[1]:
        return (1 + like) / 2
    return like if like > _ALIKE else 0.0


def _cut(lines: Sequence[str], first: int, last: int, starts: Mapping[int, int]) -> Iterator[tuple[int, int]]:
    """Lines as stretches of one statement each, with the comments above it; where none begins, in one piece."""
    inside = {row: column for row, column in starts.items() if first <= row < last}
    outermost = min(inside.values(), default=0)
    edges = []
    for row in sorted(row for row, column in inside.items() if column == outermost):
        while row > first and _COMMENT.match(lines[row - 1]):
            row -= 1
        edges.append(row)
    edges = sorted({first, *edges[1:], last})
    yield from pairwise(edges)


def _statement_starts(text: str) -> dict[int, int]:
    """Rows (from 0) at which statements of a source begin, and their columns; none where rows are counted in another way."""
    parsed = parse(text)
    if parsed.tree is None or len(parsed.starts) != len(text.splitlines()) + text.endswith(("\n", "\r")):
        return {}
    found: dict[int, int] = {}
    for node in ast.walk(parsed.tree):
        if isinstance(node, ast.stmt):
            row = min([node.lineno, *(one.lineno for one in getattr(node, "decorator_list", ()))]) - 1
            found[row] = min(node.col_offset, found.get(row, node.col_offset))
    return found


def _numbers(hunk: Hunk, row: int) -> Iterator[Hunk]:
    """The changed numbers of lines that are otherwise the same, or the piece as it is; ``row`` lines stand above it."""
    old, new = list(NUMBER.finditer(hunk.old)), list(NUMBER.finditer(hunk.new))
    if not old or len(old) != len(new) or NUMBER.sub("0", hunk.old) != NUMBER.sub("0", hunk.new):
        yield hunk
        return
    starts = [0, *accumulate(map(len, hunk.new.splitlines(keepends=True)))]
    for was, now in zip(old, new, strict=True):
        if was[0] != now[0]:
            start, end = hunk.start + was.start(), hunk.start + was.end()
            line = row + bisect_right(starts, now.start())
            yield Hunk(hunk.path, start, end, was[0], now[0], line, hunk.at + now.start(), hunk.component)


def _declared(lines: Iterable[str], *, alone: bool = False) -> str:
    """The component that one of these lines names; with ``alone`` only where it says nothing else."""
    found = (_MARK.search(line) for line in lines if not alone or _COMMENT.match(line))
    return next((match[1] for match in found if match), "")
