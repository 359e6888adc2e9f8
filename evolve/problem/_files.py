"""What of a problem folder belongs to the problem, what decides a score, their hash, and the one copy of them.

Everything in the folder belongs, hidden files too, except for

- what tools leave behind: version control, caches, virtual environments, settings and leftovers of editors;
- folders of runs, and a folder ``runs`` at the top that holds nothing else;
- what a copy in a run has besides (``bundle.json``, ``.assets``).

Links that stay inside the folder are kept as links.  Left out of the hash: ``README*``, ``LICENSE*``, ``program.md`` and
``redteam/``, which explain and test but never decide a score, and ``problem.yaml`` itself, whose meaning (not its comments) the
loader hashes.
"""

from __future__ import annotations

import hashlib
import json
import os
import stat
from collections.abc import Callable, Iterable, Iterator
from dataclasses import replace
from fnmatch import fnmatchcase
from pathlib import Path
from typing import IO

from evolve._errors import ProblemError
from evolve._renamed import INITIAL_FOLDER, OLD_INITIAL_FOLDER
from evolve.problem.contract._contract import Piece

CONTRACT_FILE = "problem.yaml"
BUNDLE_FILE = "bundle.json"  # in a copy: the chosen params, and what it is a copy of
OWN_ASSETS = ".assets"  # in a copy: its assets
MANIFEST = "manifest.json"  # of a store of assets
RUN_FILE = "run.json"  # in a run's folder
MAX_FOLDER_BYTES = 256 << 20

FILE, LINK, FOLDER = "file", "link", "folder"
_LEFTOVERS = (
    *(".git", ".hg", ".svn", ".jj", ".bzr", "CVS"),
    *("__pycache__", "*.pyc", "*.pyo", ".mypy_cache", ".pytest_cache", ".ruff_cache", ".hypothesis", ".ipynb_checkpoints"),
    *(".tox", ".nox", ".venv", ".idea", ".vscode"),
    *("*~", ".#*", "#*#", ".*.swp", ".*.swo", ".*.swx", ".DS_Store", "._*", "Thumbs.db", ".nfs*", ".fuse_hidden*"),
)
_VENV_FILE = "pyvenv.cfg"
_CHUNK = 1 << 20

Opener = Callable[[str], tuple[IO[bytes], int]]  # a file by its path: its bytes and permissions


def scan(folder: Path) -> tuple[Piece, ...]:
    """What belongs to the problem in ``folder``, sorted by path.

    Raises:
        ProblemError: a special file, a link that leads outside or to something that is left out, or a file that cannot be read.
        ProblemError: the files hold more than 256 MiB together.
    """
    try:
        found = sorted(_walk(folder, ""))
        total = sum((folder / path).lstat().st_size for path, kind in found if kind == FILE)
        if total > MAX_FOLDER_BYTES:
            raise ProblemError(
                f"{folder}: expected at most {MAX_FOLDER_BYTES >> 20} MiB of files, found {total >> 20} MiB; "
                "let prepare.py write large files as assets."
            )
        pieces = tuple(_piece(folder, path, kind) for path, kind in found)
    except OSError as error:
        raise ProblemError(f"{error.filename or folder} cannot be read ({error.strerror}); mend its permissions.") from error
    _check_links(folder, pieces)
    return pieces


def file_paths(folder: Path, pieces: Iterable[Piece]) -> tuple[str, ...]:
    """The paths at which a regular file is found, through a link or not."""
    return tuple(one.path for one in pieces if one.kind == FILE or (one.kind == LINK and (folder / one.path).is_file()))


def decides_score(path: str) -> bool:
    """Whether a file of the folder is part of the evaluator's hash."""
    if path in (CONTRACT_FILE, "program.md"):
        return False
    return path.split("/", 1)[0] != "redteam" and not path.startswith(("README", "LICENSE"))


def hash_file(path: Path) -> str:
    """Hex digest of a file's bytes."""
    with path.open("rb") as handle:
        return hashlib.file_digest(handle, _digest).hexdigest()


def hash_lines(lines: Iterable[str]) -> str:
    """Hex digest of lines of text, unambiguous in their number and order.  Names that are no UTF-8 count with their own bytes."""
    digest = hashlib.blake2b(digest_size=8)
    for line in lines:
        data = line.encode(errors="surrogateescape")
        digest.update(len(data).to_bytes(8, "little") + data)
    return digest.hexdigest()


def hash_pieces(pieces: Iterable[Piece]) -> str:
    """Hex digest over names, contents, links, empty folders and whether a file may be executed."""
    return hash_lines(_hashed(one) for one in sorted(pieces, key=lambda one: one.path))


def copy_pieces(folder: Path, pieces: Iterable[Piece], target: Path) -> None:
    """Put a copy of ``pieces`` of ``folder`` into ``target``, the same to the last byte.

    Raises:
        ProblemError: one of them changed since it was looked at.
    """
    write_pieces(pieces, target, lambda path: _open(folder / path), str(folder))


def write_pieces(pieces: Iterable[Piece], target: Path, read: Opener, source: str) -> None:
    """The same from any ``source``.  Files keep their permissions, and their owner may write them."""
    for one in pieces:
        place = target / one.path
        place.parent.mkdir(parents=True, exist_ok=True)
        if one.kind == FOLDER:
            place.mkdir(exist_ok=True)
        elif one.kind == LINK:
            place.symlink_to(one.content)
        else:
            _write(one, place, read, source)


def difference(folder: Path, one: Piece) -> str:
    """How what lies at the piece's path in ``folder`` differs from it: ``changed``, ``missing``, or "" for not at all.

    A file that only may not be executed any more is missing: many ways to move a folder lose that.
    """
    place = folder / one.path
    if any((folder / parent).is_symlink() for parent in _parents(one.path)):
        return "changed"
    try:
        found = place.lstat()
        if stat.S_ISREG(found.st_mode):
            here = Piece(one.path, FILE, hash_file(place), bool(found.st_mode & stat.S_IXUSR))
            if replace(here, executable=True) == one and not here.executable:
                return "missing"
            same = here == one
        elif stat.S_ISLNK(found.st_mode):
            same = Piece(one.path, LINK, os.readlink(place)) == one
        else:
            same = stat.S_ISDIR(found.st_mode) and one.kind == FOLDER
    except FileNotFoundError:
        return "missing"
    except OSError:
        same = False
    return "" if same else "changed"


def read_bundle(folder: Path) -> dict[str, object] | None:
    """What a copy in a run says of itself; None where there is none, or a file of the problem's own has that name."""
    try:
        found = json.loads((folder / BUNDLE_FILE).read_text(encoding="utf-8"))
    except (OSError, ValueError, RecursionError):
        return None
    ours = isinstance(found, dict) and {"schema", "params", "id", "evaluator"} <= found.keys() and isinstance(found["params"], dict)
    return found if ours else None


def is_run(folder: Path) -> bool:
    """Whether a folder is a run's."""
    try:
        found = json.loads((folder / RUN_FILE).read_text(encoding="utf-8"))
    except (OSError, ValueError, RecursionError):
        return False
    return isinstance(found, dict) and {"format", "run", "problem"} <= found.keys()


# ------------------------------------------------------------------------------------------------ parts of scanning


def _walk(folder: Path, prefix: str) -> Iterator[tuple[str, str]]:
    """(path, kind) of everything that belongs."""
    with os.scandir(folder / prefix) as scan:
        entries = list(scan)
    if prefix and (any(entry.name == _VENV_FILE for entry in entries) or is_run(folder / prefix)):
        return
    if prefix and not entries:
        yield prefix.rstrip("/"), FOLDER
    for entry in entries:
        path = f"{prefix}{entry.name}"
        if _left_out(folder, path, entry.name):
            continue
        mode = entry.stat(follow_symlinks=False).st_mode
        if stat.S_ISLNK(mode):
            yield path, LINK
        elif stat.S_ISREG(mode):
            yield path, FILE
        elif not stat.S_ISDIR(mode):
            raise ProblemError(f"{folder / path}: expected a file or a folder, found a pipe, socket or device; remove it.")
        else:
            inside = list(_walk(folder, f"{path}/"))
            if path != "runs" or any(kind != FOLDER for _, kind in inside):
                yield from inside


def _left_out(folder: Path, path: str, name: str) -> bool:
    if path == BUNDLE_FILE:
        return read_bundle(folder) is not None
    if path == OWN_ASSETS:
        return (folder / OWN_ASSETS / MANIFEST).is_file()
    return any(fnmatchcase(name, pattern) for pattern in _LEFTOVERS)


def _piece(folder: Path, path: str, kind: str) -> Piece:
    place = folder / path
    if kind == FILE:
        return Piece(path, FILE, hash_file(place), bool(place.stat().st_mode & stat.S_IXUSR))
    return Piece(path, LINK, _inside(folder, path)) if kind == LINK else Piece(path, FOLDER)


def _inside(folder: Path, path: str) -> str:
    """Where a link points, relative to its own folder.

    Raises:
        ProblemError: out of the problem's folder.
    """
    told, root = os.readlink(folder / path), os.path.realpath(folder)
    end = os.path.realpath(folder / path)
    if end != root and not end.startswith(f"{root}/"):
        raise ProblemError(
            f"{folder / path} is a symbolic link out of the folder, to {told}, and a problem must hold all it needs; "
            "put a copy there instead, or let prepare.py make it as an asset."
        )
    plain = os.path.normpath(os.path.join(os.path.dirname(path), told))
    around = told.startswith("/") or plain == ".." or plain.startswith("../")  # out and in again by the folder's own name
    return os.path.relpath(end, os.path.realpath((folder / path).parent)) if around else told


def _check_links(folder: Path, pieces: tuple[Piece, ...]) -> None:
    """A link to something that is left out would lead nowhere in a copy, and the program's files are texts, not folders."""
    root, held = os.path.realpath(folder), {one.path for one in pieces}
    held |= {parent for one in pieces for parent in _parents(one.path)}
    for one in pieces:
        if one.kind != LINK:
            continue
        end = os.path.relpath(os.path.realpath(folder / one.path), root)
        if os.path.lexists(folder / end) and end not in held | {"."}:
            raise ProblemError(f"{folder / one.path} is a symbolic link to {end}, which is left out; put a copy there instead.")
        if one.path.startswith((f"{INITIAL_FOLDER}/", f"{OLD_INITIAL_FOLDER}/")) and not (folder / one.path).is_file():
            raise ProblemError(
                f"{folder / one.path}: expected a file, found a symbolic link to {one.content}; put the files there."
            )


def _parents(path: str) -> Iterator[str]:
    while "/" in path:
        path = path.rpartition("/")[0]
        yield path


def _hashed(one: Piece) -> str:
    if one.kind == FOLDER:
        return f"{one.path}/\0"
    if one.kind == LINK:
        return f"{one.path}\0\0{one.content}"
    return f"{one.path}\0{one.content}" + ("\0x" if one.executable else "")


# ------------------------------------------------------------------------------------------------ parts of copying


def _open(path: Path) -> tuple[IO[bytes], int]:
    file = path.open("rb")
    return file, os.fstat(file.fileno()).st_mode


def _write(one: Piece, place: Path, read: Opener, source: str) -> None:
    digest = _digest()
    try:
        file, mode = read(one.path)
    except (OSError, KeyError) as error:
        raise ProblemError(f"{one.path} was removed from {source} while it was copied; try again.") from error
    with file, place.open("xb") as copy:
        while data := file.read(_CHUNK):
            digest.update(data)
            copy.write(data)
        os.fchmod(copy.fileno(), (mode & 0o777) | 0o600)
    if digest.hexdigest() != one.content or bool(mode & stat.S_IXUSR) != one.executable:
        raise ProblemError(f"{one.path} in {source} was changed while it was copied; try again.")


def _digest() -> hashlib.blake2b:
    return hashlib.blake2b(digest_size=16)
