"""Who finds better programs: the engine, its baselines and its peers, with the same mutator for all, on tasks with a known truth.

    python benchmarks/search_quality.py [--arms auto,map_elites,openevolve+tuned,...] [--tasks all|choosing|reporting|NAME,...]
        [--seeds 100-119] [--evaluations 150,600] [--call-s 0,1,10] [--habits small] [--jobs 2] [--keep FILE] [--json]

Said are the paired win rates of the first arm against each other (same task, same seed, the true score of what is reported; a tie
counts half) with 90 % intervals over seeds, at equal evaluations, at equal calls of the model and by the area under the best so
far; median true scores, mean ranks, and what the runs spent.  A call takes ``--call-s`` times an evaluation on a simulated clock
with two slots, so lag is as in a real run (``quality/_world.py``).  ``--keep`` adds what was played to a file and plays nothing
twice, whatever changed meanwhile.  The mutator is random: it says who *breeds* better, not who prompts better.  Habits: ``small``,
``large``, ``careful``, and ``hidden``, which has larger steps, and leaps that are mostly worse until a number is adapted.  The arms
``openevolve``, ``openevolve+tuned`` and ``shinka`` need ``pip install ".[peers]"``.
"""

from __future__ import annotations

import argparse
import json
import os
from collections.abc import Iterator, Sequence
from concurrent.futures import ProcessPoolExecutor
from dataclasses import asdict
from itertools import groupby, product
from pathlib import Path

os.environ.setdefault("OPENBLAS_NUM_THREADS", "1")

from _common import hardware
from quality._arms import arm_of, refused
from quality._mutator import HABITS
from quality._report import Cell, Results, compared, finals, means
from quality._tasks import CHOOSING, REPORTING, TASKS
from quality._world import Played, Setting

_DEFAULT = "auto,map_elites,model_only,one_plus_one,best_of_n,hill_climb,independent,direct"


Key = tuple[str, Cell]
_CURVES = ("by_evaluation", "by_call")


def play(arm: str, cell: Cell) -> Played:
    """One run."""
    return arm_of(arm)(Setting(TASKS[cell.task], cell.evaluations, cell.call_s, cell.habits, cell.seed))


def played(work: Sequence[Key], jobs: int) -> Iterator[tuple[Key, Played]]:
    """Everything played, in processes."""
    with ProcessPoolExecutor(jobs) as pool:
        yield from zip(work, pool.map(play, *zip(*work, strict=True), chunksize=1), strict=True) if work else ()


def kept(path: Path | None) -> dict[Key, tuple[Played, str]]:
    """What was played before, and at which commit."""
    if path is None or not path.exists():
        return {}
    rows = [json.loads(line) for line in path.read_text(encoding="utf-8").splitlines()]
    if any("commit" not in row for row in rows):
        raise SystemExit(f"{path} was written by an older version of this script: name another file with --keep")
    found = {}
    for row in rows:
        curves = {name: [value for n, value in row["played"][name] for _ in range(n)] for name in _CURVES}
        found[row["arm"], Cell(**row["cell"])] = Played(**{**row["played"], **curves}), row["commit"]
    return found


def line(key: Key, result: Played, commit: str) -> str:
    """A result as a line of the file; a curve is how often in a row which value stands."""
    curves = {name: [(len([*row]), round(value, 9)) for value, row in groupby(getattr(result, name))] for name in _CURVES}
    return json.dumps({"arm": key[0], "cell": asdict(key[1]), "commit": commit, "played": {**asdict(result), **curves}}) + "\n"


def span(text: str) -> list[int]:
    """Numbers like ``3``, ``0-19`` or ``1,5``."""
    found: list[int] = []
    for part in text.split(","):
        first, _, last = part.partition("-")
        found += range(int(first), int(last or first) + 1)
    return found


def arguments() -> argparse.Namespace:
    """What was asked for."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--arms", default=_DEFAULT)
    parser.add_argument("--tasks", default="reporting")
    parser.add_argument("--seeds", type=span, default="100-119")
    parser.add_argument("--evaluations", type=span, default="150")
    parser.add_argument("--call-s", type=lambda text: [float(one) for one in text.split(",")], default="1", metavar="TIMES")
    parser.add_argument("--habits", default="small")
    parser.add_argument("--jobs", type=int, default=2)
    parser.add_argument("--keep", type=Path)
    parser.add_argument("--json", action="store_true")
    asked = parser.parse_args()
    asked.arms = asked.arms.split(",")
    asked.tasks = {"all": [*TASKS], "choosing": [*CHOOSING], "reporting": [*REPORTING]}.get(asked.tasks) or asked.tasks.split(",")
    asked.habits = asked.habits.split(",")
    wrong = [why for arm in asked.arms if (why := refused(arm)) is not None]
    for what, names, known in (("task", asked.tasks, TASKS), ("habits", asked.habits, HABITS)):
        wrong += [f"no {what} {name!r}: expected one of {', '.join(known)}" for name in names if name not in known]
    if wrong:
        parser.error(wrong[0])
    return asked


def shown(results: Results, arms: Sequence[str], cells: Sequence[Cell]) -> str:
    """All tables of cells of one budget and one time of a call."""
    return "\n".join([compared(results, arms[0], arms[1:], cells), finals(results, arms, cells), means(results, arms, cells)])


def main() -> None:
    asked = arguments()
    everything = product(asked.evaluations, asked.call_s, asked.habits, asked.seeds, asked.tasks)
    cells = [Cell(task, n, call_s, habits, seed) for n, call_s, habits, seed, task in everything]
    wanted = [(arm, cell) for cell in cells for arm in asked.arms]
    machine, found = hardware(), kept(asked.keep)
    now = str(machine["commit"])
    for key, result in played([key for key in wanted if key not in found], asked.jobs):
        found[key] = result, now
        if asked.keep is not None:
            with asked.keep.open("a", encoding="utf-8") as file:
                file.write(line(key, result, now))
    if asked.json:
        print(json.dumps({"hardware": machine, "results": [json.loads(line(key, *found[key])) for key in wanted]}))
        return
    before = sorted({found[key][1] for key in wanted} - {now})
    print(f"{machine}\n" + (f"\nSome of it was played before, at {', '.join(before)}.\n" if before else ""))
    results = {key: found[key][0] for key in wanted}
    for n, call_s, habits in product(asked.evaluations, asked.call_s, asked.habits):
        here = [cell for cell in cells if (cell.evaluations, cell.call_s, cell.habits) == (n, call_s, habits)]
        print(f"## {n} evaluations, a call takes {call_s:g} of them, mutator {habits}\n\n{shown(results, asked.arms, here)}")


if __name__ == "__main__":
    main()
