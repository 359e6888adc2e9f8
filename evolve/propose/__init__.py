"""Operators: they make children.  Mechanical ones need no model.

``ConstantTuner`` lists and writes numbers, ``AstEdit`` makes small typed edits, ``Crossover`` mixes two programs.  ``analyse`` and
``canonical_hash`` say which programs are the same and where they stand; ``check_scope`` says what a child may change.
"""

from evolve.propose._ask_model import Manner, ModelDraft, ModelOperator
from evolve.propose._assignment import Assignment, Attempted, Cost, FailureClass, Program, Removed, TaskSheet
from evolve.propose._ast_edit import AstEdit
from evolve.propose._base import Files, Operator, Proposal, Scope, Task
from evolve.propose._canonical import Analysis, analyse, canonical_hash
from evolve.propose._crossover import Crossover
from evolve.propose._descriptors import AST_DESCRIPTORS, static_descriptors
from evolve.propose._prompt import as_text
from evolve.propose._prompt_templates import Templates
from evolve.propose._prompt_text import few_lines
from evolve.propose._rules import rules
from evolve.propose._scope import check_scope
from evolve.propose._statement import Statement
from evolve.propose._tune import ConstantTuner

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
