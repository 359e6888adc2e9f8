"""From an answer's lines to raw blocks: what stands between markers, in fences, in patches, and under which name.

Every line is read once, and lines after a fence that ends a block without its last marker once more, so the cost is linear.
"""

from __future__ import annotations

import re
from dataclasses import dataclass, field

from evolve.propose.answers._names import LONGEST_MARK, Header, Names, is_shell
from evolve.propose.answers._patches import begins_patch, goes_on, is_patch, is_signed
from evolve.propose.answers._shell import files_in, patch_in
from evolve.propose.edits._edits import MAX_EDITS
from evolve.propose.edits._slips import dedented

_SEARCH = re.compile(r"(<{5,12}|-{5,12}) ?(?:SEARCH|ORIGINAL|HEAD|OLD|CURRENT|BEFORE|UPDATED UPSTREAM|OURS)\b(.*)", re.IGNORECASE)
_ANY_OPENING = re.compile(r"(<{7})(?: ?(?!SEARCH\b)[\w./-]{1,60})?()", re.IGNORECASE)
_HINT = re.compile(r"[\s:@,(]*+(?:at )?(?:lines?|L)?[\s:@,(#]*+(\d{1,7})\b.*", re.IGNORECASE)
_DIVIDER = re.compile(r"={5,12}(?: ?(?:REPLACE(?: WITH)?|NEW|UPDATED))?")
_REPLACE = re.compile(r"(?:>{5,12}|\+{5,12})(?: ?(?:REPLACE|UPDATED)\b.*)?|<{5,12} ?REPLACE", re.IGNORECASE)
_LONE_CLOSING = re.compile(r">{5,12} ?(?:REPLACE|UPDATED)")
_ANY_CLOSING = re.compile(r">{5,12} ?[\w./() :-]{0,80}")
_FENCE = re.compile(r"(`{3,}|~{3,})([^`]*)")
_GLUED_FENCE = re.compile(r"([^`~]*`[^`]+`[^`]*|[^`~]*[\w:*.])\s*((`{3,})[\w+-]{0,20})")
_BEFORE_NAMES = "#/-;%<\"'"  # what a line that separates the files in a fence begins with
_BAR = re.compile(r"(?:#|//|--|/\*)[=*#~_/ -]{3,}")
_DOCUMENT = frozenset(("markdown", "md"))
_START_LINE = re.compile(r"\s*:(?:start|end)_line:\s*(\d{1,7})\s*")

# Characters without width (a soft hyphen, marks of direction among them), and spaces that are none of ASCII.
_UNSEEN = {
    **dict.fromkeys(map(ord, "\u00ad\u180e\u200b\u200c\u200d\u200e\u200f\u2060\ufeff")),
    **dict.fromkeys(map(ord, "\u00a0\u2002\u2003\u2007\u2009\u200a\u202f\u205f\u3000"), " "),
}


@dataclass(frozen=True, slots=True)
class Fenced:
    """A fenced block.  ``header`` is None when nothing above it or in its first line names it; ``label`` is the line above it."""

    header: Header | None
    info: str
    lines: tuple[str, ...]
    closed: bool
    indent: int = 0
    label: str = ""
    path: str = ""  # what the lines before have named


@dataclass(slots=True)
class Raw:
    """What stands after a SEARCH line.  ``dividers`` are indices into ``lines``, with their length, or 0 when indented."""

    path: str
    width: int
    hint: int | None
    sure: bool = True
    indent: int = 0
    wrapped: str = ""  # the fence around it
    lines: list[str] = field(default_factory=list)
    dividers: list[tuple[int, int]] = field(default_factory=list)
    bases: int = 0  # lines that begin a third part
    closed: bool = False
    at_end: bool = False  # nothing but the end of its fence, or of the answer, comes after it
    fence_at: int | None = None


@dataclass(frozen=True, slots=True)
class Patch:
    """A unified diff, or what apply_patch takes."""

    path: str
    lines: tuple[str, ...]
    closed: bool = True


Block = Fenced | Raw | Patch


@dataclass(slots=True)
class _Open:
    """A fence that is open: ``depth`` counts the fences opened inside it."""

    mark: str
    indent: int
    info: str
    header: Header | None
    label: str
    lines: list[str] = field(default_factory=list)
    depth: int = 1


class Reader:
    """Takes an answer line by line and collects ``found`` blocks."""

    def __init__(self, names: Names) -> None:
        self.found: list[Block] = []
        self._names = names
        self._path, self._sure = "", True  # hold until another header
        self._header: Header | None = None  # only what stands right above
        self._label = ""
        self._before = ""
        self._fence: _Open | None = None
        self._wrapped = ""  # the fence around search/replace blocks
        self._raw: Raw | None = None
        self._nested = False
        self._patch: list[str] | None = None

    def read(self, line: str) -> None:
        """The next line."""
        mark = marker_of(line) if len(line) <= LONGEST_MARK else ""
        opening = self._opening(line, mark)
        if opening:
            self._open_raw(opening, _indent(line))
        elif self._raw is not None:
            self._in_raw(line, mark)
        elif self._fence is not None:
            self._in_fence(line, mark)
        elif self._patch is not None and goes_on(line):
            self._in_patch(line, mark)
        else:
            self._end_patch()
            self._outside(line, mark)
        self._before = mark

    def end(self) -> None:
        """The answer is over; what is open stays open."""
        if self._raw is not None:
            self._leave_raw(last=True)
        if self._fence is not None and any(line.strip() for line in self._fence.lines):
            while not self._fence.lines[-1].strip():
                self._fence.lines.pop()
            self._close(closed=False)
        self._end_patch(closed=False)

    def _opening(self, line: str, mark: str) -> re.Match[str] | None:
        if mark[:1] not in ("<", "-"):
            return None
        found = _SEARCH.fullmatch(mark)
        if found is None and mark[:1] == "<" and self._raw is None and (self._fence is None or len(self._fence.lines) < 2):
            found = _ANY_OPENING.fullmatch(mark)
        return found

    def _open_raw(self, opening: re.Match[str], indent: int) -> None:
        self._end_patch()
        if self._raw is not None:
            self._leave_raw(last=False)
        if self._fence is not None:  # it is around the block; its header names the file, and so may its lines
            self._wrapped = self._fence.mark
            self._take(self._fence.header)
            for line in self._fence.lines[-3:]:
                self._take(self._names.header(line.strip()) or self._names.in_comment(line))
            self._fence = None
        hint = _HINT.fullmatch(opening[2])
        self._take(None if hint else self._names.header(opening[2].strip()))
        if self._label and not self._header:
            self._take(self._names.in_words(self._label))
        width = len(opening[1])
        self._raw = Raw(self._path, width, int(hint[1]) if hint else None, self._sure, indent, self._wrapped)
        self._label = ""

    def _take(self, header: Header | None) -> None:
        if header is not None and header.path:
            self._path, self._sure = self._names.resolved(header.path), header.sure

    def _in_raw(self, line: str, mark: str) -> None:
        raw = self._raw
        assert raw is not None
        closing = mark[:1] in (">", "+", "<") and (_REPLACE.fullmatch(mark) or (raw.dividers and _ANY_CLOSING.fullmatch(mark)))
        if closing:
            raw.closed = True
            self.found.append(raw)
            self._raw, self._header = None, None
            return
        if mark[:1] == "=" and _DIVIDER.fullmatch(mark):
            raw.dividers.append((len(raw.lines), len(mark) if line == mark or _indent(line) == raw.indent else 0))
        elif mark[:1] == "|" and re.fullmatch(r"\|{5,12}(?: .*)?", mark):
            raw.bases += 1
        elif not raw.lines and (started := _START_LINE.fullmatch(line)):
            raw.hint = raw.hint or int(started[1])
            return
        elif not raw.lines and raw.hint and re.fullmatch(r"-{5,12}", mark):
            return
        if raw.wrapped and raw.dividers and raw.fence_at is None and mark[:3] == raw.wrapped[:3] and not mark.strip(mark[0]):
            raw.fence_at = len(raw.lines)
        raw.lines.append(line)

    def _leave_raw(self, *, last: bool) -> None:
        """The last marker did not come.  What stands after the fence around the block is read again, as what it is."""
        raw = self._raw
        assert raw is not None
        self._raw, after = None, []
        raw.at_end = last
        if raw.fence_at is not None:
            after = raw.lines[raw.fence_at + 1 :]
            raw.dividers = [divider for divider in raw.dividers if divider[0] < raw.fence_at]
            del raw.lines[raw.fence_at :]
            raw.at_end, raw.wrapped = True, ""
            self._wrapped = ""
        self.found.append(raw)
        for line in after:
            self.read(line)

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

    def _in_patch(self, line: str, mark: str) -> None:
        assert self._patch is not None
        if mark == "*** End Patch":
            self._end_patch()
        else:
            self._patch.append(line)

    def _end_patch(self, *, closed: bool = True) -> None:
        if self._patch is not None:
            self.found.append(Patch(self._path, tuple(self._patch), closed))
            self._patch = None

    def _outside(self, line: str, mark: str) -> None:
        fence = _FENCE.fullmatch(mark) if mark[:1] in ("`", "~") else None
        if fence is None and mark[-1:] and (glued := _GLUED_FENCE.fullmatch(mark)) and self._names.header(glued[1].strip()):
            self._outside(glued[1], glued[1].strip())
            fence = _FENCE.fullmatch(glued[2])
        if fence:
            info = fence[2].strip()
            if self._wrapped and not info:
                self._wrapped = ""
                return
            self._wrapped = ""
            self._fence = _Open(fence[1], _indent(line), info, self._names.in_info(info) or self._header, self._label)
            return
        if mark[:1] == ">" and _LONE_CLOSING.fullmatch(mark):
            self.found.append(Raw(self._path, len(mark.split()[0]), None, closed=True))  # of a block whose first line is missing
            return
        if begins_patch(mark, self._before):
            self._patch = [self._before, line] if mark.startswith("+++ ") else [line]
            return
        if not mark:
            if line.strip():
                self._header, self._label = None, ""
            return
        self._label = mark
        self._header = self._names.header(mark)
        if self._header is not None:
            self._take(self._header)
            self._header = Header(self._header.path or self._path, self._header.block)

    def _close(self, closed: bool) -> None:
        fence = self._fence
        assert fence is not None
        self._fence = None
        header, lines = fence.header, fence.lines
        if header is None and not self._nested and fence.info.lower() in _DOCUMENT and self._is_answer(lines):
            self._nested = True  # an answer inside a fence; once, so that the cost stays linear
            for line in lines:
                self.read(line)
            self.end()
            self._nested = False
            return
        if is_shell(fence.info) and self._commands(fence, lines):
            return
        if header is None:
            header, lines = self._named_inside(lines)
        several = not is_patch(fence.info, fence.lines) and not is_signed(lines, self._names.lines)
        if header is not None and several and (starts := self._further_files(lines, header)):
            for start, end in zip([0, *starts], [*starts, len(lines)], strict=True):
                self._close_part(fence, header if start == 0 else None, lines[start:end], closed or end < len(lines))
            return
        if not closed and lines and (last := lines[-1].rstrip()).endswith(fence.mark) and last.strip(fence.mark[0]).strip():
            lines, closed = [*lines[:-1], last.rstrip(fence.mark[0])], True  # the closing fence stands in the last line
        bare = dedented(lines, fence.indent)
        if is_patch(fence.info, bare) or is_signed(bare, self._names.lines):
            lines = bare
            path = self._names.resolved(header.path) if header and header.path else self._path
            self.found.append(Patch(path, tuple(lines), closed))
        else:
            header = header or (self._names.in_words(fence.label) if fence.label else None)
            self.found.append(Fenced(header, fence.info, tuple(lines), closed, fence.indent, fence.label, self._path))
        if header and header.path and header.sure:
            self._take(header)
        self._header, self._label = None, ""

    def _commands(self, fence: _Open, lines: list[str]) -> bool:
        """Whether a fence holds commands that write files or hand over a patch, which are taken then."""
        bare = dedented(lines, fence.indent)
        written = files_in(bare)
        for path, text in written:
            self.found.append(Fenced(Header(path, None), "", tuple(text), True, path=path))
        patch = patch_in(bare) if not written else None
        if patch is not None:
            self.found.append(Patch(self._path, tuple(patch)))
        if not written and patch is None:
            return False
        self._header, self._label = None, ""
        return True

    def _is_answer(self, lines: list[str]) -> bool:
        """Whether a fenced document is an answer with fences of its own, rather than a file of the parent that has some."""
        fences = any(map(_is_fence, lines))
        return fences and bool(self._names.texts) and not any(map(_is_fence, self._names.lines))

    def _close_part(self, fence: _Open, header: Header | None, lines: list[str], closed: bool) -> None:
        """One of several files in a fence."""
        if header is None:
            header, lines = self._named_inside(lines)
        while closed and lines and (not lines[-1].strip() or _BAR.fullmatch(lines[-1])):
            lines.pop()
        self.found.append(Fenced(header, fence.info, tuple(lines), closed, fence.indent, "", self._path))

    def _further_files(self, lines: list[str], header: Header) -> list[int]:
        """Where a fence that is about one file goes on, after a comment that names it, with another."""
        if not header.path or header.block is not None:
            return []
        starts, path = [], self._names.resolved(header.path)
        for i, line in enumerate(lines):
            if line[:1] and line[0] in _BEFORE_NAMES and line.strip() not in self._names.lines:
                other = self._in_first_line([line])
                if other is not None and other.path != path:
                    starts.append(i)
                    path = other.path
        return starts if len(starts) < MAX_EDITS else []

    def _named_inside(self, lines: list[str]) -> tuple[Header | None, list[str]]:
        """The file that the first line names, blank ones and bars aside, and the lines after it."""
        at = 0
        at = next((i for i, line in enumerate(lines) if line.strip() and not _BAR.fullmatch(line)), 0)
        named = self._in_first_line(lines[at : at + 1])
        if named is None:
            return None, lines
        rest = lines[at + 1 :]
        return named, rest[1:] if rest and _BAR.fullmatch(rest[0]) else rest

    def _in_first_line(self, lines: list[str]) -> Header | None:
        """The file that a comment in the first line names, unless the file itself begins so."""
        named = self._names.in_comment(lines[0]) if lines else None
        if named is None:
            return None
        path = self._names.resolved(named.path)
        own = self._names.texts.get(path, "").split("\n")[0].strip()
        return Header(path, None) if own != lines[0].strip() else None


def marker_of(line: str) -> str:
    """A line without the space around it; where that makes it a marker of a search/replace block, also without the characters that
    nobody sees.  Lines of text keep theirs."""
    mark = line.strip()
    if mark.isascii():
        return mark
    bare = mark.translate(_UNSEEN).strip()
    return bare if any(kind.fullmatch(bare) for kind in (_SEARCH, _DIVIDER, _REPLACE)) else mark


def _is_fence(line: str) -> bool:
    return line.lstrip()[:3] in ("```", "~~~")


def _indent(line: str) -> int:
    return len(line) - len(line.lstrip())
