"""Driving a run on and trying a program, for a server's tools: what takes long goes on, or is given up, in a process of its own."""

from __future__ import annotations

import json
import subprocess
import sys
import tempfile
import time
from collections.abc import Mapping
from dataclasses import replace
from pathlib import Path
from typing import Any

from evolve._errors import EXIT_NEGATIVE, RunError, UsageError
from evolve.cli.show._json_runs import any_status_json
from evolve.cli.show._text import Json
from evolve.engine._reading import view_all, view_run
from evolve.engine.requests._background import Background
from evolve.engine.requests._client import send_request
from evolve.engine.requests._limits import need_room_in
from evolve.engine.requests._telling import Pause
from evolve.propose._scope import is_plain_path
from evolve.runs._folder import Hold, RunDir, hold_of, is_driven, open_folder
from evolve.views._run_view import OPENS, STARTING

VALIDATE_S = 120.0
_OPENING_S = 10.0  # how long an opening is waited for, whatever was asked: it may be refused
_AT_ONCE_S = 1.0  # how long an end is, where there is little to do
_EVERY_S = 0.05


def resume_run(path: str, budget: Mapping[str, float], *, drive: bool, wait_s: float, pause: Pause = time.sleep) -> Json:
    """Change limits and drive a run on; returns its status, after at most about ``wait_s`` seconds of waiting for its end.
    Where the opening takes long the status says that it is starting.

    ``pause`` sleeps between two looks; what it raises ends the wait.

    Raises:
        UsageError: no such limit, or more than it is spent already.
        RunError: no run in that folder, or one that cannot be opened.
    """
    asked = time.monotonic()
    run = open_folder(Path(path))
    changes = {key.removeprefix("budget."): int(much) if float(much).is_integer() else much for key, much in budget.items()}
    if changes and not is_driven(run):  # a refusal is not recorded
        need_room_in(view_all(path)[0], changes)
    if changes:
        send_request(run, "budget", changes)
    if drive and not is_driven(run):
        with Background(run.path, []) as opening:
            seen = _await_opening(run, opening, asked + max(wait_s, _OPENING_S), pause)
            opening.wait(max(asked + wait_s, time.monotonic() + _AT_ONCE_S), pause)
            begins = not (seen or opening.ended)
            opening.check()
            answer = any_status_json(view_all(path))
            return _starting(answer) if begins else answer
    return any_status_json(view_all(path))


def _starting(answer: Json) -> Json:
    """The same of a run whose driver is on its way."""
    driven = {"outlook": replace(answer["outlook"], driven=True)} if "outlook" in answer else {}
    problems = {"problems": [_starting(one) for one in answer["problems"]]} if "problems" in answer else {}
    return {**answer, "status": STARTING, "reason": OPENS, **driven, **problems}


def _await_opening(run: RunDir, opening: Background, until: float, pause: Pause) -> bool:
    """Wait until a driver has opened the run, or the process that was to do so ended.  Returns whether it was seen open."""
    while (seen := hold_of(run)) is not Hold.OPEN and not opening.ended and time.monotonic() < until:
        pause(_EVERY_S)
    return seen is Hold.OPEN


def validate_run(path: str, files: Mapping[str, str], wait_s: float, problem: str = "") -> dict[str, Any]:
    """What ``evolve validate --json`` says of the run's problem (of several, of that which is named), or with files of that
    program: ``--quick``.

    Raises:
        UsageError: a path that is none, or a problem or program that cannot be tried.
        RunError: no run in that folder, or it took longer than ``wait_s``.
    """
    opened = view_run(path, problem)
    odd = next((name for name in files if not is_plain_path(name)), None)
    if odd is not None:
        raise UsageError(f"expected plain relative paths with forward slashes, found {odd!r}.")
    with tempfile.TemporaryDirectory(prefix="evolve-try-") as folder:
        for name, text in files.items():
            place = Path(folder, name)
            place.parent.mkdir(parents=True, exist_ok=True)
            place.write_text(text, encoding="utf-8")
        tier = f"sandbox={opened.config.sandbox.tier}"
        words = [str(opened.problem.folder), *([folder] if files else []), tier, *(["--quick"] if files else []), "--json"]
        try:
            done = subprocess.run(
                [sys.executable, "-P", "-m", "evolve", "validate", *words],
                stdin=subprocess.DEVNULL,
                capture_output=True,
                timeout=wait_s,
                check=False,
            )
        except subprocess.TimeoutExpired:
            raise RunError(f"not known after {wait_s:g} s; give wait_s more.") from None
    if done.returncode > EXIT_NEGATIVE or not done.stdout.strip():
        raise UsageError(done.stderr.decode(errors="replace").strip().removeprefix("evolve: "))
    found: dict[str, Any] = json.loads(done.stdout)
    return found
