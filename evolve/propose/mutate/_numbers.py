"""The numbers in texts that are not Python: configuration (JSON, TOML, YAML, INI) and C-like code.

Found by tokens, not by grammar, so what is not surely a plain number is left alone: numbers in strings and comments, hexadecimal
and octal ones, dates, versions, keys, indices and array sizes, ``#include`` and ``#if``, words with digits.  What is found has the
form and the limits of the numbers of a Python source (``_literals``), ``tune:`` comments included.  Linear in the text.
"""

from __future__ import annotations

import re
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import PurePosixPath

from evolve.propose._python import inside, is_python
from evolve.propose._scope import editable_regions
from evolve.propose.mutate._given import given_again

SEED = re.compile(r"seed", re.IGNORECASE)
_DATA = frozenset((".json", ".toml", ".yaml", ".yml", ".ini", ".cfg"))
_CODE = frozenset(
    (
        *(".c", ".h", ".cc", ".cpp", ".cxx", ".hpp", ".cu", ".cuh", ".cl", ".metal", ".glsl", ".wgsl", ".hlsl", ".frag", ".vert"),
        *(".rs", ".go", ".java", ".kt", ".scala", ".swift", ".cs", ".js", ".mjs", ".ts", ".zig", ".d", ".dart", ".v", ".sv"),
    )
)
_PLAIN = r"(?:0|[1-9]\d*+)(?:\.\d*+)?(?:[eE][+-]?\d++)?|\.\d++(?:[eE][+-]?\d++)?"
_DATA_TOKEN = re.compile(
    rf"""
      (?P<skip>\#[^\n]*+|(?:\A|(?<=\n));[^\n]*+)
    | (?P<text>"(?:[^"\\\n]++|\\.)*+"?+|'[^'\n]*+'?+)
    | (?P<number>[-+]?(?:{_PLAIN})(?=[ \t]*+(?:[,\]}}\r\n]|\#|\Z)))
    | (?P<name>\w[\w.+/-]*+(?::[\w.+/-]++)*+)
    | (?P<open>[\[{{])
    | (?P<close>[\]}}])
    | (?P<sign>[^\s\w])
    """,
    re.VERBOSE,
)
_CODE_TOKEN = re.compile(
    rf"""
      (?P<skip>//[^\n]*+|/\*(?:[^*]++|\*(?!/))*+(?:\*/)?+|\#[ \t]*+(?!define\b|pragma\b)[a-z]++[^\n]*+)
    | (?P<text>"(?:[^"\\\n]++|\\.)*+"?+|'(?:[^'\\\n]++|\\.)*+'?+)
    | (?P<number>{_PLAIN})(?:_?[fiu](?:8|16|32|64|128|size)|[fFlLuU]{{1,3}})?+(?![\w.])
    | (?P<name>[\w.]++)
    | (?P<open>[\[({{])
    | (?P<close>[\])}}])
    | (?P<sign>[^\s\w])
    """,
    re.VERBOSE | re.DOTALL,
)
_GIVEN = re.compile(r"[\w\]>][ \t]*=[ \t]*\Z")
_DEFINED = re.compile(r"#[ \t]*define[ \t]+\w+[ \t]+\Z")
_ENDS = re.compile(r"\w*[ \t]*(?:[;,)}\r\n]|/[/*]|\Z)")
_NEAR = 80  # characters on either side of a number are looked at
_MAX_NESTED = 8  # lists of lists that count as one list
_AFTER_SIGN = frozenset("=,([{:?")  # what stands before a minus that belongs to the number


@dataclass(frozen=True, slots=True)
class LiteralSite:
    """A number in one file: its name without the file, where it stands (sign included), and what it is now."""

    path: str
    start: int
    end: int
    value: float
    is_int: bool
    group: tuple[int, int]  # span of the list of numbers it belongs to; its own span when it stands alone
    line: int
    is_given: bool  # to a name, an attribute, an argument or a key, as it stands there; else it is part of some computation


def may_hold_numbers(path: str) -> bool:
    """Whether files of this name are looked at for numbers, here or as Python."""
    suffix = PurePosixPath(path).suffix.lower()
    return is_python(path) or suffix in _DATA or suffix in _CODE


def find_numbers(path: str, text: str) -> tuple[LiteralSite, ...]:
    """Every number of a text that may be changed, in order, named after the word before it."""
    regions = editable_regions(text)
    suffix = PurePosixPath(path).suffix.lower()
    tokens = _DATA_TOKEN if suffix in _DATA else _CODE_TOKEN if suffix in _CODE else None
    if tokens is None:
        return ()
    scan = _Scan(text, is_data=tokens is _DATA_TOKEN)
    for token in tokens.finditer(text):
        scan.take(token)
    return tuple(item for item in scan.numbers() if inside((item.start, item.end), regions))


class _Bracket:
    """One pair of brackets: whether it holds numbers alone, how many, and what it lies in."""

    __slots__ = ("count", "end", "is_index", "is_pure", "may_group", "outer", "start")

    def __init__(self, start: int, outer: _Bracket | None, *, may_group: bool, is_index: bool) -> None:
        self.start, self.end, self.outer = start, -1, outer
        self.may_group, self.is_index = may_group, is_index
        self.is_pure, self.count = True, 0

    def close(self, end: int) -> None:
        self.end = end
        if self.outer is not None:
            self.outer.count += self.count
            self.outer.is_pure &= self.is_pure and self.may_group

    def group(self) -> tuple[int, int] | None:
        """The span of the outermost list of at least three numbers that this is part of."""
        found, one = None, self
        for _ in range(_MAX_NESTED):
            if not (one.is_pure and one.may_group and one.end >= 0):
                break
            found = one if one.count >= 3 else found
            if one.outer is None:
                break
            one = one.outer
        return (found.start, found.end) if found is not None else None


class _Scan:
    """Numbers of one text as its tokens go by, with the brackets they stand in."""

    def __init__(self, text: str, *, is_data: bool) -> None:
        self.text, self.is_data = text, is_data
        self.name = ""
        self.before, self.sign, self.at = "", "", 0  # the token before: its kind, itself where it is a sign, where it begins
        self.inner: _Bracket | None = None
        self.found: list[tuple[int, int, str, _Bracket | None]] = []

    def take(self, token: re.Match[str]) -> None:
        kind = str(token.lastgroup)
        start, end = token.span(kind)
        if kind == "skip":
            return
        if kind == "number" and self.is_data and self.before in ("name", "text", "number"):
            kind = "name"  # the end of a phrase
        if kind == "open":
            is_index = not self.is_data and token.group() == "[" and self.before in ("name", "close")
            self.inner = _Bracket(start, self.inner, may_group=token.group() != "(", is_index=is_index)
        elif kind == "close" and self.inner is not None:
            self.inner.close(end)
            self.inner = self.inner.outer
        elif kind == "number":
            self._number(self.at if self._has_own_sign() else start, end)
        elif self.inner is not None and (kind != "sign" or token.group() not in ",-+"):
            self.inner.is_pure = False
        if kind in ("name", "text"):
            self.name = token.group()
        self.before, self.sign, self.at = kind, token.group() if kind == "sign" else "", start

    def _number(self, start: int, end: int) -> None:
        if self.inner is not None:
            self.inner.count += 1
        if self.inner is None or not self.inner.is_index:
            self.found.append((start, end, self.name, self.inner))

    def _has_own_sign(self) -> bool:
        """Whether the token before is the number's own minus: in code, where no operand stands before it."""
        return not self.is_data and self.sign in ("-", "+") and self.text[: self.at].rstrip(" \t")[-1:] in _AFTER_SIGN

    def numbers(self) -> Iterator[LiteralSite]:
        ordinals: dict[str, int] = {}
        line, counted = 1, 0
        again = frozenset() if self.is_data else given_again(self.text)
        for start, end, name, bracket in self.found:
            context = re.sub(r"\W+", "_", name[:40], flags=re.ASCII).strip("_") or "number"
            ordinal = ordinals.get(context, 0)
            ordinals[context] = ordinal + 1
            written = self.text[start:end]
            value = float(written.replace(" ", ""))
            group = bracket.group() if bracket is not None else None
            if not abs(value) <= 1e15 or SEED.search(context):
                continue
            line, counted = line + self.text.count("\n", counted, start), start
            given = self.is_data or (name not in again and self._is_given(start, end))
            yield LiteralSite(
                f"{context}/{ordinal}", start, end, value, written.lstrip("+- ").isdigit(), group or (start, end), line, given
            )

    def _is_given(self, start: int, end: int) -> bool:
        """Whether a number of code stands alone behind ``=``, or behind the name of a ``#define``."""
        before = self.text[max(start - _NEAR, 0) : start]
        return bool((_GIVEN.search(before) or _DEFINED.search(before)) and _ENDS.match(self.text[end : end + _NEAR]))
