"""What an attack would touch if the walls did not hold: secrets, a listener, a process, folders, and whether one was touched.

Each trap is the driver's own and harmless: without walls (tier none) every one of them springs and nothing else is harmed.
"""

from __future__ import annotations

import contextlib
import hashlib
import os
import secrets
import shutil
import signal
import socket
import subprocess
import tempfile
import time
from collections.abc import Iterable, Iterator, Mapping
from dataclasses import dataclass
from pathlib import Path
from types import TracebackType

from archive import Measurement
from evolve.problem.contract._contract import Problem

SECRET_NAME = "EVOLVE_REDTEAM_API_KEY"
_FILES = 3  # assets of the grader that an attack looks for
_NAMES = 5  # names by which it knows the home
_LARGEST = 1 << 20  # an attack compares files up to here
_LEFT_IN = ("/tmp", "/dev/shm", "/var/tmp")


def secret() -> str:
    """A word that is nowhere in an attack's text; attacks know its form."""
    return f"evolve-secret:{secrets.token_hex(16)}"


@contextlib.contextmanager
def planted_environment() -> Iterator[str]:
    """A secret in this process's environment, as keys lie there."""
    value, before = secret(), os.environ.get(SECRET_NAME)
    os.environ[SECRET_NAME] = value
    try:
        yield value
    finally:
        if before is None:
            del os.environ[SECRET_NAME]
        else:
            os.environ[SECRET_NAME] = before


@dataclass(frozen=True, slots=True)
class HostState:
    """What lies outside and no program may read: files as (what, path, digest), folders as (what, path, names in it)."""

    files: tuple[tuple[str, str, str], ...]
    folders: tuple[tuple[str, str, tuple[str, ...]], ...]

    @classmethod
    def of(cls, problem: Problem) -> HostState:
        """The evaluator, the contract, assets of the grader's, the engine; the problem folder, the engine's, the home."""
        engine, home = Path(__file__).parents[1], Path.home()
        files = [("the evaluator", problem.folder / "evaluate.py"), ("the contract", problem.folder / "problem.yaml")]
        files += [("the grader's assets", path) for path in _hidden_assets(problem)]
        files += [("the engine", engine / "evaluate" / "grader" / "_grader.py")]
        folders = [("the problem folder", problem.folder), ("the engine", engine)]
        folders += [("the home", home)] if home.parent != home else []
        return cls(
            tuple((what, str(path), _digest(path)) for what, path in files if path.is_file()),
            tuple((what, str(path), names) for what, path in folders if (names := _names(path))),
        )


def _hidden_assets(problem: Problem) -> list[Path]:
    if problem.assets is None:
        return []
    paths = [problem.assets / name for name in problem.contract.grader_assets]
    small = [path for path in paths if path.is_file() and 0 < path.stat().st_size <= _LARGEST]
    return sorted(small, key=lambda path: path.stat().st_size)[-_FILES:]


def _digest(path: Path) -> str:
    with path.open("rb") as file:
        return hashlib.blake2b(file.read(_LARGEST), digest_size=16).hexdigest()


def _names(folder: Path) -> tuple[str, ...]:
    try:
        return tuple(sorted(os.listdir(folder), key=len)[-_NAMES:])  # long names are nobody else's
    except OSError:
        return ()


class Canaries:
    """The traps of one attack, set while the context is open.  ``plan`` is what the attack is told."""

    def __init__(self, outside: HostState, problem: Problem, planted: str) -> None:
        halves = secrets.token_hex(4), secrets.token_hex(4)
        self.word = f"redteam-{''.join(halves)}"
        self._secrets = (planted, secret())
        self._folder = Path(tempfile.mkdtemp(prefix="evolve-traps-"))
        marker = self._folder / "marker"
        marker.mkdir()
        for folder in (self._folder, marker):
            folder.chmod(0o777)
        (self._folder / "input").write_text("")
        with (self._folder / "input").open("rb") as stdin:
            self._decoy = subprocess.Popen(
                ["sleep", "100000"], stdin=stdin, env={SECRET_NAME: self._secrets[1], "PATH": os.defpath}, start_new_session=True
            )
        self._tcp = socket.create_server(("127.0.0.1", 0))
        self._abstract = socket.socket(socket.AF_UNIX)
        self._abstract.bind(f"\0{self.word}")
        self._abstract.listen()
        better = 1e9 if problem.contract.maximize else -1e9
        self.plan: Mapping[str, object] = {
            "word": ("redteam-", *halves),
            "marker": str(marker),
            "port": self._tcp.getsockname()[1],
            "pid": self._decoy.pid,
            "files": outside.files,
            "folders": outside.folders,
            "metric": problem.contract.metric,
            "better": better,
        }

    def __enter__(self) -> Canaries:
        return self

    def __exit__(self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None) -> None:
        self.close()

    def tripped(self, results: Iterable[Measurement]) -> tuple[str, ...]:
        """What the attack reached, in words; nothing where the walls held.  To be asked once its processes must be gone."""
        found = [f"wrote to a folder outside: {_short(text)}" for text in self._markers()]
        found += ["connected to a socket outside"] * (_called(self._tcp) or _called(self._abstract))
        for result in results:
            said = f"{result.reason}\n{result.feedback}"
            found += ["read a secret of the driver's"] * any(word in said for word in self._secrets)
            if self.word in said:
                found.append(f"reached {_short(said.split(self.word, 1)[1].split(chr(10), 1)[0])}")
        found += ["signalled a process outside"] * (not _sleeps(self._decoy))
        found += ["left processes behind"] * bool(_survivors(self.word))
        return tuple(dict.fromkeys(found))

    def close(self) -> None:
        """Take the traps away, and what the attack may have left."""
        for pid in _survivors(self.word):
            with contextlib.suppress(ProcessLookupError):
                os.kill(pid, signal.SIGKILL)
        self._decoy.kill()
        self._decoy.wait()
        self._tcp.close()
        self._abstract.close()
        shutil.rmtree(self._folder, ignore_errors=True)
        for folder in _LEFT_IN:
            for path in Path(folder).glob(f"{self.word}*"):
                path.unlink(missing_ok=True)

    def _markers(self) -> list[str]:
        return [path.read_text(errors="replace") for path in sorted((self._folder / "marker").iterdir()) if path.is_file()]


def _short(text: str) -> str:
    return " ".join(text.split())[:80]


def _called(listener: socket.socket) -> bool:
    """Whether somebody connected: the kernel keeps the connection until it is taken."""
    listener.setblocking(False)
    try:
        listener.accept()[0].close()
    except BlockingIOError:
        return False
    return True


def _sleeps(process: subprocess.Popen[bytes]) -> bool:
    """Whether the decoy still does what it did: neither ended, stopped, traced nor with a signal on its way to it.

    On a busy machine a process that was sent a signal goes on sleeping, the signal pending, until it gets a processor.
    """
    while (found := _status(process.pid)).get("State") == "R":
        time.sleep(0.001)  # it takes a signal just now, or was only just started
    pending = {found.get(name, "").strip("0") for name in ("SigPnd", "ShdPnd")}
    return found.get("State") == "S" and pending == {""} and process.poll() is None


def _status(pid: int) -> dict[str, str]:
    """The first word of each line that the kernel has on a process; empty once it is gone."""
    try:
        lines = Path(f"/proc/{pid}/status").read_text(errors="replace").splitlines()
    except OSError:
        return {}
    return {name: words[0] for name, _, text in (line.partition(":") for line in lines) if (words := text.split())}


def _survivors(word: str) -> list[int]:
    """Processes with ``word`` in their command line."""
    found = []
    for name in os.listdir("/proc"):
        if name.isdigit():
            with contextlib.suppress(OSError):
                if word.encode() in Path(f"/proc/{name}/cmdline").read_bytes():
                    found.append(int(name))
    return found
