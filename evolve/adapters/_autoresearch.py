"""autoresearch's form of a problem (https://github.com/karpathy/autoresearch) and its forks': ``prepare.py``, ``train.py``,
``program.md``, ``results.tsv``.

The script trains under a budget of time and prints a summary with ``val_bpb``, which its own process computed: the contract says so
(``scored_inside``).  With ``evaluate=strict`` it leaves weights instead, which are scored outside of it, on text that it was not
shown.  The budget is measured from outside, seeds are imposed, and ``prepare.py`` and the data are read-only.
"""

from __future__ import annotations

import json
import os
import re
import shutil
from collections.abc import Iterator, Mapping
from pathlib import Path

from evolve._errors import EnvironmentFault, ProblemError
from evolve._renamed import INITIAL_FOLDER
from evolve.adapters._adapter import write_notes
from evolve.adapters._autoresearch_checkout import PREPARE, PROGRAM, RESULTS, TRAIN, Checkout, History, read_checkout
from evolve.adapters._autoresearch_redteam import write_redteam
from evolve.adapters._autoresearch_strict import (
    OWN,
    POOL_ROWS,
    SCORED_ROWS,
    STRICT,
    StrictData,
    check_strict,
    hidden_names,
    strict_data,
)
from evolve.adapters._python_files import PythonFile, distributions, read_python
from evolve.problem._data import hash_of
from evolve.problem._files import copy_pieces, scan
from evolve.problem._find import BUILT_IN, find_problem
from evolve.problem.contract._strict_yaml import read_yaml

OWN_KEYS = "evolve.yaml"
_TEXTS = Path(__file__).parent / "texts"
_KEPT_KEYS = ("name", "metric", "goal", "scored_inside", "data", "stages", "editable", "params")
_OWN = ("command", "cache", "gpus", "cpus", "memory_mib", "evaluate", "hidden")
_LEFT_OUT = (".ipynb", ".png", ".lock", ".log")
_DEVICE_FILE = Path("/dev/nvidiactl")
_MEMORY_MIB, _GPU_MEMORY_MIB, _LEAST_BYTES = 8192, 32768, 131072
_MOST_LOOKED = 1 << 20
_GPU_CORES = 4  # feed a card
_ROWS_TOLD = 40
_SCORING_S = 600.0  # for what a strict measurement does after the script has ended
_UNTIMED_LEAST_S, _UNTIMED_SHARE = 120.0, 0.4


class Autoresearch:
    """See ``evolve.adapters.Adapter``."""

    name = "autoresearch"
    asks = ("evaluate",)

    def detect(self, path: Path) -> float:
        """Sure where ``prepare.py`` has the budget and the metric; a little surer with the other two files beside it."""
        try:
            with (path / PREPARE).open("rb") as file:
                text = file.read(_MOST_LOOKED)
        except OSError:
            return 0.0
        if b"TIME_BUDGET" not in text or not ((path / PROGRAM).is_file() or (path / TRAIN).is_file()):
            return 0.0
        return 0.9 if (path / PROGRAM).is_file() and (path / TRAIN).is_file() else 0.7

    def convert(self, path: Path, into: Path, evaluate: object = None) -> Path:
        if not (path / PREPARE).is_file():
            raise ProblemError(
                f"expected {PREPARE}, {TRAIN} and {PROGRAM} in {path}, found no {PREPARE}; name the folder that holds them."
            )
        own = read_yaml(path / OWN_KEYS) if (path / OWN_KEYS).is_file() else {}
        if taken := [key for key in own if key in _KEPT_KEYS]:
            raise ProblemError(f"{path / OWN_KEYS}: {taken[0]} is not to be chosen for a checkout of autoresearch; remove it.")
        how = evaluate if evaluate is not None else own.get("evaluate", OWN)
        if how not in (OWN, STRICT):
            raise ProblemError(f"problem.params.evaluate: expected {OWN} or {STRICT}, found {how!r}.")
        checkout = read_checkout(path, str(own.get("command", "")), str(own.get("cache", "")))
        _check_data(checkout)
        strict = _strict(checkout, own) if how == STRICT else None
        needed, absent = _packages(checkout)
        contract = _contract(checkout, own, needed, strict)
        _write(into, checkout, contract | {key: value for key, value in own.items() if key not in _OWN}, strict)
        write_redteam(into, checkout, hidden_names(checkout, own.get("hidden")))
        write_notes(into, _said(checkout, contract, absent))
        return into


def _strict(checkout: Checkout, own: Mapping[str, object]) -> StrictData:
    check_strict(checkout)
    return strict_data(checkout, own.get("hidden"))


def _contract(checkout: Checkout, own: Mapping[str, object], needed: list[str], strict: StrictData | None) -> dict[str, object]:
    path, gpus = checkout.folder, own.get("gpus", _gpus(checkout))
    params: dict[str, object] = {"untimed_s": {"default": _untimed(checkout), "low": 0.0}}
    if strict is not None:
        params |= {
            "evaluate": {"default": STRICT, "choices": [STRICT]},
            "scored_rows": {"default": SCORED_ROWS, "low": 2, "high": POOL_ROWS // 2},
        }
        scored: dict[str, object] = {"data": list(strict.entries)}
    else:
        params |= {"evaluate": {"default": OWN, "choices": [OWN]}}
        scored = {"scored_inside": "inside", **({"data": [_data(checkout)]} if checkout.cache is not None else {})}
    return {
        "name": _name(path),
        "metric": "val_bpb",
        "goal": "minimize",
        "unit": "bits/byte",
        "secondary": "any",
        "noise": "noisy",
        "compute_rule": "wall",
        "params": params,
        "editable": list(checkout.editable),
        "max_bytes": max(_LEAST_BYTES, 2 * sum((path / one).stat().st_size for one in checkout.editable)),
        "candidate_imports": needed if strict is None else sorted({*needed, "numpy"}),  # what serves the rows is written in it
        **({"toolbox": ["cc"]} if gpus and checkout.compiles else {}),
        "stages": [
            {
                "name": "full",
                "time_s": checkout.timeout_s + (_SCORING_S if strict is not None else 0.0),
                "memory_mib": own.get("memory_mib", _GPU_MEMORY_MIB if gpus else _MEMORY_MIB),
                "cpus": own.get("cpus", min(_GPU_CORES, _cores()) if gpus else _cores()),
                **({"gpus": gpus, "exclusive": True} if gpus else {}),
            }
        ],
        "gates": [{"metric": "val_bpb", "floor": 0.2, "why": "no model that was trained for minutes foretells text so well"}],
        **scored,
    }


def _write(into: Path, checkout: Checkout, contract: Mapping[str, object], strict: StrictData | None) -> None:
    theirs = into / "inside" / "theirs"
    theirs.mkdir(parents=True)
    path = checkout.folder
    copy_pieces(path, [one for one in scan(path) if _is_shown(one.path)], theirs)
    for text, known_as in _texts(strict is not None):
        shutil.copyfile(text, into / known_as)
    for name in checkout.editable:
        place = into / INITIAL_FOLDER / name
        place.parent.mkdir(parents=True, exist_ok=True)
        shutil.copyfile(path / name, place)
    cache = _below_home(checkout.cache) if checkout.cache is not None else ""
    options = {
        "evaluate": OWN if strict is None else STRICT,
        "command": list(checkout.command),
        "settings": dict(checkout.settings),
        "time_budget_s": checkout.time_budget_s,
        "cache": cache,
        **({"files": {"": "/data/cache"} if cache else {}} if strict is None else {**strict.options, "pool_rows": POOL_ROWS}),
        "protected": [PREPARE],
    }
    for file, values in (("inside/options.json", options), ("problem.yaml", contract)):
        (into / file).write_text(json.dumps(values, indent=1), encoding="utf-8")
    (into / "statement.md").write_text(_statement(checkout, strict is not None), encoding="utf-8")
    if checkout.research:
        (into / PROGRAM).write_text(checkout.research, encoding="utf-8")
    earlier = (path / RESULTS).read_bytes() if (path / RESULTS).is_file() else b""
    (into / f"README.{RESULTS}").write_bytes(earlier)  # decides no score; the run goes on with it


def _texts(strict: bool) -> Iterator[tuple[Path, str]]:
    """What is written once for all checkouts, and its place."""
    yield _TEXTS / "autoresearch_runner.py", "inside/runner.py"
    if not strict:
        yield _TEXTS / "autoresearch_evaluate.py", "evaluate.py"
        return
    yield _TEXTS / "autoresearch_strict.py", "evaluate.py"
    yield _TEXTS / "autoresearch_evaluate.py", "own.py"
    yield _TEXTS / "autoresearch_rows.py", "inside/rows.py"
    yield _TEXTS / "autoresearch_serve.py", "inside/serve.py"
    yield find_problem(f"{BUILT_IN}nanochat") / "scorer.py", "scorer.py"


def _is_shown(name: str) -> bool:
    parts = name.split("/")
    return (
        not any(part.startswith(".") for part in parts)
        and not name.endswith(_LEFT_OUT)
        and name not in (OWN_KEYS, RESULTS, PROGRAM)
    )


def _name(path: Path) -> str:
    name = re.sub(r"[^A-Za-z0-9_]+", "_", path.resolve().name).strip("_")
    return name if name[:1].isalpha() else f"autoresearch_{name}".rstrip("_")


def _gpus(checkout: Checkout) -> int:
    """A whole card where nothing else will do, or where there is one for who can use it."""
    return int(checkout.device == "cuda" or (checkout.device == "any" and _DEVICE_FILE.exists()))


def _cores() -> int:
    """A script that trains without a card takes all there are, and then runs alone."""
    return max(1, len(os.sched_getaffinity(0)))


def _untimed(checkout: Checkout) -> float:
    """Seconds for imports, compiling and scoring together."""
    return max(_UNTIMED_LEAST_S, _UNTIMED_SHARE * checkout.time_budget_s)


def _packages(checkout: Checkout) -> tuple[list[str], dict[str, str]]:
    """What the sandbox shows, and what to install for modules that are not here."""
    path = checkout.folder
    parts: list[PythonFile] = [read_python(path / one) for one in {PREPARE, *checkout.editable} if one.endswith(".py")]
    local = {one.stem for one in path.glob("*.py")} | {one.name for one in path.iterdir() if one.is_dir()}
    needed = frozenset().union(*(one.needed for one in parts)) - local
    imported = frozenset().union(*(one.imported for one in parts)) - local - needed
    there, lacking = distributions(needed)
    optional, absent = distributions(imported)
    return sorted({*there, *lacking.values(), *optional}), {**absent, **lacking}


def _check_data(checkout: Checkout) -> None:
    """See that ``prepare.py`` left something, where the sandbox can show it in its place.

    Raises:
        ProblemError: it did not.
    """
    cache = checkout.cache
    if cache is None:
        return
    if not cache.is_dir() or not any(cache.iterdir()):
        raise ProblemError(
            f"expected the data that {PREPARE} makes in {cache}, found nothing there; type (it needs a network): "
            f"{_prepare(checkout)}"
        )
    if not _below_home(cache):
        raise ProblemError(
            f"expected the data of {PREPARE} below the home folder, found it to be {cache}; put it into ~/.cache/autoresearch."
        )


def _data(checkout: Checkout) -> dict[str, object]:
    """What ``prepare.py`` left, as data of the contract."""
    try:
        found = hash_of(str(checkout.cache))
    except OSError as error:
        raise EnvironmentFault(
            f"{checkout.cache} cannot be read ({error}); mend that, or make it again: {_prepare(checkout)}"
        ) from error
    return {"name": "cache", "path": str(checkout.cache), "sha256": found, "reader": "candidate"}


def _prepare(checkout: Checkout) -> str:
    return f"cd {checkout.folder} && uv run {PREPARE}"


def _below_home(cache: Path) -> str:
    try:
        return cache.relative_to(Path.home()).as_posix()
    except ValueError:
        return ""


def _script(checkout: Checkout) -> str:
    return (checkout.folder / checkout.command[0]).read_text(encoding="utf-8")


def _statement(checkout: Checkout, strict: bool) -> str:
    script, seconds = " ".join(checkout.command), checkout.time_budget_s
    how = (
        f"`{script}` is run and writes the weights that it trained to the path in the variable `EVOLVE_WEIGHTS`. Then its function "
        "`strict_load(path)`, in a fresh process that runs only what stands above the line `# evolve: training begins`, gives "
        "the model: int64 tokens (B, T) to logits (B, T, V). The score is `val_bpb`, bits per byte of text that the script is not "
        "shown; lower is better. What it prints does not count."
        if strict
        else f"`{script}` is run and prints, behind a line `---`, a summary of `key: value` lines with `val_bpb`, bits of held-out "
        "text per byte; lower is better."
    )
    rule = (
        f"{how} It may train for {seconds:g} seconds, which are measured from outside, and takes at least ten "
        f"steps. `{PREPARE}`, the data and the packages stay as they are; seeds written into the script are replaced by others.\n"
    )
    return rule + (_told(checkout.history) if checkout.history is not None else "")


def _told(history: History) -> str:
    """The latest experiments, as lines."""
    rows = history.rows[-_ROWS_TOLD:]
    if not rows:
        return ""
    lines = [" | ".join(row.get(name, "") for name in history.columns) for row in rows]
    return "\n".join(
        ["", f"Experiments made before ({' | '.join(history.columns)}), {len(rows)} of {len(history.rows)}:", "", *lines, ""]
    )


def _said(checkout: Checkout, contract: Mapping[str, object], absent: Mapping[str, str]) -> Iterator[str]:
    where = (
        "printed by code that shares a process with the candidate"
        if "scored_inside" in contract
        else "taken from its logits, on text that it is not shown"
    )
    yield (
        f"{checkout.folder.name} is read as a checkout of autoresearch: python {' '.join(checkout.command)} trains for "
        f"{checkout.time_budget_s:g} s; val_bpb is {where}."
    )
    if checkout.device == "any" and not _gpus(checkout):
        yield "No NVIDIA card is here, so it runs on the CPU; gpus: 1 in evolve.yaml beside it asks for one."
    if checkout.history is not None:
        n = len(checkout.history.rows)
        yield f"{min(n, _ROWS_TOLD)} of {n} experiments of {RESULTS} are shown to models."
    if not checkout.cache_known:
        where = f"the data is taken from {checkout.cache} (cache: PATH in {OWN_KEYS} says another place)"
        yield f"CACHE_DIR of {PREPARE} does not follow from its text; {where}."
    if re.search(r"\bget_kernel\(", _script(checkout)):
        why = "and there is no network in the sandbox: it will fail there"
        yield f"{checkout.command[0]} loads a kernel from a hub when it starts, {why}."
    if checkout.compiles and "toolbox" not in contract and "TORCHDYNAMO_DISABLE" not in checkout.settings:
        remedy = f"command: TORCHDYNAMO_DISABLE=1 python {' '.join(checkout.command)} in {OWN_KEYS} does without"
        why = "where it compiles without a card it takes a C++ compiler, which the sandbox has not"
        yield f"{checkout.command[0]} has torch.compile; {why}; {remedy}."
    for name, package in absent.items():
        yield f"{name} is imported and not installed: pip install {package}."
