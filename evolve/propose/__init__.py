"""Operators: they make children.  Mechanical ones need no model.

``ConstantTuner`` lists and writes numbers, ``AstEdit`` makes small typed edits, ``Crossover`` mixes two programs.  ``analyse`` and
``canonical_hash`` say which programs are the same and where they stand; ``check_scope`` says what a child may change.
"""

from importlib import import_module
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from evolve.propose._canonical import Analysis, analyse, canonical_hash
    from evolve.propose._descriptors import AST_DESCRIPTORS, static_descriptors
    from evolve.propose._model_operator import Manner, ModelDraft, ModelOperator
    from evolve.propose._operator import Files, Operator, Proposal, Scope, Task
    from evolve.propose._scope import check_scope
    from evolve.propose.mutate._ast_edit import AstEdit
    from evolve.propose.mutate._crossover import Crossover
    from evolve.propose.mutate._tune import ConstantTuner
    from evolve.propose.prompts._context import Assignment, Attempted, Cost, FailureClass, Program, Removed, TaskSheet
    from evolve.propose.prompts._prompt import as_text
    from evolve.propose.prompts._rules import rules
    from evolve.propose.prompts._statement import Statement
    from evolve.propose.prompts._templates import Templates
    from evolve.propose.prompts._text import few_lines
    from evolve.search._operators import OperatorSpec, Parent

__all__ = [
    "AST_DESCRIPTORS",
    "Analysis",
    "Assignment",
    "AstEdit",
    "Attempted",
    "ConstantTuner",
    "Cost",
    "Crossover",
    "FailureClass",
    "Files",
    "Manner",
    "ModelDraft",
    "ModelOperator",
    "Operator",
    "OperatorSpec",
    "Parent",
    "Program",
    "Proposal",
    "Removed",
    "Scope",
    "Statement",
    "Task",
    "TaskSheet",
    "Templates",
    "analyse",
    "as_text",
    "canonical_hash",
    "check_scope",
    "few_lines",
    "rules",
    "static_descriptors",
]

_HOMES = {
    "AST_DESCRIPTORS": "evolve.propose._descriptors",
    "Analysis": "evolve.propose._canonical",
    "Assignment": "evolve.propose.prompts._context",
    "AstEdit": "evolve.propose.mutate._ast_edit",
    "Attempted": "evolve.propose.prompts._context",
    "ConstantTuner": "evolve.propose.mutate._tune",
    "Cost": "evolve.propose.prompts._context",
    "Crossover": "evolve.propose.mutate._crossover",
    "FailureClass": "evolve.propose.prompts._context",
    "Files": "evolve.propose._operator",
    "Manner": "evolve.propose._model_operator",
    "ModelDraft": "evolve.propose._model_operator",
    "ModelOperator": "evolve.propose._model_operator",
    "Operator": "evolve.propose._operator",
    "OperatorSpec": "evolve.search._operators",
    "Parent": "evolve.search._operators",
    "Program": "evolve.propose.prompts._context",
    "Proposal": "evolve.propose._operator",
    "Removed": "evolve.propose.prompts._context",
    "Scope": "evolve.propose._operator",
    "Statement": "evolve.propose.prompts._statement",
    "Task": "evolve.propose._operator",
    "TaskSheet": "evolve.propose.prompts._context",
    "Templates": "evolve.propose.prompts._templates",
    "analyse": "evolve.propose._canonical",
    "as_text": "evolve.propose.prompts._prompt",
    "canonical_hash": "evolve.propose._canonical",
    "check_scope": "evolve.propose._scope",
    "few_lines": "evolve.propose.prompts._text",
    "rules": "evolve.propose.prompts._rules",
    "static_descriptors": "evolve.propose._descriptors",
}


def __getattr__(name: str) -> object:
    """Names are looked up when they are used: whoever reads a run needs the specs of operators and nothing that makes children."""
    if name not in _HOMES:
        raise AttributeError(f"module 'evolve.propose' has no attribute {name!r}")
    return getattr(import_module(_HOMES[name]), name)
