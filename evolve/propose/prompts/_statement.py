"""The words a model puts before its edits: what it believes, what it expects, what it does."""

from __future__ import annotations

import re
from dataclasses import dataclass

from evolve.propose.prompts._text import clean, one_line

MAX_HYPOTHESIS, MAX_EXPECTED, MAX_PLAN, MAX_SUMMARY = 600, 300, 2000, 160  # characters

_MAX_SCANNED = 200_000  # characters, from the start
_LONGEST_LINE = 4_000
_LABEL = re.compile(
    r"[\s*_`#>\-\d.]{0,12}(hypothesis|expected|plan)(?: (?:effect|gain|change|result|outcome))?[\s*_`]{0,4}[:：][*_`]{0,3}(.*)",
    re.I,
)
_SEARCH = re.compile(r"\s*<{5,9} ?(?:SEARCH|ORIGINAL)\b", re.I)
_HEADER = re.compile(r"[>*#/`\s-]{0,8}(?:file|path|filename)[*`]{0,2}\s?[:=]", re.I)
_BLOCK = re.compile(r"[\s*#`]{0,8}(?:EVOLVE[- ])?block #?\d{1,4}[\s*`:]{0,4}", re.I)
_FENCE = re.compile(r"\s*(?:`{3,}|~{3,})\s*(\w*)")
_PROSE = ("", "text", "md", "markdown")
_LONE_NAME = re.compile(r"[\s*#`>-]{0,8}[\w./+-]*[\w+-]\.\w{1,8}[\s*`:]{0,4}")


@dataclass(frozen=True, slots=True)
class Rationale:
    """What was said, cleaned and cut; "" for what was not.  Untrusted, as everything a model writes."""

    hypothesis: str = ""
    expected: str = ""
    plan: str = ""

    @property
    def summary(self) -> str:
        """A line of at most 160 characters for lists of children: the first of the plan, else the hypothesis."""
        first = next((line for line in self.plan.split("\n") if line.strip()), "") or self.hypothesis
        return one_line(re.sub(r"\A\s*(?:[-*•]|\d{1,2}[.)])\s+", "", first), MAX_SUMMARY)


def parse_rationale(text: str) -> Rationale:
    """What an answer says before its first edit, after ``HYPOTHESIS:``, ``EXPECTED:`` and ``PLAN:``.

    Labels may be in any case, bold, headings or list items, and in any order; one that comes again is ignored.  A hypothesis or an
    expectation ends with an empty line, a plan only with the next label or the first edit.  Takes any text and never raises.
    """
    found: dict[str, list[str]] = {}
    label = ""
    lines = text[:_MAX_SCANNED].replace("\r\n", "\n").split("\n")
    for i, line in enumerate(line[:_LONGEST_LINE] for line in lines):
        if _starts_edit(line, lines[i + 1] if i + 1 < len(lines) else ""):
            break
        if match := _LABEL.fullmatch(line):
            name = match[1].lower()
            label = "" if name in found else name
            found.setdefault(name, [])
            line = match[2]
        if label and _FENCE.match(line) is None:
            if not line.strip() and label != "plan" and any(part.strip() for part in found[label]):
                label = ""
            else:
                found[label].append(line)
    return Rationale(
        one_line(_said(found.get("hypothesis", [])), MAX_HYPOTHESIS),
        one_line(_said(found.get("expected", [])), MAX_EXPECTED),
        clean(_said(found.get("plan", [])), MAX_PLAN),
    )


def _starts_edit(line: str, following: str) -> bool:
    """Whether edits begin here.  A fence right above a label is around the statement, and one after it closes it."""
    if _SEARCH.match(line) or _HEADER.match(line) or _BLOCK.fullmatch(line):
        return True
    if fence := _FENCE.match(line):
        around = fence[1].lower() in _PROSE and _LABEL.fullmatch(following[:_LONGEST_LINE]) is not None
        return not around and (fence[1] != "" or bool(following.strip()))
    opens = _FENCE.match(following) or _SEARCH.match(following)
    return opens is not None and _LONE_NAME.fullmatch(line) is not None


def _said(lines: list[str]) -> str:
    """Lines without the emphasis around what they say, and without empty lines."""
    bare = (line.strip().strip("*").strip() for line in lines)
    return "\n".join(line for line in bare if line)
