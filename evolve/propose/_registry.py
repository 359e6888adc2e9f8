"""The operators of this package, by name.  One more is a file with its spec, and a line here.

Whoever only reads a run imports this and none of the code that makes children.
"""

from __future__ import annotations

from collections.abc import Mapping
from typing import TYPE_CHECKING

from evolve.propose.mutate._specs import (
    ABLATE,
    ADOPT,
    AST_EDIT,
    CROSSOVER,
    EXTRAPOLATE,
    GROW,
    MERGE,
    MIRROR,
    REDRAW,
    REORDER,
    REVERT,
    SETTING,
    TUNE,
)
from evolve.propose.prompts._specs import REQUESTS
from evolve.search.state._operators import OperatorSpec

if TYPE_CHECKING:
    from evolve.propose._operator import Operator

REPEATS = (EXTRAPOLATE, MIRROR, MERGE, REVERT)
OPERATORS: Mapping[str, OperatorSpec] = {
    spec.name: spec for spec in (TUNE, AST_EDIT, REDRAW, GROW, REORDER, CROSSOVER, *REPEATS, ADOPT, SETTING, ABLATE, *REQUESTS)
}


def make_operator(name: str) -> Operator:
    """The operator of this name, which asks no model."""
    from evolve.propose.mutate._ablate import Ablate
    from evolve.propose.mutate._adopt import Adopt
    from evolve.propose.mutate._ast_edit import AstEdit
    from evolve.propose.mutate._crossover import Crossover
    from evolve.propose.mutate._grow import Grow
    from evolve.propose.mutate._redraw import Redraw
    from evolve.propose.mutate._reorder import Reorder
    from evolve.propose.mutate._setting import Setting
    from evolve.propose.mutate._tune import ConstantTuner

    if OPERATORS[name].repeats:
        from evolve.propose.mutate._transplant import Transplant

        return Transplant(OPERATORS[name])
    made: tuple[type[Operator], ...] = (ConstantTuner, AstEdit, Redraw, Grow, Reorder, Crossover, Adopt, Setting, Ablate)
    return next(operator for operator in made if operator.spec.name == name)()
