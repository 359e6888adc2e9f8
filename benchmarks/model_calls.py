"""Model calls in flight in one process: throughput beside what the latency alone would allow.

    python benchmarks/model_calls.py [--in-flight 16 64 256] [--latency 2] [--rounds 3] [--waves 4] [--json]

The thread of models, caller, ledger, the official client and a durable journal are the real ones; so are prompts, edits and
children.  The server is a process of its own on 127.0.0.1 that answers each question after a fixed time with an edit, so its CPU is
not counted.  A new ticket is handed out when one ends, as the loop does.  A round is ``waves`` answers for each place in flight,
from settlement to settlement; the first two waves, which import, connect and start all at once, are not counted.  Ratio is
throughput over calls in flight / latency; CPU is this process's, all threads; memory is the most that was resident.
"""

from __future__ import annotations

import argparse
import json
import multiprocessing
import os
import queue
import resource
import tempfile
import time
from dataclasses import asdict, dataclass
from multiprocessing.connection import Connection
from pathlib import Path

from _common import Spread, hardware, program

from archive import Arm, Attempt, CallSettled, ProposeIssued
from evolve.config._llm import LlmConfig, SamplingConfig
from evolve.config._schema import BudgetConfig
from evolve.engine.models._stack import ModelStack
from evolve.engine.models._thread import CallRecorded, DraftReady, ModelThread
from evolve.search._rng import generator
from evolve.testing import AnsweringServer, Harness, Script, scored

MODEL = "claude-test"
SIZE = 2000  # bytes of the program
TARGET = 0.95


@dataclass(frozen=True, slots=True)
class Round:
    """What one round came to."""

    calls: int
    ok: int
    per_s: float
    ratio: float
    cpu_ms: float  # a call


def serve(latency_s: float, pipe: Connection) -> None:
    """The server's process: tells its address, and at the end how many questions came."""
    with AnsweringServer(delay_s=latency_s) as server:
        pipe.send(server.url)
        pipe.recv()
        pipe.send(len(server.asks()))


class World:
    """One opening of a run whose tickets are handed out here, and not by a search."""

    def __init__(self, folder: Path, url: str, in_flight: int) -> None:
        llm = LlmConfig(
            provider="anthropic",
            models=(MODEL,),
            base_url=url,
            prices=("*=1/5",),
            max_concurrency=in_flight,
            sampling=SamplingConfig(max_tokens=2000),
        )
        files = {"main.py": program(SIZE)}
        script = Script(seed_files=files, answer=scored(lambda files, seed: 0.0), budget=BudgetConfig(usd=1e6), llm=llm)
        self.harness = harness = Harness(script, folder)
        self.search, self.proposer, self.recorder = harness.search, harness.proposer, harness.recorder
        self.mail: queue.SimpleQueue = queue.SimpleQueue()
        run = harness.run
        self.model_thread = ModelThread(
            lambda reservations: ModelStack(llm, run, reservations),
            self.search.run.model_limits.ledger.copy(),
            self.mail.put,
        )

    def submit(self, ticket: int) -> None:
        attempt = Attempt(self.harness.epoch, ticket, 1)
        arm = Arm("llm_mutate", MODEL, "diff")
        issued = ProposeIssued(attempt, self.search.state.problem, arm, (self.search.state.population.candidates[0].id,))
        self.harness.journal.append(issued, at=0.0)
        self.search.run.tickets.proposals[ticket] = issued
        context = self.proposer.context(self.search.state, issued, 0.0)
        self.model_thread.submit(issued, context, self.proposer.scope, generator(0, "model", ticket))

    def close(self) -> None:
        self.model_thread.close()
        self.harness.close()

    def drive(self, in_flight: int, n: int) -> list[tuple[float, float, bool]]:
        """Time, CPU time and success of ``n`` settlements, with so many tickets always in flight."""
        seen: list[tuple[float, float, bool]] = []
        for due in range(1, in_flight + 1):
            self.submit(due)
        while len(seen) < n:
            message = self.mail.get()
            if isinstance(message, CallRecorded):
                record = self.proposer.packed(self.search.state, message)
                self.harness.journal.append(record, at=0.0, on_durable=message.on_durable)
                if isinstance(record, CallSettled):
                    seen.append((time.perf_counter(), time.process_time(), record.outcome == "ok"))
            elif isinstance(message, DraftReady):
                made = self.proposer.from_draft(self.search.state, message)
                self.harness.journal.append(self.search.accept_proposal(made), at=0.0)
                del self.search.run.tickets.proposals[message.issued.attempt.ticket]
                due += 1
                self.submit(due)
            else:
                raise RuntimeError(message)
        return seen


def rounds_of(seen: list[tuple[float, float, bool]], in_flight: int, waves: int, latency_s: float) -> list[Round]:
    """The rounds after the first two waves."""
    found, size = [], waves * in_flight
    for first in range(2 * in_flight, len(seen) - size, size):
        (begun, cpu, _), (ended, cpu_end, _) = seen[first], seen[first + size]
        ok = sum(fine for _, _, fine in seen[first : first + size])
        per_s = size / (ended - begun)
        found.append(Round(size, ok, per_s, per_s * latency_s / in_flight, 1000 * (cpu_end - cpu) / size))
    return found


@dataclass(frozen=True, slots=True)
class Row:
    """All rounds of one number in flight."""

    max_concurrency: int
    calls: int
    heard: int  # by the server
    failed: int
    per_s: Spread
    ratio: Spread
    cpu_ms: Spread  # a call
    memory_mib: float


def measure(in_flight: int, latency_s: float, rounds: int, waves: int) -> Row:
    """Calls with so many in flight, to a server of their own."""
    pipe, other = multiprocessing.Pipe()
    context = multiprocessing.get_context("spawn")
    server = context.Process(target=serve, args=(latency_s, other))
    server.start()
    try:
        url = pipe.recv()
        with tempfile.TemporaryDirectory() as folder:
            world = World(Path(folder), url, in_flight)
            seen = world.drive(in_flight, (2 + rounds * waves) * in_flight + 1)
            world.close()
        pipe.send("end")
        heard = pipe.recv()
    finally:
        server.join(10)
    found = rounds_of(seen, in_flight, waves, latency_s)
    per_s, ratio, cpu_ms = (Spread.of([getattr(one, name) for one in found]) for name in ("per_s", "ratio", "cpu_ms"))
    return Row(
        in_flight,
        len(seen),
        heard,
        sum(one.calls - one.ok for one in found),
        per_s,
        ratio,
        cpu_ms,
        resource.getrusage(resource.RUSAGE_SELF).ru_maxrss / 1024,
    )


def main() -> int:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--in-flight", type=int, nargs="+", default=[16, 64, 256])
    parser.add_argument("--latency", type=float, default=2.0)
    parser.add_argument("--rounds", type=int, default=3)
    parser.add_argument("--waves", type=int, default=4)
    parser.add_argument("--json", action="store_true")
    words = parser.parse_args()
    os.environ["ANTHROPIC_API_KEY"] = "dummy-key"
    rows = [measure(n, words.latency, words.rounds, words.waves) for n in words.in_flight]
    if words.json:
        print(
            json.dumps(
                {
                    "benchmark": "model_calls",
                    "hardware": hardware(),
                    "latency_s": words.latency,
                    "rows": [asdict(row) for row in rows],
                }
            )
        )
        return 0
    print(f"{words.latency:g} s a call, {words.rounds} rounds; target: ratio >= {TARGET}")
    for row in rows:
        spreads = {"per_s": row.per_s, "ratio": row.ratio, "cpu_ms": row.cpu_ms}
        cells = "  ".join(f"{name} {one.median:8.3f} ({one.low:.3f} to {one.high:.3f})" for name, one in spreads.items())
        print(f"{row.max_concurrency:4} in flight  {cells}  {row.memory_mib:.0f} MiB  {row.failed} of {row.calls} failed")
    return 0


if __name__ == "__main__":
    raise SystemExit(main())
