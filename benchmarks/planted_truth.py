"""Are improvements claimed when they are real, and only then?  Programs with known true values, through the real engine.

    python benchmarks/planted_truth.py [--repeats 100] [--worlds gauss,t4] [--climb-repeats 100] [--climb-worlds gauss]
        [--jobs 2] [--json]

*Sieve*: 1,000 independent candidates, 3 % truly better by 0.003 at a noise sd of 0.0025, half of the others equal to the seed
program and half worse; at most 4,500 runs; every claim against the seed program.  *Climb*: each candidate is a change of the best
so far, 3 % of changes better by 0.003, 2,500 runs; beside it, on the same budget, keep-if-better and one re-run.  Search, records,
journal and texts are the engine's; only the executor answers from a table.  The runs are counted by the engine.

Worlds: ``gauss``; ``t4`` (Student's t, 4 degrees of freedom); ``skew`` (a long tail of good luck); ``paired`` (half of the variance
is the seed's, the same for all candidates); ``unequal`` (sd of a candidate between 0.6 and 1.65 of the seed program's); ``drift``
(the machine's level moves by four sd over the run, up and down again); ``wild`` (one candidate in thirty scatters thirty times as
much as the others); ``jumps`` (5 % of all runs, whosever, go wrong by twenty sd).  Only by name: ``rare``
(all are quiet; the seed program has eight sd of luck in one run of twenty).
"""

from __future__ import annotations

import argparse
import hashlib
import json
import math
import os
import tempfile
from collections.abc import Mapping
from concurrent.futures import ProcessPoolExecutor
from dataclasses import asdict, dataclass
from pathlib import Path
from statistics import fmean, stdev

import numpy as np
from _common import hardware

from archive import Entry, Measurement, Proposed, Stamped, Status, candidate_id
from evolve._config import BudgetConfig, SearchConfig
from evolve._search import Search
from evolve.testing import Harness, Script, plain_contract

SD, GAIN, SHARE, HARM = 0.0025, 0.003, 0.03, 0.004
CANDIDATES, RUNS, CLIMB_RUNS = 1000, 4500, 2500
ONE_VAULT = 0.03  # of the runs of a climb: one claim, at its end
WORLDS = ("gauss", "t4", "skew", "paired", "unequal", "drift", "wild", "jumps")
SEED_FILES = {"main.py": "".join(f"A{i} = {i + 1}.5\n" for i in range(40))}
SEED_ID = candidate_id(SEED_FILES)


def draw(key: str, *parts: object) -> np.random.Generator:
    """A generator that follows from its arguments."""
    digest = hashlib.blake2b(":".join(map(str, (key, *parts))).encode(), digest_size=16).digest()
    return np.random.Generator(np.random.Philox(key=int.from_bytes(digest, "little")))


def change(repeat: int, candidate: str) -> float:
    """The true effect of the change that made a candidate."""
    rng = draw("change", repeat, candidate)
    u = rng.random()
    return GAIN if u < SHARE else 0.0 if u < 0.5 else -abs(HARM * rng.standard_normal())


@dataclass
class Noise:
    """One world's noise of one repeat, in units of the score; ``count`` is how many runs there have been."""

    world: str
    repeat: int
    runs: int
    count: int = 0

    def __call__(self, candidate: str, seed: int) -> float:
        self.count += 1
        own = draw("own", self.repeat, candidate, seed)
        z = self._unit(own)
        if self.world == "paired":
            z = (z + self._unit(draw("shared", self.repeat, seed))) / math.sqrt(2.0)
        if self.world == "unequal":
            z *= math.exp(draw("factor", candidate).uniform(-0.5, 0.5))
        if self.world == "rare":
            z = 0.02 * z + (8.0 * (own.random() < 0.05) - 0.4 if candidate == SEED_ID else 0.0)
        if self.world == "wild" and draw("wild", candidate).random() < 1 / 30:
            z *= 30.0
        if self.world == "jumps" and own.random() < 0.05:
            z -= 20.0
        if self.world == "drift":
            z += 2.0 * (1.0 - math.cos(2.0 * math.pi * self.count / self.runs))
        return SD * z

    def _unit(self, rng: np.random.Generator) -> float:
        if self.world == "t4":
            return float(rng.standard_t(4)) / math.sqrt(2.0)
        return float(rng.standard_exponential()) - 1.0 if self.world == "skew" else float(rng.standard_normal())


class Truth:
    """True values by candidate, filled as children are made."""

    def __init__(self, repeat: int, *, cumulative: bool) -> None:
        self.repeat, self.cumulative = repeat, cumulative
        self.values = {SEED_ID: 0.0}

    def __call__(self, search: Search, stamped: Stamped) -> None:
        record = stamped.record
        if isinstance(record, Proposed) and record.candidate is not None and record.candidate.parents:
            base = self.values[record.candidate.parents[0]] if self.cumulative else 0.0
            self.values[record.candidate.id] = base + change(self.repeat, record.candidate.id)


def run(policy: str, world: str, repeat: int, budget: BudgetConfig) -> tuple[Search, Truth]:
    """One search to its end."""
    truth, noise = Truth(repeat, cumulative=policy != "independent"), Noise(world, repeat, budget.evaluations or 1)

    def answer(entry: Entry, files: Mapping[str, str]) -> Measurement:
        score = truth.values[entry.candidate] + noise(entry.candidate, entry.seed)
        output = f"{entry.candidate}:{entry.seed}"
        return Measurement(entry.candidate, entry.stage, entry.seed, Status.OK, score=score, output_hash=output, start=entry.start)

    script = Script(
        seed_files=SEED_FILES,
        answer=answer,
        contract=plain_contract(noisy=True),
        search=SearchConfig(policy=policy, operators=("ast_edit",), reference="seed"),
        budget=budget,
        seed=repeat,
        hooks=(truth,),
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


def sieve(world: str, repeat: int) -> Sieve:
    search, truth = run("independent", world, repeat, BudgetConfig(evaluations=RUNS, candidates=CANDIDATES))
    rows = search.people.rows
    held = [vault for vault in search.docket.vaults if vault.confirmed and vault.effect is not None]
    values = [truth.values[rows[vault.candidate].id] for vault in held]
    gaps = [vault.effect.effect - value for vault, value in zip(held, values, strict=True) if vault.effect is not None]
    return Sieve(
        better=sum(value > 0 for value in truth.values.values()),
        found=sum(value > 0 for value in values),
        false=sum(value <= 0 for value in values),
        openings=len(search.docket.vaults),
        runs=search.spend.evaluations,
        candidates=search.spend.candidates,
        bias=fmean(gaps) if gaps else 0.0,
    )


@dataclass(frozen=True, slots=True)
class Climb:
    """One climb: true and claimed gain over the seed program, for our rule and the two others."""

    ours: float
    ours_said: float | None
    keep: float
    keep_said: float
    rerun: float
    rerun_said: float
    runs: int


def climb(world: str, repeat: int) -> Climb:
    search, truth = run("hill_climb", world, repeat, BudgetConfig(evaluations=CLIMB_RUNS, confirm=ONE_VAULT))
    rows = search.people.rows
    held = [vault for vault in search.docket.vaults if vault.confirmed and vault.effect is not None]
    last = held[-1] if held else None
    best = rows[last.candidate if last is not None else 0].id
    keep, keep_said = naive(world, repeat, runs_each=1)
    rerun, rerun_said = naive(world, repeat, runs_each=2)
    said = last.effect.effect if last is not None and last.effect is not None else None
    return Climb(truth.values[best], said, keep, keep_said, rerun, rerun_said, search.spend.evaluations)


def naive(world: str, repeat: int, *, runs_each: int) -> tuple[float, float]:
    """Keep a change if its run (or its mean of two, the second made where the first was better) beats the best score so far."""
    noise = Noise(world, repeat, CLIMB_RUNS)
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


def _call(job: tuple[str, str, int]) -> Sieve | Climb:
    kind, world, repeat = job
    return sieve(world, repeat) if kind == "sieve" else climb(world, repeat)


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
    parser.add_argument("--worlds", default=",".join(WORLDS))
    parser.add_argument("--climb-worlds", default="gauss")
    parser.add_argument("--jobs", type=int, default=2)
    parser.add_argument("--json", action="store_true")
    words = parser.parse_args()
    worlds = words.worlds.split(",")
    jobs = [("sieve", world, i) for world in worlds for i in range(words.repeats)]
    climb_worlds = words.climb_worlds.split(",")
    jobs += [("climb", world, i) for world in climb_worlds for i in range(words.climb_repeats)]
    with ProcessPoolExecutor(words.jobs) as pool:
        results = list(pool.map(_call, jobs, chunksize=4))
    sieves = [[r for j, r in zip(jobs, results, strict=True) if j[:2] == ("sieve", w) and isinstance(r, Sieve)] for w in worlds]
    climbs = [[r for j, r in zip(jobs, results, strict=True) if j[1] == w and isinstance(r, Climb)] for w in climb_worlds]
    rows = [sieve_row(world, found) for world, found in zip(worlds, sieves, strict=True) if found]
    climbed = [climb_row(world, found) for world, found in zip(climb_worlds, climbs, strict=True) if found]
    if words.json:
        print(json.dumps({"hardware": hardware(), "sieve": rows, "climb": climbed, "each": [asdict(one) for one in results]}))
        return 0
    for part in (rows, climbed):
        if part:
            print(table(part), "\n")
    return 0


if __name__ == "__main__":
    raise SystemExit(main())
