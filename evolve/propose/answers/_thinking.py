"""What a model thought, taken out of what it says.

Servers without a parser for a model's thinking pass it on inside the answer, in the form of that model's template; where the
template opens the thinking in the prompt, only its end comes.  A draft in it is not the answer.  A program may hold the same signs:
those in a fence or an edit that ends in good order stay, and so do those in quotes.

One pass over the lines, with what comes next looked up in tables, so the cost is linear in the text.
"""

from __future__ import annotations

import re
from collections.abc import Sequence
from dataclasses import dataclass

from evolve.propose.answers._names import LONGEST_MARK
from evolve.propose.answers._reader import marker_of

_NAMES = (
    r"(?:[a-z]{1,20}:)?(?:think(?:ing)?(?:_process)?|thoughts?|reason(?:ing)?|analysis|scratch_?pad|reflection|antthinking|cot|"
    r"(?:inner|internal)_(?:monologue|thoughts?)|chain_of_thought|deliberation)"
)
_OPEN = re.compile(
    rf"<{_NAMES}(?:\s[^<>\n]{{0,80}})?>|\[(?:THINK|THINKING|REASONING)\]|◁think▷|<unused94>(?:thought)?|<\|inner_prefix\|>|"
    r"<\|(?:begin_of|start_of|start)_(?:thought|thinking|reasoning)\|>|<\|think(?:ing)?\|>|<\|channel>\s{0,2}thought",
    re.IGNORECASE,
)
_CLOSE = re.compile(
    rf"</{_NAMES}>|\[/(?:THINK|THINKING|REASONING)\]|◁/think▷|<unused95>|<\|inner_suffix\|>|"
    r"<\|(?:end_of|end)_(?:thought|thinking|reasoning)\|>|<\|/think(?:ing)?\|>|<channel\|>",
    re.IGNORECASE,
)
_ANSWER = re.compile(
    r"<(?:answer|response|solution|final|final_answer|output)>|<\|(?:begin_of_solution|START_RESPONSE|begin_of_answer)\|>|"
    r"(?:\*\*|#+ )?final answer:?(?:\*\*)?\Z",
    re.IGNORECASE,
)
_WORDED = (  # thinking between lines of words, at the start of an answer
    (re.compile(r"Thinking(?:\.\.\.|…)\s*"), re.compile(r"\s*(?:\.\.\.|…)\s*done thinking\.?\s*", re.IGNORECASE)),
    (re.compile(r"Here is my thought process:?\s*", re.IGNORECASE), re.compile(r"\s*Here is my response:?\s*", re.IGNORECASE)),
)
_THINKING_FENCE = re.compile(r"\s{0,12}(?:`{3,}|~{3,})\s?(?:think(?:ing)?|thoughts?|reasoning|scratchpad)>?\s*", re.IGNORECASE)
_SUMMARY = re.compile(r"\s*(?:<details>\s*)?<summary>[^<>]{0,60}(?:think|thought|reason)[^<>]{0,60}</summary>\s*", re.IGNORECASE)
_FENCE = re.compile(r"\s{0,40}(`{3,}|~{3,})([^`]{0,200})")
_SEARCH = re.compile(r"\s*[<-]{5,12} ?(?:SEARCH|ORIGINAL|HEAD)\b.{0,180}", re.IGNORECASE)
_INNER = re.compile(r"\s*(?:={5,12}|[>+]{5,12}(?: ?\w[^<>]{0,80})?)\s*")
_FINAL = re.compile(r"<\|channel\|>\s*final\s*(?:<\|message\|>)?|(?<=[.\w!?)\"'`}\s])assistantfinal(?=\S|\Z)")
_CALL = re.compile(
    r"<\|channel\|>\s*commentary[^<\n]{0,40} to=[\w.]{1,60}[^<\n]{0,40}(?:<\|constrain\|>\s*\w{0,20}\s*)?<\|message\|>"
)
_CHANNEL = re.compile(r"<\|channel\|>\s*(?:analysis|commentary)")
_GLUED = re.compile(r"\s*analysis(?=[A-Z\"'])")
_AFTER_FINAL = re.compile(r"<\|(?:end|return|start|call)\|>")
_LAST = re.compile(
    r"(?:<\|[\w/]{1,40}\|>|</s>|<end_of_turn>|<｜end▁of▁sentence｜>|</(?:answer|response|solution|final|final_answer|output)>)\s*\Z",
    re.IGNORECASE,
)
_QUOTES = frozenset("\"'`")


@dataclass(frozen=True, slots=True)
class Spoken:
    """What is said, and whether the thinking had no end."""

    text: str
    unended: bool = False


def spoken(text: str, known: str = "") -> Spoken:
    """An answer without its thinking and without the tokens that end a turn.

    Args:
        text: The content as it came, lines ending in a line feed.
        known: The parent's texts: their own lines are never signs.
    """
    said = _channels(text, known)
    if said.unended:
        return said
    body = _without_end(said.text)
    if _OPEN.search(body) is None and _CLOSE.search(body) is None and not _may_be_worded(body):
        return Spoken(body)
    scan = _Scan(body.split("\n"), frozenset(line.strip() for line in known.split("\n")))
    scan.run()
    return Spoken("\n".join(scan.kept), scan.unended)


def _channels(text: str, known: str) -> Spoken:
    """The channel ``final`` of models that have channels; their own signs, or the words left where a server drops these."""
    opens = _CHANNEL.search(text)
    own = opens is not None and not _quoted(text, opens.start(), opens.end()) and opens[0] not in known
    if not own and _GLUED.match(text) is None:
        final = re.match(r"\s*(?:<\|start\|>assistant)?<\|channel\|>\s*final\s*(?:<\|message\|>)?", text)
        return Spoken(text[final.end() :]) if final else Spoken(text)
    finals = list(_FINAL.finditer(text))
    last = finals[-1] if finals else None
    calls = list(_CALL.finditer(text)) if last is None else []
    if calls and (end := text.find("<|call|>", calls[-1].end())) >= 0:  # a tool's call is what it says
        return Spoken(text[calls[-1].end() : end])
    if last is None:
        return Spoken(text[: opens.start()] if own and opens is not None else "", unended=True)
    rest = text[last.end() :]
    stop = _AFTER_FINAL.search(rest)
    return Spoken(rest[: stop.start()] if stop else rest)


def _without_end(text: str) -> str:
    while (last := _LAST.search(text, max(0, len(text) - 80))) is not None:
        text = text[: last.start()]
    return text


def _may_be_worded(text: str) -> bool:
    start = text.lstrip()[:40]
    return any(opens.match(start) for opens, _ in _WORDED) or "```think" in text or "summary>" in text or "thought" in text[:4000]


def _quoted(line: str, start: int, end: int) -> bool:
    return (start > 0 and line[start - 1] in _QUOTES) or line[end : end + 1] in _QUOTES


@dataclass(frozen=True, slots=True)
class _Sign:
    """An unquoted sign that ends thinking.  ``edge``: nothing else stands before it, or after it, in its line."""

    line: int
    start: int
    end: int
    edge: bool


class _Scan:
    """The lines of an answer, and which of them are ``kept``."""

    def __init__(self, lines: Sequence[str], known: frozenset[str]) -> None:
        self.kept: list[str] = []
        self.unended = False
        self._lines, self._known = lines, known
        self._closes = [sign for i, line in enumerate(lines) for sign in _signs(i, line)]
        self._edges = [sign for sign in self._closes if sign.edge]
        self._at = self._at_edge = 0
        self._next_bare = _bare_next(lines)
        self._next_inner = _inner_next(lines)
        self._fence: tuple[str, int] | None = None
        self._raw = False

    def run(self) -> None:
        i, line = self._worded()
        while i < len(self._lines):
            i, line = self._step(i, line)

    def _worded(self) -> tuple[int, str]:
        first = next((i for i, line in enumerate(self._lines) if line.strip()), 0)
        for opens, closes in _WORDED:
            if self._lines and opens.fullmatch(self._lines[first]):
                end = next((i for i in range(first + 1, len(self._lines)) if closes.fullmatch(self._lines[i])), None)
                if end is None:
                    self.unended = True
                    return len(self._lines), ""
                return self._line(end + 1)
        return self._line(0)

    def _line(self, i: int) -> tuple[int, str]:
        return i, self._lines[i] if i < len(self._lines) else ""

    def _step(self, i: int, line: str) -> tuple[int, str]:
        """Read ``line``, what is left of line ``i``; what to read next."""
        if self._raw or self._fence is not None:
            return self._inside(i, line)
        close = _CLOSE.search(line)
        opening = _opening(line)
        if opening is None and close is not None and not _quoted(line, *close.span()) and _on_edge(line, close):
            self.kept.clear()  # the prompt opened it
            return i, line[close.end() :]
        if opening is not None and line.strip() not in self._known:
            return self._skip(i, line, opening)
        if _THINKING_FENCE.fullmatch(line) or _SUMMARY.fullmatch(line):
            return self._skip_block(i, line)
        if fence := _FENCE.fullmatch(line):
            self._fence = fence[1], 1
        elif _SEARCH.fullmatch(_marker(line)):
            self._raw = True
        self.kept.append(line)
        return self._line(i + 1)

    def _inside(self, i: int, line: str) -> tuple[int, str]:
        close = _CLOSE.search(line)
        if close and _on_edge(line, close) and not _quoted(line, *close.span()) and line.strip() not in self._known:
            program = self._next_inner[i] if self._raw else self._next_bare[i]
            if not program:
                self.kept.clear()
                self._raw, self._fence = False, None
                return i, line[close.end() :]
        if self._raw:
            self._raw = not re.fullmatch(r"\s*[>+]{5,12}(?: ?\w[^<>]{0,80})?\s*", _marker(line))
        elif (fence := _FENCE.fullmatch(line)) is not None and self._fence is not None:
            mark, depth = self._fence
            if fence[1][0] == mark[0] and len(fence[1]) >= len(mark):
                depth += 1 if fence[2].strip() else -1
                self._fence = (mark, depth) if depth else None
        elif _SEARCH.fullmatch(_marker(line)):
            self._raw, self._fence = True, None
        self.kept.append(line)
        return self._line(i + 1)

    def _skip(self, i: int, line: str, opening: re.Match[str]) -> tuple[int, str]:
        """Past thinking that ``opening`` begins."""
        column = len(self._lines[i]) - len(line) + opening.end()
        exotic = opening[0][0] != "<" or "|" in opening[0]
        sign = self._next(i, column, edges=not exotic) or self._next(i, column, edges=False)
        if sign is not None:
            return sign.line, self._lines[sign.line][sign.end :]
        for at in range(i + 1, len(self._lines)):
            if _ANSWER.match(self._lines[at].strip()[:200]):
                return at + 1, self._lines[at + 1] if at + 1 < len(self._lines) else ""
        self.unended = True
        return len(self._lines), ""

    def _next(self, i: int, column: int, *, edges: bool) -> _Sign | None:
        signs = self._edges if edges else self._closes
        at = self._at_edge if edges else self._at
        while at < len(signs) and (signs[at].line, signs[at].start) < (i, column):
            at += 1
        if edges:
            self._at_edge = at
        else:
            self._at = at
        return signs[at] if at < len(signs) else None

    def _skip_block(self, i: int, line: str) -> tuple[int, str]:
        """Past a fence or a folded section of thinking."""
        if sign := self._next(i, len(line), edges=True):
            return sign.line, self._lines[sign.line][sign.end :]
        depth = 1
        folded = _SUMMARY.fullmatch(line) is not None
        for at in range(i + 1, len(self._lines)):
            found = _FENCE.fullmatch(self._lines[at])
            if folded and self._lines[at].strip().lower() == "</details>":
                return self._line(at + 1)
            if found and not folded:
                depth += 1 if found[2].strip() else -1
                if depth == 0:
                    return self._line(at + 1)
        self.unended = True
        return len(self._lines), ""


def _signs(i: int, line: str) -> list[_Sign]:
    return [
        _Sign(i, found.start(), found.end(), _on_edge(line, found))
        for found in _CLOSE.finditer(line)
        if not _quoted(line, *found.span())
    ]


def _on_edge(line: str, found: re.Match[str]) -> bool:
    return not line[: found.start()].strip() or not line[found.end() :].strip()


def _opening(line: str) -> re.Match[str] | None:
    """Thinking that begins in this line, of which nothing else came before."""
    start = re.match(r"[\s>*_#-]{0,12}(?:<\|(?:im_)?start\|>\w{0,12})?", line)
    return _OPEN.match(line, start.end() if start else 0)


def _bare_next(lines: Sequence[str]) -> list[bool]:
    """Whether the next fence after each line is one that ends a block."""
    found, bare = [False] * len(lines), False
    for i in range(len(lines) - 1, -1, -1):
        found[i] = bare
        if fence := _FENCE.fullmatch(lines[i]):
            bare = not fence[2].strip()
    return found


def _marker(line: str) -> str:
    """A line as the reader of edits will see it."""
    return line if line.isascii() or len(line) > LONGEST_MARK else marker_of(line)


def _inner_next(lines: Sequence[str]) -> list[bool]:
    """Whether the next marker after each line is one inside an edit."""
    found, inner = [False] * len(lines), False
    for i in range(len(lines) - 1, -1, -1):
        found[i] = inner
        mark = _marker(lines[i])
        if _SEARCH.fullmatch(mark):
            inner = False
        elif _INNER.fullmatch(mark):
            inner = True
    return found
