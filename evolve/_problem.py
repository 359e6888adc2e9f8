"""Reading a problem folder into a ``Problem``, and copying one into a run.

A built-in problem is named; any other is a path.  Both are read the same way.  Identity:

- ``id`` is ``name@`` and a hash of what ``problem.yaml`` means (not its comments, nor the default budget) with the chosen params;
- ``evaluator`` hashes that, every file that can decide a score (evaluate.py and its helpers, the seed, the statement) and the
  contents of the assets.
"""

from __future__ import annotations

import importlib.metadata
import json
import os
import shutil
import tempfile
from collections.abc import Mapping
from dataclasses import replace
from pathlib import Path

from evolve._assets import ALL, CANDIDATE, MANIFEST, Assets, Progress, cache_folder, copy_assets, open_assets, prepare_assets
from evolve._bundle import BUNDLE_FILE, CONTRACT_FILE, copy_files, decides_score, hash_files, hash_lines, problem_files
from evolve._contract import Contract, Param, Problem
from evolve._errors import MissingPackage, ProblemError
from evolve._problem_yaml import ContractFile, read_contract
from evolve._resources import resource_folder
from evolve._yaml import hint

OWN_ASSETS = ".assets"  # in a copy: its assets


def builtin_problems() -> tuple[str, ...]:
    """Names of the problems that ship with the engine, sorted."""
    return tuple(sorted(path.parent.name for path in resource_folder("problems").glob(f"*/{CONTRACT_FILE}")))


def load_problem(
    where: str | Path, params: Mapping[str, Param] | None = None, *, prepare: bool = True, progress: Progress | None = None
) -> Problem:
    """Read a problem: ``where`` is the name of a built-in one, or a folder.

    With ``prepare`` the packages it names must be installed, and assets that do not lie in the cache are made by ``prepare.py``
    (its output goes to ``progress``, by default stderr).  Without, the folder is only read: ``assets`` may be None although some
    are declared, and ``evaluator`` then does not cover them.

    Raises:
        ProblemError: no such problem or folder, or the folder breaks the contract.
        ProblemError: a param is unknown, of another type than its default, or out of its bounds.
        MissingPackage: a distribution under ``requires`` or ``candidate_imports`` is not installed.
        EnvironmentFault: the cache folder cannot be written.
    """
    folder = _find(where)
    read = read_contract(folder / CONTRACT_FILE)
    bundle = _read_bundle(folder)
    chosen = _choose(read, params or {}, bundle)
    paths = problem_files(folder)
    seed = _read_seed(folder, paths)
    contract = _fit(read.contract, folder, seed)
    identity = f"{contract.name}@{_contract_hash(read, chosen)}"
    if prepare:
        _check_installed(contract)
    assets = _assets(folder, contract, chosen, identity, paths, prepare, progress)
    trusted = hash_files(folder, [path for path in paths if decides_score(path)])
    problem = Problem(
        folder=folder,
        assets=assets.all if assets else None,
        contract=contract,
        params=chosen,
        seed=seed,
        statement=_text(folder / "statement.md") if "statement.md" in paths else "",
        id=identity,
        evaluator=hash_lines([identity, trusted, assets.digest if assets else ""]),
    )
    _check_bundle(problem, bundle)
    return problem


def candidate_assets_folder(problem: Problem) -> Path | None:
    """The folder with the candidate's assets and nothing else, or None where it has none."""
    if problem.assets is None or not problem.contract.candidate_assets:
        return None
    return problem.assets.parent / CANDIDATE


def copy_problem(problem: Problem, target: Path) -> Problem:
    """A copy that needs nothing outside itself: files, chosen params, assets.  It appears whole or not at all.

    ``load_problem(target)`` gives the same id and evaluator hash, or says that the copy was changed.

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
        copy_files(problem.folder, [path for path in problem_files(problem.folder) if path != BUNDLE_FILE], work)
        if problem.assets is not None:
            copy_assets(open_assets(problem.assets.parent), work / OWN_ASSETS)
        bundle = {"schema": 1, "params": dict(problem.params), "id": problem.id, "evaluator": problem.evaluator}
        (work / BUNDLE_FILE).write_text(json.dumps(bundle, indent=1), encoding="utf-8")
        load_problem(work)
        if target.exists():
            target.rmdir()
        work.rename(target)
    finally:
        shutil.rmtree(work, ignore_errors=True)
    return replace(problem, folder=target.resolve(), assets=target.resolve() / OWN_ASSETS / ALL if problem.assets else None)


# ------------------------------------------------------------------------------------------------ parts of loading


def _find(where: str | Path) -> Path:
    if isinstance(where, str) and os.sep not in where and where not in (".", ".."):
        builtin = resource_folder("problems") / where
        if where and (builtin / CONTRACT_FILE).is_file():
            return builtin
        if not where or not Path(where).is_dir():
            names = builtin_problems()
            close = hint(where, names) or f"; the built-in ones are {', '.join(names)}."
            raise ProblemError(f"expected the name of a built-in problem or a folder, found {where!r}{close}")
    folder = Path(where).expanduser()
    if not folder.is_dir():
        raise ProblemError(
            f"expected a problem folder at {folder}, found {'a file' if folder.exists() else 'nothing'}; make one: evolve new DIR"
        )
    return folder.resolve()


def _choose(read: ContractFile, params: Mapping[str, Param], bundle: Mapping[str, object] | None) -> dict[str, Param]:
    for name in params:
        if name not in read.rules:
            known = ", ".join(read.rules) or "none"
            close = hint(name, read.rules) or f"; its params are {known}."
            raise ProblemError(f"problem.params.{name}: {read.contract.name} has no such param{close}")
    fixed = bundle["params"] if bundle else {}
    if not isinstance(fixed, dict) or fixed.keys() - read.rules.keys():
        raise ProblemError(f"{BUNDLE_FILE}: expected the params of {read.contract.name}, found {fixed!r}; the copy was changed.")
    return {name: rule.check(params.get(name, fixed.get(name, rule.default))) for name, rule in read.rules.items()}


def _contract_hash(read: ContractFile, chosen: Mapping[str, Param]) -> str:
    meaning = {key: value for key, value in read.document.items() if key not in ("budget", "params")}
    return hash_lines([json.dumps(meaning, sort_keys=True), json.dumps(dict(chosen), sort_keys=True)])[:12]


def _read_seed(folder: Path, paths: tuple[str, ...]) -> dict[str, str]:
    seed = {path.removeprefix("seed/"): _text(folder / path) for path in paths if path.startswith("seed/")}
    if not seed:
        raise ProblemError(f"expected the seed program in {folder / 'seed'}, found no files; put the program to start from there.")
    if "evaluate.py" not in paths:
        raise ProblemError(f"expected a file evaluate.py in {folder}, found none; it must define evaluate(trial) -> Outcome.")
    return seed


def _fit(contract: Contract, folder: Path, seed: Mapping[str, str]) -> Contract:
    """The contract with its defaults that depend on the seed, checked against it."""
    for path in contract.editable:
        if path not in seed:
            extra = hint(path, seed) or f"; seed/ holds {', '.join(seed)}."
            raise ProblemError(f"{CONTRACT_FILE}: editable: expected a file of seed/, found {path!r}{extra}")
    size = sum(len(text.encode()) for text in seed.values())
    if size > contract.max_bytes:
        raise ProblemError(
            f"{folder / 'seed'}: expected at most {contract.max_bytes} bytes, found {size}; raise max_bytes in {CONTRACT_FILE}."
        )
    return contract if contract.editable else replace(contract, editable=tuple(sorted(seed)))


def _text(path: Path) -> str:
    try:
        text = path.read_bytes().decode()
    except (OSError, UnicodeDecodeError) as error:
        raise ProblemError(f"{path}: expected a readable UTF-8 text, found {error}; candidates are sets of texts.") from error
    if "\0" in text:
        raise ProblemError(f"{path}: expected a text, found a NUL character; candidates are sets of texts.")
    return text


def _check_installed(contract: Contract) -> None:
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


def _assets(
    folder: Path,
    contract: Contract,
    chosen: Mapping[str, Param],
    identity: str,
    paths: tuple[str, ...],
    prepare: bool,
    progress: Progress | None,
) -> Assets | None:
    """The store of the declared assets: the copy's own, the cached one, or (with ``prepare``) a fresh one."""
    if not (contract.candidate_assets or contract.grader_assets):
        return None
    own = folder / OWN_ASSETS
    if (own / MANIFEST).is_file():
        return open_assets(own)
    versions = [f"{name}=={_version(name)}" for name in contract.requires]
    makers = [
        path for path in paths if path.endswith(".py") and not path.startswith(("seed/", "redteam/")) and path != "evaluate.py"
    ]
    place = cache_folder() / "assets" / f"{contract.name}-{hash_lines([identity, *versions, hash_files(folder, makers)])}"
    if place.is_dir():
        return open_assets(place)
    return prepare_assets(folder, contract, chosen, place, progress) if prepare else None


def _read_bundle(folder: Path) -> dict[str, object] | None:
    path = folder / BUNDLE_FILE
    if not path.is_file():
        return None
    try:
        bundle = json.loads(path.read_text(encoding="utf-8"))
    except (OSError, ValueError) as error:
        raise ProblemError(f"{path}: expected the record of a copied problem, found {error}; copy the problem again.") from error
    if not isinstance(bundle, dict) or not {"params", "id", "evaluator"} <= bundle.keys():
        raise ProblemError(
            f"{path}: expected the record of a copied problem with params, id and evaluator; copy the problem again."
        )
    return bundle


def _check_bundle(problem: Problem, bundle: Mapping[str, object] | None) -> None:
    if bundle is None:
        return
    declared = problem.contract.candidate_assets or problem.contract.grader_assets
    if problem.id != bundle["id"] or (problem.evaluator != bundle["evaluator"] and (problem.assets or not declared)):
        raise ProblemError(
            f"{problem.folder}: expected the copy of {bundle['id']}, evaluator {bundle['evaluator']}, found {problem.id}, "
            f"evaluator {problem.evaluator}: files or params are not those it was made with; start a new run."
        )
