"""speedrun: a record of the NanoGPT speedrun, checked."""

from __future__ import annotations

from argparse import Namespace

from evolve._errors import EXIT_DONE, EXIT_NEGATIVE, UsageError, suggest
from evolve.cli._command import JSON, Argument, Verb
from evolve.cli.show._text import put, put_json

_ACTIONS = ("verify",)


def speedrun(words: Namespace) -> int:
    from evolve.cli.show._speedrun import speedrun_json, speedrun_text
    from evolve.speedrun import verify

    if words.ACTION not in _ACTIONS:
        more = suggest(words.ACTION, _ACTIONS, "type: evolve speedrun verify FOLDER", "evolve speedrun {}")
        raise UsageError(f"expected {', '.join(_ACTIONS)} after evolve speedrun, found {words.ACTION!r}; {more}")
    report = verify(words.FOLDER, track=_track(words.track), target=_target(words.target), baseline=words.baseline)
    if words.json:
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
        "re-check a record of the NanoGPT speedrun: which rules its logs keep",
        (
            Argument("ACTION", "verify"),
            Argument("FOLDER", "a record's folder, with logs in it or in sub-folders, or one log"),
            Argument("--track", "1, 2 or 3; told by the folder or its logs where it is not given", value="N"),
            Argument("--target", "the loss to be reached, instead of the track's", value="LOSS"),
            Argument("--baseline", "runs to compare with, instead of the folder's own baseline", value="FOLDER"),
            JSON,
        ),
        speedrun,
        notes="Reads logs and Markdown, runs nothing.  Each rule holds, fails, cannot be told from logs, or is waived by what the\n"
        "text claims.  Ends with 0 if nothing that can be told fails, with 1 if something does.",
    ),
)
