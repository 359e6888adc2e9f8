"""Driving runs: run, resume, stop, rebin."""

from __future__ import annotations

import math
import shlex
from argparse import Namespace
from collections.abc import Callable, Mapping
from pathlib import Path
from typing import TYPE_CHECKING

from evolve._errors import EXIT_DONE, EXIT_INTERRUPTED, EXIT_NEGATIVE, RunLocked, UsageError
from evolve.cli._command import JSON, PROBLEM, RUN, Argument, Verb
from evolve.cli.show._text import put, put_json, say

if TYPE_CHECKING:
    from evolve.cli.show._live import LiveView
    from evolve.runs._folder import RunDir
    from evolve.views._summary import Summary

_EXIT = {"done": EXIT_DONE, "stopped": EXIT_DONE, "interrupted": EXIT_INTERRUPTED}


def run(words: Namespace) -> int:
    from evolve.adapters._choose import adapter_notes
    from evolve.adapters._suite import skipped_in
    from evolve.config._compose import compose
    from evolve.engine._session import start

    config = compose(words.SETTING)
    for name in config.problem.names or (config.problem.name,):
        for note in adapter_notes(name, config.problem.params):
            say(note)
    for where in (word.removeprefix("problem=") for word in words.SETTING if word.startswith("problem=")):
        if skipped := skipped_in(where):
            say(f"note: no problem, as no problem.yaml is in it: {', '.join(skipped)}")
    return _driven(lambda view: start(config, hooks=[view.record], announce=view.on_started), words.json)


def resume(words: Namespace) -> int:
    from evolve.config._compose import budget_changes, executor_changes
    from evolve.engine._session import resume as go_on
    from evolve.runs._folder import is_driven, open_folder

    changes, elsewhere = budget_changes(words.SETTING), executor_changes(words.SETTING)
    path = Path(words.RUN)
    if changes and not elsewhere and is_driven(found := open_folder(path)):
        return _raise_budget(found, changes)
    try:
        return _driven(
            lambda view: go_on(
                path, changes, executor=elsewhere, as_recorded=words.recorded, hooks=[view.record], announce=view.on_started
            ),
            words.json,
        )
    except RunLocked as error:
        raise RunLocked(
            f"{error}; to give it more while it runs, type: evolve resume {shlex.quote(str(path))} budget.KEY=VALUE"
        ) from error


def stop(words: Namespace) -> int:
    from evolve.engine.requests._client import DRAIN_S, stop_run
    from evolve.runs._folder import open_folder

    found, wait_s = open_folder(Path(words.RUN)), _seconds(words.wait)
    answer = stop_run(found, DRAIN_S if wait_s is None else wait_s)
    if words.json:
        put_json({"run": str(found.path), "answer": answer.replace(" ", "_")})
    elif answer == "draining":
        put(f"{found.path}: draining; it ends when the measurements in hand have ended.")
    elif answer == "not running":
        run = shlex.quote(str(found.path))
        put(f"{found.path}: not running, nothing to stop; how it stands: evolve status {run}; to go on: evolve resume {run}")
    else:
        put(f"{found.path}: {answer}")
    return EXIT_DONE


def rebin(words: Namespace) -> int:
    from evolve.cli.show._learnt import archive_text, ranges_text
    from evolve.engine._reading import view_run
    from evolve.engine.api._create import open_run

    run = open_run(words.RUN).of(view_run(words.RUN, words.problem or "").problem.contract.name)
    ranges = [_range(word) for word in words.AXIS]
    if len(dict(ranges)) < len(ranges):
        raise UsageError(f"expected each descriptor once, found {' '.join(words.AXIS)}; leave all but one out")
    spread = run.rebin(dict(ranges))
    if words.json:
        put_json({"run": str(run.path), "spread": spread})
    else:
        put(f"{run.path}: every candidate is placed anew: {archive_text(spread)}\nranges: {ranges_text(spread)}")
    return EXIT_DONE


def _range(word: str) -> tuple[str, list[float]]:
    """A descriptor's name, low end, high end and, where it is said, number of bins."""
    name, _, said = word.rpartition("=")
    try:
        low, high, *bins = said.split(":")
        (n_bins,) = map(int, bins) if bins else (None,)
        found = [float(low), float(high)]
    except ValueError:
        raise UsageError(f"expected NAME=LOW:HIGH or NAME=LOW:HIGH:BINS, found {word!r}; type for example x=0:10:20") from None
    if not name or not all(map(math.isfinite, found)):
        raise UsageError(f"expected NAME=LOW:HIGH or NAME=LOW:HIGH:BINS, found {word!r}; type for example x=0:10:20")
    return name, found if n_bins is None else [*found, n_bins]


def _driven(drive: Callable[[LiveView], Summary], as_json: bool) -> int:
    """Drive a run under a live view, then say what came of it."""
    from evolve.cli.show._ending import ending
    from evolve.cli.show._json_runs import run_json
    from evolve.cli.show._live import open_view
    from evolve.cli.show._suite import suite_ending

    with open_view() as view:
        summary = drive(view)
    if as_json:
        put_json(run_json(summary, view.opened))
    elif summary.problems:
        put(suite_ending(summary, (view.opened, *view.others)))
    else:
        put(ending(summary, view.opened))
    return _EXIT.get(summary.status, EXIT_NEGATIVE)


def _raise_budget(run: RunDir, changes: Mapping[str, object]) -> int:
    """Ask the live driver for another budget.  Raises as ``send_request``."""
    from evolve.engine.requests._client import send_request

    send_request(run, "budget", changes)
    say(f"{run.path} is running; its budget is now changed: {', '.join(f'{key}={value}' for key, value in changes.items())}")
    return EXIT_DONE


def _seconds(text: str | None) -> float | None:
    if text is None:
        return None
    try:
        return float(text)
    except ValueError:
        raise UsageError(f"--wait takes seconds, found {text!r}; type for example --wait 10") from None


VERBS = (
    Verb(
        "run",
        "search for a better program; alone: circle_packing, three minutes",
        (Argument("SETTING", "key=value; all keys: evolve config", many="*"), JSON),
        run,
        acts=True,
        notes="""\
examples:
  evolve run
  evolve run problem=./my_problem budget.wall_s=600 out=runs/first
  evolve run problem=circle_packing problem.params.n=32 search=hill_climb seed=3
Ctrl-C (or SIGTERM) ends the run after the measurements in hand, a second one at once; nothing is lost either way.
A terminal that goes away (SIGHUP) ends it like one Ctrl-C; under nohup the run goes on, and what nobody can read is dropped.
--json prints one object when the run has ended.""",
    ),
    Verb(
        "resume",
        "go on with a run, whatever ended it",
        (
            RUN,
            Argument(
                "SETTING",
                "budget.key=value: another limit, also of a run that is live; executor=NAME, executor.key=value: where it goes on",
                many="*",
            ),
            Argument("--recorded", "with the problem as recorded, although RUN/problem was changed (that is kept)"),
            JSON,
        ),
        resume,
        acts=True,
    ),
    Verb(
        "stop",
        "let a live run end in good order",
        (RUN, Argument("--wait", "how long to wait for its end (default 600)", value="SECONDS"), JSON),
        stop,
        acts=True,
    ),
    Verb(
        "rebin",
        "give descriptors other ranges by hand; every candidate is placed anew",
        (RUN, Argument("AXIS", "NAME=LOW:HIGH or NAME=LOW:HIGH:BINS", many="+"), PROBLEM, JSON),
        rebin,
        acts=True,
        notes="""\
example:
  evolve rebin RUN length=0:200:20
Works on a live run and on one that nobody drives; search.rebin_share leaves these ranges alone from then on.
Which descriptors there are, and their ranges: evolve status RUN.""",
    ),
)
