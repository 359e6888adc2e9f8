"""``evolve validate PROBLEM FILES``: the treatment that a run gives its candidates, for one program against another.

The program and the reference are measured in a run of their own, in a temporary folder, with the policy ``fixed_candidates``:
sequential evidence, then a vault of fresh seeds; on a deterministic problem an exact comparison.
"""

from __future__ import annotations

import math
import tempfile
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, replace
from pathlib import Path

from archive import candidate_id, read_journal
from evolve._counted import counted
from evolve.budget._cpu_budget import INITIAL
from evolve.config._schema import BudgetConfig, ProblemConfig, RunConfig
from evolve.confirm import E_CLAIM, MAX_RUNS, MIN_DF, WORTH_SD, e_value_of
from evolve.engine._session import RunStarted, start
from evolve.engine.registry._registry import parts_of
from evolve.problem._load import copy_problem
from evolve.problem.contract._contract import Problem
from evolve.runs._folder import open_folder
from evolve.runs._open import load_run
from evolve.runs._recorder import Hook
from evolve.search._search import Search
from evolve.views._shortfall import shortfall
from evolve.views._summary import Summary
from evolve.views.claims._report_cards import REFUSED, ReportCard, ReportCards, report_cards
from evolve.views.claims._verify import Verification, verify_best

RUNS = 250  # of both programs together, at most
_REFERENCE_SHARE = 0.5  # two programs are compared best with as many runs of each


@dataclass(frozen=True, slots=True)
class Comparison:
    """What became of it.  ``card`` is None on a deterministic problem, ``exact`` on a noisy one."""

    confirmed: bool
    summary: Summary
    cards: ReportCards
    card: ReportCard | None
    exact: Verification | None


def compare(
    problem: Problem,
    files: Mapping[str, str],
    against: Mapping[str, str],
    config: RunConfig,
    *,
    hooks: Sequence[Hook] = (),
    announce: Callable[[RunStarted], None] | None = None,
) -> Comparison:
    """Whether ``files`` are better than ``against``.

    Args:
        problem: loaded with its assets.
        files: the program, whole.
        against: what it is compared with, whole.
        config: tier, slots, seed and budget (without one: at most 250 runs) of the comparison.
        hooks, announce: as ``evolve.engine._session.start`` has them.

    Raises:
        EnvironmentFault: no sandbox, a full disk.
    """
    with tempfile.TemporaryDirectory(prefix="evolve-validate-") as folder:
        place = Path(folder)
        _with_seed(problem, against, place / "problem")
        summary = start(_configured(config, problem, place), programs=[files], hooks=hooks, announce=announce)
        run = open_folder(place / "run")
        _, (copy,), search, _ = load_run(run, parts_of)
        cards = report_cards(search.state, copy, read_journal(run.path))
        exact = None if problem.contract.noisy else verify_best(run, copy, search.state)
    id_ = candidate_id(files)
    card = None
    if problem.contract.noisy:
        card = next((one for one in cards.cards if one.candidate == id_), None) or _no_vault(search, id_)
    confirmed = card.confirmed if card is not None else exact is not None and exact.candidate == id_ and exact.holds
    return Comparison(confirmed, summary, cards, card, exact)


def _with_seed(problem: Problem, seed: Mapping[str, str], target: Path) -> None:
    """A copy of the problem whose initial program is another one."""
    initial = copy_problem(problem, target).initial_folder
    for path in problem.initial_files:
        (initial / path).unlink()
    for path, text in seed.items():
        file = initial / path
        file.parent.mkdir(parents=True, exist_ok=True)
        file.write_text(text, encoding="utf-8")


def _configured(config: RunConfig, problem: Problem, place: Path) -> RunConfig:
    asked = config.budget
    limited = any(limit is not None for limit in (asked.wall_s, asked.cpu_s, asked.evaluations))
    return replace(
        config,
        problem=ProblemConfig(name=str(place / "problem"), params=dict(problem.params)),
        search=replace(config.search, policy="fixed_candidates", reference="initial", control_share=_REFERENCE_SHARE),
        budget=asked if limited else BudgetConfig(evaluations=RUNS, confirm_share=asked.confirm_share),
        out=str(place / "run"),
    )


def _too_weak(search: Search, number: int, e_value: float) -> str:
    """That the evidence is, and why no more is looked for where some of the budget is left."""
    state = search.state
    test, population = state.champion_test, state.population
    weak = f"the evidence is too weak for a vault: e = {e_value:.3g}, expected {E_CLAIM:g}"
    if e_value >= E_CLAIM:
        return (
            f"e = {e_value:.3g} is enough for a vault (expected {E_CLAIM:g}), and came with too little of the budget left for one"
        )
    if number in test.contenders:
        return f"{weak}, and the budget is spent"
    runs = f"given up after {counted(population.n_measured(number), 'run')} against {test.reference_runs.n}"
    if population.n_measured(number) >= MAX_RUNS:
        return f"{weak}; {runs}: what {MAX_RUNS} runs do not show is left alone"
    worth = WORTH_SD * math.sqrt(population.noise)
    return f"{weak}; {runs}: they speak against a gain of {worth:.3g} ({WORTH_SD:g} sd of one run), the least that is looked for"


def _no_vault(search: Search, id_: str) -> ReportCard:
    """The card of a program whose evidence opened no vault."""
    population = search.state.population
    number = population.by_id.get(id_)
    e_value = 0.0
    if number is None or number == INITIAL:
        reason = "it is the reference itself"
    elif population.stats(number) is None:
        reason = f"it ended as {population.candidates[number].status}"
    else:
        e_value = e_value_of(search.state.champion_test.evidence(number, population))
        few = f"the noise is known to {counted(population.df, 'degree')} of freedom, expected {MIN_DF}"
        reason = few if population.df < MIN_DF and e_value >= E_CLAIM else _too_weak(search, number, e_value)
        short = shortfall(search.state)
        if short is not None and not short.vault:
            reason = f"{short.words()} (e = {e_value:.3g} so far, expected {E_CLAIM:g})"
    return ReportCard(
        vault=-1,
        candidate=id_,
        reference=population.candidates[0].id,
        status=REFUSED,
        confirmed=False,
        effect=None,
        ci_low=None,
        ci_high=None,
        e_value=e_value,
        p_value=None,
        gate=(0, 0),
        estimate=(0, 0),
        paired=False,
        milestone=0,
        reason=reason,
        runs={"all": population.n_measured(number)} if number is not None else {},
        retries=0,
        voids=0,
        tiers=(search.run.tier,),
        machines=(),
    )
