"""Operators: they make children.  Mechanical ones need no model.

``ConstantTuner`` lists and writes numbers, ``AstEdit`` makes small typed edits, ``Crossover`` mixes two programs.  ``analyse`` and
``canonical_hash`` say which programs are the same and where they stand; ``check_scope`` says what a child may change.
"""

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
