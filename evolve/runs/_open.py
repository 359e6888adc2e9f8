"""A run as its records have it: to be driven or written to with a journal, or to be read.  Nothing is locked, cut or written here,
and nothing that runs candidates is imported."""

from __future__ import annotations

import shlex
from collections.abc import Callable, Sequence

from archive import Journal, JournalMissing, RunCreated, TextStore, read_journal
from evolve._errors import RunError
from evolve.config._json import config_from_json
from evolve.config._schema import RunConfig
from evolve.problem.contract._contract import Problem
from evolve.runs._folder import RunDir
from evolve.runs._recorded_problem import places, recorded_problem
from evolve.runs._replay import KnownPlacements, replay
from evolve.search._search import Search
from evolve.search.state._parts import Parts


def load_run(run: RunDir, parts_of: Callable[[RunConfig], Parts]) -> tuple[RunConfig, Sequence[Problem], Search, TextStore]:
    """The run's configuration, problems, search and texts.  Raises as ``read_config_and_problems`` and ``read_journal``."""
    config, problems = read_config_and_problems(run)
    search, texts, _ = open_search(run, config, problems, parts_of(config))
    return config, problems, search, texts


def open_search(
    run: RunDir, config: RunConfig, problems: Sequence[Problem], parts: Parts, journal: Journal | None = None
) -> tuple[Search, TextStore, KnownPlacements]:
    """A run's search up to its last record, its texts, and what its records say of the archive.

    With the ``journal`` of whoever writes the run, its texts wait for what is not durable yet.  Raises as ``replay``.
    """
    first, *more = problems
    search = Search.of(config, first, parts, *more)
    texts = TextStore(run.path) if journal is None else TextStore(run.path, lambda: journal.durable_seq)
    return search, texts, replay(run, search, texts)


def read_config_and_problems(run: RunDir) -> tuple[RunConfig, tuple[Problem, ...]]:
    """What the run was made from.

    What lies in ``RUN/problem`` decides nothing here: see ``evolve.runs._recorded_problem``.

    Raises:
        RunError: it was killed before its first record.
    """
    created = read_created(run)
    return config_from_json(created.config), tuple(recorded_problem(place, info) for place, info in places(run, created))


def read_created(run: RunDir) -> RunCreated:
    """The first record of a run.

    Raises:
        RunError: it has none.
    """
    try:
        first = next(read_journal(run.path), None)
    except JournalMissing:
        first = None
    if first is None or not isinstance(first.record, RunCreated):
        if run.checkpoint.with_suffix(".json").exists():
            raise RunError(f"{run.path} has a checkpoint but no records; restore {run.path / 'journal'} from a copy.")
        raise RunError(
            f"{run.path} was killed before its first record; start it anew: evolve run ... out={shlex.quote(str(run.path))}"
        )
    return first.record
