"""kill -9 of a running search at random moments: what is lost, what is counted twice.

    python benchmarks/kills.py [--kills 1000] [--tier none] [--seed N] [--keep DIR] [--json]

A driver process runs a small problem through the real graders, with a sandbox in a quarter of the measurements.  This process
follows its journal, posts notes into its inbox, kills it at a random moment (while it opens, after that, or after its first
results), and starts the next driver on the same run.  At the end one driver finishes the run.  Three counts are independent of
the engine:

- the evaluator appends a line to a file for every execution, before its result goes anywhere;
- what the follower saw of the journal before each kill must be there at the end, record by record;
- a note whose request file is gone was acknowledged, and must be in the journal once.
"""

from __future__ import annotations

import argparse
import json
import random
import shutil
import subprocess
import sys
import tempfile
import time
from collections import Counter
from dataclasses import asdict, dataclass, field
from pathlib import Path

from archive import Follower, JournalMissing, LateResult, Measured, Note, Proposed, Record, RunClosed, RunOpened, read_journal
from evolve.engine.registry._registry import parts_of
from evolve.runs._folder import open_folder
from evolve.runs._inbox import Request, post
from evolve.runs._open import load_run

CONTRACT = """
name: kills
metric: height
goal: maximize
noise: deterministic
params: {trace: ""}
"""
SEED = "X = 0.25\nY = 0.75\nZ = 3.5\n\n\ndef point():\n    return [X + Z / 7, Y * 1.5, Z - 2.25]\n"
EVALUATE = """
import os
import re

from archive import candidate_id
from evolve import JsonValue, Outcome, Status


def evaluate(trial):
    outcome = in_the_sandbox(trial) if trial.seed % 4 == 0 else at_once(trial)
    line = f"{candidate_id(trial.files)} {trial.stage} {trial.seed}\\n".encode()
    trace = os.open(trial.params["trace"], os.O_WRONLY | os.O_APPEND)
    os.write(trace, line)
    os.close(trace)
    return outcome


def in_the_sandbox(trial):
    reply = trial.sandbox.call("main.py:point", {}, {"point": JsonValue()})
    return Outcome(score=height(reply.value["point"])) if reply.ok else reply.outcome()


def at_once(trial):
    numbers = [float(text) for text in re.findall(r"= ([-+0-9.e]+)$", trial.files["main.py"], re.MULTILINE)]
    return Outcome(score=height(numbers)) if numbers else Outcome.fail(Status.INVALID, "no numbers")


def height(values):
    return -sum((value - 0.5) ** 2 for value in values)
"""
DRIVER = """
import json, sys
from pathlib import Path
from evolve.config._schema import BudgetConfig, ExecutorConfig, ProblemConfig, RunConfig, SandboxConfig
from evolve.engine import _checkpoints
from evolve.engine._session import resume, start

_checkpoints.CHECKPOINT_EVERY = 150  # records: checkpoints are among what is killed
run, problem, trace, tier, more = sys.argv[1:]
if (Path(run) / "run.json").exists():
    resume(Path(run), json.loads(more))
else:
    start(RunConfig(
        problem=ProblemConfig(name=problem, params={"trace": trace}), budget=BudgetConfig(evaluations=10_000_000),
        executor=ExecutorConfig(slots=2), sandbox=SandboxConfig(tier=tier), out=run,
    ))
"""
OPENING_S = 1.0  # about how long a driver takes to its first result
LIVES_S = 0.4  # the longest a driver lives after what is awaited
LAST_CANDIDATES = 28  # a limit of evaluations would have its last one measure the leader a third time, which is no fault
PATIENCE_S = 120.0


@dataclass(slots=True)
class Outcome:
    """What a battery found.  All counts of faults must be 0."""

    kills: int
    openings: int = 0  # drivers that got as far as their first record
    begun_anew: int = 0  # runs killed before their first record
    executions: int = 0  # counted by the evaluator
    measured: int = 0
    late: int = 0  # results of another attempt, logged only
    notes: int = 0
    records: int = 0
    lost: int = 0  # seen before a kill, not there at the end
    notes_lost: int = 0
    counted_twice: int = 0  # measurements, candidates, notes
    unexecuted: int = 0  # results that no execution stands for
    miscounted: int = 0  # totals of the search that differ from the journal's
    wall_s: float = 0.0
    messages: list[str] = field(default_factory=list)  # of drivers that ended by themselves too early

    @property
    def faults(self) -> int:
        totals = self.lost + self.notes_lost + self.counted_twice + self.unexecuted + self.miscounted
        return totals + len(self.messages)


class Battery:
    """One run, killed again and again."""

    def __init__(self, folder: Path, *, tier: str, rng: random.Random) -> None:
        self.run, self.problem, self.trace = folder / "run", folder / "problem", folder / "executions"
        self.tier, self.rng = tier, rng
        (self.problem / "initial").mkdir(parents=True)
        (self.problem / "problem.yaml").write_text(CONTRACT)
        (self.problem / "evaluate.py").write_text(EVALUATE)
        (self.problem / "initial" / "main.py").write_text(SEED)
        self.trace.touch()
        self.follower: Follower | None = None
        self.seen: dict[int, Record] = {}
        self.posted: list[Request] = []
        self.counts: Counter[type[Record] | None] = Counter()  # of the records seen, by kind

    def life(self, outcome: Outcome) -> None:
        """Start a driver and kill it."""
        driver = self._driver({})
        try:
            await_first = self.rng.choices((None, RunOpened, Measured), (1, 1, 3))[0]
            before, deadline = self.counts[await_first], time.monotonic() + PATIENCE_S
            while await_first and self.counts[await_first] == before and driver.poll() is None and time.monotonic() < deadline:
                self._watch(driver, 0.02)
            self._watch(driver, self.rng.uniform(0.0, LIVES_S if await_first else OPENING_S))
        finally:
            ended = driver.poll()
            driver.kill()
            _, text = driver.communicate()
        self._poll()
        if ended is not None and not self._begin_anew(outcome):
            outcome.messages.append(text.strip()[-400:])

    def _begin_anew(self, outcome: Outcome) -> bool:
        """A run that was killed before its first record cannot be resumed; nothing was acknowledged."""
        if self.seen or not self.run.exists():
            return False
        shutil.rmtree(self.run)
        self.follower = None
        outcome.begun_anew += 1
        return True

    def last_life(self) -> str:
        """A driver that finishes the run; returns what it said where it failed."""
        driver = self._driver({"candidates": self.counts[Proposed] + LAST_CANDIDATES})
        try:
            _, text = driver.communicate(timeout=PATIENCE_S)
        except subprocess.TimeoutExpired:
            driver.kill()
            return "the last driver did not come to an end"
        return text.strip()[-400:] if driver.returncode else ""

    def judge(self, outcome: Outcome) -> None:
        """Compare the counts."""
        records = {stamped.seq: stamped.record for stamped in read_journal(self.run)}
        measured = [record for record in records.values() if isinstance(record, Measured)]
        children = [record.candidate.id for record in records.values() if isinstance(record, Proposed) and record.candidate]
        notes = Counter(record.request for record in records.values() if isinstance(record, Note))
        results = Counter((one.result.candidate, one.result.stage, one.result.seed, one.purpose) for one in measured)
        executions = Counter(self.trace.read_text().splitlines())
        need = Counter(f"{candidate} {stage} {seed}" for candidate, stage, seed, _ in results.elements())
        search = load_run(open_folder(self.run), parts_of)[2]
        outcome.openings = sum(isinstance(record, RunOpened) for record in records.values())
        outcome.executions, outcome.measured = executions.total(), len(measured)
        outcome.late = sum(isinstance(record, LateResult) for record in records.values())
        outcome.records, outcome.notes = len(records), len(notes)
        outcome.lost = sum(records.get(seq) != record for seq, record in self.seen.items())
        waiting = {path.stem for path in (self.run / "inbox").iterdir()}
        outcome.notes_lost = sum(request.id not in notes and request.id not in waiting for request in self.posted)
        outcome.counted_twice = sum(n - 1 for counted in (results, Counter(children), notes) for n in counted.values())
        outcome.unexecuted = (need - executions).total()
        outcome.miscounted = (
            (search.run.usage.evaluations != len(measured))
            + (len(search.state.population.candidates) != len(children))
            + bool(search.run.tickets.blocks)
        )
        if not isinstance(records[len(records) - 1], RunClosed):
            outcome.messages.append("the last record does not close the run")

    def _driver(self, more: dict[str, int]) -> subprocess.Popen[str]:
        argv = [sys.executable, "-c", DRIVER, str(self.run), str(self.problem), str(self.trace), self.tier, json.dumps(more)]
        return subprocess.Popen(argv, stdin=subprocess.DEVNULL, stdout=subprocess.DEVNULL, stderr=subprocess.PIPE, text=True)

    def _watch(self, driver: subprocess.Popen[str], for_s: float) -> None:
        """Follow the journal and post notes for a while."""
        end = time.monotonic() + for_s
        while driver.poll() is None and (left := end - time.monotonic()) > 0:
            if (self.run / "inbox").is_dir() and self.seen and self.rng.random() < 0.1:
                self.posted.append(post(self.run, "note", json.dumps({"text": "still here"})))
            time.sleep(min(left, self.rng.uniform(0.0, 0.05)))
            self._poll()

    def _poll(self) -> None:
        try:
            if self.follower is None:
                self.follower = Follower(self.run)
            found = self.follower.poll()
        except JournalMissing:
            self.follower = None
            return
        self.seen.update((stamped.seq, stamped.record) for stamped in found)
        self.counts.update(type(stamped.record) for stamped in found)


def battery(folder: Path, kills: int, *, tier: str = "none", seed: int | None = None, say: bool = False) -> Outcome:
    """Kill a run ``kills`` times, let it finish, and count."""
    outcome, begun = Outcome(kills), time.monotonic()
    run = Battery(folder, tier=tier, rng=random.Random(seed))
    for done in range(kills):
        run.life(outcome)
        if say and (done + 1) % 50 == 0:
            print(f"{done + 1} kills, {len(run.seen)} records, {time.monotonic() - begun:.0f} s", file=sys.stderr, flush=True)
    failed = run.last_life()
    if failed:
        outcome.messages.append(failed)
    run.judge(outcome)
    outcome.wall_s = time.monotonic() - begun
    return outcome


def main() -> int:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--kills", type=int, default=1000)
    parser.add_argument("--tier", default="none", choices=("none", "strict"))
    parser.add_argument("--seed", type=int)
    parser.add_argument("--keep", type=Path, metavar="DIR", help="work here and leave everything behind")
    parser.add_argument("--json", action="store_true")
    args = parser.parse_args()
    with tempfile.TemporaryDirectory() as folder:
        outcome = battery(args.keep or Path(folder), args.kills, tier=args.tier, seed=args.seed, say=not args.json)
    if args.json:
        from _common import hardware

        found = {"benchmark": "kills", "hardware": hardware(), "tier": args.tier, **asdict(outcome), "faults": outcome.faults}
        print(json.dumps(found))
    else:
        for name, value in asdict(outcome).items():
            print(f"{name:16}{value if isinstance(value, list) else round(value, 1):>12}" if value != [] else f"{name:16}")
        print(f"{'faults':16}{outcome.faults:>12}")
    return 1 if outcome.faults else 0


if __name__ == "__main__":
    sys.exit(main())
