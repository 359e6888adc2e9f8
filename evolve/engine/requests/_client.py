"""A request to a run, whoever has it: its driver carries it out, or this process does while it holds the lock itself."""

from __future__ import annotations

import json
import shlex
import time
from collections.abc import Mapping
from contextlib import ExitStack, suppress
from typing import Any

from archive import Journal, RequestHandled, find_records
from evolve._errors import RunLocked, UsageError
from evolve.engine._proposing import proposers_of
from evolve.engine.registry._registry import need_named, parts_of
from evolve.engine.requests._handlers import handle
from evolve.runs._folder import RunDir, RunLock, is_driven
from evolve.runs._inbox import Request, inbox_folder, pending, post, withdraw
from evolve.runs._open import open_search, read_config_and_problems
from evolve.runs._recorder import Recorder

ANSWER_S = 30.0  # how long a driver may take at most
DRAIN_S = 600.0  # and to drain
_EVERY_S = 0.1


def send_request(run: RunDir, verb: str, body: Mapping[str, object], within_s: float | None = None) -> Mapping[str, Any]:
    """Carry out a verb of ``evolve.engine.requests._handlers``, durably; returns its answer.

    A driver has ``within_s`` seconds to give it, never more than ``ANSWER_S``, and as many where nothing is said.

    Raises:
        UsageError: it was refused; the message is the run's.
        RunLocked: a driver has the run and did not answer in time.
    """
    request = post(run.path, verb, json.dumps(dict(body)))
    _wait_until_taken(run, request, ANSWER_S if within_s is None else min(within_s, ANSWER_S))
    for stamped in find_records(run.path, ("requested",), mention=request.id):
        if isinstance(stamped.record, RequestHandled) and stamped.record.request == request.id:
            found: dict[str, Any] = json.loads(stamped.record.answer)
            if not stamped.record.accepted:
                raise UsageError(found["error"].replace("evolve resume RUN", f"evolve resume {shlex.quote(str(run.path))}"))
            return found
    raise RunLocked(f"{run.path} was let go before it answered; type the same again.")


def stop_run(run: RunDir, wait_s: float) -> str:
    """Let a live run end in good order: ``not running``, ``stopped``, ``stopped by itself``, or ``draining`` when the wait was over
    first."""
    if not is_driven(run):
        return "not running"
    request, end = post(run.path, "stop", "{}"), time.monotonic() + wait_s
    while is_driven(run):
        if time.monotonic() >= end:
            return "draining"
        time.sleep(_EVERY_S)
    # A driver that ended by itself meanwhile has not seen the request: nothing may be left behind.
    return "stopped by itself" if withdraw(run.path, request) else "stopped"


def _wait_until_taken(run: RunDir, request: Request, within_s: float) -> None:
    """Wait until a driver took the request; carry it out here as soon as there is none, one such process after another."""
    file, end = inbox_folder(run.path) / f"{request.id}.json", time.monotonic() + within_s
    while file.exists():
        if not is_driven(run):
            with suppress(RunLocked):  # somebody was faster
                _handle_here(run, request)
                return
        elif time.monotonic() >= end and withdraw(run.path, request):
            raise RunLocked(f"{run.path} is driven by a process that did not answer in {within_s:.3g} s; try again.")
        time.sleep(_EVERY_S)


def _handle_here(run: RunDir, request: Request) -> None:
    """Nobody drives the run: take its lock, bring a search up to date, write what the waiting requests do, this one among them."""
    with ExitStack() as stack:
        stack.enter_context(RunLock(run))
        stack.callback(withdraw, run.path, request)
        config, problems = read_config_and_problems(run)
        need_named(config)
        journal = stack.enter_context(Journal.open(run.path))
        search, texts, _ = open_search(run, config, problems, parts_of(config), journal)
        recorder = Recorder(journal, search, texts, time.time)
        proposers = proposers_of(run, config, problems, search, texts)
        taken = [one for one in pending(run.path) if one.verb != "stop"]  # others may have been left by whoever was killed
        for one in taken:
            if one.id in search.run.handled_requests:  # a driver recorded it and was killed before it removed the file
                continue
            for record in handle(search, one, proposers, time.time(), driven=False):
                recorder.write(record)
        if journal.written is not None:
            journal.wait_durable(journal.written.seq)
        for one in taken:
            withdraw(run.path, one)
