"""Tables of what was played: who wins how often, at equal evaluations and at equal calls, with intervals."""

from __future__ import annotations

import random
from collections.abc import Callable, Iterable, Mapping, Sequence
from dataclasses import dataclass
from statistics import fmean, median

from quality._tasks import TASKS
from quality._world import Played

_RESAMPLES = 2000
_SAME = 1e-9


@dataclass(frozen=True, slots=True, order=True)
class Cell:
    """What was played: everything but who."""

    task: str
    evaluations: int
    call_s: float
    habits: str
    seed: int


Results = Mapping[tuple[str, Cell], Played]
Better = Callable[[Played, Played], float]


@dataclass(frozen=True, slots=True)
class WinRate:
    """Share of pairs that one arm wins, a tie counted half, with a 90 % interval over seeds; ``n`` pairs."""

    rate: float
    low: float
    high: float
    n: int

    def __str__(self) -> str:
        return f"{self.rate:.2f} [{self.low:.2f}, {self.high:.2f}]"


def by_final(one: Played, other: Played) -> float:
    """Who ends with the truly better program."""
    return _won(one.final, other.final)


def by_area(one: Played, other: Played) -> float:
    """Whose best so far is better on average over all evaluations."""
    return _won(fmean(one.by_evaluation), fmean(other.by_evaluation))


def by_calls(one: Played, other: Played) -> float:
    """Who has the better best so far after as many calls of the model as both made; a draw where one made none."""
    n = min(len(one.by_call), len(other.by_call))
    return _won(one.by_call[n - 1], other.by_call[n - 1]) if n else 0.5


def _won(one: float, other: float) -> float:
    return 0.5 if abs(one - other) <= _SAME else float(one > other)


def win_rate(results: Results, one: str, other: str, cells: Iterable[Cell], better: Better = by_final) -> WinRate | None:
    """How often ``one`` beats ``other`` on the same cells; seeds are resampled, the same for all tasks.  None without pairs."""
    won: dict[int, list[float]] = {}
    for cell in cells:
        if (one, cell) in results and (other, cell) in results:
            won.setdefault(cell.seed, []).append(better(results[one, cell], results[other, cell]))
    if not won:
        return None
    seeds, rng = sorted(won), random.Random(0)
    rates = sorted(fmean(value for seed in rng.choices(seeds, k=len(seeds)) for value in won[seed]) for _ in range(_RESAMPLES))
    every = [value for row in won.values() for value in row]
    return WinRate(fmean(every), rates[_RESAMPLES // 20], rates[-_RESAMPLES // 20], len(every))


def mean_ranks(results: Results, arms: Sequence[str], cells: Iterable[Cell]) -> dict[str, float]:
    """The mean rank of each arm over the cells that all of them played; 1 is best."""
    ranks: dict[str, list[float]] = {arm: [] for arm in arms}
    for cell in cells:
        if all((arm, cell) in results for arm in arms):
            finals = {arm: results[arm, cell].final for arm in arms}
            for arm in arms:
                better = sum(value > finals[arm] + _SAME for value in finals.values())
                same = sum(abs(value - finals[arm]) <= _SAME for value in finals.values())
                ranks[arm].append(1 + better + (same - 1) / 2)
    return {arm: fmean(row) for arm, row in ranks.items() if row}


def table(head: Sequence[str], rows: Iterable[Sequence[object]]) -> str:
    """A table in Markdown."""
    lines = ["| " + " | ".join(head) + " |", "|" + "---|" * len(head)]
    return "\n".join([*lines, *("| " + " | ".join(map(str, row)) + " |" for row in rows), ""])


def groups(cells: Sequence[Cell]) -> dict[str, list[Cell]]:
    """The cells by what is hard about them: all exact ones, deceptive and structural ones, noisy ones, then one by one."""
    exact = [cell for cell in cells if not TASKS[cell.task].noise]
    hard = [cell for cell in exact if TASKS[cell.task].kind in ("deceptive", "structural")]
    noisy = [cell for cell in cells if TASKS[cell.task].noise]
    named = {"exact": exact, "deceptive and structural": hard, "noisy": noisy}
    return {name: group for name, group in named.items() if group}


def compared(results: Results, arm: str, others: Sequence[str], cells: Sequence[Cell]) -> str:
    """How one arm does against each other one, by group of tasks and by task."""
    tasks = list(dict.fromkeys(cell.task for cell in cells))
    split = groups(cells)
    rows = []
    for other in others:
        rates = [win_rate(results, arm, other, group) for group in split.values()]
        more = [win_rate(results, arm, other, next(iter(split.values())), better) for better in (by_calls, by_area)]
        each = [win_rate(results, arm, other, [cell for cell in cells if cell.task == task]) for task in tasks]
        rows.append([other, *map(_said, rates), *map(_said, more), *(f"{one.rate:.2f}" if one else "-" for one in each)])
    return table([f"{arm} against", *split, "equal calls", "area", *tasks], rows)


def _said(rate: WinRate | None) -> str:
    return str(rate) if rate is not None else "-"


def finals(results: Results, arms: Sequence[str], cells: Sequence[Cell]) -> str:
    """Median true score of what is reported, by task and arm; and the mean ranks."""
    tasks, rows = list(dict.fromkeys(cell.task for cell in cells)), []
    for task in tasks:
        here = [cell for cell in cells if cell.task == task]
        begin = TASKS[task].true(TASKS[task].files)
        scores = [[results[arm, cell].final for cell in here if (arm, cell) in results] for arm in arms]
        rows.append([task, f"{begin.score:.4f}" if begin else "-", *(f"{median(row):.4f}" if row else "-" for row in scores)])
    ranks = mean_ranks(results, arms, cells)
    rows.append(["mean rank", "", *(f"{ranks[arm]:.2f}" if arm in ranks else "-" for arm in arms)])
    return table(["task", "initial", *arms], rows)


def means(results: Results, arms: Sequence[str], cells: Sequence[Cell]) -> str:
    """What an arm's runs are made of, on average."""
    rows = []
    for arm in arms:
        played = [results[arm, cell] for cell in cells if (arm, cell) in results]
        if played:
            counts = (
                [len(one.by_evaluation) for one in played],
                [len(one.by_call) for one in played],
                [one.again for one in played],
                [one.failed for one in played],
                [one.clock_s for one in played],
            )
            overstated = fmean(one.claimed - one.final for one in played)
            rows.append([arm, *(f"{fmean(row):.0f}" for row in counts), f"{overstated:.4f}"])
    return table(["arm", "evaluations", "calls", "measured again", "failed", "clock s", "reported minus true"], rows)
