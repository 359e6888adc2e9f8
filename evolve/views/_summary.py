"""What a run came to, in the problem's own sign and unit."""

from __future__ import annotations

import math
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field, replace

from archive import TAME, difference, mean_of, sd_of, tame
from evolve._counted import counted
from evolve.budget._cpu_budget import INITIAL
from evolve.budget._ledger import usd
from evolve.confirm import Noise, describe_noise
from evolve.problem.contract._contract import Problem
from evolve.runs._folder import RunDir
from evolve.search.claims._claims import claims_of, doubt
from evolve.search.state._faults import named
from evolve.search.state._state import ProblemState, RunState
from evolve.views._pruned import Pruned, failures_of, pruned_of
from evolve.views._shortfall import Shortfall, shortfall
from evolve.views._unchecked import Unchecked, unchecked
from evolve.views.candidate._score import score_of

SCHEMA = 1
CONFIRMED, CHAMPION, SO_FAR = "confirmed", "champion, unconfirmed", "better so far, unconfirmed"
SUSPECT = "confirmed, but suspect"
BEYOND_RULE = f"which count as {TAME:g} where programs are compared"  # of scores of a noisy problem beyond it
BEYOND_REMEDY = "write another unit, or the logarithm, in evaluate.py"
ONCE, WITHIN = "measured once", "no gain: within the noise that was found"  # of a deterministic problem
FROM_SCORES, FROM_FINAL = "scores", "final runs"  # what a gain is the difference of
NOT_BETTER = "not better in the final runs"  # than the initial program


@dataclass(frozen=True, slots=True)
class FinalRuns:
    """The reserved measurements at the end of a noisy run: best and initial program in turns, each on fresh seeds.  Unconfirmed.

    ``gain`` is the difference of the means, higher is better, and ``gain_se`` its standard error (None with fewer than two each).
    ``best_far_off`` and ``seed_far_off`` count measurements beside ``best_n`` and ``seed_n`` that are wild, and in none of these.
    """

    candidate: str
    best_mean: float
    best_n: int
    seed_mean: float
    seed_n: int
    gain: float
    gain_se: float | None = None
    best_sd: float | None = None  # of one measurement; None with fewer than two
    seed_sd: float | None = None
    verdict: str = "unconfirmed"
    best_far_off: int = 0
    seed_far_off: int = 0


@dataclass(frozen=True, slots=True)
class FarOff:
    """Measurements of a noisy problem that are wild for certain, and in no score that is shown: how many of how many; ``sd``, the
    standard deviation of the noise without them.  The only one of its program may be wild too, and is in its score."""

    measurements: int
    of: int
    sd: float


def far_off(state: ProblemState) -> FarOff | None:
    """What is wild of all that was measured; None where nothing is."""
    descent = state.population.descent
    n = sum(map(len, descent.far.values()))
    return FarOff(n, descent.count, descent.unit) if n else None


@dataclass(frozen=True, slots=True)
class ModelUse:
    """What models cost: dollars settled; dollars reserved for calls in flight; dollars beyond what was reserved, where a server
    counted more tokens than it was allowed; tokens in and out; HTTP requests; which models cannot be asked any more, with the
    reason; how many tickets of models ended, and of these, those that gave no child, by what went wrong: a call's failure, a fault
    of the edits, or a duplicate; what of the dollars and tokens is assumed, for how many requests, as servers did not count; and of
    the tickets without a child those that no answer came to at all."""

    usd: float = 0.0
    reserved_usd: float = 0.0
    overrun_usd: float = 0.0
    tokens: int = 0
    calls: int = 0
    offered: tuple[str, ...] = ()
    refused: Mapping[str, str] = field(default_factory=dict)
    tickets: int = 0
    lost: Mapping[str, int] = field(default_factory=dict)
    assumed_usd: float = 0.0
    assumed_tokens: int = 0
    assumed_calls: int = 0
    unanswered: Mapping[str, int] = field(default_factory=dict)


def model_use(state: ProblemState) -> ModelUse:
    """What a search has used of its models, as it stands; of one of several problems what is settled is its own, and all else the
    run's."""
    used = run_model_use(state.run)
    if not state.others:
        return used
    own = state.part.models
    return replace(used, usd=usd(own.nano), tokens=own.tokens, calls=own.calls)


def run_model_use(run: RunState) -> ModelUse:
    """What a whole run has used of its models."""
    limits = run.model_limits
    ledger = limits.ledger
    return ModelUse(
        usd=usd(ledger.settled.nano),
        reserved_usd=usd(ledger.reserved.nano),
        overrun_usd=usd(ledger.overrun.nano),
        tokens=ledger.settled.tokens,
        calls=ledger.settled.calls,
        offered=limits.available,
        refused={**limits.over_cap, **limits.disabled},
        tickets=limits.tickets,
        lost=_most_first(limits.lost),
        assumed_usd=usd(ledger.assumed.nano),
        assumed_tokens=ledger.assumed.tokens,
        assumed_calls=ledger.assumed.calls,
        unanswered=_most_first(limits.unanswered),
    )


def _most_first(numbers: Mapping[str, int]) -> dict[str, int]:
    return dict(sorted(numbers.items(), key=lambda item: (-item[1], item[0])))


@dataclass(frozen=True, slots=True)
class EvaluatorFaults:
    """What the evaluator could not do: errors, and the first of them; the programs that it could not judge however often it was
    asked, or only not yet; ok results that lack a declared number, and the first of those."""

    errors: int = 0
    first: str = ""
    unjudged: tuple[str, ...] = ()
    waiting: int = 0
    incomplete: int = 0
    lacking: str = ""

    @property
    def unjudged_words(self) -> str:
        """The first few of the programs that could not be judged."""
        return named(self.unjudged)


def evaluator_faults(state: ProblemState) -> EvaluatorFaults:
    """The evaluator's errors as they stand."""
    faults, rows = state.faults, state.population.candidates
    return EvaluatorFaults(
        errors=faults.errors,
        first=faults.first,
        unjudged=tuple(rows[number].id for number in faults.unjudged),
        waiting=len(faults.waiting) + len(faults.out),
        incomplete=faults.incomplete,
        lacking=faults.lacking,
    )


@dataclass(frozen=True, slots=True)
class Summary:
    """A run's result.  ``status`` is one of done, stopped, interrupted, degraded, failed; ``failures`` counts candidates."""

    schema: int
    run: str
    status: str
    problem: str
    metric: str
    seed_score: float | None
    best_score: float | None
    best_id: str | None
    candidates: int
    measurements: int
    failures: Mapping[str, int]
    wall_s: float
    cpu_s: float
    reason: str
    tier: str
    final: FinalRuns | None = None
    word: str = ""  # of the best: confirmed, champion or better so far
    champion_id: str | None = None
    claims: int = 0  # that hold
    openings: int = 0
    noise: Noise | None = None
    not_deterministic: str = ""  # what was found on a problem that calls itself deterministic, and what to type
    beyond: str = ""  # that scores are so large that they are not compared as they are, and what to do
    models: ModelUse = field(default_factory=ModelUse)
    evaluator: EvaluatorFaults = EvaluatorFaults()
    unchecked: Unchecked | None = None  # better scores that no fresh process has given yet
    caveat: str = ""  # what must stand beside every score: that it is not computed by trusted code
    shortfall: Shortfall | None = None  # a child or a vault that the budget does not hold
    far_off: FarOff | None = None  # measurements that are wild: of all programs, and beside the two scores
    seed_far_off: int = 0
    best_far_off: int = 0
    pruned: Pruned | None = None
    problems: tuple[Summary, ...] = ()  # of a run of several, which has counts, seconds and claims in sum, and no score of its own


def best_candidate(state: ProblemState) -> int | None:
    """The candidate a run stands by: what was confirmed last; else the champion; else the best so far.

    The best so far is the leader, or the best that was measured in a fresh process where the leader only has a warm result, or the
    best that was measured again where its lead lies within the noise of scores that were declared deterministic.  Once a noisy
    run has made its final measurements it is the program they were made of, if its mean was better than the initial program's,
    and otherwise the initial program: another one's lucky score is no better founded than it was.  While they are made it stays.
    """
    held = claims_of(state)
    if held:
        return max(held, key=lambda vault: (vault.interim, vault.effect.effect if vault.effect else 0.0)).candidate
    if state.final_comparison is None:
        return _by_searching(state)
    (id_, owed), final = state.final_comparison, final_runs_of(state)
    finalist, under_way = state.population.by_id[id_], owed > 0 or final is None
    stands = state.population.score(finalist) is not None and (under_way or (final is not None and final.gain > 0))
    return finalist if stands else _by_searching(state) if under_way else INITIAL


def _by_searching(state: ProblemState) -> int | None:
    """Whom the search itself stands by."""
    population, test = state.population, state.champion_test
    if population.by_descent:
        return population.best_so_far
    if state.contract.noisy and test.keeps_champion and test.champion != INITIAL:
        return test.champion
    return state.steadiness.standing(population)


def evidence_label(state: ProblemState, number: int) -> str:
    """How well founded it is that a candidate is better than the initial program: confirmed, champion or better so far; "" for the
    initial program, for what has no score or a worse one and, on a deterministic problem, where the score came again."""
    held = [vault for vault in claims_of(state) if vault.candidate == number]
    if held:
        return SUSPECT if all(doubt(state, vault) for vault in held) else CONFIRMED
    if number == INITIAL or state.population.score(number) is None:
        return ""
    if not state.contract.noisy:
        within = state.steadiness.doubtful and gain_of(state, number) is None
        return WITHIN if within else "" if state.steadiness.was_repeated(number) else ONCE
    if (final := _final_of(state, number)) is not None and final.gain <= 0:
        return NOT_BETTER
    if state.champion_test.keeps_champion and state.champion_test.champion == number:
        return CHAMPION
    gain = gain_of(state, number)
    return "" if gain is not None and gain < 0 else SO_FAR


def gain_of(state: ProblemState, number: int | None) -> float | None:
    """By how much a candidate is better than the initial program; None where either has no score, and where that is no gain because
    scores that were declared deterministic differ by as much.  Where final runs compared the two it is what these gave: what was
    seen while searching is too good, as it chose the program."""
    population = state.population
    if number is None or not population.candidates or population.score(number) is None or population.score(INITIAL) is None:
        return None
    if (final := _final_of(state, number)) is not None:
        return final.gain
    much = difference(population.posterior_as_measured(number)[0], population.posterior_as_measured(INITIAL)[0])
    return None if state.steadiness.no_gain(much) else much


def stated_gain(state: ProblemState, number: int | None) -> float | None:
    """The same, to be stated of a program; None too where a deterministic problem's score has not come again."""
    return (
        None
        if number is not None and state.population.candidates and evidence_label(state, number) == ONCE
        else gain_of(state, number)
    )


def gain_from(state: ProblemState, number: int | None) -> str:
    """What a gain that is stated is the difference of: ``FROM_FINAL`` runs or ``FROM_SCORES``; "" where none is stated."""
    if number is None or stated_gain(state, number) is None:
        return ""
    return FROM_SCORES if _final_of(state, number) is None else FROM_FINAL


def gain_se(state: ProblemState, number: int | None) -> float | None:
    """The standard error of a gain that is known from final runs; None of any other."""
    final = None if number is None else _final_of(state, number)
    return None if final is None else final.gain_se


def beyond_words(state: ProblemState) -> str:
    """That scores of a noisy problem are too large for its statistics, and what to do; "" while none is."""
    n = state.population.pooled[-1].n_wild
    return f"{counted(n, 'program')} scored beyond {TAME:g}, {BEYOND_RULE}; {BEYOND_REMEDY}" if n else ""


def noise_of(state: ProblemState, *, tails: bool = False) -> Noise | None:
    """The noise floor as far as it is known; None on a deterministic problem.  ``tails`` looks at the residuals too."""
    if not state.contract.noisy:
        return None
    pooled = state.population.pooled[-1]
    return describe_noise(pooled.noise, pooled.df, _residuals(state) if tails else ())


def _residuals(state: ProblemState) -> list[float]:
    """Deviations of first scores from their candidate's mean, scaled to the spread of one run."""
    found: list[float] = []
    for row in state.population.candidates:
        scores = [tame(seen.score) for seen in row.fingerprints]
        if len(scores) > 1:
            scale, mean = math.sqrt(len(scores) / (len(scores) - 1)), mean_of(scores)
            found += [scale * (score - mean) for score in scores]
    return found


def summarise(run: RunDir, problem: Problem, state: ProblemState, status: str, why: str, now: float) -> Summary:
    """The summary of a search as it stands."""
    population = state.population
    seed = score_of(population, INITIAL) if population.candidates and population.score(INITIAL) is not None else None
    number = best_candidate(state)
    best = score_of(population, number) if number is not None else None
    return Summary(
        schema=SCHEMA,
        run=str(run.path),
        status=status,
        problem=problem.contract.name,
        metric=problem.contract.metric,
        seed_score=seed.score if seed is not None else None,
        best_score=best.score if best is not None else None,
        best_id=best.id if best is not None else None,
        candidates=state.usage.candidates,
        measurements=state.usage.measured,
        failures=failures_of(state),
        pruned=pruned_of(state),
        wall_s=round(state.usage.elapsed(now), 3),
        cpu_s=round(state.usage.cpu_s, 3),
        reason=why,
        tier=state.run.tier,
        final=final_runs_of(state),
        word=evidence_label(state, number) if number is not None else "",
        champion_id=champion_of(state),
        claims=len(claims_of(state)),
        openings=len(state.confirmations.confirmations),
        noise=noise_of(state, tails=True),
        not_deterministic=state.steadiness.message(population),
        beyond=beyond_words(state),
        models=model_use(state),
        evaluator=evaluator_faults(state),
        unchecked=unchecked(state, number, now, run=str(run.path)),
        caveat=state.contract.caveat,
        shortfall=shortfall(state),
        far_off=far_off(state),
        seed_far_off=seed.far_off if seed is not None else 0,
        best_far_off=best.far_off if best is not None else 0,
    )


def champion_of(state: ProblemState) -> str | None:
    """The id of the program that has shown to be better than the initial program while searching; None while nobody has."""
    champion, keeps = state.champion_test.champion, state.champion_test.keeps_champion
    return state.population.candidates[champion].id if keeps and champion != INITIAL else None


def final_runs_of(state: ProblemState) -> FinalRuns | None:
    """The final runs as far as they have come; None before there are some of both programs."""
    if state.final_comparison is None:
        return None
    finalist = state.final_comparison[0]
    number = state.population.by_id[finalist]
    best, best_far = _typical(state, number, [score for id_, score in state.final_scores if id_ == finalist])
    seed, seed_far = _typical(state, INITIAL, [score for id_, score in state.final_scores if id_ != finalist])
    if not best or not seed:
        return None
    held = any(vault.candidate == number for vault in claims_of(state))
    verdict, sds = "confirmed by its vault" if held else "unconfirmed", (_sd(best), _sd(seed))
    gain, error = state.population.sign * difference(mean_of(best), mean_of(seed)) + 0.0, None
    if sds[0] is not None and sds[1] is not None:
        error = math.hypot(sds[0] / len(best) ** 0.5, sds[1] / len(seed) ** 0.5)
    return FinalRuns(finalist, mean_of(best), len(best), mean_of(seed), len(seed), gain, error, *sds, verdict, best_far, seed_far)


def _typical(state: ProblemState, number: int, scores: list[float]) -> tuple[list[float], int]:
    """Those of a program's scores that are not far off, unless all are, and how many more there are."""
    far, sign = state.population.far_off(number), state.population.sign
    rest = [score for score in scores if tame(sign * score) not in far] or scores
    return rest, len(scores) - len(rest)


def _final_of(state: ProblemState, number: int) -> FinalRuns | None:
    """The final runs that compared this candidate with the initial program."""
    final = final_runs_of(state)
    return final if final is not None and state.population.candidates[number].id == final.candidate else None


def _sd(scores: Sequence[float]) -> float | None:
    return sd_of(scores) if len(scores) > 1 else None
