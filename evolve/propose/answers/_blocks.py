"""What a block that is meant says, as an edit, or why it says nothing that can be used.

A block without its end counts only where the server says that the model had finished and the text does not stop in the middle.
"""

from __future__ import annotations

import re
from collections.abc import Iterator, Sequence

from evolve.propose._python import is_python
from evolve.propose.answers._names import Names
from evolve.propose.answers._patches import edits_of
from evolve.propose.answers._reader import Fenced, Patch, Raw
from evolve.propose.edits._edits import AnyEdit, BlockFault, Fault, Format, Replace, RewriteBlock, RewriteFile, shown
from evolve.propose.edits._slips import dedented, unfenced
from evolve.propose.edits._whole import definitions, is_whole

_PROSE = re.compile(r"[A-Z][\w'’]*,?(?: [\w'’`,()/-]+){2,}.*[.:!?]")
_WRAPPER = re.compile(r"\s*</?[\w-]{1,40}>\s*")
_PAIRS = ("()", "[]", "{}")


class Maker:
    """Edits of blocks, for one answer.

    Args:
        names: The parent's files.
        expected: What was asked for.
        cut: The answer hit a limit, or the connection was lost.
        alone: There is one block in the answer.
    """

    def __init__(self, names: Names, expected: Format, *, cut: bool, alone: bool) -> None:
        self._names, self._expected, self._cut, self._alone = names, expected, cut, alone

    def edits(self, part: Fenced | Raw | Patch | tuple[Fenced, Fenced], number: int) -> Iterator[AnyEdit | BlockFault]:
        """The edits of a block, or of old lines and new ones, numbered from ``number``."""
        if isinstance(part, tuple):
            yield self._pair(number, *part)
        elif isinstance(part, Patch):
            yield from self._patch(number, part)
        elif isinstance(part, Raw):
            yield self._replace(number, part)
        else:
            yield self._rewrite(number, part)

    def path(self, block: Fenced) -> str:
        """The file that a block is about; "" where that is not said and there are several."""
        path = block.header.path if block.header and block.header.path else block.path
        path = self._names.resolved(path) if path else ""
        return path or (next(iter(self._names.paths)) if len(self._names.paths) == 1 else "")

    def _pair(self, number: int, old: Fenced, new: Fenced) -> AnyEdit | BlockFault:
        header = new.header or old.header
        path = self._names.resolved(header.path) if header else old.path
        before, after = inside(old), inside(new)
        if not new.closed and (self._cut or not _ends_like(before, after)):
            return BlockFault(number, Fault.TRUNCATED, f"Block {number} has no closing fence, and may be cut off; send it again.")
        return Replace(number, path, joined(before), joined(after), sure=False)

    def _patch(self, number: int, patch: Patch) -> Iterator[AnyEdit | BlockFault]:
        """Of a patch that was cut off, all hunks but the last."""
        made = edits_of(patch.lines, patch.path, self._names, number)
        if not patch.closed and self._cut:
            last = number + len(made) - 1
            made[-1] = BlockFault(last, Fault.TRUNCATED, f"Block {last} is a diff that was cut off; send a shorter one.")
        yield from made

    def _rewrite(self, number: int, block: Fenced) -> AnyEdit | BlockFault:
        if not block.closed and self._cut:
            said = f"Block {number} has no closing fence: the answer was cut off; send less, or edits instead of a whole file."
            return BlockFault(number, Fault.TRUNCATED, said)
        text = joined(inside(block))
        path = block.header.path if block.header else ""
        index = block.header.block if block.header else None
        if not text.strip() and self._names.texts.get(self.path(block), "").strip():
            return BlockFault(number, Fault.MALFORMED, f"Block {number} is empty; send all of the text that shall stand there.")
        if not block.closed and not (_ends_like([], inside(block)) and self._may_end(block)):
            said = f"Block {number} has no closing fence and stops in the middle; send it again, to its end."
            return BlockFault(number, Fault.TRUNCATED, said)
        if index is not None or self._expected is Format.BLOCK:
            return RewriteBlock(number, self._names.resolved(path) if path else "", index, text)
        if block.header is not None and path and self._may_be(path, text):
            path = self._renamed(self._names.resolved(path), text)
        return RewriteFile(number, path, text, ended=block.closed)

    def _may_end(self, block: Fenced) -> bool:
        """Whether a text without closing fence ends as its file does; where only some of a file is sent, that says nothing."""
        path = self.path(block)
        before = self._names.texts.get(path, "")
        if self._expected is not Format.BLOCK or is_python(path) or "EVOLVE-BLOCK-" in before or not before.strip():
            return True
        last = [line for line in inside(block) if line.strip()][-1:]
        return "".join(last).strip() == before.rstrip().rpartition("\n")[2].strip()

    def _renamed(self, path: str, text: str) -> str:
        """The parent's only file, where an answer with nothing else has a new version of it under a name that is not there."""
        if path in self._names.paths or not self._alone or len(self._names.texts) != 1:
            return path
        known, before = next(iter(self._names.texts.items()))
        return known if definitions(before, known) and is_whole(before, text, known) else path

    def _may_be(self, path: str, text: str) -> bool:
        """Whether a whole file under this name is the parent's file that the name resolves to, rather than a new one."""
        known = self._names.resolved(path)
        if known not in self._names.paths or self._names.is_certain(path):
            return True
        return known not in self._names.texts or is_whole(self._names.texts[known], text, known)

    def _replace(self, number: int, raw: Raw) -> Replace | BlockFault:
        lines = list(raw.lines)
        if not raw.closed:
            while lines and raw.at_end and (not lines[-1].strip() or _WRAPPER.fullmatch(lines[-1])):
                lines.pop()
            if said := self._unfinished(raw, lines):
                return BlockFault(number, Fault.TRUNCATED, f"Block {number} {said}")
        at = raw.dividers
        if len(at) > 1:  # texts have underlines of this form: the real one is as wide as the line that opens the block
            at = [divider for divider in at if divider[1] == raw.width]
        if len(at) != 1 or raw.bases:
            found = f"{len(raw.dividers)}" + (" and a third part" if raw.bases else "")
            said = f"Block {number} needs exactly one line '{'=' * raw.width}' between SEARCH and REPLACE; found {found}."
            return BlockFault(number, Fault.MALFORMED, said)
        parts = lines[: at[0][0]], lines[at[0][0] + 1 :]
        if dedented([*parts[0], *parts[1]], raw.indent) != [*parts[0], *parts[1]]:
            parts = dedented(parts[0], raw.indent), dedented(parts[1], raw.indent)
        old, new = unfenced(*parts)
        return Replace(number, raw.path, joined(old), joined(new), raw.hint, sure=raw.sure)

    def _unfinished(self, raw: Raw, lines: Sequence[str]) -> str:
        """Why a block without its last marker is not taken, in words that follow its number; "" when it is."""
        if self._cut or not raw.at_end or not raw.dividers:
            return f"has no line '>>>>>>> REPLACE'; its last line is {shown(raw.lines[-1] if raw.lines else '')}."
        at = raw.dividers[-1][0]
        if raw.dividers[-1][1] != raw.width or len(lines) == at + 1:
            return "ends with its line of equal signs; send the new lines, and '>>>>>>> REPLACE' after them."
        if any(_PROSE.fullmatch(line) for line in lines[at + 1 :]):
            return "has no line '>>>>>>> REPLACE' before the words that follow it."
        if not _ends_like(lines[:at], lines[at + 1 :]):
            return "has no line '>>>>>>> REPLACE' and stops in the middle; send it again, to its end."
        return ""


def inside(block: Fenced) -> list[str]:
    """A block's lines, without the indentation of a list that it stands in."""
    lines = dedented(block.lines, block.indent)
    while not block.closed and lines and (not lines[-1].strip() or _WRAPPER.fullmatch(lines[-1])):
        lines.pop()
    return lines


def joined(lines: Sequence[str]) -> str:
    """Lines as a text."""
    return "".join(line + "\n" for line in lines)


def _ends_like(old: Sequence[str], new: Sequence[str]) -> bool:
    """Whether new lines leave as many brackets open as those they replace: what stops in the middle mostly does not."""
    before, after = "\n".join(old), "\n".join(new)
    return all(before.count(pair[0]) - before.count(pair[1]) == after.count(pair[0]) - after.count(pair[1]) for pair in _PAIRS)
