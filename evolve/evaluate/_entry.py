"""An entry: which function of a candidate is called, as an evaluator writes it."""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import PurePosixPath

FORMS = "'file.py:function' or 'package.module:function'"


@dataclass(frozen=True, slots=True, kw_only=True)
class EntryPoint:
    """A function of a module.

    ``module`` is imported with the candidate's folder first on the path, as ``from MODULE import FUNCTION`` would in a plain
    interpreter started there.  ``file`` is its place in that folder where the entry names a file, else "".  ``function`` may name
    an attribute of a class or an object (``Solver.solve``).
    """

    module: str
    file: str
    function: str


def parse_entry(text: str) -> EntryPoint:
    """Read ``file.py:function`` or ``package.module:function``.

    Raises:
        ValueError: it is neither; one sentence that says what to write.
    """
    where, colon, function = text.partition(":")
    if not colon or not where or not function:
        raise ValueError(f"an entry is {FORMS}, not {text!r}")
    if not all(part.isidentifier() for part in function.split(".")):
        raise ValueError(f"an entry is {FORMS}, and in {text!r} what follows the colon is no function's name")
    if where.endswith(".py"):
        if not is_relative(where):
            raise ValueError(f"an entry is {FORMS} with a path relative to the candidate's folder, which {text!r} is not")
        return EntryPoint(module=_module_of(where), file=where, function=function)
    if all(part.isidentifier() for part in where.split(".")):
        return EntryPoint(module=where, file="", function=function)
    guess = where.strip("./").replace("/", ".")
    hint = f"; write {guess.replace('.', '/')}.py:{function} or {guess}:{function}" if "/" in where and guess else ""
    raise ValueError(f"an entry is {FORMS}, not {text!r}{hint}")


def _module_of(path: str) -> str:
    """The name under which Python imports a file; a package's ``__init__`` is the package."""
    parts = path.removesuffix(".py").split("/")
    return ".".join(parts[:-1] if len(parts) > 1 and parts[-1] == "__init__" else parts)


def is_relative(path: str) -> bool:
    """Whether ``path`` is a plain relative POSIX path that stays where it is put."""
    pure = PurePosixPath(path)
    return bool(path) and "\0" not in path and not pure.is_absolute() and ".." not in pure.parts and str(pure) == path
