"""Unified diffs and apply_patch texts as edits: each hunk is old lines and new lines, wherever they stand.

Line numbers count only where a hunk's counts are right; models get both wrong.  What stands after ``@@`` names the definition
around it.
"""

from __future__ import annotations

import re
from collections.abc import Collection, Sequence
from dataclasses import dataclass, field

from evolve.propose.answers._names import Names
from evolve.propose.edits._edits import AnyEdit, BlockFault, Fault, Replace, RewriteFile, shown

DIFF_INFOS = frozenset(("diff", "patch", "udiff", "apply_patch"))
_HUNK = re.compile(r"@@+ -(\d{1,7})(?:,(\d{1,7}))? \+(\d{1,7})(?:,(\d{1,7}))? @@+ ?(.*)")
_FILE = re.compile(r"\*\*\* (Update|Add|Delete) File: *(.+)")
_MOVED = re.compile(r"\*\*\* (move|rename|copy) to: *.+|(rename|copy) from (.+)", re.IGNORECASE)
_MOVES = {"move": "moves", "rename": "moves", "copy": "copies"}
_META = (
    "diff ",
    "index ",
    "new file",
    "deleted file",
    "similarity ",
    "rename ",
    "copy from ",
    "copy to ",
    "old mode",
    "new mode",
    "\\ No newline",
)
_IN_PATCH = frozenset(" +-@\\")


def begins_patch(mark: str, before: str) -> bool:
    """Whether a patch begins with this line; ``before`` is the line above it."""
    if mark.startswith(("*** Begin Patch", "*** Update File: ", "*** Add File: ", "*** Delete File: ", "diff --git ")):
        return True
    return mark.startswith("+++ ") and before.startswith("--- ")


def goes_on(line: str) -> bool:
    """Whether a patch that no fence is around may go on with this line."""
    return not line.strip() or line[0] in _IN_PATCH or line.startswith((*_META, "*** "))


def is_patch(info: str, lines: Sequence[str]) -> bool:
    """Whether a fenced block is one."""
    first = [line for line in lines if line.strip()][:3]
    if first and first[0].startswith(("*** Begin Patch", "*** Update File: ", "*** Add File: ", "diff --git ", "@@ ")):
        return True
    if len(first) > 1 and first[0].startswith("--- ") and first[1].startswith("+++ "):
        return True
    words = info.lower().split()
    return bool(words) and words[0] in DIFF_INFOS


def is_signed(lines: Sequence[str], known: Collection[str]) -> bool:
    """Whether all lines have the signs of a diff, and those taken out are lines of the parent; ``known`` has these, stripped."""
    written = [line for line in lines if line.strip()]
    old = [line[1:].strip() for line in written if line[0] == "-"]
    new = [line for line in written if line[0] == "+"]
    return bool(old and new) and all(line[0] in "+- " for line in written) and all(line in known for line in old)


@dataclass(slots=True)
class _Hunk:
    path: str
    numbers: tuple[int, int, int] | None = None  # first old line, how many old, how many new
    within: str = ""
    lines: list[str] = field(default_factory=list)


def edits_of(lines: Sequence[str], path: str, names: Names, number: int) -> list[AnyEdit | BlockFault]:
    """The edits of a patch, numbered from ``number``.  ``path`` is what stands above it."""
    reader = _PatchReader(path, names)
    for i, line in enumerate(lines):
        reader.read(line, lines[i + 1] if i + 1 < len(lines) else "")
    made: list[AnyEdit | BlockFault] = []
    for path, what in reader.gone.items():
        at = number + len(made)
        made.append(BlockFault(at, Fault.SCOPE, f"Block {at} {what} {shown(path)}; files stay where they are."))
    for hunk in reader.hunks:
        if any(line.strip() for line in hunk.lines) and hunk.path not in reader.gone:
            made.append(_edit(hunk, number + len(made)))
    if made:
        return made
    return [BlockFault(number, Fault.MALFORMED, f"Block {number} is a diff without lines that begin with + or -.")]


class _PatchReader:
    def __init__(self, path: str, names: Names) -> None:
        self.hunks: list[_Hunk] = []
        self.gone: dict[str, str] = {}  # files that a patch would not leave where they are, and what it does to them
        self._path, self._names = path, names
        self._added = self._headed = False

    def read(self, line: str, after: str) -> None:
        if found := _FILE.match(line):
            self._path = self._names.resolved(found[2])
            self._added = found[1] == "Add"
            self._open()
            if found[1] == "Delete":
                self.gone[self._path] = "deletes"
            if self._added:
                self.hunks[-1].numbers = (0, 0, 0)
        elif found := _MOVED.fullmatch(line.rstrip()):
            self.gone[self._names.resolved(found[3].strip()) if found[2] else self._path] = _MOVES[(found[1] or found[2]).lower()]
        elif line.startswith("--- ") and after.startswith("+++ "):
            self._path, self._added = self._named(line) or self._path, line.startswith("--- /dev/null")
            self._headed = True
        elif line.startswith("+++ ") and (self._headed or not self._pending()):
            self._headed = False
            self._path = self._named(line) or self._path
            self._open()
            if line[4:].split("\t")[0].strip() == "/dev/null":
                self.gone[self._path] = "deletes"
        elif line.startswith("@@"):
            self._at(line)
        elif line.startswith(("*** ", *_META)) or (not self.hunks and not line.strip()):
            return
        else:
            if not self.hunks:
                self._open()
            self.hunks[-1].lines.append(line)

    def _pending(self) -> bool:
        return bool(self.hunks) and any(line.strip() for line in self.hunks[-1].lines) and self.hunks[-1].path == self._path

    def _open(self) -> None:
        self.hunks.append(_Hunk(self._path, (0, 0, 0) if self._added else None))

    def _at(self, line: str) -> None:
        numbers = None
        found = _HUNK.match(line)
        if found:
            numbers = int(found[1]), int(found[2] or 1), int(found[4] or 1)
            within = found[5]
        else:
            within = line.strip("@").strip()
            within = "" if re.fullmatch(r"[-+.,\d\s…@]*", within) else within
        self.hunks.append(_Hunk(self._path, (0, 0, 0) if self._added else numbers, within.strip()))

    def _named(self, line: str) -> str:
        name = line[4:].split("\t")[0].strip()
        path = "" if not name or name == "/dev/null" else self._names.resolved(name)
        beside = path in self._names.paths or any(known.startswith(path[:2]) for known in self._names.paths)
        return path[2:] if path[:2] in ("a/", "b/") and not beside else path  # git's sides, before a name that is new


def _edit(hunk: _Hunk, number: int) -> AnyEdit | BlockFault:
    if hunk.numbers == (0, 0, 0):
        lines = [line.removeprefix("+") for line in hunk.lines]
        return RewriteFile(number, hunk.path, _text(lines))
    lines = list(hunk.lines)
    while lines and not lines[-1]:  # a blank line that the end of the patch brought along
        lines.pop()
    while lines and not lines[0]:
        lines.pop(0)
    kinds = {line[:1] for line in lines}
    if not kinds & {"+", "-"}:
        return BlockFault(number, Fault.MALFORMED, f"Block {number} is a diff without lines that begin with + or -.")
    search, replace = _sides(lines, strip=True)
    if not any(line.strip() for line in search):
        said = f"Block {number} inserts lines and does not say where; repeat a line of the program beside them."
        return BlockFault(number, Fault.AMBIGUOUS, said)
    old, new = _sides(lines, strip=False)
    also = () if kinds <= {"+", "-"} else ((_text(old), _text(new)),)
    return Replace(number, hunk.path, _text(search), _text(replace), _line(hunk, lines), within=hunk.within, also=also)


def _sides(lines: Sequence[str], *, strip: bool) -> tuple[list[str], list[str]]:
    """Old lines and new lines.  Without ``strip`` the lines of context begin in the first column, as some models have it."""
    search: list[str] = []
    replace: list[str] = []
    for line in lines:
        if line[:1] == "-":
            search.append(line[1:])
        elif line[:1] == "+":
            replace.append(line[1:])
        else:
            kept = line[1:] if strip and line[:1] == " " else line
            search.append(kept)
            replace.append(kept)
    return search, replace


def _line(hunk: _Hunk, lines: Sequence[str]) -> int | None:
    if hunk.numbers is None:
        return None
    first, old, new = hunk.numbers
    counts = sum(line[:1] != "+" for line in lines), sum(line[:1] != "-" for line in lines)
    return first if counts == (old, new) else None


def _text(lines: Sequence[str]) -> str:
    return "".join(line + "\n" for line in lines)
