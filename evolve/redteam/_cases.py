"""Programs that cheat and their honest twins: those a problem brings, and those that are made for any problem.

A problem's own lie in ``redteam/NAME/``, files that replace those of the initial program, or are edits of it;
``redteam/verdicts.json`` says which, and what each must get (``docs/how-to/redteam.md``).  The general ones are texts in
``programs/``: each is put at the top of the initial program's files that the search may edit, and never runs anywhere but in the
sandbox.
"""

from __future__ import annotations

import ast
import math
from collections.abc import Mapping
from dataclasses import dataclass, field
from pathlib import Path

from archive import Status
from evolve._errors import ProblemError
from evolve._renamed import INITIAL_FOLDER
from evolve.problem._source import lines_that_stay_first
from evolve.problem.contract._contract import Problem
from evolve.problem.contract._strict_yaml import read_yaml
from evolve.validation._problem import candidate_files

FOLDER, VERDICTS = "redteam", "verdicts.json"
CORPUS = Path(__file__).parent / "programs"
_BOUNDS = ("score_at_least", "score_at_most", "same_score_as", "no_better_than")
_KEYS = ("candidate", "cheat", "expect", "twin", "reason", "params", "edits", *_BOUNDS)


@dataclass(frozen=True, slots=True, kw_only=True)
class Expected:
    """What ``verdicts.json`` says of a program: the statuses that are right, words its reason or feedback must hold, bounds of its
    score, two of them those of an honest program on the same seeds."""

    statuses: tuple[Status, ...]
    reason: str = ""
    score_at_least: float | None = None
    score_at_most: float | None = None
    same_score_as: str = ""
    no_better_than: str = ""

    @property
    def compared(self) -> tuple[str, ...]:
        """The honest programs that a score is compared with."""
        return tuple(name for name in (self.same_score_as, self.no_better_than) if name)


@dataclass(frozen=True, slots=True, kw_only=True)
class OwnProgram:
    """A program of the problem's own folder.  ``twin`` of a cheat is the honest program that looks like it.  With ``params`` it is
    tried only where the problem's have these values."""

    name: str
    cheat: bool
    twin: str
    files: Mapping[str, str]
    expected: Expected
    params: Mapping[str, object] = field(default_factory=dict)


@dataclass(frozen=True, slots=True, kw_only=True)
class GeneralProgram:
    """A text to be put into any initial program.

    ``outlives_call``: what it does may show only in the next measurement.  ``computes``: it changes what the program computes, so
    that another score is nothing; a better one is.  ``idle``: it ends before the program has done anything, so that any score at
    all is too much.  ``noisy_only``: it has a meaning only where the score depends on the seed.
    """

    name: str
    cheat: bool
    text: str
    twin: str = ""
    outlives_call: bool = False
    computes: bool = False
    idle: bool = False
    noisy_only: bool = False


# --------------------------------------------------------------------------------------------------------- the problem's own


def own_programs(problem: Problem) -> tuple[OwnProgram, ...]:
    """The programs of ``redteam/`` for the problem's params, in the order of ``verdicts.json``; none where there is no such folder.

    Raises:
        ProblemError: the folder and the file do not fit each other, or the file breaks its format.
    """
    folder = problem.folder / FOLDER
    if not folder.is_dir():
        return ()
    document = read_yaml(folder / VERDICTS)
    lines = document.get("verdicts")
    if document.get("schema") != 1 or not isinstance(lines, list) or set(document) != {"schema", "verdicts"}:
        raise _wrong('expected {"schema": 1, "verdicts": [...]}', f"the keys {', '.join(document)}")
    programs = tuple(_own_program(problem, folder, line) for line in lines)
    _check_names(folder, programs)
    return tuple(one for one in programs if _is_meant(problem, one.params))


def _is_meant(problem: Problem, params: Mapping[str, object]) -> bool:
    """Whether the problem's params have these values."""
    return all(problem.params[name] == value for name, value in params.items())


def _own_program(problem: Problem, folder: Path, line: object) -> OwnProgram:
    if not isinstance(line, dict) or not isinstance(line.get("candidate"), str):
        raise _wrong('expected lines such as {"candidate": NAME, "cheat": true, "expect": ["crash"], "twin": NAME}', repr(line))
    name = line["candidate"]
    if unknown := [key for key in line if key not in _KEYS]:
        raise _wrong(f"{name}: expected keys among {', '.join(_KEYS)}", unknown[0])
    cheat, expect, twin = line.get("cheat"), line.get("expect"), line.get("twin", "")
    if not isinstance(cheat, bool):
        raise _wrong(f"{name}: expected cheat to be true or false", repr(cheat))
    statuses = tuple(status for status in Status if isinstance(expect, list) and status.value in expect)
    if not isinstance(expect, list) or not expect or len(statuses) != len(expect) or Status.EVALUATOR_ERROR in statuses:
        names = ", ".join(status.value for status in Status if status is not Status.EVALUATOR_ERROR)
        raise _wrong(f"{name}: expected expect to be a list of statuses among {names}", repr(expect))
    if not cheat and statuses != (Status.OK,):
        raise _wrong(f'{name}: expected an honest program to expect ["ok"]', repr(expect))
    if cheat and Status.OK in statuses and not any(key in line for key in _BOUNDS):
        raise _wrong(f"{name}: expected a cheat that may end as ok to have one of {', '.join(_BOUNDS)}", "none")
    if (folder / name).is_dir() == ("edits" in line):
        found = "both" if "edits" in line else "none"
        raise _wrong(f"expected a folder {FOLDER}/{name}, or edits of the initial program", found)
    expected = Expected(
        statuses=statuses,
        reason=_text(line, "reason"),
        score_at_least=_number(line, "score_at_least"),
        score_at_most=_number(line, "score_at_most"),
        same_score_as=_text(line, "same_score_as"),
        no_better_than=_text(line, "no_better_than"),
    )
    params = _params(line, problem)
    files = _edited(problem, line) if "edits" in line and _is_meant(problem, params) else {}
    if "edits" not in line:
        files = candidate_files(problem, [folder / name])
    return OwnProgram(
        name=name,
        cheat=cheat,
        twin=_text(line, "twin") if twin else "",
        files=files,
        expected=expected,
        params=params,
    )


def _edited(problem: Problem, line: Mapping[str, object]) -> dict[str, str]:
    """The initial program with each text of ``edits``, which must stand in it once, replaced by the one beside it."""
    edits, files = line["edits"], dict(problem.initial_files)
    if not isinstance(edits, list) or not edits:
        raise _wrong(f'{line["candidate"]}: expected edits such as [["WIDTH = 64", "WIDTH = 32"]]', repr(edits))
    for edit in edits:
        if not (isinstance(edit, list) and len(edit) == 2 and all(isinstance(text, str) for text in edit) and edit[0]):
            raise _wrong(f"{line['candidate']}: expected each edit to be two texts, old and new", repr(edit))
        old, new = edit
        places = [path for path, text in files.items() for _ in range(text.count(old))]
        if len(places) != 1:
            raise _wrong(f"{line['candidate']}: expected {old[:60]!r} once in the initial program", f"{len(places)} times")
        files[places[0]] = files[places[0]].replace(old, new)
    return files


def _params(line: Mapping[str, object], problem: Problem) -> Mapping[str, object]:
    value = line.get("params", {})
    if not isinstance(value, dict):
        raise _wrong(f'{line["candidate"]}: expected params such as {{"form": "steps"}}', repr(value))
    if unknown := [name for name in value if name not in problem.params]:
        raise _wrong(f"{line['candidate']}: expected params of the problem", repr(unknown[0]))
    return value


def _check_names(folder: Path, programs: tuple[OwnProgram, ...]) -> None:
    names = [program.name for program in programs]
    honest = {program.name: program for program in programs if not program.cheat}
    there = {path.name for path in folder.iterdir() if path.is_dir() and not path.name.startswith((".", "__"))}
    if len(set(names)) < len(names):
        raise _wrong("expected one line a program", f"{next(name for name in names if names.count(name) > 1)} twice")
    if missing := sorted(there - set(names)):
        raise _wrong(f"expected a line for the folder {FOLDER}/{missing[0]}", "none")
    for program in programs:
        if program.cheat and program.twin not in honest:
            raise _wrong(f"{program.name}: expected twin to name an honest program", repr(program.twin))
        beside = {name for name, other in honest.items() if other.params.items() <= program.params.items()}
        if others := sorted(set(program.expected.compared) - beside):
            raise _wrong(f"{program.name}: expected same_score_as and no_better_than to name honest programs", repr(others[0]))


def _text(line: Mapping[str, object], key: str) -> str:
    value = line.get(key, "")
    if not isinstance(value, str):
        raise _wrong(f"{line['candidate']}: expected {key} to be text", repr(value))
    return value


def _number(line: Mapping[str, object], key: str) -> float | None:
    value = line.get(key)
    if value is None:
        return None
    if isinstance(value, bool) or not isinstance(value, int | float) or not math.isfinite(value):
        raise _wrong(f"{line['candidate']}: expected {key} to be a number", repr(value))
    return float(value)


def _wrong(expected: str, found: str) -> ProblemError:
    return ProblemError(f"{FOLDER}/{VERDICTS}: {expected}, found {found}; see docs/how-to/redteam.md.")


# ------------------------------------------------------------------------------------------------------------------ for any


def general_programs(*, noisy: bool) -> tuple[GeneralProgram, ...]:
    """Cheats and honest twins that can be put into any initial program; each twin once."""
    programs: dict[str, GeneralProgram] = {}
    for line in _corpus():
        cheat = GeneralProgram(cheat=True, text=_snippet(str(line["name"])), **line)  # type: ignore[arg-type]
        if cheat.noisy_only and not noisy:
            continue
        programs[cheat.name] = cheat
        programs.setdefault(cheat.twin, GeneralProgram(name=cheat.twin, cheat=False, text=_snippet(cheat.twin)))
    return tuple(programs.values())


def _corpus() -> list[dict[str, object]]:
    import json

    lines: list[dict[str, object]] = json.loads((CORPUS / "corpus.json").read_text(encoding="utf-8"))["programs"]
    return lines


def _snippet(name: str) -> str:
    return (CORPUS / f"{name}.py").read_text(encoding="utf-8")


def editable_python(problem: Problem) -> tuple[str, ...]:
    """The initial program's Python files that the search may edit."""
    return tuple(path for path in problem.initial_files if path in problem.contract.editable and path.endswith(".py"))


_BEGIN = """\
_redteam = __import__("sys").modules
if "evolve redteam" not in _redteam:
    _redteam["evolve redteam"] = type(__import__("sys"))("redteam")
    vars(_redteam["evolve redteam"])["PLAN"] = {plan!r}
    exec(compile({text!r}, "redteam.py", "exec"), vars(_redteam["evolve redteam"]))
_redteam = vars(_redteam["evolve redteam"])
"""
_END = '\nif "after" in _redteam:\n    _redteam["after"](globals())\n'


def splice_attack(problem: Problem, text: str, plan: Mapping[str, object]) -> dict[str, str]:
    """The initial program with ``text`` run at the top of its editable Python files, and what it defines as ``after`` at their
    ends.

    Which file comes first nobody knows before it runs, so each has the text; a process runs it once, as it would take its own
    traces for another's.  It has a namespace of its own, so that no name of the program's is touched by accident.

    Raises:
        ProblemError: a file of the initial program does not parse.
    """
    prelude = (CORPUS / "prelude.py").read_text(encoding="utf-8")
    both = prelude + text
    begin = _BEGIN.format(plan=dict(plan), text=both)
    files = dict(problem.initial_files)
    for path in editable_python(problem):
        at = _first_line(path, files[path])
        lines = files[path].splitlines(keepends=True)
        files[path] = "".join([*lines[:at], "\n" if at else "", begin, *lines[at:], _END])
    return files


def _first_line(path: str, text: str) -> int:
    """How many lines the docstring and imports from the future take: they must stay first."""
    try:
        body = ast.parse(text).body
    except (SyntaxError, ValueError) as error:
        raise ProblemError(
            f"{INITIAL_FOLDER}/{path}: expected Python that parses, found {error}; mend the initial program."
        ) from error
    return lines_that_stay_first(body)
