"""A program that stands in an answer without a fence: alone, in tags, after a sentence, before a lone closing fence."""

from __future__ import annotations

import re
from collections import Counter

from evolve.propose._python import is_python, parse
from evolve.propose.edits._whole import definitions, is_whole

_TAG = re.compile(r"\s*<(?P<end>/?)(?P<name>[A-Za-z][\w:-]{0,40})(?:\s[^<>\n]{0,400})?>\s*")
_FENCE = re.compile(r"\s*(?:`{3,}|~{3,})[\w+-]{0,20}\s*")
_CODE = re.compile(
    r"(?:import|from|def|class|async def|if __name__)\b.*|@\w.*|#.*|[\"']{3}.*|[A-Za-z_]\w*\s*(?::[^=]{1,60})?=[^=].*"
)
_DEFINED = re.compile(r"(?:async )?(?:def|class) (\w+)")
_MOST_TRIES = 6


def bare_program(body: str, path: str, before: str) -> str:
    """The one new version of a file that an answer without fences holds; "" where there is none, or it is not sure where it ends.

    Args:
        body: The answer.
        path: The parent's only file.
        before: Its text.
    """
    if not definitions(before, path):
        return ""
    lines = body.strip("\n").split("\n")
    for part in (lines, _tagged(lines), _started(lines, path, before)):
        text = "\n".join(part) + "\n"
        if part and is_whole(before, text, path) and not _has_two(part, before) and _is_bare(part, path, before):
            return text
    return ""


def _is_bare(lines: list[str], path: str, before: str) -> bool:
    """Whether nothing but a program stands there.  Of Python that is known once it parses; of others by its first and last line."""
    own = {line.strip() for line in before.split("\n") if line.strip()}
    if any(_FENCE.fullmatch(line) and line.strip() not in own for line in lines):
        return False
    written = [line.strip() for line in lines if line.strip()]
    return is_python(path) or (written[0] in own and written[-1] in own)


def _tagged(lines: list[str]) -> list[str]:
    """What stands between the only two lines of tags of one name."""
    signs = [(i, found) for i, line in enumerate(lines) if line[:1] == "<" and (found := _TAG.fullmatch(line))]
    if len(signs) != 2:
        return []
    (i, opened), (j, closed) = signs
    return lines[i + 1 : j] if not opened["end"] and closed["end"] and opened["name"] == closed["name"] else []


def _started(lines: list[str], path: str, before: str) -> list[str]:
    """From the first line of code on: to a closing fence where there is one, else without the paragraphs after the code."""
    if not is_python(path):
        return []
    own = {line for line in before.split("\n") if line.strip() and not line[0].isspace()}
    at = next((i for i, line in enumerate(lines) if line in own or _CODE.fullmatch(line)), None)
    if at is None:
        return []
    rest = lines[at:]
    fences = [i for i, line in enumerate(rest) if _FENCE.fullmatch(line)]
    if fences:
        return rest[: fences[0]] if len(fences) == 1 else []
    for _ in range(_MOST_TRIES):
        while rest and not rest[-1].strip():
            rest = rest[:-1]
        if not rest or not parse("\n".join(rest) + "\n").error:
            return rest
        blank = next((i for i in range(len(rest) - 1, -1, -1) if not rest[i].strip()), 0)
        rest = rest[:blank]
    return []


def _has_two(lines: list[str], before: str) -> bool:
    """Whether something is defined more often than in the parent: a draft, and the program after it."""
    counts = [Counter(found[1] for line in part if (found := _DEFINED.match(line))) for part in (lines, before.split("\n"))]
    return any(n > max(1, counts[1][name]) for name, n in counts[0].items())
