"""Are improvements claimed when they are real, and only then?  Programs with known true values, through the real engine.

    python benchmarks/planted_truth.py [--repeats 100] [--worlds gauss,t4] [--climb-repeats 100] [--climb-worlds gauss]
        [--candidates 1000] [--runs 4500] [--slots 2] [--set relaxation=300 ...] [--jobs 2] [--json]

*Sieve*: 1,000 independent candidates, 3 % truly better by 0.003 at a noise sd of 0.0025, half of the others equal to the initial
program and half worse; at most 4,500 runs; every claim against the initial program.  Said are the share of false ones among all
claims of all searches, and the mean of that share over searches: the false discovery rate, which is what is controlled (0 where
nothing is claimed).  *Climb*: each candidate is a change of the best so far, 3 % of changes better by 0.003, 2,500 runs; beside it,
on that budget, keep-if-better and one re-run.  Search, records, journal and texts are the engine's; only the executor answers from
a table. The runs are counted by the engine.

Worlds: ``gauss``; ``t4`` (Student's t, 4 degrees of freedom); ``skew`` (a long tail of good luck); ``paired`` (half of the
variance is that of the initial program, the same for all candidates); ``unequal`` (sd of a candidate between 0.6 and 1.65 of the
initial program's); ``drift`` (the machine's level moves by four sd over the run, up and down again); ``wild`` (one candidate in
thirty scatters thirty times as much as the others); ``jumps`` (5 % of all runs, whosever, go wrong by twenty sd).  Only by name:
``memory``, ``gamblers``, ``age``, ``position`` and ``rare``, whose parameters ``--set`` changes (``_worlds.Traits``).
"""

from __future__ import annotations

import argparse
import json
import math
import os
import tempfile
from collections.abc import Mapping
from concurrent.futures import ProcessPoolExecutor
from dataclasses import asdict, dataclass, field, fields
from pathlib import Path
from statistics import fmean, stdev

from _common import hardware
from _worlds import SHAPES, WORLDS, Noise, Traits, draw

from archive import BlockEntry, LogEntry, MeasureIssued, Measurement, Proposed, Status, candidate_id
from evolve.config._schema import BudgetConfig, SearchConfig
from evolve.search._search import Search
from evolve.search.state._state import ProblemState
from evolve.testing import Harness, Script, plain_contract

SD, GAIN, SHARE, HARM = 0.0025, 0.003, 0.03, 0.004
CANDIDATES, RUNS, CLIMB_RUNS = 1000, 4500, 2500
ONE_VAULT = 0.03  # of the runs of a climb: one claim, at its end
SEED_FILES = {"main.py": "".join(f"A{i} = {i + 1}.5\n" for i in range(40))}
SEED_ID = candidate_id(SEED_FILES)


def change(repeat: int, candidate: str) -> float:
    """The true effect of the change that made a candidate."""
    rng = draw("change", repeat, candidate)
    u = rng.random()
    return GAIN if u < SHARE else 0.0 if u < 0.5 else -abs(HARM * rng.standard_normal())


class Truth:
    """True values by candidate, filled as children are made."""

    def __init__(self, repeat: int, *, cumulative: bool) -> None:
        self.repeat, self.cumulative = repeat, cumulative
        self.values = {SEED_ID: 0.0}

    def __call__(self, state: ProblemState, stamped: LogEntry) -> None:
        record = stamped.record
        if isinstance(record, Proposed) and record.candidate is not None and record.candidate.parents:
            base = self.values[record.candidate.parents[0]] if self.cumulative else 0.0
            self.values[record.candidate.id] = base + change(self.repeat, record.candidate.id)


@dataclass(frozen=True, slots=True)
class World:
    """Which noise, with which parameters, on how many slots."""

    name: str
    traits: Traits = field(default_factory=Traits)
    slots: int = 2

    def noise(self, repeat: int, runs: int) -> Noise:
        return Noise(self.name, repeat, runs, SD, SEED_ID, self.traits)


def run(policy: str, world: World, repeat: int, budget: BudgetConfig) -> tuple[Search, Truth]:
    """One search to its end."""
    truth, noise = Truth(repeat, cumulative=policy != "independent"), world.noise(repeat, budget.evaluations or 1)

    def opens(state: ProblemState, stamped: LogEntry) -> None:
        if isinstance(stamped.record, MeasureIssued):
            entry = stamped.record.entries[0]
            noise.first.add((entry.candidate, entry.seed))

    def answer(entry: BlockEntry, files: Mapping[str, str]) -> Measurement:
        score = truth.values[entry.candidate] + noise(entry.candidate, entry.seed)
        output = f"{entry.candidate}:{entry.seed}"
        return Measurement(entry.candidate, entry.stage, entry.seed, Status.OK, score=score, output_hash=output, start=entry.start)

    script = Script(
        seed_files=SEED_FILES,
        answer=answer,
        contract=plain_contract(noisy=True),
        search=SearchConfig(policy=policy, operators=("ast_edit",), reference="initial"),
        budget=budget,
        seed=repeat,
        slots=world.slots,
        hooks=(truth, opens),
    )
    scratch = "/dev/shm" if os.path.isdir("/dev/shm") else None  # the disk is not what is looked at here
    with tempfile.TemporaryDirectory(dir=scratch) as folder, Harness(script, Path(folder)) as harness:
        harness.drive()
        return harness.search, truth


@dataclass(frozen=True, slots=True)
class Sieve:
    """One sieve: claims that hold, by truth."""

    better: int
    found: int
    false: int
    openings: int
    runs: int
    candidates: int
    bias: float  # mean of claimed minus true effect, of those that hold


def sieve(world: World, repeat: int, candidates: int, runs: int) -> Sieve:
    search, truth = run("independent", world, repeat, BudgetConfig(evaluations=runs, candidates=candidates))
    rows = search.state.population.candidates
    held = [vault for vault in search.state.confirmations.confirmations if vault.confirmed and vault.effect is not None]
    values = [truth.values[rows[vault.candidate].id] for vault in held]
    gaps = [vault.effect.effect - value for vault, value in zip(held, values, strict=True) if vault.effect is not None]
    return Sieve(
        better=sum(value > 0 for value in truth.values.values()),
        found=sum(value > 0 for value in values),
        false=sum(value <= 0 for value in values),
        openings=len(search.state.confirmations.confirmations),
        runs=search.run.usage.evaluations,
        candidates=search.run.usage.candidates,
        bias=fmean(gaps) if gaps else 0.0,
    )


@dataclass(frozen=True, slots=True)
class Climb:
    """One climb: true and claimed gain over the initial program, for our rule and the two others."""

    ours: float
    ours_said: float | None
    keep: float
    keep_said: float
    rerun: float
    rerun_said: float
    runs: int


def climb(world: World, repeat: int) -> Climb:
    search, truth = run("hill_climb", world, repeat, BudgetConfig(evaluations=CLIMB_RUNS, confirm_share=ONE_VAULT))
    rows = search.state.population.candidates
    held = [vault for vault in search.state.confirmations.confirmations if vault.confirmed and vault.effect is not None]
    last = held[-1] if held else None
    best = rows[last.candidate if last is not None else 0].id
    keep, keep_said = naive(world, repeat, runs_each=1)
    rerun, rerun_said = naive(world, repeat, runs_each=2)
    said = last.effect.effect if last is not None and last.effect is not None else None
    return Climb(truth.values[best], said, keep, keep_said, rerun, rerun_said, search.run.usage.evaluations)


def naive(world: World, repeat: int, *, runs_each: int) -> tuple[float, float]:
    """Keep a change if its run (or its mean of two, the second made where the first was better) beats the best score so far."""
    noise = world.noise(repeat, CLIMB_RUNS)
    true, first = 0.0, noise("naive", 0)
    best, step = first, 0
    while noise.count < CLIMB_RUNS:
        step += 1
        value = true + change(repeat, f"naive{step}")
        score = value + noise(f"naive{step}", 1)
        if score > best and runs_each == 2:
            score = (score + value + noise(f"naive{step}", 2)) / 2
        if score > best:
            true, best = value, score
    return true, best - first


def spread(values: list[float]) -> tuple[float, float]:
    """Mean and its standard error."""
    return fmean(values), (stdev(values) / math.sqrt(len(values)) if len(values) > 1 else 0.0)


def sieve_row(world: str, found: list[Sieve]) -> dict[str, object]:
    claims = sum(one.found + one.false for one in found)
    power, error = spread([one.found / max(one.better, 1) for one in found])
    return {
        "world": world,
        "repeats": len(found),
        "false_discoveries_%": 100 * sum(one.false for one in found) / max(claims, 1),
        "fdr_%": 100 * fmean(one.false / max(one.found + one.false, 1) for one in found),
        "power_%": 100 * power,
        "power_se_%": 100 * error,
        "claims": claims / len(found),
        "openings": fmean(one.openings for one in found),
        "runs": fmean(one.runs for one in found),
        "runs_max": max(one.runs for one in found),
        "candidates": fmean(one.candidates for one in found),
        "claimed_minus_true": fmean(one.bias for one in found),
    }


def climb_row(world: str, found: list[Climb]) -> dict[str, object]:
    said = [one for one in found if one.ours_said is not None]
    ours, error = spread([one.ours for one in found])
    keep = fmean(one.keep for one in found)
    return {
        "world": world,
        "repeats": len(found),
        "true_gain": ours,
        "se": error,
        "claimed": fmean(one.ours_said or 0.0 for one in said) if said else 0.0,
        "claimed/true": sum(one.ours_said or 0.0 for one in said) / sum(one.ours for one in said) if said else 0.0,
        "keep_true": keep,
        "keep_said": fmean(one.keep_said for one in found),
        "rerun_true": fmean(one.rerun for one in found),
        "rerun_said": fmean(one.rerun_said for one in found),
        "ours/keep": ours / keep if keep > 0 else math.inf,
        "runs": fmean(one.runs for one in found),
    }


@dataclass(frozen=True, slots=True)
class Job:
    """One search, or one climb with its rivals."""

    kind: str
    world: World
    repeat: int
    candidates: int
    runs: int


def _call(job: Job) -> Sieve | Climb:
    if job.kind == "sieve":
        return sieve(job.world, job.repeat, job.candidates, job.runs)
    return climb(job.world, job.repeat)


def table(rows: list[dict[str, object]]) -> str:
    lines = ["  ".join(f"{name:>12}" for name in rows[0])]
    for row in rows:
        cells = (f"{value:>12.4g}" if isinstance(value, float) else f"{value:>12}" for value in row.values())
        lines.append("  ".join(f"{cell:>{max(12, len(name))}}" for cell, name in zip(cells, row, strict=True)))
    return "\n".join(lines)


def main() -> int:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--repeats", type=int, default=100)
    parser.add_argument("--climb-repeats", type=int, default=100)
    parser.add_argument("--worlds", default=",".join(WORLDS), help=f"of {', '.join(SHAPES)}")
    parser.add_argument("--climb-worlds", default="gauss")
    parser.add_argument("--candidates", type=int, default=CANDIDATES, help="of a sieve")
    parser.add_argument("--runs", type=int, default=RUNS, help="that a sieve may make")
    parser.add_argument("--slots", type=int, default=2)
    parser.add_argument("--set", nargs="*", default=[], metavar="NAME=VALUE", help=", ".join(one.name for one in fields(Traits)))
    parser.add_argument("--jobs", type=int, default=2)
    parser.add_argument("--json", action="store_true")
    words = parser.parse_args()
    traits = Traits(**{name: float(value) for name, _, value in (pair.partition("=") for pair in words.set)})
    kinds = (("sieve", words.worlds, words.repeats), ("climb", words.climb_worlds, words.climb_repeats))
    jobs = [
        Job(kind, World(name, traits, words.slots), i, words.candidates, words.runs)
        for kind, names, repeats in kinds
        for name in names.split(",")
        for i in range(repeats)
    ]
    with ProcessPoolExecutor(words.jobs) as pool:
        results = list(pool.map(_call, jobs, chunksize=4))
    found: dict[tuple[str, str], list[Sieve | Climb]] = {(job.kind, job.world.name): [] for job in jobs}
    for job, result in zip(jobs, results, strict=True):
        found[job.kind, job.world.name].append(result)
    rows = [
        sieve_row(name, [one for one in some if isinstance(one, Sieve)]) for (kind, name), some in found.items() if kind == "sieve"
    ]
    climbed = [
        climb_row(name, [one for one in some if isinstance(one, Climb)]) for (kind, name), some in found.items() if kind == "climb"
    ]
    if words.json:
        print(json.dumps({"hardware": hardware(), "sieve": rows, "climb": climbed, "each": [asdict(one) for one in results]}))
        return 0
    for part in (rows, climbed):
        if part:
            print(table(part), "\n")
    return 0


if __name__ == "__main__":
    raise SystemExit(main())
