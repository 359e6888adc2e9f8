"""What the search is told of the operators in this folder."""

from __future__ import annotations

from evolve.search.state._operators import OperatorSpec, Parent

TUNE = OperatorSpec("tune", family="tune", parent=Parent.TUNED)
AST_EDIT = OperatorSpec("ast_edit", family="edit")
CROSSOVER = OperatorSpec("crossover", family="merge", parent=Parent.AMONG_ELITES)
