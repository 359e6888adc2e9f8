"""Where two programs differ, as pieces that can be taken one by one.

Lines are compared; then pieces are made smaller where that loses nothing: lines that were replaced one for one are pieces of their
own, numbers that were changed in a line that stays as it was are too, and what was inserted or deleted in a Python source falls
apart into statements.  Applied all together the pieces give the second program byte for byte, whatever the texts are.
"""

from __future__ import annotations

import ast
import re
from collections.abc import Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from difflib import SequenceMatcher
from itertools import accumulate, groupby, pairwise

from evolve.propose._python import Edit, apply_edits, is_python, parse

NUMBER = re.compile(r"(?<![\w.])(?:\d[\d_]*(?:\.[\d_]*)?|\.\d[\d_]*)(?:[eE][+-]?\d+)?(?![\w.])")
_MARK = re.compile(r"(?:#|//|--|;|%)[ \t]*component:[ \t]*([^\r\n]*\S)")
_COMMENT = re.compile(r"[ \t]*(?:#|//|--|;|%)")
_ALIKE = 0.5  # least likeness of two lines of which one replaced the other


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
    for tag, i1, i2, j1, j2 in SequenceMatcher(None, old, new, autojunk=False).get_opcodes():
        if tag == "equal":
            continue
        name = _declared(new[j1 - 1 : j1], alone=True) if j1 else ""
        name = name or (_declared(old[i1 - 1 : i1], alone=True) if i1 else "")
        for a, b, c, d in _pieces(old, new, (i1, i2, j1, j2), cuts_old, cuts_new):
            own = _declared(new[c:d]) or _declared(old[a:b])
            if own and (_declared(new[c:d], alone=True) or _declared(old[a:b], alone=True)):
                name = own  # it stands above what follows too
            hunk = Hunk(path, starts[a], starts[b], "".join(old[a:b]), "".join(new[c:d]), c + 1, places[c], own or name)
            yield from _numbers(hunk)


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
    elif i2 - i1 == j2 - j1 and all(map(_alike, old[i1:i2], new[j1:j2])):
        for a, c in zip(range(i1, i2), range(j1, j2), strict=True):
            if old[a] != new[c]:
                yield a, a + 1, c, c + 1
    else:
        yield span


def _alike(old: str, new: str) -> bool:
    """Whether one line is what became of the other: as far indented, and more than half the same."""
    if len(old) - len(old.lstrip()) != len(new) - len(new.lstrip()) or not old.strip():
        return old == new
    return NUMBER.sub("0", old) == NUMBER.sub("0", new) or SequenceMatcher(None, old, new, autojunk=False).ratio() > _ALIKE


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


def _numbers(hunk: Hunk) -> Iterator[Hunk]:
    """The changed numbers of lines that are otherwise the same, or the piece as it is."""
    old, new = list(NUMBER.finditer(hunk.old)), list(NUMBER.finditer(hunk.new))
    if not old or len(old) != len(new) or NUMBER.sub("0", hunk.old) != NUMBER.sub("0", hunk.new):
        yield hunk
        return
    for was, now in zip(old, new, strict=True):
        if was[0] != now[0]:
            start, end = hunk.start + was.start(), hunk.start + was.end()
            line = hunk.line + len(hunk.new[: now.start()].splitlines()) - (now.start() > 0)
            yield Hunk(hunk.path, start, end, was[0], now[0], line, hunk.at + now.start(), hunk.component)


def _declared(lines: Iterable[str], *, alone: bool = False) -> str:
    """The component that one of these lines names; with ``alone`` only where it says nothing else."""
    found = (_MARK.search(line) for line in lines if not alone or _COMMENT.match(line))
    return next((match[1] for match in found if match), "")
