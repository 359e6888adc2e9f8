"""What the search is told of the operators that ask a model: one for each template of this folder that is a request."""

from __future__ import annotations

from evolve.search.state._operators import OperatorSpec, Parent

MUTATE = OperatorSpec("llm_mutate", prior=1.0, family="model", model=True)
CROSSOVER = OperatorSpec("llm_crossover", prior=0.2, family="model", model=True, n_parents=2)
REPAIR = OperatorSpec("llm_repair", prior=0.1, family="model", model=True, parent=Parent.FAILED, prefers="diff")
SIMPLIFY = OperatorSpec("llm_simplify", prior=0.1, family="model", model=True, parent=Parent.LEADER, replaces=True)
PARADIGM = OperatorSpec("llm_paradigm", prior=0.3, family="paradigm", model=True, formats=("file",), when_stuck=True)
REQUESTS = (MUTATE, CROSSOVER, REPAIR, SIMPLIFY, PARADIGM)
