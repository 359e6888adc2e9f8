"""Slips that leave a text readable: line numbers and signs before lines, escapes of HTML, lists that indent a block,
old lines that another edit would have written.

Each gives another reading of a text, or none.  A reading is used only where the text as it is fits nowhere.
"""

from __future__ import annotations

import re
from collections.abc import Sequence

from evolve.propose._python import is_python
from evolve.propose.edits._edits import AnyEdit, Replace
from evolve.propose.edits._source import tokens_of

_GUTTER = re.compile(r"[ \t]*L?(\d{1,6})(?:[ \t]?[:|│]|\t|→| ?\|)(.*)")
_LONE_NUMBER = re.compile(r"[ \t]*L?(\d{1,6})[ \t]?[:|│]?[ \t]*")
_ENTITY = re.compile(r"&(lt|gt|amp|quot|apos|#39|#x27);")
_MEANT = {"lt": "<", "gt": ">", "amp": "&", "quot": '"', "apos": "'", "#39": "'", "#x27": "'"}
_QUOTED = re.compile(r'"(?:[^"\\\n]|\\.)*+"|\'(?:[^\'\\\n]|\\.)*+\'')
_MARKUP = (".html", ".htm", ".xml", ".svg", ".md", ".txt", ".rst", ".jinja", ".j2")


def numberless(lines: Sequence[str]) -> list[tuple[list[str], int]]:
    """Lines without the numbers before them, in each way in which a space may belong to the numbers, and how many do."""
    bare = _bare(lines)
    if bare is None:
        return []
    closer = [line[1:] for line in bare] if all(line[:1] == " " for line in bare if line.strip()) else None
    return [*([(closer, 1)] if closer is not None else []), (bare, 0)]


def without_numbers(lines: Sequence[str]) -> list[str] | None:
    """A text from its first line on without the numbers before its lines; None when they have none."""
    found = numberless(lines)
    return next((bare for bare, _ in found if any(line[:1].strip() for line in bare)), None)


def _bare(lines: Sequence[str]) -> list[str] | None:
    """Lines without numbers, which must count up by one."""
    out: list[str] = []
    at = None
    for line in lines:
        found = _GUTTER.fullmatch(line) or _LONE_NUMBER.fullmatch(line)
        if found is None or (at is not None and int(found[1]) != at + 1):
            return None
        at = int(found[1])
        out.append(found[2] if found.re is _GUTTER else "")
    return out or None


def without_signs(search: Sequence[str], replace: Sequence[str]) -> tuple[list[str], list[str]] | None:
    """Both parts without the signs of a diff before their lines; None when they have none."""
    old, new = _unsigned(search, "-"), _unsigned(replace, "+")
    if old is None and new is None:
        return None
    return (old if old is not None else list(search)), (new if new is not None else list(replace))


def _unsigned(lines: Sequence[str], sign: str) -> list[str] | None:
    written = [line for line in lines if line.strip()]
    if not written or not any(line[0] == sign for line in written) or not all(line[0] in (sign, " ") for line in written):
        return None
    return [line[1:] for line in lines]


def has_escapes(text: str) -> bool:
    return _ENTITY.search(text) is not None


def unescaped(text: str) -> str:
    """A text with the escapes of HTML undone, once."""
    return _ENTITY.sub(lambda found: _MEANT[found[1]], text)


def is_escaped(lines: Sequence[str], known: Sequence[str], path: str) -> bool:
    """Whether new lines were escaped on their way: the file has no escapes, and they stand outside strings, or hide its lines."""
    suspects = [line for line in lines if _ENTITY.search(line)]
    if not suspects or any(_ENTITY.search(line) for line in known):
        return False
    have = {line.strip() for line in known}
    if any(unescaped(line).strip() in have for line in suspects):
        return True
    if path.endswith(_MARKUP):
        return False
    if is_python(path):
        keys = tokens_of(lines).keys
        return any(keys[i] == "&" and keys[i + 1] in _MEANT and keys[i + 2] == ";" for i in range(len(keys) - 2))
    return any(_ENTITY.search(_QUOTED.sub("", line)) for line in suspects)


def dedented(lines: Sequence[str], indent: int) -> list[str]:
    """Lines without the indentation of the list item they stand in, when all have it."""
    if not indent or any(line[:indent].strip() or len(line) < indent for line in lines if line.strip()):
        return list(lines)
    return [line[indent:] if line.strip() else "" for line in lines]


def _opens(lines: list[str]) -> bool:
    """Whether lines end with the end of a fence that began before them."""
    return len(lines) > 1 and lines[-1].strip() == "```" and sum(line.lstrip().startswith("```") for line in lines) % 2 == 1


def _closes(lines: list[str]) -> bool:
    """Whether lines begin with a fence that ends after them."""
    return len(lines) > 1 and lines[0].startswith("```") and sum(line.lstrip().startswith("```") for line in lines) % 2 == 1


def unfenced(search: list[str], replace: list[str]) -> tuple[list[str], list[str]]:
    """Both parts without fences around them, when both have the same; else both as they are."""

    def fenced(lines: list[str]) -> bool:
        return len(lines) > 1 and lines[0].startswith("```") and lines[-1].strip() == "```"

    if _opens(search) and _closes(replace):  # one fence for each part, around the signs between them
        search, replace = search[:-1], replace[1:]
    if fenced(search) and (not replace or (fenced(replace) and search[0] == replace[0])):
        return search[1:-1], replace[1:-1]
    return search, replace


def writer(edit: AnyEdit, edits: Sequence[AnyEdit]) -> int | None:
    """The number of another edit that would write the lines which this one takes for old ones; None where there is none."""
    old = _as_lines(edit.search) if isinstance(edit, Replace) and edit.search.strip() else ""
    for other in edits if old else ():
        if isinstance(other, Replace) and other is not edit and other.path in ("", edit.path) and old in _as_lines(other.replace):
            return other.number
    return None


def _as_lines(text: str) -> str:
    return "\n" + "".join(line.strip() + "\n" for line in text.strip().split("\n"))
