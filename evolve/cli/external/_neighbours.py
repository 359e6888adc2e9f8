"""Modules that a change imports and that lie beside it, but were not handed in: such a child could only fail.

Nothing is imported or run; what lies there is read and parsed.
"""

from __future__ import annotations

import ast
import os
import sys
from collections.abc import Iterable, Iterator, Mapping, Sequence
from pathlib import Path

from evolve._errors import UsageError
from evolve.cli.external._handed_in import HandedIn, text_in
from evolve.propose._python import is_python, parse
from evolve.propose.edits._whole import binds

_FORGIVING = frozenset({"ImportError", "ModuleNotFoundError", "Exception", "BaseException"})
_ELSEWHERE = frozenset({"__name__", "TYPE_CHECKING"})  # what is imported only then is not there when the program is measured


def lacking(handed: Sequence[HandedIn], files: Mapping[str, str], program: Mapping[str, str], max_bytes: int) -> tuple[str, ...]:
    """Paths in the program of modules that a changed file imports, or one of these modules in turn, that lie where they would be
    found and are neither handed in nor part of the program.

    What the file imported before the change is not looked at, nor what is imported only if it is there, and modules of Python
    are taken to be meant.

    Args:
        handed: What is handed in.
        files: Its texts, by path.
        program: The parent's.
        max_bytes: No more than this is read of a module.
    """
    have = {**program, **files}
    found: list[str] = []
    for one in handed:
        waiting = [(one.path, files[one.path])]
        before = set(_missing_of(one.path, program.get(one.path, ""), one, have))
        while waiting:
            for path in _missing_of(*waiting.pop(), one, have):
                if path in have or path in before:
                    continue
                have[path] = _read(one.beside(path), max_bytes)
                found.append(path)
                waiting.append((path, have[path]))
    return tuple(found)


def _read(place: Path | None, max_bytes: int) -> str:
    """What is in a module; nothing where it cannot be read, which whoever hands it in is told."""
    try:
        return text_in(place, max_bytes) if place is not None else ""
    except UsageError:
        return ""


def _missing_of(path: str, text: str, one: HandedIn, have: Mapping[str, str]) -> Iterator[str]:
    """What a file's imports lead to that lies beside ``one`` and is not there."""
    own = path.rpartition("/")[0]
    tree = parse(text).tree if is_python(path) else None
    for node in _imports(tree.body if tree is not None else ()):
        for bases, name, loose in _asked(node, own):
            ways = [_way(base, name, one, have, loose) for base in bases]
            yield from min((way for way in ways if way is not None), key=len, default=())


def _imports(nodes: Iterable[ast.AST]) -> Iterator[ast.Import | ast.ImportFrom]:
    """Import statements that are carried out when the program is, and must not fail."""
    waiting = list(nodes)  # no recursion: each elif is one level
    while waiting:
        node = waiting.pop()
        if isinstance(node, ast.Import | ast.ImportFrom):
            yield node
        elif isinstance(node, ast.Try | ast.TryStar) and any(map(_forgives, node.handlers)):
            waiting += [*node.orelse, *node.finalbody]
        elif isinstance(node, ast.If) and _ELSEWHERE & _names(node.test):
            waiting += node.orelse
        else:
            inner = ast.stmt | ast.ExceptHandler | ast.match_case
            waiting += [child for child in ast.iter_child_nodes(node) if isinstance(child, inner)]


def _forgives(handler: ast.ExceptHandler) -> bool:
    return handler.type is None or bool(_FORGIVING & _names(handler.type))


def _names(node: ast.AST) -> set[str]:
    return {
        one.id if isinstance(one, ast.Name) else one.attr for one in ast.walk(node) if isinstance(one, ast.Name | ast.Attribute)
    }


def _asked(node: ast.Import | ast.ImportFrom, own: str) -> Iterator[tuple[tuple[str, ...], list[str], bool]]:
    """Folders in which a module is looked for, its name, and whether the name's last part may be no module; ``own`` is the folder
    of the file that asks.  Folders of the program end with a slash but for its root, "".
    """
    if isinstance(node, ast.Import):
        names, level = [(one.name.split("."), False) for one in node.names], 0
    else:
        module, level = node.module.split(".") if node.module else [], node.level
        names = [([*module, one.name], True) if one.name != "*" else (module, False) for one in node.names]
    up = own.split("/") if own else []
    if level > len(up) + 1:
        return  # above the program
    at = up[: len(up) - (level - 1)] if level else up
    base = "".join(f"{part}/" for part in at)
    for name, last in names:
        if name and (level or name[0] not in sys.stdlib_module_names):
            yield ((base,) if level else tuple(dict.fromkeys(("", base)))), name, last


def _way(base: str, name: list[str], one: HandedIn, have: Mapping[str, str], loose: bool) -> list[str] | None:
    """The files beside that importing a name takes and that are not there; None where it leads nowhere.

    ``loose``: the last part of the name is a module unless the package binds it.  A folder that the program has is a package
    without ``__init__.py`` too, so that an empty one is not needed.
    """
    way: list[str] = []
    at, before = base, ""
    for i, part in enumerate(name):
        file, package, folder = f"{at}{part}.py", f"{at}{part}/__init__.py", f"{at}{part}/"
        if loose and i == len(name) - 1 and before in have and binds(have[before], part):
            return way
        if package not in have:
            if file in have:
                return way
            known = any(path.startswith(folder) for path in have)
            if _size(one, package) > (0 if known else -1):
                way.append(package)
            elif not known and _size(one, file) >= 0:
                return [*way, file]
            elif not known and ((place := one.beside(folder)) is None or not os.path.isdir(place)):
                return way if i else None
        at, before = folder, package
    return way


def _size(one: HandedIn, path: str) -> int:
    """Bytes of a file beside; -1 where there is none."""
    place = one.beside(path)
    return os.path.getsize(place) if place is not None and os.path.isfile(place) else -1
