"""Which problem is meant by a name or a path: ours, or what an adapter makes of it.  Every verb reads problems through here."""

from __future__ import annotations

import os
import shutil
import tempfile
from collections.abc import Mapping
from pathlib import Path

from evolve._errors import EnvironmentFault, ProblemError
from evolve._plugins import PluginBroken
from evolve.adapters._adapter import Adapter, notes_of
from evolve.adapters._registry import adapter_names, adapter_of
from evolve.problem._assets import Progress, cache_folder
from evolve.problem._files import CONTRACT_FILE, hash_pieces, scan
from evolve.problem._find import BUILT_IN, builtin_problems, find_problem
from evolve.problem._load import load_problem as read_problem
from evolve.problem.contract._contract import Param, Problem
from evolve.problem.contract._contract_yaml import read_contract


def load_problem(
    where: str | Path, params: Mapping[str, Param] | None = None, *, prepare: bool = True, progress: Progress | None = None
) -> Problem:
    """Read a problem: as ``evolve.problem._load.load_problem``, and what an adapter understands besides.

    Raises:
        ProblemError: as there; no adapter understands it, or two do equally well.
        PluginBroken: an adapter of somebody else cannot be used.
    """
    return read_problem(problem_folder(where, params), params, prepare=prepare, progress=progress)


def problem_folder(where: str | Path, params: Mapping[str, Param] | None = None) -> Path:
    """The problem folder that is meant; one that an adapter makes lies in the cache, by the hash of what is in it.

    ``where`` is what ``find_problem`` takes, or ``NAME:PATH``: ``PATH`` as the adapter ``NAME`` reads it.  An adapter is told
    those of the ``params`` that it asks for.
    """
    name, path = _meant(where)
    if name and path is not None:
        if not path.exists():
            raise ProblemError(f"expected something that the adapter {name} can read at {path}, found nothing; name another path.")
        return _converted(adapter_of(name), path, params or {})
    if path is None or not path.exists() or os.path.lexists(path / CONTRACT_FILE):
        return find_problem(where)
    return _converted(_fitting(path), path, params or {})


def adapter_notes(where: str | Path, params: Mapping[str, Param] | None = None) -> tuple[str, ...]:
    """What there is to say of a problem that an adapter made (nothing of others)."""
    return notes_of(problem_folder(where, params))


def _meant(where: str | Path) -> tuple[str, Path | None]:
    """The adapter that was named ("" for none), and the path (None where a built-in problem is meant, or nothing)."""
    text = str(where)
    if not isinstance(where, str):
        return "", where.expanduser()
    name, colon, rest = text.partition(":")
    if colon and rest and not text.startswith(BUILT_IN) and name in adapter_names():
        return name, Path(rest).expanduser()
    if not text or text.startswith(BUILT_IN) or text in builtin_problems():
        return "", None
    return "", Path(text).expanduser()


def _fitting(path: Path) -> Adapter:
    """The adapter that is surest of a path.  One that cannot be used counts only where no other fits."""
    sure: dict[str, float] = {}
    broken: list[PluginBroken] = []
    for name in adapter_names():
        try:
            if (found := adapter_of(name).detect(path)) > 0:
                sure[name] = found
        except PluginBroken as error:
            broken.append(error)
    best = [name for name, found in sure.items() if found == max(sure.values())]
    if len(best) > 1:
        one, other = best[:2]
        raise ProblemError(
            f"{path} fits the adapters {one} and {other} equally well; type problem={one}:{path} or problem={other}:{path}"
        )
    if best:
        return adapter_of(best[0])
    if broken:
        raise broken[0]
    raise ProblemError(
        f"{_not_ours(path)} Other forms that are understood: {', '.join(adapter_names())}; "
        f"problem=NAME:PATH reads a folder as one of them."
    )


def _not_ours(path: Path) -> str:
    """Why a path is no problem folder, in the words of whoever reads those."""
    try:
        read_contract(find_problem(path) / CONTRACT_FILE)
    except ProblemError as error:
        return str(error).rstrip(".") + "."
    return f"expected a problem folder at {path}."  # it became one meanwhile


def _converted(adapter: Adapter, path: Path, params: Mapping[str, Param]) -> Path:
    """What an adapter makes of a path.  It appears in the cache whole or not at all."""
    home = cache_folder() / "adapted"
    try:
        home.mkdir(parents=True, exist_ok=True)
        work = Path(tempfile.mkdtemp(prefix=".part-", dir=home))
    except OSError as error:
        raise EnvironmentFault(f"{home} cannot be written ({error.strerror}); set EVOLVE_CACHE to another folder.") from error
    try:
        asked = {name: params[name] for name in getattr(adapter, "asks", ()) if name in params}
        made = adapter.convert(path.absolute(), work, **asked)
        key = hash_pieces(scan(made))
        target = home / f"{adapter.name}-{key}"
        if target.is_dir() and hash_pieces(scan(target)) != key:
            shutil.rmtree(target)  # somebody changed it
        if not target.is_dir():
            made.chmod(0o755)
            _put(made, target)
        return target
    except OSError as error:
        raise EnvironmentFault(f"{path} cannot be read, or its copy not be written ({error}); mend that.") from error
    finally:
        shutil.rmtree(work, ignore_errors=True)


def _put(made: Path, target: Path) -> None:
    try:
        made.rename(target)
    except OSError:
        if not target.is_dir():  # not that another process was faster
            raise
