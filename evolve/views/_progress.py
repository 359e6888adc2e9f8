"""What a person wants to know of a run, as plain values: for the live view, for ``evolve status``, for JSON."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass

from evolve.budget._cpu_budget import INITIAL
from evolve.confirm import Noise
from evolve.problem.contract._contract import Budget
from evolve.search._room import final_runs
from evolve.search._stopping import effective_budget, search_is_over
from evolve.search.claims._claims import claims_of
from evolve.search.claims._prospects import affords_one, confirm_budget
from evolve.search.policy._arms import EXTERNAL
from evolve.search.policy._policies import policy_of
from evolve.search.state._state import ProblemState
from evolve.views._course import course
from evolve.views._pruned import Pruned, failures_of, pruned_of
from evolve.views._shortfall import Shortfall, is_known, shortfall
from evolve.views._spread import Lines, Spread
from evolve.views._summary import (
    EvaluatorFaults,
    FarOff,
    ModelUse,
    best_candidate,
    beyond_words,
    champion_of,
    evaluator_faults,
    evidence_label,
    far_off,
    gain_from,
    gain_se,
    model_use,
    noise_of,
    stated_gain,
)
from evolve.views._unchecked import Unchecked, unchecked
from evolve.views.candidate._score import CandidateScore, score_of
from evolve.views.claims._resolution import Resolution, resolution


@dataclass(frozen=True, slots=True)
class OperatorShare:
    """How many of the measured or waiting children an operator made, how many of the archive's places are held by them, and
    ``broken_tickets``, at which an operator without a model broke: it raised, or gave what is no child.  ``probability`` is that of
    being drawn for the next child; None where nobody draws."""

    operator: str
    children: int
    elites: int
    broken_tickets: int = 0
    probability: float | None = None


@dataclass(frozen=True, slots=True)
class Progress:
    """A search as it stands.  Scores carry the problem's own sign; ``gain`` is over the initial program, higher is better, None
    where none is to be stated.

    ``cells`` is None where the archive has no descriptors, and ``filled`` then counts its elites.  ``course`` says who breeds now,
    what that follows from and since when the best stands, "" while that is not known.  ``noise`` is None until there are
    replicates.  ``measurements`` counts results, ``handed_out`` what ``budget.evaluations`` limits: measurements whose result has
    not come too.  ``word`` says how well founded the best is.  ``set_aside`` counts measurements kept back for vaults (0 where
    they do not pay for one), ``reserved`` final runs.  ``phase`` is seed, search, final or draining.
    ``gain_se`` is the standard error of a gain that final runs gave, None of any other; ``gain_from`` says what the gain is the
    difference of: ``scores``, those of ``best`` and ``seed``; ``final runs``, their means; "" where none is stated.
    ``problem`` is the name of the one it is about; of a run of several, counts and what is spent are that one's, and of the budget
    its share.
    """

    phase: str
    seed: CandidateScore | None
    best: CandidateScore | None
    best_operator: str
    gain: float | None
    candidates: int
    measurements: int
    handed_out: int
    failures: Mapping[str, int]
    filled: int
    cells: int | None
    shares: tuple[OperatorShare, ...]
    noise: Noise | None
    word: str
    champion_id: str | None
    openings: int
    claims: int
    set_aside: int
    elapsed_s: float
    cpu_s: float
    budget: Budget
    reserved: int
    models: ModelUse
    evaluator: EvaluatorFaults
    spread: Spread
    course: str
    not_deterministic: str = ""  # what was found on a problem that calls itself deterministic
    beyond: str = ""  # that scores are too large to be compared as they are
    unchecked: Unchecked | None = None  # better scores that no fresh process has given yet
    gain_se: float | None = None
    pruned: Pruned | None = None
    gain_from: str = ""
    far_off: FarOff | None = None  # measurements that are wild, and in no score
    problem: str = ""


class ProgressTracker:
    """Makes ``Progress`` of one search again and again; a call costs what is new since the last one, and the number of elites."""

    def __init__(self, state: ProblemState) -> None:
        self._state = state
        self._seen = 0
        self._children: dict[int, int] = dict.fromkeys(range(len(state.bandit.arms)), 0)
        self._told = 0  # children of people and agents
        self._lines = Lines()
        self._noise_known = False
        self._shortfall_known = False

    def snapshot(self, now: float) -> Progress:
        """The search at Unix time ``now``.  To be called where the search may be read: in the thread that drives it."""
        state, population = self._state, self._state.population
        seed = _standing(state, INITIAL) if population.candidates else None
        number = best_candidate(state)
        best = _standing(state, number) if number is not None else None
        spread = self._lines.spread(population)
        return Progress(
            problem=state.contract.name,
            phase=_phase(state, now),
            seed=seed,
            best=best,
            best_operator=operator_of(state, number) if number is not None else "",
            gain=stated_gain(state, number),
            gain_se=gain_se(state, number),
            gain_from=gain_from(state, number),
            far_off=far_off(state),
            candidates=state.usage.candidates,
            measurements=state.usage.measured,
            handed_out=state.usage.evaluations,
            failures=failures_of(state),
            pruned=pruned_of(state),
            filled=spread.filled,
            cells=spread.cells,
            shares=self._shares(now),
            noise=noise_of(state),
            word=evidence_label(state, number) if number is not None else "",
            champion_id=champion_of(state),
            openings=len(state.confirmations.confirmations),
            claims=len(claims_of(state)),
            set_aside=int(confirm_budget(state)) if state.contract.noisy and affords_one(state) else 0,
            elapsed_s=state.usage.elapsed(now),
            cpu_s=state.usage.cpu_s,
            budget=effective_budget(state),
            models=model_use(state),
            not_deterministic=state.steadiness.message(population),
            beyond=beyond_words(state),
            unchecked=unchecked(state, number, now),
            evaluator=evaluator_faults(state),
            spread=spread,
            course=course(state, now),
            reserved=(2 * final_runs(state) if state.final_comparison is None else state.final_comparison[1])
            if state.contract.noisy
            else 0,
        )

    @property
    def leader(self) -> int | None:
        """The best candidate by what was measured so far."""
        return self._state.population.best_so_far

    def noise_found(self) -> Resolution | None:
        """How noisy the problem is and what that lets the run find, at the first call where it is known well enough; else None."""
        state, pooled = self._state, self._state.population.pooled[-1]
        if self._noise_known or not state.contract.noisy or pooled.df < state.run.config.initial_runs - 1:
            return None
        self._noise_known, noise = True, noise_of(state)
        return None if noise is None else resolution(state, noise)

    def shortfall_found(self) -> Shortfall | None:
        """What the budget is too small for, at the first call where the initial program is measured; else None."""
        if self._shortfall_known or not is_known(self._state):
            return None
        self._shortfall_known = True
        return shortfall(self._state)

    def _shares(self, now: float) -> tuple[OperatorShare, ...]:
        state, rows = self._state, self._state.population.candidates
        for row in rows[self._seen :]:
            if row.arm >= 0:
                self._children[row.arm] += 1
        self._told += sum(row.arm < 0 for row in rows[max(self._seen, INITIAL + 1) :])
        self._seen = len(rows)
        elites = dict.fromkeys(self._children, 0)
        for number in state.population.elites:
            if rows[number].arm >= 0:
                elites[rows[number].arm] += 1
        shares: dict[str, OperatorShare] = {}
        chances = policy_of(state).chances(state, now)
        for index, arm in enumerate(state.bandit.arms):
            name = f"{arm.operator} {arm.model}".strip()
            old = shares.get(name, OperatorShare(name, 0, 0))
            chance = float(chances[index]) + (old.probability or 0.0) if chances.any() else None
            children, held = old.children + self._children[index], old.elites + elites[index]
            shares[name] = OperatorShare(name, children, held, state.failed.get(name, 0), chance)
        if self._told or policy_of(state).fixed_candidates:
            told = sum(rows[number].arm < 0 and number != INITIAL for number in state.population.elites)
            shares[EXTERNAL] = OperatorShare(EXTERNAL, self._told, told)
        if policy_of(state).fixed_candidates:  # no operator of its own runs
            shares = {name: one for name, one in shares.items() if one.children or name == EXTERNAL}
        return tuple(shares.values())


BY_NOBODY = "seed"  # what stands in records, SQL and JSON for the operator of the initial program; no screen has that word


def operator_of(state: ProblemState, number: int) -> str:
    """The operator that made a candidate; ``seed`` (``BY_NOBODY``) for the initial program, as in the journal."""
    arm = state.population.candidates[number].arm
    return state.bandit.arms[arm].operator if arm >= 0 else BY_NOBODY if number == INITIAL else EXTERNAL


def _standing(state: ProblemState, number: int) -> CandidateScore | None:
    return score_of(state.population, number) if state.population.score(number) is not None else None


def _phase(state: ProblemState, now: float) -> str:
    if state.run.end.ends:
        return "draining"
    if state.population.leader is None:
        return "seed"
    return "final" if search_is_over(state, now) else "search"
