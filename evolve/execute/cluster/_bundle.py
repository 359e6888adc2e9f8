"""A problem as it travels: an archive of its folder and assets, named by its contents, unpacked once a machine and verified."""

from __future__ import annotations

import fcntl
import hashlib
import io
import os
import shutil
import stat
import tarfile
import tempfile
import time
from collections.abc import Iterable, Mapping
from contextlib import suppress
from dataclasses import dataclass, field, replace
from importlib import metadata
from pathlib import Path

from evolve._errors import EnvironmentFault, ProblemError
from evolve.evaluate.isolation._mounts import versions
from evolve.problem._assets import ALL, open_assets
from evolve.problem._files import OWN_ASSETS, difference
from evolve.problem._load import copy_problem
from evolve.problem.contract._contract import Problem

_KEPT_S = 7 * 86400.0  # that a bundle which nobody used is kept on a machine


@dataclass(frozen=True, slots=True)
class Bundle:
    """``data`` is a tar archive, whose SHA-256 is ``digest``, of a copy of ``problem`` that needs nothing outside itself but
    packages: ``versions`` are those where it was packed, of all that the problem names and what these require."""

    problem: Problem
    digest: str
    data: bytes
    versions: Mapping[str, str] = field(default_factory=dict)


def pack(problem: Problem) -> Bundle:
    """The problem's bundle.

    Raises:
        ProblemError: the problem's folder changed since it was loaded.
        MissingPackage: what it needs is not installed here.
    """
    with tempfile.TemporaryDirectory(prefix="evolve-bundle-") as work:
        folder = Path(work) / "problem"
        copy_problem(problem, folder)
        packed = io.BytesIO()
        with tarfile.open(fileobj=packed, mode="w", format=tarfile.PAX_FORMAT) as archive:
            for path in sorted(folder.rglob("*")):
                archive.add(path, arcname=str(path.relative_to(folder)), recursive=False, filter=_anonymous)
    data, contract = packed.getvalue(), problem.contract
    return Bundle(problem, hashlib.sha256(data).hexdigest(), data, versions((*contract.requires, *contract.candidate_imports)))


def check_versions(bundle: Bundle) -> None:
    """See that packages are those of the machine that drives the run, but for what it was built for (``2.1.0+cpu``).

    Raises:
        EnvironmentFault: one has another version, or is not there.
    """
    wrong = {}
    for name, version in bundle.versions.items():
        found = _installed(name)
        if found is None or _public(found) != _public(version):
            wrong[name] = (_public(version), f"{name} {found}" if found else f"no {name}")
    if wrong:
        expected = ", ".join(f"{name} {version}" for name, (version, _) in wrong.items())
        install = " ".join(f"{name}=={version}" for name, (version, _) in wrong.items())
        raise EnvironmentFault(
            f"expected {expected} for {bundle.problem.id}, as where the run is driven, found "
            f"{', '.join(found for _, found in wrong.values())}; type there: pip install {install}"
        )


def _public(version: str) -> str:
    return version.partition("+")[0]


def _installed(name: str) -> str | None:
    try:
        return metadata.version(name)
    except metadata.PackageNotFoundError:
        return None


def unpack(bundle: Bundle, store: Path) -> Problem:
    """The problem of a bundle, below ``store``, where all slots of a machine share it, read-only.

    Raises:
        EnvironmentFault: what arrived or lies there is not what was sent, or cannot be written.
    """
    problem, folder = bundle.problem, store / bundle.digest
    try:
        _need_own(store)
        with (store / f"{bundle.digest}.lock").open("w") as lock:
            fcntl.flock(lock, fcntl.LOCK_EX)
            if not folder.exists():
                _unpack_into(bundle, folder)
            os.utime(folder)
        changed = next((one.path for one in problem.pieces if difference(folder, one)), "")
        if problem.assets is not None and open_assets(folder / OWN_ASSETS).digest != problem.assets_digest:
            changed = OWN_ASSETS
    except ProblemError:
        changed = OWN_ASSETS
    except (OSError, tarfile.TarError) as error:
        raise EnvironmentFault(
            f"the problem {problem.id} cannot be unpacked in {store} ({error}); free or mend that folder."
        ) from error
    if changed:
        raise EnvironmentFault(
            f"expected {folder / changed} as it was sent with the problem {problem.id}, found it changed; remove {folder}."
        )
    return replace(problem, folder=folder, assets=None if problem.assets is None else folder / OWN_ASSETS / ALL)


def _need_own(store: Path) -> None:
    """Make the folder, or see that nobody else could have written what lies there: graders are started from it.

    Raises:
        OSError: somebody could.
    """
    store.mkdir(mode=0o700, parents=True, exist_ok=True)
    found = store.lstat()
    if not stat.S_ISDIR(found.st_mode) or found.st_uid != os.getuid() or found.st_mode & 0o022:
        raise OSError("it is a link, somebody else's, or others may write there")


def touch(folders: Iterable[Path]) -> None:
    """Say that bundles are in use."""
    for folder in folders:
        with suppress(OSError):  # removed meanwhile: the next grader that starts says so
            os.utime(folder)


def prune(store: Path, now: float | None = None) -> None:
    """Remove bundles that nobody used for a week."""
    now = time.time() if now is None else now
    for folder in store.glob("*"):
        try:
            old = folder.is_dir() and now - folder.stat().st_mtime > _KEPT_S
        except OSError:
            continue
        if old:
            _writable(folder)
            shutil.rmtree(folder, ignore_errors=True)


def _unpack_into(bundle: Bundle, folder: Path) -> None:
    if (found := hashlib.sha256(bundle.data).hexdigest()) != bundle.digest:
        raise EnvironmentFault(
            f"the bundle of {bundle.problem.id} arrived as {found[:12]}, sent was {bundle.digest[:12]}; run it again."
        )
    work = Path(tempfile.mkdtemp(prefix=".unpack-", dir=folder.parent))
    try:
        with tarfile.open(fileobj=io.BytesIO(bundle.data)) as archive:
            archive.extractall(work, filter="data")
        for path in [work, *work.rglob("*")]:
            if not path.is_symlink():
                path.chmod(path.stat().st_mode & ~(stat.S_IWUSR | stat.S_IWGRP | stat.S_IWOTH))
        work.chmod(0o755)  # a folder that cannot be written cannot be moved
        work.rename(folder)
    except BaseException:
        _writable(work)
        shutil.rmtree(work, ignore_errors=True)
        raise


def _writable(folder: Path) -> None:
    for path in [folder, *folder.rglob("*")]:
        if path.is_dir() and not path.is_symlink():
            path.chmod(0o700)


def _anonymous(member: tarfile.TarInfo) -> tarfile.TarInfo:
    """The same bytes for the same contents, whoever packs them and when."""
    member.uid = member.gid = 0
    member.uname = member.gname = ""
    member.mtime = 0
    member.mode = 0o755 if member.isdir() or member.mode & stat.S_IXUSR else 0o644
    return member
