"""What a checkout of autoresearch must have to be scored outside of the candidate's process, and what is shown to whom then.

The rules are those of ``docs/how-to/autoresearch.md``: the script leaves weights and defines ``strict_load``; the checkout gives
token rows of its validation text, which lies in files of its own.
"""

from __future__ import annotations

import ast
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path

from evolve._errors import EnvironmentFault, ProblemError
from evolve.adapters._autoresearch_checkout import PREPARE, Checkout, constants_of
from evolve.problem._data import hash_of
from evolve.problem._source import python_text

OWN, STRICT = "own", "strict"
ROWS_FILE = "strict.py"
SCORED_ROWS, POOL_ROWS = 128, 2048
_PAGE = "docs/how-to/autoresearch.md"
_VALIDATION_CONSTANT = "VAL_FILENAME"
_LOADERS = {"Tokenizer", "make_dataloader", "get_token_bytes"}
_MOST_FILES = 256  # each is shown to the sandbox by itself
_WEIGHTS = "EVOLVE_WEIGHTS"


@dataclass(frozen=True, slots=True)
class StrictData:
    """``entries`` are data of the contract, for the grader, who hands each process its own.  ``shown`` and ``hidden`` say which
    file below the cache each is."""

    entries: tuple[Mapping[str, object], ...]
    shown: Mapping[str, str]
    hidden: Mapping[str, str]

    @property
    def options(self) -> dict[str, dict[str, str]]:
        """Who is handed what.  A script that trains gets a training file in the place of a hidden one, so that one that evaluates
        at its end goes on working.  Whoever is scored gets nothing that lies beside the validation text: no text to train on."""
        stand_ins = {name: self.shown[_stand_in(name, self.shown)] for name in self.hidden}
        texts = {Path(name).parent for name in self.hidden}
        return {
            "to_train": {**self.shown, **stand_ins},
            "to_cut_rows": {**self.shown, **self.hidden},
            "to_serve": {name: data for name, data in self.shown.items() if Path(name).parent not in texts},
        }


def check_strict(checkout: Checkout) -> None:
    """See that the script and the checkout have what strict scoring takes.

    Raises:
        ProblemError: they have not; one sentence says what is missing.
    """
    script = checkout.folder / checkout.command[0]
    text = script.read_text(encoding="utf-8")
    if "strict_load" not in _defined(script):
        raise _refused(f"{script} to define strict_load(path), which gives the trained model", "none")
    if _WEIGHTS not in text:
        raise _refused(f"{script} to write its weights to the path in {_WEIGHTS}", "nothing of it")
    if (checkout.folder / ROWS_FILE).is_file():
        if "validation_rows" not in _defined(checkout.folder / ROWS_FILE):
            raise _refused(f"{checkout.folder / ROWS_FILE} to define validation_rows(n)", "none")
    elif lacking := sorted(_LOADERS - _defined(checkout.folder / PREPARE)):
        raise _refused(
            f"rows of the validation text from {PREPARE} (Tokenizer, make_dataloader, get_token_bytes) or from validation_rows(n) "
            f"in a file {ROWS_FILE} beside it",
            f"no {', '.join(lacking)} and no {ROWS_FILE}",
        )


def strict_data(checkout: Checkout, named: object) -> StrictData:
    """The files of the cache as data, and which of them have the validation text.

    Args:
        named: paths below the cache, from ``evolve.yaml``; without any, the file that ``VAL_FILENAME`` of prepare.py names.

    Raises:
        ProblemError: it does not follow which files have the validation text, or nothing would be left to train on.
        EnvironmentFault: a file cannot be read.
    """
    cache = checkout.cache
    if cache is None:
        raise _refused("data in a cache folder, of which the validation text is kept from programs", f"none in {PREPARE}")
    names = sorted(path.relative_to(cache).as_posix() for path in cache.rglob("*") if path.is_file())
    hidden = [name for name in names if name in _hidden(checkout, named, names)]
    shown = [name for name in names if name not in hidden]
    if not hidden or not shown:
        raise _refused(
            f"the validation text in files of its own: write hidden: [data/val.bin] (below {cache}) into evolve.yaml", "none"
        )
    if len(names) > _MOST_FILES:
        raise _refused(f"at most {_MOST_FILES} files in {cache}", f"{len(names)}")
    by_name = {name: f"{'h' if name in hidden else 'f'}{at}" for at, name in enumerate(names)}
    try:
        entries = tuple(
            {
                "name": by_name[name],
                "path": str(cache / name),
                "sha256": hash_of(str(cache / name)),
                "reader": "grader",
            }
            for name in names
        )
    except OSError as error:
        raise EnvironmentFault(f"{cache} cannot be read ({error}); mend that, or make it again by {PREPARE}") from error
    return StrictData(entries, {name: by_name[name] for name in shown}, {name: by_name[name] for name in hidden})


def hidden_names(checkout: Checkout, named: object) -> tuple[str, ...]:
    """Paths below the cache that have the validation text, as far as they are known."""
    if checkout.cache is None or not checkout.cache.is_dir():
        return ()
    names = [path.relative_to(checkout.cache).as_posix() for path in checkout.cache.rglob("*") if path.is_file()]
    return tuple(sorted(_hidden(checkout, named, names) & set(names)))


def _hidden(checkout: Checkout, named: object, names: list[str]) -> set[str]:
    if named is not None:
        if not isinstance(named, list) or not named or not all(isinstance(one, str) for one in named):
            raise ProblemError(f"evolve.yaml: hidden: expected a list of paths below the cache, found {named!r}.")
        if lacking := [one for one in named if one not in names]:
            raise ProblemError(f"evolve.yaml: hidden: expected a file of {checkout.cache}, found none by {lacking[0]}.")
        return set(named)
    prepare = checkout.folder / PREPARE
    file = constants_of(prepare.read_text(encoding="utf-8"), prepare).get(_VALIDATION_CONSTANT)
    return {name for name in names if name.rsplit("/", 1)[-1] == file}


def _stand_in(hidden: str, shown: Mapping[str, str]) -> str:
    """The file that most resembles one by its folder and its suffix."""
    path = Path(hidden)
    return max(sorted(shown), key=lambda one: (Path(one).suffix == path.suffix, Path(one).parent == path.parent))


def _defined(path: Path) -> frozenset[str]:
    """Functions and classes at a module's top."""
    try:
        body = ast.parse(python_text(path.read_text(encoding="utf-8"))).body
    except (SyntaxError, ValueError, RecursionError, MemoryError) as error:
        raise ProblemError(f"{path}: expected Python, found a mistake ({error}); mend it.") from error
    return frozenset(node.name for node in body if isinstance(node, ast.FunctionDef | ast.AsyncFunctionDef | ast.ClassDef))


def _refused(expected: str, found: str) -> ProblemError:
    return ProblemError(f"evaluate={STRICT} takes {expected}, found {found}; {_PAGE} has the lines.")
