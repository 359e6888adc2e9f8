"""The problem that a run was made from, as the run keeps it.

The journal's first record holds all that reading needs: contract, params, the program to start from, the statement, and the list
of what lay in the folder.  ``RUN/problem`` is a copy of the folder for people and for driving; ``RUN/problem.tar`` holds the same
pieces once more, so that whatever becomes of the copy, the run can go on with the problem by which its results were graded.
"""

from __future__ import annotations

import json
import os
import shlex
import shutil
import stat
import tarfile
from collections.abc import Iterable, Mapping
from dataclasses import dataclass, field, replace
from pathlib import Path
from typing import IO

from archive import ProblemInfo, RunCreated, decode_value, encode_value
from evolve._errors import ProblemError
from evolve._renamed import in_new_words
from evolve.problem._assets import ALL, copy_assets, open_assets
from evolve.problem._files import (
    CONTRACT_FILE,
    FOLDER,
    LINK,
    MANIFEST,
    OWN_ASSETS,
    decides_score,
    difference,
    hash_file,
    write_pieces,
)
from evolve.problem._load import load_problem, means_the_same
from evolve.problem.contract._contract import Contract, Piece, Problem
from evolve.runs._folder import RunDir

_NAMED = 3  # of the files that differ


@dataclass(frozen=True, slots=True, kw_only=True)
class _Recorded:
    """What of a problem ``ProblemInfo`` does not say itself."""

    contract: Contract
    initial: Mapping[str, str]
    statement: str = ""
    pieces: tuple[Piece, ...] = field(default=())
    assets: str = ""


def keep(problem: Problem, run: RunDir) -> ProblemInfo:
    """Write the pieces of a run's copy into its archive; what the first record has to say of the problem.

    Raises:
        OSError: the archive cannot be written.
    """
    run.problem_tar.parent.mkdir(exist_ok=True)
    part = run.problem_tar.with_suffix(".part")
    with part.open("wb") as file:
        with tarfile.open(fileobj=file, mode="w", format=tarfile.PAX_FORMAT) as tar:
            for one in problem.pieces:
                _add(tar, problem.folder, one)
        file.flush()
        os.fsync(file.fileno())
    part.rename(run.problem_tar)
    told = _Recorded(
        contract=problem.contract,
        initial=problem.initial_files,
        statement=problem.statement,
        pieces=problem.pieces,
        assets=problem.assets_digest,
    )
    return replace(problem.info, recorded=json.dumps(encode_value(told), separators=(",", ":")))


def places(run: RunDir, created: RunCreated) -> list[tuple[RunDir, ProblemInfo]]:
    """Where a run keeps each of its problems: by name where it has several."""
    return [(replace(run, part=info.name) if len(created.problems) > 1 else run, info) for info in created.problems]


def recorded_problem(run: RunDir, info: ProblemInfo) -> Problem:
    """The problem of a run, for reading.  What lies in ``RUN/problem`` is not looked at.

    Raises:
        ProblemError: the run is of a version that recorded less, and its copy of the problem is another problem's by now.
        RecordError: the record is of a newer version.
    """
    if not info.recorded:
        return _from_folder(run, info)
    told = decode_value(_Recorded, in_new_words(json.loads(info.recorded)))
    folder = run.path.resolve() / run.problem.relative_to(run.path)  # a link in its place may be replaced
    return Problem(
        folder=folder,
        assets=folder / OWN_ASSETS / ALL if told.assets else None,
        contract=told.contract,
        params=info.params,
        initial_files=told.initial,
        statement=told.statement,
        id=info.id,
        evaluator=info.evaluator,
        pieces=told.pieces,
        assets_digest=told.assets,
    )


def ready_problem(run: RunDir, info: ProblemInfo, *, as_recorded: bool = False) -> Problem:
    """The problem of a run, for driving: what counts in ``RUN/problem`` is what was recorded, and what is missing is put back.

    What never counted is left alone: other files, explanations, ``redteam/``.  With ``as_recorded`` what was changed is put back
    too, and the folder as it was is kept in ``RUN/problem.changed``.

    Raises:
        ProblemError: a file was changed, the archive is damaged too, or ``prepare.py`` makes other assets by now.
    """
    problem = recorded_problem(run, info)
    if not info.recorded:
        return _loaded(run, info)
    differing = {one.path: how for one in problem.pieces if (how := difference(run.problem, one))}
    if differing.get(CONTRACT_FILE) == "changed" and means_the_same(run.problem / CONTRACT_FILE, problem):
        del differing[CONTRACT_FILE]
        problem = replace(problem, pieces=tuple(_as_found(run, one) for one in problem.pieces))
    changed = [path for path, how in differing.items() if how == "changed" and _counts(path)]
    if changed and not as_recorded:
        raise ProblemError(_told(run, changed))
    if changed:
        _set_aside(run)
    linked = run.problem.is_symlink() and bool(differing)  # to where somebody else's files are
    wanted = [one for one in problem.pieces if linked or differing.get(one.path) == "missing" or one.path in changed]
    _restore(run, wanted)
    kept = tuple(one for one in problem.pieces if one.path not in differing or one in wanted)
    if problem.assets is not None:
        _restore_assets(run, problem)
    return replace(problem, pieces=kept)


# ------------------------------------------------------------------------------------------------ the archive


def _add(tar: tarfile.TarFile, folder: Path, one: Piece) -> None:
    entry = tarfile.TarInfo(one.path)
    if one.kind == LINK:
        entry.type, entry.linkname = tarfile.SYMTYPE, one.content
        tar.addfile(entry)
    elif one.kind == FOLDER:
        entry.type, entry.mode = tarfile.DIRTYPE, 0o755
        tar.addfile(entry)
    else:
        with (folder / one.path).open("rb") as file:
            found = os.fstat(file.fileno())
            entry.size, entry.mode = found.st_size, stat.S_IMODE(found.st_mode)
            tar.addfile(entry, file)


def _unpack(run: RunDir, pieces: Iterable[Piece], target: Path) -> None:
    """Write pieces from the archive; each is held against its recorded hash.

    Raises:
        ProblemError: the archive is gone or damaged.
    """
    lost = f"expected the run's problem in {run.problem_tar}, found %s; restore that file or {run.problem} from a copy."
    try:
        with tarfile.open(run.problem_tar, mode="r:") as tar:

            def read(path: str) -> tuple[IO[bytes], int]:
                entry = tar.getmember(path)
                file = tar.extractfile(entry)
                if file is None:
                    raise KeyError(path)
                return file, entry.mode

            write_pieces(pieces, target, read, str(run.problem_tar))
    except FileNotFoundError as error:
        raise ProblemError(lost % "nothing") from error
    except tarfile.TarError as error:
        raise ProblemError(lost % error) from error


# ------------------------------------------------------------------------------------------------ the copy


def _counts(path: str) -> bool:
    return path == CONTRACT_FILE or decides_score(path)


def _as_found(run: RunDir, one: Piece) -> Piece:
    """The contract with the words that it has in the copy by now."""
    return replace(one, content=hash_file(run.problem / one.path)) if one.path == CONTRACT_FILE else one


def _told(run: RunDir, changed: list[str]) -> str:
    more = f" and {len(changed) - _NAMED} more" if len(changed) > _NAMED else ""
    names = f"{', '.join(changed[:_NAMED])}{more}"
    verb = "is" if len(changed) == 1 else "are"
    return (
        f"{names} in {run.problem} {verb} not what this run's results were graded with; to go on with the problem as recorded, "
        f"type: evolve resume {shlex.quote(str(run.path))} --recorded (yours is kept in {_aside(run)}); "
        f"to search with yours, start another run: evolve run problem={shlex.quote(str(run.problem))}"
    )


def _set_aside(run: RunDir) -> None:
    """Keep the copy as somebody changed it, without its assets, pipes, sockets and devices."""
    number, place = 1, _aside(run)
    while os.path.lexists(place):
        number, place = number + 1, place.with_name(f"{_aside(run).name}-{number + 1}")
    if not run.problem.is_dir():
        run.problem.rename(place)
        return
    shutil.copytree(run.problem, place, symlinks=True, ignore=_not_kept)


def _aside(run: RunDir) -> Path:
    return run.problem.with_name(f"{run.problem.name}.changed")


def _not_kept(folder: str, names: list[str]) -> list[str]:
    kinds = (stat.S_ISREG, stat.S_ISDIR, stat.S_ISLNK)
    modes = {name: os.lstat(os.path.join(folder, name)).st_mode for name in names}
    return [name for name, mode in modes.items() if name == OWN_ASSETS or not any(kind(mode) for kind in kinds)]


def _restore(run: RunDir, pieces: list[Piece]) -> None:
    """Put pieces back into the copy."""
    for one in pieces:
        place = run.problem / one.path
        for parent in reversed(place.relative_to(run.path).parents[:-1]):
            above = run.path / parent
            if above.is_symlink() or not above.is_dir():
                above.unlink(missing_ok=True)  # it must not be written through
        if place.is_dir() and not place.is_symlink():
            shutil.rmtree(place)
        else:
            place.unlink(missing_ok=True)
    if pieces:
        _unpack(run, pieces, run.problem)


def _restore_assets(run: RunDir, problem: Problem) -> None:
    """See that the copy has the assets that were recorded; where it has none, prepare them again."""
    own = run.problem / OWN_ASSETS
    if not (own / MANIFEST).is_file():
        again = load_problem(run.problem, problem.params, old_words=True)
        if again.assets is not None and again.assets_digest == problem.assets_digest:
            shutil.rmtree(own, ignore_errors=True)
            copy_assets(open_assets(again.assets.parent), own)
    found = open_assets(own).digest if own.is_dir() else ""
    if found != problem.assets_digest:
        raise ProblemError(
            f"expected in {own} the prepared assets that this run's results rest on, and prepare.py makes others by now; "
            f"restore that folder from a copy, or start another run: evolve run problem={shlex.quote(str(run.problem))}"
        )


# ------------------------------------------------------------------------------------------------ runs of older versions


def _from_folder(run: RunDir, info: ProblemInfo) -> Problem:
    """For reading, only the contract has to be the one of the results."""
    problem = load_problem(run.problem, prepare=False, old_words=True)
    if problem.id != info.id:
        raise ProblemError(_other(run, info, problem))
    return replace(problem, evaluator=info.evaluator)


def _loaded(run: RunDir, info: ProblemInfo) -> Problem:
    problem = load_problem(run.problem, old_words=True)
    if (problem.id, problem.evaluator) != (info.id, info.evaluator):
        raise ProblemError(_other(run, info, problem))
    return problem


def _other(run: RunDir, info: ProblemInfo, found: Problem) -> str:
    return (
        f"{run.problem}: expected {info.id}, evaluator {info.evaluator}, by which this run's results were graded, "
        f"found {found.id}, evaluator {found.evaluator}; "
        "remove what was added there and restore what was changed, or start a new run."
    )
