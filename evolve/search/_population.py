"""Everything known of the candidates: rows, posteriors, who stands in the archive, who leads.

Scores are turned so that higher is better.  A candidate enters the archive when it has an ok measurement at the problem's last
stage, and leaves it when a measurement of it fails.
"""

from __future__ import annotations

import math
from collections import deque
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field, replace
from itertools import combinations

from archive import (
    Archive,
    AxisInfo,
    Candidate,
    Change,
    Entry,
    Measurement,
    Placed,
    Pooled,
    Purpose,
    Start,
    Status,
    Tally,
)
from evolve.budget._cpu_budget import SEED, CpuFrame
from evolve.problem._contract import Contract

SEEDS_KEPT = 5  # runs of a candidate that later ones are compared with
_STALE = 0.05  # relative change of noise or prior after which the places of all elites are judged again


@dataclass(frozen=True, slots=True)
class Seen:
    """What one seed gave: enough to tell a candidate that ignores its seed."""

    seed: int
    score: float
    output: str
    probe: str

    def same(self, other: Seen) -> bool:
        """Whether two different seeds gave the same: one answer to the same question, or equal outputs and equal scores."""
        if self.seed == other.seed:
            return False
        if self.probe and self.probe == other.probe:
            return True
        return bool(self.output) and self.output == other.output and self.score == other.score


@dataclass(slots=True)
class Row:
    """One candidate.  ``stage`` is the highest stage with an ok measurement (-1: none); ``cold`` says that one of them did not come
    from a warm start; ``gain`` was told to the bandit when ``settled``."""

    id: str
    code_hash: str
    parents: tuple[int, ...]
    generation: int
    arm: int
    ticket: int
    tuner: int
    descriptors: Mapping[str, float]
    baseline: float | None = None
    status: Status | None = None
    stage: int = -1
    cold: bool = False
    settled: bool = False
    bred: int = 0
    pending: int = 0
    next_index: int = 0
    cell: int = -1
    cost_s: float = 0.0
    losses: int = 0
    seeds: list[Seen] = field(default_factory=list)  # of a noisy problem: what its first runs gave


@dataclass(frozen=True, slots=True)
class Ready:
    """A measurement that is due."""

    row: int
    stage: int


class Population:
    """Rows and the archive over them.

    Args:
        problem: The problem's id, for the records of what changed.
        contract: What decides stages, axes, noise and frame.
        archive: Where they stand; empty.
    """

    def __init__(self, problem: str, contract: Contract, archive: Archive) -> None:
        self.problem = problem
        self.contract = contract
        self.sign = 1.0 if contract.maximize else -1.0
        self.archive = archive
        self.rows: list[Row] = []
        self.by_id: dict[str, int] = {}
        self.by_hash: dict[str, int] = {}
        self.pooled = [Pooled(contract.noisy) for _ in contract.stages]
        self.frame = CpuFrame() if contract.frame == "cpu_budget" else None
        self.ready: deque[Ready] = deque()
        self.warm_elites: list[int] = []  # newest last
        self.leader: int | None = None
        self.cold_best: int | None = None  # the best by posterior mean, when last measured, of those with a cold measurement
        self.leader_at = 0  # candidates measured when the leader last changed
        self.n_settled = 0
        self.failures: dict[str, int] = {}
        self._judged_with = (0.0, 0.0, 0.0)

    @property
    def last_stage(self) -> int:
        return len(self.contract.stages) - 1

    @property
    def elites(self) -> list[int]:
        """Occupants of the archive, as row numbers."""
        return self.archive.cells.elites

    def add(self, candidate: Candidate, *, arm: int, ticket: int, tuner: int, baseline: float | None) -> int:
        """A new candidate; it is due for its first stage.  Returns its row number."""
        number = len(self.rows)
        parents = tuple(self.by_id[parent] for parent in candidate.parents)
        self.rows.append(
            Row(
                id=candidate.id,
                code_hash=candidate.code_hash,
                parents=parents,
                generation=candidate.generation,
                arm=arm,
                ticket=ticket,
                tuner=tuner,
                descriptors=dict(candidate.descriptors),
                baseline=baseline,
            )
        )
        self.by_id[candidate.id] = number
        self.by_hash.setdefault(candidate.code_hash, number)
        for parent in parents:
            self.rows[parent].bred += 1
        self.ready.append(Ready(number, 0))
        return number

    def score(self, number: int) -> float | None:
        """Posterior mean at the last stage, higher is better; None while there is none."""
        row = self.rows[number]
        return self.posterior(number)[0] if row.status is Status.OK and row.stage == self.last_stage else None

    def posterior(self, number: int) -> tuple[float, float]:
        """Posterior mean and standard deviation at the last stage, higher is better.

        Raises:
            KeyError: it has no ok measurement there.
        """
        return self.pooled[-1].posterior(self.rows[number].id)

    def shown(self, number: int) -> tuple[float, float]:
        """The same for people: what was measured where that counts as something else.  KeyError as for ``posterior``."""
        return self.pooled[-1].shown(self.rows[number].id)

    @property
    def noise(self) -> float:
        """Variance of one measurement at the last stage, pooled; 0 while unknown, and on a deterministic problem."""
        return self.pooled[-1].noise

    @property
    def df(self) -> int:
        """Degrees of freedom of the noise."""
        return self.pooled[-1].df

    def noise_of(self, number: int) -> float:
        """The same for one candidate: its own variance where it scatters far more than the others."""
        return self.pooled[-1].noise_of(self.rows[number].id)

    def tally(self, number: int) -> Tally | None:
        """All ok measurements of a candidate at the last stage, higher is better; None while it has none, or once it failed."""
        row = self.rows[number]
        return self.pooled[-1].tally(row.id) if row.status is Status.OK and row.stage == self.last_stage else None

    def n_measured(self, number: int) -> int:
        """Ok measurements at the last stage."""
        id_ = self.rows[number].id
        return self.pooled[-1].tally(id_).n if id_ in self.pooled[-1] else 0

    def observe(self, number: int, result: Measurement, *, vault: bool = False) -> list[Placed]:
        """Take one measurement in, of a vault or not; returns what changed in the archive."""
        row = self.rows[number]
        row.cost_s += result.cpu_s + result.scorer_cpu_s
        if result.status is Status.EVALUATOR_ERROR:
            row.status = row.status or Status.EVALUATOR_ERROR
            return []
        if self.frame is not None and result.cpu_s > 0 and result.stage == self.contract.stages[-1].name:
            self.frame.add(number, result.cpu_s, vault=vault)
        if result.status is not Status.OK or result.score is None:
            return self.fail(number, result.status)
        return self._scored(number, result, result.score)

    def fail(self, number: int, status: Status) -> list[Placed]:
        """The candidate failed, or was retracted: it leaves the archive and the next best of its cell takes the place."""
        row = self.rows[number]
        if row.status not in (None, Status.OK, Status.EVALUATOR_ERROR):
            return []
        row.status = status
        if number == self.cold_best:
            able = (one for one, row in enumerate(self.rows) if row.cold and self.score(one) is not None)
            self.cold_best = max(able, key=lambda one: (self.posterior(one)[0], -one), default=None)
        self.failures[status] = self.failures.get(status, 0) + 1
        placed = self._placed(self.archive.retract(number).changes)
        if number == self.leader:
            self._elect()
        return placed

    def succeed(self, number: int, parent: int) -> list[Placed]:
        """A program that is as good as its parent and shorter takes the parent's place in the archive, where both stand in one
        cell.  The seed program keeps its own."""
        cell = self.rows[number].cell
        if parent == SEED or number in self.archive.cells or parent not in self.archive.cells or self.rows[parent].cell != cell:
            return []
        placed = self._placed(self.archive.retract(parent).changes)
        placed += self._placed(self.archive.put(number, cell, *self.posterior(number)).changes)
        if parent == self.leader:
            self._elect()
        return placed

    def descendants(self, number: int) -> list[int]:
        """Everything that came of a candidate, oldest first."""
        found = {number}
        for child in range(number + 1, len(self.rows)):
            if not found.isdisjoint(self.rows[child].parents):
                found.add(child)
        return sorted(found - {number})

    @property
    def seed_failed(self) -> bool:
        """Whether a measurement of the seed program failed: then there is nothing to search from."""
        return bool(self.rows) and self.rows[SEED].status not in (None, Status.OK, Status.EVALUATOR_ERROR)

    def started(self, purpose: Purpose, entries: Sequence[Entry]) -> None:
        """A block was handed out: what it measures is no longer due."""
        names = [stage.name for stage in self.contract.stages]
        taken = {(self.by_id[entry.candidate], names.index(entry.stage)) for entry in entries}
        if any((due.row, due.stage) in taken for due in self.ready):
            self.ready = deque(due for due in self.ready if (due.row, due.stage) not in taken)
        while purpose is Purpose.RECHECK and self.warm_elites and not self._wants_recheck(self.warm_elites[-1]):
            self.warm_elites.pop()

    def _wants_recheck(self, number: int) -> bool:
        return not self.rows[number].cold and number in self.archive.cells

    def best_cold(self) -> int | None:
        """The leader, if it was measured in a fresh process; else the best that was, in the archive or pushed out of it by a
        warm result that nobody has measured again."""
        if self.leader is None or self.rows[self.leader].cold:
            return self.leader
        return SEED if self.cold_best is None else self.cold_best

    def ignores_its_seed(self, number: int, result: Measurement) -> bool:
        """Whether a result equals that of another seed, although the seed program's results all differ."""
        if not self.contract.noisy or result.score is None or number == SEED:
            return False
        if result.stage != self.contract.stages[-1].name:
            return False
        return seed_insensitive(self.rows[SEED].seeds, self.rows[number].seeds, seen(result, result.score))

    def over_budget(self, number: int, result: Measurement, *, vault: bool) -> str:
        """Why, with this result, the candidate's CPU exceeds what the frame allows ("" if it does not, as far as is known)."""
        if self.frame is None or result.score is None or result.stage != self.contract.stages[-1].name:
            return ""
        return self.frame.excess_with(number, result.cpu_s, vault=vault)

    def _scored(self, number: int, result: Measurement, score: float) -> list[Placed]:
        row = self.rows[number]
        stage = next(i for i, stage in enumerate(self.contract.stages) if stage.name == result.stage)
        if row.status not in (None, Status.OK, Status.EVALUATOR_ERROR):
            return []
        row.status = Status.OK
        row.cold = row.cold or result.start is not Start.WARM
        self.pooled[stage].add(row.id, self.sign * score)
        if self.contract.noisy and stage == self.last_stage and len(row.seeds) < SEEDS_KEPT:
            row.seeds.append(seen(result, score))
        if stage > row.stage:
            row.stage = stage
            row.descriptors = {**row.descriptors, **result.descriptors}
        if stage < self.last_stage:
            bar = self.contract.stages[stage].pass_score
            if stage == row.stage and (bar is None or self.sign * score >= self.sign * bar):
                self.ready.append(Ready(number, stage + 1))
            return []
        return self._judge(number) + self._refresh()

    def _judge(self, number: int) -> list[Placed]:
        row = self.rows[number]
        mean, sd = self.posterior(number)
        if row.cold and (self.cold_best is None or mean > self.posterior(self.cold_best)[0]):
            self.cold_best = number
        if row.cell < 0:
            low = {axis.name: axis.low for axis in self.contract.axes}  # where an evaluator that does not say puts it
            row.descriptors = {**low, **row.descriptors}
            row.cell = self.archive.cell_of(row.descriptors)
        entered = number not in self.archive.cells
        placed = self._placed(self.archive.put(number, row.cell, mean, sd).changes)
        if entered and number in self.archive.cells and not row.cold:
            self.warm_elites.append(number)
        self._follow(number)
        return placed

    def _refresh(self) -> list[Placed]:
        """Judge every elite again once noise or prior have moved: their worths were computed with other numbers."""
        pooled = self.pooled[-1]
        if not self.contract.noisy or pooled.prior is None:
            return []
        now = (pooled.noise, *pooled.prior)
        before = self._judged_with
        scale = math.sqrt(now[0] + now[2]) or 1.0
        moved = abs(now[1] - before[1]) / scale > _STALE or any(
            abs(now[i] - before[i]) > _STALE * max(now[i], before[i]) for i in (0, 2)
        )
        if not moved:
            return []
        self._judged_with = now
        placed: list[Placed] = []
        for number in list(self.elites):
            placed += self._placed(self.archive.put(number, self.rows[number].cell, *self.posterior(number)).changes)
        self._elect()
        return placed

    def _follow(self, number: int) -> None:
        worth = self.archive.cells.worth
        if number == self.leader:
            self._elect()
        elif number in self.archive.cells and (self.leader is None or worth(number) > worth(self.leader)):
            self.leader, self.leader_at = number, self.n_settled

    def _elect(self) -> None:
        worth = self.archive.cells.worth
        best = max(self.elites, key=lambda number: (worth(number), number == self.leader, -number), default=None)
        if best != self.leader:
            self.leader, self.leader_at = best, self.n_settled

    def _placed(self, changes: tuple[Change, ...]) -> list[Placed]:
        return [self.placed(change.cell, change.rank, change.key) for change in changes]

    def rebin(self, axes: Sequence[AxisInfo]) -> list[Placed]:
        """Judge every candidate again on other axes; the descriptor space counts up."""
        before = {(cell, rank) for cell, rank, _ in self.archive.cells.items()}
        self.archive = self.archive.rebin(axes, lambda number: self.rows[number].descriptors)
        for number, cell in self.archive.cells.placed_cells():
            self.rows[number].cell = cell
        now = {(cell, rank): key for cell, rank, key in self.archive.cells.items()}
        self._elect()
        return [self.placed(*place, now.get(place)) for place in sorted(before | now.keys())]

    def placed(self, cell: int, rank: int, number: int | None) -> Placed:
        """The record for readers: who stands at a place now."""
        place = Placed(problem=self.problem, island=0, space=self.archive.space, cell=cell, rank=rank, candidate="")
        if number is None:
            return place
        mean, sd = self.shown(number)
        return replace(place, candidate=self.rows[number].id, mean=self.sign * mean, sd=sd)


def seen(result: Measurement, score: float) -> Seen:
    """What a measurement with this score shows of its seed."""
    return Seen(result.seed, score, result.output_hash, result.probe_hash)


def seed_insensitive(seed_program: Sequence[Seen], before: Sequence[Seen], now: Seen) -> bool:
    """Whether a run gave the same as one before it with another seed, although the seed program's runs (two or more) all differ."""
    if len(seed_program) < 2 or any(a.same(b) for a, b in combinations(seed_program, 2)):
        return False
    return any(now.same(one) for one in before)


@dataclass(frozen=True, slots=True)
class Standing:
    """A candidate's standing, in the problem's own sign."""

    id: str
    score: float
    sd: float
    n: int
    cold: bool


def standing(population: Population, number: int) -> Standing:
    """How a measured candidate stands.

    Raises:
        KeyError: it has no ok measurement at the last stage.
    """
    mean, sd = population.shown(number)
    row = population.rows[number]
    return Standing(row.id, population.sign * mean, sd, population.n_measured(number), row.cold)
