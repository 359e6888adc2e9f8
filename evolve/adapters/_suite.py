"""Several problems by one word: a list of them, or a folder of problem folders."""

from __future__ import annotations

from pathlib import Path

from evolve._errors import EvolveError, UsageError
from evolve.adapters._choose import load_problem
from evolve.problem._files import CONTRACT_FILE
from evolve.problem._find import builtin_problems
from evolve.problem.contract._contract import Problem


def names_of(where: str) -> tuple[str, ...]:
    """The problems that ``[a, b]`` or a folder of problem folders stands for; () where it is one problem.

    Raises:
        UsageError: a list that names none, or one twice.
    """
    if where.startswith("[") and where.endswith("]"):
        names = tuple(name for part in where[1:-1].split(",") if (name := part.strip().strip("'\"")))
        if not names:
            raise UsageError(f"expected names or folders of problems, as problem=[a,b], found {where}.")
        twice = next((name for i, name in enumerate(names) if name in names[:i]), None)
        if twice is not None:
            raise UsageError(f"problem={where} names {twice} twice; leave one out.")
        return names
    folder = Path(where).expanduser()
    if where in builtin_problems() or not folder.is_dir() or (folder / CONTRACT_FILE).exists():
        return ()
    return tuple(str(one) for one in sorted(folder.iterdir()) if (one / CONTRACT_FILE).is_file())


def skipped_in(where: str) -> tuple[str, ...]:
    """The names of folders that are no problems, in a folder of problem folders; () where ``where`` is none.  Hidden ones and
    caches of Python nobody takes for problems."""
    if not names_of(where) or where.startswith("["):
        return ()
    folders = (one for one in sorted(Path(where).expanduser().iterdir()) if one.is_dir() and not one.name.startswith((".", "__")))
    return tuple(one.name for one in folders if not (one / CONTRACT_FILE).is_file())


def load_suite(names: tuple[str, ...]) -> tuple[Problem, ...]:
    """The problems of these names, each as ``load_problem`` reads it.

    Raises:
        UsageError: two have one name.
        EvolveError: one cannot be read; the message says which.
    """
    problems = tuple(_loaded(name) for name in names)
    seen: dict[str, str] = {}
    for name, problem in zip(names, problems, strict=True):
        called = problem.contract.name
        if called in seen:
            raise UsageError(
                f"expected a name of its own for each problem of a run, found {called} in {seen[called]} and in {name}; "
                f"change name in one {CONTRACT_FILE}."
            )
        seen[called] = name
    return problems


def _loaded(name: str) -> Problem:
    try:
        return load_problem(name)
    except EvolveError as error:
        raise type(error)(f"{name}, one of the problems asked for: {error}") from error
