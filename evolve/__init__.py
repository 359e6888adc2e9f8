"""An open-ended evolutionary search engine for code whose quality is a measured number.

``create_run`` makes a run and ``open_run`` opens one that is there; a ``Run`` is driven, asked, told and read.  ``load_problem``,
``measure`` and ``validate`` need no run.  ``evolve.models`` says which language models are asked, ``evolve.speedrun`` re-checks
records of the NanoGPT speedrun, ``evolve.testing`` holds suites for parts of your own, and the package ``archive`` reads journals.
"""

from importlib import import_module
from typing import TYPE_CHECKING

from evolve._version import __version__

if TYPE_CHECKING:
    from archive import Measurement, Status
    from evolve._errors import EvolveError
    from evolve.config._schema import BudgetConfig as Budget
    from evolve.engine.api._arguments import load_problem
    from evolve.engine.api._create import create_run, open_run
    from evolve.engine.api._executors import RayExecutor
    from evolve.engine.api._run import Run
    from evolve.engine.registry._own_operators import GivenOperator as Operator
    from evolve.evaluate import Array, JsonValue, Outcome, Trial
    from evolve.execute import LocalExecutor
    from evolve.problem.contract._contract import Problem
    from evolve.propose import Proposal
    from evolve.validation._measure import measure
    from evolve.validation._validate import validate
    from evolve.views.candidate._candidate import Candidate

__all__ = [
    "Array",
    "Budget",
    "Candidate",
    "EvolveError",
    "JsonValue",
    "LocalExecutor",
    "Measurement",
    "Operator",
    "Outcome",
    "Problem",
    "Proposal",
    "RayExecutor",
    "Run",
    "Status",
    "Trial",
    "__version__",
    "create_run",
    "load_problem",
    "measure",
    "open_run",
    "validate",
]

_HOMES = {
    "Array": "evolve.evaluate:Array",
    "Budget": "evolve.config._schema:BudgetConfig",
    "Candidate": "evolve.views.candidate._candidate:Candidate",
    "EvolveError": "evolve._errors:EvolveError",
    "JsonValue": "evolve.evaluate:JsonValue",
    "LocalExecutor": "evolve.execute:LocalExecutor",
    "Measurement": "archive:Measurement",
    "Operator": "evolve.engine.registry._own_operators:GivenOperator",
    "Outcome": "evolve.evaluate:Outcome",
    "Problem": "evolve.problem.contract._contract:Problem",
    "Proposal": "evolve.propose:Proposal",
    "RayExecutor": "evolve.engine.api._executors:RayExecutor",
    "Run": "evolve.engine.api._run:Run",
    "Status": "archive:Status",
    "Trial": "evolve.evaluate:Trial",
    "create_run": "evolve.engine.api._create:create_run",
    "load_problem": "evolve.engine.api._arguments:load_problem",
    "measure": "evolve.validation._measure:measure",
    "open_run": "evolve.engine.api._create:open_run",
    "validate": "evolve.validation._validate:validate",
}
_ROOMS = ("models", "speedrun", "testing")  # that are public too


def __getattr__(name: str) -> object:
    """Names are looked up when they are used: every command imports this package first, and few need an evaluator's world."""
    if name in _ROOMS:
        return import_module(f"evolve.{name}")
    if name not in _HOMES:
        raise AttributeError(f"module 'evolve' has no attribute {name!r}")
    home, _, known_as = _HOMES[name].partition(":")
    return getattr(import_module(home), known_as)


def __dir__() -> list[str]:
    return sorted({*__all__, *_ROOMS})
