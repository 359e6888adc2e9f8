"""Everything known of the candidates: their states, posteriors, who stands in the archive, who leads.

Scores are turned so that higher is better.  A candidate enters the archive when it has an ok measurement at the problem's last
stage, and leaves it when a measurement of it fails.
"""

from __future__ import annotations

import math
from collections import deque
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import replace

from archive import (
    TAME,
    Archive,
    Axis,
    BlockEntry,
    Candidate,
    ElitePlaced,
    Measurement,
    PooledPosterior,
    Purpose,
    RunningStats,
    StartMode,
    Status,
    tame,
)
from evolve.budget._cpu_budget import INITIAL, CpuBudget
from evolve.problem.contract._contract import Contract
from evolve.search.state._candidates import CandidateState, PendingStage
from evolve.search.state._fingerprints import SEEDS_KEPT, fingerprint, seed_insensitive
from evolve.search.state._islands import Changes, Islands, Place
from evolve.search.state._ranges import Ranges
from evolve.select import Lineage

_STALE = 0.05  # relative change of noise or prior after which the places of all elites are judged again


class Population:
    """The states of all candidates and the archives over them: one an island, as records call it, and one island so far.

    Args:
        problem: The problem's id, for the records of what changed.
        contract: What decides stages, axes, noise and the compute rule.
        archives: Where they stand; empty.
        by_descent: Whether on a noisy problem measurements of relatives say what a candidate is worth; which of them are wild
            they always say.
    """

    def __init__(self, problem: str, contract: Contract, archives: Sequence[Archive], *, by_descent: bool = False) -> None:
        self.problem = problem
        self.contract = contract
        self.sign = 1.0 if contract.maximize else -1.0
        self.islands = Islands(archives)
        self.ranges = Ranges([axis.info for axis in contract.axes])
        self.candidates: list[CandidateState] = []
        self.by_id: dict[str, int] = {}
        self.by_hash: dict[str, int] = {}
        self.pooled = [PooledPosterior(contract.noisy) for _ in contract.stages]
        self.cpu_budget = CpuBudget() if contract.compute_rule == "cpu_budget" else None
        self.queue: deque[PendingStage] = deque()
        self.unverified_elites: list[int] = []  # newest last
        self.leader: int | None = None
        self.best_measured_cold: int | None = (
            None  # the best by posterior mean, when last measured, of those with a cold measurement
        )
        self.leader_since = 0  # candidates measured when the leader last changed
        self.n_credited = 0
        self.failures: dict[str, int] = {}
        self.by_descent = by_descent and contract.noisy
        self.descent = Lineage()  # what all are worth by measurements of relatives too
        self._placed_with = (0.0, 0.0, 0.0)

    @property
    def last_stage(self) -> int:
        return len(self.contract.stages) - 1

    @property
    def elites(self) -> list[int]:
        """Occupants of the archives, as row numbers."""
        return self.islands.elites

    @property
    def archives(self) -> list[Archive]:
        """One an island."""
        return self.islands.archives

    def holds_place(self, number: int) -> bool:
        """Whether a candidate is an elite."""
        return any(number in self.archives[island].cells for island, _ in self.islands.stands(number, self._home(number)))

    def archive_of(self, number: int) -> Archive:
        """Where a candidate was bred."""
        return self.archives[self.candidates[number].island]

    def _home(self, number: int) -> tuple[int, int]:
        row = self.candidates[number]
        return row.island, row.cell

    def places(self) -> dict[Place, int]:
        """Who stands where."""
        return self.islands.places()

    def add(self, candidate: Candidate, *, arm: int, ticket: int, tuner: int, baseline: float | None, island: int = 0) -> int:
        """A new candidate; it is due for its first stage.  Returns its row number."""
        number = len(self.candidates)
        parents = tuple(self.by_id[parent] for parent in candidate.parents)
        self.candidates.append(
            CandidateState(
                id=candidate.id,
                code_hash=candidate.code_hash,
                parents=parents,
                generation=candidate.generation,
                arm=arm,
                ticket=ticket,
                tuner=tuner,
                descriptors=dict(candidate.descriptors),
                baseline=baseline,
                island=island,
            )
        )
        self.by_id[candidate.id] = number
        self.by_hash.setdefault(candidate.code_hash, number)
        for parent in parents:
            self.candidates[parent].n_children += 1
        self.queue.append(PendingStage(number, 0))
        return number

    def score(self, number: int) -> float | None:
        """Posterior mean at the last stage, higher is better; None while there is none."""
        row = self.candidates[number]
        return self.posterior(number)[0] if row.status is Status.OK and row.stage == self.last_stage else None

    @property
    def best_so_far(self) -> int | None:
        """Whom measurements speak for: those of relatives too where these count, else who leads; None without a score."""
        if not self.by_descent:
            return self.leader
        return best if self.candidates and self.score(best := self.descent.standing) is not None else None

    def posterior(self, number: int) -> tuple[float, float]:
        """Posterior mean and standard deviation at the last stage, higher is better.

        Raises:
            KeyError: it has no ok measurement there.
        """
        return self.pooled[-1].posterior(self.candidates[number].id)

    def worth(self, number: int) -> float | None:
        """What the search takes a candidate to be worth, higher is better; None while it has no score."""
        return self.descent.of(number)[0] if self.by_descent and self.score(number) is not None else self.score(number)

    def posterior_as_measured(self, number: int) -> tuple[float, float]:
        """The same for people: what was measured where that counts as something else, and once any measurement of the problem is
        far off the mean of those that are not, for noise and prior are no one's then.  KeyError as for ``posterior``."""
        return self._typical(number) or self.pooled[-1].as_measured(self.candidates[number].id)

    def far_off(self, number: int) -> list[float]:
        """Measurements of a candidate that are no part of that, higher is better."""
        return self.descent.far_off(number) if self._typical(number) else []

    def _typical(self, number: int) -> tuple[float, float] | None:
        found = self.descent.typical(number) if self.descent.far and number in self.descent else None
        return found if found and abs(found[0]) < TAME / 1e3 else None  # else scores beyond it may have had a part

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
        return self.pooled[-1].noise_of(self.candidates[number].id)

    def stats(self, number: int) -> RunningStats | None:
        """All ok measurements of a candidate at the last stage, higher is better; None while it has none, or once it failed."""
        row = self.candidates[number]
        return self.pooled[-1].stats(row.id) if row.status is Status.OK and row.stage == self.last_stage else None

    def n_measured(self, number: int) -> int:
        """Ok measurements at the last stage."""
        id_ = self.candidates[number].id
        return self.pooled[-1].stats(id_).n if id_ in self.pooled[-1] else 0

    def add_measurement(self, number: int, result: Measurement, *, vault: bool = False) -> list[ElitePlaced]:
        """Take one measurement in, of a vault or not; returns what changed in the archive."""
        row = self.candidates[number]
        row.cost_s += result.cpu_s + result.scorer_cpu_s
        if result.status is Status.EVALUATOR_ERROR:
            row.status = row.status or Status.EVALUATOR_ERROR
            return []
        if self.cpu_budget is not None and result.cpu_s > 0 and result.stage == self.contract.stages[-1].name:
            self.cpu_budget.add(number, result.cpu_s, vault=vault)
        if result.status is not Status.OK or result.score is None:
            return self.mark_failed(number, result.status)
        return self._add_score(number, result, result.score)

    def mark_failed(self, number: int, status: Status) -> list[ElitePlaced]:
        """The candidate failed, or was retracted: it leaves the archive and the next best of its cell takes the place."""
        row = self.candidates[number]
        if row.status not in (None, Status.OK, Status.EVALUATOR_ERROR):
            return []
        row.status = status
        self.descent.forget(number)
        if number == self.best_measured_cold:
            able = (one for one, row in enumerate(self.candidates) if row.measured_cold and self.score(one) is not None)
            self.best_measured_cold = max(able, key=lambda one: (self.posterior(one)[0], -one), default=None)
        self.failures[status] = self.failures.get(status, 0) + 1
        placed = self._placement_records(self.islands.forget(number, self._home(number)))
        if number == self.leader:
            self.elect_leader()
        return placed

    def replace_parent(self, number: int, parent: int) -> list[ElitePlaced]:
        """A program that is as good as its parent and shorter takes the parent's place in the archive, where both stand in one
        cell.  The initial program keeps its own."""
        row, archive = self.candidates[number], self.archive_of(number)
        if (
            parent == INITIAL
            or self.archive_of(parent) is not archive
            or not self.islands.left.isdisjoint((number, parent))
            or number in archive.cells
            or parent not in archive.cells
            or self.candidates[parent].cell != row.cell
        ):
            return []
        self.islands.leave_home(parent)
        added = (archive.retract(parent), archive.add_or_update(number, row.cell, *self.posterior(number)))
        placed = self._placement_records([(row.island, change) for one in added for change in one.changes])
        if parent == self.leader:
            self.elect_leader()
        return placed

    def descendants(self, number: int) -> list[int]:
        """Everything that came of a candidate, oldest first."""
        found = {number}
        for child in range(number + 1, len(self.candidates)):
            if not found.isdisjoint(self.candidates[child].parents):
                found.add(child)
        return sorted(found - {number})

    @property
    def initial_failed(self) -> bool:
        """Whether a measurement of the initial program failed: then there is nothing to search from."""
        return bool(self.candidates) and self.candidates[INITIAL].status not in (None, Status.OK, Status.EVALUATOR_ERROR)

    def on_block_issued(self, purpose: Purpose, entries: Sequence[BlockEntry]) -> None:
        """A block was handed out: what it measures is no longer due."""
        names = [stage.name for stage in self.contract.stages]
        taken = {(self.by_id[entry.candidate], names.index(entry.stage)) for entry in entries}
        if any((due.index, due.stage) in taken for due in self.queue):
            self.queue = deque(due for due in self.queue if (due.index, due.stage) not in taken)
        while purpose is Purpose.RECHECK and self.unverified_elites and not self._wants_recheck(self.unverified_elites[-1]):
            self.unverified_elites.pop()

    def _wants_recheck(self, number: int) -> bool:
        return not self.candidates[number].measured_cold and self.holds_place(number)

    def best_verified(self) -> int | None:
        """The leader, if it was measured in a fresh process; else the best that was, in the archive or pushed out of it by a
        warm result that nobody has measured again."""
        if self.leader is None or self.candidates[self.leader].measured_cold:
            return self.leader
        return INITIAL if self.best_measured_cold is None else self.best_measured_cold

    def is_seed_insensitive(self, number: int, result: Measurement) -> bool:
        """Whether a result equals that of another seed, although those of the initial program differ (see ``seed_insensitive``)."""
        if not self.contract.noisy or result.score is None or number == INITIAL:
            return False
        if result.stage != self.contract.stages[-1].name:
            return False
        return seed_insensitive(
            self.candidates[INITIAL].fingerprints, self.candidates[number].fingerprints, fingerprint(result, result.score)
        )

    def over_budget(self, number: int, result: Measurement, *, vault: bool) -> str:
        """Why, with this result, the candidate's CPU exceeds what the rule allows ("" if it does not, as far as is known)."""
        if self.cpu_budget is None or result.score is None or result.stage != self.contract.stages[-1].name:
            return ""
        return self.cpu_budget.excess_with(number, result.cpu_s, vault=vault)

    def _add_score(self, number: int, result: Measurement, score: float) -> list[ElitePlaced]:
        row = self.candidates[number]
        stage = next(i for i, stage in enumerate(self.contract.stages) if stage.name == result.stage)
        if row.status not in (None, Status.OK, Status.EVALUATOR_ERROR):
            return []
        row.status = Status.OK
        cold = result.start is not StartMode.WARM
        count = self.pooled[stage].supersede if cold and not (row.measured_cold or self.contract.noisy) else self.pooled[stage].add
        count(row.id, self.sign * score)
        row.measured_cold = row.measured_cold or cold
        if self.contract.noisy and stage == self.last_stage and len(row.fingerprints) < SEEDS_KEPT:
            row.fingerprints.append(fingerprint(result, score))
        if stage > row.stage:
            row.stage = stage
            row.descriptors = {**row.descriptors, **result.descriptors}
        if stage < self.last_stage:
            bar = self.contract.stages[stage].pass_score
            if stage == row.stage and (bar is None or self.sign * score >= self.sign * bar):
                self.queue.append(PendingStage(number, stage + 1))
            return []
        if self.contract.noisy:
            self.descent.add(number, self._line(number), tame(self.sign * score))
        return self._place(number) + self._replace_all()

    def _line(self, number: int) -> Iterator[int]:
        """A candidate's ancestors along first parents, the nearest first."""
        while parents := self.candidates[number].parents:
            number = parents[0]
            yield number

    def _place(self, number: int) -> list[ElitePlaced]:
        row = self.candidates[number]
        mean, sd = self.posterior(number)
        if row.measured_cold and (self.best_measured_cold is None or mean > self.posterior(self.best_measured_cold)[0]):
            self.best_measured_cold = number
        if row.cell < 0:
            low = {axis.name: axis.low for axis in self.contract.axes}  # where an evaluator that does not say puts it
            row.descriptors = {**low, **row.descriptors}
            row.cell = self.archive_of(number).cell_of(row.descriptors)
            self.ranges.on_placed(row.descriptors)
        entered = not self.holds_place(number)
        placed = self._placement_records(self.islands.judge(number, self._home(number), mean, sd))
        if entered and not row.measured_cold and self.holds_place(number):
            self.unverified_elites.append(number)
        self._update_leader(number)
        return placed

    def _replace_all(self) -> list[ElitePlaced]:
        """Judge every elite again once noise or prior have moved: their worths were computed with other numbers."""
        pooled = self.pooled[-1]
        if not self.contract.noisy or pooled.prior is None:
            return []
        now = (pooled.noise, *pooled.prior)
        before = self._placed_with
        scale = math.sqrt(now[0] + now[2]) or 1.0
        moved = abs(now[1] - before[1]) / scale > _STALE or any(
            abs(now[i] - before[i]) > _STALE * max(now[i], before[i]) for i in (0, 2)
        )
        if not moved:
            return []
        self._placed_with = now
        placed: list[ElitePlaced] = []
        for number in list(self.elites):
            placed += self._placement_records(self.islands.judge(number, self._home(number), *self.posterior(number)))
        self.elect_leader()
        return placed

    def _update_leader(self, number: int) -> None:
        if number == self.leader:
            self.elect_leader()
        elif self.holds_place(number) and (self.leader is None or self._value(number) > self._value(self.leader)):
            self.leader, self.leader_since = number, self.n_credited

    def elect_leader(self) -> None:
        """The best of those who hold a place leads."""
        best = max(self.elites, key=lambda number: (self._value(number), number == self.leader, -number), default=None)
        if best != self.leader:
            self.leader, self.leader_since = best, self.n_credited

    def _value(self, elite: int) -> float:
        (island, _), *_ = self.islands.stands(elite, self._home(elite))
        return self.archives[island].cells.value(elite)

    def _placement_records(self, changes: Changes) -> list[ElitePlaced]:
        return [self.placement_record((island, change.cell, change.slot), change.key) for island, change in changes]

    def rebin(self, axes: Sequence[Axis]) -> list[ElitePlaced]:
        """Judge every candidate again on other axes; the descriptor space counts up."""
        before = self.places()
        for number, cell in self.islands.rebin(axes, lambda number: self.candidates[number].descriptors).items():
            self.candidates[number].cell = cell
        self.ranges.on_rebinned(axes, (row.descriptors for row in self.candidates if row.cell >= 0))
        self.elect_leader()
        return self.changed_places(before)

    def changed_places(self, before: Mapping[Place, int]) -> list[ElitePlaced]:
        """The records that bring readers from these places to those there are now."""
        now = self.places()
        return [self.placement_record(place, now.get(place)) for place in sorted(before.keys() | now.keys())]

    def placement_record(self, place: Place, number: int | None) -> ElitePlaced:
        """The record for readers: who stands at a place now."""
        island, cell, rank = place
        space = self.archives[island].space
        record = ElitePlaced(problem=self.problem, island=island, space=space, cell=cell, rank=rank, candidate="")
        if number is None:
            return record
        mean, sd = self.posterior_as_measured(number)
        return replace(record, candidate=self.candidates[number].id, mean=self.sign * mean, sd=sd)
