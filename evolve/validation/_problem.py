"""``evolve validate``: what is wrong with a problem, or with a candidate for it, in words.

A problem is judged by running its initial program through the real grader and sandbox: does it work, is it as deterministic or as
noisy as its contract says, what does it cost.  A candidate is measured beside the initial program, on the same measurement seeds.
Nothing here prints, and nothing is kept.
"""

from __future__ import annotations

import shlex
import statistics
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path

from archive import TAME, BlockEntry, BlockStatus, Measurement, StartMode, Status, difference, mean_of
from evolve._counted import counted
from evolve._errors import ProblemError
from evolve.budget._cpu_budget import CPU_ALLOWANCE, run_limit
from evolve.config._schema import SearchConfig
from evolve.engine._reach import KINDS, out_of_reach
from evolve.engine.registry._registry import build_operators
from evolve.evaluate import Check
from evolve.execute import BlockReport
from evolve.problem.contract._contract import Problem
from evolve.search._rng import fresh_seeds
from evolve.validation._measure import MakeExecutor, measure_block
from evolve.validation._scores import TypicalScores, typical_scores
from evolve.validation._static import check_files
from evolve.views._summary import BEYOND_REMEDY, BEYOND_RULE

INITIAL, CANDIDATE = "seed", "candidate"
NOISE_RUNS = 5
COMPARED_RUNS = 3
NEAR_LIMIT = 0.5  # of a stage's time or memory: other machines are slower, and children are not smaller
FEW_EVALUATIONS = 30
FAR_OFF_REMEDY = (
    "claims count every measurement, and one that is far off hides a gain: where it is the evaluator's own mistake, raise an "
    "exception in evaluate.py, and it is made again"
)


@dataclass(frozen=True, slots=True)
class ValidationReport:
    """All checks in order, and the measurements they rest on.

    ``noise_sd`` is the initial program's standard deviation over measurement seeds (None: deterministic, or not measured);
    neither it nor ``seed_score`` counts what is far off on a noisy problem.  ``cost_s`` is wall time of one measurement at the last
    stage, the sandbox's start included.
    """

    problem: str
    checks: tuple[Check, ...]
    measurements: tuple[Measurement, ...] = ()
    seed_score: float | None = None
    noise_sd: float | None = None
    cost_s: float | None = None

    @property
    def ok(self) -> bool:
        """Whether no check failed; hints do not count."""
        return all(check.ok or check.hint for check in self.checks)


def validate_problem(problem: Problem, make_executor: MakeExecutor, files: Mapping[str, str] | None = None) -> ValidationReport:
    """Check a problem, or with ``files`` a candidate for it.

    Args:
        problem: loaded with its assets.
        make_executor: makes an executor with at least one slot; it is closed again.
        files: the candidate's files by relative path (see ``candidate_files``).

    Raises:
        EnvironmentFault: what the executor raises where this machine cannot run a sandbox.
    """
    if files is not None:
        return _validate_candidate(problem, make_executor, files)
    checks = check_files(problem)
    entries = _initial_entries(problem)
    results, end = measure_block(problem, make_executor, entries, {INITIAL: problem.initial_files})
    if not problem.contract.noisy and end.status is BlockStatus.OK and all(result.status is Status.OK for result in results):
        again = [one for one in entries if one.start is StartMode.COLD][-2:-1]  # in another grader, later, with a seed that it had
        more, end = measure_block(problem, make_executor, again, {INITIAL: problem.initial_files})
        entries, results = [*entries, *again], [*results, *more]
    checks += _check_initial_runs(problem, entries, results, end)
    if any(not (check.ok or check.hint) for check in checks):
        return ValidationReport(problem.id, tuple(checks), tuple(results))
    final = [result for result in results if result.stage == problem.contract.stages[-1].name]
    cold = [result for result in final if result.start is not StartMode.WARM]
    (seen,) = _typical(problem, [*_by_seed(cold).values()])
    checks += [*_check_noise(problem, final), *_check_limits(problem, results), *_check_outcome(problem, final[0])]
    checks += [*_check_cost(problem, final), _check_operators(problem)]
    return ValidationReport(
        problem.id,
        tuple(checks),
        tuple(results),
        seed_score=seen.mean,
        noise_sd=seen.sd if problem.contract.noisy else None,
        cost_s=statistics.median(result.wall_s for result in cold),
    )


def _check_operators(problem: Problem) -> Check:
    reason = out_of_reach(problem, build_operators(SearchConfig().operators).values())
    if not reason:
        return Check("operators", True, "the operators that need no model can change the initial program")
    remedy = f"they change {KINDS} so a run needs a model (llm=...) or an agent (search=fixed_candidates, evolve ask)"
    return Check("operators", False, f"no operator without a model can change the initial program ({reason})", remedy, hint=True)


def candidate_files(problem: Problem, paths: Sequence[Path]) -> dict[str, str]:
    """The initial program's files with those at ``paths`` in place of the ones they are named after.

    A folder stands for all files in it.  A file is matched by the end of its path; the only file of a problem with one
    editable file is matched whatever its name.

    Raises:
        ProblemError: a path cannot be read as text, or no file of the program is meant by it.
    """
    files = dict(problem.initial_files)
    for path in paths:
        if path.is_dir():
            inside = {
                one.relative_to(path).as_posix(): one
                for one in sorted(path.rglob("*"))
                if one.is_file() and "__pycache__" not in one.parts
            }
        else:
            inside = {_meant(problem, path, alone=len(paths) == 1): path}
        for name, one in inside.items():
            if not one.is_file():
                raise ProblemError(
                    f"expected a file or a folder at {one}, found {'something else' if one.exists() else 'nothing'}."
                )
            try:
                files[name] = one.read_bytes().decode()
            except (OSError, UnicodeDecodeError) as error:
                raise ProblemError(f"expected a readable UTF-8 file at {one}, found {error}.") from error
    return files


def _meant(problem: Problem, path: Path, *, alone: bool) -> str:
    parts = path.absolute().as_posix()
    named = [name for name in problem.initial_files if parts.endswith(f"/{name}")]
    if named:
        return max(named, key=len)
    editable = problem.contract.editable
    if alone and len(editable) == 1:
        return editable[0]
    raise ProblemError(
        f"expected a file named after one of {', '.join(problem.initial_files)}, found {path}; rename it or give a folder."
    )


# ------------------------------------------------------------------------------------------------ measuring


def _initial_entries(problem: Problem) -> list[BlockEntry]:
    """Every stage once; at the last one, the first seed twice, other seeds, and a warm start where the stage allows one."""
    *before, last = problem.contract.stages
    seeds = fresh_seeds(NOISE_RUNS if problem.contract.noisy else 2)
    entries = [BlockEntry(INITIAL, stage.name, seeds[0]) for stage in before]
    entries += [BlockEntry(INITIAL, last.name, seed) for seed in (seeds[0], *seeds)]
    if last.start is StartMode.WARM:
        entries += [BlockEntry(INITIAL, last.name, seeds[0], start=StartMode.WARM)] * 2  # the first also pays for the server
    return entries


# ------------------------------------------------------------------------------------------------ a problem


def _check_initial_runs(
    problem: Problem, entries: Sequence[BlockEntry], results: Sequence[Measurement], end: BlockReport
) -> list[Check]:
    if end.status is not BlockStatus.OK:
        return [Check("grader", False, f"the grader did not finish: {end.reason}", "mend evaluate.py; it must import and return")]
    failed = [result for result in results if result.status is not Status.OK]
    if failed:
        found = f"stage {failed[0].stage} ended as {failed[0].status}: {_said(failed[0])}"
        if failed[0].status is Status.EVALUATOR_ERROR:
            return [Check("evaluator", False, found, "mend evaluate.py")]
        return [Check("initial program", False, found, "mend the initial program, or its limits")]
    if len(results) != len(entries):
        return [
            Check(
                "initial program",
                False,
                f"{len(results)} of {counted(len(entries), 'measurement')} came back",
                "run `evolve doctor`",
            )
        ]
    at_last = [result for result in results if result.stage == problem.contract.stages[-1].name]
    score = _typical(problem, _scores(at_last))[0].words if problem.contract.noisy else f"{results[-1].score:.10g}"
    better = "higher" if problem.contract.maximize else "lower"
    value = f"{problem.contract.metric} = {score} {problem.contract.unit}".strip()
    told = Check("initial program", True, f"{value}; {better} is better (goal: {problem.contract.goal})")
    return [told, *_check_cascade(problem, "initial program", results)]


def _check_cascade(problem: Problem, who: str, results: Sequence[Measurement]) -> list[Check]:
    """Stages whose ``pass_score`` the program does not reach."""
    checks = []
    for stage in problem.contract.stages:
        scores = [result.score for result in results if result.stage == stage.name and result.score is not None]
        if stage.pass_score is not None and scores and _worse(problem, scores[0], stage.pass_score):
            found = f"the {who} scores {scores[0]!r} at stage {stage.name} and must reach {stage.pass_score!r}"
            remedy = "set pass_score to what the initial program reaches" if who != "candidate" else "it goes no further in a run"
            checks.append(Check("cascade", False, found, remedy))
    return checks


def _check_noise(problem: Problem, final: Sequence[Measurement]) -> list[Check]:
    scores = _by_seed(final)
    if problem.contract.noisy and (wild := [score for score in scores.values() if abs(score) > TAME]):
        found = f"the initial program scored {wild[0]:.4g}; scores of a noisy problem beyond {TAME:g}"
        return [Check("noise", False, f"{found}, {BEYOND_RULE}", BEYOND_REMEDY)]
    repeats = [result.score for result in final if result.seed == final[0].seed and result.score is not None]
    between = len(set(scores.values())) > 1
    within = len(set(repeats)) > 1
    if problem.contract.noisy and not between:
        found = f"noise: noisy, but {len(scores)} measurement seeds gave the same score {repeats[0]:.10g}"
        return [Check("noise", False, found, "draw data and order from trial.seed, or write noise: deterministic")]
    if problem.contract.noisy:
        (seen,) = typical_scores([*scores.values()])
        share = f" ({100 * (seen.sd / abs(seen.mean)):.2g} % of the mean)" if seen.sd < abs(seen.mean) else ""
        again = "; one seed twice differed too, so a measurement cannot be repeated exactly" if within else ""
        found = f"sd {seen.sd:.4g}{share} over {counted(seen.n, 'measurement seed')}{again}"
        if seen.far_off:
            return [Check("noise", False, f"{found}; {seen.far_off_words}", FAR_OFF_REMEDY, hint=True)]
        return [Check("noise", True, found)]
    if within:
        found = f"noise: deterministic, but one measurement seed gave {min(repeats)!r} and {max(repeats)!r}"
        return [
            Check("noise", False, found, "write noise: noisy, or take the randomness out of evaluate.py and the initial program")
        ]
    if between:
        found = f"noise: deterministic, but two measurement seeds gave {min(scores.values())!r} and {max(scores.values())!r}"
        return [Check("noise", False, found, "write noise: noisy, or do not let trial.seed change the score")]
    starts = " and ".join(sorted({str(result.start) for result in final}))
    return [Check("noise", True, f"deterministic: {len(final)} runs in two graders agree to the last bit (started {starts})")]


def _check_limits(problem: Problem, results: Sequence[Measurement]) -> list[Check]:
    checks = []
    for stage in problem.contract.stages:
        runs = [result for result in results if result.stage == stage.name]
        wall, memory = max(run.wall_s for run in runs), max(run.memory_mib for run in runs)
        if wall > NEAR_LIMIT * stage.time_s:
            found = f"stage {stage.name}: the initial program takes {wall:.3g} s of {stage.time_s:g} s"
            checks.append(Check("limits", False, found, "raise time_s: slower machines and children need room", hint=True))
        if memory > NEAR_LIMIT * stage.memory_mib:
            found = f"stage {stage.name}: the initial program takes {memory:.0f} MiB of {stage.memory_mib} MiB"
            checks.append(Check("limits", False, found, "raise memory_mib", hint=True))
    return checks or [Check("limits", True, "the initial program stays below half of every stage's time and memory")]


def _check_outcome(problem: Problem, result: Measurement) -> list[Check]:
    checks = []
    for axis in problem.contract.axes:
        value = result.descriptors.get(axis.name)
        if value is not None and not axis.low <= value <= axis.high:
            found = f"the initial program's {axis.name} is {value:.4g}, outside {axis.low:g} to {axis.high:g}"
            checks.append(Check("descriptors", False, found, "widen the axis; values outside fall into its end cells", hint=True))
    for name in problem.contract.artifacts:
        if name not in result.artifacts:
            found = f"the initial program's outcome has no artifact {name}, which problem.yaml declares"
            checks.append(
                Check("artifacts", False, found, f"return Outcome(..., artifacts={{{name!r}: ...}}), or do not declare it")
            )
    if not result.feedback:
        remedy = "return Outcome(..., feedback=...): what a person would want to know before the next try"
        checks.append(Check("feedback", False, "evaluate.py says nothing about the initial program", remedy, hint=True))
    return checks


def _check_cost(problem: Problem, final: Sequence[Measurement]) -> list[Check]:
    starts = sorted({result.start for result in final})
    costs = {start: min(run.wall_s for run in final if run.start is start) for start in starts}  # what disturbs only adds
    said = ", ".join(f"{_duration(cost)} {start}" for start, cost in costs.items())
    cpu = statistics.median(run.cpu_s for run in final)
    scorer = statistics.median(run.scorer_cpu_s for run in final)
    checks = [
        Check("cost", True, f"one measurement: {said}; CPU {_duration(cpu)} of the candidate, {_duration(scorer)} of the scorer")
    ]
    wall = problem.contract.budget.wall_s
    if wall is not None and wall < FEW_EVALUATIONS * min(costs.values()):
        found = (
            f"the default budget of {wall:g} s holds about {counted(round(wall / min(costs.values())), 'measurement')} on one slot"
        )
        checks.append(Check("budget", False, found, "raise budget.wall_s, or make a measurement cheaper", hint=True))
    return checks


# ------------------------------------------------------------------------------------------------ a candidate


def _validate_candidate(problem: Problem, make_executor: MakeExecutor, files: Mapping[str, str]) -> ValidationReport:
    *before, last = (stage.name for stage in problem.contract.stages)
    seeds = fresh_seeds(COMPARED_RUNS if problem.contract.noisy else 1)
    entries = [BlockEntry(CANDIDATE, stage, seeds[0]) for stage in before]
    entries += [BlockEntry(who, last, seed) for seed in seeds for who in (INITIAL, CANDIDATE)]
    results, end = measure_block(problem, make_executor, entries, {INITIAL: problem.initial_files, CANDIDATE: files})
    if end.status is not BlockStatus.OK:
        found = f"the grader did not finish: {end.reason}"
        return ValidationReport(
            problem.id,
            (Check("grader", False, found, f"run `evolve validate {shlex.quote(str(problem.folder))}`"),),
            tuple(results),
        )
    ours = [result for result in results if result.candidate == CANDIDATE]
    theirs = [result for result in results if result.candidate == INITIAL]
    checks = _check_cascade(problem, "candidate", ours)
    if any(result.status is not Status.OK for result in theirs):
        found = f"the initial program itself ends as {theirs[-1].status}: {theirs[-1].reason}"
        checks.append(Check("initial program", False, found, f"run `evolve validate {shlex.quote(str(problem.folder))}`"))
    failed = [result for result in ours if result.status is not Status.OK]
    if failed:
        whose = "evaluate.py" if failed[0].status is Status.EVALUATOR_ERROR else "the candidate"
        checks.append(Check("candidate", False, f"{failed[0].status}: {_said(failed[0])}", f"mend {whose}"))
    else:
        final = [result for result in ours if result.stage == last]
        checks.insert(0, Check("candidate", True, _comparison(problem, _scores(theirs), _scores(final))))
        if problem.contract.compute_rule == "cpu_budget":
            checks.append(_check_cpu(theirs, final))
        if final[0].feedback:
            checks.append(Check("feedback", True, final[0].feedback))
    seen = _typical(problem, _scores(theirs))
    return ValidationReport(problem.id, tuple(checks), tuple(results), seed_score=seen[0].mean if seen else None)


def _check_cpu(theirs: Sequence[Measurement], ours: Sequence[Measurement]) -> Check:
    """A few runs cannot decide 1.10 x, which is within the noise of CPU time; what a single run is stopped at they can."""
    spent = statistics.fmean(result.cpu_s for result in ours)
    allowed = CPU_ALLOWANCE * statistics.fmean(result.cpu_s for result in theirs)
    found = f"{_duration(spent)} of CPU; allowed are {_duration(allowed)}, {CPU_ALLOWANCE:g} times what the initial program spends"
    return Check(
        "cpu budget", spent <= allowed, found, "make it cheaper", hint=spent <= run_limit([result.cpu_s for result in theirs])
    )


def _comparison(problem: Problem, theirs: Sequence[float], ours: Sequence[float]) -> str:
    """What a candidate scores beside the initial program, as far as that has scores."""
    contract = problem.contract
    *before, seen = _typical(problem, theirs, ours)
    value = f"ok: {contract.metric} = {seen.words} {contract.unit}".strip()
    if not before:
        return value
    seed = before[0]
    gain = difference(seen.mean, seed.mean) if contract.maximize else difference(seed.mean, seen.mean)
    much = "no different" if gain == 0 else f"{'better' if gain > 0 else 'worse'} by {abs(gain):.4g}"
    runs = f"; a first look, {len(ours)} noisy runs each" if contract.noisy else ""
    for who, one in (("candidate", seen), ("initial program", seed)):
        runs += f"; of the {who} {one.far_off_words}" if one.far_off else ""
    return f"{value}, {much} than the initial program's {seed.words}{runs}"


def _typical(problem: Problem, *programs: Sequence[float]) -> list[TypicalScores]:
    """What the scores of each program come to that has some; on a deterministic problem all count."""
    some = [scores for scores in programs if scores]
    return typical_scores(*some) if problem.contract.noisy else [TypicalScores(mean_of(one), 0.0, len(one)) for one in some]


# ------------------------------------------------------------------------------------------------ words and numbers


def _by_seed(results: Sequence[Measurement]) -> dict[int, float]:
    """The first score of each measurement seed."""
    scores: dict[int, float] = {}
    for result in results:
        if result.score is not None:
            scores.setdefault(result.seed, result.score)
    return scores


def _scores(results: Sequence[Measurement]) -> list[float]:
    return [result.score for result in results if result.score is not None]


def _worse(problem: Problem, score: float, bar: float) -> bool:
    return score < bar if problem.contract.maximize else score > bar


def _duration(seconds: float) -> str:
    return f"{1000 * seconds:.3g} ms" if seconds < 1 else f"{seconds:.3g} s"


def _said(result: Measurement) -> str:
    """Why a measurement failed: the reason, and what the feedback adds to it."""
    more = [] if result.feedback.strip() == result.reason.strip() else result.feedback.strip().splitlines()[-12:]
    return "\n    ".join([result.reason or "no reason given", *more])
