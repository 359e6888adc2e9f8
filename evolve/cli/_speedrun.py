"""speedrun: a record of the NanoGPT speedrun, checked, or written from a run."""

from __future__ import annotations

from argparse import Namespace
from pathlib import Path
from typing import TYPE_CHECKING

from evolve._errors import EXIT_DONE, EXIT_NEGATIVE, UsageError, suggest
from evolve.cli._command import JSON, Argument, Verb
from evolve.cli.show._text import put, put_json

if TYPE_CHECKING:
    from evolve.speedrun import Report

_ACTIONS = ("verify", "package")


def speedrun(words: Namespace) -> int:
    if words.ACTION not in _ACTIONS:
        more = suggest(words.ACTION, _ACTIONS, "type: evolve speedrun verify FOLDER", "evolve speedrun {}")
        raise UsageError(f"expected {' or '.join(_ACTIONS)} after evolve speedrun, found {words.ACTION!r}; {more}")
    return _package(words) if words.ACTION == "package" else _verify(words)


def _verify(words: Namespace) -> int:
    from evolve.speedrun import verify

    if words.ID or words.to:
        raise UsageError(f"verify takes one folder, found {words.ID or '--to'} too; leave it out.")
    return _shown(
        verify(words.FOLDER, track=_track(words.track), target=_target(words.target), baseline=words.baseline), words.json
    )


def _package(words: Namespace) -> int:
    from evolve.research._race import package
    from evolve.speedrun import verify

    if not words.to:
        raise UsageError("expected where to write, found nothing; type: evolve speedrun package RUN --to FOLDER")
    if words.track or words.target or words.baseline:
        raise UsageError(
            "--track, --target and --baseline are of verify: a run knows its own; type: evolve speedrun package RUN --to FOLDER"
        )
    return _shown(verify(package(words.FOLDER, words.ID or "", Path(words.to))), words.json)


def _shown(report: Report, as_json: bool) -> int:
    from evolve.cli.show._speedrun import speedrun_json, speedrun_text

    if as_json:
        put_json(speedrun_json(report))
    else:
        put(speedrun_text(report))
    return EXIT_DONE if report.ok else EXIT_NEGATIVE


def _track(word: str | None) -> int | None:
    if word is not None and word not in ("1", "2", "3"):
        raise UsageError(f"--track takes 1, 2 or 3, found {word!r}")
    return int(word) if word else None


def _target(word: str | None) -> float | None:
    try:
        return float(word) if word is not None else None
    except ValueError:
        raise UsageError(f"--target takes a loss, such as 3.28, found {word!r}") from None


VERBS = (
    Verb(
        "speedrun",
        "re-check a record of the NanoGPT speedrun, or write one from a race's run",
        (
            Argument("ACTION", "verify or package"),
            Argument("FOLDER", "verify: a record's folder, with logs in it or in sub-folders, or one log; package: a run"),
            Argument("ID", "package: the candidate; default: that of the latest confirmed claim", many="?"),
            Argument("--to", "package: where the record's folder is made", value="FOLDER"),
            Argument("--track", "1, 2 or 3; told by the folder or its logs where it is not given", value="N"),
            Argument("--target", "the loss to be reached, instead of the track's", value="LOSS"),
            Argument("--baseline", "runs to compare with, instead of the folder's own baseline", value="FOLDER"),
            JSON,
        ),
        speedrun,
        notes="Reads logs and Markdown, runs nothing.  Each rule holds, fails, cannot be told from logs, or is waived by what the\n"
        "text claims.  Ends with 0 if nothing that can be told fails, with 1 if something does.\n"
        "package writes TO/DATE_NAME from a confirmed claim: a log for each run that was announced for it, the baseline's beside,\n"
        "and a page with the tests; and verifies it.",
    ),
)
