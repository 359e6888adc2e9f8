"""A child handed in, as values: for ``evolve tell`` and for the tool of that name.  Prints nothing."""

from __future__ import annotations

import os
import stat
import time
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import TYPE_CHECKING

from archive import BlockClosed, Follower, Measured, Status, difference, find_records
from evolve._errand import errand
from evolve._errors import RunLocked, UsageError
from evolve._memory import effect_of
from evolve._population import standing
from evolve._rundir import find, is_driven
from evolve._summary import best_of
from evolve.cli._agent_answers import ResultAnswer, TellAnswer
from evolve.cli._opened import open_run
from evolve.propose._scope import is_plain_path

if TYPE_CHECKING:
    from evolve._summary import Summary

SCHEMA = 1
WAIT_S = 3600.0
NOT_MEASURED = "not measured"
MAX_FILE_BYTES = 16 << 20
MAX_FILES = 10_000
_EVERY_S = 0.2
_KINDS = {stat.S_IFDIR: "a folder", stat.S_IFIFO: "a named pipe", stat.S_IFSOCK: "a socket"}


# ------------------------------------------------------------------------------------------------ which file is which


def program_of(path: str, ticket: int) -> tuple[Mapping[str, str], bool]:
    """The files of the program that a ticket is about, and whether a child may add some.

    Raises:
        UsageError: no such ticket was handed out to people or agents.
        RunError: no run in that folder.
    """
    opened = open_run(path)
    tickets = opened.search.tickets
    issued = tickets.proposals.get(ticket)
    parents = issued.parents if issued is not None and issued.expires_at is not None else tickets.outside.get(ticket)
    if parents is None:
        raise UsageError(f"no ticket {ticket} was handed out by evolve ask; type: evolve ask {path}")
    return opened.texts.files(parents[0]), opened.problem.contract.may_add_files


def read_files(names: Sequence[str], folder: str | None, program: Mapping[str, str], *, may_add: bool) -> dict[str, str]:
    """The files handed in, by their path in the program.

    With a folder, a file is what its path below the folder says, and no names stand for all files of the program that lie there
    (and, where files may be added, for others with a plain name).  Without, a file is named by its path, or by its last part where
    exactly one file of the program is called that.

    Raises:
        UsageError: nothing was named, or a file that is not clear, not there or not text.
    """
    if folder is not None and not Path(folder).is_dir():
        raise UsageError(f"expected a folder at {folder}, found {'a file' if Path(folder).exists() else 'nothing'}.")
    if folder is None and not names:
        raise UsageError("expected the files that you changed; type: evolve tell RUN TICKET FILES..., or --dir DIR for all in it")
    places = [_below(name, folder) if folder is not None else (_meant(name, program), Path(name)) for name in names]
    if folder is not None and not names:
        places = _lying_in(Path(folder), program, may_add)
        if not places:
            raise UsageError(f"expected files of the program in {folder} ({', '.join(program)}), found none.")
    files: dict[str, str] = {}
    most = max(MAX_FILE_BYTES, *(len(text.encode()) for text in program.values()))
    for path, place in places:
        if path in files:
            raise UsageError(f"two of the files are meant as {path}; name one, or give --dir DIR and paths below it.")
        files[path] = _text(place, most)
    return files


def _below(name: str, folder: str) -> tuple[str, Path]:
    """A name with ``--dir``: below the folder, or a path that leads there."""
    root = _real(Path(folder))
    places = (root / name, _real(Path(name)))
    place = next((one for there in (Path.is_file, os.path.lexists) for one in places if there(one)), root / name)
    try:
        return _real(place).relative_to(root).as_posix(), place
    except ValueError:
        raise UsageError(f"expected a file in {folder}, found {name}, which lies elsewhere.") from None


def _meant(name: str, program: Mapping[str, str]) -> str:
    path = Path(name).as_posix()
    if path in program:
        return path
    called = [one for one in program if one.rpartition("/")[2] == Path(name).name]
    if len(called) == 1:
        return called[0]
    if called:
        raise UsageError(f"{name} may be {' or '.join(called)}; give --dir DIR, and its path below that.")
    raise UsageError(f"the program has {', '.join(program)} and no file {Path(name).name}; to add one give --dir DIR too.")


def _real(place: Path) -> Path:
    """Like ``Path.resolve``, which raises where links go round in a circle."""
    return Path(os.path.realpath(place))


def _lying_in(folder: Path, program: Mapping[str, str], may_add: bool) -> list[tuple[str, Path]]:
    known = [(path, folder / path) for path in program if os.path.lexists(folder / path)]
    if not may_add:
        return known
    added = ((one.relative_to(folder).as_posix(), one) for one in sorted(_below_folder(folder)))
    return known + [(path, one) for path, one in added if path not in program and is_plain_path(path) and one.is_file()]


def _below_folder(folder: Path) -> list[Path]:
    """All that may lie there as a file of a program.

    Raises:
        UsageError: it is too much to be a program; a home folder, for instance.
    """
    found: list[Path] = []
    for place, folders, names in os.walk(folder):
        folders[:] = [name for name in folders if name != "__pycache__" and is_plain_path(name)]
        found += [Path(place, name) for name in names]
        if len(found) > MAX_FILES:
            raise UsageError(f"expected a program in {folder}, found more than {MAX_FILES} files; name those that you changed.")
    return found


def _text(place: Path, most: int) -> str:
    """What is in a file, or in one that a link leads to; nothing is opened that could keep its reader waiting."""
    try:
        found = place.stat().st_mode
        if stat.S_ISREG(found):
            with open(os.open(place, os.O_RDONLY | os.O_NONBLOCK | os.O_CLOEXEC), "rb") as file:
                found = os.fstat(file.fileno()).st_mode
                data = file.read(most + 1) if stat.S_ISREG(found) else b""
        if not stat.S_ISREG(found):
            raise UsageError(f"expected a text file at {place}, found {_KINDS.get(stat.S_IFMT(found), 'a device')}.")
        if len(data) > most:
            raise UsageError(f"expected a text file of at most {most} bytes at {place}, found more.")
        return data.decode()
    except FileNotFoundError:
        raise UsageError(f"expected a file at {place}, found nothing.") from None
    except (OSError, UnicodeDecodeError) as error:
        raise UsageError(f"expected a text file in UTF-8 at {place}, found none that can be read ({error}).") from None


# ------------------------------------------------------------------------------------------------ telling


def tell_run(path: str, ticket: int, files: Mapping[str, str], statement: Mapping[str, str]) -> TellAnswer:
    """Hand in a child; it goes through the gates before this returns.

    Args:
        path: The run.
        ticket: What ``ask`` gave.
        files: Those that differ from the parent's.
        statement: summary, hypothesis, expected, plan.

    Raises:
        UsageError: no such ticket, or files that are none.
        RunError: no run in that folder, or its driver does not answer.
    """
    said = {key: text for key, text in statement.items() if text}
    found = errand(find(Path(path)), "tell", {"ticket": ticket, "files": dict(files), **said})
    return TellAnswer(
        schema=SCHEMA,
        run=path,
        ticket=ticket,
        status=str(found["status"]),
        candidate=found.get("candidate"),
        reason=str(found.get("reason", "")),
        late=bool(found.get("late", False)),
    )


def wait_result(path: str, candidate: str, wait_s: float) -> ResultAnswer:
    """What becomes of a child, after at most about ``wait_s`` seconds.

    A live driver is watched; where there is none, this process drives the run just long enough to measure what is ready, which is
    not cut short.

    Raises:
        RunError: no run in that folder.
        KeyboardInterrupt: measuring was interrupted; everything so far is kept.
    """
    run, end = find(Path(path)), time.monotonic() + wait_s
    follower, seen, look = Follower(run.path), False, False
    while True:
        driven = is_driven(run)
        for stamped in follower.poll():
            record = stamped.record
            mine = isinstance(record, Measured) and record.result.candidate == candidate
            seen = seen or mine
            look = look or mine or (seen and isinstance(record, BlockClosed))  # of some stages a result counts when its block ends
        if (look or not driven) and (result := result_of(path, candidate)).status != NOT_MEASURED:
            return result
        look = False
        if driven and time.monotonic() >= end:
            return result_of(path, candidate, f"{wait_s:g} s are over; see: evolve show {path} {candidate}")
        summary = None if driven else _measure(run.path)
        if summary is not None:
            result = result_of(path, candidate, _no_more(path, summary.reason))
            if summary.status == "interrupted" and result.status == NOT_MEASURED:
                raise KeyboardInterrupt
            return result
        time.sleep(_EVERY_S)


def _measure(run: Path) -> Summary | None:
    """Measure what is ready; None where a driver was faster."""
    from evolve._session import measure_ready

    try:
        return measure_ready(run)
    except RunLocked:
        return None


def _no_more(path: str, reason: str) -> str:
    if reason.startswith("budget."):
        return f"the run's {reason} is spent; to go on, type: evolve resume {path} {reason}=MORE"
    return f"the run measures no more: {reason}; see: evolve status {path}"


def result_of(path: str, candidate: str, why: str = "") -> ResultAnswer:
    """What is known of a child now; ``why`` is the reason given where it is not measured."""
    search = open_run(path).search
    people = search.people
    number, best = people.by_id[candidate], best_of(search)
    row = people.rows[number]
    parent = row.parents[0] if row.parents else 0
    here, before, seed = (standing(people, one) if people.score(one) is not None else None for one in (number, parent, 0))
    told, effect = search.memory.told.get(number), effect_of(search, number)
    settled = row.settled
    return ResultAnswer(
        status=str(row.status) if settled and row.status is not None else NOT_MEASURED,
        score=here.score if here else None,
        sd=here.sd if here else None,
        n=here.n if here else 0,
        seed_score=seed.score if seed else None,
        gain=people.sign * difference(here.score, seed.score) if here and seed else None,
        parent=people.rows[parent].id,
        parent_score=before.score if before else None,
        effect_gain=effect.effect if effect else None,
        effect_sd=effect.sd if effect else None,
        best_id=people.rows[best].id if best is not None else None,
        reason=why if not settled else told.reason if told else _evaluator_said(path, candidate),
        feedback=told.feedback if told else "",
    )


def _evaluator_said(path: str, candidate: str) -> str:
    """Why a child that the evaluator could not judge has no score: the search remembers nothing of it."""
    measured = (one.record for one in find_records(find(Path(path)).path, ("measured",), mention=candidate))
    errors = [one.result for one in measured if isinstance(one, Measured) and one.result.candidate == candidate]
    return next((one.reason for one in reversed(errors) if one.status is Status.EVALUATOR_ERROR), "")
