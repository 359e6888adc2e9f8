"""A run opened for reading: its search as the journal has it now.  Nothing is locked or written."""

from __future__ import annotations

import shlex
import time
from collections.abc import Callable, Collection, Iterator, Sequence
from dataclasses import dataclass, replace
from pathlib import Path

from archive import Candidate, LogEntry, Proposed, TextStore, find_records
from evolve._counted import counted
from evolve._errors import RunError, suggest
from evolve.budget._cpu_budget import INITIAL
from evolve.config._schema import RunConfig
from evolve.problem.contract._contract import Budget, Problem
from evolve.runs._folder import Hold, RunDir, hold_of, open_folder
from evolve.runs._open import load_run
from evolve.search._stopping import GIVEN
from evolve.search.policy._policies import policy_of
from evolve.search.state._parts import Parts
from evolve.search.state._state import Phase, ProblemState, Whereabouts
from evolve.views._learnt import Learnt, learnt
from evolve.views._outlook import Outlook, kept_for, outlook, spent_of, spent_words
from evolve.views._progress import Progress, ProgressTracker
from evolve.views._shortfall import Shortfall
from evolve.views._shortfall import shortfall as shortfall_of
from evolve.views._summary import FinalRuns, best_candidate, final_runs_of
from evolve.views._unchecked import Unchecked, unchecked
from evolve.views._verdict import next_command, verdict, with_advice
from evolve.views._where import where_words
from evolve.views.candidate._score import score_of

CREATED, NOBODY_YET = "created", "nobody has driven it yet"
RUNNING, KILLED = "running", "its driver ended without closing it"
STARTING, OPENS = "starting", "a driver opens it; limits and what is spent are still those of the last opening"
_STAND_INS = ("best", "initial", "seed")  # for the id of a candidate
_NAMED = 8  # problems, in a sentence
FLAG, CALL = "--problem {}", 'run.of("{}")'  # how a problem of several is meant: where commands are typed, and from Python
MEASURED = "what was told is measured; nobody drives it"


@dataclass(frozen=True, slots=True)
class RunView:
    """``now`` is Unix time for a live run, the time of its last record for one that nobody drives, or that a driver is opening:
    the time between two openings is not spent."""

    run: RunDir
    config: RunConfig
    problem: Problem
    state: ProblemState
    texts: TextStore
    status: str
    reason: str
    now: float

    @property
    def driven(self) -> bool:
        """Whether a driver has it, or is opening it."""
        return self.status in (RUNNING, STARTING)

    def outlook(self) -> Outlook:
        """How long it still goes on."""
        return outlook(self.state, self.now, run=str(self.run.path), driven=self.driven, opening=self.status == STARTING)

    def final_runs(self) -> FinalRuns | None:
        """What the final runs of a noisy run came to; None where there are none."""
        return final_runs_of(self.state)

    def unchecked(self) -> Unchecked | None:
        """Better scores than the best's that no fresh process has given yet."""
        run = "" if self.driven else str(self.run.path)
        return unchecked(self.state, best_candidate(self.state), self.now, run=run)

    def tracker(self) -> ProgressTracker:
        """Who follows it while it is driven."""
        return ProgressTracker(self.state)

    def progress(self) -> Progress:
        """What a person wants to know of it."""
        return self.tracker().snapshot(self.now)

    def learnt(self) -> Learnt:
        """What earned what, and how likely it is to make the next child."""
        return learnt(self.state, self.now)

    @property
    def descriptors_verdict(self) -> str:
        """What the last test of computed descriptors came to; "" where there was none."""
        return self.state.computed.verdict

    @property
    def several(self) -> bool:
        """Whether the run has other problems too."""
        return bool(self.state.others)

    def records(self, kinds: Collection[str], mention: str = "") -> Iterator[LogEntry]:
        """Records of these kinds that hold the text ``mention``, in order: of several problems those about this one or about none.
        One program, with one id, may be a candidate of several."""
        for stamped in find_records(self.run.path, kinds, mention=mention):
            if not self.several or getattr(stamped.record, "problem", "") in ("", self.state.problem):
                yield stamped

    def made(self, id_: str) -> Candidate:
        """A candidate as it was recorded for this problem."""
        if any(id_ in other.population.by_id for other in self.state.others):
            for stamped in self.records(("proposed",), id_):
                record = stamped.record
                if isinstance(record, Proposed) and record.candidate is not None and record.candidate.id == id_:
                    return record.candidate
        return self.texts.candidate(id_)

    def quote(self, more: str = "") -> str:
        """What to type after a verb that is about this problem, as a shell reads it; ``more`` goes behind the run."""
        run = f"{shlex.quote(str(self.run.path))} {more}".rstrip()
        return f"{run} --problem {shlex.quote(self.problem.contract.name)}" if self.several else run

    @property
    def tier(self) -> str:
        """What confines its candidates: as its last driver found it, else as it was asked for."""
        return self.state.run.tier or self.config.sandbox.tier

    @property
    def whereabouts(self) -> Whereabouts | None:
        """Where its last driver has it measured; None where nobody has driven it yet.  What runs of before do not say of it is as
        it was configured."""
        place, asked = self.state.run.whereabouts, self.config.executor
        if place is None or place.executor:
            return place
        return replace(place, executor=asked.kind, address=asked.address or "")

    @property
    def where(self) -> str:
        """The same in words; "" where nobody has driven it yet."""
        return where_words(self.whereabouts) if self.whereabouts is not None else ""

    @property
    def budget(self) -> Budget:
        """Its limits, as they were set."""
        return self.state.budget

    @property
    def unfit(self) -> tuple[str, ...]:
        """Why nodes of a cluster take no part, as the last driver found them."""
        return tuple(self.state.run.unfit.values())

    @property
    def whole_budget(self) -> Budget:
        """The limits of the whole run, whatever of them is this problem's."""
        return self.state.run.budget

    @property
    def makes_no_children(self) -> bool:
        """Whether it measures what it is given and nothing else."""
        return policy_of(self.state).fixed_candidates

    @property
    def sign(self) -> float:
        """1 where a higher score is better, else -1."""
        return self.state.population.sign

    def best_score(self) -> float | None:
        """The best candidate's score, in the problem's own sign."""
        best = self.best()
        return score_of(self.state.population, best).score if best is not None else None

    @property
    def given_up(self) -> str:
        """Why this problem is not searched any more while the run's others are; "" where it is."""
        return self.state.failure

    def spent(self, now: float | None = None) -> dict[str, float]:
        """What the whole run has spent of each limit, at Unix time ``now`` where it is not that of this view."""
        return spent_of(self.state.run, self.now if now is None else now)

    def shortfall(self) -> Shortfall | None:
        """What the budget is too small for."""
        return shortfall_of(self.state)

    def kept_for(self) -> str:
        """What a noisy run has kept back at its end."""
        return kept_for(self.state)

    def way_on(self, status: str, reason: str) -> str:
        """The command by which it goes on after it ended so; "" where nothing lets it."""
        return next_command(self.state, status, reason, str(self.run.path))

    def id_of(self, number: int) -> str:
        """A candidate's id."""
        return self.state.population.candidates[number].id

    def parent_of(self, number: int) -> int | None:
        """A candidate's first parent; None of the initial program."""
        return next(iter(self.state.population.candidates[number].parents), None)

    def seed_score(self) -> float | None:
        """The initial program's score, in the problem's own sign; None without an ok measurement."""
        population = self.state.population
        return score_of(population, INITIAL).score if population.score(INITIAL) is not None else None

    def best(self) -> int | None:
        """The best candidate; None while nothing is measured."""
        return best_candidate(self.state)

    def beginning_with(self, prefix: str) -> list[int]:
        """The candidates whose ids begin so; none where nothing is said."""
        return [number for id_, number in self.state.population.by_id.items() if id_.startswith(prefix)] if prefix else []

    def leader(self) -> int:
        """The best candidate.

        Raises:
            RunError: nothing was measured yet.
        """
        best = self.best()
        if best is None:
            found = f"program with a score: {why}" if (why := self.state.run.failure) else "measured candidate yet"
            raise RunError(f"{self.run.path} has no {found}; see: evolve status {self.quote()}")
        return best

    def candidate(self, prefix: str) -> int:
        """The candidate whose id begins with ``prefix``; ``best`` and ``initial`` (or ``seed``) stand for those two.

        Raises:
            RunError: no candidate, or more than one.
        """
        population = self.state.population
        if prefix == "best":
            return self.leader()
        if prefix in _STAND_INS[1:] and population.candidates:
            return 0
        found = self.beginning_with(prefix)
        if len(found) == 1:
            return found[0]
        if found:
            some = ", ".join(population.candidates[number].id for number in found[:4])
            raise RunError(f"{counted(len(found), 'candidate')} begin with {prefix!r} ({some}, ...); type more of the id.")
        listed = f'list them with: evolve query {shlex.quote(str(self.run.path))} "SELECT id FROM candidates"'
        raise RunError(f"{self.run.path} has no candidate {prefix!r}; {suggest(prefix, population.by_id, listed)}")


def views_of(path: str, parts_of: Callable[[RunConfig], Parts]) -> tuple[RunView, ...]:
    """Open a run for reading, once for each of its problems; ``parts_of`` says what its search is put together from.

    Raises:
        RunError: no run in that folder, or one that was killed before its first record.
        ArchiveError: a damaged or foreign journal.
    """
    run = open_folder(Path(path))
    hold = hold_of(run)
    config, problems, search, texts = load_run(run, parts_of)
    last, found = search.run.usage.last_at, []
    over = search.done(last) if all(state.population.candidates for state in search.states) else ""
    for problem, state in zip(problems, search.states, strict=True):
        if hold is Hold.OPEN:
            found.append(RunView(run, config, problem, state, texts, RUNNING, "", time.time()))
            continue
        status, reason = (STARTING, OPENS) if hold is Hold.OPENING else _stands(state, last, str(run.path), over)
        found.append(RunView(run, config, problem, state, texts, status, reason, last))
    return tuple(found)


def named_view(views: tuple[RunView, ...], problem: str = "", candidate: str = "", how: str = FLAG) -> RunView:
    """The view of the problem of this name; where none is said, of the run's only one, or of the one that has the candidate.
    ``how`` is what somebody is told to say.

    Raises:
        RunError: the run has several problems and none is meant for certain, none of that name, or none that has the candidate.
    """
    path, holding = shlex.quote(str(views[0].run.path)), [view for view in views if view.beginning_with(candidate)]
    if len(views) > 1 and not problem and len(holding) == 1:
        return holding[0]
    if len(views) > 1 and not (problem or holding) and candidate not in ("", *_STAND_INS):
        listed = f'list them with: evolve query {path} "SELECT problem, id FROM candidates"'
        raise RunError(f"none of the {len(views)} problems of {path} has a candidate {candidate!r}; {listed}")
    return views[problem_meant([view.problem.contract.name for view in views], problem, path, how)]


def problem_meant(names: Sequence[str], problem: str, run: str, how: str = FLAG) -> int:
    """Which of a run's problems has this name; where none is said, its only one.  ``how`` is what somebody is told to say.

    Raises:
        RunError: it has several and none is said, or none of that name.
    """
    if problem in names:
        return list(names).index(problem)
    if not problem and len(names) == 1:
        return 0
    more = f"{', '.join(names[:_NAMED])}, and {len(names) - _NAMED} more" if len(names) > _NAMED else ", ".join(names)
    if problem:
        raise RunError(f"{run} has no problem {problem!r}; {suggest(problem, names, f'its problems: {more}', how)}")
    raise RunError(f"{run} has {len(names)} problems ({more}); say which: {how.format(shlex.quote(names[0]))}")


def spokesman(views: Sequence[RunView]) -> RunView:
    """The view whose status and reason are those of a run of several problems: of one with children that wait, if there is one."""
    return next((view for view in views if _told(view.state)), views[0])


def _told(state: ProblemState) -> list[int]:
    """Children of people and agents that wait to be measured."""
    rows = state.population.candidates
    return [due.index for due in state.population.queue if due.index != INITIAL and rows[due.index].arm < 0]


def _stands(state: ProblemState, last: float, run: str, over: str) -> tuple[str, str]:
    """How a run that nobody drives stands, as its records have it now: what was told since it was let go counts."""
    status, reason = _ended(state, over)
    reason = with_advice(state, status, reason, run)
    rows, told = state.population.candidates, _told(state)
    if not told:
        return status, reason
    seen = outlook(state, last, run=run, driven=False)
    waits = f"{len(told)} children wait" if len(told) > 1 else "1 child waits"
    if seen.ended_by not in ("", "budget.candidates"):
        words = f"{waits} to be measured: {spent_words(seen)}"
    else:
        first = f"evolve result {shlex.quote(run)} {rows[told[0]].id} --wait"
        words = f"{waits} to be measured, and nobody drives the run; type: {first}"
    return status, words if reason in (GIVEN, MEASURED, status) else f"{reason}; {words}"


def _ended(state: ProblemState, over: str) -> tuple[str, str]:
    """How the last driver let go of a run, which has nothing more to do for the reason ``over`` ("" while it has)."""
    end = state.run.end
    if state.run.usage.opened_at is None and state.population.candidates:
        return CREATED, NOBODY_YET
    if end.phase is Phase.PAUSED:
        return "stopped", MEASURED
    if end.phase is not Phase.RUNNING:
        return end.status, end.why
    return verdict(state, over) if over else ("interrupted", KILLED)
