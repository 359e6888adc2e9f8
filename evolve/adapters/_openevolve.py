"""OpenEvolve's form of a problem: ``initial_program.py``, ``evaluator.py``, ``config.yaml``.

Its evaluator imports the program that it scores.  So both run in the sandbox, in one process, as they do there; ``evaluate.py`` of
the folder that is made here only carries the numbers out, and the contract says whose they are (``scored_inside``).  Files are
read as text and syntax trees; nothing is imported.
"""

from __future__ import annotations

import json
import re
import shutil
from collections.abc import Iterator, Mapping
from pathlib import Path

from evolve._errors import ProblemError
from evolve._renamed import INITIAL_FOLDER
from evolve.adapters._adapter import write_notes
from evolve.adapters._openevolve_config import CONFIG_FILE, OpenEvolveConfig, read_config
from evolve.adapters._python_files import PythonFile, distributions, read_python
from evolve.problem._files import copy_pieces, scan
from evolve.problem.contract._strict_yaml import read_yaml

EVALUATOR, OWN_KEYS = "evaluator.py", "evolve.yaml"
_TEXTS = Path(__file__).parent / "texts"
_KEPT_KEYS = ("name", "metric", "goal", "scored_inside")  # what evolve.yaml does not decide
_LEFT_OUT = "openevolve_output"  # what runs of OpenEvolve leave beside it
_MOST_LOOKED = 1 << 20
_MEMORY_MIB, _LEAST_BYTES = 2048, 65536


class OpenEvolve:
    """See ``evolve.adapters.Adapter``."""

    name = "openevolve"

    def detect(self, path: Path) -> float:
        """Sure where the evaluator defines what OpenEvolve calls, and a little surer with its configuration beside it."""
        try:
            if _initial_program(path) is None:
                return 0.0
            with (path / EVALUATOR).open("rb") as file:
                text = file.read(_MOST_LOOKED)
        except OSError:
            return 0.0
        if not re.search(rb"^(?:async[ \t]+)?def[ \t]+evaluate[ \t]*\(|^from [^\n]{1,400}\bevaluate\b", text, re.MULTILINE):
            return 0.0
        return 0.9 if (path / CONFIG_FILE).is_file() else 0.8

    def convert(self, path: Path, into: Path) -> Path:
        program = _initial_program(path)
        if program is None or not (path / EVALUATOR).is_file():
            raise ProblemError(
                f"expected initial_program.py (or one of another suffix) and {EVALUATOR} in {path}, found no such pair; "
                "name the folder that holds both."
            )
        config, evaluator = read_config(path / CONFIG_FILE), read_python(path / EVALUATOR)
        if "evaluate" not in evaluator.functions:
            raise ProblemError(f"{path / EVALUATOR}: expected a function evaluate(program_path), found none; define it.")
        stages = _stages(config, evaluator)
        parts = [evaluator, *([read_python(program)] if program.suffix == ".py" else [])]
        needed, optional, absent = _packages(path, parts)
        options = {
            "program": program.name,
            "stages": {name: functions for name, (functions, _) in stages.items()},
            "thresholds": {name: bar for name, (_, bar) in stages.items() if bar is not None},
            "features": config.features,
            "arguments": config.arguments,
            "numpy": "numpy" in {*needed, *optional},
            "absent": {name: absent[name] for one in parts for name in one.imported & absent.keys()},
        }
        contract: dict[str, object] = {
            "name": _name(path),
            "metric": "combined_score",
            "goal": "maximize",
            "secondary": "any",
            "noise": "noisy" if any(one.drawn for one in parts) else "deterministic",
            "max_bytes": max(_LEAST_BYTES, 2 * program.stat().st_size),
            "candidate_imports": [*needed, *optional],
            "stages": [
                {"name": name, "time_s": config.timeout_s * len(functions) * (1 if bar is None else 2), "memory_mib": _MEMORY_MIB}
                for name, (functions, bar) in stages.items()
            ],
            "scored_inside": "inside",
        }
        contract |= _own_keys(path, list(stages))
        _write(into, path, program, options, contract)
        (into / "statement.md").write_text(_statement(config, program.name), encoding="utf-8")
        write_notes(into, [*_said(path, contract, absent), *config.hints, *_unused(config)])
        return into


def _write(into: Path, path: Path, program: Path, options: Mapping[str, object], contract: Mapping[str, object]) -> None:
    """The files, but for what is said of them.  JSON is YAML."""
    theirs = into / "inside" / "theirs"
    theirs.mkdir(parents=True)
    copy_pieces(path, [one for one in scan(path) if _is_shown(path, one.path)], theirs)
    shutil.copyfile(_TEXTS / "openevolve_runner.py", into / "inside" / "runner.py")
    shutil.copyfile(_TEXTS / "openevolve_evaluate.py", into / "evaluate.py")
    (into / INITIAL_FOLDER).mkdir()
    shutil.copyfile(program, into / INITIAL_FOLDER / program.name)
    for place, values in (("inside/options.json", options), ("problem.yaml", contract)):
        (into / place).write_text(json.dumps(values, indent=1), encoding="utf-8")


def _is_shown(path: Path, name: str) -> bool:
    """Whether a file goes into the sandbox, where the candidate can read it: no hidden one, and no configuration, which may hold
    keys, but where the evaluator reads it."""
    if name == CONFIG_FILE:
        return CONFIG_FILE.encode() in (path / EVALUATOR).read_bytes()
    parts = name.split("/")
    return parts[0] != _LEFT_OUT and not any(part.startswith(".") for part in parts)


def _initial_program(path: Path) -> Path | None:
    """The file to start from; several, a folder or none are no problem of this form."""
    found = [one for one in path.glob("initial_program.*") if one.suffix not in ("", ".pyc")]
    python = [one for one in found if one.suffix == ".py"]
    chosen = python if len(python) == 1 else found
    return chosen[0] if len(chosen) == 1 and chosen[0].is_file() else None


def _name(path: Path) -> str:
    name = re.sub(r"[^A-Za-z0-9_]+", "_", path.resolve().name).strip("_")
    return name if name[:1].isalpha() else f"openevolve_{name}".rstrip("_")


def _stages(config: OpenEvolveConfig, evaluator: PythonFile) -> dict[str, tuple[list[str], float | None]]:
    """Our stages by name: the functions called in each, one after the other, and the threshold to go on by.

    A threshold is no ``pass_score``: many an initial program does not reach it (there it keeps the score of the stage), and then
    whoever is as good as that one goes on too, for which ``evaluate.py`` may measure the initial program beside it.
    """
    staged = [f"evaluate_stage{n}" for n in (1, 2, 3)]
    n = next((at for at, name in enumerate(staged) if name not in evaluator.functions), 3)
    if not config.cascade or n == 0:
        return {"full": (["evaluate"], None)}
    n = min(n, len(config.thresholds) + 1)
    return {f"stage{at + 1}": (staged[: at + 1], config.thresholds[at] if at < n - 1 else None) for at in range(n)}


def _packages(path: Path, parts: list[PythonFile]) -> tuple[list[str], list[str], dict[str, str]]:
    """Distributions that the sandbox must show, those it shows because they are here, and what to install for other modules."""
    local = {one.stem for one in path.glob("*.py")} | {one.name for one in path.iterdir() if one.is_dir()} | {"openevolve"}
    needed = frozenset().union(*(one.needed for one in parts)) - local
    imported = frozenset().union(*(one.imported for one in parts)) - local - needed
    for one in sorted(path.glob("*.py")):
        if one.name != EVALUATOR and not one.name.startswith("initial_program"):
            imported |= _imported_by(one) - local - needed
    there, lacking = distributions(needed)
    optional, absent = distributions(imported)
    return [*there, *lacking.values()], [one for one in optional if one not in there], absent


def _imported_by(path: Path) -> frozenset[str]:
    try:
        return read_python(path).imported
    except ProblemError:  # a helper that nobody may ever import
        return frozenset()


def _own_keys(path: Path, stages: list[str]) -> dict[str, object]:
    """What ``evolve.yaml`` says of the contract; its stages must be those that there are.

    Raises:
        ProblemError: it decides what is OpenEvolve's, or what this form is.
    """
    if not (path / OWN_KEYS).is_file():
        return {}
    found = read_yaml(path / OWN_KEYS)
    if taken := [key for key in found if key in _KEPT_KEYS]:
        raise ProblemError(f"{OWN_KEYS}: {taken[0]} is not to be chosen for an OpenEvolve problem; remove it.")
    own = found.get("stages")
    if isinstance(own, list) and [one.get("name") if isinstance(one, dict) else one for one in own] != stages:
        raise ProblemError(f"{OWN_KEYS}: stages: expected those of the evaluator, {', '.join(stages)}, found others; name these.")
    return found


def _statement(config: OpenEvolveConfig, program: str) -> str:
    rule = (
        f"`{program}` is imported or run by an evaluator, which prints `combined_score`; higher is better. "
        "Lines outside of EVOLVE-BLOCK markers, where there are any, stay as they are.\n"
    )
    return f"{config.system_message.strip()}\n\n{rule}" if config.system_message.strip() else rule


def _said(path: Path, contract: Mapping[str, object], absent: Mapping[str, str]) -> Iterator[str]:
    yield f"{path.name} is read as an OpenEvolve problem; the score is printed by code that shares a process with the candidate."
    other = f"write the other (noise: ...) into {OWN_KEYS} beside it"
    yield f"Its scores are taken to be {contract['noise']}; if they are not, {other}."
    if hidden := sorted(one.name for one in path.iterdir() if one.name == _LEFT_OUT or one.name.startswith(".")):
        yield f"Left out of the sandbox, where the candidate could read it: {', '.join(hidden)}."
    for one in sorted(path.glob("*.y*ml")):
        if one.name not in (CONFIG_FILE, OWN_KEYS):
            yield f"{one.name} is not read: what counts is {CONFIG_FILE}."
    for name, package in absent.items():
        yield f"{name} is imported somewhere and not installed: pip install {package}."


def _unused(config: OpenEvolveConfig) -> Iterator[str]:
    if config.unused:
        yield f"Not used of {CONFIG_FILE}: {', '.join(config.unused)}."
