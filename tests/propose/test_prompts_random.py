"""What holds for every prompt, whatever the programs and the budget."""

from __future__ import annotations

import re
from dataclasses import replace

from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st
from prompt_samples import TASK

from archive import Arm, Curve
from evolve.propose.edits._edits import Format
from evolve.propose.prompts._context import FailureSummary, PriorAttempt, ProgramView, ProposalContext, RemovedCode
from evolve.propose.prompts._prompt import Prompt, PromptTooLong, render
from evolve.propose.prompts._task import system_text
from evolve.propose.prompts._templates import OPERATORS, Templates
from evolve.propose.prompts._text import n_bytes, n_tokens

WORDS = Templates.load(None)
SYSTEMS = {format: system_text(TASK, WORDS, format) for format in Format}
LEAST = min(n_tokens(n_bytes(text)) for text in SYSTEMS.values())
MARK = re.compile(r"^DATA-[0-9a-f]{24}$", re.M)

ODD = st.sampled_from(
    ["```", "\n", "\r\n", "$metric", "DATA-", "# What to do now", "\x1b[31m", "é", "x = 1\n", "=======", " " * 9, "\0"]
)
TEXT = st.lists(ODD | st.text(st.characters(exclude_categories=["Cs"]), max_size=20), max_size=12).map("".join)
EVIL = TEXT.map(lambda text: f"EVIL{text}" if text else "")
NUMBER = st.floats(allow_nan=True, allow_infinity=True)
SCORE = st.none() | NUMBER
CURVE = st.none() | st.builds(Curve, st.lists(NUMBER, max_size=30).map(tuple), st.lists(NUMBER, max_size=30).map(tuple), EVIL, EVIL)


def programs(first: bool = False) -> st.SearchStrategy[ProgramView]:
    code = EVIL.map(lambda text: f"# THE PARENT EVIL\n{text}\ny = 2\n") if first else EVIL
    files = st.dictionaries(st.sampled_from(["train.py", "b.txt", "c d.py"]), code, min_size=int(first), max_size=1 if first else 3)
    return st.builds(
        ProgramView,
        id=st.text("0123456789abcdef", min_size=1, max_size=20),
        files=files,
        status=st.sampled_from(["", "ok", "crash"]),
        score=SCORE,
        sd=NUMBER,
        n=st.integers(0, 9),
        reason=EVIL,
        feedback=EVIL,
        curve=CURVE,
        metrics=st.dictionaries(EVIL, NUMBER, max_size=3),
        descriptors=st.dictionaries(EVIL, NUMBER, max_size=3),
        summary=EVIL,
        hypothesis=EVIL,
        expected=EVIL,
        effect=SCORE,
        effect_sd=NUMBER,
    )


ASSIGNMENTS = st.builds(
    ProposalContext,
    task=st.just(TASK),
    arm=st.builds(Arm, st.sampled_from(OPERATORS)),
    parents=st.tuples(programs(first=True), programs()),
    inspirations=st.lists(programs(), max_size=3).map(tuple),
    seed_score=SCORE,
    best_score=SCORE,
    best_sd=NUMBER,
    tried=st.lists(
        st.builds(
            PriorAttempt,
            id=EVIL,
            summary=EVIL,
            effect=SCORE,
            sd=NUMBER,
            status=st.just("crash"),
            reason=EVIL,
            lines=st.lists(EVIL.map("+".__add__), max_size=2).map(tuple),
            hypothesis=EVIL,
            expected=EVIL,
        ),
        max_size=3,
    ).map(tuple),
    removed=st.lists(
        st.builds(RemovedCode, lines=st.lists(EVIL, max_size=3).map(tuple), child=EVIL, effect=SCORE, sd=NUMBER), max_size=2
    ).map(tuple),
    failures=st.lists(st.builds(FailureSummary, status=st.just("timeout"), count=st.integers(1, 99), reason=EVIL), max_size=2).map(
        tuple
    ),
    notes=EVIL,
    stagnant=st.integers(0, 999),
)


@settings(deadline=None, max_examples=25, suppress_health_check=[HealthCheck.too_slow])
@given(ASSIGNMENTS, st.sampled_from(Format), st.integers(0, 1500))
def test_every_prompt_keeps_to_its_budget(assignment: ProposalContext, format: Format, room: int) -> None:
    budget = LEAST + room
    made = render(assignment, format, WORDS, budget_tokens=budget)
    assert made == render(assignment, format, WORDS, budget_tokens=budget)
    if isinstance(made, PromptTooLong):
        assert made.n_tokens > budget
        made = render(assignment, format, WORDS, budget_tokens=made.n_tokens)
        assert isinstance(made, Prompt)
        budget = made.n_tokens
    blocks = (*made.system, *made.user)
    assert made.n_tokens == n_tokens(sum(n_bytes(block.text) for block in blocks)) <= budget
    (text,) = assignment.parents[0].files.values()
    assert sum(block.text.count(text) for block in blocks) == 1
    assert made.system[0].text == SYSTEMS[format]
    other = replace(assignment, notes="other", parents=(assignment.parents[0], assignment.parents[0]))
    again = render(other, format, WORDS, budget_tokens=10**6)
    assert isinstance(again, Prompt)
    assert again.system == made.system
    for block in made.user:
        assert block.text.strip()
        if mark := MARK.search(block.text):
            outside = re.split(f"^{mark[0]}$", block.text, flags=re.M)[::2]
            assert "EVIL" not in "".join(outside)
        else:
            assert "EVIL" not in block.text
