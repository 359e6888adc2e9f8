"""Which folder is meant by a problem's name: the one place where names and paths are told apart."""

from __future__ import annotations

import os
from pathlib import Path

from evolve._errors import ProblemError
from evolve.problem._files import CONTRACT_FILE
from evolve.problem._packaged import resource_folder
from evolve.problem.contract._strict_yaml import hint

BUILT_IN = "builtin:"


def builtin_problems() -> tuple[str, ...]:
    """Names of the problems that ship with the engine, sorted."""
    return tuple(sorted(path.parent.name for path in resource_folder("problems").glob(f"*/{CONTRACT_FILE}")))


def find_problem(where: str | Path) -> Path:
    """The folder of a problem, resolved.

    ``where`` is a path, the name of a built-in problem, or ``builtin:NAME``, which is never a path.  A plain name that is both a
    built-in problem and another folder here is refused: whoever has a copy of their own must not get ours without a word.

    Raises:
        ProblemError: no such problem or folder, or one of two meanings.
    """
    text = str(where)
    if isinstance(where, str) and text.startswith(BUILT_IN):
        return _built_in(text.removeprefix(BUILT_IN))
    if not isinstance(where, str) or os.sep in text or text in (".", ".."):
        return _folder(Path(where).expanduser())
    if text not in builtin_problems():
        return _folder(Path(text)) if text and Path(text).is_dir() else _built_in(text)
    if namesake(text):
        raise ProblemError(
            f"{text} is a built-in problem and also a folder here; type ./{text} for the folder, or {BUILT_IN}{text} for the other."
        )
    return _built_in(text)


def namesake(name: str) -> bool:
    """Whether a folder here, other than the built-in problem's own, has the name of a built-in problem."""
    return Path(name).is_dir() and Path(name).resolve() != _built_in(name)


def _built_in(name: str) -> Path:
    names = builtin_problems()
    if name not in names:
        close = hint(name, names) or f"; the built-in ones are {', '.join(names)}."
        raise ProblemError(f"expected the name of a built-in problem or a folder, found {name!r}{close}")
    return resource_folder("problems") / name


def _folder(folder: Path) -> Path:
    if not folder.is_dir():
        raise ProblemError(
            f"expected a problem folder at {folder}, found {'a file' if folder.exists() else 'nothing'}; make one: evolve new DIR"
        )
    return folder.resolve()
