"""Where a search/replace edit belongs: tiers from exact to similar, each tried only when all before it found nothing.

A tier finds every place, in every file asked for.  More than one is never resolved by order, only by the line the model named.
"""

from __future__ import annotations

import re
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from difflib import SequenceMatcher

from evolve.propose._python import is_python
from evolve.propose.edits._edits import Fault, MatchTier, Replace, shown
from evolve.propose.edits._fuzzy import NearMiss, WorkLimit, common, nearest
from evolve.propose.edits._indent import margin, moved, moved_alike, spacing
from evolve.propose.edits._slips import has_escapes, numberless, without_signs
from evolve.propose.edits._source import MAX_HITS, Cut, Source, Tokens, cut_lines, shared, tokens_of

TOLERANT_LINES = 2_000  # a longer SEARCH is looked for as it is, or without trailing spaces
RATIO, MARGIN = 0.9, 0.05  # of the similar tier: likeness, and distance to the next place
LEAST_FUZZY = 24  # characters without spaces; less is alike by chance
_LINE_RATIO = 0.8  # of each line: a window is not near because most of it is
_NEAR_ENOUGH_TO_TELL = 0.4
_HINT_SLACK = 2  # lines
_LINE = 5_000  # cells that looking at one line of a place costs
ESCAPES = "it has escapes such as '&lt;' where the program has the sign itself; send every sign as it is."
_PIECES = 16  # between lines of dots
_COMMENT = re.compile(r"(?:#|//|--|;|%|/\*|<!--)\s*")
_LAZY = re.compile(r"\b(?:existing|rest|unchanged|remain|remains|remaining|same|omitted)\b", re.IGNORECASE)
_DOTS = ("...", "…")
_OPENING, _CLOSING = frozenset("([{"), frozenset(")]}")


@dataclass(frozen=True, slots=True)
class Location:
    """One place: the cuts to make there, and the rows it covers."""

    source: Source
    cuts: tuple[Cut, ...]
    start: int
    end: int
    whole: bool = True  # false for a piece of a place, where another piece would do as well

    @property
    def allowed(self) -> bool:
        return all(self.source.may_change(cut) for cut in self.cuts)


@dataclass(frozen=True, slots=True)
class Match:
    """The one place and how it was found."""

    tier: MatchTier
    hit: Location


@dataclass(frozen=True, slots=True)
class NoMatch:
    """Why there is no one place, in words that follow "Block 3: "."""

    fault: Fault
    reason: str


class SearchPattern:
    """A search/replace edit in lines.  ``head`` and ``tail`` count the lines both parts have in common at their ends."""

    def __init__(
        self, search: Sequence[str], replace: Sequence[str], line: int | None = None, within: str = "", *, fixed: bool = False
    ) -> None:
        self.search, self.replace, self.line, self.within = list(search), list(replace), line, within
        self.fixed = fixed  # the lines must not move: only one part was numbered
        self.head, self.tail = shared(self.search, self.replace)

    def cuts(self, first: Sequence[int], last: Sequence[int], replace: Sequence[str] | None = None) -> tuple[Cut, ...]:
        """The smallest change: what both parts share at their ends stays as the file has it.

        ``first`` and ``last`` say on which rows each line of ``search`` begins and ends, -1 where it has none.
        """
        new = self.replace if replace is None else replace
        lines = tuple(new[self.head : len(new) - self.tail])
        stop = len(self.search) - self.tail
        start = next((row for row in first[self.head : stop] if row >= 0), None)
        if start is not None:
            return (Cut(start, next(row for row in reversed(last[self.head : stop]) if row >= 0) + 1, lines),)
        if not lines:
            return ()
        before = next((row for row in reversed(last[: self.head]) if row >= 0), None)
        at = before + 1 if before is not None else next(row for row in first[stop:] if row >= 0)
        return (Cut(at, at, lines),)


Finder = Callable[[Source, "SearchPattern", WorkLimit], list[Location]]


def is_elision(line: str) -> bool:
    """Whether a line stands for lines left out: dots, or a comment such as ``# ... existing code ...``."""
    stripped = line.strip()
    return stripped in _DOTS or is_lazy(stripped)


def is_lazy(line: str) -> bool:
    """Whether a line is a comment that stands for lines left out."""
    stripped = line.strip()
    if len(stripped) > 200 or not any(dots in stripped for dots in _DOTS):
        return False
    sign = _COMMENT.match(stripped)
    body = stripped[sign.end() :].removesuffix("*/").removesuffix("-->").rstrip() if sign else ""
    return body.startswith(_DOTS) or (body.endswith(_DOTS) and _LAZY.search(body) is not None)


def locate(edit: Replace, sources: Sequence[Source], budget: WorkLimit) -> Match | NoMatch:
    """The one place in ``sources`` for an edit whose SEARCH is not blank.

    Other readings of the edit are tried where it fits nowhere as it is, before looser tiers are.
    """
    readings = _readings(edit, sources)
    for wanted in readings:
        for tier, find in _TIERS:
            loose = tier not in (MatchTier.EXACT, MatchTier.TRAILING)
            if loose and (
                wanted.fixed or len(wanted.search) > TOLERANT_LINES or (len(readings) > 1 and tier is not MatchTier.INDENT)
            ):
                break
            if found := _in_tier(tier, find, wanted, sources, budget):
                return found
    wanted = readings[0]
    if len(readings) > 1 and len(wanted.search) <= TOLERANT_LINES:
        for wanted in readings:
            for tier, find in () if wanted.fixed else _TIERS[3:]:
                if found := _in_tier(tier, find, wanted, sources, budget):
                    return found
        wanted = readings[1]
    if has_escapes(edit.search) and not any(has_escapes(source.text) for source in sources):
        return NoMatch(Fault.MALFORMED, ESCAPES)
    if wanted.fixed:
        return NoMatch(Fault.NOT_FOUND, "SEARCH must repeat lines of the file as they are, without line numbers.")
    parts = _parts(wanted.search), _parts(wanted.replace)
    if len(parts[0]) != len(parts[1]) and len(parts[0]) > 1:
        counts = f"{len(parts[0]) - 1} in SEARCH, {len(parts[1]) - 1} in REPLACE"
        return NoMatch(Fault.ELIDED, f"both parts must leave out the same, each with a line '...'; found {counts}.")
    return _similar([source for source in sources if source.regions], wanted, budget)


def _in_tier(
    tier: MatchTier, find: Finder, wanted: SearchPattern, sources: Sequence[Source], budget: WorkLimit
) -> Match | NoMatch | None:
    hits = [hit for source in sources for hit in find(source, wanted, budget)]
    if budget.left < 0:
        return NoMatch(Fault.TOO_LARGE, "looking for it costs too much, since its lines stand in many places; send fewer lines.")
    return _only(tier, hits, wanted) if hits else None


def _readings(edit: Replace, sources: Sequence[Source]) -> list[SearchPattern]:
    """The edit as it is, then without numbers, signs and escapes that a file does not have."""
    search, replace = (cut_lines(text.replace("\r\n", "\n"))[0] for text in (edit.search, edit.replace))
    found = [(search, replace)]
    for also in edit.also:
        found.append((cut_lines(also[0])[0], cut_lines(also[1])[0]))
    if (signless := without_signs(search, replace)) is not None:
        added = signless[0] == search and not any(line[:1] == "+" for source in sources for line in source.lines)
        found.insert(0 if added else len(found), signless)  # only new lines have signs
    wanted = [SearchPattern(old, new, edit.line, edit.within) for old, new in found]
    new = next((lines for lines, _ in numberless(replace)), None)
    for lines, gap in numberless(search):
        both = [bare for bare, other in numberless(replace) if other == gap]
        wanted.append(SearchPattern(lines, both[0] if both else replace, edit.line, edit.within, fixed=new is None))
    return wanted


def _only(tier: MatchTier, hits: list[Location], wanted: SearchPattern) -> Match | NoMatch:
    """The one hit that may change, or the one that the line number means."""
    allowed = [hit for hit in hits if hit.allowed]
    whole = len(hits) <= MAX_HITS and all(hit.whole for hit in hits)
    if not allowed and whole:
        at = f"line {hits[0].start + 1} of {hits[0].source.path}"
        return NoMatch(Fault.IMMUTABLE, f"its lines stand at {at}, which must not change.")
    if len(allowed) > 1 and wanted.line is not None:
        row = wanted.line - 1
        meant = [hit for hit in allowed if hit.start <= row < hit.end]
        meant = meant or [hit for hit in allowed if abs(hit.start - row) <= _HINT_SLACK]
        allowed = meant if len(meant) == 1 else allowed
    if len(allowed) > 1 and wanted.within:
        meant = [hit for hit in allowed if _is_within(hit, wanted.within)]
        allowed = meant if len(meant) == 1 else allowed
    if len(allowed) == 1 and whole:
        return Match(tier, allowed[0])
    places = ", ".join(f"{hit.source.path} line {hit.start + 1}" for hit in (allowed or hits)[:3])
    return NoMatch(Fault.AMBIGUOUS, f"SEARCH must match one place, and matches several: {places}; add lines around it.")


def _is_within(hit: Location, name: str) -> bool:
    """Whether a place stands below the one line ``name``, and before the next that is not deeper."""
    source = hit.source
    rows = source.stripped.find([name.strip()])
    if len(rows) != 1 or rows[0] >= hit.start:
        return False
    depth = len(spacing(source.lines[rows[0]]))
    between = [line for line in source.lines[rows[0] + 1 : hit.start] if line.strip() and not line.strip().startswith(")")]
    return all(len(spacing(line)) > depth for line in between)


def _exact(source: Source, wanted: SearchPattern, budget: WorkLimit) -> list[Location]:
    return [_run(source, wanted, row) for row in source.exact.find(wanted.search)]


def _trailing(source: Source, wanted: SearchPattern, budget: WorkLimit) -> list[Location]:
    return [_run(source, wanted, row) for row in source.trailing.find([line.rstrip() for line in wanted.search])]


def _indented(source: Source, wanted: SearchPattern, budget: WorkLimit) -> list[Location]:
    """All lines moved alike, to the right or to the left; REPLACE moves with them."""
    hits = []
    for row in source.stripped.find([line.strip() for line in wanted.search]):
        if not budget.take(_LINE * len(wanted.search)):
            break
        moved = moved_alike(wanted.search, source.lines[row : row + len(wanted.search)], wanted.replace)
        if moved is not None:
            hits.append(_run(source, wanted, row, moved))
    return hits


def _run(source: Source, wanted: SearchPattern, row: int, replace: list[str] | None = None) -> Location:
    rows = range(row, row + len(wanted.search))
    return Location(source, wanted.cuts(rows, rows, replace), row, rows.stop)


def _elided(source: Source, wanted: SearchPattern, budget: WorkLimit) -> list[Location]:
    """Blank lines do not count, and lines of dots stand for any lines, which stay.  Every piece between them has one place."""
    searches, replaces = _parts(wanted.search), _parts(wanted.replace)
    if len(searches) == 1:
        return _dense(source, wanted, budget)
    if len(searches) != len(replaces) or len(searches) > _PIECES:
        return []
    cuts: list[Cut] = []
    at, start = 0, -1
    for search, replace in zip(searches, replaces, strict=True):
        if not any(line.strip() for line in search):
            if any(line.strip() for line in replace):
                return []
            continue
        hits = _dense(source, SearchPattern(search, replace), budget)
        if len(hits) > 1:
            return [Location(source, hit.cuts, hit.start, hit.end, whole=False) for hit in hits]
        if not hits or hits[0].start < at:
            return []
        start = hits[0].start if start < 0 else start
        at = hits[0].end
        cuts += hits[0].cuts
    return [Location(source, tuple(cuts), start, at)] if start >= 0 else []


def _dense(source: Source, wanted: SearchPattern, budget: WorkLimit) -> list[Location]:
    keys = [line.rstrip() for line in wanted.search if line.strip()]
    hits = []
    for index in source.dense.find(keys) if keys else ():
        if not budget.take(_LINE * len(wanted.search)):
            break
        found = iter(source.dense_rows[index : index + len(keys)])
        rows = [next(found) if line.strip() else -1 for line in wanted.search]
        covered = [row for row in rows if row >= 0]
        hits.append(Location(source, wanted.cuts(rows, rows), covered[0], covered[-1] + 1))
    return hits


def _parts(lines: Sequence[str]) -> list[list[str]]:
    parts: list[list[str]] = [[]]
    for line in lines:
        if is_elision(line):
            parts.append([])
        else:
            parts[-1].append(line)
    return parts


def _tokens(source: Source, wanted: SearchPattern, budget: WorkLimit) -> list[Location]:
    """The same Python tokens, however they are laid out, from the first on a line to the last on a line."""
    tokens = tokens_of(wanted.search) if is_python(source.path) else None
    if tokens is None or not tokens.keys:
        return []
    own, hits = source.tokens, []
    a = margin(wanted.search)
    for index in source.token_view.find(tokens.keys):
        if not budget.take(_LINE * (len(tokens.keys) + len(wanted.search))):
            break
        after = index + len(tokens.keys)
        first, last = own.first[index], own.last[after - 1]
        whole_lines = (index == 0 or own.last[index - 1] < first) and (after == len(own.keys) or own.first[after] > last)
        b = margin(source.lines[first : last + 1])
        replace = moved(wanted.replace, a, b)
        if whole_lines and replace is not None and _same_structure(wanted, tokens, source, index, (len(a), len(b))):
            cuts = _by_lines(wanted, tokens, source, index, replace)
            hits.append(Location(source, (Cut(first, last + 1, tuple(replace)),) if cuts is None else cuts, first, last + 1))
    return hits


def _same_structure(wanted: SearchPattern, tokens: Tokens, source: Source, index: int, margins: tuple[int, int]) -> bool:
    """Whether, outside brackets, lines begin at the same tokens and are indented alike; after a colon a line may begin or not."""
    depth = 0
    for i, key in enumerate(tokens.keys):
        line, row = tokens.first[i], source.tokens.first[index + i]
        if i and depth == 0:
            begins = tokens.last[i - 1] < line, source.tokens.last[index + i - 1] < row
            if begins[0] != begins[1] and tokens.keys[i - 1] != ":":
                return False
            spacings = spacing(wanted.search[line])[margins[0] :], spacing(source.lines[row])[margins[1] :]
            if all(begins) and spacings[0] != spacings[1]:
                return False
        depth = max(0, depth + (key in _OPENING) - (key in _CLOSING))
    return True


def _by_lines(wanted: SearchPattern, tokens: Tokens, source: Source, index: int, replace: list[str]) -> tuple[Cut, ...] | None:
    """The smallest change, where the lines of SEARCH and the file's are in step; else None."""
    first, last = [-1] * len(wanted.search), [-1] * len(wanted.search)
    for i, line in enumerate(tokens.first):
        if tokens.last[i] != line:
            return None
        row = source.tokens.first[index + i]
        first[line] = row if first[line] < 0 else first[line]
        last[line] = source.tokens.last[index + i]
    at = -1
    for start, end in zip(first, last, strict=True):
        if start >= 0:
            if start <= at:
                return None
            at = end
    return wanted.cuts(first, last, replace)


def _similar(sources: list[Source], wanted: SearchPattern, budget: WorkLimit) -> Match | NoMatch:
    """The one place that is nearly the same, or the nearest one in words."""
    near = nearest(sources, wanted.search, budget)
    if not near:
        return NoMatch(Fault.NOT_FOUND, "SEARCH must repeat lines of the file as they are; nothing like it was found.")
    best = near[0]
    long_enough = sum(len("".join(line.split())) for line in wanted.search) >= LEAST_FUZZY
    if best.ratio >= RATIO and long_enough:
        if len(near) > 1 and best.ratio - near[1].ratio < MARGIN:
            places = " and ".join(f"{place.source.path} line {place.start + 1}" for place in near[:2])
            return NoMatch(Fault.AMBIGUOUS, f"SEARCH matches no place as it is, and {places} are about equally near.")
        hit = _similar_hit(best, wanted)
        if hit is not None:
            return _only(MatchTier.FUZZY, [hit], wanted)
    return NoMatch(Fault.NOT_FOUND, f"SEARCH must repeat lines of the file as they are; {_difference(best, wanted.search)}")


def _similar_hit(near: NearMiss, wanted: SearchPattern) -> Location | None:
    """Lines stand for the window's lines in order.  Where their numbers differ, a line is left out, and nobody knows which."""
    window = near.source.lines[near.start : near.end]
    if len(window) != len(wanted.search):
        return None
    for line, own in zip(wanted.search, window, strict=True):
        a, b = line.strip(), own.strip()
        if a != b and 2 * common(a, b) < _LINE_RATIO * (len(a) + len(b)):
            return None
    replace = moved(wanted.replace, margin(wanted.search), margin(window))
    if replace is None:
        return None
    return Location(near.source, _by_difference(wanted, replace, near.start), near.start, near.end)


def _by_difference(wanted: SearchPattern, replace: list[str], start: int) -> tuple[Cut, ...]:
    """A cut for each stretch in which the two parts differ: what they share stays as the file has it."""
    cuts = []
    for tag, i, j, k, m in SequenceMatcher(None, wanted.search, wanted.replace, autojunk=False).get_opcodes():
        if tag != "equal":
            cuts.append(Cut(start + i, start + j, tuple(replace[k:m])))
    return tuple(cuts)


def _difference(near: NearMiss, search: list[str]) -> str:
    """Which lines are nearest, and the first that differs."""
    if near.ratio < _NEAR_ENOUGH_TO_TELL:
        return "nothing like it was found."
    window = near.source.lines[near.start : near.end]
    head, _ = shared([line.strip() for line in window], [line.strip() for line in search])
    found = shown(window[head]) if head < len(window) else "nothing more"
    said = shown(search[head]) if head < len(search) else "nothing more"
    return (
        f"nearest is {near.source.path} line {near.start + 1}, where line {near.start + head + 1} is {found} and SEARCH has {said}."
    )


_TIERS: tuple[tuple[MatchTier, Finder], ...] = (
    (MatchTier.EXACT, _exact),
    (MatchTier.TRAILING, _trailing),
    (MatchTier.INDENT, _indented),
    (MatchTier.ELIDED, _elided),
    (MatchTier.TOKENS, _tokens),
)
