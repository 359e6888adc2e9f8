"""Answers as models write them, and the child that each means or the faults one of which it must get: read from ``answers/``.

``parents*.txt`` have parents with their entry, where there is one, and children as whole texts or as lines that take the place of
one of their parent's.  The other files have a heading for each answer (name, parent, format asked for, what is right: children and,
after ``!``, faults, or ``refused`` for any; last, how it was sent), and in its text ``{{child}}`` for a whole file.
"""

from __future__ import annotations

import html
import json
import re
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from pathlib import Path

from evolve.propose.edits._edits import Fault, Format

FOLDER = Path(__file__).parent / "answers"
_FILLED = re.compile(r"\{\{(?:(html|quot|numbered|json|indent \d) )?([\w.+/ -]+)\}\}")


@dataclass(frozen=True, slots=True)
class ModelAnswer:
    """An answer and what is right of it.  ``cut``: the server says that it hit the token limit."""

    name: str
    parent: Mapping[str, str]
    format: Format
    text: str
    children: tuple[Mapping[str, str], ...]
    faults: frozenset[Fault]
    cut: bool
    entry: str = ""


def programs() -> dict[str, dict[str, str]]:
    """Parents and children by name."""
    found: dict[str, dict[str, str]] = {}
    for head, body in _programs():
        name, path = head.split()[:2]
        base = name.partition("+")[0]
        if name == base:
            found.setdefault(name, {})[path] = body
        else:
            files = found.setdefault(name, dict(found[base]))
            files[path] = _changed(files[path], body) if path in files else body
    return found


def _programs() -> list[tuple[str, str]]:
    return [part for path in sorted(FOLDER.glob("parents*.txt")) for part in _parts(path)]


def entries() -> dict[str, str]:
    """What is called of a parent from outside, where that is said."""
    return {words[0]: words[2] for words in (head.split() for head, _ in _programs()) if len(words) > 2}


def model_answers() -> list[ModelAnswer]:
    """All answers, in the order of their files."""
    known = programs()
    called = entries()
    found = []
    for path in sorted(FOLDER.glob("*.txt")):
        if path.name.startswith("parents"):
            continue
        for head, body in _parts(path):
            name, parent, asked, want, *how = (part.strip() for part in head.split("|"))
            words = want.replace("!", "").split()
            text = _filled(body, known)
            found.append(
                ModelAnswer(
                    name,
                    known[parent],
                    Format(asked),
                    text.replace("\n", "\r\n") if "crlf" in how else text,
                    tuple(known[word] for word in words if word in known),
                    frozenset(Fault) if "refused" in words else frozenset(Fault(word) for word in words if word not in known),
                    cut="cut" in how,
                    entry=called.get(parent, ""),
                )
            )
    return found


def _parts(path: Path) -> list[tuple[str, str]]:
    _, *parts = re.split(r"^%%% ", path.read_text(encoding="utf-8"), flags=re.MULTILINE)
    return [(head, body) for head, _, body in (part.partition("\n") for part in parts)]


def _changed(text: str, body: str) -> str:
    if not body.startswith("@@ "):
        return body
    lines = text.split("\n")
    for change in re.split(r"^@@ ", body, flags=re.MULTILINE)[1:]:
        old, _, new = change.partition("\n")
        at = [line.strip() for line in lines].index(old.strip())
        lines[at : at + 1] = new.removesuffix("\n").split("\n")
    return "\n".join(lines)


def _filled(body: str, known: Mapping[str, Mapping[str, str]]) -> str:
    ways: dict[str, Callable[[str], str]] = {
        "": lambda text: text,
        "html": lambda text: html.escape(text, quote=False),
        "quot": lambda text: html.escape(text, quote=True),
        "json": lambda text: json.dumps(text + "\n"),
        "numbered": lambda text: "\n".join(f"{i}: {line}" for i, line in enumerate(text.split("\n"), 1)),
    }

    def put(match: re.Match[str]) -> str:
        named = match[2].split()
        name = next(word for word in named if word in known)
        files = known[name]
        path = next((word for word in named if word in files), next(iter(files)))
        text = files[path].removesuffix("\n")
        if (match[1] or "").startswith("indent"):
            margin = " " * int(match[1].split()[1])
            return "\n".join(margin + line if line else "" for line in text.split("\n"))
        return ways[match[1] or ""](text)

    return _FILLED.sub(put, body)
