"""Files handed in by name or folder: which file of the program each is, what is in it, what was left out.  Prints nothing."""

from __future__ import annotations

import os
import re
import stat
from collections.abc import Collection, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path

from evolve._errors import UsageError
from evolve.problem.contract._contract import MAX_BYTES
from evolve.propose._scope import is_plain_path

MAX_FILES = 10_000
MAX_NAMED = 20  # files that were left out
_TOOLS = frozenset({"__pycache__", ".git", ".hg", ".mypy_cache", ".pytest_cache", ".ruff_cache", ".venv", "node_modules"})
_KINDS = {stat.S_IFDIR: "a folder", stat.S_IFIFO: "a named pipe", stat.S_IFSOCK: "a socket"}


class TooLarge(UsageError):
    """A file that no child of this problem may be as large as."""


@dataclass(frozen=True, slots=True)
class HandedIn:
    """A file that is handed in: its path in the program, where it is, and the folder that holds all of the program whose paths
    begin with ``within``, which is left out there."""

    path: str
    place: Path
    folder: Path
    within: str = ""

    def beside(self, path: str) -> Path | None:
        """Where another file of the program would lie; None where nothing says so."""
        return self.folder / path.removeprefix(self.within) if path.startswith(self.within) else None


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
    files: dict[str, str] = {}
    for one in handed_in(names, folder, program, may_add=may_add, ticket=ticket):
        if one.path in files:
            raise UsageError(f"two of the files are meant as {one.path}; name one, or give --dir DIR and paths below it.")
        files[one.path] = text_in(one.place, max_bytes)
    return files


def handed_in(
    names: Sequence[str], folder: str | None, program: Mapping[str, str], *, may_add: bool, ticket: int | None = None
) -> list[HandedIn]:
    """Which files these are, as in ``read_files``.

    Raises:
        UsageError: nothing was named, or a file that is not clear.
    """
    if folder is not None and not Path(folder).is_dir():
        raise UsageError(f"expected a folder at {folder}, found {'a file' if Path(folder).exists() else 'nothing'}.")
    if folder is None and not names:
        raise UsageError("expected the files that you changed; type: evolve tell RUN TICKET FILES..., or --dir DIR for all in it")
    if folder is None or names:
        return [_below(name, folder) if folder is not None else _meant(name, program, ticket) for name in names]
    places = _lying_in(Path(folder), program, may_add)
    if not places:
        raise UsageError(f"expected files of the program in {folder} ({', '.join(program)}), found none.")
    return places


def _below(name: str, folder: str) -> HandedIn:
    """A name with ``--dir``: below the folder, or a path that leads there."""
    root = _real(Path(folder))
    places = (root / name, _real(Path(name)))
    place = next((one for there in (Path.is_file, os.path.lexists) for one in places if there(one)), root / name)
    try:
        return HandedIn(_real(place).relative_to(root).as_posix(), place, root)
    except ValueError:
        raise UsageError(f"expected a file in {folder}, found {name}, which lies elsewhere.") from None


def _meant(name: str, program: Mapping[str, str], ticket: int | None) -> HandedIn:
    """A name without ``--dir``: by the ticket's own folder where it lies in that, else by the name."""
    place = Path(name)
    root = next((one for one in _real(place).parents if (one / task_name(ticket, program)).is_file()), None) if ticket else None
    if root is not None:
        return HandedIn(_real(place).relative_to(root).as_posix(), place, root)
    path = place.as_posix()
    if path in program:
        return _placed(path, place)
    called = [one for one in program if one.rpartition("/")[2] == place.name]
    if len(called) == 1:
        return _placed(called[0], place)
    if called:
        raise UsageError(f"{name} may be {' or '.join(called)}; give --dir DIR, and its path below that.")
    raise UsageError(f"the program has {', '.join(program)} and no file {place.name}; to add one give --dir DIR too.")


def _placed(path: str, place: Path) -> HandedIn:
    """A file of the program that lies as it does there, or only beside what is in its own folder."""
    whole = Path(os.path.abspath(place))
    parts = path.split("/")
    if list(whole.parts[-len(parts) :]) == parts:
        return HandedIn(path, place, whole.parents[len(parts) - 1])
    return HandedIn(path, place, whole.parent, path[: -len(parts[-1])])


def task_name(ticket: int, program: Mapping[str, str]) -> str:
    """What the file with the task is called, beside the program: a name that no file of the program has."""
    name = f"TASK@{ticket}.md"  # is_plain_path refuses @
    while name in program:  # files of an initial program are called as they like
        name = f"@{name}"
    return name


def _real(place: Path) -> Path:
    """Like ``Path.resolve``, which raises where links go round in a circle."""
    return Path(os.path.realpath(place))


def _lying_in(folder: Path, program: Mapping[str, str], may_add: bool) -> list[HandedIn]:
    known = [HandedIn(path, folder / path, folder) for path in program if os.path.lexists(folder / path)]
    if not may_add:
        return known
    added = ((one.relative_to(folder).as_posix(), one) for one in sorted(_below_folder(folder)))
    new = [(path, one) for path, one in added if path not in program and is_plain_path(path) and one.is_file()]
    return known + [HandedIn(path, one, folder) for path, one in new]


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


def text_in(place: Path, most: int) -> str:
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
