"""Problems: new, validate, list."""

from __future__ import annotations

import math
import shlex
from argparse import Namespace
from dataclasses import replace
from itertools import groupby
from pathlib import Path
from typing import TYPE_CHECKING

from evolve._counted import counted
from evolve._errors import EXIT_DONE, EXIT_NEGATIVE, EvolveError, UsageError
from evolve._untrusted import visible
from evolve.cli._command import JSON, Argument, Verb
from evolve.cli.show._text import columns, number, one_line, put, put_json, say

if TYPE_CHECKING:
    from collections.abc import Iterable, Mapping, Sequence

    from evolve.cli.show._json_problems import ProblemLine, RunLine, ValidateAnswer
    from evolve.config._schema import RunConfig
    from evolve.evaluate import Check
    from evolve.problem.contract._contract import Problem
    from evolve.validation._compare import Comparison
    from evolve.validation._target import TargetTest

_SETTINGS = ("problem.params.", "sandbox=", "sandbox.tier=", "budget.", "executor.slots=", "seed=")


def new(words: Namespace) -> int:
    from evolve.problem.scaffold._scaffold import scaffold

    folder = scaffold(Path(words.DIR), speed=words.speed)
    name = shlex.quote(folder.as_posix() if "/" in folder.as_posix() else f"./{folder}")
    put(f"{folder}: a small working problem; make it yours, then")
    put(f"  evolve validate {name}\n  evolve run problem={name}")
    return EXIT_DONE


def validate(words: Namespace) -> int:
    from evolve.adapters._choose import adapter_notes, load_problem
    from evolve.cli.show._json_problems import ValidateAnswer
    from evolve.config._compose import compose
    from evolve.engine.registry._registry import need_machine
    from evolve.validation._problem import candidate_files
    from evolve.validation._validate import report_on

    settings = [word for word in words.FILE if word.startswith(_SETTINGS) and "=" in word]
    for word in settings:
        if Path(word).exists():
            raise UsageError(
                f"{word} is a setting and also a file here; type ./{word} for the file, or the setting from elsewhere."
            )
    files = [Path(word) for word in words.FILE if word not in settings]
    config = compose([f"problem={words.PROBLEM}", *settings])
    if several := config.problem.names:
        raise UsageError(
            f"expected one problem at a time, found {len(several)}; type for example evolve validate {shlex.quote(several[0])}"
        )
    problem = load_problem(config.problem.name, config.problem.params)
    for note in adapter_notes(config.problem.name, config.problem.params):
        say(note)
    candidate = candidate_files(problem, files) if files else None
    if candidate is None:
        _need_no_files(words)
    if words.against and words.target is not None:
        raise UsageError("--against and --target say what to compare with; keep one of the two.")
    target = None if words.target is None else _target(words.target)
    need_machine(config, problem)
    report = report_on(problem, config, candidate)
    answer = ValidateAnswer(report.problem, report.ok, report.checks, report.seed_score, report.noise_sd, report.cost_s)
    answer = replace(answer, caveat=problem.contract.caveat)
    if not words.json:
        put(check_text(report.checks))
    if candidate is not None and report.ok and target is not None:
        one_slot = replace(config, executor=replace(config.executor, slots=1))
        ran = _raced(problem, candidate, target, one_slot)
        answer = replace(answer, confirmed=ran.beaten, race=ran)
    elif candidate is not None and report.ok and not words.quick:
        against = candidate_files(problem, [Path(word) for word in words.against]) if words.against else dict(problem.initial_files)
        found = _compared(problem, candidate, against, config)
        answer = replace(answer, confirmed=found.confirmed, claims=found.cards, card=found.card, exact=found.exact)
    if words.json:
        put_json(answer)
    else:
        put(_verdict_text(words, answer, "the candidate" if files else problem.contract.name))
    return EXIT_DONE if answer.ok and answer.confirmed is not False else EXIT_NEGATIVE


def _need_no_files(words: Namespace) -> None:
    """Refuse options about a program where no file of one is named."""
    asked = {"--against": words.against, "--target": words.target is not None, "--quick": words.quick}
    option = next((name for name, given in asked.items() if given), "")
    if not option:
        return
    form = {"--against": "--against FILES...", "--target": "--target X"}.get(option, option)
    here = f"evolve validate {shlex.quote(words.PROBLEM)}"
    more = f"; the problem alone is checked by a few measurements: {here}" if words.quick else ""
    raise UsageError(f"{option} is about a program, and no file of one is named; type: {here} FILE... {form}{more}")


def _compared(problem: Problem, files: Mapping[str, str], against: Mapping[str, str], config: RunConfig) -> Comparison:
    """The comparison, shown on stderr as a run is."""
    from evolve.cli.show._live import LiveView
    from evolve.validation._compare import compare

    view = LiveView()
    return compare(problem, files, against, config, hooks=[view.record], announce=view.on_started)


def _target(text: str) -> float:
    try:
        target = float(text)
    except ValueError:
        target = math.nan
    if not math.isfinite(target):
        raise UsageError(f"--target takes a score, found {text!r}; type for example --target 3.28")
    return target


def _raced(problem: Problem, files: Mapping[str, str], target: float, config: RunConfig) -> TargetTest:
    from evolve.engine.registry._registry import build_executor
    from evolve.validation._target import RUNS, compare_with_target

    runs = config.budget.evaluations or RUNS
    return compare_with_target(
        problem, files, target, lambda _, sink: build_executor(config, (problem,), sink), runs=runs, tell=say
    )


def _verdict_text(words: Namespace, answer: ValidateAnswer, what: str) -> str:
    """The last lines."""
    from evolve.cli._claims import card_text, exact_text

    if not answer.ok:
        return f"\n{what} is not fine yet."
    if answer.confirmed is None:
        return f"\n{what} is fine." + ("" if words.quick else f"\nnext: evolve run problem={shlex.quote(words.PROBLEM)}")
    if answer.race is not None:
        return f"\n{what} {_race_text(answer.race)}" + (f"; the score is {answer.caveat}" if answer.caveat else "")
    card = card_text(answer.card, answer.claims) if answer.card and answer.claims else ""
    exact = exact_text(answer.exact) if answer.exact else ""
    return f"\n{card or exact}\n\n{what} is {'confirmed' if answer.confirmed else 'not confirmed'} to be better."


def _race_text(ran: TargetTest) -> str:
    """What a race to a target came to."""
    exact = ran.e_value is None and not ran.failed
    verdict = "beats" if ran.beaten else "does not beat" if exact else "is not shown to beat"
    how = f"{ran.scores[0]!r}, the same in {len(ran.scores)} fresh processes" if exact else ran.failed
    return f"{verdict} {number(ran.target)}: " + (
        how or f"{counted(len(ran.scores), 'run')}, e = {ran.e_value:.3g} (expected 100), t-test p = {ran.p_value:.3g}"
    )


def list_(words: Namespace) -> int:
    from evolve.cli.show._json_problems import ListAnswer

    if words.DIR and not Path(words.DIR).is_dir():
        raise UsageError(f"expected a folder of runs, found {'a file' if Path(words.DIR).exists() else 'nothing'} at {words.DIR}.")
    problems, runs = _problem_lines(), tuple(_run_lines(Path(words.DIR or "runs")))
    if words.json:
        put_json(ListAnswer(problems, runs))
        return EXIT_DONE
    put("problems")
    noise = {True: "noisy", False: "deterministic"}
    put(columns([(f"  {one.name}", f"{one.goal} {one.metric}", noise[one.noisy], _two_meanings(one.name)) for one in problems]))
    put("\nruns")
    if not runs:
        put(f"  none below {words.DIR or 'runs'}")
        return EXIT_DONE
    lines = (_in_one(list(of_run)) for _, of_run in groupby(runs, key=lambda one: one.run))
    put(columns([(f"  {one.run}", one.problem, one.status, *_of_run(one)) for one in lines]))
    return EXIT_DONE


def check_text(checks: Iterable[Check]) -> str:
    """Checks for people: what was found and, where something is wrong, what to do."""
    lines = []
    for one in checks:
        mark = "ok" if one.ok else "hint" if one.hint else "WRONG"
        lines.append(f"{mark:<6}{one.name}: {visible(one.found)}")
        if one.remedy:
            lines.append(f"      -> {visible(one.remedy)}")
    return "\n".join(lines)


def _in_one(lines: Sequence[RunLine]) -> RunLine:
    """A run's line: of its problem, or of several in sum."""
    if len(lines) == 1:
        return lines[0]
    total = sum(one.candidates for one in lines)
    return replace(lines[0], problem=f"{len(lines)} problems", best_score=None, candidates=total)


def _of_run(one: RunLine) -> tuple[str, str]:
    if one.error:
        return one_line(one.error, 120), ""
    return f"best {number(one.best_score)}" if one.best_score is not None else "", counted(one.candidates, "candidate")


def _problem_lines() -> tuple[ProblemLine, ...]:
    from evolve.cli.show._json_problems import ProblemLine
    from evolve.problem._find import BUILT_IN, builtin_problems
    from evolve.problem._load import load_problem

    contracts = (load_problem(f"{BUILT_IN}{name}", prepare=False).contract for name in builtin_problems())
    return tuple(ProblemLine(one.name, one.metric, one.goal, one.noisy) for one in contracts)


def _two_meanings(name: str) -> str:
    from evolve.problem._find import BUILT_IN, namesake

    return f"type {BUILT_IN}{name}; there is a folder ./{name} too" if namesake(name) else ""


def _run_lines(folder: Path) -> Iterable[RunLine]:
    """One line for each problem of a run; a run that cannot be read is listed with the reason."""
    from archive import ArchiveError
    from evolve.cli.show._json_problems import RunLine
    from evolve.engine._reading import view_all

    for path in sorted(one.parent for one in folder.glob("*/run.json")):
        try:
            views = view_all(str(path))
        except (EvolveError, ArchiveError) as error:
            yield RunLine(str(path), "?", "unreadable", None, 0, str(error))
            continue
        for view in views:
            yield RunLine(str(path), view.problem.contract.name, view.status, view.best_score(), view.progress().candidates)


VERBS = (
    Verb(
        "new",
        "make a small working problem to start from",
        (Argument("DIR", "a new folder"), Argument("--speed", "about a function that is to be made faster")),
        new,
        acts=True,
    ),
    Verb(
        "validate",
        "what is wrong with a problem, or with a candidate for it",
        (
            Argument("PROBLEM", "a built-in problem's name, or a folder"),
            Argument("FILE", "files of a program; also problem.params.NAME=VALUE, sandbox=none, budget.evaluations=N", many="*"),
            Argument("--against", "what it must be better than (default: the initial program)", value="FILES", many="+"),
            Argument("--target", "a score that the program's mean must beat, instead of another program", value="X"),
            Argument("--quick", "of a program: only whether it runs, a few measurements"),
            JSON,
        ),
        validate,
        notes="""\
Without files: ends with 0 if all is well, with 1 if something is wrong; a hint is advice only.
With files: the program gets the treatment that a run gives its candidates, up to a vault of fresh seeds; 0 if it is confirmed to be
better, else 1.  With --target: the one-sided t-test of races (p < 0.01) beside an e-value that holds however often one looks; 0 if
the latter reaches 100 within budget.evaluations (default 20) runs.  On a deterministic problem the score decides, once another
fresh process has given it again.""",
    ),
    Verb("list", "the built-in problems, and runs", (Argument("DIR", "a folder of runs (default: runs)", many="?"), JSON), list_),
)
