"""Operators: they make children.  Mechanical ones need no model.

``ConstantTuner`` lists and writes numbers, ``AstEdit`` makes small typed edits, ``Redraw`` takes other numbers, ``Setting`` moves
settings of a script, ``Grow`` adds a term, ``Reorder`` changes the order of a list, ``Crossover`` mixes two programs, ``Ablate``
takes one thing out.  ``analyse`` and ``canonical_hash`` say which programs are the same and where they stand; ``check_scope`` says
what a child may change.
"""

from importlib import import_module
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from evolve.propose._canonical import Analysis, analyse, canonical_hash
    from evolve.propose._descriptors import AST_DESCRIPTORS, static_descriptors
    from evolve.propose._model_operator import ModelDraft, ModelOperator, SamplingSettings
    from evolve.propose._operator import EditScope, Files, Operator, Proposal, ProposalTask
    from evolve.propose._scope import check_scope
    from evolve.propose.mutate._ablate import Ablate
    from evolve.propose.mutate._ast_edit import AstEdit
    from evolve.propose.mutate._crossover import Crossover
    from evolve.propose.mutate._grow import Grow
    from evolve.propose.mutate._redraw import Redraw
    from evolve.propose.mutate._reorder import Reorder
    from evolve.propose.mutate._setting import Setting
    from evolve.propose.mutate._tune import ConstantTuner
    from evolve.propose.prompts._context import (
        Cost,
        FailureSummary,
        PriorAttempt,
        ProblemBrief,
        ProgramView,
        ProposalContext,
        RelatedProgram,
        RemovedCode,
    )
    from evolve.propose.prompts._prompt import as_text
    from evolve.propose.prompts._rules import rules
    from evolve.propose.prompts._statement import Rationale
    from evolve.propose.prompts._templates import Templates
    from evolve.propose.prompts._text import few_lines
    from evolve.search.state._operators import OperatorSpec, Parent

__all__ = [
    "AST_DESCRIPTORS",
    "Ablate",
    "Analysis",
    "AstEdit",
    "ConstantTuner",
    "Cost",
    "Crossover",
    "EditScope",
    "FailureSummary",
    "Files",
    "Grow",
    "ModelDraft",
    "ModelOperator",
    "Operator",
    "OperatorSpec",
    "Parent",
    "PriorAttempt",
    "ProblemBrief",
    "ProgramView",
    "Proposal",
    "ProposalContext",
    "ProposalTask",
    "Rationale",
    "Redraw",
    "RelatedProgram",
    "RemovedCode",
    "Reorder",
    "SamplingSettings",
    "Setting",
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
    "Ablate": "evolve.propose.mutate._ablate",
    "Analysis": "evolve.propose._canonical",
    "ProposalContext": "evolve.propose.prompts._context",
    "RelatedProgram": "evolve.propose.prompts._context",
    "AstEdit": "evolve.propose.mutate._ast_edit",
    "PriorAttempt": "evolve.propose.prompts._context",
    "ConstantTuner": "evolve.propose.mutate._tune",
    "Cost": "evolve.propose.prompts._context",
    "Crossover": "evolve.propose.mutate._crossover",
    "Grow": "evolve.propose.mutate._grow",
    "Redraw": "evolve.propose.mutate._redraw",
    "Reorder": "evolve.propose.mutate._reorder",
    "Setting": "evolve.propose.mutate._setting",
    "FailureSummary": "evolve.propose.prompts._context",
    "Files": "evolve.propose._operator",
    "SamplingSettings": "evolve.propose._model_operator",
    "ModelDraft": "evolve.propose._model_operator",
    "ModelOperator": "evolve.propose._model_operator",
    "Operator": "evolve.propose._operator",
    "OperatorSpec": "evolve.search.state._operators",
    "Parent": "evolve.search.state._operators",
    "ProgramView": "evolve.propose.prompts._context",
    "Proposal": "evolve.propose._operator",
    "RemovedCode": "evolve.propose.prompts._context",
    "EditScope": "evolve.propose._operator",
    "Rationale": "evolve.propose.prompts._statement",
    "ProposalTask": "evolve.propose._operator",
    "ProblemBrief": "evolve.propose.prompts._context",
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
