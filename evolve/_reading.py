"""A run as its journal has it now, for reading: nothing is locked, cut or written, and nothing that runs candidates is imported."""

from __future__ import annotations

from archive import JournalMissing, RunCreated, TextStore, read_journal
from evolve._build import build_search
from evolve._config import RunConfig
from evolve._contract import Problem
from evolve._errors import ProblemError, RunError
from evolve._problem import load_problem
from evolve._replay import replay
from evolve._resolved import config_from_json
from evolve._rundir import RunDir
from evolve._search import Search


def open_search(run: RunDir) -> tuple[RunConfig, Problem, Search, TextStore]:
    """The run's configuration, problem, search and texts.  Raises as ``read_run`` and ``read_journal``."""
    config, problem = read_run(run)
    search, texts = build_search(config, problem), TextStore(run.path)
    replay(run, search, texts)
    return config, problem, search, texts


def read_run(run: RunDir) -> tuple[RunConfig, Problem]:
    """What the run was made from.

    Raises:
        RunError: it was killed before its first record.
        ProblemError: its copy of the problem was changed: no result may stand beside those of another evaluator.
    """
    try:
        first = next(read_journal(run.path), None)
    except JournalMissing:
        first = None
    if first is None or not isinstance(first.record, RunCreated):
        if run.checkpoint.with_suffix(".json").exists():
            raise RunError(f"{run.path} has a checkpoint but no records; restore {run.path / 'journal'} from a copy.")
        raise RunError(f"{run.path} was killed before its first record; start it anew.")
    problem = load_problem(run.problem)
    recorded = {info.id: info.evaluator for info in first.record.problems}
    if recorded.get(problem.id) != problem.evaluator:
        expected = " or ".join(f"{id_}, evaluator {evaluator}" for id_, evaluator in recorded.items())
        raise ProblemError(
            f"{run.problem}: expected {expected}, by which this run's results were graded, found {problem.id}, evaluator "
            f"{problem.evaluator}; restore the folder, or start a new run."
        )
    return config_from_json(first.record.config), problem
