"""A run's lab journal as one frozen value."""

from __future__ import annotations

from dataclasses import dataclass

from evolve.search._notes import arm_name
from evolve.views._progress import Progress, ProgressTracker
from evolve.views._run_view import RunView
from evolve.views._summary import FinalRuns
from evolve.views.notebook._attempts import Attempt, latest
from evolve.views.notebook._graveyard import Graveyard, graveyard
from evolve.views.notebook._plans import Plans, plans
from evolve.views.notebook._resolved import Resolved, resolved
from evolve.views.notebook._steps import Line, Steps

MOST_ATTEMPTS, MOST_DRIFTS = 30, 20


@dataclass(frozen=True, slots=True)
class Drift:
    """A child whose change is not what was said of it: ``text`` says how, in untrusted words."""

    id: str
    maker: str
    text: str


@dataclass(frozen=True, slots=True)
class Page:
    """What the journal has of one problem of a run.  ``stated``: models, people or agents made children, who say what they do in
    words of their own; ``drifts`` are the newest of ``n_drifts``."""

    problem: str
    aim: str
    unit: str
    caveat: str
    policy: str
    status: str
    reason: str
    progress: Progress
    final: FinalRuns | None
    attempts: tuple[Attempt, ...]
    line: Line
    resolved: Resolved
    graveyard: Graveyard
    plans: Plans
    stated: bool
    drifts: tuple[Drift, ...]
    n_drifts: int


@dataclass(frozen=True, slots=True)
class Notebook:
    """The lab journal: a page for each problem."""

    run: str
    pages: tuple[Page, ...]


class PageMaker:
    """Makes the page of one problem again and again; a call costs what is new since the last one, and what is listed."""

    def __init__(self, view: RunView) -> None:
        self._tracker: ProgressTracker = view.tracker()
        self._steps = Steps(view.texts)

    def page(self, view: RunView) -> Page:
        """The page as things stand."""
        state, contract = view.state, view.problem.contract
        attempts, rows = latest(state, MOST_ATTEMPTS), state.population.candidates
        seen = self._tracker.snapshot(view.now)
        drifts = list(state.memory.drifts.items())[: -MOST_DRIFTS - 1 : -1]
        return Page(
            problem=contract.name,
            aim=f"{contract.goal} {contract.metric}",
            unit=contract.unit,
            caveat=contract.caveat,
            policy=state.run.config.policy,
            status=view.status,
            reason=view.given_up or view.reason,
            progress=seen,
            final=view.final_runs(),
            attempts=attempts,
            line=self._steps.to(state, view.best()),
            resolved=resolved(state, attempts),
            graveyard=graveyard(state),
            plans=plans(state, seen.course),
            stated=any(arm < 0 or state.bandit.arms[arm].model for _, arm in state.costs.of),
            drifts=tuple(Drift(rows[number].id, arm_name(state, number), text) for number, text in drifts),
            n_drifts=state.memory.n_drifts,
        )


def notebook(views: tuple[RunView, ...]) -> Notebook:
    """The lab journal of a run that is open for reading."""
    return Notebook(str(views[0].run.id), tuple(PageMaker(view).page(view) for view in views))
