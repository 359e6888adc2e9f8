"""From syntax trees to the text: parsing that survives hostile sources, and edits by character span.

``ast`` gives lines and UTF-8 byte columns; texts are edited by character.  Edits replace spans, so that comments and layout
outside them stay as they are.
"""

from __future__ import annotations

import ast
import re
import threading
import warnings
from bisect import bisect_right
from collections.abc import Iterable, Iterator
from dataclasses import dataclass
from functools import lru_cache
from itertools import accumulate
from operator import add

from evolve.problem._source import MARK, why_not_parsed

_LINE_END = re.compile(r"\r\n|\r|\n")
_WIDE = re.compile(r"[^\x00-\x7f]")
_WARNINGS = threading.Lock()


@dataclass(frozen=True, slots=True)
class Edit:
    """Put ``text`` in place of the characters ``start`` to ``end``."""

    start: int
    end: int
    text: str


@dataclass(frozen=True, slots=True)
class Wide:
    """Characters of more than one byte in a text: where each ends, in characters and in UTF-8 bytes.

    Looking a place up costs the logarithm of their number, however long the line is.
    """

    characters: tuple[int, ...]
    bytes: tuple[int, ...]

    @classmethod
    def of(cls, text: str) -> Wide | None:
        if text.isascii():
            return None
        characters = tuple(match.end() for match in _WIDE.finditer(text))
        extra = accumulate(len(text[end - 1].encode("utf-8", "surrogatepass")) - 1 for end in characters)
        return cls(characters, tuple(map(add, characters, extra)))

    def byte(self, character: int) -> int:
        """The byte offset of a character."""
        n = bisect_right(self.characters, character)
        return character + (self.bytes[n - 1] - self.characters[n - 1] if n else 0)

    def character(self, byte: int) -> int:
        """The offset of the character that begins at a byte."""
        n = bisect_right(self.bytes, byte)
        return byte - (self.bytes[n - 1] - self.characters[n - 1] if n else 0)


@dataclass(frozen=True, slots=True)
class Parsed:
    """A source and its tree.  ``tree`` is None when it does not parse; ``error`` says why.  The tree is shared: never change it."""

    text: str
    tree: ast.Module | None
    error: str
    starts: tuple[int, ...]  # character offset of each line
    wide: Wide | None = None  # None where every character is one byte

    def offset(self, line: int, column: int) -> int:
        """Character offset of a line (from 1) and UTF-8 byte column, as ``ast`` counts them."""
        start = self.starts[line - 1]
        if self.wide is None:
            return start + column
        return self.wide.character(self.wide.byte(start) + column)

    def span(self, node: ast.expr | ast.stmt | ast.keyword | ast.arg) -> tuple[int, int]:
        """Character span of a node."""
        start = self.offset(node.lineno, node.col_offset)
        return start, self.offset(node.end_lineno or node.lineno, node.end_col_offset or node.col_offset)


@lru_cache(maxsize=8)
def parse(text: str) -> Parsed:
    """Parse a Python source of any origin.

    The last 8 texts are remembered, since a parent is parsed again for each of its children; the trees are shared and must not
    be changed.  Thread-safe.

    Returns:
        The tree, or the reason why there is none.  Raises nothing that a text can cause.
    """
    body = text.removeprefix(MARK)  # Python passes over the mark; spans stay those of the text as it is
    starts = _starts(text, len(text) - len(body))
    if "\0" in text:
        return Parsed(text, None, "the source has a null byte", starts)
    if reason := why_not_parsed(text):
        return Parsed(text, None, f"not parsed: {reason}", starts)
    try:
        # Python warns of odd escapes while it parses; what candidates write must not reach our stderr or our warning filters.
        # catch_warnings swaps global state, hence the lock.
        with _WARNINGS, warnings.catch_warnings():
            warnings.simplefilter("ignore")
            tree = ast.parse(body)
    except SyntaxError as error:
        return Parsed(text, None, f"line {error.lineno or 0}: {error.msg}", starts)
    except (RecursionError, MemoryError):
        return Parsed(text, None, "nested too deeply to parse", starts)
    except ValueError as error:  # lone surrogates, integers beyond the digit limit
        return Parsed(text, None, f"not a Python source: {type(error).__name__}", starts)
    return Parsed(text, tree, "", starts, Wide.of(text))


def inner_nodes(node: ast.AST) -> list[ast.AST]:
    """The nodes directly in a node, in order, but for those that have no fields: operators, contexts, ``pass`` and the like.  As
    ``ast.iter_child_nodes`` in half its time."""
    found: list[ast.AST] = []
    for name in node._fields:
        value = getattr(node, name, None)
        if isinstance(value, ast.AST):
            if value._fields:
                found.append(value)
        elif isinstance(value, list):
            found += [one for one in value if isinstance(one, ast.AST) and one._fields]
    return found


def walk(node: ast.AST) -> Iterator[ast.AST]:
    """A node and every node below it that has fields, in no order that anything may hang on."""
    left = [node]
    while left:
        node = left.pop()
        yield node
        left += inner_nodes(node)


def unparsed(text: str) -> Parsed:
    """A text of another language: its lines, and no tree."""
    return Parsed(text, None, "not a Python source", _starts(text, 0))


def _starts(text: str, first: int) -> tuple[int, ...]:
    return (first, *(match.end() for match in _LINE_END.finditer(text)))


def apply_edits(text: str, edits: Iterable[Edit]) -> str:
    """``text`` with all edits made; their spans refer to the text as given.

    Raises:
        ValueError: two spans overlap.
    """
    parts: list[str] = []
    at = 0
    for edit in sorted(edits, key=lambda edit: (edit.start, edit.end)):
        if edit.start < at:
            raise ValueError(f"edits overlap at character {edit.start}.")
        parts += [text[at : edit.start], edit.text]
        at = edit.end
    parts.append(text[at:])
    return "".join(parts)


def inside(span: tuple[int, int], regions: tuple[tuple[int, int], ...]) -> bool:
    """Whether a span lies within one of the regions."""
    return any(start <= span[0] and span[1] <= end for start, end in regions)


def is_python(path: str) -> bool:
    return path.endswith(".py")
