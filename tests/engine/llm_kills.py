"""A run with models whose driver is killed again and again, and what must hold of its journal and of the server's own account."""

from __future__ import annotations

import json
import os
import random
import subprocess
import sys
import time
from collections import Counter
from pathlib import Path

from llm_world import audited, bill, of, records_of, tickets_of_models

from archive import (
    CallReserved,
    CallSettled,
    Follower,
    JournalMissing,
    Measured,
    Proposed,
    ProposeIssued,
    Record,
    RunOpened,
    TextStore,
)
from evolve.budget._ledger import nano
from evolve.engine.registry._registry import parts_of
from evolve.runs._folder import open_folder
from evolve.runs._open import load_run
from evolve.testing import AnsweringServer
from evolve.testing.models._answering import conversation

DRIVER = """
import json, sys
from pathlib import Path
from evolve.engine import _checkpoints
from evolve.config._json import config_from_json
from evolve.engine._session import resume, start

_checkpoints.CHECKPOINT_EVERY = 150  # records: checkpoints are among what is killed
run, config, more = sys.argv[1:]
resume(Path(run), json.loads(more)) if Path(run, "run.json").exists() else start(config_from_json(config))
"""
PATIENCE_S = 120.0


class Chaos:
    """One run, killed at random moments during calls."""

    def __init__(self, config: str, run: Path, server: AnsweringServer, seed: int | None) -> None:
        self.config, self.run, self.server, self.rng = config, run, server, random.Random(seed)
        self.seen: dict[int, Record] = {}
        self.follower: Follower | None = None

    def life(self) -> None:
        """Start a driver, wait until it has something in flight, kill it."""
        driver = self._driver({})
        try:
            wanted = self.rng.choice((RunOpened, CallReserved, CallReserved, CallSettled))
            before, end = self._count(wanted), time.monotonic() + PATIENCE_S
            while self._count(wanted) == before and time.monotonic() < end:
                assert driver.poll() is None, driver.communicate()[1][-2000:]
                time.sleep(0.01)
                self._poll()
            time.sleep(self.rng.uniform(0.0, 0.4))
        finally:
            driver.kill()
            driver.communicate()
        self._poll()

    def last_life(self, more_calls: int) -> None:
        """A driver that comes to its end in good order."""
        driver = self._driver({"calls": len(self.server.asks()) + self._count(CallReserved) + more_calls})
        _, text = driver.communicate(timeout=PATIENCE_S)
        assert driver.returncode == 0, text[-2000:]

    def _driver(self, more: dict[str, int]) -> subprocess.Popen[str]:
        argv = [sys.executable, "-c", DRIVER, str(self.run), self.config, json.dumps(more)]
        env = {**os.environ, "ANTHROPIC_API_KEY": "dummy-key"}
        return subprocess.Popen(
            argv, env=env, stdin=subprocess.DEVNULL, stdout=subprocess.DEVNULL, stderr=subprocess.PIPE, text=True
        )

    def _count(self, kind: type[Record]) -> int:
        return len(of(self.seen.values(), kind))

    def _poll(self) -> None:
        try:
            self.follower = self.follower or Follower(self.run)
            self.seen.update((stamped.seq, stamped.record) for stamped in self.follower.poll())
        except JournalMissing:
            self.follower = None


def judge(chaos: Chaos) -> Counter[str]:
    """Assert everything that must hold; returns what there was."""
    run, server = chaos.run, chaos.server
    records = records_of(run)
    assert all(records[seq] == record for seq, record in chaos.seen.items()), "an acknowledged record is gone"
    reserved, settled = of(records, CallReserved), of(records, CallSettled)
    calls = [(one.attempt, one.call) for one in reserved]
    assert len(calls) == len(set(calls)) == len(settled)
    assert set(calls) == {(one.attempt, one.call) for one in settled}
    ok = [one for one in settled if one.outcome == "ok"]
    assert len(reserved) >= len(server.asks()) >= len(server.counted) >= len(ok)
    _lost_in_full(records)
    _never_sent_twice(run, records, server)
    _money(run, records, server)
    results = Counter((one.attempt.ticket, one.result.candidate, one.result.seed) for one in of(records, Measured))
    children = Counter(one.candidate.id for one in of(records, Proposed) if one.candidate)
    assert max(results.values()) == max(children.values()) == 1, "something is counted twice"
    lost = sum(one.outcome == "lost" for one in settled)
    return Counter(openings=len(of(records, RunOpened)), reserved=len(reserved), asks=len(server.asks()), ok=len(ok), lost=lost)


def _lost_in_full(records: list[Record]) -> None:
    """A lost call cost its worst case; its ticket was issued once, and ended as lost or with an earlier call's child."""
    worst = {(one.attempt, one.call): one for one in of(records, CallReserved)}
    tickets = tickets_of_models(records)
    assert len(tickets) == len([one for one in of(records, ProposeIssued) if one.arm.model])
    for one in of(records, CallSettled):
        if one.outcome == "lost" and one.reason != "never sent":
            asked = worst[one.attempt, one.call]
            assert (one.usd, one.tokens_assumed) == (asked.worst_usd, asked.worst_tokens)
            assert tickets[one.attempt.ticket][1].status == "lost"
    assert all(end is not None for _, end in tickets.values()), "a ticket was left open"


def _never_sent_twice(run: Path, records: list[Record], server: AnsweringServer) -> None:
    """Each first question at the server is one that the journal has, and no more often."""
    texts = TextStore.of_run(run)
    kept = Counter(texts.unpack(one.prompt) for one in of(records, CallReserved) if one.call == 1 and one.prompt)
    sent = Counter()
    for heard in server.asks():
        system, turns = conversation(heard)
        if len(turns) == 1:
            sent[f"{system}\n\n{turns[0]}"] += 1
    assert sent
    assert not sent - kept


def _money(run: Path, records: list[Record], server: AnsweringServer) -> None:
    """What the server counted is paid for, and no more than that and what is lost."""
    ledger = audited(records)
    assert ledger.reserved.calls == 0
    ok = sum(nano(one.usd) for one in of(records, CallSettled) if one.outcome == "ok")
    assert ok <= bill(server.counted) <= ledger.settled.nano
    live = load_run(open_folder(run), parts_of)[2].run.model_limits.ledger
    assert (live.settled, live.reserved) == (ledger.settled, ledger.reserved)
