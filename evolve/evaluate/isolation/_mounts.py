"""What a candidate may see besides its own files, as a list of binds: an interpreter, the declared packages, system libraries.

An allow-list.  Everything has a fixed place inside, whatever it is called outside:

    /py        interpreter, standard library, libraries the loader reports that lie in no system folder
    /site      packages, one top-level name at a time, from the RECORD of each declared distribution and of its requirements
    /meta      METADATA and entry points of the same distributions
    /lib ...   the system's library folders (where libc lies and the loader looks), and the loader's cache
    /assets    the candidate's assets
    /data      the candidate's data, which is too large to be copied
"""

from __future__ import annotations

import hashlib
import json
import os
import shlex
import shutil
import subprocess
import sys
import sysconfig
from collections.abc import Iterable
from dataclasses import dataclass, replace
from importlib import metadata
from pathlib import Path
from urllib.parse import urlsplit
from urllib.request import url2pathname

from evolve._errors import EnvironmentFault, MissingPackage
from evolve.evaluate.isolation._requirements import normalised, required_name
from evolve.problem._toolbox import toolbox
from evolve.problem.contract._contract import Contract

PYTHON = f"/py/bin/python{sys.version_info[0]}.{sys.version_info[1]}"
_STDLIB = f"/py/{sys.platlibdir}/{os.path.basename(sysconfig.get_path('stdlib'))}"  # where getpath looks below the prefix
_SYSTEM = ("/lib", "/lib64", "/usr/lib", "/usr/lib64")
_PACKAGE_FOLDERS = ("site-packages", "dist-packages")
DATA = "/data"
_NOT_COPIED = ("/usr/", f"{DATA}/")  # a compiler looks for its parts from where it lies, and data is large
_KEPT_METADATA = ("METADATA", "entry_points.txt", "top_level.txt", "WHEEL")


@dataclass(frozen=True, slots=True, kw_only=True)
class VisibleFiles:
    """What a candidate may see besides its own files.

    ``imports`` are distributions, resolved with their requirements (markers evaluated, no extras); ``assets`` is a folder bound
    read-only at ``/assets``, or None.  ``toolbox`` names tools of the system that candidates are built with.  ``data`` are names
    below ``/data`` and what is bound there.
    """

    imports: tuple[str, ...] = ()
    assets: Path | None = None
    toolbox: tuple[str, ...] = ()
    data: tuple[tuple[str, str], ...] = ()

    @classmethod
    def of(cls, contract: Contract, assets: Path | None) -> VisibleFiles:
        """What a contract shows to candidates; ``assets`` is the folder of those that they may see."""
        data = tuple((one.name, os.path.realpath(one.path)) for one in contract.data if one.reader == "candidate")
        return cls(imports=contract.candidate_imports, assets=assets, toolbox=contract.toolbox, data=data)


@dataclass(frozen=True, slots=True)
class Mounts:
    """A resolved view.

    ``binds`` are (outside, inside) and read-only, in order; ``covers`` are folders to be hidden behind an empty one; ``links`` are
    (target, place).  ``modules`` are the importable names of the declared distributions themselves, not of their requirements.
    ``description`` names everything in it without a path of this machine, for the hash of the policy.
    """

    binds: tuple[tuple[str, str], ...]
    covers: tuple[str, ...]
    links: tuple[tuple[str, str], ...]
    modules: tuple[str, ...]
    metadata: tuple[Path, ...]
    has_extra_libraries: bool
    description: str
    has_tools: bool = False

    def covered(self) -> tuple[str, ...]:
        """The covered folders by their places outside."""
        return tuple(
            f"{outside}{place.removeprefix(inside)}"
            for place in self.covers
            for outside, inside in self.binds
            if place.startswith(f"{inside}/")
        )


def resolve(view: VisibleFiles) -> Mounts:
    """Find everything in ``view``.

    Raises:
        MissingPackage: a declared distribution is not installed.
        EnvironmentFault: a distribution has no RECORD, or brings nothing that can be bound (an editable install).
        EnvironmentFault: the assets folder does not exist, or a tool of the toolbox.
    """
    declared = [normalised(name) for name in view.imports]
    chosen = _closure(declared)
    packages: list[tuple[str, str]] = []
    contested = _owners(chosen)
    for name, distribution in chosen.items():
        found = _package_binds(distribution, contested)
        if not found and name in declared:
            raise EnvironmentFault(
                f"the package {name} has no files in site-packages that a sandbox could show (an editable install?); "
                f"run: {_reinstall(distribution)}"
            )
        packages += found
    loaded = _loaded(_objects(packages))
    system, links = _system_folders(loaded)
    libraries = _extra_libraries(loaded, [outside for outside, _ in packages], [outside for outside, _ in system])
    python = [(str(interpreter()), PYTHON), (sysconfig.get_path("stdlib"), _STDLIB)]
    extra = [(path, f"/py/lib/{name}") for name, path in sorted(libraries.items())]
    assets = [(str(_assets(view.assets)), "/assets")] if view.assets else []
    covers = _covers(python[1][0], system)
    assets += [(path, f"{DATA}/{name}") for name, path in view.data]
    tools = toolbox(view.toolbox)
    shown = [(place, place) for place in tools.binds if not any(place.startswith(f"{folder}/") for folder, _ in system)]
    versions = {name: distribution.version for name, distribution in sorted(chosen.items())}
    parts = [sys.version, versions, sorted(inside for _, inside in packages), covers, [name for name, _ in extra]]
    description = json.dumps([*parts, tools.description] if view.toolbox else parts)
    return Mounts(
        binds=(*python, *extra, *system, *packages, *assets, *shown),
        covers=covers,
        links=(*links, *tools.links),
        modules=tuple(dict.fromkeys(module for name in declared for module in _modules(chosen[name]))),
        metadata=tuple(path for distribution in chosen.values() if (path := _metadata_folder(distribution))),
        has_extra_libraries=bool(extra),
        has_tools=bool(view.toolbox),
        description=hashlib.blake2b(description.encode(), digest_size=16).hexdigest(),
    )


def own_copies(mounts: Mounts, target: Path, inside: str) -> Mounts:
    """The same with every single file copied below ``target``, which lies at ``inside``: no overlay shows a file by itself, and one
    that several slots show could be locked or marked by a candidate of any.  Links lead there, but for the interpreter, which
    looks for its library from where it lies: it gets a folder."""
    (target / "bin").mkdir(parents=True)
    binds, links = [], list(mounts.links)
    for number, (outside, place) in enumerate(mounts.binds):
        if not os.path.isfile(outside) or place.startswith(_NOT_COPIED):
            binds.append((outside, place))
        elif place == PYTHON:
            shutil.copy(outside, target / "bin" / os.path.basename(PYTHON))
            binds.append((str(target / "bin"), os.path.dirname(PYTHON)))
        else:
            name = f"{number}-{os.path.basename(outside)}"
            shutil.copy(outside, target / name)
            links.append((f"{inside}/{name}", place))
    return replace(mounts, binds=tuple(binds), links=tuple(links))


# ------------------------------------------------------------------------------------------------------------ distributions


def _closure(declared: Iterable[str]) -> dict[str, metadata.Distribution]:
    """The declared distributions and what they require, by normalised name.

    Raises:
        MissingPackage: a declared one is not installed.
    """
    chosen: dict[str, metadata.Distribution] = {}
    todo = [(name, True) for name in declared]
    while todo:
        name, must = todo.pop(0)
        if name in chosen:
            continue
        try:
            distribution = metadata.distribution(name)
        except metadata.PackageNotFoundError:
            if must:
                raise MissingPackage(
                    f"the problem's candidates may import {name}, which is not installed; run: pip install {name}"
                ) from None
            continue  # pip left it out too
        chosen[name] = distribution
        todo += [(found, False) for line in distribution.requires or () if (found := required_name(line))]
    return chosen


def versions(declared: Iterable[str]) -> dict[str, str]:
    """The versions of these distributions and of what they require, by normalised name.

    Raises:
        MissingPackage: a declared one is not installed.
    """
    return {name: distribution.version for name, distribution in _closure(map(normalised, declared)).items()}


def _files(distribution: metadata.Distribution) -> list[str]:
    """The distribution's files below site-packages, POSIX, without metadata, caches and ``.pth`` files."""
    record = distribution.read_text("RECORD")
    if record is None:
        name = distribution.metadata["Name"]
        raise EnvironmentFault(f"the package {name} was installed without a RECORD of its files; run: {_reinstall(distribution)}")
    return [path for line in record.splitlines() if (path := _recorded(line))]


def _reinstall(distribution: metadata.Distribution) -> str:
    """What to type so that the same distribution lies in site-packages with all its files.

    Never a bare name where the package may be somebody's own: an index has whatever a stranger put there under that name.
    """
    name, version = distribution.metadata["Name"], distribution.version
    if source := _source(distribution):
        forced = "" if source.startswith("/") else "--force-reinstall --no-deps "  # pip installs a folder again in any case
        return f"pip install {forced}{shlex.quote(source)}"
    if Path(str(distribution.locate_file(""))).name in _PACKAGE_FOLDERS:
        return f"pip install --force-reinstall --no-deps {name}=={version}"
    return f"pip install PATH, with the folder that {name} {version} was made from (not -e)"


def _source(distribution: metadata.Distribution) -> str:
    """Where a distribution came from, other than an index: a folder, an archive or a repository; "" where nobody knows."""
    try:
        told = json.loads(distribution.read_text("direct_url.json") or "{}")
        url = str(told.get("url", ""))
        if url.startswith("file://"):
            return url2pathname(urlsplit(url).path)
        if vcs := told.get("vcs_info"):
            return f"{distribution.metadata['Name']} @ {vcs['vcs']}+{url}@{vcs['commit_id']}"
    except (ValueError, AttributeError, KeyError, TypeError):
        return ""
    if "://" in url:
        return f"{distribution.metadata['Name']} @ {url}"
    root = Path(str(distribution.locate_file("")))  # where ``setup.py develop`` left it: beside setup.py, or in src/
    made_from = (one for one in (root, root.parent) if (one / "pyproject.toml").is_file() or (one / "setup.py").is_file())
    return "" if root.name in _PACKAGE_FOLDERS else str(next(made_from, ""))


def _recorded(line: str) -> str:
    path = line[1:].partition('"')[0] if line.startswith('"') else line.partition(",")[0]
    first = path.partition("/")[0]
    hidden = not path or path.startswith(("/", "..")) or ".." in path.split("/") or first == "__pycache__"
    no_code = first.endswith((".dist-info", ".egg-info", ".pth")) or first.startswith("__editable__")
    return "" if hidden or no_code else path


def _owners(chosen: dict[str, metadata.Distribution]) -> dict[str, set[str]]:
    """Top-level folders of the chosen distributions that others, not chosen, also write into: the others' files in them."""
    wanted = {path.partition("/")[0] for distribution in chosen.values() for path in _files(distribution) if "/" in path}
    foreign: dict[str, set[str]] = {}
    for distribution in metadata.distributions() if wanted else ():
        name = distribution.metadata["Name"]
        record = distribution.read_text("RECORD") if name and normalised(name) not in chosen else None
        for line in (record or "").splitlines():
            path = _recorded(line)
            top = path.partition("/")[0]
            if top in wanted and "/" in path:
                foreign.setdefault(top, set()).add(path)
    return foreign


def _package_binds(distribution: metadata.Distribution, contested: dict[str, set[str]]) -> list[tuple[str, str]]:
    root = Path(str(distribution.locate_file("")))
    names: dict[str, None] = {}
    for path in _files(distribution):
        top = path.partition("/")[0]
        names[_sole_part(path, contested[top]) if top in contested else top] = None
    return [(str(root / name), f"/site/{name}") for name in sorted(names) if (root / name).exists()]


def _sole_part(path: str, others: set[str]) -> str:
    """The shortest leading part of ``path`` in which no other distribution has a file."""
    parts = path.split("/")
    for length in range(1, len(parts)):
        part = "/".join(parts[:length])
        if not any(other.startswith(part + "/") for other in others):
            return part
    return path


def _modules(distribution: metadata.Distribution) -> list[str]:
    tops = dict.fromkeys(path.partition("/")[0] for path in _files(distribution) if path.endswith((".py", ".so")))
    names = [top.partition(".")[0] for top in tops]
    return [name for name in dict.fromkeys(names) if name.isidentifier() and not name.startswith("_")]


def _metadata_folder(distribution: metadata.Distribution) -> Path | None:
    path = getattr(distribution, "_path", None)
    return Path(path) if path is not None and Path(path).is_dir() else None


def copy_metadata(mounts: Mounts, target: Path) -> None:
    """Write what ``importlib.metadata`` reads of the visible distributions under ``target``, and nothing that names a source."""
    for folder in mounts.metadata:
        place = target / folder.name
        place.mkdir(exist_ok=True)
        for name in _KEPT_METADATA:
            if (folder / name).is_file():
                (place / name).write_bytes((folder / name).read_bytes())


# ------------------------------------------------------------------------------------------------- interpreter and libraries


def interpreter() -> Path:
    """The real interpreter behind a virtual environment and its links."""
    return Path(getattr(sys, "_base_executable", None) or sys.executable).resolve()


def _assets(folder: Path) -> Path:
    if not folder.is_dir():
        raise EnvironmentFault(
            f"the candidate's assets should lie in {folder}, which is not a folder: the problem must be validated"
        )
    return folder.resolve()


def _system_folders(loaded: list[tuple[str, str]]) -> tuple[list[tuple[str, str]], tuple[tuple[str, str], ...]]:
    """Binds and links.  Where libc has a folder of its own below /usr/lib (Debian's multiarch), only that one is shown."""
    own = {f"{folder}/{Path(path).parent.name}" for name, path in loaded if name == "libc.so.6" for folder in ("/lib", "/usr/lib")}
    multiarch = {folder for folder in own if os.path.isdir(folder)} - set(_SYSTEM)
    wanted = multiarch | {"/lib64", "/usr/lib64"} if multiarch and not own & set(_SYSTEM) else set(_SYSTEM)
    links = tuple((os.readlink(name), name) for name in _SYSTEM if os.path.islink(name))
    real = sorted({os.path.realpath(folder) for folder in wanted if os.path.isdir(folder)})
    binds = [(folder, folder) for folder in real]
    if os.path.isfile("/etc/ld.so.cache"):
        binds.append(("/etc/ld.so.cache", "/etc/ld.so.cache"))
    return binds, links


def _covers(stdlib: str, system: list[tuple[str, str]]) -> tuple[str, ...]:
    """Folders with packages inside what is bound: those of the standard library's folder, and every other Python's."""
    found = [f"{_STDLIB}/{name}" for name in _PACKAGE_FOLDERS if (Path(stdlib) / name).is_dir()]
    for outside, inside in system:
        if os.path.isdir(outside):
            found += [f"{inside}/{path.name}" for path in sorted(Path(outside).glob("python*")) if path.is_dir()]
            found += [f"{inside}/{name}" for name in ("site-packages", "modules") if (Path(outside) / name).is_dir()]
    return tuple(found)


def _objects(packages: list[tuple[str, str]]) -> list[str]:
    """Shared objects of the standard library and the packages."""
    objects = [str(path) for path in Path(sysconfig.get_path("stdlib"), "lib-dynload").glob("*.so")]
    for outside, _ in packages:
        path = Path(outside)
        objects += [outside] if path.suffix == ".so" else [str(file) for file in path.rglob("*.so*") if file.is_file()]
    return objects


def _extra_libraries(loaded: list[tuple[str, str]], packages: list[str], system: list[str]) -> dict[str, str]:
    """Libraries that the loader finds for interpreter and packages outside of what is bound anyway: name -> real path."""
    bound = [*packages, *system]
    extra: dict[str, str] = {}
    for name, path in loaded:
        real = os.path.realpath(path)
        # A chain of links that leaves what is bound (/etc/alternatives) breaks inside, wherever it ends.
        if not all(
            any(step == folder or step.startswith(folder + "/") for folder in bound) for step in (*_links_through(path), real)
        ):
            extra.setdefault(name, real)
    return extra


def _links_through(path: str) -> list[str]:
    """The places a link leads through."""
    seen: list[str] = []
    while os.path.islink(path) and len(seen) < 16:
        path = os.path.join(os.path.realpath(os.path.dirname(path)), os.readlink(path))
        path = os.path.join(os.path.realpath(os.path.dirname(path)), os.path.basename(path))
        seen.append(path)
    return seen


def _loaded(objects: list[str]) -> list[tuple[str, str]]:
    """(name, path) of every library the loader would map for the interpreter with ``objects``; one run of the loader for all."""
    usable = [path for path in objects if not set(path) & set(" :\n\t")]
    env = {"LD_TRACE_LOADED_OBJECTS": "1", "LD_PRELOAD": ":".join(usable)}
    for name in ("LD_LIBRARY_PATH",):
        if name in os.environ:
            env[name] = os.environ[name]
    traced = subprocess.run([str(interpreter())], env=env, capture_output=True, check=False, text=True, timeout=60)
    found = []
    for line in traced.stdout.splitlines():
        name, arrow, rest = line.strip().partition(" => ")
        path = rest.partition(" (")[0]
        if arrow and path.startswith("/") and "/" not in name:
            found.append((name, path))
    return found
