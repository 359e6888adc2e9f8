"""How long it takes to take up a long run again: checkpoint and tail, and everything from the start.

    python benchmarks/resume.py [--candidates 100000] [--tail 5000] [--repeats 3] [--json]

A real search, loop, recorder and journal make the run; children are numbered placeholders and results are hashes, so that making it
takes a minute and not three.  The checkpoint lies ``--tail`` candidates before the end, as after a kill.  Taking up is opening the
journal, replaying, and asking for the first ticket; saving a checkpoint is what a running search pays.  CPU seconds, median of
repeats in one process.
"""

from __future__ import annotations

import argparse
import json
import tempfile
import time
from collections.abc import Callable, Iterator, Mapping, Sequence
from contextlib import contextmanager
from dataclasses import asdict, dataclass, replace
from hashlib import blake2b
from pathlib import Path

from _common import Spread, hardware

from archive import (
    BudgetSet,
    Journal,
    Literal,
    LogEntry,
    MeasureIssued,
    Position,
    ProposalStatus,
    ProposeIssued,
    RunOpened,
    TextStore,
)
from evolve.config._schema import BudgetConfig, SearchConfig
from evolve.engine.registry._registry import parts_of
from evolve.execute import Block
from evolve.problem.contract._contract import DescriptorSpec
from evolve.runs import _checkpoint
from evolve.runs._folder import RunDir
from evolve.runs._replay import replay
from evolve.search._rng import fresh_seeds
from evolve.search._search import Search
from evolve.search.state._tickets import ProposalResult
from evolve.testing import Harness, Script, plain_contract, scored

TARGET_S = 2.0


@dataclass(frozen=True, slots=True)
class Row:
    """CPU seconds."""

    what: str
    s: Spread


def script(candidates: int) -> Script:
    axes = tuple(DescriptorSpec(name=name, source="ast", low=0, high=1, bins=100) for name in ("branches", "calls"))
    return Script(
        seed_files={"main.py": "X = 1.5\n"},
        answer=scored(lambda files, seed: seed / 2**63),
        contract=plain_contract(axes=axes),
        search=SearchConfig(operators=("ast_edit", "crossover")),
        budget=BudgetConfig(candidates=candidates),
    )


class Placeholders:
    """A proposer that makes numbered children of no text, with descriptors from a hash."""

    def __init__(self, harness: Harness) -> None:
        self.seed = harness.proposer.initial_candidate()
        self.names = [axis.name for axis in harness.problem.contract.axes]

    def make(self, issued: ProposeIssued, literals: Sequence[Literal], generation: int) -> ProposalResult:
        digest = blake2b(str(issued.attempt.ticket).encode(), digest_size=16).digest()
        where = {name: digest[i] / 255 for i, name in enumerate(self.names)}
        name = digest[:10].hex()
        child = replace(
            self.seed, id=name, code_hash=digest.hex(), parents=issued.parents, generation=generation + 1, descriptors=where
        )
        return ProposalResult(issued.attempt, ProposalStatus.CHILD, child)

    def block(self, issued: MeasureIssued) -> Block:
        nothing: Mapping[str, str] = {}
        return Block(issued.attempt, issued.problem, issued.entries, {entry.candidate: nothing for entry in issued.entries})


def write(folder: Path, candidates: int, tail: int) -> None:
    """A run of ``candidates``, with a checkpoint ``tail`` candidates before its end."""
    for stop in (candidates - tail, candidates):
        with Harness(script(stop), folder) as harness:
            placeholders = Placeholders(harness)
            harness.proposer.propose = placeholders.make  # type: ignore[method-assign]
            harness.proposer.block = placeholders.block  # type: ignore[method-assign]
            harness.recorder.write(BudgetSet(candidates=stop))
            harness.drive()
            if stop != candidates:
                harness.checkpoint()


def timed(call: Callable[[], object]) -> float:
    start = time.process_time()
    call()
    return time.process_time() - start


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--candidates", type=int, default=100_000)
    parser.add_argument("--tail", type=int, default=5000)
    parser.add_argument("--repeats", type=int, default=3)
    parser.add_argument("--json", action="store_true")
    args = parser.parse_args()
    with tempfile.TemporaryDirectory() as place:
        folder = Path(place)
        write(folder, args.candidates, args.tail)
        rows = measure(folder, args.candidates, args.repeats)
    if args.json:
        found = [asdict(row) for row in rows]
        head = {"benchmark": "resume", "hardware": hardware(), "candidates": args.candidates, "tail": args.tail}
        print(json.dumps({**head, "rows": found}))
        return
    print(f"{args.candidates} candidates, the last {args.tail} behind the checkpoint{'':6}CPU s       min       max")
    for row in rows:
        print(f"{row.what:58}{row.s.median:10.3f}{row.s.low:10.3f}{row.s.high:10.3f}")
    print(f"target: take up 1e5 candidates within {TARGET_S} s")


def measure(folder: Path, candidates: int, repeats: int) -> list[Row]:
    times: dict[str, list[float]] = {}
    for _ in range(repeats):
        for what, spent in once(folder, candidates).items():
            times.setdefault(what, []).append(spent)
    return [Row(what, Spread.of(found)) for what, found in times.items()]


def once(folder: Path, candidates: int) -> dict[str, float]:
    """One round; the run is left as it was."""
    what, run = script(candidates + 1), RunDir(folder, "scripted")
    (problem,) = what.problems(folder)

    def take_up() -> Search:
        with Journal.open(folder):
            search, texts = Search.of(what.config, problem, parts_of(what.config)), TextStore(folder)
            replay(run, search, texts)
            for record in (RunOpened("another"), BudgetSet()):
                search.apply(LogEntry(0, 0.0, record))
            assert search.ask(0.0, room=1, entropy=fresh_seeds) is not None
        assert search.run.usage.candidates == candidates
        return search

    def checkpoint() -> None:
        found = _checkpoint.load(run.checkpoint)
        assert found is not None
        found.restore(Search.of(what.config, problem, parts_of(what.config)))

    kept: list[Search] = []
    spent = {
        "take up: checkpoint and tail": timed(lambda: kept.append(take_up())),
        "of which reading the checkpoint": timed(checkpoint),
    }
    position = read_position(folder)
    spent["save a checkpoint"] = timed(lambda: _checkpoint.save(folder / "aside", kept[0], {}, position))
    with set_aside(run):
        spent["take up: everything from the start"] = timed(take_up)
    return spent


def read_position(folder: Path) -> Position:
    """The place of the last record."""
    with Journal.open(folder) as journal:
        assert journal.position is not None
        return journal.position


@contextmanager
def set_aside(run: RunDir) -> Iterator[None]:
    """Without the checkpoint."""
    names = [run.checkpoint.with_suffix(suffix) for suffix in (".json", ".npz")]
    for name in names:
        name.rename(name.with_name(f"aside-{name.name}"))
    yield
    for name in names:
        name.with_name(f"aside-{name.name}").rename(name)


if __name__ == "__main__":
    main()
