"""Errors that people cause or must mend.

    EvolveError
    |-- UsageError          exit 2: a key, a type, a path, a contract
    |   |-- ConfigError
    |   `-- ProblemError
    |-- EnvironmentFault    exit 3: no sandbox, a missing package, a full disk
    |   |-- MissingPackage
    |   `-- SandboxMissing
    `-- RunError            exit 2: a run that cannot be opened as asked
        `-- RunLocked

A message is one sentence or two: what was expected, what was found, what to type.  A failing candidate is none of these: it is
data with a status.
"""

from __future__ import annotations

from collections.abc import Iterable

EXIT_DONE = 0
EXIT_NEGATIVE = 1
EXIT_USAGE = 2
EXIT_ENVIRONMENT = 3
EXIT_INTERRUPTED = 130


class EvolveError(Exception):
    """Base of all errors with a message for people, in a sentence or two: what was expected, what was found, what to type.

    ``UsageError`` (with ``ConfigError`` and ``ProblemError``): an argument, a key or a problem folder.  ``EnvironmentFault`` (with
    ``MissingPackage`` and ``SandboxMissing``): the machine.  ``RunError`` (with ``RunLocked``): a run that cannot be opened so.
    ``exit_code`` is what the command line ends with.  Errors of journals and queries are ``archive.ArchiveError``.

    Example:
        >>> try:
        ...     run.optimize()
        ... except evolve.EvolveError as error:
        ...     print(error)
    """

    exit_code = EXIT_USAGE


class UsageError(EvolveError):
    """What was typed or configured cannot be carried out."""


class ConfigError(UsageError):
    """An unknown key, a wrong type or an impossible combination in the configuration."""


class ProblemError(UsageError):
    """A problem folder that breaks the contract."""


class EnvironmentFault(EvolveError):
    """The machine lacks something the run needs."""

    exit_code = EXIT_ENVIRONMENT


class MissingPackage(EnvironmentFault):
    """A package that is imported only when used is not installed."""


class SandboxMissing(EnvironmentFault):
    """The tier asked for is not to be had here."""


class RunError(EvolveError):
    """A run directory that cannot be opened as asked."""


class RunLocked(RunError):
    """Another driver holds the run."""


def meant(found: str, known: Iterable[str], cutoff: float = 0.6) -> str:
    """What is known and closest to what was found; "" where nothing is close."""
    from difflib import get_close_matches

    return next(iter(get_close_matches(found, list(known), n=1, cutoff=cutoff)), "")


def suggest(found: str, known: Iterable[str], otherwise: str, form: str = "{}") -> str:
    """The end of a message: ``did you mean X?``, with the word that is meant written as ``form``, or ``otherwise``."""
    close = meant(found, known)
    return f"did you mean {form.format(close)}?" if close else otherwise


def need(module: str, extra: str) -> object:
    """Import ``module`` now, or say in one sentence how to get it.

    Raises:
        MissingPackage: ``module`` is not installed.
    """
    import importlib

    try:
        return importlib.import_module(module)
    except ModuleNotFoundError as error:
        if error.name != module.split(".")[0]:
            raise
        raise MissingPackage(f"this needs the package {module}, which is not installed; run: pip install {extra}") from error
