"""The static screen: what can be said of a candidate's files without running them.

It runs in the grader, on hostile text.  Parsing deeply nested source can exhaust the interpreter's C stack (the documentation of
``ast`` warns of it), so a linear scan bounds the nesting first; text beyond those bounds is not parsed here but left to the
sandbox, where a crash is only the candidate's.

It knows no forbidden names: what looks suspicious is only recorded, as signals (``evolve.evaluate._signals``).
"""

from __future__ import annotations

import ast
import re
import warnings
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import PurePosixPath

from archive import Status
from evolve._contract import Contract
from evolve.evaluate._signals import signals_of

_CODING = re.compile(r"[ \t\f]*#.*?coding[:=][ \t]*([-\w.]+)", re.ASCII)
_LINE_END = re.compile(r"\r\n|\r|\n")
MAX_FILES = 256
MAX_PATH_CHARS = 200
MAX_BRACKETS = 80  # CPython's own limit is 200; a nested bracket costs its parser some twenty C frames
MAX_INDENT = 80  # CPython's own limit is 100 levels
MAX_PARSE_CHARS = 1 << 18  # of all files; a million of the worst take seconds and 400 MB
MAX_NEST = 500  # operators, calls, attributes and the like that may nest within one statement
MAX_BRANCHES = 400  # an elif nests in the tree: one level each

# An unclosed string runs to the end of the line or text, and quantifiers are possessive: the scan stays linear on any text.
_TOKEN = re.compile(
    r"""
      (?P<skip>\#[^\n]*+)
    | (?P<format>(?:[rR]?[fFtT]|[fFtT][rR])(?P<quote>\"{3}|'{3}|"|')(?P<body>(?:[^\\]|\\.)*?)(?:(?P=quote)|\Z))
    | (?P<text>\"{3}(?:[^\\]|\\.)*?(?:\"{3}|\Z)|'{3}(?:[^\\]|\\.)*?(?:'{3}|\Z)|"(?:[^"\\\n]|\\.)*+"?|'(?:[^'\\\n]|\\.)*+'?)
    | (?P<line>\n[ \t\f]*+)
    | (?P<open>[(\[{])
    | (?P<close>[)\]}])
    | (?P<cut>[,;])
    | (?P<branch>\belif\b)
    | (?P<chain>\b(?:not|await|lambda|if|else|yield|and|or|in|is)\b|\*\*|//|[-+*/%@&|^~<>=!.:])
    """,
    re.VERBOSE | re.DOTALL,
)


@dataclass(frozen=True, slots=True)
class Finding:
    """Why the files are not worth running."""

    status: Status
    reason: str


@dataclass(frozen=True, slots=True)
class Screened:
    """``finding`` is None when the files may be run; ``signals`` is what their text shows then, which decides nothing."""

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
    unparsed = any(path.endswith(".py") and path not in parsed for path in files)
    return Screened(None, signals_of(parsed, files, unparsed=unparsed))


def _other_encoding(text: str) -> str:
    """A source encoding other than UTF-8 that the first two lines declare (PEP 263), or "": Python would run another text than
    everybody else reads.  As its tokenizer does, ``utf-8-unix`` and whatever else begins with ``utf-8-`` is taken for UTF-8."""
    for line in _LINE_END.split(text[:4096], maxsplit=2)[:2]:
        found = _CODING.match(line)
        name = found[1].lower().replace("_", "-") if found else "utf-8"
        if found and name not in ("utf-8", "utf8", "ascii", "us-ascii") and not name.startswith("utf-8-"):
            return found[1]
    return ""


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
        if path.endswith(".py") and (encoding := _other_encoding(text)):
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
                trees[path] = ast.parse(text.removeprefix("\ufeff"), filename=path)  # Python skips a byte order mark in a file
        except SyntaxError as error:
            return Finding(Status.INVALID, f"{path}:{error.lineno or 0}: {error.msg}")
        except ValueError as error:  # a null character
            return Finding(Status.INVALID, f"{path}: {error}")
        except (RecursionError, MemoryError):
            continue  # beyond this parser, which is not yet beyond Python
    return trees


def parses_safely(text: str) -> bool:
    """Whether the text nests little enough to be parsed in a process that must not die.

    A scan by regular expression, linear in the text.  It may refuse what Python would parse; the sandbox decides then.
    """
    nest = branches = 0
    outer: list[int] = []  # the nesting around each open bracket
    for token in _TOKEN.finditer(text):
        kind = token.lastgroup
        if kind == "chain":
            nest += 1
        elif kind == "open":
            outer.append(nest)
            nest += 1
        elif kind == "close":
            nest = outer.pop() + 1 if outer else 0
        elif kind == "cut" or (kind == "line" and not outer):
            nest = outer[-1] + 1 if outer else 0
        elif kind == "branch":
            branches += 1
        elif kind == "format" and not parses_safely(token["body"]):
            return False
        if kind == "line" and _indent(token.group()) > MAX_INDENT:
            return False
        if len(outer) > MAX_BRACKETS or nest > MAX_NEST or branches > MAX_BRANCHES:
            return False
    return True


def _indent(line: str) -> int:
    """Levels of indentation: at most one a character."""
    return len(line) - 1
