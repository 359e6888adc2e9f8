"""A program as changes of another one, each of which can be left out, or put in alone.

Pieces that belong together are one change: those that a comment ``# component: NAME`` declares, on the line above them or in their
lines; the numbers of one list; comments and layout with what stands next to them.  What then cannot stand alone is joined with what
it needs: of a change that is put into the first program alone, and of the second program without it, every Python source that
parsed still parses, and no name, attribute, key or argument is missing that both programs have.  So a definition is one change with
all that use it.  The rest is independent as far as texts tell; what measuring finds is another matter.
"""

from __future__ import annotations

import ast
import re
from collections.abc import Iterable, Iterator, Sequence
from dataclasses import dataclass
from itertools import pairwise

from evolve._errors import UsageError
from evolve.propose import canonical_hash
from evolve.propose._python import is_python, parse
from evolve.research._hunks import Hunk, applied, hunks_of
from evolve.research._names import name_of
from evolve.research._needs import Files, lacks

MOST = 20
_TRIED = 12  # partners of a change that cannot stand alone, the likeliest first
_MANY = 200  # pieces that are looked at beside all others
_LIST = 3  # so many numbers in brackets are a list: data, and not settings

Group = frozenset[int]  # pieces, by their place in the order of ``hunks_of``


@dataclass(frozen=True, slots=True)
class Change:
    """What can be left out or put in by itself.  ``declared``: a comment says what belongs to it."""

    name: str
    hunks: tuple[Hunk, ...]
    declared: bool = False


@dataclass(frozen=True, slots=True)
class Changes:
    """How ``after`` came out of ``before``: all changes together, and nothing else."""

    before: Files
    after: Files
    items: tuple[Change, ...]

    def with_only(self, wanted: Iterable[int]) -> dict[str, str]:
        """The first program with these changes, by index; all of them give the second one byte for byte."""
        hunks = (hunk for index in wanted for hunk in self.items[index].hunks)
        return applied(self.before, sorted(hunks, key=lambda hunk: (hunk.path, hunk.start, hunk.at)))

    def without(self, left_out: Iterable[int]) -> dict[str, str]:
        """The second program without these changes."""
        out = set(left_out)
        return self.with_only(index for index in range(len(self.items)) if index not in out)

    def lacks(self, files: Files) -> frozenset[str]:
        """What a program of some of these changes lacks that both programs have; nothing where it can be tried."""
        return lacks(self.before, self.after, files)


def changes_of(before: Files, after: Files, comments: tuple[str, ...] = (), most: int = MOST) -> Changes:
    """The changes that made the second program of the first, in their order.

    Args:
        before, after: files by path; the second program has all files of the first.
        comments: what comments begin with that count, as ``Contract.meaningful_comments``.
        most: how many changes at most; of more the neighbours are joined.

    Raises:
        UsageError: the programs do not differ, or in comments and layout alone.
    """
    hunks = hunks_of(before, after)
    if not hunks or canonical_hash(dict(before), comments) == canonical_hash(dict(after), comments):
        found = "only comments and layout that differ" if hunks else "no difference"
        raise UsageError(f"expected a program that differs from the initial one, found {found}: there is nothing to take apart.")
    groups = _Grouping(before, after, hunks, comments).groups(most)
    order = sorted(groups, key=min)
    return Changes(before, after, tuple(_change(before, after, [hunks[number] for number in sorted(group)]) for group in order))


def _change(before: Files, after: Files, hunks: Sequence[Hunk]) -> Change:
    names = dict.fromkeys(hunk.component for hunk in hunks if hunk.component)
    return Change(" + ".join(names) or name_of(hunks, before, after), tuple(hunks), bool(names))


class _Grouping:
    """Which pieces are one change."""

    def __init__(self, before: Files, after: Files, hunks: Sequence[Hunk], comments: tuple[str, ...]) -> None:
        self.before, self.after, self.hunks, self.comments = before, after, hunks, comments
        self.every = frozenset(range(len(hunks)))
        self.numbers = frozenset(number for number, hunk in enumerate(hunks) if hunk.is_number)

    def groups(self, most: int) -> list[Group]:
        """The pieces of each change, of which there are at most so many."""
        found = self._standing(self._joined(lists=True), most)
        return found if len(found) > 1 else self._standing(self._joined(lists=False), most)

    def _standing(self, groups: list[Group], most: int) -> list[Group]:
        """The groups, joined until each can stand alone and there are no more than ``most``."""
        while True:
            pair = self._needed_pair(groups) or (self._nearest_pair(groups) if len(groups) > most else None)
            if pair is None:
                return groups
            groups = _with_joined(groups, *pair)

    # ---------------------------------------------------------------------------------------- what belongs together

    def _joined(self, *, lists: bool) -> list[Group]:
        """Pieces by declared component and by list, and those that change nothing with their neighbours."""
        keys: list[object] = []
        places = {path: list(_lists(self.before[path])) for path in self.before if is_python(path)} if lists else {}
        for number, hunk in enumerate(self.hunks):
            spans = (span for span in places.get(hunk.path, ()) if span[0] <= hunk.start and hunk.end <= span[1] and not hunk.whole)
            span = next(spans, None)
            keys.append(("component", hunk.component) if hunk.component else ("list", hunk.path, span) if span else number)
        by_key: dict[object, list[int]] = {}
        for number, key in enumerate(keys):
            by_key.setdefault(key, []).append(number)
        groups = _fewer([frozenset(numbers) for numbers in by_key.values()])
        while (idle := next((group for group in groups if self._is_idle(group)), None)) and len(groups) > 1:
            near = min((one for one in groups if one != idle), key=lambda other: self._distance(idle, other))
            groups = _with_joined(groups, idle, near)
        return groups

    def _is_idle(self, group: Group) -> bool:
        """Whether it changes comments and layout alone."""
        pairs = ((self._mix(group), self.before), (self._mix(self.every - group), self.after))
        return all(canonical_hash(mix, self.comments) == canonical_hash(dict(whole), self.comments) for mix, whole in pairs)

    # ---------------------------------------------------------------------------------------- what cannot stand alone

    def _needed_pair(self, groups: list[Group]) -> tuple[Group, Group] | None:
        """A group that cannot be left out, or not be put in alone, and the one that it is to be joined with."""
        for group in groups:
            for left_out in (False, True):
                lack = self._lack(group, left_out=left_out)
                if lack and len(groups) > 1:
                    return group, self._partner(group, groups, lack, left_out=left_out)
        return None

    def _partner(self, group: Group, groups: list[Group], lack: frozenset[str], *, left_out: bool) -> Group:
        """The likeliest of the others with which less is lacking; the nearest where none helps."""
        others = sorted((one for one in groups if one != group), key=lambda one: self._unlikely(one, group, lack))
        for other in others[:_TRIED]:
            if self._lack(group | other, left_out=left_out) < lack:
                return other
        return others[0]

    def _unlikely(self, other: Group, group: Group, lack: frozenset[str]) -> tuple[int, int]:
        """Groups that mention what is lacking first, then the nearest."""
        words = {word for one in lack if not one.endswith(": ") for word in re.findall(r"\w+", one)}
        text = " ".join(f"{self.hunks[number].old} {self.hunks[number].new}" for number in other)
        return -len(words & set(re.findall(r"\w+", text))), self._distance(group, other)

    def _lack(self, group: Group, *, left_out: bool) -> frozenset[str]:
        if group <= self.numbers:
            return frozenset()
        return lacks(self.before, self.after, self._mix(self.every - group if left_out else group))

    def _mix(self, group: Group) -> dict[str, str]:
        return applied(self.before, (self.hunks[number] for number in sorted(group)))

    # ---------------------------------------------------------------------------------------- too many

    def _nearest_pair(self, groups: list[Group]) -> tuple[Group, Group]:
        """Of the groups in their order the two neighbours that stand nearest to each other, small ones first."""
        order = sorted(groups, key=min)
        return min(pairwise(order), key=lambda pair: (self._distance(*pair), len(pair[0]) + len(pair[1]), min(pair[0])))

    def _distance(self, one: Group, other: Group) -> int:
        """Lines between two groups; those of different files are further apart than any of one."""
        here, there = ({(self.hunks[number].path, self.hunks[number].line) for number in group} for group in (one, other))
        gaps = (abs(line - other_line) for path, line in here for other_path, other_line in there if path == other_path)
        return min(gaps, default=10**6 + abs(min(one) - min(other)))


def _fewer(groups: list[Group]) -> list[Group]:
    """The groups, of very many two neighbours joined and again two."""
    while len(groups) > _MANY:
        rest: list[Group] = [*groups[1::2], frozenset()]
        groups = [one | other for one, other in zip(groups[::2], rest, strict=False)]
    return groups


def _with_joined(groups: Iterable[Group], one: Group, other: Group) -> list[Group]:
    return [one | other, *(group for group in groups if group not in (one, other))]


def _lists(text: str) -> Iterator[tuple[int, int]]:
    """Where lists of numbers stand in a source: brackets with numbers, or with such brackets, and nothing else in them."""
    parsed = parse(text)
    for node in ast.walk(parsed.tree) if parsed.tree is not None else ():  # the outer before the inner
        if isinstance(node, ast.List | ast.Tuple | ast.Set) and (_count(node) or 0) >= _LIST:
            yield parsed.span(node)


def _count(node: ast.expr) -> int | None:
    """How many numbers an expression consists of; None where it is something else."""
    if isinstance(node, ast.List | ast.Tuple | ast.Set):
        counts = [_count(one) for one in node.elts]
        return None if None in counts else sum(count for count in counts if count)
    if isinstance(node, ast.UnaryOp):
        node = node.operand
    number = isinstance(node, ast.Constant) and isinstance(node.value, int | float) and not isinstance(node.value, bool)
    return 1 if number else None
