"""A child handed in, as values: for ``evolve tell`` and for the tool of that name.  Prints nothing."""

from __future__ import annotations

import os
import re
import stat
import time
from collections.abc import Callable, Collection, Mapping, Sequence
from contextlib import ExitStack
from dataclasses import asdict, dataclass, replace
from pathlib import Path

from archive import BlockClosed, Follower, Measured, Status, find_records
from evolve._contract import MAX_BYTES
from evolve._errand import ANSWER_S, errand
from evolve._errors import UsageError
from evolve._memory import effect_of
from evolve._outlook import Fate, fate, is_in_hand
from evolve._population import standing
from evolve._rundir import find, is_driven
from evolve._summary import best_of, gain_of
from evolve.cli._agent_answers import FateAnswer, ResultAnswer, TellAnswer
from evolve.cli._background import Background
from evolve.cli._opened import OpenedRun, open_run
from evolve.propose._scope import is_plain_path

SCHEMA = 1
WAIT_S = 3600.0
NOT_MEASURED = "not measured"
MAX_FILES = 10_000
MAX_NAMED = 20  # files that were left out
HAND_IN_S = 2.0  # the least that handing in may take, whatever was asked
CLOSING_S = 5.0  # how long whoever has its score waits for the run to be let go
_WORDS = 2000  # characters of a statement: the run keeps no more
_TOOLS = frozenset({"__pycache__", ".git", ".hg", ".mypy_cache", ".pytest_cache", ".ruff_cache", ".venv", "node_modules"})
_EVERY_S = 0.2
Pause = Callable[[float], None]
_KINDS = {stat.S_IFDIR: "a folder", stat.S_IFIFO: "a named pipe", stat.S_IFSOCK: "a socket"}


class TooLarge(UsageError):
    """A file that no child of this problem may be as large as."""


# ------------------------------------------------------------------------------------------------ which file is which


@dataclass(frozen=True, slots=True)
class TicketProgram:
    """The program that a ticket is about, and what its problem allows of a child."""

    files: Mapping[str, str]
    may_add: bool
    max_bytes: int


def program_of(path: str, ticket: int) -> TicketProgram:
    """The program that a ticket is about.

    Raises:
        UsageError: no such ticket was handed out to people or agents.
        RunError: no run in that folder.
    """
    opened = open_run(path)
    parents = opened.search.tickets.parents_of(ticket)
    if parents is None:
        raise UsageError(f"no ticket {ticket} was handed out by evolve ask; type: evolve ask {path}")
    contract = opened.problem.contract
    return TicketProgram(opened.texts.files(parents[0]), contract.may_add_files, contract.max_bytes)


def read_files(
    names: Sequence[str],
    folder: str | None,
    program: Mapping[str, str],
    *,
    may_add: bool,
    max_bytes: int = MAX_BYTES,
    ticket: int | None = None,
) -> dict[str, str]:
    """The files handed in, by their path in the program.

    With a folder, a file is what its path below the folder says, and no names stand for all files of the program that lie there
    (and, where files may be added, for others with a plain name).  Without, a file below the folder that ``evolve ask --out`` made
    for this ticket is named by where it lies in it; any other by its path, or by its last part where exactly one file of the
    program is called that.

    Raises:
        TooLarge: one of them has more than ``max_bytes`` bytes by itself.
        UsageError: nothing was named, or a file that is not clear, not there or not text.
    """
    if folder is not None and not Path(folder).is_dir():
        raise UsageError(f"expected a folder at {folder}, found {'a file' if Path(folder).exists() else 'nothing'}.")
    if folder is None and not names:
        raise UsageError("expected the files that you changed; type: evolve tell RUN TICKET FILES..., or --dir DIR for all in it")
    places = [_below(name, folder) if folder is not None else _meant(name, program, ticket) for name in names]
    if folder is not None and not names:
        places = _lying_in(Path(folder), program, may_add)
        if not places:
            raise UsageError(f"expected files of the program in {folder} ({', '.join(program)}), found none.")
    files: dict[str, str] = {}
    for path, place in places:
        if path in files:
            raise UsageError(f"two of the files are meant as {path}; name one, or give --dir DIR and paths below it.")
        files[path] = _text(place, max_bytes)
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


def _meant(name: str, program: Mapping[str, str], ticket: int | None) -> tuple[str, Path]:
    """A name without ``--dir``: by the ticket's own folder where it lies in that, else by the name."""
    place = Path(name)
    root = next((one for one in _real(place).parents if (one / task_name(ticket, program)).is_file()), None) if ticket else None
    if root is not None:
        return _real(place).relative_to(root).as_posix(), place
    path = place.as_posix()
    if path in program:
        return path, place
    called = [one for one in program if one.rpartition("/")[2] == place.name]
    if len(called) == 1:
        return called[0], place
    if called:
        raise UsageError(f"{name} may be {' or '.join(called)}; give --dir DIR, and its path below that.")
    raise UsageError(f"the program has {', '.join(program)} and no file {place.name}; to add one give --dir DIR too.")


def task_name(ticket: int, program: Mapping[str, str]) -> str:
    """What the file with the task is called, beside the program: a name that no file of the program has."""
    name = f"TASK@{ticket}.md"  # is_plain_path refuses @
    while name in program:  # files of a seed program are called as they like
        name = f"@{name}"
    return name


def _real(place: Path) -> Path:
    """Like ``Path.resolve``, which raises where links go round in a circle."""
    return Path(os.path.realpath(place))


def _lying_in(folder: Path, program: Mapping[str, str], may_add: bool) -> list[tuple[str, Path]]:
    known = [(path, folder / path) for path in program if os.path.lexists(folder / path)]
    if not may_add:
        return known
    added = ((one.relative_to(folder).as_posix(), one) for one in sorted(_below_folder(folder)))
    return known + [(path, one) for path, one in added if path not in program and is_plain_path(path) and one.is_file()]


def left_out(folder: str, program: Mapping[str, str], taken: Collection[str]) -> tuple[str, ...]:
    """Files below the folder that are no part of the child, by their path in it; those in folders of tools are not looked at.

    At most ``MAX_NAMED``, and then how many more there are.
    """
    found: list[str] = []
    for place, folders, names in os.walk(folder):
        folders[:] = sorted(name for name in folders if name not in _TOOLS)
        here = Path(place).relative_to(folder)
        found += [(here / name).as_posix() for name in sorted(names) if not _is_task(name)]
        if len(found) > MAX_FILES:
            break
    left = [path for path in found if path not in taken and path not in program]
    return (*left[:MAX_NAMED], *([f"and {len(left) - MAX_NAMED} more"] if len(left) > MAX_NAMED else []))


def _is_task(name: str) -> bool:
    return re.fullmatch(r"@*TASK@\d+\.md", name) is not None


def needed(left: Sequence[str], changed: Mapping[str, str], program: Mapping[str, str]) -> str:
    """A file that was left out although the change imports or names it, so that the child could only fail; "" without any."""
    before = "\n".join(program.values())
    for path in left:
        name = Path(path).name
        said = [re.escape(name)]
        if path.endswith(".py"):
            said.append(rf"^[ \t]*(?:from|import)\b.*\b{re.escape(name.removesuffix('.py'))}\b")
        pattern = re.compile("|".join(said), re.MULTILINE)
        if not pattern.search(before) and any(pattern.search(text) for text in changed.values()):
            return path
    return ""


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
            raise TooLarge(f"at most {most} bytes are allowed in all files together; {place} alone has more.")
        return data.decode()
    except FileNotFoundError:
        raise UsageError(f"expected a file at {place}, found nothing.") from None
    except (OSError, UnicodeDecodeError) as error:
        raise UsageError(f"expected a text file in UTF-8 at {place}, found none that can be read ({error}).") from None


# ------------------------------------------------------------------------------------------------ telling


def tell_run(
    path: str, ticket: int, files: Mapping[str, str], statement: Mapping[str, str], within_s: float | None = None
) -> TellAnswer:
    """Hand in a child; it goes through the gates before this returns.

    Args:
        path: The run.
        ticket: What ``ask`` gave.
        files: Those that differ from the parent's.
        statement: summary, hypothesis, expected, plan.
        within_s: How long a driver may take to answer.

    Raises:
        UsageError: no such ticket, or files that are none.
        RunError: no run in that folder, or its driver does not answer.
    """
    said = {key: text[:_WORDS] for key, text in statement.items() if text}
    within_s = ANSWER_S if within_s is None else min(max(within_s, HAND_IN_S), ANSWER_S)
    found = errand(find(Path(path)), "tell", {"ticket": ticket, "files": dict(files), **said}, within_s)
    candidate = found.get("candidate")
    answer = TellAnswer(
        schema=SCHEMA,
        run=path,
        ticket=ticket,
        status=str(found["status"]),
        candidate=candidate,
        reason=str(found.get("reason", "")),
        late=bool(found.get("late", False)),
        again=bool(found.get("again", False)),
    )
    return answer if candidate is None else _with_fate(answer, candidate)


def refused(path: str, ticket: int, reason: str) -> TellAnswer:
    """The answer to what cannot be taken as it is; nothing was handed in, and the ticket is as it was."""
    return TellAnswer(schema=SCHEMA, run=path, ticket=ticket, status="invalid", candidate=None, reason=reason, late=False)


def _with_fate(answer: TellAnswer, candidate: str) -> TellAnswer:
    """With what becomes of the child, and with what is known of one that was measured before."""
    found, result = standing_of(open_run(answer.run), candidate)
    return replace(answer, fate=found, result=result if found.measured else None)


def fate_of(opened: OpenedRun, candidate: str) -> Fate:
    """Whether and when a candidate of an opened run is measured."""
    ran_s = 0.0
    if is_in_hand(opened.search, candidate):
        began = [one.at for one in find_records(opened.run.path, ("measure_issued",), mention=candidate)]
        ran_s = max(opened.now - began[-1], 0.0) if began else 0.0
    return fate(
        opened.search, opened.search.people.by_id[candidate], opened.outlook(), opened.now, run=str(opened.run.path), ran_s=ran_s
    )


def is_known(answer: TellAnswer) -> bool:
    """Whether there is nothing to wait for: nothing was taken, or its score is there."""
    return answer.candidate is None or (answer.result is not None and answer.result.status != NOT_MEASURED)


def waited(answer: TellAnswer, end: float | None, pause: Pause = time.sleep) -> TellAnswer:
    """An answer with the child's score and fate, waited for until this moment of the monotonic clock; None does not wait.

    Raises: as ``wait_measured``.
    """
    if end is None or answer.candidate is None or is_known(answer):
        return answer
    opened, before = wait_measured(answer.run, answer.candidate, max(end - time.monotonic(), 0.0), pause)
    found, result = standing_of(opened, answer.candidate, before)
    return replace(answer, fate=found, result=result)


def unmeasured(answer: TellAnswer, why: str) -> TellAnswer:
    """An answer to a child that was taken, where the wait for its score went wrong, with the reason."""
    if answer.candidate is None:
        return answer
    return replace(answer, result=result_in(open_run(answer.run), answer.candidate, why))


def standing_of(opened: OpenedRun, candidate: str, before: str = "") -> tuple[FateAnswer, ResultAnswer]:
    """Fate and result of a child, both of one state of the run; ``before`` goes before the reason of one that is not measured."""
    found = fate_of(opened, candidate)
    return FateAnswer(**asdict(found)), result_in(opened, candidate, "" if found.measured else f"{before}{found.words}")


def wait_measured(path: str, candidate: str, wait_s: float, pause: Pause = time.sleep) -> tuple[OpenedRun, str]:
    """The run once a child is measured, or after ``wait_s`` seconds, with words that say so then.

    A live driver is watched; where there is none, a process of its own drives the run just long enough to measure what is ready.
    That goes on when the time is over, and when the wait is interrupted: what it measures counts, and the next to ask finds it.

    ``pause`` sleeps between two looks; what it raises ends the wait.

    Raises:
        RunError: no run in that folder, or one that cannot be opened.
        EnvironmentFault: nothing can be measured on this machine.
        KeyboardInterrupt: measuring was interrupted; everything so far is kept.
    """
    with ExitStack() as stack:
        return _wait_measured(path, candidate, wait_s, stack, pause)


def _wait_measured(path: str, candidate: str, wait_s: float, stack: ExitStack, pause: Pause) -> tuple[OpenedRun, str]:
    run, end = find(Path(path)), time.monotonic() + wait_s
    follower, seen, look, measuring = Follower(run.path), False, True, None
    while True:
        for stamped in follower.poll():
            record = stamped.record
            mine = isinstance(record, Measured) and record.result.candidate == candidate
            seen = seen or mine
            closed = seen and isinstance(record, BlockClosed)  # of some stages a result counts when its block ends
            look = look or mine or closed
        if look and is_settled(opened := open_run(path), candidate):
            if measuring is not None:
                measuring.wait(min(end, time.monotonic() + CLOSING_S), pause)
            return opened, ""
        look = False
        if measuring is not None and measuring.ended:
            measuring.check()
            if not measuring.was_locked_out:
                return open_run(path), ""
            measuring = None
        if measuring is None and not is_driven(run):
            measuring, look = stack.enter_context(Background(run.path)), True
        if time.monotonic() >= end:
            return open_run(path), "the wait is over, and "
        pause(min(_EVERY_S, max(end - time.monotonic(), 0.0)))


def is_settled(opened: OpenedRun, candidate: str) -> bool:
    """Whether it is known what became of a candidate."""
    people = opened.search.people
    return people.rows[people.by_id[candidate]].settled


def result_in(opened: OpenedRun, candidate: str, why: str = "") -> ResultAnswer:
    """What is known of a child in this state of the run; ``why`` is the reason given where it is not measured."""
    search = opened.search
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
        gain=gain_of(search, number),
        parent=people.rows[parent].id,
        parent_score=before.score if before else None,
        effect_gain=effect.effect if effect else None,
        effect_sd=effect.sd if effect else None,
        best_id=people.rows[best].id if best is not None else None,
        reason=why if not settled else told.reason if told else _evaluator_said(str(opened.run.path), candidate),
        feedback=told.feedback if told else "",
    )


def _evaluator_said(path: str, candidate: str) -> str:
    """Why a child that the evaluator could not judge has no score: the search remembers nothing of it."""
    measured = (one.record for one in find_records(find(Path(path)).path, ("measured",), mention=candidate))
    errors = [one.result for one in measured if isinstance(one, Measured) and one.result.candidate == candidate]
    return next((one.reason for one in reversed(errors) if one.status is Status.EVALUATOR_ERROR), "")
