"""The nearest place of a text in a file: for the last tier, and to tell a model what it nearly said.

Similarity is ``2 * common / (a + b)``, as difflib has it, with the longest common subsequence of characters as ``common``: never
less than what difflib finds, and computed with bit-parallel integers in a bounded number of steps, where difflib's worst case is
cubic.  Counts of words say which places are worth that.
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterable, Sequence
from dataclasses import dataclass

from evolve.propose.edits._source import Source, words_of

MAX_TEXT = 4_000  # characters of a text that is looked for
MAX_FILE = 200_000  # characters of a file it is looked for in
CELLS = 3_000_000_000  # of comparison tables, for all the edits of an answer: one to three seconds
_PLACES = 6
_COUNTING = 1_000  # cells that counting the words of one character costs


@dataclass(frozen=True, slots=True)
class NearMiss:
    """Rows ``start`` to ``end`` (not included) of a file, and how alike they are, from 0 to 1."""

    ratio: float
    source: Source
    start: int
    end: int


class WorkLimit:
    """What may still be spent on comparisons.  Not shared between threads."""

    def __init__(self, cells: int = CELLS) -> None:
        self.left = cells

    def take(self, cells: int) -> bool:
        """Spend, and say whether there was enough."""
        self.left -= cells
        return self.left >= 0


def nearest(sources: Iterable[Source], search: Sequence[str], budget: WorkLimit) -> list[NearMiss]:
    """The places most like ``search``, best first; places do not overlap.  Empty for texts beyond the bounds, and when
    the budget is spent.  Windows have as many lines as ``search``, a fifth more or less.
    """
    text = "\n".join(line.strip() for line in search)
    if not text.strip() or len(text) > MAX_TEXT:
        return []
    found: list[NearMiss] = []
    for source in sources:
        if len(source.text) > MAX_FILE or not budget.take(_COUNTING * len(source.text)):
            continue
        for start in _places(source.words, search):
            if near := _refined(source, start, text, len(search), budget):
                found.append(near)
    if budget.left < 0:  # the runner-up may be missing
        return []
    found.sort(key=lambda near: (-near.ratio, near.source.path, near.start))
    apart: list[NearMiss] = []
    for near in found:
        if not any(near.source is other.source and near.start < other.end and other.start < near.end for other in apart):
            apart.append(near)
    return apart


def common(a: str, b: str) -> int:
    """Length of the longest common subsequence, in ``len(b)`` operations on integers of ``len(a)`` bits (Hyyrö 2004)."""
    masks: dict[str, int] = {}
    for i, char in enumerate(a):
        masks[char] = masks.get(char, 0) | 1 << i
    full = (1 << len(a)) - 1
    rest = full
    for char in b:
        hit = rest & masks.get(char, 0)
        rest = ((rest + hit) | (rest - hit)) & full
    return len(a) - rest.bit_count()


def _places(words: Sequence[Sequence[str]], search: Sequence[str]) -> list[int]:
    """First rows of the windows that share the most words with ``search``, each at least half a window from the others."""
    wanted = Counter(words_of(search))
    size = min(len(search), len(words))
    have: Counter[str] = Counter()
    both = total = 0
    scores: list[tuple[float, int]] = []
    for row, arriving in enumerate(words):
        for word in arriving:
            have[word] += 1
            both += have[word] <= wanted[word]
        total += len(arriving)
        if row >= size:
            for word in words[row - size]:
                both -= have[word] <= wanted[word]
                have[word] -= 1
            total -= len(words[row - size])
        if row + 1 >= size and both:
            scores.append((-2 * both / (wanted.total() + total), row + 1 - size))
    places: list[int] = []
    for _, start in sorted(scores):
        if len(places) == _PLACES:
            break
        if all(abs(start - place) > size // 2 for place in places):
            places.append(start)
    return places


def _refined(source: Source, start: int, text: str, size: int, budget: WorkLimit) -> NearMiss | None:
    """The best window about a place: first where it begins, then where it ends.  None when the budget is spent."""
    best: NearMiss | None = None

    def weigh(first: int, end: int) -> None:
        nonlocal best
        window = "\n".join(line.strip() for line in source.lines[first:end])
        if not 0 <= first < end <= len(source.lines) or len(window) > 2 * MAX_TEXT:
            return
        if not budget.take(len(window) * len(text)):
            return
        ratio = 2 * common(text, window) / (len(text) + len(window))
        if best is None or ratio > best.ratio:
            best = NearMiss(ratio, source, first, end)

    for shift in (0, -1, 1, -2, 2):
        weigh(start + shift, min(start + shift + size, len(source.lines)))
    if best is not None:
        first = best.start
        for change in (-2, -1, 1, 2):
            if abs(change) * 5 <= size:
                weigh(first, first + size + change)
    return best
