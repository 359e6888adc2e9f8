"""redteam: what a problem's evaluator catches."""

from __future__ import annotations

from argparse import Namespace
from typing import TYPE_CHECKING

from evolve._errors import EXIT_DONE, EXIT_NEGATIVE
from evolve._untrusted import visible
from evolve.cli._command import JSON, Argument, Verb
from evolve.cli.show._text import columns, one_line, put, put_json, say

if TYPE_CHECKING:
    from evolve.redteam._bench import RedteamReport

_SETTINGS = ("problem.params.", "sandbox=", "sandbox.tier=", "executor.slots=")


def redteam(words: Namespace) -> int:
    from evolve._errors import UsageError
    from evolve.adapters._choose import load_problem
    from evolve.cli.show._json_problems import redteam_json
    from evolve.config._compose import compose
    from evolve.engine.registry._registry import n_slots, need_machine
    from evolve.execute import LocalExecutor
    from evolve.redteam._bench import redteam_problem

    for word in words.SETTING:
        if not word.startswith(_SETTINGS) or "=" not in word:
            raise UsageError(f"evolve redteam takes problem.params.NAME=VALUE, sandbox=none and executor.slots=N, found {word!r}")
    config = compose([f"problem={words.PROBLEM}", *words.SETTING])
    problem = load_problem(config.problem.name, config.problem.params)
    need_machine(config, problem)
    report = redteam_problem(
        problem,
        lambda problems, sink: LocalExecutor(problems, slots=n_slots(config.executor), tier=config.sandbox.tier, sink=sink),
        only=[name for name in (words.only or "").split(",") if name],
        tell=say,
    )
    if words.json:
        put_json(redteam_json(report))
    else:
        put(_text(report))
    return EXIT_DONE if report.ok else EXIT_NEGATIVE


def _text(report: RedteamReport) -> str:
    """One line a program, those that went wrong once more at the end."""
    rows = [(one.verdict, f"{one.source}/{one.name}", one_line(one.by, 110)) for one in report.findings]
    cheats = [one for one in report.findings if one.cheat]
    honest = [one for one in report.findings if not one.cheat]
    wrong = [one for one in report.findings if not one.good]
    told = [columns(rows), "", *(f"note: {note}" for note in report.notes)]
    told += [f"{one.verdict} {one.source}/{one.name}: {visible(one.by)}" for one in wrong]
    caught, accepted = sum(one.good for one in cheats), sum(one.good for one in honest)
    told.append(
        f"{caught} of {len(cheats)} cheats caught, {accepted} of {len(honest)} honest programs accepted (tier {report.tier})."
    )
    return "\n".join(told)


VERBS = (
    Verb(
        "redteam",
        "does the evaluator catch programs that cheat, and accept honest ones",
        (
            Argument("PROBLEM", "a built-in problem's name, or a folder"),
            Argument("SETTING", "problem.params.NAME=VALUE, sandbox=none, executor.slots=N", many="*"),
            Argument("--only", "names of programs, comma-separated; or own, or general", value="NAMES"),
            JSON,
        ),
        redteam,
        notes="Tries the programs of the problem's redteam/ folder, and attacks that are put into the initial program.  Ends with\n"
        "0 if every cheat was caught and every honest program accepted, with 1 if not.",
    ),
)
