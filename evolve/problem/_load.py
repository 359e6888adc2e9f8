"""Reading a problem folder into a ``Problem``, and copying one into a run.

A built-in problem is named; any other is a path.  Both are read the same way.  Identity:

- ``id`` is ``name@`` and a hash of what ``problem.yaml`` means (not its comments, nor the default budget) with the chosen params;
- ``evaluator`` hashes that, everything that can decide a score (evaluate.py and its helpers, the initial program, the statement,
  with links, empty folders and what may be executed) and the contents of the assets.
"""

from __future__ import annotations

import importlib.metadata
import json
import shlex
import shutil
import tempfile
from collections.abc import Mapping
from dataclasses import replace
from pathlib import Path

from evolve._errors import MissingPackage, ProblemError
from evolve._renamed import INITIAL_FOLDER, OLD_INITIAL_FOLDER
from evolve.problem._assets import ALL, CANDIDATE, Assets, Progress, cache_folder, copy_assets, open_assets, prepare_assets
from evolve.problem._files import (
    BUNDLE_FILE,
    CONTRACT_FILE,
    MANIFEST,
    OWN_ASSETS,
    copy_pieces,
    decides_score,
    file_paths,
    hash_lines,
    hash_pieces,
    read_bundle,
    scan,
)
from evolve.problem._find import find_problem
from evolve.problem.contract._contract import Contract, Param, Piece, Problem
from evolve.problem.contract._contract_yaml import ContractFile, read_contract
from evolve.problem.contract._strict_yaml import hint


def load_problem(
    where: str | Path,
    params: Mapping[str, Param] | None = None,
    *,
    prepare: bool = True,
    progress: Progress | None = None,
    old_words: bool = False,
) -> Problem:
    """Read a problem: ``where`` is the name of a built-in one, or a folder (see ``find_problem``).

    A copy in a run has the params that the run has, where no others are given.

    ``old_words`` reads a folder that a run of an older version keeps (``evolve._renamed``).

    With ``prepare`` the packages it names must be installed, and assets that do not lie in the cache are made by ``prepare.py``
    (its output goes to ``progress``, by default stderr).  Without, the folder is only read: ``assets`` may be None although some
    are declared, and ``evaluator`` then does not cover them.

    Raises:
        ProblemError: no such problem or folder, or the folder breaks the contract.
        ProblemError: a param is unknown, of another type than its default, or out of its bounds.
        MissingPackage: a distribution under ``requires`` or ``candidate_imports`` is not installed.
        EnvironmentFault: the cache folder cannot be written.
    """
    folder = find_problem(where)
    read = read_contract(folder / CONTRACT_FILE, old_words=old_words)
    bundle = read_bundle(folder) or {}
    chosen = _choose(read, params or {}, bundle)
    pieces = scan(folder)
    paths = file_paths(folder, pieces)
    variant = str(chosen[read.contract.initial_by]) if read.contract.initial_by else ""
    initial = _read_initial(folder, paths, variant, old_words=old_words)
    contract = _fit(read.contract, folder, initial)
    identity = f"{contract.name}@{_contract_hash(read, chosen)}"
    if prepare:
        _check_installed(contract)
    key = _assets_key(contract, identity, pieces)
    assets = _assets(folder, contract, chosen, key, bundle, prepare, progress)
    trusted = hash_pieces(one for one in pieces if decides_score(one.path))
    return Problem(
        folder=folder,
        assets=assets.all if assets else None,
        contract=contract,
        params=chosen,
        initial_files=initial,
        statement=_text(folder / "statement.md") if "statement.md" in paths else "",
        id=identity,
        evaluator=hash_lines([identity, trusted, assets.digest if assets else ""]),
        pieces=pieces,
        assets_digest=assets.digest if assets else "",
    )


def means_the_same(file: Path, problem: Problem) -> bool:
    """Whether a ``problem.yaml`` says what the problem's says: other comments and another default budget are no difference."""
    try:
        read = read_contract(file, old_words=True)
        return f"{read.contract.name}@{_contract_hash(read, _choose(read, problem.params, {}))}" == problem.id
    except ProblemError:
        return False


def candidate_assets_folder(problem: Problem) -> Path | None:
    """The folder with the candidate's assets and nothing else, or None where it has none."""
    if problem.assets is None or not problem.contract.candidate_assets:
        return None
    return problem.assets.parent / CANDIDATE


def copy_problem(problem: Problem, target: Path) -> Problem:
    """A copy that needs nothing outside itself: files, chosen params, assets.  It appears whole or not at all.

    ``load_problem(target)`` gives the same id and evaluator hash as long as nobody changes the copy.

    Raises:
        ProblemError: ``target`` exists and is not an empty folder.
        ProblemError: the problem's folder changed since it was loaded.
    """
    if target.exists() and (not target.is_dir() or any(target.iterdir())):
        raise ProblemError(f"expected no folder or an empty one at {target}, found files in it; choose another place.")
    target.parent.mkdir(parents=True, exist_ok=True)
    work = Path(tempfile.mkdtemp(prefix=".copy-", dir=target.parent))
    try:
        work.chmod(0o755)
        copy_pieces(problem.folder, problem.pieces, work)
        if problem.assets is not None:
            copy_assets(open_assets(problem.assets.parent), work / OWN_ASSETS)
        if not (work / BUNDLE_FILE).exists():  # not that the problem has a file of its own by that name
            (work / BUNDLE_FILE).write_text(json.dumps(_bundle(problem), indent=1), encoding="utf-8")
        if target.exists():
            target.rmdir()
        work.rename(target)
    finally:
        shutil.rmtree(work, ignore_errors=True)
    return replace(problem, folder=target.resolve(), assets=target.resolve() / OWN_ASSETS / ALL if problem.assets else None)


# ------------------------------------------------------------------------------------------------ parts of loading


def _choose(read: ContractFile, params: Mapping[str, Param], bundle: Mapping[str, object]) -> dict[str, Param]:
    for name in params:
        if name not in read.rules:
            known = ", ".join(read.rules) or "none"
            close = hint(name, read.rules) or f"; its params are {known}."
            raise ProblemError(f"problem.params.{name}: {read.contract.name} has no such param{close}")
    fixed = bundle.get("params", {})
    assert isinstance(fixed, dict)
    return {name: rule.check(params.get(name, fixed.get(name, rule.default))) for name, rule in read.rules.items()}


def _contract_hash(read: ContractFile, chosen: Mapping[str, Param]) -> str:
    meaning = {key: value for key, value in read.document.items() if key not in ("budget", "params")}
    return hash_lines([json.dumps(meaning, sort_keys=True), json.dumps(dict(chosen), sort_keys=True)])[:12]


def _read_initial(folder: Path, paths: tuple[str, ...], variant: str, *, old_words: bool) -> dict[str, str]:
    """The files of ``initial/``, or of its folder ``variant`` where it has several programs."""
    is_old = any(path.startswith(f"{OLD_INITIAL_FOLDER}/") for path in paths)
    name = OLD_INITIAL_FOLDER if old_words and is_old else INITIAL_FOLDER
    if variant:
        name = f"{name}/{variant}"
        if not any(path.startswith(f"{name}/") for path in paths):
            there = sorted({path.split("/")[1] for path in paths if path.startswith(f"{INITIAL_FOLDER}/") and path.count("/") > 1})
            raise ProblemError(
                f"expected an initial program in {folder / name}, found {', '.join(there) or 'none'} there; name one that is there."
            )
    initial = {path.removeprefix(f"{name}/"): _text(folder / path) for path in paths if path.startswith(f"{name}/")}
    place, old = folder / name, folder / OLD_INITIAL_FOLDER
    for path in initial:
        if not path.isprintable():
            raise ProblemError(f"{place}: expected printable UTF-8 file names, found {path!r}; rename it.")
    if not initial and is_old:
        move = f"mv {shlex.quote(str(old))} {shlex.quote(str(place))}"
        raise ProblemError(f"expected the initial program in {place}, found it in {old}, as older versions had it; type: {move}")
    if not initial:
        raise ProblemError(f"expected the initial program in {place}, found no files; put the program to start from there.")
    if "evaluate.py" not in paths:
        raise ProblemError(f"expected a file evaluate.py in {folder}, found none; it must define evaluate(trial) -> Outcome.")
    return initial


def _fit(contract: Contract, folder: Path, initial: Mapping[str, str]) -> Contract:
    """The contract with its defaults that depend on the initial program, checked against it."""
    for path in contract.editable:
        if path not in initial:
            extra = hint(path, initial) or f"; {INITIAL_FOLDER}/ holds {', '.join(initial)}."
            raise ProblemError(f"{CONTRACT_FILE}: editable: expected a file of {INITIAL_FOLDER}/, found {path!r}{extra}")
    size = sum(len(text.encode()) for text in initial.values())
    if size > contract.max_bytes:
        remedy = f"raise max_bytes in {CONTRACT_FILE}"
        raise ProblemError(f"{folder / INITIAL_FOLDER}: expected at most {contract.max_bytes} bytes, found {size}; {remedy}.")
    shown = [path for path in sorted(initial) if not any(part.startswith(".") for part in path.split("/"))]
    return contract if contract.editable else replace(contract, editable=tuple(shown or sorted(initial)))


def _text(path: Path) -> str:
    try:
        text = path.read_bytes().decode()
    except (OSError, UnicodeDecodeError) as error:
        raise ProblemError(f"{path}: expected a readable UTF-8 text, found {error}; candidates are sets of texts.") from error
    if "\0" in text:
        raise ProblemError(f"{path}: expected a text, found a NUL character; candidates are sets of texts.")
    return text


def _check_installed(contract: Contract) -> None:
    if contract.toolbox:
        from evolve.problem._toolbox import check_tools

        check_tools(contract.toolbox)
    missing = [name for name in dict.fromkeys((*contract.requires, *contract.candidate_imports)) if _version(name) is None]
    if missing:
        names = " ".join(missing)
        verb = "is" if len(missing) == 1 else "are"
        raise MissingPackage(f"{contract.name} needs {', '.join(missing)}, which {verb} not installed; run: pip install {names}")


def _version(distribution: str) -> str | None:
    try:
        return importlib.metadata.version(distribution)
    except importlib.metadata.PackageNotFoundError:
        return None


def _assets_key(contract: Contract, identity: str, pieces: tuple[Piece, ...]) -> str:
    """A name for what ``prepare.py`` makes: params, versions of packages, and the code that makes it."""
    versions = [f"{name}=={_version(name)}" for name in contract.requires]
    others = (f"{INITIAL_FOLDER}/", f"{OLD_INITIAL_FOLDER}/", "redteam/")
    makers = [one for one in pieces if one.path.endswith(".py") and not one.path.startswith(others) and one.path != "evaluate.py"]
    return f"{contract.name}-{hash_lines([identity, *versions, hash_pieces(makers)])}"


def _assets(
    folder: Path,
    contract: Contract,
    chosen: Mapping[str, Param],
    key: str,
    bundle: Mapping[str, object],
    prepare: bool,
    progress: Progress | None,
) -> Assets | None:
    """The store of the declared assets: the copy's own, the cached one, or (with ``prepare``) a fresh one."""
    if not (contract.candidate_assets or contract.grader_assets):
        return None
    own = folder / OWN_ASSETS
    if (own / MANIFEST).is_file() and bundle.get("assets", key) == key:
        return open_assets(own)
    place = cache_folder() / "assets" / key
    if place.is_dir():
        return open_assets(place)
    return prepare_assets(folder, contract, chosen, place, progress) if prepare else None


def _bundle(problem: Problem) -> dict[str, object]:
    """What a copy says of itself."""
    identity = {"id": problem.id, "evaluator": problem.evaluator}
    made = {"assets": _assets_key(problem.contract, problem.id, problem.pieces)} if problem.assets else {}
    return {"schema": 1, "params": dict(problem.params), **identity, **made}
