"""What a child may change, as a pure check over texts.

A file may hold ``EVOLVE-BLOCK-START`` and ``EVOLVE-BLOCK-END`` markers, each alone in a comment line.  Then only the lines between
a pair may change.  This is a rule for diffs, not a security boundary: code inside a block can do anything.
"""

from __future__ import annotations

import re
from collections.abc import Iterable, Mapping
from fnmatch import fnmatchcase
from functools import lru_cache

from evolve.propose._operator import EditScope

_MARKER = re.compile(r"^[ \t]*(?:#|//|/\*|--|;|%|<!--)[ \t]*EVOLVE-BLOCK-(START|END)\b[^\n]*(?:\n|\Z)", re.MULTILINE)


def check_scope(base: Mapping[str, str], child: Mapping[str, str], scope: EditScope) -> str:
    """Why ``child`` is not an allowed change of ``base``; "" when it is.

    ``base`` may be the initial program's files or a parent's: files that ``base`` lacks count as added.

    Args:
        base: path to text, what the child is compared with.
        child: path to text.
        scope: editable names (shell patterns allowed), whether files may be added, the greatest total size in bytes of UTF-8, and
            which files are the initial program's.

    Returns:
        One sentence: what was expected and what was found.  Deterministic; never raises for any texts.
    """
    for path in child:
        if path not in base and not is_plain_path(path):
            return f"{path!r} is not a plain relative path with forward slashes."
    for path, text in base.items():
        if path not in child:
            return f"{path} must stay, but the child lacks it."
        if child[path] == text:
            continue
        if not is_editable(path, scope):
            return f"{path} must not change; editable: {', '.join(editable_names(base, scope)) or 'nothing'}."
        if reason := _changed_outside(text, child[path]):
            return f"{path}: {reason}"
    for path in child:
        if path in base:
            continue
        if not scope.may_add_files:
            return f"{path} is a new file, and this problem takes none."
    if clash := _clash(child):
        return f"{clash[0]} is a file, and {clash[1]} needs a folder of that name."
    try:
        size = sum(len(text.encode()) for text in child.values())
    except UnicodeEncodeError:
        return "every file must be text that UTF-8 can hold; the child has lone surrogates."
    if size > scope.max_bytes:
        return f"at most {scope.max_bytes} bytes are allowed in all files together; the child has {size}."
    return ""


def _clash(paths: Iterable[str]) -> tuple[str, str] | None:
    """A path that is a file and a folder on the way to another, and that other: no folder can hold both."""
    within: dict[str, str] = {}
    for path in paths:
        parts = path.split("/")
        within.update({"/".join(parts[:n]): path for n in range(1, len(parts))})
    return next(((path, within[path]) for path in paths if path in within), None)


def is_editable(path: str, scope: EditScope) -> bool:
    """Whether a file of this name may change at all."""
    return _is_added(path, scope) or any(path == pattern or fnmatchcase(path, pattern) for pattern in scope.editable)


def editable_names(files: Iterable[str], scope: EditScope) -> tuple[str, ...]:
    """What may change in a program: the names that the problem gives, then those of ``files`` that an ancestor added."""
    return (*scope.editable, *(path for path in files if path not in scope.editable and _is_added(path, scope)))


def _is_added(path: str, scope: EditScope) -> bool:
    return scope.may_add_files and bool(scope.initial) and path not in scope.initial


def is_plain_path(path: str) -> bool:
    """Relative, forward slashes, no empty or dotted part, nothing a shell or another system reads otherwise."""
    return (
        0 < len(path) <= 200
        and re.fullmatch(r"[\w.+-]+(?:/[\w.+-]+)*", path, re.ASCII) is not None
        and not any(part.startswith((".", "-")) for part in path.split("/"))
    )


@lru_cache(maxsize=64)
def editable_regions(text: str) -> tuple[tuple[int, int], ...]:
    """The character ranges of ``text`` that may change, in order: the lines between markers, or everything without markers.

    Markers that do not pair up make nothing editable.  The last 64 texts are remembered.
    """
    regions: list[tuple[int, int]] = []
    start: int | None = None
    for match in _MARKER.finditer(text):
        if (match[1] == "START") is (start is not None):
            return ()
        if start is None:
            start = match.end()
        else:
            regions.append((start, match.start()))
            start = None
    if start is not None:
        return ()
    return tuple(regions) if regions else ((0, len(text)),)


def _changed_outside(base: str, child: str) -> str:
    """Why the change reaches outside the blocks; "" when it does not."""
    before, after = editable_regions(base), editable_regions(child)
    if before == ((0, len(base)),) and _MARKER.search(base) is None:
        return ""
    if not before:
        return "its EVOLVE-BLOCK markers do not pair up, so nothing in it may change."
    if len(before) != len(after):
        return f"it has {len(before)} EVOLVE-BLOCK pairs; the child must keep them and add none."
    if _outside(base, before) != _outside(child, after):
        return "text outside the EVOLVE-BLOCK markers must stay byte for byte; the child changes it."
    return ""


def _outside(text: str, regions: tuple[tuple[int, int], ...]) -> list[str]:
    edges = [0, *(edge for region in regions for edge in region), len(text)]
    return [text[edges[i] : edges[i + 1]] for i in range(0, len(edges), 2)]
