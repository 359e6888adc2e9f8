"""``evolve ablate RUN [ID]``: a candidate against its run's initial program, taken apart into changes that are measured.

It is measured as the run measures, by its problem as recorded and its executor, on seeds that did not exist before; nothing of it
is a record of the run.  What comes of it lies in ``RUN/ablation/ID``.
"""

from __future__ import annotations

import json
import shlex
import shutil
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, replace
from pathlib import Path

from archive import Measurement, candidate_id, plain
from evolve._counted import counted
from evolve._errors import RunError, UsageError
from evolve.config._json import config_from_json
from evolve.config._schema import RunConfig
from evolve.engine._reading import view_run
from evolve.engine.registry._registry import build_executor, need_machine, need_named, need_place
from evolve.problem.contract._contract import Problem
from evolve.research._changes import MOST, Changes, changes_of
from evolve.research._design import Design, design_of, runs_of
from evolve.research._effects import MIN_RUNS, quantile
from evolve.research._hand_in import Proposed, propose
from evolve.research._kept import Asked, finish, kept
from evolve.research._map import AblationMap, Reduced, left_out_of, map_of, said, with_reduced
from evolve.research._measuring import Bench, Scores
from evolve.runs._open import read_created
from evolve.runs._recorded_problem import places, ready_problem
from evolve.search._rng import fresh_seeds
from evolve.views._run_view import RunView

TABLE, PAGE, PICTURE, REDUCED = "table.json", "ABLATION.md", "contributions.svg", "reduced"


@dataclass(frozen=True, slots=True)
class Wanted:
    """How an ablation is to be made: seeds for each program, changes at most, limits, and where to measure and to write instead."""

    runs: int | None = None
    most: int = MOST
    evaluations: int | None = None
    wall_s: float | None = None
    executor: Mapping[str, object] | None = None
    out: Path | None = None


@dataclass(frozen=True, slots=True)
class Ablation:
    """What came of it; ``folder`` is where page, picture, table and the reduced program lie."""

    run: str
    folder: str
    map: AblationMap
    proposed: Proposed | None


def ablate(path: str, id_: str, wanted: Wanted, *, problem: str = "", tell: Callable[[str], None]) -> Ablation:
    """Take a candidate apart, and write down what came of it.

    Args:
        path: The run.
        id_: The candidate: an id or the beginning of one, or ``best``.
        wanted: How.
        problem: Which one, of a run of several.
        tell: called with a line now and then.

    Raises:
        RunError: no run in that folder, no such candidate, or one that fails now.
        UsageError: nothing to take apart, or a budget that is too small for it.
        ProblemError: the run's problem was changed.
        EnvironmentFault: nothing can be measured on this machine.
    """
    view = view_run(path, problem, id_)
    number = view.candidate(id_)
    config, ready = _ready(view, wanted)
    changes = changes_of(
        view.texts.files(view.id_of(0)), view.texts.files(view.id_of(number)), ready.contract.meaningful_comments, wanted.most
    )
    design = design_of(changes)
    runs = runs_of(design, noisy=ready.contract.noisy, asked=wanted.runs, evaluations=wanted.evaluations, run=path)
    tell(_plan(view, changes, design, runs, wanted))
    need_machine(config, ready)
    folder = _folder(wanted.out or view.run.path / "ablation" / view.id_of(number))
    found = _measured(ready, config, changes, design, runs, folder, wanted, tell)
    _write_reduced(folder, found.reduced)
    proposed = propose(path, view, found.champion, found.reduced, folder / REDUCED) if found.reduced is not None else None
    return Ablation(str(view.run.path), str(folder), found, proposed)


def write_table(ablation: Ablation) -> None:
    """Write the map as JSON."""
    text = json.dumps({"schema": 1, **plain(ablation)}, indent=2)
    (Path(ablation.folder) / TABLE).write_text(text + "\n", encoding="utf-8")


def _folder(place: Path) -> Path:
    """Where results go, without the reduced program of an earlier ablation."""
    place.mkdir(parents=True, exist_ok=True)
    if (place / TABLE).exists():
        shutil.rmtree(place / REDUCED, ignore_errors=True)
    return place


def _ready(view: RunView, wanted: Wanted) -> tuple[RunConfig, Problem]:
    """The run's configuration and problem, for measuring."""
    created = read_created(view.run)
    config = config_from_json(created.config)
    config = replace(config, executor=config.executor.moved(wanted.executor or {}))
    place, info = next((place, info) for place, info in places(view.run, created) if info.id == view.problem.id)
    ready = ready_problem(place, info)
    need_named(config)
    need_place(config, ready)
    return config, ready


def _measured(
    problem: Problem,
    config: RunConfig,
    changes: Changes,
    design: Design,
    runs: int,
    folder: Path,
    wanted: Wanted,
    tell: Callable[[str], None],
) -> AblationMap:
    """The map, and what is measured for it."""
    asked = Asked(problem.id, problem.evaluator, tuple(sorted(design.programs)), fresh_seeds(2 * runs))
    with kept(folder, asked) as keeping:
        if keeping.results:
            tell(f"going on with {counted(len(keeping.results), 'measurement')} that were made before")
        seeds = keeping.asked.seeds
        bench = Bench(problem, lambda _, sink: build_executor(config, (problem,), sink), keeping.add, tell, wanted.wall_s)
        share, least = len(design.programs) / design.n_measurements(2) * 2, MIN_RUNS if problem.contract.noisy else 1
        found = bench.measure(design.programs, seeds[:runs], tuple(keeping.results), share=share, least=least)
        if len(found.seeds) < runs:
            tell(f"the time is over after {counted(len(found.seeds), 'seed')} of {runs}")
        _need_scores(found, design, least)
        ablation = map_of(problem.contract, changes, design, found)
        further = seeds[runs : runs + len(found.seeds)]
        ablation = _with_reduced(problem, changes, design, ablation, found, further, bench, tuple(keeping.results))
    finish(folder)
    return ablation


def _need_scores(found: Scores, design: Design, least: int) -> None:
    """Find out that there is something to compare with."""
    if design.champion in found.failed:
        raise RunError(f"{design.champion} failed now ({said(found.failed[design.champion])}): there is nothing to take apart.")
    if len(found.seeds) < least:
        raise UsageError(
            f"expected measurements on {counted(least, 'seed')}, found {len(found.seeds)}; give it a larger budget.wall_s."
        )


def _with_reduced(
    problem: Problem,
    changes: Changes,
    design: Design,
    ablation: AblationMap,
    found: Scores,
    seeds: Sequence[int],
    bench: Bench,
    known: Sequence[Measurement],
) -> AblationMap:
    """The map with the reduced program: on seeds of its own on a noisy problem, for it was chosen by the others."""
    left_out = left_out_of(design, ablation)
    names = tuple(changes.items[index].name for index in left_out)
    files = changes.without(left_out)
    id_, champion = candidate_id(files), design.champion
    reduced = Reduced(names, files, id_, None)
    if not left_out:
        return with_reduced(ablation, problem.contract, replace(reduced, why="no change can be spared"), None, {})
    if len(left_out) == len(changes.items):
        return with_reduced(ablation, problem.contract, replace(reduced, why="no change is shown to help"), None, {})
    if lacking := changes.lacks(files):
        why = f"without all of them it would lack {', '.join(sorted(lacking))}"
        return with_reduced(ablation, problem.contract, replace(reduced, why=why), None, {})
    if not problem.contract.noisy and id_ in found.scores:
        return with_reduced(ablation, problem.contract, reduced, None, found.scores)
    programs = {id_: files, champion: changes.after} if problem.contract.noisy else {id_: files}
    again = bench.measure(programs, seeds if problem.contract.noisy else found.seeds, known)
    scores = dict(again.scores) if problem.contract.noisy else {**found.scores, **again.scores}
    if failed := again.failed.get(id_) or again.failed.get(champion):
        reduced, scores = replace(reduced, why=f"it failed: {said(failed)}"), {}
    elif problem.contract.noisy and len(again.seeds) < MIN_RUNS:
        reduced, scores = replace(reduced, why="there was no time to measure it"), {}
    return with_reduced(ablation, problem.contract, reduced, again, scores)


def _write_reduced(folder: Path, reduced: Reduced | None) -> None:
    """Write the reduced program, if there is one."""
    if reduced is None or reduced.compared is None:
        return
    for path, text in reduced.files.items():
        place = folder / REDUCED / path
        place.parent.mkdir(parents=True, exist_ok=True)
        place.write_text(text, encoding="utf-8", newline="")


def _plan(view: RunView, changes: Changes, design: Design, runs: int, wanted: Wanted) -> str:
    """What is going to be measured, and what that can show."""
    n = design.n_measurements(runs)
    text = f"{counted(len(changes.items), 'change')}, {counted(len(design.programs), 'program')}"
    if not view.problem.contract.noisy:
        return f"{text}, {n} measurements at most"
    asked = wanted.runs
    text += f" on {runs} seeds each: {n} measurements at most"
    if asked and runs < asked:
        text += f" (budget.evaluations has no room for {asked} seeds)"
    noise = view.state.population.noise
    if noise > 0:
        reach = quantile(design.n_intervals, (len(design.programs) - 1) * (runs - 1)) * (2 * noise / runs) ** 0.5
        text += f"; intervals reach about ±{reach:.2g} (the run's noise has sd {noise**0.5:.2g})"
    return text + f"; fewer: evolve ablate {shlex.quote(str(view.run.path))} --runs N" * (
        asked is None and wanted.evaluations is None
    )
