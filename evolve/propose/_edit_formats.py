"""From a model's answer to edits: search/replace blocks, fenced blocks, headers that name files.

Read line by line, once, so the cost is linear in the text.  What is prose is skipped; what looks like an edit and is broken is
reported, never guessed at.
"""

from __future__ import annotations

import re
from collections.abc import Collection
from dataclasses import dataclass, field

from evolve.propose._edits import (
    MAX_ANSWER,
    MAX_EDITS,
    Answer,
    AnyEdit,
    BlockFault,
    EditFailure,
    Fault,
    Format,
    Replace,
    RewriteBlock,
    RewriteFile,
    failure,
    shown,
)

_LONGEST_MARK = 200  # characters; longer lines are text
_SEARCH = re.compile(r"(<{5,9}) ?(?:SEARCH|ORIGINAL)\b(.*)", re.IGNORECASE)
_HINT = re.compile(r"[\s:@,(]*+(?:at )?(?:lines?|L)?[\s:@,(#]*+(\d{1,7})\b.*", re.IGNORECASE)
_DIVIDER = re.compile(r"={5,9}")
_REPLACE = re.compile(r">{5,9}(?: ?(?:REPLACE|UPDATED)\b.*)?", re.IGNORECASE)
_FENCE = re.compile(r"(`{3,}|~{3,})([^`]*)")
_KEYWORD = re.compile(r"(?:file|path|filename)\s*[:=]\s*(.*)", re.IGNORECASE)
_BLOCK = re.compile(r"(?<![\w-])(?:EVOLVE[- ])?block\s*+#?(\d{1,4})\)?\Z", re.IGNORECASE)
_WRAPPERS = "\"'`*,;: \t"


@dataclass(frozen=True, slots=True)
class _Header:
    path: str
    block: int | None


@dataclass(frozen=True, slots=True)
class _Fenced:
    """A fenced block.  ``header`` is None when nothing right above it or in its first line names it."""

    header: _Header | None
    info: str
    lines: tuple[str, ...]
    closed: bool


@dataclass(slots=True)
class _Open:
    """A fence that is open: ``depth`` counts the fences opened inside it."""

    mark: str
    indent: int
    info: str
    header: _Header | None
    lines: list[str] = field(default_factory=list)
    depth: int = 1


def parse_answer(text: str, expected: Format, paths: Collection[str]) -> Answer | EditFailure:
    """The edits in an answer, in its order.

    Search/replace blocks count always.  Fenced blocks count when a header right above them names a file (``file: new.py``, or any
    of ``paths`` alone) or a block (``block 2``), or the line that opens the fence has one of ``paths``.  Without any header,
    exactly one fenced block is taken for ``BLOCK`` and ``FILE``.

    Args:
        text: what the model said.
        expected: what it was asked for.
        paths: the parent's files.

    Returns:
        At least one edit, and what is wrong with the other blocks; or why there is none.  Raises nothing that a text can cause.
    """
    if len(text) > MAX_ANSWER:
        return failure(Fault.TOO_LARGE, f"An answer has at most {MAX_ANSWER} characters; this one has {len(text)}.")
    reader = _Reader(frozenset(paths))
    for line in text.replace("\r\n", "\n").split("\n"):
        reader.read(line)
    reader.end()
    edits, rejected = _chosen(reader.found, expected)
    if len(edits) + len(rejected) > MAX_EDITS:
        return failure(Fault.TOO_LARGE, f"At most {MAX_EDITS} edits are taken; found {len(edits) + len(rejected)}.")
    if edits:
        return Answer(tuple(edits), tuple(rejected))
    return EditFailure(tuple(rejected)) if rejected else failure(Fault.EMPTY, _nothing(expected, reader.found))


class _Reader:
    """Takes an answer line by line and collects raw blocks in ``found``: fenced ones, and those between SEARCH and REPLACE."""

    def __init__(self, paths: frozenset[str]) -> None:
        self.found: list[_Fenced | _Raw] = []
        self._paths = paths
        self._path = ""  # holds until another header
        self._header: _Header | None = None  # only what stands right above
        self._fence: _Open | None = None
        self._wrapped = ""  # the fence around search/replace blocks
        self._raw: _Raw | None = None

    def read(self, line: str) -> None:
        """The next line."""
        mark = line.strip() if len(line) <= _LONGEST_MARK else ""
        opening = _SEARCH.fullmatch(mark) if mark[:1] == "<" else None
        if opening:
            self._open_raw(opening)
        elif self._raw is not None:
            self._in_raw(line, mark)
        elif self._fence is not None:
            self._in_fence(line, mark)
        else:
            self._outside(line, mark)

    def end(self) -> None:
        """The answer is over; what is open stays open."""
        if self._raw is not None:
            self.found.append(self._raw)
        elif self._fence is not None:
            self._close(closed=False)

    def _open_raw(self, opening: re.Match[str]) -> None:
        if self._raw is not None:
            self.found.append(self._raw)
        if self._fence is not None:  # it is around the block; its header names the file, and so may its lines
            self._wrapped = self._fence.mark
            if self._fence.header and self._fence.header.path:
                self._path = self._fence.header.path
            for line in self._fence.lines[-3:]:
                named = self._named(line.strip())
                self._path = (named.path if named else "") or self._path
            self._fence = None
        hint = _HINT.fullmatch(opening[2])
        named = None if hint else self._named(opening[2].strip())
        self._path = (named.path if named else "") or self._path
        self._raw = _Raw(self._path, len(opening[1]), int(hint[1]) if hint else None)

    def _in_raw(self, line: str, mark: str) -> None:
        assert self._raw is not None
        if mark[:1] == ">" and _REPLACE.fullmatch(mark):
            self._raw.closed = True
            self.found.append(self._raw)
            self._raw = None
            self._header = None
            return
        if mark[:1] == "=" and _DIVIDER.fullmatch(mark):
            self._raw.dividers.append((len(self._raw.lines), len(mark) if line == mark else 0))
        self._raw.lines.append(line)

    def _in_fence(self, line: str, mark: str) -> None:
        fence = self._fence
        assert fence is not None
        found = _FENCE.fullmatch(mark) if mark[:1] == fence.mark[0] else None
        if found and len(found[1]) >= len(fence.mark) and _indent(line) <= fence.indent:
            fence.depth += 1 if found[2].strip() else -1
            if fence.depth == 0:
                self._close(closed=True)
                return
        fence.lines.append(line)

    def _outside(self, line: str, mark: str) -> None:
        fence = _FENCE.fullmatch(mark) if mark[:1] in ("`", "~") else None
        if fence:
            info = fence[2].strip()
            if self._wrapped and not info:
                self._wrapped = ""
                return
            self._wrapped = ""
            self._fence = _Open(fence[1], _indent(line), info, self._in_info(info) or self._header)
            return
        if not mark:
            self._header = self._header if not line.strip() else None
            return
        self._header = self._named(mark)
        if self._header is not None:
            self._path = self._header.path or self._path
            self._header = _Header(self._path, self._header.block)

    def _close(self, closed: bool) -> None:
        fence = self._fence
        assert fence is not None
        self.found.append(_Fenced(fence.header, fence.info, tuple(fence.lines), closed))
        if fence.header and fence.header.path:
            self._path = fence.header.path
        self._fence = self._header = None

    def _in_info(self, info: str) -> _Header | None:
        for word in re.split(r"[\s:{}]+", info[:_LONGEST_MARK]):
            path = _plain(word.rpartition("=")[2])
            if path in self._paths:
                return _Header(path, None)
        return None

    def _named(self, mark: str) -> _Header | None:
        """The file or block that a line names, when it does nothing else."""
        if len(mark) > _LONGEST_MARK:
            return None
        words = mark.lstrip("#>*/ \t").removeprefix("- ").rstrip("#* \t").strip(_WRAPPERS)
        found = _BLOCK.search(words)
        block = int(found[1]) if found else None
        rest = words[: found.start()].rstrip(" \t,;:(") if found else words
        keyword = _KEYWORD.fullmatch(rest)
        path = _plain(keyword[1] if keyword else rest)
        if path in self._paths or (keyword and path and not re.search(r"\s", path)):
            return _Header(path, block)
        return _Header("", block) if found and not path else None


@dataclass(slots=True)
class _Raw:
    """What stands after a SEARCH line.  ``dividers`` are indices into ``lines``, with their length, or 0 when indented."""

    path: str
    width: int
    hint: int | None
    lines: list[str] = field(default_factory=list)
    dividers: list[tuple[int, int]] = field(default_factory=list)
    closed: bool = False


def _chosen(found: list[_Fenced | _Raw], expected: Format) -> tuple[list[AnyEdit], list[BlockFault]]:
    """The edits among the blocks.  A fenced block without header is an example, unless nothing else can be meant."""
    headed = any(isinstance(block, _Raw) or block.header for block in found)
    bare = [] if headed or expected is Format.DIFF else [block for block in found if isinstance(block, _Fenced)]
    if len(bare) > 1:
        said = f"Expected one fenced block, or a line such as 'file: name' above each; found {len(bare)} without."
        return [], [BlockFault(0, Fault.MALFORMED, said)]
    edits: list[AnyEdit] = []
    rejected: list[BlockFault] = []
    for block in bare or found:
        if isinstance(block, _Fenced) and block.header is None and not bare:
            continue
        number = len(edits) + len(rejected) + 1
        made = _replace(number, block) if isinstance(block, _Raw) else _rewrite(number, block, expected)
        if isinstance(made, BlockFault):
            rejected.append(made)
        else:
            edits.append(made)
    return edits, rejected


def _replace(number: int, raw: _Raw) -> Replace | BlockFault:
    if not raw.closed:
        said = f"Block {number} has no line '>>>>>>> REPLACE'; its last line is {shown(raw.lines[-1] if raw.lines else '')}."
        return BlockFault(number, Fault.TRUNCATED, said)
    at = raw.dividers
    if len(at) > 1:  # texts have underlines of this form: the real one is as wide as the line that opens the block
        at = [divider for divider in at if divider[1] == raw.width]
    if len(at) != 1:
        said = f"Block {number} needs exactly one line '{'=' * raw.width}' between SEARCH and REPLACE; found {len(raw.dividers)}."
        return BlockFault(number, Fault.MALFORMED, said)
    search, replace = _unfenced(raw.lines[: at[0][0]], raw.lines[at[0][0] + 1 :])
    return Replace(number, raw.path, _text(search), _text(replace), raw.hint)


def _rewrite(number: int, block: _Fenced, expected: Format) -> AnyEdit | BlockFault:
    if not block.closed:
        said = f"Block {number} has no closing fence; where the text has fences of its own, use a longer one around it."
        return BlockFault(number, Fault.TRUNCATED, said)
    if block.info.lower() in ("diff", "patch", "udiff"):
        said = f"Block {number} is a unified diff; expected SEARCH/REPLACE blocks or whole text."
        return BlockFault(number, Fault.MALFORMED, said)
    path = block.header.path if block.header else ""
    index = block.header.block if block.header else None
    if index is not None or expected is Format.BLOCK:
        return RewriteBlock(number, path, index, _text(block.lines))
    return RewriteFile(number, path, _text(block.lines))


def _unfenced(search: list[str], replace: list[str]) -> tuple[list[str], list[str]]:
    """Both parts without fences around them, when both have the same; else both as they are."""

    def fenced(lines: list[str]) -> bool:
        return len(lines) > 1 and lines[0].startswith("```") and lines[-1].strip() == "```"

    if fenced(search) and (not replace or (fenced(replace) and search[0] == replace[0])):
        return search[1:-1], replace[1:-1]
    return search, replace


def _nothing(expected: Format, found: list[_Fenced | _Raw]) -> str:
    wanted = "SEARCH/REPLACE blocks" if expected is Format.DIFF else "one fenced block with the new text"
    return f"Expected {wanted}; found {f'{len(found)} fenced blocks that name no file' if found else 'no edit at all'}."


def _text(lines: list[str] | tuple[str, ...]) -> str:
    return "".join(line + "\n" for line in lines)


def _plain(path: str) -> str:
    return path.strip(_WRAPPERS).removeprefix("./")


def _indent(line: str) -> int:
    return len(line) - len(line.lstrip())
