"""Assignments to make prompts of."""

from __future__ import annotations

from dataclasses import replace

from archive import Arm, Curve
from evolve.propose.edits._edits import Format
from evolve.propose.prompts._context import (
    Cost,
    FailureSummary,
    PriorAttempt,
    ProblemBrief,
    ProgramView,
    ProposalContext,
    RemovedCode,
)
from evolve.propose.prompts._prompt import Prompt, render
from evolve.propose.prompts._templates import Templates

WORDS = Templates.load(None)
TASK = ProblemBrief(
    problem="tiny",
    statement="`train.py` fits a line. It may cost $5 of time.",
    instructions="",
    metric="loss",
    goal="minimize",
    unit="nats",
    noisy=True,
    secondary=("steps",),
    editable=("train.py",),
    may_add_files=False,
    max_bytes=65536,
    imports=("numpy",),
    limits="20 s of CPU, 512 MiB",
    params={"n": 40},
)
PROGRAM = '''"""Fits a line."""

import numpy as np

RATE = 0.1


def step(i):
    """How far to go; a fence: ```."""
    return RATE


def fit(x, y):
    a = b = 0.0
    for i in range(400):
        error = a * x + b - y
        a -= step(i) * np.mean(error * x)
        b -= step(i) * np.mean(error)
    return a, b
'''
FIRST = ProgramView(
    id="aaaaaaaaaaaaaaaaaaaa",
    files={"train.py": PROGRAM},
    status="ok",
    score=1.25,
    sd=0.013,
    n=3,
    feedback="the loss rises after step 300",
    curve=Curve(tuple(float(x) for x in range(100)), tuple(2.0 / (x + 1) for x in range(100)), "step", "loss"),
    metrics={"steps": 400.0},
    descriptors={"size": 3.0},
    summary="Raise the rate",
    cost=Cost(wall_s=3.2, cpu_s=2.9, memory_mib=88.2),
)
SECOND = ProgramView(
    id="bbbbbbbbbbbbbbbbbbbb",
    files={"train.py": "import math\n\n\ndef step(i):\n    return 0.1 * math.exp(-i / 100)\n"},
    status="ok",
    score=1.3,
    sd=0.02,
    n=2,
    summary="Let the rate decay",
)
OTHER = ProgramView(
    id="cccccccccccccccccccc",
    files={"train.py": FIRST.files["train.py"].replace("0.1", "0.3")},
    status="ok",
    score=1.4,
    sd=0.02,
    n=1,
    summary="Three times the rate",
)
FULL = ProposalContext(
    task=TASK,
    arm=Arm("llm_mutate", "some-model", "diff"),
    parents=(FIRST,),
    inspirations=(OTHER,),
    seed_score=1.5,
    seed_sd=0.02,
    seed_n=4,
    best_score=1.25,
    best_sd=0.013,
    best_n=3,
    tried=(
        PriorAttempt(
            id="dddddddddddd",
            summary="Halve the rate",
            effect=0.08,
            sd=0.02,
            lines=("-RATE = 0.1", "+RATE = 0.05"),
            hypothesis="smaller steps settle",
            expected="0.1 better",
        ),
        PriorAttempt(id="eeeeeeeeeeee", summary="Use momentum", status="crash", reason="NameError: name 'v' is not defined"),
    ),
    removed=(RemovedCode(lines=("    clip(g)", "    warm(i)"), child="ffffffffffff", effect=-0.01, sd=0.02),),
    failures=(FailureSummary(status="timeout", count=4, reason="no result after 20 s"),),
    notes="rates above 0.5 diverge\nthe last 100 steps matter most",
    stagnant=120,
)
CROSS = replace(FULL, arm=Arm("llm_crossover", "some-model", "diff"), parents=(FIRST, SECOND))
BROKEN = replace(
    FIRST,
    id="9" * 20,
    files={"train.py": PROGRAM.replace("a = b = 0.0", "a = b = v = 0.0").replace("np.mean(error * x)", "momentum(v, error * x)")},
    status="crash",
    score=None,
    n=0,
    reason="NameError: name 'momentum' is not defined",
    feedback="",
    curve=None,
    metrics={},
    summary="Use momentum",
    hypothesis="momentum crosses the flat part",
    expected="0.1 better",
    cost=None,
)
REPAIR = replace(FULL, arm=Arm("llm_repair", "some-model", "diff"), parents=(BROKEN,), base=FIRST, removed=(), tried=())


def prompt(assignment: ProposalContext, format: Format = Format.DIFF, budget: int = 100_000) -> Prompt:
    made = render(assignment, format, WORDS, budget_tokens=budget)
    assert isinstance(made, Prompt), made
    return made


def said(made: Prompt) -> str:
    return "\n".join(block.text for block in made.user)
