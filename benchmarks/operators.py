"""What mechanical operators, canonical hash and tuner cost, beside their natural limits and a peer in the same process.

    python benchmarks/operators.py [--rounds 7] [--json FILE]
    python benchmarks/operators.py --packing 3 [--evaluations 15000] [--json FILE]

CPU milliseconds, median of rounds that interleave all rows.  Texts are new in every call, so that no row profits from a cache of
parsed trees except for its parent, as in a run.  The limit beside texts is ``ast.parse`` of a text of that size; the peer beside
the tuner is the ``cmaes`` package told the same function.

``--packing`` shows the constant tuner alone on the circle_packing seed: evaluations against the best sum of radii, with six
samples in flight that return out of order.
"""

from __future__ import annotations

import argparse
import ast
import json
import os
import statistics
import sys
import time
from collections.abc import Callable
from dataclasses import asdict, dataclass
from pathlib import Path

os.environ.setdefault("OPENBLAS_NUM_THREADS", "1")  # before numpy: threads cost more than they bring at this size

import numpy as np

from archive import Literal, TunerSample
from evolve.propose import AstEdit, ConstantTuner, Crossover, EditScope, ProposalTask, analyse, canonical_hash
from evolve.select import Tuner, open_tuner

SCOPE = EditScope(("main.py",), may_add_files=False, max_bytes=1 << 20)
RINGS = Path(__file__).parent.parent / "problems" / "circle_packing" / "initial" / "main.py"
MARKS = (500, 1000, 2000, 4000, 6000, 8000, 10_000, 12_000, 15_000)


@dataclass(frozen=True, slots=True)
class Row:
    """One line of the table: CPU milliseconds, and the ratio to the limit or peer named in ``against``."""

    what: str
    cpu_ms: float
    low_ms: float
    high_ms: float
    against: str = ""
    ratio: float | None = None


def program(size: int) -> str:
    """A program of about ``size`` bytes, of functions with loops, branches, calls and numbers."""
    body = (
        "def step_{i}(state, rate=0.{i:03d}1, momentum=0.9):\n"
        '    """Advance the state."""\n'
        "    total = 0.0  # accumulated\n"
        "    for index, value in enumerate(state.values[1:]):\n"
        "        if value > {i}.5 * rate:\n"
        "            total += max(value, 2.5) * momentum - index / 3.0\n"
        "        else:\n"
        "            state.skip(index, reason='small', weight=0.25)\n"
        "    return total / (len(state.values) + 1e-3)\n\n\n"
    )
    text, i = "import math\n\n\n", 0
    while len(text) < size:
        text += body.format(i=i)
        i += 1
    return text


def cpu_ms(call: Callable[[], object], repeat: int) -> float:
    start = time.process_time()
    for _ in range(repeat):
        call()
    return (time.process_time() - start) / repeat * 1e3


class Fresh:
    """The same program with another number at its end in each call: never the same text twice."""

    def __init__(self, text: str) -> None:
        self.text = text
        self.n = 0

    def __call__(self) -> str:
        self.n += 1
        return f"{self.text}LAST = {self.n}\n"


def text_cases(size: int) -> dict[str, Callable[[], object]]:
    fresh = Fresh(program(size))
    parent = {"main.py": fresh()}
    donor = {"main.py": fresh().replace("2.5", "3.5").replace("0.9", "0.8")}
    literals = ConstantTuner().propose(ProposalTask((parent,), (), SCOPE), rng_of(0)).literals
    tuner = open_tuner(literals)
    draws = rng_of(1)

    def tune() -> object:
        values, generation = tuner.sample(draws.standard_normal(tuner.n).tolist())
        sample = TunerSample(1, generation, (), values)
        return ConstantTuner().propose(ProposalTask((parent,), (), SCOPE, sample, literals), draws)

    return {
        f"ast.parse, {size // 1000} kB": lambda: ast.parse(fresh()),
        f"canonical_hash, {size // 1000} kB": lambda: canonical_hash({"main.py": fresh()}),
        f"analyse: parse, hash, descriptors, {size // 1000} kB": lambda: analyse({"main.py": fresh()}, SCOPE),
        f"tune: a sample of {len(literals)} literals, {size // 1000} kB": tune,
        f"ast_edit, {size // 1000} kB": lambda: AstEdit().propose(ProposalTask((parent,), (), SCOPE), draws),
        f"crossover, {size // 1000} kB": lambda: Crossover().propose(ProposalTask((parent,), (donor,), SCOPE), draws),
    }


def rng_of(seed: int) -> np.random.Generator:
    return np.random.Generator(np.random.Philox(seed))


def tell_cases(n: int = 52) -> dict[str, Callable[[], object]]:
    """A generation sampled and told, by us and by the ``cmaes`` package; the caller divides by the population."""
    from cmaes import CMA

    literals = [Literal(f"x/{i}", 0.0, "float", "linear", 1.0, -9.0, 9.0) for i in range(n)]
    box = [open_tuner(literals)]
    peer = CMA(mean=np.zeros(n), sigma=1.0)
    draws = rng_of(2)

    def ours() -> None:
        for _ in range(box[0].population):
            z = tuple(draws.standard_normal(n).tolist())
            values, generation = box[0].sample(z)
            box[0] = box[0].tell(TunerSample(1, generation, z, values), -sum(value * value for value in values))

    def theirs() -> None:
        points = [peer.ask() for _ in range(peer.population_size)]
        peer.tell([(x, float(x @ x)) for x in points])

    return {f"tuner: sample + told, {n} literals": ours, f"cmaes package: ask + tell, {n} dimensions": theirs}


def costs(rounds: int) -> list[Row]:
    cases: dict[str, tuple[Callable[[], object], int, int]] = {}
    for size, repeat in ((1000, 40), (20_000, 6)):
        cases |= {name: (call, repeat, 1) for name, call in text_cases(size).items()}
    population = open_tuner([Literal(f"x/{i}", 0.0, "float", "linear", 1.0, -9.0, 9.0) for i in range(52)]).population
    cases |= {name: (call, 10, population) for name, call in tell_cases().items()}
    times: dict[str, list[float]] = {name: [] for name in cases}
    for _ in range(rounds):
        for name, (call, repeat, per) in cases.items():
            times[name].append(cpu_ms(call, repeat) / per)
    rows = []
    for name, found in times.items():
        against = next((other for other in times if _limit_of(name, other)), "")
        ratio = statistics.median(a / b for a, b in zip(found, times[against], strict=True)) if against else None
        rows.append(Row(name, statistics.median(found), min(found), max(found), against, ratio))
    return rows


def _limit_of(name: str, other: str) -> bool:
    if name.startswith("tuner:"):
        return other.startswith("cmaes")
    size = name.rsplit(", ", 1)[-1]
    return not name.startswith(("ast.parse", "cmaes")) and other == f"ast.parse, {size}"


@dataclass(frozen=True, slots=True)
class Curve:
    """The best sum of radii after so many evaluations of the tuner alone."""

    seed: int
    evaluations: tuple[int, ...]
    best: tuple[float, ...]
    restarts: int
    cpu_s: float


def packing(seed: int, evaluations: int) -> Curve:
    """The tuner alone on the initial packing, scored in this process by its own linear program."""
    text = RINGS.read_text(encoding="utf-8")
    module: dict[str, object] = {}
    exec(compile(text, str(RINGS), "exec"), module)  # our own initial program, not a candidate
    radii: Callable[[np.ndarray], np.ndarray] = module["largest_radii"]  # type: ignore[assignment]
    literals = tuple(
        literal
        for literal in ConstantTuner().propose(ProposalTask(({"main.py": text},), (), SCOPE), rng_of(0)).literals
        if "CENTRES" in literal.path
    )

    def score(values: tuple[float, ...]) -> float:
        return float(radii(np.clip(np.array(values).reshape(-1, 2), 0.0, 1.0)).sum())

    start = time.process_time()
    rng = rng_of(seed)
    tuner: Tuner = open_tuner(literals)
    flight: list[TunerSample] = []
    best: list[float] = []
    marks = [mark for mark in MARKS if mark <= evaluations] or [evaluations]
    for done in range(1, marks[-1] + 1):
        while len(flight) < 6:
            z = tuple(rng.standard_normal(tuner.n).round(4).tolist())
            values, generation = tuner.sample(z)
            flight.append(TunerSample(1, generation, z, values))
        sample = flight.pop(int(rng.integers(2)))
        tuner = tuner.tell(sample, score(sample.values))
        if tuner.is_stagnant:
            tuner = tuner.restart()
        if done in marks and tuner.best is not None:
            best.append(tuner.best[1])
    return Curve(seed, tuple(marks), tuple(best), tuner.restarts, time.process_time() - start)


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--rounds", type=int, default=7)
    parser.add_argument("--packing", type=int, default=0, metavar="SEEDS")
    parser.add_argument("--evaluations", type=int, default=15_000)
    parser.add_argument("--json", metavar="FILE")
    args = parser.parse_args()
    rows: list[Row] = []
    curves: list[Curve] = []
    if args.packing:
        print("evaluations".ljust(12) + "".join(f"{mark:>9}" for mark in MARKS if mark <= args.evaluations))
        for seed in range(1, args.packing + 1):
            curve = packing(seed, args.evaluations)
            curves.append(curve)
            print(
                f"seed {seed}".ljust(12) + "".join(f"{best:9.4f}" for best in curve.best) + f"   restarts {curve.restarts}",
                flush=True,
            )
    else:
        rows = costs(args.rounds)
        print(f"{'':54}{'CPU ms':>9}{'min':>9}{'max':>9}  ratio")
        for row in rows:
            ratio = f"{row.ratio:.2f} x {row.against.split(',')[0]}" if row.ratio is not None else ""
            print(f"{row.what:54}{row.cpu_ms:9.3f}{row.low_ms:9.3f}{row.high_ms:9.3f}  {ratio}")
    if args.json:
        result = {"python": sys.version.split()[0], "rows": [asdict(row) for row in rows], "packing": [asdict(c) for c in curves]}
        Path(args.json).write_text(json.dumps(result, indent=1) + "\n", encoding="utf-8")


if __name__ == "__main__":
    main()
