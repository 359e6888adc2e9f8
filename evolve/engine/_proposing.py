"""The proposers of a run, one for each of its problems."""

from __future__ import annotations

from collections.abc import Mapping, Sequence

from archive import TextStore
from evolve.config._schema import RunConfig
from evolve.engine._proposer import Proposer, Proposers
from evolve.engine.models._stack import instructions_of
from evolve.problem.contract._contract import Problem
from evolve.propose import Operator
from evolve.runs._folder import RunDir
from evolve.search._computed import computed_names
from evolve.search._search import Search


def proposers_of(
    run: RunDir,
    config: RunConfig,
    problems: Sequence[Problem],
    search: Search,
    texts: TextStore,
    operators: Mapping[str, Operator] | None = None,
) -> Proposers:
    """Who makes children, by the problem's id; without operators, who takes in what others make."""
    more, seed = computed_names(config.search), search.run.seed
    return {
        problem.id: Proposer(problem, operators or {}, texts, seed, instructions=instructions_of(run, problem), descriptors=more)
        for problem in problems
    }
