"""The static screen: what can be said of a candidate's files without running them.

It runs in the grader, on hostile text.  Parsing deeply nested source can exhaust the interpreter's C stack (the documentation of
``ast`` warns of it), so a linear scan bounds the nesting first; text beyond those bounds is not parsed here but left to the
sandbox, where a crash is only the candidate's.

It knows no forbidden names: what looks suspicious is only recorded, as signals (``evolve.evaluate.screen._signals``).
"""

from __future__ import annotations

import ast
import warnings
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import PurePosixPath

from archive import Status
from evolve.evaluate.screen._signals import signals_of
from evolve.problem._source import other_encoding, parses_safely, python_text
from evolve.problem.contract._contract import Contract

MAX_FILES = 256
MAX_PATH_CHARS = 200
MAX_PARSE_CHARS = 1 << 18  # of all files together


@dataclass(frozen=True, slots=True)
class Finding:
    """Why the files are not worth running."""

    status: Status
    reason: str


@dataclass(frozen=True, slots=True)
class Screened:
    """``finding`` is None when the files may be run; ``signals`` is what the text of those that the search may
    change shows then, which decides nothing."""

    finding: Finding | None = None
    signals: tuple[str, ...] = ()


def screen(files: Mapping[str, str], contract: Contract, seed: Mapping[str, str]) -> Screened:
    """Look at files without running them: ``rejected`` (a rule of the problem), ``invalid`` (a Python file that does not parse), or
    what they show.

    Deterministic; safe on any text.
    """
    finding = _rules(files, contract, seed)
    if finding is not None:
        return Screened(finding)
    parsed = _parse(files)
    if isinstance(parsed, Finding):
        return Screened(parsed)
    own = {path: text for path, text in files.items() if path in contract.editable or seed.get(path) != text}
    unparsed = any(path.endswith(".py") and path not in parsed for path in own)
    return Screened(None, signals_of({path: parsed[path] for path in parsed if path in own}, own, unparsed=unparsed))


def _rules(files: Mapping[str, str], contract: Contract, seed: Mapping[str, str]) -> Finding | None:
    if not files or len(files) > MAX_FILES:
        return Finding(Status.REJECTED, f"{len(files)} files, expected 1 to {MAX_FILES}")
    size = 0
    for path, text in files.items():
        if complaint := _path_complaint(path):
            return Finding(Status.REJECTED, f"the path {_show(path)} {complaint}")
        if path not in contract.editable and seed.get(path) != text and (path in seed or not contract.may_add_files):
            rule = "is not editable" if path in seed else "is a new file, which this problem does not allow"
            return Finding(Status.REJECTED, f"{_show(path)} {rule}; the editable files are {', '.join(contract.editable)}")
        if path.endswith(".py") and (encoding := other_encoding(text)):
            return Finding(Status.INVALID, f"{_show(path)} declares the encoding {_show(encoding)}; programs are UTF-8")
        try:
            size += len(text.encode())
        except UnicodeEncodeError:
            return Finding(Status.REJECTED, f"{_show(path)} holds characters that are not Unicode text (lone surrogates)")
    folders = {str(folder) for path in files for folder in PurePosixPath(path).parents}
    if both := next((path for path in files if path in folders), ""):
        return Finding(Status.REJECTED, f"{_show(both)} is a file, and another file's path needs a folder of that name")
    if size > contract.max_bytes:
        return Finding(Status.REJECTED, f"{size} bytes of files, expected at most {contract.max_bytes}")
    return None


def _path_complaint(path: str) -> str:
    """What is wrong with a relative POSIX path that is going to be created below a folder; "" when nothing is."""
    if not path or len(path) > MAX_PATH_CHARS or not path.isascii() or not path.isprintable():
        return f"is not 1 to {MAX_PATH_CHARS} printable ASCII characters"
    if "\\" in path or path.startswith("/") or path != PurePosixPath(path).as_posix() or ".." in path.split("/") or path == ".":
        return "is not a plain relative path"
    return ""


def _show(path: str) -> str:
    return ascii(path[:60])


def _parse(files: Mapping[str, str]) -> dict[str, ast.Module] | Finding:
    """The trees of the Python files that can be parsed here, or what is wrong with the first that no Python could parse."""
    trees = {}
    left = MAX_PARSE_CHARS
    for path, text in sorted(files.items()):
        if not path.endswith(".py") or len(text) > left or not parses_safely(text):
            continue
        left -= len(text)
        try:
            with warnings.catch_warnings():
                warnings.simplefilter("ignore")
                trees[path] = ast.parse(python_text(text), filename=path)
        except SyntaxError as error:
            return Finding(Status.INVALID, f"{path}:{error.lineno or 0}: {error.msg}")
        except ValueError as error:  # a null character
            return Finding(Status.INVALID, f"{path}: {error}")
        except (RecursionError, MemoryError):
            continue  # beyond this parser, which is not yet beyond Python
    return trees
