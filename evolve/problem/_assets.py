"""Prepared assets: made once by a problem's ``prepare.py``, kept by the hash of what made them, verified when loaded.

``prepare.py`` is trusted.  It runs as ``python prepare.py OUT`` in the problem folder, with ``EVOLVE_ASSETS_OUT`` (the same
folder) and ``EVOLVE_PARAMS`` (JSON) in its environment, and writes exactly the declared assets, files or folders, into OUT.

A store looks like this; it is made beside its place and renamed into it, so a half-made one is never seen::

    <cache>/assets/<key>/
      manifest.json   every file's hash
      all/            every asset: what the grader sees
      candidate/      the candidate's assets alone: what a sandbox shows
"""

from __future__ import annotations

import json
import os
import shutil
import subprocess
import sys
import tempfile
from collections.abc import Callable, Iterable, Mapping
from dataclasses import dataclass
from pathlib import Path

from evolve._errors import EnvironmentFault, ProblemError
from evolve.problem._files import MANIFEST, hash_file, hash_lines
from evolve.problem.contract._contract import Contract, Param

ALL = "all"
CANDIDATE = "candidate"
Progress = Callable[[str], None]


@dataclass(frozen=True, slots=True)
class Assets:
    """A verified store: ``folder`` holds ``all/`` and ``candidate/``; ``digest`` names their contents."""

    folder: Path
    digest: str

    @property
    def all(self) -> Path:
        return self.folder / ALL


def cache_folder() -> Path:
    """``$EVOLVE_CACHE``, else ``$XDG_CACHE_HOME/evolve``, else ``~/.cache/evolve``.

    Raises:
        EnvironmentFault: none of these can be told.
    """
    if own := os.environ.get("EVOLVE_CACHE"):
        return Path(own).absolute()
    if base := os.environ.get("XDG_CACHE_HOME"):
        return Path(base).absolute() / "evolve"
    try:
        return Path.home() / ".cache" / "evolve"
    except RuntimeError as error:
        raise EnvironmentFault("expected a home folder for caches, found none; set EVOLVE_CACHE to a folder.") from error


def open_assets(folder: Path) -> Assets:
    """Read and verify a store.

    Raises:
        ProblemError: a file is missing, added or changed since the store was made, or the manifest cannot be read.
    """
    try:
        manifest = json.loads((folder / MANIFEST).read_text(encoding="utf-8"))
        recorded: dict[str, str] = manifest["files"]
        found = {path: hash_file(folder / path) for path in _files(folder)}
    except (OSError, ValueError, KeyError, TypeError) as error:
        raise ProblemError(
            f"expected prepared assets in {folder}, found {error}; delete that folder to prepare them anew."
        ) from error
    if found != recorded:
        names = sorted(path for path in found.keys() | recorded.keys() if found.get(path) != recorded.get(path))
        raise ProblemError(f"the prepared asset {names[0]} in {folder} was changed; delete that folder to prepare it anew.")
    return Assets(folder, hash_lines(f"{path}\0{recorded[path]}" for path in sorted(recorded)))


def prepare_assets(
    folder: Path, contract: Contract, params: Mapping[str, Param], place: Path, progress: Progress | None = None
) -> Assets:
    """Run ``prepare.py`` and keep what it wrote at ``place``.  Safe beside others that do the same: the first one wins.

    ``progress`` gets each line it prints; by default they go to stderr.

    Raises:
        ProblemError: there is no ``prepare.py``, it failed, or it wrote something else than the declared assets.
        EnvironmentFault: the cache folder cannot be written.
    """
    if not (folder / "prepare.py").is_file():
        raise ProblemError(f"{contract.name} declares assets but has no prepare.py in {folder}; write one that makes them.")
    try:
        place.parent.mkdir(parents=True, exist_ok=True)
        work = tempfile.mkdtemp(prefix=".making-", dir=place.parent)
    except OSError as error:
        raise EnvironmentFault(f"expected a cache folder that can be written, found {error}; set EVOLVE_CACHE to one.") from error
    try:
        store = Path(work)
        (store / ALL).mkdir()
        (store / CANDIDATE).mkdir()
        _run_prepare(folder, contract, params, store / ALL, progress or _to_stderr)
        _keep_declared(contract, store)
        files = {path: hash_file(store / path) for path in _files(store)}
        (store / MANIFEST).write_text(json.dumps({"schema": 1, "files": files}, indent=1), encoding="utf-8")
        try:
            store.rename(place)
        except OSError:
            if not place.is_dir():  # not that another process was faster
                raise
    finally:
        shutil.rmtree(work, ignore_errors=True)
    return open_assets(place)


def copy_assets(assets: Assets, target: Path) -> None:
    """Put a store's files at ``target``, as hard links where possible."""
    _link_files(assets.folder, [MANIFEST, *_files(assets.folder)], target)
    for name in (ALL, CANDIDATE):
        (target / name).mkdir(parents=True, exist_ok=True)


def _run_prepare(folder: Path, contract: Contract, params: Mapping[str, Param], out: Path, progress: Progress) -> None:
    environment = dict(
        os.environ,
        EVOLVE_ASSETS_OUT=str(out),
        EVOLVE_PARAMS=json.dumps(dict(params)),
        PYTHONDONTWRITEBYTECODE="1",
        PYTHONUNBUFFERED="1",
    )
    progress(f"{contract.name}: preparing assets, once")
    tail = ["nothing printed"]
    with subprocess.Popen(
        [sys.executable, "prepare.py", str(out)],
        cwd=folder,
        env=environment,
        stdin=subprocess.DEVNULL,
        stdout=subprocess.PIPE,
        stderr=subprocess.STDOUT,
        text=True,
        errors="replace",
    ) as process:
        assert process.stdout is not None
        try:
            for line in process.stdout:
                progress(line.rstrip("\n"))
                tail = [*tail[-4:], line.strip()]
        except BaseException:
            process.kill()
            raise
    if process.returncode != 0:
        raise ProblemError(
            f"prepare.py of {contract.name} ended with exit status {process.returncode} ({tail[-1]}); run it by hand in {folder}: "
            "python prepare.py OUT"
        )


def _keep_declared(contract: Contract, store: Path) -> None:
    """Check that exactly the declared assets were written, make them read-only, and show the candidate's apart."""
    declared = (*contract.candidate_assets, *contract.grader_assets)
    written = tuple(path.removeprefix(f"{ALL}/") for path in _files(store))
    for name in declared:
        if not any(_covers(name, path) for path in written):
            found = ", ".join(written[:5]) or "nothing"
            raise ProblemError(
                f"prepare.py of {contract.name}: expected the asset {name}, found {found}; write it, or do not declare it."
            )
    for path in written:
        if not any(_covers(name, path) for name in declared):
            raise ProblemError(
                f"prepare.py of {contract.name} wrote {path}, which problem.yaml does not declare; add it under assets."
            )
        (store / ALL / path).chmod(0o444)
    shown = [path for path in written if any(_covers(name, path) for name in contract.candidate_assets)]
    _link_files(store / ALL, shown, store / CANDIDATE)


def _link_files(folder: Path, paths: Iterable[str], target: Path) -> None:
    for path in paths:
        place = target / path
        place.parent.mkdir(parents=True, exist_ok=True)
        try:
            os.link(folder / path, place)
        except OSError:  # another file system, or one without links
            shutil.copyfile(folder / path, place)


def _covers(name: str, path: str) -> bool:
    return path == name or path.startswith(f"{name}/")


def _files(store: Path) -> list[str]:
    """Every file below ``all/`` and ``candidate/``; a link among them is an error, since it would point out of the store."""
    paths = []
    for path in sorted([*(store / ALL).rglob("*"), *(store / CANDIDATE).rglob("*")]):
        if path.is_symlink():
            raise ProblemError(f"{path} is a symbolic link; prepare.py must write the files themselves.")
        if path.is_file():
            paths.append(path.relative_to(store).as_posix())
    return paths


def _to_stderr(line: str) -> None:
    sys.stderr.write(f"{line}\n")
