"""What a checkout of autoresearch, or of one of its forks, says of itself.  Read as text and syntax trees; nothing is run."""

from __future__ import annotations

import ast
import operator
import os
import re
import shlex
from collections.abc import Iterator, Mapping
from contextlib import suppress
from dataclasses import dataclass
from pathlib import Path, PurePosixPath

from evolve._errors import ProblemError
from evolve.problem._source import parses_safely, python_text

PREPARE, TRAIN, PROGRAM, RESULTS = "prepare.py", "train.py", "program.md", "results.tsv"
_OLD_CACHE = ("~", ".cache", "autoresearch")
_CACHE_VARIABLE = "AUTORESEARCH_CACHE_DIR"
_COMMAND = re.compile(r"`([^`\n]*\.py\b[^`\n]*)`")
_MINUTES = re.compile(r"exceeds (\d+(?:\.\d+)?) min")
_MAY_NOT = re.compile(r"cannot|can't|may not|must not", re.IGNORECASE)
_OPERATIONS = {ast.Add: operator.add, ast.Sub: operator.sub, ast.Mult: operator.mul, ast.Div: operator.truediv}
_MOST_SPEC = 4  # characters of a format: 05d, .3f
_MOST_CHARS = 300  # of a cell that is told
_MOST_S = 3 * 24 * 3600  # a measurement takes twice as long at most, and no longer than a week


@dataclass(frozen=True, slots=True)
class History:
    """``results.tsv`` as it was: its columns, whatever they are, and its rows by them."""

    columns: tuple[str, ...]
    rows: tuple[Mapping[str, str], ...]


@dataclass(frozen=True, slots=True)
class Checkout:
    """``time_budget_s`` is for training, ``timeout_s`` for everything.  ``command`` is what ``program.md`` runs, from the script
    on; ``settings`` the variables that it sets.  ``cache`` is where ``prepare.py`` left its data (None where it has none).
    ``cache_known``: that follows from the text and is no guess.  ``device`` is ``cuda`` (nothing else will do), ``any`` or
    ``cpu``; ``compiles``: it asks torch to, which takes a C compiler."""

    folder: Path
    time_budget_s: float
    timeout_s: float
    command: tuple[str, ...]
    settings: Mapping[str, str]
    editable: tuple[str, ...]
    cache: Path | None
    cache_known: bool
    device: str
    compiles: bool
    research: str
    history: History | None


def read_checkout(folder: Path, command: str = "", cache: str = "") -> Checkout:
    """Read one.

    Args:
        command: what runs an experiment, where ``program.md`` is not to say so.
        cache: where the data lies, where ``prepare.py`` is not to say so.

    Raises:
        ProblemError: it has no train.py, no time budget, or no command that this form can run.
    """
    prepare, research = _text(folder / PREPARE), _text(folder / PROGRAM) if (folder / PROGRAM).is_file() else ""
    constants = constants_of(prepare, folder / PREPARE)
    settings, words = _command(command) if command else _command_in(research, folder)
    if not _stays_inside(words[0]):
        raise ProblemError(f"{folder / PROGRAM}: expected a script inside the checkout, as python {TRAIN}, found {words[0]}.")
    if not (folder / words[0]).is_file():
        raise ProblemError(_no_script(folder, words[0]))
    budget = constants.get("TIME_BUDGET")
    if not isinstance(budget, int | float) or not 0 < budget <= _MOST_S:
        raise ProblemError(
            f"{folder / PREPARE}: expected TIME_BUDGET, the seconds of training, as a number, found none; write it there."
        )
    minutes = _MINUTES.search(research)
    code = prepare + _text(folder / words[0])
    return Checkout(
        folder=folder,
        time_budget_s=float(budget),
        timeout_s=max(float(minutes[1]) * 60 if minutes else 0.0, 2.0 * budget),
        command=words,
        settings=settings,
        editable=_editable(research, folder, words[0]),
        cache=Path(cache).expanduser() if cache else _cache(prepare, constants),
        cache_known=bool(cache) or _is_place(constants.get("CACHE_DIR")) or "CACHE_DIR" not in prepare,
        device="cpu" if "cuda" not in code else "any" if "is_available" in code else "cuda",
        compiles="torch.compile" in code,
        research=research,
        history=read_history(folder / RESULTS),
    )


def constants_of(text: str, path: Path) -> Mapping[str, float | str]:
    """Numbers and texts that a module gives a name at its top, where they follow from the text alone.

    Raises:
        ProblemError: it is no Python, or nests too deeply to be read in this process.
    """
    if not parses_safely(text):
        raise ProblemError(f"{path}: expected Python that nests as people write it, found deeper; take it apart.")
    try:
        tree = ast.parse(python_text(text))
    except (SyntaxError, ValueError, RecursionError, MemoryError) as error:
        raise ProblemError(f"{path}: expected Python, found a mistake ({error}); mend it.") from error
    found: dict[str, float | str] = {}
    for node in tree.body:
        if isinstance(node, ast.Assign) and len(node.targets) == 1 and isinstance(node.targets[0], ast.Name):
            value = _value(node.value, found)
            if value is not None:
                found[node.targets[0].id] = value
    return found


def _value(node: ast.expr, known: Mapping[str, float | str]) -> float | str | None:
    """What an expression comes to, of literals, names, arithmetic and the paths of ``os.path``; None for everything else."""
    if isinstance(node, ast.Constant) and isinstance(node.value, int | float | str):
        return node.value
    if isinstance(node, ast.Name):
        return known.get(node.id)
    if isinstance(node, ast.BinOp):
        left, right = _value(node.left, known), _value(node.right, known)
        if isinstance(left, int | float) and isinstance(right, int | float) and type(node.op) in _OPERATIONS:
            with suppress(OverflowError, ZeroDivisionError):
                return float(_OPERATIONS[type(node.op)](float(left), float(right)))
        return None
    if isinstance(node, ast.Call):
        parts = [_value(one, known) for one in node.args]
        texts = [one for one in parts if isinstance(one, str)]
        if len(texts) == len(parts) > 0 and not node.keywords:
            return _path(ast.unparse(node.func), texts)
    return _joined(node, known) if isinstance(node, ast.JoinedStr) else None


def _joined(node: ast.JoinedStr, known: Mapping[str, float | str]) -> str | None:
    """An f-string of what is known, as ``f"shard_{LAST:05d}.parquet"``."""
    found = ""
    for part in node.values:
        if isinstance(part, ast.FormattedValue):
            value = _value(part.value, known)
            spec = _joined(part.format_spec, known) if isinstance(part.format_spec, ast.JoinedStr) else ""
            if value is None or spec is None or part.conversion != -1 or len(spec) > _MOST_SPEC:
                return None
            try:
                found += format(value, spec)
            except ValueError:
                return None
        elif isinstance(part, ast.Constant) and isinstance(part.value, str):
            found += part.value
    return found


def _path(function: str, parts: list[str]) -> str | None:
    if function == "os.path.join":
        return os.path.join(*parts)
    return os.path.expanduser(parts[0]) if function == "os.path.expanduser" and len(parts) == 1 else None


def _cache(prepare: str, constants: Mapping[str, float | str]) -> Path | None:
    """Where the data lies; None where ``prepare.py`` speaks of no such place."""
    if _CACHE_VARIABLE in prepare and os.environ.get(_CACHE_VARIABLE):
        return Path(os.environ[_CACHE_VARIABLE]).expanduser()
    if _is_place(found := constants.get("CACHE_DIR")):
        return Path(str(found))
    return Path(os.path.join(*_OLD_CACHE)).expanduser() if "CACHE_DIR" in prepare or ".cache" in prepare else None


def _is_place(found: object) -> bool:
    return isinstance(found, str) and os.path.isabs(found)


def _stays_inside(path: str) -> bool:
    return not PurePosixPath(path).is_absolute() and ".." not in PurePosixPath(path).parts


def _command_in(research: str, folder: Path) -> tuple[Mapping[str, str], tuple[str, ...]]:
    """What ``program.md`` runs: the line that keeps a log, or else the first that runs a script other than prepare.py."""
    lines = [found[1] for found in _COMMAND.finditer(research) if re.match(r"(\w+=\S+ +)*(uv run|python3?|py)\b", found[1])]
    lines = [one for one in lines if PREPARE not in one]
    if lines:
        return _command(next((one for one in lines if ">" in one), lines[0]))
    other = re.search(r"Run the experiment[^`\n]*`([^`\n]+)`", research)
    if other:
        raise ProblemError(
            f"{folder / PROGRAM}: expected an experiment to be a Python script, as uv run {TRAIN}, found {other[1]!r}; "
            f"write what runs it into evolve.yaml beside it, for example command: python {TRAIN}"
        )
    return {}, (TRAIN,)


def _command(line: str) -> tuple[Mapping[str, str], tuple[str, ...]]:
    """The variables that a command sets, and its words from the script on."""
    try:
        words = shlex.split(re.split(r"\d?>|[|;&]", line)[0])
    except ValueError as error:
        raise ProblemError(f"expected a command as python {TRAIN}, found {line!r} ({error}); mend it.") from error
    at = next((i for i, word in enumerate(words) if word.endswith(".py")), None)
    if at is None or not set(words[:at]) - {one for one in words[:at] if "=" in one} <= {
        "uv",
        "run",
        "python",
        "python3",
        "py",
        "-u",
    }:
        raise ProblemError(f"expected a command that runs a Python script, as python {TRAIN}, found {line!r}; mend it.")
    settings = dict(word.split("=", 1) for word in words[:at] if "=" in word)
    return settings, tuple(words[at:])


def _editable(research: str, folder: Path, script: str) -> tuple[str, ...]:
    """The script, and what ``program.md`` says besides that may be modified."""
    named: list[str] = [script]
    allowed = False
    for line in research.splitlines():
        if _MAY_NOT.search(line):
            allowed = False
        elif re.search(r"\bcan\b", line, re.IGNORECASE) and line.rstrip().endswith((":", "**")):
            allowed = True
        elif allowed and line.lstrip().startswith(("-", "*")):
            named += [
                one
                for one in re.findall(r"`([\w./-]+)`", line)
                if one != PREPARE and _stays_inside(one) and (folder / one).is_file()
            ]
    return tuple(dict.fromkeys(named))


def read_history(path: Path) -> History | None:
    """The experiments that were made before; None where none are written down.  Rows of another width keep what they have."""
    try:
        text = path.read_text(encoding="utf-8", errors="replace").replace("\0", " ")
    except OSError:
        return None
    rows = [line.split("\t") for line in text.splitlines() if line.strip()]
    if not rows:
        return None
    columns = tuple(cell.strip() for cell in rows[0])
    return History(columns, tuple(dict(_cells(columns, row)) for row in rows[1:]))


def _cells(columns: tuple[str, ...], row: list[str]) -> Iterator[tuple[str, str]]:
    """What has no column goes into the last, which is what people write tabs into."""
    last = len(columns) - 1
    whole = row if len(row) <= len(columns) else [*row[:last], "\t".join(row[last:])]
    for name, cell in zip(columns, whole, strict=False):
        yield name, cell.strip()[:_MOST_CHARS]


def _text(path: Path) -> str:
    try:
        return path.read_text(encoding="utf-8")
    except (OSError, UnicodeDecodeError) as error:
        raise ProblemError(f"{path}: expected a readable UTF-8 file, found {error}.") from error


def _no_script(folder: Path, script: str) -> str:
    below = sorted(one.parent for one in folder.glob(f"*/{Path(script).name}"))
    if below:
        others = ", ".join(str(one) for one in below)
        return f"expected {script} in {folder}, found it in {others}; type for example problem={below[0]}"
    return f"expected {script} in {folder}, the program that an experiment changes, found none; name a checkout that has it."
