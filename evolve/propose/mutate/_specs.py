"""What the search is told of the operators in this folder."""

from __future__ import annotations

from evolve.search.state._operators import OperatorSpec, Parent

TUNE = OperatorSpec("tune", prior=0.15, family="tune", parent=Parent.TUNED)
AST_EDIT = OperatorSpec("ast_edit", prior=0.15, family="edit")
REDRAW = OperatorSpec("redraw", prior=0.3, family="edit")
SETTING = OperatorSpec("setting", prior=1.0, family="edit")
GROW = OperatorSpec("grow", prior=0.4, family="edit", must_gain=True)
REORDER = OperatorSpec("reorder", prior=0.1, family="edit", must_gain=True)
CROSSOVER = OperatorSpec("crossover", prior=0.1, family="merge", parent=Parent.AMONG_ELITES)
EXTRAPOLATE = OperatorSpec("extrapolate", family="repeat", parent=Parent.STEP, n_parents=3, prior=1.0)
MIRROR = OperatorSpec("mirror", family="repeat", parent=Parent.MIRRORED, n_parents=3, prior=0.5)
MERGE = OperatorSpec("merge", family="repeat", parent=Parent.GAINS, n_parents=3, prior=0.5)
REVERT = OperatorSpec("revert", family="repeat", parent=Parent.ANCESTORS, n_parents=3, prior=0.05)
ADOPT = OperatorSpec("adopt", family="merge", parent=Parent.RELATIVE, prior=1.0)
ABLATE = OperatorSpec("ablate", prior=0.1, family="edit", replaces=True)
