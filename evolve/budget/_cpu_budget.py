"""The compute rule ``cpu_budget``: a program may spend 1.10 x the CPU of the initial program in every run, and CPU time is noisy.

What a run may cost follows from the noise of the initial program's own runs, which no candidate can widen.  With x = log CPU
seconds, n runs of the initial program of mean m and sum of squares SS around it,

    s^2 = (4 (0.08)^2 + SS) / v,  v = 4 + n - 1     CPU of equal runs scatters by 5 to 10 %: that much is taken as known before
    line(p) = m + log 1.10 + t_v(p) s sqrt(1 + 1/n) exceeded by a share 1 - p of the runs of a program that spends all it may

- One run is stopped at line(0.998).
- The runs of a program above line(0.90) are counted, and tested as a share: more than one in ten, by the binomial distribution at
  0.01, is over budget.  A cheap first run does not make up for dear ones, as it does in a mean.
- The mean of a program's runs is over budget when its lower 95 % bound, m + log 1.10 + t_v s sqrt(1/k + 1/n), is exceeded.
- A claim rests on the runs of its vault alone: their share and their mean, and the mean itself must be within 1.10 x.

Honest programs are one that spends what the initial program does; how often they are refused: docs/design/search.md.
"""

from __future__ import annotations

import math
from collections.abc import Sequence
from dataclasses import dataclass, field

CPU_ALLOWANCE = 1.10
INITIAL_RUNS = 5
CONFIDENCE = 0.95
STOPPED = 0.998  # quantile of a run's cost, for a program that spends all it may, at which it is stopped
MARKED = 0.90  # and above which runs are counted
SHARE_LEVEL = 0.01
_MAX_LOG = 700.0
INITIAL = 0  # the initial program is always row 0
_PRIOR_SD, _PRIOR_DF = 0.08, 4


@dataclass(slots=True)
class Spent:
    """Log CPU seconds of a program's runs, and how many of them were above the mark."""

    n: int = 0
    mean: float = 0.0
    squares: float = 0.0
    marked: int = 0

    def add(self, value: float, *, marked: bool) -> None:
        """Count one run (Welford)."""
        self.n += 1
        delta = value - self.mean
        self.mean += delta / self.n
        self.squares += delta * (value - self.mean)
        self.marked += marked

    def line(self, quantile: float, *, n: int = 1) -> float:
        """Log of what the mean of ``n`` runs of a program that spends all it may exceeds with probability 1 - ``quantile``; these
        are the initial program's runs."""
        from scipy.special import stdtrit

        df = _PRIOR_DF + max(self.n - 1, 0)
        sd = math.sqrt((_PRIOR_DF * _PRIOR_SD**2 + self.squares) / df)
        return self.mean + math.log(CPU_ALLOWANCE) + float(stdtrit(df, quantile)) * sd * math.sqrt(1 / n + 1 / self.n)


def run_limit(costs: Sequence[float]) -> float:
    """CPU seconds at which a run is stopped, where the initial program's runs cost so much; without any above 0, none is."""
    spent = Spent()
    for cost in costs:
        if cost > 0.0:
            spent.add(math.log(cost), marked=False)
    return _exp(spent.line(STOPPED)) if spent.n else math.inf


@dataclass(slots=True)
class CpuBudget:
    """What each program spent: in all its runs, and in those of its latest vault."""

    by_row: dict[int, Spent] = field(default_factory=dict)
    in_vault: dict[int, Spent] = field(default_factory=dict)

    def add(self, row: int, cpu_s: float, *, vault: bool = False) -> None:
        """Count one run, of a vault or not."""
        value, marked = math.log(cpu_s), self._marked(row, cpu_s)
        self.by_row.setdefault(row, Spent()).add(value, marked=marked)
        if vault:
            self.in_vault.setdefault(row, Spent()).add(value, marked=marked)

    def on_vault_opened(self, row: int) -> None:
        """A vault was opened for a program: what it spent in an earlier one counts for that one only."""
        self.in_vault.pop(row, None)

    @property
    def initial_cpu_s(self) -> float | None:
        """What the initial program costs; None before it has run often enough to say."""
        seed = self._initial()
        return None if seed is None else _exp(seed.mean)

    @property
    def kill_s(self) -> float | None:
        """CPU seconds at which one run is stopped; None before the initial program's cost is known."""
        seed = self._initial()
        return None if seed is None else _exp(seed.line(STOPPED))

    def ratio(self, row: int) -> float | None:
        """The program's mean cost as a multiple of the initial program's; None while either is unknown."""
        seed = self._initial()
        return _exp(self.by_row[row].mean - seed.mean) if seed is not None and row in self.by_row else None

    def excess_with(self, row: int, cpu_s: float, *, vault: bool = False) -> str:
        """Why a program is over budget with one more run at this cost ("" if it is not); one of its vault is judged among those."""
        seed = self._initial()
        if row == INITIAL or seed is None or cpu_s <= 0:
            return ""
        marked = self._marked(row, cpu_s)
        for runs, whose in ((self.by_row, ""), (self.in_vault, " of its vault")):
            if whose and not vault:
                continue
            old = runs.get(row, Spent())
            n = old.n + 1
            if why := _excess(n, old.mean + (math.log(cpu_s) - old.mean) / n, old.marked + marked, seed):
                return why.format(whose=whose)
        return ""

    def claim_excess(self, row: int) -> str:
        """Why a claim cannot be made at equal compute ("" if it can): by the runs of its vault."""
        seed, spent = self._initial(), self.in_vault.get(row)
        if row == INITIAL or seed is None or spent is None or spent.mean <= seed.mean + math.log(CPU_ALLOWANCE):
            return ""
        ratio = _exp(spent.mean - seed.mean)
        found = f"in its vault it took {ratio:.3g} x the initial program's CPU"
        return f"{found}, at most {CPU_ALLOWANCE:g} x is allowed (runs: {spent.n})"

    def _initial(self) -> Spent | None:
        seed = self.by_row.get(INITIAL)
        return seed if seed is not None and seed.n >= INITIAL_RUNS else None

    def _marked(self, row: int, cpu_s: float) -> bool:
        seed = self._initial()
        return row != INITIAL and seed is not None and math.log(cpu_s) > seed.line(MARKED)


def _excess(n: int, mean: float, marked: int, seed: Spent) -> str:
    from scipy.special import bdtrc

    if marked > 1 and float(bdtrc(marked - 1, n, 1 - MARKED)) < SHARE_LEVEL:
        limit = _exp(seed.line(MARKED))
        return f"{marked} of {n} runs{{whose}} took more than {limit:.3g} s of CPU, where noise explains one in ten"
    if mean > seed.line(CONFIDENCE, n=n):
        return f"the mean CPU of {n} runs{{whose}} is above {CPU_ALLOWANCE:g} x the initial program's, with 95 % confidence"
    return ""


def _exp(value: float) -> float:
    """``exp`` within the range of a float: a mean of logarithms may lie a rounding beyond all of them."""
    return math.exp(max(-_MAX_LOG, min(_MAX_LOG, value)))
