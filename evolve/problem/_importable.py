"""Whether ``evaluate.py`` can be imported, as far as reading tells: nothing of it runs here.

Its text and that of the helpers beside it must compile, and what they import must be there.  What an import raises once it runs
only the grader can say.
"""

from __future__ import annotations

import ast
import importlib.util
import shlex
import warnings
from collections.abc import Iterator
from importlib.machinery import PathFinder
from pathlib import Path

from evolve._errors import ProblemError
from evolve.problem.contract._contract import Problem

_FINDS_ITS_OWN = (b"sys.path", b"addsitedir", b"meta_path")  # what is said to find modules elsewhere


def check_importable(problem: Problem) -> None:
    """See that a problem's ``evaluate.py`` can be imported.  It takes milliseconds.

    Raises:
        ProblemError: it, or a helper that it imports, does not compile or names a module that is not there.
    """
    fault = _fault(problem.folder)
    if fault:
        raise ProblemError(
            f"expected an evaluate.py of {problem.contract.name} that can be imported, found {fault}; mend it, then type: "
            f"evolve validate {shlex.quote(str(problem.folder))}"
        )


def _fault(folder: Path) -> str:
    """The first thing that keeps it from being imported; "" where nothing does."""
    left, seen = [folder / "evaluate.py"], set[Path]()
    while left:
        path = left.pop()
        if path in seen:
            continue
        seen.add(path)
        source = path.read_bytes()
        try:
            with warnings.catch_warnings(action="ignore"):
                tree = ast.parse(source, path.name)
                compile(tree, path.name, "exec", dont_inherit=True)
        except (RecursionError, MemoryError):
            return ""  # too deep to be told by reading: the grader will say
        except (SyntaxError, ValueError) as error:
            return f"what is no Python: {error if isinstance(error, SyntaxError) else f'{path.name}: {error}'}"
        if any(word in source for word in _FINDS_ITS_OWN):
            return ""
        for name, line in _imported(tree):
            helper = _beside(folder, name)
            if helper is not None:
                left.append(helper)
            elif not _is_installed(name) and PathFinder.find_spec(name, [str(folder)]) is None:
                return f"no module {name}, which {path.name} imports in line {line}"
    return ""


def _imported(tree: ast.Module) -> Iterator[tuple[str, int]]:
    """The modules that it imports whatever happens, by the first part of their names: none in a ``try`` or a function."""
    for node in tree.body:
        if isinstance(node, ast.Import):
            yield from ((alias.name.split(".")[0], node.lineno) for alias in node.names)
        elif isinstance(node, ast.ImportFrom) and node.module and not node.level:
            yield node.module.split(".")[0], node.lineno


def _beside(folder: Path, name: str) -> Path | None:
    """The helper of this name, unless something installed goes before it: the problem's folder is searched last."""
    path = folder / f"{name}.py"
    return path if path.is_file() and not _is_installed(name) else None


def _is_installed(name: str) -> bool:
    try:
        return importlib.util.find_spec(name) is not None
    except (ImportError, ValueError):
        return True  # it is loaded and says nothing of itself
