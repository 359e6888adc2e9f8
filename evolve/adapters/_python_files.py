"""What Python files say without being run: which packages they import, which functions they define, whether they draw at random."""

from __future__ import annotations

import ast
import sys
from collections.abc import Iterable, Iterator
from dataclasses import dataclass
from pathlib import Path

from evolve._errors import ProblemError
from evolve.problem._source import parses_safely, python_text

_OTHER_NAMES = {"sklearn": "scikit-learn", "cv2": "opencv-python", "PIL": "pillow", "yaml": "pyyaml", "skimage": "scikit-image"}
_SEEDS = ("seed", "default_rng", "RandomState", "Random")


@dataclass(frozen=True, slots=True)
class PythonFile:
    """``needed`` are top-level names of modules that are imported whatever happens, ``imported`` all of them; ``drawn``: it has
    random numbers, and begins them nowhere with a number of its own."""

    functions: frozenset[str]
    needed: frozenset[str]
    imported: frozenset[str]
    drawn: bool


def read_python(path: Path) -> PythonFile:
    """Read one.

    Raises:
        ProblemError: it is no Python, or nests too deeply to be read in this process.
    """
    try:
        text = python_text(path.read_bytes().decode())
    except (OSError, UnicodeDecodeError) as error:
        raise ProblemError(f"{path}: expected a readable UTF-8 file, found {error}.") from error
    if not parses_safely(text):
        raise ProblemError(f"{path}: expected Python that nests as people write it, found deeper; take it apart.")
    try:
        tree = ast.parse(text)
    except (SyntaxError, ValueError, RecursionError, MemoryError) as error:
        raise ProblemError(f"{path}: expected Python, found a mistake ({error}); mend it.") from error
    return PythonFile(
        functions=frozenset(_bound(tree.body)),
        needed=frozenset(name for node in tree.body for name in _modules(node)),
        imported=frozenset(name for node in ast.walk(tree) for name in _modules(node)),
        drawn=_draws(tree),
    )


def distributions(modules: Iterable[str]) -> tuple[tuple[str, ...], dict[str, str]]:
    """The installed distributions that the modules are of; and of those that are not installed, what is to be installed."""
    from importlib.metadata import packages_distributions

    owners = packages_distributions()
    wanted = sorted(name for name in modules if name not in sys.stdlib_module_names)
    found = sorted({owner for name in wanted for owner in owners.get(name, ())}, key=str.lower)
    return tuple(found), {name: _OTHER_NAMES.get(name, name) for name in wanted if name not in owners}


def _modules(node: ast.AST) -> Iterator[str]:
    if isinstance(node, ast.Import):
        yield from (alias.name.partition(".")[0] for alias in node.names)
    elif isinstance(node, ast.ImportFrom) and node.module and not node.level:
        yield node.module.partition(".")[0]


def _bound(body: Iterable[ast.stmt]) -> Iterator[str]:
    """Names that a module has: defined, imported or assigned at its top."""
    for node in body:
        if isinstance(node, ast.FunctionDef | ast.AsyncFunctionDef):
            yield node.name
        elif isinstance(node, ast.Import | ast.ImportFrom):
            yield from (alias.asname or alias.name for alias in node.names)
        elif isinstance(node, ast.Assign):
            yield from (target.id for target in node.targets if isinstance(target, ast.Name))


def _draws(tree: ast.Module) -> bool:
    used = begun = False
    for node in ast.walk(tree):
        if isinstance(node, ast.Call) and isinstance(node.func, ast.Attribute | ast.Name):
            name = node.func.attr if isinstance(node.func, ast.Attribute) else node.func.id
            begun |= name in _SEEDS and bool(node.args) and isinstance(node.args[0], ast.Constant)
        used |= isinstance(node, ast.Attribute) and node.attr == "random"
        used |= "random" in _modules(node)
    return used and not begun
